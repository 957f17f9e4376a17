//! Puts an answer on the wire, plainly or with a fault, byte by byte. Does not know why it is asked to.

use std::{io, time::Duration};

use tokio::{sync::Semaphore, time::interval};

use super::{
    answer::{Answer, Body, reason},
    connection::Wire,
};
use crate::cases::behaviour::Fault;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next request may come.
    KeepOpen,
    /// It ends in order.
    Close,
    /// It ends with a TCP reset.
    Reset,
}

/// How an answer is delivered.
#[derive(Clone, Copy, Default)]
pub(super) struct Manner<'a> {
    pub(super) fault: Option<Fault>,
    /// The answer is to HEAD, and has no body.
    pub(super) head_only: bool,
    /// This is the connection's last answer.
    pub(super) last: bool,
    /// Each event of a stream waits for a permit.
    pub(super) pace: Option<&'a Semaphore>,
}

/// How much of an endless body is sent at once, and how often: the first 4 MiB fast enough to fill any buffer, the rest slow enough for
/// the memory of a gateway that reads it all.
const ENDLESS_CHUNK: usize = 16 << 10;
const ENDLESS_FAST: usize = 256;
const ENDLESS_PAUSE: Duration = Duration::from_millis(2);
const ENDLESS_LONG_PAUSE: Duration = Duration::from_millis(200);

/// Delivers the answer. An error means that the peer went away first.
pub(super) async fn deliver(
    wire: &mut Wire,
    answer: &Answer,
    manner: Manner<'_>,
) -> io::Result<After> {
    let body = if manner.head_only { Vec::new() } else { flat(&answer.body) };
    let half = &body[..body.len() / 2];
    match manner.fault {
        Some(Fault::Never) => {
            wire.gone().await;
            Ok(After::Close)
        }
        Some(Fault::CloseBeforeHead) => Ok(After::Close),
        Some(Fault::ResetBeforeHead) => Ok(After::Reset),
        Some(Fault::Garbage) => {
            wire.write(b"\x00\x01\x02 this is not HTTP \xff\xfe\r\n\r\nnor is this\r\n")
                .await?;
            Ok(After::Close)
        }
        Some(Fault::StallHead) => {
            let head = head(answer, manner);
            wire.write(&head[..head.len() / 2]).await?;
            wire.gone().await;
            Ok(After::Close)
        }
        Some(Fault::StallBody) => {
            wire.write(&[&head(answer, manner), half].concat()).await?;
            wire.gone().await;
            Ok(After::Close)
        }
        Some(Fault::HeldOpen) => {
            wire.write(&[head(answer, manner), chunk(&body)].concat()).await?;
            wire.gone().await;
            Ok(After::Close)
        }
        Some(Fault::ResetAfterHead) => {
            wire.write(&head(answer, manner)).await?;
            Ok(After::Reset)
        }
        Some(Fault::ResetMidBody) => {
            wire.write(&[&head(answer, manner), half].concat()).await?;
            Ok(After::Reset)
        }
        Some(Fault::Truncated) => {
            wire.write(&[&head(answer, manner), half].concat()).await?;
            Ok(After::Close)
        }
        Some(Fault::BadChunk) => {
            wire.write(
                &[&head(answer, manner), chunk(half).as_slice(), b"not-a-size\r\n"].concat(),
            )
            .await?;
            Ok(After::Close)
        }
        Some(Fault::EndlessBody) => {
            wire.write(&head(answer, manner)).await?;
            if !manner.head_only {
                endless(wire, &body).await?;
            }
            Ok(After::Close)
        }
        Some(Fault::Http10) => {
            wire.write(&[head(answer, manner), body].concat()).await?;
            Ok(After::Close)
        }
        Some(Fault::EarlyHints) => {
            wire.write(b"HTTP/1.1 103 Early Hints\r\nLink: </mcp>; rel=preload\r\n\r\n")
                .await?;
            plainly(wire, answer, manner).await
        }
        Some(Fault::LowerCase | Fault::NoReason | Fault::Barrier | Fault::Progress) | None => {
            plainly(wire, answer, manner).await
        }
    }
}

async fn plainly(wire: &mut Wire, answer: &Answer, manner: Manner<'_>) -> io::Result<After> {
    let head = head(answer, manner);
    match &answer.body {
        Body::Events(events) if !manner.head_only => {
            wire.write(&head).await?;
            for event in events {
                if !let_go(wire, manner.pace).await {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                wire.write(&chunk(event.as_bytes())).await?;
            }
            wire.write(b"0\r\n\r\n").await?;
        }
        Body::Sized(body) if !manner.head_only => {
            wire.write(&[&head, body.as_slice()].concat()).await?
        }
        Body::Absent | Body::Sized(_) | Body::Events(_) => wire.write(&head).await?,
    }
    Ok(if manner.last { After::Close } else { After::KeepOpen })
}

/// Waits for the permit for one event. False when the peer goes away first.
async fn let_go(wire: &mut Wire, pace: Option<&Semaphore>) -> bool {
    let Some(pace) = pace else { return true };
    tokio::select! {
        permit = pace.acquire() => permit.map(tokio::sync::SemaphorePermit::forget).is_ok(),
        () = wire.gone() => false,
    }
}

/// Sends the text again and again. Ends only by the error that says that the peer has gone.
async fn endless(wire: &mut Wire, text: &[u8]) -> io::Result<()> {
    let piece = chunk(&text.repeat(ENDLESS_CHUNK.div_ceil(text.len().max(1))));
    let mut pause = interval(ENDLESS_PAUSE);
    for _ in 0..ENDLESS_FAST {
        pause.tick().await;
        wire.write(&piece).await?;
    }
    let mut pause = interval(ENDLESS_LONG_PAUSE);
    loop {
        pause.tick().await;
        wire.write(&piece).await?;
    }
}

fn head(answer: &Answer, manner: Manner<'_>) -> Vec<u8> {
    let version = if manner.fault == Some(Fault::Http10) {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let reason = if manner.fault == Some(Fault::NoReason) {
        ""
    } else {
        reason(answer.status)
    };
    let mut head = format!("{version} {} {reason}\r\n", answer.status);
    let framing = match (manner.fault, &answer.body) {
        (Some(Fault::Http10), _) | (_, Body::Absent) => None,
        (Some(Fault::BadChunk | Fault::EndlessBody | Fault::HeldOpen), _)
        | (_, Body::Events(_)) => Some(("Transfer-Encoding", "chunked".to_owned())),
        (_, Body::Sized(body)) => Some(("Content-Length", body.len().to_string())),
    };
    let connection = manner.last.then(|| ("Connection", "close".to_owned()));
    let own = answer.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in own.chain(framing).chain(connection) {
        let name = if manner.fault == Some(Fault::LowerCase) {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn flat(body: &Body) -> Vec<u8> {
    match body {
        Body::Absent => Vec::new(),
        Body::Sized(bytes) => bytes.clone(),
        Body::Events(events) => events.concat().into_bytes(),
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
