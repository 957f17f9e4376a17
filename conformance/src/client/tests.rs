use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// Reads one request's head, says these bytes, and then closes or keeps the connection open for good.
async fn server(says: &'static str, closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        stream.write_all(says.as_bytes()).await.unwrap();
        if !closes {
            std::future::pending::<()>().await;
        }
    });
    format!("http://{address}")
}

fn request(raw: bool) -> Request {
    let headers = vec![("Accept".to_owned(), "application/json".to_owned())];
    Request {
        method: "GET".into(),
        path: "/mcp/alpha".into(),
        headers,
        body: String::new(),
        raw,
    }
}

async fn exchange(says: &'static str, closes: bool, raw: bool) -> Exchange {
    let timeouts = ResponseTimeouts {
        head: Duration::from_millis(400),
        body: Duration::from_millis(400),
    };
    let client = Client::new(&server(says, closes).await, timeouts).unwrap();
    client.send(&request(raw)).await
}

#[tokio::test]
async fn both_faces_tell_the_same_endings_apart() {
    let cases = [
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
            false,
            Some(401),
            Ending::Complete,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            false,
            Some(200),
            Ending::Complete,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            true,
            Some(200),
            Ending::Broken,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            true,
            Some(200),
            Ending::Broken,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            false,
            Some(200),
            Ending::HungAfterHead,
        ),
        ("HTTP/1.1 200 OK\r\nConte", false, None, Ending::HungBeforeHead),
        ("", true, None, Ending::NoHead),
    ];
    for (says, closes, status, ending) in cases {
        for raw in [false, true] {
            let seen = exchange(says, closes, raw).await;
            assert_eq!((seen.status, seen.ending), (status, ending), "raw {raw}: {says:?}");
        }
    }
}

#[tokio::test]
async fn http2_is_spoken_from_the_first_byte_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |request: http::Request<_>| async move {
            let spoken = format!("{:?}", request.version());
            Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(
                bytes::Bytes::from(spoken),
            )))
        };
        let http =
            hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
        http.serve_connection(
            hyper_util::rt::TokioIo::new(stream),
            hyper::service::service_fn(answer),
        )
        .await
    });
    let timeouts = ResponseTimeouts { head: Duration::from_secs(5), body: Duration::from_secs(5) };
    let seen = Client::new(&base_url, timeouts)
        .unwrap()
        .over_http2()
        .unwrap()
        .send(&request(false))
        .await;
    assert_eq!(
        (seen.status, seen.body.as_str(), seen.ending),
        (Some(200), "HTTP/2.0", Ending::Complete)
    );
}

#[tokio::test]
async fn an_informational_head_is_not_the_answer() {
    let says =
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(says, false, true).await.status, Some(401));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let says = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(says, false, false).await.status, Some(302));
}

#[tokio::test]
async fn a_closed_port_is_no_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let timeouts = ResponseTimeouts { head: Duration::from_secs(5), body: Duration::from_secs(5) };
    let client = Client::new(&format!("http://{address}"), timeouts).unwrap();
    for raw in [false, true] {
        assert_eq!(client.send(&request(raw)).await.ending, Ending::NoHead);
    }
}

#[test]
fn a_base_url_that_is_none_is_refused() {
    let timeouts = ResponseTimeouts { head: Duration::ZERO, body: Duration::ZERO };
    assert!(Client::new("https://gateway.test", timeouts).is_err());
    assert!(Client::new("gateway", timeouts).is_err());
}
