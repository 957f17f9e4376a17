//! The gateway as a process: started as an operator would start it, and known by what it logs.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::Signal;
use tokio::process::Command;

use super::{Child, Ended};

/// The gateway key that the configurations name.
pub(crate) const KEY: &str = "sk-Zx81qVfJ0nRt5wBe";
/// A credential of the gateway's own, for the configurations that name one.
pub(crate) const SECRET: &str = "cs-Hb4Nn8TzXv6pGs1q";
/// What session ids are sealed with, for the configurations that name it.
pub(crate) const SESSION_SECRET: &str = "ss-4fQm9XkT2vLr8YwBn6ZcPj1HsDgEaUi0";
/// The header that the key is sent in.
pub(crate) const KEY_HEADER: &str = "x-litellm-api-key";

pub(crate) struct Gateway {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Serves a configuration until a signal, with what is logged at this level.
    pub(crate) async fn serve(configuration: &Configuration, level: &str) -> Self {
        let mut child = Child::spawn(command("serve", configuration).env("RUST_LOG", level));
        let address = child
            .prints("the address that it serves", |lines| {
                lines
                    .iter()
                    .find_map(|line| line.split_once("serving address=")?.1.trim().parse().ok())
            })
            .await;
        Self { child, address }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(self) -> Ended {
        self.child.signal(Signal::TERM);
        self.child.ends().await
    }
}

/// A command of the gateway's, with the secrets that configurations name in its environment.
pub(crate) fn command(verb: &str, configuration: &Configuration) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-preflight"));
    command
        .args([verb, "--config"])
        .arg(&configuration.0)
        .env("ALICE_KEY", KEY)
        .env("ALPHA_SECRET", SECRET)
        .env("SESSION_SECRET", SESSION_SECRET);
    command
}

/// A configuration in a file of its own, for as long as it is needed.
pub(crate) struct Configuration(pub(crate) PathBuf);

impl Configuration {
    pub(crate) fn file(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "preflight-{}-{}.toml",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    /// One key, and one server that the caller's token is forwarded to.
    pub(crate) fn forwarding(settings: &str, url: &str) -> Self {
        Self::with_server(settings, &format!("url = \"{url}\"\nforward = [\"authorization\"]"))
    }

    /// One key and one server.
    pub(crate) fn with_server(settings: &str, server: &str) -> Self {
        let listen = if settings.contains("listen") {
            ""
        } else {
            "listen = \"127.0.0.1:0\"\n"
        };
        Self::file(&format!(
            "{listen}{settings}\n[[key]]\nname = \"alice\"\nvalue = {{ env = \"ALICE_KEY\" }}\nservers = \"all\"\n[[server]]\nname = \"alpha\"\n{server}\n"
        ))
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}
