//! The secrets in the configurations of the tests.

/// Looks up an environment variable that a configuration names.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk".to_owned()),
        "SECRET" => Some("hush-hush".to_owned()),
        _ => None,
    }
}
