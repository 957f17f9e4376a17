//! Sends probes to several servers concurrently, under one deadline, and ends the sessions that
//! they open.
//!
//! Which servers are probed, with which message, and what the responses mean is decided in the
//! core.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::{
    body::{Body, full_body},
    fanout::run_for_each,
    http_client::SendError,
    state::Gateway,
};
use crate::core::{
    access::{CallerId, ServerId},
    challenge,
    exchange::SESSION_ID,
    outcome::{Cause, Outcome},
    preflight::{ProbeTarget, USER_AGENT, probe_message},
    protocol_version::PROTOCOL_VERSION_FIELD,
    status::Failure,
};

/// How long and how far a response body is read so that its connection can be reused; then it is
/// closed (PRB-14, PRB-15).
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// The result of one probe.
pub(super) struct ProbeResult {
    pub(super) server: ServerId,
    pub(super) outcome: Outcome,
    /// How long the probe took; `None` if the token was accepted recently and no probe was sent.
    pub(super) took: Option<Duration>,
    /// The `WWW-Authenticate` lines of the response.
    pub(super) challenges: Vec<HeaderValue>,
}

/// Probes all targets concurrently (PRB-01), and returns the results in configuration order, no
/// later than the deadline. Dropping the future closes the connections of the probes that still
/// run.
pub(super) async fn probe(
    gateway: &Arc<Gateway>,
    caller: CallerId,
    targets: Vec<ProbeTarget>,
) -> Result<Vec<ProbeResult>, Failure> {
    let deadline = Instant::now() + gateway.config.deadlines.probe;
    let tasks = targets
        .into_iter()
        .map(|target| (target.server, probe_one(Arc::clone(gateway), caller, target, deadline)));
    let results = run_for_each(tasks).await?;
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

async fn probe_one(
    gateway: Arc<Gateway>,
    caller: CallerId,
    target: ProbeTarget,
    deadline: Instant,
) -> ProbeResult {
    let ProbeTarget { server, authorization } = target;
    let started = Instant::now();
    if gateway.accepted_tokens.contains(caller, server, &authorization) {
        return ProbeResult {
            server,
            outcome: Outcome::Accepted,
            took: None,
            challenges: Vec::new(),
        };
    }
    let (headers, body) = probe_message(gateway.config.server(server).protocol_version);
    let request = request(&gateway, server, Method::POST, headers, authorization.clone(), body);
    let sent = gateway.http.send(request, deadline.duration_since(started)).await;
    let (outcome, challenges) = match sent {
        Ok(response) => {
            let outcome = Outcome::from(response.status());
            let challenges = challenge::field_lines(response.headers());
            gateway.accepted_tokens.record(caller, server, &authorization, outcome);
            let cleanup = clean_up(Arc::clone(&gateway), server, authorization, response);
            gateway.background.spawn(cleanup);
            (outcome, challenges)
        }
        Err(SendError::Upstream(cause)) => (Outcome::Inconclusive(cause), Vec::new()),
        Err(SendError::Client(_)) => (Outcome::Inconclusive(Cause::Broken), Vec::new()),
    };
    ProbeResult { server, outcome, took: Some(started.elapsed()), challenges }
}

/// Ends the session that a probe has opened. The client does not wait for it (PRB-08, PRB-09).
async fn clean_up(
    gateway: Arc<Gateway>,
    server: ServerId,
    authorization: HeaderValue,
    response: Response<Incoming>,
) {
    let session = response.headers().get(SESSION_ID).cloned();
    drain(response.into_body()).await;
    let Some(session) = session else { return };
    let version = gateway.config.server(server).protocol_version;
    let mut headers = HeaderMap::new();
    headers.insert(SESSION_ID, session);
    headers.insert(PROTOCOL_VERSION_FIELD, HeaderValue::from_static(version.as_str()));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let request = request(&gateway, server, Method::DELETE, headers, authorization, String::new());
    // A server may answer 405 (it ends no sessions). The result is not used.
    if let Ok(response) = gateway.http.send(request, gateway.config.deadlines.probe).await {
        drain(response.into_body()).await;
    }
}

async fn drain(body: Incoming) {
    let reading = Limited::new(body, MAX_DRAINED_BYTES).collect();
    // The connection is reused if the body has ended, and closed if it is too long or too slow.
    let _reused_or_closed = timeout(DRAIN_TIMEOUT, reading).await;
}

fn request(
    gateway: &Gateway,
    server: ServerId,
    method: Method,
    mut headers: HeaderMap,
    authorization: HeaderValue,
    body: String,
) -> Request<Body> {
    headers.insert(header::AUTHORIZATION, authorization);
    let mut request = Request::new(full_body(body));
    *request.method_mut() = method;
    *request.uri_mut() = gateway.config.server(server).url.clone();
    *request.headers_mut() = headers;
    request
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::Barrier,
    };

    use super::*;
    use crate::config::Config;

    const KEY: &str = "[[key]]\nname = \"a\"\nvalue = { env = \"K\" }\nservers = \"all\"\n";

    fn server_entry(name: &str, url: &str) -> String {
        format!("[[server]]\nname = \"{name}\"\nurl = \"{url}\"\nforward = [\"authorization\"]\n")
    }

    fn gateway(config: &str) -> Arc<Gateway> {
        let config = Config::parse("test", config, &|_| Some("k".to_owned())).unwrap();
        Arc::new(Gateway::new(config, ([127, 0, 0, 1], 0).into()).unwrap())
    }

    /// A gateway with one server for each status. No server answers before all have received a
    /// request.
    async fn gateway_with_servers(statuses: &[&'static str]) -> Arc<Gateway> {
        let all_received = Arc::new(Barrier::new(statuses.len()));
        let mut config = KEY.to_owned();
        for (position, status) in statuses.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/mcp", listener.local_addr().unwrap());
            config += &server_entry(&format!("s{position}"), &url);
            let (all_received, status) = (Arc::clone(&all_received), *status);
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _part_of_request = stream.read(&mut [0; 4096]).await.unwrap();
                all_received.wait().await;
                let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(response.as_bytes()).await.unwrap();
            });
        }
        gateway(&config)
    }

    fn targets(servers: u16) -> Vec<ProbeTarget> {
        (0..servers)
            .map(|server| ProbeTarget {
                server: ServerId(server),
                authorization: HeaderValue::from_static("Bearer t"),
            })
            .collect()
    }

    #[tokio::test]
    async fn all_servers_are_probed_concurrently() {
        let statuses =
            ["200 OK", "401 Unauthorized", "403 Forbidden", "500 Oops", "204 No Content"];
        let gateway = gateway_with_servers(&statuses).await;
        let results = probe(&gateway, CallerId(0), targets(5)).await.unwrap();
        let outcomes: Vec<String> =
            results.iter().map(|result| result.outcome.to_string()).collect();
        assert_eq!(outcomes, ["accepted", "unauthorized", "forbidden", "open-500", "accepted"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_ends_at_the_deadline() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", silent.local_addr().unwrap());
        let config = format!("probe_deadline_ms = 300\n{KEY}{}", server_entry("s", &url));
        let gateway = gateway(&config);
        let started = Instant::now();
        let results = probe(&gateway, CallerId(0), targets(1)).await.unwrap();
        assert_eq!(results[0].outcome, Outcome::Inconclusive(Cause::TimedOut));
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_millis(400), "the paused clock advanced by {elapsed:?}");
    }
}
