//! A client's connection: follows the bytes that arrive, and closes so that the last response is
//! delivered.
//!
//! What the bytes mean is decided in the core.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::core::framing::Framing;

/// How long the gateway reads on while it closes a connection whose request was refused before its
/// end.
const LINGER: Duration = Duration::from_secs(2);

/// How long a client may accept no byte of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the bytes that have arrived so far say about the current request. It is updated before
/// `hyper` parses the request.
#[derive(Default)]
pub(super) struct FramingState {
    is_ambiguous: AtomicBool,
    is_within_body: AtomicBool,
}

impl FramingState {
    /// Whether the request can be read in more than one way.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous.load(Ordering::Relaxed)
    }

    /// Whether a part of the body has not arrived. `hyper` closes the connection if the response
    /// ends before.
    pub(super) fn is_within_body(&self) -> bool {
        self.is_within_body.load(Ordering::Relaxed)
    }

    fn update(&self, framing: &Framing) {
        self.is_ambiguous.store(framing.is_ambiguous(), Ordering::Relaxed);
        self.is_within_body.store(framing.is_within_body(), Ordering::Relaxed);
    }
}

pub(super) struct ClientConnection {
    stream: TcpStream,
    /// Runs while the client accepts no bytes.
    stalled: Option<Pin<Box<Sleep>>>,
    framing: Framing,
    /// Shared with the request handler.
    framing_state: Arc<FramingState>,
    /// Runs while the connection closes.
    linger: Option<Pin<Box<Sleep>>>,
}

impl ClientConnection {
    pub(super) fn new(stream: TcpStream, framing_state: Arc<FramingState>) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            framing_state,
            linger: None,
            stalled: None,
        }
    }

    /// The result of writing, or an error if the client has accepted no byte for too long.
    fn limit_stall(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.framing.read(&buffer.filled()[before..]);
        self.framing_state.update(&self.framing);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit_stall(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.limit_stall(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Closes the sending side, then reads and discards what the client still sends. A socket that
    /// is dropped with unread bytes is reset, and the reset can overtake the response that explains
    /// the refusal (SEC-05).
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        if this.framing.is_between_requests() {
            return Poll::Ready(Ok(()));
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while linger.as_mut().poll(context).is_pending() {
            let mut discarded = [0; 4096];
            let mut buffer = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
