//! The gateway against a model of it, over random days: tokens are revoked, servers fall and rise, the configuration is changed under
//! the clients' hands. Whatever came before, the next request must end as the model says, and be heard of by nobody else.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod secrets;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use mcp_preflight::{config::Config, gateway};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use secrets::environment;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

const SERVERS: [&str; 3] = ["alpha", "beta", "gamma"];
const TOKENS: usize = 2;

/// How a server answers a token, or anyone while it is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    Refuses,
    Forbids,
    Fails,
}

impl Mood {
    const fn status(self) -> u16 {
        match self {
            Self::Takes => 200,
            Self::Refuses => 401,
            Self::Forbids => 403,
            Self::Fails => 500,
        }
    }
}

/// What is true outside the gateway, and what it is configured with.
#[derive(Clone, Debug)]
struct World {
    /// By token and server.
    moods: [[Mood; 3]; TOKENS],
    granted: BTreeSet<usize>,
    partial: bool,
    deferred: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// A server changes its mind about a token.
    Mood { token: usize, server: usize, mood: Mood },
    /// The file is changed, and the gateway told so.
    Configure { granted: BTreeSet<usize>, partial: bool, deferred: bool },
    /// A client asks; nobody's key is `false`.
    Ask { known: bool, token: usize, whom: Whom },
}

#[derive(Clone, Debug)]
enum Whom {
    /// One server, on its own route.
    One(usize),
    /// The tools of these, or of all that there are.
    List(Option<BTreeSet<usize>>),
    /// A tool of one, on the route of all.
    Call(usize),
}

/// What a request comes to: its status, and the servers that may have heard of it.
fn expected(world: &World, known: bool, token: usize, whom: &Whom) -> (u16, BTreeSet<usize>) {
    if !known {
        return (401, BTreeSet::new());
    }
    let asked = match whom {
        Whom::One(server) if !world.granted.contains(server) => return (404, BTreeSet::new()),
        // A tool of a server that is not there is a tool that is not there, unless nothing is there at all.
        Whom::Call(server) if !world.granted.contains(server) => {
            return (if world.granted.is_empty() { 404 } else { 200 }, BTreeSet::new());
        }
        Whom::One(server) | Whom::Call(server) => BTreeSet::from([*server]),
        Whom::List(None) => world.granted.clone(),
        Whom::List(Some(named)) if !named.is_subset(&world.granted) => {
            return (404, BTreeSet::new());
        }
        Whom::List(Some(named)) => named.clone(),
    };
    let moods: Vec<Mood> = asked.iter().map(|server| world.moods[token][*server]).collect();
    let any = |mood| moods.contains(&mood);
    let status = match () {
        () if moods.is_empty() => 404,
        () if any(Mood::Takes) && (world.partial || !any(Mood::Refuses) && !any(Mood::Forbids)) => {
            200
        }
        () if any(Mood::Refuses) => 401,
        () if any(Mood::Forbids) => 403,
        () => 502,
    };
    (status, asked)
}

struct Model;

impl ReferenceStateMachine for Model {
    type State = World;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<World> {
        let world = World {
            moods: [[Mood::Takes; 3]; TOKENS],
            granted: (0..3).collect(),
            partial: false,
            deferred: false,
        };
        Just(world).boxed()
    }

    fn transitions(_: &World) -> BoxedStrategy<Step> {
        let some = || prop::collection::btree_set(0..3_usize, 0..=3);
        let mood = prop_oneof![
            Just(Mood::Takes),
            Just(Mood::Refuses),
            Just(Mood::Forbids),
            Just(Mood::Fails)
        ];
        let whom = prop_oneof![
            (0..3_usize).prop_map(Whom::One),
            prop::option::of(prop::collection::btree_set(0..3_usize, 2..=3)).prop_map(Whom::List),
            (0..3_usize).prop_map(Whom::Call),
        ];
        prop_oneof![
            3 => (0..TOKENS, 0..3_usize, mood).prop_map(|(token, server, mood)| Step::Mood { token, server, mood }),
            1 => (some(), any::<bool>(), any::<bool>()).prop_map(|(granted, partial, deferred)| Step::Configure { granted, partial, deferred }),
            6 => (prop::bool::weighted(0.9), 0..TOKENS, whom).prop_map(|(known, token, whom)| Step::Ask { known, token, whom }),
        ]
        .boxed()
    }

    fn apply(mut world: World, step: &Step) -> World {
        match step {
            Step::Mood { token, server, mood } => world.moods[*token][*server] = *mood,
            Step::Configure { granted, partial, deferred } => {
                world = World {
                    granted: granted.clone(),
                    partial: *partial,
                    deferred: *deferred,
                    ..world
                };
            }
            Step::Ask { .. } => {}
        }
        world
    }
}

/// What the servers do, and what they have heard since somebody looked.
struct Outside {
    moods: [[Mood; 3]; TOKENS],
    heard: BTreeSet<usize>,
    stolen: bool,
}

/// The gateway, its servers and a client.
struct House {
    runtime: Runtime,
    running: gateway::Running,
    outside: Arc<Mutex<Outside>>,
    urls: Vec<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl StateMachineTest for House {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(world: &World) -> Self {
        let runtime = Runtime::new().unwrap();
        let outside = Arc::new(Mutex::new(Outside {
            moods: world.moods,
            heard: BTreeSet::new(),
            stolen: false,
        }));
        let (urls, running) = runtime.block_on(async {
            let mut urls = Vec::new();
            for server in 0..SERVERS.len() {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                urls.push(format!("http://{}/mcp", listener.local_addr().unwrap()));
                tokio::spawn(serve(listener, server, Arc::clone(&outside)));
            }
            let running = gateway::start(configuration(world, &urls)).await.unwrap();
            (urls, running)
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { runtime, running, outside, urls, client }
    }

    fn apply(house: Self, world: &World, step: Step) -> Self {
        match step {
            Step::Mood { .. } => house.outside.lock().unwrap().moods = world.moods,
            Step::Configure { .. } => {
                house.running.reload(configuration(world, &house.urls)).unwrap()
            }
            Step::Ask { known, token, whom } => {
                house.outside.lock().unwrap().heard.clear();
                let status = house.runtime.block_on(house.ask(known, token, &whom));
                let (told, asked) = expected(world, known, token, &whom);
                assert_eq!(status, told, "{whom:?} with token {token} in {world:?}");
                let outside = house.outside.lock().unwrap();
                assert!(
                    outside.heard.is_subset(&asked),
                    "{:?} heard of {whom:?}, and may: {asked:?}",
                    outside.heard
                );
                assert!(!outside.stolen, "a gateway key has left the gateway");
            }
        }
        house
    }

    fn teardown(house: Self, _: World) {
        house.runtime.block_on(house.running.stop());
    }
}

impl House {
    async fn ask(&self, known: bool, token: usize, whom: &Whom) -> u16 {
        let base = format!("http://{}", self.running.address());
        let (path, method, params) = match whom {
            Whom::One(server) => (format!("/mcp/{}", SERVERS[*server]), "tools/list", json!({})),
            Whom::List(None) => ("/mcp".to_owned(), "tools/list", json!({})),
            Whom::List(Some(named)) => {
                let names: Vec<&str> = named.iter().map(|server| SERVERS[*server]).collect();
                (format!("/mcp/{}", names.join(",")), "tools/list", json!({}))
            }
            Whom::Call(server) => (
                "/mcp".to_owned(),
                "tools/call",
                json!({ "name": format!("{}-echo", SERVERS[*server]) }),
            ),
        };
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let request = Request::post(base + &path)
            .header("x-litellm-api-key", if known { "sk" } else { "nobody's" })
            .header("authorization", format!("Bearer token-{token}"))
            .header("accept", "application/json")
            .body(Full::from(message.to_string()))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status();
        let body: Value =
            serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes())
                .unwrap();
        assert!(
            status != StatusCode::OK
                || body.get("result").is_some()
                || body["error"]["code"] == -32602,
            "{body}"
        );
        status.as_u16()
    }
}

fn configuration(world: &World, urls: &[String]) -> Config {
    let granted: Vec<&str> = world.granted.iter().map(|server| SERVERS[*server]).collect();
    let (profile, strategy) = (
        if world.partial { "mcp" } else { "seed" },
        if world.deferred { "deferred" } else { "probe" },
    );
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\nprofile = \"{profile}\"\nstrategy = \"{strategy}\"\n\
         [[key]]\nname = \"a\"\nvalue = {{ env = \"KEY\" }}\nservers = {granted:?}\n"
    );
    for (name, url) in SERVERS.iter().zip(urls) {
        // Of an era without sessions, so that a request leaves nothing to clean up which the next one could be blamed for.
        text += &format!(
            "[[server]]\nname = \"{name}\"\nurl = \"{url}\"\nforward = [\"authorization\"]\nprotection_space = \"one\"\nera = \"2026-07-28\"\n"
        );
    }
    Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"))
}

async fn serve(listener: TcpListener, server: usize, outside: Arc<Mutex<Outside>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let outside = Arc::clone(&outside);
        let answer = service_fn(move |request: Request<Incoming>| {
            answer(request, server, Arc::clone(&outside))
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer),
        );
    }
}

async fn answer(
    request: Request<Incoming>,
    server: usize,
    outside: Arc<Mutex<Outside>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let stolen = request
        .headers()
        .values()
        .any(|value| value.as_bytes().windows(2).any(|part| part == b"sk"));
    let token = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer token-")?.parse().ok());
    let message: Value =
        serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let mood = {
        let mut outside = outside.lock().unwrap();
        outside.heard.insert(server);
        outside.stolen |= stolen;
        token.map_or(Mood::Refuses, |token: usize| outside.moods[token][server])
    };
    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "resultType": "complete", "tools": [{ "name": "echo" }] } });
    let response = Response::builder()
        .status(mood.status())
        .header("content-type", "application/json");
    Ok(response.body(Full::from(body.to_string())).unwrap())
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Forty-eight days of up to forty steps.
    #[test]
    fn every_day_ends_as_the_model_says(sequential 1..40 => House);
}
