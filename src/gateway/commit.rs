//! Holds the response head until the upstream's is known, and opens a stream in its place when that takes too long.
//!
//! Until the commit deadline every refusal reaches the client as its own status (STR-01 to STR-03). After it a client that takes event
//! streams is told that its request is alive, and whatever comes then is one event for its id (STR-04, STR-06): the status can not
//! change any more.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, channel};
use serde_json::value::RawValue;
use tokio::time::{interval, timeout};

use super::{Body, BoxError, answer::Refusal};
use crate::core::{outcome::Cause, relay::MediaType, status::Failure};

/// How often a waiting client hears that its request is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Awaits the upstream's answer; that to a request that may be answered in a stream, whose id is given, no longer than the deadline.
pub(super) async fn commit<A>(
    answer: A,
    deadline: Duration,
    streamable: Option<Box<RawValue>>,
) -> Result<Response<Body>, Refusal>
where
    A: Future<Output = Result<Response<Body>, Refusal>> + Send + 'static,
{
    let mut answer = Box::pin(answer);
    let Some(id) = streamable else { return answer.await };
    // Zero is no deadline that an answer could meet, however busy the machine is.
    if !deadline.is_zero()
        && let Ok(known) = timeout(deadline, &mut answer).await
    {
        return known;
    }
    let (mut events, body) = channel::Channel::<Bytes, BoxError>::new(8);
    tokio::spawn(async move {
        let mut heartbeat = interval(HEARTBEAT);
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                // The client has gone when nothing more can be sent; dropping `answer` then closes the upstream's connection.
                _ = heartbeat.tick() => if events.send_data(Bytes::from_static(b": waiting for the server\n\n")).await.is_err() { return },
            }
        };
        write(answer, &id, events).await;
    });
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Writes the answer into the stream: events as they are, a JSON body as one event, a refusal as an error for the id. It stops when
/// the client has gone, because then nobody is left to read the rest.
async fn write(
    answer: Result<Response<Body>, Refusal>,
    id: &RawValue,
    mut events: channel::Sender<Bytes, BoxError>,
) {
    let error = |refusal: Refusal| {
        Bytes::from(format!(
            "event: message\ndata: {}\n\n",
            refusal.failure.body(refusal.named(), Some(id))
        ))
    };
    let response = match answer {
        Ok(response) => response,
        Err(refusal) => {
            let _client_gone = events.send_data(error(refusal)).await;
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
            // Half a message cannot be taken back, but a stream of whole events can say that no more will come.
            if is_json {
                events.abort("the upstream's answer broke off".into());
            } else {
                let _client_gone = events.send_data(Bytes::from_static(b"\n\n")).await;
                let _client_gone =
                    events.send_data(error(Failure::NoResponse(Cause::Broken).into())).await;
            }
            return;
        };
        let Ok(data) = frame.into_data() else { continue };
        if events.send_data(if is_json { continued(&data) } else { data }).await.is_err() {
            return;
        }
    }
    if is_json {
        let _client_gone = events.send_data(Bytes::from_static(b"\n\n")).await;
    }
}

/// JSON text as the continuation of an event's data: each line of it needs the field's name again.
fn continued(json: &[u8]) -> Bytes {
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
    use crate::gateway::answer::{document, whole};
    use http::StatusCode;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn request() -> Option<Box<RawValue>> {
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
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec())
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_before_the_deadline_keeps_its_status() {
        let answer = after(DEADLINE - Duration::from_millis(1), Err(Failure::Unauthorized.into()));
        let refusal = commit(answer, DEADLINE, request()).await.unwrap_err();
        assert_eq!(refusal.failure, Failure::Unauthorized);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_after_the_deadline_is_one_error_for_the_id() {
        let answer = after(DEADLINE * 2, Err(Failure::Unauthorized.into()));
        let response = commit(answer, DEADLINE, request()).await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["x-accel-buffering"]),
            (StatusCode::OK, &HeaderValue::from_static("no"))
        );
        let text = text(response).await;
        assert!(text.starts_with(": waiting for the server\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":"), "{text}");
        assert!(
            text.contains("40103") && text.ends_with("}\n\n") && !text.contains("result"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_arrives_in_the_stream() {
        let json = document(StatusCode::OK, "{\n\"id\":7}".into());
        let response = commit(after(DEADLINE * 2, Ok(json)), DEADLINE, request()).await.unwrap();
        assert!(text(response).await.ends_with("event: message\ndata: {\ndata: \"id\":7}\n\n"));

        let events = Response::builder()
            .header("content-type", "text/event-stream")
            .body(whole("data: {}\n\n".into()))
            .unwrap();
        let response = commit(after(DEADLINE * 2, Ok(events)), DEADLINE, request()).await.unwrap();
        assert_eq!(text(response).await, ": waiting for the server\n\ndata: {}\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_stream_to_open_the_head_is_held() {
        let answer = after(DEADLINE * 20, Err(Failure::Forbidden.into()));
        assert_eq!(commit(answer, DEADLINE, None).await.unwrap_err().failure, Failure::Forbidden);
    }
}
