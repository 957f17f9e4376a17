//! Reads the TOML of a configuration and turns it into the model, or says what is wrong first.
//!
//! The keys of the file are the fields of the structures here; `preflight.example.toml` shows them all.

use std::{collections::BTreeSet, fmt, ops::Range, time::Duration};

use http::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use toml::Spanned;

use super::{
    Caller, ClientCredentials, Config, CredentialSource, Deadlines, Server, Toolset,
    address::{address, certificates, external, issuer, origin, upstream_url},
    error::Fault,
    example::example,
    secret::{Environment, HUSH, SecretSource},
};
use crate::core::{
    access::{Grant, ServerId},
    admission::{AuthScheme, KeyDigest, Keyring, server_of_credential_header},
    challenge::Profile,
    naming,
    preflight::Strategy,
    protocol_version::ProtocolVersion,
    route::{RESERVED_NAMES, is_valid_name},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_listen")]
    listen: Spanned<String>,
    metrics_listen: Option<Spanned<String>>,
    external_url: Option<Spanned<String>>,
    #[serde(default)]
    allowed_origins: Vec<Spanned<String>>,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    strategy: Strategy,
    key_header: Option<Spanned<String>>,
    session_secret: Option<Spanned<SecretSource>>,
    probe_deadline_ms: Option<Spanned<u64>>,
    commit_deadline_ms: Option<Spanned<u64>>,
    request_deadline_ms: Option<Spanned<u64>>,
    shutdown_deadline_ms: Option<Spanned<u64>>,
    probe_reuse_ms: Option<Spanned<u64>>,
    max_message_bytes: Option<u64>,
    #[serde(default)]
    trusted_certificates: Vec<Spanned<String>>,
    #[serde(default)]
    key: Vec<KeyEntry>,
    #[serde(default)]
    server: Vec<ServerEntry>,
    #[serde(default)]
    toolset: Vec<ToolsetEntry>,
    name_separator: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolsetEntry {
    name: Spanned<String>,
    servers: Vec<Spanned<String>>,
    tools: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: Spanned<String>,
    value: Spanned<SecretSource>,
    servers: Spanned<ServerList>,
    #[serde(default)]
    toolsets: Vec<Spanned<String>>,
}

/// `"all"`, or names. Read by hand, because an untagged enum would lose the places of the names.
enum ServerList {
    Word(String),
    Names(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for ServerList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerListVisitor)
    }
}

struct ServerListVisitor;

impl<'de> Visitor<'de> for ServerListVisitor {
    type Value = ServerList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\" or a list of server names")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<ServerList, E> {
        Ok(ServerList::Word(word.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ServerList, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(ServerList::Names(names))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerEntry {
    name: Spanned<String>,
    url: Spanned<String>,
    #[serde(default)]
    forward: Vec<Spanned<String>>,
    schemes: Option<Spanned<Vec<AuthScheme>>>,
    bearer: Option<Spanned<SecretSource>>,
    client_credentials: Option<Spanned<ClientEntry>>,
    #[serde(default = "default_protocol_version")]
    era: ProtocolVersion,
    #[serde(default)]
    authorization_servers: Vec<Spanned<String>>,
    #[serde(default)]
    allow_cleartext: bool,
    #[serde(default)]
    disabled: bool,
    protection_space: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    token_url: Spanned<String>,
    client_id: String,
    client_secret: Spanned<SecretSource>,
    scope: Option<String>,
}

fn default_listen() -> Spanned<String> {
    Spanned::new(0..0, "127.0.0.1:8080".to_owned())
}

fn default_protocol_version() -> ProtocolVersion {
    ProtocolVersion::V2025_11_25
}

pub(super) fn read(text: &str, environment: Environment<'_>) -> Result<Config, Fault> {
    let file: File = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let servers = file
        .server
        .iter()
        .map(|entry| server(entry, environment))
        .collect::<Result<Vec<_>, _>>()?;
    if servers.len() > usize::from(u16::MAX) {
        return Err(Fault {
            at: None,
            found: "too many servers".to_owned(),
            expected: "expected at most 65535".to_owned(),
            hush: false,
        });
    }
    unique(file.server.iter().map(|entry| &entry.name), "server")?;
    unique(file.key.iter().map(|entry| &entry.name), "key")?;
    if file.key.is_empty() {
        let expected = format!(
            "expected at least one, for example\n[[key]]\nname = \"alice\"\n{}\nservers = \"all\"",
            example("value")
        );
        return Err(Fault {
            at: None,
            found: "no gateway key".to_owned(),
            expected,
            hush: false,
        });
    }
    unique(file.toolset.iter().map(|entry| &entry.name), "toolset")?;
    let toolsets = file
        .toolset
        .iter()
        .map(|entry| toolset(entry, &servers))
        .collect::<Result<Vec<_>, _>>()?;
    let mut callers = Vec::new();
    let mut digests = Vec::new();
    for entry in &file.key {
        let toolsets = entry.toolsets.iter().map(|name| {
            position(name, "toolset", toolsets.iter().map(|toolset| toolset.name.as_str()))
        });
        callers.push(Caller {
            name: entry.name.get_ref().clone(),
            grant: grant(&entry.servers, &servers)?,
            toolsets: toolsets.collect::<Result<_, _>>()?,
        });
        digests.push(key(entry, environment)?);
    }
    let key_header = file.key_header.as_ref().map_or(
        Ok(HeaderName::from_static("x-litellm-api-key")),
        |name| {
            let usable = name.get_ref().parse().ok().filter(|name| {
                name != http::header::AUTHORIZATION && server_of_credential_header(name).is_none()
            });
            usable.ok_or_else(|| {
                Fault::at(
                    name.span(),
                    "not a name for the key's own header",
                    format!("for example  {}", example("key_header")),
                )
            })
        },
    )?;
    let name_separator = separator(file.name_separator.as_ref(), &file.server)?;
    let probe = milliseconds(file.probe_deadline_ms.as_ref(), 5_000)?;
    Ok(Config {
        listen: address(&file.listen, "listen")?,
        metrics_listen: file
            .metrics_listen
            .as_ref()
            .map(|text| address(text, "metrics_listen"))
            .transpose()?,
        external_url: file.external_url.as_ref().map(external).transpose()?,
        allowed_origins: file.allowed_origins.iter().map(origin).collect::<Result<_, _>>()?,
        profile: file.profile,
        strategy: file.strategy,
        keyring: Keyring { header: key_header, keys: digests },
        callers,
        servers,
        session_secret: file
            .session_secret
            .as_ref()
            .map(|place| session_secret(place, environment))
            .transpose()?,
        toolsets,
        name_separator,
        deadlines: Deadlines {
            probe,
            commit: file
                .commit_deadline_ms
                .as_ref()
                .map_or(Ok(probe), |set| within(0, Some(set), 0))?,
            request: milliseconds(file.request_deadline_ms.as_ref(), 60_000)?,
            shutdown: milliseconds(file.shutdown_deadline_ms.as_ref(), 10_000)?,
        },
        probe_reuse: file
            .probe_reuse_ms
            .as_ref()
            .map(|set| milliseconds(Some(set), 0))
            .transpose()?,
        max_message_bytes: file.max_message_bytes.unwrap_or(4 * 1024 * 1024),
        trusted_certificates: certificates(&file.trusted_certificates)?,
    })
}

/// What the TOML parser or the structure of the file has to say, in our words.
fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let message = error.message().trim();
    if message.contains(HUSH) {
        let expected =
            "expected where it is, for example  { env = \"NAME\" }  or  { file = \"path\" }"
                .to_owned();
        return Fault {
            at: error.span(),
            found: HUSH.to_owned(),
            expected,
            hush: true,
        };
    }
    let message = message
        .replace("unknown variant", "unknown value")
        .replace("a sequence", "a list")
        .replace("u64", "a whole number");
    let (found, expected) = message
        .split_once(", expected ")
        .map_or((message.as_str(), None), |(found, expected)| (found, Some(expected)));
    let unknown = found.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix('`'));
    let key = error.span().map(|span| key_of_line(text, span.start)).unwrap_or_default();
    let meant = unknown.and_then(|unknown| closest(unknown, expected.unwrap_or_default()));
    let mut advice = match (meant, expected) {
        (Some(meant), _) => format!("expected `{meant}`?"),
        (None, Some(expected)) => format!("expected {expected}"),
        (None, None) => "expected TOML as in preflight.example.toml".to_owned(),
    };
    let line = example(meant.unwrap_or(key));
    if !line.is_empty() {
        advice += &format!("; for example  {line}");
    }
    Fault {
        at: error.span(),
        found: found.replace('\n', " "),
        expected: advice,
        hush: false,
    }
}

/// The key of the line that holds a position.
fn key_of_line(text: &str, at: usize) -> &str {
    let start = text[..at.min(text.len())].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].split(['=', '\n']).next().unwrap_or_default().trim()
}

/// The name that was most likely meant, out of serde's list of names in backticks.
fn closest<'n>(unknown: &str, names: &'n str) -> Option<&'n str> {
    let scored = names
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|name| (strsim::jaro_winkler(unknown, name), name));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn unique<'f>(names: impl Iterator<Item = &'f Spanned<String>>, what: &str) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for name in names {
        // Servers have headers named after them, and in a header's name case means nothing.
        if !seen.insert(name.get_ref().to_ascii_lowercase()) {
            return Err(Fault::at(
                name.span(),
                format!("a second {what} named `{}`", name.get_ref()),
                "expected each name once, whatever its case",
            ));
        }
    }
    Ok(())
}

fn milliseconds(set: Option<&Spanned<u64>>, default: u64) -> Result<Duration, Fault> {
    within(1, set, default)
}

/// A deadline of so many milliseconds at least.
fn within(least: u64, set: Option<&Spanned<u64>>, default: u64) -> Result<Duration, Fault> {
    match set {
        None => Ok(Duration::from_millis(default)),
        Some(set) if (least..=3_600_000).contains(set.get_ref()) => {
            Ok(Duration::from_millis(*set.get_ref()))
        }
        Some(set) => Err(Fault::at(
            set.span(),
            "a deadline out of range",
            format!("expected {least} to 3600000 milliseconds"),
        )),
    }
}

fn key(entry: &KeyEntry, environment: Environment<'_>) -> Result<KeyDigest, Fault> {
    match entry.value.get_ref() {
        SecretSource::Sha256(digest) => Ok(KeyDigest(*digest)),
        place => {
            let secret =
                place.read(environment).map_err(|found| missing(entry.value.span(), found))?;
            Ok(KeyDigest::of_key(secret.expose_secret().as_bytes()))
        }
    }
}

/// A secret that cannot be guessed by whoever was given a sealed id, and so can try.
fn session_secret(
    place: &Spanned<SecretSource>,
    environment: Environment<'_>,
) -> Result<SecretString, Fault> {
    let secret = place
        .get_ref()
        .read(environment)
        .map_err(|found| missing(place.span(), found))?;
    let long = secret.expose_secret().len() >= 32;
    let expected = "expected at least 32 characters, for example from  openssl rand -hex 32";
    if long {
        Ok(secret)
    } else {
        Err(Fault::at(place.span(), "a session secret that could be guessed", expected))
    }
}

fn missing(at: Range<usize>, found: String) -> Fault {
    Fault::at(
        at,
        found,
        "expected a secret of visible ASCII characters in the variable or file that is named here",
    )
}

fn grant(list: &Spanned<ServerList>, servers: &[Server]) -> Result<Grant, Fault> {
    let names = match list.get_ref() {
        ServerList::Word(word) if word == "all" => return Ok(Grant::All),
        ServerList::Word(_) => {
            return Err(Fault::at(
                list.span(),
                "neither \"all\" nor a list of server names",
                format!("for example  {}", example("servers")),
            ));
        }
        ServerList::Names(names) => names,
    };
    Ok(Grant::Servers(
        names.iter().map(|name| server_id(name, servers)).collect::<Result<_, _>>()?,
    ))
}

fn server_id(name: &Spanned<String>, servers: &[Server]) -> Result<ServerId, Fault> {
    let position = position(name, "server", servers.iter().map(|server| server.name.as_str()))?;
    Ok(ServerId(u16::try_from(position).expect(
        "a configuration has at most 65535 servers, checked before any name is looked up",
    )))
}

/// The position of a name among those that there are.
fn position<'k>(
    name: &Spanned<String>,
    what: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Result<usize, Fault> {
    let found = known.clone().position(|known| known == name.get_ref());
    found.ok_or_else(|| {
        let known: Vec<&str> = known.collect();
        Fault::at(
            name.span(),
            format!("no {what} named `{}`", name.get_ref().escape_debug()),
            format!("expected one of: {}", known.join(", ")),
        )
    })
}

fn toolset(entry: &ToolsetEntry, servers: &[Server]) -> Result<Toolset, Fault> {
    let name = entry.name.get_ref();
    if !is_valid_name(name) {
        let found = format!("not a name for a toolset: `{}`", name.escape_debug());
        return Err(Fault::at(
            entry.name.span(),
            found,
            "expected 1 to 64 letters, digits, `-`, `_`, `.`",
        ));
    }
    Ok(Toolset {
        name: name.clone(),
        servers: entry
            .servers
            .iter()
            .map(|name| server_id(name, servers))
            .collect::<Result<_, _>>()?,
        tools: entry.tools.as_ref().map(|tools| tools.iter().cloned().collect()),
    })
}

/// The separator of names on an aggregate, in front of which every server's name reads one way.
fn separator(set: Option<&Spanned<String>>, servers: &[ServerEntry]) -> Result<String, Fault> {
    let separator = set.map_or("-", |set| set.get_ref().as_str());
    let usable = (1..=4).contains(&separator.len())
        && separator.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if let (false, Some(set)) = (usable, set) {
        return Err(Fault::at(
            set.span(),
            "not a separator of names",
            format!(
                "expected 1 to 4 of letters, digits, - _ . /; for example  {}",
                example("name_separator")
            ),
        ));
    }
    let names: Vec<&str> = servers.iter().map(|entry| entry.name.get_ref().as_str()).collect();
    match naming::ambiguous_pair(&names, separator) {
        None => Ok(separator.to_owned()),
        Some((short, long)) => {
            let at = servers
                .iter()
                .find(|entry| entry.name.get_ref() == long)
                .map(|entry| entry.name.span());
            let found = format!(
                "`{long}` and `{short}` cannot be told apart before `{separator}` in the name of a tool"
            );
            let expected = format!(
                "expected another name, or another separator, for example  {}",
                example("name_separator")
            );
            Err(Fault { at, found, expected, hush: false })
        }
    }
}

fn server(entry: &ServerEntry, environment: Environment<'_>) -> Result<Server, Fault> {
    let name = entry.name.get_ref();
    if !is_valid_name(name) || RESERVED_NAMES.contains(&name.as_str()) {
        let expected = format!(
            "expected 1 to 64 letters, digits, `-`, `_`, `.`, and none of: {}",
            RESERVED_NAMES.join(", ")
        );
        return Err(Fault::at(
            entry.name.span(),
            format!("not a name for a server: `{}`", name.escape_debug()),
            expected,
        ));
    }
    Ok(Server {
        name: name.clone(),
        url: upstream_url(&entry.url, entry.allow_cleartext)?,
        credential: credential(entry, environment)?,
        protocol_version: entry.era,
        authorization_servers: entry
            .authorization_servers
            .iter()
            .map(issuer)
            .collect::<Result<_, _>>()?,
        disabled: entry.disabled,
        protection_space: protection_space(entry)?,
    })
}

/// Only where a caller's token is handed on does it matter whose tokens a server takes.
fn protection_space(entry: &ServerEntry) -> Result<Option<String>, Fault> {
    match &entry.protection_space {
        Some(space) if entry.forward.is_empty() => {
            let expected = format!("expected only beside  {}", example("forward"));
            Err(Fault::at(
                space.span(),
                "a protection space, and no token that would be forwarded",
                expected,
            ))
        }
        space => Ok(space.as_ref().map(|space| space.get_ref().clone())),
    }
}

fn credential(
    entry: &ServerEntry,
    environment: Environment<'_>,
) -> Result<CredentialSource, Fault> {
    for header in &entry.forward {
        if !header.get_ref().eq_ignore_ascii_case("authorization") {
            let expected = format!("expected only authorization: {}", example("forward"));
            return Err(Fault::at(
                header.span(),
                format!("`{}` is not forwarded", header.get_ref().escape_debug()),
                expected,
            ));
        }
    }
    let schemes = match &entry.schemes {
        None => vec![AuthScheme::Bearer],
        Some(schemes) if entry.forward.is_empty() || schemes.get_ref().is_empty() => {
            let expected = format!("expected at least one, beside  {}", example("forward"));
            return Err(Fault::at(schemes.span(), "no scheme that would be forwarded", expected));
        }
        Some(schemes) => schemes.get_ref().clone(),
    };
    let several = |at| {
        Err(Fault::at(
            at,
            "a second credential for this server",
            "expected one of: forward, bearer, client_credentials",
        ))
    };
    match (entry.forward.is_empty(), &entry.bearer, &entry.client_credentials) {
        (false, None, None) => Ok(CredentialSource::Forwarding(schemes)),
        (true, None, None) => Ok(CredentialSource::Open),
        (true, Some(place), None) => Ok(CredentialSource::Static(
            place
                .get_ref()
                .read(environment)
                .map_err(|found| missing(place.span(), found))?,
        )),
        (true, None, Some(client)) => {
            let client = client.get_ref();
            let secret = client.client_secret.get_ref().read(environment);
            Ok(CredentialSource::ClientCredentials(ClientCredentials {
                token_url: upstream_url(&client.token_url, entry.allow_cleartext)?,
                client_id: client.client_id.clone(),
                client_secret: secret
                    .map_err(|found| missing(client.client_secret.span(), found))?,
                scope: client.scope.clone(),
            }))
        }
        (_, _, Some(client)) => several(client.span()),
        (_, Some(place), _) => several(place.span()),
    }
}
