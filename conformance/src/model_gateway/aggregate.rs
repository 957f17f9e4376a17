//! Serves a request to an aggregate endpoint: which servers receive it, and what their results
//! amount to.
//!
//! Probe, credential and refusal of each server are those of its single-server endpoint. Aggregate
//! sessions are kept in a table of the process.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{
    aggregate_names::{PartResult, ToolName, addressed_server, merge},
    aggregate_part::{Part, read_part},
    aggregate_session::AggregateSession,
    aggregate_verdict::PartRefusal,
    caller::Caller,
    challenge::UpstreamRefusal,
    client_request::ClientRequest,
    credential::forwards_token,
    gateway::Gateway,
    probe_result::ProbeOutcome,
    protocol::{SESSION, SESSION_BASED_VERSION},
    relay::Body,
    rpc_response::{empty, error, method_not_allowed, with_members},
    selection::Selection,
    upstream_request::UpstreamError,
};
use crate::{cases::deployment::ConfiguredServer, catalogue::Profile};

/// The field that mirrors the name in a stateless message.
const MIRRORED_NAME: HeaderName = HeaderName::from_static("mcp-name");

impl Gateway {
    /// Serves an admitted request to an aggregate endpoint.
    pub(super) async fn serve_aggregate(
        self: Arc<Self>,
        request: ClientRequest,
        caller: Caller,
        selection: &Selection,
    ) -> Response<Body> {
        let Some(servers) = self.selected_servers(&caller, selection) else {
            return self.inaccessible(&request, false);
        };
        let Ok(session) = self.aggregate_session(&request, &caller) else {
            return error(&request, StatusCode::NOT_FOUND, "404 Not Found: no such session");
        };
        if self.lacks_session(&request) {
            return error(&request, StatusCode::BAD_REQUEST, "400 Bad Request: no session");
        }
        if request.method == Method::GET {
            return method_not_allowed("POST, DELETE");
        }
        match request.rpc_method.as_deref() {
            Some("tools/call" | "prompts/get" | "resources/read") => {
                self.serve_addressed_server(request, caller, &servers, session).await
            }
            Some(method) if is_broadcast(method) => {
                self.serve_all(request, caller, servers, session).await
            }
            None if request.method == Method::DELETE => {
                self.serve_all(request, caller, servers, session).await
            }
            _ => rpc_error(&request, -32601, "the method is not available on this endpoint"),
        }
    }

    /// The session that a request names. An error if it is unknown or another caller's (SEC-08).
    fn aggregate_session(
        &self,
        request: &ClientRequest,
        caller: &Caller,
    ) -> Result<Option<AggregateSession>, UnknownSession> {
        let Some(id) = request.headers.get(&SESSION) else { return Ok(None) };
        let sessions = self.aggregate_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(id).ok_or(UnknownSession)?;
        let is_own =
            session.full_access == caller.has_full_access() && session.path == request.path;
        if is_own || !self.decisions.checks_aggregate_session_owner() {
            Ok(Some(session.clone()))
        } else {
            Err(UnknownSession)
        }
    }

    /// Serves a message that addresses one server. Only this server decides (AGG-10).
    async fn serve_addressed_server(
        self: Arc<Self>,
        mut request: ClientRequest,
        caller: Caller,
        servers: &[ConfiguredServer],
        session: Option<AggregateSession>,
    ) -> Response<Body> {
        let addressed = addressed_server(&request, servers, self.layout.name_separator);
        let Some((server, item)) = addressed else {
            return rpc_error(&request, -32602, "unknown name: list the available names first");
        };
        if self.decisions.probes_all_servers_for_call() {
            let tokens = self.tokens_for(servers, caller.token.as_ref());
            let parts = self.probe_all(servers, &tokens).await;
            if let Some(refusal) = self.aggregate_refusal(&request, servers, &parts).await {
                return refusal;
            }
        }
        request.headers.remove(&SESSION);
        if let Some(own) = session.and_then(|session| session.part(&server.name)) {
            request.headers.insert(SESSION, own);
        }
        request.body = with_item_name(&request.body, &item);
        if request.headers.contains_key(MIRRORED_NAME) && self.decisions.renames_mirrored_name() {
            let mirrored = HeaderValue::try_from(item).unwrap_or(HeaderValue::from_static("?"));
            request.headers.insert(MIRRORED_NAME, mirrored);
        }
        let request = request.refused_by(&self.layout.path_of(&server.name));
        self.serve_server(request, server, caller).await
    }

    /// Serves a message to all servers: probes them at once, forwards the message, and merges the
    /// results.
    async fn serve_all(
        self: Arc<Self>,
        request: ClientRequest,
        caller: Caller,
        servers: Vec<ConfiguredServer>,
        session: Option<AggregateSession>,
    ) -> Response<Body> {
        if request.rpc_method.as_deref() == Some("initialize")
            && self.decisions.answers_initialize_itself()
        {
            return self.own_initialize_response(&request, &caller, &servers);
        }
        let tokens = self.tokens_for(&servers, caller.token.as_ref());
        let mut parts = self.probe_all(&servers, &tokens).await;
        if let Some(refusal) = self.aggregate_refusal(&request, &servers, &parts).await {
            return refusal;
        }
        let mut running = JoinSet::new();
        for (position, server) in servers.iter().enumerate() {
            if parts[position].failure().is_some() {
                continue;
            }
            let own = session.as_ref().and_then(|session| session.part(&server.name));
            let (gateway, request, server) = (Arc::clone(&self), request.clone(), server.clone());
            let caller = Caller { token: tokens[position].clone(), ..caller };
            running.spawn(async move {
                (position, gateway.serve_part(request, &server, &caller, own).await)
            });
        }
        for (position, part) in running.join_all().await {
            parts[position] = part;
        }
        if let Some(refusal) = self.aggregate_refusal(&request, &servers, &parts).await {
            return refusal;
        }
        self.merged_response(&request, &caller, &servers, &parts)
    }

    /// Probes the servers at once. A server without a token counts as a success.
    async fn probe_all(
        self: &Arc<Self>,
        servers: &[ConfiguredServer],
        tokens: &[Option<HeaderValue>],
    ) -> Vec<Part> {
        let mut parts: Vec<Part> =
            servers.iter().map(|_| Part::Success(Value::Null, None)).collect();
        let mut running = JoinSet::new();
        for (position, server) in servers.iter().enumerate() {
            if let Some(token) = tokens[position].clone().filter(|_| forwards_token(server)) {
                let (gateway, server) = (Arc::clone(self), server.clone());
                running.spawn(async move { (position, gateway.probe(&server, &token).await) });
            }
        }
        while let Some(Ok((position, probed))) = running.join_next().await {
            parts[position] = match probed.outcome {
                ProbeOutcome::Unauthorized => Part::Unauthorized(probed.head),
                ProbeOutcome::Forbidden => Part::Forbidden(probed.head),
                ProbeOutcome::TimedOut if self.decisions.timeout_hides_refusals() => Part::TimedOut,
                ProbeOutcome::Proceed | ProbeOutcome::TimedOut => continue,
            };
            if !self.decisions.waits_for_all_probes() {
                break;
            }
        }
        parts
    }

    /// The refusal of the request, if the results so far amount to one. In profiles with partial
    /// results, every server must have failed (AGG-03).
    async fn aggregate_refusal(
        &self,
        request: &ClientRequest,
        servers: &[ConfiguredServer],
        parts: &[Part],
    ) -> Option<Response<Body>> {
        let is_inconclusive = |part: &Part| matches!(part, Part::TimedOut | Part::Failed);
        if parts.iter().any(is_inconclusive) && self.decisions.timeout_hides_refusals() {
            return None;
        }
        let all_failed = parts.iter().all(|part| part.failure().is_some());
        if !all_failed && self.profile != Profile::Seed {
            return None;
        }
        if all_failed && self.decisions.succeeds_when_all_fail() {
            return None;
        }
        let refusals: Vec<Option<PartRefusal>> = parts.iter().map(Part::refusal).collect();
        let refusal = self.decisions.aggregate_refusal()(&refusals)?;
        let server = &servers[refusal.named];
        let request = request.refused_by(&self.layout.path_of(&server.name));
        let head = parts[refusal.refusing].head();
        let upstream = UpstreamRefusal { url: &server.url, token_sent: true, head: &head };
        Some(match refusal.kind {
            PartRefusal::Unauthorized => self.unauthorized(&request, server, &upstream).await,
            PartRefusal::Forbidden => self.forbidden(&request, server, &upstream).await,
        })
    }

    /// The token for each server. Profiles that separate protection spaces send it only to the
    /// space of the first token-forwarding server (AGG-04).
    fn tokens_for(
        &self,
        servers: &[ConfiguredServer],
        token: Option<&HeaderValue>,
    ) -> Vec<Option<HeaderValue>> {
        let space =
            |server: &ConfiguredServer| server.space.clone().unwrap_or_else(|| server.name.clone());
        let first = servers.iter().find(|server| forwards_token(server)).map(space);
        let everywhere =
            self.profile == Profile::Seed || self.decisions.sends_token_to_every_space();
        servers
            .iter()
            .map(|server| token.filter(|_| everywhere || first == Some(space(server))).cloned())
            .collect()
    }

    /// Forwards one server's part of a request.
    async fn serve_part(
        &self,
        mut request: ClientRequest,
        server: &ConfiguredServer,
        caller: &Caller,
        session: Option<HeaderValue>,
    ) -> Part {
        request.headers.remove(&SESSION);
        request.headers.extend(session.map(|session| (SESSION, session)));
        let Some(credential) = self.credential(&request, server, caller).await else {
            return Part::Failed;
        };
        let response = match self.forward(&request, server, &credential).await {
            Ok(response) => response,
            Err(UpstreamError::TimedOut) => return Part::TimedOut,
            Err(UpstreamError::Unreachable) => return Part::Failed,
        };
        match response.status() {
            StatusCode::UNAUTHORIZED if forwards_token(server) => {
                Part::Unauthorized(response.headers().clone())
            }
            StatusCode::FORBIDDEN if forwards_token(server) => {
                Part::Forbidden(response.headers().clone())
            }
            status if status.is_success() => read_part(&request, response).await,
            _ => Part::Failed,
        }
    }

    /// The response from the results of all servers; an error if every server failed (STA-12).
    fn merged_response(
        &self,
        request: &ClientRequest,
        caller: &Caller,
        servers: &[ConfiguredServer],
        parts: &[Part],
    ) -> Response<Body> {
        let all_failed = parts.iter().all(|part| part.failure().is_some());
        if all_failed && !self.decisions.succeeds_when_all_fail() {
            let timed_out = parts.iter().any(|part| matches!(part, Part::TimedOut));
            let (status, message) = if timed_out {
                (StatusCode::GATEWAY_TIMEOUT, "504 Gateway Timeout: no usable response in time")
            } else {
                (StatusCode::BAD_GATEWAY, "502 Bad Gateway: no server gave a usable response")
            };
            return error(request, status, message);
        }
        if request.method == Method::DELETE {
            self.forget_session(request);
            return empty(StatusCode::NO_CONTENT);
        }
        if request.id.is_none() {
            return empty(StatusCode::ACCEPTED);
        }
        let result = self.merged_result(request, servers, parts);
        let mut response = with_members(request, &json!({ "result": result }));
        if request.rpc_method.as_deref() == Some("initialize") {
            let id = self.open_session(request, caller, servers, parts);
            response.headers_mut().insert(SESSION, id);
        }
        response
    }

    /// The response to `initialize` before any server is contacted.
    fn own_initialize_response(
        &self,
        request: &ClientRequest,
        caller: &Caller,
        servers: &[ConfiguredServer],
    ) -> Response<Body> {
        let result = json!({
            "protocolVersion": SESSION_BASED_VERSION,
            "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
            "serverInfo": { "name": "preflight-model", "version": "0.1" },
        });
        let mut response = with_members(request, &json!({ "result": result }));
        let id = self.open_session(request, caller, servers, &[]);
        response.headers_mut().insert(SESSION, id);
        response
    }

    fn merged_result(
        &self,
        request: &ClientRequest,
        servers: &[ConfiguredServer],
        parts: &[Part],
    ) -> Value {
        let named = || servers.iter().map(|server| server.name.as_str()).zip(parts);
        let results: Vec<PartResult<'_>> = named()
            .filter_map(|(server, part)| match part {
                Part::Success(result, _) => Some(PartResult { server, result }),
                _ => None,
            })
            .collect();
        let name = |position: usize, server: &str, item: &str| {
            self.decisions.aggregate_name()(&ToolName {
                server,
                item,
                separator: self.layout.name_separator,
                position,
                servers: servers.len(),
            })
        };
        let mut result = merge(request, &results, name);
        if request.is_stateless() {
            let (scope, lifetime) = self.decisions.aggregate_cache();
            result["resultType"] = json!("complete");
            result["ttlMs"] = json!(lifetime);
            result["cacheScope"] = json!(scope);
        }
        let failures: Map<String, Value> = named()
            .filter_map(|(server, part)| Some((server.to_owned(), json!(part.failure()?))))
            .collect();
        if !failures.is_empty() && self.decisions.reports_failed_servers() {
            result["_meta"]["preflight-model/outcomes"] = Value::Object(failures);
        }
        result
    }

    fn open_session(
        &self,
        request: &ClientRequest,
        caller: &Caller,
        servers: &[ConfiguredServer],
        parts: &[Part],
    ) -> HeaderValue {
        let sessions = servers.iter().zip(parts).filter_map(|(server, part)| match part {
            Part::Success(_, Some(session)) => Some((server.name.clone(), session.clone())),
            _ => None,
        });
        let session = AggregateSession {
            full_access: caller.has_full_access(),
            path: request.path.clone(),
            parts: sessions.collect(),
        };
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        let id = HeaderValue::try_from(id).expect("letters and digits are a field value");
        let mut sessions = self.aggregate_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(id.clone(), session);
        id
    }

    fn forget_session(&self, request: &ClientRequest) {
        if let Some(id) = request.headers.get(&SESSION) {
            let mut sessions =
                self.aggregate_sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.remove(id);
        }
    }
}

/// The session that a request names is unknown, or another caller's.
struct UnknownSession;

/// Whether a message with this method goes to every server.
fn is_broadcast(method: &str) -> bool {
    matches!(
        method,
        "initialize"
            | "server/discover"
            | "ping"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
    ) || method.starts_with("resources/templates")
        || method.starts_with("notifications/")
}

fn rpc_error(request: &ClientRequest, code: i64, message: &str) -> Response<Body> {
    with_members(request, &json!({ "error": { "code": code, "message": message } }))
}

/// The message with the name that the addressed server knows.
fn with_item_name(body: &Bytes, item: &str) -> Bytes {
    let Ok(mut message) = serde_json::from_slice::<Value>(body) else {
        return body.clone();
    };
    for member in ["/params/name", "/params/uri"] {
        if let Some(name) = message.pointer_mut(member) {
            *name = item.into();
        }
    }
    message.to_string().into()
}
