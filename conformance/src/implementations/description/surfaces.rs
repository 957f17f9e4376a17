//! Limits, metrics and audit log of an implementation.

use serde::{Deserialize, Serialize};

use crate::catalogue::Feature;

/// What the suite can test or read in addition to the MCP endpoints. Each value declares a feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Surfaces {
    /// The longest message that the implementation accepts, in bytes.
    pub message_bytes: Option<usize>,
    /// The URL of the metrics in Prometheus' text format, as a template.
    pub metrics: Option<String>,
    /// What a log line about a request contains.
    pub audit: Option<Audit>,
}

/// What a log line about a request contains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Audit {
    /// The response header field whose value is also in the log line.
    pub request_id: String,
    /// The name of the caller with the limited key.
    pub caller: String,
    /// The text that the line contains if a credential was removed from the request.
    pub stripped: String,
}

impl Surfaces {
    /// The features that the values declare.
    pub(super) fn features(&self) -> Vec<Feature> {
        let mut features = Vec::new();
        if self.message_bytes.is_some() {
            features.push(Feature::MessageLimit);
        }
        if self.metrics.is_some() {
            features.push(Feature::Metrics);
        }
        if self.audit.is_some() {
            features.push(Feature::Audit);
        }
        features
    }
}
