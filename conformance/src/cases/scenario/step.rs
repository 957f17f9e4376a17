//! The steps of a scenario: what the client sends, in which form, and how far it reads the response.

use serde::Deserialize;

use crate::cases::{
    axis::{Credentials, Method},
    behaviour::Behaviours,
    placeholder::{self, IN_AGGREGATE_HEADERS, IN_RAW_LINES, IN_STEPS},
};

/// One step, written as a table with the step's kind as its only key: `{ request = { … } }`.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Sends one request to each server, one after another.
    Request(RequestStep),
    /// Sends one `tools/list` to each server, all at the same time.
    ConcurrentRequests(ConcurrentStep),
    /// Sends a request for several servers to an aggregate endpoint.
    Aggregate(AggregateStep),
    /// Sends bytes over a connection of their own.
    Raw(RawStep),
    /// Fetches the protected resource metadata that the preceding challenge names, or that of the well-known URL if it names none.
    FetchMetadata(FetchMetadataStep),
}

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
    /// Header fields beside the usual ones, with placeholders in names and values.
    pub headers: Vec<(String, String)>,
    /// Header fields in place of the usual ones of that name; with an empty value the field is left out.
    pub replace_headers: Vec<(String, String)>,
    /// The body in place of the usual message.
    pub body: Option<String>,
    /// The authentication scheme before the token, with its space, in place of the implementation's own.
    pub token_scheme: Option<String>,
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
    /// How many unknown names follow them.
    pub unknown_names: usize,
    /// The toolset in place of servers, by a route of toolsets.
    pub toolset: Option<String>,
    /// A part of the route, such as `{servers}`; the first route, unless given.
    pub route: Option<String>,
    /// The tool to call: `server/tool`, or a whole name. A replaced header can name it as `{tool-in-base64}`.
    pub tool: Option<String>,
    /// What is sent if no tool is called.
    pub send: Message,
    /// How the caller presents itself: a value of the axis `credentials`.
    pub credentials: Credentials,
    /// Which caller sends it.
    pub caller: CallerName,
    /// The mock behaviour of every server, or one for each in configuration order, separated by commas.
    pub behaviour: String,
    /// Header fields beside the usual ones.
    pub headers: Vec<(String, String)>,
    /// Header fields in place of the usual ones of that name.
    pub replace_headers: Vec<(String, String)>,
    /// The number of repetitions.
    pub times: usize,
    /// Whether the request names the session that was opened last in this scenario.
    pub session: bool,
    /// What differs from repetition to repetition.
    pub vary: Vary,
    /// The server that observables of one server look at.
    pub observed_server: String,
}

/// The lines of a request that no HTTP library would send.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawStep {
    /// The lines, each but the last ended by CR LF, with placeholders. `{message}` is a `tools/call`.
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
    /// From the caller's token; where no token reaches it, the behaviour is assigned.
    #[default]
    Token,
    /// It is assigned before the request, because the token is expected not to arrive.
    Assignment,
}

/// The connection that carries a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionKind {
    /// Any connection of the client, HTTP/1.1.
    #[default]
    Any,
    /// The one connection that all such steps of the scenario share, HTTP/1.1.
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
    /// To its end; the upstream sends each event only when the one before it has arrived.
    EventByEvent,
    /// Not at all: the client disconnects when an upstream has received a request.
    UntilUpstreamContacted,
    /// The client disconnects when one event has arrived; the upstream sends them one by one.
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
    /// The order in which the servers answer: another permutation each time.
    ResponseOrder,
    /// The probe outcomes: every mix of the matrix, each with better tokens until the response is not 401.
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

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mcp(method) => f.write_str(method.as_str()),
            Self::Plain(method) => f.write_str(method),
        }
    }
}

fn healthy() -> String {
    "200-json".to_owned()
}

/// The server of steps that name none.
const USUAL_SERVER: &str = "alpha";

impl Default for RequestStep {
    fn default() -> Self {
        Self {
            servers: vec![USUAL_SERVER.to_owned()],
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
            observed_server: USUAL_SERVER.to_owned(),
        }
    }
}

impl RawStep {
    /// The request whose parts the lines name.
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

impl Step {
    /// The first server that observables of one server look at.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Request(step) => step.servers.first().map(String::as_str),
            Self::ConcurrentRequests(step) => step.servers.first().map(String::as_str),
            Self::Aggregate(step) => Some(&step.observed_server),
            Self::Raw(_) | Self::FetchMetadata(_) => Some(USUAL_SERVER),
        }
    }

    /// How many sessions its client opens.
    #[must_use]
    pub fn sessions_opened(&self) -> usize {
        let opening = Message::Mcp(Method::Initialize);
        match self {
            Self::Request(step) if step.send == opening => step.times * step.servers.len(),
            Self::Aggregate(step) if step.send == opening => step.times * step.servers.len(),
            _ => 0,
        }
    }

    /// Whether the client disconnects before the end of a response.
    #[must_use]
    pub const fn disconnects(&self) -> bool {
        matches!(self, Self::Request(step) if step.read.disconnects())
    }

    /// The mock behaviours that it names.
    fn behaviours(&self) -> Vec<&str> {
        match self {
            Self::Request(step) => vec![&step.behaviour],
            Self::ConcurrentRequests(step) => vec![&step.behaviour],
            Self::Aggregate(step) => step.behaviour.split(',').collect(),
            Self::Raw(step) => vec![&step.behaviour],
            Self::FetchMetadata(_) => Vec::new(),
        }
    }

    /// Checks that its behaviours and placeholders exist and that its keys agree with each other.
    ///
    /// # Errors
    ///
    /// The first mistake, with the accepted words.
    pub fn check(&self) -> Result<(), String> {
        for behaviour in self.behaviours() {
            if Behaviours::embedded().find(behaviour).is_none() {
                let known: Vec<&str> =
                    Behaviours::embedded().all().map(|known| known.name.as_str()).collect();
                return Err(format!(
                    "unknown behaviour `{behaviour}`, expected one of {}",
                    known.join(", ")
                ));
            }
        }
        match self {
            Self::Request(step) => {
                if step.connection == ConnectionKind::Shared && step.read != Read::ToEnd {
                    return Err("a response on the shared connection is read to its end".to_owned());
                }
                let headers = step.headers.iter().flat_map(|(name, value)| [name, value]);
                let replaced = step.replace_headers.iter().map(|(_, value)| value);
                let texts = headers.chain(replaced).chain(&step.body).chain([&step.path]);
                texts.into_iter().try_for_each(|text| placeholder::check(text, &[IN_STEPS]))
            }
            Self::Aggregate(step) => step
                .replace_headers
                .iter()
                .try_for_each(|(_, value)| placeholder::check(value, &[IN_AGGREGATE_HEADERS])),
            Self::Raw(step) => step
                .lines
                .iter()
                .try_for_each(|line| placeholder::check(line, &[IN_STEPS, IN_RAW_LINES])),
            Self::ConcurrentRequests(_) | Self::FetchMetadata(_) => Ok(()),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = |times: usize| match times {
            1 => String::new(),
            times => format!("{times} times "),
        };
        match self {
            Self::Request(step) => write!(
                f,
                "{}{} to {} with {}, upstream {}",
                times(step.times),
                step.send,
                step.servers.join(", "),
                step.credentials,
                step.behaviour
            ),
            Self::ConcurrentRequests(step) => write!(
                f,
                "tools-list to {} at the same time, upstream {}",
                step.servers.join(", "),
                step.behaviour
            ),
            Self::Aggregate(step) => {
                let servers = match &step.toolset {
                    Some(toolset) => format!("toolset {toolset}"),
                    None => format!("aggregate of {}", step.servers.join(", ")),
                };
                let sent = if step.tool.is_some() {
                    "tools-call".to_owned()
                } else {
                    step.send.to_string()
                };
                write!(
                    f,
                    "{}{sent} to {servers} with {}, upstream {}",
                    times(step.times),
                    step.credentials,
                    step.behaviour
                )
            }
            Self::Raw(step) => {
                write!(
                    f,
                    "raw bytes of a tools-call to {USUAL_SERVER}, upstream {}",
                    step.behaviour
                )
            }
            Self::FetchMetadata(step) => {
                write!(f, "the metadata that the challenge names, with {}", step.credentials)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(step: &str) -> String {
        #[derive(Deserialize)]
        struct File {
            step: Step,
        }
        match toml::from_str::<File>(&format!("step = {step}")) {
            Ok(file) => file.step.check().unwrap_err(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn unknown_words_are_reported_with_the_accepted_ones() {
        for (step, expected) in [
            (
                "{ replay = {} }",
                "unknown variant `replay`, expected one of `request`, `concurrent-requests`, `aggregate`, `raw`, `fetch-metadata`",
            ),
            (
                "{ raw = { lines = [], sender = 1 } }",
                "unknown field `sender`, expected `lines` or `behaviour`",
            ),
            (
                "{ request = { caller = 'third' } }",
                "unknown variant `third`, expected `first` or `second`",
            ),
            (
                "{ request = { path = '{nowhere}' } }",
                "unknown placeholder {nowhere}, expected one of {endpoint}, {server}",
            ),
            (
                "{ request = { behaviour = '418' } }",
                "unknown behaviour `418`, expected one of 200-json, 200-sse",
            ),
            (
                "{ request = { send = 'tools/call' } }",
                "unknown message `tools/call`, expected an HTTP method in capital letters or one of initialize",
            ),
            (
                "{ request = { connection = 'shared', read = 'event-by-event' } }",
                "a response on the shared connection is read to its end",
            ),
        ] {
            let error = error(step);
            assert!(error.starts_with(expected), "{step}: {error}");
        }
    }
}
