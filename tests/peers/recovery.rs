//! A client whose token an upstream refuses finds its way back by itself: from the gateway's challenge to the authorization server, to
//! a new token, to the answer (AGG-05). Where no token would help, it stops.
//!
//! Counted is what the authorization server was asked. The gateway key travels in a header of its own, and never there.

use rmcp::{ClientLifecycleMode, model::ProtocolVersion};
use serde_json::json;

use crate::{
    child::gateway::{Configuration, Gateway},
    client::call,
    guarded::{self, Guard, MORE_SCOPE, SCOPE},
    issuer::Issuer,
    oauth, python,
};

/// A token that expired long ago.
const STALE: &str = "tk-Expired7rW2mYc5uLd9";
/// A client that goes to the authorization server more often than this does not stop by itself.
const ROUNDS: usize = 5;

/// An issuer, an upstream that takes its tokens, and the gateway before it.
struct Ground {
    issuer: Issuer,
    gateway: Gateway,
    url: String,
}

impl Ground {
    async fn lay(profile: &str, strategy: &str, guard: Guard) -> Self {
        let issuer = Issuer::start().await;
        let upstream = guarded::serve(&issuer, guard).await;
        let settings = format!("profile = \"{profile}\"\nstrategy = \"{strategy}\"");
        let gateway = Gateway::serve(&Configuration::forwarding(&settings, &upstream), "info").await;
        let url = format!("http://{}/mcp/alpha", gateway.address);
        Self { issuer, gateway, url }
    }

    /// The whole way, once, and nothing refused on it.
    fn recovered_once(&self) {
        let authorized = format!("authorize {SCOPE} for {}", self.url);
        assert_eq!(self.issuer.asked(), ["metadata", "register", &authorized, "token by authorization_code"]);
    }

    async fn done(self) {
        let ended = self.gateway.stop().await;
        assert_eq!(ended.code, 0);
        assert!(!ended.lines.join("\n").contains(STALE));
    }
}

/// Each profile with each strategy.
const GROUNDS: [(&str, &str); 4] = [("seed", "probe"), ("seed", "deferred"), ("mcp", "probe"), ("mcp", "deferred")];

fn lifecycles() -> [ClientLifecycleMode; 2] {
    let newest = ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
    [ClientLifecycleMode::Initialize, newest]
}

#[tokio::test]
async fn the_rust_sdk_recovers_from_a_refused_token() {
    for (profile, strategy) in GROUNDS {
        for lifecycle in lifecycles() {
            let ground = Ground::lay(profile, strategy, Guard::Open).await;
            let client = oauth::recover(&ground.url, STALE, lifecycle).await.unwrap();
            ground.recovered_once();
            let answer = client.call_tool(call("test_simple_text", &json!({}))).await.unwrap();
            assert_eq!(answer.content[0].as_text().unwrap().text, "This is a simple text response for testing.");

            ground.issuer.expire(false);
            client.call_tool(call("test_simple_text", &json!({}))).await.unwrap();
            assert_eq!(ground.issuer.asked(), ["token by refresh_token"], "a token that expires in the middle is renewed");

            ground.issuer.expire(true);
            let error = client.call_tool(call("test_simple_text", &json!({}))).await.unwrap_err();
            assert!(error.is_authorization_required(), "{error}");
            drop(client);
            ground.done().await;
        }
    }
}

/// Of a client that nothing helped: it asked for a token, for more scope only where the gateway lets an upstream ask for it, and stopped.
fn stopped(profile: &str, guard: Guard, asked: &[String]) {
    let rounds = asked.iter().filter(|asked| asked.starts_with("authorize")).count();
    let asks_for_more = profile == "mcp" && matches!(guard, Guard::Insatiable);
    assert!((1..=if asks_for_more { ROUNDS } else { 1 }).contains(&rounds), "{profile}: {asked:?}");
    assert_eq!(asked.iter().any(|asked| asked.contains(MORE_SCOPE)), asks_for_more, "{profile}: {asked:?}");
    assert!(!asked.iter().any(|asked| asked.starts_with("refused")), "{asked:?}");
}

#[tokio::test]
async fn the_rust_sdk_stops_where_no_token_helps() {
    for (profile, strategy) in GROUNDS {
        for guard in [Guard::Shut, Guard::Insatiable] {
            let ground = Ground::lay(profile, strategy, guard).await;
            let [lifecycle, _] = lifecycles();
            let error = oauth::recover(&ground.url, STALE, lifecycle).await.unwrap_err();
            assert!(error.contains("403") || error.contains("Insufficient scope"), "{error}");
            stopped(profile, guard, &ground.issuer.asked());
            ground.done().await;
        }
    }
}

#[tokio::test]
async fn the_python_sdk_recovers_from_a_refused_token() {
    for ((profile, strategy), mode) in GROUNDS.into_iter().zip(["legacy", "auto", "auto", "legacy"]) {
        let ground = Ground::lay(profile, strategy, Guard::Open).await;
        let said = python::converse(&ground.url, &json!({ "stale": STALE, "mode": mode, "tool": "test_simple_text" })).await;
        assert_eq!(said["text"], json!(["This is a simple text response for testing."]), "{profile} {strategy}: {said}");
        ground.recovered_once();
        ground.done().await;
    }
}

#[tokio::test]
async fn the_python_sdk_stops_where_no_token_helps() {
    let guards = [Guard::Shut, Guard::Insatiable, Guard::Shut, Guard::Insatiable];
    for ((profile, strategy), guard) in GROUNDS.into_iter().zip(guards) {
        let ground = Ground::lay(profile, strategy, guard).await;
        let said = python::converse(&ground.url, &json!({ "stale": STALE, "mode": "auto", "tool": "test_simple_text" })).await;
        assert!(said["error"][0].as_str().unwrap().contains("403 Forbidden"), "{said}");
        stopped(profile, guard, &ground.issuer.asked());
        ground.done().await;
    }
}
