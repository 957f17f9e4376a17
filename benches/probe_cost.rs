//! What the pre-flight costs a client: the same calls made to the upstreams directly, through the gateway with `deferred`, and through
//! it with `probe`, side by side.
//!
//! One iteration lists the tools of every upstream, all at once, and waits for the last answer: with one request for each upstream, and,
//! where the gateway serves them as one, with one request for all. The upstreams have a thread and a runtime of
//! their own. Absolute times say little on a shared machine, so the end of a run prints each time as a multiple of the direct one,
//! taken in the same run.

use std::{
    convert::Infallible,
    fmt::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use mcp_preflight::{config::Config, gateway};
use tokio::{net::TcpListener, runtime, task::JoinSet};

const UPSTREAMS: [usize; 3] = [1, 4, 16];
const DELAYS_MS: [u64; 2] = [0, 5];
const WAYS: [&str; 5] = ["direct", "deferred", "probe", "deferred as one", "probe as one"];

type Http = Client<HttpConnector, Full<Bytes>>;

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(40)
        .measurement_time(Duration::from_secs(4));
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let mut requests = String::new();
    for delay in DELAYS_MS {
        for count in UPSTREAMS {
            let upstreams = Upstreams::start(count, Duration::from_millis(delay));
            let mut group = criterion.benchmark_group(group_name(count, delay));
            for way in WAYS {
                let strategy = way.split(' ').next().filter(|way| *way != "direct");
                let gateway = strategy
                    .map(|strategy| runtime.block_on(serve(strategy, &upstreams.addresses)));
                let urls: Vec<String> = match &gateway {
                    Some(gateway) if way.ends_with("as one") => {
                        vec![format!("http://{}/mcp", gateway.address())]
                    }
                    None => upstreams
                        .addresses
                        .iter()
                        .map(|address| format!("http://{address}/mcp"))
                        .collect(),
                    Some(gateway) => (0..count)
                        .map(|n| format!("http://{}/mcp/s{n}", gateway.address()))
                        .collect(),
                };
                let client: Http = Client::builder(TokioExecutor::new()).build_http();
                runtime.block_on(call_all(&client, &urls));
                let (before, mut calls) = (upstreams.seen.load(Ordering::Relaxed), 0_u64);
                group.bench_function(BenchmarkId::from_parameter(way), |bencher| {
                    bencher.iter(|| {
                        calls += count as u64;
                        runtime.block_on(call_all(&client, &urls));
                    });
                });
                if calls > 0 {
                    let seen = upstreams.seen.load(Ordering::Relaxed) - before;
                    let per_call = seen as f64 / calls as f64;
                    let _infallible = writeln!(
                        requests,
                        "  {:24} {way:16} {per_call:.2}",
                        group_name(count, delay)
                    );
                }
                if let Some(gateway) = gateway {
                    runtime.block_on(gateway.stop());
                }
            }
            group.finish();
        }
    }
    criterion.final_summary();
    eprintln!("\nupstream requests for each upstream that is listed\n{requests}\n{}", ratios());
}

fn group_name(count: usize, delay: u64) -> String {
    format!("{count} upstreams, {delay} ms")
}

/// The medians that criterion has just written, as multiples of the direct one.
fn ratios() -> String {
    let home = std::env::var_os("CRITERION_HOME").map(PathBuf::from);
    let target = || {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from("target"), PathBuf::from)
            .join("criterion")
    };
    let home = home.unwrap_or_else(target);
    let median = |group: &str, way: &str| -> Option<f64> {
        let text =
            std::fs::read_to_string(home.join(group).join(way).join("new/estimates.json")).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok()?["median"]["point_estimate"].as_f64()
    };
    let mut table =
        "time until the last answer, as a multiple of the direct call (medians of this run)\n"
            .to_owned();
    for delay in DELAYS_MS {
        for count in UPSTREAMS {
            let group = group_name(count, delay);
            let cells = WAYS.map(|way| match (median(&group, way), median(&group, "direct")) {
                (Some(this), Some(direct)) => format!("{way} {:.2}", this / direct),
                _ => format!("{way} not measured"),
            });
            let _infallible = writeln!(table, "  {group:24} {}", cells.join("   "));
        }
    }
    table
}

async fn serve(strategy: &str, upstreams: &[SocketAddr]) -> gateway::Running {
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\nstrategy = \"{strategy}\"\n[[key]]\nname = \"b\"\nvalue = {{ env = \"K\" }}\nservers = \"all\"\n"
    );
    for (n, address) in upstreams.iter().enumerate() {
        let _infallible = write!(
            text,
            "[[server]]\nname = \"s{n}\"\nurl = \"http://{address}/mcp\"\nforward = [\"authorization\"]\nera = \"2026-07-28\"\n"
        );
    }
    let config = Config::parse("bench", &text, &|_| Some("sk-bench".to_owned()))
        .expect("the configuration is valid");
    gateway::start(config).await.expect("a loopback port can be bound")
}

async fn call_all(client: &Http, urls: &[String]) {
    let mut calls = JoinSet::new();
    for url in urls {
        let request = Request::post(url)
            .header("x-litellm-api-key", "sk-bench")
            .header("authorization", "Bearer token")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(Full::from(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#))
            .expect("the request is valid");
        let client = client.clone();
        calls.spawn(async move {
            let response = client.request(request).await.expect("the upstream answers");
            assert!(response.status().is_success());
            response.into_body().collect().await.expect("the answer is whole");
        });
    }
    while let Some(called) = calls.join_next().await {
        called.expect("the call succeeds");
    }
}

/// Upstreams that answer every message after a delay.
struct Upstreams {
    addresses: Vec<SocketAddr>,
    seen: Arc<AtomicU64>,
    /// Dropping it ends the thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Upstreams {
    fn start(count: usize, delay: Duration) -> Self {
        let (send, receive) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let seen = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built");
            runtime.block_on(async move {
                for _ in 0..count {
                    let listener = TcpListener::bind("127.0.0.1:0")
                        .await
                        .expect("a loopback port can be bound");
                    let _main_waits =
                        send.send(listener.local_addr().expect("a bound socket has an address"));
                    tokio::spawn(accept(listener, delay, Arc::clone(&counter)));
                }
                let _stopped = stopped.await;
            });
        });
        Self {
            addresses: receive.iter().take(count).collect(),
            seen,
            _stop: stop,
        }
    }
}

async fn accept(listener: TcpListener, delay: Duration, seen: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _best_effort = stream.set_nodelay(true);
        let seen = Arc::clone(&seen);
        let answer = service_fn(move |request: Request<Incoming>| {
            seen.fetch_add(1, Ordering::Relaxed);
            async move {
                // Read to its end, so that the connection can be used again.
                let _read = request.into_body().collect().await;
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                let body = Full::<Bytes>::from(
                    r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}"#,
                );
                Ok::<_, Infallible>(
                    Response::builder()
                        .header("content-type", "application/json")
                        .body(body)
                        .expect("the response is valid"),
                )
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer),
        );
    }
}
