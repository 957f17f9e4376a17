//! Decides what an upstream's response to a probe says about the caller's token.
//!
//! Only the status counts: 401 and 403 are about the token, 2xx means that the token is accepted,
//! and every other status says nothing (OPN-01 to OPN-14). A challenge with another status, a body
//! or a redirect to a login page changes nothing.

use core::fmt;

use http::StatusCode;

/// What an upstream's response says about the caller's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream accepted the token or did not check it.
    Accepted,
    /// HTTP 401: a new token may help (RFC 9110 §15.5.2).
    Unauthorized,
    /// HTTP 403: a new token with the same scopes will not help (RFC 9110 §15.5.4).
    Forbidden,
    /// The response says nothing about the token. The request proceeds (fail open).
    Inconclusive(Cause),
}

/// Why an outcome is inconclusive. Metrics count inconclusive outcomes by cause (OPN-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No connection: the host refused it, cannot be reached, or has no address.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// The connection closed before the response was complete, or the response was not HTTP.
    Broken,
    /// The deadline passed.
    TimedOut,
    /// The status is not about the token.
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

/// The label of the outcome in metrics and in the audit line.
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
    fn every_outcome_has_a_label() {
        use Cause::{Broken, Status, TimedOut, Tls, Unreachable};
        let labels = [
            (Outcome::Accepted, "accepted"),
            (Outcome::Unauthorized, "unauthorized"),
            (Outcome::Forbidden, "forbidden"),
            (Outcome::Inconclusive(Unreachable), "open-unreachable"),
            (Outcome::Inconclusive(Tls), "open-tls"),
            (Outcome::Inconclusive(Broken), "open-broken"),
            (Outcome::Inconclusive(TimedOut), "open-timed-out"),
            (Outcome::Inconclusive(Status(StatusCode::SERVICE_UNAVAILABLE)), "open-503"),
        ];
        for (outcome, label) in labels {
            assert_eq!(outcome.to_string(), label);
        }
    }

    #[test]
    fn only_401_and_403_refuse_and_only_2xx_accepts() {
        for code in 100..600 {
            let outcome = Outcome::from(StatusCode::from_u16(code).unwrap());
            assert_eq!(outcome == Outcome::Unauthorized, code == 401);
            assert_eq!(outcome == Outcome::Forbidden, code == 403);
            assert_eq!(outcome == Outcome::Accepted, (200..300).contains(&code));
        }
    }
}
