//! Decides what a `WWW-Authenticate` field says to the client.
//!
//! The gateway answers for itself: it is the origin its client sees (RFC 9110 §3.7), so every 401 carries a challenge of its own
//! making, and an upstream's challenge is read for what may be carried over; it is passed on only in profile `transparent`.
//! [`parse`](parse()) reads leniently; what is written is strict (RFC 9110 §11.6.1). Which status is answered is not decided here.

use alloc::{string::String, vec::Vec};

use http::{HeaderMap, HeaderValue, header};

mod parse;
mod write;

pub use parse::{Challenge, Parameters, parse};
pub use write::{for_failure, for_gateway_key, step_up, unauthorized};

/// The two sets of rules by which the gateway words a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The seed's rules: the gateway's own discovery URL and nothing of the upstream's; every 403 bare.
    #[default]
    Seed,
    /// The MCP specification's: `scope`, `error` and `realm` carried over; a 403 for `insufficient_scope` keeps its challenge; several
    /// servers answer without those that refuse.
    Mcp,
    /// As `mcp`, but on one server's route its own challenges come through as they are (CHL-08).
    Transparent,
}

impl Profile {
    /// The rules where several servers answer together: whose lines would come through there could not be told.
    #[must_use]
    pub const fn for_aggregate(self) -> Self {
        match self {
            Self::Transparent => Self::Mcp,
            profile => profile,
        }
    }
}

/// Where a challenge leads, as absolute URLs under the gateway's external URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryUrls {
    /// The protected-resource metadata of the endpoint (RFC 9728 §5.1).
    pub resource_metadata: String,
    /// The authorization-server metadata, which the seed's clients look for.
    pub authorization_uri: String,
}

/// The `WWW-Authenticate` field lines of a response.
#[must_use]
pub fn field_lines(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().cloned().collect()
}

/// The challenges that stay in a relayed response. A challenge may accompany any status (RFC 9110 §11.6.1); only profile
/// `transparent` passes it on.
#[must_use]
pub fn relayed_lines(profile: Profile, upstream: &HeaderMap) -> Vec<HeaderValue> {
    match profile {
        Profile::Transparent => field_lines(upstream),
        Profile::Seed | Profile::Mcp => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::Profile::{Mcp, Seed, Transparent};

    #[test]
    fn several_servers_are_transparent_to_nobody() {
        assert_eq!([Seed, Mcp, Transparent].map(super::Profile::for_aggregate), [Seed, Mcp, Mcp]);
    }

    #[test]
    fn a_challenge_beside_another_status_is_relayed_only_in_profile_transparent() {
        let upstream = http::HeaderMap::from_iter([(
            http::header::WWW_AUTHENTICATE,
            http::HeaderValue::from_static("Bearer"),
        )]);
        for (profile, count) in [(Seed, 0), (Mcp, 0), (Transparent, 1)] {
            assert_eq!(super::relayed_lines(profile, &upstream).len(), count, "{profile:?}");
        }
    }
}
