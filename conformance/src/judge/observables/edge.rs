//! Observes what the edges of HTTP show: fields of one hop, framing, pages of browsers, sessions and tokens of several callers.
//!
//! Looks at every exchange and arrival of a trace, and says of them what is worst.

use std::collections::BTreeSet;

use super::{Observable, Observation, Subject, body::words_of, is_discovery};
use crate::{
    cases::token_script::TokenScript,
    judge::disclosure,
    trace::{Arrival, Exchange, Headers, all_headers, header},
    upstreams::ISSUER,
};

/// What the edges show.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "upstream-framing",
        description: "whether what upstreams got can be read in one way only",
        values: &["unambiguous", "two-lengths", "malformed"],
        absence: None,
        look: framing,
    },
    Observable {
        name: "hop-by-hop-fields",
        description: "whether fields of one hop crossed the gateway",
        values: &["removed", "forwarded-upstream: *", "forwarded-to-client: *"],
        absence: None,
        look: hop_by_hop,
    },
    Observable {
        name: "cors",
        description: "whether a page may read the answers that it was given, and the fields that lead it on",
        values: &["readable", "unreadable", "not-exposed: *"],
        absence: None,
        look: cors,
    },
    Observable {
        name: "server-specific-token",
        description: "which token each server was shown of those that were sent for one server alone",
        values: &["own-server", "request-wide", "other-server", "none"],
        absence: None,
        look: own_token,
    },
    Observable {
        name: "session-issued",
        description: "whether the client was given a session",
        values: &["yes", "no"],
        absence: None,
        look: |subject| {
            if subject.trace.exchanges.iter().any(has_session) {
                "yes"
            } else {
                "no"
            }
            .into()
        },
    },
    Observable {
        name: "conflict-named",
        description: "whether a refusal says that credentials contradict each other",
        values: &["named", "unnamed"],
        absence: None,
        look: conflict,
    },
    Observable {
        name: "upstream-cancellation",
        description: "whether an upstream was told that its client no longer wants an answer",
        values: &["no", "yes"],
        absence: None,
        look: |subject| {
            let told = |arrival: &Arrival| {
                arrival.rpc_method.as_deref() == Some("notifications/cancelled")
            };
            if subject.trace.arrivals.iter().any(told) { "yes" } else { "no" }.into()
        },
    },
    Observable {
        name: "debug-fields",
        description: "whether there are header lines for debugging, and what they give away",
        values: &["absent", "masked", "secret-in: *"],
        absence: None,
        look: debug_headers,
    },
    Observable {
        name: "problem-details",
        description: "whether an error that is not MCP's is a problem document (RFC 9457)",
        values: &["problem-json", "other"],
        absence: None,
        look: |subject| {
            answered(subject, |headers| {
                if says_problem(headers) { "problem-json" } else { "other" }.into()
            })
        },
    },
    Observable {
        name: "proxy-status",
        description: "what Proxy-Status tells (RFC 9209): nothing, the gateway's name with an error type, or more than that",
        values: &["absent", "name-and-error", "other-parameters: *"],
        absence: None,
        look: |subject| answered(subject, proxy_status),
    },
];

fn answered(subject: &Subject<'_>, look: impl FnOnce(&Headers) -> Observation) -> Observation {
    match subject.exchange() {
        Some(exchange) if exchange.status.is_some() => look(&exchange.headers),
        _ => Observation::NotApplicable,
    }
}

fn mcp<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Arrival> {
    subject
        .trace
        .arrivals
        .iter()
        .filter(|arrival| !is_discovery(arrival) && arrival.server != ISSUER)
}

fn framing(subject: &Subject<'_>) -> Observation {
    let lengths = |arrival: &Arrival| {
        let count = |name| all_headers(&arrival.headers, name).count();
        count("content-length") + count("transfer-encoding")
    };
    for arrival in mcp(subject) {
        match lengths(arrival) {
            _ if arrival.method.is_empty() => return "malformed".into(),
            0 | 1 => {}
            _ => return "two-lengths".into(),
        }
    }
    "unambiguous".into()
}

/// RFC 9110 §7.6.1: `Connection` itself, what it names, and what is known to be of one hop. Only lines of the other face count: each hop
/// has lines of its own.
fn hop_by_hop(subject: &Subject<'_>) -> Observation {
    let of_hop = |headers: &Headers| -> Vec<(String, String)> {
        let named: BTreeSet<String> = all_headers(headers, "connection")
            .flat_map(|line| line.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let known = [
            "keep-alive",
            "te",
            "upgrade",
            "proxy-connection",
            "proxy-authorization",
            "proxy-authenticate",
        ];
        // A credential that Connection names is not meant for one hop (RFC 9110 §7.6.1).
        let is_one =
            |name: &str| (named.contains(name) || known.contains(&name)) && name != "authorization";
        let lower = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        lower.filter(|(name, _)| is_one(name)).collect()
    };
    let crossed = |from: &Headers, to: &Headers| {
        let same = |name: &str, value: &str| all_headers(to, name).any(|there| there == value);
        of_hop(from)
            .into_iter()
            .find(|(name, value)| same(name, value))
            .map(|(name, _)| name)
    };
    for exchange in &subject.trace.exchanges {
        for arrival in mcp(subject) {
            if let Some(name) = crossed(&exchange.sent_headers, &arrival.headers) {
                return format!("forwarded-upstream: {name}").into();
            }
        }
        if let Some(stated) =
            stated_headers(subject).and_then(|stated| crossed(stated, &exchange.headers))
        {
            return format!("forwarded-to-client: {stated}").into();
        }
    }
    "removed".into()
}

fn stated_headers(subject: &Subject<'_>) -> Option<&'static Headers> {
    match &subject.behaviour()?.source {
        crate::cases::behaviour::Source::Stated { headers, .. } => Some(headers),
        _ => None,
    }
}

/// A page reads an answer that names its origin, or everybody's; without credentials of the browser's own, which nobody sends here.
fn cors(subject: &Subject<'_>) -> Observation {
    let mut asked = subject
        .trace
        .exchanges
        .iter()
        .filter(|exchange| exchange.status.is_some())
        .peekable();
    if asked.peek().is_none() {
        return Observation::NotApplicable;
    }
    for exchange in asked {
        let origin = header(&exchange.sent_headers, "origin");
        if !header(&exchange.headers, "access-control-allow-origin")
            .is_some_and(|allowed| allowed == "*" || Some(allowed) == origin)
        {
            return "unreadable".into();
        }
        let exposed: Vec<String> = all_headers(&exchange.headers, "access-control-expose-headers")
            .flat_map(|line| line.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let is_hidden = |name: &&str| {
            let shown = exposed.iter().any(|exposed| exposed == name || exposed == "*");
            header(&exchange.headers, name).is_some() && !shown
        };
        if let Some(hidden) =
            ["www-authenticate", "mcp-session-id"].iter().find(|name| is_hidden(name))
        {
            return format!("not-exposed: {hidden}").into();
        }
    }
    "readable".into()
}

/// A token that was sent for one server tells by its end for which.
fn own_token(subject: &Subject<'_>) -> Observation {
    let told = |arrival: &Arrival| {
        let end = TokenScript::find(header(&arrival.headers, "authorization")?)?.end;
        Some(if end == arrival.server {
            "own-server"
        } else if end.is_empty() {
            "request-wide"
        } else {
            "other-server"
        })
    };
    let seen: Vec<Option<&str>> = mcp(subject).map(told).collect();
    ["other-server", "request-wide", "own-server"]
        .into_iter()
        .find(|word| seen.contains(&Some(word)))
        .unwrap_or("none")
        .into()
}

fn has_session(exchange: &Exchange) -> bool {
    header(&exchange.headers, "mcp-session-id").is_some()
}

fn conflict(subject: &Subject<'_>) -> Observation {
    match subject.exchange() {
        Some(exchange) if matches!(exchange.status, Some(400..=499)) => {
            let text = words_of(&exchange.body).to_ascii_lowercase();
            let says =
                ["conflict", "contradict", "ambiguous"].iter().any(|word| text.contains(word));
            if says { "named" } else { "unnamed" }.into()
        }
        _ => Observation::NotApplicable,
    }
}

fn debug_headers(subject: &Subject<'_>) -> Observation {
    answered(subject, |headers| {
        let mut found = headers
            .iter()
            .filter(|(name, _)| name.to_ascii_lowercase().contains("debug"))
            .peekable();
        if found.peek().is_none() {
            return "absent".into();
        }
        let told = |value: &str| {
            subject
                .trace
                .secrets
                .iter()
                .any(|secret| disclosure::holds(value, &secret.value))
        };
        found
            .find(|(_, value)| told(value))
            .map_or("masked".into(), |(name, _)| format!("secret-in: {name}").into())
    })
}

fn says_problem(headers: &Headers) -> bool {
    header(headers, "content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/problem+json"))
}

fn proxy_status(headers: &Headers) -> Observation {
    let Some(line) = header(headers, "proxy-status") else {
        return "absent".into();
    };
    let parameters = line
        .split(';')
        .skip(1)
        .map(|parameter| parameter.split('=').next().unwrap_or_default().trim());
    let more: Vec<&str> = parameters.filter(|name| *name != "error").collect();
    if more.is_empty() {
        "name-and-error".into()
    } else {
        format!("other-parameters: {}", more.join(", ")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_status_says_no_more_than_it_may() {
        let line = |value: &str| vec![("Proxy-Status".to_owned(), value.to_owned())];
        assert_eq!(proxy_status(&Headers::new()), "absent".into());
        assert_eq!(proxy_status(&line("gw; error=connection_refused")), "name-and-error".into());
        assert_eq!(
            proxy_status(&line("gw; error=x; next-hop=\"10.0.0.1\"")),
            "other-parameters: next-hop".into()
        );
    }
}
