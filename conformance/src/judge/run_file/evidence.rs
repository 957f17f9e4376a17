//! What a case was judged in the light of, beside its trace: kept, so that it can be judged again without the implementation.
//!
//! Plain data; which of it a rule looks at is the observables' business.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    cases::deployment::Deployment,
    catalogue::Profile,
    implementations::Surfaces,
    judge::subject::{Context, Deadlines, Metrics},
};

/// What every case of a run was judged in the light of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// What the implementation was configured with.
    pub deployment: Deployment,
    /// The header that carries the gateway key, in lower case.
    pub key_header: String,
    /// The header that carries the upstream token, in lower case.
    pub token_header: String,
    /// What stands between the name of a server and that of its tool, where several servers are served at once.
    #[serde(default)]
    pub name_separator: String,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// What the implementation declares that it can do, by name.
    pub features: BTreeSet<String>,
    /// What else of it can be met or read.
    #[serde(default)]
    pub surfaces: Surfaces,
}

impl Setup {
    /// The context in which a case was judged, made anew.
    #[must_use]
    pub fn context(&self, gateway: &str, evidence: &Evidence) -> Context {
        let Self {
            deployment,
            key_header,
            token_header,
            name_separator,
            deadlines,
            features,
            surfaces,
        } = self.clone();
        let Evidence { profile, control, settled, output, refused, metrics } = evidence.clone();
        let (base_url, deployment) = (gateway.to_owned(), Arc::new(deployment));
        Context {
            base_url,
            deployment,
            key_header,
            token_header,
            name_separator,
            deadlines,
            features,
            profile,
            control,
            settled,
            output,
            refused,
            metrics,
            surfaces,
        }
    }
}

/// What was known of one case beside its trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The set of behaviours that the implementation was started with.
    pub profile: Profile,
    /// Whether the positive control passed.
    pub control: bool,
    /// Whether everything upstream had come to its end shortly after the answer; `None` where nobody looked.
    pub settled: Option<bool>,
    /// What the implementation wrote to its outputs in the meantime.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Whether the implementation refused to start as the case has it configured.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Its metrics before the case and after it, where they were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            profile: Profile::Seed,
            control: true,
            settled: Some(true),
            output: String::new(),
            refused: false,
            metrics: None,
        }
    }
}

impl Evidence {
    /// Whether it is as it nearly always is; a line does not repeat that.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What a context knows of one case.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        let Context { profile, control, settled, output, refused, metrics, .. } = context;
        Self {
            profile: *profile,
            control: *control,
            settled: *settled,
            output: output.clone(),
            refused: *refused,
            metrics: metrics.clone(),
        }
    }
}
