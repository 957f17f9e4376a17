//! Talks to upstreams: one pooled client, the probe, its clean-up, and the token endpoint.
//!
//! Every request is sent once and no redirect is followed (PRB-12, PRB-13). What an answer means for the client is decided elsewhere.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    USER_AGENT,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::Switch;
use super::gateway::Gateway;
use super::modern::REVISION as REVISION_2026;
use super::{CLEAN_UP_DEADLINE, PROBE_DEADLINE, REQUEST_DEADLINE};
use crate::cases::deployment::ConfiguredServer;
use crate::{cases::axis::ServerKind, catalogue::ProtocolVersion};

/// The client towards all upstreams.
pub(super) type Http = Client<HttpConnector, Full<Bytes>>;

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The revision that the probe speaks.
const LEGACY: &str = "2025-11-25";
/// How the model names itself towards upstreams, so that their operators can tell a probe from a client (PRB-19).
pub(super) const AGENT: &str = "preflight-model/0.1";

/// For how long a variant remembers that a token was taken.
const REMEMBERED: Duration = Duration::from_secs(2);

/// What a probe found out.
#[derive(Clone, Debug, Default)]
pub(super) struct Probed {
    pub(super) outcome: Outcome,
    /// The head of the answer: its challenges, and the session that the probe opened and has ended since.
    pub(super) head: HeaderMap,
}

/// What an upstream made of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    Unauthorized,
    Forbidden,
    /// No word about the token, or a good one: the request itself will tell.
    #[default]
    GoOn,
    /// Nothing in time.
    Silent,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection, or none that held, or nothing that is HTTP.
    Unreachable,
    /// No head in time.
    TooSlow,
}

/// Whether a caller's token would go to another machine without TLS (OAuth 2.1 §1.5).
pub(super) fn is_in_the_clear(server: &ConfiguredServer) -> bool {
    let is_here = |url: &url::Url| {
        url.host_str()
            .is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host))
    };
    let leaves =
        url::Url::parse(&server.url).is_ok_and(|url| url.scheme() == "http" && !is_here(&url));
    leaves && matches!(server.kind, ServerKind::Forwarding | ServerKind::NotPermitted)
}

/// The client. It sends a request again only where not one byte of it was written, because the pooled connection had ended before.
pub(super) fn client(pooled: bool, title_case: bool) -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(if pooled { usize::MAX } else { 0 })
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_title_case_headers(title_case)
        .build(connector)
}

impl Gateway {
    /// One attempt, until the head is there.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Response<Incoming>, Trouble> {
        self.ask_otherwise(&mut request);
        let within = if self.has(Switch::NoDeadline) {
            Duration::from_secs(3600)
        } else {
            within
        };
        let deadline = Instant::now() + within;
        let again = self.has(Switch::FollowsRedirects).then(|| request.clone());
        let answer = self.once(request, deadline).await?;
        match (again, answer.headers().get(LOCATION)) {
            (Some(mut again), Some(location)) if answer.status().is_redirection() => {
                *again.uri_mut() = location
                    .to_str()
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or(Trouble::Unreachable)?;
                self.once(again, deadline).await
            }
            _ => Ok(answer),
        }
    }

    async fn once(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Trouble> {
        let answer = timeout_at(deadline, self.http.request(request))
            .await
            .map_err(|_| Trouble::TooSlow)?;
        answer.map_err(|_| Trouble::Unreachable)
    }

    /// Asks a server what it makes of a token, with an `initialize` of the gateway's own whose session is ended at once.
    pub(super) async fn probe(
        self: &Arc<Self>,
        server: &ConfiguredServer,
        token: &HeaderValue,
    ) -> Probed {
        if self.has(Switch::AsksNothingBeforehand) || self.is_remembered(server, token) {
            return Probed::default();
        }
        let queue = self.has(Switch::ProbesInSeries).then(|| self.queue_of(token));
        let _turn = match &queue {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        if self
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&(server.name.clone(), token.clone()))
        {
            return Probed { outcome: Outcome::Unauthorized, head: HeaderMap::new() };
        }
        let since = Instant::now();
        let mut answer = self.send(self.probe_request(server, token), PROBE_DEADLINE).await;
        if self.has(Switch::RetriesProbe) && matches!(answer, Err(Trouble::Unreachable)) {
            answer = self.send(self.probe_request(server, token), PROBE_DEADLINE).await;
        }
        let open = match &answer {
            Err(Trouble::TooSlow) => Some("too-slow"),
            Err(Trouble::Unreachable) => Some("unreachable"),
            Ok(answer) if answer.status().is_server_error() => Some("5xx"),
            Ok(_) => None,
        };
        if let Ok(answer) = &answer {
            self.heard(server, answer.status());
        }
        self.timed(server, since.elapsed(), open);
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(Trouble::TooSlow) => {
                return Probed { outcome: Outcome::Silent, head: HeaderMap::new() };
            }
            Err(Trouble::Unreachable) => return Probed::default(),
        };
        if answer.status().is_success() {
            let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted.insert((server.name.clone(), token.clone()), Instant::now());
        }
        let outcome = match answer.status() {
            _ if self.has(Switch::MisreadsRefusedProbe) => Outcome::GoOn,
            StatusCode::UNAUTHORIZED => Outcome::Unauthorized,
            StatusCode::FORBIDDEN => Outcome::Forbidden,
            StatusCode::INTERNAL_SERVER_ERROR if self.has(Switch::Synthesises401From500) => {
                Outcome::Unauthorized
            }
            _ => Outcome::GoOn,
        };
        if outcome == Outcome::Unauthorized && self.has(Switch::RemembersRefusals) {
            self.refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert((server.name.clone(), token.clone()));
        }
        if outcome != Outcome::GoOn && !self.counts(&mut answer).await {
            return Probed::default();
        }
        if let Some(session) = answer
            .headers()
            .get(SESSION)
            .cloned()
            .filter(|_| !self.has(Switch::LeavesSessions))
        {
            let ending = Arc::clone(self).end_session(server.url.clone(), token.clone(), session);
            if self.has(Switch::WaitsForCleanUp) {
                ending.await;
            } else {
                tokio::spawn(ending);
            }
        }
        let (head, body) = answer.into_parts();
        if self.has(Switch::HoldsProbeStream) && outcome == Outcome::GoOn {
            // Reads on for as long as the upstream cares to say something.
            tokio::spawn(timeout(Duration::from_secs(60), body.collect()));
        }
        Probed { outcome, head: head.headers }
    }

    /// Whether a variant was told a moment ago that this server takes this token (PRB-16).
    fn is_remembered(&self, server: &ConfiguredServer, token: &HeaderValue) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let since = accepted
            .get(&(server.name.clone(), token.clone()))
            .filter(|_| self.has(Switch::RemembersAcceptance));
        since.is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    /// Whether a refusal is one by its head alone, which is all that it takes (PRB-14).
    pub(super) async fn counts(&self, refusal: &mut Response<Incoming>) -> bool {
        let whole = async {
            timeout(REQUEST_DEADLINE, Limited::new(refusal.body_mut(), 16 * 1024 * 1024).collect())
                .await
                .is_ok_and(|body| body.is_ok())
        };
        !self.has(Switch::ReadsRefusalBody) || whole.await
    }

    /// The queue that a fault makes the probes of one caller stand in.
    fn queue_of(&self, token: &HeaderValue) -> Arc<Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(token.clone()).or_default())
    }

    fn probe_request(
        &self,
        server: &ConfiguredServer,
        token: &HeaderValue,
    ) -> Request<Full<Bytes>> {
        let (method, message) = if self.has(Switch::HeadProbeOnly) {
            (Method::HEAD, None)
        } else if self.has(Switch::ProbesWithToolsCall) {
            (
                Method::POST,
                Some(
                    json!({ "jsonrpc": "2.0", "id": "probe", "method": "tools/call", "params": { "name": "echo", "arguments": {} } }),
                ),
            )
        } else if server.protocol_version == ProtocolVersion::V2026_07_28
            && !self.has(Switch::OpensAsBefore)
        {
            let mut meta = json!({ "io.modelcontextprotocol/protocolVersion": REVISION_2026, "io.modelcontextprotocol/clientCapabilities": {} });
            if self.has(Switch::CarelessDiscover) {
                meta = json!({});
            }
            (
                Method::POST,
                Some(
                    json!({ "jsonrpc": "2.0", "id": "probe", "method": "server/discover", "params": { "_meta": meta } }),
                ),
            )
        } else {
            let name = if self.has(Switch::AnonymousProbe) { "" } else { "preflight-model" };
            let client = json!({ "name": name, "version": "0.1" });
            let params =
                json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client });
            (
                Method::POST,
                Some(
                    json!({ "jsonrpc": "2.0", "id": "probe", "method": "initialize", "params": params }),
                ),
            )
        };
        let discovers =
            message.as_ref().is_some_and(|message| message["method"] == "server/discover");
        let mut request = own_request(&server.url, method, token, message);
        if discovers {
            request.headers_mut().insert(REVISION, HeaderValue::from_static(REVISION_2026));
            request.headers_mut().insert(
                HeaderName::from_static("mcp-method"),
                HeaderValue::from_static("server/discover"),
            );
        }
        if self.has(Switch::ProbesOtherwise) {
            request
                .headers_mut()
                .insert(ACCEPT, HeaderValue::from_static("Text/Event-Stream;q=0.5"));
            request
                .headers_mut()
                .append(ACCEPT, HeaderValue::from_static("Application/JSON"));
            request
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("Application/JSON; charset=utf-8"));
        }
        if self.has(Switch::CarelessProbe) {
            request.headers_mut().remove(ACCEPT);
        }
        if self.has(Switch::AnonymousProbe) {
            request.headers_mut().remove(USER_AGENT);
        }
        request
    }

    /// PRB-08: with the session's id and the same token; whatever the answer is, nobody waits for it.
    async fn end_session(self: Arc<Self>, url: String, token: HeaderValue, session: HeaderValue) {
        let mut request = own_request(&url, Method::DELETE, &token, None);
        request.headers_mut().insert(SESSION, session);
        let _ = self.send(request, CLEAN_UP_DEADLINE).await;
    }

    /// The credential that the token endpoint mints, asked for once however many requests wait for it.
    pub(super) async fn minted(&self, server: &ConfiguredServer) -> Option<HeaderValue> {
        let mut minted = self.minted.lock().await;
        if let Some((credential, _)) =
            minted.get(&server.name).filter(|(_, until)| Instant::now() < *until)
        {
            return Some(credential.clone());
        }
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.deployment.client_id)
            .append_pair("client_secret", &self.deployment.client_secret)
            .finish();
        let request = Request::post(server.token_url.as_ref()?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, AGENT)
            .body(Full::from(form))
            .ok()?;
        let answer = self
            .send(request, PROBE_DEADLINE)
            .await
            .ok()
            .filter(|answer| answer.status() == StatusCode::OK)?;
        let body = timeout(PROBE_DEADLINE, Limited::new(answer, 64 * 1024).collect())
            .await
            .ok()?
            .ok()?
            .to_bytes();
        let grant: Value = serde_json::from_slice(&body).ok()?;
        let credential =
            HeaderValue::try_from(format!("Bearer {}", grant["access_token"].as_str()?)).ok()?;
        let lasts = Duration::from_secs(grant["expires_in"].as_u64().unwrap_or(60));
        minted.insert(server.name.clone(), (credential.clone(), Instant::now() + lasts));
        Some(credential)
    }
}

/// A request that the gateway makes on its own account.
fn own_request(
    url: &str,
    method: Method,
    token: &HeaderValue,
    message: Option<Value>,
) -> Request<Full<Bytes>> {
    let mut headers = HeaderMap::new();
    if method == Method::HEAD {
        // Servers that send a body after HEAD are common; the connection is not worth keeping.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(AUTHORIZATION, token.clone());
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(REVISION, HeaderValue::from_static(LEGACY));
    let body = message.map_or_else(Full::default, |message| {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Full::from(message.to_string())
    });
    addressed(url, method, headers, body)
}

/// A request to a configured URL. One that is no URL leads nowhere, like any other that cannot be reached.
pub(super) fn addressed(
    url: &str,
    method: Method,
    headers: HeaderMap,
    body: Full<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().unwrap_or_else(|_| Uri::from_static("/"));
    *request.headers_mut() = headers;
    request
}
