//! Holds the invariant that `src/core` is pure: no I/O, no clock, no runtime.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{fs, path::Path};

/// Crates that the core may name. All of them compute; none of them does anything.
const ALLOWED: [&str; 13] = [
    "std",
    "core",
    "super",
    "crate",
    "self",
    "base64",
    "http",
    "ring",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "url",
];
/// What it may not name, even fully qualified.
const FORBIDDEN: [&str; 15] = [
    "ring::rand",
    "tokio",
    "hyper",
    "reqwest",
    "tracing",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "Instant",
    "SystemTime",
    "println!",
];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_stem().is_none_or(|stem| stem != "tests")
        {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The code of a module without its tests and its comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn the_core_is_pure() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core"), &mut found);
    assert!(found.len() > 10, "the core has moved: {found:?}");
    for (path, text) in found {
        for line in code(&text) {
            let named = line
                .strip_prefix("use ")
                .or(line.strip_prefix("pub use "))
                .map(|path| path.split([':', ';', ' ']).next().unwrap_or_default());
            let own = named.is_none_or(|root| {
                root.starts_with(char::is_uppercase)
                    || ALLOWED.contains(&root)
                    || text.contains(&format!("mod {root};"))
            });
            assert!(
                own,
                "{path}: `{line}` uses a crate that the core may not; move the I/O to src/gateway, or argue for it here"
            );
            if let Some(forbidden) = FORBIDDEN.iter().find(|forbidden| line.contains(*forbidden)) {
                panic!("{path}: `{line}` names `{forbidden}`; the core computes and does nothing");
            }
        }
    }
}
