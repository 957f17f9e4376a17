//! The defects of the model gateway, by theme: `builtin:defect/NAME`.
//!
//! Each is one unit: its description, the requirements that the suite must report for it, and the
//! code of the deviation.

use std::sync::LazyLock;

use super::decisions::{Choices, Decisions};
use crate::catalogue::Profile;

mod admission;
mod aggregate;
mod challenge;
mod credentials;
mod discovery;
mod observability;
mod probe;
mod refusal;
mod stateless;
mod streaming;
mod transport;
mod upstream_response;

/// Every theme, in the order in which lists show them.
const THEMES: [&[Defect]; 12] = [
    refusal::DEFECTS,
    challenge::DEFECTS,
    discovery::DEFECTS,
    credentials::DEFECTS,
    admission::DEFECTS,
    transport::DEFECTS,
    probe::DEFECTS,
    upstream_response::DEFECTS,
    streaming::DEFECTS,
    stateless::DEFECTS,
    aggregate::DEFECTS,
    observability::DEFECTS,
];

/// One deliberate error of the model gateway.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// The name after `builtin:defect/`.
    pub name: &'static str,
    /// What the gateway does wrong, in one sentence.
    pub description: &'static str,
    /// Where users reported it; empty for an error that was not seen in another gateway.
    pub reported_in: &'static [&'static str],
    /// The profiles in which the defect has an effect.
    pub profiles: &'static [Profile],
    /// The requirements that the suite must report as failed: these and no others.
    pub fails: &'static [&'static str],
    /// Changes the decisions that are wrong.
    pub(super) deviation: fn(&mut Choices),
}

static ALL: LazyLock<Vec<Defect>> = LazyLock::new(|| THEMES.concat());

impl Defect {
    /// Every defect, theme by theme.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The defect with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|defect| defect.name == name)
    }

    /// The decisions of a gateway with this defect.
    #[must_use]
    pub fn decisions(&self) -> Decisions {
        Decisions::deviating(self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_defect_has_its_own_name() {
        let names: BTreeSet<&str> = Defect::all().iter().map(|defect| defect.name).collect();
        assert_eq!(names.len(), Defect::all().len());
    }

    #[test]
    fn every_defect_fails_a_requirement_in_some_profile() {
        for defect in Defect::all() {
            assert!(!defect.fails.is_empty(), "{} fails no requirement", defect.name);
            assert!(!defect.profiles.is_empty(), "{} runs in no profile", defect.name);
        }
    }
}
