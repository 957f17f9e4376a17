//! Sends a response, complete or with a fault. It does not know why.

use std::{io, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::interval,
};

use super::{
    connection::Connection,
    response::{Body, Response, reason_phrase},
};
use crate::cases::behaviour::Fault;

/// What happens to the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// It can carry the next request.
    KeepOpen,
    /// It is closed gracefully.
    Close,
    /// It is closed with a TCP reset.
    Reset,
}

/// How a response is sent.
#[derive(Clone, Copy, Default)]
pub(super) struct Delivery<'a> {
    pub(super) fault: Option<Fault>,
    /// Whether the request was HEAD, so the response has no body.
    pub(super) head_only: bool,
    /// Whether the connection is closed after the response.
    pub(super) closes: bool,
    /// Each event of a stream needs one of these permits; `None` if events need no permit.
    pub(super) released_events: Option<&'a Semaphore>,
}

/// The size of one chunk of an endless body.
const ENDLESS_CHUNK: usize = 16 << 10;
/// How many chunks of an endless body are sent fast: 4 MiB, which fill any buffer.
const ENDLESS_FAST: usize = 256;
/// The pause between fast chunks.
const ENDLESS_PAUSE: Duration = Duration::from_millis(2);
/// The pause between later chunks. It limits the memory of a gateway that reads the whole body.
const ENDLESS_LONG_PAUSE: Duration = Duration::from_millis(200);

/// Sends the response.
///
/// # Errors
///
/// The peer closed the connection first.
pub(super) async fn deliver(
    connection: &mut Connection,
    response: &Response,
    delivery: Delivery<'_>,
) -> io::Result<NextStep> {
    let Some(fault) = delivery.fault else {
        return deliver_completely(connection, response, delivery).await;
    };
    let head = head(response, delivery);
    let body = if delivery.head_only {
        Vec::new()
    } else {
        body_bytes(&response.body)
    };
    let half_head = &head[..head.len() / 2];
    let half_body = &body[..body.len() / 2];
    match fault {
        Fault::Never => stall_after(connection, b"").await,
        Fault::StallHead => stall_after(connection, half_head).await,
        Fault::StallBody => stall_after(connection, &[&head, half_body].concat()).await,
        Fault::HeldOpen => {
            stall_after(connection, &[head.as_slice(), &chunk(&body)].concat()).await
        }
        Fault::CloseBeforeHead => Ok(NextStep::Close),
        Fault::Garbage => {
            let garbage = b"\x00\x01\x02 this is not HTTP \xff\xfe\r\n\r\nnor is this\r\n";
            connection.write(garbage).await?;
            Ok(NextStep::Close)
        }
        Fault::Truncated => {
            connection.write(&[&head, half_body].concat()).await?;
            Ok(NextStep::Close)
        }
        Fault::BadChunk => {
            let invalid_chunk_size = b"not-a-size\r\n";
            let bytes = [head.as_slice(), &chunk(half_body), invalid_chunk_size].concat();
            connection.write(&bytes).await?;
            Ok(NextStep::Close)
        }
        Fault::EndlessBody => {
            connection.write(&head).await?;
            if !delivery.head_only {
                send_endlessly(connection, &body).await?;
            }
            Ok(NextStep::Close)
        }
        Fault::Http10 => {
            connection.write(&[head, body].concat()).await?;
            Ok(NextStep::Close)
        }
        Fault::ResetBeforeHead => Ok(NextStep::Reset),
        Fault::ResetAfterHead => {
            connection.write(&head).await?;
            Ok(NextStep::Reset)
        }
        Fault::ResetMidBody => {
            connection.write(&[&head, half_body].concat()).await?;
            Ok(NextStep::Reset)
        }
        Fault::EarlyHints => {
            let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </mcp>; rel=preload\r\n\r\n";
            connection.write(hints).await?;
            deliver_completely(connection, response, delivery).await
        }
        Fault::LowerCase | Fault::NoReason | Fault::Barrier | Fault::Progress => {
            deliver_completely(connection, response, delivery).await
        }
    }
}

/// Sends bytes and then nothing until the peer closes the connection.
async fn stall_after(connection: &mut Connection, bytes: &[u8]) -> io::Result<NextStep> {
    connection.write(bytes).await?;
    connection.peer_closed().await;
    Ok(NextStep::Close)
}

async fn deliver_completely(
    connection: &mut Connection,
    response: &Response,
    delivery: Delivery<'_>,
) -> io::Result<NextStep> {
    let head = head(response, delivery);
    match &response.body {
        Body::Events(events) if !delivery.head_only => {
            connection.write(&head).await?;
            for event in events {
                if !may_send_event(connection, delivery.released_events).await {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                connection.write(&chunk(event.as_bytes())).await?;
            }
            connection.write(b"0\r\n\r\n").await?;
        }
        Body::Sized(body) if !delivery.head_only => {
            connection.write(&[&head, body.as_slice()].concat()).await?;
        }
        Body::Absent | Body::Sized(_) | Body::Events(_) => connection.write(&head).await?,
    }
    Ok(if delivery.closes { NextStep::Close } else { NextStep::KeepOpen })
}

/// Waits for the permit of one event. Returns false if the peer closes the connection first.
async fn may_send_event(connection: &mut Connection, permits: Option<&Semaphore>) -> bool {
    let Some(permits) = permits else {
        return true;
    };
    tokio::select! {
        permit = permits.acquire() => permit.map(SemaphorePermit::forget).is_ok(),
        () = connection.peer_closed() => false,
    }
}

/// Repeats the text until the peer closes the connection, which is the only end: an error.
async fn send_endlessly(connection: &mut Connection, text: &[u8]) -> io::Result<()> {
    let piece = chunk(&text.repeat(ENDLESS_CHUNK.div_ceil(text.len().max(1))));
    let mut pause = interval(ENDLESS_PAUSE);
    for _ in 0..ENDLESS_FAST {
        pause.tick().await;
        connection.write(&piece).await?;
    }
    let mut pause = interval(ENDLESS_LONG_PAUSE);
    loop {
        pause.tick().await;
        connection.write(&piece).await?;
    }
}

/// The head of the response, with the framing that the fault requires.
fn head(response: &Response, delivery: Delivery<'_>) -> Vec<u8> {
    let version = if delivery.fault == Some(Fault::Http10) {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let reason = if delivery.fault == Some(Fault::NoReason) {
        ""
    } else {
        reason_phrase(response.status)
    };
    let mut fields: Vec<(&str, String)> = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    match (delivery.fault, &response.body) {
        (Some(Fault::Http10), _) | (_, Body::Absent) => {}
        (Some(Fault::BadChunk | Fault::EndlessBody | Fault::HeldOpen), _)
        | (_, Body::Events(_)) => fields.push(("Transfer-Encoding", "chunked".to_owned())),
        (_, Body::Sized(body)) => fields.push(("Content-Length", body.len().to_string())),
    }
    if delivery.closes {
        fields.push(("Connection", "close".to_owned()));
    }
    let mut head = format!("{version} {} {reason}\r\n", response.status);
    for (name, value) in fields {
        let name = if delivery.fault == Some(Fault::LowerCase) {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn body_bytes(body: &Body) -> Vec<u8> {
    match body {
        Body::Absent => Vec::new(),
        Body::Sized(bytes) => bytes.clone(),
        Body::Events(events) => events.concat().into_bytes(),
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
