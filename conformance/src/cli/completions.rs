//! `completions`: a completion script for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit, print};

/// Prints the script.
pub(super) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "preflight-conformance", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Expected
}
