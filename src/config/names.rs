//! Checks and resolves the names of servers, keys and toolsets.

use std::collections::BTreeSet;

use toml::Spanned;

use super::{Server, error::Diagnostic, example::expected, file::ServerEntry};
use crate::core::{access::ServerId, naming};

/// The separator between a server's name and the name of its tool, unless the configuration sets
/// one.
const DEFAULT_SEPARATOR: &str = "-";

/// Checks that no name appears twice. `what` is the kind of the named entries.
pub(super) fn check_unique<'f>(
    names: impl Iterator<Item = &'f Spanned<String>>,
    what: &str,
) -> Result<(), Diagnostic> {
    let mut known = BTreeSet::new();
    for name in names {
        // `x-mcp-SERVER-authorization` contains a server's name, and field names are
        // case-insensitive.
        if !known.insert(name.get_ref().to_ascii_lowercase()) {
            return Err(Diagnostic::at(
                name.span(),
                format!("a second {what} named `{}`", name.get_ref()),
                "expected unique names; names that differ only in case are equal",
            ));
        }
    }
    Ok(())
}

/// The position of a name in a list of known names. `what` is the kind of the named entries.
pub(super) fn position<'k>(
    name: &Spanned<String>,
    what: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Result<usize, Diagnostic> {
    let position = known.clone().position(|known| known == name.get_ref());
    position.ok_or_else(|| {
        let known: Vec<&str> = known.collect();
        Diagnostic::at(
            name.span(),
            format!("no {what} named `{}`", name.get_ref().escape_debug()),
            format!("expected one of: {}", known.join(", ")),
        )
    })
}

/// The id of the server with this name.
pub(super) fn server_id(
    name: &Spanned<String>,
    servers: &[Server],
) -> Result<ServerId, Diagnostic> {
    let position = position(name, "server", servers.iter().map(|server| server.name.as_str()))?;
    let position = u16::try_from(position)
        .expect("the number of servers is checked before names are resolved");
    Ok(ServerId(position))
}

/// The separator of prefixed names. With it, the prefixed names of different servers must differ.
pub(super) fn separator(
    set: Option<&Spanned<String>>,
    servers: &[ServerEntry],
) -> Result<String, Diagnostic> {
    let separator = set.map_or(DEFAULT_SEPARATOR, |set| set.get_ref());
    if let Some(set) = set.filter(|set| !is_separator(set.get_ref())) {
        return Err(Diagnostic::at(
            set.span(),
            "not a valid name separator",
            expected("1 to 4 letters, digits, `-`, `_`, `.`, `/`", "name_separator"),
        ));
    }
    let names: Vec<&str> = servers.iter().map(|entry| entry.name.get_ref().as_str()).collect();
    let Some((short, long)) = naming::ambiguous_pair(&names, separator) else {
        return Ok(separator.to_owned());
    };
    let entry = servers.iter().find(|entry| entry.name.get_ref() == long);
    let diagnostic = Diagnostic::without_span(
        format!("the server names `{short}` and `{long}` are ambiguous before `{separator}`"),
        expected("another server name or another separator", "name_separator"),
    );
    Err(Diagnostic { span: entry.map(|entry| entry.name.span()), ..diagnostic })
}

fn is_separator(text: &str) -> bool {
    (1..=4).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}
