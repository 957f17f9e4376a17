//! Selects the matrix cases of the self-test: one value of an axis represents similar values.

use crate::cases::{
    axis::{Credentials, Method, ServerKind},
    matrix_case::MatrixCase,
};

/// The mock behaviours of a token-forwarding server for which every method is run; for the others
/// `tools/call` represents all methods.
const WITH_EVERY_METHOD: [&str; 6] = [
    "200-json",
    "401-full+json-rpc",
    "403-bare+json-rpc",
    "200-then-401",
    "delete-405",
    "delete-never",
];

/// The mock behaviours of three servers for `tools/list`: each combination of outcomes that leads
/// to another verdict, in orders that show which server is named.
const LISTED: [&str; 13] = [
    "200-json,200-json,200-json",
    "401-full,401-full,401-full",
    "403-bare,401-full,200-json",
    "403-bare,403-bare,403-bare",
    "403-bare,200-json,200-json",
    "403-bare,401-full,401-full",
    "500,200-json,200-json",
    "500,500,500",
    "never,200-json,401-full",
    "403-bare,late-401,200-json",
    "late-401,401-full,200-json",
    "403-bare,403-bare,late-401",
    "200-json,200-then-401,200-json",
];

/// The mock behaviours of three servers for `tools/call` to the second one, which differs from the
/// others.
const CALLED: [&str; 5] = [
    "401-full,200-json,403-bare",
    "200-json,401-full,200-json",
    "200-json,403-bare,401-full",
    "200-json,500,403-bare",
    "200-json,200-then-401,200-json",
];

/// Whether the self-test runs a case. One body, one route and one method represent all others where
/// no requirement depends on them.
pub(super) fn is_representative(case: &MatrixCase, usual_route: &str) -> bool {
    if case.server == ServerKind::Aggregate {
        let behaviours: &[&str] = match case.method {
            Method::ToolsList => &LISTED,
            Method::ToolsCall => &CALLED,
            _ => &[],
        };
        return behaviours.contains(&case.upstream.as_str()) && !case.route.contains('{');
    }
    let usual_body = !case.upstream.ends_with("+oauth") && !case.upstream.ends_with("+empty");
    let with_every_method =
        matches!(case.credentials, Credentials::KeyAndToken | Credentials::KeyOnly)
            && case.server == ServerKind::Forwarding
            && WITH_EVERY_METHOD.contains(&case.upstream.as_str());
    usual_body
        && (case.method == Method::ToolsCall || with_every_method)
        && case.route == usual_route
}
