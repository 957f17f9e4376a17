//! The kinds of steps, with their keys and default values.

use serde::Deserialize;

use super::values::{BehaviourFrom, CallerName, ConnectionKind, Message, Read, Vary};
use crate::cases::axis::{Credentials, Method};

/// One request to a single-server endpoint, for each server.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RequestStep {
    /// The servers, one request each.
    pub servers: Vec<String>,
    /// What is sent: a value of the axis `method`, or an HTTP method in capital letters.
    pub send: Message,
    /// How the caller presents itself: a value of the axis `credentials`.
    pub credentials: Credentials,
    /// Which caller sends it.
    pub caller: CallerName,
    /// The mock behaviour of the upstream.
    pub behaviour: String,
    /// How the upstream learns its behaviour.
    pub behaviour_from: BehaviourFrom,
    /// The path, with placeholders.
    pub path: String,
    /// Header fields in addition to the usual ones, with placeholders in names and values.
    pub headers: Vec<(String, String)>,
    /// Header fields that replace the usual ones of the same name. An empty value removes the
    /// field.
    pub replace_headers: Vec<(String, String)>,
    /// A body that replaces the usual message.
    pub body: Option<String>,
    /// The authentication scheme before the token, with its space. It replaces the implementation's
    /// scheme.
    pub token_scheme: Option<String>,
    /// The length to which the token is padded, in bytes.
    pub token_bytes: Option<usize>,
    /// The number of repetitions.
    pub times: usize,
    /// Whether the request names the session that was opened last in this scenario.
    pub session: bool,
    /// The connection that carries the request.
    pub connection: ConnectionKind,
    /// How far the client reads the response.
    pub read: Read,
}

/// One `tools/list` to each server, all at the same time.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConcurrentStep {
    /// The servers, one request each.
    pub servers: Vec<String>,
    /// The mock behaviour of each upstream.
    pub behaviour: String,
}

/// A request for several servers.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AggregateStep {
    /// The names of the servers as the client writes them.
    pub servers: Vec<String>,
    /// The number of unknown server names after them.
    pub unknown_names: usize,
    /// A toolset instead of servers. The request uses the route of toolsets.
    pub toolset: Option<String>,
    /// A part of the route, such as `{servers}`. The default is the first route.
    pub route: Option<String>,
    /// The tool to call: `server/tool`, or a complete name. In `replace-headers`,
    /// `{tool-in-base64}` is its name.
    pub tool: Option<String>,
    /// What is sent if no tool is called.
    pub send: Message,
    /// How the caller presents itself: a value of the axis `credentials`.
    pub credentials: Credentials,
    /// Which caller sends it.
    pub caller: CallerName,
    /// The mock behaviour of every server, or one for each in configuration order, separated by
    /// commas.
    pub behaviour: String,
    /// Header fields in addition to the usual ones.
    pub headers: Vec<(String, String)>,
    /// Header fields that replace the usual ones of the same name.
    pub replace_headers: Vec<(String, String)>,
    /// The number of repetitions.
    pub times: usize,
    /// Whether the request names the session that was opened last in this scenario.
    pub session: bool,
    /// What differs between the repetitions.
    pub vary: Vary,
    /// The server that observables of one server refer to.
    pub observed_server: String,
}

/// The lines of a request that an HTTP library would not send.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawStep {
    /// The lines, each but the last ended by CR LF, with placeholders. `{message}` is a
    /// `tools/call`.
    pub lines: Vec<String>,
    /// The mock behaviour of the upstream.
    #[serde(default = "healthy")]
    pub behaviour: String,
}

/// The fetch of protected resource metadata.
#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FetchMetadataStep {
    /// How the caller presents itself: a value of the axis `credentials`.
    pub credentials: Credentials,
}

fn healthy() -> String {
    "200-json".to_owned()
}

/// The server of steps that do not name one.
pub(super) const DEFAULT_SERVER: &str = "alpha";

impl Default for RequestStep {
    fn default() -> Self {
        Self {
            servers: vec![DEFAULT_SERVER.to_owned()],
            send: Message::Mcp(Method::ToolsList),
            credentials: Credentials::KeyAndToken,
            caller: CallerName::First,
            behaviour: healthy(),
            behaviour_from: BehaviourFrom::Token,
            path: "{endpoint}".to_owned(),
            headers: Vec::new(),
            replace_headers: Vec::new(),
            body: None,
            token_scheme: None,
            token_bytes: None,
            times: 1,
            session: false,
            connection: ConnectionKind::Any,
            read: Read::ToEnd,
        }
    }
}

impl Default for AggregateStep {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            unknown_names: 0,
            toolset: None,
            route: None,
            tool: None,
            send: Message::Mcp(Method::ToolsList),
            credentials: Credentials::KeyAndToken,
            caller: CallerName::First,
            behaviour: healthy(),
            headers: Vec::new(),
            replace_headers: Vec::new(),
            times: 1,
            session: false,
            vary: Vary::Nothing,
            observed_server: DEFAULT_SERVER.to_owned(),
        }
    }
}

impl RawStep {
    /// The request that the placeholders in the lines refer to.
    #[must_use]
    pub fn request(&self) -> RequestStep {
        RequestStep {
            send: Message::Mcp(Method::ToolsCall),
            behaviour: self.behaviour.clone(),
            ..RequestStep::default()
        }
    }
}

impl ConcurrentStep {
    /// The same requests as a step that sends them one after another.
    #[must_use]
    pub fn request(&self) -> RequestStep {
        RequestStep {
            servers: self.servers.clone(),
            behaviour: self.behaviour.clone(),
            ..RequestStep::default()
        }
    }
}
