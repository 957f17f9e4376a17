//! Descriptions and templates: what they contain and how errors point at mistakes.

use minijinja::value::{Serde, Value};

use super::{
    super::{preset::Preset, template},
    *,
};
use crate::catalogue::{Feature, GatewayKind, ProtocolVersion};

#[test]
fn errors_point_at_the_mistake() {
    let good = include_str!("../../../implementations/litellm/implementation.toml");
    let mistakes = [
        ("homepage", "homepge"),
        ("kind = \"forwarding-gateway\"", "kind = \"proxy\""),
        (
            "kind = \"forwarding-gateway\"",
            "kind = \"relay\"\nfeatures-added = [\"dicsovery\"]",
        ),
        ("kind = \"forwarding-gateway\"", "kind = \"relay\"\nasked = [\"CHL-99\"]"),
        ("kind = \"forwarding-gateway\"", "# no kind"),
        ("[\"own\"]", "[]"),
        ("\"/mcp/{server}\"", "\"/mcp\", \"/mcp/{server}\""),
        ("\"x-litellm-api-key\"", "\"X-LiteLLM-Api-Key\""),
        ("name = \"litellm\"", "name = \"lite/llm\""),
        ("path = \"/health", "path = \"health"),
        ("status = 200", "status = \"200\""),
        ("key-header = ", "# key-header = "),
        ("[ready]", "[ready"),
    ];
    let mut all = Vec::new();
    for (from, to) in mistakes {
        assert!(good.contains(from), "{from}");
        all.push(
            Description::parse("my-gateway/implementation.toml", &good.replacen(from, to, 1))
                .unwrap_err()
                .to_string(),
        );
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn template_errors_point_at_the_mistake() {
    let names = Value::from(Serde(deployment()));
    let faulty = [
        "key: {{ fullkey }}\n",
        "a\nb\n{% for server in servers %}{{ server.adress }}{% endfor %}\n",
        "{% for server in server %}{% endfor %}\n",
        "{{ full_key | to_json }}\n",
        "{{ fullkey | tojson }}\n",
        "{% for server in servers %}{{ server.adress | tojson }}{% endfor %}\n",
        "{{ fullkey | upper }}\n",
        "{{ 'Bearer ' ~ fullkey }}\n",
        "{% include 'other.jinja' %}\n",
        "{% if full_key %}\n",
    ];
    let all: Vec<String> = faulty
        .iter()
        .map(|source| template::render("config.jinja", source, &names).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    config.jinja:1: `fullkey` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:3: `server.adress` is not defined

    config.jinja:1: `server` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:1: filter to_json is unknown, at `to_json`

    config.jinja:1: `fullkey` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:1: `server.adress` is not defined

    config.jinja:1: `fullkey` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:1: `'Bearer ' ~ fullkey` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:1: unknown statement include, at `include`

    config.jinja:1: unexpected end of input, expected end of block, at `%}`
    "#);
}

/// What the README says about the language of templates.
#[test]
fn templates_have_the_methods_macros_and_loops_of_jinja2() {
    let names = Value::from(Serde(deployment()));
    for (source, expected) in [
        ("{{ servers[0].url.startswith('http://') }}", "True"),
        ("{{ servers[0].url.split('/')[2] }}", "127.0.0.1:9"),
        ("{{ servers[0].name.upper() }}", "ALPHA"),
        (
            "{{ servers[0].url.replace('http://', '').rstrip('/') }}",
            "127.0.0.1:9/alpha/mcp",
        ),
        (
            "{{ servers | map(attribute='name') | join(',') }}",
            "alpha,static,minted,open,restricted",
        ),
        (
            "{% macro key(value) %}key={{ value }}{% endmacro %}{{ key(full_key) }}",
            "key=key-full",
        ),
        (
            "{% for server in servers if server.granted %}{% if loop.index > 2 %}{% break %}\
             {% endif %}{{ server.name }};{% endfor %}",
            "alpha;static;",
        ),
        ("{% set first = servers | first %}{{ first.name }}", "alpha"),
        ("{{ servers[2].token_url | tojson }}", "\"http://127.0.0.1:9/token\""),
        ("{{ servers[0].token_url | tojson }}", "null"),
        ("{{ missing | default('none') }}", "none"),
        ("{{ {'a': 1}.items() | list | tojson }}", "[[\"a\", 1]]"),
    ] {
        assert_eq!(template::render("t", source, &names).unwrap(), expected, "{source}");
    }
}

#[test]
fn the_configuration_of_litellm() {
    let description = Description::find("litellm").unwrap();
    let names = Value::from(Serde(deployment()));
    let rendered = description.files.iter().map(|file| {
        let text =
            template::render(&file.template, &description.read(&file.template).unwrap(), &names)
                .unwrap();
        format!("----- {}\n{text}", file.to)
    });
    insta::assert_snapshot!(rendered.collect::<String>());
}

/// The README documents every feature, and its complete examples are valid.
#[test]
fn the_documented_examples_are_valid() {
    let text = include_str!("../../../implementations/README.md");
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let complete: Vec<&&str> =
        examples.iter().filter(|example| example.contains("[start]")).collect();
    assert!(!complete.is_empty());
    for example in complete {
        Description::parse("README.md", example).unwrap_or_else(|error| panic!("{error}"));
    }
    for feature in Feature::ALL {
        let name = serde_json::to_value(feature).unwrap();
        assert!(
            text.contains(&format!("`{}`", name.as_str().unwrap())),
            "{name} is not documented"
        );
    }
}

/// The README's table of kinds shows what each preset contains.
#[test]
fn the_documented_kinds_are_those_of_the_presets() {
    let text = include_str!("../../../implementations/README.md");
    for &kind in GatewayKind::ALL {
        let preset = Preset::of(kind);
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| `{kind}` |")))
            .unwrap_or_else(|| panic!("{kind} is not documented"));
        let profiles = preset.profiles.iter().map(ToString::to_string);
        let features = preset.features.iter().map(ToString::to_string);
        for name in profiles.chain(features).chain(preset.routes.clone()) {
            assert!(row.contains(&format!("`{name}`")), "{kind}: {name} is not documented");
        }
    }
}

#[test]
fn a_description_overrides_the_preset_of_its_kind() {
    let description = |additional: &str| {
        let source = format!(
            "name = 'a'\nversion = '1'\nhomepage = 'none'\nkind = 'relay'\n{additional}\n\
             credentials.key-header = 'x-key'\nstart.command = ['a']\nready.path = '/'\n"
        );
        Description::parse("implementation.toml", &source).unwrap()
    };
    let preset = description("");
    assert_eq!(preset.routes, ["/mcp/{server}"]);
    assert_eq!(preset.profiles, [Profile::Transparent]);
    let changed = description(
        "routes = ['/{server}']\nprotocol-versions = ['2025-11-25']\n\
         features-added = ['gateway-keys']\nfeatures-removed = ['listening-stream']\n",
    );
    assert_eq!(changed.routes, ["/{server}"]);
    assert_eq!(changed.protocol_versions, [ProtocolVersion::V2025_11_25]);
    assert!(changed.features().contains(&Feature::GatewayKeys));
    assert!(!changed.features().contains(&Feature::ListeningStream));
    assert!(changed.features().contains(&Feature::TokenForwarding));
    let replaced = description("features = ['http2']");
    assert_eq!(replaced.features(), [Feature::Http2, Feature::MultipleServers]);
}

#[test]
fn endpoints_declare_features() {
    let features = |keys: &str| {
        let source = format!(
            "name = 'a'\nversion = '1'\nhomepage = 'none'\nkind = 'relay'\nfeatures = ['http2']\n\
             credentials.key-header = 'x-key'\nstart.command = ['a']\nready.path = '/'\n{keys}"
        );
        let description = Description::parse("implementation.toml", &source);
        description.map(|description| description.features()[1..].to_vec())
    };
    use Feature::{AggregateEndpoints, MultipleServers, ServerSelection, Toolsets};
    for (keys, expected) in [
        ("routes = ['/mcp']", &[][..]),
        ("routes = ['/{server}']", &[MultipleServers]),
        ("aggregate.routes = ['/mcp']", &[MultipleServers, AggregateEndpoints]),
        (
            "aggregate = { routes = ['/mcp'], narrowing-header = 'x-servers' }",
            &[MultipleServers, AggregateEndpoints, ServerSelection],
        ),
        (
            "aggregate.routes = ['/mcp/{servers}']",
            &[MultipleServers, AggregateEndpoints, ServerSelection],
        ),
        (
            "aggregate.routes = ['/{toolset}']",
            &[MultipleServers, AggregateEndpoints, Toolsets],
        ),
    ] {
        assert_eq!(features(keys).unwrap(), expected, "{keys}");
    }
    let error = features("routes = ['/mcp']\naggregate.routes = ['/all']").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a gateway with one server has no aggregate endpoint")
    );
}
