//! Every command as its users meet it: what it prints, what it writes, and which exit code says what.

mod formats;
mod process;
mod runs;
mod trivial;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight-conformance"));
    command.args(arguments).env("PREFLIGHT_CACHE", folder("cache")).env_remove("NO_COLOR");
    command
}

fn called(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

fn code(arguments: &[&str]) -> i32 {
    called(arguments).status.code().expect("it ends by itself")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints text")
}

/// A place of its own for each test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("commands").join(test);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// A file in a test's place, which need not be there.
fn place(test: &str, name: &str) -> String {
    folder(test).join(name).display().to_string()
}

fn file(test: &str, name: &str, text: &str) -> String {
    let path = place(test, name);
    std::fs::write(&path, text).expect("the target folder can be written");
    path
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
