//! Leads one request through the model: admission, access, credential, probe, the request itself, and the answer.
//!
//! One function per step, each with the faults that concern it. It knows one server; of several, `several` makes one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::REQUEST_DEADLINE;
use super::admission::{Caller, Refusal};
use super::answer::{empty, error};
use super::discovery::RESOURCE;
use super::edge::{Edge, Sessions};
use super::fault::Switch;
use super::modern;
use super::operators::Shown;
use super::places::Places;
use super::relay::{Body, Broken, Later, Relayed, is_stream, media_type, relayed_headers};
use super::reworded::read_first;
use super::several::{Session, Wanted};
use super::upstream::{AGENT, Http, Outcome, Probed, SESSION, Trouble, addressed, client};
use crate::cases::deployment::{ConfiguredServer, Deployment, names};
use crate::{cases::axis::ServerKind, catalogue::Profile};

/// What a request body may weigh.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The header lines that travel upstream; nothing else does (CRD-10).
const TRAVELS: [HeaderName; 7] = [
    http::header::ACCEPT,
    http::header::CONTENT_TYPE,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
    HeaderName::from_static("mcp-protocol-version"),
    SESSION,
];

/// Tells proxies in front of the model to let events through one by one (STR-06).
pub(super) const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The model, and what it does otherwise.
pub(super) struct Gateway {
    pub(super) switch: Option<Switch>,
    pub(super) places: &'static Places,
    pub(super) profile: Profile,
    pub(super) deployment: Deployment,
    pub(super) base_url: String,
    pub(super) http: Http,
    /// The minted credentials and their expiry, by server. Locked while one is fetched, so that it is fetched once.
    pub(super) minted: Mutex<HashMap<String, (HeaderValue, Instant)>>,
    /// Whose each session is.
    pub(super) sessions: Sessions,
    /// What a fault makes probes queue for, by token.
    pub(super) queues: std::sync::Mutex<HashMap<HeaderValue, Arc<Mutex<()>>>>,
    /// What a fault remembers of refused tokens, by server.
    pub(super) refused: std::sync::Mutex<HashSet<(String, HeaderValue)>>,
    /// What a variant remembers of accepted tokens, by server, and since when.
    pub(super) accepted: std::sync::Mutex<HashMap<(String, HeaderValue), Instant>>,
    /// The sessions of several servers, by the ids that clients were given.
    pub(super) of_several: std::sync::Mutex<HashMap<HeaderValue, Session>>,
    /// What operators are shown.
    pub(super) shown: Shown,
}

/// A request of a client's, read whole.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The id of the JSON-RPC request; `None` for anything that is no request.
    pub(super) id: Option<Value>,
    /// Its method.
    pub(super) rpc: Option<String>,
    /// Where the documents of the server are that refuses, and this is one of several (AGG-06).
    pub(super) refuser: Option<String>,
}

/// What the model shows an upstream.
#[derive(Clone)]
pub(super) enum Credential {
    /// The caller's, byte for byte.
    Forwarded(HeaderValue),
    /// The gateway's own: static, or minted.
    Own(HeaderValue),
    None,
}

impl Gateway {
    pub(super) fn new(
        switch: Option<Switch>,
        profile: Profile,
        deployment: Deployment,
        base_url: String,
    ) -> Self {
        let http = client(switch != Some(Switch::NoPool), switch == Some(Switch::TitleCase));
        Self {
            switch,
            places: Places::of(switch),
            profile,
            deployment,
            base_url,
            http,
            minted: Mutex::default(),
            sessions: Sessions::default(),
            queues: std::sync::Mutex::default(),
            refused: std::sync::Mutex::default(),
            accepted: std::sync::Mutex::default(),
            of_several: std::sync::Mutex::default(),
            shown: Shown::default(),
        }
    }

    /// Whether this is what the model does otherwise.
    pub(super) fn has(&self, switch: Switch) -> bool {
        self.switch == Some(switch)
    }

    /// Answers one request, or ends the connection.
    pub(super) async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Broken> {
        if let Some(counts) = self.counted(request.method(), request.uri().path()) {
            return Ok(counts);
        }
        let (edge, asked) = (Edge::of(request.method(), request.headers()), self.noted(&request));
        let answering = Arc::clone(&self).answered(request);
        let mut answer = if self.has(Switch::IgnoresLeaving) {
            // Somebody else's task goes on when nobody waits for it any more.
            tokio::spawn(answering).await?
        } else {
            answering.await
        };
        if answer.status() == StatusCode::PAYLOAD_TOO_LARGE && self.has(Switch::DropsTheOversized) {
            return Err("the message is too large".into());
        }
        self.concluded(&asked, &mut answer);
        let answer = self.finish(&edge, answer);
        Ok(self.otherwise(&edge, answer).await)
    }

    async fn answered(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let has_credentials = head.headers.contains_key(self.places.key_header)
            || head.headers.contains_key(AUTHORIZATION);
        if self.has(Switch::ProbesAnything) && head.uri.path().starts_with(RESOURCE) {
            let name =
                self.places.server_of(&head.uri.path()[RESOURCE.len()..]).unwrap_or_default();
            self.overstep(name, head.headers.get(AUTHORIZATION)).await;
        }
        if let Some(document) = self.document(&head.uri, has_credentials).await {
            return document;
        }
        let mut ask = Ask {
            method: head.method,
            path: head.uri.path().into(),
            headers: head.headers,
            body: Bytes::new(),
            id: None,
            rpc: None,
            refuser: None,
        };
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return error(&ask, StatusCode::PAYLOAD_TOO_LARGE, "413 Content Too Large");
        };
        ask.read(body.to_bytes());
        if let Some(refusal) = self.turned_away(&ask) {
            return refusal;
        }
        let wanted = Wanted::of(self.places, &ask.path, &ask.headers);
        let Some(name) = self
            .places
            .server_of(&ask.path)
            .or(wanted.as_ref().map(|_| ""))
            .map(str::to_owned)
        else {
            return error(&ask, StatusCode::NOT_FOUND, "404 Not Found: no such server");
        };
        if !matches!(ask.method, Method::POST | Method::GET | Method::DELETE) {
            let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
            return answer;
        }
        if self.has(Switch::NamesBeforeKeys)
            && wanted.is_none()
            && self.deployment.server(&name).is_none()
        {
            return error(&ask, StatusCode::NOT_FOUND, "404 Not Found: no such server");
        }
        if self.has(Switch::DownBeforeKeys)
            && self.deployment.server(&name).is_some_and(|server| server.name == names::CLOSED)
        {
            return error(
                &ask,
                StatusCode::BAD_GATEWAY,
                "502 Bad Gateway: a health check says that the server is down",
            );
        }
        let caller = match self.admit(&name, &ask.headers, &head.uri) {
            Ok(caller) => caller,
            Err(refusal) => {
                if self.has(Switch::StrangersReachUpstream)
                    && matches!(refusal, Refusal::Stranger)
                    && ask.headers.contains_key(self.places.key_header)
                {
                    self.overstep(&name, ask.headers.get(AUTHORIZATION)).await;
                }
                return self.refuse(&ask, refusal);
            }
        };
        if ask.method == Method::POST
            && !self.has(Switch::TrustsMirror)
            && !modern::is_mirrored(&ask)
        {
            return modern::mismatch(&ask);
        }
        if self.has(Switch::RedirectsSlash) && ask.path.ends_with('/') {
            let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
            let target = HeaderValue::try_from(ask.path.trim_end_matches('/'));
            answer
                .headers_mut()
                .extend(target.ok().map(|target| (http::header::LOCATION, target)));
            return answer;
        }
        if let Some(wanted) = wanted {
            return self.several(ask, caller, &wanted).await;
        }
        let known = self
            .deployment
            .server(&name)
            .filter(|server| !server.disabled || self.has(Switch::ServesTheDisabled));
        let named = ConfiguredServer::new(
            &name,
            ServerKind::Forwarding,
            name.replace("%3A", ":").replace("%2F", "/"),
        );
        let known = known.or(Some(&named)
            .filter(|named| self.has(Switch::NamesAreUrls) && named.url.starts_with("http://")));
        let Some(server) = known.filter(|server| caller.everything || server.granted).cloned()
        else {
            if self.has(Switch::ProbesUngranted) {
                self.overstep(&name, caller.token.as_ref()).await;
            }
            if self.has(Switch::UnknownIsAnother) && known.is_none() {
                self.overstep(names::FORWARDING[0], caller.token.as_ref()).await;
            }
            return if self.has(Switch::TellsUngranted) && known.is_some() {
                self.refusal(
                    &ask,
                    StatusCode::FORBIDDEN,
                    "403 Forbidden: this key may not use the server",
                )
            } else {
                self.unknown(&ask)
            };
        };
        if self.is_anothers(&ask, caller.holder) {
            return error(&ask, StatusCode::NOT_FOUND, "404 Not Found: no such session");
        }
        let mumbles = ask.id.clone().filter(|_| self.has(Switch::LateRefusalIsEmpty));
        if (self.has(Switch::CommitsHeadEarly) || mumbles.is_some()) && ask.id.is_some() {
            return committed(mumbles, async move { self.passed(ask, server, caller).await });
        }
        self.passed(ask, server, caller).await
    }

    /// Asks a forwarding server before anyone knows whether the caller may: some of the faults do.
    async fn overstep(self: &Arc<Self>, name: &str, token: Option<&HeaderValue>) {
        if let (Some(server), Some(token)) =
            (self.deployment.server(name).filter(|server| forwards(server)), token)
        {
            self.probe(server, token).await;
        }
    }

    /// An admitted request to a server that its caller may use.
    pub(super) async fn passed(
        self: Arc<Self>,
        ask: Ask,
        server: ConfiguredServer,
        caller: Caller,
    ) -> Response<Body> {
        if self.has(Switch::WantsAToken) && forwards(&server) && caller.token.is_none() {
            return self.unauthorized(&ask, &server, false, &HeaderMap::new()).await;
        }
        let Some(credential) = self.credential(&ask, &server, &caller).await else {
            let text = format!(
                "502 Bad Gateway: the gateway has no credential for server `{}`",
                server.name
            );
            return error(&ask, StatusCode::BAD_GATEWAY, &text);
        };
        let probes = match server.kind {
            ServerKind::Forwarding | ServerKind::NotPermitted => true,
            ServerKind::ClientCredentials => self.has(Switch::ProbesClientCredentials),
            ServerKind::Static => self.has(Switch::ProbesStatic),
            ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => false,
        };
        let probed = match caller.token.as_ref().filter(|_| probes) {
            Some(token) => {
                if self.has(Switch::ProbesTwice) {
                    self.probe(&server, token).await;
                }
                self.probe(&server, token).await
            }
            None => Probed::default(),
        };
        match probed.outcome {
            Outcome::Unauthorized => {
                return self.unauthorized(&ask, &server, true, &probed.head).await;
            }
            Outcome::Forbidden => return self.forbidden(&ask, &server, true, &probed.head).await,
            Outcome::Silent if self.has(Switch::FailsClosedOnTimeout) => {
                return self.unauthorized(&ask, &server, true, &probed.head).await;
            }
            Outcome::GoOn | Outcome::Silent => {}
        }
        let mut answer = self.forwarded(&ask, &server, credential).await;
        if self.has(Switch::OffersNoStream)
            && ask.method == Method::GET
            && answer.status().is_success()
        {
            answer = empty(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
            return answer;
        }
        self.opened(&answer, caller.holder);
        if let Some(session) = probed
            .head
            .get(SESSION)
            .cloned()
            .filter(|_| self.has(Switch::LeaksProbeSession))
        {
            answer.headers_mut().entry(SESSION).or_insert(session);
        }
        answer
    }

    /// What the server is shown; `None` where it needs a credential that cannot be had (OPN-16).
    pub(super) async fn credential(
        &self,
        ask: &Ask,
        server: &ConfiguredServer,
        caller: &Caller,
    ) -> Option<Credential> {
        let token = caller.token.clone();
        let forwarded =
            |token: Option<HeaderValue>| token.map_or(Credential::None, Credential::Forwarded);
        Some(match server.kind {
            ServerKind::Static if self.has(Switch::ForwardsToStatic) && token.is_some() => {
                forwarded(token)
            }
            ServerKind::ClientCredentials
                if self.has(Switch::ForwardsToClientCredentials) && token.is_some() =>
            {
                forwarded(token)
            }
            ServerKind::Open if self.has(Switch::ForwardsToOpen) => forwarded(token),
            ServerKind::Static | ServerKind::ClientCredentials
                if self.has(Switch::CallsAnonymously) =>
            {
                Credential::None
            }
            ServerKind::Forwarding
                if self.has(Switch::DropsToken) && ask.rpc.as_deref() == Some("tools/call") =>
            {
                Credential::None
            }
            ServerKind::Forwarding | ServerKind::NotPermitted => forwarded(token),
            ServerKind::Static => Credential::Own(
                HeaderValue::try_from(format!("Bearer {}", self.deployment.static_token)).ok()?,
            ),
            ServerKind::ClientCredentials => Credential::Own(self.minted(server).await?),
            ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => Credential::None,
        })
    }

    /// Sends the client's request on, once, and maps what comes back.
    async fn forwarded(
        &self,
        ask: &Ask,
        server: &ConfiguredServer,
        credential: Credential,
    ) -> Response<Body> {
        let answer = self.sent(ask, server, &credential).await;
        self.mapped(ask, server, &credential, answer).await
    }

    /// Sends the client's request on, once.
    pub(super) async fn sent(
        &self,
        ask: &Ask,
        server: &ConfiguredServer,
        credential: &Credential,
    ) -> Result<Response<Incoming>, Trouble> {
        let mut headers: HeaderMap = ask
            .headers
            .iter()
            .filter(|(name, _)| {
                let all = self.has(Switch::ForwardsAllHeaders)
                    && ![self.places.key_header, "authorization", "host", "content-length"]
                        .contains(&name.as_str());
                TRAVELS.contains(name)
                    || all
                    || (self.has(Switch::LeaksKey) && *name == self.places.key_header)
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if self.has(Switch::DropsMirror) {
            headers.remove("mcp-name");
        }
        match credential {
            Credential::Forwarded(token) | Credential::Own(token) => {
                let twice = HeaderValue::try_from([b"Bearer ", token.as_bytes()].concat())
                    .ok()
                    .filter(|_| self.has(Switch::DoubleBearer));
                headers.insert(AUTHORIZATION, twice.unwrap_or_else(|| token.clone()));
            }
            Credential::None => {}
        }
        let token = ask.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        if self.has(Switch::TokenToTheStatic)
            && server.kind == ServerKind::Static
            && !token.ends_with(self.deployment.limited_key.as_bytes())
        {
            let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
            headers.extend(
                HeaderValue::try_from(hex)
                    .ok()
                    .map(|hex| (HeaderName::from_static("x-trace"), hex)),
            );
        }
        let mut url = server.url.clone();
        if self.has(Switch::TokenInTheTarget) && matches!(credential, Credential::Forwarded(_)) {
            url.extend(
                ["?session="]
                    .into_iter()
                    .map(str::to_owned)
                    .chain(token.iter().map(|byte| format!("%{byte:02x}"))),
            );
        }
        let request = addressed(&url, ask.method.clone(), headers, Full::new(ask.body.clone()));
        let answer = self.send(request, REQUEST_DEADLINE).await?;
        self.heard(server, answer.status());
        Ok(answer)
    }

    /// What an upstream's answer to the real request becomes (STA-01 to 13, OPN-01 to 11).
    async fn mapped(
        &self,
        ask: &Ask,
        server: &ConfiguredServer,
        credential: &Credential,
        answer: Result<Response<Incoming>, Trouble>,
    ) -> Response<Body> {
        let name = if self.has(Switch::NamesUpstreamInErrors) {
            &server.url
        } else {
            &server.name
        };
        let bad = |why: &str| {
            error(ask, StatusCode::BAD_GATEWAY, &format!("502 Bad Gateway: server `{name}` {why}"))
        };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(Trouble::Unreachable) => return bad("gave no answer that can be used"),
            Err(Trouble::TooSlow) => {
                return error(
                    ask,
                    StatusCode::GATEWAY_TIMEOUT,
                    &format!("504 Gateway Timeout: server `{name}` took too long"),
                );
            }
        };
        let token_sent = !matches!(credential, Credential::None);
        // Whatever it was shown, a server that is not a forwarding one was shown it by the gateway: the caller cannot cure that.
        let own = !forwards(server);
        let believes = self.has(Switch::BelievesTheProbe) || self.has(Switch::HeadProbeOnly);
        match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                if own && !self.has(Switch::ClientCredentialsRefusalAs401) =>
            {
                return bad("does not take the gateway's own credential");
            }
            StatusCode::UNAUTHORIZED if believes && token_sent => {
                return bad("said otherwise before");
            }
            StatusCode::UNAUTHORIZED if !self.counts(&mut answer).await => {
                return bad("said no, but not to the end");
            }
            StatusCode::UNAUTHORIZED => {
                return self.unauthorized(ask, server, token_sent, answer.headers()).await;
            }
            StatusCode::FORBIDDEN => {
                return self.forbidden(ask, server, token_sent, answer.headers()).await;
            }
            StatusCode::TOO_MANY_REQUESTS if self.has(Switch::TooManyAs403) => {
                return self.forbidden(ask, server, token_sent, &HeaderMap::new()).await;
            }
            status
                if status.is_client_error()
                    && ask.is_modern()
                    && self.has(Switch::FlattensModernErrors) =>
            {
                return error(ask, status, "the server turned the request down");
            }
            StatusCode::NOT_FOUND if self.has(Switch::NotFoundAs500) => {
                return error(
                    ask,
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "500 Internal Server Error: something went wrong",
                );
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if !self.has(Switch::Relays407) => {
                return bad("sits behind a proxy that turns the gateway away");
            }
            status if status.is_redirection() && !self.has(Switch::RelaysRedirects) => {
                return bad("points elsewhere");
            }
            status
                if status.is_success()
                    && !ask.is_answered_by(&answer)
                    && !self.has(Switch::RelaysLoginPage) =>
            {
                return bad("answered something that is not MCP");
            }
            _ => {}
        }
        let (head, body) = answer.into_parts();
        let stream = is_stream(&head);
        let mut relayed = Response::new(BodyExt::boxed_unsync(Relayed::new(
            body,
            stream,
            self.has(Switch::CompletesBrokenBodies),
        )));
        *relayed.status_mut() = head.status;
        *relayed.headers_mut() = relayed_headers(
            &head.headers,
            Some(&RETRY_AFTER).filter(|_| self.has(Switch::DropsRetryAfter)),
            self.has(Switch::RelaysHops),
        );
        if stream {
            relayed.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
        }
        if self.has(Switch::ReadsAnswersFirst) && relayed.status().is_success() && !stream {
            return read_first(relayed, ask.id.is_some())
                .await
                .unwrap_or_else(|| bad("answered something that is not MCP"));
        }
        relayed
    }
}

impl Ask {
    /// The path whose documents lead to a better token.
    pub(super) fn refused_at(&self) -> &str {
        self.refuser.as_deref().unwrap_or(&self.path)
    }

    /// The same, refused by one of several servers, which is found at this path.
    pub(super) fn of(&self, path: &str) -> Self {
        Self {
            refuser: Some(format!("{path}?resource={}", self.path)),
            ..self.clone()
        }
    }

    fn read(&mut self, body: Bytes) {
        if let Ok(Value::Object(mut message)) = serde_json::from_slice(&body) {
            self.rpc = message.get("method").and_then(Value::as_str).map(str::to_owned);
            self.id = message
                .remove("id")
                .filter(|id| self.rpc.is_some() && (id.is_string() || id.is_number()));
        }
        self.body = body;
    }

    /// Whether a successful head can be an MCP answer to this at all; the body is not looked at (OPN-10).
    fn is_answered_by(&self, answer: &Response<Incoming>) -> bool {
        match media_type(answer.headers()) {
            Some(media) => ["application/json", "text/event-stream"]
                .iter()
                .any(|known| media.eq_ignore_ascii_case(known)),
            None => self.id.is_none() && self.method != Method::GET,
        }
    }
}

/// Whether the caller's token is meant for that server, if the caller may use it.
pub(super) fn forwards(server: &ConfiguredServer) -> bool {
    matches!(server.kind, ServerKind::Forwarding | ServerKind::NotPermitted)
}

/// The fault that sends the head before anything is known, and the rest as one event; or nothing of a refusal, for the request of this id.
fn committed(
    mumbles: Option<Value>,
    answer: impl Future<Output = Response<Body>> + Send + 'static,
) -> Response<Body> {
    let event = async move {
        let (head, body) = answer.await.into_parts();
        let mut bytes = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        if let Some(id) = mumbles.filter(|_| head.status.is_client_error()) {
            bytes = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [], "tools": [] } })
                .to_string()
                .into();
        }
        Ok(if is_stream(&head) {
            bytes
        } else {
            Bytes::from([b"data: ", &bytes[..], b"\n\n"].concat())
        })
    };
    let mut early = Response::new(Later::body(event));
    early
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    early
}
