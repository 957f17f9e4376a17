//! Tests described implementations with shell scripts instead of gateways.

mod description;
mod install;
mod launch;

use std::{path::Path, process::Command, time::Duration};

use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::unix::pipe};

use super::{Description, RunningProcess, StartError, launch::launch};
use crate::{
    cases::{
        axis::{ServerKind, Start, Strategy},
        deployment::{ConfiguredServer, Deployment},
    },
    catalogue::Profile,
};

const START: Start = Start { profile: Profile::Seed, strategy: Strategy::Own };

fn deployment() -> Deployment {
    let server = |name: &str, kind, granted| ConfiguredServer {
        granted,
        token_url: (kind == ServerKind::ClientCredentials)
            .then(|| "http://127.0.0.1:9/token".into()),
        ..ConfiguredServer::new(name, kind, format!("http://127.0.0.1:9/{name}/mcp"))
    };
    Deployment {
        servers: vec![
            server("alpha", ServerKind::Forwarding, true),
            server("static", ServerKind::Static, true),
            server("minted", ServerKind::ClientCredentials, true),
            server("open", ServerKind::Open, true),
            server("restricted", ServerKind::Forwarding, false),
        ],
        toolsets: Vec::new(),
        full_key: "key-full".into(),
        limited_key: "key-\"limited\"".into(),
        static_token: "static-token".into(),
        client_id: "client".into(),
        client_secret: "secret".into(),
        token_url: "http://127.0.0.1:9/token".into(),
        minted_token: "minted-token".into(),
        issuer: "http://127.0.0.1:9".into(),
        admission_bearer: "e30.e30.x".into(),
        commits_at_once: false,
        page: "https://page.example".into(),
    }
}

/// A description whose program is this shell script, with additional lines.
fn scripted(script: &str, additional: &str) -> Description {
    let source = format!(
        r#"
        name = "tiny"
        version = "1"
        homepage = "none"
        kind = "relay"
        routes = ["/mcp/{{server}}"]
        credentials = {{ key-header = "x-gateway-key" }}
        ready = {{ path = "/", within-s = 30 }}
        stop = {{ grace-s = 0 }}
        start = {{ command = ["sh", "-c", {script:?}] }}
        {additional}"#
    );
    Description::parse("tiny", &source).unwrap()
}

/// A pipe that every process of a group holds open. It ends when the last process has ended.
struct Lifeline {
    folder: TempDir,
    end: pipe::Receiver,
}

impl Lifeline {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lifeline");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let end = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        Self { folder, end }
    }

    /// The script, which opens the pipe first.
    fn held_by(&self, script: &str) -> String {
        format!("exec 9>'{}/lifeline'; {script}", self.folder.path().display())
    }

    fn cache(&self) -> &Path {
        self.folder.path()
    }

    async fn assert_all_processes_end(mut self) {
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(20), self.end.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a process survived");
    }
}

const SERVE: &str = "exec python3 -m http.server --bind 127.0.0.1 {{ port }}";

async fn start(description: &Description, cache: &Path) -> Result<RunningProcess, StartError> {
    launch(description, &deployment(), START, cache, |_| ()).await
}

/// The text of an error, without the parts that differ from run to run.
fn stable_text(error: &StartError, cache: &Path) -> String {
    let text = error.to_string().replace(&cache.display().to_string(), "CACHE");
    let is_run_id = |part: &str| part.len() > 20 && part.starts_with(|c: char| c.is_ascii_digit());
    text.split('/')
        .map(|part| if is_run_id(part) { "RUN" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}
