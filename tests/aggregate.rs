//! Several servers as one, before mock upstreams that are as strict as the protocol lets them be.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod secrets;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use mcp_preflight::{config::Config, gateway};
use secrets::environment;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate, matchers::any};

const STRATEGIES: [&str; 2] = ["probe", "deferred"];
const OUTCOMES: &str = "mcp-preflight/outcomes";

/// A server that takes nothing amiss but what the protocol forbids. The token says how each server answers: `Bearer alpha=401+beta=500`.
struct Strict {
    name: &'static str,
    modern: bool,
}

impl Respond for Strict {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let text =
            |name: &str| request.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let script = text("authorization").split_once(' ').map_or("", |(_, script)| script);
        if let Some(status) = script
            .split('+')
            .find_map(|part| part.strip_prefix(self.name)?.strip_prefix('='))
        {
            return ResponseTemplate::new(status.parse::<u16>().unwrap());
        }
        if request.method == Method::DELETE {
            return ResponseTemplate::new(if text("mcp-session-id") == self.session() {
                204
            } else {
                404
            });
        }
        let message: Value = request.body_json().unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default();
        if self.modern {
            let agrees = text("mcp-method") == method
                && text("mcp-protocol-version") == "2026-07-28"
                && message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]
                    == "2026-07-28"
                && (method != "tools/call" || message["params"]["name"] == text("mcp-name"));
            if !agrees || request.headers.contains_key("mcp-session-id") {
                return ResponseTemplate::new(400);
            }
        } else if method != "initialize" && text("mcp-session-id") != self.session() {
            return ResponseTemplate::new(if text("mcp-session-id").is_empty() {
                400
            } else {
                404
            });
        }
        let result = match method {
            "initialize" => {
                json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": { "name": self.name, "version": "1" } })
            }
            "server/discover" => {
                json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {}, "prompts": {} } })
            }
            "tools/list" => {
                json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] })
            }
            "tools/call" => {
                json!({ "content": [{ "type": "text", "text": format!("{} of {}", message["params"]["name"].as_str().unwrap(), self.name) }] })
            }
            "ping" => json!({}),
            _ if message.get("id").is_none() => return ResponseTemplate::new(202),
            _ => {
                return reply(
                    &json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32601, "message": "no" } }),
                );
            }
        };
        let answer = reply(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }));
        if method == "initialize" {
            answer.insert_header("mcp-session-id", self.session().as_str())
        } else {
            answer
        }
    }
}

impl Strict {
    fn session(&self) -> String {
        format!("session-of-{}", self.name)
    }
}

fn reply(message: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(message)
}

/// The gateway before alpha and beta, of the session-bound revisions, and gamma, of 2026-07-28, all of which are handed the token on.
struct House {
    running: gateway::Running,
    servers: Vec<MockServer>,
}

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

impl House {
    async fn open(settings: &str, more: [&str; 3]) -> Self {
        let mut text = format!("listen = \"127.0.0.1:0\"\n{settings}\n");
        text += "[[key]]\nname = \"a\"\nvalue = { env = \"KEY\" }\nservers = \"all\"\ntoolsets = [\"pair\"]\n";
        text += "[[key]]\nname = \"b\"\nvalue = { env = \"SECRET\" }\nservers = [\"alpha\"]\ntoolsets = [\"pair\"]\n";
        text += "[[toolset]]\nname = \"pair\"\nservers = [\"alpha\", \"beta\"]\ntools = [\"beta-echo\"]\n";
        let mut servers = Vec::new();
        for (name, more) in NAMES.into_iter().zip(more) {
            // One of its own: a shared one would still hear of what earlier tests left behind.
            let server = MockServer::builder().start().await;
            let modern = name == "gamma";
            Mock::given(any()).respond_with(Strict { name, modern }).mount(&server).await;
            let era = if modern { "era = \"2026-07-28\"\n" } else { "" };
            text += &format!(
                "[[server]]\nname = \"{name}\"\nurl = \"{}/mcp\"\nforward = [\"authorization\"]\nauthorization_servers = [\"https://{name}.example\"]\n{era}{more}\n",
                server.uri()
            );
            servers.push(server);
        }
        let config =
            Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"));
        Self { running: gateway::start(config).await.unwrap(), servers }
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> Answer {
        let uri = format!("http://{}{}", self.running.address(), request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    async fn post(
        &self,
        path: &str,
        token: &str,
        fields: &[(&str, &str)],
        message: &Value,
    ) -> Answer {
        let mut request = Request::post(path)
            .header("x-litellm-api-key", "sk")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::from(message.to_string())).unwrap()).await
    }

    /// What a server was asked: methods of messages, and of requests without one.
    async fn asked(&self, server: &str) -> Vec<String> {
        let position = NAMES.iter().position(|name| *name == server).unwrap();
        heard(&self.servers[position]).await
    }

    /// Stops the gateway, which waits for what it still had to clean up.
    async fn asked_in_all(self, server: &str) -> Vec<String> {
        let Self { running, servers } = self;
        running.stop().await;
        let position = NAMES.iter().position(|name| *name == server).unwrap();
        heard(&servers[position]).await
    }
}

/// The methods of the messages that a server has got, and of the requests without one.
async fn heard(server: &MockServer) -> Vec<String> {
    let method = |request: &wiremock::Request| {
        let message: Value = request.body_json().unwrap_or_default();
        message["method"]
            .as_str()
            .map_or_else(|| request.method.to_string(), str::to_owned)
    };
    server.received_requests().await.unwrap().iter().map(method).collect()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn challenge(&self) -> &str {
        self.headers.get("www-authenticate").map_or("", |value| value.to_str().unwrap())
    }

    fn tools(&self) -> Vec<&str> {
        self.body["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect()
    }
}

fn message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

fn list() -> Value {
    message("tools/list", &json!({}))
}

fn call(name: &str) -> Value {
    message("tools/call", &json!({ "name": name, "arguments": {} }))
}

fn initialize(revision: &str) -> Value {
    let client = json!({ "name": "c", "version": "1" });
    message(
        "initialize",
        &json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client }),
    )
}

const LEGACY: (&str, &str) = ("mcp-protocol-version", "2025-11-25");

#[tokio::test]
async fn three_servers_of_two_eras_are_one_in_a_session() {
    for strategy in STRATEGIES {
        let house = House::open(&format!("strategy = \"{strategy}\""), ["", "", ""]).await;
        let opened = house.post("/mcp", "t", &[], &initialize("2025-06-18")).await;
        assert_eq!(opened.body["result"]["protocolVersion"], "2025-06-18", "{}", opened.body);
        assert_eq!(opened.body["result"]["capabilities"], json!({ "tools": {}, "prompts": {} }));
        let session = opened.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let fields = [LEGACY, ("mcp-session-id", session.as_str())];

        let initialized = house
            .post(
                "/mcp",
                "t",
                &fields,
                &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            )
            .await;
        assert_eq!(initialized.status, StatusCode::ACCEPTED);
        let listed = house.post("/mcp", "t", &fields, &list()).await;
        assert_eq!(listed.tools(), ["alpha-echo", "beta-echo", "gamma-echo"], "{strategy}");
        assert_eq!(listed.body["result"].get("_meta"), None);
        for server in NAMES {
            let called = house.post("/mcp", "t", &fields, &call(&format!("{server}-echo"))).await;
            assert_eq!(
                called.body["result"]["content"][0]["text"],
                format!("echo of {server}"),
                "{strategy}: {}",
                called.body
            );
        }
        assert_eq!(
            house.post("/mcp", "t", &fields, &message("ping", &json!({}))).await.body["result"],
            json!({})
        );

        let delete = |session: &str| {
            Request::delete("/mcp")
                .header("x-litellm-api-key", "sk")
                .header("authorization", "Bearer t")
                .header("mcp-session-id", session.to_owned())
                .body(Full::default())
                .unwrap()
        };
        assert_eq!(house.send(delete(&session)).await.status, StatusCode::NO_CONTENT);
        if strategy == "deferred" {
            // No more than the client asked for: its initialize was the probe, and the session is kept.
            assert_eq!(
                house.asked("alpha").await,
                [
                    "initialize",
                    "notifications/initialized",
                    "tools/list",
                    "tools/call",
                    "ping",
                    "DELETE"
                ]
            );
            assert_eq!(
                house.asked("gamma").await,
                ["server/discover", "tools/list", "tools/call", "ping"]
            );
        }
    }
}

#[tokio::test]
async fn a_client_without_sessions_is_served_by_servers_with_them_and_nothing_is_left() {
    let house = House::open("strategy = \"deferred\"", ["", "", ""]).await;
    let meta = json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} } });
    let fields = |method| [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
    let discovered = house
        .post("/mcp", "t", &fields("server/discover"), &message("server/discover", &meta))
        .await;
    assert_eq!(discovered.body["result"]["cacheScope"], "private", "{}", discovered.body);
    let listed = house
        .post("/mcp", "t", &fields("tools/list"), &message("tools/list", &meta))
        .await;
    assert_eq!(
        (
            listed.tools().len(),
            &listed.body["result"]["ttlMs"],
            &listed.body["result"]["resultType"]
        ),
        (3, &json!(0), &json!("complete"))
    );
    let mut params = meta.clone();
    params["name"] = "alpha-echo".into();
    let [version, method] = fields("tools/call");
    let called = house
        .post(
            "/mcp",
            "t",
            &[version, method, ("mcp-name", "alpha-echo")],
            &message("tools/call", &params),
        )
        .await;
    assert_eq!(called.body["result"]["content"][0]["text"], "echo of alpha", "{}", called.body);
    let unknown = house
        .post(
            "/mcp",
            "t",
            &fields("subscriptions/listen"),
            &message("subscriptions/listen", &meta),
        )
        .await;
    assert_eq!(
        (unknown.status, &unknown.body["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!(-32601))
    );
    let asked = house.asked_in_all("alpha").await;
    let of = |method: &str| asked.iter().filter(|asked| *asked == method).count();
    assert_eq!((of("initialize"), of("DELETE"), of("tools/call")), (3, 3, 1), "{asked:?}");
}

/// AGG-01, AGG-02, AGG-03, AGG-06: every mix of three servers, by either set of rules and either strategy.
#[tokio::test]
async fn every_mix_of_refusals() {
    let statuses = ["200", "401", "403", "500"];
    let mut table = std::collections::BTreeMap::new();
    for profile in ["seed", "mcp"] {
        for strategy in STRATEGIES {
            let spaces = ["protection_space = \"one\""; 3];
            let house =
                House::open(&format!("profile = \"{profile}\"\nstrategy = \"{strategy}\""), spaces)
                    .await;
            for mix in 0..64_usize {
                let mix = [mix / 16, mix / 4 % 4, mix % 4].map(|at| statuses[at]);
                let token = NAMES
                    .iter()
                    .zip(mix)
                    .filter(|(_, status)| *status != "200")
                    .map(|(name, status)| format!("{name}={status}"));
                let token = format!("t+{}", token.collect::<Vec<_>>().join("+"));
                let answer = house.post("/mcp", &token, &[LEGACY], &list()).await;
                let named =
                    answer.body["error"]["data"]["server"].as_str().unwrap_or("-").to_owned();
                assert_eq!(
                    answer.status == StatusCode::UNAUTHORIZED,
                    answer.challenge().contains(&format!("/mcp/{named}?resource=/mcp\"")),
                    "{mix:?}"
                );
                let outcomes = &answer.body["result"]["_meta"][OUTCOMES];
                let told =
                    NAMES.map(|name| outcomes[name]["outcome"].as_str().unwrap_or("-").to_owned());
                let row = format!("{} {named:5} {}", answer.status.as_u16(), told.join(" "));
                let both = table.entry((profile, mix)).or_insert_with(|| row.clone());
                assert_eq!(*both, row, "{profile} {mix:?}: the strategies differ");
            }
        }
    }
    let rows = table
        .iter()
        .map(|((profile, mix), row)| format!("{profile:4} {} -> {row}", mix.join(" ")));
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
}

/// AGG-10: a call is judged by its server alone, and a probe asks nobody else.
#[tokio::test]
async fn a_call_is_a_matter_of_its_server() {
    for strategy in STRATEGIES {
        let house = House::open(&format!("strategy = \"{strategy}\""), ["", "", ""]).await;
        let called = house.post("/mcp", "alpha=401+beta=403", &[LEGACY], &call("gamma-echo")).await;
        assert_eq!(
            called.body["result"]["content"][0]["text"], "echo of gamma",
            "{strategy}: {}",
            called.body
        );
        assert!(house.asked("alpha").await.is_empty() && house.asked("beta").await.is_empty());
        let refused = house.post("/mcp", "alpha=401", &[LEGACY], &call("alpha-echo")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
}

/// GATE-01 to GATE-03, GATE-10, GATE-11, SEC-02: a name that is not to be had is 404, and nobody is asked.
#[tokio::test]
async fn names_only_narrow() {
    let house = House::open("", ["", "", "disabled = true"]).await;
    let many = vec!["x"; 10_000].join(",");
    let in_the_path = format!("/mcp/{many}");
    for (path, fields) in [
        ("/mcp/alpha,nobody", &[][..]),
        ("/mcp/alpha,gamma", &[]),
        ("/mcp/alpha,,beta", &[]),
        ("/toolset/nothing/mcp", &[]),
        ("/mcp", &[("x-mcp-servers", "")]),
        ("/mcp", &[("x-mcp-servers", "alpha,../beta")]),
        ("/mcp", &[("x-mcp-servers", "\"alpha\"")]),
        ("/mcp", &[("x-mcp-servers", "Alpha")]),
        ("/mcp", &[("x-mcp-servers", many.as_str())]),
        (in_the_path.as_str(), &[]),
        ("/mcp/alpha,beta", &[("x-mcp-servers", "alpha"), ("x-mcp-servers", "gamma")]),
        ("/toolset/pair/mcp", &[("x-mcp-servers", "gamma")]),
        ("/mcp", &[("x-mcp-servers", "alpha"), ("x-litellm-api-key", "sk")]),
    ] {
        let answer = house.post(path, "t", fields, &list()).await;
        assert!(
            [400, 404, 431].contains(&answer.status.as_u16()),
            "{path} {fields:?}: {}",
            answer.status
        );
    }
    for server in NAMES {
        assert!(house.asked(server).await.is_empty(), "{server}");
    }
    let listed = house
        .post("/mcp", "t", &[LEGACY, ("x-mcp-servers", "beta, beta ,beta")], &list())
        .await;
    assert_eq!(listed.tools(), ["beta-echo"], "one server is still an aggregate (AGG-09)");
    assert!(house.asked("alpha").await.is_empty());
    assert_eq!(
        house.asked("beta").await.iter().filter(|asked| *asked == "tools/list").count(),
        1
    );
}

/// GATE-02: what a toolset leaves out is neither seen nor called nor asked; and it gives nothing that the key does not.
#[tokio::test]
async fn a_toolset_is_a_part_of_what_a_key_may_use() {
    let house = House::open("", ["", "", ""]).await;
    let listed = house.post("/toolset/pair/mcp", "gamma=401", &[LEGACY], &list()).await;
    assert_eq!(listed.tools(), ["beta-echo"], "{}", listed.body);
    assert!(house.asked("gamma").await.is_empty());
    let left_out = house.post("/toolset/pair/mcp", "t", &[LEGACY], &call("alpha-echo")).await;
    assert_eq!(
        (left_out.status, &left_out.body["error"]["code"]),
        (StatusCode::OK, &json!(-32602))
    );
    let other_key = Request::post("/toolset/pair/mcp")
        .header("x-litellm-api-key", "hush-hush")
        .header("authorization", "Bearer t")
        .header("mcp-protocol-version", "2025-11-25");
    // What the gateway still cleans up behind itself does not count.
    let opened =
        async || house.asked("beta").await.iter().filter(|asked| *asked == "initialize").count();
    let before = opened().await;
    let listed = house.send(other_key.body(Full::from(list().to_string())).unwrap()).await;
    assert_eq!(listed.body["result"]["tools"], json!([]), "beta is not this key's");
    assert_eq!(opened().await, before);
}

/// AGG-04: a token that came for all goes to one protection space; by the seed's rules to all.
#[tokio::test]
async fn a_token_for_all_stays_in_one_protection_space() {
    let spaces = ["", "protection_space = \"one\"", "protection_space = \"one\""];
    for (profile, saw) in [("seed", [true, true, true]), ("mcp", [true, false, false])] {
        let house =
            House::open(&format!("profile = \"{profile}\"\nstrategy = \"deferred\""), spaces).await;
        house.post("/mcp", "canary", &[LEGACY], &list()).await;
        for (server, saw) in house.servers.iter().zip(saw) {
            let requests = server.received_requests().await.unwrap();
            assert!(!requests.is_empty());
            let seen = requests.iter().any(|request| {
                request
                    .headers
                    .get("authorization")
                    .is_some_and(|value| value == "Bearer canary")
            });
            assert_eq!(seen, saw, "{profile}");
        }
    }
    // The others of a space see it together, and a call takes its token to whomever it is for.
    let house = House::open("profile = \"mcp\"\nstrategy = \"deferred\"", spaces).await;
    let listed = house.post("/mcp/beta,gamma", "gamma=403", &[LEGACY], &list()).await;
    assert_eq!(
        (listed.tools(), &listed.body["result"]["_meta"][OUTCOMES]["gamma"]["outcome"]),
        (vec!["beta-echo"], &json!("forbidden"))
    );
    let own = house
        .post(
            "/mcp/alpha,beta",
            "beta=401",
            &[LEGACY, ("x-mcp-beta-authorization", "Bearer t")],
            &list(),
        )
        .await;
    assert_eq!(own.tools(), ["alpha-echo", "beta-echo"], "each its own token: {}", own.body);
    assert_eq!(
        house.post("/mcp", "beta=403", &[LEGACY], &call("beta-echo")).await.status,
        StatusCode::FORBIDDEN
    );
}

/// What has no meaning across servers is refused clearly, and a listener is told after its token was looked at (STR-07).
#[tokio::test]
async fn what_several_servers_cannot_do_together() {
    for strategy in STRATEGIES {
        let house = House::open(&format!("strategy = \"{strategy}\""), ["", "", ""]).await;
        let level = house
            .post(
                "/mcp",
                "t",
                &[LEGACY],
                &message("logging/setLevel", &json!({ "level": "info" })),
            )
            .await;
        assert_eq!((level.status, &level.body["error"]["code"]), (StatusCode::OK, &json!(-32601)));
        for (body, code) in [("{", -32700), ("[]", -32600), ("{}", -32600)] {
            let request = Request::post("/mcp")
                .header("x-litellm-api-key", "sk")
                .body(Full::from(body))
                .unwrap();
            let answer = house.send(request).await;
            assert_eq!(
                (answer.status, &answer.body["error"]["code"]),
                (StatusCode::BAD_REQUEST, &json!(code))
            );
        }
        let unknown = house
            .post("/mcp", "t", &[("mcp-protocol-version", "1999-01-01")], &list())
            .await;
        assert_eq!(
            (unknown.status, &unknown.body["error"]["data"]["requested"]),
            (StatusCode::BAD_REQUEST, &json!("1999-01-01"))
        );
        assert!(house.asked("alpha").await.is_empty());

        let get = |token: &str| {
            Request::get("/mcp")
                .header("x-litellm-api-key", "sk")
                .header("authorization", format!("Bearer {token}"))
                .header("accept", "text/event-stream")
                .body(Full::default())
                .unwrap()
        };
        let taken = house.send(get("t")).await;
        assert_eq!(
            (taken.status, &taken.headers["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"POST, DELETE".parse().unwrap())
        );
        assert_eq!(
            house.send(get("beta=401")).await.status,
            StatusCode::UNAUTHORIZED,
            "{strategy}"
        );
        let notified = house
            .post(
                "/mcp",
                "beta=401",
                &[LEGACY],
                &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            )
            .await;
        assert_eq!(notified.status, StatusCode::UNAUTHORIZED, "{strategy}");
    }
}

/// SEC-08, STA-14: a session is for its caller and its route, and lost as a whole.
#[tokio::test]
async fn a_session_of_several_is_one() {
    let house = House::open("strategy = \"deferred\"", ["", "", ""]).await;
    let opened = house.post("/mcp", "t", &[], &initialize("2025-11-25")).await;
    let session = opened.headers["mcp-session-id"].to_str().unwrap().to_owned();
    assert!(!session.contains("session-of"));
    let before = house.asked("alpha").await.len();
    let fields = [LEGACY, ("mcp-session-id", session.as_str())];
    assert_eq!(
        house.post("/mcp/alpha,beta", "t", &fields, &list()).await.status,
        StatusCode::NOT_FOUND,
        "another route"
    );
    assert_eq!(
        house
            .post("/mcp", "t", &[LEGACY, ("mcp-session-id", &session[..40])], &list())
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    let stranger = Request::post("/mcp")
        .header("x-litellm-api-key", "hush-hush")
        .header("mcp-session-id", &session);
    assert_eq!(
        house.send(stranger.body(Full::from(list().to_string())).unwrap()).await.status,
        StatusCode::NOT_FOUND,
        "another caller"
    );
    assert_eq!(house.asked("alpha").await.len(), before);

    let lost = house.post("/mcp", "beta=404", &fields, &list()).await;
    assert_eq!(
        (lost.status, &lost.body["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!(40403)),
        "{}",
        lost.body
    );
}

/// DSC-01 to DSC-04: the document that an aggregate's challenge leads to, and the one at its own place.
#[tokio::test]
async fn the_challenge_of_an_aggregate_leads_to_who_refused() {
    let house = House::open("external_url = \"http://gw.example\"", ["", "", ""]).await;
    let refused = house.post("/mcp/", "beta=401", &[LEGACY], &list()).await;
    let place = refused
        .challenge()
        .split("resource_metadata=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let get = |place: &str| {
        Request::get(place.strip_prefix("http://gw.example").unwrap_or(place))
            .body(Full::default())
            .unwrap()
    };
    let document = house.send(get(place)).await.body;
    assert_eq!(
        (&document["resource"], &document["authorization_servers"]),
        (&json!("http://gw.example/mcp/"), &json!(["https://beta.example"]))
    );
    let all = house.send(get("/.well-known/oauth-protected-resource/mcp")).await.body;
    assert_eq!(
        all["authorization_servers"],
        json!(["https://alpha.example", "https://beta.example", "https://gamma.example"])
    );
    let two = house
        .send(get("/.well-known/oauth-protected-resource/toolset/pair/mcp"))
        .await
        .body;
    assert_eq!(
        (&two["resource"], two["authorization_servers"].as_array().unwrap().len()),
        (&json!("http://gw.example/toolset/pair/mcp"), 2)
    );
    for absent in [
        "/mcp/beta?resource=/toolset/nothing/mcp",
        "/mcp/gamma?resource=/toolset/pair/mcp",
        "/mcp/beta?resource=http://evil.example/mcp",
        "/mcp/alpha,nobody",
    ] {
        let status = house
            .send(get(&format!("/.well-known/oauth-protected-resource{absent}")))
            .await
            .status;
        assert_eq!(status, StatusCode::NOT_FOUND, "{absent}");
    }
}

/// PRB-16: where it is asked for, an acceptance stands for a while, and any refusal ends it.
#[tokio::test]
async fn an_acceptance_may_stand_for_a_while() {
    let house = House::open("probe_reuse_ms = 3600000", ["", "", "disabled = true"]).await;
    for _ in 0..3 {
        house.post("/mcp/alpha", "t", &[LEGACY, ("mcp-session-id", "")], &list()).await;
    }
    let probes = |asked: Vec<String>| asked.iter().filter(|asked| *asked == "initialize").count();
    for _ in 0..3 {
        assert_eq!(
            house
                .post("/mcp/beta,beta", "t", &[LEGACY], &message("initialize", &json!({})))
                .await
                .status,
            StatusCode::OK
        );
    }
    assert_eq!(probes(house.asked("beta").await), 4, "one probe, and three of the client's own");
    house
        .post("/mcp/beta,beta", "other", &[LEGACY], &message("initialize", &json!({})))
        .await;
    assert_eq!(probes(house.asked("beta").await), 6, "another token is asked about");
}
