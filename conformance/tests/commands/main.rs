//! Every command as its users meet it: what it prints, what it writes, and which exit code says what.

#[path = "../binary/mod.rs"]
mod binary;
mod formats;
mod process;
mod runs;
mod trivial;

use self::binary::{called, code, command, complained, file, folder, said};

/// A file in a test's place, which need not be there.
fn place(test: &str, name: &str) -> String {
    folder(test).join(name).display().to_string()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
