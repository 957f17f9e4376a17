//! Reads the `[[key]]` and `[[toolset]]` tables.

use http::{HeaderName, header::AUTHORIZATION};
use secrecy::ExposeSecret;
use toml::Spanned;

use super::{
    Caller, Server, Toolset,
    error::Diagnostic,
    example::expected,
    file::{KeyEntry, ServerList, ToolsetEntry},
    names::{position, server_id},
    secret::{Environment, SecretSource, read_secret},
};
use crate::core::{
    access::Grant,
    admission::{KeyDigest, server_of_credential_header},
    route::is_valid_name,
};

/// Reads what a gateway key may use.
pub(super) fn read_caller(
    entry: &KeyEntry,
    servers: &[Server],
    toolsets: &[Toolset],
) -> Result<Caller, Diagnostic> {
    let toolset_names = toolsets.iter().map(|toolset| toolset.name.as_str());
    let toolsets = entry
        .toolsets
        .iter()
        .map(|name| position(name, "toolset", toolset_names.clone()));
    Ok(Caller {
        name: entry.name.get_ref().clone(),
        grant: grant(&entry.servers, servers)?,
        toolsets: toolsets.collect::<Result<_, _>>()?,
    })
}

/// Reads the digest of a gateway key: from the configuration, or from the key itself.
pub(super) fn read_key(
    entry: &KeyEntry,
    environment: Environment<'_>,
) -> Result<KeyDigest, Diagnostic> {
    if let SecretSource::Sha256(digest) = entry.value.get_ref() {
        return Ok(KeyDigest(*digest));
    }
    let key = read_secret(&entry.value, environment)?;
    Ok(KeyDigest::of_key(key.expose_secret().as_bytes()))
}

/// The gateway-key header field. It must differ from every field for upstream tokens.
pub(super) fn key_header(name: Option<&Spanned<String>>) -> Result<HeaderName, Diagnostic> {
    let Some(name) = name else {
        return Ok(HeaderName::from_static("x-litellm-api-key"));
    };
    let header: Option<HeaderName> = name.get_ref().parse().ok();
    header
        .filter(|header| *header != AUTHORIZATION && server_of_credential_header(header).is_none())
        .ok_or_else(|| {
            Diagnostic::at(
                name.span(),
                "not a valid gateway-key header field",
                expected(
                    "a field other than Authorization and x-mcp-SERVER-authorization",
                    "key_header",
                ),
            )
        })
}

fn grant(list: &Spanned<ServerList>, servers: &[Server]) -> Result<Grant, Diagnostic> {
    match list.get_ref() {
        ServerList::Word(word) if word == "all" => Ok(Grant::All),
        ServerList::Word(_) => Err(Diagnostic::at(
            list.span(),
            "neither \"all\" nor a list",
            expected("\"all\" or a list of server names", "servers"),
        )),
        ServerList::Names(names) => {
            let granted = names.iter().map(|name| server_id(name, servers));
            Ok(Grant::Servers(granted.collect::<Result<_, _>>()?))
        }
    }
}

/// Reads a toolset.
pub(super) fn read_toolset(
    entry: &ToolsetEntry,
    servers: &[Server],
) -> Result<Toolset, Diagnostic> {
    let name = entry.name.get_ref();
    if !is_valid_name(name) {
        return Err(Diagnostic::at(
            entry.name.span(),
            format!("`{}` is not a valid toolset name", name.escape_debug()),
            "expected 1 to 64 letters, digits, `-`, `_`, `.`",
        ));
    }
    let server_ids = entry.servers.iter().map(|name| server_id(name, servers));
    Ok(Toolset {
        name: name.clone(),
        servers: server_ids.collect::<Result<_, _>>()?,
        tools: entry.tools.as_ref().map(|tools| tools.iter().cloned().collect()),
    })
}
