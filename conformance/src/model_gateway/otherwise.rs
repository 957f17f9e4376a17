//! Writes an answer, or what is asked of an upstream, otherwise than the model does, and as rightly: what the variants do to messages that
//! are decided already.
//!
//! Changes no status and no meaning; what a body says is reworded elsewhere.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALT_SVC, CACHE_CONTROL, FORWARDED, HeaderMap, HeaderName, HeaderValue, SERVER,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, VARY, VIA, WWW_AUTHENTICATE,
};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Frame};
use hyper::ext::ReasonPhrase;
use tokio::time::sleep;

use super::challenge::respelled;
use super::edge::Edge;
use super::fault::Switch;
use super::gateway::Gateway;
use super::relay::{Body, Broken};

/// How long an answer is kept back by a gateway that is slow and in time.
const A_WHILE: Duration = Duration::from_millis(150);

/// How long the chunks of small bodies are, until they would be too many.
const SMALL: usize = 5;

impl Gateway {
    /// The answer as this variant writes it.
    pub(super) async fn otherwise(&self, edge: &Edge, answer: Response<Body>) -> Response<Body> {
        let mut answer = self.reworded(edge, answer).await;
        match self.switch {
            Some(Switch::TakesItsTime) => sleep(A_WHILE).await,
            Some(Switch::OtherReasons) => {
                let reason: &'static [u8] = match answer.status() {
                    StatusCode::UNAUTHORIZED => b"",
                    StatusCode::FORBIDDEN => b"401 Unauthorized",
                    status if status.is_success() => b"Found",
                    _ => b"oh no",
                };
                answer.extensions_mut().insert(ReasonPhrase::from_static(reason));
            }
            Some(Switch::MoreFields) => {
                for (name, value) in MORE_FIELDS {
                    answer.headers_mut().append(name, HeaderValue::from_static(value));
                }
                if answer.headers().contains_key(CACHE_CONTROL) {
                    answer.headers_mut().insert(
                        CACHE_CONTROL,
                        HeaderValue::from_static("private,max-age=0 , No-Store"),
                    );
                }
            }
            Some(Switch::ChallengeOtherwise) => {
                let lines: Vec<HeaderValue> = answer
                    .headers()
                    .get_all(WWW_AUTHENTICATE)
                    .iter()
                    .filter_map(respelled)
                    .collect();
                answer.headers_mut().remove(WWW_AUTHENTICATE);
                answer
                    .headers_mut()
                    .extend(lines.into_iter().map(|line| (WWW_AUTHENTICATE, line)));
            }
            Some(Switch::SeveralChallenges) if answer.status() == StatusCode::UNAUTHORIZED => {
                among_others(answer.headers_mut())
            }
            Some(Switch::ChunksEverything) => return answer.map(Unmeasured::body),
            // Of what is relayed the end could not be told from a break (RFC 9112 §8).
            Some(Switch::BodiesEndByClosing)
                if answer.body().size_hint().exact().is_some() && !answer.status().is_success() =>
            {
                *answer.version_mut() = Version::HTTP_10;
                return answer.map(Unmeasured::body);
            }
            _ => {}
        }
        answer
    }
}

impl Gateway {
    /// The request to an upstream as this variant writes it.
    pub(super) fn ask_otherwise(&self, request: &mut Request<Full<Bytes>>) {
        let has_body = request.body().size_hint().lower() > 0;
        match self.switch {
            Some(Switch::ChunksEverything) if has_body => {
                request
                    .headers_mut()
                    .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Some(Switch::MoreFields) => {
                for (name, value) in MORE_FIELDS_UPSTREAM {
                    request.headers_mut().append(name, HeaderValue::from_static(value));
                }
            }
            _ => {}
        }
    }
}

/// Puts the challenge behind others: in one line with them where an upstream has refused, in a line of its own otherwise.
fn among_others(headers: &mut HeaderMap) {
    let Some(line) = headers.remove(WWW_AUTHENTICATE) else { return };
    let joined = [b"GatewayKey realm=\"keys, and more\", Negotiate, ", line.as_bytes()].concat();
    let lines = if line.as_bytes().contains(&b':') {
        vec![HeaderValue::try_from(joined).ok()]
    } else {
        vec![
            Some(HeaderValue::from_static("GatewayKey realm=\"keys, and more\"")),
            Some(HeaderValue::from_static("Negotiate")),
            Some(line),
        ]
    };
    headers.extend(lines.into_iter().flatten().map(|line| (WWW_AUTHENTICATE, line)));
}

/// What proxies, load balancers and careful operators add.
const MORE_FIELDS: [(HeaderName, &str); 8] = [
    (SERVER, "gateway/7.1 (loopback)"),
    (VIA, "1.1 edge"),
    (ALT_SVC, "h3=\":443\"; ma=60"),
    (VARY, "authorization, origin"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("x-request-id"), "9f1c"),
    (HeaderName::from_static("x-powered-by"), "patience"),
    (SET_COOKIE, "affinity=b2; Path=/; HttpOnly; SameSite=Lax"),
];

/// What a gateway tells its upstreams of itself and of the connection that it answers.
const MORE_FIELDS_UPSTREAM: [(HeaderName, &str); 6] = [
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

/// A body whose length nobody knows beforehand, in pieces that are small at its beginning.
struct Unmeasured {
    inner: Body,
    rest: Bytes,
    /// How many small pieces there will still be.
    small: usize,
}

impl Unmeasured {
    fn body(inner: Body) -> Body {
        Self { inner, rest: Bytes::new(), small: 64 }.boxed_unsync()
    }
}

impl hyper::body::Body for Unmeasured {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
                end => return Poll::Ready(end),
            }
        }
        let length = if this.small > 0 {
            SMALL.min(this.rest.len())
        } else {
            this.rest.len()
        };
        this.small = this.small.saturating_sub(1);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }
}
