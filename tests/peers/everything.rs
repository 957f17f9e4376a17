//! The reference MCP server of npm, `server-everything`, as its users run it: installed from a lock file, in a Node process of its own.

use std::{collections::BTreeSet, net::TcpListener};

use tokio::process::Command;

use crate::{child::Child, install::Recipe};

const RECIPE: Recipe = Recipe {
    name: "everything",
    files: &[
        ("package.json", include_str!("package.json")),
        ("package-lock.json", include_str!("package-lock.json")),
    ],
    steps: &[&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]],
    missing: "npm is not on the PATH: this test runs the gateway before a real MCP server, which npm installs; \
              put Node.js, 20 or newer, with its npm on the PATH",
};
const SCRIPT: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";

pub(crate) struct Everything {
    child: Child,
    pub(crate) url: String,
}

/// The sessions that the server has told of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    pub(crate) opened: usize,
    pub(crate) open: BTreeSet<String>,
}

impl Everything {
    pub(crate) async fn start() -> Self {
        let folder = RECIPE.installed();
        // Between our asking for a free port and the server's taking it, somebody else may: then it says so, and another one is tried.
        loop {
            let port = TcpListener::bind("127.0.0.1:0")
                .and_then(|free| free.local_addr())
                .unwrap()
                .port();
            let mut node = Command::new("node");
            node.args([SCRIPT, "streamableHttp"])
                .current_dir(&folder)
                .env("PORT", port.to_string());
            let mut child = Child::spawn(&mut node);
            let listens = child.prints("whether it listens", |lines| {
                let said = |text: &str| lines.iter().any(|line| line.contains(text));
                if said("listening on port") {
                    Some(true)
                } else {
                    said("already in use").then_some(false)
                }
            });
            if listens.await {
                return Self { child, url: format!("http://127.0.0.1:{port}/mcp") };
            }
        }
    }

    /// Waits until every session is ended that was opened, and says how many there were.
    pub(crate) async fn all_sessions_ended(&mut self) -> usize {
        self.child
            .prints("the end of every session", |lines| {
                let sessions = Sessions::of(lines);
                (sessions.opened > 0 && sessions.open.is_empty()).then_some(sessions.opened)
            })
            .await
    }
}

impl Sessions {
    fn of(lines: &[String]) -> Self {
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
