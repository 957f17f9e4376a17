//! The steps of a scenario: what the client sends, in which form, and how far it reads the
//! response.

mod kinds;
mod values;

use std::fmt;

use serde::Deserialize;

use self::kinds::DEFAULT_SERVER;
pub use self::{
    kinds::{AggregateStep, ConcurrentStep, FetchMetadataStep, RawStep, RequestStep},
    values::{BehaviourFrom, CallerName, ConnectionKind, Message, Read, Vary},
};
use crate::{
    cases::{
        axis::Method,
        behaviour::Behaviours,
        deployment::names,
        placeholder::{self, IN_AGGREGATE_HEADERS, IN_RAW_LINES, IN_STEPS},
    },
    catalogue::Feature,
};

/// One step, written as a table with the step's kind as its only key: `{ request = { … } }`.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Sends one request to each server, one after another.
    Request(RequestStep),
    /// Sends one `tools/list` to each server, all at the same time.
    ConcurrentRequests(ConcurrentStep),
    /// Sends a request for several servers to an aggregate endpoint.
    Aggregate(AggregateStep),
    /// Sends bytes over a new connection.
    Raw(RawStep),
    /// Fetches the protected resource metadata from the URL in the preceding challenge; without
    /// one, from the well-known URL.
    FetchMetadata(FetchMetadataStep),
}

impl Step {
    /// The server that observables of one server refer to.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Request(step) => step.servers.first().map(String::as_str),
            Self::ConcurrentRequests(step) => step.servers.first().map(String::as_str),
            Self::Aggregate(step) => Some(&step.observed_server),
            Self::Raw(_) | Self::FetchMetadata(_) => Some(DEFAULT_SERVER),
        }
    }

    /// A feature without which the step cannot be sent, because of the servers that it is for.
    ///
    /// A gateway with one server is asked for [`DEFAULT_SERVER`] only. A gateway with fixed sets of
    /// servers is asked for the servers of a toolset only.
    pub(super) fn missing_feature(&self, has: impl Fn(Feature) -> bool) -> Option<Feature> {
        match self {
            Self::Request(RequestStep { servers, .. })
            | Self::ConcurrentRequests(ConcurrentStep { servers, .. }) => {
                let is_served = has(Feature::MultipleServers)
                    || servers.iter().all(|server| server == DEFAULT_SERVER);
                (!is_served).then_some(Feature::MultipleServers)
            }
            Self::Aggregate(step) => {
                let is_selectable = has(Feature::ServerSelection)
                    || step.toolset.is_some()
                    || match names::toolset_of(&step.servers) {
                        _ if step.unknown_names > 0 || step.route.is_some() => false,
                        Some(names::TRIO) => true,
                        toolset => toolset.is_some() && has(Feature::Toolsets),
                    };
                (!is_selectable).then_some(Feature::ServerSelection)
            }
            Self::Raw(_) | Self::FetchMetadata(_) => None,
        }
    }

    /// The number of sessions that the client opens.
    #[must_use]
    pub fn sessions_opened(&self) -> usize {
        let opening = Message::Mcp(Method::Initialize);
        match self {
            Self::Request(step) if step.send == opening => step.times * step.servers.len(),
            Self::Aggregate(step) if step.send == opening => step.times * step.servers.len(),
            _ => 0,
        }
    }

    /// Whether the client disconnects before the end of a response.
    #[must_use]
    pub const fn disconnects(&self) -> bool {
        matches!(self, Self::Request(step) if step.read.disconnects())
    }

    /// The mock behaviours that the step names.
    fn behaviours(&self) -> Vec<&str> {
        match self {
            Self::Request(step) => vec![&step.behaviour],
            Self::ConcurrentRequests(step) => vec![&step.behaviour],
            Self::Aggregate(step) => step.behaviour.split(',').collect(),
            Self::Raw(step) => vec![&step.behaviour],
            Self::FetchMetadata(_) => Vec::new(),
        }
    }

    /// Checks that the behaviours and placeholders exist and that the keys do not contradict each
    /// other.
    ///
    /// # Errors
    ///
    /// The first mistake, with the accepted values.
    pub fn check(&self) -> Result<(), String> {
        for behaviour in self.behaviours() {
            if Behaviours::embedded().find(behaviour).is_none() {
                let known: Vec<&str> =
                    Behaviours::embedded().all().map(|known| known.name.as_str()).collect();
                return Err(format!(
                    "unknown behaviour `{behaviour}`, expected one of {}",
                    known.join(", ")
                ));
            }
        }
        match self {
            Self::Request(step) => {
                if step.connection == ConnectionKind::Shared && step.read != Read::ToEnd {
                    return Err("the `shared` connection requires `read = 'to-end'`".to_owned());
                }
                let headers = step.headers.iter().flat_map(|(name, value)| [name, value]);
                let replaced = step.replace_headers.iter().map(|(_, value)| value);
                let texts = headers.chain(replaced).chain(&step.body).chain([&step.path]);
                texts.into_iter().try_for_each(|text| placeholder::check(text, &[IN_STEPS]))
            }
            Self::Aggregate(step) => step
                .replace_headers
                .iter()
                .try_for_each(|(_, value)| placeholder::check(value, &[IN_AGGREGATE_HEADERS])),
            Self::Raw(step) => step
                .lines
                .iter()
                .try_for_each(|line| placeholder::check(line, &[IN_STEPS, IN_RAW_LINES])),
            Self::ConcurrentRequests(_) | Self::FetchMetadata(_) => Ok(()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |times: usize| match times {
            1 => String::new(),
            times => format!("{times} times "),
        };
        match self {
            Self::Request(step) => write!(
                f,
                "{}{} to {} with {}, upstream {}",
                times(step.times),
                step.send,
                step.servers.join(", "),
                step.credentials,
                step.behaviour
            ),
            Self::ConcurrentRequests(step) => write!(
                f,
                "tools-list to {} at the same time, upstream {}",
                step.servers.join(", "),
                step.behaviour
            ),
            Self::Aggregate(step) => {
                let servers = match &step.toolset {
                    Some(toolset) => format!("toolset {toolset}"),
                    None => format!("aggregate of {}", step.servers.join(", ")),
                };
                let sent = if step.tool.is_some() {
                    "tools-call".to_owned()
                } else {
                    step.send.to_string()
                };
                write!(
                    f,
                    "{}{sent} to {servers} with {}, upstream {}",
                    times(step.times),
                    step.credentials,
                    step.behaviour
                )
            }
            Self::Raw(step) => {
                write!(
                    f,
                    "raw bytes of a tools-call to {DEFAULT_SERVER}, upstream {}",
                    step.behaviour
                )
            }
            Self::FetchMetadata(step) => {
                write!(f, "GET of the metadata URL of the challenge, with {}", step.credentials)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(step: &str) -> String {
        #[derive(Deserialize)]
        struct File {
            step: Step,
        }
        match toml::from_str::<File>(&format!("step = {step}")) {
            Ok(file) => file.step.check().unwrap_err(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn unknown_key_or_value_is_reported_with_the_accepted_ones() {
        for (step, expected) in [
            (
                "{ replay = {} }",
                "unknown variant `replay`, expected one of `request`, `concurrent-requests`, \
                 `aggregate`, `raw`, `fetch-metadata`",
            ),
            (
                "{ raw = { lines = [], sender = 1 } }",
                "unknown field `sender`, expected `lines` or `behaviour`",
            ),
            (
                "{ request = { caller = 'third' } }",
                "unknown variant `third`, expected `first` or `second`",
            ),
            (
                "{ request = { path = '{nowhere}' } }",
                "unknown placeholder {nowhere}, expected one of {endpoint}, {server}",
            ),
            (
                "{ request = { behaviour = '418' } }",
                "unknown behaviour `418`, expected one of 200-json, 200-sse",
            ),
            (
                "{ request = { send = 'tools/call' } }",
                "unknown message `tools/call`, \
                 expected an HTTP method in capital letters or one of initialize",
            ),
            (
                "{ request = { connection = 'shared', read = 'event-by-event' } }",
                "the `shared` connection requires `read = 'to-end'`",
            ),
        ] {
            let error = error_of(step);
            assert!(error.starts_with(expected), "{step}: {error}");
        }
    }
}
