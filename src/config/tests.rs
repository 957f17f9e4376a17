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
    Config::parse("preflight.toml", text, &|name| (name == "KEY").then(|| "hush-hush".to_owned()))
}

#[test]
fn the_defaults_are_the_seeds() {
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
fn the_example_is_a_configuration() {
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
fn a_configuration_cannot_be_printed_with_its_secrets() {
    let text = MINIMAL.replace("forward = [\"authorization\"]", "bearer = { env = \"KEY\" }");
    assert!(!format!("{:?}", parse(&text).unwrap()).contains("hush-hush"));
}

/// Each row breaks the minimal configuration in one place; what the operator then reads is the snapshot.
#[test]
fn what_an_operator_reads() {
    let broken = [
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
        ("forward = [\"authorization\"]", "bearer = \"hush-hush\""),
        ("forward = [\"authorization\"]", "bearer = { env = \"UNSET\" }"),
        ("forward = [\"authorization\"]", "bearer = { vault = \"x\" }"),
        (
            "forward = [\"authorization\"]",
            "client_credentials = { token_url = \"https://as.example/token\" }",
        ),
        ("forward = [\"authorization\"]", "era = \"2024-11-05\""),
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
    let mut read = Vec::new();
    for (whole, part) in broken {
        assert!(MINIMAL.contains(whole), "{whole}");
        let error = parse(&MINIMAL.replacen(whole, part, 1)).expect_err(part).to_string();
        assert!(!error.contains("hush-hush"), "{error}");
        read.push(error);
    }
    read.push(parse("").unwrap_err().to_string());
    insta::assert_snapshot!(read.join("\n\n"));
}
