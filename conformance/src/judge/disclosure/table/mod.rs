//! The table of `disclosure.toml`: which secret may occur at which location, and what an occurrence
//! elsewhere violates.
//!
//! The table decides every pair of a location and a class of secrets exactly once. It does not know
//! how a location or a class is determined in a case.

mod parse;
mod render;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use self::parse::Row;
use super::spelling::Spelling;
use crate::catalogue::{embedded::Embedded, named_values::named_values};

named_values! {
    /// Where a secret can occur, as far as it matters who reads it there.
    Location {
        /// A token-forwarding server that the request names.
        RequestedServer = "requested-server",
        /// A token-forwarding server that the request does not name.
        ForwardingServer = "forwarding-server",
        /// A server that the caller may not use.
        UngrantedServer = "ungranted-server",
        /// A server with a static credential.
        StaticServer = "static-server",
        /// A server whose token the gateway obtains with client credentials.
        MintedServer = "minted-server",
        /// A server without credentials.
        OpenServer = "open-server",
        /// The authorization server.
        Issuer = "issuer",
        /// An origin that only a redirect names.
        Elsewhere = "elsewhere",
        /// The header section and trailers of a response to a client.
        Head = "head",
        /// The body of an error response that the gateway wrote.
        ErrorBody = "error-body",
        /// The body of any other response that the gateway wrote.
        Body = "body",
        /// The body of a response that an upstream wrote.
        RelayedBody = "relayed-body",
        /// A discovery document.
        Discovery = "discovery",
        /// The output of the implementation.
        Log = "log",
        /// The metrics of the implementation.
        Metrics = "metrics",
    }
}

named_values! {
    /// The class of a secret, in relation to the request.
    SecretClass {
        /// A gateway key that the client sent in the key header, or did not send.
        GatewayKey = "gateway-key",
        /// A gateway key that the client sent as a token.
        KeyAsBearer = "key-as-bearer",
        /// A gateway key that the client sent in both header fields.
        KeyTwice = "key-twice",
        /// A bearer token that admits its caller to the gateway.
        AdmissionBearer = "admission-bearer",
        /// The upstream token of the request.
        CallersToken = "callers-token",
        /// The upstream token of another request.
        AnotherToken = "another-token",
        /// The credential of a server with a static credential.
        StaticToken = "static-token",
        /// A token that the gateway obtained with client credentials.
        MintedToken = "minted-token",
        /// The client secret of the gateway.
        ClientSecret = "client-secret",
        /// The id of a session that this upstream server opened.
        Session = "session",
        /// The id of a session that another upstream server opened.
        AnotherSession = "another-session",
        /// The id of a session that the gateway opened for its client.
        ClientSession = "client-session",
    }
}

/// The kind of a part of a message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// A header field.
    Header,
    /// A trailer field.
    Trailer,
    /// The request target: path and query.
    Target,
    /// The body; also the text of a log or of metrics.
    Body,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    /// The description of each location.
    locations: IndexMap<Location, String>,
    /// The description of each class of secrets.
    secrets: IndexMap<SecretClass, String>,
    /// The groups of secrets, without nested groups.
    groups: Vec<(String, Vec<SecretClass>)>,
    rows: Vec<Row>,
    /// The index of the row that decides each pair.
    decided: BTreeMap<(Location, SecretClass), usize>,
}

const TEXT: &str = include_str!("../../../../disclosure.toml");

static EMBEDDED: Embedded<Table> =
    Embedded::new(|| Table::parse(TEXT).map_err(|error| format!("disclosure.toml: {error}")));

impl Table {
    /// The table that is compiled into this program.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    fn row(&self, location: Location, class: SecretClass) -> &Row {
        &self.rows[self.decided[&(location, class)]]
    }

    /// Whether a whole secret in this spelling is allowed in this part of a message.
    #[must_use]
    pub fn allows(
        &self,
        location: Location,
        class: SecretClass,
        part: &str,
        spelling: Spelling,
    ) -> bool {
        let row = self.row(location, class);
        row.parts.iter().any(|allowed| allowed == part) && row.spelled.contains(&spelling)
    }

    /// The requirements that an occurrence violates if it is not allowed.
    #[must_use]
    pub fn violated(
        &self,
        location: Location,
        class: SecretClass,
        part: &str,
        kind: PartKind,
    ) -> &[String] {
        let row = self.row(location, class);
        let is_in_allowed_part = row.parts.iter().any(|allowed| allowed == part);
        match row.otherwise.get(&kind) {
            Some(requirements) if !is_in_allowed_part => requirements,
            _ => &row.requires,
        }
    }
}
