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

    /// The fragment with this name; the error lists all names.
    ///
    /// # Errors
    ///
    /// There is no such fragment.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        let found = Self::all().iter().find(|fragment| fragment.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::all().iter().map(|known| known.name.as_str()).collect();
            format!("expected one of {}", names.join(", "))
        })
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

impl GatewayAddress {
    /// The address in a base URL; `None` if the URL has no host.
    #[must_use]
    pub fn of_url(url: &url::Url) -> Option<Self> {
        Some(Self {
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{axis::ServerKind, deployment::ConfiguredServer};

    fn deployment() -> Deployment {
        let server = |name: &str, kind, url: &str| ConfiguredServer::new(name, kind, url);
        let mut minted =
            server("minted", ServerKind::ClientCredentials, "http://127.0.0.1:18003/mcp");
        minted.token_url = Some("http://127.0.0.1:18009/token".to_owned());
        Deployment {
            servers: vec![
                server("alpha", ServerKind::Forwarding, "http://127.0.0.1:18001/mcp"),
                server("static", ServerKind::Static, "http://127.0.0.1:18002/mcp"),
                minted,
                server("open", ServerKind::Open, "http://127.0.0.1:18004/mcp"),
                server("restricted", ServerKind::NotPermitted, "http://127.0.0.1:18005/mcp"),
                server("unresolvable", ServerKind::Forwarding, "https://mcp.preflight.invalid/mcp"),
            ],
            full_key: "sk-full".to_owned(),
            limited_key: "sk-limited".to_owned(),
            static_token: "static-token".to_owned(),
            ..Deployment::default()
        }
    }

    fn render(name: &str) -> RenderedFragment {
        let fragment = Fragment::all().iter().find(|fragment| fragment.name == name);
        let address = "127.0.0.1:4000".parse().expect("the address is valid");
        fragment
            .expect("there is such a fragment")
            .render(&deployment(), &address)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_fragment_names_every_server_that_it_can_serve() {
        for fragment in Fragment::all() {
            let rendered = render(&fragment.name);
            let text = rendered.as_text();
            for expected in ["18001", "18002", "static-token", "18004", "18005", "mcp.preflight"] {
                assert!(text.contains(expected), "{} lacks {expected}: {text}", fragment.name);
            }
            assert_eq!(rendered.files.len(), fragment.files.len());
        }
    }

    #[test]
    fn the_json_fragment_is_json() {
        let text = render("mcp-servers-json").as_text();
        let json: serde_json::Value = serde_json::from_str(&text).expect("the text is JSON");
        let servers = json["mcpServers"].as_object().expect("it is an object");
        let names: Vec<&str> = servers.keys().map(String::as_str).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert_eq!(servers["static"]["headers"]["Authorization"], "Bearer static-token");
    }

    #[test]
    fn a_fragment_of_several_files_names_each_of_them() {
        let text = render("litellm").as_text();
        assert!(text.starts_with("# file config.yaml\n"), "{text}");
        assert!(text.contains("\n# file custom_auth.py\n"), "{text}");
        assert!(render("nginx").as_text().contains("listen 127.0.0.1:4000;"));
    }

    #[test]
    fn a_gateway_address_has_a_host_and_a_port() {
        for invalid in ["", "127.0.0.1", ":80", "host:port", "host:70000"] {
            assert!(invalid.parse::<GatewayAddress>().is_err(), "{invalid}");
        }
    }
}
