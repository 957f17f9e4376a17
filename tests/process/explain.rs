//! `explain`: what the gateway would do with a request, without sending it.

use crate::{
    UNUSED_URL,
    child::{
        Child,
        gateway::{ConfigurationFile, KEY, KEY_HEADER, command},
    },
};

/// Explains a request with the gateway key and another header field; returns exit code and output.
async fn explain(header: &str) -> (i32, String) {
    let file = ConfigurationFile::forwarding("", UNUSED_URL);
    let key = format!("{KEY_HEADER}:{KEY} ");
    let mut command = command("explain", &file);
    command
        .args(["--method", "GET", "--path", "/mcp/alpha?x=y"])
        .args(["--header", &key, "--header", header]);
    let exit = Child::spawn(&mut command).wait().await;
    (exit.code, exit.lines.join("\n"))
}

/// The upstream URL of the configuration refuses connections, so the explanation cannot depend on
/// the upstream.
#[tokio::test]
async fn a_request_is_explained_without_its_secrets_and_without_an_upstream() {
    let (code, output) = explain("Authorization: Bearer to-canary").await;
    assert_eq!(code, 0, "{output}");
    let expected = "request     GET /mcp/alpha\ncaller      alice\nserver      alpha at ";
    assert!(output.starts_with(expected), "{output}");
    assert!(output.contains("… (16 characters)"), "{output}");
    assert!(!output.contains("canary") && !output.contains(KEY), "{output}");
}

#[tokio::test]
async fn an_invalid_header_argument_is_refused_without_repeating_it() {
    for header in ["Bearer to-canary", "authorization: to\ncanary", "bad name: to-canary"] {
        let (code, output) = explain(header).await;
        assert_eq!(code, 2, "{output}");
        assert!(output.starts_with("a --header is not a header field\n"), "{output}");
        assert!(!output.contains("canary"), "{output}");
    }
}
