//! The shape of `upstreams.toml` as it is written, and the check that turns an entry into a behaviour.
//!
//! Decides whether one entry makes sense by itself; what it says of other entries is checked by the parent.

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Behaviour, BehaviourError, BodyText, Class, Fault, Flavour, Source};
use crate::cases::placeholder::{self, IN_BODIES, IN_HEADERS};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) body: Vec<BodyText>,
    pub(super) behaviour: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entry {
    name: String,
    description: String,
    class: Class,
    healthy: Option<Flavour>,
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    #[serde(default)]
    bodies: Vec<String>,
    fault: Option<Fault>,
    #[serde(default)]
    n: usize,
    #[serde(default)]
    after_ms: u64,
    then: Option<String>,
    #[serde(default)]
    except: IndexMap<String, String>,
    server: Option<String>,
    metadata_of: Option<String>,
    #[serde(default)]
    scenario: bool,
}

impl Entry {
    pub(super) fn check(
        self,
        known: &IndexMap<String, BodyText>,
    ) -> Result<Behaviour, BehaviourError> {
        let wrong = |why: &str| Err(BehaviourError::new(&self.name, why));
        let bodies: Vec<String> = self.body.iter().chain(&self.bodies).cloned().collect();
        if self.status.is_none() && !(self.headers.is_empty() && bodies.is_empty()) {
            return wrong("headers and bodies belong to a status");
        }
        if self.body.is_some() && !self.bodies.is_empty() {
            return wrong("either one `body` or several `bodies`");
        }
        if (self.fault == Some(Fault::Barrier)) != (self.n > 0) {
            return wrong("`n` belongs to a barrier, and a barrier needs one");
        }
        for (name, value) in &self.headers {
            if let Err(why) = placeholder::check(value, &[IN_HEADERS]) {
                return wrong(&format!("header `{name}`: {why}"));
            }
        }
        for body in &bodies {
            let Some(body) = known.get(body) else {
                return wrong(&format!("no body is called `{body}`"));
            };
            if let Err(why) = placeholder::check(&body.text, &[IN_BODIES]) {
                return wrong(&format!("body `{}`: {why}", body.name));
            }
        }
        let silent = self.fault.is_some_and(Fault::needs_no_answer);
        let source = match (self.healthy, self.status, self.server) {
            (Some(flavour), None, None) if !silent => Source::Healthy(flavour),
            (None, Some(status), None) if !silent && !bodies.is_empty() => {
                Source::Stated { status, headers: self.headers, bodies }
            }
            (None, None, Some(server)) if self.fault.is_none() => Source::Planned(server),
            (None, None, None) if silent => Source::Nothing,
            _ => {
                return wrong(
                    "expected one of `healthy`, `status` with a body, `server`, or a `fault` that leaves nothing of an answer",
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
            n,
            after_ms,
            then,
            except,
            metadata_of,
            scenario,
        })
    }
}
