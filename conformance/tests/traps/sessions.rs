//! Gateways that answer 400 to a request without a session.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_preflight_conformance::judge::{
    Verdict::{Fail, Inconclusive, Pass},
    run_file::NotedEvent,
};
use serde_json::json;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, relay},
    judged::{Judge, KEY_FIELD},
};

/// A gateway that requires sessions.
pub(crate) const STATEFUL: &str = r#"
routes = ["/mcp/{server}"]
features = ["gateway-keys", "sessions", "token-forwarding"]

[credentials]
key-header = "x-gateway-key"
"#;

/// The ids of the open sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<BTreeSet<String>>>);

impl Sessions {
    /// Relays a request, if it opens a session or names an open one.
    pub(crate) async fn relay(
        &self,
        request: &ClientRequest,
        upstreams: &UpstreamClient,
    ) -> Answer {
        let opens = request.rpc_method() == "initialize";
        if !opens && !self.open().contains(request.field("mcp-session-id")) {
            return Answer::error(request, 400, "Bad Request: Missing session ID");
        }
        let answer = relay(request, upstreams).await;
        let issued = answer.headers.get("mcp-session-id").and_then(|id| id.to_str().ok());
        if opens && let Some(issued) = issued {
            self.open().insert(issued.to_owned());
        }
        answer
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::test]
async fn a_gateway_that_requires_sessions_is_judged_in_sessions() {
    for (hides_refusals, verdict) in [(false, Pass), (true, Fail)] {
        let sessions = Sessions::default();
        let judge = Judge::start(STATEFUL, move |request, upstreams| {
            let sessions = sessions.clone();
            async move {
                let answer = sessions.relay(&request, &upstreams).await;
                let hides_it = hides_refusals && answer.status == 401;
                if hides_it {
                    Answer::result(&request, &json!({ "tools": [] }))
                } else {
                    answer
                }
            }
        })
        .await;
        let judged = judge
            .judge(&["CRD-01", "STA-01", "STA-04"], &["method=tools-*", "upstream=*json*"])
            .await;
        assert!(judged.damages().is_empty(), "{judged:?}");
        for method in ["tools-list", "tools-call"] {
            let accepted = format!("* / 200-json / {method} / *");
            assert_eq!(judged.verdict(&accepted, "CRD-01"), Pass);
            let refused = format!("* / 401-full+json-rpc / {method} / *");
            assert_eq!(judged.verdict(&refused, "STA-01"), verdict);
            assert_eq!(judged.verdict(&refused, "STA-04"), verdict);
        }
    }
}

/// The report says which answer the positive control got, and nothing is judged.
#[tokio::test]
async fn a_description_without_sessions_of_such_a_gateway_is_damage() {
    let sessions = Sessions::default();
    let judge = Judge::start(KEY_FIELD, move |request, upstreams| {
        let sessions = sessions.clone();
        async move { sessions.relay(&request, &upstreams).await }
    })
    .await;
    let judged = judge.judge(&["CRD-01"], &["method=tools-*", "upstream=200-json"]).await;
    let [damage] = judged.damages() else {
        panic!("the positive control fails: {judged:?}");
    };
    assert!(damage.description.contains("the positive control got 400"), "{damage:?}");
    assert_eq!(judged.failed(), [].into());
}

/// How often the gateway refuses to open a session with a certain token.
#[derive(Clone, Debug, Default)]
struct RefusedOpenings(Arc<Mutex<BTreeSet<String>>>);

impl RefusedOpenings {
    /// Whether this is the first opening with the token of this request.
    fn is_first(&self, request: &ClientRequest) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(request.field("authorization").to_owned())
    }
}

/// A session that opens at the second attempt is enough. If it does not, the case is inconclusive.
#[tokio::test]
async fn a_failed_opening_is_repeated_once_and_reported() {
    let (sessions, refused) = (Sessions::default(), RefusedOpenings::default());
    let judge = Judge::start(STATEFUL, move |request, upstreams| {
        let (sessions, refused) = (sessions.clone(), refused.clone());
        async move {
            let opens = request.rpc_method() == "initialize";
            let fails_once = request.is_scripted("401-full+json-rpc") && refused.is_first(&request);
            if opens && (fails_once || request.is_scripted("401-bare+json-rpc")) {
                return Answer::empty(503);
            }
            sessions.relay(&request, &upstreams).await
        }
    })
    .await;
    let axes = ["method=tools-call", "upstream=401-*+json-rpc"];
    let judged = judge.judge(&["STA-02"], &axes).await;
    assert_eq!(judged.verdict("* / 401-full+json-rpc / *", "STA-02"), Pass, "{judged:?}");
    assert_eq!(
        judged.verdict("* / 401-bare+json-rpc / *", "STA-02"),
        Inconclusive,
        "{judged:?}"
    );
    let reason = "initialize got 503, also at a second attempt";
    assert!(format!("{judged:?}").contains(reason), "{judged:?}");
    let [note] = judged.notes() else {
        panic!("one session was opened twice: {judged:?}")
    };
    assert_eq!(note.event, NotedEvent::SessionReopened);
    assert!(
        note.cases.iter().all(|case| case.contains(" / 401-full+json-rpc / ")),
        "{note:?}"
    );
}
