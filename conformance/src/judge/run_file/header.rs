//! The header of a run file, and the fingerprint of the data that verdicts depend on.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::FORMAT;
use crate::{
    cases::{axis::Strategy, rule, scenario},
    catalogue::{self, GatewayKind, Profile, ProtocolVersion},
    implementations::Implementation,
};

/// The fingerprint of the data that verdicts depend on: the catalogue, the axes, the mock
/// behaviours, the rules, the scenarios and the disclosure table.
#[must_use]
pub fn fingerprint() -> String {
    let mut hash = Sha256::new();
    hash.update(include_str!("../../../cases/axes.toml"));
    hash.update(include_str!("../../../upstreams.toml"));
    hash.update(include_str!("../../../disclosure.toml"));
    for (_, text) in catalogue::FILES.iter().chain(rule::FILES).chain(scenario::FILES) {
        hash.update(text);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The header of a run file: what was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The [`FORMAT`] of the writer.
    pub format: u32,
    /// The suite's version.
    pub suite: String,
    /// The [`fingerprint`] of the writer.
    pub catalogue: String,
    /// The implementation, as the command line names it.
    pub implementation: String,
    /// The version of the implementation; empty if it is unknown.
    pub version: String,
    /// The kind of gateway, if the implementation is described by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<GatewayKind>,
    /// The protocol versions that clients may use; empty in files that do not record them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocol_versions: Vec<ProtocolVersion>,
    /// Whether it is the reference gateway, which must meet recommended requirements too.
    pub ours: bool,
    /// The random seed from which secrets, tokens and canary values are derived.
    pub random_seed: u64,
    /// The profiles with which it was started, in order.
    pub profiles: Vec<Profile>,
    /// The strategies with which it was started in each profile, in order.
    pub strategies: Vec<Strategy>,
    /// Where it expects the gateway key and the upstream token, for people.
    pub credential_layout: String,
    /// The filters of the run, as options of the command line; empty if everything was selected.
    pub filters: Vec<String>,
    /// The numbers of cases that are not part of the run.
    #[serde(default)]
    pub left_out: CasesLeftOut,
}

/// The numbers of cases that are not part of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CasesLeftOut {
    /// The cases that the filters of the command line exclude.
    pub by_filters: usize,
    /// The combinations of values that the matrix leaves out, because other cases give the same
    /// evidence.
    pub by_matrix: usize,
}

impl Header {
    /// The header of a run of this implementation.
    #[must_use]
    pub fn new(implementation: &Implementation, random_seed: u64, filters: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            catalogue: fingerprint(),
            implementation: implementation.name.clone(),
            version: implementation.version.clone(),
            kind: implementation.gateway_kind,
            protocol_versions: implementation.protocol_versions.clone(),
            ours: implementation.ours,
            random_seed,
            profiles: implementation.profiles.clone(),
            strategies: implementation.strategies.clone(),
            credential_layout: implementation.credential_layout_in_words(),
            filters,
            left_out: CasesLeftOut::default(),
        }
    }
}
