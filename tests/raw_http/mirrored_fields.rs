//! Header fields that repeat parts of the message body, as protocol version 2026-07-28 requires
//! them.

use crate::harness::{KEY, call_with_body, requests, send, start, upstream};

#[tokio::test]
async fn a_field_that_contradicts_the_body_is_answered_400_before_any_upstream_request() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    // The tool's name comes late in a long body.
    let filler = "x".repeat(100_000);
    let params = format!(r#"{{"arguments":{{"text":"{filler}"}},"name":"echo"}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#);
    let request = |server: &str, key: &str, name: &str| {
        let lines = format!(
            "{key}mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
             mcp-name: {name}\r\nmcp-param-region: eu\r\n"
        );
        call_with_body(server, &lines, &body)
    };

    for server in ["alpha", "nobody"] {
        let response = send(&gateway, request(server, KEY, "delete-all")).await;
        assert_eq!(response.status, 400, "{}", response.body);
        let error = "\"id\":7,\"error\":{\"code\":-32020";
        assert!(response.body.contains(error), "{}", response.body);
    }
    let without_key = send(&gateway, request("alpha", "", "delete-all")).await;
    assert_eq!(without_key.status, 401, "the gateway key is checked first");
    assert_eq!(requests(&upstream).await.len(), 0);

    let encoded_name = "=?base64?ZWNobw==?=";
    assert_eq!(send(&gateway, request("alpha", KEY, encoded_name)).await.status, 200);
    let received = &requests(&upstream).await[0];
    assert_eq!(received.body, body.as_bytes());
    assert_eq!(received.headers["mcp-param-region"], "eu");
}
