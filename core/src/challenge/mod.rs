//! Decides which challenges a `WWW-Authenticate` field carries to the client.
//!
//! To its client the gateway is the origin server (RFC 9110 §3.7), so it writes the challenge of
//! every 401 itself. It carries over parameters of the upstream's challenge, and passes the
//! upstream's lines on only in profile `transparent`. [`parse`](parse()) accepts more than the
//! grammar allows; the writer follows the grammar of RFC 9110 §11.6.1 strictly. The status is
//! decided elsewhere.

mod parse;
mod write;

use alloc::{string::String, vec::Vec};

use http::{HeaderMap, HeaderValue, header};

pub use self::{
    parse::{Challenge, Parameters, parse},
    write::{for_failure, for_gateway_key, step_up, unauthorized},
};

/// The set of rules by which the gateway reports a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The rules of LiteLLM change #27847: the gateway's own discovery URLs, no parameter of the
    /// upstream's challenge, and no challenge with a 403. On an aggregate endpoint one refusal
    /// refuses the request.
    #[default]
    Seed,
    /// The rules of the MCP specification: `scope`, `error` and `realm` are carried over, and a 403
    /// for `insufficient_scope` keeps its challenge. An aggregate endpoint answers without the
    /// servers that refuse.
    Mcp,
    /// As `mcp`, but a single-server endpoint passes the upstream's own challenges on unchanged
    /// (CHL-08).
    Transparent,
}

impl Profile {
    /// The rules for an aggregate endpoint. `transparent` becomes `mcp` there, because a client
    /// could not tell to which server a line belongs.
    #[must_use]
    pub const fn for_aggregate(self) -> Self {
        match self {
            Self::Transparent => Self::Mcp,
            profile => profile,
        }
    }
}

/// The discovery URLs of a challenge: absolute, below the gateway's external URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryUrls {
    /// The protected resource metadata of the endpoint (RFC 9728 §5.1).
    pub resource_metadata: String,
    /// The authorization server metadata, which clients of the seed profile look for.
    pub authorization_uri: String,
}

/// The `WWW-Authenticate` lines of a response.
#[must_use]
pub fn field_lines(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().cloned().collect()
}

/// The challenges of a relayed response. A challenge may accompany any status (RFC 9110 §11.6.1),
/// but only profile `transparent` passes it on.
#[must_use]
pub fn relayed_lines(profile: Profile, upstream: &HeaderMap) -> Vec<HeaderValue> {
    match profile {
        Profile::Transparent => field_lines(upstream),
        Profile::Seed | Profile::Mcp => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Profile::{Mcp, Seed, Transparent};

    #[test]
    fn an_aggregate_endpoint_is_never_transparent() {
        assert_eq!([Seed, Mcp, Transparent].map(Profile::for_aggregate), [Seed, Mcp, Mcp]);
    }

    #[test]
    fn a_challenge_with_another_status_is_relayed_only_in_profile_transparent() {
        let line = HeaderValue::from_static("Bearer");
        let upstream = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, line)]);
        for (profile, count) in [(Seed, 0), (Mcp, 0), (Transparent, 1)] {
            assert_eq!(relayed_lines(profile, &upstream).len(), count, "{profile:?}");
        }
    }
}
