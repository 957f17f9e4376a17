//! Observes the upstreams' face: who was asked, how often, with which credential and by which message.
//!
//! Counts by message, never by request alone, because gateways that open a session for each call need more of them than others.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Observable, Observation, Subject, traffic::session};
use crate::{
    judge::disclosure::table::Kind,
    trace::{Arrival, all_headers, header},
};

/// What the upstreams are told.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "upstream-credential",
        description: "which credential the server asked for was shown, by all requests together",
        values: &[
            "no-request",
            "token",
            "no-credential",
            "server-credential",
            "gateway-key",
            "altered-token",
            "other",
            "*+*",
        ],
        absence: Some("no-request"),
        look: saw,
    },
    Observable {
        name: "other-servers-contacted",
        description: "whether any other server was asked",
        values: &["none", "some"],
        absence: Some("none"),
        look: others_saw,
    },
    Observable {
        name: "redirect-target-contacted",
        description: "whether a place that only a redirect names was asked: another origin, or another path of the upstream's own",
        values: &["none", "same-origin", "request", "request-with-token"],
        absence: Some("none"),
        look: elsewhere,
    },
    Observable {
        name: "upstream-attempts",
        description: "how often the client's own message arrived",
        values: &["0", "1", "2", "3+"],
        absence: None,
        look: |subject| count(subject.traffic().own.len()),
    },
    Observable {
        name: "probes",
        description: "how many requests beyond the client's own arrived",
        values: &["0", "1", "2", "3+"],
        absence: Some("0"),
        look: |subject| count(subject.traffic().probes.len()),
    },
    Observable {
        name: "probe",
        description: "by which messages the gateway asked for itself",
        values: &["none", "post-*", "head", "get", "options", "*+*"],
        absence: Some("none"),
        look: probe,
    },
    Observable {
        name: "probe-target",
        description: "whether probes went where requests go",
        values: &["endpoint", "other: *"],
        absence: None,
        look: probe_target,
    },
    Observable {
        name: "probe-form",
        description: "whether the probe is a message that a strict server takes",
        values: &["well-formed", "missing: *"],
        absence: None,
        look: probe_form,
    },
    Observable {
        name: "probe-marker",
        description: "whether an upstream's operator can tell a probe from a user",
        values: &["marked", "unmarked", "client-identity"],
        absence: None,
        look: probe_marker,
    },
    Observable {
        name: "probe-session",
        description: "what became of sessions that probes made",
        values: &["none", "ended", "ended-without-token", "not-ended"],
        absence: Some("none"),
        look: probe_session,
    },
    Observable {
        name: "probe-session-end",
        description: "whether the request waited until the probe's session had ended",
        values: &["in-background", "waited-for"],
        absence: None,
        look: clean_up,
    },
    Observable {
        name: "probe-wait",
        description: "whether the request followed its probe within the probe's deadline",
        values: &["within-deadline", "beyond-deadline"],
        absence: None,
        look: probe_wait,
    },
    Observable {
        name: "request-after-probe",
        description: "whether the request was tried at all, after a probe that decided nothing",
        values: &["yes", "no"],
        absence: None,
        look: tried,
    },
    Observable {
        name: "upstream-status",
        description: "the status that the client's own message met, where it arrived",
        values: &["100..599", "*"],
        absence: None,
        look: upstream_said,
    },
    Observable {
        name: "client-session",
        description: "whose session the client was given",
        values: &["none", "own", "probe"],
        absence: Some("none"),
        look: client_session,
    },
    Observable {
        name: "forwarded-schemes",
        description: "how many scheme prefixes the forwarded credential has",
        values: &["one", "repeated", "none"],
        absence: None,
        look: scheme,
    },
    Observable {
        name: "upstream-settled",
        description: "whether everything upstream had come to its end shortly after the answer",
        values: &["settled", "in-flight"],
        absence: None,
        look: settled,
    },
];

fn count(n: usize) -> Observation {
    match n {
        0 => "0",
        1 => "1",
        2 => "2",
        _ => "3+",
    }
    .into()
}

fn saw(subject: &Subject<'_>) -> Observation {
    let seen: BTreeSet<&str> =
        subject.arrivals().flat_map(|arrival| credentials(subject, arrival)).collect();
    if seen.is_empty() {
        "no-request".into()
    } else {
        seen.into_iter().collect::<Vec<_>>().join("+").into()
    }
}

/// What each `Authorization` line of a request holds.
fn credentials(subject: &Subject<'_>, arrival: &Arrival) -> BTreeSet<&'static str> {
    let sent = |line: &str| {
        let credential_layout = &subject.context.token_header;
        let exact = |value: &str| {
            if credential_layout == "authorization" {
                value == line
            } else {
                line.ends_with(value)
            }
        };
        subject
            .trace
            .exchanges
            .iter()
            .any(|exchange| all_headers(&exchange.sent_headers, credential_layout).any(exact))
    };
    let mut found: BTreeSet<&str> = all_headers(&arrival.headers, "authorization")
        .map(|line| {
            let kinds = subject.secrets().kinds_in(line);
            let holds = |some: &[Kind]| some.iter().any(|kind| kinds.contains(kind));
            match line {
                _ if holds(&[Kind::GatewayKey, Kind::AdmissionBearer]) => "gateway-key",
                _ if holds(&[Kind::StaticToken, Kind::MintedToken]) => "server-credential",
                _ if sent(line) => "token",
                _ if holds(&[Kind::CallersToken]) => "altered-token",
                _ => "other",
            }
        })
        .collect();
    if found.is_empty() {
        found.insert("no-credential");
    }
    found
}

fn others_saw(subject: &Subject<'_>) -> Observation {
    let planned = |name: &str| subject.context.deployment.server(name).is_some();
    let asked = |arrival: &Arrival| {
        !subject.means(&arrival.server) && planned(&arrival.server) && !super::is_discovery(arrival)
    };
    if subject.trace.arrivals.iter().any(asked) { "some" } else { "none" }.into()
}

fn elsewhere(subject: &Subject<'_>) -> Observation {
    let asked: Vec<&Arrival> = subject
        .trace
        .arrivals
        .iter()
        .filter(|arrival| arrival.server == "elsewhere")
        .collect();
    let path = |arrival: &Arrival| arrival.target.split('?').next().unwrap_or_default().to_owned();
    let moved =
        |arrival: &Arrival| endpoint(subject).is_some_and(|endpoint| path(arrival) != endpoint);
    match asked.as_slice() {
        [] if subject.arrivals().any(moved) => "same-origin",
        [] => "none",
        asked
            if asked.iter().any(|arrival| header(&arrival.headers, "authorization").is_some()) =>
        {
            "request-with-token"
        }
        _ => "request",
    }
    .into()
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

fn of_probes<'a>(
    subject: &Subject<'a>,
    look: impl FnOnce(&[&'a Arrival]) -> Observation,
) -> Observation {
    let probes = &subject.traffic().probes;
    if probes.is_empty() {
        Observation::NotApplicable
    } else {
        look(probes)
    }
}

/// The path of the server asked for, as the implementation is configured with it.
fn endpoint<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let url = &subject.context.deployment.server(subject.server)?.url;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    rest.find('/').map(|at| &rest[at..])
}

fn probe_target(subject: &Subject<'_>) -> Observation {
    let Some(endpoint) = endpoint(subject) else {
        return Observation::NotApplicable;
    };
    of_probes(subject, |probes| match probes.iter().find(|probe| probe.target != endpoint) {
        None => "endpoint".into(),
        Some(probe) => format!("other: {}", probe.target).into(),
    })
}

/// MCP revisions before 2026-07-28 want `initialize` with all of its parameters; the later ones want the version on every request.
fn probe_form(subject: &Subject<'_>) -> Observation {
    of_probes(subject, |probes| {
        let lacks = |probe: &Arrival| -> Option<&'static str> {
            if probe.method != "POST" {
                return Some("message");
            }
            let accept = all_headers(&probe.headers, "accept")
                .collect::<Vec<_>>()
                .join(",")
                .to_ascii_lowercase();
            if !(accept.contains("application/json") && accept.contains("text/event-stream")) {
                return Some("accept");
            }
            if !header(&probe.headers, "content-type")
                .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
            {
                return Some("content-type");
            }
            let Ok(message) = serde_json::from_str::<Value>(&probe.body) else {
                return Some("json");
            };
            let needed: &[&str] = match probe.rpc_method.as_deref() {
                Some("initialize") => &[
                    "/params/protocolVersion",
                    "/params/capabilities",
                    "/params/clientInfo/name",
                    "/params/clientInfo/version",
                ],
                Some("server/discover") => &[
                    "/params/_meta/io.modelcontextprotocol~1protocolVersion",
                    "/params/_meta/io.modelcontextprotocol~1clientCapabilities",
                ],
                _ => &[],
            };
            if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
                return Some("jsonrpc");
            }
            if !message.get("id").is_some_and(|id| id.is_string() || id.is_i64() || id.is_u64()) {
                return Some("id");
            }
            if probe.rpc_method.as_deref() == Some("server/discover") {
                let stated = message.pointer(needed[0]).and_then(Value::as_str);
                if header(&probe.headers, "mcp-protocol-version") != stated {
                    return Some("mcp-protocol-version");
                }
                if header(&probe.headers, "mcp-method") != probe.rpc_method.as_deref() {
                    return Some("mcp-method");
                }
            }
            needed.iter().find(|needed| message.pointer(needed).is_none()).copied()
        };
        probes
            .iter()
            .find_map(|probe| lacks(probe))
            .map_or("well-formed".into(), |what| format!("missing: {what}").into())
    })
}

fn probe_marker(subject: &Subject<'_>) -> Observation {
    let client = |pointer: &str| {
        let sent = subject
            .exchange()
            .and_then(|exchange| serde_json::from_str::<Value>(&exchange.sent_body).ok());
        sent.and_then(|sent| sent.pointer(pointer).and_then(Value::as_str).map(str::to_owned))
    };
    let users = subject
        .exchange()
        .and_then(|exchange| header(&exchange.sent_headers, "user-agent"));
    of_probes(subject, |probes| {
        let mark = |probe: &&&Arrival| {
            let name = serde_json::from_str::<Value>(&probe.body).ok();
            let name = name
                .as_ref()
                .and_then(|body| body.pointer("/params/clientInfo/name"))
                .and_then(Value::as_str);
            let name = name.filter(|name| !name.is_empty());
            let agent = header(&probe.headers, "user-agent").filter(|agent| !agent.is_empty());
            let own_name =
                name.filter(|name| Some(*name) != client("/params/clientInfo/name").as_deref());
            match (own_name, agent.filter(|agent| Some(*agent) != users)) {
                (None, None) if name.is_some() || agent.is_some() => "client-identity",
                (None, None) => "unmarked",
                _ => "marked",
            }
        };
        probes
            .iter()
            .map(|probe| mark(&probe))
            .find(|mark| *mark != "marked")
            .unwrap_or("marked")
            .into()
    })
}

fn probe_session(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    let mut worst = "none";
    for probe in &traffic.probes {
        let Some(issued) = probe.session_issued.as_deref() else { continue };
        let ends: Vec<&&Arrival> =
            traffic.clean_up.iter().filter(|end| session(end) == Some(issued)).collect();
        let token = header(&probe.headers, "authorization");
        let end = match ends.as_slice() {
            [] => "not-ended",
            ends if ends.iter().any(|end| header(&end.headers, "authorization") == token) => {
                "ended"
            }
            _ => "ended-without-token",
        };
        let rank = |word: &str| {
            ["none", "ended", "ended-without-token", "not-ended"]
                .iter()
                .position(|known| *known == word)
        };
        if rank(end) > rank(worst) {
            worst = end;
        }
    }
    worst.into()
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
            let within = own.at_ms - probe.at_ms <= (deadlines.probe + deadlines.slack) as f64;
            if within { "within-deadline" } else { "beyond-deadline" }.into()
        }
        _ => Observation::NotApplicable,
    }
}

/// Both go out at about the same time, unless one waits for the other; how long the end of a session may take is not declared.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of deadlines are far below 2^52"
)]
fn clean_up(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    let (Some(end), Some(own)) = (traffic.clean_up.first(), traffic.own.last()) else {
        return Observation::NotApplicable;
    };
    let waited = own.at_ms - end.at_ms > subject.context.deadlines.slack as f64;
    if waited { "waited-for" } else { "in-background" }.into()
}

/// A gateway that opens a session for each call tries again by opening that: a second request of its own is a try too.
fn tried(subject: &Subject<'_>) -> Observation {
    let traffic = subject.traffic();
    if !traffic.own.is_empty() || traffic.probes.len() > 1 {
        "yes"
    } else {
        "no"
    }
    .into()
}

fn upstream_said(subject: &Subject<'_>) -> Observation {
    subject
        .traffic()
        .own
        .last()
        .map_or(Observation::NotApplicable, |own| own.answered.clone().into())
}

fn client_session(subject: &Subject<'_>) -> Observation {
    let Some(exchange) = subject.exchange() else {
        return Observation::Unknown("no request was sent");
    };
    let told = |id: &str| {
        exchange.body.contains(id) || exchange.headers.iter().any(|(_, value)| value.contains(id))
    };
    let probes = &subject.traffic().probes;
    if probes.iter().filter_map(|probe| probe.session_issued.as_deref()).any(told) {
        return "probe".into();
    }
    if header(&exchange.headers, "mcp-session-id").is_some() {
        "own"
    } else {
        "none"
    }
    .into()
}

fn scheme(subject: &Subject<'_>) -> Observation {
    let mut lines = subject
        .arrivals()
        .flat_map(|arrival| all_headers(&arrival.headers, "authorization"))
        .peekable();
    if lines.peek().is_none() {
        return Observation::NotApplicable;
    }
    let words = |line: &str| {
        line.split_ascii_whitespace()
            .filter(|word| word.eq_ignore_ascii_case("bearer"))
            .count()
    };
    match lines.map(words).max() {
        Some(0) => "none",
        Some(1) => "one",
        _ => "repeated",
    }
    .into()
}

fn settled(subject: &Subject<'_>) -> Observation {
    match subject.context.settled {
        Some(true) => "settled".into(),
        Some(false) => "in-flight".into(),
        None => Observation::NotApplicable,
    }
}
