//! Ready configurations of well-known gateways for a deployment.
//!
//! Each fragment is a set of templates in `fragments/`. `fragments/fragments.toml` lists them.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::LazyLock};

use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::template::{self, TemplateError};
use crate::{
    cases::{axis::Strategy, deployment::Deployment},
    catalogue::Profile,
};

/// Name and text of each embedded template.
const TEMPLATES: &[(&str, &str)] = &[
    ("Caddyfile.jinja", include_str!("../../fragments/Caddyfile.jinja")),
    ("envoy.yaml.jinja", include_str!("../../fragments/envoy.yaml.jinja")),
    ("gateway.py.jinja", include_str!("../../fragments/gateway.py.jinja")),
    ("mcp-servers.json.jinja", include_str!("../../fragments/mcp-servers.json.jinja")),
    ("nginx.conf.jinja", include_str!("../../fragments/nginx.conf.jinja")),
    ("preflight.env.jinja", include_str!("../../fragments/preflight.env.jinja")),
    ("preflight.toml.jinja", include_str!("../../fragments/preflight.toml.jinja")),
    (
        "litellm/config.yaml.jinja",
        include_str!("../../implementations/litellm/config.yaml.jinja"),
    ),
    (
        "litellm/custom_auth.py.jinja",
        include_str!("../../implementations/litellm/custom_auth.py.jinja"),
    ),
];

/// A ready configuration of a gateway, as templates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fragment {
    /// The name on the command line.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The template of each file.
    files: BTreeMap<String, String>,
    /// The command that starts the gateway in the folder of the files.
    start: String,
    /// The options of `run` and `smoke` for this gateway.
    run_options: String,
}

/// A configuration for one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedFragment {
    /// Name and text of each file.
    pub files: Vec<(String, String)>,
    /// The command that starts the gateway in the folder of the files.
    pub start: String,
    /// The options of `run` and `smoke` for this gateway.
    pub run_options: String,
}

/// Host and port at which a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAddress {
    host: String,
    port: u16,
}

/// The names that templates can use.
#[derive(Serialize)]
struct TemplateNames<'a> {
    #[serde(flatten)]
    deployment: &'a Deployment,
    /// The host at which the gateway listens.
    host: &'a str,
    /// The port at which the gateway listens.
    port: u16,
    strategy: Strategy,
    profile: Profile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    fragment: Vec<Fragment>,
}

impl Fragment {
    /// Every fragment, in the order of `fragments.toml`.
    #[must_use]
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Fragment>> = LazyLock::new(|| {
            let list: List = toml::from_str(include_str!("../../fragments/fragments.toml"))
                .expect("the file is valid, as a test of this module checks");
            list.fragment
        });
        &ALL
    }

    /// The configuration of a gateway at this address.
    ///
    /// # Errors
    ///
    /// A template uses an unknown name.
    pub fn render(
        &self,
        deployment: &Deployment,
        address: &GatewayAddress,
    ) -> Result<RenderedFragment, TemplateError> {
        let names = Value::from(Serde(TemplateNames {
            deployment,
            host: &address.host,
            port: address.port,
            strategy: Strategy::Probe,
            profile: Profile::Seed,
        }));
        let mut files = Vec::new();
        for (file, name) in &self.files {
            let source = TEMPLATES.iter().find(|(known, _)| known == name);
            let source = source.map_or("", |(_, source)| source);
            files.push((file.clone(), template::render(name, source, &names)?));
        }
        Ok(RenderedFragment {
            files,
            start: template::render("start", &self.start, &names)?,
            run_options: self.run_options.clone(),
        })
    }
}

impl RenderedFragment {
    /// The text of the only file, or every file after a line with its name.
    #[must_use]
    pub fn as_text(&self) -> String {
        match self.files.as_slice() {
            [(_, text)] => text.clone(),
            files => files.iter().map(|(name, text)| format!("# file {name}\n{text}\n")).collect(),
        }
    }
}

impl FromStr for GatewayAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected HOST:PORT, for example 127.0.0.1:4000";
        let (host, port) = text.rsplit_once(':').ok_or(expected)?;
        if host.is_empty() {
            return Err(expected);
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| expected)?,
        })
    }
}

impl fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
