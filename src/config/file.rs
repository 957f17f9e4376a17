//! Reads the TOML of a configuration and turns it into the model, or says what is wrong first.
//!
//! The keys of the file are the fields of the structures here; `preflight.example.toml` shows them all.

use std::{collections::BTreeSet, fmt, net::SocketAddr, ops::Range, time::Duration};

use http::{HeaderName, Uri};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use toml::Spanned;

use super::{
    Caller, ClientCredentials, Config, Deadlines, Server, Source,
    error::Fault,
    secret::{Environment, HUSH, Place},
};
use crate::core::{
    access::{Grant, ServerId},
    admission::{KeyDigest, Keyring, Scheme, server_of},
    challenge::Profile,
    discovery::ExternalUrl,
    origin::Origin,
    preflight::{Era, Strategy},
    route::{RESERVED, is_name},
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
    session_secret: Option<Spanned<Place>>,
    probe_deadline_ms: Option<Spanned<u64>>,
    commit_deadline_ms: Option<Spanned<u64>>,
    request_deadline_ms: Option<Spanned<u64>>,
    shutdown_deadline_ms: Option<Spanned<u64>>,
    max_message_bytes: Option<u64>,
    #[serde(default)]
    trusted_certificates: Vec<Spanned<String>>,
    #[serde(default)]
    key: Vec<KeyEntry>,
    #[serde(default)]
    server: Vec<ServerEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: Spanned<String>,
    value: Spanned<Place>,
    servers: Spanned<ServerList>,
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
    schemes: Option<Spanned<Vec<Scheme>>>,
    bearer: Option<Spanned<Place>>,
    client_credentials: Option<Spanned<ClientEntry>>,
    #[serde(default = "default_era")]
    era: Era,
    #[serde(default)]
    authorization_servers: Vec<Spanned<String>>,
    #[serde(default)]
    allow_cleartext: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    token_url: Spanned<String>,
    client_id: String,
    client_secret: Spanned<Place>,
    scope: Option<String>,
}

fn default_listen() -> Spanned<String> {
    Spanned::new(0..0, "127.0.0.1:8080".to_owned())
}

fn default_era() -> Era {
    Era::November2025
}

/// A line to write for each key of the file, shown where a key is wrong.
const EXAMPLES: &[(&str, &str)] = &[
    ("listen", r#"listen = "127.0.0.1:8080""#),
    ("metrics_listen", r#"metrics_listen = "127.0.0.1:9090""#),
    ("external_url", r#"external_url = "https://gateway.example""#),
    ("allowed_origins", r#"allowed_origins = ["https://app.example"]"#),
    ("profile", r#"profile = "seed""#),
    ("strategy", r#"strategy = "probe""#),
    ("key_header", r#"key_header = "x-litellm-api-key""#),
    ("session_secret", r#"session_secret = { env = "SESSION_SECRET" }"#),
    ("probe_deadline_ms", "probe_deadline_ms = 5000"),
    ("commit_deadline_ms", "commit_deadline_ms = 5000"),
    ("request_deadline_ms", "request_deadline_ms = 60000"),
    ("shutdown_deadline_ms", "shutdown_deadline_ms = 10000"),
    ("max_message_bytes", "max_message_bytes = 4194304"),
    ("trusted_certificates", r#"trusted_certificates = ["ca.pem"]"#),
    ("name", r#"name = "alpha""#),
    ("value", r#"value = { env = "ALICE_KEY" }"#),
    ("servers", r#"servers = ["alpha"]"#),
    ("url", r#"url = "https://alpha.example/mcp""#),
    ("forward", r#"forward = ["authorization"]"#),
    ("schemes", r#"schemes = ["bearer"]"#),
    ("bearer", r#"bearer = { env = "ALPHA_TOKEN" }"#),
    (
        "client_credentials",
        r#"client_credentials = { token_url = "https://as.example/token", client_id = "gateway", client_secret = { env = "SECRET" } }"#,
    ),
    ("era", r#"era = "2025-11-25""#),
    ("authorization_servers", r#"authorization_servers = ["https://as.example"]"#),
    ("allow_cleartext", "allow_cleartext = true"),
];

fn example(key: &str) -> &'static str {
    EXAMPLES.iter().find(|(name, _)| *name == key).map_or("", |(_, line)| line)
}

pub(super) fn read(text: &str, environment: Environment<'_>) -> Result<Config, Fault> {
    let file: File = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let servers = file.server.iter().map(|entry| server(entry, environment)).collect::<Result<Vec<_>, _>>()?;
    unique(file.server.iter().map(|entry| &entry.name), "server")?;
    unique(file.key.iter().map(|entry| &entry.name), "key")?;
    if file.key.is_empty() {
        let expected = format!("expected at least one, for example\n[[key]]\nname = \"alice\"\n{}\nservers = \"all\"", example("value"));
        return Err(Fault { at: None, found: "no gateway key".to_owned(), expected, hush: false });
    }
    if servers.len() > usize::from(u16::MAX) {
        return Err(Fault { at: None, found: "too many servers".to_owned(), expected: "expected at most 65535".to_owned(), hush: false });
    }
    let mut callers = Vec::new();
    let mut digests = Vec::new();
    for entry in &file.key {
        callers.push(Caller { name: entry.name.get_ref().clone(), grant: grant(&entry.servers, &servers)? });
        digests.push(key(entry, environment)?);
    }
    let key_header = file.key_header.as_ref().map_or(Ok(HeaderName::from_static("x-litellm-api-key")), |name| {
        let usable = name.get_ref().parse().ok().filter(|name| name != http::header::AUTHORIZATION && server_of(name).is_none());
        usable
            .ok_or_else(|| Fault::at(name.span(), "not a name for the key's own header", format!("for example  {}", example("key_header"))))
    })?;
    let probe = milliseconds(file.probe_deadline_ms.as_ref(), 5_000)?;
    Ok(Config {
        listen: address(&file.listen, "listen")?,
        metrics_listen: file.metrics_listen.as_ref().map(|text| address(text, "metrics_listen")).transpose()?,
        external_url: file.external_url.as_ref().map(external).transpose()?,
        allowed_origins: file.allowed_origins.iter().map(origin).collect::<Result<_, _>>()?,
        profile: file.profile,
        strategy: file.strategy,
        keyring: Keyring { header: key_header, keys: digests },
        callers,
        servers,
        session_secret: file.session_secret.as_ref().map(|place| session_secret(place, environment)).transpose()?,
        deadlines: Deadlines {
            probe,
            commit: file.commit_deadline_ms.as_ref().map_or(Ok(probe), |set| milliseconds(Some(set), 0))?,
            request: milliseconds(file.request_deadline_ms.as_ref(), 60_000)?,
            shutdown: milliseconds(file.shutdown_deadline_ms.as_ref(), 10_000)?,
        },
        max_message_bytes: file.max_message_bytes.unwrap_or(4 * 1024 * 1024),
        trusted_certificates: certificates(&file.trusted_certificates)?,
    })
}

/// What the TOML parser or the structure of the file has to say, in our words.
fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let message = error.message().trim();
    if message.contains(HUSH) {
        let expected = "expected where it is, for example  { env = \"NAME\" }  or  { file = \"path\" }".to_owned();
        return Fault { at: error.span(), found: HUSH.to_owned(), expected, hush: true };
    }
    let message = message.replace("unknown variant", "unknown value").replace("a sequence", "a list").replace("u64", "a whole number");
    let (found, expected) = message.split_once(", expected ").map_or((message.as_str(), None), |(found, expected)| (found, Some(expected)));
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
    Fault { at: error.span(), found: found.replace('\n', " "), expected: advice, hush: false }
}

/// The key of the line that holds a position.
fn key_of_line(text: &str, at: usize) -> &str {
    let start = text[..at.min(text.len())].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].split(['=', '\n']).next().unwrap_or_default().trim()
}

/// The name that was most likely meant, out of serde's list of names in backticks.
fn closest<'n>(unknown: &str, names: &'n str) -> Option<&'n str> {
    let scored = names.split('`').skip(1).step_by(2).map(|name| (strsim::jaro_winkler(unknown, name), name));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
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

fn address(text: &Spanned<String>, key: &str) -> Result<SocketAddr, Fault> {
    let expected = || format!("expected an address and a port, for example  {}", example(key));
    text.get_ref().parse().map_err(|_| Fault::at(text.span(), "not an address to listen on", expected()))
}

fn milliseconds(set: Option<&Spanned<u64>>, default: u64) -> Result<Duration, Fault> {
    match set {
        None => Ok(Duration::from_millis(default)),
        Some(set) if (1..=3_600_000).contains(set.get_ref()) => Ok(Duration::from_millis(*set.get_ref())),
        Some(set) => Err(Fault::at(set.span(), "a deadline out of range", "expected 1 to 3600000 milliseconds")),
    }
}

fn external(text: &Spanned<String>) -> Result<ExternalUrl, Fault> {
    let bare =
        |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let url = url::Url::parse(text.get_ref()).ok().filter(|url| bare(url) && url.username().is_empty());
    let url = url.ok_or_else(|| {
        let expected = format!("expected scheme and host without a path, for example  {}", example("external_url"));
        Fault::at(text.span(), "not a URL that clients could know the gateway by", expected)
    })?;
    Ok(ExternalUrl(url.origin().ascii_serialization()))
}

fn origin(text: &Spanned<String>) -> Result<Origin, Fault> {
    let expected = || format!("expected scheme and host without a path, for example  {}", example("allowed_origins"));
    Origin::read(text.get_ref()).ok_or_else(|| Fault::at(text.span(), "not an origin", expected()))
}

fn key(entry: &KeyEntry, environment: Environment<'_>) -> Result<KeyDigest, Fault> {
    match entry.value.get_ref() {
        Place::Sha256(digest) => Ok(KeyDigest(*digest)),
        place => {
            let secret = place.read(environment).map_err(|found| missing(entry.value.span(), found))?;
            Ok(KeyDigest::of(secret.expose_secret().as_bytes()))
        }
    }
}

/// A secret that cannot be guessed by whoever was given a sealed id, and so can try.
fn session_secret(place: &Spanned<Place>, environment: Environment<'_>) -> Result<SecretString, Fault> {
    let secret = place.get_ref().read(environment).map_err(|found| missing(place.span(), found))?;
    let long = secret.expose_secret().len() >= 32;
    let expected = "expected at least 32 characters, for example from  openssl rand -hex 32";
    if long { Ok(secret) } else { Err(Fault::at(place.span(), "a session secret that could be guessed", expected)) }
}

fn missing(at: Range<usize>, found: String) -> Fault {
    Fault::at(at, found, "expected a secret of visible ASCII characters in the variable or file that is named here")
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
    let mut granted = BTreeSet::new();
    for name in names {
        let position = servers.iter().position(|server| server.name == *name.get_ref()).and_then(|position| u16::try_from(position).ok());
        let known: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        let fault =
            || Fault::at(name.span(), format!("no server named `{}`", name.get_ref()), format!("expected one of: {}", known.join(", ")));
        granted.insert(ServerId(position.ok_or_else(fault)?));
    }
    Ok(Grant::Servers(granted))
}

fn server(entry: &ServerEntry, environment: Environment<'_>) -> Result<Server, Fault> {
    let name = entry.name.get_ref();
    if !is_name(name) || RESERVED.contains(&name.as_str()) {
        let expected = format!("expected 1 to 64 letters, digits, `-`, `_`, `.`, and none of: {}", RESERVED.join(", "));
        return Err(Fault::at(entry.name.span(), format!("not a name for a server: `{}`", name.escape_debug()), expected));
    }
    Ok(Server {
        name: name.clone(),
        url: upstream_url(&entry.url, entry.allow_cleartext)?,
        credential: credential(entry, environment)?,
        era: entry.era,
        authorization_servers: entry.authorization_servers.iter().map(issuer).collect::<Result<_, _>>()?,
    })
}

fn credential(entry: &ServerEntry, environment: Environment<'_>) -> Result<Source, Fault> {
    for header in &entry.forward {
        if !header.get_ref().eq_ignore_ascii_case("authorization") {
            let expected = format!("expected only authorization: {}", example("forward"));
            return Err(Fault::at(header.span(), format!("`{}` is not forwarded", header.get_ref().escape_debug()), expected));
        }
    }
    let schemes = match &entry.schemes {
        None => vec![Scheme::Bearer],
        Some(schemes) if entry.forward.is_empty() || schemes.get_ref().is_empty() => {
            let expected = format!("expected at least one, beside  {}", example("forward"));
            return Err(Fault::at(schemes.span(), "no scheme that would be forwarded", expected));
        }
        Some(schemes) => schemes.get_ref().clone(),
    };
    let several = |at| Err(Fault::at(at, "a second credential for this server", "expected one of: forward, bearer, client_credentials"));
    match (entry.forward.is_empty(), &entry.bearer, &entry.client_credentials) {
        (false, None, None) => Ok(Source::Forwarding(schemes)),
        (true, None, None) => Ok(Source::Open),
        (true, Some(place), None) => Ok(Source::Static(place.get_ref().read(environment).map_err(|found| missing(place.span(), found))?)),
        (true, None, Some(client)) => {
            let client = client.get_ref();
            let secret = client.client_secret.get_ref().read(environment);
            Ok(Source::ClientCredentials(ClientCredentials {
                token_url: upstream_url(&client.token_url, entry.allow_cleartext)?,
                client_id: client.client_id.clone(),
                client_secret: secret.map_err(|found| missing(client.client_secret.span(), found))?,
                scope: client.scope.clone(),
            }))
        }
        (_, _, Some(client)) => several(client.span()),
        (_, Some(place), _) => several(place.span()),
    }
}

/// An absolute URL without userinfo; cleartext only on this machine, unless allowed (SEC-07).
fn upstream_url(text: &Spanned<String>, allow_cleartext: bool) -> Result<Uri, Fault> {
    let expected = || format!("expected an absolute URL without user name or fragment, for example  {}", example("url"));
    let bad = || Fault::at(text.span(), "not a URL of a server", expected());
    let url = url::Url::parse(text.get_ref()).map_err(|_| bad())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault { hush: true, ..bad() });
    }
    if !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() {
        return Err(bad());
    }
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(bad()),
    };
    if url.scheme() == "http" && !loopback && !allow_cleartext {
        let expected = "expected https; where the network is trusted, write  allow_cleartext = true  beside it";
        return Err(Fault::at(text.span(), "tokens would travel in cleartext", expected));
    }
    url.as_str().parse().map_err(|_| bad())
}

fn issuer(text: &Spanned<String>) -> Result<String, Fault> {
    let usable = url::Url::parse(text.get_ref()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let expected = || format!("expected an absolute URL, for example  {}", example("authorization_servers"));
    usable.then(|| text.get_ref().clone()).ok_or_else(|| Fault::at(text.span(), "not the URL of an authorization server", expected()))
}

fn certificates(paths: &[Spanned<String>]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let mut trusted = Vec::new();
    for path in paths {
        let fault = || {
            Fault::at(path.span(), "not a readable PEM file with certificates", format!("for example  {}", example("trusted_certificates")))
        };
        let before = trusted.len();
        for certificate in CertificateDer::pem_file_iter(path.get_ref()).map_err(|_| fault())? {
            trusted.push(certificate.map_err(|_| fault())?);
        }
        if trusted.len() == before {
            return Err(fault());
        }
    }
    Ok(trusted)
}
