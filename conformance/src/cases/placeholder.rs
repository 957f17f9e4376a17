//! Fills placeholders in texts of data files: `{name}`, or `{name argument}` where the placeholder
//! takes an argument.
//!
//! One syntax for the headers and bodies of mock behaviours and for the paths, header fields and
//! bytes of scenario steps. Templates of implementation descriptions are not read here: they are
//! Jinja templates.

/// Placeholders in the header values of a mock behaviour.
pub const IN_HEADERS: &[(&str, &str)] = &[
    ("origin", "the origin of this mock upstream"),
    ("elsewhere", "another origin, which no server of the configuration has"),
    ("case", "a text by which a request to that URL is attributed to the case"),
    ("pad", "64 KiB of one letter"),
];

/// Placeholders in the bodies of mock behaviours.
pub const IN_BODIES: &[(&str, &str)] = &[
    ("id", "the JSON-RPC id of the request, or `null`"),
    ("reason", "the reason phrase of the status"),
    ("oauth", "the OAuth error code of the status"),
];

/// Placeholders in the paths, header fields and bodies of scenario steps.
pub const IN_STEPS: &[(&str, &str)] = &[
    (
        "endpoint",
        "the first route of the server; `{endpoint NAME}` has another name in it",
    ),
    ("server", "the name of the server"),
    ("token", "the upstream token of the case"),
    (
        "token-for",
        "`{token-for NAME}`: an upstream token whose suffix is the name of that server",
    ),
    (
        "token-header",
        "`{token-header NAME}`: the header field for a token of that server alone",
    ),
    ("letters", "`{letters N}`: N times one letter"),
    ("narrowing-header", "the header field that narrows a request to some servers"),
    ("full-key", "the gateway key for every server"),
    ("admission-bearer", "the bearer that admits a caller in place of a gateway key"),
    ("host", "host and port of the gateway"),
    ("elsewhere", "host and port of an origin that no configuration names"),
    ("allowed-origin", "the origin whose pages may use the gateway from a browser"),
];

/// Further placeholders in the lines of a `raw` step.
pub const IN_RAW_LINES: &[(&str, &str)] = &[
    ("credentials", "the header lines of the caller's credentials"),
    ("message", "a `tools/call` message"),
    ("length", "the length of that message in bytes"),
    ("chunks", "that message as one chunk and the last chunk"),
    ("long", "1 MiB of one letter"),
    ("oversized", "a message one byte longer than the implementation's limit"),
    ("oversized-length", "the number of those bytes"),
    ("oversized-hex", "the same in hexadecimal digits"),
    (
        "rest-hex",
        "the number of bytes after this line, as a chunk size; the last chunk follows",
    ),
];

/// Placeholders in the replaced header fields of an `aggregate` step.
pub const IN_AGGREGATE_HEADERS: &[(&str, &str)] =
    &[("tool-in-base64", "the name of the called tool, in Base64")];

/// Replaces each `{name}` by its value. `value` receives the name and the argument, in which
/// placeholders are already replaced.
///
/// Braces that do not enclose a lower-case name are kept, so that JSON needs no escapes.
///
/// # Errors
///
/// The first name that has no value.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    fill_with(text, &value)
}

fn fill_with(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match enclosed(after) {
            Some((inside, following)) => {
                let (name, argument) = split(inside);
                let inside = match argument {
                    Some(argument) => format!("{name} {}", fill_with(argument, value)?),
                    None => name.to_owned(),
                };
                filled.push_str(&value(&inside).ok_or_else(|| name.to_owned())?);
                rest = following;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The text before the brace that closes a placeholder, and the text after it. `None` if `after`
/// does not begin with a placeholder.
fn enclosed(after: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, character) in after.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let inside = &after[..at];
            let (name, _) = split(inside);
            let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || b"-0123456789".contains(&byte));
            return is_name.then_some((inside, &after[at + 1..]));
        }
    }
    None
}

/// The name of a placeholder, and its argument if it has one.
pub fn split(inside: &str) -> (&str, Option<&str>) {
    match inside.split_once(' ') {
        Some((name, argument)) => (name, Some(argument)),
        None => (inside, None),
    }
}

/// Checks that all placeholders of a text are in these lists.
///
/// # Errors
///
/// The first unknown placeholder, and the accepted ones.
pub fn check(text: &str, known: &[&[(&str, &str)]]) -> Result<(), String> {
    let names = || known.iter().copied().flatten().map(|(name, _)| *name);
    let is_known = |inside: &str| names().any(|name| name == split(inside).0);
    match fill(text, |inside| is_known(inside).then(String::new)) {
        Ok(_) => Ok(()),
        Err(unknown) => {
            let accepted: Vec<String> = names().map(|name| format!("{{{name}}}")).collect();
            Err(format!(
                "unknown placeholder {{{unknown}}}, expected one of {}",
                accepted.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_without_a_name_are_kept() {
        assert_eq!(
            fill(r#"{"id":{id},"a":{}}"#, |name| (name == "id").then(|| "7".to_owned())),
            Ok(r#"{"id":7,"a":{}}"#.to_owned())
        );
        assert_eq!(fill("{nowhere}", |_| None), Err("nowhere".to_owned()));
        assert_eq!(fill("{open", |_| None), Ok("{open".to_owned()));
    }

    #[test]
    fn argument_can_contain_placeholders() {
        let value = |inside: &str| match split(inside) {
            ("endpoint", Some(server)) => Some(format!("/mcp/{server}")),
            ("elsewhere", None) => Some("other:2".to_owned()),
            _ => None,
        };
        assert_eq!(fill("{endpoint @{elsewhere}}!", value), Ok("/mcp/@other:2!".to_owned()));
        assert_eq!(fill("{endpoint {nowhere}}", value), Err("nowhere".to_owned()));
    }

    #[test]
    fn an_unknown_placeholder_is_reported_with_the_accepted_ones() {
        assert_eq!(
            check("{status}", &[IN_BODIES]).unwrap_err(),
            "unknown placeholder {status}, expected one of {id}, {reason}, {oauth}"
        );
        assert_eq!(check("{endpoint alpha} {length}", &[IN_STEPS, IN_RAW_LINES]), Ok(()));
    }
}
