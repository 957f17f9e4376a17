//! Layouts of gateways: where the key and the token are sent, on which paths the gateway listens,
//! and how it names tools.

use mcp_preflight_conformance::cases::deployment::names;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, relay},
    judged::{Judge, KEY_FIELD},
};

/// The key is in `Authorization`, and the token in another field, which is renamed on the way.
const KEY_IN_AUTHORIZATION: &str = r#"
routes = ["/mcp/{server}"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[credentials]
key-header = "authorization"
key-prefix = "Bearer "
token-header = "x-upstream-authorization"
token-prefix = "Bearer "
"#;

const CREDENTIALS: [&str; 4] = ["CRD-01", "CRD-03", "CRD-07", "STA-01"];

/// Calls with accepted and refused tokens, and bodies that are complete.
const CALLS: [&str; 2] = ["method=tools-call", "upstream=*json*"];

/// Relays a request of the second layout.
pub(crate) async fn relay_renamed(request: ClientRequest, upstreams: UpstreamClient) -> Answer {
    let key = request.field("authorization").strip_prefix("Bearer ");
    if !key.is_some_and(|key| upstreams.is_key(key)) {
        return Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\"");
    }
    let mut headers = request.headers.clone();
    headers.remove("authorization");
    if let Some(token) = headers.remove("x-upstream-authorization") {
        headers.insert("authorization", token);
    }
    upstreams.post(request.server(), &headers, &request.message).await
}

#[tokio::test]
async fn both_credential_layouts_are_understood() {
    let judge =
        Judge::start(
            KEY_FIELD,
            |request, upstreams| async move { relay(&request, &upstreams).await },
        )
        .await;
    let key_field = judge.judge(&CREDENTIALS, &CALLS).await;
    let judge = Judge::start(KEY_IN_AUTHORIZATION, relay_renamed).await;
    let key_in_authorization = judge.judge(&CREDENTIALS, &CALLS).await;
    for judged in [key_field, key_in_authorization] {
        assert_eq!(judged.failed(), [].into(), "{judged:?}");
        assert_eq!(judged.passed(), CREDENTIALS.into());
    }
}

/// Without the renaming, the gateway key is the credential that the upstream receives.
#[tokio::test]
async fn a_key_in_authorization_that_is_forwarded_fails() {
    let judge = Judge::start(KEY_IN_AUTHORIZATION, |request, upstreams| async move {
        let mut headers = request.headers.clone();
        for name in ["host", "connection", "content-length"] {
            headers.remove(name);
        }
        let (method, body) = (request.method.clone(), request.body.clone());
        upstreams.send(request.server(), method, headers, body).await
    })
    .await;
    let judged = judge.judge(&["CRD-01", "CRD-03"], &CALLS).await;
    assert_eq!(judged.failed(), ["CRD-01", "CRD-03"].into(), "{judged:?}");
}

/// Endpoints directly below `/`, and names of tools with a prefix of its own.
const WITHOUT_MCP_IN_PATHS: &str = r#"
routes = ["/{server}"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[aggregate]
routes = ["/"]
narrowing-header = "x-servers"
name-separator = "__"

[credentials]
key-header = "x-gateway-key"
"#;

/// Answers a request to all servers that the field `x-servers` names.
async fn aggregate(request: ClientRequest, upstreams: UpstreamClient) -> Answer {
    let tool = request.message["params"]["name"].as_str().unwrap_or_default();
    if let Some((server, tool)) = tool.split_once("__") {
        let mut message = request.message.clone();
        message["params"]["name"] = json!(tool);
        return upstreams.post(server, &request.headers, &message).await;
    }
    let mut tools = Vec::new();
    for server in request.field("x-servers").split(',') {
        let answer = upstreams.post(server, &request.headers, &request.message).await;
        if answer.status != 200 {
            return answer;
        }
        let listed = answer.message()["result"]["tools"].take();
        tools.extend(listed.as_array().into_iter().flatten().map(|tool| {
            let name = format!("{server}__{}", tool["name"].as_str().unwrap_or_default());
            let mut tool = tool.clone();
            tool["name"] = json!(name);
            tool
        }));
    }
    Answer::result(&request, &json!({ "tools": tools }))
}

async fn below_root(request: ClientRequest, upstreams: UpstreamClient) -> Answer {
    if request.path == "/" {
        return aggregate(request, upstreams).await;
    }
    relay(&request, &upstreams).await
}

#[tokio::test]
async fn endpoints_below_the_root_and_prefixed_names_are_understood() {
    let judge = Judge::start(WITHOUT_MCP_IN_PATHS, below_root).await;
    let single_server = judge.judge(&CREDENTIALS, &CALLS).await;
    assert_eq!(single_server.failed(), [].into(), "{single_server:?}");
    assert_eq!(single_server.passed(), CREDENTIALS.into());
    let judge = Judge::start(WITHOUT_MCP_IN_PATHS, below_root).await;
    let axes = ["server=aggregate", "upstream=200-json,200-json,200-json", "method=tools-*"];
    let aggregate = judge.judge(&["AGG-01", "AGG-10", "AGG-13"], &axes).await;
    assert_eq!(aggregate.failed(), [].into(), "{aggregate:?}");
    assert_eq!(aggregate.passed(), ["AGG-01", "AGG-10", "AGG-13"].into(), "{aggregate:?}");
}

/// The mock upstreams are healthy towards requests of no case, so registration succeeds, and its
/// requests are not attributed to a case.
#[tokio::test]
async fn servers_that_must_be_healthy_when_they_are_registered_are_judged() {
    static REGISTERED: OnceCell<Vec<String>> = OnceCell::const_new();
    let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
        let registered = REGISTERED.get_or_init(|| register(&upstreams)).await;
        if registered.iter().all(|server| server != request.server()) {
            return Answer::empty(404);
        }
        relay(&request, &upstreams).await
    })
    .await;
    let requirements = ["CRD-01", "GATE-01", "STA-01"];
    let judged = judge.judge(&requirements, &CALLS).await;
    assert_eq!(judged.observed("* / 200-json / *", "probes"), "0");
    assert_eq!(judged.failed(), [].into(), "{judged:?}");
    assert_eq!(judged.passed(), requirements.into());
}

/// The names of the servers that answer `tools/list` without a token.
async fn register(upstreams: &UpstreamClient) -> Vec<String> {
    let list = json!({ "jsonrpc": "2.0", "id": 0, "method": "tools/list", "params": {} });
    let mut registered = Vec::new();
    for server in names::FORWARDING {
        let answer = upstreams.post(server, &http::HeaderMap::new(), &list).await;
        if answer.status == 200 {
            registered.push(server.to_owned());
        }
    }
    registered
}
