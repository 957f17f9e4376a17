//! Defects that concern protocol version 2026-07-28.

use serde_json::json;

use super::Defect;
use crate::{
    catalogue::Profile,
    model_gateway::{
        credential::is_forwarded,
        disposition::{Disposition, disposition},
        probe_request::{discover_request, initialize_request, is_stateless, probe_request},
        rpc_response::{error, error_with_code},
    },
};

/// A code in the range that the protocol version reserves.
const RESERVED_CODE: i64 = -32_099;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "trusts-mirror",
        description: "The gateway does not compare header fields with the stateless message that \
            they mirror.",
        reported_in: &["agentgateway#3439"],
        profiles: &[Profile::Seed],
        fails: &["SEC-11"],
        deviation: |decisions| decisions.checks_mirrored_fields.change(false),
    },
    Defect {
        name: "drops-mirror",
        description: "The gateway does not forward `Mcp-Name`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-01", "GATE-06", "SEC-12"],
        deviation: |decisions| {
            decisions
                .forwards_field
                .change(|name, _| is_forwarded(name) && name != "mcp-name");
        },
    },
    Defect {
        name: "opens-as-before",
        description: "The gateway probes a stateless server with `initialize`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-06"],
        deviation: |decisions| {
            decisions
                .probe_request
                .change(|server, token| initialize_request(server, token, "preflight-model"));
        },
    },
    Defect {
        name: "careless-discover",
        description: "The probe of a stateless server has an empty `_meta`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["PRB-07"],
        deviation: |decisions| {
            decisions.probe_request.change(|server, token| {
                if is_stateless(server) {
                    discover_request(server, token, &json!({}))
                } else {
                    probe_request(server, token)
                }
            });
        },
    },
    Defect {
        name: "flattens-modern-errors",
        description: "The gateway relays the status of an upstream's 400 or 404, but with a body \
            of its own.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-15"],
        deviation: |decisions| {
            decisions.disposition.change(|head| match disposition(head) {
                refusal @ (Disposition::Unauthorized | Disposition::Forbidden) => refusal,
                _ if head.status.is_client_error() && head.request.is_stateless() => {
                    Disposition::Replace(head.status, "the server rejected the request")
                }
                other => other,
            });
        },
    },
    Defect {
        name: "invents-modern-codes",
        description: "Refusals of stateless requests have an error code that the protocol \
            version reserves.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-17", "STA-18"],
        deviation: |decisions| {
            decisions.refusal_body.change(|request, status, text| {
                if request.is_stateless() {
                    error_with_code(request, status, RESERVED_CODE, text)
                } else {
                    error(request, status, text)
                }
            });
        },
    },
    Defect {
        name: "keeps-mirrored-name",
        description: "The gateway renames a tool in the message, but not in the field that \
            mirrors the name.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-12"],
        deviation: |decisions| decisions.renames_mirrored_name.change(false),
    },
];
