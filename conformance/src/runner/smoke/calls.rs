//! The calls of the smoke test, and what is expected of each.

use super::way::main_server;
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

/// The calls for one start: each kind of server, each route, each declared feature that a call
/// shows.
///
/// The first one is a `tools/call`, which no gateway answers from a store.
#[must_use]
pub fn calls(implementation: &Implementation, start: Start) -> Vec<MatrixCase> {
    let has = |feature| implementation.features.contains(&feature);
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
    let main = main_server(implementation);
    let mut calls = Vec::new();
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
            calls.push(call(usual, main, Method::ToolsCall, route));
        }
    }
    calls.push(call(usual, main, Method::Initialize, &first_route));
    let wrong_key = Credentials::WrongKeyAndToken;
    let key_in_authorization = Credentials::KeyInAuthorization;
    let is_served = |server| server == main || has(Feature::MultipleServers);
    for (feature, credentials, server, method) in [
        (Feature::GatewayKeys, wrong_key, main, Method::ToolsCall),
        (Feature::ServersWithoutCredential, usual, ServerKind::Open, Method::ToolsCall),
        (Feature::StaticCredential, usual, ServerKind::Static, Method::ToolsCall),
        (
            Feature::ClientCredentials,
            usual,
            ServerKind::ClientCredentials,
            Method::ToolsCall,
        ),
        (Feature::LimitedKeys, usual, ServerKind::NotPermitted, Method::ToolsCall),
        (
            Feature::KeyInAuthorization,
            key_in_authorization,
            ServerKind::Open,
            Method::ToolsCall,
        ),
        (Feature::ListeningStream, usual, main, Method::Get),
        (Feature::SessionEnd, usual, main, Method::Delete),
    ] {
        let is_made = calls.iter().any(|made| made.server == server && made.method == method);
        if has(feature) && is_served(server) && (credentials != usual || !is_made) {
            calls.push(call(credentials, server, method, &first_route));
        }
    }
    calls
}

/// The path of a call, with the names of its servers.
pub(super) fn path_of(call: &MatrixCase) -> String {
    call.route
        .replace("{server}", server_of(call))
        .replace("{servers}", &names::AGGREGATE.join(","))
        .replace("{toolset}", names::TRIO)
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
    let path = path_of(call);
    match (call.credentials, call.server, call.method) {
        (Credentials::WrongKeyAndToken, ..) => {
            format!("{request} at {path} with an unknown gateway key is rejected")
        }
        (_, ServerKind::NotPermitted, _) => {
            format!("{request} at {path}, which the limited key may not use, is rejected")
        }
        (Credentials::KeyInAuthorization, ..) => {
            format!("{request} at {path} with the gateway key in Authorization succeeds")
        }
        (_, _, Method::Initialize | Method::Get | Method::Delete) => {
            format!("{request} at {path} succeeds")
        }
        (_, ServerKind::Static, _) => {
            format!("{request} at {path} reaches the upstream with the static token")
        }
        (_, ServerKind::ClientCredentials, _) => {
            format!("{request} at {path} reaches the upstream with a minted token")
        }
        (_, ServerKind::Open, _) => {
            format!("{request} at {path} reaches the upstream without a credential")
        }
        (_, ServerKind::Aggregate, _) => {
            format!("{request} at {path} reaches every selected server")
        }
        (_, ServerKind::Forwarding | ServerKind::Unknown, _) => {
            format!("{request} at {path} reaches the upstream with the caller's token")
        }
    }
}
