//! Defects in admission and access: who may reach which server, and whose session it is.

use http::StatusCode;

use super::Defect;
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, names},
    },
    catalogue::Profile,
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "guesses-between-keys",
        description: "The gateway uses one of two different gateway keys instead of rejecting \
            the request.",
        reported_in: &["bifrost#4910"],
        profiles: &[Profile::Seed],
        fails: &["CRD-15"],
        deviation: |decisions| decisions.rejects_conflicting_keys.change(false),
    },
    Defect {
        name: "strangers-reach-upstream",
        description: "The gateway probes a token before it checks the gateway key.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["CRD-16", "GATE-01"],
        deviation: |decisions| decisions.probes_before_admission.change(true),
    },
    Defect {
        name: "names-before-keys",
        description: "The gateway reveals whether a server exists before it checks the gateway \
            key.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-19"],
        deviation: |decisions| {
            decisions.response_before_admission.change(|server| {
                let response = (StatusCode::NOT_FOUND, "404 Not Found: no such server");
                server.is_none().then_some(response)
            });
        },
    },
    Defect {
        name: "down-before-keys",
        description: "The gateway reports that a server is down before it checks the gateway key.",
        reported_in: &["litellm#28356"],
        profiles: &[Profile::Seed],
        fails: &["OPN-15"],
        deviation: |decisions| {
            decisions.response_before_admission.change(|server| {
                let message = "502 Bad Gateway: a health check reports that the server is down";
                let is_down = server.is_some_and(|server| server.name == names::CLOSED);
                is_down.then_some((StatusCode::BAD_GATEWAY, message))
            });
        },
    },
    Defect {
        name: "unknown-is-another",
        description: "The gateway probes the first server for an unknown server name.",
        reported_in: &["litellm#28220"],
        profiles: &[Profile::Seed],
        fails: &["CHL-14", "GATE-01", "GATE-03"],
        deviation: |decisions| {
            decisions
                .probe_without_access
                .change(|_, exists| (!exists).then_some(names::FORWARDING[0]));
        },
    },
    Defect {
        name: "probes-ungranted",
        description: "The gateway probes a token before it checks which servers the key may use.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["GATE-01", "GATE-10"],
        deviation: |decisions| decisions.probe_without_access.change(|name, _| Some(name)),
    },
    Defect {
        name: "connects-to-ungranted",
        description: "The gateway connects to a server before it checks which servers the key \
            may use.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["GATE-01"],
        deviation: |decisions| decisions.connects_before_access.change(true),
    },
    Defect {
        name: "tells-ungranted",
        description: "The gateway answers 403 for a server that the key may not use, and 404 for \
            an unknown one.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["GATE-07"],
        deviation: |decisions| decisions.forbids_inaccessible_server.change(|exists| exists),
    },
    Defect {
        name: "serves-the-disabled",
        description: "The gateway serves a server that the configuration disables.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["GATE-10"],
        deviation: |decisions| decisions.serves_disabled_server.change(true),
    },
    Defect {
        name: "names-are-urls",
        description: "The gateway sends a request to the URL that is given as a server name.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-13", "GATE-03", "SEC-02"],
        deviation: |decisions| {
            decisions.unconfigured_server.change(|name| {
                let url = name.replace("%3A", ":").replace("%2F", "/");
                let is_url = url.starts_with("http://");
                is_url.then(|| ConfiguredServer::new(name, ServerKind::Forwarding, url))
            });
        },
    },
    Defect {
        name: "sessions-for-anyone",
        description: "The gateway accepts a session id from any caller.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-08"],
        deviation: |decisions| decisions.checks_session_owner.change(false),
    },
    Defect {
        name: "shares-sessions",
        description: "The gateway accepts the session id of an aggregate endpoint from any caller.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-08"],
        deviation: |decisions| decisions.checks_aggregate_session_owner.change(false),
    },
];
