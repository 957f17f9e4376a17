//! Descriptions and templates: what they contain and how errors point at mistakes.

use minijinja::value::{Serde, Value};

use super::{super::template, *};
use crate::catalogue::Feature;

#[test]
fn errors_point_at_the_mistake() {
    let good = include_str!("../../../implementations/litellm/implementation.toml");
    let mistakes = [
        ("homepage", "homepge"),
        ("\"discovery\"", "\"dicsovery\""),
        ("[\"own\"]", "[]"),
        ("\"/mcp/{server}\"", "\"/mcp\""),
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

    config.jinja:1: unexpected end of input, expected end of block, at `%}`
    "#);
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
