//! Credentials in the header fields of a request.

use crate::harness::{KEY, call, requests, send, start, upstream};

#[tokio::test]
async fn a_token_for_one_server_is_sent_to_that_server_only() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let tokens = "authorization: Bearer all\r\n\
                  x-mcp-ALPHA-authorization: Bearer one\r\n\
                  x-mcp-nobody-authorization: Bearer none\r\n";
    let key_in_authorization = "authorization: Bearer sk\r\n\
                                x-mcp-alpha-authorization: Bearer one\r\n";
    for (server, credentials) in [
        ("alpha", format!("{KEY}{tokens}")),
        ("beta", format!("{KEY}{tokens}")),
        ("alpha", key_in_authorization.to_owned()),
    ] {
        assert_eq!(send(&gateway, call(server, &credentials)).await.status, 200);
    }

    let mut received = Vec::new();
    for request in requests(&upstream).await {
        let extension_fields: Vec<&str> = request
            .headers
            .keys()
            .map(wiremock::http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-"))
            .collect();
        assert_eq!(extension_fields, [] as [&str; 0]);
        let token = request.headers["authorization"].to_str().unwrap();
        received.push(format!("{} {token}", request.url.path()));
    }
    let expected = ["/alpha Bearer one", "/beta Bearer all", "/alpha Bearer one"];
    let probe_and_call = |line| [line, line];
    assert_eq!(received, expected.map(probe_and_call).concat());
}

#[tokio::test]
async fn an_ambiguous_or_unsupported_credential_is_refused_before_any_upstream_request() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    for (credentials, code) in [
        ("authorization: Bearer sk-other\r\n", 40005),
        ("x-mcp-beta-authorization: Bearer sk-other\r\n", 40005),
        ("x-mcp-beta-authorization: Bearer a, Bearer b\r\n", 40003),
        (
            "x-mcp-alpha-authorization: Bearer a\r\nx-mcp-alpha-authorization: Bearer b\r\n",
            40001,
        ),
        ("authorization: Basic dXNlcjpwYXNz\r\n", 40105),
        ("authorization: Bearer a\r\nx-mcp-alpha-authorization: DPoP b\r\n", 40105),
    ] {
        let response = send(&gateway, call("alpha", &format!("{KEY}{credentials}"))).await;
        assert_eq!(response.status, code / 100, "{credentials}");
        let body = &response.body;
        assert!(body.contains(&format!("\"code\":{code}")), "{credentials} {body}");
        let challenged = response.field("www-authenticate").is_some();
        assert_eq!(challenged, response.status == 401, "{credentials}");
    }
    assert_eq!(requests(&upstream).await.len(), 0);
}
