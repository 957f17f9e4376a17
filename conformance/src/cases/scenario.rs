//! Reads `scenarios/*.toml`: cases of several steps, whose expectations are those of rules and cite requirements as rules do.
//!
//! A scenario says what is sent and what both faces must show; it does not send anything, and it looks at nothing but the trace.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::Deserialize;

use crate::{
    cases::{
        axis::{Credentials, Method, Start, Strategy},
        deployment::Variant,
        rule::Expectation,
    },
    catalogue::{Feature, Profile, ProtocolVersion},
};

/// The ability, which nobody declares, to be started by the suite as often as it likes.
pub const SECOND_START: &str = "second-start";

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Its name in reports and filters.
    pub id: String,
    /// What happens, in one line.
    pub description: String,
    /// The strategies that it makes sense with; all, unless said.
    #[serde(default)]
    pub strategies: Vec<Strategy>,
    /// The profiles that it makes sense with; the first, unless said.
    #[serde(default = "seed")]
    pub profiles: Vec<Profile>,
    /// The revision that its client speaks.
    #[serde(default)]
    pub protocol_version: ProtocolVersion,
    /// What an implementation must be able to do for it.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// What the implementation is configured with instead of the plan, in a start of its own.
    pub configured: Option<Variant>,
    /// What is sent, in order.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
    /// What both faces must show.
    #[serde(rename = "expect")]
    pub expectations: Vec<Expectation>,
}

/// One request, or several alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Step {
    /// How the caller presents itself.
    pub credentials: Credentials,
    /// The servers asked, one request each.
    pub servers: Vec<String>,
    /// The servers asked in one request, where there are several; then `behaviour` is one for all, or one for each with commas between.
    pub several: Option<Set>,
    /// What the upstream is told to do.
    pub behaviour: String,
    /// What is sent.
    pub send: Message,
    /// The path, with `{mcp}` for the first route of the server, `{server}` and `{token}`. See `runner/places.rs` for everything that
    /// paths, header lines and bytes can name.
    pub path: String,
    /// Header lines beside the usual ones, with `{token}` and `{server}`.
    pub headers: Vec<(String, String)>,
    /// Header lines in the place of the usual ones of that name, which are left out where the value is empty.
    pub replace: Vec<(String, String)>,
    /// The spelling of the token's scheme with its blank, where it is not the usual one.
    pub scheme: Option<String>,
    /// How many times over.
    pub times: usize,
    /// Whether all requests of the step are sent at once.
    pub together: bool,
    /// Whether it goes over the scenario's one raw connection.
    pub wire: bool,
    /// Whether it goes over HTTP/2.
    pub http2: bool,
    /// Whether it asks for the document that the challenge before it names; of the rest of the step, only the credentials count then.
    pub follow: bool,
    /// Whether the upstream's events are let go one by one, each when the one before it has arrived.
    pub paced: bool,
    /// The lines of a request that no library would send, each but the last with CR LF behind it. They can name `{host}`, the lines of
    /// the `{credentials}`, the `{message}` of the step, its `{length}`, and the message as `{chunks}`.
    pub raw: Vec<String>,
    /// Whether the caller holds the other key, the one for every server, and has a token of its own.
    pub other_caller: bool,
    /// The body, where it is not that of a usual message.
    pub message: Option<String>,
    /// When the client leaves without waiting for the end of its answer.
    pub leaves: Option<Leaves>,
    /// Whether the upstream learns from an order what to do, because the token will not reach it.
    pub ordered: bool,
    /// Whether the session is named that an earlier answer of the scenario opened.
    pub session: bool,
}

/// The servers asked in one request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Set {
    /// Their names, as they are spelled.
    pub servers: Vec<String>,
    /// So many names that nobody knows come behind them.
    pub unknown: usize,
    /// The toolset asked for, by a route of toolsets.
    pub toolset: Option<String>,
    /// A part of the route to be taken; the first one, unless said.
    pub route: Option<String>,
    /// Whether nothing narrows the request.
    pub everyone: bool,
    /// The tool to call: a server, a slash and its tool, or the whole of a name. A header line that replaces another one can name it as
    /// `{tool-in-base64}`.
    pub tool: Option<String>,
    /// Whether the servers answer in another order each time, until there is none left.
    pub shuffled: bool,
    /// Whether it is sent with every mix of words about the token, each time with better tokens until it is no longer 401.
    pub every_mix: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            credentials: Credentials::KeyAndToken,
            servers: vec!["alpha".to_owned()],
            behaviour: "200-json".to_owned(),
            send: Message::Mcp(Method::ToolsList),
            path: "{mcp}".to_owned(),
            headers: Vec::new(),
            replace: Vec::new(),
            scheme: None,
            times: 1,
            together: false,
            wire: false,
            http2: false,
            follow: false,
            paced: false,
            raw: Vec::new(),
            other_caller: false,
            session: false,
            message: None,
            leaves: None,
            ordered: false,
            several: None,
        }
    }
}

/// When a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaves {
    /// When an upstream has been asked.
    WhenAsked,
    /// When one event of the answer has arrived; the upstream has to be one that sends them singly.
    AfterAnEvent,
}

/// What a step sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Message {
    /// A value of the method axis.
    Mcp(Method),
    /// The HTTP method of a request that is not MCP.
    Plain(String),
}

fn seed() -> Vec<Profile> {
    vec![Profile::Seed]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// Each file's name and text.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("credentials.toml", include_str!("../../cases/scenarios/credentials.toml")),
    ("callers.toml", include_str!("../../cases/scenarios/callers.toml")),
    ("origins.toml", include_str!("../../cases/scenarios/origins.toml")),
    ("framing.toml", include_str!("../../cases/scenarios/framing.toml")),
    ("http2.toml", include_str!("../../cases/scenarios/http2.toml")),
    ("gating.toml", include_str!("../../cases/scenarios/gating.toml")),
    ("discovery.toml", include_str!("../../cases/scenarios/discovery.toml")),
    ("stateless.toml", include_str!("../../cases/scenarios/stateless.toml")),
    ("observability.toml", include_str!("../../cases/scenarios/observability.toml")),
    ("output.toml", include_str!("../../cases/scenarios/output.toml")),
    ("probing.toml", include_str!("../../cases/scenarios/probing.toml")),
    ("startup.toml", include_str!("../../cases/scenarios/startup.toml")),
    ("aggregate.toml", include_str!("../../cases/scenarios/aggregate.toml")),
    ("streaming.toml", include_str!("../../cases/scenarios/streaming.toml")),
];

static EMBEDDED: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| {
        toml::from_str::<File>(text).map_err(|error| format!("scenarios/{name}: {error}"))
    };
    let files: Result<Vec<File>, String> = FILES.iter().map(read).collect();
    files
        .expect("the embedded scenarios parse, as a test of this module shows")
        .into_iter()
        .flat_map(|file| file.scenario)
        .collect()
});

impl Scenario {
    /// The ones that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static [Self] {
        &EMBEDDED
    }

    /// The scenario of that id.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::embedded().iter().find(|scenario| scenario.id == id)
    }

    /// The requirements that it judges.
    pub fn requirements(&self) -> impl Iterator<Item = &str> {
        self.expectations
            .iter()
            .flat_map(|expectation| expectation.requires.iter().map(String::as_str))
    }

    /// The observables that it looks at.
    pub fn observables(&self) -> impl Iterator<Item = &str> {
        self.expectations.iter().flat_map(|expectation| {
            expectation.given.keys().chain(expectation.expect.keys()).map(String::as_str)
        })
    }

    /// The server that it asks first.
    #[must_use]
    pub fn server(&self) -> &str {
        self.steps
            .iter()
            .flat_map(|step| &step.servers)
            .map(String::as_str)
            .next()
            .unwrap_or_default()
    }

    /// How many sessions its clients open, and may keep.
    #[must_use]
    pub fn opens(&self) -> usize {
        let opening =
            self.steps.iter().filter(|step| step.send == Message::Mcp(Method::Initialize));
        opening
            .map(|step| {
                step.times * step.several.as_ref().map_or(&step.servers, |set| &set.servers).len()
            })
            .sum()
    }

    /// Whether it makes sense with that start.
    #[must_use]
    pub fn is_for(&self, start: Start) -> bool {
        (self.strategies.is_empty() || self.strategies.contains(&start.strategy))
            && self.profiles.contains(&start.profile)
    }

    /// The feature that an implementation lacks for it, if it lacks one.
    #[must_use]
    pub fn missing(&self, features: &BTreeSet<String>) -> Option<String> {
        let start = self.configured.map(|_| SECOND_START.to_owned());
        self.features
            .iter()
            .map(ToString::to_string)
            .chain(start)
            .find(|feature| !features.contains(feature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::behaviour::Behaviours;

    #[test]
    fn every_file_parses() {
        for (name, text) in FILES {
            toml::from_str::<File>(text)
                .unwrap_or_else(|error| panic!("scenarios/{name}: {error}"));
        }
        let ids: BTreeSet<&str> =
            Scenario::embedded().iter().map(|scenario| scenario.id.as_str()).collect();
        assert_eq!(ids.len(), Scenario::embedded().len(), "an id occurs twice");
    }

    #[test]
    fn every_name_in_a_scenario_is_known() {
        for scenario in Scenario::embedded() {
            for expectation in &scenario.expectations {
                expectation
                    .check()
                    .unwrap_or_else(|why| panic!("scenario `{}` {why}", scenario.id));
            }
            for step in &scenario.steps {
                for behaviour in step.behaviour.split(',') {
                    assert!(
                        Behaviours::embedded().find(behaviour).is_some(),
                        "{}: {behaviour}",
                        scenario.id
                    );
                }
            }
        }
    }
}
