//! Does for several servers what one request asks: opens them, lists what they have, tells them something, or has one of them answer.
//!
//! All are asked at once, and what they say is judged together before anything is answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json, value::RawValue};

use super::{
    super::{
        Body, Gateway,
        answer::{Refusal, silent},
        fanout::at_once,
        preflight::{Refusals, settle},
        session::{SESSION, sealed_several},
    },
    Sessions,
    link::{Link, Opened},
    reply::{self, Reply},
    result,
    translated::translated,
};
use crate::core::{
    access::{CallerId, ServerId},
    aggregate::{self, Dispatch, FailedServer, ListKind, Scope},
    challenge::Profile,
    envelope::Message,
    protocol_version::ProtocolVersion,
    session::UpstreamSession,
    status::Failure,
};

/// What is to be done for a request.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each request, and most are messages"
)]
pub(super) enum Errand {
    /// A message, and who gets it.
    Message(Message, Dispatch),
    /// The client's sessions end.
    End,
    /// The one server's stream, from behind this event.
    Listen(Option<HeaderValue>),
    /// Nothing that a server would hear of; this is the answer for whoever may have one.
    Nothing(Failure),
}

impl Errand {
    /// The servers that will be sent something.
    pub(super) fn asked(&self, scope: Scope<'_>, sessions: &Sessions) -> Vec<ServerId> {
        let within_a_session =
            |(_, name): &&(ServerId, &str)| sessions.get(*name).is_some_and(|id| !id.is_empty());
        let in_session = || {
            scope
                .servers
                .iter()
                .filter(within_a_session)
                .map(|(server, _)| *server)
                .collect()
        };
        match self {
            // A notification outside a session would have nothing to be about.
            Self::Message(_, Dispatch::AllServers) => in_session(),
            Self::Message(_, plan) => plan.servers(scope),
            Self::End => in_session(),
            Self::Listen(_) => scope.servers.iter().map(|(server, _)| *server).collect(),
            Self::Nothing(_) => Vec::new(),
        }
    }
}

/// A request for several servers, on its way to them.
pub(super) struct Several {
    pub(super) gateway: Arc<Gateway>,
    pub(super) caller: CallerId,
    pub(super) profile: Profile,
    /// What sessions are bound to.
    pub(super) binding: String,
    /// The ways to those that have not refused.
    pub(super) links: Vec<Link>,
    /// Where the refusal of each that is asked leads.
    pub(super) parties: BTreeMap<ServerId, String>,
    /// Those that have refused already.
    pub(super) refusals: Refusals,
    /// The only tools there are, where a toolset names them.
    pub(super) tools: Option<BTreeSet<String>>,
    /// The revision that the client speaks.
    pub(super) era: ProtocolVersion,
}

impl Several {
    pub(super) async fn run(self, errand: Errand) -> Result<Response<Body>, Refusal> {
        match errand {
            Errand::Message(message, Dispatch::OpenSessions | Dispatch::Discover) => {
                self.open(&message).await
            }
            Errand::Message(message, Dispatch::List(listed, asked)) => {
                self.list(&message, listed, asked).await
            }
            Errand::Message(_, Dispatch::SingleServer(server, message)) => {
                let era = self.era;
                let link = self.link(server)?;
                let spoken = link.era();
                let response = link.ask(&message).await?;
                Ok(if era == ProtocolVersion::V2026_07_28 && spoken != era {
                    translated(response, &message)
                } else {
                    response
                })
            }
            Errand::Message(message, Dispatch::Ping) => {
                let era = self.era;
                self.all(message.clone()).await?;
                Ok(result(&message, &aggregate::ping_result(era)))
            }
            Errand::Message(message, Dispatch::AllServers) => {
                self.all(message).await?;
                Ok(silent(StatusCode::ACCEPTED))
            }
            // Said before anybody was looked for.
            Errand::Message(_, Dispatch::Undeliverable(_)) => Err(Failure::Internal.into()),
            Errand::End => self.end().await,
            Errand::Listen(last_event) => {
                let server = self.parties.keys().next().copied().ok_or(Failure::Internal)?;
                self.link(server)?.listen(last_event).await
            }
            Errand::Nothing(failure) => Err(failure.into()),
        }
    }

    fn link(self, server: ServerId) -> Result<Link, Refusal> {
        self.links
            .into_iter()
            .find(|link| link.server == server)
            .ok_or_else(|| Failure::Internal.into())
    }

    /// Opens every server, and answers for all.
    async fn open(self, message: &Message) -> Result<Response<Body>, Refusal> {
        let modern = message.method().as_deref() == Some("server/discover");
        let read = |name| {
            message
                .param(name)
                .and_then(|value| serde_json::from_str::<Value>(value.get()).ok())
        };
        let client = read("clientInfo");
        // Of several servers none may ask the client back: there is no telling whose question an answer answers.
        let capabilities = read("capabilities")
            .filter(|_| self.parties.len() == 1)
            .unwrap_or_else(|| json!({}));
        let opening = self.links.iter().map(|link| {
            let (link, client, capabilities) = (link.clone(), client.clone(), capabilities.clone());
            (link.server, async move {
                link.open(client, capabilities).await.map(|opened| (link, opened))
            })
        });
        let (opened, refusals) =
            settle(self.profile, self.refusals.clone(), at_once(opening).await?)?;
        let parts: Vec<(&str, Value)> = opened
            .iter()
            .map(|(server, (_, opened))| (self.name(*server), opened.result.clone()))
            .collect();
        let era = if modern {
            ProtocolVersion::V2026_07_28
        } else {
            legacy_era(message)
        };
        let mut answer =
            result(message, &aggregate::opening_result(era, &parts, &self.failed(&refusals)));
        if modern {
            // Nothing is kept for a client without sessions.
            opened.into_iter().for_each(|(_, (link, opened))| link.end_soon(opened.session));
        } else {
            let kept = |(server, (_, Opened { session, .. })): &(ServerId, (Link, Opened))| {
                UpstreamSession {
                    server: self.name(*server).to_owned(),
                    id: session
                        .as_ref()
                        .and_then(|id| id.to_str().ok())
                        .unwrap_or_default()
                        .to_owned(),
                }
            };
            let kept: Vec<UpstreamSession> = opened.iter().map(kept).collect();
            answer
                .headers_mut()
                .insert(SESSION, sealed_several(&self.gateway, self.caller, &self.binding, &kept));
        }
        Ok(answer)
    }

    /// Asks servers for their lists, and merges them.
    async fn list(
        self,
        message: &Message,
        listed: ListKind,
        asked: Vec<(ServerId, Message)>,
    ) -> Result<Response<Body>, Refusal> {
        let mut asked: BTreeMap<ServerId, Message> = asked.into_iter().collect();
        let asking = self.links.iter().filter_map(|link| {
            let (link, message) = (link.clone(), asked.remove(&link.server)?);
            Some((link.server, async move { listed_by(link, message).await }))
        });
        let (lists, refusals) =
            settle(self.profile, self.refusals.clone(), at_once(asking).await?)?;
        let parts: Vec<(&str, Box<RawValue>)> = lists
            .into_iter()
            .filter_map(|(server, list)| Some((self.name(server), list?)))
            .collect();
        let scope = Scope {
            servers: &[],
            separator: &self.gateway.config.name_separator,
            tools: self.tools.as_ref(),
        };
        Ok(result(
            message,
            &aggregate::merge_lists(listed, &parts, &self.failed(&refusals), scope, self.era),
        ))
    }

    /// Sends every server the message, and awaits only that it was taken.
    async fn all(self, message: Message) -> Result<(), Refusal> {
        let asking = self.links.iter().map(|link| {
            let (link, message) = (link.clone(), message.clone());
            (link.server, async move { link.ask(&message).await.map(drop) })
        });
        if self.links.is_empty() {
            Ok(())
        } else {
            settle(self.profile, self.refusals, at_once(asking).await?).map(drop)
        }
    }

    /// Ends the client's sessions. A server that knows the session no more, or does not end any, leaves nothing to end.
    async fn end(self) -> Result<Response<Body>, Refusal> {
        let ending = self.links.iter().map(|link| {
            let link = link.clone();
            (link.server, async move { link.end().await })
        });
        settle(self.profile, self.refusals, at_once(ending).await?)?;
        Ok(silent(StatusCode::NO_CONTENT))
    }

    fn name(&self, server: ServerId) -> &str {
        &self.gateway.config.server(server).name
    }

    fn failed<'s>(&'s self, refusals: &Refusals) -> Vec<FailedServer<'s>> {
        let failed = |(server, refusal): (&ServerId, &Refusal)| FailedServer {
            server: self.name(*server),
            failure: refusal.failure,
            resource_metadata: self.parties.get(server).map(String::as_str),
        };
        refusals.iter().map(failed).collect()
    }
}

/// One server's list, or nothing where it has no such list.
async fn listed_by(link: Link, message: Message) -> Result<Option<Box<RawValue>>, Refusal> {
    let name = link.name().to_owned();
    let response = link.ask(&message).await?;
    match reply::read(response, message.id())
        .await
        .map_err(|refusal| refusal.about(&name))?
    {
        Reply::Result(result) => Ok(Some(result)),
        Reply::Error(Some(-32601)) => Ok(None),
        Reply::Error(_) => Err(Refusal::from(Failure::NotMcp).about(&name)),
    }
}

/// The revision to speak with a client that opens a session: the one it asked for, or the newest with sessions.
fn legacy_era(message: &Message) -> ProtocolVersion {
    let asked = message
        .string_param("protocolVersion")
        .and_then(|name| ProtocolVersion::parse(&name));
    asked
        .filter(|era| *era != ProtocolVersion::V2026_07_28)
        .unwrap_or(ProtocolVersion::V2025_11_25)
}
