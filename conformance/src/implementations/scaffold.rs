//! Writes the folder that describes a gateway to the suite: a description with a comment on each key, a template of its configuration, an
//! empty baseline, and a page that says what to do next.
//!
//! Knows no gateway. What it writes parses, and says where its author must go on.

use crate::{
    catalogue::Feature,
    implementations::{Description, Located},
};

/// What is known of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where a reader finds out more.
    pub homepage: String,
    /// The program and its arguments, as a shell would split them at blanks.
    pub command: String,
    /// The header that holds the gateway key.
    pub key_header: String,
    /// The header that holds the caller's token.
    pub token_header: String,
    /// The path of one server, with `{server}`.
    pub route: String,
    /// The path that is answered with 200 once it serves.
    pub ready: String,
    /// What it can do.
    pub features: Vec<Feature>,
}

/// A file of the folder: its name and its text.
pub type File = (&'static str, String);

impl Sketch {
    /// The files of the folder.
    ///
    /// # Errors
    ///
    /// When what is known does not make a description, with the line that is wrong.
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
        let Self {
            name,
            version,
            homepage,
            command,
            key_header,
            token_header,
            route,
            ready,
            features,
        } = self;
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let words: Vec<String> = words(command).iter().map(|word| quoted(word)).collect();
        let prefix = |header: &str| if header == "authorization" { "Bearer " } else { "" };
        let token_prefix = if prefix(key_header).is_empty() || token_header != "authorization" {
            "Bearer "
        } else {
            ""
        };
        let feature = |feature: &Feature| {
            let on = features.contains(feature);
            format!("    {}{},\n", if on { "" } else { "# " }, quoted(&feature.to_string()))
        };
        let features: String = Feature::ALL.iter().map(feature).collect();
        format!(
            r#"# How to configure, start and stop {name}, for preflight-conformance. A key that nobody knows is an error.
# Try it with  preflight-conformance smoke ./FOLDER  and then  preflight-conformance run ./FOLDER

name = {name}
version = {version}
homepage = {homepage}

# The paths of one server, each with {{server}} once. The whole matrix goes through the first.
routes = [{route}]

# What it can do. A case that needs anything else is skipped, never failed: take the # away from what it has.
features = [
{features}]

# Where a caller puts the gateway key and the upstream token. Header names are written in lower case.
[credentials]
key-header = {key_header}
key-prefix = {key_prefix}
token-header = {token_header}
token-prefix = {token_prefix}

# How long it waits for an upstream, and how long the suite waits for it: longer than all of its own deadlines together.
[deadlines]
probe-ms = 5000
answer-ms = 15000

# How it gets onto this machine: commands without a shell, run in {{{{ install }}}}. Pin everything. Without this section, nothing is installed.
# [install]
# files = ["requirements.txt"]
# steps = [["python3", "-m", "venv", "venv"], ["venv/bin/pip", "install", "--requirement", "requirements.txt"]]

# What is rendered from the plan before each start: a template of this folder, to a file in {{{{ run }}}}.
[[file]]
template = "config.json.jinja"
to = "config.json"

# Program and arguments, without a shell, in the foreground. They may name {{{{ install }}}}, {{{{ run }}}}, {{{{ port }}}} and {{{{ strategy }}}}.
[start]
command = [{words}]
# environment = {{ MY_GATEWAY_TELEMETRY = "off" }}

# Asked with GET, without credentials, until it answers so.
[ready]
path = {ready}
status = 200
within-s = 60

# Seconds between SIGTERM and SIGKILL.
[stop]
grace-s = 5
"#,
            name = quoted(name),
            version = quoted(version),
            homepage = quoted(homepage),
            route = quoted(route),
            key_header = quoted(key_header),
            key_prefix = quoted(prefix(key_header)),
            token_header = quoted(token_header),
            token_prefix = quoted(token_prefix),
            words = words.join(", "),
            ready = quoted(ready),
        )
    }
}

/// The words of a command. A blank within `{{ … }}` ends none.
fn words(command: &str) -> Vec<String> {
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

const CONFIG: &str = r#"{# What your gateway is configured with; write it in your gateway's own language. The names are those of `mock upstreams --json`. #}
{
  "listen": "127.0.0.1:{{ port }}",
  "keys": [
    {"key": {{ full_key | tojson }}, "servers": [{% for server in servers %}{{ server.name | tojson }}{{ ", " if not loop.last }}{% endfor %}]},
    {"key": {{ limited_key | tojson }}, "servers": [{% for server in servers if server.granted %}{{ server.name | tojson }}{{ ", " if not loop.last }}{% endfor %}]}
  ],
  "servers": [
    {% for server in servers %}
    {
      "name": {{ server.name | tojson }},
      "url": {{ server.url | tojson }},
      {# forwarding: hand the caller's Authorization on. static: send static_token. client-credentials: mint a token. none: send nothing. #}
      "credential": {{ server.kind | tojson }}{% if server.kind == "static" %},
      "token": {{ static_token | tojson }}{% endif %}{% if server.kind == "client-credentials" %},
      "client": {"id": {{ client_id | tojson }}, "secret": {{ client_secret | tojson }}, "token_url": {{ token_url | tojson }}}{% endif %}

    }{{ "," if not loop.last }}
    {% endfor %}
  ]
}
"#;

const BASELINE: &str = r#"# What it is known to fail, each with the reason. `preflight-conformance baseline update run.jsonl` writes this file from a run.
#
#     [[expected-failure]]
#     requirement = "STA-01"
#     verdict = "fail"
#     reason = "what it does instead, and where that was reported"
"#;

const README: &str = r#"# NAME, judged by preflight-conformance

1. Make `config.json.jinja` a template of your gateway's own configuration. Every server of the plan must be in it.
2. `preflight-conformance smoke ./NAME` until every call goes as the description says; it says what is probably wrong.
3. `preflight-conformance run ./NAME --output run.jsonl --report html=report.html`
4. `preflight-conformance baseline update run.jsonl`, and then give each entry a reason of your own.
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
            route: "/mcp/{server}".into(),
            ready: "/healthz".into(),
            features: vec![Feature::LimitedKeys],
        }
    }

    #[test]
    fn what_is_written_says_what_was_told() {
        let files = sketch().files().unwrap();
        let description = Description::parse("implementation.toml", &files[0].1).unwrap();
        assert_eq!(description.name, "my-gateway");
        assert_eq!(description.start.command, ["my-gateway", "--config", "{{ run }}/config.json"]);
        assert_eq!(description.features, [Feature::LimitedKeys]);
        assert_eq!(
            (
                description.credentials.key_prefix.as_str(),
                description.credentials.token_prefix.as_str()
            ),
            ("", "Bearer ")
        );
        assert!(crate::judge::baseline::Baseline::parse(&files[2].1).unwrap().known.is_empty());
    }

    #[test]
    fn a_key_in_authorization_is_a_bearer() {
        let credential_layout = Sketch {
            key_header: "authorization".into(),
            token_header: "x-token".into(),
            ..sketch()
        };
        let description =
            Description::parse("implementation.toml", &credential_layout.description()).unwrap();
        assert_eq!(
            (
                description.credentials.key_prefix.as_str(),
                description.credentials.token_prefix.as_str()
            ),
            ("Bearer ", "Bearer ")
        );
    }

    #[test]
    fn what_makes_no_description_is_told_with_its_line() {
        let error = Sketch { route: "/mcp".into(), ..sketch() }.files().unwrap_err();
        assert!(error.to_string().contains("{server}"), "{error}");
        assert!(Sketch { name: "a b\"".into(), ..sketch() }.files().is_err());
    }
}
