//! `server-everything`, the reference MCP server: installed from npm with a lock file, and run in a
//! Node.js process.

use std::{collections::BTreeSet, net::TcpListener};

use tokio::process::Command;

use crate::{child::Child, install::Package};

const SERVER: Package = Package {
    name: "everything",
    files: &[
        ("package.json", include_str!("package.json")),
        ("package-lock.json", include_str!("package-lock.json")),
    ],
    steps: &[&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]],
    missing: "npm is not on the PATH: this test needs Node.js, 20 or newer, with npm, to install \
              the reference MCP server",
};
const SCRIPT: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";

pub(crate) struct EverythingServer {
    child: Child,
    pub(crate) url: String,
}

/// The sessions that the server has logged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sessions {
    /// How many sessions have been opened.
    opened: usize,
    /// The ids of the sessions that have not ended.
    open: BTreeSet<String>,
}

impl EverythingServer {
    pub(crate) async fn start() -> Self {
        let folder = SERVER.installed();
        // Another process may bind the free port before the server does. The server then logs an
        // error, and the next port is tried.
        loop {
            let port = free_port();
            let mut node = Command::new("node");
            node.args([SCRIPT, "streamableHttp"])
                .current_dir(&folder)
                .env("PORT", port.to_string());
            let mut child = Child::spawn(&mut node);
            let listening = child.wait_for_output("whether it is listening", |lines| {
                let contains = |text: &str| lines.iter().any(|line| line.contains(text));
                if contains("listening on port") {
                    Some(true)
                } else {
                    contains("already in use").then_some(false)
                }
            });
            if listening.await {
                return Self { child, url: format!("http://127.0.0.1:{port}/mcp") };
            }
        }
    }

    /// Waits until every opened session has ended, and returns how many there were.
    pub(crate) async fn wait_until_all_sessions_ended(&mut self) -> usize {
        self.child
            .wait_for_output("the end of every session", |lines| {
                let sessions = Sessions::from_log(lines);
                (sessions.opened > 0 && sessions.open.is_empty()).then_some(sessions.opened)
            })
            .await
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Sessions {
    fn from_log(lines: &[String]) -> Self {
        let mut sessions = Self::default();
        for line in lines {
            if let Some(id) = line.strip_prefix("Session initialized with ID: ") {
                sessions.opened += 1;
                sessions.open.insert(id.to_owned());
            } else if let Some(id) = line
                .strip_prefix("Transport closed for session ")
                .and_then(|rest| rest.split(',').next())
            {
                sessions.open.remove(id);
            }
        }
        sessions
    }
}
