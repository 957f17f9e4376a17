//! Defects in probes: which servers are probed, how, and what follows from the response.

use http::{
    Method, StatusCode,
    header::{ACCEPT, USER_AGENT},
};
use serde_json::json;

use super::Defect;
use crate::{
    cases::axis::ServerKind,
    catalogue::Profile,
    model_gateway::{
        probe_request::{initialize_request, is_stateless, post_probe, probe_request},
        probe_result::{ProbeOutcome, outcome_of},
        upstream_request::own_request,
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "probes-client-credentials",
        description: "The gateway probes a client-credentials server with the caller's token.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["CRD-12", "GATE-04", "STA-11"],
        deviation: |decisions| {
            decisions.probes_servers_of.change(|kind| {
                use ServerKind::{ClientCredentials, Forwarding, NotPermitted};
                matches!(kind, Forwarding | NotPermitted | ClientCredentials)
            });
        },
    },
    Defect {
        name: "probes-static",
        description: "The gateway probes a static-credential server with the caller's token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-13", "GATE-05", "STA-11"],
        deviation: |decisions| {
            decisions.probes_servers_of.change(|kind| {
                use ServerKind::{Forwarding, NotPermitted, Static};
                matches!(kind, Forwarding | NotPermitted | Static)
            });
        },
    },
    Defect {
        name: "probes-in-series",
        description: "The probes of one token wait for each other.",
        reported_in: &["litellm#27847", "erato#1193"],
        profiles: &[Profile::Seed],
        fails: &["PRB-01"],
        deviation: |decisions| decisions.serializes_probes.change(true),
    },
    Defect {
        name: "head-probe-only",
        description: "The gateway probes with HEAD, and ignores a later 401.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["AGG-10", "PRB-04", "PRB-05", "PRB-06", "STA-01", "STA-02", "STR-03"],
        deviation: |decisions| {
            decisions
                .probe_request
                .change(|server, token| own_request(&server.url, Method::HEAD, token, None));
            decisions.trusts_probe_over_401.change(true);
        },
    },
    Defect {
        name: "probes-with-tools-call",
        description: "The probe calls a tool.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-06", "PRB-10", "STR-11"],
        deviation: |decisions| {
            decisions.probe_request.change(|server, token| {
                post_probe(server, token, "tools/call", &json!({ "name": "echo", "arguments": {} }))
            });
        },
    },
    Defect {
        name: "probes-twice",
        description: "The gateway probes each token twice.",
        reported_in: &["litellm#28356"],
        profiles: &[Profile::Seed],
        fails: &["GATE-11", "PRB-02", "PRB-12"],
        deviation: |decisions| decisions.probes_per_request.change(2),
    },
    Defect {
        name: "careless-probe",
        description: "The probe has no `Accept`.",
        reported_in: &["mcp-gateway-registry#136"],
        profiles: &[Profile::Seed],
        fails: &["PRB-07"],
        deviation: |decisions| {
            decisions.probe_request.change(|server, token| {
                let mut request = probe_request(server, token);
                request.headers_mut().remove(ACCEPT);
                request
            });
        },
    },
    Defect {
        name: "holds-probe-stream",
        description: "The gateway reads the event stream with which a server answers a probe.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-15"],
        deviation: |decisions| decisions.reads_probe_body.change(true),
    },
    Defect {
        name: "anonymous-probe",
        description: "The probe does not identify the gateway.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-19"],
        deviation: |decisions| {
            decisions.probe_request.change(|server, token| {
                let mut request = if is_stateless(server) {
                    probe_request(server, token)
                } else {
                    initialize_request(server, token, "")
                };
                request.headers_mut().remove(USER_AGENT);
                request
            });
        },
    },
    Defect {
        name: "misreads-refused-probe",
        description: "The gateway treats the refusal of a probe as an inconclusive probe.",
        reported_in: &["litellm#27847", "java-sdk#713"],
        profiles: &[Profile::Seed],
        fails: &["AGG-08", "PRB-18"],
        deviation: |decisions| decisions.probe_outcome.change(|_| ProbeOutcome::Proceed),
    },
    Defect {
        name: "retries-probe",
        description: "The gateway repeats a probe that fails.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-12"],
        deviation: |decisions| decisions.retries_failed_probe.change(true),
    },
    Defect {
        name: "leaves-sessions",
        description: "The gateway does not end the session that a probe opened.",
        reported_in: &["python-sdk#3300", "agw#719"],
        profiles: &[Profile::Seed],
        fails: &["PRB-08"],
        deviation: |decisions| decisions.ends_probe_session.change(false),
    },
    Defect {
        name: "ends-sessions-without-token",
        description: "The gateway ends the session of a probe without the token of the probe.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-01", "CRD-07", "DSC-08", "PRB-08", "SEC-06"],
        deviation: |decisions| decisions.ends_session_with_token.change(false),
    },
    Defect {
        name: "waits-for-clean-up",
        description: "The response waits until the session of the probe has ended.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-09"],
        deviation: |decisions| decisions.waits_for_session_end.change(true),
    },
    Defect {
        name: "leaks-probe-session",
        description: "The gateway gives the client the session of the probe.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-11"],
        deviation: |decisions| decisions.returns_probe_session.change(true),
    },
    Defect {
        name: "believes-the-probe",
        description: "The gateway ignores a 401 that follows a successful probe.",
        reported_in: &["Kuadrant/mcp-gateway#926"],
        profiles: &[Profile::Seed],
        fails: &["AGG-10", "STR-03"],
        deviation: |decisions| decisions.trusts_probe_over_401.change(true),
    },
    Defect {
        name: "reads-refusal-body",
        description: "A refusal counts only after its body has arrived completely.",
        reported_in: &["java-sdk#713"],
        profiles: &[Profile::Seed],
        fails: &["PRB-14", "STA-01", "STA-02"],
        deviation: |decisions| decisions.waits_for_refusal_body.change(true),
    },
    Defect {
        name: "remembers-refusals",
        description: "A token that was refused once is refused from then on without a probe.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-16"],
        deviation: |decisions| decisions.remembers_rejection.change(true),
    },
    Defect {
        name: "fails-closed-on-timeout",
        description: "The gateway rejects the request if the probe gets no response in time.",
        reported_in: &["cf#4862"],
        profiles: &[Profile::Seed],
        fails: &["OPN-05", "STA-12"],
        deviation: |decisions| decisions.rejects_after_probe_timeout.change(true),
    },
    Defect {
        name: "synthesises-401-from-500",
        description: "The gateway treats a 500 as the refusal of a token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-10", "OPN-06", "STA-09", "STA-12"],
        deviation: |decisions| {
            decisions.probe_outcome.change(|status| match status {
                StatusCode::INTERNAL_SERVER_ERROR => ProbeOutcome::Unauthorized,
                status => outcome_of(status),
            });
        },
    },
];
