//! One accepted connection: bytes in, bytes out, and the ways in which it can end. Knows nothing of HTTP.

use std::{future::pending, io};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A connection that can be ended by a TCP reset.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// The TCP connection underneath.
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// How much a peer may send ahead while an answer waits.
const AHEAD: usize = 1 << 20;

/// A connection and what has been read from it but not yet used.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    pub(super) buffer: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: BytesMut::with_capacity(8 << 10),
        }
    }

    /// Reads some more. False at the end of what the peer sends.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits until the peer has closed its side.
    pub(super) async fn gone(&mut self) {
        while self.buffer.len() < AHEAD {
            if !self.fill().await.unwrap_or(false) {
                return;
            }
        }
        pending::<()>().await;
    }

    /// Ends the connection in order.
    pub(super) async fn close(mut self) {
        // A peer that has gone already is no loss.
        let _ = self.stream.shutdown().await;
    }

    /// Ends the connection with a TCP reset.
    pub(super) fn reset(self) {
        // Where the option cannot be set, the peer sees an orderly end; the record still says what was meant.
        let _ = self.stream.tcp().set_zero_linger();
    }
}
