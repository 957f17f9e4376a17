//! Gateways whose configuration fixes which servers an endpoint serves: a set of servers, or one.

use mcp_preflight_conformance::{
    cases::deployment::names,
    judge::Verdict::{Fail, Pass, Skip},
    runner::smoke::Cause::Description,
};
use serde_json::{Value, json};

use crate::{
    gateway::{Answer, ClientRequest, KEY_HEADER, UpstreamClient, relay},
    judged::{Judge, with_feature},
};

/// A gateway that serves each toolset at a path of its own.
const FIXED_SETS: &str = r#"
routes = ["/mcp/{server}"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[aggregate]
routes = ["/sets/{toolset}"]
name-separator = "_"

[credentials]
key-header = "x-gateway-key"
"#;

/// A gateway with one server.
const ONE_SERVER: &str = r#"
routes = ["/mcp"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[credentials]
key-header = "x-gateway-key"
"#;

/// What the tests judge: that a call succeeds, and that a refusal reaches the client.
const REQUIREMENTS: [&str; 3] = ["CRD-01", "STA-01", "STA-04"];

/// Lists the tools of the servers of a toolset. `leaves_out_refusals` says what happens if a server
/// refuses the token: its tools are missing, or the client gets the refusal.
async fn list_of_set(
    request: &ClientRequest,
    upstreams: &UpstreamClient,
    leaves_out_refusals: bool,
) -> Answer {
    if !upstreams.is_key(request.field(KEY_HEADER)) {
        return Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\"");
    }
    let toolset = names::TOOLSETS.iter().find(|(name, _)| *name == request.server());
    let Some((_, servers)) = toolset else {
        return Answer::empty(404);
    };
    let mut tools: Vec<Value> = Vec::new();
    let mut forbidden = None;
    for server in *servers {
        let answer = upstreams.post(server, &request.headers, &request.message).await;
        match answer.status {
            401 if !leaves_out_refusals => return answer,
            403 if !leaves_out_refusals => forbidden = Some(answer),
            _ => {
                let listed = answer.message()["result"]["tools"].as_array().cloned();
                tools.extend(listed.unwrap_or_default().into_iter().map(|mut tool| {
                    tool["name"] =
                        format!("{server}_{}", tool["name"].as_str().unwrap_or_default()).into();
                    tool
                }));
            }
        }
    }
    forbidden.unwrap_or_else(|| Answer::result(request, &json!({ "tools": tools })))
}

/// FastMCP's proxies do this: a server that is mounted and refuses the token is left out.
#[tokio::test]
async fn an_endpoint_with_a_fixed_set_is_judged_with_its_toolset() {
    for (leaves_out_refusals, verdict) in [(false, Pass), (true, Fail)] {
        let judge = Judge::start(FIXED_SETS, move |request, upstreams| async move {
            if request.path.starts_with("/sets/") {
                return list_of_set(&request, &upstreams, leaves_out_refusals).await;
            }
            relay(&request, &upstreams).await
        })
        .await;
        let axes = ["server=aggregate", "method=tools-list", "upstream=*200-json,200-json"];
        let judged = judge.judge(&["AGG-01"], &axes).await;
        let accepted = "* / 200-json,200-json,200-json / tools-list / /sets/{toolset} / *";
        assert_eq!(judged.verdict(accepted, "AGG-01"), Pass, "{judged:?}");
        let refused = "* / 401-full,* / tools-list / /sets/{toolset} / *";
        assert_eq!(judged.verdict(refused, "AGG-01"), verdict, "{judged:?}");
    }
}

#[tokio::test]
async fn a_gateway_with_one_server_is_judged_with_this_server_only() {
    for (hides_refusals, verdict) in [(false, Pass), (true, Fail)] {
        let description = with_feature(ONE_SERVER, "limited-keys");
        let judge = Judge::start(&description, move |mut request, upstreams| async move {
            if request.path != "/mcp" {
                return Answer::empty(404);
            }
            request.path.push_str("/alpha");
            let answer = relay(&request, &upstreams).await;
            if hides_refusals && answer.status == 401 {
                return Answer::result(&request, &json!({ "tools": [] }));
            }
            answer
        })
        .await;
        let axes = ["method=tools-list", "upstream=*json*"];
        let judged = judge.judge(&REQUIREMENTS, &axes).await;
        assert!(judged.damages().is_empty(), "{judged:?}");
        assert_eq!(judged.verdict("* / 200-json / tools-list / /mcp / *", "CRD-01"), Pass);
        assert_eq!(judged.verdict("* / 401-full* / tools-list / /mcp / *", "STA-01"), verdict);
    }
}

/// The server `closed`, which other gateways serve, is not configured.
#[tokio::test]
async fn a_case_with_another_server_of_a_gateway_with_one_is_skipped() {
    let description = with_feature(ONE_SERVER, "limited-keys");
    let judge = Judge::start(&description, |mut request, upstreams| async move {
        request.path.push_str("/alpha");
        relay(&request, &upstreams).await
    })
    .await;
    let axes = ["method=tools-call", "upstream=refused-port"];
    let judged = judge.judge(&["OPN-01"], &axes).await;
    let closed = "* / refused-port / *";
    assert_eq!(judged.verdict(closed, "OPN-01"), Skip, "{judged:?}");
    let texts = judged.texts(closed, "OPN-01");
    assert_eq!(texts, ["feature `multiple-servers` is not declared"].into());
}

#[tokio::test]
async fn a_gateway_with_one_server_passes_the_smoke_test() {
    let judge = Judge::start(ONE_SERVER, |mut request, upstreams| async move {
        if request.path != "/mcp" {
            return Answer::empty(404);
        }
        request.path.push_str("/alpha");
        relay(&request, &upstreams).await
    })
    .await;
    let smoked = judge.smoke().await;
    assert_eq!(smoked.hints(Description), [""; 0]);
    assert_eq!(smoked.wrong(), [""; 0], "{:?}", smoked.test.calls);
}
