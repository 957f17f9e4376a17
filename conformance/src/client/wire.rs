//! Speaks HTTP/1.1 on a raw socket, for requests that no well-behaved library sends and for answers whose framing is the question.
//!
//! Sends exactly the lines it is given, in their order and case. Reads answers by RFC 9112 §6.3 and says how each ended.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{KEPT_BODY, Request, ResponseTimeouts, text, unanswered};
use crate::trace::{Ending, Exchange, Headers, header};

/// Sends one request on a connection of its own.
pub async fn send_once(authority: &str, request: &Request, timeouts: ResponseTimeouts) -> Exchange {
    match Connection::open(authority).await {
        Ok(mut connection) => connection.send(request, true, timeouts).await,
        Err(_) => unanswered(request),
    }
}

/// One connection, used for as many requests as the server allows.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    authority: String,
    /// Bytes that arrived behind the answer read last.
    unread: Vec<u8>,
    reusable: bool,
}

impl Connection {
    /// Connects.
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

    /// Whether the last answer, by its own framing, leaves the connection usable (RFC 9112 §9.3).
    #[must_use]
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// Sends one request, as the `last` one of the connection or not, and reads its answer.
    pub async fn send(
        &mut self,
        request: &Request,
        last: bool,
        timeouts: ResponseTimeouts,
    ) -> Exchange {
        let bytes = self.bytes_of(request, last);
        let exchange = self.put(unanswered(request), &bytes, timeouts).await;
        self.reusable &= !last;
        exchange
    }

    /// Writes bytes as they are, and reads one answer.
    pub async fn put(
        &mut self,
        mut exchange: Exchange,
        bytes: &[u8],
        timeouts: ResponseTimeouts,
    ) -> Exchange {
        let started = Instant::now();
        // A server may answer, and close, before it has read everything: what it said counts all the same.
        let head = timeout_at(started + timeouts.head, async {
            let _ = self.stream.write_all(bytes).await;
            self.head().await
        })
        .await;
        let head = match head {
            Err(_) => return self.give_up(Exchange { ending: Ending::HungBeforeHead, ..exchange }),
            Ok(None) => return self.give_up(exchange),
            Ok(Some(head)) => head,
        };
        exchange.status = Some(head.status);
        exchange.headers = head.headers;
        exchange.head_after_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
        let framing = Framing::of(&exchange.method, head.status, &exchange.headers);
        let mut body = Vec::new();
        exchange.ending =
            match timeout_at(Instant::now() + timeouts.body, self.body(framing, &mut body)).await {
                Err(_) => Ending::HungAfterHead,
                Ok(true) => Ending::Complete,
                Ok(false) => Ending::Broken,
            };
        let closes = header(&exchange.headers, "connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        self.reusable =
            exchange.ending == Ending::Complete && framing != Framing::UntilClosed && !closes;
        exchange.body = text(&body);
        exchange
    }

    /// Has everything that was written before be served: asks for nothing in particular as the last thing on the connection, unless the
    /// last answer was the last one, and waits until it is closed. Answers come in the order of requests, so none can be behind this one.
    pub async fn end(mut self, timeouts: ResponseTimeouts) {
        let last = Request {
            method: "GET".into(),
            path: "/".into(),
            headers: Headers::new(),
            body: String::new(),
            raw: true,
        };
        let bytes = self.bytes_of(&last, true);
        let reusable = self.reusable;
        let ended = async {
            // Either side may be closed already: then there is nothing to wait for.
            let _ = if reusable {
                self.stream.write_all(&bytes).await
            } else {
                self.stream.shutdown().await
            };
            while self.more().await.is_some() {
                self.unread.clear();
            }
        };
        // Where it is not closed in time, what came of the bytes is for the upstreams to tell.
        let _ = timeout_at(Instant::now() + timeouts.head, ended).await;
    }

    fn give_up(&mut self, exchange: Exchange) -> Exchange {
        self.reusable = false;
        exchange
    }

    fn bytes_of(&self, request: &Request, last: bool) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.path, self.authority);
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !request.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        if last {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.push_str(&request.body);
        head.into_bytes()
    }

    /// Reads heads until one is final (RFC 9110 §15.2).
    async fn head(&mut self) -> Option<Head> {
        loop {
            let head = loop {
                match Head::parse(&self.unread) {
                    Parsed::Head(head, length) => {
                        self.unread.drain(..length);
                        break head;
                    }
                    Parsed::Partial => self.more().await?,
                    Parsed::Nonsense => return None,
                }
            };
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Some(head);
            }
        }
    }

    /// Reads a body into `kept`, and says whether it ended as its framing promised.
    async fn body(&mut self, framing: Framing, kept: &mut Vec<u8>) -> bool {
        match framing {
            Framing::None => true,
            Framing::Length(length) => self.exactly(length, kept).await,
            Framing::Chunked => self.chunks(kept).await,
            Framing::UntilClosed => loop {
                let length = self.unread.len();
                self.take(length, kept);
                if self.more().await.is_none() {
                    return true;
                }
            },
            Framing::Nonsense => false,
        }
    }

    async fn exactly(&mut self, length: u64, kept: &mut Vec<u8>) -> bool {
        let mut left = length;
        loop {
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.unread.len());
            self.take(here, kept);
            left -= here as u64;
            if left == 0 {
                return true;
            }
            if self.more().await.is_none() {
                return false;
            }
        }
    }

    async fn chunks(&mut self, kept: &mut Vec<u8>) -> bool {
        loop {
            let Some(line) = self.line().await else { return false };
            let size = line.split(';').next().unwrap_or_default().trim();
            let Ok(size) = u64::from_str_radix(size, 16) else { return false };
            if size == 0 {
                break;
            }
            if !self.exactly(size, kept).await || self.line().await.as_deref() != Some("") {
                return false;
            }
        }
        loop {
            match self.line().await.as_deref() {
                Some("") => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = text(&self.unread[..end]);
                self.unread.drain(..end + 2);
                return Some(line);
            }
            self.more().await?;
        }
    }

    fn take(&mut self, length: usize, kept: &mut Vec<u8>) {
        let room = KEPT_BODY.saturating_sub(kept.len());
        kept.extend(self.unread.drain(..length).take(room));
    }

    /// Reads what there is; nothing at the end of the connection.
    async fn more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

struct Head {
    status: u16,
    headers: Headers,
}

enum Parsed {
    Head(Head, usize),
    Partial,
    Nonsense,
}

impl Head {
    fn parse(bytes: &[u8]) -> Parsed {
        let mut lines = [httparse::EMPTY_HEADER; 256];
        let mut response = httparse::Response::new(&mut lines);
        match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => {
                let headers = response
                    .headers
                    .iter()
                    .map(|line| (line.name.to_owned(), text(line.value)))
                    .collect();
                response.code.map_or(Parsed::Nonsense, |status| {
                    Parsed::Head(Self { status, headers }, length)
                })
            }
            Ok(httparse::Status::Partial) => Parsed::Partial,
            Err(_) => Parsed::Nonsense,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClosed,
    Nonsense,
}

impl Framing {
    /// RFC 9112 §6.3.
    fn of(method: &str, status: u16, headers: &Headers) -> Self {
        if method == "HEAD" || matches!(status, 204 | 304) {
            return Self::None;
        }
        match (header(headers, "transfer-encoding"), header(headers, "content-length")) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Self::Chunked,
            (None, Some(length)) => length.parse().map_or(Self::Nonsense, Self::Length),
            (None, None) => Self::UntilClosed,
            (Some(_), _) => Self::Nonsense,
        }
    }
}
