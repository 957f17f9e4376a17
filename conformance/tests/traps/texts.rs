//! Texts for clients: an address of an upstream or a stack trace in one is found in every kind of
//! answer.

use mcp_preflight_conformance::judge::Verdict::{Fail, Pass};

use crate::{
    gateway::{Answer, ClientRequest, relay},
    judged::{Judge, KEY_FIELD},
};

/// A kind of answer that contains a text for the client.
type Shown = fn(&ClientRequest, &str) -> Answer;

const SHOWN: [(&str, Shown); 4] = [
    ("an error response", |request, text| Answer::error(request, 502, text)),
    ("a JSON-RPC error with status 200", |request, text| {
        Answer::error(request, 200, text)
    }),
    ("a tool result with isError", Answer::error_result),
    ("an event stream", |request, text| {
        let message = Answer::error_result(request, text).message();
        Answer::with_body(200, "text/event-stream", format!("data: {message}\n\n"))
    }),
];

#[tokio::test]
async fn internal_details_in_a_text_for_the_client_are_found() {
    for (kind, shown) in SHOWN {
        for (text, found) in [
            ("Client error '500' for url 'URL'", "upstream-address"),
            ("Traceback (most recent call last):\n  File \"mcp.py\", line 3", "stack-trace"),
            ("failed:\n    at Client.send (/app/node_modules/mcp/client.js:7)", "stack-trace"),
            ("httpx.ConnectError: all attempts failed", "library-message"),
            ("the server alpha could not answer", "none"),
        ] {
            let judge = Judge::start(KEY_FIELD, move |request, upstreams| async move {
                let answer = relay(&request, &upstreams).await;
                let url = upstreams.deployment.server(request.server()).map(|server| &server.url);
                let text = text.replace("URL", url.map_or("", String::as_str));
                if answer.status == 500 { shown(&request, &text) } else { answer }
            })
            .await;
            let judged = judge.judge(&["OBS-05"], &["upstream=500", "method=tools-call"]).await;
            let expected = if found == "none" { Pass } else { Fail };
            assert_eq!(judged.observed("*", "internal-details"), found, "{kind}: {text}");
            assert_eq!(judged.verdict("*", "OBS-05"), expected, "{kind}: {text}");
        }
    }
}

/// The body of the refusal is meant for the client, as far as it names no address.
#[tokio::test]
async fn a_body_of_the_upstream_without_internal_details_may_be_shown() {
    let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
        let answer = relay(&request, &upstreams).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 401 {
            Answer::error(&request, 401, &body)
        } else {
            answer
        }
    })
    .await;
    let judged = judge.judge(&["OBS-05"], &["upstream=401-full+*", "method=tools-call"]).await;
    assert_eq!(judged.summary("OBS-05"), Pass);
}

/// A client assigns a response to its request by the id.
#[tokio::test]
async fn a_result_with_another_id_fails() {
    for (changes_id, verdict) in [(true, Fail), (false, Pass)] {
        let judge = Judge::start(KEY_FIELD, move |request, upstreams| async move {
            let answer = relay(&request, &upstreams).await;
            let mut message = answer.message();
            if !changes_id || message.get("result").is_none() {
                return answer;
            }
            message["id"] = serde_json::json!(0);
            Answer::with_body(200, "application/json", message.to_string())
                .with("x-mock-answer", answer.headers["x-mock-answer"].to_str().unwrap())
        })
        .await;
        let judged = judge.judge(&["CRD-01"], &["upstream=200-json", "method=tools-call"]).await;
        assert_eq!(judged.verdict("*", "CRD-01"), verdict, "{judged:?}");
    }
}
