//! The official conformance scenarios for servers, run with and without the gateway. Every check
//! must report the same in both runs, with all its details.
//!
//! The comparison leaves out what differs between two runs with the same server. It also leaves out
//! the messages of requests that the gateway must refuse itself; that such a request is refused,
//! and with which code, is compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::process::Command;

use crate::{
    child::{
        Child,
        gateway::{ConfigurationFile, Gateway},
    },
    credential_proxy,
    install::Package,
    sdk_server,
};

/// The scenarios may need a newer Node.js than the installed one, so the package contains one.
const SCENARIOS: Package = Package {
    name: "official",
    files: &[
        ("package.json", include_str!("official/package.json")),
        ("package-lock.json", include_str!("official/package-lock.json")),
    ],
    steps: &[&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]],
    missing: "npm is not on the PATH: this test needs Node.js, 20 or newer, with npm, to install \
              the official conformance scenarios",
};
const SCRIPT: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";

/// Members that differ between runs: times, and ids of sessions, requests and subscriptions.
const VARYING_MEMBERS: [&str; 8] = [
    "timestamp",
    "date",
    "x-request-id",
    "sessionId",
    "sessionIdSent",
    "mcp-session-id",
    "subscriptionId",
    "io.modelcontextprotocol/subscriptionId",
];
/// Checks of requests that the gateway refuses itself, with its own messages: a foreign origin, and
/// header fields that contradict the body.
const REFUSED_BY_GATEWAY: [&str; 4] = [
    "localhost-host-rebinding-rejected",
    "sep-2243-server-reject-error-code",
    "sep-2243-server-reject-invalid-headers",
    "sep-2575-http-server-header-mismatch-400",
];
/// A check of three concurrent streams, which are numbered in the order in which they open.
const CONCURRENT_STREAMS: &str = "server-sse-streams-functional";

/// The results of the checks by scenario and check id. An id may occur more than once.
type Checks = BTreeMap<String, Vec<Value>>;

/// Runs every scenario of a protocol version.
async fn run_scenarios(url: &str, version: &str) -> Checks {
    let folder = SCENARIOS.installed();
    let architecture = if ARCH == "x86_64" { "x64" } else { "arm64" };
    let bundled = folder.join(format!("node_modules/node-linux-{architecture}/bin/node"));
    let node = if bundled.exists() { bundled } else { PathBuf::from("node") };
    let port = url::Url::parse(url).unwrap().port().unwrap();
    let output = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("official-{}-{port}", std::process::id()));
    let mut command = Command::new(node);
    command
        .arg(folder.join(SCRIPT))
        .args(["server", "--suite", "all", "--url", url, "--spec-version", version])
        .arg("--output-dir")
        .arg(&output);
    let exit = Child::spawn(&mut command).wait().await;
    assert!(output.exists(), "the scenarios wrote no results:\n{}", exit.lines.join("\n"));
    let checks = read_checks(&output, &format!("127.0.0.1:{port}"));
    fs::remove_dir_all(&output).unwrap();
    checks
}

/// Reads the results from the output folder, which has one folder for each scenario.
fn read_checks(output: &Path, authority: &str) -> Checks {
    let mut checks = Checks::new();
    for entry in fs::read_dir(output).unwrap() {
        let entry = entry.unwrap();
        // The name of a folder is the scenario's name and the time.
        let name = entry.file_name().into_string().unwrap();
        let scenario = &name[..name.len() - "-2026-01-01T00-00-00-000Z".len()];
        let text = fs::read(entry.path().join("checks.json")).unwrap();
        let results: Vec<Value> = serde_json::from_slice(&text).unwrap();
        for mut check in results {
            let id = check["id"].as_str().unwrap().to_owned();
            remove_varying_parts(&mut check, &id, authority);
            checks.entry(format!("{scenario} {id}")).or_default().push(check);
        }
    }
    checks
}

/// Removes what differs between two runs with the same server.
fn remove_varying_parts(value: &mut Value, check: &str, authority: &str) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !VARYING_MEMBERS.contains(&name.as_str()));
            if REFUSED_BY_GATEWAY.contains(&check) {
                members.retain(|name, _| !["message", "data", "body"].contains(&name.as_str()));
            }
            if check == CONCURRENT_STREAMS {
                members.retain(|name, _| name != "event");
            }
            for member in members.values_mut() {
                remove_varying_parts(member, check, authority);
            }
        }
        Value::Array(items) => {
            for item in items {
                remove_varying_parts(item, check, authority);
            }
        }
        Value::String(text) => *text = text.replace(authority, "AUTHORITY"),
        // The scenarios use times in milliseconds as ids.
        Value::Number(number)
            if number.as_u64().is_some_and(|number| number > 1_000_000_000_000) =>
        {
            *value = Value::from("TIME");
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// The checks whose status a conforming server does not get.
fn failures(checks: &Checks) -> Vec<&Value> {
    checks
        .values()
        .flatten()
        .filter(|check| !["SUCCESS", "INFO"].contains(&check["status"].as_str().unwrap()))
        .collect()
}

/// The checks that differ between two runs, as text.
fn differences(without: &Checks, with: &Checks) -> Vec<String> {
    let names: BTreeSet<&String> = without.keys().chain(with.keys()).collect();
    names
        .into_iter()
        .filter(|name| without.get(*name) != with.get(*name))
        .map(|name| {
            let (without, with) = (without.get(name), with.get(name));
            format!("{name}\n  without the gateway {without:?}\n  with the gateway    {with:?}")
        })
        .collect()
}

async fn compare_with_and_without_gateway(version: &str, minimum_checks: usize) {
    let upstream = sdk_server::start(|_| None).await;
    let without = run_scenarios(&upstream, version).await;
    assert_eq!(failures(&without), Vec::<&Value>::new());
    assert!(without.len() >= minimum_checks, "only {} checks", without.len());
    for strategy in ["probe", "deferred"] {
        let settings = format!("strategy = \"{strategy}\"");
        let server = format!(
            "url = \"{upstream}\"\nforward = [\"authorization\"]\nprotocol_version = \"{version}\""
        );
        let file = ConfigurationFile::with_server(&settings, &server);
        let gateway = Gateway::start(&file, "info").await;
        let endpoint = format!("http://{}/mcp/alpha", gateway.address);
        let with = run_scenarios(&credential_proxy::start(&endpoint).await, version).await;
        let differences = differences(&without, &with);
        assert!(differences.is_empty(), "{strategy}:\n{}", differences.join("\n"));
        assert_eq!(gateway.stop().await.code, 0);
    }
}

#[tokio::test]
async fn the_scenarios_of_2025_11_25_report_the_same_with_the_gateway() {
    compare_with_and_without_gateway("2025-11-25", 80).await;
}

#[tokio::test]
async fn the_scenarios_of_2026_07_28_report_the_same_with_the_gateway() {
    compare_with_and_without_gateway("2026-07-28", 130).await;
}
