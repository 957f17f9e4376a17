//! One accepted connection, as bytes, and the ways in which it can end. It knows nothing about
//! HTTP.

use std::{future::pending, io};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A stream whose TCP connection can be reset.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// The TCP connection of the stream.
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

/// How many bytes a peer may send while it waits for a response.
const READ_AHEAD: usize = 1 << 20;

/// A connection, and the bytes that have been read from it but not yet used.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    pub(super) buffer: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: BytesMut::with_capacity(8 << 10),
        }
    }

    /// Reads more bytes into the buffer. Returns false if the peer has closed its side.
    pub(super) async fn fill_buffer(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits until the peer has closed its side.
    pub(super) async fn peer_closed(&mut self) {
        while self.buffer.len() < READ_AHEAD {
            if !self.fill_buffer().await.unwrap_or(false) {
                return;
            }
        }
        pending::<()>().await;
    }

    /// Closes the connection gracefully.
    pub(super) async fn close(mut self) {
        // The peer may have closed the connection already.
        let _ = self.stream.shutdown().await;
    }

    /// Closes the connection with a TCP reset.
    pub(super) fn reset(self) {
        // If the option cannot be set, the peer sees a graceful close. The record names the fault.
        let _ = self.stream.tcp().set_zero_linger();
    }
}
