//! The configured servers that a matrix case requests.

use crate::{
    cases::{
        axis::{Credentials, ServerKind},
        behaviour::Behaviours,
        deployment::names,
        matrix_case::MatrixCase,
    },
    catalogue::ProtocolVersion,
};

/// Index of the server that a tool call to an aggregate endpoint addresses: the middle one.
const TARGET_SERVER: usize = 1;

/// The configured server that a matrix case requests; for an aggregate endpoint, the target of a
/// tool call.
///
/// A case whose token carries no script needs its forwarding server exclusively. Such cases are
/// distributed over several servers by method, so that they wait less for each other.
#[must_use]
pub fn server_of(matrix_case: &MatrixCase) -> &'static str {
    match matrix_case.server {
        ServerKind::Forwarding => forwarding_server_of(matrix_case),
        ServerKind::Static => names::STATIC,
        ServerKind::ClientCredentials => names::MINTED,
        ServerKind::Open => names::OPEN,
        ServerKind::NotPermitted => names::RESTRICTED,
        ServerKind::Unknown => names::UNKNOWN,
        ServerKind::Aggregate => names::AGGREGATE[TARGET_SERVER],
    }
}

fn forwarding_server_of(matrix_case: &MatrixCase) -> &'static str {
    let dedicated_server = Behaviours::embedded()
        .find(&matrix_case.upstream)
        .and_then(|behaviour| behaviour.server());
    if let Some(server) = dedicated_server {
        return server;
    }
    if matrix_case.protocol_version == ProtocolVersion::V2026_07_28 {
        return names::STATELESS;
    }
    let index = match matrix_case.credentials {
        Credentials::KeyAndToken => 0,
        _ => matrix_case.method as usize,
    };
    names::FORWARDING[index % names::FORWARDING.len()]
}

/// The servers that a matrix case requests, each with its mock behaviour.
#[must_use]
pub fn behaviours_of(matrix_case: &MatrixCase) -> Vec<(&'static str, &str)> {
    match matrix_case.server {
        ServerKind::Aggregate => names::AGGREGATE.into_iter().zip(matrix_case.mix()).collect(),
        _ => vec![(server_of(matrix_case), &matrix_case.upstream)],
    }
}
