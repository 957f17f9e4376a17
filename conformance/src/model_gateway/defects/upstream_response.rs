//! Defects in how responses of upstreams reach the client.

use std::time::Duration;

use http::{StatusCode, header::RETRY_AFTER};

use super::Defect;
use crate::{
    catalogue::Profile,
    model_gateway::{
        disposition::{Disposition, disposition},
        relay::is_relayed,
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "404-as-500",
        description: "The gateway answers 500 instead of an upstream 404.",
        reported_in: &["modelcontextprotocol/rust-sdk#689"],
        profiles: &[Profile::Seed],
        fails: &["OPN-08", "STA-14", "STA-15"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                StatusCode::NOT_FOUND => Disposition::Replace(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "500 Internal Server Error: something went wrong",
                ),
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "429-as-403",
        description: "The gateway answers 403 instead of an upstream 429.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OPN-07", "STA-13"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                StatusCode::TOO_MANY_REQUESTS => Disposition::Forbidden,
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "429-as-success",
        description: "The gateway answers an upstream 429 with 200 and a JSON-RPC error.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OPN-07", "STA-13"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                StatusCode::TOO_MANY_REQUESTS => {
                    Disposition::Replace(StatusCode::OK, "the server is busy")
                }
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "hides-late-refusals",
        description: "The gateway answers 200 with a JSON-RPC error if a server accepts the probe \
            and refuses the request.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["AGG-10", "STA-03", "STA-05", "STR-03"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    Disposition::Replace(StatusCode::OK, "the server refused the request")
                }
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "relays-407",
        description: "The gateway relays an upstream 407 to the client.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-10"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => Disposition::Relay,
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "relays-redirects",
        description: "The gateway relays an upstream's redirect to the client.",
        reported_in: &["sigbit/mcp-auth-proxy#115"],
        profiles: &[Profile::Seed],
        fails: &["OPN-09"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                status if status.is_redirection() => Disposition::Relay,
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "relays-login-page",
        description: "The gateway relays an HTML page as a response.",
        reported_in: &["sigbit/mcp-auth-proxy#115"],
        profiles: &[Profile::Seed],
        fails: &["OPN-10"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match head.status {
                status if status.is_success() => Disposition::Relay,
                _ => disposition(head),
            });
        },
    },
    Defect {
        name: "drops-retry-after",
        description: "The gateway does not relay `Retry-After`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-12", "STA-13"],
        deviation: |decisions| {
            decisions
                .relays_field
                .change(|name, listed| *name != RETRY_AFTER && is_relayed(name, listed));
        },
    },
    Defect {
        name: "401-for-client-credentials-refusal",
        description: "The gateway answers 401 if an upstream refuses the gateway's own credential.",
        reported_in: &["wso2/api-platform#3188"],
        profiles: &[Profile::Seed],
        fails: &["STA-11"],
        deviation: |decisions| decisions.hides_refusal_of_own_credential.change(false),
    },
    Defect {
        name: "names-upstream-in-errors",
        description: "Error messages contain the upstream's URL.",
        reported_in: &["api7/aisix#661"],
        profiles: &[Profile::Seed],
        fails: &["CHL-20", "OBS-05"],
        deviation: |decisions| decisions.server_in_errors.change(|server| &server.url),
    },
    Defect {
        name: "follows-redirects",
        description: "The gateway follows redirects and sends the token along.",
        reported_in: &["api7/aisix#879", "microsoft/mcp-gateway#90"],
        profiles: &[Profile::Seed],
        fails: &["CRD-10", "CRD-13", "PRB-13", "STA-09"],
        deviation: |decisions| decisions.follows_redirects.change(true),
    },
    Defect {
        name: "no-deadline",
        description: "The gateway waits for an upstream without a time limit.",
        reported_in: &["litellm#38791", "pctx#119"],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-08", "PRB-02"],
        deviation: |decisions| decisions.deadline.change(|_| Duration::from_secs(3600)),
    },
];
