//! Reads the text of a configuration into the model, or returns the first error.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;

use super::{
    Config, ConnectionLimits, Deadlines,
    address::{certificates, external_url, listen_address, origin},
    caller::{key_header, read_caller, read_key, read_toolset},
    error::Diagnostic,
    example::example,
    file::File,
    names::{check_unique, separator},
    secret::{Environment, SecretSource, read_secret},
    server::read_server,
    syntax,
};
use crate::core::admission::Keyring;

/// The longest deadline in milliseconds: one hour.
const MAX_MILLISECONDS: u64 = 3_600_000;

/// The shortest session secret in characters, which makes it infeasible to guess from a sealed id.
const MIN_SESSION_SECRET_LENGTH: usize = 32;

const DEFAULT_PROBE_MS: u64 = 5_000;
const DEFAULT_REQUEST_MS: u64 = 60_000;
const DEFAULT_SHUTDOWN_MS: u64 = 10_000;
const DEFAULT_MAX_MESSAGE_BYTES: u64 = 4 * 1024 * 1024;
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// Reads a configuration and the secrets that it names.
pub(super) fn read(text: &str, environment: Environment<'_>) -> Result<Config, Diagnostic> {
    let file: File = toml::from_str(text).map_err(|error| syntax::diagnostic(text, &error))?;
    let servers = file
        .server
        .iter()
        .map(|entry| read_server(entry, environment))
        .collect::<Result<Vec<_>, _>>()?;
    check_entries(&file)?;
    let toolsets = file
        .toolset
        .iter()
        .map(|entry| read_toolset(entry, &servers))
        .collect::<Result<Vec<_>, _>>()?;
    let mut callers = Vec::new();
    let mut keys = Vec::new();
    for entry in &file.key {
        callers.push(read_caller(entry, &servers, &toolsets)?);
        keys.push(read_key(entry, environment)?);
    }
    let keyring = Keyring::new(key_header(file.key_header.as_ref())?, keys);
    let name_separator = separator(file.name_separator.as_ref(), &file.server)?;
    let deadlines = deadlines(&file)?;
    let metrics_listen = file.metrics_listen.as_ref();
    let session_secret = file.session_secret.as_ref();
    Ok(Config {
        listen: listen_address(&file.listen, "listen")?,
        metrics_listen: metrics_listen
            .map(|text| listen_address(text, "metrics_listen"))
            .transpose()?,
        external_url: file.external_url.as_ref().map(external_url).transpose()?,
        allowed_origins: file.allowed_origins.iter().map(origin).collect::<Result<_, _>>()?,
        profile: file.profile,
        strategy: file.strategy,
        keyring,
        callers,
        servers,
        session_secret: session_secret
            .map(|source| read_session_secret(source, environment))
            .transpose()?,
        toolsets,
        name_separator,
        deadlines,
        probe_reuse: file
            .probe_reuse_ms
            .as_ref()
            .map(|value| milliseconds(value, 1))
            .transpose()?,
        max_message_bytes: file.max_message_bytes.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES),
        connection_limits: connection_limits(&file)?,
        trusted_certificates: certificates(&file.trusted_certificates)?,
    })
}

/// Checks the number of tables and that their names are unique.
fn check_entries(file: &File) -> Result<(), Diagnostic> {
    for (count, too_many) in [
        (file.server.len(), "too many servers"),
        (file.key.len(), "too many gateway keys"),
    ] {
        if count > usize::from(u16::MAX) {
            return Err(Diagnostic::without_span(too_many, "expected at most 65535"));
        }
    }
    check_unique(file.server.iter().map(|entry| &entry.name), "server")?;
    check_unique(file.key.iter().map(|entry| &entry.name), "key")?;
    if file.key.is_empty() {
        let expected = format!(
            "expected at least one, for example\n[[key]]\nname = \"alice\"\n{}\nservers = \"all\"",
            example("value")
        );
        return Err(Diagnostic::without_span("no gateway key", expected));
    }
    check_unique(file.toolset.iter().map(|entry| &entry.name), "toolset")
}

fn deadlines(file: &File) -> Result<Deadlines, Diagnostic> {
    let deadline = |value: Option<&Spanned<u64>>, default| match value {
        Some(value) => milliseconds(value, 1),
        None => Ok(Duration::from_millis(default)),
    };
    let probe = deadline(file.probe_deadline_ms.as_ref(), DEFAULT_PROBE_MS)?;
    Ok(Deadlines {
        probe,
        commit: match &file.commit_deadline_ms {
            Some(value) => milliseconds(value, 0)?,
            None => probe,
        },
        request: deadline(file.request_deadline_ms.as_ref(), DEFAULT_REQUEST_MS)?,
        shutdown: deadline(file.shutdown_deadline_ms.as_ref(), DEFAULT_SHUTDOWN_MS)?,
    })
}

fn connection_limits(file: &File) -> Result<ConnectionLimits, Diagnostic> {
    let limit = |value: &Option<Spanned<usize>>, default| match value {
        Some(value) if *value.get_ref() == 0 => Err(Diagnostic::at(
            value.span(),
            "no connection would be accepted",
            "expected at least 1".to_owned(),
        )),
        Some(value) => Ok(*value.get_ref()),
        None => Ok(default),
    };
    let total = limit(&file.max_connections, DEFAULT_MAX_CONNECTIONS)?;
    // A proxy in front of the gateway is one peer, so the default is no further limit.
    let per_peer = limit(&file.max_connections_per_peer, total)?;
    Ok(ConnectionLimits { total, per_peer })
}

/// A number of milliseconds from `least` to one hour.
fn milliseconds(value: &Spanned<u64>, least: u64) -> Result<Duration, Diagnostic> {
    if !(least..=MAX_MILLISECONDS).contains(value.get_ref()) {
        return Err(Diagnostic::at(
            value.span(),
            "the value is out of range",
            format!("expected {least} to {MAX_MILLISECONDS} milliseconds"),
        ));
    }
    Ok(Duration::from_millis(*value.get_ref()))
}

fn read_session_secret(
    source: &Spanned<SecretSource>,
    environment: Environment<'_>,
) -> Result<SecretString, Diagnostic> {
    let secret = read_secret(source, environment)?;
    if secret.expose_secret().len() < MIN_SESSION_SECRET_LENGTH {
        return Err(Diagnostic::at(
            source.span(),
            "the session secret is too short",
            format!(
                "expected at least {MIN_SESSION_SECRET_LENGTH} characters, \
                for example the output of  openssl rand -hex 32"
            ),
        ));
    }
    Ok(secret)
}
