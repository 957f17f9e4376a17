//! The gateway as a child process, started with a configuration file as an operator starts it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::Signal;
use tokio::process::Command;

use super::{Child, Exit};

/// The gateway key, as `ALICE_KEY` in the environment.
pub(crate) const KEY: &str = "sk-Zx81qVfJ0nRt5wBe";
/// A credential of the gateway itself, as `ALPHA_SECRET` in the environment.
pub(crate) const SECRET: &str = "cs-Hb4Nn8TzXv6pGs1q";
/// The secret that session ids are sealed with, as `SESSION_SECRET` in the environment.
pub(crate) const SESSION_SECRET: &str = "ss-4fQm9XkT2vLr8YwBn6ZcPj1HsDgEaUi0";
/// The header field of the gateway key.
pub(crate) const KEY_HEADER: &str = "x-litellm-api-key";

pub(crate) struct Gateway {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts the gateway, and waits until it serves.
    pub(crate) async fn start(configuration: &ConfigurationFile, log_level: &str) -> Self {
        let mut child = Child::spawn(command("serve", configuration).env("RUST_LOG", log_level));
        let address = child
            .wait_for_output("the address that it serves", |lines| {
                lines
                    .iter()
                    .find_map(|line| line.split_once("serving address=")?.1.trim().parse().ok())
            })
            .await;
        Self { child, address }
    }

    /// Sends SIGTERM, and waits until the process has ended.
    pub(crate) async fn stop(self) -> Exit {
        self.child.signal(Signal::TERM);
        self.child.wait().await
    }
}

/// A subcommand of the gateway, with the secrets in its environment.
pub(crate) fn command(subcommand: &str, configuration: &ConfigurationFile) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-preflight"));
    command
        .args([subcommand, "--config"])
        .arg(&configuration.0)
        .env("ALICE_KEY", KEY)
        .env("ALPHA_SECRET", SECRET)
        .env("SESSION_SECRET", SESSION_SECRET);
    command
}

/// The path of a configuration file, which is removed when the value is dropped.
pub(crate) struct ConfigurationFile(pub(crate) PathBuf);

impl ConfigurationFile {
    pub(crate) fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("preflight-{}-{number}.toml", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    /// One gateway key, and one token-forwarding server `alpha`.
    pub(crate) fn forwarding(settings: &str, url: &str) -> Self {
        Self::with_server(settings, &format!("url = \"{url}\"\nforward = [\"authorization\"]"))
    }

    /// One gateway key, and one server `alpha` with these settings.
    pub(crate) fn with_server(settings: &str, server: &str) -> Self {
        let listen = if settings.contains("listen") {
            ""
        } else {
            "listen = \"127.0.0.1:0\"\n"
        };
        Self::new(&format!(
            "{listen}{settings}\n\
             [[key]]\nname = \"alice\"\nvalue = {{ env = \"ALICE_KEY\" }}\nservers = \"all\"\n\
             [[server]]\nname = \"alpha\"\n{server}\n"
        ))
    }
}

impl Drop for ConfigurationFile {
    fn drop(&mut self) {
        let _removed = std::fs::remove_file(&self.0);
    }
}
