//! Gateways that send upstream requests by themselves or late: such a request must not be
//! attributed to an unrelated case.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mcp_preflight_conformance::judge::Verdict::{Fail, Pass};
use tokio::time::sleep;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, initialize, relay},
    judged::{Judge, KEY_FIELD, with_feature},
    sessions::{STATEFUL, Sessions},
};

/// How late a gateway sends a request.
const LATE: Duration = Duration::from_millis(150);

/// Opens a session of the gateway's own with this `Authorization`.
async fn open_session(upstreams: &UpstreamClient, server: &str, authorization: &str) {
    let value = authorization.parse().expect("the tests state valid header fields");
    let fields = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    upstreams.post(server, &fields, &initialize("gateway", "2025-11-25")).await;
}

/// The tokens with which sessions were opened, by the id of the session.
#[derive(Clone, Debug, Default)]
struct Tokens(Arc<Mutex<HashMap<String, String>>>);

impl Tokens {
    fn insert(&self, session: &str, token: &str) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(session.to_owned(), token.to_owned());
    }

    fn of(&self, session: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }
}

/// Whether the gateway uses the token of the opening for later requests in the session.
#[derive(Clone, Copy, Debug, PartialEq)]
enum TokenUse {
    /// Only for a late probe of the opening.
    Opening,
    /// For each request that has no token. It answers 401 nevertheless.
    EveryRequest,
}

/// The gateway answers a request without a token in a session with 401, and in the meantime the
/// server refuses a probe with 403. The probe has the token of the opening. Only if the request is
/// its cause, the 403 should have been the answer.
#[tokio::test]
async fn a_late_probe_of_the_opening_does_not_belong_to_the_case() {
    for (token_use, fails) in [(TokenUse::Opening, false), (TokenUse::EveryRequest, true)] {
        let (sessions, tokens) = (Sessions::default(), Tokens::default());
        let description = with_feature(STATEFUL, "session-end");
        let judge = Judge::start(&description, move |request, upstreams| {
            let (sessions, tokens) = (sessions.clone(), tokens.clone());
            async move {
                probe_with_stored_token(token_use, &request, &upstreams, &sessions, &tokens).await
            }
        })
        .await;
        let axes = ["method=delete", "credentials=key-only", "upstream=403-*"];
        let judged = judge.judge(&["STA-05"], &axes).await;
        assert_eq!(judged.failed().contains("STA-05"), fails, "{token_use:?}: {judged:?}");
        assert!(!judged.notes().is_empty(), "{token_use:?}: the cases run again alone");
    }
}

async fn probe_with_stored_token(
    token_use: TokenUse,
    request: &ClientRequest,
    upstreams: &UpstreamClient,
    sessions: &Sessions,
    tokens: &Tokens,
) -> Answer {
    let server = request.server().to_owned();
    let token = request.field("authorization").to_owned();
    if request.rpc_method() == "initialize" {
        let answer = sessions.relay(request, upstreams).await;
        if let Some(session) = answer.headers.get("mcp-session-id") {
            tokens.insert(session.to_str().unwrap_or_default(), &token);
        }
        let upstreams = upstreams.clone();
        tokio::spawn(async move {
            sleep(LATE).await;
            open_session(&upstreams, &server, &token).await;
        });
        return answer;
    }
    let stored = tokens.of(request.field("mcp-session-id"));
    match stored {
        Some(token) if request.field("authorization").is_empty() => {
            sleep(LATE * 2).await;
            if token_use == TokenUse::EveryRequest {
                open_session(upstreams, &server, &token).await;
            }
            Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\"")
        }
        _ => sessions.relay(request, upstreams).await,
    }
}

/// After `initialize` without a token has been answered, the gateway sends the gateway key to the
/// server. A DELETE, the next case of the same server, runs then.
#[tokio::test]
async fn a_late_request_does_not_belong_to_the_next_case_and_is_still_reported() {
    let description = with_feature(KEY_FIELD, "session-end");
    let judge = Judge::start(&description, move |request, upstreams| async move {
        if !request.field("authorization").is_empty() {
            return relay(&request, &upstreams).await;
        }
        if request.rpc_method() == "initialize" {
            let server = request.server().to_owned();
            let key = format!("Bearer {}", request.field("x-gateway-key"));
            tokio::spawn(async move {
                sleep(LATE).await;
                open_session(&upstreams, &server, &key).await;
            });
        } else {
            sleep(LATE * 2).await;
        }
        Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\"")
    })
    .await;
    let axes = ["credentials=key-only", "upstream=403-*"];
    let judged = judge.judge(&["CRD-03"], &axes).await;
    assert_eq!(judged.verdict("* / delete / *", "CRD-03"), Pass, "{judged:?}");
    assert_eq!(judged.verdict("scenario requests-of-no-case / *", "CRD-03"), Fail, "{judged:?}");
}
