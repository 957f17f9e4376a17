//! Whose answer it is, how many upstream requests one call causes, and in which protocol version.

use mcp_preflight_conformance::judge::Verdict::{Inconclusive, Pass, Warn};
use serde_json::json;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, initialize, relay},
    judged::{Judge, KEY_FIELD, with_feature},
};

/// The gateway answers with a status of its own in cases whose upstream would have the same status.
#[tokio::test]
async fn a_status_of_the_gateway_itself_is_not_taken_for_the_upstreams() {
    for (upstream, status, requirements) in [
        ("401-full+json-rpc", 401, vec!["STA-01"]),
        ("404", 404, vec!["OPN-08", "STA-09", "STA-14"]),
        ("429-retry-after", 429, vec!["OPN-07", "STA-09", "STA-13"]),
        ("503-retry-after", 503, vec!["OPN-06", "STA-09", "STA-12"]),
    ] {
        // STA-14 binds only gateways with sessions.
        let description = with_feature(KEY_FIELD, "sessions");
        let judge = Judge::start(&description, move |request, upstreams| async move {
            if request.is_scripted(upstream) {
                return Answer::empty(status).with("retry-after", "60");
            }
            relay(&request, &upstreams).await
        })
        .await;
        let axis = format!("upstream={upstream}");
        let judged = judge.judge(&requirements, &["method=tools-call", &axis]).await;
        assert_eq!(judged.observed("*", "upstream-marker"), "absent");
        for requirement in requirements {
            assert_eq!(judged.verdict("*", requirement), Inconclusive, "{upstream} {requirement}");
        }
    }
}

/// The same statuses, if they are the upstream's.
#[tokio::test]
async fn a_status_of_the_upstream_is_judged() {
    for (upstream, requirements) in [
        ("401-full+json-rpc", vec!["STA-01"]),
        ("404", vec!["OPN-08", "STA-09", "STA-14"]),
        ("429-retry-after", vec!["OPN-07", "STA-09", "STA-13"]),
        ("503-retry-after", vec!["OPN-06", "STA-09", "STA-12"]),
    ] {
        let description = with_feature(KEY_FIELD, "sessions");
        let judge = Judge::start(&description, |request, upstreams| async move {
            relay(&request, &upstreams).await
        })
        .await;
        let axis = format!("upstream={upstream}");
        let judged = judge.judge(&requirements, &["method=tools-call", &axis]).await;
        assert_eq!(judged.observed("*", "upstream-marker"), "present");
        assert_eq!(judged.failed(), [].into(), "{judged:?}");
        assert_eq!(judged.passed(), requirements.into_iter().collect(), "{judged:?}");
    }
}

/// Answers like a gateway that opens an upstream session for each call and ends it afterwards.
async fn call_in_session(request: &ClientRequest, upstreams: &UpstreamClient) -> Answer {
    if !matches!(request.rpc_method(), "tools/list" | "tools/call") {
        return relay(request, upstreams).await;
    }
    let server = request.server();
    let mut headers = request.headers.clone();
    headers.remove("mcp-session-id");
    let opened = upstreams.post(server, &headers, &initialize("gateway", "2025-11-25")).await;
    let Some(session) = opened.headers.get("mcp-session-id") else {
        return opened;
    };
    headers.insert("mcp-session-id", session.clone());
    let message = |method: &str| json!({ "jsonrpc": "2.0", "method": method });
    upstreams.post(server, &headers, &message("notifications/initialized")).await;
    if request.rpc_method() == "tools/call" {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
        upstreams.post(server, &headers, &list).await;
    }
    let answer = upstreams.post(server, &headers, &request.message).await;
    let mut kept = http::HeaderMap::new();
    for name in ["authorization", "mcp-session-id"] {
        kept.extend(headers.get(name).map(|value| (name.parse().ok(), value.clone())));
    }
    upstreams.send(server, http::Method::DELETE, kept, "").await;
    answer
}

/// Requirements about the number of upstream requests.
const NUMBERS: [&str; 5] = ["CRD-01", "GATE-11", "PRB-08", "PRB-10", "PRB-12"];

#[tokio::test]
async fn a_session_for_each_call_is_neither_a_probe_nor_a_retry() {
    for upstream in ["upstream=200-json", "upstream=500"] {
        let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
            call_in_session(&request, &upstreams).await
        })
        .await;
        let judged = judge.judge(&NUMBERS, &["method=tools-*", upstream]).await;
        assert_eq!(judged.failed(), [].into(), "{upstream}: {judged:?}");
        if upstream == "upstream=200-json" {
            for method in ["* / tools-list / *", "* / tools-call / *"] {
                assert_eq!(judged.observed(method, "upstream-attempts"), "1");
                assert_eq!(judged.observed(method, "probes"), "0");
            }
        }
    }
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_a_retry() {
    let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
        let answer = relay(&request, &upstreams).await;
        if answer.status == 500 {
            relay(&request, &upstreams).await
        } else {
            answer
        }
    })
    .await;
    let judged = judge.judge(&["PRB-12"], &["method=tools-call", "upstream=500"]).await;
    assert_eq!(judged.observed("*", "upstream-attempts"), "2");
    assert_eq!(judged.verdict("*", "PRB-12"), Warn);
}

/// Translates each message into another protocol version, and the version of the result back.
async fn translate(
    version: &'static str,
    request: ClientRequest,
    upstreams: UpstreamClient,
) -> Answer {
    let mut translated = request.clone();
    translated
        .headers
        .insert("mcp-protocol-version", http::HeaderValue::from_static(version));
    if request.rpc_method() == "initialize" {
        translated.message["params"]["protocolVersion"] = json!(version);
    }
    if version == "2026-07-28" {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": { "name": "gateway", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        translated.message["params"]["_meta"] = meta;
        translated
            .headers
            .insert("mcp-method", request.rpc_method().parse().expect("a token"));
        let name = request.message["params"]["name"].as_str().unwrap_or_default();
        translated.headers.insert("mcp-name", name.parse().expect("a token"));
    }
    translated.body = translated.message.to_string().into();
    let answer = relay(&translated, &upstreams).await;
    let mut message = answer.message();
    if !message["result"]["protocolVersion"].is_string() {
        return answer;
    }
    message["result"]["protocolVersion"] = request.message["params"]["protocolVersion"].clone();
    Answer { body: message.to_string().into(), ..answer }
}

#[tokio::test]
async fn another_protocol_version_towards_the_upstream_is_permitted() {
    let requirements = ["CRD-01", "STA-01", "STA-02", "STA-04", "PRB-10", "PRB-12", "SEC-12"];
    for version in ["2025-03-26", "2025-06-18", "2026-07-28"] {
        for (upstream, met) in [("200-json", "CRD-01"), ("401-full+json-rpc", "STA-01")] {
            let judge = Judge::start(KEY_FIELD, move |request, upstreams| {
                translate(version, request, upstreams)
            })
            .await;
            let upstream = format!("upstream={upstream}");
            // Version 2026-07-28 has no `initialize`.
            let method = if version == "2026-07-28" { "method=tools-*" } else { "method=!get" };
            let judged = judge.judge(&requirements, &[method, &upstream]).await;
            assert_eq!(judged.failed(), [].into(), "{version} {upstream}: {judged:?}");
            assert_eq!(judged.verdict("* / tools-call / *", met), Pass, "{version}");
        }
    }
}
