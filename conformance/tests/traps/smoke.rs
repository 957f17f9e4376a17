//! The smoke test: each diagnosis is that of a gateway with exactly this problem, and the proposed
//! lines describe the gateway.

use mcp_preflight_conformance::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, names},
    },
    catalogue::GatewayKind,
    runner::smoke::Cause::{Description, Gateway},
};
use serde_json::json;

use crate::{
    binary::{output_of, stderr, stdout},
    gateway::{Answer, ClientRequest, KEY_HEADER, UpstreamClient, relay},
    judged::{Judge, KEY_FIELD, Smoked},
    layouts::relay_renamed,
    sessions::{STATEFUL, Sessions},
};

/// The description of [`complete`].
const COMPLETE: &str = r#"
routes = ["/mcp/{server}"]
features = [
    "gateway-keys",
    "token-forwarding",
    "servers-without-credential",
    "key-in-authorization",
    "limited-keys",
    "static-credential",
    "client-credentials",
    "sessionless-requests",
    "listening-stream",
    "session-end",
    "stateless-clients",
]

[credentials]
key-header = "x-gateway-key"
"#;

/// Answers like a gateway with every feature of [`COMPLETE`].
async fn complete(request: &ClientRequest, upstreams: &UpstreamClient) -> Answer {
    let deployment = &upstreams.deployment;
    let bearer = request.field("authorization").trim_start_matches("Bearer ").to_owned();
    let key = if upstreams.is_key(&bearer) {
        &bearer
    } else {
        request.field(KEY_HEADER)
    };
    if !upstreams.is_key(key) {
        return Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\"");
    }
    let Some(server) = deployment.server(request.server()) else {
        return Answer::empty(404);
    };
    if !server.granted && *key != deployment.full_key {
        return Answer::empty(404);
    }
    send(request, upstreams, server, &bearer).await
}

/// Sends a request to a server with the credential for it.
async fn send(
    request: &ClientRequest,
    upstreams: &UpstreamClient,
    server: &ConfiguredServer,
    token: &str,
) -> Answer {
    let mut headers = request.headers.clone();
    for name in [KEY_HEADER, "host", "connection", "content-length", "authorization"] {
        headers.remove(name);
    }
    let credential = match server.kind {
        ServerKind::Static => Some(upstreams.deployment.static_token.as_str()),
        ServerKind::ClientCredentials => Some(upstreams.deployment.minted_token.as_str()),
        ServerKind::Open => None,
        _ => Some(token).filter(|token| !token.is_empty() && !upstreams.is_key(token)),
    };
    if let Some(credential) = credential {
        let value = format!("Bearer {credential}").parse().expect("tokens are visible ASCII");
        headers.insert("authorization", value);
    }
    let (method, body) = (request.method.clone(), request.body.clone());
    upstreams.send(&server.name, method, headers, body).await
}

/// Makes the smoke test of a gateway that deviates from [`complete`] in one respect: the function
/// returns the answer if it deviates.
async fn smoke_with<F>(description: &str, deviate: F) -> Smoked
where
    F: Fn(&ClientRequest, &UpstreamClient) -> Option<Answer> + Clone + Send + Sync + 'static,
{
    let judge = Judge::start(description, move |request, upstreams| {
        let deviation = deviate(&request, &upstreams);
        async move {
            match deviation {
                Some(answer) => answer,
                None => complete(&request, &upstreams).await,
            }
        }
    })
    .await;
    judge.smoke().await
}

/// Checks that the only failing call has this hint, and that the differences are these.
#[track_caller]
fn assert_diagnosis(smoked: &Smoked, hint: &str, wrong: &[&str]) {
    let hints = smoked.hints(Description);
    assert!(hints.len() == 1 && hints[0].contains(hint), "{hints:#?}");
    let differences = smoked.wrong();
    assert_eq!(differences.len(), wrong.len(), "{differences:#?}");
    for (difference, expected) in differences.iter().zip(wrong) {
        assert!(difference.contains(expected), "{difference}");
    }
}

/// Checks that the description is right, and that the only call without its expected result has a
/// hint about a defect of the gateway that contains these texts.
#[track_caller]
fn assert_defect_of_the_gateway(smoked: &Smoked, texts: &[&str]) {
    assert_eq!(smoked.hints(Description), [""; 0]);
    assert_eq!(smoked.proposal, None);
    let [hint] = smoked.hints(Gateway)[..] else {
        panic!("one call has no expected result: {:?}", smoked.test.calls);
    };
    for text in texts {
        assert!(hint.contains(text), "{hint}");
    }
}

#[tokio::test]
async fn a_described_gateway_passes() {
    let smoked = smoke_with(COMPLETE, |_, _| None).await;
    assert_eq!(smoked.hints(Description), [""; 0]);
    assert_eq!(smoked.proposal, None);
    let survey = smoked.test.survey.expect("the gateway was surveyed");
    let found = survey.in_words().expect("a way was found");
    assert_eq!(
        found,
        "the gateway listens at /mcp/{server}, requires no sessions, checks gateway keys in \
         `x-gateway-key`, and forwards the caller's token from `authorization`"
    );
    // This gateway copies the challenges of the servers.
    assert_eq!(survey.kind(), Some(GatewayKind::Relay));
}

#[tokio::test]
async fn the_kind_of_a_gateway_is_recognised() {
    async fn kind_of<F, A>(description: &str, answer: F) -> Option<GatewayKind>
    where
        F: Fn(ClientRequest, UpstreamClient) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let smoked = Judge::start(description, answer).await.smoke().await;
        smoked.test.survey.expect("the gateway was surveyed").kind()
    }
    /// Answers a refusal with a challenge of its own.
    fn with_own_challenge(answer: Answer) -> Answer {
        match answer.status {
            401 => Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\""),
            _ => answer,
        }
    }
    let forwarding = kind_of(COMPLETE, |request, upstreams| async move {
        with_own_challenge(complete(&request, &upstreams).await)
    });
    assert_eq!(forwarding.await, Some(GatewayKind::ForwardingGateway));
    let catalogue = kind_of(COMPLETE, |request, upstreams| async move {
        if request.rpc_method() == "tools/list" {
            return Answer::result(&request, &json!({ "tools": [{ "name": "echo" }] }));
        }
        with_own_challenge(complete(&request, &upstreams).await)
    });
    assert_eq!(catalogue.await, Some(GatewayKind::Catalogue));
    let sessions = Sessions::default();
    let sdk_proxy = kind_of(STATEFUL, move |request, upstreams| {
        let sessions = sessions.clone();
        async move { with_own_challenge(sessions.relay(&request, &upstreams).await) }
    });
    assert_eq!(sdk_proxy.await, Some(GatewayKind::SdkProxy));
}

#[tokio::test]
async fn the_built_in_gateways_pass_and_their_kind_is_stated() {
    for (name, sessions) in [
        ("builtin:reference", "gives sessions but requires none"),
        ("builtin:model", "requires no sessions"),
        ("builtin:variant/requires-session", "requires sessions"),
    ] {
        let output = output_of(&["smoke", name]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
        assert!(text.contains(sessions), "{text}");
        assert!(text.contains("the preset that fits best is `"), "{text}");
        assert!(!text.contains("differs"), "{text}");
        assert!(!text.contains("{servers}") && !text.contains("{toolset}"), "{text}");
    }
}

#[tokio::test]
async fn another_route_is_found() {
    let judge = Judge::start(COMPLETE, |mut request, upstreams| async move {
        let Some(server) = request.path.strip_suffix("/mcp") else {
            return Answer::empty(404);
        };
        request.path = server.to_owned();
        complete(&request, &upstreams).await
    })
    .await;
    let smoked = judge.smoke().await;
    assert_diagnosis(&smoked, "there is no endpoint at /mcp/alpha;", &["/{server}/mcp"]);
    assert_eq!(smoked.lines(), "routes = [\"/{server}/mcp\"]\n");
}

#[tokio::test]
async fn a_redirect_is_named_and_its_target_found() {
    let judge = Judge::start(COMPLETE, |mut request, upstreams| async move {
        let Some(server) = request.path.strip_suffix('/') else {
            return Answer::empty(307).with("location", &format!("{}/", request.path));
        };
        request.path = server.to_owned();
        complete(&request, &upstreams).await
    })
    .await;
    let smoked = judge.smoke().await;
    assert_diagnosis(&smoked, "redirects /mcp/alpha to /mcp/alpha/;", &["/mcp/{server}/"]);
    assert_eq!(smoked.lines(), "routes = [\"/mcp/{server}/\"]\n");
}

#[tokio::test]
async fn a_gateway_that_requires_sessions_is_recognised() {
    let sessions = Sessions::default();
    let judge = Judge::start(KEY_FIELD, move |request, upstreams| {
        let sessions = sessions.clone();
        async move { sessions.relay(&request, &upstreams).await }
    })
    .await;
    let smoked = judge.smoke().await;
    assert_diagnosis(
        &smoked,
        "if it requires a session, do not declare `sessionless-requests`",
        &["- \"sessionless-requests\": a tools/call without a session got 400"],
    );
    assert!(!smoked.lines().contains("sessionless-requests"), "{}", smoked.lines());
    assert!(smoked.lines().contains("    \"token-forwarding\",\n"), "{}", smoked.lines());
}

#[tokio::test]
async fn a_gateway_that_requires_no_sessions_is_recognised() {
    let judge =
        Judge::start(
            STATEFUL,
            |request, upstreams| async move { relay(&request, &upstreams).await },
        )
        .await;
    let smoked = judge.smoke().await;
    assert_eq!(smoked.hints(Description), [""; 0]);
    // Leaving a feature out only skips cases.
    assert_eq!(smoked.wrong(), [""; 0]);
    assert!(smoked.lines().contains("    \"sessionless-requests\",\n"), "{}", smoked.lines());
}

#[tokio::test]
async fn another_credential_layout_is_found() {
    let judge = Judge::start(KEY_FIELD, relay_renamed).await;
    let smoked = judge.smoke().await;
    assert_diagnosis(
        &smoked,
        "check that it expects its key in `x-gateway-key: …`",
        &["the key in `authorization` and the token in `x-upstream-authorization`"],
    );
    let credentials = "[credentials]\nkey-header = \"authorization\"\nkey-prefix = \"Bearer \"\n\
         token-header = \"x-upstream-authorization\"\ntoken-prefix = \"Bearer \"\n";
    assert!(smoked.lines().contains(credentials), "{}", smoked.lines());
}

#[tokio::test]
async fn a_gateway_that_checks_no_keys_is_recognised() {
    let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
        upstreams.post(request.server(), &request.headers, &request.message).await
    })
    .await;
    let smoked = judge.smoke().await;
    assert_diagnosis(
        &smoked,
        "the gateway accepts an unknown gateway key",
        &["- \"gateway-keys\": a request with an unknown gateway key reached"],
    );
    assert!(!smoked.lines().contains("gateway-keys"), "{}", smoked.lines());
}

/// LiteLLM 1.85.0 does this. The key is checked, so the description is right.
#[tokio::test]
async fn a_500_for_an_unknown_key_is_a_defect_of_the_gateway() {
    let smoked = smoke_with(COMPLETE, |request, upstreams| {
        let bearer = request.field("authorization").trim_start_matches("Bearer ");
        let has_key = upstreams.is_key(request.field(KEY_HEADER)) || upstreams.is_key(bearer);
        (!has_key).then(|| Answer::empty(500))
    })
    .await;
    assert_defect_of_the_gateway(
        &smoked,
        &["rejected the caller, but with 500 instead of 4xx", "CRD-16"],
    );
}

/// LiteLLM 1.85.0 does this. The limited key does not reach the server, so the description is
/// right.
#[tokio::test]
async fn a_widened_server_set_is_a_defect_of_the_gateway() {
    let judge = Judge::start(COMPLETE, |request, upstreams| async move {
        let is_restricted = request.server() == names::RESTRICTED;
        if is_restricted && request.field(KEY_HEADER) == upstreams.deployment.limited_key {
            for server in names::FORWARDING {
                upstreams.post(server, &request.headers, &request.message).await;
            }
            return Answer::result(&request, &json!({ "content": [] }));
        }
        complete(&request, &upstreams).await
    })
    .await;
    let smoked = judge.smoke().await;
    assert_defect_of_the_gateway(&smoked, &["the gateway widened the set of servers", "GATE-01"]);
}

#[tokio::test]
async fn a_limited_key_that_may_use_every_server_is_recognised() {
    let judge = Judge::start(COMPLETE, |request, upstreams| async move {
        if request.server() == names::RESTRICTED {
            return upstreams.post(request.server(), &request.headers, &request.message).await;
        }
        complete(&request, &upstreams).await
    })
    .await;
    assert_diagnosis(
        &judge.smoke().await,
        "the limited key may use every server",
        &["- \"limited-keys\": the limited key reached restricted"],
    );
}

/// Makes the smoke test of a gateway that sends one server the credential of another kind.
async fn smoke_with_kind(server: &'static str, kind: ServerKind) -> Smoked {
    let judge = Judge::start(COMPLETE, move |request, upstreams| async move {
        let has_key = upstreams.is_key(request.field(KEY_HEADER));
        if request.server() != server || !has_key {
            return complete(&request, &upstreams).await;
        }
        let configured = upstreams.deployment.server(server).expect("it is configured");
        let other = ConfiguredServer { kind, ..configured.clone() };
        let token = request.field("authorization").trim_start_matches("Bearer ");
        send(&request, &upstreams, &other, token).await
    })
    .await;
    judge.smoke().await
}

#[tokio::test]
async fn another_credential_than_that_of_the_kind_is_recognised() {
    for (server, kind, hint, difference) in [
        (
            names::OPEN,
            ServerKind::Forwarding,
            "must send no credential to open",
            "- \"servers-without-credential\": open got a credential",
        ),
        (
            names::STATIC,
            ServerKind::Forwarding,
            "must send `static_token` to static",
            "- \"static-credential\": static got a request without its own credential",
        ),
        (
            names::MINTED,
            ServerKind::Open,
            "must send minted a token that it obtained at `token_url`",
            "- \"client-credentials\": minted got a request without its own credential",
        ),
    ] {
        assert_diagnosis(&smoke_with_kind(server, kind).await, hint, &[difference]);
    }
}

/// FastMCP's proxy does this if it checks keys in `Authorization`.
#[tokio::test]
async fn a_forwarded_gateway_key_is_a_defect_of_the_gateway() {
    let judge = Judge::start(COMPLETE, |request, upstreams| async move {
        if request.server() != names::OPEN || !upstreams.is_key(request.field(KEY_HEADER)) {
            return complete(&request, &upstreams).await;
        }
        let mut headers = request.headers.clone();
        let key = format!("Bearer {}", request.field(KEY_HEADER));
        headers.insert("authorization", key.parse().expect("keys are visible ASCII"));
        upstreams.post(names::OPEN, &headers, &request.message).await
    })
    .await;
    let smoked = judge.smoke().await;
    assert_defect_of_the_gateway(&smoked, &["the gateway forwards its own key"]);
}

#[tokio::test]
async fn a_token_that_is_not_forwarded_is_recognised() {
    let judge = Judge::start(KEY_FIELD, |mut request, upstreams| async move {
        request.headers.remove("authorization");
        relay(&request, &upstreams).await
    })
    .await;
    assert_diagnosis(
        &judge.smoke().await,
        "the gateway did not forward the caller's token",
        &["- \"token-forwarding\": alpha got a request without the caller's token"],
    );
}

#[tokio::test]
async fn a_key_in_authorization_that_is_rejected_is_recognised() {
    let smoked = smoke_with(COMPLETE, |request, upstreams| {
        let has_key = upstreams.is_key(request.field(KEY_HEADER));
        (!has_key).then(|| Answer::empty(401))
    })
    .await;
    assert_diagnosis(
        &smoked,
        "do not declare `key-in-authorization`",
        &["- \"key-in-authorization\": a request with the key in Authorization only got 401"],
    );
}

#[tokio::test]
async fn unsupported_methods_are_recognised() {
    for (method, hint, difference) in [
        (
            "GET",
            "do not declare `listening-stream`",
            "- \"listening-stream\": GET got 405",
        ),
        ("DELETE", "do not declare `session-end`", "- \"session-end\": DELETE got 405"),
    ] {
        let smoked = smoke_with(COMPLETE, move |request, _| {
            (request.method.as_str() == method).then(|| Answer::empty(405))
        })
        .await;
        assert_diagnosis(&smoked, hint, &[difference]);
    }
}

#[tokio::test]
async fn clients_of_the_stateless_version_that_are_rejected_are_recognised() {
    let smoked = smoke_with(COMPLETE, |request, _| {
        let is_stateless = request.field("mcp-protocol-version") == "2026-07-28";
        is_stateless.then(|| Answer::error(request, 400, "unsupported protocol version"))
    })
    .await;
    assert_eq!(
        smoked.wrong(),
        ["- \"stateless-clients\": a tools/call of version 2026-07-28 got 400"]
    );
}

#[tokio::test]
async fn a_server_that_is_not_configured_is_recognised() {
    let smoked = smoke_with(COMPLETE, |request, _| {
        (request.server() == names::STATIC).then(|| Answer::empty(404))
    })
    .await;
    assert_diagnosis(
        &smoked,
        "the configuration template contains a server with the name `static`",
        &["- \"static-credential\": a request for static got 404 and did not reach it"],
    );
}

#[tokio::test]
async fn a_gateway_that_reaches_no_server_has_one_failure_and_no_proposal() {
    for (status, hint) in [
        (200, "the gateway responded without a request to alpha"),
        (502, "check that the gateway can connect to the `url` of alpha"),
    ] {
        let smoked = smoke_with(COMPLETE, move |request, _| {
            let result = Answer::result(request, &json!({ "content": [] }));
            Some(Answer { status, ..result })
        })
        .await;
        assert_diagnosis(&smoked, hint, &[]);
        assert_eq!(smoked.test.calls.len(), 1);
    }
}
