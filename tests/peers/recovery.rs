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

/// An issuer, upstreams that take its tokens, and the gateway before them.
struct Ground {
    issuer: Issuer,
    gateway: Gateway,
    url: String,
}

impl Ground {
    /// One server, on its own route.
    async fn lay(profile: &str, strategy: &str, guard: Guard) -> Self {
        Self::lay_several(profile, strategy, "2025-11-25", &[guard], "/mcp/s0").await
    }

    /// Servers `s0`, `s1` and so on, of one protection space, that the gateway speaks to in the given revision.
    async fn lay_several(
        profile: &str,
        strategy: &str,
        era: &str,
        guards: &[Guard],
        route: &str,
    ) -> Self {
        let issuer = Issuer::start().await;
        let mut servers = Vec::new();
        for guard in guards {
            servers.push((guarded::serve(&issuer, *guard).await, "corp"));
        }
        Self::before(profile, strategy, era, issuer, &servers, route).await
    }

    /// Two servers that have nothing in common: the second one's tokens are another issuer's.
    async fn lay_apart(profile: &str, strategy: &str, era: &str) -> (Self, Issuer) {
        let (issuer, other) = (Issuer::start().await, Issuer::start().await);
        let servers = [
            (guarded::serve(&issuer, Guard::Open).await, "one"),
            (guarded::serve(&other, Guard::Open).await, "other"),
        ];
        (Self::before(profile, strategy, era, issuer, &servers, "/mcp").await, other)
    }

    /// The gateway before servers, each with its protection space.
    async fn before(
        profile: &str,
        strategy: &str,
        era: &str,
        issuer: Issuer,
        servers: &[(String, &str)],
        route: &str,
    ) -> Self {
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\nprofile = \"{profile}\"\nstrategy = \"{strategy}\"\n"
        );
        text += "[[key]]\nname = \"alice\"\nvalue = { env = \"ALICE_KEY\" }\nservers = \"all\"\n";
        for (n, (url, space)) in servers.iter().enumerate() {
            text += &format!("[[server]]\nname = \"s{n}\"\nurl = \"{url}\"\nera = \"{era}\"\n");
            text += &format!("forward = [\"authorization\"]\nprotection_space = \"{space}\"\n");
        }
        let gateway = Gateway::serve(&Configuration::file(&text), "info").await;
        let url = format!("http://{}{route}", gateway.address);
        Self { issuer, gateway, url }
    }

    /// The whole way, once, and nothing refused on it.
    fn recovered_once(&self) {
        let authorized = format!("authorize {SCOPE} for {}", self.url);
        assert_eq!(
            self.issuer.asked(),
            ["metadata", "register", &authorized, "token by authorization_code"]
        );
    }

    async fn done(self) {
        let ended = self.gateway.stop().await;
        assert_eq!(ended.code, 0);
        assert!(!ended.lines.join("\n").contains(STALE));
    }
}

/// Each profile with each strategy.
const GROUNDS: [(&str, &str); 4] =
    [("seed", "probe"), ("seed", "deferred"), ("mcp", "probe"), ("mcp", "deferred")];

/// The revision that servers behind an aggregate speak, for each of the ways in which a client begins.
const ERAS: [&str; 2] = ["2025-11-25", "2026-07-28"];

fn lifecycles() -> [ClientLifecycleMode; 2] {
    let newest = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
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
            assert_eq!(
                answer.content[0].as_text().unwrap().text,
                "This is a simple text response for testing."
            );

            ground.issuer.expire(false);
            client.call_tool(call("test_simple_text", &json!({}))).await.unwrap();
            assert_eq!(
                ground.issuer.asked(),
                ["token by refresh_token"],
                "a token that expires in the middle is renewed"
            );

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
    assert!(
        (1..=if asks_for_more { ROUNDS } else { 1 }).contains(&rounds),
        "{profile}: {asked:?}"
    );
    assert_eq!(
        asked.iter().any(|asked| asked.contains(MORE_SCOPE)),
        asks_for_more,
        "{profile}: {asked:?}"
    );
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
    for ((profile, strategy), mode) in GROUNDS.into_iter().zip(["legacy", "auto", "auto", "legacy"])
    {
        let ground = Ground::lay(profile, strategy, Guard::Open).await;
        let said = python::converse(
            &ground.url,
            &json!({ "stale": STALE, "mode": mode, "tool": "test_simple_text" }),
        )
        .await;
        assert_eq!(
            said["text"],
            json!(["This is a simple text response for testing."]),
            "{profile} {strategy}: {said}"
        );
        ground.recovered_once();
        ground.done().await;
    }
}

#[tokio::test]
async fn the_python_sdk_stops_where_no_token_helps() {
    let guards = [Guard::Shut, Guard::Insatiable, Guard::Shut, Guard::Insatiable];
    for ((profile, strategy), guard) in GROUNDS.into_iter().zip(guards) {
        let ground = Ground::lay(profile, strategy, guard).await;
        let said = python::converse(
            &ground.url,
            &json!({ "stale": STALE, "mode": "auto", "tool": "test_simple_text" }),
        )
        .await;
        assert!(said["error"][0].as_str().unwrap().contains("403 Forbidden"), "{said}");
        stopped(profile, guard, &ground.issuer.asked());
        ground.done().await;
    }
}

/// The tools of the servers that take the token, by what [`crate::sdk`] names them.
const ONE: &str = "s0-test_simple_text";
const OTHER: &str = "s1-test_simple_text";

/// The Rust SDK's client in either era, and the Python SDK's in this one, on an aggregate: the tools that each is shown in the end.
async fn recovered_on_an_aggregate(
    profile: &str,
    strategy: &str,
    guards: &[Guard],
    python_era: &str,
) -> Vec<Vec<String>> {
    let mut seen = Vec::new();
    for (lifecycle, era) in lifecycles().into_iter().zip(ERAS) {
        let ground = Ground::lay_several(profile, strategy, era, guards, "/mcp").await;
        let client = oauth::recover(&ground.url, STALE, lifecycle).await.unwrap();
        ground.recovered_once();
        seen.push(
            client
                .list_all_tools()
                .await
                .unwrap()
                .into_iter()
                .map(|tool| tool.name.into_owned())
                .collect(),
        );
        let answer = client.call_tool(call(ONE, &json!({}))).await.unwrap();
        assert_eq!(
            answer.content[0].as_text().unwrap().text,
            "This is a simple text response for testing."
        );
        ground.issuer.expire(false);
        client.call_tool(call(ONE, &json!({}))).await.unwrap();
        assert_eq!(
            ground.issuer.asked(),
            ["token by refresh_token"],
            "a token that expires in the middle is renewed"
        );
        drop(client);
        ground.done().await;
    }
    let ground = Ground::lay_several(profile, strategy, python_era, guards, "/mcp").await;
    let mode = if python_era == "2026-07-28" { "auto" } else { "legacy" };
    let said =
        python::converse(&ground.url, &json!({ "stale": STALE, "mode": mode, "tool": ONE })).await;
    assert_eq!(
        said["text"],
        json!(["This is a simple text response for testing."]),
        "{profile} {strategy}: {said}"
    );
    ground.recovered_once();
    seen.push(serde_json::from_value(said["tools"].clone()).unwrap());
    ground.done().await;
    seen
}

/// All refuse the stale token, and take the new one.
#[tokio::test]
async fn clients_recover_on_an_aggregate_where_all_refuse() {
    for ((profile, strategy), era) in
        GROUNDS
            .into_iter()
            .zip(["2025-11-25", "2026-07-28", "2026-07-28", "2025-11-25"])
    {
        for tools in
            recovered_on_an_aggregate(profile, strategy, &[Guard::Open, Guard::Open], era).await
        {
            assert!(
                [ONE, OTHER].iter().all(|name| tools.iter().any(|tool| tool == name)),
                "{profile} {strategy} {tools:?}"
            );
        }
    }
}

/// In profile `mcp` a server that goes on refusing is missing from the lists, and nothing else: no client is sent on for its sake.
#[tokio::test]
async fn clients_recover_on_an_aggregate_of_which_one_goes_on_refusing() {
    for (guard, era) in [(Guard::Shut, "2025-11-25"), (Guard::Insatiable, "2026-07-28")] {
        for tools in recovered_on_an_aggregate("mcp", "probe", &[Guard::Open, guard], era).await {
            assert!(
                tools.iter().any(|tool| tool == ONE) && !tools.iter().any(|tool| tool == OTHER),
                "{tools:?}"
            );
        }
    }
}

/// Once no server's 401 is left, a 403 says that no token helps: of any server in profile `seed`, of all in profile `mcp`.
#[tokio::test]
async fn clients_stop_on_an_aggregate_where_no_token_helps() {
    for (profile, guards) in
        [("seed", [Guard::Open, Guard::Shut]), ("mcp", [Guard::Shut, Guard::Shut])]
    {
        for strategy in ["probe", "deferred"] {
            for (lifecycle, era) in lifecycles().into_iter().zip(ERAS) {
                let ground = Ground::lay_several(profile, strategy, era, &guards, "/mcp").await;
                let error = oauth::recover(&ground.url, STALE, lifecycle).await.unwrap_err();
                assert!(error.contains("403"), "{error}");
                ground.recovered_once();
                ground.done().await;
            }
            let ground =
                Ground::lay_several(profile, strategy, "2026-07-28", &guards, "/mcp").await;
            let said = python::converse(
                &ground.url,
                &json!({ "stale": STALE, "mode": "auto", "tool": ONE }),
            )
            .await;
            assert!(said["error"][0].as_str().unwrap().contains("403 Forbidden"), "{said}");
            ground.recovered_once();
            ground.done().await;
        }
    }
}

/// Servers with an issuer each, and a client with one token. In profile `mcp` the token is for the first one's protection space, and the
/// client is served by that one. In profile `seed` it goes to both, and each new one is refused by either; the client stops all the same.
#[tokio::test]
async fn a_token_that_one_of_two_issuers_knows() {
    for era in ERAS {
        let mode = if era == "2026-07-28" { "auto" } else { "legacy" };
        let told = json!({ "stale": STALE, "mode": mode, "tool": ONE });
        let (ground, other) = Ground::lay_apart("mcp", "probe", era).await;
        let said = python::converse(&ground.url, &told).await;
        assert_eq!(said["text"], json!(["This is a simple text response for testing."]), "{said}");
        assert!(!said["tools"].to_string().contains(OTHER), "{said}");
        ground.recovered_once();
        assert_eq!(other.asked(), Vec::<String>::new());
        ground.done().await;

        let (ground, other) = Ground::lay_apart("seed", "probe", era).await;
        let said = python::converse(&ground.url, &told).await;
        assert!(said["error"].is_array(), "{said}");
        let asked = [ground.issuer.asked(), other.asked()].concat();
        let rounds = asked.iter().filter(|asked| asked.starts_with("authorize")).count();
        assert!((1..=ROUNDS).contains(&rounds), "{asked:?}");
        ground.done().await;
    }
}
