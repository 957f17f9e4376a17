//! The reference MCP server of npm, `server-everything`, as its users run it: installed from a lock file, in a Node process of its own.
//!
//! Installed once for each state of the lock file, into Cargo's folder for what tests make, and found there by every later run.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::child::Child;

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
const SCRIPT: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
/// What to say where there is no npm.
const NO_NPM: &str = "npm is not on the PATH: this test runs the gateway before a real MCP server, which npm installs; \
                      put Node.js, 20 or newer, with its npm on the PATH";

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
        let folder = installed();
        // Between our asking for a free port and the server's taking it, somebody else may: then it says so, and another one is tried.
        loop {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
            let mut node = Command::new("node");
            node.args([SCRIPT, "streamableHttp"]).current_dir(&folder).env("PORT", port.to_string());
            let mut child = Child::spawn(&mut node);
            let listens = child.prints("whether it listens", |lines| {
                let said = |text: &str| lines.iter().any(|line| line.contains(text));
                if said("listening on port") { Some(true) } else { said("already in use").then_some(false) }
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
            } else if let Some(id) = line.strip_prefix("Transport closed for session ").and_then(|rest| rest.split(',').next()) {
                sessions.open.remove(id);
            }
        }
        sessions
    }
}

/// The folder that the server is installed in. Whoever comes first installs; everybody else, in this process or another, waits.
fn installed() -> PathBuf {
    let digest: String = Sha256::digest(LOCK).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let folder = cache.join(&digest);
    fs::create_dir_all(&cache).unwrap();
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    if !folder.exists() {
        // Whole or not there at all: an install that breaks off leaves only this folder, and the next one begins by removing it.
        let unfinished = cache.join(format!("{digest}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).unwrap();
        }
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join("package.json"), PACKAGE).unwrap();
        fs::write(unfinished.join("package-lock.json"), LOCK).unwrap();
        install(&unfinished);
        fs::rename(&unfinished, &folder).unwrap();
    }
    folder
}

fn install(folder: &Path) {
    let mut npm = std::process::Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]).current_dir(folder);
    match npm.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("npm could not install the MCP server of this test:\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{NO_NPM}"),
        Err(error) => panic!("npm cannot be run: {error}"),
    }
}
