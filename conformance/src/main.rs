//! The `preflight-conformance` command. Its code is in the library, so that tests can use it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    mcp_preflight_conformance::cli::main(std::env::args_os()).await
}
