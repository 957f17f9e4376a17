//! The smoke test: healthy calls that show whether an implementation is described correctly.
//!
//! It judges no requirement. The verdicts of a run are meaningful only if the smoke test passes.
//!
//! | module | contents |
//! | --- | --- |
//! | this one | the calls, and what is expected of each |
//! | `diagnosis` | [`diagnose`]: what happened instead, and what to change in the description |

mod diagnosis;
#[cfg(test)]
mod tests;

pub use self::diagnosis::{Diagnosis, diagnose};
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start},
        deployment::names,
        matrix::server_of,
        matrix_case::MatrixCase,
    },
    catalogue::{Feature, ProtocolVersion},
    implementations::Implementation,
};

/// The calls of the smoke test for one start: each kind of server, each route, each declared
/// feature.
#[must_use]
pub fn calls(implementation: &Implementation, start: Start) -> Vec<MatrixCase> {
    let first_route = implementation.routes.first().cloned().unwrap_or_default();
    let call = |credentials, server, method, route: &str| MatrixCase {
        credentials,
        server,
        upstream: "200-json".to_owned(),
        method,
        route: route.to_owned(),
        strategy: start.strategy,
        profile: start.profile,
        protocol_version: ProtocolVersion::default(),
    };
    let usual = Credentials::KeyAndToken;
    let mut calls = vec![call(usual, ServerKind::Forwarding, Method::Initialize, &first_route)];
    let aggregate_routes: &[String] = implementation
        .aggregate
        .as_ref()
        .map_or(&[], |aggregate| aggregate.routes.as_slice());
    for route in &implementation.routes {
        if aggregate_routes.contains(route) {
            calls.push(MatrixCase {
                upstream: ["200-json"; names::AGGREGATE.len()].join(","),
                ..call(usual, ServerKind::Aggregate, Method::ToolsList, route)
            });
        } else {
            calls.push(call(usual, ServerKind::Forwarding, Method::ToolsList, route));
        }
    }
    for (credentials, server, method) in [
        (usual, ServerKind::Forwarding, Method::ToolsCall),
        (usual, ServerKind::Open, Method::ToolsList),
        (Credentials::WrongKeyAndToken, ServerKind::Forwarding, Method::ToolsList),
    ] {
        calls.push(call(credentials, server, method, &first_route));
    }
    for (feature, credentials, server, method) in [
        (Feature::StaticCredential, usual, ServerKind::Static, Method::ToolsList),
        (
            Feature::ClientCredentials,
            usual,
            ServerKind::ClientCredentials,
            Method::ToolsList,
        ),
        (Feature::LimitedKeys, usual, ServerKind::NotPermitted, Method::ToolsList),
        (
            Feature::KeyInAuthorization,
            Credentials::KeyInAuthorization,
            ServerKind::Open,
            Method::ToolsList,
        ),
        (Feature::ListeningStream, usual, ServerKind::Forwarding, Method::Get),
        (Feature::SessionEnd, usual, ServerKind::Forwarding, Method::Delete),
    ] {
        if implementation.features.contains(&feature) {
            calls.push(call(credentials, server, method, &first_route));
        }
    }
    calls
}

/// A sentence that says what is expected of a call.
#[must_use]
pub fn expectation(call: &MatrixCase) -> String {
    let request = match call.method {
        Method::Initialize => "initialize",
        Method::ToolsList => "tools/list",
        Method::ToolsCall => "tools/call",
        Method::Notification => "a notification",
        Method::Get => "GET (listening stream)",
        Method::Delete => "DELETE (end of the session)",
        Method::Discover => "server/discover",
        Method::Listen => "subscriptions/listen",
        Method::ResourcesRead => "resources/read",
        Method::PromptsGet => "prompts/get",
    };
    let path = call
        .route
        .replace("{server}", server_of(call))
        .replace("{servers}", &names::AGGREGATE.join(","))
        .replace("{toolset}", names::TRIO);
    match (call.credentials, call.server) {
        (Credentials::WrongKeyAndToken, _) => {
            format!("{request} at {path} with an unknown gateway key is rejected")
        }
        (_, ServerKind::NotPermitted) => {
            format!("{request} at {path}, which the limited key may not use, is rejected")
        }
        (Credentials::KeyInAuthorization, _) => {
            format!("{request} at {path} with the gateway key in Authorization succeeds")
        }
        (_, ServerKind::Static) => {
            format!("{request} at {path} reaches the upstream with the static token")
        }
        (_, ServerKind::ClientCredentials) => {
            format!("{request} at {path} reaches the upstream with a minted token")
        }
        (_, ServerKind::Open) => {
            format!("{request} at {path} reaches the upstream without a credential")
        }
        (_, ServerKind::Aggregate) => format!("{request} at {path} reaches every selected server"),
        (_, ServerKind::Forwarding | ServerKind::Unknown) => {
            format!("{request} at {path} reaches the upstream with the caller's token")
        }
    }
}
