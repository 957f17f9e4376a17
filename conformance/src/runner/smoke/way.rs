//! The ways in which a gateway can be addressed: credential layout, route and use of sessions.

use crate::{
    cases::{axis::ServerKind, deployment::names},
    catalogue::Feature,
    implementations::{CredentialLayout, Implementation},
};

/// Routes of single-server endpoints that gateways use.
const ROUTES: [&str; 7] = [
    "/mcp/{server}",
    "/{server}/mcp",
    "/{server}",
    "/mcp/{server}/",
    "/{server}/mcp/",
    "/servers/{server}/mcp",
    "/{server}/",
];

/// The header fields and prefixes with which gateways receive their key beside `Authorization`.
const KEY_FIELDS: [(&str, &str); 4] = [
    ("x-gateway-key", ""),
    ("x-api-key", ""),
    ("x-litellm-api-key", "Bearer "),
    ("x-api-key", "Bearer "),
];

/// One way to address a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where the caller sends the gateway key and the upstream token.
    pub layout: CredentialLayout,
    /// The path of the single-server endpoints, with `{server}`.
    pub route: String,
    /// Whether a request needs a session.
    pub needs_session: bool,
}

impl Way {
    /// The way that the description of an implementation states.
    #[must_use]
    pub fn declared(implementation: &Implementation) -> Self {
        Self {
            layout: implementation.credential_layout.clone(),
            route: implementation.routes.first().cloned().unwrap_or_default(),
            needs_session: !implementation.features.contains(&Feature::SessionlessRequests),
        }
    }
}

/// The credential layouts that are tried, the declared one first.
pub(super) fn layouts(declared: &CredentialLayout) -> Vec<CredentialLayout> {
    let mut layouts = vec![declared.clone()];
    layouts.extend(KEY_FIELDS.map(|(key_header, key_prefix)| CredentialLayout {
        key_header: key_header.to_owned(),
        key_prefix: key_prefix.to_owned(),
        token_header: "authorization".to_owned(),
        token_prefix: "Bearer ".to_owned(),
        server_token_header: None,
    }));
    layouts.push(CredentialLayout {
        key_header: "authorization".to_owned(),
        key_prefix: "Bearer ".to_owned(),
        token_header: "x-upstream-authorization".to_owned(),
        token_prefix: "Bearer ".to_owned(),
        server_token_header: None,
    });
    layouts
}

/// The routes that are tried, those of the description first.
pub(super) fn routes(implementation: &Implementation) -> Vec<String> {
    let mut routes = implementation.single_server_routes().to_vec();
    for route in ROUTES {
        if routes.iter().all(|known| known != route) {
            routes.push(route.to_owned());
        }
    }
    routes
}

/// The kinds of server that are tried: first the one that a gateway with these features serves.
pub(super) fn servers(implementation: &Implementation) -> [ServerKind; 3] {
    use ServerKind::{Forwarding, Open, Static};
    let main = main_server(implementation);
    match main {
        Static => [Static, Open, Forwarding],
        Open => [Open, Static, Forwarding],
        _ => [Forwarding, Static, Open],
    }
}

/// The kind of server of a healthy call.
pub(super) fn main_server(implementation: &Implementation) -> ServerKind {
    match names::main_server(|feature| implementation.features.contains(&feature)) {
        names::STATIC => ServerKind::Static,
        names::OPEN => ServerKind::Open,
        _ => ServerKind::Forwarding,
    }
}
