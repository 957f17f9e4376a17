//! Programs: one that a bad answer ends or poisons, one that needs another program, and one that
//! ends with its parent.

use std::{path::Path, sync::Arc, time::Duration};

use mcp_preflight_conformance::{
    implementations::{Implementation, RunningImplementation},
    judge::Verdict::Pass,
    upstreams::MockUpstreams,
};
use tempfile::TempDir;

use crate::{
    binary::{output_of, stderr, test_folder, write_file},
    judged::judge,
};

/// Everything in a description of the program except how it is installed and started.
const COMMON: &str = r#"
version = "1"
homepage = "https://example.invalid"
kind = "forwarding-gateway"
routes = ["/mcp/{server}"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[credentials]
key-header = "x-gateway-key"

[deadlines]
probe-ms = 500
answer-ms = 1500

[[file]]
template = "program.py.jinja"
to = "program.py"

[ready]
path = "/ready"
within-s = 20
"#;

/// Writes a description of the program. `sections` states how it is installed and started.
fn description(test: &str, sections: &str) -> String {
    let text = format!("name = \"{test}\"{COMMON}{sections}");
    write_file(test, "implementation.toml", &text);
    write_file(test, "program.py.jinja", include_str!("program.py.jinja"));
    test_folder(test).display().to_string()
}

fn implementation(folder: &str) -> Implementation {
    Implementation::resolve(folder, None)
        .unwrap_or_else(|error| panic!("the description is valid: {error}"))
}

async fn mock_upstreams() -> Arc<MockUpstreams> {
    Arc::new(MockUpstreams::start(1).await.expect("loopback ports are free"))
}

fn cache() -> TempDir {
    tempfile::tempdir().expect("the temporary folder can be written")
}

/// The refusal is in the same batch as the answer that does the damage.
#[tokio::test]
async fn a_gateway_that_one_answer_ends_is_restarted_and_the_damage_is_reported() {
    for (effect, end) in [("exit", Some("exit status 7")), ("poison", None)] {
        let command = format!(
            "[start]\ncommand = [\"python3\", \"program.py\", \"{{{{ port }}}}\", \"{effect}\"]\n"
        );
        let folder = description(&format!("damage-{effect}"), &command);
        // `garbage` and the refusals with a bare challenge.
        let axes = ["method=tools-call", "upstream=*ar*"];
        let (upstreams, cache) = (mock_upstreams().await, cache());
        let requirements = ["STA-01", "STA-12"];
        let judged =
            judge(&implementation(&folder), upstreams, cache.path(), &requirements, &axes).await;
        let ends: Vec<Option<&str>> =
            judged.damages().iter().map(|damage| damage.process_end.as_deref()).collect();
        assert_eq!(ends, [end], "{judged:?}");
        let damaged: Vec<&str> = judged
            .damages()
            .iter()
            .flat_map(|damage| &damage.matrix_cases)
            .map(String::as_str)
            .collect();
        let [damaged] = damaged.as_slice() else {
            panic!("{effect}: one case does the damage: {judged:?}");
        };
        assert!(damaged.contains(" / garbage / "), "{damaged}");
        assert_eq!(judged.verdict("* / 401-bare+json-rpc / *", "STA-01"), Pass, "{effect}");
    }
}

#[tokio::test]
async fn a_missing_program_of_the_install_is_exit_code_3_and_named() {
    let sections = "[install]\nsteps = [[\"no-such-package-manager\", \"install\"]]\n\
        [start]\ncommand = [\"python3\", \"program.py\", \"{{ port }}\"]\n";
    let folder = description("missing", sections);
    for command in ["run", "smoke"] {
        let output = output_of(&[command, &folder]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let text = stderr(&output);
        let cause = "cannot run `no-such-package-manager`, which the install needs";
        assert!(text.contains(cause), "{text}");
        assert!(text.contains("or change install.steps"), "{text}");
    }
}

/// A program that is too old on the machine is installed beside the gateway, which finds it first.
#[tokio::test]
async fn an_install_step_can_provide_the_program_that_a_gateway_needs() {
    let sections = r#"
[install]
steps = [
    ["mkdir", "bin"],
    ["sh", "-c", "printf '#!/bin/sh\nexec python3 \"$@\"\n' > bin/newer-node"],
    ["chmod", "+x", "bin/newer-node"],
]

[start]
command = ["env", "newer-node", "program.py", "{{ port }}"]
environment = { PATH = "{{ install }}/bin:{{ path }}" }
"#;
    // Templates have no name for the search path of this machine.
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = description("provides", &sections.replace("{{ path }}", &path));
    let (upstreams, cache) = (mock_upstreams().await, cache());
    let axes = ["method=tools-call", "upstream=401-bare+json-rpc"];
    let judged = judge(&implementation(&folder), upstreams, cache.path(), &["STA-02"], &axes).await;
    assert_eq!(judged.verdict("* / tools-call / *", "STA-02"), Pass);
}

async fn start(folder: &str, cache: &Path) -> Result<RunningImplementation, String> {
    let implementation = implementation(folder);
    let start = implementation.starts().next().expect("it has a start");
    let upstreams = mock_upstreams().await;
    let started = implementation.start(upstreams.deployment(), start, cache, |_| {}).await;
    started.map_err(|error| error.to_string())
}

async fn is_reachable(base_url: &str) -> bool {
    let address = base_url.trim_start_matches("http://").to_owned();
    tokio::net::TcpStream::connect(address).await.is_ok()
}

/// Waits until the program has ended. The system ends it shortly after it was killed.
async fn assert_ends(base_url: &str) {
    let ended = async {
        while is_reachable(base_url).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(5), ended).await;
    assert!(in_time.is_ok(), "the program still runs at {base_url}");
}

async fn assert_lives_until_it_is_stopped(running: RunningImplementation) {
    let base_url = running.base_url().to_owned();
    // The program checks every 20 ms whether its parent still runs.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(is_reachable(&base_url).await);
    running.stop().await;
    assert_ends(&base_url).await;
}

#[tokio::test]
async fn a_program_that_ends_with_its_parent_lives_as_long_as_the_suite_needs_it() {
    let sections = "[start]\ncommand = [\"python3\", \"program.py\", \"{{ port }}\"]\n";
    let folder = description("child", sections);
    let cache = cache();
    let running = start(&folder, cache.path()).await.expect("the program starts");
    assert_lives_until_it_is_stopped(running).await;
}

/// A shell that starts the program in the background ends at once, and the program with it.
#[tokio::test]
async fn a_program_whose_parent_does_not_stay_is_reported_as_ended() {
    let sections = "[start]\ncommand = [\"sh\", \"-c\", \"python3 program.py {{ port }} &\"]\n";
    let folder = description("orphan", sections);
    let cache = cache();
    let error = start(&folder, cache.path()).await.expect_err("the program has ended");
    assert!(error.contains("the program ended before it was ready"), "{error}");
}

/// The shell stays as the parent, and both end when the suite stops them.
#[tokio::test]
async fn a_shell_that_waits_is_a_parent_that_stays() {
    let sections =
        "[start]\ncommand = [\"sh\", \"-c\", \"python3 program.py {{ port }} & wait\"]\n";
    let folder = description("waits", sections);
    let cache = cache();
    let running = start(&folder, cache.path()).await.expect("the program starts");
    assert_lives_until_it_is_stopped(running).await;
}
