//! Observes disclosed secrets, and header fields of the client that a gateway must not forward.
//!
//! Which secret is allowed at which location is decided in [`crate::judge::disclosure`].

use super::{Observable, contains_address, error_text::body_names_upstream, of_response};
use crate::{
    judge::{
        disclosure::{Disclosure, contains_secret},
        observation::Observation,
        subject::Subject,
    },
    trace::{Arrival, Exchange, SecretKind},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "key-disclosure",
        description: "Where an upstream received a gateway key.",
        values: &["none", "*"],
        absence: Some("none"),
        observe: |subject| to_upstream(subject, &[SecretKind::GatewayKey], Disclosure::is_key),
    },
    Observable {
        name: "token-disclosure",
        description: "Where an upstream received a caller's token that it may not receive.",
        values: &["none", "*"],
        absence: Some("none"),
        observe: |subject| to_upstream(subject, &[SecretKind::UpstreamToken], Disclosure::is_token),
    },
    Observable {
        name: "credential-disclosure",
        description: "Where an upstream received a credential of the gateway that it may not \
            receive.",
        values: &["none", "*"],
        absence: Some("none"),
        observe: |subject| {
            to_upstream(
                subject,
                &[SecretKind::StaticToken, SecretKind::MintedToken, SecretKind::ClientSecret],
                Disclosure::is_gateway_credential,
            )
        },
    },
    Observable {
        name: "unexpected-forwarded-fields",
        description: "Which header field of the client was forwarded although a gateway has no \
            reason to forward it.",
        values: &["none", "*"],
        absence: Some("none"),
        observe: unexpected_forwarded_fields,
    },
    Observable {
        name: "query-token",
        description: "Whether a token in the query of the client's URL was forwarded.",
        values: &["not-forwarded", "forwarded"],
        absence: Some("not-forwarded"),
        observe: query_token,
    },
    Observable {
        name: "disclosed-to-client",
        description: "Which secret the response contains, or whether it contains the address of an \
            upstream.",
        values: &["none", "*"],
        absence: None,
        observe: disclosed_to_client,
    },
    Observable {
        name: "secret-in-output",
        description: "Which secret the implementation wrote to its outputs.",
        values: &["none", "*"],
        absence: None,
        observe: secret_in_output,
    },
    Observable {
        name: "refusal-log-level",
        description: "Whether the implementation logged an expected refusal as an error.",
        values: &["no-error", "traceback", "error"],
        absence: None,
        observe: refusal_log_level,
    },
];

fn first(subject: &Subject<'_>, is_wanted: impl Fn(&Disclosure) -> bool) -> Option<Observation> {
    subject
        .disclosures()
        .iter()
        .find(|disclosure| is_wanted(disclosure))
        .map(|disclosure| disclosure.to_string().into())
}

fn to_upstream(
    subject: &Subject<'_>,
    kinds: &[SecretKind],
    is_wanted: impl Fn(&Disclosure) -> bool,
) -> Observation {
    if !subject.trace.secrets.iter().any(|secret| kinds.contains(&secret.kind)) {
        return Observation::NotApplicable;
    }
    first(subject, |disclosure| disclosure.is_to_upstream() && is_wanted(disclosure))
        .unwrap_or_else(|| "none".into())
}

/// A gateway may send such fields itself, so only a field with the client's name and value counts.
fn unexpected_forwarded_fields(subject: &Subject<'_>) -> Observation {
    let is_unexpected = |name: &str| {
        let name = name.to_ascii_lowercase();
        let known = [
            "cookie",
            "proxy-authorization",
            "forwarded",
            "via",
            "x-real-ip",
            "x-original-url",
        ];
        known.contains(&name.as_str())
            || (subject.context.invents_token_field() && name == subject.context.token_header)
            || name.starts_with("x-forwarded-")
            || name.starts_with("x-stowaway")
    };
    let is_forwarded = |(name, value): &&(String, String)| {
        let is_same = |(other, forwarded): &(String, String)| {
            other.eq_ignore_ascii_case(name) && forwarded.contains(value.as_str())
        };
        subject.trace.arrivals.iter().any(|arrival| arrival.headers.iter().any(is_same))
    };
    let mut sent = subject
        .trace
        .exchanges
        .iter()
        .flat_map(|exchange| &exchange.sent_headers)
        .filter(|(name, _)| is_unexpected(name))
        .peekable();
    if sent.peek().is_none() {
        return Observation::NotApplicable;
    }
    match sent.find(is_forwarded) {
        Some((name, _)) => name.to_ascii_lowercase().into(),
        None => "none".into(),
    }
}

fn query_token(subject: &Subject<'_>) -> Observation {
    let token_of = |exchange: &Exchange| {
        let (_, query) = exchange.path.split_once('?')?;
        let mut pairs = query.split('&');
        pairs.find_map(|pair| pair.strip_prefix("access_token=")).map(str::to_owned)
    };
    let Some(token) = subject.trace.exchanges.iter().find_map(token_of) else {
        return Observation::NotApplicable;
    };
    let is_forwarded = |arrival: &Arrival| {
        let mut texts = arrival
            .headers
            .iter()
            .map(|(_, value)| value)
            .chain([&arrival.target, &arrival.body]);
        arrival.target.contains("access_token") || texts.any(|text| contains_secret(text, &token))
    };
    if subject.trace.arrivals.iter().any(is_forwarded) {
        "forwarded"
    } else {
        "not-forwarded"
    }
    .into()
}

fn disclosed_to_client(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        if let Some(disclosed) = first(subject, Disclosure::is_to_client) {
            return disclosed;
        }
        let names_upstream = |(_, value): &(String, String)| {
            let mut servers = subject.context.deployment.servers.iter();
            servers.any(|server| contains_address(value, &server.url))
        };
        let is_refusal = matches!(exchange.status, Some(400..=599));
        let head_names_upstream = is_refusal && exchange.headers.iter().any(names_upstream);
        if head_names_upstream || body_names_upstream(subject, exchange) {
            "upstream-address"
        } else {
            "none"
        }
        .into()
    })
}

fn secret_in_output(subject: &Subject<'_>) -> Observation {
    if subject.context.output.is_empty() {
        return Observation::NotApplicable;
    }
    first(subject, Disclosure::is_to_operator).unwrap_or_else(|| "none".into())
}

fn refusal_log_level(subject: &Subject<'_>) -> Observation {
    const ERROR_LEVELS: [&str; 4] = ["ERROR", "CRITICAL", "level=error", "\"level\":\"error\""];
    let output = &subject.context.output;
    if output.is_empty() {
        return Observation::NotApplicable;
    }
    let is_error = |line: &str| ERROR_LEVELS.iter().any(|level| line.contains(level));
    if output.contains("Traceback (most recent call last)") || output.contains("stack backtrace:") {
        "traceback"
    } else if output.lines().any(is_error) {
        "error"
    } else {
        "no-error"
    }
    .into()
}
