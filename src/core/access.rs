//! Decides which servers a caller may use.
//!
//! Names come from the request, grants from the configuration: a name can only narrow what is granted (GATE-01, SEC-02). Knows
//! nothing of credentials.

use std::collections::BTreeSet;

/// Position of a server in the configuration; the order in which ties are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u16);

/// Position of a gateway key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u16);

/// The servers that a gateway key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Every server of the configuration.
    All,
    /// These, and an empty set means none (GATE-03).
    Servers(BTreeSet<ServerId>),
}

impl Grant {
    /// Whether the grant covers a server.
    #[must_use]
    pub fn covers(&self, server: ServerId) -> bool {
        match self {
            Self::All => true,
            Self::Servers(granted) => granted.contains(&server),
        }
    }
}

/// Resolves a name to a server that the grant covers.
///
/// A name that nobody configured and one that the grant leaves out give the same `None`, so that an answer made from it cannot tell
/// a stranger which servers exist (GATE-07).
#[must_use]
pub fn resolve(grant: &Grant, named: Option<ServerId>) -> Option<ServerId> {
    named.filter(|server| grant.covers(*server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_grant_is_not_a_grant_of_everything() {
        assert_eq!(resolve(&Grant::Servers(BTreeSet::new()), Some(ServerId(0))), None);
    }

    #[test]
    fn what_is_unknown_and_what_is_not_granted_look_the_same() {
        let grant = Grant::Servers([ServerId(0)].into());
        assert_eq!(resolve(&grant, None), resolve(&grant, Some(ServerId(1))));
        assert_eq!(resolve(&grant, Some(ServerId(0))), Some(ServerId(0)));
        assert_eq!(resolve(&Grant::All, Some(ServerId(1))), Some(ServerId(1)));
    }
}
