//! The official conformance scenarios for servers, against a server and against the same server through the gateway: what they say of
//! the two must be the same, check by check, with everything that they saw.
//!
//! Left out of the comparison is what differs between two runs against one server, and the words of the few refusals that the gateway
//! speaks itself, because it may not pass such a request on; that it refuses, and with which code, is compared.

use std::{
    collections::BTreeMap,
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::process::Command;

use crate::{
    child::{
        Child,
        gateway::{Configuration, Gateway},
    },
    install::Recipe,
    relay, sdk,
};

/// The scenarios need a newer Node.js than this machine may have, so they bring one.
const RECIPE: Recipe = Recipe {
    name: "official",
    files: &[
        ("package.json", include_str!("official/package.json")),
        ("package-lock.json", include_str!("official/package-lock.json")),
    ],
    steps: &[&["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]],
    missing: "npm is not on the PATH: this test runs the official conformance scenarios, which npm installs; \
              put Node.js, 20 or newer, with its npm on the PATH",
};
const SCRIPT: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";

/// Members that differ from run to run: clocks, and ids that are drawn for a session, a request or a subscription.
const OF_A_RUN: [&str; 8] = [
    "timestamp",
    "date",
    "x-request-id",
    "sessionId",
    "sessionIdSent",
    "mcp-session-id",
    "subscriptionId",
    "io.modelcontextprotocol/subscriptionId",
];
/// Checks of requests that the gateway refuses itself, in words of its own: another page's, and fields that do not mirror the body.
const REFUSED_HERE: [&str; 4] = [
    "localhost-host-rebinding-rejected",
    "sep-2243-server-reject-error-code",
    "sep-2243-server-reject-invalid-headers",
    "sep-2575-http-server-header-mismatch-400",
];
/// A check of three streams at once, which are numbered in the order in which they happen to open.
const RACING: &str = "server-sse-streams-functional";

/// Each check, by scenario and its own id: one after the other where an id comes more than once.
type Checks = BTreeMap<String, Vec<Value>>;

/// Runs every scenario of a revision; what each check says.
async fn run(url: &str, revision: &str) -> Checks {
    let folder = RECIPE.installed();
    let bundled = folder.join(format!(
        "node_modules/node-linux-{}/bin/node",
        if ARCH == "x86_64" { "x64" } else { "arm64" }
    ));
    let mut tool = Command::new(if bundled.exists() { bundled } else { PathBuf::from("node") });
    let port = url::Url::parse(url).unwrap().port().unwrap();
    let output = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("official-{}-{port}", std::process::id()));
    tool.arg(folder.join(SCRIPT)).args([
        "server",
        "--suite",
        "all",
        "--url",
        url,
        "--spec-version",
        revision,
    ]);
    let ended = Child::spawn(tool.arg("--output-dir").arg(&output)).ends().await;
    assert!(output.exists(), "nothing was judged:\n{}", ended.lines.join("\n"));

    let mut checks = Checks::new();
    for judged in fs::read_dir(&output).unwrap() {
        let judged = judged.unwrap();
        // A folder is named after its scenario and the time.
        let name = judged.file_name().into_string().unwrap();
        let scenario = &name[..name.len() - "-2026-01-01T00-00-00-000Z".len()];
        let said: Vec<Value> =
            serde_json::from_slice(&fs::read(judged.path().join("checks.json")).unwrap()).unwrap();
        for mut check in said {
            let id = check["id"].as_str().unwrap().to_owned();
            comparable(&mut check, &id, &format!("127.0.0.1:{port}"));
            checks.entry(format!("{scenario} {id}")).or_default().push(check);
        }
    }
    fs::remove_dir_all(&output).unwrap();
    checks
}

/// Leaves out what cannot be the same in two runs.
fn comparable(value: &mut Value, check: &str, authority: &str) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !OF_A_RUN.contains(&name.as_str()));
            if REFUSED_HERE.contains(&check) {
                members.retain(|name, _| !["message", "data", "body"].contains(&name.as_str()));
            }
            if check == RACING {
                members.retain(|name, _| name != "event");
            }
            members.values_mut().for_each(|member| comparable(member, check, authority));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| comparable(item, check, authority)),
        Value::String(text) => *text = text.replace(authority, "here"),
        // The scenarios take the clock for an id.
        Value::Number(number)
            if number.as_u64().is_some_and(|number| number > 1_000_000_000_000) =>
        {
            *value = Value::from("now")
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// The checks whose status is not one that a right server gets.
fn not_passed(checks: &Checks) -> Vec<&Value> {
    checks
        .values()
        .flatten()
        .filter(|check| !["SUCCESS", "INFO"].contains(&check["status"].as_str().unwrap()))
        .collect()
}

async fn the_same_lines(revision: &str, at_least: usize) {
    let upstream = sdk::serve(|_| None).await;
    let directly = run(&upstream, revision).await;
    assert_eq!(not_passed(&directly), Vec::<&Value>::new());
    assert!(directly.len() >= at_least, "only {} checks", directly.len());
    for strategy in ["probe", "deferred"] {
        let server =
            format!("url = \"{upstream}\"\nforward = [\"authorization\"]\nera = \"{revision}\"");
        let gateway = Gateway::serve(
            &Configuration::with_server(&format!("strategy = \"{strategy}\""), &server),
            "info",
        )
        .await;
        let through =
            run(&relay::to(&format!("http://{}/mcp/alpha", gateway.address)).await, revision).await;
        let names: Vec<&String> = directly
            .keys()
            .chain(through.keys().filter(|name| !directly.contains_key(*name)))
            .collect();
        let differ = names.into_iter().filter(|name| directly.get(*name) != through.get(*name));
        let said: Vec<String> = differ
            .map(|name| {
                format!(
                    "{name}\n  directly {:?}\n  through  {:?}",
                    directly.get(name),
                    through.get(name)
                )
            })
            .collect();
        assert!(said.is_empty(), "{strategy}:\n{}", said.join("\n"));
        assert_eq!(gateway.stop().await.code, 0);
    }
}

#[tokio::test]
async fn the_scenarios_of_2025_11_25_say_the_same_through_the_gateway() {
    the_same_lines("2025-11-25", 80).await;
}

#[tokio::test]
async fn the_scenarios_of_2026_07_28_say_the_same_through_the_gateway() {
    the_same_lines("2026-07-28", 130).await;
}
