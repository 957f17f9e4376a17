//! Finds what leaked: secrets in places where the table of `disclosure.toml` does not have them, in whatever spelling.
//!
//! Every secret is random and belongs to one case or one run, so that finding it anywhere is proof. What is captured of a case is walked
//! through here; what a run captures beside its cases, the runner hands in.
//!
//! | module | decides |
//! | --- | --- |
//! | `spelling` | how a secret can be spelled |
//! | `index` | where it is in a text |
//! | `table` | which sink may see which secret |
//! | `case` | which sink and which secret something is in one case |

mod case;
pub mod index;
pub mod spelling;
pub mod table;

use std::fmt;

pub use self::case::{Secrets, leaks};
use self::{
    index::{Found, Index, Wanted},
    spelling::Spelling,
    table::{Kind, PlaceKind, Sink, Table},
};
use crate::judge::{self, Finding, observables::Subject};

/// The rule of what the table finds, beside those of `rules/`.
pub const RULE: &str = "taint";

/// A place in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// A header name, in any case, or `target`, `body`.
    pub name: &'a str,
    /// What it is.
    pub kind: PlaceKind,
}

impl Place<'static> {
    /// The body, or the text of a sink that is all text.
    pub const BODY: Self = Self { name: "body", kind: PlaceKind::Body };
    /// The path and query.
    pub const TARGET: Self = Self { name: "target", kind: PlaceKind::Target };
}

/// A secret where it may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Who can read it there.
    pub sink: Sink,
    /// The server, where the sink is one.
    pub server: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// In which place, in words.
    pub place: String,
    /// How it is spelled, and how much of it is there.
    pub spelling: Spelling,
    /// How many characters of it, where not all.
    pub part: Option<usize>,
    /// The requirements that are not met.
    pub broken: Vec<String>,
}

impl Disclosure {
    /// The leak that a find is, unless the table has it there.
    fn of(
        sink: Sink,
        server: Option<&str>,
        kind: Kind,
        place: Place<'_>,
        found: &Found,
    ) -> Option<Self> {
        let (table, name) = (Table::embedded(), place.name.to_ascii_lowercase());
        if found.part.is_none() && table.allows(sink, kind, &name, found.spelling) {
            return None;
        }
        let broken = table.broken(sink, kind, &name, place.kind).to_vec();
        let place = match place.kind {
            PlaceKind::Header => name,
            PlaceKind::Trailer => format!("the trailer {name}"),
            PlaceKind::Target => "the target".to_owned(),
            PlaceKind::Body => "the body".to_owned(),
        };
        Some(Self {
            sink,
            server: server.map(str::to_owned),
            kind,
            place,
            spelling: found.spelling,
            part: found.part,
            broken,
        })
    }

    /// Whether it is one of what opens the gateway.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        matches!(
            self.kind,
            Kind::GatewayKey | Kind::KeyAsBearer | Kind::KeyTwice | Kind::AdmissionBearer
        )
    }

    /// Whether it is a caller's token.
    #[must_use]
    pub const fn is_token(&self) -> bool {
        matches!(self.kind, Kind::CallersToken | Kind::AnotherToken)
    }

    /// Whether it is a credential of the gateway's own.
    #[must_use]
    pub const fn is_own_credential(&self) -> bool {
        matches!(self.kind, Kind::StaticToken | Kind::MintedToken | Kind::ClientSecret)
    }

    /// Whether a party behind the gateway can read it.
    #[must_use]
    pub const fn is_upstream(&self) -> bool {
        self.server.is_some()
    }

    /// Whether a client can.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        matches!(
            self.sink,
            Sink::Head | Sink::ErrorBody | Sink::Body | Sink::RelayedBody | Sink::Discovery
        )
    }

    /// Whether an operator can.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        matches!(self.sink, Sink::Log | Sink::Metrics)
    }
}

impl fmt::Display for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::GatewayKey | Kind::KeyAsBearer | Kind::KeyTwice => "gateway key",
            Kind::AdmissionBearer => "admission bearer",
            Kind::CallersToken => "caller's token",
            Kind::AnotherToken => "another caller's token",
            Kind::StaticToken => "static token",
            Kind::MintedToken => "minted token",
            Kind::ClientSecret => "client secret",
            Kind::Session => "session id",
            Kind::AnotherSession => "another server's session id",
            Kind::ClientSession => "client's session id",
        };
        match (&self.server, self.sink) {
            (Some(server), _) => write!(f, "{what} to {server} in {}", self.place)?,
            (None, Sink::Log) => write!(f, "{what} in the log")?,
            (None, Sink::Metrics) => write!(f, "{what} in the metrics")?,
            (None, _) => write!(f, "{what} in {}", self.place)?,
        }
        match (self.part, self.spelling) {
            (None, Spelling::Plain) => Ok(()),
            (None, spelling) => write!(f, ", {}", spelling.as_str()),
            (Some(n), Spelling::Plain) => write!(f, ", its first {n} characters"),
            (Some(n), spelling) => write!(f, ", its first {n} characters, {}", spelling.as_str()),
        }
    }
}

/// Whether a text holds this secret, or the start of it, in any spelling.
#[must_use]
pub fn holds(text: &str, secret: &str) -> bool {
    Index::new([Wanted { value: secret, drawn_here: true }]).is_in(text)
}

/// What the table finds in a case, one finding for each requirement that is not met; nothing where nothing leaked.
#[must_use]
pub fn judge(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for leak in subject.leaks() {
        findings.extend(
            leak.broken
                .iter()
                .filter_map(|id| judge::missed(id, RULE, "leaked", &leak.to_string(), subject)),
        );
    }
    findings
}
