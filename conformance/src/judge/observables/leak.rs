//! Observes where secrets turned up that have no business there, and what else travels that should not.
//!
//! Which sink may see which secret, and how a secret can be spelled, is decided in [`crate::judge::disclosure`].

use super::{Observable, Observation, Subject};
use crate::{
    judge::disclosure::{
        Disclosure,
        index::{Index, Wanted},
    },
    trace::{Arrival, Exchange, SecretKind},
};

/// Where secrets turned up.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "key-disclosure",
        description: "where upstreams were shown a gateway key",
        values: &["none", "*"],
        absence: Some("none"),
        look: |subject| upstream_leak(subject, &[SecretKind::GatewayKey], Disclosure::is_key),
    },
    Observable {
        name: "token-disclosure",
        description: "where the caller's token went that is no business of its",
        values: &["none", "*"],
        absence: Some("none"),
        look: |subject| upstream_leak(subject, &[SecretKind::UpstreamToken], Disclosure::is_token),
    },
    Observable {
        name: "credential-disclosure",
        description: "where credentials of the gateway's own went that are not meant for there",
        values: &["none", "*"],
        absence: Some("none"),
        look: |subject| {
            let own = [SecretKind::StaticToken, SecretKind::MintedToken, SecretKind::ClientSecret];
            upstream_leak(subject, &own, Disclosure::is_own_credential)
        },
    },
    Observable {
        name: "unexpected-forwarded-fields",
        description: "which header lines of the client's travelled along that a gateway has no reason to hand on",
        values: &["none", "*"],
        absence: Some("none"),
        look: stowaways,
    },
    Observable {
        name: "query-token",
        description: "whether a token in the URL travelled along",
        values: &["not-forwarded", "forwarded"],
        absence: Some("not-forwarded"),
        look: query,
    },
    Observable {
        name: "disclosed-to-client",
        description: "which secret the answer gives away, or which address of the inside its head does",
        values: &["none", "*"],
        absence: None,
        look: told,
    },
    Observable {
        name: "secret-in-output",
        description: "which secret the implementation wrote to its outputs",
        values: &["none", "*"],
        absence: None,
        look: logged,
    },
    Observable {
        name: "refusal-log-level",
        description: "whether an expected refusal is logged as if something were broken",
        values: &["no-error", "traceback", "error"],
        absence: None,
        look: log_noise,
    },
];

/// The host and port of a URL.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    &rest[..rest.find('/').unwrap_or(rest.len())]
}

fn upstream_leak(
    subject: &Subject<'_>,
    kinds: &[SecretKind],
    is_one: impl Fn(&Disclosure) -> bool,
) -> Observation {
    if !subject.trace.secrets.iter().any(|secret| kinds.contains(&secret.kind)) {
        return Observation::NotApplicable;
    }
    first(subject, |leak| leak.is_upstream() && is_one(leak)).unwrap_or_else(|| "none".into())
}

fn first(subject: &Subject<'_>, is_one: impl Fn(&Disclosure) -> bool) -> Option<Observation> {
    subject
        .leaks()
        .iter()
        .find(|leak| is_one(leak))
        .map(|leak| leak.to_string().into())
}

/// Only lines that the client did send are looked for, by name and value: a gateway may well write such lines of its own.
fn stowaways(subject: &Subject<'_>) -> Observation {
    let unwelcome = |name: &str| {
        let name = name.to_ascii_lowercase();
        let known = [
            "cookie",
            "proxy-authorization",
            "forwarded",
            "via",
            "x-real-ip",
            "x-original-url",
        ]
        .contains(&name.as_str());
        known || name.starts_with("x-forwarded-") || name.starts_with("x-stowaway")
    };
    let travelled = |(name, value): &&(String, String)| {
        let same = |(other, theirs): &(String, String)| {
            other.eq_ignore_ascii_case(name) && theirs.contains(value.as_str())
        };
        subject.trace.arrivals.iter().any(|arrival| arrival.headers.iter().any(same))
    };
    let mut sent = subject
        .trace
        .exchanges
        .iter()
        .flat_map(|exchange| &exchange.sent_headers)
        .filter(|(name, _)| unwelcome(name))
        .peekable();
    if sent.peek().is_none() {
        return Observation::NotApplicable;
    }
    sent.find(travelled)
        .map_or("none".into(), |(name, _)| name.to_ascii_lowercase().into())
}

fn query(subject: &Subject<'_>) -> Observation {
    let token = |exchange: &Exchange| {
        let (_, query) = exchange.path.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("access_token="))
            .map(str::to_owned)
    };
    let Some(token) = subject.trace.exchanges.iter().find_map(token) else {
        return Observation::NotApplicable;
    };
    let index = Index::new([Wanted { value: &token, drawn_here: true }]);
    let travelled = |arrival: &Arrival| {
        let texts = arrival
            .headers
            .iter()
            .map(|(_, value)| value)
            .chain([&arrival.target, &arrival.body]);
        arrival.target.contains("access_token") || texts.into_iter().any(|text| index.is_in(text))
    };
    if subject.trace.arrivals.iter().any(travelled) {
        "forwarded"
    } else {
        "not-forwarded"
    }
    .into()
}

fn told(subject: &Subject<'_>) -> Observation {
    let Some(exchange) = subject.exchange() else {
        return Observation::Unknown("no request was sent");
    };
    if exchange.status.is_none() {
        return Observation::NotApplicable;
    }
    if let Some(told) = first(subject, Disclosure::is_told) {
        return told;
    }
    let refusal = matches!(exchange.status, Some(400..=599));
    let inside = |text: &str| {
        subject
            .context
            .deployment
            .servers
            .iter()
            .any(|server| text.contains(authority(&server.url)))
    };
    if refusal && exchange.headers.iter().any(|(_, value)| inside(value)) {
        "upstream-address"
    } else {
        "none"
    }
    .into()
}

fn logged(subject: &Subject<'_>) -> Observation {
    if subject.context.output.is_empty() {
        return Observation::NotApplicable;
    }
    first(subject, Disclosure::is_shown).unwrap_or_else(|| "none".into())
}

fn log_noise(subject: &Subject<'_>) -> Observation {
    let output = &subject.context.output;
    if output.is_empty() {
        return Observation::NotApplicable;
    }
    let loud = |line: &str| {
        ["ERROR", "CRITICAL", "level=error", "\"level\":\"error\""]
            .iter()
            .any(|mark| line.contains(mark))
    };
    if output.contains("Traceback (most recent call last)") || output.contains("stack backtrace:") {
        "traceback"
    } else if output.lines().any(loud) {
        "error"
    } else {
        "no-error"
    }
    .into()
}
