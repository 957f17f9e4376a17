//! What `run` and `smoke` do for an implementation at a URL: they use the mock upstreams of a plan
//! file, and wait until the implementation is configured.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use tokio::{
    net::TcpStream,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use url::Url;

use super::{Exit, exit::exit_of_error, instructions, named_value::gateway_kind};
use crate::{
    catalogue::GatewayKind,
    client::ClientError,
    implementations::{
        Implementation, UrlDescription,
        fragment::{Fragment, GatewayAddress},
    },
    runner::Runner,
    upstreams::{
        Addresses, MockUpstreams, PlanError, PlanFile,
        hand_over::{self, HandOver},
    },
};

/// The plan file, if the command line names none.
const DEFAULT_PLAN: &str = "preflight-plan.json";

/// How long a connection to the implementation may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The pause between two attempts to reach the implementation.
const PAUSE: Duration = Duration::from_secs(1);

/// What describes an implementation at a URL.
#[derive(Debug, Args)]
pub(super) struct DescriptionArgs {
    /// For url: take credential layout, routes and features from this implementation
    #[arg(long, value_name = "IMPLEMENTATION")]
    like: Option<String>,
    /// For url: use the preset of this kind: relay, forwarding-gateway, sdk-proxy or catalogue
    #[arg(long, value_name = "KIND", value_parser = gateway_kind, conflicts_with = "like")]
    kind: Option<GatewayKind>,
}

impl DescriptionArgs {
    /// The description that the options name.
    pub(super) fn of_url(&self) -> Option<UrlDescription<'_>> {
        let like = self.like.as_deref().map(UrlDescription::Like);
        like.or(self.kind.map(UrlDescription::Kind))
    }
}

/// The arguments for an implementation at a URL.
#[derive(Debug, Args)]
pub(super) struct UrlArgs {
    /// For url: use the mock upstreams of this plan file, which `upstreams --plan` has written
    /// [default: preflight-plan.json; if it does not exist, it is written, and the command prints
    /// what to configure and waits until that is done]
    #[arg(long, alias = "fleet", value_name = "FILE")]
    upstreams: Option<PathBuf>,
    /// For url: how many seconds to wait until a valid request succeeds [default: 0; no limit if
    /// the plan file is new]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// For url: if the plan file is new, also print a ready configuration of this gateway
    #[arg(long, value_name = "GATEWAY", value_parser = Fragment::find)]
    fragment: Option<&'static Fragment>,
}

/// An exit code and the error that belongs to it.
pub(super) type Failure = (Exit, String);

/// The mock upstreams of a run. Dropping this closes them, and then returns the ports.
pub(super) struct RunUpstreams {
    pub(super) mocks: Arc<MockUpstreams>,
    /// Whether the plan file is new, so that the implementation must still be configured.
    is_new: bool,
    _ports: Option<Ports>,
}

/// What keeps the ports of a plan file for this run.
enum Ports {
    /// The `upstreams` process has released them.
    Lent { _hand_over: HandOver },
    /// This process has bound them; a task refuses the requests of other runs.
    Own { refusing: AbortHandle },
}

impl Drop for Ports {
    fn drop(&mut self) {
        if let Self::Own { refusing } = self {
            refusing.abort();
        }
    }
}

impl UrlArgs {
    /// Starts the mock upstreams for a run of this implementation.
    ///
    /// The random seed determines the secrets of new mock upstreams.
    pub(super) async fn start_upstreams(
        &self,
        implementation: &Implementation,
        random_seed: u64,
    ) -> Result<RunUpstreams, Failure> {
        let Some(url) = implementation.url() else {
            return self.start_new(random_seed).await;
        };
        let Some(address) = address_of(url) else {
            return Err((Exit::Usage, ClientError::BaseUrl(url.to_owned()).to_string()));
        };
        if let Some(path) = &self.upstreams {
            return use_plan(path).await;
        }
        let path = Path::new(DEFAULT_PLAN);
        if path.exists() {
            eprintln!("using the mock upstreams of {DEFAULT_PLAN}");
            return use_plan(path).await;
        }
        let started = write_plan(path, random_seed, Addresses::lasting()).await;
        let (plan, mocks, control) = started.map_err(|error| plan_failure(&error))?;
        eprint!("{}", instructions::for_run(implementation, path, &plan, &address));
        if let Some(fragment) = self.fragment {
            let rendered = fragment.render(&plan.deployment, &address);
            let rendered = rendered.map_err(|error| (Exit::SuiteFailure, error.to_string()))?;
            eprintln!("\nconfiguration of {}:\n\n{}", fragment.name, rendered.as_text());
        }
        Ok(RunUpstreams {
            mocks: Arc::new(mocks),
            is_new: true,
            _ports: Some(refuse_other_runs(control)),
        })
    }

    /// The mock upstreams of an implementation that the suite starts.
    async fn start_new(&self, random_seed: u64) -> Result<RunUpstreams, Failure> {
        if self.upstreams.is_some() || self.wait.is_some() {
            let text = "--upstreams and --wait are for an implementation at a url:…; the suite \
                        starts and configures any other implementation itself";
            return Err((Exit::Usage, text.to_owned()));
        }
        let mocks = MockUpstreams::start(random_seed)
            .await
            .map_err(|error| plan_failure(&PlanError::Bind(error)))?;
        Ok(RunUpstreams { mocks: Arc::new(mocks), is_new: false, _ports: None })
    }

    /// Waits until the implementation listens and its positive control passes.
    ///
    /// If it listens when the time is over, the run reports what is wrong with it.
    pub(super) async fn wait_until_ready(
        &self,
        runner: &Runner<'_>,
        implementation: &Implementation,
        upstreams: &RunUpstreams,
    ) -> Result<(), Failure> {
        let (Some(url), Some(start)) = (implementation.url(), implementation.starts().next())
        else {
            return Ok(());
        };
        let mut waiting = self.waiting(upstreams);
        loop {
            let state = match connect(url).await {
                Err(error) if waiting.is_over() => return Err((Exit::NotStarted, error)),
                Err(error) => error,
                Ok(()) if waiting.is_over() => return Ok(()),
                Ok(()) => match runner.try_positive_control(start).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(reason)) => reason,
                    Err(error) => return Err((exit_of_error(&error), error.to_string())),
                },
            };
            waiting.pause(&state).await;
        }
    }

    /// Waits until the implementation listens.
    pub(super) async fn wait_until_it_listens(
        &self,
        implementation: &Implementation,
        upstreams: &RunUpstreams,
    ) -> Result<(), Failure> {
        let Some(url) = implementation.url() else {
            return Ok(());
        };
        let mut waiting = self.waiting(upstreams);
        while let Err(error) = connect(url).await {
            if waiting.is_over() {
                return Err((Exit::NotStarted, error));
            }
            waiting.pause(&error).await;
        }
        Ok(())
    }

    fn waiting(&self, upstreams: &RunUpstreams) -> Waiting {
        let limit = match self.wait {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None if upstreams.is_new => None,
            None => Some(Duration::ZERO),
        };
        Waiting { started: Instant::now(), limit, printed: String::new() }
    }
}

/// A bounded or unbounded wait that prints each change of the state.
struct Waiting {
    started: Instant,
    limit: Option<Duration>,
    printed: String,
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.started.elapsed() >= limit)
    }

    async fn pause(&mut self, state: &str) {
        if self.printed != state {
            eprintln!("waiting: {state}");
            state.clone_into(&mut self.printed);
        }
        sleep(PAUSE).await;
    }
}

/// Starts the mock upstreams of an existing plan file.
async fn use_plan(path: &Path) -> Result<RunUpstreams, Failure> {
    let plan = PlanFile::read(path).map_err(|error| plan_failure(&error))?;
    let lent = hand_over::take_over(&plan)
        .await
        .map_err(|error| (Exit::SuiteFailure, error.to_string()))?;
    let start = async {
        let ports = match lent {
            Some(hand_over) => {
                eprintln!("the `upstreams` process has released its ports for this run");
                Ports::Lent { _hand_over: hand_over }
            }
            None => refuse_other_runs(plan.bind_control().await?),
        };
        Ok((plan.start().await?, ports))
    };
    let (mocks, ports) = start.await.map_err(|error| plan_failure(&error))?;
    Ok(RunUpstreams { mocks: Arc::new(mocks), is_new: false, _ports: Some(ports) })
}

/// Starts mock upstreams and writes their plan file.
pub(super) async fn write_plan(
    path: &Path,
    random_seed: u64,
    addresses: Addresses,
) -> Result<(PlanFile, MockUpstreams, tokio::net::TcpListener), PlanError> {
    let mocks = MockUpstreams::start_at(random_seed, addresses).await?;
    let control = mocks.bind_control().await?;
    let plan = PlanFile::new(random_seed, &mocks, control.local_addr()?);
    plan.write_new(path)?;
    Ok((plan, mocks, control))
}

/// The exit code of a plan file that cannot be used.
pub(super) fn plan_failure(error: &PlanError) -> Failure {
    let exit = match error {
        PlanError::Bind(_) => Exit::SuiteFailure,
        PlanError::File { .. }
        | PlanError::Syntax { .. }
        | PlanError::Format { .. }
        | PlanError::Inconsistent => Exit::Usage,
    };
    (exit, error.to_string())
}

fn refuse_other_runs(control: tokio::net::TcpListener) -> Ports {
    let task = tokio::spawn(async move { hand_over::refuse_all(&control).await });
    Ports::Own { refusing: task.abort_handle() }
}

/// Host and port of a base URL; `None` if it is not an `http` URL.
fn address_of(url: &str) -> Option<GatewayAddress> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    GatewayAddress::of_url(&url)
}

/// Opens and closes a connection. The error is a sentence that names the URL.
async fn connect(base_url: &str) -> Result<(), String> {
    let addresses = Url::parse(base_url)
        .map_err(|error| error.to_string())
        .and_then(|url| url.socket_addrs(|| None).map_err(|error| error.to_string()))
        .map_err(|error| format!("{base_url} cannot be reached: {error}"))?;
    match timeout(CONNECT_WITHIN, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("nothing listens at {base_url}: {error}")),
        Err(_) => Err(format!("{base_url} accepts no connection")),
    }
}
