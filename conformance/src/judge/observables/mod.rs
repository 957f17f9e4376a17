//! Names what can be observed of a case: each observable is a pure function of its trace, and says one word of a closed vocabulary.
//!
//! Expectations, verdicts, reports and the decision table all speak in these words. Nothing here knows what is right.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    cases::{
        behaviour::{Behaviour, Behaviours, Source, fill},
        deployment::Deployment,
        matrix_case::MatrixCase,
        token_script::TokenScript,
    },
    catalogue::{Profile, ProtocolVersion},
    implementations::Surfaces,
    judge::disclosure::{self, Disclosure, Secrets},
    trace::{Arrival, Exchange, Trace, all_headers, header},
};

mod body;
mod carried;
mod client;
pub mod course;
mod edge;
pub mod leak;
mod modern;
pub mod operators;
mod set;
mod several;
mod traffic;
mod upstream;

use self::traffic::Traffic;

/// What is known of an implementation and its surroundings, beside the trace.
#[derive(Clone, Debug)]
pub struct Context {
    /// The gateway's origin as clients see it, without a slash at its end.
    pub base_url: String,
    /// What the implementation is configured with.
    pub deployment: Arc<Deployment>,
    /// The header that carries the gateway key, in lower case.
    pub key_header: String,
    /// The header that carries the upstream token, in lower case.
    pub token_header: String,
    /// What stands between the name of a server and that of its tool, where several servers are served at once.
    pub name_separator: String,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// What the implementation declares that it can do, by name.
    pub features: BTreeSet<String>,
    /// The set of behaviours that it was started with.
    pub profile: Profile,
    /// Whether the positive control passed: in the same batch, what was sent to a healthy upstream arrived and was recorded.
    pub control: bool,
    /// Whether everything upstream had come to its end shortly after the answer; `None` where nobody looked.
    pub settled: Option<bool>,
    /// What the implementation wrote to its outputs in the meantime; empty where nobody read it.
    pub output: String,
    /// Whether it refused to start as the case has it configured.
    pub refused: bool,
    /// Its metrics before the case and after it, where they were looked at.
    pub metrics: Option<operators::Metrics>,
    /// What else of it can be met or read.
    pub surfaces: Surfaces,
}

/// How long things may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// How long the implementation waits for a probe, as it declares.
    pub probe: u64,
    /// How long it holds the head of an answer back, as it declares.
    pub commit: u64,
    /// What is added to any of these before something is late: the machine is shared.
    pub slack: u64,
}

/// What an observable looks at. Each is looked at once, however many rules ask for it.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The server asked for, by its name in the plan.
    pub server: &'a str,
    /// The revision that the client speaks.
    pub protocol_version: ProtocolVersion,
    /// The matrix case, where the trace is one of the matrix.
    pub matrix_case: Option<&'a MatrixCase>,
    /// What is known beside the trace.
    pub context: &'a Context,
    /// The trace. What is observed of the client is observed of its last exchange, unless an observable says otherwise.
    pub trace: &'a Trace,
    traffic: OnceCell<Traffic<'a>>,
    seen: RefCell<BTreeMap<&'static str, Observation>>,
    leaks: OnceCell<Vec<Disclosure>>,
    secrets: OnceCell<Secrets>,
}

impl<'a> Subject<'a> {
    /// A matrix case's trace.
    #[must_use]
    pub fn of_matrix_case(
        matrix_case: &'a MatrixCase,
        context: &'a Context,
        trace: &'a Trace,
    ) -> Self {
        Self {
            matrix_case: Some(matrix_case),
            ..Self::new(
                crate::cases::matrix::server_of(matrix_case),
                matrix_case.protocol_version,
                context,
                trace,
            )
        }
    }

    /// A trace of requests for this server, by a client of this protocol version.
    #[must_use]
    pub fn new(
        server: &'a str,
        protocol_version: ProtocolVersion,
        context: &'a Context,
        trace: &'a Trace,
    ) -> Self {
        Self {
            server,
            protocol_version,
            matrix_case: None,
            context,
            trace,
            traffic: OnceCell::new(),
            seen: RefCell::default(),
            leaks: OnceCell::new(),
            secrets: OnceCell::new(),
        }
    }

    /// Whose the requests are that the server asked for was sent.
    fn traffic(&self) -> &Traffic<'a> {
        self.traffic.get_or_init(|| Traffic::of(self))
    }

    /// The secrets of the case, ready to be looked for.
    pub(crate) fn secrets(&self) -> &Secrets {
        self.secrets.get_or_init(|| Secrets::of(&self.context.deployment, [self.trace]))
    }

    /// Every secret in a place where it may not be.
    pub(crate) fn leaks(&self) -> &[Disclosure] {
        self.leaks.get_or_init(|| disclosure::leaks(self))
    }

    /// Whether the request is meant for this server too.
    pub(crate) fn means(&self, server: &str) -> bool {
        let orders = self.matrix_case.map(crate::cases::matrix::orders_of).unwrap_or_default();
        server == self.server || orders.iter().any(|(meant, _)| *meant == server)
    }

    /// The last exchange.
    fn exchange(&self) -> Option<&'a Exchange> {
        self.trace.exchanges.last()
    }

    /// The requests to the MCP endpoint of the server asked for; looking up its metadata is nobody's secret.
    fn arrivals(&self) -> impl Iterator<Item = &'a Arrival> {
        let server = self.server;
        self.trace
            .arrivals
            .iter()
            .filter(move |arrival| arrival.server == server && !is_discovery(arrival))
    }

    /// What the server asked for was told to do.
    fn behaviour(&self) -> Option<&'static Behaviour> {
        let scripted = || {
            let script = TokenScript::find(header(
                &self.exchange()?.sent_headers,
                &self.context.token_header,
            )?)?;
            script.order(self.server).map(str::to_owned)
        };
        Behaviours::embedded().find(
            &self
                .matrix_case
                .map(|matrix_case| matrix_case.upstream.clone())
                .or_else(scripted)?,
        )
    }

    /// Every line of a header that the server asked for was told to send, as it sends them.
    fn stated_lines(&self, name: &str) -> Option<Vec<String>> {
        let Source::Stated { headers, .. } = &self.behaviour()?.source else {
            return None;
        };
        let origin = self.context.deployment.server(self.server)?.url.strip_suffix("/mcp")?;
        let place = |placeholder: &str| match placeholder {
            "origin" => Some(origin.to_owned()),
            "pad" => Some("x".repeat(64 << 10)),
            _ => None,
        };
        Some(all_headers(headers, name).filter_map(|line| fill(line, place).ok()).collect())
    }

    /// The value of a header that the server asked for was told to send.
    fn stated_header(&self, name: &str) -> Option<&'static str> {
        match &self.behaviour()?.source {
            Source::Stated { headers, .. } => header(headers, name),
            Source::Healthy(_) | Source::Nothing | Source::Planned(_) => None,
        }
    }
}

fn is_discovery(arrival: &Arrival) -> bool {
    arrival.target.contains("/.well-known/")
}

/// What one observable says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// This.
    Seen(String),
    /// Nothing: the question makes no sense for this trace.
    NotApplicable,
    /// Nothing: the evidence is missing, for this reason.
    Unknown(&'static str),
}

impl Observation {
    fn seen(value: impl Into<String>) -> Self {
        Self::Seen(value.into())
    }
}

impl std::fmt::Display for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seen(value) => f.write_str(value),
            Self::NotApplicable => f.write_str("not-applicable"),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

impl From<&str> for Observation {
    fn from(value: &str) -> Self {
        Self::seen(value)
    }
}

impl From<String> for Observation {
    fn from(value: String) -> Self {
        Self::Seen(value)
    }
}

/// One thing that can be observed.
#[derive(Clone, Copy)]
pub struct Observable {
    /// Its name in rules, scenarios and reports.
    pub name: &'static str,
    /// What it tells, in one line.
    pub description: &'static str,
    /// Everything that it can say; `*` stands for a detail.
    pub values: &'static [&'static str],
    /// The value that says that something did not happen. It proves that only if what does happen is seen to happen.
    pub absence: Option<&'static str>,
    look: fn(&Subject<'_>) -> Observation,
}

impl Observable {
    /// The observable of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|observable| observable.name == name)
    }

    /// Every observable: the client's face, then the upstream's, then those that compare several exchanges.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        client::OBSERVABLES
            .iter()
            .chain(carried::OBSERVABLES)
            .chain(body::OBSERVABLES)
            .chain(upstream::OBSERVABLES)
            .chain(leak::OBSERVABLES)
            .chain(modern::OBSERVABLES)
            .chain(several::OBSERVABLES)
            .chain(course::OBSERVABLES)
            .chain(edge::OBSERVABLES)
            .chain(operators::OBSERVABLES)
            .chain(set::OBSERVABLES)
    }

    /// What it says of this trace.
    #[must_use]
    pub fn look(&self, subject: &Subject<'_>) -> Observation {
        let known = subject.seen.borrow().get(self.name).cloned();
        known.unwrap_or_else(|| {
            let observation = (self.look)(subject);
            subject.seen.borrow_mut().insert(self.name, observation.clone());
            observation
        })
    }
}

impl std::fmt::Debug for Observable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Everything that can be observed of a trace, by name; what does not apply is left out.
#[must_use]
pub fn all(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let look = |observable: &Observable| match observable.look(subject) {
        Observation::NotApplicable => None,
        observation => Some((observable.name.to_owned(), observation.to_string())),
    };
    Observable::all().filter_map(look).collect()
}

#[cfg(test)]
mod tests;
