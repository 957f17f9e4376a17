//! Writes the gateway's challenges, strictly by the grammar.
//!
//! Every value is quoted (CHL-03), every parameter stands once, and a carried value with bytes that a quoted string may not hold is
//! dropped rather than mended (CHL-13).

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use http::HeaderValue;

use super::{Challenge, DiscoveryUrls, Profile, parse};
use crate::{credential::Owner, status::Failure};

/// How long a challenge may get, in bytes; carried values that would make it longer are dropped (CHL-19). Longer ones are not passed on.
const LIMIT: usize = 4096;

/// The challenge of the gateway itself, for a caller without a valid gateway key. It leads to no discovery document, because no
/// authorization server hands out gateway keys; the realm tells it from an upstream's (CRD-17).
#[must_use]
pub fn for_gateway_key() -> HeaderValue {
    HeaderValue::from_static(r#"Bearer realm="mcp-preflight gateway key""#)
}

/// The challenges that go with a failure, given the lines of the upstream's own; none where there are none to give, or only [`for_gateway_key`]'s.
///
/// In profile `transparent` they are the upstream's lines, byte for byte and none added, if it sent any (CHL-08).
#[must_use]
pub fn for_failure(
    failure: Failure,
    profile: Profile,
    discovery: &DiscoveryUrls,
    upstream: &[HeaderValue],
) -> Vec<HeaderValue> {
    let refusal =
        matches!(failure, Failure::Unauthorized | Failure::TokenRequired | Failure::Forbidden);
    let length = upstream.iter().map(HeaderValue::len).sum::<usize>();
    if refusal && profile == Profile::Transparent && (1..=LIMIT).contains(&length) {
        return upstream.to_vec();
    }
    let read: Vec<Challenge> = upstream.iter().flat_map(|line| parse(line.as_bytes())).collect();
    let written = match failure {
        Failure::Unauthorized => {
            Some(unauthorized(profile, discovery, &read, Owner::CallerWithToken))
        }
        Failure::TokenRequired | Failure::UnusableAuthorization => {
            Some(unauthorized(profile, discovery, &read, Owner::CallerWithoutToken))
        }
        Failure::Forbidden => step_up(profile, discovery, &read),
        _ => None,
    };
    written.into_iter().collect()
}

/// The challenge for a 401 that an upstream caused, or that it would cause (STA-01, STA-03, CHL-04 to CHL-06).
///
/// `error` is `invalid_token` where a token was refused and absent where none was sent (CHL-11, CHL-12). Of the upstream's own
/// challenges nothing is taken in profile `seed`; elsewhere the first Bearer's `scope`, `error` and `realm` are.
#[must_use]
pub fn unauthorized(
    profile: Profile,
    discovery: &DiscoveryUrls,
    upstream: &[Challenge],
    owner: Owner,
) -> HeaderValue {
    let theirs = upstream
        .iter()
        .find(|challenge| profile != Profile::Seed && challenge.is_bearer());
    let carried = |name| theirs.and_then(|challenge| challenge.parameter(name));

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

/// The challenge for a 403 that asks for more scope (MCP 2025-11-25, RFC 6750 §3.1), where the profile has it and the upstream said
/// so with a scope; otherwise a 403 is bare, so that no client fetches the same token again (STA-06 to STA-08).
#[must_use]
pub fn step_up(
    profile: Profile,
    discovery: &DiscoveryUrls,
    upstream: &[Challenge],
) -> Option<HeaderValue> {
    let asks = |challenge: &&Challenge| {
        challenge.is_bearer() && challenge.parameter("error") == Some("insufficient_scope")
    };
    let theirs = upstream.iter().find(|challenge| profile != Profile::Seed && asks(challenge))?;
    let scope = theirs.parameter("scope").filter(|scope| !scope.trim().is_empty())?;

    let mut line = Line::new("Bearer");
    line.add("resource_metadata", &discovery.resource_metadata);
    line.add("error", "insufficient_scope");
    line.add("scope", scope);
    if let Some(description) = theirs.parameter("error_description") {
        line.add("error_description", description);
    }
    Some(line.finish())
}

/// The codes of RFC 6750 §3.1 that go with a 401; others may be typing errors or text.
fn is_error_code(error: &str) -> bool {
    ["invalid_token", "invalid_request", "insufficient_scope"].contains(&error)
}

/// A challenge in the making: ASCII, and of one line, by construction.
struct Line {
    text: String,
    empty: bool,
}

impl Line {
    fn new(scheme: &'static str) -> Self {
        Self { text: scheme.to_owned(), empty: true }
    }

    /// Adds a parameter, unless its value cannot stand in a quoted string or would make the line too long.
    fn add(&mut self, name: &str, value: &str) {
        if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return;
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let parameter = format!("{} {name}=\"{value}\"", if self.empty { "" } else { "," });
        if self.text.len() + parameter.len() <= LIMIT {
            self.text.push_str(&parameter);
            self.empty = false;
        }
    }

    fn finish(self) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.text)
            .expect("visible ASCII and spaces only: `add` takes nothing else")
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
    fn the_wording_of_each_refusal() {
        let upstream = parse(br#"Bearer realm="r", scope="a b", error="invalid_token", resource_metadata="https://up.test/""#);
        let asks = parse(br#"Bearer error="insufficient_scope", scope="admin""#);
        let mut lines = vec![format!("own             {}", for_gateway_key().to_str().unwrap())];
        for profile in [Profile::Seed, Profile::Mcp] {
            for owner in [Owner::CallerWithToken, Owner::CallerWithoutToken] {
                let value = unauthorized(profile, &discovery(), &upstream, owner);
                lines.push(format!("{profile:?} {owner:?}  {}", value.to_str().unwrap()));
            }
            let value = step_up(profile, &discovery(), &asks);
            lines.push(format!(
                "{profile:?} step-up  {}",
                value.as_ref().map_or("(bare)", |v| v.to_str().unwrap())
            ));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_transparent_gateway_passes_the_upstreams_lines_on() {
        let lines =
            ["Bearer realm=r", "DPoP algs=\"ES256\"", "Basic"].map(HeaderValue::from_static);
        let given = |failure, lines: &[HeaderValue]| {
            for_failure(failure, Profile::Transparent, &discovery(), lines)
        };
        assert_eq!(given(Failure::Unauthorized, &lines), lines);
        assert_eq!(given(Failure::Forbidden, &lines), lines);
        assert_eq!(
            given(Failure::UnusableAuthorization, &lines).len(),
            1,
            "the upstream was not asked"
        );
        assert_eq!(given(Failure::Forbidden, &[]), Vec::<HeaderValue>::new());
        let long = [HeaderValue::try_from("x".repeat(LIMIT + 1)).unwrap()];
        for own in [given(Failure::Unauthorized, &[]), given(Failure::Unauthorized, &long)] {
            assert_eq!(
                own,
                [unauthorized(Profile::Mcp, &discovery(), &[], Owner::CallerWithToken)]
            );
        }
    }

    #[test]
    fn each_failure_has_the_challenge_that_goes_with_it() {
        let asks = HeaderValue::from_static(r#"Bearer error="insufficient_scope", scope="admin""#);
        let read = parse(asks.as_bytes());
        let of = |failure| {
            for_failure(failure, Profile::Mcp, &discovery(), core::slice::from_ref(&asks))
        };
        assert_eq!(
            of(Failure::Unauthorized),
            [unauthorized(Profile::Mcp, &discovery(), &read, Owner::CallerWithToken)]
        );
        for failure in [Failure::TokenRequired, Failure::UnusableAuthorization] {
            assert_eq!(
                of(failure),
                [unauthorized(Profile::Mcp, &discovery(), &read, Owner::CallerWithoutToken)]
            );
        }
        assert_eq!(
            Some(&of(Failure::Forbidden)[0]),
            step_up(Profile::Mcp, &discovery(), &read).as_ref()
        );
        assert_eq!(of(Failure::NotMcp), Vec::<HeaderValue>::new());
    }

    #[test]
    fn an_error_that_nobody_knows_is_not_carried() {
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
    fn a_line_is_as_long_as_it_may_be_and_no_longer() {
        let of_length = |length: usize| {
            let mut line = Line::new("Bearer");
            line.add("a", &"x".repeat(100));
            line.add("b", &"x".repeat(length - r#"Bearer a="", b="""#.len() - 100));
            line.finish().len()
        };
        assert_eq!((of_length(LIMIT), of_length(LIMIT + 1)), (LIMIT, r#"Bearer a="""#.len() + 100));
    }

    #[test]
    fn a_403_asks_for_scope_only_where_the_upstream_named_one() {
        for bare in [
            &b"Bearer error=\"insufficient_scope\""[..],
            b"Bearer error=\"insufficient_scope\", scope=\" \"",
            b"Bearer scope=a",
            b"Basic error=\"insufficient_scope\", scope=a",
        ] {
            assert_eq!(step_up(Profile::Mcp, &discovery(), &parse(bare)), None);
        }
    }

    proptest! {
        /// Whatever an upstream writes, one well-formed Bearer challenge comes out, and it leads to the gateway.
        #[test]
        fn hostile_challenges_are_tamed(hostile in prop::collection::vec(any::<u8>(), 0..200), long in 0_usize..6000) {
            for (from, value) in [("bytes", hostile.clone()), ("bearer", [b"Bearer scope=\"", &hostile[..], b"\""].concat()), ("long", format!("Bearer realm=\"{}\"", "x".repeat(long)).into_bytes())] {
                let line = unauthorized(Profile::Mcp, &discovery(), &parse(&value), Owner::CallerWithToken);
                let line = line.to_str().unwrap();
                let read = parse(line.as_bytes());
                prop_assert_eq!(read.len(), 1, "{} {}", from, line);
                prop_assert_eq!(read[0].parameter("resource_metadata"), Some("https://gw.test/prm"));
                prop_assert!(line.len() <= LIMIT);
            }
        }

        #[test]
        fn a_carried_scope_survives_the_round_trip(scope in "[a-z:]{1,10}( [a-z:]{1,10}){0,3}") {
            let line = unauthorized(Profile::Mcp, &discovery(), &parse(format!("Bearer scope=\"{scope}\"").as_bytes()), Owner::CallerWithToken);
            let read = parse(line.as_bytes());
            prop_assert_eq!(read[0].parameter("scope"), Some(scope.as_str()));
        }
    }
}
