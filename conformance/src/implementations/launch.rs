//! Starts a described implementation: installs it, renders its files, starts its process and waits
//! until it is ready.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs, io, iter,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use minijinja::value::{Serde, Value};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    cache::{log_tail, new_run_folder},
    description::{Description, ReadinessCheck},
    error::StartError,
    install,
    process_group::{Environment, ProcessGroup},
    template,
};
use crate::{
    cases::{
        axis::{Start, Strategy},
        deployment::Deployment,
    },
    catalogue::Profile,
};

/// The process group of a described implementation.
///
/// Dropping it kills all its processes at once; [`RunningProcess::stop`] stops them gracefully.
#[derive(Debug)]
pub struct RunningProcess {
    /// The URL at which clients reach it, without a trailing slash.
    pub base_url: String,
    /// The file with its standard output and standard error.
    pub log: PathBuf,
    /// The URL of its metrics, if it serves any.
    pub metrics_url: Option<String>,
    pub(super) group: ProcessGroup,
    grace: Duration,
}

impl RunningProcess {
    /// Sends SIGTERM, and SIGKILL to what still runs after the grace period.
    pub async fn stop(self) {
        self.group.stop(self.grace).await;
    }

    /// Waits until the first process ends. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.group.ended().await
    }
}

/// The names that templates can use.
#[derive(Serialize)]
struct TemplateNames<'a> {
    #[serde(flatten)]
    deployment: &'a Deployment,
    strategy: Strategy,
    profile: Profile,
    install: &'a Path,
    run: &'a Path,
    port: u16,
    metrics_port: u16,
    base_url: &'a str,
}

/// Installs the implementation if necessary, starts it and waits until it is ready.
///
/// If the future is dropped, every process that it has started is killed.
pub(super) async fn launch(
    description: &Description,
    deployment: &Deployment,
    start: Start,
    cache: &Path,
    progress: impl Fn(&str),
) -> Result<RunningProcess, StartError> {
    let cache = &std::path::absolute(cache).map_err(|source| file_error(cache, source))?;
    let install = install::installed(description, cache, &progress).await.map_err(|source| {
        StartError::Install {
            name: description.name.clone(),
            version: description.version.clone(),
            source: Box::new(source),
        }
    })?;
    let run = new_run_folder(cache, &description.name)
        .map_err(|(path, source)| StartError::File { path, source })?;
    let port = free_port()?;
    let base_url = format!("http://127.0.0.1:{port}");
    let names = Value::from(Serde(TemplateNames {
        deployment,
        strategy: start.strategy,
        profile: start.profile,
        install: &install,
        run: &run,
        port,
        metrics_port: free_port()?,
        base_url: &base_url,
    }));

    render_files(description, &run, &names)?;
    let command = template::render_command("start.command", &description.start.command, &names)?;
    let environment = Environment::Clean {
        home: &run,
        variables: render_environment(description, &names)?,
    };
    let metrics_url = match &description.surfaces.metrics {
        Some(url) => Some(template::render("surfaces.metrics", url, &names)?),
        None => None,
    };

    let log = run.join("output.log");
    let output = fs::File::create(&log).map_err(|source| file_error(&log, source))?;
    let Description { name, version, .. } = description;
    progress(&format!("starting {name} {version} on port {port}, log {}", log.display()));
    let group = ProcessGroup::spawn(&command, &run, environment, &output).map_err(|source| {
        StartError::Program {
            program: command.first().cloned().unwrap_or_default(),
            source,
        }
    })?;
    let mut running = RunningProcess {
        base_url,
        log,
        metrics_url,
        group,
        grace: Duration::from_secs(description.stop.grace_s),
    };
    let started = Instant::now();
    wait_until_ready(&mut running, &description.ready).await?;
    progress(&format!("{name} is ready after {:.1} s", started.elapsed().as_secs_f32()));
    Ok(running)
}

fn render_files(description: &Description, run: &Path, names: &Value) -> Result<(), StartError> {
    for file in &description.files {
        let source = description
            .folder
            .read(&file.template)
            .map_err(|source| file_error(Path::new(&file.template), source))?;
        let path = run.join(&file.to);
        fs::write(&path, template::render(&file.template, &source, names)?)
            .map_err(|source| file_error(&path, source))?;
    }
    Ok(())
}

fn render_environment(
    description: &Description,
    names: &Value,
) -> Result<BTreeMap<String, String>, StartError> {
    let mut variables = BTreeMap::new();
    for (name, value) in &description.start.environment {
        let rendered = template::render(&format!("start.environment.{name}"), value, names)?;
        variables.insert(name.clone(), rendered);
    }
    Ok(variables)
}

/// Repeats the readiness check until it succeeds, the process has ended, or the time is over.
async fn wait_until_ready(
    running: &mut RunningProcess,
    check: &ReadinessCheck,
) -> Result<(), StartError> {
    let within = Duration::from_secs(check.within_s);
    let url = format!("{}{}", running.base_url, check.path);
    let last = Cell::new("no response".to_owned());
    let log = running.log.clone();
    tokio::select! {
        biased;
        ended = running.group.ended() => {
            let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(StartError::Ended { status, tail: log_tail(&log), log })
        }
        () = poll_readiness(&url, check, &running.log, &last) => Ok(()),
        () = tokio::time::sleep(within) => Err(StartError::NotReady {
            within,
            url: url.clone(),
            last: last.take(),
            tail: log_tail(&log),
            log,
        }),
    }
}

/// Sends GET requests until one has the status of the check and the log contains its text. `last`
/// holds the latest other result.
async fn poll_readiness(url: &str, check: &ReadinessCheck, log: &Path, last: &Cell<String>) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(5))
        .build();
    let Ok(client) = client else {
        return std::future::pending().await;
    };
    let mut interval = tokio::time::interval(Duration::from_millis(100));
    loop {
        interval.tick().await;
        match client.get(url).send().await {
            Ok(response) if response.status().as_u16() != check.status => {
                last.set(response.status().to_string());
            }
            Ok(_) => match &check.output {
                Some(text) if !contains(log, text) => {
                    last.set(format!("{}, and the log does not contain `{text}`", check.status));
                }
                _ => return,
            },
            Err(error) if error.is_connect() => last.set("no connection".to_owned()),
            Err(error) if error.is_timeout() => last.set("no response".to_owned()),
            Err(error) => last.set(error.to_string()),
        }
    }
}

fn contains(log: &Path, text: &str) -> bool {
    fs::read(log).is_ok_and(|output| String::from_utf8_lossy(&output).contains(text))
}

/// The ports that are tried. Systems choose the ports of outgoing connections and of listeners
/// without a fixed port above 32767, so that such a port cannot take one of these.
const PORTS: RangeInclusive<u16> = 15_000..=32_000;

/// A port that is free now.
///
/// If another process binds it before the implementation does, the start fails with the error of
/// the implementation.
fn free_port() -> Result<u16, StartError> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut tried = iter::repeat_with(|| fastrand::u16(PORTS)).take(100);
    tried.find(is_free).ok_or_else(|| {
        let source = io::Error::other("100 ports in a row are in use");
        file_error(Path::new("127.0.0.1"), source)
    })
}

fn file_error(path: &Path, source: io::Error) -> StartError {
    StartError::File { path: path.to_owned(), source }
}
