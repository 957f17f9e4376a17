//! Looks for secrets where they must not be, in the spellings that programs give them: plain, hexadecimal, base64.
//!
//! Every secret is random and belongs to one case or one run, so that finding it anywhere is proof. Who may see which kind is decided
//! here, once.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{Observable, Observation, Subject};
use crate::{
    cell::ServerKind,
    trace::{Arrival, Exchange, Secret, SecretKind},
};

/// Where secrets turned up.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "key-leak",
        says: "where upstreams were shown a gateway key",
        values: &["nothing", "*"],
        absence: Some("nothing"),
        look: |subject| upstream_leak(subject, &[SecretKind::GatewayKey]),
    },
    Observable {
        name: "token-leak",
        says: "where the caller's token went that is no business of its",
        values: &["nothing", "*"],
        absence: Some("nothing"),
        look: |subject| upstream_leak(subject, &[SecretKind::UpstreamToken]),
    },
    Observable {
        name: "credential-leak",
        says: "where credentials of the gateway's own went that are not meant for there",
        values: &["nothing", "*"],
        absence: Some("nothing"),
        look: |subject| upstream_leak(subject, &[SecretKind::StaticToken, SecretKind::MintedToken, SecretKind::ClientSecret]),
    },
    Observable {
        name: "stowaways",
        says: "which header lines of the client's travelled along that a gateway has no reason to hand on",
        values: &["none", "*"],
        absence: Some("none"),
        look: stowaways,
    },
    Observable {
        name: "query",
        says: "whether a token in the URL travelled along",
        values: &["clean", "token"],
        absence: Some("clean"),
        look: query,
    },
    Observable {
        name: "told",
        says: "which secret the answer gives away, or which address of the inside its head does",
        values: &["nothing", "*"],
        absence: None,
        look: told,
    },
    Observable {
        name: "logged",
        says: "which secret the implementation wrote to its outputs",
        values: &["nothing", "*"],
        absence: None,
        look: logged,
    },
    Observable {
        name: "log-noise",
        says: "whether an expected refusal is logged as if something were broken",
        values: &["quiet", "traceback", "error"],
        absence: None,
        look: log_noise,
    },
];

/// The host and port of a URL.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    &rest[..rest.find('/').unwrap_or(rest.len())]
}

/// A secret in all its spellings, made once and looked for in many texts.
struct Needle(Vec<String>);

impl Needle {
    fn of(secret: &str) -> Self {
        Self(if secret.is_empty() { Vec::new() } else { spellings(secret) })
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.iter().any(|spelling| text.contains(spelling.as_str()))
    }
}

/// Whether a text holds a secret in any spelling.
#[must_use]
pub fn holds(text: &str, secret: &str) -> bool {
    Needle::of(secret).is_in(text)
}

/// Whether a text holds a secret in any spelling, or the first eight characters of one that is long enough to tell it by them.
#[must_use]
pub fn holds_a_part(text: &str, secret: &str) -> bool {
    let start = secret.get(..8).filter(|_| secret.len() >= 16);
    holds(text, secret) || start.is_some_and(|start| holds(text, start))
}

/// A secret as programs spell it. In base64 its spelling depends on what stands before it, so there are three; their ends, which
/// depend on the neighbours, are cut off.
pub(crate) fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![secret.to_owned(), hex.to_uppercase(), hex];
    for before in 0..3_usize {
        let encoded = STANDARD_NO_PAD.encode([vec![0; before], secret.as_bytes().to_vec()].concat());
        let first = (before * 8).div_ceil(6);
        let last = (before + secret.len()) * 8 / 6;
        if let Some(core) = encoded.get(first..last).filter(|core| core.len() >= 8) {
            spellings.extend([core.to_owned(), core.replace('+', "-").replace('/', "_")]);
        }
    }
    spellings
}

/// Who may be shown which kind of secret.
fn may_see(subject: &Subject<'_>, arrival: &Arrival, kind: SecretKind) -> bool {
    let server = subject.context.plan.server(&arrival.server).map(|server| server.kind);
    match kind {
        SecretKind::GatewayKey => false,
        SecretKind::UpstreamToken => subject.means(&arrival.server) && matches!(server, Some(ServerKind::Forwarding)),
        SecretKind::StaticToken => server == Some(ServerKind::Static),
        SecretKind::MintedToken => server == Some(ServerKind::ClientCredentials),
        SecretKind::ClientSecret => arrival.server == "issuer",
    }
}

fn upstream_leak(subject: &Subject<'_>, kinds: &[SecretKind]) -> Observation {
    let secrets: Vec<&Secret> = subject.trace.secrets.iter().filter(|secret| kinds.contains(&secret.kind)).collect();
    if secrets.is_empty() {
        return Observation::NotApplicable;
    }
    let needles: Vec<(&Secret, Needle)> = secrets.into_iter().map(|secret| (secret, Needle::of(&secret.value))).collect();
    for arrival in &subject.trace.arrivals {
        for (secret, needle) in needles.iter().filter(|(secret, _)| !may_see(subject, arrival, secret.kind)) {
            if let Some(place) = place_in(arrival, needle) {
                return format!("{} to {} in {place}", name(secret.kind), arrival.server).into();
            }
        }
    }
    "nothing".into()
}

const fn name(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::GatewayKey => "gateway key",
        SecretKind::UpstreamToken => "caller's token",
        SecretKind::StaticToken => "static token",
        SecretKind::MintedToken => "minted token",
        SecretKind::ClientSecret => "client secret",
    }
}

fn place_in(arrival: &Arrival, needle: &Needle) -> Option<String> {
    if let Some((name, _)) = arrival.headers.iter().find(|(_, value)| needle.is_in(value)) {
        return Some(name.to_ascii_lowercase());
    }
    if needle.is_in(&arrival.target) {
        return Some("the target".to_owned());
    }
    needle.is_in(&arrival.body).then(|| "the body".to_owned())
}

/// Only lines that the client did send are looked for, by name and value: a gateway may well write such lines of its own.
fn stowaways(subject: &Subject<'_>) -> Observation {
    let unwelcome = |name: &str| {
        let name = name.to_ascii_lowercase();
        let known = ["cookie", "proxy-authorization", "forwarded", "via", "x-real-ip", "x-original-url"].contains(&name.as_str());
        known || name.starts_with("x-forwarded-") || name.starts_with("x-stowaway")
    };
    let travelled = |(name, value): &&(String, String)| {
        let same = |(other, theirs): &(String, String)| other.eq_ignore_ascii_case(name) && theirs.contains(value.as_str());
        subject.trace.arrivals.iter().any(|arrival| arrival.headers.iter().any(same))
    };
    let mut sent =
        subject.trace.exchanges.iter().flat_map(|exchange| &exchange.sent_headers).filter(|(name, _)| unwelcome(name)).peekable();
    if sent.peek().is_none() {
        return Observation::NotApplicable;
    }
    sent.find(travelled).map_or("none".into(), |(name, _)| name.to_ascii_lowercase().into())
}

fn query(subject: &Subject<'_>) -> Observation {
    let token = |exchange: &Exchange| {
        let (_, query) = exchange.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("access_token=")).map(str::to_owned)
    };
    let Some(token) = subject.trace.exchanges.iter().find_map(token) else { return Observation::NotApplicable };
    let needle = Needle::of(&token);
    let travelled = |arrival: &Arrival| place_in(arrival, &needle).is_some() || arrival.target.contains("access_token");
    if subject.trace.arrivals.iter().any(travelled) { "token" } else { "clean" }.into()
}

fn told(subject: &Subject<'_>) -> Observation {
    let Some(exchange) = subject.exchange() else { return Observation::Unknown("no request was sent") };
    if exchange.status.is_none() {
        return Observation::NotApplicable;
    }
    let texts = || exchange.headers.iter().map(|(_, value)| value.as_str()).chain([exchange.body.as_str()]);
    if let Some(secret) = subject.trace.secrets.iter().find(|secret| {
        let needle = Needle::of(&secret.value);
        texts().any(|text| needle.is_in(text))
    }) {
        return name(secret.kind).into();
    }
    let refusal = matches!(exchange.status, Some(400..=599));
    let inside = |text: &str| subject.context.plan.servers.iter().any(|server| text.contains(authority(&server.url)));
    if refusal && exchange.headers.iter().any(|(_, value)| inside(value)) { "upstream address" } else { "nothing" }.into()
}

fn logged(subject: &Subject<'_>) -> Observation {
    let output = &subject.context.output;
    if output.is_empty() {
        return Observation::NotApplicable;
    }
    let found = subject.trace.secrets.iter().find(|secret| holds_a_part(output, &secret.value));
    found.map_or("nothing", |secret| name(secret.kind)).into()
}

fn log_noise(subject: &Subject<'_>) -> Observation {
    let output = &subject.context.output;
    if output.is_empty() {
        return Observation::NotApplicable;
    }
    let loud = |line: &str| ["ERROR", "CRITICAL", "level=error", "\"level\":\"error\""].iter().any(|mark| line.contains(mark));
    if output.contains("Traceback (most recent call last)") || output.contains("stack backtrace:") {
        "traceback"
    } else if output.lines().any(loud) {
        "error"
    } else {
        "quiet"
    }
    .into()
}
