//! Holds the promises of this folder with tiny programs: what an author reads, and that nothing that was started survives.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::*;
use crate::cases::axis::{ServerKind, Start as Started};
use crate::cases::deployment::ConfiguredServer;

const OWN: Started = Started { profile: Profile::Seed, strategy: Strategy::Own };

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

/// A description with this start command, a shell script, and these further lines.
fn scripted(script: &str, further: &str) -> Description {
    let source = format!(
        r#"
        name = "tiny"
        version = "1"
        homepage = "none"
        routes = ["/mcp/{{server}}"]
        credentials = {{ key-header = "x-gateway-key" }}
        ready = {{ path = "/", within-s = 30 }}
        stop = {{ grace-s = 0 }}
        start = {{ command = ["sh", "-c", {script:?}] }}
        {further}"#
    );
    Description::parse("tiny", &source).unwrap()
}

/// A pipe that every process of a group holds open: it ends when the last of them is gone.
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

    /// The script, holding the pipe from its first line on.
    fn held_by(&self, script: &str) -> String {
        format!("exec 9>'{}/lifeline'; {script}", self.folder.path().display())
    }

    fn cache(&self) -> &Path {
        self.folder.path()
    }

    async fn nobody_is_left(mut self) {
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(20), self.end.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a process survived");
    }
}

const SERVE: &str = "exec python3 -m http.server --bind 127.0.0.1 {{ port }}";

async fn started(description: &Description, cache: &Path) -> Result<Running, StartError> {
    start(description, &deployment(), OWN, cache, |_| ()).await
}

/// An error as people read it, without the parts that differ from run to run.
fn read(error: &StartError, cache: &Path) -> String {
    let text = error.to_string().replace(&cache.display().to_string(), "CACHE");
    let run = |part: &&str| part.len() > 20 && part.starts_with(|c: char| c.is_ascii_digit());
    text.split('/')
        .map(|part| if run(&part) { "RUN" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn what_is_stopped_leaves_nobody_behind_not_even_children() {
    let lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by(&format!("sleep 1000 & {SERVE}")), "");
    let running = started(&description, lifeline.cache()).await.unwrap();
    running.stop().await;
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed() {
    let lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by(&format!("trap '' TERM; {SERVE}")), "");
    let running = started(&description, lifeline.cache()).await.unwrap();
    running.stop().await;
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn what_is_dropped_is_killed() {
    let lifeline = Lifeline::new();
    let running = started(
        &scripted(&lifeline.held_by(&format!("sleep 1000 & {SERVE}")), ""),
        lifeline.cache(),
    )
    .await
    .unwrap();
    drop(running);
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn what_we_can_no_longer_kill_is_killed_when_we_are_gone() {
    let lifeline = Lifeline::new();
    let description =
        scripted(&lifeline.held_by(&format!("trap '' TERM; sleep 1000 & {SERVE}")), "");
    let mut running = started(&description, lifeline.cache()).await.unwrap();
    // All that is left of a killed program is that its end of the pipe is closed.
    drop(running.group.guard.as_mut().unwrap().stdin.take());
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nobody_behind() {
    let mut lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by("echo up >&9; sleep 1000 & sleep 1000"), "");
    let cache = lifeline.cache().to_owned();
    tokio::select! {
        _ = started(&description, &cache) => panic!("it never gets ready"),
        up = lifeline.end.read_u8() => assert_eq!(up.unwrap(), b'u'),
    }
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn a_death_while_running_is_seen() {
    let lifeline = Lifeline::new();
    let script = lifeline.held_by(&format!("mkfifo until; ({SERVE}) & read line < until; exit 7"));
    let mut running = started(&scripted(&script, ""), lifeline.cache()).await.unwrap();
    assert_eq!(running.ending(), None);
    std::fs::write(running.log.with_file_name("until"), "now\n").unwrap();
    running.group.ended().await.unwrap();
    assert_eq!(running.ending().and_then(|status| status.code()), Some(7));
    running.stop().await;
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn what_never_gets_ready_is_killed_and_said_so() {
    let lifeline = Lifeline::new();
    let mut description = scripted(&lifeline.held_by("echo still thinking; sleep 1000"), "");
    description.ready.within_s = 1;
    let error = started(&description, lifeline.cache()).await.unwrap_err();
    let port = error
        .to_string()
        .split("127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(read(&error, lifeline.cache()).replace(&port, "PORT"), @r#"
    not ready within 1 s: GET http://127.0.0.1:PORT/ gave no connection
    log: CACHE/runs/tiny/RUN/output.log
      | still thinking
    "#);
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn what_ends_early_is_said_so_with_its_last_words() {
    let lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by("sleep 1000 & echo no licence >&2; exit 3"), "");
    let error = started(&description, lifeline.cache()).await.unwrap_err();
    insta::assert_snapshot!(read(&error, lifeline.cache()), @r#"
    it ended before it was ready, with exit status: 3
    log: CACHE/runs/tiny/RUN/output.log
      | no licence
    "#);
    lifeline.nobody_is_left().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let mut description = scripted("", "");
    description.start.command = vec!["no-such-gateway".into()];
    insta::assert_snapshot!(started(&description, cache.path()).await.unwrap_err(), @"cannot start `no-such-gateway`: No such file or directory (os error 2)");
}

#[tokio::test]
async fn the_environment_is_declared_and_not_inherited() {
    let cache = tempfile::tempdir().unwrap();
    let mut description = scripted("env; exit 1", "");
    description.start.environment.insert("MODE".into(), "{{ strategy }}".into());
    let text = started(&description, cache.path()).await.unwrap_err().to_string();
    assert!(text.contains("| MODE=own\n") || text.ends_with("| MODE=own"), "{text}");
    assert!(text.contains(&format!("| HOME={}", cache.path().display())), "{text}");
    assert!(!text.contains("CARGO"), "{text}");
}

#[tokio::test]
async fn an_install_runs_once_even_for_two_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let steps = r#"install = { steps = [["sh", "-c", "echo installed >> ../count"], ["sh", "-c", "test {{ install }} = $PWD"]] }"#;
    let description = scripted(SERVE, steps);
    let (one, two) =
        tokio::join!(started(&description, cache.path()), started(&description, cache.path()));
    one.unwrap().stop().await;
    two.unwrap().stop().await;
    started(&description, cache.path()).await.unwrap().stop().await;
    assert_eq!(
        std::fs::read_to_string(cache.path().join("installs/count")).unwrap(),
        "installed\n"
    );
}

#[tokio::test]
async fn an_install_that_was_cut_short_is_made_anew() {
    let cache = tempfile::tempdir().unwrap();
    let steps = r#"install = { steps = [["sh", "-c", "test ! -e half && touch half && test -e ../network"]] }"#;
    let description = scripted(SERVE, steps);
    let error = started(&description, cache.path()).await.unwrap_err();
    assert!(matches!(error, StartError::Install { .. }), "{error}");
    std::fs::write(cache.path().join("installs/network"), "").unwrap();
    let said = Mutex::new(Vec::new());
    let running = start(&description, &deployment(), OWN, cache.path(), |line| {
        said.lock().unwrap().push(line.to_owned())
    })
    .await;
    running.unwrap().stop().await;
    assert_eq!(said.lock().unwrap()[0], "wiping an install of tiny that was cut short");
}

#[tokio::test]
async fn a_changed_install_section_is_another_install() {
    let cache = tempfile::tempdir().unwrap();
    for step in ["touch a", "touch b"] {
        let description =
            scripted("exit 1", &format!("install = {{ steps = [[\"sh\", \"-c\", \"{step}\"]] }}"));
        started(&description, cache.path()).await.unwrap_err();
    }
    let installs = std::fs::read_dir(cache.path().join("installs")).unwrap();
    assert_eq!(installs.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(), 2);
}

#[tokio::test]
async fn why_an_install_failed() {
    let cache = tempfile::tempdir().unwrap();
    let failing = [
        r#"install = { steps = [["sh", "-c", "echo no matching distribution; exit 4"]] }"#,
        r#"install = { steps = [["no-such-python", "-m", "venv"]] }"#,
        r#"install = { steps = [["sleep", "1000"]], within-s = 0 }"#,
        r#"install = { steps = [["{{ port }}"]] }"#,
        r#"install = { files = ["missing.txt"] }"#,
    ];
    let mut all = Vec::new();
    for install in failing {
        let text =
            read(&started(&scripted("", install), cache.path()).await.unwrap_err(), cache.path());
        // The key is a hash of the section: nothing to a reader.
        let (before, key) = text.split_once("/tiny-").unwrap_or((&text, ""));
        all.push(
            key.get(12..)
                .map_or(before.to_owned(), |rest| format!("{before}/tiny-KEY{rest}")),
        );
    }
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    tiny 1 could not be installed: `sh -c echo no matching distribution; exit 4` failed with exit status: 4
    log: CACHE/installs/tiny-KEY.log
      | $ sh -c echo no matching distribution; exit 4
      | no matching distribution

    tiny 1 could not be installed: cannot run `no-such-python` to install it: No such file or directory (os error 2)
    expected `no-such-python` to be on this machine; nothing else was tried

    tiny 1 could not be installed: not installed within 0 s, while running `sleep 1000`
    log: CACHE/installs/tiny-KEY.log

    tiny 1 could not be installed: install.steps:1: `port` is not defined
    expected one of `install`

    tiny 1 could not be installed: install.files names missing.txt, which cannot be read: entity not found
    "#);
}

#[test]
fn what_an_author_reads() {
    let good = include_str!("../../implementations/litellm/implementation.toml");
    let slips = [
        ("homepage", "homepge"),
        ("\"discovery\"", "\"dicsovery\""),
        ("[\"own\"]", "[]"),
        ("\"/mcp/{server}\"", "\"/mcp\""),
        ("\"x-litellm-api-key\"", "\"X-LiteLLM-Api-Key\""),
        ("name = \"litellm\"", "name = \"lite/llm\""),
        ("path = \"/health", "path = \"health"),
        ("status = 200", "status = \"200\""),
        ("key-header = ", "# key-header = "),
        ("[ready]", "[ready"),
    ];
    let mut all = Vec::new();
    for (from, to) in slips {
        assert!(good.contains(from), "{from}");
        all.push(
            Description::parse("my-gateway/implementation.toml", &good.replacen(from, to, 1))
                .unwrap_err()
                .to_string(),
        );
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn what_the_author_of_a_template_reads() {
    let names = Value::from(Serde(deployment()));
    let faulty = [
        "key: {{ fullkey }}\n",
        "a\nb\n{% for server in servers %}{{ server.adress }}{% endfor %}\n",
        "{% for server in server %}{% endfor %}\n",
        "{{ full_key | to_json }}\n",
        "{% if full_key %}\n",
    ];
    let all: Vec<String> = faulty
        .iter()
        .map(|source| template::render("config.jinja", source, &names).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    config.jinja:1: `fullkey` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:3: `server.adress` is not defined

    config.jinja:1: `server` is not defined
    expected one of `servers`, `toolsets`, `full_key`, `limited_key`, `static_token`, `client_id`, `client_secret`, `token_url`, `minted_token`, `issuer`, `admission_bearer`, `page`, `commits_at_once`

    config.jinja:1: filter to_json is unknown, at `to_json`

    config.jinja:1: unexpected end of input, expected end of block, at `%}`
    "#);
}

#[test]
fn what_litellm_is_configured_with() {
    let description = Description::find("litellm").unwrap();
    let names = Value::from(Serde(deployment()));
    let rendered = description.files.iter().map(|file| {
        let text =
            template::render(&file.template, &description.read(&file.template).unwrap(), &names)
                .unwrap();
        format!("----- {}\n{text}", file.to)
    });
    insta::assert_snapshot!(rendered.collect::<String>());
}

/// The documentation's own examples are held to what it documents.
#[test]
fn the_documented_examples_are_valid() {
    let text = include_str!("../../implementations/README.md");
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let whole: Vec<&&str> = examples.iter().filter(|example| example.contains("[start]")).collect();
    assert!(!whole.is_empty());
    for example in whole {
        Description::parse("README.md", example).unwrap_or_else(|error| panic!("{error}"));
    }
    for feature in crate::catalogue::Feature::ALL {
        let name = serde_json::to_value(feature).unwrap();
        assert!(
            text.contains(&format!("`{}`", name.as_str().unwrap())),
            "{name} is not documented"
        );
    }
}

#[test]
fn the_cache_is_where_the_environment_says() {
    let with = |set: &'static [(&str, &str)]| {
        cache_folder(|name| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    };
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(with(&[("PREFLIGHT_CACHE", "/own"), ("HOME", "/home/me")]), path("/own"));
    assert_eq!(
        with(&[("XDG_CACHE_HOME", "/caches"), ("HOME", "/home/me")]),
        path("/caches/preflight-conformance")
    );
    assert_eq!(
        with(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/home/me")]),
        path("/home/me/.cache/preflight-conformance")
    );
    assert_eq!(with(&[("PREFLIGHT_CACHE", ""), ("HOME", "")]), None);
}
