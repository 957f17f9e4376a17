//! Reads `upstreams.toml`: how mock upstreams can answer, and what a correct gateway concludes from
//! it.
//!
//! It does not send answers; the module `upstreams` does.

mod fault;
mod file;
#[cfg(test)]
mod tests;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use self::fault::Fault;
use crate::catalogue::embedded::Embedded;

/// What a correct gateway concludes about the token.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The upstream accepted the token.
    Accepted,
    /// The upstream refused the token with 401.
    Unauthorized,
    /// The upstream refused the token with 403.
    Forbidden,
    /// The answer says nothing about the token.
    Inconclusive,
}

impl Class {
    /// The name of the class in data files and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// The form of the answer of the healthy MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// As one JSON object.
    Json,
    /// As an event stream.
    Sse,
    /// As one JSON object whose id differs from the request's.
    WrongId,
}

/// The source of an answer, before a fault damages its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The healthy MCP server.
    Healthy(Flavour),
    /// A status with header fields, and one body or one of several.
    Stated {
        /// The status.
        status: u16,
        /// The header fields, with placeholders.
        headers: Vec<(String, String)>,
        /// The names of the bodies; never empty.
        bodies: Vec<String>,
    },
    /// No answer: the fault replaces it.
    Nothing,
    /// The configured server of this name, which always has this behaviour.
    Server(String),
}

/// One way in which a mock upstream answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// The name in token scripts, matrix cases and reports.
    pub name: String,
    /// What it does, in one line.
    pub description: String,
    /// What a correct gateway concludes about the token.
    pub class: Class,
    /// The source of the answer.
    pub source: Source,
    /// How the delivery of the answer is damaged.
    pub fault: Option<Fault>,
    /// The number of requests that the fault `barrier` waits for; 0 without that fault.
    pub barrier_size: usize,
    /// How long the request waits before it is answered, in milliseconds.
    pub after_ms: u64,
    /// The behaviour from the case's second request on.
    pub then: Option<String>,
    /// Other behaviours for some HTTP or JSON-RPC methods.
    pub except: IndexMap<String, String>,
    /// The configured server whose protected resource metadata is answered like this.
    pub metadata_of: Option<String>,
    /// Whether only scenarios use it.
    pub scenario: bool,
}

impl Behaviour {
    /// Every spelling of this behaviour in token scripts and matrix cases: `name`, or `name+body`
    /// for each of several bodies.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        let bodies = match &self.source {
            Source::Stated { bodies, .. } if bodies.len() > 1 => bodies.as_slice(),
            Source::Stated { .. } | Source::Healthy(_) | Source::Nothing | Source::Server(_) => &[],
        };
        let plain = bodies.is_empty().then(|| self.name.clone());
        plain
            .into_iter()
            .chain(bodies.iter().map(|body| format!("{}+{body}", self.name)))
    }

    /// The configured server that always has this behaviour, if there is one.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match &self.source {
            Source::Server(server) => Some(server),
            Source::Stated { .. } | Source::Healthy(_) | Source::Nothing => None,
        }
    }
}

/// A body that a stated answer can have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BodyText {
    /// The name in behaviours, and after the `+` in `name+body`.
    pub name: String,
    /// The value of `Content-Type`; without it, the field is left out.
    #[serde(rename = "type")]
    pub content_type: Option<String>,
    /// The text, with placeholders.
    #[serde(default)]
    pub text: String,
    /// The number of repetitions of the text.
    #[serde(default = "once")]
    pub repeat: usize,
}

fn once() -> usize {
    1
}

/// Every behaviour and every body, by name.
#[derive(Clone, Debug)]
pub struct Behaviours {
    behaviours: IndexMap<String, Behaviour>,
    bodies: IndexMap<String, BodyText>,
}

static EMBEDDED: Embedded<Behaviours> = Embedded::new(|| {
    Behaviours::parse(include_str!("../../../upstreams.toml"))
        .map_err(|error| format!("upstreams.toml: {error}"))
});

impl Behaviours {
    /// The behaviours that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    /// Reads and checks a file of behaviours.
    ///
    /// # Errors
    ///
    /// If the text is not TOML or has unknown keys, or if a behaviour is contradictory or names an
    /// unknown body or behaviour.
    pub fn parse(text: &str) -> Result<Self, BehaviourError> {
        let file: file::File = toml::from_str(text)?;
        let mut bodies = IndexMap::new();
        for body in file.body {
            if let Some(duplicate) = bodies.insert(body.name.clone(), body) {
                return Err(BehaviourError::new(&duplicate.name, "duplicate body name"));
            }
        }
        let mut behaviours = IndexMap::new();
        for entry in file.behaviour {
            let behaviour = entry.check(&bodies)?;
            if let Some(duplicate) = behaviours.insert(behaviour.name.clone(), behaviour) {
                return Err(BehaviourError::new(&duplicate.name, "duplicate name"));
            }
        }
        let catalogue = Self { behaviours, bodies };
        catalogue.check_references()?;
        Ok(catalogue)
    }

    /// Checks that `then` and `except` name behaviours that have neither and that every server can
    /// have.
    fn check_references(&self) -> Result<(), BehaviourError> {
        for behaviour in self.all() {
            for target in behaviour.except.values().chain(&behaviour.then) {
                let is_valid = self.behaviours.get(target).is_some_and(|target| {
                    target.then.is_none() && target.except.is_empty() && target.server().is_none()
                });
                if !is_valid {
                    let why = format!(
                        "`then` or `except` names `{target}`, \
                         which is unknown or itself has `then`, `except` or `server`"
                    );
                    return Err(BehaviourError::new(&behaviour.name, &why));
                }
            }
        }
        Ok(())
    }

    /// Every behaviour, in the order of the file.
    pub fn all(&self) -> impl Iterator<Item = &Behaviour> {
        self.behaviours.values()
    }

    /// The values of the axis `upstream` for single-server endpoints: every spelling of every
    /// behaviour except those that only scenarios use.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        self.all()
            .filter(|behaviour| !behaviour.scenario)
            .flat_map(Behaviour::spellings)
    }

    /// The behaviour for requests for a server's protected resource metadata, if there is one.
    #[must_use]
    pub fn metadata_of(&self, server: &str) -> Option<(&Behaviour, Option<&BodyText>)> {
        let found =
            self.all().find(|behaviour| behaviour.metadata_of.as_deref() == Some(server))?;
        self.resolve(&found.name)
    }

    /// The behaviour of a spelling, `name` or `name+body`.
    #[must_use]
    pub fn find(&self, spelling: &str) -> Option<&Behaviour> {
        self.resolve(spelling).map(|(behaviour, _)| behaviour)
    }

    /// The behaviour of a spelling and, if it states its answer, the body. Without `+body` in the
    /// spelling, this is the first body.
    #[must_use]
    pub fn resolve(&self, spelling: &str) -> Option<(&Behaviour, Option<&BodyText>)> {
        let (name, chosen) = spelling
            .split_once('+')
            .map_or((spelling, None), |(name, body)| (name, Some(body)));
        let behaviour = self.behaviours.get(name)?;
        match (&behaviour.source, chosen) {
            (Source::Stated { bodies, .. }, Some(chosen)) => bodies
                .iter()
                .find(|body| *body == chosen)
                .and_then(|body| self.bodies.get(body))
                .map(|body| (behaviour, Some(body))),
            (Source::Stated { bodies, .. }, None) => {
                Some((behaviour, bodies.first().and_then(|body| self.bodies.get(body))))
            }
            (Source::Healthy(_) | Source::Nothing | Source::Server(_), None) => {
                Some((behaviour, None))
            }
            (Source::Healthy(_) | Source::Nothing | Source::Server(_), Some(_)) => None,
        }
    }
}

/// The JSON Schema of `upstreams.toml`, from which the reference is generated.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(file::File)
}

/// Why a file of behaviours is invalid.
#[derive(Debug, thiserror::Error)]
pub enum BehaviourError {
    /// The text is not TOML, or has unknown keys or values.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// An entry is contradictory, or names an unknown body or behaviour.
    #[error("behaviour `{name}`: {why}")]
    Entry {
        /// The entry.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl BehaviourError {
    fn new(name: &str, why: &str) -> Self {
        Self::Entry { name: name.to_owned(), why: why.to_owned() }
    }
}
