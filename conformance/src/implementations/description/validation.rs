//! The conditions that the values of a description must satisfy.
//!
//! Each function deserialises one value, so that an error points at the value in the file.

use http::HeaderName;
use serde::{Deserialize, Deserializer, de};

use crate::{
    cases::axis::Strategy,
    catalogue::{Profile, ProtocolVersion},
};

fn checked<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    is_valid: impl Fn(&T) -> bool,
    error: &str,
) -> Result<T, D::Error> {
    let value = T::deserialize(deserializer)?;
    if is_valid(&value) {
        Ok(value)
    } else {
        Err(de::Error::custom(error))
    }
}

pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(
        deserializer,
        |name: &String| {
            !name.is_empty()
                && !name.starts_with('.')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        },
        "invalid name, expected letters, digits, `-`, `_` and `.`, for example  name \
         = \"my-gateway\"",
    )
}

pub(super) fn field_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(
        deserializer,
        |name: &String| is_lower_case_field_name(name),
        "not a header field name in lower case, expected for example  \"x-gateway-key\"",
    )
}

pub(super) fn optional_field_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    field_name(deserializer).map(Some)
}

pub(super) fn server_field_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let name = checked(
        deserializer,
        |name: &String| {
            name.contains("{server}") && is_lower_case_field_name(&name.replace("{server}", "a"))
        },
        "not a header field name in lower case that contains `{server}`, expected for \
         example  \"x-mcp-{server}-authorization\"",
    )?;
    Ok(Some(name))
}

fn is_lower_case_field_name(name: &str) -> bool {
    HeaderName::from_lowercase(name.as_bytes()).is_ok()
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(
        deserializer,
        |path: &String| path.starts_with('/'),
        "not a path, expected a leading slash, for example  \"/health\"",
    )
}

pub(in super::super) fn routes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    checked(
        deserializer,
        |routes: &Vec<String>| {
            let placeholders = |route: &String| route.matches("{server}").count();
            let first = routes.first().map_or(2, placeholders);
            let is_route = |route: &String| {
                route.starts_with('/')
                    && placeholders(route) == first
                    && !has_other_placeholder(route, &["{server}"])
            };
            first < 2 && routes.iter().all(is_route)
        },
        "invalid routes, expected paths that contain `{server}` once, for example  \
         [\"/mcp/{server}\"], or, for a gateway with one server, paths without it, for example  \
         [\"/mcp\"]",
    )
}

/// Whether a route contains a brace outside these placeholders.
fn has_other_placeholder(route: &str, placeholders: &[&str]) -> bool {
    let rest = placeholders.iter().fold(route.to_owned(), |rest, name| rest.replace(name, ""));
    rest.contains(['{', '}'])
}

pub(super) fn aggregate_routes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    checked(
        deserializer,
        |routes: &Vec<String>| {
            !routes.is_empty()
                && routes.iter().all(|route| {
                    route.starts_with('/')
                        && !has_other_placeholder(route, &["{servers}", "{toolset}"])
                })
        },
        "invalid routes of aggregate endpoints, expected paths without `{server}`, for example  \
         [\"/mcp\", \"/mcp/{servers}\", \"/toolset/{toolset}/mcp\"]",
    )
}

pub(super) fn strategies<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Strategy>, D::Error> {
    checked(
        deserializer,
        |strategies: &Vec<Strategy>| !strategies.is_empty(),
        "no strategy, expected at least one, for example  [\"own\"]",
    )
}

pub(in super::super) fn profiles<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Profile>, D::Error> {
    checked(
        deserializer,
        |profiles: &Vec<Profile>| !profiles.is_empty(),
        "no profile, expected at least one, for example  [\"seed\"]",
    )
}

pub(in super::super) fn protocol_versions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ProtocolVersion>, D::Error> {
    checked(
        deserializer,
        |versions: &Vec<ProtocolVersion>| !versions.is_empty(),
        "no protocol version, expected at least one, for example  [\"2025-11-25\"]",
    )
}

pub(super) fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    checked(
        deserializer,
        |words: &Vec<String>| !words.is_empty(),
        "empty command, expected a program and its arguments, for example  \
         [\"my-gateway\", \"--port\", \"{{ port }}\"]",
    )
}
