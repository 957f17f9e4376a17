//! Takes one request through the gateway: metadata, admission, access, and the server or servers.

use std::sync::Arc;

use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, LOCATION},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use url::Url;

use super::{
    caller::{AdmissionError, Caller},
    client_request::{ClientFacts, ClientRequest},
    credential::forwards_token,
    gateway::Gateway,
    layout::RESOURCE_METADATA,
    protocol::SESSION,
    relay::{Body, BodyError, connection_fields},
    rpc_response::{empty, error, method_not_allowed, not_found},
    selection::Selection,
    stateless,
};

/// The size limit of a request body, in bytes.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

impl Gateway {
    /// Answers one request. An error closes the connection.
    pub(super) async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, BodyError> {
        if let Some(metrics) = self.metrics_response(request.method(), request.uri().path()) {
            return Ok(metrics);
        }
        let client = ClientFacts::of(&request);
        let record = self.begin_record(&request);
        let responding = Arc::clone(&self).respond(request);
        let mut response = if self.decisions.cancels_on_disconnect() {
            responding.await
        } else {
            tokio::spawn(responding).await?
        };
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE
            && !self.decisions.answers_oversized_message()
        {
            return Err("the message is too large".into());
        }
        self.record_response(&record, &mut response);
        let response = self.complete_response(&client, response);
        Ok(self.decisions.final_response()(response, &client).await)
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        if self.decisions.removes_named_fields() {
            for name in connection_fields(&head.headers) {
                head.headers.remove(name);
            }
        }
        if let Some(endpoint) = head.uri.path().strip_prefix(RESOURCE_METADATA)
            && self.decisions.probes_for_metadata()
        {
            let name = self.layout.server_in(endpoint).unwrap_or_default();
            self.probe_by_name(name, head.headers.get(AUTHORIZATION)).await;
        }
        let has_credentials = head.headers.contains_key(self.layout.key_header)
            || head.headers.contains_key(AUTHORIZATION);
        if let Some(metadata) = self.metadata(&head.uri, has_credentials).await {
            return metadata;
        }
        if self.decisions.keeps_no_sessions() {
            head.headers.remove(SESSION);
        }
        let request = ClientRequest::new(head.method, head.uri.path(), head.headers);
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return error(&request, StatusCode::PAYLOAD_TOO_LARGE, "413 Content Too Large");
        };
        self.route(request.with_body(body.to_bytes()), &head.uri).await
    }

    /// Finds the endpoint and admits the caller.
    async fn route(self: Arc<Self>, request: ClientRequest, uri: &Uri) -> Response<Body> {
        if let Some(rejection) = self.reject_unsafe(&request) {
            return rejection;
        }
        let selection = Selection::of(self.layout, &request.path, &request.headers);
        let name = match (self.layout.server_in(&request.path), &selection) {
            (Some(name), _) => self.decisions.server_name()(name).to_owned(),
            (None, Some(_)) => String::new(),
            (None, None) => return not_found(&request),
        };
        if !matches!(request.method, Method::POST | Method::GET | Method::DELETE) {
            return method_not_allowed("GET, POST, DELETE");
        }
        if selection.is_none()
            && let Some((status, message)) =
                self.decisions.response_before_admission()(self.deployment.server(&name))
        {
            return error(&request, status, message);
        }
        let caller = match self.admit(&name, &request.headers, uri) {
            Ok(caller) => caller,
            Err(refusal) => {
                if matches!(refusal, AdmissionError::InvalidKey)
                    && request.headers.contains_key(self.layout.key_header)
                    && self.decisions.probes_before_admission()
                {
                    self.probe_by_name(&name, request.headers.get(AUTHORIZATION)).await;
                }
                return self.not_admitted(&request, refusal);
            }
        };
        if request.method == Method::POST
            && !stateless::is_mirrored(&request)
            && self.decisions.checks_mirrored_fields()
        {
            return stateless::mismatch(&request);
        }
        if request.path.ends_with('/') && self.decisions.redirects_trailing_slash() {
            return redirect(request.path.trim_end_matches('/'));
        }
        match selection {
            Some(selection) => self.serve_aggregate(request, caller, &selection).await,
            None => self.serve_single(request, caller, &name).await,
        }
    }

    /// Serves the single-server endpoint of that name, if the caller may use the server.
    async fn serve_single(
        self: Arc<Self>,
        request: ClientRequest,
        caller: Caller,
        name: &str,
    ) -> Response<Body> {
        let configured = self
            .deployment
            .server(name)
            .filter(|server| !server.disabled || self.decisions.serves_disabled_server())
            .cloned()
            .or_else(|| self.decisions.unconfigured_server()(name));
        let exists = configured.is_some();
        let Some(server) = configured.filter(|server| caller.may_use(server)) else {
            if self.decisions.connects_before_access() {
                self.connect_to(name).await;
            }
            if let Some(probed) = self.decisions.probe_without_access()(name, exists) {
                self.probe_by_name(probed, caller.token.as_ref()).await;
            }
            return self.inaccessible(&request, exists);
        };
        if !self.may_use_session(&request, caller.key) {
            return error(&request, StatusCode::NOT_FOUND, "404 Not Found: no such session");
        }
        if self.lacks_session(&request) {
            return error(&request, StatusCode::BAD_REQUEST, "400 Bad Request: no session");
        }
        let ended = request
            .headers
            .get(SESSION)
            .filter(|_| request.method == Method::DELETE)
            .cloned();
        let id = request.id.clone();
        let commit = self.decisions.commit();
        let response = Arc::clone(&self).serve_server(request, server, caller);
        let response = match id {
            Some(id) => commit(&id, Box::pin(response)).await,
            None => response.await,
        };
        if let Some(ended) = ended
            && response.status().is_success()
        {
            self.unbind_session(&ended);
        }
        response
    }

    /// Opens a connection to a server and closes it. Only defects do this.
    async fn connect_to(&self, name: &str) {
        let server = self.deployment.server(name);
        let url = server.and_then(|server| Url::parse(&server.url).ok());
        if let Some(addresses) = url.and_then(|url| url.socket_addrs(|| None).ok()) {
            // The result does not matter: the server has been contacted.
            let _ = TcpStream::connect(addresses.as_slice()).await;
        }
    }

    /// Probes a token-forwarding server before it is known whether the caller may use it. Only
    /// defects do this.
    async fn probe_by_name(self: &Arc<Self>, name: &str, token: Option<&HeaderValue>) {
        let server = self.deployment.server(name).filter(|server| forwards_token(server));
        if let (Some(server), Some(token)) = (server, token) {
            self.probe(server, token).await;
        }
    }
}

fn redirect(target: &str) -> Response<Body> {
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(target) = HeaderValue::try_from(target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}
