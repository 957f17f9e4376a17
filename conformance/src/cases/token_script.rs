//! Writes and reads the token that carries a case's script through the gateway to the upstreams.
//!
//! One boot of an implementation serves the whole matrix, because each upstream learns from the token it is shown how to answer.
//! Knows nothing of what a behaviour does.
//!
//! A token reads `CANARY.pf1.CASE.BEHAVIOUR`, or `CANARY.pf1.CASE.alpha~BEHAVIOUR/beta~BEHAVIOUR` where servers differ, and can have one
//! word more, which tells tokens of one case apart. It begins with what is random, so that whoever is shown its start is shown a part of
//! the canary. Every character is a token68 character (RFC 9110 §11.2), so that a gateway has no reason to refuse or to rewrite it.

use std::fmt;

/// Tells our tokens from others.
const MARK: &str = "pf1";

/// Identifies one case in one run, on every face.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct CaseId(pub String);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a token tells the upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScript {
    /// The case that every request with this token belongs to.
    pub case: CaseId,
    /// Server name and behaviour; an empty name stands for every server.
    pub orders: Vec<(String, String)>,
    /// Random and unique to the case: where it turns up, this token has been.
    pub canary: String,
    /// Which of the case's tokens this is: empty, or a server that it is for alone.
    pub end: String,
}

impl TokenScript {
    /// The canary of a token that no caller has: it stands in URLs that nobody should follow.
    pub const NOBODYS: &str = "followed";

    /// One behaviour for whichever server is asked.
    #[must_use]
    pub fn everywhere(case: CaseId, behaviour: &str, canary: String) -> Self {
        Self {
            case,
            orders: vec![(String::new(), behaviour.to_owned())],
            canary,
            end: String::new(),
        }
    }

    /// The behaviour ordered of a server, if the script has one for it.
    #[must_use]
    pub fn order(&self, server: &str) -> Option<&str> {
        self.orders
            .iter()
            .find(|(name, _)| name.is_empty() || name == server)
            .map(|(_, behaviour)| behaviour.as_str())
    }

    /// The bearer token.
    #[must_use]
    pub fn token(&self) -> String {
        let orders: Vec<String> = self
            .orders
            .iter()
            .map(|(server, behaviour)| {
                if server.is_empty() {
                    behaviour.clone()
                } else {
                    format!("{server}~{behaviour}")
                }
            })
            .collect();
        let end = if self.end.is_empty() {
            String::new()
        } else {
            format!(".{}", self.end)
        };
        format!("{}.{MARK}.{}.{}{end}", self.canary, self.case, orders.join("/"))
    }

    /// Finds a token of ours in any text: a header value, a body, a log line.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let at = text.find(".pf1.")?;
        let before = text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
        let rest: String = text[at..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(*c))
            .collect();
        let mut parts = rest.split('.').skip(2);
        let (case, orders, end) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        let orders = orders
            .split('/')
            .map(|order| {
                order.split_once('~').map_or_else(
                    || (String::new(), order.to_owned()),
                    |(s, b)| (s.to_owned(), b.to_owned()),
                )
            })
            .collect();
        Some(Self {
            case: CaseId(case.to_owned()),
            orders,
            canary: text[before..at].to_owned(),
            end: end.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_is_found_again_in_any_surroundings(
            case in "[a-z0-9]{1,8}",
            orders in prop::collection::vec(("[a-z]{1,6}", "[a-z0-9+-]{1,20}"), 1..4),
            canary in "[a-z0-9]{16}",
            end in "[a-z]{0,6}",
            before in "([ -o]{0,20}[ \"'=;,])?",
            after in "([ \"',;].{0,20})?",
        ) {
            let script = TokenScript { case: CaseId(case), orders, canary, end };
            prop_assert_eq!(TokenScript::find(&format!("{before}{}{after}", script.token())), Some(script));
        }
    }

    #[test]
    fn an_order_without_a_name_is_for_every_server() {
        let script = TokenScript::everywhere(CaseId("c1".into()), "401-full+oauth", "x".into());
        assert_eq!(script.order("alpha"), Some("401-full+oauth"));
        assert_eq!(script.token(), "x.pf1.c1.401-full+oauth");
    }
}
