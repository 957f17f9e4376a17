//! Reads a `[[server]]` table.

use std::ops::Range;

use super::{
    ClientCredentials, CredentialSource, Server,
    address::{issuer, server_url},
    error::Diagnostic,
    example::{example, expected},
    file::{ClientCredentialsEntry, ServerEntry},
    secret::{Environment, read_secret},
};
use crate::core::{
    admission::AuthScheme,
    route::{RESERVED_NAMES, is_valid_name},
};

/// Reads a server and the secrets that it names.
pub(super) fn read_server(
    entry: &ServerEntry,
    environment: Environment<'_>,
) -> Result<Server, Diagnostic> {
    let name = entry.name.get_ref();
    if !is_valid_name(name) || RESERVED_NAMES.contains(&name.as_str()) {
        return Err(Diagnostic::at(
            entry.name.span(),
            format!("`{}` is not a valid server name", name.escape_debug()),
            format!(
                "expected 1 to 64 letters, digits, `-`, `_`, `.`, and none of: {}",
                RESERVED_NAMES.join(", ")
            ),
        ));
    }
    Ok(Server {
        name: name.clone(),
        url: server_url(&entry.url, entry.allow_cleartext)?,
        credential: credential(entry, environment)?,
        protocol_version: entry.protocol_version,
        authorization_servers: entry
            .authorization_servers
            .iter()
            .map(issuer)
            .collect::<Result<_, _>>()?,
        disabled: entry.disabled,
        protection_space: protection_space(entry)?,
    })
}

/// A protection space matters only for a server that is sent the caller's token.
fn protection_space(entry: &ServerEntry) -> Result<Option<String>, Diagnostic> {
    match &entry.protection_space {
        Some(space) if entry.forward.is_empty() => Err(Diagnostic::at(
            space.span(),
            "`protection_space` without `forward`",
            expected("`forward` in the same server", "forward"),
        )),
        space => Ok(space.as_ref().map(|space| space.get_ref().clone())),
    }
}

fn credential(
    entry: &ServerEntry,
    environment: Environment<'_>,
) -> Result<CredentialSource, Diagnostic> {
    check_forwarded_fields(entry)?;
    let schemes = schemes(entry)?;
    match (entry.forward.is_empty(), &entry.bearer, &entry.client_credentials) {
        (false, None, None) => Ok(CredentialSource::TokenForwarding(schemes)),
        (true, None, None) => Ok(CredentialSource::NoCredential),
        (true, Some(bearer), None) => {
            Ok(CredentialSource::StaticCredential(read_secret(bearer, environment)?))
        }
        (true, None, Some(client)) => {
            let client = client_credentials(client.get_ref(), entry.allow_cleartext, environment)?;
            Ok(CredentialSource::ClientCredentials(client))
        }
        (_, _, Some(client)) => Err(second_credential(client.span())),
        (_, Some(bearer), _) => Err(second_credential(bearer.span())),
    }
}

fn second_credential(span: Range<usize>) -> Diagnostic {
    Diagnostic::at(
        span,
        "a second credential for this server",
        "expected only one of: forward, bearer, client_credentials",
    )
}

fn client_credentials(
    client: &ClientCredentialsEntry,
    allow_cleartext: bool,
    environment: Environment<'_>,
) -> Result<ClientCredentials, Diagnostic> {
    Ok(ClientCredentials {
        token_url: server_url(&client.token_url, allow_cleartext)?,
        client_id: client.client_id.clone(),
        client_secret: read_secret(&client.client_secret, environment)?,
        scope: client.scope.clone(),
    })
}

/// `Authorization` is the only field that can be forwarded.
fn check_forwarded_fields(entry: &ServerEntry) -> Result<(), Diagnostic> {
    for field in &entry.forward {
        if !field.get_ref().eq_ignore_ascii_case("authorization") {
            return Err(Diagnostic::at(
                field.span(),
                format!("`{}` cannot be forwarded", field.get_ref().escape_debug()),
                expected("only `authorization`", "forward"),
            ));
        }
    }
    Ok(())
}

/// The authentication schemes of tokens that are forwarded: `Bearer`, unless the configuration sets
/// others.
fn schemes(entry: &ServerEntry) -> Result<Vec<AuthScheme>, Diagnostic> {
    let Some(schemes) = &entry.schemes else {
        return Ok(vec![AuthScheme::Bearer]);
    };
    if entry.forward.is_empty() {
        return Err(Diagnostic::at(
            schemes.span(),
            "`schemes` without `forward`",
            expected("`forward` in the same server", "forward"),
        ));
    }
    if schemes.get_ref().is_empty() {
        return Err(Diagnostic::at(
            schemes.span(),
            "no authentication scheme",
            format!("expected at least one, for example  {}", example("schemes")),
        ));
    }
    Ok(schemes.get_ref().clone())
}
