//! The model: what the upstreams do, how the gateway is configured, and what the response to a
//! request must be.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

pub(crate) const SERVERS: [&str; 3] = ["alpha", "beta", "gamma"];
/// The number of upstream tokens that the client has.
pub(crate) const TOKENS: usize = 2;

/// How a server answers a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Accept,
    Unauthorized,
    Forbidden,
    Fail,
}

/// The behaviour by token and server.
pub(crate) type Behaviours = [[Behaviour; SERVERS.len()]; TOKENS];

impl Behaviour {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Accept => 200,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::Fail => 500,
        }
    }
}

/// The state of the upstreams and the gateway's configuration.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) behaviours: Behaviours,
    pub(crate) configuration: Configuration,
}

#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// The servers that the gateway key grants, by position.
    pub(crate) granted: BTreeSet<usize>,
    /// Profile `mcp`, which returns partial results, instead of `seed`.
    pub(crate) partial_results: bool,
    /// Strategy `deferred` instead of `probe`.
    pub(crate) deferred: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A server changes how it answers a token.
    Behave { token: usize, server: usize, behaviour: Behaviour },
    /// The gateway reloads its configuration.
    Reload(Configuration),
    /// A client sends a request.
    Send(Request),
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Whether the gateway key is the configured one.
    pub(crate) valid_key: bool,
    pub(crate) token: usize,
    pub(crate) operation: Operation,
}

/// What a request asks for, and the endpoint that it is sent to.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// The tools of one server, on its single-server endpoint.
    ListOne(usize),
    /// The tools of these servers, or of all, on an aggregate endpoint.
    ListAggregate(Option<BTreeSet<usize>>),
    /// A call of a server's tool, on the aggregate endpoint of all servers.
    Call(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// Status 200 with a JSON-RPC result.
    Result,
    /// Status 200 with the JSON-RPC error for a tool that does not exist.
    UnknownTool,
    /// Another status.
    Status(u16),
}

/// What a request must lead to.
pub(crate) struct Expected {
    pub(crate) response: Response,
    /// The servers that may receive a request. With [`Response::Result`], each must receive one.
    pub(crate) servers: BTreeSet<usize>,
}

impl Expected {
    fn without_upstream_request(response: Response) -> Self {
        Self { response, servers: BTreeSet::new() }
    }
}

impl State {
    pub(crate) fn expected(&self, request: &Request) -> Expected {
        if !request.valid_key {
            return Expected::without_upstream_request(Response::Status(401));
        }
        let granted = &self.configuration.granted;
        let servers = match &request.operation {
            Operation::ListOne(server) if !granted.contains(server) => {
                return Expected::without_upstream_request(Response::Status(404));
            }
            // If the key grants no server, there is no aggregate endpoint.
            Operation::Call(_) if granted.is_empty() => {
                return Expected::without_upstream_request(Response::Status(404));
            }
            Operation::Call(server) if !granted.contains(server) => {
                return Expected::without_upstream_request(Response::UnknownTool);
            }
            Operation::ListOne(server) | Operation::Call(server) => BTreeSet::from([*server]),
            Operation::ListAggregate(None) => granted.clone(),
            Operation::ListAggregate(Some(named)) if !named.is_subset(granted) => {
                return Expected::without_upstream_request(Response::Status(404));
            }
            Operation::ListAggregate(Some(named)) => named.clone(),
        };
        let behaviours: Vec<Behaviour> =
            servers.iter().map(|server| self.behaviours[request.token][*server]).collect();
        Expected { response: self.response(&behaviours), servers }
    }

    /// The response for the behaviours of the selected servers.
    fn response(&self, behaviours: &[Behaviour]) -> Response {
        let any = |behaviour| behaviours.contains(&behaviour);
        let refused = any(Behaviour::Unauthorized) || any(Behaviour::Forbidden);
        if behaviours.is_empty() {
            Response::Status(404)
        } else if any(Behaviour::Accept) && (self.configuration.partial_results || !refused) {
            Response::Result
        } else if any(Behaviour::Unauthorized) {
            Response::Status(401)
        } else if any(Behaviour::Forbidden) {
            Response::Status(403)
        } else {
            Response::Status(502)
        }
    }
}

pub(crate) struct Model;

impl ReferenceStateMachine for Model {
    type State = State;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<State> {
        let state = State {
            behaviours: [[Behaviour::Accept; SERVERS.len()]; TOKENS],
            configuration: Configuration {
                granted: (0..SERVERS.len()).collect(),
                partial_results: false,
                deferred: false,
            },
        };
        Just(state).boxed()
    }

    fn transitions(_: &State) -> BoxedStrategy<Step> {
        prop_oneof![
            3 => change_of_behaviour(),
            1 => configurations().prop_map(Step::Reload),
            6 => requests().prop_map(Step::Send),
        ]
        .boxed()
    }

    fn apply(mut state: State, step: &Step) -> State {
        match step {
            Step::Behave { token, server, behaviour } => {
                state.behaviours[*token][*server] = *behaviour;
            }
            Step::Reload(configuration) => state.configuration = configuration.clone(),
            Step::Send(_) => {}
        }
        state
    }
}

fn change_of_behaviour() -> impl Strategy<Value = Step> {
    let behaviour = prop_oneof![
        Just(Behaviour::Accept),
        Just(Behaviour::Unauthorized),
        Just(Behaviour::Forbidden),
        Just(Behaviour::Fail)
    ];
    (0..TOKENS, 0..SERVERS.len(), behaviour).prop_map(|(token, server, behaviour)| Step::Behave {
        token,
        server,
        behaviour,
    })
}

fn configurations() -> impl Strategy<Value = Configuration> {
    let granted = prop::collection::btree_set(0..SERVERS.len(), 0..=SERVERS.len());
    (granted, any::<bool>(), any::<bool>()).prop_map(|(granted, partial_results, deferred)| {
        Configuration { granted, partial_results, deferred }
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let named = prop::collection::btree_set(0..SERVERS.len(), 2..=SERVERS.len());
    let operation = prop_oneof![
        (0..SERVERS.len()).prop_map(Operation::ListOne),
        prop::option::of(named).prop_map(Operation::ListAggregate),
        (0..SERVERS.len()).prop_map(Operation::Call),
    ];
    (prop::bool::weighted(0.9), 0..TOKENS, operation)
        .prop_map(|(valid_key, token, operation)| Request { valid_key, token, operation })
}
