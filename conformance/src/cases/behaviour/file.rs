//! The structure of `upstreams.toml`, and the check that converts an entry into a behaviour.
//!
//! It checks one entry at a time. The parent module checks references between entries.

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Behaviour, BehaviourError, BodyText, Class, Fault, Flavour, Source};
use crate::cases::placeholder::{self, IN_BODIES, IN_HEADERS};

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Bodies that behaviours name.
    #[serde(default)]
    pub(super) body: Vec<BodyText>,
    /// The behaviours.
    pub(super) behaviour: Vec<Entry>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entry {
    /// The name in token scripts, matrix cases and reports.
    name: String,
    /// What the upstream does, in one line.
    description: String,
    /// What a correct gateway concludes about the token.
    class: Class,
    /// The answer of the healthy MCP server, in this form.
    healthy: Option<Flavour>,
    /// The status of a stated answer, which has a `body` or `bodies`.
    status: Option<u16>,
    /// The header fields of a stated answer, with placeholders.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The name of its body.
    body: Option<String>,
    /// The names of several bodies; each makes a behaviour `name+body` of its own.
    #[serde(default)]
    bodies: Vec<String>,
    /// How the delivery of the answer is damaged.
    fault: Option<Fault>,
    /// The number of requests that the fault `barrier` waits for.
    #[serde(default)]
    n: usize,
    /// How long the request waits before it is answered, in milliseconds.
    #[serde(default)]
    after_ms: u64,
    /// The behaviour of the same server from the case's second request on.
    then: Option<String>,
    /// Other behaviours for some HTTP or JSON-RPC methods.
    #[serde(default)]
    except: IndexMap<String, String>,
    /// The configured server that always behaves like this; no token script can select the
    /// behaviour.
    server: Option<String>,
    /// The configured server whose protected resource metadata is answered like this.
    metadata_of: Option<String>,
    /// Whether only scenarios use it; the matrix leaves it out.
    #[serde(default)]
    scenario: bool,
}

impl Entry {
    /// Checks the entry and converts it into a behaviour.
    pub(super) fn check(
        self,
        known_bodies: &IndexMap<String, BodyText>,
    ) -> Result<Behaviour, BehaviourError> {
        let wrong = |why: &str| Err(BehaviourError::new(&self.name, why));
        let bodies: Vec<String> = self.body.iter().chain(&self.bodies).cloned().collect();
        if self.status.is_none() && !(self.headers.is_empty() && bodies.is_empty()) {
            return wrong("has `headers` or a body without `status`");
        }
        if self.body.is_some() && !self.bodies.is_empty() {
            return wrong("has both `body` and `bodies`, expected one of them");
        }
        if (self.fault == Some(Fault::Barrier)) != (self.n > 0) {
            return wrong("`n` and the fault `barrier` must occur together");
        }
        for (name, value) in &self.headers {
            if let Err(why) = placeholder::check(value, &[IN_HEADERS]) {
                return wrong(&format!("header `{name}`: {why}"));
            }
        }
        for body in &bodies {
            let Some(body) = known_bodies.get(body) else {
                return wrong(&format!("unknown body `{body}`"));
            };
            if let Err(why) = placeholder::check(&body.text, &[IN_BODIES]) {
                return wrong(&format!("body `{}`: {why}", body.name));
            }
        }
        let sends_nothing = self.fault.is_some_and(Fault::needs_no_answer);
        let source = match (self.healthy, self.status, self.server) {
            (Some(flavour), None, None) if !sends_nothing => Source::Healthy(flavour),
            (None, Some(status), None) if !sends_nothing && !bodies.is_empty() => {
                Source::Stated { status, headers: self.headers, bodies }
            }
            (None, None, Some(server)) if self.fault.is_none() => Source::Server(server),
            (None, None, None) if sends_nothing => Source::Nothing,
            _ => {
                return wrong(
                    "expected one of `healthy`, `status` with a body, `server`, or a `fault` \
                     that sends no answer",
                );
            }
        };
        let Self {
            name,
            description,
            class,
            fault,
            n,
            after_ms,
            then,
            except,
            metadata_of,
            scenario,
            ..
        } = self;
        Ok(Behaviour {
            name,
            description,
            class,
            source,
            fault,
            barrier_size: n,
            after_ms,
            then,
            except,
            metadata_of,
            scenario,
        })
    }
}
