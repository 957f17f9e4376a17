//! Defects in when the response head and the body are sent.

use std::{future::ready, time::Duration};

use bytes::Bytes;
use http::{
    Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt, Collected};
use serde_json::{Value, json};

use super::Defect;
use crate::{
    catalogue::Profile,
    model_gateway::relay::{Body, DeferredBody, Pending, is_event_stream},
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "commits-head-early",
        description: "The gateway sends 200 and an event stream before it has contacted a server.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &[
            "CHL-15", "CHL-17", "OPN-01", "OPN-02", "OPN-03", "OPN-04", "OPN-06", "OPN-07",
            "OPN-08", "OPN-09", "OPN-10", "OPN-11", "OPN-12", "OPN-13", "OPN-14", "OPN-16",
            "PRB-05", "PRB-14", "STA-01", "STA-02", "STA-03", "STA-05", "STA-10", "STA-11",
            "STA-12", "STA-13", "STA-15", "STR-01", "STR-03", "STR-04", "STR-06", "STR-11",
        ],
        deviation: |decisions| {
            decisions
                .commit
                .change(|_, response| Box::pin(ready(committed_early(response, None))));
        },
    },
    Defect {
        name: "late-refusal-is-empty",
        description: "The gateway sends the head before it has contacted a server, and turns a \
            refusal into an empty result.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &[
            "CHL-15", "CHL-17", "OPN-01", "OPN-02", "OPN-03", "OPN-04", "OPN-06", "OPN-07",
            "OPN-08", "OPN-09", "OPN-10", "OPN-11", "OPN-12", "OPN-13", "OPN-14", "OPN-16",
            "PRB-05", "PRB-14", "STA-01", "STA-02", "STA-03", "STA-04", "STA-05", "STA-10",
            "STA-11", "STA-12", "STA-13", "STA-15", "STR-01", "STR-03", "STR-04", "STR-05",
            "STR-06", "STR-11",
        ],
        deviation: |decisions| {
            decisions.commit.change(|id, response| {
                Box::pin(ready(committed_early(response, Some(id.clone()))))
            });
        },
    },
    Defect {
        name: "late-refusal",
        description: "The gateway knows at once that a token is refused, and answers seconds \
            later.",
        reported_in: &["litellm#38791"],
        profiles: &[Profile::Seed],
        fails: &["PRB-14", "STR-02"],
        deviation: |decisions| decisions.delay_of_401.change(Duration::from_millis(2_500)),
    },
    Defect {
        name: "ignores-leaving",
        description: "The gateway continues the request to an upstream after the client has \
            disconnected.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["STR-09"],
        deviation: |decisions| decisions.cancels_on_disconnect.change(false),
    },
    Defect {
        name: "completes-broken-bodies",
        description: "A body that breaks off ends as if it were complete.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["OPN-02", "OPN-11", "STR-04"],
        deviation: |decisions| decisions.completes_broken_bodies.change(true),
    },
];

/// An event stream whose head is sent at once and whose only event is the response, or an empty
/// result with the given id if the response is a client error.
fn committed_early(
    response: Pending<'static, Response<Body>>,
    id_of_empty_result: Option<Value>,
) -> Response<Body> {
    let event = async move {
        let (head, body) = response.await.into_parts();
        let mut bytes = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        if let Some(id) = id_of_empty_result.filter(|_| head.status.is_client_error()) {
            let result = json!({ "content": [], "tools": [] });
            bytes = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into();
        }
        if is_event_stream(&head.headers) {
            Ok(bytes)
        } else {
            Ok(Bytes::from([b"data: ", &bytes[..], b"\n\n"].concat()))
        }
    };
    let mut early = Response::new(DeferredBody::boxed(event));
    early
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    early
}
