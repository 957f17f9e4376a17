//! The `preflight-conformance` command. Everything it does is in the library, so that the tests do the same.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    mcp_preflight_conformance::cli::main(std::env::args_os()).await
}
