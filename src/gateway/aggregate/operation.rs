//! Carries out the operations of an aggregate endpoint.
//!
//! All servers are sent their messages concurrently. Their answers are combined before the client
//! is answered.

use std::{collections::BTreeSet, sync::Arc};

use http::{HeaderValue, Response};
use serde_json::{Value, value::RawValue};

use super::{
    super::{
        body::Body,
        fanout::run_for_each,
        plan::RequestContext,
        response::{empty_response, json_response},
        session::seal_aggregate_sessions,
        state::Gateway,
    },
    translate_response::translate_response,
    upstream_client::{OpenedServer, UpstreamClient},
};
use crate::core::{
    access::ServerId,
    aggregate::{
        FailedServer, ListKind, Scope,
        answer::result,
        merge_lists, opening_result,
        operation::{FanOutOperation, SingleServerOperation},
        ping_result,
        upstream_message::{ClientDescription, opening_version},
    },
    combine::{Refusals, combine_answers},
    envelope::Message,
    exchange::SESSION_ID,
    protocol_version::ProtocolVersion,
    refusal::Refusal,
    session::UpstreamSession,
    status::Success,
};

/// Carries out an operation whose response is the response of one server. `version` is the
/// client's.
pub(super) async fn run_on_single_server(
    client: UpstreamClient,
    operation: SingleServerOperation,
    version: ProtocolVersion,
) -> Result<Response<Body>, Refusal> {
    match operation {
        SingleServerOperation::Send(message) => {
            let is_translated = version.is_stateless() && !client.version().is_stateless();
            let response = client.send_in_session(&message).await?;
            Ok(if is_translated {
                translate_response(response, &message)
            } else {
                response
            })
        }
        SingleServerOperation::Listen(last_event) => client.listen(last_event).await,
    }
}

/// A request to several servers.
pub(super) struct FanOutRequest {
    pub(super) gateway: Arc<Gateway>,
    pub(super) context: RequestContext,
    /// The endpoint to which sessions are bound.
    pub(super) session_binding: String,
    /// The number of servers that take part, with those that have refused.
    pub(super) server_count: usize,
    /// One for each server that has not refused.
    pub(super) clients: Vec<UpstreamClient>,
    /// The servers that refused before the request was sent.
    pub(super) refusals: Refusals,
    /// The only tools that the caller may see, if a toolset names them.
    pub(super) tools: Option<BTreeSet<String>>,
    /// The version that the client declares.
    pub(super) version: ProtocolVersion,
}

impl FanOutRequest {
    pub(super) async fn run(self, operation: FanOutOperation) -> Result<Response<Body>, Refusal> {
        match operation {
            FanOutOperation::Open(message) => self.open(&message).await,
            FanOutOperation::List(kind, message, requests) => {
                self.list(&message, kind, requests).await
            }
            FanOutOperation::Ping(message) => {
                let version = self.version;
                self.send_to_all(&message).await?;
                Ok(json_response(result(&message, &ping_result(version))))
            }
            FanOutOperation::Notify(message) => {
                self.send_to_all(&message).await?;
                Ok(empty_response(Success::Accepted))
            }
            FanOutOperation::EndSessions => self.end_sessions().await,
            FanOutOperation::Refuse(failure) => Err(failure.into()),
        }
    }

    /// Opens every server, and answers with what they offer together.
    async fn open(self, message: &Message) -> Result<Response<Body>, Refusal> {
        let description = ClientDescription::from_opening(message, self.server_count);
        let opening = self.clients.iter().map(|client| {
            let (client, description) = (client.clone(), description.clone());
            (client.server(), async move {
                let opened = client.open(&description).await?;
                Ok((client, opened))
            })
        });
        let opened = run_for_each(opening).await?;
        let (opened, refusals) =
            combine_answers(self.context.profile, self.refusals.clone(), opened)?;
        let parts: Vec<(&str, Value)> = opened
            .iter()
            .map(|(server, (_, opened))| (self.name(*server), opened.result.clone()))
            .collect();
        let version = opening_version(message);
        let text = opening_result(version, &parts, &self.failed_servers(&refusals));
        let mut response = json_response(result(message, &text));
        if version.is_stateless() {
            // A stateless client has no session, so those of the servers are not kept.
            for (_, (client, opened)) in opened {
                client.end_in_background(opened.session);
            }
        } else {
            let sessions: Vec<UpstreamSession> = opened
                .iter()
                .map(|(server, (_, opened))| self.upstream_session(*server, opened))
                .collect();
            response.headers_mut().insert(SESSION_ID, self.seal(&sessions));
        }
        Ok(response)
    }

    /// The session with a server. The id is empty if the server keeps none.
    fn upstream_session(&self, server: ServerId, opened: &OpenedServer) -> UpstreamSession {
        let id = opened.session.as_ref().and_then(|id| id.to_str().ok());
        UpstreamSession {
            server: self.name(server).to_owned(),
            id: id.unwrap_or_default().to_owned(),
        }
    }

    fn seal(&self, sessions: &[UpstreamSession]) -> HeaderValue {
        let caller = self.context.caller;
        seal_aggregate_sessions(&self.gateway, caller, &self.session_binding, sessions)
    }

    /// Sends each server its list request, and merges the lists. A server without a request is not
    /// sent one.
    async fn list(
        self,
        message: &Message,
        kind: ListKind,
        requests: Vec<(ServerId, Message)>,
    ) -> Result<Response<Body>, Refusal> {
        let listing = requests.into_iter().filter_map(|(server, request)| {
            let client = self.clients.iter().find(|client| client.server() == server)?.clone();
            Some((server, request_list(client, request)))
        });
        let lists = run_for_each(listing).await?;
        let (lists, refusals) =
            combine_answers(self.context.profile, self.refusals.clone(), lists)?;
        let parts: Vec<(&str, Box<RawValue>)> = lists
            .into_iter()
            .filter_map(|(server, list)| Some((self.name(server), list?)))
            .collect();
        let scope = Scope {
            servers: &[],
            separator: &self.gateway.config.name_separator,
            tools: self.tools.as_ref(),
        };
        let failed = self.failed_servers(&refusals);
        let text = merge_lists(kind, &parts, &failed, scope, self.version);
        Ok(json_response(result(message, &text)))
    }

    /// Sends every server the message, and waits until each has accepted it.
    async fn send_to_all(self, message: &Message) -> Result<(), Refusal> {
        if self.clients.is_empty() {
            return Ok(());
        }
        let sending = self.clients.into_iter().map(|client| {
            let message = message.clone();
            (client.server(), async move { client.send_in_session(&message).await.map(drop) })
        });
        let sent = run_for_each(sending).await?;
        combine_answers(self.context.profile, self.refusals, sent).map(drop)
    }

    async fn end_sessions(self) -> Result<Response<Body>, Refusal> {
        let ending = self
            .clients
            .into_iter()
            .map(|client| (client.server(), async move { client.end_session().await }));
        let ended = run_for_each(ending).await?;
        combine_answers(self.context.profile, self.refusals, ended)?;
        Ok(empty_response(Success::NoContent))
    }

    fn name(&self, server: ServerId) -> &str {
        self.gateway.server_name(server)
    }

    fn failed_servers<'s>(&'s self, refusals: &'s Refusals) -> Vec<FailedServer<'s>> {
        let failed = refusals.iter().map(|(server, refusal)| FailedServer {
            server: self.name(*server),
            failure: refusal.failure,
            resource_metadata: refusal.resource_metadata(),
        });
        failed.collect()
    }
}

/// The list of one server, or `None` if the server has no such list.
async fn request_list(
    client: UpstreamClient,
    request: Message,
) -> Result<Option<Box<RawValue>>, Refusal> {
    let response = client.clone().send_in_session(&request).await?;
    let reply = match client.read_reply(response, request.id()).await {
        Ok(reply) => reply.list_result(),
        Err(failure) => Err(failure),
    };
    reply.map_err(|failure| Refusal::from(failure).about(client.name()))
}
