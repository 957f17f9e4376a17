//! Reads one server's reply to a request out of its response, whether that is JSON or an event stream.
//!
//! Read are only replies that become part of a merged one; a call's own response is relayed.

use http::Response;
use http_body_util::BodyExt;
use serde_json::value::RawValue;

use super::{
    super::{Body, answer::Refusal},
    events::{TooLong, Unread, data_of},
};
use crate::core::{envelope::RawObject, outcome::Cause, relay::MediaType, status::Failure};

/// What a server replied.
pub(super) enum Reply {
    Result(Box<RawValue>),
    /// The JSON-RPC code of its error, if it could be read.
    Error(Option<i64>),
}

/// Reads the reply to the request with this id.
pub(super) async fn read(
    response: Response<Body>,
    id: Option<&RawValue>,
) -> Result<Reply, Refusal> {
    let is_json = MediaType::from_headers(response.headers()) == MediaType::Json;
    let mut body = response.into_body();
    let mut unread = Unread::default();
    while let Some(frame) = body.frame().await {
        let data = frame
            .map_err(|_| Failure::NoResponse(Cause::Broken))?
            .into_data()
            .unwrap_or_default();
        unread.push(&data).map_err(|TooLong| Failure::NotMcp)?;
        while !is_json && let Some(event) = unread.event() {
            if let Some(reply) = parse(&data_of(&event), id) {
                return Ok(reply);
            }
        }
    }
    // A last event may lack its empty line.
    let rest = if is_json { unread.rest() } else { data_of(&unread.rest()) };
    parse(&rest, id).ok_or_else(|| Failure::NotMcp.into())
}

/// The message, if it is the reply to this request: other messages on a stream are progress, and are nobody's here.
fn parse(text: &[u8], id: Option<&RawValue>) -> Option<Reply> {
    let mut members: RawObject = serde_json::from_slice(text).ok()?;
    if members.get("id").map(|own| own.get()) != id.map(RawValue::get) {
        return None;
    }
    if let Some(result) = members.shift_remove("result") {
        return Some(Reply::Result(result));
    }
    let error: RawObject = serde_json::from_str(members.get("error")?.get()).ok()?;
    Some(Reply::Error(error.get("code").and_then(|code| code.get().parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::{super::super::answer::whole, *};

    async fn reply(content_type: &str, body: &str) -> String {
        let response = Response::builder()
            .header("content-type", content_type)
            .body(whole(body.to_owned()))
            .unwrap();
        let id = RawValue::from_string("7".to_owned()).unwrap();
        match read(response, Some(&id)).await {
            Ok(Reply::Result(result)) => result.get().to_owned(),
            Ok(Reply::Error(code)) => format!("error {code:?}"),
            Err(refusal) => format!("{:?}", refusal.failure),
        }
    }

    #[tokio::test]
    async fn a_reply_is_found_in_json_and_among_events() {
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"a": 1}}"#;
        assert_eq!(reply("application/json; charset=utf-8", text).await, r#"{"a": 1}"#);
        for stream in [
            format!("event: message\ndata: {text}\n\n"),
            format!(
                ": hello\n\ndata: {{\"method\":\"notifications/progress\"}}\r\n\r\nid: 4\r\ndata:{text}\r\n\r\n"
            ),
            format!("data: {}\n\n", text.replace(',', ",\ndata: ")),
            format!("data: {text}"),
        ] {
            assert_eq!(reply("text/event-stream", &stream).await, r#"{"a": 1}"#, "{stream}");
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_none() {
        assert_eq!(
            reply("application/json", r#"{"id":7,"error":{"code":-32601,"message":"no"}}"#).await,
            "error Some(-32601)"
        );
        for (content_type, body) in [
            ("application/json", r#"{"id":8,"result":{}}"#),
            ("application/json", "{"),
            ("text/event-stream", "data: {\"id\":\"7\",\"result\":{}}\n\n"),
            ("text/event-stream", ""),
        ] {
            assert_eq!(reply(content_type, body).await, "NotMcp", "{body}");
        }
    }
}
