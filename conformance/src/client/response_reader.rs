//! Reads the body of a response part by part and records how it ended.

use tokio::time::{Instant, timeout_at};

use super::{RECORDED_RESPONSE_BODY, lossy_text};
use crate::trace::{Ending, Exchange};

/// A response whose head has been read.
#[derive(Debug)]
pub struct ResponseReader {
    exchange: Exchange,
    body: Vec<u8>,
    /// `None` after the end of the body, or if there is no response.
    response: Option<reqwest::Response>,
    deadline: Instant,
}

impl ResponseReader {
    /// Reads the body of this response until the deadline.
    pub(super) fn new(exchange: Exchange, response: reqwest::Response, deadline: Instant) -> Self {
        Self {
            exchange,
            body: Vec::new(),
            response: Some(response),
            deadline,
        }
    }

    /// A request to which no response head arrived.
    pub(super) fn without_response(exchange: Exchange) -> Self {
        Self {
            exchange,
            body: Vec::new(),
            response: None,
            deadline: Instant::now(),
        }
    }

    /// Reads the next part of the body. Returns false if there is none.
    pub async fn read_part(&mut self) -> bool {
        let Some(response) = &mut self.response else {
            return false;
        };
        let ending = match timeout_at(self.deadline, response.chunk()).await {
            Ok(Ok(Some(part))) => {
                let room = RECORDED_RESPONSE_BODY.saturating_sub(self.body.len());
                self.body.extend_from_slice(&part[..part.len().min(room)]);
                return true;
            }
            Ok(Ok(None)) => Ending::Complete,
            Ok(Err(_)) => Ending::Broken,
            Err(_) => Ending::HungAfterHead,
        };
        self.exchange.ending = ending;
        self.response = None;
        false
    }

    /// The body as far as it has been read.
    #[must_use]
    pub fn body_so_far(&self) -> &[u8] {
        &self.body
    }

    /// The record of the exchange. If the body has not been read to its end, the connection is
    /// closed.
    #[must_use]
    pub fn finish(self) -> Exchange {
        Exchange { body: lossy_text(&self.body), ..self.exchange }
    }
}
