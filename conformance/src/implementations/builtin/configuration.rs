//! Writes the configuration file of the reference gateway for a deployment.

use std::fmt::Write as _;

use super::{COMMIT_DEADLINE_MS, KEY_HEADER, PROBE_DEADLINE_MS, REQUEST_DEADLINE_MS};
use crate::{
    cases::{
        axis::{ServerKind, Start},
        deployment::{ConfiguredServer, Deployment},
    },
    catalogue::ProtocolVersion,
};

/// A configuration file, and the environment variables that it refers to.
#[derive(Default)]
pub(super) struct Configuration {
    pub(super) text: String,
    environment: Vec<(String, String)>,
}

/// The configuration of the gateway for a deployment and a start.
pub(super) fn write(deployment: &Deployment, start: Start) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.write_settings(deployment, start);
    configuration.write_keys(deployment);
    configuration.write_toolsets(deployment);
    for server in &deployment.servers {
        configuration.write_server(server, deployment);
    }
    configuration
}

impl Configuration {
    /// The value of an environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    }

    fn write_settings(&mut self, deployment: &Deployment, start: Start) {
        let Start { profile, strategy } = start;
        let commit_deadline_ms = if deployment.commits_at_once { 0 } else { COMMIT_DEADLINE_MS };
        let _ = write!(
            self.text,
            "listen = \"127.0.0.1:0\"\n\
             profile = \"{profile}\"\n\
             strategy = \"{strategy}\"\n\
             key_header = \"{KEY_HEADER}\"\n\
             probe_deadline_ms = {PROBE_DEADLINE_MS}\n\
             request_deadline_ms = {REQUEST_DEADLINE_MS}\n\
             commit_deadline_ms = {commit_deadline_ms}\n\
             shutdown_deadline_ms = 500\n\
             allowed_origins = [\"{}\"]\n\
             metrics_listen = \"127.0.0.1:0\"\n",
            deployment.page
        );
    }

    fn write_keys(&mut self, deployment: &Deployment) {
        let granted = deployment.servers.iter().filter(|server| server.granted);
        let granted = format!("[{}]", quoted(granted.map(|server| &server.name)));
        let toolsets = quoted(deployment.toolsets.iter().map(|toolset| &toolset.name));
        for (name, key, servers) in [
            ("full", &deployment.full_key, "\"all\""),
            ("limited", &deployment.limited_key, &granted),
            ("bearer", &deployment.admission_bearer, &granted),
        ] {
            let value = self.secret(&format!("KEY_{name}"), key);
            let _ = write!(
                self.text,
                "\n[[key]]\nname = \"{name}\"\nvalue = {value}\nservers = {servers}\ntoolsets = \
                 [{toolsets}]\n"
            );
        }
    }

    fn write_toolsets(&mut self, deployment: &Deployment) {
        for toolset in &deployment.toolsets {
            let _ = write!(
                self.text,
                "\n[[toolset]]\nname = \"{}\"\nservers = [{}]\n",
                toolset.name,
                quoted(&toolset.servers)
            );
        }
    }

    fn write_server(&mut self, server: &ConfiguredServer, deployment: &Deployment) {
        let ConfiguredServer { name, url, protocol_version, .. } = server;
        let _ = write!(self.text, "\n[[server]]\nname = \"{name}\"\nurl = \"{url}\"\n");
        if server.disabled {
            self.text.push_str("disabled = true\n");
        }
        if *protocol_version != ProtocolVersion::default() {
            let _ = writeln!(self.text, "protocol_version = \"{protocol_version}\"");
        }
        match server.kind {
            ServerKind::Forwarding | ServerKind::NotPermitted => {
                self.text.push_str("forward = [\"authorization\"]\n");
                if let Some(space) = &server.space {
                    let _ = writeln!(self.text, "protection_space = \"{space}\"");
                }
            }
            ServerKind::Static => {
                let bearer = self.secret("STATIC_TOKEN", &deployment.static_token);
                let _ = writeln!(self.text, "bearer = {bearer}");
            }
            ServerKind::ClientCredentials => {
                let client_secret = self.secret("CLIENT_SECRET", &deployment.client_secret);
                let token_url = server.token_url.as_deref().unwrap_or_default();
                let client_id = &deployment.client_id;
                let _ = writeln!(
                    self.text,
                    "client_credentials = \
                     {{ token_url = \"{token_url}\", client_id = \"{client_id}\", \
                     client_secret = {client_secret} }}"
                );
            }
            ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => {}
        }
    }

    /// Puts a secret into the environment. Returns the reference to it.
    fn secret(&mut self, name: &str, value: &str) -> String {
        self.environment.push((name.to_owned(), value.to_owned()));
        format!("{{ env = \"{name}\" }}")
    }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names
        .into_iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ")
}
