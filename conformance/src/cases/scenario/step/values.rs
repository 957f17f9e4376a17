//! The values that keys of a step can have.

use std::fmt;

use serde::Deserialize;

use crate::cases::axis::Method;

/// A caller of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallerName {
    /// The caller with the limited gateway key.
    #[default]
    First,
    /// The caller with the gateway key for every server and with a token of its own.
    Second,
}

/// How an upstream learns its mock behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BehaviourFrom {
    /// From the caller's token. If no token reaches the upstream, the suite assigns the behaviour.
    #[default]
    Token,
    /// The suite assigns it before the request, because the token is expected not to reach the
    /// upstream.
    Assignment,
}

/// The connection that carries a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionKind {
    /// Any HTTP/1.1 connection of the client.
    #[default]
    Any,
    /// One HTTP/1.1 connection that all steps with this value share.
    Shared,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// How far the client reads a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Read {
    /// To its end.
    #[default]
    ToEnd,
    /// To its end. The upstream sends an event only after the client has received the previous one.
    EventByEvent,
    /// Not at all. The client disconnects when an upstream has received a request.
    UntilUpstreamContacted,
    /// Up to the first event, then the client disconnects. The upstream sends events one by one.
    UntilFirstEvent,
}

impl Read {
    /// Whether the client disconnects before the end of the response.
    #[must_use]
    pub const fn disconnects(self) -> bool {
        matches!(self, Self::UntilUpstreamContacted | Self::UntilFirstEvent)
    }
}

/// What differs between the requests of an `aggregate` step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Vary {
    /// Nothing.
    #[default]
    Nothing,
    /// The order in which the servers answer: each repetition uses another permutation.
    ResponseOrder,
    /// The probe outcomes: every conclusive mix of the matrix. While the response is 401, the
    /// client repeats the request with a token that the server in the challenge accepts.
    TokenOutcomes,
}

/// What a step sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
pub enum Message {
    /// A value of the method axis.
    Mcp(Method),
    /// The HTTP method of a request that is not MCP.
    Plain(String),
}

impl TryFrom<String> for Message {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(method) = Method::ALL.iter().find(|method| method.as_str() == text) {
            return Ok(Self::Mcp(*method));
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(Self::Plain(text));
        }
        let known: Vec<&str> = Method::ALL.iter().map(|method| method.as_str()).collect();
        Err(format!(
            "unknown message `{text}`, expected an HTTP method in capital letters or one of {}",
            known.join(", ")
        ))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mcp(method) => f.write_str(method.as_str()),
            Self::Plain(method) => f.write_str(method),
        }
    }
}
