//! Every command from the outside: its output, the files that it writes, and its exit code.

mod at_url;
#[path = "../binary/mod.rs"]
mod binary;
mod formats;
mod not_a_gateway;
mod process;
mod runs;

use self::binary::{command, exit_code, output_of, stderr, stdout, test_folder, write_file};

/// The path of a file in a test's folder. The file need not exist.
fn test_path(test: &str, name: &str) -> String {
    test_folder(test).join(name).display().to_string()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
