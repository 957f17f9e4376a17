//! Asks upstreams what they make of a token: all at once, under one deadline, leaving nothing behind.
//!
//! Whom to ask and with which message was decided in the core, and so is what the answers mean.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::{Gateway, answer::whole, fanout::at_once, session::SESSION, upstream::Unanswered};
use crate::core::{
    access::{CallerId, ServerId},
    outcome::{Cause, Outcome},
    preflight::{self, ProbeTarget, USER_AGENT},
    status::Failure,
};

/// How long, and how far, the body of an answer is read so that its connection can be used again; then it is closed (PRB-14, PRB-15).
const DRAIN_PATIENCE: Duration = Duration::from_millis(250);
const DRAIN_LIMIT: usize = 64 * 1024;

/// What one upstream answered.
pub(super) struct Answered {
    pub(super) server: ServerId,
    pub(super) outcome: Outcome,
    /// How long it took; nothing where an earlier acceptance still stands.
    pub(super) took: Option<Duration>,
    /// The lines of a refusal's challenges.
    pub(super) challenges: Vec<HeaderValue>,
}

/// Asks every target concurrently (PRB-01). No later than the deadline each has an outcome, in configuration order. Dropping the
/// future closes the connections of the probes that still run.
pub(super) async fn ask(
    gateway: &Arc<Gateway>,
    caller: CallerId,
    targets: Vec<ProbeTarget>,
) -> Result<Vec<Answered>, Failure> {
    let until = Instant::now() + gateway.config.deadlines.probe;
    let asked = targets
        .into_iter()
        .map(|target| (target.server, one(Arc::clone(gateway), caller, target, until)));
    let answers = at_once(asked).await?;
    Ok(answers.into_iter().map(|(_, answered)| answered).collect())
}

async fn one(
    gateway: Arc<Gateway>,
    caller: CallerId,
    ProbeTarget { server, authorization }: ProbeTarget,
    until: Instant,
) -> Answered {
    let began = Instant::now();
    if gateway.reuse.stands(caller, server, &authorization) {
        return Answered {
            server,
            outcome: Outcome::Accepted,
            took: None,
            challenges: Vec::new(),
        };
    }
    let (headers, body) = preflight::probe_message(gateway.config.server(server).protocol_version);
    let request = request(&gateway, server, Method::POST, headers, authorization.clone(), body);
    let (outcome, challenges) = match gateway
        .upstream
        .send(request, until.duration_since(began))
        .await
    {
        Ok(response) => {
            let outcome = Outcome::from(response.status());
            let challenges = challenges(response.headers());
            gateway.reuse.learn(caller, server, &authorization, outcome);
            gateway
                .tasks
                .spawn(clean_up(Arc::clone(&gateway), server, authorization, response));
            (outcome, challenges)
        }
        Err(Unanswered::Upstream(cause)) => (Outcome::Inconclusive(cause), Vec::new()),
        Err(Unanswered::Client(_)) => (Outcome::Inconclusive(Cause::Broken), Vec::new()),
    };
    Answered { server, outcome, took: Some(began.elapsed()), challenges }
}

/// Every line of a response's challenges.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().cloned().collect()
}

/// Ends the session that a probe has opened, after the client has its answer (PRB-08, PRB-09).
async fn clean_up(
    gateway: Arc<Gateway>,
    server: ServerId,
    authorization: HeaderValue,
    response: Response<Incoming>,
) {
    let session = response.headers().get(SESSION).cloned();
    drain(response.into_body()).await;
    let Some(session) = session else { return };
    let era = gateway.config.server(server).protocol_version;
    let headers = HeaderMap::from_iter([
        (SESSION, session),
        (
            HeaderName::from_static("mcp-protocol-version"),
            HeaderValue::from_static(era.as_str()),
        ),
        (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
    ]);
    let request = request(&gateway, server, Method::DELETE, headers, authorization, String::new());
    // A server may refuse to end sessions with 405, and nobody waits for this answer.
    if let Ok(response) = gateway.upstream.send(request, gateway.config.deadlines.probe).await {
        drain(response.into_body()).await;
    }
}

async fn drain(body: Incoming) {
    let whole = Limited::new(body, DRAIN_LIMIT).collect();
    // Read to its end, too long or too slow: in each case all that can be done for the connection has been.
    let _connection_reused_or_closed = timeout(DRAIN_PATIENCE, whole).await;
}

fn request(
    gateway: &Gateway,
    server: ServerId,
    method: Method,
    mut headers: HeaderMap,
    authorization: HeaderValue,
    body: String,
) -> Request<super::Body> {
    headers.insert(header::AUTHORIZATION, authorization);
    let mut request = Request::new(whole(body));
    *request.method_mut() = method;
    *request.uri_mut() = gateway.config.server(server).url.clone();
    *request.headers_mut() = headers;
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::Barrier,
    };

    /// Upstreams that each answer their first request with a status, but none before all have been asked.
    async fn gateway_before(statuses: &[&'static str]) -> Arc<Gateway> {
        let all_asked = Arc::new(Barrier::new(statuses.len()));
        let mut text =
            "[[key]]\nname = \"a\"\nvalue = { env = \"K\" }\nservers = \"all\"\n".to_owned();
        for (position, status) in statuses.iter().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/mcp", listener.local_addr().unwrap());
            text += &format!(
                "[[server]]\nname = \"s{position}\"\nurl = \"{url}\"\nforward = [\"authorization\"]\n"
            );
            let (all_asked, status) = (Arc::clone(&all_asked), *status);
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _some_of_it = stream.read(&mut [0; 4096]).await.unwrap();
                all_asked.wait().await;
                stream
                    .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                    .await
                    .unwrap();
            });
        }
        let config = Config::parse("test", &text, &|_| Some("k".to_owned())).unwrap();
        Arc::new(Gateway::new(config, ([127, 0, 0, 1], 0).into()).unwrap())
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
    async fn all_are_asked_at_once() {
        let gateway = gateway_before(&[
            "200 OK",
            "401 Unauthorized",
            "403 Forbidden",
            "500 Oops",
            "204 No Content",
        ])
        .await;
        let answers = ask(&gateway, CallerId(0), targets(5)).await.unwrap();
        let outcomes: Vec<String> =
            answers.iter().map(|answered| answered.outcome.to_string()).collect();
        assert_eq!(outcomes, ["accepted", "unauthorized", "forbidden", "open-500", "accepted"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_longer_than_the_deadline() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", silent.local_addr().unwrap());
        let text = format!(
            "probe_deadline_ms = 300\n[[key]]\nname = \"a\"\nvalue = {{ env = \"K\" }}\nservers = \"all\"\n[[server]]\nname = \"s\"\nurl = \"{url}\"\nforward = [\"authorization\"]\n"
        );
        let config = Config::parse("test", &text, &|_| Some("k".to_owned())).unwrap();
        let gateway = Arc::new(Gateway::new(config, ([127, 0, 0, 1], 0).into()).unwrap());
        let began = Instant::now();
        let answers = ask(&gateway, CallerId(0), targets(1)).await.unwrap();
        assert_eq!(answers[0].outcome, Outcome::Inconclusive(Cause::TimedOut));
        assert!(
            began.elapsed() < Duration::from_millis(400),
            "the paused clock went on for {:?}",
            began.elapsed()
        );
    }
}
