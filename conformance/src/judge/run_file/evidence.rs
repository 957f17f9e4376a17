//! What was known about a run and about a case beside the traces.
//!
//! It is recorded so that a run can be rejudged without the implementation.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    cases::deployment::Deployment,
    catalogue::{GatewayKind, GatewayTraits, Profile},
    implementations::Surfaces,
    judge::subject::{Context, Deadlines, Metrics},
};

/// What was known about a whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// What the implementation was configured with.
    pub deployment: Deployment,
    /// The header field of the gateway key, in lower case.
    pub key_header: String,
    /// The header field of the upstream token, in lower case.
    pub token_header: String,
    /// The text between server and tool name on aggregate endpoints.
    #[serde(default)]
    pub name_separator: String,
    /// The time limits of the implementation.
    pub deadlines: Deadlines,
    /// The features that the implementation declares, by name.
    pub features: BTreeSet<String>,
    /// The kind of gateway, if the implementation is described by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_kind: Option<GatewayKind>,
    /// Further interfaces of the implementation.
    #[serde(default)]
    pub surfaces: Surfaces,
}

impl Setup {
    /// What decides which requirements bind the gateway.
    #[must_use]
    pub fn gateway_traits(&self) -> GatewayTraits {
        GatewayTraits::declared(self.gateway_kind, self.features.clone())
    }

    /// The context in which a case was judged.
    #[must_use]
    pub fn context(&self, gateway: &str, evidence: &Evidence) -> Context {
        let Self {
            deployment,
            key_header,
            token_header,
            name_separator,
            deadlines,
            features,
            gateway_kind,
            surfaces,
        } = self.clone();
        let Evidence {
            profile,
            control,
            settled,
            output,
            refused,
            metrics,
            no_evidence,
        } = evidence.clone();
        let (base_url, deployment) = (gateway.to_owned(), Arc::new(deployment));
        Context {
            base_url,
            deployment,
            key_header,
            token_header,
            name_separator,
            deadlines,
            features,
            gateway_kind,
            profile,
            control,
            settled,
            output,
            refused,
            metrics,
            no_evidence,
            surfaces,
        }
    }
}

/// What was known about one case beside its trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The profile that the implementation was started with.
    pub profile: Profile,
    /// Whether the positive control passed.
    pub control: bool,
    /// Whether every upstream request had ended shortly after the response; `None` if it was not
    /// checked.
    pub settled: Option<bool>,
    /// What the implementation wrote to its outputs during the case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Whether the implementation refused to start with the configuration of the case.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// The metrics before and after the case, if they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Why the case proves nothing: the client has no session although the case needs one, or the
    /// time limit of the run was reached. The trace then contains the exchanges that failed.
    #[serde(alias = "unopened_session", skip_serializing_if = "Option::is_none")]
    pub no_evidence: Option<String>,
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
            no_evidence: None,
        }
    }
}

impl Evidence {
    /// Whether it has the usual values. A run file leaves it out then.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The evidence of one case in a context.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        let Context {
            profile,
            control,
            settled,
            output,
            refused,
            metrics,
            no_evidence,
            ..
        } = context;
        Self {
            profile: *profile,
            control: *control,
            settled: *settled,
            output: output.clone(),
            refused: *refused,
            metrics: metrics.clone(),
            no_evidence: no_evidence.clone(),
        }
    }
}
