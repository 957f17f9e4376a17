//! `check`, the errors of `serve`, and the health endpoints.

use std::{path::PathBuf, process::Output};

use tokio::{net::TcpListener, time::timeout};

use crate::{
    UNUSED_URL,
    child::{
        TIMEOUT,
        gateway::{ConfigurationFile, Gateway, command},
    },
    connection::Connection,
};

/// How a command ended.
struct CommandResult {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs a subcommand that ends without a signal.
async fn run(subcommand: &str, configuration: &ConfigurationFile) -> CommandResult {
    let output = command(subcommand, configuration)
        .env("RUST_LOG", "info")
        .kill_on_drop(true)
        .output();
    let Output { status, stdout, stderr } =
        timeout(TIMEOUT, output).await.expect("the command ends").unwrap();
    CommandResult {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

#[tokio::test]
async fn check_accepts_a_valid_file() {
    let file = ConfigurationFile::forwarding("", UNUSED_URL);
    let result = run("check", &file).await;
    assert_eq!(result.code, 0);
    let expected = format!("{}: valid (servers: 1, keys: 1)\n", file.0.display());
    assert_eq!(result.stdout, expected);
    assert_eq!(result.stderr, "");
}

#[tokio::test]
async fn check_and_serve_report_the_line_and_column_of_an_error() {
    let file = ConfigurationFile::new(
        "listen = \"127.0.0.1:0\"\n\n\
         [[server]]\nname = \"alpha\"\nurll = \"http://127.0.0.1:9/mcp\"\n",
    );
    for subcommand in ["check", "serve"] {
        let CommandResult { code, stdout, stderr } = run(subcommand, &file).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.starts_with(&format!("{}:5:1: ", file.0.display())), "{stderr}");
        assert!(stderr.contains("    5 | urll = "), "{stderr}");
        assert!(stderr.contains("expected `url`, for example"), "{stderr}");
    }
}

#[tokio::test]
async fn an_unset_environment_variable_is_named() {
    let server = format!("url = \"{UNUSED_URL}\"\nbearer = {{ env = \"PREFLIGHT_UNSET\" }}");
    let result = run("check", &ConfigurationFile::with_server("", &server)).await;
    assert_eq!(result.code, 2, "{}", result.stderr);
    let expected = ":10:10: the environment variable `PREFLIGHT_UNSET` is not set";
    assert!(result.stderr.contains(expected), "{}", result.stderr);
}

#[tokio::test]
async fn a_missing_configuration_file_is_named() {
    let missing = ConfigurationFile(PathBuf::from("no/such/preflight.toml"));
    let result = run("serve", &missing).await;
    assert_eq!(result.code, 2, "{}", result.stderr);
    let expected = "no/such/preflight.toml: cannot be read";
    assert!(result.stderr.starts_with(expected), "{}", result.stderr);
}

#[tokio::test]
async fn serve_fails_at_once_if_its_address_is_in_use() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = format!("listen = \"{address}\"");
    let result = run("serve", &ConfigurationFile::forwarding(&settings, UNUSED_URL)).await;
    assert_eq!(result.code, 1, "{}", result.stderr);
    let expected = format!("cannot serve {address}: Address already in use");
    assert!(result.stderr.starts_with(&expected), "{}", result.stderr);
}

#[tokio::test]
async fn health_and_readiness_need_no_gateway_key() {
    let gateway = Gateway::start(&ConfigurationFile::forwarding("", UNUSED_URL), "info").await;
    for (path, body) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        let response = Connection::open(&gateway, &request).await.read_to_end().await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert!(response.ends_with(body), "{response}");
    }
    assert_eq!(gateway.stop().await.code, 0);
}
