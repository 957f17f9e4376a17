//! The subject of a judgement: the trace of one case and what is known beside it.

mod context;
mod traffic;

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
};

pub use self::context::{Context, Deadlines, Metrics};
pub(super) use self::traffic::{Traffic, session_id};
use super::{
    disclosure::{self, Captured, Disclosure, Secrets},
    observation::Observation,
};
use crate::{
    cases::{
        behaviour::{Behaviour, Behaviours, Source},
        matrix::{behaviours_of, server_of},
        matrix_case::MatrixCase,
        placeholder::fill,
        token_script::TokenScript,
    },
    catalogue::ProtocolVersion,
    trace::{Arrival, Exchange, Headers, Trace, all_headers, header},
};

/// The trace of one case and what is known beside it. Derived data is computed once, on first use.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The name of the server that the request is for.
    pub server: &'a str,
    /// The protocol version of the client.
    pub protocol_version: ProtocolVersion,
    /// The matrix case; `None` for a scenario.
    pub matrix_case: Option<&'a MatrixCase>,
    /// What is known beside the trace.
    pub context: &'a Context,
    /// The trace. Observables of the client use the last exchange, unless they say otherwise.
    pub trace: &'a Trace,
    traffic: OnceCell<Traffic<'a>>,
    observations: RefCell<BTreeMap<&'static str, Observation>>,
    disclosures: OnceCell<Vec<Disclosure>>,
    secrets: OnceCell<Secrets>,
}

impl<'a> Subject<'a> {
    /// The subject of a matrix case.
    #[must_use]
    pub fn of_matrix_case(
        matrix_case: &'a MatrixCase,
        context: &'a Context,
        trace: &'a Trace,
    ) -> Self {
        let server = server_of(matrix_case);
        Self {
            matrix_case: Some(matrix_case),
            ..Self::new(server, matrix_case.protocol_version, context, trace)
        }
    }

    /// The subject of a scenario: requests for this server, by a client of this protocol version.
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
            observations: RefCell::default(),
            disclosures: OnceCell::new(),
            secrets: OnceCell::new(),
        }
    }

    /// The requests that the server received, by who made them.
    pub(super) fn traffic(&self) -> &Traffic<'a> {
        self.traffic.get_or_init(|| Traffic::new(self.trace, self.arrivals()))
    }

    /// The observation with this name, computed at the first call only.
    pub(super) fn observation(
        &self,
        name: &'static str,
        observe: impl FnOnce(&Self) -> Observation,
    ) -> Observation {
        if let Some(known) = self.observations.borrow().get(name) {
            return known.clone();
        }
        let observation = observe(self);
        self.observations.borrow_mut().insert(name, observation.clone());
        observation
    }

    /// The secrets of the case, ready to be searched for.
    pub(super) fn secrets(&self) -> &Secrets {
        self.secrets
            .get_or_init(|| Secrets::collect(&self.context.deployment, [self.trace]))
    }

    /// Every disclosure of a secret in the case.
    pub(super) fn disclosures(&self) -> &[Disclosure] {
        self.disclosures.get_or_init(|| {
            let Context { key_header, token_header, output, metrics, .. } = self.context;
            let deployment = self.context.configured_deployment();
            let captured = Captured {
                deployment: &deployment,
                key_header,
                token_header,
                requested_servers: self.matrix_case.map(|_| self.requested_servers().collect()),
                trace: self.trace,
                keys_are_limited: self.context.features.contains("limited-keys"),
                invents_token_field: self.context.invents_token_field(),
                output,
                metrics: metrics.as_ref().map(|metrics| metrics.after.as_str()),
            };
            disclosure::search(&captured, self.secrets())
        })
    }

    /// The servers that the request is for. For a scenario, only the first one is known.
    fn requested_servers(&self) -> impl Iterator<Item = &'a str> {
        let behaviours = self.matrix_case.map(behaviours_of).unwrap_or_default();
        std::iter::once(self.server).chain(behaviours.into_iter().map(|(server, _)| server))
    }

    /// Whether the request is for this server.
    pub(super) fn requests(&self, server: &str) -> bool {
        self.requested_servers().any(|requested| requested == server)
    }

    /// The last exchange.
    pub(super) fn exchange(&self) -> Option<&'a Exchange> {
        self.trace.exchanges.last()
    }

    /// The requests to the MCP endpoint of the server, without requests for discovery documents.
    pub(super) fn arrivals(&self) -> impl Iterator<Item = &'a Arrival> + use<'a> {
        let server = self.server;
        self.trace
            .arrivals
            .iter()
            .filter(move |arrival| arrival.server == server && !is_discovery(arrival))
    }

    /// The behaviour of the server in this case.
    pub(super) fn behaviour(&self) -> Option<&'static Behaviour> {
        let name = match self.matrix_case {
            Some(matrix_case) => matrix_case.upstream.clone(),
            None => {
                let token = header(&self.exchange()?.sent_headers, &self.context.token_header)?;
                TokenScript::find(token)?.behaviour_of(self.server)?.to_owned()
            }
        };
        Behaviours::embedded().find(&name)
    }

    /// The header fields that the behaviour of the server states, with placeholders.
    pub(super) fn stated_headers(&self) -> Option<&'static Headers> {
        match &self.behaviour()?.source {
            Source::Stated { headers, .. } => Some(headers),
            Source::Healthy(_) | Source::Nothing | Source::Server(_) => None,
        }
    }

    /// Every field line with this name that the server sends in this case.
    pub(super) fn upstream_field_lines(&self, name: &str) -> Option<Vec<String>> {
        let headers = self.stated_headers()?;
        let origin = self.context.deployment.server(self.server)?.url.strip_suffix("/mcp")?;
        let value_of = |placeholder: &str| match placeholder {
            "origin" => Some(origin.to_owned()),
            "pad" => Some("x".repeat(64 << 10)),
            _ => None,
        };
        Some(
            all_headers(headers, name)
                .filter_map(|line| fill(line, value_of).ok())
                .collect(),
        )
    }
}

/// Whether a request is for a discovery document.
pub(super) fn is_discovery(arrival: &Arrival) -> bool {
    arrival.target.contains("/.well-known/")
}
