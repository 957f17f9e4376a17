//! Finds disclosed secrets: secrets at a location where `disclosure.toml` does not allow them, in
//! any spelling.
//!
//! Every secret is random and belongs to one case or to one run, so an occurrence is proof of a
//! disclosure. The modules work on recorded data alone; they know neither rules nor findings.
//!
//! | module | decides |
//! | --- | --- |
//! | `spelling` | how a secret can be spelled |
//! | `index` | where secrets occur in a text |
//! | `table` | which secret may occur at which location, and in which part of a message |
//! | `captured` | what was captured of a case, and in which parts of it a secret can be |
//! | `secrets` | which secrets a case has |
//! | `classify` | which class a secret belongs to, in relation to a request |
//! | `search` | at which location each recorded text is |

mod captured;
mod classify;
pub mod index;
mod search;
mod secrets;
pub mod spelling;
pub mod table;

use std::fmt;

pub use self::{captured::Captured, search::search, secrets::Secrets};
use self::{
    index::{Index, Occurrence, Wanted},
    spelling::Spelling,
    table::{Location, PartKind, SecretClass, Table},
};

/// A part of a message: a header field, the request target or the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of a header field, in any case; or `target`, or `body`.
    pub name: &'a str,
    /// The kind of the part.
    pub kind: PartKind,
}

impl Part<'static> {
    /// The body of a message; also the text of a log or of metrics.
    pub const BODY: Self = Self { name: "body", kind: PartKind::Body };
    /// The request target: path and query.
    pub const TARGET: Self = Self { name: "target", kind: PartKind::Target };
}

/// A secret at a location where the table does not allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Where it was found.
    pub location: Location,
    /// The upstream server, if the location is one.
    pub server: Option<String>,
    /// The class of the secret.
    pub class: SecretClass,
    /// The part of the message, as reports describe it.
    pub part: String,
    /// How the secret was spelled.
    pub spelling: Spelling,
    /// How many of its characters were found, if not all.
    pub found_characters: Option<usize>,
    /// The requirements that the disclosure violates.
    pub violates: Vec<String>,
}

impl Disclosure {
    /// The disclosure that an occurrence is; `None` if the table allows it.
    fn of_occurrence(
        location: Location,
        server: Option<&str>,
        class: SecretClass,
        part: Part<'_>,
        occurrence: &Occurrence,
    ) -> Option<Self> {
        let (table, name) = (Table::embedded(), part.name.to_ascii_lowercase());
        let is_whole = occurrence.found_characters.is_none();
        if is_whole && table.allows(location, class, &name, occurrence.spelling) {
            return None;
        }
        let violates = table.violated(location, class, &name, part.kind).to_vec();
        let part = match part.kind {
            PartKind::Header => name,
            PartKind::Trailer => format!("the trailer {name}"),
            PartKind::Target => "the target".to_owned(),
            PartKind::Body => "the body".to_owned(),
        };
        Some(Self {
            location,
            server: server.map(str::to_owned),
            class,
            part,
            spelling: occurrence.spelling,
            found_characters: occurrence.found_characters,
            violates,
        })
    }

    /// Whether the secret admits a caller to the gateway.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        matches!(
            self.class,
            SecretClass::GatewayKey
                | SecretClass::KeyAsBearer
                | SecretClass::KeyTwice
                | SecretClass::AdmissionBearer
        )
    }

    /// Whether the secret is a caller's token.
    #[must_use]
    pub const fn is_token(&self) -> bool {
        matches!(self.class, SecretClass::CallersToken | SecretClass::AnotherToken)
    }

    /// Whether the secret is a credential that the gateway has or obtains itself.
    #[must_use]
    pub const fn is_gateway_credential(&self) -> bool {
        matches!(
            self.class,
            SecretClass::StaticToken | SecretClass::MintedToken | SecretClass::ClientSecret
        )
    }

    /// Whether a server behind the gateway can read it.
    #[must_use]
    pub const fn is_to_upstream(&self) -> bool {
        self.server.is_some()
    }

    /// Whether a client can read it.
    #[must_use]
    pub const fn is_to_client(&self) -> bool {
        matches!(
            self.location,
            Location::Head
                | Location::ErrorBody
                | Location::Body
                | Location::RelayedBody
                | Location::Discovery
        )
    }

    /// Whether an operator can read it.
    #[must_use]
    pub const fn is_to_operator(&self) -> bool {
        matches!(self.location, Location::Log | Location::Metrics)
    }
}

impl fmt::Display for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = match self.class {
            SecretClass::GatewayKey | SecretClass::KeyAsBearer | SecretClass::KeyTwice => {
                "gateway key"
            }
            SecretClass::AdmissionBearer => "admission bearer",
            SecretClass::CallersToken => "caller's token",
            SecretClass::AnotherToken => "another caller's token",
            SecretClass::StaticToken => "static token",
            SecretClass::MintedToken => "minted token",
            SecretClass::ClientSecret => "client secret",
            SecretClass::Session => "session id",
            SecretClass::AnotherSession => "another server's session id",
            SecretClass::ClientSession => "client's session id",
        };
        match (&self.server, self.location) {
            (Some(server), _) => write!(f, "{secret} to {server} in {}", self.part)?,
            (None, Location::Log) => write!(f, "{secret} in the log")?,
            (None, Location::Metrics) => write!(f, "{secret} in the metrics")?,
            (None, _) => write!(f, "{secret} in {}", self.part)?,
        }
        if let Some(n) = self.found_characters {
            write!(f, ", {n} of its characters")?;
        }
        match self.spelling {
            Spelling::Plain => Ok(()),
            spelling => write!(f, ", {}", spelling.as_str()),
        }
    }
}

/// Whether a text contains this secret, or a part that identifies it, in any spelling.
#[must_use]
pub fn contains_secret(text: &str, secret: &str) -> bool {
    Index::new([Wanted { value: secret, is_random: true, tail: "" }]).occurs_in(text)
}
