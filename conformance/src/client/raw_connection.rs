//! HTTP/1.1 on a raw socket: for requests that no HTTP library sends, and for responses with
//! unusual framing.
//!
//! A raw connection sends exactly the given header fields, in their order and case. It reads
//! responses by RFC 9112 §6.3 and records how each of them ended.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    RECORDED_RESPONSE_BODY, Request, ResponseTimeouts, exchange_without_response, lossy_text,
    raw_response::{Framing, ParsedHead, ResponseHead},
};
use crate::trace::{Ending, Exchange, Headers, header};

/// Sends one request over a new connection.
pub async fn send_once(authority: &str, request: &Request, timeouts: ResponseTimeouts) -> Exchange {
    match RawConnection::open(authority).await {
        Ok(mut connection) => connection.send(request, Persistence::Close, timeouts).await,
        Err(_) => exchange_without_response(request),
    }
}

/// Whether a request asks the server to keep the connection open (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Further requests may follow.
    KeepAlive,
    /// `Connection: close` is sent; this is the last request.
    Close,
}

/// One connection, for as many requests as the server permits.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    authority: String,
    /// Bytes that arrived after the last response.
    unread: Vec<u8>,
    reusable: bool,
}

impl RawConnection {
    /// Connects to a host and port.
    ///
    /// # Errors
    ///
    /// The connection could not be established.
    pub async fn open(authority: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            authority: authority.to_owned(),
            unread: Vec::new(),
            reusable: true,
        })
    }

    /// Whether another request can be sent after the last response (RFC 9112 §9.3).
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// Sends one request and reads its response.
    pub async fn send(
        &mut self,
        request: &Request,
        persistence: Persistence,
        timeouts: ResponseTimeouts,
    ) -> Exchange {
        let bytes = self.request_bytes(request, persistence);
        let exchange = self.send_bytes(exchange_without_response(request), &bytes, timeouts).await;
        self.reusable &= persistence == Persistence::KeepAlive;
        exchange
    }

    /// Sends bytes unchanged and reads one response into the exchange.
    pub async fn send_bytes(
        &mut self,
        mut exchange: Exchange,
        bytes: &[u8],
        timeouts: ResponseTimeouts,
    ) -> Exchange {
        let started = Instant::now();
        let head = timeout_at(started + timeouts.head, async {
            // A server may respond and close before it has read everything. Its response counts.
            let _ = self.stream.write_all(bytes).await;
            self.read_head().await
        })
        .await;
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => {
                self.reusable = false;
                return exchange;
            }
            Err(_) => {
                self.reusable = false;
                return Exchange { ending: Ending::HungBeforeHead, ..exchange };
            }
        };
        exchange.status = Some(head.status);
        exchange.headers = head.headers;
        exchange.head_after_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
        let framing = Framing::of(&exchange.method, head.status, &exchange.headers);
        // The body outlives the timeout: what arrived before it is recorded.
        let mut body = Vec::new();
        let deadline = Instant::now() + timeouts.body_of(&exchange.method);
        exchange.ending = match timeout_at(deadline, self.read_body(framing, &mut body)).await {
            Err(_) => Ending::HungAfterHead,
            Ok(true) => Ending::Complete,
            Ok(false) => Ending::Broken,
        };
        let closes = header(&exchange.headers, "connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        self.reusable =
            exchange.ending == Ending::Complete && framing != Framing::UntilClosed && !closes;
        exchange.body = lossy_text(&body);
        exchange
    }

    /// Waits until the server has served everything that was sent on this connection.
    ///
    /// Responses are sent in the order of the requests (RFC 9112 §9.3.2). If the connection is
    /// reusable, a last request is sent; when the server closes after it, all earlier ones are
    /// served.
    pub async fn drain(mut self, timeouts: ResponseTimeouts) {
        let last = Request {
            method: "GET".into(),
            path: "/".into(),
            headers: Headers::new(),
            body: String::new(),
            raw: true,
        };
        let bytes = self.request_bytes(&last, Persistence::Close);
        let deadline = Instant::now() + timeouts.head;
        let closed = async {
            // If either side has closed already, there is nothing to wait for.
            let _ = if self.reusable {
                self.stream.write_all(&bytes).await
            } else {
                self.stream.shutdown().await
            };
            while self.read_more().await.is_some() {
                self.unread.clear();
            }
        };
        // A server that does not close in time is no error here: the mock upstreams record what it
        // did.
        let _ = timeout_at(deadline, closed).await;
    }

    fn request_bytes(&self, request: &Request, persistence: Persistence) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.path, self.authority);
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !request.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        if persistence == Persistence::Close {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.push_str(&request.body);
        head.into_bytes()
    }

    /// Reads heads until one is final (RFC 9110 §15.2). `None` if there is no valid one.
    async fn read_head(&mut self) -> Option<ResponseHead> {
        loop {
            match ResponseHead::parse(&self.unread) {
                ParsedHead::Complete(head, length) => {
                    self.unread.drain(..length);
                    if !(100..200).contains(&head.status) || head.status == 101 {
                        return Some(head);
                    }
                }
                ParsedHead::Partial => self.read_more().await?,
                ParsedHead::Invalid => return None,
            }
        }
    }

    /// Reads a body into `recorded`. Returns whether it ended as its framing requires.
    async fn read_body(&mut self, framing: Framing, recorded: &mut Vec<u8>) -> bool {
        match framing {
            Framing::NoBody => true,
            Framing::Length(length) => self.read_exactly(length, recorded).await,
            Framing::Chunked => self.read_chunks(recorded).await,
            Framing::UntilClosed => loop {
                self.record(self.unread.len(), recorded);
                if self.read_more().await.is_none() {
                    return true;
                }
            },
            Framing::Invalid => false,
        }
    }

    async fn read_exactly(&mut self, length: u64, recorded: &mut Vec<u8>) -> bool {
        let mut remaining = length;
        loop {
            let available = usize::try_from(remaining).unwrap_or(usize::MAX).min(self.unread.len());
            self.record(available, recorded);
            remaining -= available as u64;
            if remaining == 0 {
                return true;
            }
            if self.read_more().await.is_none() {
                return false;
            }
        }
    }

    async fn read_chunks(&mut self, recorded: &mut Vec<u8>) -> bool {
        loop {
            let Some(line) = self.read_line().await else {
                return false;
            };
            let size = line.split(';').next().unwrap_or_default().trim();
            let Ok(size) = u64::from_str_radix(size, 16) else {
                return false;
            };
            if size == 0 {
                return self.read_trailers().await;
            }
            if !self.read_exactly(size, recorded).await
                || self.read_line().await.as_deref() != Some("")
            {
                return false;
            }
        }
    }

    async fn read_trailers(&mut self) -> bool {
        loop {
            match self.read_line().await.as_deref() {
                Some("") => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    async fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = lossy_text(&self.unread[..end]);
                self.unread.drain(..end + 2);
                return Some(line);
            }
            self.read_more().await?;
        }
    }

    /// Moves unread bytes to the recorded body, and drops those that exceed its limit.
    fn record(&mut self, length: usize, recorded: &mut Vec<u8>) {
        let room = RECORDED_RESPONSE_BODY.saturating_sub(recorded.len());
        recorded.extend(self.unread.drain(..length).take(room));
    }

    /// Reads what has arrived. `None` at the end of the connection.
    async fn read_more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}
