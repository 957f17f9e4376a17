//! Observes the probes: the requests that a gateway makes for itself before it sends the client's
//! message.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Observable, count, of_last_exchange, upstream_requests::endpoint_path, yes_or_no};
use crate::{
    judge::{
        observation::Observation,
        subject::{Subject, session_id},
    },
    trace::{Arrival, all_headers, header},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "probes",
        description: "How many requests the gateway made for itself.",
        values: &["0", "1", "2", "3+"],
        absence: Some("0"),
        observe: |subject| count(subject.traffic().probes.len()),
    },
    Observable {
        name: "probe",
        description: "The messages that the gateway sent as probes.",
        values: &["none", "post-*", "head", "get", "options", "*+*"],
        absence: Some("none"),
        observe: probe,
    },
    Observable {
        name: "probe-target",
        description: "Whether probes were sent to the configured endpoint.",
        values: &["endpoint", "other: *"],
        absence: None,
        observe: probe_target,
    },
    Observable {
        name: "probe-form",
        description: "Whether a strict server accepts the probe as an MCP message.",
        values: &["well-formed", "missing: *"],
        absence: None,
        observe: probe_form,
    },
    Observable {
        name: "probe-marker",
        description: "Whether the operator of an upstream can distinguish a probe from a request \
            of a client.",
        values: &["marked", "unmarked", "client-identity"],
        absence: None,
        observe: probe_marker,
    },
    Observable {
        name: "probe-session",
        description: "Whether the gateway ended the sessions that its probes opened.",
        values: &["none", "ended", "ended-without-token", "not-ended"],
        absence: Some("none"),
        observe: probe_session,
    },
    Observable {
        name: "probe-session-end",
        description: "Whether the client's message waited until the probe's session had ended.",
        values: &["in-background", "waited-for"],
        absence: None,
        observe: probe_session_end,
    },
    Observable {
        name: "probe-wait",
        description: "Whether the client's message followed its probe within the probe's deadline.",
        values: &["within-deadline", "beyond-deadline"],
        absence: None,
        observe: probe_wait,
    },
    Observable {
        name: "request-after-probe",
        description: "Whether the gateway sent the client's message after an inconclusive probe.",
        values: &["yes", "no"],
        absence: None,
        observe: request_after_probe,
    },
    Observable {
        name: "client-session",
        description: "Whether the client received a session id, and whether it is the id of a \
            probe's session.",
        values: &["none", "own", "probe"],
        absence: Some("none"),
        observe: client_session,
    },
];

fn of_probes<'a>(
    subject: &Subject<'a>,
    observe: impl FnOnce(&[&'a Arrival]) -> Observation,
) -> Observation {
    let probes = &subject.traffic().probes;
    if probes.is_empty() {
        Observation::NotApplicable
    } else {
        observe(probes)
    }
}

fn probe(subject: &Subject<'_>) -> Observation {
    let name = |arrival: &&Arrival| match arrival.method.as_str() {
        "POST" => format!("post-{}", arrival.rpc_method.as_deref().unwrap_or("nothing")),
        method => method.to_ascii_lowercase(),
    };
    let names: BTreeSet<String> = subject.traffic().probes.iter().map(name).collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.into_iter().collect::<Vec<_>>().join("+").into()
    }
}

fn probe_target(subject: &Subject<'_>) -> Observation {
    let Some(endpoint) = endpoint_path(subject) else {
        return Observation::NotApplicable;
    };
    of_probes(subject, |probes| match probes.iter().find(|probe| probe.target != endpoint) {
        None => "endpoint".into(),
        Some(probe) => format!("other: {}", probe.target).into(),
    })
}

fn probe_form(subject: &Subject<'_>) -> Observation {
    of_probes(subject, |probes| {
        match probes.iter().find_map(|probe| missing_from_probe(probe)) {
            None => "well-formed".into(),
            Some(missing) => format!("missing: {missing}").into(),
        }
    })
}

/// The first thing that a probe lacks to be a valid MCP message.
///
/// Session-based versions require all parameters of `initialize`; 2026-07-28 requires the version
/// in every request.
fn missing_from_probe(probe: &Arrival) -> Option<&'static str> {
    if probe.method != "POST" {
        return Some("message");
    }
    let accept: Vec<&str> = all_headers(&probe.headers, "accept").collect();
    let accept = accept.join(",").to_ascii_lowercase();
    if !(accept.contains("application/json") && accept.contains("text/event-stream")) {
        return Some("accept");
    }
    let content_type = header(&probe.headers, "content-type").unwrap_or_default();
    if !content_type.to_ascii_lowercase().starts_with("application/json") {
        return Some("content-type");
    }
    let Ok(message) = serde_json::from_str::<Value>(&probe.body) else {
        return Some("json");
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Some("jsonrpc");
    }
    if !message.get("id").is_some_and(|id| id.is_string() || id.is_i64() || id.is_u64()) {
        return Some("id");
    }
    match probe.rpc_method.as_deref() {
        Some("initialize") => missing_member(
            &message,
            &[
                "/params/protocolVersion",
                "/params/capabilities",
                "/params/clientInfo/name",
                "/params/clientInfo/version",
            ],
        ),
        Some("server/discover") => missing_from_discover(probe, &message),
        _ => None,
    }
}

fn missing_member(message: &Value, pointers: &[&'static str]) -> Option<&'static str> {
    pointers.iter().find(|pointer| message.pointer(pointer).is_none()).copied()
}

fn missing_from_discover(probe: &Arrival, message: &Value) -> Option<&'static str> {
    const VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
    const CAPABILITIES: &str = "/params/_meta/io.modelcontextprotocol~1clientCapabilities";
    let version = message.pointer(VERSION).and_then(Value::as_str);
    if header(&probe.headers, "mcp-protocol-version") != version {
        return Some("mcp-protocol-version");
    }
    if header(&probe.headers, "mcp-method") != probe.rpc_method.as_deref() {
        return Some("mcp-method");
    }
    missing_member(message, &[VERSION, CAPABILITIES])
}

fn probe_marker(subject: &Subject<'_>) -> Observation {
    let client_name = subject.exchange().and_then(|exchange| client_name(&exchange.sent_body));
    let client_agent = subject
        .exchange()
        .and_then(|exchange| header(&exchange.sent_headers, "user-agent"));
    let marker = |probe: &Arrival| {
        let name = client_name_of_probe(probe);
        let agent = header(&probe.headers, "user-agent").filter(|agent| !agent.is_empty());
        let has_own_name = name.is_some() && name != client_name;
        let has_own_agent = agent.is_some() && agent != client_agent;
        if has_own_name || has_own_agent {
            "marked"
        } else if name.is_some() || agent.is_some() {
            "client-identity"
        } else {
            "unmarked"
        }
    };
    of_probes(subject, |probes| {
        let mut markers = probes.iter().map(|probe| marker(probe));
        markers.find(|marker| *marker != "marked").unwrap_or("marked").into()
    })
}

fn client_name_of_probe(probe: &Arrival) -> Option<String> {
    client_name(&probe.body).filter(|name| !name.is_empty())
}

/// The name in the `clientInfo` of a message.
fn client_name(body: &str) -> Option<String> {
    let message = serde_json::from_str::<Value>(body).ok()?;
    message
        .pointer("/params/clientInfo/name")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// The end of a session that a probe opened, from harmless to severe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SessionEnd {
    None,
    Ended,
    EndedWithoutToken,
    NotEnded,
}

fn probe_session(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    let session_end = |probe: &&Arrival| {
        let Some(issued) = probe.session_issued.as_deref() else {
            return SessionEnd::None;
        };
        let token = header(&probe.headers, "authorization");
        let mut ends = traffic
            .session_ends
            .iter()
            .filter(|end| session_id(end) == Some(issued))
            .peekable();
        if ends.peek().is_none() {
            SessionEnd::NotEnded
        } else if ends.any(|end| header(&end.headers, "authorization") == token) {
            SessionEnd::Ended
        } else {
            SessionEnd::EndedWithoutToken
        }
    };
    match traffic.probes.iter().map(session_end).max() {
        None | Some(SessionEnd::None) => "none",
        Some(SessionEnd::Ended) => "ended",
        Some(SessionEnd::EndedWithoutToken) => "ended-without-token",
        Some(SessionEnd::NotEnded) => "not-ended",
    }
    .into()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of deadlines are far below 2^52"
)]
fn probe_wait(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    let deadlines = subject.context.deadlines;
    match (traffic.probes.first(), traffic.own.first()) {
        (Some(probe), Some(own)) if own.at_ms >= probe.at_ms => {
            let is_within = own.at_ms - probe.at_ms <= (deadlines.probe + deadlines.slack) as f64;
            if is_within { "within-deadline" } else { "beyond-deadline" }.into()
        }
        _ => Observation::NotApplicable,
    }
}

/// Without waiting, both requests are sent at about the same time.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of deadlines are far below 2^52"
)]
fn probe_session_end(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    let (Some(end), Some(own)) = (traffic.session_ends.first(), traffic.own.last()) else {
        return Observation::NotApplicable;
    };
    let waited = own.at_ms - end.at_ms > subject.context.deadlines.slack as f64;
    if waited { "waited-for" } else { "in-background" }.into()
}

/// A gateway that opens a session for each call sends a second request of its own instead of the
/// client's message.
fn request_after_probe(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    yes_or_no(!traffic.own.is_empty() || traffic.probes.len() > 1)
}

fn client_session(subject: &Subject<'_>) -> Observation {
    of_last_exchange(subject, |exchange| {
        let is_in_response = |id: &str| {
            exchange.body.contains(id)
                || exchange.headers.iter().any(|(_, value)| value.contains(id))
        };
        let probes = &subject.traffic().probes;
        let mut probe_sessions = probes.iter().filter_map(|probe| probe.session_issued.as_deref());
        if probe_sessions.any(is_in_response) {
            "probe"
        } else if header(&exchange.headers, "mcp-session-id").is_some() {
            "own"
        } else {
            "none"
        }
        .into()
    })
}
