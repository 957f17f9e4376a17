//! Observes HTTP itself: framing, hop-by-hop fields, CORS, and the fields of error responses.
//!
//! Observables of all exchanges and requests report the most severe value.

use std::collections::BTreeSet;

use super::{Observable, upstream_requests::mcp_requests};
use crate::{
    judge::{disclosure::contains_secret, observation::Observation, subject::Subject},
    trace::{Arrival, Exchange, Headers, all_headers, header},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "upstream-framing",
        description: "Whether the framing of every upstream request is unambiguous.",
        values: &["unambiguous", "two-lengths", "malformed"],
        absence: None,
        observe: upstream_framing,
    },
    Observable {
        name: "hop-by-hop-fields",
        description: "Whether the gateway forwarded hop-by-hop fields.",
        values: &["removed", "forwarded-upstream: *", "forwarded-to-client: *"],
        absence: None,
        observe: hop_by_hop_fields,
    },
    Observable {
        name: "cors",
        description: "Whether a web page of an allowed origin can read the responses, and the \
            fields that it needs.",
        values: &["readable", "unreadable", "not-exposed: *"],
        absence: None,
        observe: cors,
    },
    Observable {
        name: "foreign-page-access",
        description: "Whether Access-Control-Allow-Origin lets a web page of an origin that the \
            configuration does not allow read a response.",
        values: &["none", "its-origin", "every-origin"],
        absence: None,
        observe: foreign_page_access,
    },
    Observable {
        name: "upstream-cookie",
        description: "Whether the client received a Set-Cookie field of the upstream.",
        values: &["none", "relayed"],
        absence: None,
        observe: upstream_cookie,
    },
    Observable {
        name: "debug-fields",
        description: "Whether the response has debug fields, and whether they contain a secret.",
        values: &["absent", "masked", "secret-in: *"],
        absence: None,
        observe: debug_fields,
    },
    Observable {
        name: "problem-details",
        description: "Whether an error that is not an MCP message is a problem document (RFC \
            9457).",
        values: &["problem-json", "other"],
        absence: None,
        observe: |subject| of_response_fields(subject, problem_details),
    },
    Observable {
        name: "proxy-status",
        description: "Whether Proxy-Status (RFC 9209) has parameters other than the error type.",
        values: &["absent", "name-and-error", "other-parameters: *"],
        absence: None,
        observe: |subject| of_response_fields(subject, proxy_status),
    },
];

/// Observes the header fields of the last response; not applicable if there is none.
fn of_response_fields(
    subject: &Subject<'_>,
    observe: impl FnOnce(&Headers) -> Observation,
) -> Observation {
    match subject.exchange() {
        Some(exchange) if exchange.status.is_some() => observe(&exchange.headers),
        _ => Observation::NotApplicable,
    }
}

fn upstream_framing(subject: &Subject<'_>) -> Observation {
    let lengths = |arrival: &Arrival| {
        let count = |name| all_headers(&arrival.headers, name).count();
        count("content-length") + count("transfer-encoding")
    };
    for arrival in mcp_requests(subject) {
        if arrival.method.is_empty() {
            return "malformed".into();
        }
        if lengths(arrival) > 1 {
            return "two-lengths".into();
        }
    }
    "unambiguous".into()
}

fn hop_by_hop_fields(subject: &Subject<'_>) -> Observation {
    for exchange in &subject.trace.exchanges {
        for arrival in mcp_requests(subject) {
            if let Some(name) = forwarded_hop_by_hop(&exchange.sent_headers, &arrival.headers) {
                return format!("forwarded-upstream: {name}").into();
            }
        }
        let name = subject
            .stated_headers()
            .and_then(|stated| forwarded_hop_by_hop(stated, &exchange.headers));
        if let Some(name) = name {
            return format!("forwarded-to-client: {name}").into();
        }
    }
    "removed".into()
}

/// The first hop-by-hop field that was received on one side and sent with the same value on the
/// other.
///
/// An intermediary may send control options of its own (RFC 9110 §7.6.1): if its own Connection
/// names `upgrade` or `te`, the field applies to its own connection.
fn forwarded_hop_by_hop(received: &Headers, sent: &Headers) -> Option<String> {
    let is_sent =
        |name: &str, value: &str| all_headers(sent, name).any(|sent_value| sent_value == value);
    let options = connection_options(sent);
    let is_own = |name: &str| ["upgrade", "te"].contains(&name) && options.contains(name);
    hop_by_hop(received)
        .into_iter()
        .find(|(name, value)| is_sent(name, value) && !is_own(name))
        .map(|(name, _)| name)
}

/// The names in the Connection field, in lower case.
fn connection_options(headers: &Headers) -> BTreeSet<String> {
    all_headers(headers, "connection")
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// The hop-by-hop fields of a message (RFC 9110 §7.6.1): those that Connection names, and those
/// known to be hop-by-hop.
///
/// Authorization is not one of them, even if Connection names it. The fields of proxy
/// authentication are not either: an intermediary may relay them (RFC 9110 §11.7.1, §11.7.2).
fn hop_by_hop(headers: &Headers) -> Vec<(String, String)> {
    const KNOWN: [&str; 4] = ["keep-alive", "te", "upgrade", "proxy-connection"];
    let named = connection_options(headers);
    headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| named.contains(name) || KNOWN.contains(&name.as_str()))
        .filter(|(name, _)| name != "authorization")
        .collect()
}

/// A page can read a response that allows its origin or every origin, because the client sends no
/// browser credentials.
fn cors(subject: &Subject<'_>) -> Observation {
    let exchanges = &subject.trace.exchanges;
    let mut responses = exchanges.iter().filter(|exchange| exchange.status.is_some()).peekable();
    if responses.peek().is_none() {
        return Observation::NotApplicable;
    }
    for exchange in responses {
        let origin = header(&exchange.sent_headers, "origin");
        let allowed = header(&exchange.headers, "access-control-allow-origin");
        if !allowed.is_some_and(|allowed| allowed == "*" || Some(allowed) == origin) {
            return "unreadable".into();
        }
        if let Some(name) = unexposed_field(exchange) {
            return format!("not-exposed: {name}").into();
        }
    }
    "readable".into()
}

/// The first field of a response that a page needs and cannot read.
fn unexposed_field(exchange: &Exchange) -> Option<&'static str> {
    let exposed: Vec<String> = all_headers(&exchange.headers, "access-control-expose-headers")
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    ["www-authenticate", "mcp-session-id"].into_iter().find(|name| {
        let is_exposed = exposed.iter().any(|exposed| exposed == name || exposed == "*");
        header(&exchange.headers, name).is_some() && !is_exposed
    })
}

fn foreign_page_access(subject: &Subject<'_>) -> Observation {
    let page = &subject.context.deployment.page;
    let access = |exchange: &Exchange| {
        let origin = header(&exchange.sent_headers, "origin").filter(|origin| origin != page)?;
        match header(&exchange.headers, "access-control-allow-origin")? {
            "*" => Some("every-origin"),
            allowed => (allowed == origin).then_some("its-origin"),
        }
    };
    subject.trace.exchanges.iter().find_map(access).unwrap_or("none").into()
}

/// The cookie of the upstream behaviour `200-with-cookie`.
const UPSTREAM_COOKIE: &str = "preflight-upstream=";

fn upstream_cookie(subject: &Subject<'_>) -> Observation {
    of_response_fields(subject, |headers| {
        let is_relayed =
            all_headers(headers, "set-cookie").any(|cookie| cookie.starts_with(UPSTREAM_COOKIE));
        if is_relayed { "relayed" } else { "none" }.into()
    })
}

fn debug_fields(subject: &Subject<'_>) -> Observation {
    of_response_fields(subject, |headers| {
        let mut fields = headers
            .iter()
            .filter(|(name, _)| name.to_ascii_lowercase().contains("debug"))
            .peekable();
        if fields.peek().is_none() {
            return "absent".into();
        }
        let secrets = &subject.trace.secrets;
        let has_secret =
            |value: &str| secrets.iter().any(|secret| contains_secret(value, &secret.value));
        match fields.find(|(_, value)| has_secret(value)) {
            Some((name, _)) => format!("secret-in: {name}").into(),
            None => "masked".into(),
        }
    })
}

fn problem_details(headers: &Headers) -> Observation {
    let content_type = header(headers, "content-type").unwrap_or_default().to_ascii_lowercase();
    if content_type.starts_with("application/problem+json") {
        "problem-json"
    } else {
        "other"
    }
    .into()
}

fn proxy_status(headers: &Headers) -> Observation {
    let Some(line) = header(headers, "proxy-status") else {
        return "absent".into();
    };
    let others: Vec<&str> = line
        .split(';')
        .skip(1)
        .map(|parameter| parameter.split('=').next().unwrap_or_default().trim())
        .filter(|name| *name != "error")
        .collect();
    if others.is_empty() {
        "name-and-error".into()
    } else {
        format!("other-parameters: {}", others.join(", ")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_status_parameters_other_than_error_are_reported() {
        let line = |value: &str| vec![("Proxy-Status".to_owned(), value.to_owned())];
        assert_eq!(proxy_status(&Headers::new()), "absent".into());
        assert_eq!(proxy_status(&line("gw; error=connection_refused")), "name-and-error".into());
        assert_eq!(
            proxy_status(&line("gw; error=x; next-hop=\"10.0.0.1\"")),
            "other-parameters: next-hop".into()
        );
    }
}
