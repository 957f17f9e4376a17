//! The official Python SDK as a client: installed from a lock file with hashes, and run as
//! `python_client.py` in a child process.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    child::{
        Child,
        gateway::{KEY, KEY_HEADER},
    },
    install::Package,
};

const SDK: Package = Package {
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
    missing: "python3 is not on the PATH: this test needs Python, 3.11 or newer, with its venv \
              module, to install the Python SDK with pip",
};

/// Runs the client: it connects, lists tools and calls one. Returns its report, which has an
/// `error` member if that failed. `python_client.py` describes the options.
pub(crate) async fn converse(url: &str, options: &Value) -> Value {
    let folder = SDK.installed();
    let mut argument = json!({ "url": url, "key_header": KEY_HEADER, "key": KEY });
    argument.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/python_client.py");
    let mut python = Command::new(folder.join("venv/bin/python"));
    python.arg("-I").arg(script).arg(argument.to_string());
    let exit = Child::spawn(&mut python).wait().await;
    let report = exit.lines.iter().find_map(|line| serde_json::from_str(line).ok());
    report.filter(|_| exit.code == 0).unwrap_or_else(|| {
        panic!("the client ended with {}:\n{}", exit.code, exit.lines.join("\n"))
    })
}
