//! Calls the suite's binary as its users do, and gives each test a place of its own for files.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight-conformance"));
    command
        .args(arguments)
        .env("PREFLIGHT_CACHE", folder("cache"))
        .env_remove("NO_COLOR");
    command
}

pub(crate) fn called(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

pub(crate) fn code(arguments: &[&str]) -> i32 {
    called(arguments).status.code().expect("it ends by itself")
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

pub(crate) fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints text")
}

/// A place of its own for each test of each test program.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

pub(crate) fn file(test: &str, name: &str, text: &str) -> String {
    let path = folder(test).join(name);
    std::fs::write(&path, text).expect("the target folder can be written");
    path.display().to_string()
}
