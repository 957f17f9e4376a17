//! Writes the gateway's challenges strictly by the grammar of RFC 9110 §11.6.1.
//!
//! Every value is quoted (CHL-03) and every parameter appears once. A carried value that cannot be
//! written as a quoted string is left out, not altered (CHL-13).

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use http::HeaderValue;

use super::{Challenge, DiscoveryUrls, Profile, parse};
use crate::{credential::Owner, status::Failure};

/// The longest challenge in bytes. A carried value that would make the challenge longer is left out
/// (CHL-19), and longer challenges of an upstream are not passed on.
const MAX_LENGTH: usize = 4096;

/// The challenge for a caller without a valid gateway key. It has no discovery URL, because no
/// authorization server issues gateway keys. Its realm distinguishes it from an upstream's
/// challenge (CRD-17).
#[must_use]
pub fn for_gateway_key() -> HeaderValue {
    HeaderValue::from_static(r#"Bearer realm="mcp-preflight gateway key""#)
}

/// The challenges for a failure, given the upstream's challenge lines. Empty if the failure has
/// none of its own; a 401 without one gets [`for_gateway_key`].
///
/// In profile `transparent` they are the upstream's lines, unchanged and complete, if it sent any
/// (CHL-08).
#[must_use]
pub fn for_failure(
    failure: Failure,
    profile: Profile,
    discovery: &DiscoveryUrls,
    upstream: &[HeaderValue],
) -> Vec<HeaderValue> {
    let by_upstream =
        matches!(failure, Failure::Unauthorized | Failure::TokenRequired | Failure::Forbidden);
    let length = upstream.iter().map(HeaderValue::len).sum::<usize>();
    if by_upstream && profile == Profile::Transparent && (1..=MAX_LENGTH).contains(&length) {
        return upstream.to_vec();
    }
    let parsed: Vec<Challenge> = upstream.iter().flat_map(|line| parse(line.as_bytes())).collect();
    let challenge = match failure {
        Failure::Unauthorized => {
            Some(unauthorized(profile, discovery, &parsed, Owner::CallerWithToken))
        }
        Failure::TokenRequired | Failure::UnusableAuthorization => {
            Some(unauthorized(profile, discovery, &parsed, Owner::CallerWithoutToken))
        }
        Failure::Forbidden => step_up(profile, discovery, &parsed),
        _ => None,
    };
    challenge.into_iter().collect()
}

/// The challenge for a 401 that an upstream sent or would send (STA-01, STA-03, CHL-04 to CHL-06).
///
/// `error` is `invalid_token` if the caller sent a token, and absent if it sent none (CHL-11,
/// CHL-12). Profile `seed` takes nothing from the upstream's challenges. The other profiles take
/// `scope`, `error` and `realm` from the first Bearer challenge.
#[must_use]
pub fn unauthorized(
    profile: Profile,
    discovery: &DiscoveryUrls,
    upstream: &[Challenge],
    owner: Owner,
) -> HeaderValue {
    let bearer = upstream
        .iter()
        .find(|challenge| profile != Profile::Seed && challenge.is_bearer());
    let carried = |name| bearer.and_then(|challenge| challenge.parameter(name));

    let mut line = Line::new("Bearer");
    if profile == Profile::Seed {
        line.add("authorization_uri", &discovery.authorization_uri);
    }
    line.add("resource_metadata", &discovery.resource_metadata);
    if owner == Owner::CallerWithToken {
        line.add(
            "error",
            carried("error").filter(|error| is_error_code(error)).unwrap_or("invalid_token"),
        );
    }
    for name in ["scope", "error_description", "error_uri", "realm"] {
        if let Some(value) = carried(name) {
            line.add(name, value);
        }
    }
    line.finish()
}

/// The challenge for a 403 that asks for more scope (MCP 2025-11-25, RFC 6750 §3.1).
///
/// `None` in profile `seed`, and if the upstream did not send `insufficient_scope` with a scope. A
/// 403 without a challenge does not make a client obtain the same token again (STA-06 to STA-08).
#[must_use]
pub fn step_up(
    profile: Profile,
    discovery: &DiscoveryUrls,
    upstream: &[Challenge],
) -> Option<HeaderValue> {
    let asks_for_scope = |challenge: &&Challenge| {
        challenge.is_bearer() && challenge.parameter("error") == Some("insufficient_scope")
    };
    let bearer = upstream
        .iter()
        .find(|challenge| profile != Profile::Seed && asks_for_scope(challenge))?;
    let scope = bearer.parameter("scope").filter(|scope| !scope.trim().is_empty())?;

    let mut line = Line::new("Bearer");
    line.add("resource_metadata", &discovery.resource_metadata);
    line.add("error", "insufficient_scope");
    line.add("scope", scope);
    if let Some(description) = bearer.parameter("error_description") {
        line.add("error_description", description);
    }
    Some(line.finish())
}

/// Whether a text is an error code of RFC 6750 §3.1. Other values may be misspelled, so they are
/// not carried over.
fn is_error_code(error: &str) -> bool {
    ["invalid_token", "invalid_request", "insufficient_scope"].contains(&error)
}

/// A challenge that is being written: always visible ASCII and spaces in one line.
struct Line {
    text: String,
    empty: bool,
}

impl Line {
    fn new(scheme: &'static str) -> Self {
        Self { text: scheme.to_owned(), empty: true }
    }

    /// Adds a parameter, unless its value cannot be quoted or would make the line too long.
    fn add(&mut self, name: &str, value: &str) {
        if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return;
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let parameter = format!("{} {name}=\"{value}\"", if self.empty { "" } else { "," });
        if self.text.len() + parameter.len() <= MAX_LENGTH {
            self.text.push_str(&parameter);
            self.empty = false;
        }
    }

    fn finish(self) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.text)
            .expect("`add` accepts only visible ASCII and spaces")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};
    use proptest::prelude::*;

    fn discovery() -> DiscoveryUrls {
        DiscoveryUrls {
            resource_metadata: "https://gw.test/prm".into(),
            authorization_uri: "https://gw.test/as".into(),
        }
    }

    #[test]
    fn challenges_by_profile() {
        let upstream = concat!(
            r#"Bearer realm="r", scope="a b", error="invalid_token", "#,
            r#"resource_metadata="https://up.test/""#,
        );
        let upstream = parse(upstream.as_bytes());
        let more_scope = parse(br#"Bearer error="insufficient_scope", scope="admin""#);
        let mut lines = vec![format!("gateway key  {}", for_gateway_key().to_str().unwrap())];
        for profile in [Profile::Seed, Profile::Mcp] {
            for owner in [Owner::CallerWithToken, Owner::CallerWithoutToken] {
                let value = unauthorized(profile, &discovery(), &upstream, owner);
                lines.push(format!("{profile:?} {owner:?}  {}", value.to_str().unwrap()));
            }
            let value = step_up(profile, &discovery(), &more_scope);
            let value = value.as_ref().map_or("(no challenge)", |value| value.to_str().unwrap());
            lines.push(format!("{profile:?} step-up  {value}"));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn profile_transparent_passes_the_upstreams_lines_on() {
        let lines =
            ["Bearer realm=r", "DPoP algs=\"ES256\"", "Basic"].map(HeaderValue::from_static);
        let challenges = |failure, upstream: &[HeaderValue]| {
            for_failure(failure, Profile::Transparent, &discovery(), upstream)
        };
        assert_eq!(challenges(Failure::Unauthorized, &lines), lines);
        assert_eq!(challenges(Failure::Forbidden, &lines), lines);
        assert_eq!(
            challenges(Failure::UnusableAuthorization, &lines).len(),
            1,
            "the gateway refused before any upstream was sent the request"
        );
        assert_eq!(challenges(Failure::Forbidden, &[]), Vec::<HeaderValue>::new());
        let too_long = [HeaderValue::try_from("x".repeat(MAX_LENGTH + 1)).unwrap()];
        let own = unauthorized(Profile::Mcp, &discovery(), &[], Owner::CallerWithToken);
        assert_eq!(challenges(Failure::Unauthorized, &[]), std::slice::from_ref(&own));
        assert_eq!(challenges(Failure::Unauthorized, &too_long), [own]);
    }

    #[test]
    fn each_failure_has_its_challenge() {
        let upstream =
            [HeaderValue::from_static(r#"Bearer error="insufficient_scope", scope="admin""#)];
        let parsed = parse(upstream[0].as_bytes());
        let challenges = |failure| for_failure(failure, Profile::Mcp, &discovery(), &upstream);
        let unauthorized = |owner| unauthorized(Profile::Mcp, &discovery(), &parsed, owner);
        assert_eq!(challenges(Failure::Unauthorized), [unauthorized(Owner::CallerWithToken)]);
        for failure in [Failure::TokenRequired, Failure::UnusableAuthorization] {
            assert_eq!(challenges(failure), [unauthorized(Owner::CallerWithoutToken)]);
        }
        assert_eq!(
            Some(&challenges(Failure::Forbidden)[0]),
            step_up(Profile::Mcp, &discovery(), &parsed).as_ref()
        );
        assert_eq!(challenges(Failure::NotMcp), Vec::<HeaderValue>::new());
    }

    #[test]
    fn an_unknown_error_code_is_not_carried_over() {
        for (theirs, ours) in [
            ("invalid_request", "invalid_request"),
            ("invalid_tokn", "invalid_token"),
            ("", "invalid_token"),
        ] {
            let upstream = parse(format!("Bearer error=\"{theirs}\"").as_bytes());
            let line = unauthorized(Profile::Mcp, &discovery(), &upstream, Owner::CallerWithToken);
            assert_eq!(parse(line.as_bytes())[0].parameter("error"), Some(ours));
        }
    }

    #[test]
    fn a_line_is_never_longer_than_the_limit() {
        let length_without_b = r#"Bearer a="""#.len() + 100;
        let write = |length: usize| {
            let mut line = Line::new("Bearer");
            line.add("a", &"x".repeat(100));
            line.add("b", &"x".repeat(length - length_without_b - r#", b="""#.len()));
            line.finish().len()
        };
        assert_eq!(write(MAX_LENGTH), MAX_LENGTH);
        assert_eq!(write(MAX_LENGTH + 1), length_without_b);
    }

    #[test]
    fn a_403_asks_for_scope_only_if_the_upstream_named_one() {
        for upstream in [
            &b"Bearer error=\"insufficient_scope\""[..],
            b"Bearer error=\"insufficient_scope\", scope=\" \"",
            b"Bearer scope=a",
            b"Basic error=\"insufficient_scope\", scope=a",
        ] {
            assert_eq!(step_up(Profile::Mcp, &discovery(), &parse(upstream)), None);
        }
    }

    /// A 401 in profile `mcp` for an upstream that sent this value.
    fn written_for(upstream: &[u8]) -> String {
        let upstream = parse(upstream);
        let line = unauthorized(Profile::Mcp, &discovery(), &upstream, Owner::CallerWithToken);
        line.to_str().unwrap().to_owned()
    }

    proptest! {
        /// For any upstream challenge the gateway writes one well-formed Bearer challenge with its
        /// own discovery URL.
        #[test]
        fn any_upstream_challenge_gives_one_well_formed_challenge(
            hostile in prop::collection::vec(any::<u8>(), 0..200),
            length in 0_usize..6000,
        ) {
            let scope = [b"Bearer scope=\"", &hostile[..], b"\""].concat();
            let long = format!("Bearer realm=\"{}\"", "x".repeat(length)).into_bytes();
            for value in [hostile, scope, long] {
                let line = written_for(&value);
                let parsed = parse(line.as_bytes());
                prop_assert_eq!(parsed.len(), 1, "{}", line);
                let resource_metadata = parsed[0].parameter("resource_metadata");
                prop_assert_eq!(resource_metadata, Some("https://gw.test/prm"));
                prop_assert!(line.len() <= MAX_LENGTH);
            }
        }

        #[test]
        fn a_scope_is_carried_over_unchanged(scope in "[a-z:]{1,10}( [a-z:]{1,10}){0,3}") {
            let line = written_for(format!("Bearer scope=\"{scope}\"").as_bytes());
            let parsed = parse(line.as_bytes());
            prop_assert_eq!(parsed[0].parameter("scope"), Some(scope.as_str()));
        }
    }
}
