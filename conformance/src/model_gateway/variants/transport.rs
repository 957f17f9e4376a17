//! Variants in how connections and messages are framed and timed.

use std::{
    future::ready,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, ready as poll_ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Version,
    header::{
        ACCEPT_ENCODING, ALT_SVC, CACHE_CONTROL, FORWARDED, HeaderName, HeaderValue, SERVER,
        SET_COOKIE, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, VARY, VIA,
    },
};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body as _, Frame},
    ext::ReasonPhrase,
};
use tokio::time::sleep;

use super::Variant;
use crate::{
    catalogue::{Feature, Profile},
    model_gateway::relay::{Body, BodyError},
};

/// How long a slow response is held back.
const DELAY: Duration = Duration::from_millis(150);

/// The size of the first chunks of a body, in bytes.
const CHUNK: usize = 5;

/// How many chunks of a body are small.
const SMALL_CHUNKS: usize = 64;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "title-case",
        description: "Field names are written in title case on both sides, for example \
            `Www-Authenticate`.",
        permitted_by: &["RFC 9110 §5.1: field names are case-insensitive"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.title_case_field_names.change(true),
    },
    Variant {
        name: "other-reasons",
        description: "Status lines have no reason phrase, or an unusual one.",
        permitted_by: &["RFC 9112 §4: a client SHOULD ignore the reason phrase"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|mut response, _| {
                let reason: &'static [u8] = match response.status() {
                    StatusCode::UNAUTHORIZED => b"",
                    StatusCode::FORBIDDEN => b"401 Unauthorized",
                    status if status.is_success() => b"Found",
                    _ => b"oh no",
                };
                response.extensions_mut().insert(ReasonPhrase::from_static(reason));
                Box::pin(ready(response))
            });
        },
    },
    Variant {
        name: "more-fields",
        description: "Responses have the fields that proxies add, a cookie and further cache \
            directives; requests to upstreams describe the gateway.",
        permitted_by: &[
            "RFC 9110 §5.1: other fields are ignored",
            "RFC 9111 §5.2: directives are case-insensitive",
            "RFC 6265 §4.1",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions
                .final_response
                .change(|response, _| Box::pin(ready(with_more_fields(response))));
            decisions.upstream_request.change(|mut request| {
                for (name, value) in UPSTREAM_FIELDS {
                    request.headers_mut().append(name, HeaderValue::from_static(value));
                }
                request
            });
        },
    },
    Variant {
        name: "repairs-field-lines",
        description: "A folded line, a bare CR and a NUL in a field become spaces.",
        permitted_by: &[
            "RFC 9112 §2.2: a bare CR may be replaced with SP",
            "RFC 9112 §5.2: a folded line may be replaced with SP",
            "RFC 9110 §5.5: so may a NUL",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.received_bytes.change(repair_field_lines),
    },
    Variant {
        name: "accepts-large-heads",
        description: "A request head may have four mebibytes.",
        permitted_by: &["RFC 9110 §5.4: the limit is the server's choice"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.head_limit.change(Some(4 << 20)),
    },
    Variant {
        name: "removes-named-fields",
        description: "Every field that `Connection` names is removed, also `Authorization`.",
        permitted_by: &["RFC 9110 §7.6.1: an intermediary MUST remove them"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.removes_named_fields.change(true),
    },
    Variant {
        name: "reports-times",
        description: "Every response says how long it took, in a header field.",
        permitted_by: &["RFC 9110 §5.1: other fields are ignored", "AGG-07: a time is no input"],
        profiles: &[Profile::Seed, Profile::Mcp],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|mut response, _| {
                // No two responses have the same time.
                let time = HeaderValue::from(TIMES.fetch_add(1, Ordering::Relaxed));
                let name = HeaderName::from_static("x-response-time-ms");
                response.headers_mut().insert(name, time);
                Box::pin(ready(response))
            });
        },
    },
    Variant {
        name: "small-pieces",
        description: "The start of each connection is written a few bytes at a time.",
        permitted_by: &["RFC 9112 §2.2: a message is a sequence of octets"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.bytes_in_small_pieces.change(1024),
    },
    Variant {
        name: "chunks-everything",
        description: "Every body is chunked in pieces of five bytes, including refusals and \
            requests to upstreams.",
        permitted_by: &["RFC 9112 §7.1"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions
                .final_response
                .change(|response, _| Box::pin(ready(response.map(Chunked::boxed))));
            decisions.upstream_request.change(chunked_request);
        },
    },
    Variant {
        name: "bodies-end-by-closing",
        description: "A refusal is an HTTP/1.0 response: its body ends with the connection.",
        permitted_by: &[
            "RFC 9112 §6.3, item 8",
            "RFC 9110 §2.5: a server may answer with an earlier version",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions
                .final_response
                .change(|response, _| Box::pin(ready(without_length(response))));
        },
    },
    Variant {
        name: "closes-connections",
        description: "Every response is the last one on its connection.",
        permitted_by: &["RFC 9112 §9.6"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.keeps_connections.change(false),
    },
    Variant {
        name: "takes-its-time",
        description: "Every response is sent 150 ms late.",
        permitted_by: &["PRB-02", "STR-02: within a second"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|response, _| {
                Box::pin(async move {
                    sleep(DELAY).await;
                    response
                })
            });
        },
    },
    Variant {
        name: "speaks-http2",
        description: "A client that begins with HTTP/2 is answered with HTTP/2 on the same port.",
        permitted_by: &["RFC 9113 §3.3", "MCP 2025-11-25, Streamable HTTP: HTTP of any version"],
        profiles: &[Profile::Seed],
        has: &[Feature::Http2],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.speaks_http2.change(true),
    },
];

/// The time that the next response reports, in milliseconds.
static TIMES: AtomicU64 = AtomicU64::new(1);

/// Replaces the bytes of a request head that RFC 9112 and RFC 9110 let a recipient replace with
/// spaces.
fn repair_field_lines(received: &mut [u8]) {
    if !received.starts_with(b"POST ") {
        return;
    }
    let end = received.windows(4).position(|window| window == b"\r\n\r\n");
    let head = &mut received[..end.unwrap_or_default()];
    for at in 0..head.len() {
        let (next, after) = (head.get(at + 1).copied(), head.get(at + 2).copied());
        match head[at] {
            b'\r' if next == Some(b'\n') && matches!(after, Some(b' ' | b'\t')) => {
                head[at..at + 2].fill(b' ');
            }
            b'\r' if next.is_some_and(|next| next != b'\n') => head[at] = b' ',
            0 => head[at] = b' ',
            _ => {}
        }
    }
}

/// What proxies and load balancers add to responses.
const RESPONSE_FIELDS: [(HeaderName, &str); 8] = [
    (SERVER, "gateway/7.1 (loopback)"),
    (VIA, "1.1 edge"),
    (ALT_SVC, "h3=\":443\"; ma=60"),
    (VARY, "authorization, origin"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("x-request-id"), "9f1c"),
    (HeaderName::from_static("x-powered-by"), "example"),
    (SET_COOKIE, "affinity=b2; Path=/; HttpOnly; SameSite=Lax"),
];

/// What a gateway tells its upstreams about itself and its client.
const UPSTREAM_FIELDS: [(HeaderName, &str); 6] = [
    (VIA, "1.1 gateway"),
    (FORWARDED, "for=192.0.2.7;proto=http"),
    (HeaderName::from_static("x-forwarded-for"), "192.0.2.7"),
    (HeaderName::from_static("x-request-id"), "9f1c"),
    (
        HeaderName::from_static("traceparent"),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    (ACCEPT_ENCODING, "identity"),
];

fn with_more_fields(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in RESPONSE_FIELDS {
        headers.append(name, HeaderValue::from_static(value));
    }
    if headers.contains_key(CACHE_CONTROL) {
        let directives = HeaderValue::from_static("private,max-age=0 , No-Store");
        headers.insert(CACHE_CONTROL, directives);
    }
    response
}

fn chunked_request(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    if request.body().size_hint().lower() > 0 {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(TRANSFER_ENCODING, chunked);
    }
    request
}

/// Ends the body with the connection, unless it is relayed: then a client could not tell its end
/// from a break (RFC 9112 §8).
fn without_length(mut response: Response<Body>) -> Response<Body> {
    let has_length = response.body().size_hint().exact().is_some();
    if !has_length || response.status().is_success() {
        return response;
    }
    *response.version_mut() = Version::HTTP_10;
    response.map(Chunked::boxed)
}

/// A body of unknown length whose first chunks are small.
struct Chunked {
    inner: Body,
    rest: Bytes,
    small_chunks: usize,
}

impl Chunked {
    fn boxed(inner: Body) -> Body {
        Self { inner, rest: Bytes::new(), small_chunks: SMALL_CHUNKS }.boxed_unsync()
    }
}

impl hyper::body::Body for Chunked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            match poll_ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
                end => return Poll::Ready(end),
            }
        }
        let is_small = this.small_chunks > 0;
        let length = if is_small { CHUNK.min(this.rest.len()) } else { this.rest.len() };
        this.small_chunks = this.small_chunks.saturating_sub(1);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }
}
