//! Handles one request: checks its framing and the web page that sends it, and then serves its
//! path.

use std::sync::Arc;

use http::{Method, Request, Response, Version, request::Parts};
use hyper::body::Incoming;

use super::{
    audit::AuditRecord,
    body::Body,
    http2_response::write_before_reset,
    mcp_request, metadata,
    plan::check_page_access,
    response::{cors_preflight_response, refusal_response, text_response},
    state::Gateway,
};
use crate::core::{
    route::Route,
    status::{Failure, TextAnswer},
};

/// Answers a request. What is wrong with its framing or with the web page that sends it comes
/// before everything else (STA-19).
pub(super) async fn handle(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    is_framing_ambiguous: bool,
) -> Response<Body> {
    let version = request.version();
    let response = respond(gateway, request, is_framing_ambiguous).await;
    if version == Version::HTTP_2 {
        response.map(write_before_reset)
    } else {
        response
    }
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
            metadata::protected_resource(&gateway, endpoint, parts.uri.query()).await
        }
        Route::AuthorizationServerMetadata(endpoint) => {
            metadata::authorization_server(&gateway, &endpoint).await
        }
        Route::Liveness => text_response(TextAnswer::Alive),
        Route::Readiness if gateway.stopping.is_cancelled() => text_response(TextAnswer::Stopping),
        Route::Readiness => text_response(TextAnswer::Ready),
        Route::Unknown => refusal_response(&Failure::UnknownPath.into(), None),
    }
}

/// Refuses a request whose body has not been read.
fn refuse(gateway: Arc<Gateway>, method: &Method, failure: Failure) -> Response<Body> {
    AuditRecord::start(gateway, method).finish(Err(failure.into()), None)
}
