//! Writes the folder of a new description: a commented description, a configuration template, an
//! empty baseline and a README.
//!
//! The written description is valid, and its comments say what the author must complete.

use super::{Description, Located, preset::Preset};
use crate::catalogue::{Feature, GatewayKind};

/// What is known about a gateway for which a description is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// The name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The version.
    pub version: String,
    /// The URL of the documentation.
    pub homepage: String,
    /// The program and its arguments, separated by spaces.
    pub command: String,
    /// The header field of the gateway key.
    pub key_header: String,
    /// The header field of the upstream token.
    pub token_header: String,
    /// The kind of gateway.
    pub kind: GatewayKind,
    /// The path of a single-server endpoint, with `{server}` for the name of the server; `None` for
    /// that of the kind.
    pub route: Option<String>,
    /// The path that responds with 200 when the gateway is ready.
    pub ready: String,
    /// The features of the gateway in addition to those of its kind.
    pub features: Vec<Feature>,
}

/// A file of the folder: its name and its text.
pub type File = (&'static str, String);

impl Sketch {
    /// The files of the folder.
    ///
    /// # Errors
    ///
    /// The description would not be valid. The error names the line.
    pub fn files(&self) -> Result<Vec<File>, Located> {
        let description = self.description();
        Description::parse("implementation.toml", &description)?;
        Ok(vec![
            ("implementation.toml", description),
            ("config.json.jinja", CONFIG.to_owned()),
            ("baseline.toml", BASELINE.to_owned()),
            ("README.md", README.replace("NAME", &self.name)),
        ])
    }

    fn description(&self) -> String {
        let command: Vec<String> =
            split_command(&self.command).iter().map(|word| quoted(word)).collect();
        let key_prefix = if self.key_header == "authorization" { "Bearer " } else { "" };
        let token_prefix = if key_prefix.is_empty() || self.token_header != "authorization" {
            "Bearer "
        } else {
            ""
        };
        let preset = Preset::of(self.kind);
        let kind_features: Vec<&str> =
            preset.features.iter().map(|feature| feature.as_str()).collect();
        let features: String =
            Feature::ALL.iter().filter_map(|feature| self.feature_line(*feature)).collect();
        let other_features: Vec<String> = Feature::ALL
            .iter()
            .filter_map(|feature| Some(format!("{feature} by {}", feature.declaring_key()?)))
            .collect();
        format!(
            r#"# How preflight-conformance configures, starts and stops {name}.
# An unknown key is an error.
# Test this file with  preflight-conformance smoke ./FOLDER
# and then  preflight-conformance run ./FOLDER

name = {name}
version = {version}
homepage = {homepage}

# {kind_description}.
# The preset of the kind gives profiles, routes, protocol versions, features,
# and requirements that are not asked.
kind = {kind}

# The paths of the single-server endpoints. Each contains {{server}} once.
# If the gateway has one server only, no path contains {{server}}.
# The whole matrix uses the first path.
routes = [{route}]

# The kind has the features {kind_features}.
# Name those that this gateway does not have:  features-removed = ["discovery"]
# A case that needs another feature is skipped.
# Remove the # before each feature that the gateway has.
# Other keys declare the other features: {other_features}.
features-added = [
{features}]

# The endpoints that serve several servers with one request, if there are any.
# [aggregate]
# routes = ["/mcp"]
# narrowing-header = "x-mcp-servers"

# Where a caller sends the gateway key and the upstream token.
# Names of header fields are in lower case.
[credentials]
key-header = {key_header}
key-prefix = {key_prefix}
token-header = {token_header}
token-prefix = {token_prefix}

# probe-ms: how long the gateway waits for an upstream.
# answer-ms: how long the suite waits for the gateway.
# answer-ms must be longer than all deadlines of the gateway together.
[deadlines]
probe-ms = 5000
answer-ms = 15000

# How the gateway is installed: commands that run in {{{{ install }}}} without a shell.
# Pin every version. Without this section, the suite installs nothing.
# [install]
# files = ["requirements.txt"]
# steps = [
#     ["python3", "-m", "venv", "venv"],
#     ["venv/bin/pip", "install", "--requirement", "requirements.txt"],
# ]

# A template of this folder that is rendered to a file in {{{{ run }}}} before each start.
[[file]]
template = "config.json.jinja"
to = "config.json"

# The program and its arguments. It runs without a shell and stays in the foreground.
# The arguments can use {{{{ install }}}}, {{{{ run }}}}, {{{{ port }}}} and {{{{ strategy }}}}.
[start]
command = [{command}]
# environment = {{ MY_GATEWAY_TELEMETRY = "off" }}

# The suite sends GET requests to this path, without credentials,
# until the response has this status.
[ready]
path = {ready}
status = 200
within-s = 60

# The seconds between SIGTERM and SIGKILL.
[stop]
grace-s = 5
"#,
            name = quoted(&self.name),
            other_features = other_features.join(", "),
            version = quoted(&self.version),
            homepage = quoted(&self.homepage),
            kind = quoted(self.kind.as_str()),
            kind_description = capitalised(&preset.description),
            kind_features = kind_features.join(", "),
            route = quoted(self.route.as_ref().unwrap_or(&preset.routes[0])),
            key_header = quoted(&self.key_header),
            key_prefix = quoted(key_prefix),
            token_header = quoted(&self.token_header),
            token_prefix = quoted(token_prefix),
            command = command.join(", "),
            ready = quoted(&self.ready),
        )
    }

    /// The line of a feature in the list `features-added`: a comment unless the gateway has the
    /// feature. There is none for a feature of the kind, or one that another key declares.
    fn feature_line(&self, feature: Feature) -> Option<String> {
        let is_listed = self.features.contains(&feature);
        let is_of_kind = Preset::of(self.kind).features.contains(&feature);
        if (feature.declaring_key().is_some() || is_of_kind) && !is_listed {
            return None;
        }
        let comment = if is_listed { "" } else { "# " };
        Some(format!("    {comment}{},\n", quoted(&feature.to_string())))
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Splits a command at spaces, except within `{{ … }}`.
fn split_command(command: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in command.split_whitespace() {
        match words.last_mut() {
            Some(word) if word.matches("{{").count() > word.matches("}}").count() => {
                word.push(' ');
                word.push_str(part);
            }
            _ => words.push(part.to_owned()),
        }
    }
    words
}

const CONFIG: &str = r#"{# Rewrite this template in the format of the configuration of your gateway.
   `preflight-conformance upstreams --json` prints the available names. #}
{
  "listen": "127.0.0.1:{{ port }}",
  "keys": [
    {"key": {{ full_key | tojson }}, "servers": [
      {% for server in servers %}{{ server.name | tojson }}{{ "," if not loop.last }}
      {% endfor %}
    ]},
    {"key": {{ limited_key | tojson }}, "servers": [
      {% for server in servers if server.granted %}
      {{ server.name | tojson }}{{ "," if not loop.last }}
      {% endfor %}
    ]}
  ],
  "servers": [
    {% for server in servers %}
    {
      "name": {{ server.name | tojson }},
      "url": {{ server.url | tojson }},
      {# forwarding, not-permitted: forward Authorization of the caller. static: send static_token.
         client-credentials: obtain a token and send it. none: send no credential. #}
      "credential": {{ server.kind | tojson }}{% if server.kind == "static" %},
      "token": {{ static_token | tojson }}{% endif %}{% if server.kind == "client-credentials" %},
      "client": {
        "id": {{ client_id | tojson }},
        "secret": {{ client_secret | tojson }},
        "token_url": {{ server.token_url | tojson }}
      }{% endif %}

    }{{ "," if not loop.last }}
    {% endfor %}
  ]
}
"#;

const BASELINE: &str = r#"# The expected failures, each with a reason.
# `preflight-conformance baseline update run.jsonl` writes this file from a run.
#
#     [[expected-failure]]
#     requirement = "STA-01"
#     verdict = "fail"
#     cases = "* / 401-* / tools-list / *"
#     outcome = "status 200"
#     reason = "what the gateway does instead, and where it was reported"
"#;

const README: &str = r#"# NAME, judged by preflight-conformance

1. Rewrite `config.json.jinja` as a template of the configuration of your gateway.
   It must configure every server.
2. Run `preflight-conformance smoke ./NAME` and follow its hints until every call passes.
3. Run `preflight-conformance run ./NAME --output run.jsonl --report html=report.html`.
4. Run `preflight-conformance baseline update run.jsonl`, and then replace the reason of each entry
   by your own.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch() -> Sketch {
        Sketch {
            name: "my-gateway".into(),
            version: "1.0".into(),
            homepage: "https://gateway.example".into(),
            command: "my-gateway --config {{ run }}/config.json".into(),
            key_header: "x-key".into(),
            token_header: "authorization".into(),
            kind: GatewayKind::ForwardingGateway,
            route: Some("/mcp/{server}".into()),
            ready: "/healthz".into(),
            features: vec![Feature::Http2],
        }
    }

    #[test]
    fn the_description_contains_what_the_sketch_says() {
        let files = sketch().files().unwrap();
        let description = Description::parse("implementation.toml", &files[0].1).unwrap();
        assert_eq!(description.name, "my-gateway");
        assert_eq!(description.start.command, ["my-gateway", "--config", "{{ run }}/config.json"]);
        assert!(description.features().contains(&Feature::Http2));
        assert!(description.features().contains(&Feature::LimitedKeys));
        assert_eq!(
            (
                description.credentials.key_prefix.as_str(),
                description.credentials.token_prefix.as_str()
            ),
            ("", "Bearer ")
        );
        assert!(
            crate::judge::baseline::Baseline::parse(&files[2].1)
                .unwrap()
                .expected_failure
                .is_empty()
        );
    }

    #[test]
    fn the_description_of_every_kind_is_valid_and_has_the_features_of_the_kind() {
        for &kind in GatewayKind::ALL {
            let sketch = Sketch { kind, route: None, features: Vec::new(), ..sketch() };
            let files = sketch.files().unwrap();
            let description = Description::parse("implementation.toml", &files[0].1).unwrap();
            let mut features = Preset::of(kind).features.clone();
            features.push(Feature::MultipleServers);
            assert_eq!(description.features(), features, "{kind}");
            assert_eq!(description.routes, Preset::of(kind).routes, "{kind}");
        }
    }

    #[test]
    fn a_key_in_authorization_has_the_prefix_bearer() {
        let key_in_authorization = Sketch {
            key_header: "authorization".into(),
            token_header: "x-token".into(),
            ..sketch()
        };
        let description =
            Description::parse("implementation.toml", &key_in_authorization.description()).unwrap();
        assert_eq!(
            (
                description.credentials.key_prefix.as_str(),
                description.credentials.token_prefix.as_str()
            ),
            ("Bearer ", "Bearer ")
        );
    }

    #[test]
    fn an_invalid_sketch_is_rejected_with_the_invalid_line() {
        let error = Sketch { route: Some("mcp".into()), ..sketch() }.files().unwrap_err();
        assert!(error.to_string().contains("{server}"), "{error}");
        assert!(Sketch { name: "a b\"".into(), ..sketch() }.files().is_err());
    }
}
