//! Holds the response head until the upstream's is known, and opens an event stream if that takes
//! too long.
//!
//! Until the commit deadline every refusal has its own status (STR-01 to STR-03). After it the
//! status can no longer change: a client that accepts event streams is sent a stream, and the
//! answer or refusal arrives in it as one event for the id of the request (STR-04, STR-06).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, header};
use http_body_util::{
    BodyExt,
    channel::{Channel, Sender},
};
use serde_json::value::RawValue;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::body::{Body, BoxError, guarded_body};
use crate::core::{outcome::Cause, refusal::Refusal, relay::MediaType, status::Failure};

/// The interval of the comments that show a waiting client that its request is still being
/// processed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Waits for the answer. If a stream may be opened early, `stream_id` is the id of the request, and
/// the wait ends at the deadline.
pub(super) async fn commit<A>(
    answer: A,
    deadline: Duration,
    stream_id: Option<Box<RawValue>>,
) -> Result<Response<Body>, Refusal>
where
    A: Future<Output = Result<Response<Body>, Refusal>> + Send + 'static,
{
    let mut answer = Box::pin(answer);
    let Some(id) = stream_id else { return answer.await };
    // With a deadline of zero a stream is opened at once, even if the answer is available.
    if !deadline.is_zero()
        && let Ok(known) = timeout(deadline, &mut answer).await
    {
        return known;
    }
    let (mut events, body) = Channel::<Bytes, BoxError>::new(8);
    let writing = async move {
        let mut heartbeat = interval(HEARTBEAT);
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                _ = heartbeat.tick() => {
                    let comment = Bytes::from_static(b": waiting for the server\n\n");
                    if events.send_data(comment).await.is_err() {
                        return;
                    }
                }
            }
        };
        write_answer(answer, &id, events).await;
    };
    let client_gone = CancellationToken::new();
    let body = guarded_body(body.boxed_unsync(), client_gone.clone().drop_guard());
    // If the client disconnects, `writing` is dropped at once, which closes the connection to the
    // upstream.
    tokio::spawn(async move { client_gone.run_until_cancelled(writing).await });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Writes the answer into the stream: the events of a stream unchanged, a JSON body as one event, a
/// refusal as an error for the id. Returns early if the client disconnects.
async fn write_answer(
    answer: Result<Response<Body>, Refusal>,
    id: &RawValue,
    mut events: Sender<Bytes, BoxError>,
) {
    let response = match answer {
        Ok(response) => response,
        Err(refusal) => {
            let _client_gone = events.send_data(error_event(&refusal, id)).await;
            return;
        }
    };
    let is_json = MediaType::from_headers(response.headers()) == MediaType::Json;
    let mut body = response.into_body();
    if is_json && events.send_data(Bytes::from_static(b"event: message\ndata: ")).await.is_err() {
        return;
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            if is_json {
                // Part of the message has been sent, so the stream can only break off.
                events.abort("the upstream's answer broke off".into());
            } else {
                // After the unfinished event an error can still be sent.
                let _client_gone = events.send_data(Bytes::from_static(b"\n\n")).await;
                let refusal = Failure::NoResponse(Cause::Broken).into();
                let _client_gone = events.send_data(error_event(&refusal, id)).await;
            }
            return;
        };
        let Ok(data) = frame.into_data() else { continue };
        let data = if is_json { event_data(&data) } else { data };
        if events.send_data(data).await.is_err() {
            return;
        }
    }
    if is_json {
        let _client_gone = events.send_data(Bytes::from_static(b"\n\n")).await;
    }
}

fn error_event(refusal: &Refusal, id: &RawValue) -> Bytes {
    Bytes::from(format!("event: message\ndata: {}\n\n", refusal.body(Some(id))))
}

/// JSON text as the data of an event: each line begins with the field name.
fn event_data(json: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(json.len());
    for byte in json {
        match byte {
            b'\n' => data.extend_from_slice(b"\ndata: "),
            b'\r' => {}
            byte => data.extend_from_slice(&[*byte]),
        }
    }
    data.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::status::JsonAnswer,
        gateway::{body::full_body, response::json_response},
    };

    const DEADLINE: Duration = Duration::from_secs(5);

    fn stream_id() -> Option<Box<RawValue>> {
        RawValue::from_string("7".into()).ok()
    }

    async fn after(
        delay: Duration,
        answer: Result<Response<Body>, Refusal>,
    ) -> Result<Response<Body>, Refusal> {
        tokio::time::sleep(delay).await;
        answer
    }

    async fn text(response: Response<Body>) -> String {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_before_the_deadline_keeps_its_status() {
        let answer = after(DEADLINE - Duration::from_millis(1), Err(Failure::Unauthorized.into()));
        let refusal = commit(answer, DEADLINE, stream_id()).await.unwrap_err();
        assert_eq!(refusal.failure, Failure::Unauthorized);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_after_the_deadline_is_one_error_for_the_id() {
        let answer = after(DEADLINE * 2, Err(Failure::Unauthorized.into()));
        let response = commit(answer, DEADLINE, stream_id()).await.unwrap();
        assert!(response.status().is_success());
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let text = text(response).await;
        let start = concat!(
            ": waiting for the server\n\n",
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":"
        );
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.contains("40103") && text.ends_with("}\n\n") && !text.contains("result"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_the_deadline_arrives_in_the_stream() {
        let json = json_response(JsonAnswer::content("{\n\"id\":7}".into()));
        let response = commit(after(DEADLINE * 2, Ok(json)), DEADLINE, stream_id()).await.unwrap();
        assert!(text(response).await.ends_with("event: message\ndata: {\ndata: \"id\":7}\n\n"));

        let events = Response::builder()
            .header("content-type", "text/event-stream")
            .body(full_body("data: {}\n\n"))
            .unwrap();
        let response =
            commit(after(DEADLINE * 2, Ok(events)), DEADLINE, stream_id()).await.unwrap();
        assert_eq!(text(response).await, ": waiting for the server\n\ndata: {}\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_is_held_if_no_stream_may_be_opened() {
        let answer = after(DEADLINE * 20, Err(Failure::Forbidden.into()));
        assert_eq!(commit(answer, DEADLINE, None).await.unwrap_err().failure, Failure::Forbidden);
    }

    #[tokio::test(start_paused = true)]
    async fn the_request_to_the_upstream_ends_as_soon_as_the_client_disconnects() {
        let (running, ended) = tokio::sync::oneshot::channel::<()>();
        let answer = async move {
            let _running = running;
            std::future::pending().await
        };
        let response = commit(answer, DEADLINE, stream_id()).await.unwrap();
        let disconnected = tokio::time::Instant::now();
        drop(response);
        assert!(ended.await.is_err());
        assert!(disconnected.elapsed() < Duration::from_millis(1));
    }
}
