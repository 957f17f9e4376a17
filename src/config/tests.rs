use super::*;

const MINIMAL: &str = r#"
[[key]]
name = "alice"
value = { env = "KEY" }
servers = ["alpha"]

[[server]]
name = "alpha"
url = "https://alpha.example/mcp"
forward = ["authorization"]
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse("preflight.toml", text, &|name| {
        (name == "KEY").then(|| "plain-secret".to_owned())
    })
}

#[test]
fn the_defaults_are_those_of_profile_seed() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!((config.profile, config.strategy), (Profile::Seed, Strategy::Probe));
    assert_eq!(
        (config.deadlines.probe, config.deadlines.commit),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    assert_eq!(config.keyring.header, "x-litellm-api-key");
    assert_eq!(config.callers[0].grant, Grant::Servers([ServerId(0)].into()));
    assert!(config.callers[0].grant.covers(config.server_named("alpha").unwrap()));
}

#[test]
fn the_example_file_is_valid() {
    let text = include_str!("../../preflight.example.toml");
    let config = Config::parse("preflight.example.toml", text, &|_| {
        Some("a secret of at least 32 characters".replace(' ', "-"))
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let kinds: Vec<ServerKind> =
        config.servers.iter().map(|server| server.credential.kind()).collect();
    assert_eq!(
        kinds,
        [
            ServerKind::TokenForwarding(&[AuthScheme::Bearer]),
            ServerKind::StaticCredential,
            ServerKind::ClientCredentials,
            ServerKind::NoCredential
        ]
    );
}

#[test]
fn the_debug_form_of_a_configuration_shows_no_secret() {
    let text = MINIMAL.replace("forward = [\"authorization\"]", "bearer = { env = \"KEY\" }");
    assert!(!format!("{:?}", parse(&text).unwrap()).contains("plain-secret"));
}

/// Each row replaces one part of the minimal configuration; the snapshot has the errors.
#[test]
fn errors_of_a_configuration() {
    let replacements = [
        ("forward = [\"authorization\"]", "forwards = [\"authorization\"]"),
        ("forward = [\"authorization\"]", "forward = \"forwarding\""),
        ("forward = [\"authorization\"]", "forward = [\"cookie\"]"),
        (
            "forward = [\"authorization\"]",
            "forward = [\"authorization\"]\nbearer = { env = \"KEY\" }",
        ),
        (
            "forward = [\"authorization\"]",
            "forward = [\"authorization\"]\nschemes = [\"digest\"]",
        ),
        ("forward = [\"authorization\"]", "schemes = [\"bearer\"]"),
        ("forward = [\"authorization\"]", "forward = [\"authorization\"]\nschemes = []"),
        ("forward = [\"authorization\"]", "protection_space = \"staff\""),
        ("forward = [\"authorization\"]", "era = \"2025-11-25\""),
        (
            "forward = [\"authorization\"]",
            "bearer = { sha256 = \"00000000000000000000000000000000\
             00000000000000000000000000000000\" }",
        ),
        ("\n[[key]]", "\nname_separator = \" \"\n[[key]]"),
        (
            "[[server]]",
            "[[server]]\nname = \"alpha-b\"\nurl = \"https://b.example\"\n\n[[server]]",
        ),
        ("forward = [\"authorization\"]", "bearer = \"plain-secret\""),
        ("forward = [\"authorization\"]", "bearer = { env = \"UNSET\" }"),
        ("forward = [\"authorization\"]", "bearer = { vault = \"x\" }"),
        (
            "forward = [\"authorization\"]",
            "client_credentials = { token_url = \"https://as.example/token\" }",
        ),
        ("forward = [\"authorization\"]", "protocol_version = \"2024-11-05\""),
        ("value = { env = \"KEY\" }", "value = { sha256 = \"abc\" }"),
        ("value = { env = \"KEY\" }", "value = { file = \"/nowhere/at/all\" }"),
        ("servers = [\"alpha\"]", "servers = [\"alfa\"]"),
        ("servers = [\"alpha\"]", "servers = \"every\""),
        ("servers = [\"alpha\"]", "servers = 7"),
        ("name = \"alpha\"", "name = \"mcp\""),
        ("name = \"alpha\"", "name = \"a\\\"b/../c\""),
        ("https://alpha.example/mcp", "alpha.example/mcp"),
        ("https://alpha.example/mcp", "https://user:pw@alpha.example/mcp"),
        ("https://alpha.example/mcp", "http://10.0.0.7/mcp"),
        ("\n[[key]]", "\nprobe_deadline_ms = 0\n[[key]]"),
        ("\n[[key]]", "\nprobe_deadline_ms = \"5s\"\n[[key]]"),
        ("\n[[key]]", "\nexternal_url = \"https://gw.example/base\"\n[[key]]"),
        ("\n[[key]]", "\nallowed_origins = [\"app.example\"]\n[[key]]"),
        ("\n[[key]]", "\nkey_header = \"Authorization\"\n[[key]]"),
        ("\n[[key]]", "\nkey_header = \"x-mcp-alpha-authorization\"\n[[key]]"),
        ("\n[[key]]", "\nsession_secret = { env = \"KEY\" }\n[[key]]"),
        ("\n[[key]]", "\nprofile = \"strict\"\n[[key]]"),
        ("\n[[key]]", "\nlisten = \"localhost\"\n[[key]]"),
        ("\n[[key]]", "\nmetrics_listen = 9090\n[[key]]"),
        ("\n[[key]]", "\nmetrics_listen = \":9090\"\n[[key]]"),
        (
            "[[server]]",
            "[[server]]\nname = \"alpha\"\nurl = \"https://b.example\"\n\n[[server]]",
        ),
        (
            "[[server]]",
            "[[server]]\nname = \"Alpha\"\nurl = \"https://b.example\"\n\n[[server]]",
        ),
        ("[[server]]", "[[server"),
    ];
    let mut errors = Vec::new();
    for (part, replacement) in replacements {
        assert!(MINIMAL.contains(part), "{part}");
        let text = MINIMAL.replacen(part, replacement, 1);
        let error = parse(&text).expect_err(replacement).to_string();
        assert!(!error.contains("plain-secret"), "{error}");
        errors.push(error);
    }
    errors.push(parse("").unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n\n"));
}
