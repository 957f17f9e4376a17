//! Reads `upstreams.toml`: how mock upstreams can answer, and what a correct gateway concludes from it.
//!
//! The mock upstreams put the answers on the wire.

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
    /// The upstream accepted it.
    Accepted,
    /// The upstream refused it with 401.
    Unauthorized,
    /// The upstream refused it with 403.
    Forbidden,
    /// The answer says nothing about the token.
    Inconclusive,
}

impl Class {
    /// The class as data files and reports spell it.
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
    /// As one JSON object, with an id that no request has.
    WrongId,
}

/// What is answered, before any fault in its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// What the healthy MCP server says.
    Healthy(Flavour),
    /// A status with its header lines, and one body or one of several.
    Stated {
        /// The status.
        status: u16,
        /// The header lines, with placeholders.
        headers: Vec<(String, String)>,
        /// Names of bodies; never empty.
        bodies: Vec<String>,
    },
    /// Nothing; the fault says it all.
    Nothing,
    /// Whatever the planned server of that name is.
    Planned(String),
}

/// One thing that a mock upstream can be told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Its name in scripts, matrix cases and reports.
    pub name: String,
    /// What it does, in one line.
    pub description: String,
    /// What an honest gateway may conclude.
    pub class: Class,
    /// What is answered.
    pub source: Source,
    /// How it is delivered, where not plainly.
    pub fault: Option<Fault>,
    /// How many requests a barrier waits for.
    pub n: usize,
    /// How many milliseconds the request waits before it is answered.
    pub after_ms: u64,
    /// The behaviour from the case's second request on.
    pub then: Option<String>,
    /// Other behaviours for some HTTP or JSON-RPC methods.
    pub except: IndexMap<String, String>,
    /// The planned server whose own discovery document is answered so.
    pub metadata_of: Option<String>,
    /// Whether only scenarios use it.
    pub scenario: bool,
}

impl Behaviour {
    /// Every spelling of this behaviour in scripts and matrix cases: one for each body where it has several.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        let bodies = match &self.source {
            Source::Stated { bodies, .. } if bodies.len() > 1 => bodies.as_slice(),
            Source::Stated { .. } | Source::Healthy(_) | Source::Nothing | Source::Planned(_) => {
                &[]
            }
        };
        let plain = bodies.is_empty().then(|| self.name.clone());
        plain
            .into_iter()
            .chain(bodies.iter().map(|body| format!("{}+{body}", self.name)))
    }

    /// The planned server that this behaviour is, where it is one.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match &self.source {
            Source::Planned(server) => Some(server),
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
    /// The ones that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    /// Reads and checks a file of behaviours.
    ///
    /// # Errors
    ///
    /// When it is not TOML, has unknown keys, or a behaviour contradicts itself or names what is not there.
    pub fn parse(text: &str) -> Result<Self, BehaviourError> {
        let file: file::File = toml::from_str(text)?;
        let mut bodies = IndexMap::new();
        for body in file.body {
            if let Some(twin) = bodies.insert(body.name.clone(), body) {
                return Err(BehaviourError::new(&twin.name, "a body of this name exists already"));
            }
        }
        let mut behaviours = IndexMap::new();
        for raw in file.behaviour {
            let behaviour = raw.check(&bodies)?;
            if let Some(twin) = behaviours.insert(behaviour.name.clone(), behaviour) {
                return Err(BehaviourError::new(
                    &twin.name,
                    "a behaviour of this name exists already",
                ));
            }
        }
        for behaviour in behaviours.values() {
            for target in behaviour.except.values().chain(&behaviour.then) {
                let ends_there = |target: &Behaviour| {
                    target.then.is_none() && target.except.is_empty() && target.server().is_none()
                };
                if !behaviours.get(target).is_some_and(ends_there) {
                    return Err(BehaviourError::new(
                        &behaviour.name,
                        &format!("`{target}` is not a plain behaviour of this file"),
                    ));
                }
            }
        }
        Ok(Self { behaviours, bodies })
    }

    /// Every behaviour, in the order of the file, those of scenarios included.
    pub fn all(&self) -> impl Iterator<Item = &Behaviour> {
        self.behaviours.values()
    }

    /// Every spelling that the matrix varies: one for each body of each behaviour that is not for scenarios only.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        self.all()
            .filter(|behaviour| !behaviour.scenario)
            .flat_map(Behaviour::spellings)
    }

    /// How the discovery document of that server is answered, where not plainly.
    #[must_use]
    pub fn metadata_of(&self, server: &str) -> Option<(&Behaviour, Option<&BodyText>)> {
        let found =
            self.all().find(|behaviour| behaviour.metadata_of.as_deref() == Some(server))?;
        self.resolve(&found.name)
    }

    /// The behaviour that a script spells `name` or `name+body`.
    #[must_use]
    pub fn find(&self, spelling: &str) -> Option<&Behaviour> {
        self.resolve(spelling).map(|(behaviour, _)| behaviour)
    }

    /// The behaviour of that spelling and, where it states its answer, the body: the first one where the spelling names none.
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
            (Source::Healthy(_) | Source::Nothing | Source::Planned(_), None) => {
                Some((behaviour, None))
            }
            (Source::Healthy(_) | Source::Nothing | Source::Planned(_), Some(_)) => None,
        }
    }
}

/// The JSON Schema of `upstreams.toml`, from which the reference is made.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(file::File)
}

/// What is wrong with a file of behaviours.
#[derive(Debug, thiserror::Error)]
pub enum BehaviourError {
    /// It is not TOML, or has keys or values that nobody knows.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// An entry contradicts itself or names what is not there.
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
