//! Encodes and decodes the token script: an upstream token that carries the mock behaviours of a
//! case.
//!
//! An upstream reads from the token how to answer, so one start of an implementation serves the
//! whole matrix. This module does not know what a behaviour does.
//!
//! A token has the form `CANARY.pf1.CASE.BEHAVIOUR.TAIL`. If the servers differ, the behaviours are
//! `alpha~BEHAVIOUR/beta~BEHAVIOUR`. A further part, the suffix, distinguishes tokens of one case.
//! The random canary comes first, and the tail follows from it, so that the beginning and the end
//! of a token are enough to recognise a disclosure. Every character is a token68 character (RFC
//! 9110 §11.2), so a gateway has no reason to reject or rewrite the token.

use std::fmt;

/// The second part of every token script.
const MARKER: &str = "pf1";
/// The number of characters of the tail of a token.
const TAIL: usize = 8;

/// Identifies one case of a run, in the client's and in the upstreams' records.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct CaseId(pub String);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The content of an upstream token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScript {
    /// The case of every request with this token.
    pub case: CaseId,
    /// Server name and mock behaviour. An empty name means every server.
    pub behaviours: Vec<(String, String)>,
    /// Random and unique to the case. Its occurrence anywhere shows that the token was there.
    pub canary: String,
    /// Distinguishes tokens of one case: empty, or the name of the only server for this token.
    pub suffix: String,
}

impl TokenScript {
    /// The canary of the token in URLs that a gateway should not follow. No caller has this token.
    pub const FOLLOWED_URL_CANARY: &str = "followed";

    /// The last characters of a token with this canary. Like the canary, they are in no other
    /// token.
    #[must_use]
    pub fn tail(canary: &str) -> String {
        // FNV-1a spreads the bits of the canary; a secret hash is not needed.
        let seed = canary.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..TAIL).map(|_| rng.alphanumeric().to_ascii_lowercase()).collect()
    }

    /// A script with the same behaviour for every server.
    #[must_use]
    pub fn for_every_server(case: CaseId, behaviour: &str, canary: String) -> Self {
        Self {
            case,
            behaviours: vec![(String::new(), behaviour.to_owned())],
            canary,
            suffix: String::new(),
        }
    }

    /// The mock behaviour of a server, if the script contains one.
    #[must_use]
    pub fn behaviour_of(&self, server: &str) -> Option<&str> {
        self.behaviours
            .iter()
            .find(|(name, _)| name.is_empty() || name == server)
            .map(|(_, behaviour)| behaviour.as_str())
    }

    /// The bearer token.
    #[must_use]
    pub fn token(&self) -> String {
        let behaviours: Vec<String> = self
            .behaviours
            .iter()
            .map(|(server, behaviour)| {
                if server.is_empty() {
                    behaviour.clone()
                } else {
                    format!("{server}~{behaviour}")
                }
            })
            .collect();
        let Self { canary, case, suffix, .. } = self;
        let mut token = format!("{canary}.{MARKER}.{case}.{}", behaviours.join("/"));
        if !suffix.is_empty() {
            token.push('.');
            token.push_str(suffix);
        }
        token.push('.');
        token.push_str(&Self::tail(canary));
        token
    }

    /// Finds the first token script in any text, such as a header field value, a body or a log
    /// line.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let canary_end = text.find(".pf1.")?;
        let canary_start =
            text[..canary_end].trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
        let rest: String = text[canary_end..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(*c))
            .collect();
        let canary = &text[canary_start..canary_end];
        let mut parts = rest.split('.').skip(2);
        let (case, behaviours) = (parts.next()?, parts.next()?);
        let tail = Self::tail(canary);
        let suffix = parts.find(|part| *part != tail).unwrap_or_default();
        let behaviours = behaviours
            .split('/')
            .map(|part| part.split_once('~').unwrap_or(("", part)))
            .map(|(server, behaviour)| (server.to_owned(), behaviour.to_owned()))
            .collect();
        Some(Self {
            case: CaseId(case.to_owned()),
            behaviours,
            canary: canary.to_owned(),
            suffix: suffix.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn token_is_found_in_any_surrounding_text(
            case in "[a-z0-9]{1,8}",
            behaviours in prop::collection::vec(("[a-z]{1,6}", "[a-z0-9+-]{1,20}"), 1..4),
            canary in "[a-z0-9]{16}",
            suffix in "[a-z]{0,6}",
            before in "([ -o]{0,20}[ \"'=;,])?",
            after in "([ \"',;].{0,20})?",
        ) {
            let script = TokenScript { case: CaseId(case), behaviours, canary, suffix };
            let text = format!("{before}{}{after}", script.token());
            prop_assert_eq!(TokenScript::find(&text), Some(script));
        }
    }

    #[test]
    fn behaviour_without_a_server_name_applies_to_every_server() {
        let script =
            TokenScript::for_every_server(CaseId("c1".into()), "401-full+oauth", "x".into());
        assert_eq!(script.behaviour_of("alpha"), Some("401-full+oauth"));
        assert_eq!(script.token(), format!("x.pf1.c1.401-full+oauth.{}", TokenScript::tail("x")));
    }
}
