//! An example line for each key of a configuration. Errors show it.

/// Keys and example lines.
const EXAMPLES: &[(&str, &str)] = &[
    ("listen", r#"listen = "127.0.0.1:8080""#),
    ("metrics_listen", r#"metrics_listen = "127.0.0.1:9090""#),
    ("external_url", r#"external_url = "https://gateway.example""#),
    ("allowed_origins", r#"allowed_origins = ["https://app.example"]"#),
    ("profile", r#"profile = "seed""#),
    ("strategy", r#"strategy = "probe""#),
    ("key_header", r#"key_header = "x-litellm-api-key""#),
    ("session_secret", r#"session_secret = { env = "SESSION_SECRET" }"#),
    ("probe_deadline_ms", "probe_deadline_ms = 5000"),
    ("commit_deadline_ms", "commit_deadline_ms = 5000"),
    ("request_deadline_ms", "request_deadline_ms = 60000"),
    ("probe_reuse_ms", "probe_reuse_ms = 30000"),
    ("shutdown_deadline_ms", "shutdown_deadline_ms = 10000"),
    ("max_message_bytes", "max_message_bytes = 4194304"),
    ("max_connections", "max_connections = 10000"),
    ("max_connections_per_peer", "max_connections_per_peer = 10000"),
    ("trusted_certificates", r#"trusted_certificates = ["ca.pem"]"#),
    ("name", r#"name = "alpha""#),
    ("value", r#"value = { env = "ALICE_KEY" }"#),
    ("servers", r#"servers = ["alpha"]"#),
    ("url", r#"url = "https://alpha.example/mcp""#),
    ("forward", r#"forward = ["authorization"]"#),
    ("schemes", r#"schemes = ["bearer"]"#),
    ("bearer", r#"bearer = { env = "ALPHA_TOKEN" }"#),
    (
        "client_credentials",
        concat!(
            r#"client_credentials = { token_url = "https://as.example/token", "#,
            r#"client_id = "gateway", client_secret = { env = "SECRET" } }"#,
        ),
    ),
    ("protocol_version", r#"protocol_version = "2025-11-25""#),
    ("authorization_servers", r#"authorization_servers = ["https://as.example"]"#),
    ("allow_cleartext", "allow_cleartext = true"),
    ("disabled", "disabled = true"),
    ("protection_space", r#"protection_space = "staff""#),
    ("name_separator", r#"name_separator = "__""#),
    ("toolsets", r#"toolsets = ["support"]"#),
    ("tools", r#"tools = ["tickets-search"]"#),
];

/// The example line for a key, or an empty text for an unknown key.
pub(super) fn example(key: &str) -> &'static str {
    EXAMPLES.iter().find(|(name, _)| *name == key).map_or("", |(_, line)| line)
}

/// What was expected for a key, with its example line.
pub(super) fn expected(what: &str, key: &str) -> String {
    format!("expected {what}, for example  {}", example(key))
}
