//! Event streams: every spelling that the standard permits is read, and a stream in which no event
//! arrives is a hang.

use std::time::Duration;

use mcp_preflight_conformance::judge::Verdict::{Fail, Pass};
use tokio::time::Instant;

use crate::{
    gateway::{Answer, relay},
    judged::{Judge, Judged, KEY_FIELD},
};

/// The upstream's answer as an event stream, and whether the stream stays open after it.
///
/// `MESSAGE` stands for the upstream's message, and `ID` for the id of the request. Cases with
/// other mock behaviours are relayed.
async fn judge_stream(text: &'static str, stays_open: bool, upstream: &str) -> Judged {
    let behaviour = upstream.to_owned();
    let judge = Judge::start(KEY_FIELD, move |request, upstreams| {
        let behaviour = behaviour.clone();
        async move {
            let answer = relay(&request, &upstreams).await;
            if !request.is_scripted(&behaviour) {
                return answer;
            }
            let text = text.replace("ID", &request.message["id"].to_string());
            let body = text.replace("MESSAGE", &answer.message().to_string());
            Answer {
                stays_open,
                ..Answer::with_body(200, "text/event-stream", body)
            }
        }
    })
    .await;
    let upstream = format!("upstream={upstream}");
    judge
        .judge(&["CRD-01", "STA-01", "STA-04"], &["method=tools-*", &upstream])
        .await
}

/// The fields and line ends are those of the HTML standard, section "Server-sent events".
#[tokio::test]
async fn every_permitted_spelling_of_an_event_is_read() {
    for text in [
        "data: MESSAGE\n\n",
        "data:MESSAGE\n\n",
        "event: message\nid: 7\nretry: 1000\ndata: MESSAGE\n\n",
        "event: message\r\nid: 7\r\ndata: MESSAGE\r\n\r\n",
        "data: MESSAGE\r\r",
        "\u{feff}data: MESSAGE\n\n",
        ": a comment that keeps the connection open\n\n: another one\n\ndata: MESSAGE\n\n",
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\ndata: MESSAGE\n\n",
        "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":ID,\"result\":{\"tools\":[1]}}\n\n",
    ] {
        let judged = judge_stream(text, false, "slow-100").await;
        for method in ["* / tools-list / *", "* / tools-call / *"] {
            assert_eq!(judged.observed(method, "result"), "upstream", "{text:?}");
            assert_eq!(judged.verdict(method, "CRD-01"), Pass, "{text:?}");
        }
    }
}

/// The head alone is no answer. The description gives the gateway 1.5 seconds.
#[tokio::test]
async fn a_stream_without_an_event_is_a_hang_and_ends_by_the_deadline() {
    let keeps_open = ": a comment is no event\n\n";
    for text in ["", keeps_open] {
        let started = Instant::now();
        let judged = judge_stream(text, true, "slow-100").await;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        for method in ["* / tools-list / *", "* / tools-call / *"] {
            assert_eq!(judged.observed(method, "result"), "hung", "{text:?}");
            assert_eq!(judged.verdict(method, "CRD-01"), Fail, "{text:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_behind_a_silent_stream_fails() {
    let judged = judge_stream("", true, "401-full+json-rpc").await;
    for method in ["* / tools-list / *", "* / tools-call / *"] {
        assert_eq!(judged.observed(method, "result"), "hung");
        assert_eq!(judged.verdict(method, "STA-01"), Fail);
    }
}

/// MCP lets a server leave a stream open after the response. The client has its answer.
#[tokio::test]
async fn a_stream_that_stays_open_after_the_response_is_accepted() {
    let judged = judge_stream("data: MESSAGE\n\n", true, "slow-100").await;
    assert_eq!(judged.verdict("* / tools-call / *", "CRD-01"), Pass);
}
