//! Defects in logs and metrics.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Defect;
use crate::catalogue::Profile;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "logs-the-token",
        description: "The log contains the `Authorization` of each request.",
        reported_in: &["gh-aw#50930"],
        profiles: &[Profile::Seed],
        fails: &["OBS-01"],
        deviation: |decisions| {
            decisions
                .logged_credentials
                .change(|_, token| format!(" authorization=\"Bearer {token}\""));
        },
    },
    Defect {
        name: "logs-the-key-encoded",
        description: "The log contains the gateway key of each request, in base64.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OBS-01"],
        deviation: |decisions| {
            decisions
                .logged_credentials
                .change(|key, _| format!(" key={}", STANDARD.encode(key)));
        },
    },
    Defect {
        name: "logs-the-start-of-the-token",
        description: "The log contains the first ten characters of each token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OBS-01"],
        deviation: |decisions| {
            decisions
                .logged_credentials
                .change(|_, token| format!(" token={}…", token.get(..10).unwrap_or_default()));
        },
    },
    Defect {
        name: "logs-the-end-of-the-token",
        description: "The log contains the last eight characters of each token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OBS-01"],
        deviation: |decisions| {
            decisions.logged_credentials.change(|_, token| {
                let end = token.len().saturating_sub(8);
                format!(" token=…{}", token.get(end..).unwrap_or_default())
            });
        },
    },
    Defect {
        name: "logs-refusals-as-errors",
        description: "A refused token is logged as an error with a traceback.",
        reported_in: &["litellm#32556", "litellm#37496"],
        profiles: &[Profile::Seed],
        fails: &["OBS-03"],
        deviation: |decisions| decisions.logs_refusals_as_errors.change(true),
    },
    Defect {
        name: "names-no-request",
        description: "A response does not name its log line.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OBS-04"],
        deviation: |decisions| decisions.returns_request_id.change(false),
    },
    Defect {
        name: "counts-by-token",
        description: "The token is a label of the request metric.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OBS-01", "OBS-02"],
        deviation: |decisions| {
            decisions.request_label.change(|token| format!(",token=\"{token}\""));
        },
    },
    Defect {
        name: "counts-any-name",
        description: "The server name in a request becomes a label, even if it is unknown.",
        reported_in: &["ai-gateway#2724"],
        profiles: &[Profile::Seed],
        fails: &["OBS-02"],
        deviation: |decisions| decisions.labels_unknown_servers.change(true),
    },
    Defect {
        name: "counts-failures-as-one",
        description: "The metric of inconclusive probes does not distinguish their causes.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OPN-17"],
        deviation: |decisions| decisions.inconclusive_cause.change(|_| "any"),
    },
    Defect {
        name: "times-probes-with-requests",
        description: "The time of a probe is only part of the request's time.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-17"],
        deviation: |decisions| decisions.probe_time_metric.change("model_request_seconds_sum"),
    },
];
