//! Decides what an upstream's answer to a probe says about the token.
//!
//! Only the status speaks: 401 and 403 are about the token, a 2xx takes it, everything else says nothing (OPN-01 to 14). A challenge
//! beside another status, a body or a redirect to a login page changes nothing (A11 to A14 of the catalogue).

use core::fmt;

use http::StatusCode;

/// What one upstream made of the caller's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream took the token, or did not look at it.
    Accepted,
    /// HTTP 401: a new token may help (RFC 9110 §15.5.2).
    Unauthorized,
    /// HTTP 403: a new token with the same scopes will not (RFC 9110 §15.5.4).
    Forbidden,
    /// No answer that says anything about the token; the request goes on.
    Inconclusive(Cause),
}

/// Why an outcome is inconclusive; the causes by which fail-open events are counted (OPN-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No connection: refused, unroutable, or the name has no address.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke before the answer was there, or the answer was not HTTP.
    Broken,
    /// The deadline passed.
    TimedOut,
    /// A status that is not about the token.
    Status(StatusCode),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("unreachable"),
            Self::Tls => f.write_str("tls"),
            Self::Broken => f.write_str("broken"),
            Self::TimedOut => f.write_str("timed-out"),
            Self::Status(status) => write!(f, "{}", status.as_u16()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Unauthorized => f.write_str("unauthorized"),
            Self::Forbidden => f.write_str("forbidden"),
            Self::Inconclusive(cause) => write!(f, "open-{cause}"),
        }
    }
}

impl From<StatusCode> for Outcome {
    fn from(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            status if status.is_success() => Self::Accepted,
            status => Self::Inconclusive(Cause::Status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_word_that_can_be_counted() {
        use Cause::{Broken, Status, TimedOut, Tls, Unreachable};
        let open = [Unreachable, Tls, Broken, TimedOut, Status(StatusCode::SERVICE_UNAVAILABLE)]
            .map(Outcome::Inconclusive);
        let words = [Outcome::Accepted, Outcome::Unauthorized, Outcome::Forbidden]
            .iter()
            .chain(&open)
            .map(ToString::to_string);
        assert_eq!(
            words.collect::<Vec<_>>(),
            [
                "accepted",
                "unauthorized",
                "forbidden",
                "open-unreachable",
                "open-tls",
                "open-broken",
                "open-timed-out",
                "open-503"
            ]
        );
    }

    #[test]
    fn exactly_401_and_403_refuse_and_exactly_2xx_accept() {
        for code in 100..600 {
            let outcome = Outcome::from(StatusCode::from_u16(code).unwrap());
            assert_eq!(outcome == Outcome::Unauthorized, code == 401);
            assert_eq!(outcome == Outcome::Forbidden, code == 403);
            assert_eq!(outcome == Outcome::Accepted, (200..300).contains(&code));
        }
    }
}
