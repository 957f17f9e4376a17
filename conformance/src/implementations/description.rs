//! Reads `implementation.toml`: what a gateway is called, how it wants to be spoken to, and how it is installed, started and stopped.
//!
//! Holds data only. It does nothing with what it read, and knows no implementation by name; `implementations/README.md` is the
//! same text for those who write one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::folder::Folder;
use super::located::Located;
use crate::{
    cases::axis::Strategy,
    catalogue::{Feature, Profile},
};

/// One implementation, as its folder describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The name in reports and in the cache; letters, digits, `-`, `_` and `.`.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The version that the install section pins.
    pub version: String,
    /// Where a reader finds out more.
    pub homepage: String,
    /// Where a caller puts key and token.
    pub credentials: CredentialLayout,
    /// The routes of one server, each with `{server}` in the name's place; the matrix uses the first most.
    #[serde(deserialize_with = "routes")]
    pub routes: Vec<String>,
    /// How several servers are reached at once, where they can be.
    pub several: Option<AggregateEndpoints>,
    /// What server names it takes.
    #[serde(default)]
    pub server_names: ServerNames,
    /// What it can do; a case that needs anything else is skipped, never failed.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// How long its answers may take.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// The strategies it can be started with; `["own"]` where it offers no choice.
    #[serde(default = "own", deserialize_with = "strategies")]
    pub strategies: Vec<Strategy>,
    /// The profiles it can be started with.
    #[serde(default = "seed", deserialize_with = "profiles")]
    pub profiles: Vec<Profile>,
    /// How it gets onto this machine.
    #[serde(default)]
    pub install: Install,
    /// What is rendered from the plan before each start.
    #[serde(default, rename = "file")]
    pub files: Vec<Rendered>,
    /// How it is started.
    pub start: Start,
    /// How one knows that it serves.
    pub ready: Ready,
    /// How it is stopped.
    #[serde(default)]
    pub stop: Stop,
    /// What else of it can be met or read, each a feature of its own.
    #[serde(default)]
    pub surfaces: Surfaces,
    /// The folder's content.
    #[serde(skip)]
    pub(super) folder: Folder,
}

/// Where a caller puts key and token. Says both layouts in use: a key header of its own with the token in `Authorization`, and the
/// key in `Authorization` with the token in another header, which the gateway renames on the way to the upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialLayout {
    /// The header that holds the gateway key, in lower case.
    #[serde(deserialize_with = "header")]
    pub key_header: String,
    /// What stands before the key: `""` or `"Bearer "`.
    #[serde(default)]
    pub key_prefix: String,
    /// The header that holds the caller's upstream token, in lower case. Upstreams see it as `authorization`, whatever it is here.
    #[serde(default = "authorization", deserialize_with = "header")]
    pub token_header: String,
    /// What stands before the token: `"Bearer "` or `""`.
    #[serde(default = "bearer")]
    pub token_prefix: String,
    /// The header that holds a token for one server alone, in lower case, with `{server}` in the name's place; nothing where there is none.
    #[serde(default, deserialize_with = "header_of_servers")]
    pub server_token_header: Option<String>,
}

/// Characters that server names may hold. The plan's own names are lower-case letters and digits, which everyone must take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerNames {
    /// What it takes beside `a-z` and `0-9`, each character once.
    #[serde(default)]
    pub also: String,
}

/// What else of an implementation can be met or read. Each says by being there that there is such a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Surfaces {
    /// The longest message that it takes, in bytes.
    pub message_bytes: Option<usize>,
    /// Where its metrics are, in Prometheus' text form: a URL, as a template.
    pub metrics: Option<String>,
    /// What a line about a request in its output says.
    pub audit: Option<Audit>,
}

/// What a line about a request says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Audit {
    /// The field of an answer whose value is in the line, too.
    pub request_id: String,
    /// What it calls the holder of the limited key.
    pub caller: String,
    /// What it says where a credential was taken out of the request.
    pub stripped: String,
}

impl Surfaces {
    fn features(&self) -> impl Iterator<Item = Feature> {
        let limit = self.message_bytes.map(|_| Feature::MessageLimit);
        limit
            .into_iter()
            .chain(self.metrics.as_ref().map(|_| Feature::Metrics))
            .chain(self.audit.as_ref().map(|_| Feature::Audit))
    }
}

/// How several servers are reached in one request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AggregateEndpoints {
    /// The paths: with `{servers}` where their names stand with commas between them, with `{toolset}` where the name of a toolset
    /// does, or plain; then the header says which. The matrix uses the first most, which is not one of a toolset.
    #[serde(deserialize_with = "several_routes")]
    pub routes: Vec<String>,
    /// The header that narrows a request down to some servers, their names with commas between them; in lower case.
    #[serde(deserialize_with = "header")]
    pub narrowing_header: String,
    /// What stands between the name of a server and that of its tool.
    #[serde(default = "hyphen")]
    pub name_separator: String,
}

impl AggregateEndpoints {
    /// The path and the header lines that ask for these servers, or for this toolset, by a route.
    #[must_use]
    pub fn address(
        &self,
        route: &str,
        servers: &str,
        toolset: &str,
    ) -> (String, Vec<(String, String)>) {
        let path = route.replace("{servers}", servers).replace("{toolset}", toolset);
        let narrowed = if route.contains('{') {
            Vec::new()
        } else {
            vec![(self.narrowing_header.clone(), servers.to_owned())]
        };
        (path, narrowed)
    }

    fn features(&self) -> impl Iterator<Item = Feature> {
        let toolsets = self
            .routes
            .iter()
            .any(|route| route.contains("{toolset}"))
            .then_some(Feature::Toolsets);
        [Feature::AggregateEndpoints].into_iter().chain(toolsets)
    }

    /// The name by which a client calls a server's tool.
    #[must_use]
    pub fn tool(&self, server: &str, tool: &str) -> String {
        format!("{server}{}{tool}", self.name_separator)
    }
}

/// How long answers may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Deadlines {
    /// How long it waits for an upstream to say what it makes of a token.
    pub probe_ms: u64,
    /// How long the suite waits for an answer before it calls the request hung. Longer than any deadline of the implementation's own.
    pub answer_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { probe_ms: 5_000, answer_ms: 15_000 }
    }
}

/// How it gets onto this machine. What is hashed to name its place in the cache, so that a changed pin is a new install.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Install {
    /// Files beside the description that the steps need; they are copied into `{{ install }}` first.
    pub files: Vec<String>,
    /// Commands, run one after another without a shell, in `{{ install }}`. Empty where nothing needs installing.
    pub steps: Vec<Vec<String>>,
    /// How long all steps together may take.
    pub within_s: Option<u64>,
}

impl Install {
    /// How long all steps together may take.
    #[must_use]
    pub fn within(&self) -> Duration {
        Duration::from_secs(self.within_s.unwrap_or(900))
    }
}

/// A file rendered from a template beside the description.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rendered {
    /// The template's name in the description's folder.
    pub template: String,
    /// Its name in `{{ run }}`.
    pub to: String,
}

/// How it is started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Start {
    /// The program and its arguments, without a shell; run in `{{ run }}`.
    #[serde(deserialize_with = "command")]
    pub command: Vec<String>,
    /// Variables added to the small environment that it gets (`PATH`, `HOME` = `{{ run }}`, `LANG`, `TMPDIR`).
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whether it sends upstreams requests of its own, which belong to no case.
    #[serde(default)]
    pub leading_requests: bool,
}

/// How one knows that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ready {
    /// The path asked with GET until it answers.
    #[serde(deserialize_with = "path")]
    pub path: String,
    /// The status that means ready.
    #[serde(default = "ok")]
    pub status: u16,
    /// How long it may take.
    #[serde(default = "a_minute")]
    pub within_s: u64,
}

/// How it is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stop {
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_s: u64,
}

impl Default for Stop {
    fn default() -> Self {
        Self { grace_s: 5 }
    }
}

impl Description {
    /// Reads the text of an `implementation.toml`; `file` is what errors call it.
    pub fn parse(file: &str, source: &str) -> Result<Self, Located> {
        toml::from_str(source)
            .map_err(|error| Located::new(file, source, error.span(), error.message()))
    }

    /// Every feature that it declares: those of its list, and those that another key is about.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        let header =
            self.credentials.server_token_header.is_some().then_some(Feature::ServerTokens);
        let several = self.several.iter().flat_map(AggregateEndpoints::features);
        self.features
            .iter()
            .copied()
            .chain(header)
            .chain(several)
            .chain(self.surfaces.features())
            .collect()
    }

    /// A file of its folder, such as `baseline.toml`; `None` where there is none.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        self.folder.read(name).ok()
    }
}

fn own() -> Vec<Strategy> {
    vec![Strategy::Own]
}

fn seed() -> Vec<Profile> {
    vec![Profile::Seed]
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

fn ok() -> u16 {
    200
}

fn a_minute() -> u64 {
    60
}

/// Deserialises a value and holds it to a condition, so that the complaint points at the value.
fn held<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    holds: impl Fn(&T) -> bool,
    complaint: &str,
) -> Result<T, D::Error> {
    let value = T::deserialize(from)?;
    if holds(&value) {
        Ok(value)
    } else {
        Err(de::Error::custom(complaint))
    }
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let fine = |name: &String| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    held(
        from,
        fine,
        "unusable name, expected letters, digits, `-`, `_` and `.`, for example  name = \"my-gateway\"",
    )
}

fn header<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let lower = |name: &String| http::HeaderName::from_lowercase(name.as_bytes()).is_ok();
    held(
        from,
        lower,
        "not a header name in lower case, expected for example  \"x-gateway-key\"",
    )
}

fn header_of_servers<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let fine = |name: &String| {
        http::HeaderName::from_lowercase(name.replace("{server}", "a").as_bytes()).is_ok()
            && name.contains("{server}")
    };
    held(from, fine, "not a header name in lower case with `{server}` in it, expected for example  \"x-mcp-{server}-authorization\"")
        .map(Some)
}

fn path<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    held(
        from,
        |path: &String| path.starts_with('/'),
        "not a path, expected a leading slash, for example  \"/health\"",
    )
}

fn routes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let fine = |routes: &Vec<String>| {
        !routes.is_empty()
            && routes
                .iter()
                .all(|route| route.starts_with('/') && route.matches("{server}").count() == 1)
    };
    held(
        from,
        fine,
        "unusable routes, expected paths with `{server}` once in each, for example  [\"/mcp/{server}\"]",
    )
}

fn several_routes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let fine = |routes: &Vec<String>| {
        let path = |route: &String| route.starts_with('/') && !route.contains("{server}");
        routes.first().is_some_and(|first| !first.contains("{toolset}")) && routes.iter().all(path)
    };
    let expected = "expected paths, the first one not of a toolset, for example  [\"/mcp\", \"/mcp/{servers}\", \"/toolset/{toolset}/mcp\"]";
    held(from, fine, &format!("unusable routes of several servers, {expected}"))
}

fn hyphen() -> String {
    "-".to_owned()
}

fn strategies<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Strategy>, D::Error> {
    held(
        from,
        |all: &Vec<Strategy>| !all.is_empty(),
        "no strategy, expected at least one, for example  [\"own\"]",
    )
}

fn profiles<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Profile>, D::Error> {
    held(
        from,
        |all: &Vec<Profile>| !all.is_empty(),
        "no profile, expected at least one, for example  [\"seed\"]",
    )
}

fn command<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    held(
        from,
        |words: &Vec<String>| !words.is_empty(),
        "empty command, expected a program and its arguments, for example  [\"my-gateway\", \"--port\", \"{{ port }}\"]",
    )
}
