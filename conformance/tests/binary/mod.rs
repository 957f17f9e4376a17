//! Starts the suite's command, and gives each test its own folder.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflight-conformance"));
    command
        .args(arguments)
        .env("PREFLIGHT_CACHE", test_folder("cache"))
        .env_remove("NO_COLOR");
    command
}

pub(crate) fn output_of(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the command runs")
}

pub(crate) fn exit_code(arguments: &[&str]) -> i32 {
    output_of(arguments).status.code().expect("no signal ends the command")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the output is UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the output is UTF-8")
}

/// The folder of a test of this test program; created if it is missing.
pub(crate) fn test_folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(test);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Writes a file into the folder of a test and returns its path.
pub(crate) fn write_file(test: &str, name: &str, text: &str) -> String {
    let path = test_folder(test).join(name);
    std::fs::write(&path, text).expect("the target folder can be written");
    path.display().to_string()
}
