//! The secrets in the configurations of the tests.

/// Looks up an environment variable that a configuration names.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk".to_owned()),
        "OTHER_KEY" => Some("sk-other".to_owned()),
        "SECRET" => Some("client-secret".to_owned()),
        _ => None,
    }
}
