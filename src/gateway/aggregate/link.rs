//! Speaks to one of an aggregate's servers, in the revision of MCP that the server knows.
//!
//! A server of the session-bound revisions is asked within the session that the client opened, or within one opened for this request
//! alone and ended after it; a server of 2026-07-28 is asked as it is. Which server gets which message is not decided here.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{
    super::{
        Body, BoxError, Gateway,
        answer::{Refusal, whole},
        forward::{Answer, Forward},
    },
    reply::{self, Reply},
};
use crate::core::{
    access::{CallerId, ServerId},
    challenge::{DiscoveryUrls, Profile},
    credential::Credential,
    envelope::Message,
    preflight::gateway_info,
    protocol_version::ProtocolVersion,
    relay::ExpectedResponse,
    status::Failure,
    translate::message_for_server,
};

/// The way to one server for the length of one request.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) gateway: Arc<Gateway>,
    pub(super) caller: CallerId,
    pub(super) server: ServerId,
    pub(super) credential: Credential,
    pub(super) profile: Profile,
    /// Where the refusal of this server leads.
    pub(super) discovery: DiscoveryUrls,
    /// The client's own fields.
    pub(super) client: Arc<HeaderMap>,
    /// Whether the server has been opened for the client.
    pub(super) opened: bool,
    /// The session with the server, if it keeps any.
    pub(super) session: Option<HeaderValue>,
    /// Whether that was opened for this request alone.
    pub(super) own: bool,
}

/// What a server said on being opened.
pub(super) struct Opened {
    /// The session, in a revision that has them, if the server keeps any.
    pub(super) session: Option<HeaderValue>,
    /// The result of `initialize` or `server/discover`.
    pub(super) result: Value,
}

impl Link {
    pub(super) fn name(&self) -> &str {
        &self.gateway.config.server(self.server).name
    }

    pub(super) fn era(&self) -> ProtocolVersion {
        self.gateway.config.server(self.server).protocol_version
    }

    /// Opens the server for a client that says this of itself.
    pub(super) async fn open(
        &self,
        client: Option<Value>,
        capabilities: Value,
    ) -> Result<Opened, Refusal> {
        let client = client.unwrap_or_else(gateway_info);
        let opening = match self.era() {
            ProtocolVersion::V2026_07_28 => message("server/discover", &json!({})),
            era => message(
                "initialize",
                &json!({ "protocolVersion": era.as_str(), "capabilities": capabilities, "clientInfo": client }),
            ),
        };
        let Answer { response, session } = self.send(&opening).await?;
        let result = match reply::read(response, opening.id()).await {
            Ok(Reply::Result(result)) => {
                serde_json::from_str(result.get()).map_err(|_| Failure::NotMcp.into())
            }
            // A server that will not be opened cannot be asked anything.
            Ok(Reply::Error(_)) => Err(Failure::NotMcp.into()),
            Err(refusal) => Err(refusal),
        };
        let result = result.map_err(|refusal: Refusal| refusal.about(self.name()))?;
        Ok(Opened { session, result })
    }

    /// Sends a message, within a session of its own where the server needs one and the client has opened none.
    pub(super) async fn ask(mut self, message: &Message) -> Result<Response<Body>, Refusal> {
        if self.opened || self.era() == ProtocolVersion::V2026_07_28 {
            return Ok(self.send(message).await?.response);
        }
        self.session = self.open(None, json!({})).await?.session;
        (self.opened, self.own) = (true, true);
        let ending = Ending(self.clone());
        let initialized =
            Message::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        self.send(&initialized.expect("a notification is a message")).await?;
        let (parts, body) = self.send(message).await?.response.into_parts();
        Ok(Response::from_parts(parts, Whole { body, _ending: ending }.boxed_unsync()))
    }

    /// Sends a message as it is and waits for the head.
    async fn send(&self, message: &Message) -> Result<Answer, Refusal> {
        let message = &message_for_server(message, self.era());
        let awaited = if message.id().is_some() && message.method().is_some() {
            ExpectedResponse::Reply
        } else {
            ExpectedResponse::Acknowledgement
        };
        let answer = self
            .forward(Method::POST, self.headers(Some(message)), message.to_string(), awaited)
            .send(&self.gateway)
            .await?;
        // The client's session is the sessions of all servers: when one of them has lost its part, the client has to begin anew.
        let lost = answer.response.status() == StatusCode::NOT_FOUND
            && self.session.is_some()
            && !self.own;
        if lost { Err(Failure::UnknownSession.into()) } else { Ok(answer) }
    }

    /// Ends the session with the server. One that it knows no more, or that it does not end, leaves nothing to end.
    pub(super) async fn end(&self) -> Result<(), Refusal> {
        let ended = self
            .forward(
                Method::DELETE,
                self.headers(None),
                String::new(),
                ExpectedResponse::SessionEnd,
            )
            .send(&self.gateway)
            .await;
        let gone =
            |status| matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        match ended {
            Err(refusal) if !matches!(refusal.failure, Failure::UpstreamStatus(status) if gone(status)) => {
                Err(refusal)
            }
            _ => Ok(()),
        }
    }

    /// Ends a session without anybody waiting for it.
    pub(super) fn end_soon(self, session: Option<HeaderValue>) {
        if session.is_some() {
            drop(Ending(Self { session, ..self }));
        }
    }

    /// Listens to the server's own stream.
    pub(super) async fn listen(
        &self,
        last_event: Option<HeaderValue>,
    ) -> Result<Response<Body>, Refusal> {
        let mut headers = self.headers(None);
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.extend(last_event.map(|id| (HeaderName::from_static("last-event-id"), id)));
        Ok(self
            .forward(Method::GET, headers, String::new(), ExpectedResponse::EventStream)
            .send(&self.gateway)
            .await?
            .response)
    }

    fn forward(
        &self,
        method: Method,
        headers: HeaderMap,
        body: String,
        awaited: ExpectedResponse,
    ) -> Forward {
        Forward {
            caller: self.caller,
            server: self.server,
            method,
            headers,
            body: whole(body),
            credential: self.credential.clone(),
            session: self.session.clone().filter(|_| self.era() != ProtocolVersion::V2026_07_28),
            awaited,
            profile: self.profile,
            discovery: self.discovery.clone(),
        }
    }

    /// The header fields of a message, in the server's revision and about the message as the server gets it (SEC-12); beside them the
    /// client's, as far as they are not about its own message.
    fn headers(&self, message: Option<&Message>) -> HeaderMap {
        let mut headers = HeaderMap::clone(&self.client);
        for about_the_message in [
            "content-encoding",
            "last-event-id",
            "mcp-method",
            "mcp-name",
            "mcp-protocol-version",
        ] {
            headers.remove(about_the_message);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        let method = message.and_then(Message::method);
        if method.as_deref() != Some("initialize") {
            headers.insert("mcp-protocol-version", HeaderValue::from_static(self.era().as_str()));
        }
        if let (ProtocolVersion::V2026_07_28, Some(message), Some(method)) =
            (self.era(), message, method)
        {
            headers.insert("mcp-method", field_value(&method));
            let named = match method.as_str() {
                "tools/call" | "prompts/get" => message.string_param("name"),
                "resources/read" => message.string_param("uri"),
                _ => None,
            };
            headers.extend(
                named.map(|name| (HeaderName::from_static("mcp-name"), field_value(&name))),
            );
        }
        headers
    }
}

fn message(method: &str, params: &Value) -> Message {
    let text =
        json!({ "jsonrpc": "2.0", "id": "mcp-preflight", "method": method, "params": params })
            .to_string();
    Message::parse(text.as_bytes())
        .expect("an object with a method and an object of parameters is a message")
}

/// A text as a field value: as it is, or in the form that the revision has for what a field cannot hold.
fn field_value(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|b| (0x20..0x7f).contains(&b))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    let value = if plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
    };
    HeaderValue::from_maybe_shared(value).expect("visible ASCII and spaces only, or base64")
}

/// Ends a session that was opened for one request, when that request's answer has been read or given up.
struct Ending(Link);

impl Drop for Ending {
    fn drop(&mut self) {
        let link = self.0.clone();
        if link.session.is_some() {
            let tasks = link.gateway.tasks.clone();
            // Nobody waits for this, so nobody can be told how it ends.
            tasks.spawn(async move { drop(link.end().await) });
        }
    }
}

/// A body with what has to happen after it.
struct Whole {
    body: Body,
    _ending: Ending,
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
