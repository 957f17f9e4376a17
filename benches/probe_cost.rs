//! Measures what the pre-flight costs a client. The same `tools/list` requests are sent to the
//! upstreams directly, through the gateway with `deferred`, and through the gateway with `probe`.
//!
//! One iteration lists the tools of every upstream concurrently and waits for the last response. It
//! sends one request for each upstream or, on the aggregate endpoint, one request for all. The
//! upstreams run in a thread with a runtime of their own. Absolute times depend on the machine, so
//! the end of a run prints each time as a multiple of the direct time of the same run.

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
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use mcp_preflight::{config::Config, gateway};
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    task::JoinSet,
};

const UPSTREAM_COUNTS: [usize; 3] = [1, 4, 16];
const DELAYS_MS: [u64; 2] = [0, 5];
const ROUTES: [Route; 5] = [
    Route { name: "direct", strategy: None, aggregate: false },
    Route {
        name: "deferred",
        strategy: Some("deferred"),
        aggregate: false,
    },
    Route { name: "probe", strategy: Some("probe"), aggregate: false },
    Route {
        name: "deferred aggregate",
        strategy: Some("deferred"),
        aggregate: true,
    },
    Route {
        name: "probe aggregate",
        strategy: Some("probe"),
        aggregate: true,
    },
];

/// How the requests reach the upstreams.
struct Route {
    name: &'static str,
    /// The gateway's strategy; `None` without the gateway.
    strategy: Option<&'static str>,
    /// One request to the aggregate endpoint instead of one request for each upstream.
    aggregate: bool,
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

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
    let mut request_counts = String::new();
    for delay in DELAYS_MS {
        for count in UPSTREAM_COUNTS {
            let upstreams = Upstreams::start(count, Duration::from_millis(delay));
            let mut group = criterion.benchmark_group(group_name(count, delay));
            for route in &ROUTES {
                if let Some(requests) = measure(&mut group, &runtime, route, &upstreams) {
                    let group = group_name(count, delay);
                    let _infallible =
                        writeln!(request_counts, "  {group:24} {:18} {requests:.2}", route.name);
                }
            }
            group.finish();
        }
    }
    criterion.final_summary();
    eprintln!("\nrequests that each upstream received for one listing\n{request_counts}");
    eprintln!("{}", ratios());
}

/// Measures one route. Returns the number of requests that each upstream received for one listing;
/// `None` if the route was filtered out.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    route: &Route,
    upstreams: &Upstreams,
) -> Option<f64> {
    let gateway = route
        .strategy
        .map(|strategy| runtime.block_on(start_gateway(strategy, &upstreams.addresses)));
    let urls = urls(route, gateway.as_ref(), &upstreams.addresses);
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    runtime.block_on(list_all(&client, &urls));

    let (before, mut listings) = (upstreams.requests.load(Ordering::Relaxed), 0_u64);
    group.bench_function(BenchmarkId::from_parameter(route.name), |bencher| {
        bencher.iter(|| {
            listings += upstreams.addresses.len() as u64;
            runtime.block_on(list_all(&client, &urls));
        });
    });
    let requests = upstreams.requests.load(Ordering::Relaxed) - before;
    if let Some(gateway) = gateway {
        runtime.block_on(gateway.stop());
    }
    (listings > 0).then(|| requests as f64 / listings as f64)
}

/// The URLs that one iteration requests.
fn urls(
    route: &Route,
    gateway: Option<&gateway::Running>,
    upstreams: &[SocketAddr],
) -> Vec<String> {
    match gateway {
        None => upstreams.iter().map(|address| format!("http://{address}/mcp")).collect(),
        Some(gateway) if route.aggregate => vec![format!("http://{}/mcp", gateway.address())],
        Some(gateway) => (0..upstreams.len())
            .map(|number| format!("http://{}/mcp/s{number}", gateway.address()))
            .collect(),
    }
}

fn group_name(count: usize, delay_ms: u64) -> String {
    format!("{count} upstreams, {delay_ms} ms")
}

/// The medians that criterion has written in this run, as multiples of the direct median.
fn ratios() -> String {
    let results = criterion_folder();
    let median = |group: &str, route: &str| -> Option<f64> {
        let file = results.join(group).join(route).join("new/estimates.json");
        let text = std::fs::read_to_string(file).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok()?["median"]["point_estimate"].as_f64()
    };
    let mut table =
        "time until the last response, as a multiple of the direct time (medians of this run)\n"
            .to_owned();
    for delay in DELAYS_MS {
        for count in UPSTREAM_COUNTS {
            let group = group_name(count, delay);
            let direct = median(&group, "direct");
            let columns = ROUTES.map(|route| match (median(&group, route.name), direct) {
                (Some(median), Some(direct)) => format!("{} {:.2}", route.name, median / direct),
                _ => format!("{} not measured", route.name),
            });
            let _infallible = writeln!(table, "  {group:24} {}", columns.join("   "));
        }
    }
    table
}

/// The folder that criterion writes its results to.
fn criterion_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("CRITERION_HOME") {
        return PathBuf::from(folder);
    }
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from("target"), PathBuf::from)
        .join("criterion")
}

async fn start_gateway(strategy: &str, upstreams: &[SocketAddr]) -> gateway::Running {
    let mut text = format!(
        r#"
listen = "127.0.0.1:0"
strategy = "{strategy}"

[[key]]
name = "b"
value = {{ env = "K" }}
servers = "all"
"#
    );
    for (number, address) in upstreams.iter().enumerate() {
        let _infallible = write!(
            text,
            r#"
[[server]]
name = "s{number}"
url = "http://{address}/mcp"
forward = ["authorization"]
protocol_version = "2026-07-28"
"#
        );
    }
    let config = Config::parse("bench", &text, &|_| Some("sk-bench".to_owned()))
        .expect("the configuration is valid");
    gateway::start(config).await.expect("a loopback port can be bound")
}

/// Requests each URL concurrently, and reads each response to its end.
async fn list_all(client: &HttpClient, urls: &[String]) {
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
            let response = client.request(request).await.expect("the request is answered");
            assert!(response.status().is_success());
            response.into_body().collect().await.expect("the body is complete");
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("the call succeeds");
    }
}

/// Mock upstreams that answer every request with a list of tools, after a delay.
struct Upstreams {
    addresses: Vec<SocketAddr>,
    /// The number of requests that all upstreams have received.
    requests: Arc<AtomicU64>,
    /// The thread of the upstreams ends when this is dropped.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Upstreams {
    fn start(count: usize, delay: Duration) -> Self {
        let (address_sender, addresses) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
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
                    let address = listener.local_addr().expect("a bound socket has an address");
                    address_sender.send(address).expect("the main thread receives the address");
                    tokio::spawn(serve(listener, delay, Arc::clone(&counter)));
                }
                let _stopped = stopped.await;
            });
        });
        Self {
            addresses: addresses.iter().take(count).collect(),
            requests,
            _stop: stop,
        }
    }
}

async fn serve(listener: TcpListener, delay: Duration, requests: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _best_effort = stream.set_nodelay(true);
        let requests = Arc::clone(&requests);
        let service = service_fn(move |request: Request<Incoming>| {
            requests.fetch_add(1, Ordering::Relaxed);
            respond(request, delay)
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn respond(
    request: Request<Incoming>,
    delay: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // The connection can only be reused if the request body has been read to its end.
    let _read = request.into_body().collect().await;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let result = r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    let response = Response::builder()
        .header("content-type", "application/json")
        .body(Full::from(body))
        .expect("the response is valid");
    Ok(response)
}
