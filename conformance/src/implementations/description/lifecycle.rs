//! How an implementation is installed, configured, started, checked for readiness and stopped.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::validation;

/// How long responses may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Deadlines {
    /// How long the implementation waits for the upstream's response to a token, in milliseconds.
    pub probe_ms: u64,
    /// How long the suite waits for a response before the request counts as hung, in milliseconds.
    ///
    /// It must be longer than all deadlines of the implementation together.
    pub answer_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { probe_ms: 5_000, answer_ms: 15_000 }
    }
}

/// How an implementation is installed.
///
/// Its hash names the install in the cache, so a changed version causes a new install.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Install {
    /// The folder beside this one whose install is used instead of `files` and `steps`.
    ///
    /// Several descriptions of one version, each with another configuration, share one install.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Files of the folder that are copied into `{{ install }}` before the first step.
    pub files: Vec<String>,
    /// Commands that run one after another, without a shell, in `{{ install }}`.
    pub steps: Vec<Vec<String>>,
    /// How long all steps together may take, in seconds.
    pub within_s: Option<u64>,
}

impl Install {
    /// How long all steps together may take; 15 minutes unless `within-s` is given.
    #[must_use]
    pub fn within(&self) -> Duration {
        Duration::from_secs(self.within_s.unwrap_or(900))
    }
}

/// A file that is rendered from a template of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TemplateFile {
    /// The name of the template in the folder.
    pub template: String,
    /// The name of the rendered file in `{{ run }}`.
    pub to: String,
}

/// How an implementation is started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StartCommand {
    /// The program and its arguments, which run without a shell in `{{ run }}`.
    #[serde(deserialize_with = "validation::command")]
    pub command: Vec<String>,
    /// Environment variables in addition to `PATH`, `HOME` (= `{{ run }}`), `LANG` and `TMPDIR`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whether the implementation sends upstream requests that belong to no client request.
    #[serde(default)]
    pub leading_requests: bool,
}

/// How the suite finds out that an implementation is ready.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadinessCheck {
    /// The path of the GET request that is repeated until the implementation is ready.
    #[serde(deserialize_with = "validation::path")]
    pub path: String,
    /// The status that means ready.
    #[serde(default = "default_status")]
    pub status: u16,
    /// A text that the log must contain as well, for a gateway that answers before it is ready.
    pub output: Option<String>,
    /// How long the start may take, in seconds.
    #[serde(default = "default_start_time")]
    pub within_s: u64,
}

/// How an implementation is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StopPolicy {
    /// The time between SIGTERM and SIGKILL, in seconds.
    pub grace_s: u64,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { grace_s: 5 }
    }
}

fn default_status() -> u16 {
    200
}

fn default_start_time() -> u64 {
    60
}
