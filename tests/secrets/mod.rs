//! The secrets that the tests' configurations name.

/// Where a configuration finds them.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk".to_owned()),
        "SECRET" => Some("hush-hush".to_owned()),
        _ => None,
    }
}
