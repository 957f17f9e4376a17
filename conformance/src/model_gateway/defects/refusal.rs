//! Defects in the refusals of the gateway: their status and their body.

use std::fmt::Write as _;

use http::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, HeaderValue},
};
use http_body_util::{BodyExt, Collected};
use serde_json::{Value, json};

use super::Defect;
use crate::{
    catalogue::Profile,
    model_gateway::{
        client_request::ClientRequest,
        relay::{Body, DeferredBody, full},
        rpc_response::{default_code, empty, error, message_text, not_found, with_members},
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "swallows-401",
        description: "The gateway answers an upstream 401 with 200 and an empty list of tools.",
        reported_in: &["litellm#27847", "litellm#31921", "PrefectHQ/fastmcp#4227"],
        profiles: &[Profile::Seed],
        fails: &[
            "AGG-01", "AGG-03", "AGG-08", "AGG-10", "CHL-15", "CHL-17", "OPN-12", "OPN-13",
            "OPN-14", "PRB-05", "PRB-14", "STA-01", "STA-02", "STA-03", "STA-04", "STR-03",
        ],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                request.id.as_ref()?;
                Some(success(request, &json!({ "tools": [] })))
            });
        },
    },
    Defect {
        name: "is-error-result",
        description: "The gateway answers an upstream 401 with 200 and a tool result with \
            `isError`.",
        reported_in: &["litellm#32556", "litellm#37496"],
        profiles: &[Profile::Seed],
        fails: &[
            "AGG-01", "AGG-03", "AGG-08", "AGG-10", "CHL-15", "CHL-17", "OPN-12", "OPN-13",
            "OPN-14", "PRB-05", "PRB-14", "STA-01", "STA-02", "STA-03", "STA-04", "STR-03",
        ],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                request.id.as_ref()?;
                let content = json!([{ "type": "text", "text": "the tool failed" }]);
                Some(success(request, &json!({ "content": content, "isError": true })))
            });
        },
    },
    Defect {
        name: "json-rpc-error-in-200",
        description: "The gateway answers an upstream 401 with 200 and a JSON-RPC error.",
        reported_in: &["litellm#40453"],
        profiles: &[Profile::Seed],
        fails: &[
            "AGG-01", "AGG-03", "AGG-08", "AGG-10", "CHL-15", "CHL-17", "OPN-12", "OPN-13",
            "OPN-14", "PRB-05", "PRB-14", "STA-01", "STA-02", "STA-03", "STR-03",
        ],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                request.id.as_ref()?;
                let error = json!({ "code": 40101, "message": "401 Unauthorized" });
                Some(with_members(request, &json!({ "error": error })))
            });
        },
    },
    Defect {
        name: "caches-tools-list",
        description: "The gateway answers `tools/list` from a cache although the upstream \
            refused the token.",
        reported_in: &["aigw#2661"],
        profiles: &[Profile::Seed],
        fails: &[
            "AGG-01", "AGG-03", "AGG-08", "AGG-13", "SEC-10", "STA-01", "STA-03", "STA-04",
            "STR-03",
        ],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                let tools = json!([{ "name": "echo", "inputSchema": { "type": "object" } }]);
                let is_list = request.rpc_method.as_deref() == Some("tools/list");
                is_list.then(|| success(request, &json!({ "tools": tools })))
            });
        },
    },
    Defect {
        name: "empties-template-list",
        description: "The gateway answers `resources/templates/list` with an empty list although \
            the upstream refused the token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-02"],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                let is_list = request.rpc_method.as_deref() == Some("resources/templates/list");
                is_list.then(|| success(request, &json!({ "resourceTemplates": [] })))
            });
        },
    },
    Defect {
        name: "404-for-401",
        description: "The gateway answers 404 instead of an upstream 401.",
        reported_in: &["wso2/api-platform#3188"],
        profiles: &[Profile::Seed],
        fails: &[
            "AGG-01", "AGG-03", "AGG-05", "AGG-08", "AGG-10", "CHL-15", "CHL-17", "OPN-12",
            "OPN-13", "OPN-14", "PRB-05", "PRB-14", "STA-01", "STA-02", "STA-03", "STR-03",
            "STR-07", "STR-08",
        ],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| Some(not_found(request)));
        },
    },
    Defect {
        name: "get-not-checked",
        description: "The gateway answers every GET with 405, so that a client does not learn of \
            an expired token.",
        reported_in: &["rust-sdk#464"],
        profiles: &[Profile::Seed],
        fails: &["STA-03", "STR-03", "STR-07"],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                let refused = || error(request, StatusCode::METHOD_NOT_ALLOWED, "no event stream");
                (request.method == Method::GET).then(refused)
            });
        },
    },
    Defect {
        name: "notification-accepted",
        description: "The gateway answers a notification with 202 although the upstream refused \
            the token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STA-03", "STR-03", "STR-08"],
        deviation: |decisions| {
            decisions.response_instead_of_401.change(|request| {
                let is_notification = request.method == Method::POST && request.id.is_none();
                is_notification.then(|| empty(StatusCode::ACCEPTED))
            });
        },
    },
    Defect {
        name: "403-as-401",
        description: "The gateway answers 401 with a challenge instead of an upstream 403.",
        reported_in: &["litellm#27847", "python-sdk#1602"],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-03", "AGG-05", "AGG-10", "STA-05", "STR-03"],
        deviation: |decisions| decisions.answers_403_with_401.change(true),
    },
    Defect {
        name: "unauthorized-text-on-403",
        description: "The message of a 403 says \"Unauthorized\".",
        reported_in: &["litellm#28356"],
        profiles: &[Profile::Seed],
        fails: &["STA-20"],
        deviation: |decisions| decisions.message_of_403.change("401 Unauthorized"),
    },
    Defect {
        name: "body-without-id",
        description: "The JSON-RPC error of a refusal lacks the id of the request.",
        reported_in: &["punkpeye/fastmcp#357"],
        profiles: &[Profile::Seed],
        fails: &["STA-17"],
        deviation: |decisions| {
            decisions.refusal_body.change(|request, status, text| {
                error(&ClientRequest { id: None, ..request.clone() }, status, text)
            });
        },
    },
    Defect {
        name: "cut-refusals",
        description: "The body of a refusal is shorter than its Content-Length.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STR-10", "STR-12"],
        deviation: |decisions| {
            decisions.refusal_body.change(|request, status, text| {
                let mut response = error(request, status, text);
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("4096"));
                response.map(|body| {
                    DeferredBody::boxed(async { body.collect().await.map(Collected::to_bytes) })
                })
            });
        },
    },
    Defect {
        name: "cacheable-refusal",
        description: "Refusals lack `Cache-Control: no-store`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CHL-22"],
        deviation: |decisions| decisions.refusal_cache_control.change(None),
    },
    Defect {
        name: "tells-the-token",
        description: "The message of a refusal repeats the refused `Authorization`, with every \
            character escaped.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CHL-20", "OBS-01"],
        deviation: |decisions| {
            decisions.refusal_body.change(|request, status, text| {
                let mut escaped = String::new();
                for character in request.field("authorization").unwrap_or_default().chars() {
                    // Writing to a string cannot fail.
                    let _ = write!(escaped, "\\u{:04x}", u32::from(character));
                }
                let message = format!("{text}: ?");
                let code = default_code(status);
                let members = json!({ "error": { "code": code, "message": message } });
                let body = message_text(request, &members).replace(": ?", &format!(": {escaped}"));
                error(request, status, text).map(|_| full(body))
            });
        },
    },
];

fn success(request: &ClientRequest, result: &Value) -> Response<Body> {
    with_members(request, &json!({ "result": result }))
}
