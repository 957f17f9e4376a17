//! Summarises a trace in a few lines: what the client saw, and what the upstream servers saw.
//!
//! Secrets that travelled upstream are named by their kind, not shown.

use indexmap::IndexMap;

use crate::trace::{Arrival, Ending, Exchange, SecretKind, Trace, all_headers, header};

/// The largest number of lines for each side, and of requests for each server.
const MAX_LINES: usize = 4;
/// The largest number of characters of a body or of a header field's value.
const MAX_CHARACTERS: usize = 2000;
/// The response header fields that the summary shows.
const SHOWN_FIELDS: [&str; 5] =
    ["www-authenticate", "location", "retry-after", "cache-control", "mcp-session-id"];

/// What the client saw: one line for each response, without repetitions.
pub(super) fn client_saw(trace: &Trace) -> Vec<String> {
    if trace.exchanges.is_empty() {
        return vec!["nothing: it sent no request".to_owned()];
    }
    let mut lines: Vec<String> = trace.exchanges.iter().map(response).collect();
    lines.dedup();
    limited(lines)
}

fn response(exchange: &Exchange) -> String {
    let Some(status) = exchange.status else {
        return exchange.ending.description().to_owned();
    };
    let mut line = status.to_string();
    for name in SHOWN_FIELDS {
        for value in all_headers(&exchange.headers, name) {
            line.push_str(&format!("  {name}: {}", one_line(value)));
        }
    }
    if !exchange.body.is_empty() {
        line.push_str(&format!("  body: {}", one_line(&exchange.body)));
    }
    if exchange.ending != Ending::Complete {
        line.push_str(&format!("  ({})", exchange.ending.description()));
    }
    line
}

/// What the upstream servers saw: one line for each server that received a request.
pub(super) fn upstream_saw(trace: &Trace) -> Vec<String> {
    let mut servers: IndexMap<&str, Vec<&Arrival>> = IndexMap::new();
    for arrival in &trace.arrivals {
        servers.entry(&arrival.server).or_default().push(arrival);
    }
    if servers.is_empty() {
        return vec!["no request".to_owned()];
    }
    let lines = servers.into_iter().map(|(server, arrivals)| {
        let count = match arrivals.len() {
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        };
        let requests = arrivals.iter().map(|arrival| request(arrival, trace)).collect();
        format!("{server}, {count}: {}", limited(requests).join("; "))
    });
    limited(lines.collect())
}

fn request(arrival: &Arrival, trace: &Trace) -> String {
    let Arrival { method, target, rpc_method, answered, headers, .. } = arrival;
    let message = rpc_method.as_deref().unwrap_or(target);
    let credential = match header(headers, "authorization") {
        None => "no Authorization".to_owned(),
        Some(value) => format!("Authorization = {}", credential_kind(value, trace)),
    };
    format!("{method} {message}, {credential}, answered {answered}")
}

fn credential_kind(value: &str, trace: &Trace) -> &'static str {
    let secret = trace.secrets.iter().find(|secret| value.contains(&secret.value));
    match secret.map(|secret| secret.kind) {
        Some(SecretKind::GatewayKey) => "a gateway key",
        Some(SecretKind::UpstreamToken) => "the caller's token",
        Some(SecretKind::StaticToken) => "the static token",
        Some(SecretKind::MintedToken) => "the minted token",
        Some(SecretKind::ClientSecret) => "the client secret",
        None => "an unknown value",
    }
}

fn limited(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("{more} more (the HTML report shows all)"));
    }
    lines
}

/// The text as one line; only a very long one is cut, and says so.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let length = line.chars().count();
    if length <= MAX_CHARACTERS {
        return line;
    }
    let start: String = line.chars().take(MAX_CHARACTERS).collect();
    format!("{start} … ({length} characters; the HTML report shows all)")
}
