//! Handles what precedes admission: connections, ambiguous message lengths and the origin of pages
//! (SEC-03, SEC-04, CHL-21).
//!
//! The HTTP library rejects most ambiguous messages; the gateway rejects the others here.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONNECTION, CONTENT_LENGTH,
        HeaderValue, ORIGIN, TRANSFER_ENCODING,
    },
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    client_request::{ClientFacts, ClientRequest},
    gateway::Gateway,
    relay::Body,
    rpc_response::error,
};

/// The size of a small piece, in bytes.
const SMALL_PIECE: usize = 3;

/// Serves one connection until it ends.
pub(super) async fn serve_connection(gateway: Arc<Gateway>, stream: TcpStream) {
    let decisions = gateway.decisions.clone();
    let connection = TokioIo::new(Connection {
        stream,
        received_bytes: decisions.received_bytes(),
        bytes_in_small_pieces: decisions.bytes_in_small_pieces(),
    });
    let service = service_fn(move |request| Arc::clone(&gateway).serve(request));
    // An error ends the connection; there is nothing else to report to the client.
    if decisions.speaks_http2() {
        let http = auto::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(connection, service).await;
    } else {
        let mut http = http1::Builder::new();
        http.ignore_invalid_headers(decisions.skips_invalid_field_lines())
            .title_case_headers(decisions.title_case_field_names())
            .keep_alive(decisions.keeps_connections());
        if let Some(limit) = decisions.head_limit() {
            http.max_buf_size(limit);
        }
        let _ = http.serve_connection(connection, service).await;
    }
}

impl Gateway {
    /// The rejection of a request with an ambiguous length or a foreign origin.
    pub(super) fn reject_unsafe(&self, request: &ClientRequest) -> Option<Response<Body>> {
        let headers = &request.headers;
        if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
            let message = "400 Bad Request: both Content-Length and Transfer-Encoding";
            return Some(error(request, StatusCode::BAD_REQUEST, message));
        }
        let origin = headers.get(ORIGIN)?;
        if self.is_own_page(origin) || self.decisions.allows_foreign_origin() {
            return None;
        }
        let message = "403 Forbidden: this origin may not use the gateway";
        Some(error(request, StatusCode::FORBIDDEN, message))
    }

    /// Whether a page of this origin may use the gateway and read its responses.
    fn is_own_page(&self, origin: &HeaderValue) -> bool {
        origin == self.base_url.as_str() || origin == self.deployment.page.as_str()
    }

    /// Adds the fields that depend on the origin and the framing of the request. A connection on
    /// which a chunked request arrived is closed (RFC 9112 §6.3).
    pub(super) fn complete_response(
        &self,
        client: &ClientFacts,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let headers = response.headers_mut();
        if let Some(origin) = client.origin.clone().filter(|origin| self.is_own_page(origin)) {
            let exposed = HeaderValue::from_static(self.decisions.exposed_fields());
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        if client.chunked {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A client's connection.
struct Connection {
    stream: TcpStream,
    received_bytes: fn(&mut [u8]),
    /// How many bytes are still written in small pieces.
    bytes_in_small_pieces: usize,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        (self.received_bytes)(&mut buffer.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let is_piece = self.bytes_in_small_pieces > 0;
        let length = if is_piece { SMALL_PIECE.min(bytes.len()) } else { bytes.len() };
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..length]))?;
        self.bytes_in_small_pieces = self.bytes_in_small_pieces.saturating_sub(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Reads the rest of the request before it closes: a reset could overtake the response.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let mut rest = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut rest);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
