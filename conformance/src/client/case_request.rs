//! Builds the request of a case: the MCP message, and the header fields that present the caller.
//!
//! It knows the credential layout of the implementation, and does not know how the implementation
//! treats the credentials.

pub use super::message::RequestKind;
use super::{Request, case::Case, message::Message};
use crate::{
    cases::{axis::Credentials, deployment::Deployment},
    catalogue::ProtocolVersion,
    implementations::CredentialLayout,
    trace::Headers,
};

/// The credentials that the caller presents.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Which credentials are presented, and where.
    pub credentials: Credentials,
    /// The upstream token, which carries the script of the case.
    pub token: &'a str,
}

/// Whether these credentials contain a token whose script tells a mock upstream how to answer.
#[must_use]
pub fn carries_script(credentials: Credentials) -> bool {
    match credentials {
        Credentials::KeyAndToken | Credentials::TokenOnly | Credentials::WrongKeyAndToken => true,
        Credentials::KeyOnly
        | Credentials::KeyInAuthorization
        | Credentials::SameKeyTwice
        | Credentials::NoCredentials
        | Credentials::MalformedToken
        | Credentials::EmptyToken
        | Credentials::TwoAuthorizationLines => false,
    }
}

/// Everything that determines a request of a case.
#[derive(Clone, Copy, Debug)]
pub struct CaseRequest<'a> {
    /// What is asked of the gateway.
    pub kind: RequestKind<'a>,
    /// The protocol version of the message.
    pub protocol_version: ProtocolVersion,
    /// The caller.
    pub caller: Caller<'a>,
    /// Path and query.
    pub path: &'a str,
    /// The case that the request belongs to.
    pub case: &'a Case,
    /// Where the implementation expects gateway key and upstream token.
    pub credential_layout: &'a CredentialLayout,
    /// The gateway keys.
    pub deployment: &'a Deployment,
}

impl CaseRequest<'_> {
    /// The request as the client sends it.
    #[must_use]
    pub fn build(&self) -> Request {
        let Message { method, mut headers, body } =
            Message::new(self.kind, self.protocol_version, self.case);
        headers.extend(self.credential_fields());
        let raw = matches!(
            self.caller.credentials,
            Credentials::MalformedToken | Credentials::TwoAuthorizationLines
        );
        Request { method, path: self.path.to_owned(), headers, body, raw }
    }

    /// The header fields that present the caller.
    fn credential_fields(&self) -> Headers {
        let token = self.caller.token;
        let key = self.deployment.limited_key.as_str();
        match self.caller.credentials {
            Credentials::KeyAndToken => vec![self.key_field(key), self.token_field(token)],
            Credentials::TokenOnly => vec![self.token_field(token)],
            Credentials::KeyOnly => vec![self.key_field(key)],
            Credentials::KeyInAuthorization => {
                vec![("authorization".to_owned(), format!("Bearer {key}"))]
            }
            Credentials::SameKeyTwice => vec![self.key_field(key), self.token_field(key)],
            Credentials::WrongKeyAndToken => {
                vec![self.key_field(&self.case.wrong_key), self.token_field(token)]
            }
            Credentials::NoCredentials => Vec::new(),
            // Not a b64token (RFC 6750 §2.1): a quotation mark, a space and a control character.
            Credentials::MalformedToken => {
                vec![self.key_field(key), self.token_field(&format!("{token}\" and\u{1}more"))]
            }
            Credentials::EmptyToken => vec![
                self.key_field(key),
                (
                    self.credential_layout.token_header.clone(),
                    self.credential_layout.token_prefix.trim_end().to_owned(),
                ),
            ],
            Credentials::TwoAuthorizationLines => vec![
                self.key_field(key),
                self.token_field(token),
                self.token_field(&format!("{token}.2")),
            ],
        }
    }

    fn key_field(&self, key: &str) -> (String, String) {
        let CredentialLayout { key_header, key_prefix, .. } = self.credential_layout;
        (key_header.clone(), format!("{key_prefix}{key}"))
    }

    fn token_field(&self, token: &str) -> (String, String) {
        let CredentialLayout { token_header, token_prefix, .. } = self.credential_layout;
        (token_header.clone(), format!("{token_prefix}{token}"))
    }
}
