//! Binds listeners and accepts their connections.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// How long a client may take to send a request head.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A listener with the address that it got.
pub(super) type BoundListener = (TcpListener, SocketAddr);

/// Binds a listener. The error names the address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<BoundListener> {
    let binding = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    binding.await.map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot serve {address}: {error}"))
    })
}

/// The next connection, with the address of its client. A connection that cannot be accepted is
/// logged and skipped.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Usually the process has no file descriptor left; other connections will end and
                // free some.
                tracing::warn!(error = %error.kind(), "a connection could not be accepted");
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}
