//! Says in a line or two what each face of a trace saw. Secrets are named, not shown.

use indexmap::IndexMap;

use crate::trace::{
    Arrival, Ending, Exchange, SecretKind, Trace, all_headers, ending_in_words, header,
};

/// How many lines one face gets.
const LINES: usize = 4;

/// What the client saw, one line for each exchange.
pub(super) fn client(trace: &Trace) -> Vec<String> {
    if trace.exchanges.is_empty() {
        return vec!["sent nothing".to_owned()];
    }
    let mut lines: Vec<String> = trace.exchanges.iter().map(answer).collect();
    lines.dedup();
    cut(lines)
}

fn answer(exchange: &Exchange) -> String {
    let Some(status) = exchange.status else {
        return ending_in_words(exchange.ending).to_owned();
    };
    let mut line = status.to_string();
    for name in ["www-authenticate", "location", "retry-after", "cache-control", "mcp-session-id"] {
        for value in all_headers(&exchange.headers, name) {
            line.push_str(&format!("  {name}: {}", shown(value, 160)));
        }
    }
    if !exchange.body.is_empty() {
        line.push_str(&format!("  body: {}", shown(&exchange.body, 160)));
    }
    if exchange.ending != Ending::Complete {
        line.push_str(&format!("  ({})", ending_in_words(exchange.ending)));
    }
    line
}

/// What the upstreams saw, one line for each of them.
pub(super) fn upstreams(trace: &Trace) -> Vec<String> {
    let mut servers: IndexMap<&str, Vec<&Arrival>> = IndexMap::new();
    for arrival in &trace.arrivals {
        servers.entry(&arrival.server).or_default().push(arrival);
    }
    if servers.is_empty() {
        return vec!["saw nothing".to_owned()];
    }
    let line = |(server, arrivals): (&str, Vec<&Arrival>)| {
        let requests = if arrivals.len() == 1 {
            "1 request".to_owned()
        } else {
            format!("{} requests", arrivals.len())
        };
        let mut said: Vec<String> =
            arrivals.iter().map(|arrival| request(arrival, trace)).collect();
        let more = said.len().saturating_sub(LINES);
        said.truncate(LINES);
        if more > 0 {
            said.push(format!("and {more} more"));
        }
        format!("{server} saw {requests}: {}", said.join("; "))
    };
    cut(servers.into_iter().map(line).collect())
}

fn request(arrival: &Arrival, trace: &Trace) -> String {
    let what = arrival.rpc_method.as_deref().unwrap_or(&arrival.target);
    let credential = match header(&arrival.headers, "authorization") {
        None => "no Authorization".to_owned(),
        Some(value) => format!("Authorization = {}", holder(value, trace)),
    };
    format!("{} {what}, {credential}; answered {}", arrival.method, arrival.answered)
}

fn holder(value: &str, trace: &Trace) -> &'static str {
    match trace
        .secrets
        .iter()
        .find(|secret| value.contains(&secret.value))
        .map(|secret| secret.kind)
    {
        Some(SecretKind::GatewayKey) => "a gateway key",
        Some(SecretKind::UpstreamToken) => "caller's token",
        Some(SecretKind::StaticToken) => "the static token",
        Some(SecretKind::MintedToken) => "the minted token",
        Some(SecretKind::ClientSecret) => "the client secret",
        None => "something else",
    }
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// One line of text, shortened.
fn shown(text: &str, most: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= most {
        line
    } else {
        format!("{} …", line.chars().take(most).collect::<String>())
    }
}
