//! Defines expectations: what a rule or scenario expects of a case, and which requirements that
//! judges.
//!
//! It does not know the observables. The judge checks that an observable and its values exist.

use indexmap::IndexMap;
use serde::Deserialize;

use crate::{
    cases::pattern::Pattern,
    catalogue::{Catalogue, Condition, Feature, Level, Profile, Requirement, Status},
};

/// Names of observables and their accepted values.
pub type Accepted = IndexMap<String, Pattern>;

/// What is expected of a case, and which requirements that judges.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// The requirements that pass if `expect` is observed and fail otherwise.
    pub requires: Vec<String>,
    /// The level of the part of the statement that is judged. The default is the level of the
    /// requirement; another one must be its `weaker-level`.
    pub level: Option<Level>,
    /// Preconditions: observables and their values. If one differs, nothing is judged.
    #[serde(default)]
    pub given: Accepted,
    /// The expected values of observables.
    pub expect: Accepted,
    /// Values that are tolerated: they give the verdict `non-strict` instead of `fail`.
    #[serde(default)]
    pub non_strict: Accepted,
    /// Evidence that must exist; without it the verdict is `untestable`.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The features that an implementation must declare; otherwise the verdict is `skip`.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// The profiles in which it is judged. The default is every profile with which the case runs.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// The gateways that it judges, as in `core-for` of a requirement. The default is every gateway
    /// that the requirement binds.
    #[serde(default)]
    pub only_for: Vec<Condition>,
}

/// Evidence without which an observation proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// The requested server received a request of this case. A gateway that answers from its own
    /// catalogue proves nothing.
    Upstream,
    /// The gateway did not answer the message itself. A gateway that declares `preflight-probe`
    /// tests the token of every message, so it always meets the condition. Any other gateway may
    /// answer `initialize`, `server/discover`, `tools/list`, `subscriptions/listen`, notifications,
    /// GET and DELETE without a request to the server, which then has refused nothing.
    Forwarding,
}

impl Expectation {
    /// Checks that every cited requirement exists and is judged.
    ///
    /// # Errors
    ///
    /// The first mistake, in words that follow the name of the rule or scenario.
    pub fn check(&self) -> Result<(), String> {
        if self.requires.is_empty() || self.expect.is_empty() {
            return Err("has an empty `requires` or `expect`".to_owned());
        }
        for id in &self.requires {
            match Catalogue::embedded().get(id).map(Requirement::status) {
                Some(Status::Covered) => self.check_level(id)?,
                Some(_) => {
                    return Err(format!("cites {id}, which the catalogue says is not judged"));
                }
                None => return Err(format!("cites {id}, which the catalogue does not have")),
            }
        }
        match self.non_strict.keys().find(|name| !self.expect.contains_key(*name)) {
            Some(name) => Err(format!("has `{name}` in `non-strict`, but not in `expect`")),
            None => Ok(()),
        }
    }

    fn check_level(&self, id: &str) -> Result<(), String> {
        let weaker = Catalogue::embedded().get(id).and_then(|found| found.weaker_level);
        match self.level {
            Some(level) if Some(level) != weaker => {
                Err(format!("has the level {level}, which is not the `weaker-level` of {id}"))
            }
            _ => Ok(()),
        }
    }
}
