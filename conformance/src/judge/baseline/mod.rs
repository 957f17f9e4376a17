//! Baselines: the failures that are expected of an implementation.
//!
//! A failure without an entry is unexpected. An entry whose failure no longer occurs is stale. A
//! baseline decides whether a run has the expected result; it does not hide failures from reports.
//!
//! | module | contents |
//! | --- | --- |
//! | `entry` | [`ExpectedFailure`] and [`ExpectedDamage`]: the entries |
//! | `assessment` | [`Assessment`]: how a run compares with a baseline |
//! | `origin` | [`Origin`]: where a baseline comes from |
//! | `conclusion` | [`Conclusion`]: what the comparison of a run with its baseline amounts to |
//! | `update` | [`updated`]: the text of a baseline, brought in line with a run |
//! | `covering` | few patterns for many cases |

mod assessment;
mod conclusion;
mod covering;
mod entry;
mod origin;
mod update;

use serde::Deserialize;

pub use self::{
    assessment::Assessment,
    conclusion::Conclusion,
    entry::{Entry, ExpectedDamage, ExpectedFailure},
    origin::Origin,
    update::updated,
};
use crate::{implementations::Implementation, judge::Verdict};

/// The failures that are expected of an implementation.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Baseline {
    /// The failures of requirements.
    #[serde(default)]
    pub expected_failure: Vec<ExpectedFailure>,
    /// The cases after which the implementation no longer works.
    #[serde(default)]
    pub expected_damage: Vec<ExpectedDamage>,
    /// Where it comes from.
    #[serde(skip)]
    pub origin: Origin,
}

/// The `baseline.toml` of an implementation does not parse.
#[derive(Debug, thiserror::Error)]
#[error("baseline.toml of {name}: {source}")]
pub struct BaselineError {
    /// The name of the implementation.
    name: String,
    /// What the parser found.
    source: Box<toml::de::Error>,
}

impl Baseline {
    /// The baseline of an implementation; empty if it has none.
    pub fn of(implementation: &Implementation) -> Result<Self, BaselineError> {
        implementation.baseline.as_deref().map_or_else(
            || Ok(Self::default()),
            |text| {
                let baseline = Self::parse(text).map_err(|source| BaselineError {
                    name: implementation.name.clone(),
                    source: Box::new(source),
                })?;
                let origin = Origin::Description(implementation.name.clone());
                Ok(Self { origin, ..baseline })
            },
        )
    }

    /// Reads a `baseline.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

/// Whether a finding with this verdict can show that a failure no longer occurs.
const fn shows_absence(verdict: Verdict) -> bool {
    match verdict {
        Verdict::NotApplicable
        | Verdict::Skip
        | Verdict::Inconclusive
        | Verdict::Untestable
        | Verdict::Error => false,
        Verdict::Pass | Verdict::Info | Verdict::NonStrict | Verdict::Warn | Verdict::Fail => true,
    }
}

#[cfg(test)]
mod tests;
