//! The Python SDK as a client of the gateway: installed from a lock file with hashes, and run as `client.py` in a process of its own.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    child::{
        Child,
        gateway::{KEY, KEY_HEADER},
    },
    install::Recipe,
};

const RECIPE: Recipe = Recipe {
    name: "python",
    files: &[("requirements.txt", include_str!("requirements.txt"))],
    steps: &[
        &["python3", "-m", "venv", "venv"],
        &[
            "venv/bin/python",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--requirement",
            "requirements.txt",
        ],
    ],
    missing: "python3 is not on the PATH: this test runs the gateway behind the Python SDK's client, which pip installs; \
              put Python, 3.11 or newer, with its venv module on the PATH",
};

/// Has the client connect, list, and call a tool as `told`; what it says came of it.
pub(crate) async fn converse(url: &str, told: &Value) -> Value {
    let folder = RECIPE.installed();
    let mut all = json!({ "url": url, "key_header": KEY_HEADER, "key": KEY });
    all.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/client.py");
    let mut python = Command::new(folder.join("venv/bin/python"));
    python.arg("-I").arg(script).arg(all.to_string());
    let ended = Child::spawn(&mut python).ends().await;
    let said = ended.lines.iter().find_map(|line| serde_json::from_str(line).ok());
    said.filter(|_| ended.code == 0).unwrap_or_else(|| {
        panic!("the client ended with {}:\n{}", ended.code, ended.lines.join("\n"))
    })
}
