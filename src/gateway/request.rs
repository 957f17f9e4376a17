//! Handles one request: checks its framing and the web page that sends it, and then serves its
//! path.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, Version, header::CONNECTION, request::Parts};
use hyper::body::Incoming;

use super::{
    audit::AuditRecord,
    body::Body,
    connection::FramingState,
    http2_response::write_before_reset,
    mcp_request, metadata,
    plan::check_page_access,
    response::{cors_preflight_response, text_response},
    state::Gateway,
};
use crate::core::{
    fields,
    route::Route,
    status::{Failure, TextAnswer},
};

/// Answers a request. What is wrong with its framing or with the web page that sends it comes
/// before everything else (STA-19).
pub(super) async fn handle(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    framing: &FramingState,
) -> Response<Body> {
    let version = request.version();
    let mut response = respond(gateway, request, framing.is_ambiguous()).await;
    if version == Version::HTTP_2 {
        return response.map(write_before_reset);
    }
    if framing.is_within_body() {
        // A proxy could otherwise send another request on a connection that is about to close.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn respond(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    is_framing_ambiguous: bool,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if is_framing_ambiguous {
        return refuse(gateway, &parts.method, Failure::AmbiguousFraming);
    }
    if !fields::is_host_valid(parts.version, &parts.headers) {
        return refuse(gateway, &parts.method, Failure::InvalidHost);
    }
    let route = Route::parse(parts.uri.path());
    let access = match check_page_access(&gateway.config, &gateway.origins, &route, &parts.headers)
    {
        Ok(access) => access,
        Err(failure) => return refuse(gateway, &parts.method, failure),
    };
    let key_header = &gateway.config.keyring.header;
    let mut response = match access.cors_preflight(&parts.method, &parts.headers, key_header) {
        Some(headers) => cors_preflight_response(headers),
        None => serve_path(gateway, parts, body).await,
    };
    access.add_response_fields(response.headers_mut());
    response
}

async fn serve_path(gateway: Arc<Gateway>, parts: Parts, body: Incoming) -> Response<Body> {
    match Route::parse(parts.uri.path()) {
        Route::Mcp(endpoint) => {
            mcp_request::serve(gateway, endpoint, parts.method, parts.headers, body).await
        }
        Route::ProtectedResourceMetadata(endpoint) => {
            let document = metadata::protected_resource(&gateway, endpoint, parts.uri.query());
            record_document(&gateway, &parts.method, document).await
        }
        Route::AuthorizationServerMetadata(endpoint) => {
            let document = metadata::authorization_server(&gateway, &endpoint);
            record_document(&gateway, &parts.method, document).await
        }
        Route::Liveness => text_response(TextAnswer::Alive),
        Route::Readiness if gateway.stopping.is_cancelled() => text_response(TextAnswer::Stopping),
        Route::Readiness => text_response(TextAnswer::Ready),
        Route::Unknown => refuse(gateway, &parts.method, Failure::UnknownPath),
    }
}

/// Records a request for a discovery document.
async fn record_document(
    gateway: &Arc<Gateway>,
    method: &Method,
    document: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    let record = AuditRecord::start(Arc::clone(gateway), method);
    record.finish(Ok(document.await), None)
}

/// Refuses a request whose body has not been read.
fn refuse(gateway: Arc<Gateway>, method: &Method, failure: Failure) -> Response<Body> {
    AuditRecord::start(gateway, method).finish(Err(failure.into()), None)
}
