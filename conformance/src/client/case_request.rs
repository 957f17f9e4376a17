//! Writes the request of a case: which header lines and which body a client sends for its values of the axes.
//!
//! Knows where an implementation wants key and token, and nothing of what it will do with them.

use serde_json::{Value, json};

use crate::{
    cases::{
        axis::{Credentials, Method},
        deployment::Deployment,
        token_script::{CaseId, TokenScript},
    },
    catalogue::ProtocolVersion,
    client::Request,
    implementations::CredentialLayout,
    trace::{Headers, Secret, SecretKind},
};

/// One case of a run: its identity and the secrets that are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// On every face.
    pub id: CaseId,
    /// The JSON-RPC id of its requests.
    pub number: u64,
    /// What its token holds and nothing else does.
    pub canary: String,
    /// A gateway key that nobody ever issued.
    pub wrong_key: String,
    /// The same of the token of a second caller, where there is one.
    pub other_canary: String,
}

impl Case {
    /// The case of that number in a run with that seed.
    #[must_use]
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(
            seed.rotate_left(32) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        );
        let mut word =
            || -> String { (0..20).map(|_| random.alphanumeric().to_ascii_lowercase()).collect() };
        Self {
            id: CaseId(format!("c{number}")),
            number,
            canary: word(),
            wrong_key: format!("sk-{}", word()),
            other_canary: word(),
        }
    }

    /// The script of a token of this case.
    #[must_use]
    pub fn script(&self, orders: &[(String, String)]) -> TokenScript {
        TokenScript {
            case: self.id.clone(),
            orders: orders.to_vec(),
            canary: self.canary.clone(),
            end: String::new(),
        }
    }

    /// The script of a token of the case's other caller.
    #[must_use]
    pub fn others_script(&self, orders: &[(String, String)]) -> TokenScript {
        TokenScript { canary: self.other_canary.clone(), ..self.script(orders) }
    }

    /// Everything that must not turn up where it does not belong.
    #[must_use]
    pub fn secrets(&self, deployment: &Deployment) -> Vec<Secret> {
        let secret = |kind, value: &str| Secret { kind, value: value.to_owned() };
        vec![
            secret(SecretKind::GatewayKey, &deployment.limited_key),
            secret(SecretKind::GatewayKey, &deployment.full_key),
            secret(SecretKind::GatewayKey, &self.wrong_key),
            // Its signature: the rest of it says nothing that others do not say.
            secret(
                SecretKind::GatewayKey,
                deployment.admission_bearer.rsplit('.').next().unwrap_or_default(),
            ),
            secret(SecretKind::UpstreamToken, &self.canary),
            secret(SecretKind::UpstreamToken, &self.other_canary),
            secret(SecretKind::StaticToken, &deployment.static_token),
            secret(SecretKind::MintedToken, &deployment.minted_token),
            secret(SecretKind::ClientSecret, &deployment.client_secret),
        ]
    }
}

/// What is asked of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// An MCP message, or one of the transport's own requests.
    Mcp(Method),
    /// POST `tools/call` of a tool with this name.
    Tool(&'a str),
    /// A request that is not MCP at all, by its HTTP method.
    Plain(&'a str),
}

/// How the caller presents itself, and with which token where it has one.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The way.
    pub credentials: Credentials,
    /// The upstream token, which carries the script.
    pub token: &'a str,
}

/// Whether the upstream can learn from the token what to answer.
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

/// The request of a case. `session` is sent where the method needs one.
#[must_use]
pub fn request(
    ask: Ask<'_>,
    protocol_version: ProtocolVersion,
    caller: Caller<'_>,
    path: String,
    case: &Case,
    credential_layout: &CredentialLayout,
    deployment: &Deployment,
) -> Request {
    let Caller { credentials, token } = caller;
    let (method, mut headers, body) = message(ask, protocol_version, case);
    headers.extend(present(credentials, token, case, credential_layout, deployment));
    let raw =
        matches!(credentials, Credentials::MalformedToken | Credentials::TwoAuthorizationLines);
    Request { method, path, headers, body, raw }
}

/// The header lines that present the caller.
fn present(
    credentials: Credentials,
    token: &str,
    case: &Case,
    credential_layout: &CredentialLayout,
    deployment: &Deployment,
) -> Headers {
    let key_line = |key: &str| {
        (
            credential_layout.key_header.clone(),
            format!("{}{key}", credential_layout.key_prefix),
        )
    };
    let token_line = |token: &str| {
        (
            credential_layout.token_header.clone(),
            format!("{}{token}", credential_layout.token_prefix),
        )
    };
    let bearer_line = |key: &str| ("authorization".to_owned(), format!("Bearer {key}"));
    let key = deployment.limited_key.as_str();
    match credentials {
        Credentials::KeyAndToken => vec![key_line(key), token_line(token)],
        Credentials::TokenOnly => vec![token_line(token)],
        Credentials::KeyOnly => vec![key_line(key)],
        Credentials::KeyInAuthorization => vec![bearer_line(key)],
        Credentials::SameKeyTwice => vec![key_line(key), token_line(key)],
        Credentials::WrongKeyAndToken => vec![key_line(&case.wrong_key), token_line(token)],
        Credentials::NoCredentials => Vec::new(),
        // Not a b64token (RFC 6750 §2.1): a quote, a blank and a control character.
        Credentials::MalformedToken => {
            vec![key_line(key), token_line(&format!("{token}\" and\u{1}more"))]
        }
        Credentials::EmptyToken => vec![
            key_line(key),
            (
                credential_layout.token_header.clone(),
                credential_layout.token_prefix.trim_end().to_owned(),
            ),
        ],
        Credentials::TwoAuthorizationLines => {
            vec![key_line(key), token_line(token), token_line(&format!("{token}.2"))]
        }
    }
}

/// HTTP method, the lines that the transport asks for, and the body.
fn message(
    ask: Ask<'_>,
    protocol_version: ProtocolVersion,
    case: &Case,
) -> (String, Headers, String) {
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    // The header came with 2025-06-18.
    let version = || {
        (protocol_version > ProtocolVersion::V2025_03_26)
            .then(|| line("mcp-protocol-version", protocol_version.as_str()))
    };
    let post = |body: Value, revision: bool| {
        let mut headers = vec![
            line("content-type", "application/json"),
            line("accept", "application/json, text/event-stream"),
        ];
        headers.extend(revision.then(version).flatten());
        if protocol_version == ProtocolVersion::V2026_07_28 {
            let said = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
            headers.extend(said("/method").map(|method| line("mcp-method", method)));
            headers.extend(
                said("/params/name")
                    .or_else(|| said("/params/uri"))
                    .map(|name| line("mcp-name", name)),
            );
        }
        ("POST".to_owned(), headers, body.to_string())
    };
    let call = |method: &str, mut params: Value| {
        if protocol_version == ProtocolVersion::V2026_07_28 {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": protocol_version.as_str(),
                "io.modelcontextprotocol/clientInfo": {"name": "preflight-conformance", "version": env!("CARGO_PKG_VERSION")},
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        // An id is a string or a number: here the one for lists, the other for everything else.
        let id = if method == "tools/list" {
            Value::from(case.number.to_string())
        } else {
            Value::from(case.number)
        };
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    };
    match ask {
        Ask::Mcp(Method::Initialize) => {
            let client =
                json!({"name": "preflight-conformance", "version": env!("CARGO_PKG_VERSION")});
            post(
                call(
                    "initialize",
                    json!({"protocolVersion": protocol_version.as_str(), "capabilities": {}, "clientInfo": client}),
                ),
                false,
            )
        }
        Ask::Mcp(Method::ToolsList) => post(call("tools/list", json!({})), true),
        Ask::Mcp(Method::ToolsCall) => message(Ask::Tool("echo"), protocol_version, case),
        Ask::Tool(name) => {
            post(call("tools/call", json!({"name": name, "arguments": {"text": "hello"}})), true)
        }
        Ask::Mcp(Method::Notification) => {
            let params = json!({"requestId": case.number, "reason": "no longer needed"});
            post(
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}),
                true,
            )
        }
        Ask::Mcp(Method::Get) => (
            "GET".to_owned(),
            [line("accept", "text/event-stream")].into_iter().chain(version()).collect(),
            String::new(),
        ),
        Ask::Mcp(Method::Delete) => {
            ("DELETE".to_owned(), version().into_iter().collect(), String::new())
        }
        Ask::Mcp(Method::Discover) => post(call("server/discover", json!({})), true),
        Ask::Mcp(Method::Listen) => post(
            call("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})),
            true,
        ),
        Ask::Mcp(Method::ResourcesRead) => {
            post(call("resources/read", json!({"uri": "mock://log"})), true)
        }
        Ask::Mcp(Method::PromptsGet) => {
            post(call("prompts/get", json!({"name": "greeting"})), true)
        }
        Ask::Plain(method) => (method.to_owned(), vec![line("accept", "*/*")], String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_of_one_seed_have_secrets_of_their_own() {
        let words: std::collections::BTreeSet<String> =
            (0..2_000).map(|number| Case::new(7, number).canary).collect();
        assert_eq!(words.len(), 2_000);
        assert_eq!(Case::new(7, 1), Case::new(7, 1));
        assert_ne!(Case::new(7, 1).canary, Case::new(8, 1).canary);
    }

    #[test]
    fn every_message_but_a_notification_has_the_number_of_its_case() {
        let case = Case::new(7, 41);
        for method in Method::ALL {
            let (http_method, _, body) =
                message(Ask::Mcp(*method), ProtocolVersion::default(), &case);
            let has_id = ["\"id\":41", "\"id\":\"41\""].iter().any(|id| body.contains(id));
            assert_eq!(
                has_id,
                http_method == "POST" && *method != Method::Notification,
                "{method}"
            );
        }
    }
}
