//! A refused token is hidden behind a status 200. The suite must see the refusal, and tell the ways
//! to hide it apart, because they harm users differently.

use mcp_preflight_conformance::judge::Verdict::{Fail, Inconclusive, Pass, Untestable};
use serde_json::json;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, initialize, relay},
    judged::{Judge, Judged, KEY_FIELD},
};

/// What a gateway answers instead of a refusal.
#[derive(Clone, Copy, Debug)]
enum Mask {
    EmptyList,
    CachedList,
    ErrorInResult,
    JsonRpcError,
}

impl Mask {
    fn answer(self, request: &ClientRequest) -> Answer {
        match self {
            Self::EmptyList => Answer::result(request, &json!({ "tools": [], "content": [] })),
            Self::CachedList => Answer::result(request, &catalogue()),
            Self::ErrorInResult => Answer::error_result(request, "the server refused the call"),
            Self::JsonRpcError => Answer::error(request, 200, "the server refused the call"),
        }
    }
}

/// A list that the gateway has stored, with a result of the tool.
fn catalogue() -> serde_json::Value {
    json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }],
            "content": [{ "type": "text", "text": "stored" }] })
}

#[tokio::test]
async fn four_masks_over_a_refused_token_are_told_apart() {
    for (mask, result, hidden) in [
        (Mask::EmptyList, "empty-success", Fail),
        (Mask::CachedList, "cached-success", Fail),
        (Mask::ErrorInResult, "error-in-success", Fail),
        // An explicit error is not presented as a success, but clients do not act on it.
        (Mask::JsonRpcError, "json-rpc-error-200", Pass),
    ] {
        let judge = Judge::start(KEY_FIELD, move |request, upstreams| async move {
            let answer = relay(&request, &upstreams).await;
            if answer.status == 401 { mask.answer(&request) } else { answer }
        })
        .await;
        let judged = judge
            .judge(
                &["STA-01", "STA-02", "STA-04"],
                &["upstream=401-full+json-rpc", "method=tools-*"],
            )
            .await;
        for method in ["* / tools-list / *", "* / tools-call / *"] {
            assert_eq!(judged.observed(method, "result"), result, "{mask:?}");
            assert_eq!(judged.verdict(method, "STA-01"), Fail, "{mask:?}");
            assert_eq!(judged.verdict(method, "STA-04"), hidden, "{mask:?}");
        }
        assert_eq!(judged.verdict("* / tools-call / *", "STA-02"), Fail, "{mask:?}");
    }
}

#[tokio::test]
async fn initialize_answered_with_200_although_the_upstream_refused_it_fails() {
    let judged = judge_initialize(|request, upstreams| async move {
        let answer = relay(&request, &upstreams).await;
        let hides_it = request.rpc_method() == "initialize" && answer.status == 401;
        if hides_it { own_initialize_result(&request) } else { answer }
    })
    .await;
    assert_eq!(judged.observed("* / initialize / *", "result"), "cached-success");
    assert_eq!(judged.failed(), ["STA-01", "STA-04"].into());
}

#[tokio::test]
async fn initialize_answered_without_the_upstream_is_inconclusive() {
    let judged = judge_initialize(|request, upstreams| async move {
        if request.rpc_method() == "initialize" {
            return own_initialize_result(&request);
        }
        relay(&request, &upstreams).await
    })
    .await;
    for requirement in ["STA-01", "STA-04"] {
        assert_eq!(judged.verdict("* / initialize / *", requirement), Inconclusive);
        // Nothing else was judged, so no case shows whether the requirement is met.
        assert_eq!(judged.summary(requirement), Untestable);
    }
}

async fn judge_initialize<F, A>(answer: F) -> Judged
where
    F: Fn(ClientRequest, UpstreamClient) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let axes = ["upstream=401-full+json-rpc", "method=initialize"];
    Judge::start(KEY_FIELD, answer).await.judge(&["STA-01", "STA-04"], &axes).await
}

fn own_initialize_result(request: &ClientRequest) -> Answer {
    let server = json!({ "name": "gateway", "version": "1" });
    let result = json!({
        "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": server,
    });
    Answer::result(request, &result)
}

/// A gateway that is built on a client library often copies a JSON-RPC error, and invents a text
/// for other bodies.
#[tokio::test]
async fn the_body_of_a_refusal_changes_the_mask_and_each_mask_fails() {
    let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
        let answer = relay(&request, &upstreams).await;
        if answer.status != 401 {
            return answer;
        }
        if answer.message()["jsonrpc"].is_string() {
            return Answer { status: 200, ..answer };
        }
        if answer.body.is_empty() {
            return Answer::error(&request, 200, "Unknown tool: echo");
        }
        Answer::error_result(&request, "Server returned an error response")
    })
    .await;
    let axes = ["upstream=401-full+*", "method=tools-call"];
    let judged = judge.judge(&["STA-01", "STA-02", "STA-04"], &axes).await;
    for (body, result, hidden) in [
        ("json-rpc", "json-rpc-error-200", Pass),
        ("oauth", "error-in-success", Fail),
        ("empty", "json-rpc-error-200", Pass),
    ] {
        let case = format!("* / 401-full+{body} / *");
        assert_eq!(judged.observed(&case, "result"), result, "{body}");
        assert_eq!(judged.verdict(&case, "STA-01"), Fail, "{body}");
        assert_eq!(judged.verdict(&case, "STA-02"), Fail, "{body}");
        assert_eq!(judged.verdict(&case, "STA-04"), hidden, "{body}");
    }
}

/// Answers `initialize` and `tools/list` from a store, and relays everything else.
async fn answer_from_store(request: &ClientRequest, upstreams: &UpstreamClient) -> Answer {
    match request.rpc_method() {
        "initialize" => own_initialize_result(request),
        "tools/list" => Answer::result(request, &catalogue()),
        _ => relay(request, upstreams).await,
    }
}

/// The methods that a catalogue answers itself say nothing about a token; `tools/call` decides.
#[tokio::test]
async fn a_catalogue_is_judged_by_its_calls() {
    for (hides_refusals, verdict) in [(false, Pass), (true, Fail)] {
        let judge = Judge::start(KEY_FIELD, move |request, upstreams| async move {
            let answer = answer_from_store(&request, &upstreams).await;
            let hides_it = hides_refusals && answer.status == 401;
            if hides_it { Mask::ErrorInResult.answer(&request) } else { answer }
        })
        .await;
        let judged = judge.judge(&["STA-01"], &["upstream=401-full+json-rpc", "method=!get"]).await;
        assert!(judged.damages().is_empty(), "{judged:?}");
        for method in ["* / initialize / *", "* / tools-list / *"] {
            assert_eq!(judged.verdict(method, "STA-01"), Inconclusive);
        }
        assert_eq!(judged.verdict("* / tools-call / *", "STA-01"), verdict);
        assert_eq!(judged.summary("STA-01"), verdict);
    }
}

/// LiteLLM probes with the caller's token, then opens a session of its own for the list. If the
/// server accepts the first `initialize` and refuses the second, LiteLLM lists no tools.
async fn list_in_own_session(
    request: &ClientRequest,
    upstreams: &UpstreamClient,
    hides_refusal: bool,
) -> Answer {
    let probe = upstreams
        .post(request.server(), &request.headers, &initialize("probe", "2025-11-25"))
        .await;
    if probe.status != 200 {
        return probe;
    }
    let opened = upstreams
        .post(request.server(), &request.headers, &initialize("call", "2025-11-25"))
        .await;
    match opened.status {
        200 => relay(request, upstreams).await,
        _ if hides_refusal => Mask::EmptyList.answer(request),
        _ => opened,
    }
}

#[tokio::test]
async fn a_refusal_after_an_accepted_probe_is_not_hidden_by_an_empty_list() {
    for (hides_refusal, verdict) in [(true, Fail), (false, Pass)] {
        let judge = Judge::start(KEY_FIELD, move |request, upstreams| async move {
            list_in_own_session(&request, &upstreams, hides_refusal).await
        })
        .await;
        let axes = ["upstream=200-then-40*", "method=tools-*"];
        let judged = judge.judge(&["STR-03"], &axes).await;
        for case in ["* / 200-then-401 / tools-list / *", "* / 200-then-403 / tools-list / *"] {
            assert_eq!(judged.verdict(case, "STR-03"), verdict, "{judged:?}");
        }
        assert_eq!(judged.summary("STR-03"), verdict);
    }
}
