//! Installs, configures, starts and stops the implementation under test, from a description that is data.
//!
//! Decides nothing about what the implementation does when judged. `implementations/README.md` documents the description.

pub mod builtin;
mod description;
mod folder;
mod install;
mod located;
mod process;
pub mod resolve;
pub mod scaffold;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, SystemTime};

use minijinja::value::{Serde, Value};
use serde::Serialize;

pub use self::description::{
    AggregateEndpoints, Audit, CredentialLayout, Deadlines, Description, Install, Ready, Rendered,
    ServerNames, Start, Stop, Surfaces,
};
pub use self::folder::{DescriptionError, names};
pub use self::install::InstallError;
pub use self::located::Located;
pub use self::process::interrupted;
use self::process::{Group, Surroundings};
pub use self::template::TemplateError;
use crate::cases::deployment::Deployment;
use crate::{
    cases::axis::{Start as Started, Strategy},
    catalogue::Profile,
};

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why an implementation does not serve. Never a verdict about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It could not be installed.
    #[error("{name} {version} could not be installed: {source}")]
    Install {
        /// The implementation.
        name: String,
        /// The version.
        version: String,
        /// Why.
        source: Box<InstallError>,
    },
    /// A file, a command or a variable does not render.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its program could not be started.
    #[error("cannot start `{program}`: {source}")]
    Program {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("it ended before it was ready, with {status}\nlog: {}\n{tail}", log.display())]
    Ended {
        /// How it ended.
        status: String,
        /// What it printed.
        log: PathBuf,
        /// The end of that.
        tail: String,
    },
    /// It ran, and was not ready in time.
    #[error("not ready within {} s: GET {url} gave {last}\nlog: {}\n{tail}", within.as_secs(), log.display())]
    NotReady {
        /// How long it had.
        within: Duration,
        /// What was asked.
        url: String,
        /// The last answer.
        last: String,
        /// What it printed.
        log: PathBuf,
        /// The end of that.
        tail: String,
    },
}

/// An implementation that serves. Dropping it kills its processes at once; [`Running::stop`] asks first.
#[derive(Debug)]
pub struct Running {
    /// Where clients reach it, without a trailing slash.
    pub base_url: String,
    /// What it prints.
    pub log: PathBuf,
    /// Where its metrics are, if it has any.
    pub metrics: Option<String>,
    group: Group,
    grace: Duration,
}

impl Running {
    /// Asks it to end, and kills what is left after its grace.
    pub async fn stop(self) {
        self.group.stop(self.grace).await;
    }

    /// How it ended, if it has: one bad answer can take a gateway down.
    pub fn ending(&mut self) -> Option<ExitStatus> {
        self.group.ending()
    }
}

/// What templates may name.
#[derive(Serialize)]
struct Names<'a> {
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

/// Installs it where that has not been done, renders its files, starts it and waits until it is ready.
///
/// Dropping the future at any point leaves no process behind.
pub async fn start(
    description: &Description,
    deployment: &Deployment,
    Started { profile, strategy }: Started,
    cache: &Path,
    progress: impl Fn(&str),
) -> Result<Running, StartError> {
    let cache = &std::path::absolute(cache)
        .map_err(|source| StartError::File { path: cache.to_owned(), source })?;
    let install = install::installed(description, cache, &progress).await.map_err(|source| {
        StartError::Install {
            name: description.name.clone(),
            version: description.version.clone(),
            source: Box::new(source),
        }
    })?;
    let run = run_folder(cache, &description.name)?;
    let port =
        || free_port().map_err(|source| StartError::File { path: "127.0.0.1:0".into(), source });
    let (port, metrics_port) = (port()?, port()?);
    let base_url = format!("http://127.0.0.1:{port}");
    let names = Value::from(Serde(Names {
        deployment,
        strategy,
        profile,
        install: &install,
        run: &run,
        port,
        metrics_port,
        base_url: &base_url,
    }));

    for file in &description.files {
        let source = description
            .folder
            .read(&file.template)
            .map_err(|source| StartError::File { path: PathBuf::from(&file.template), source })?;
        let path = run.join(&file.to);
        std::fs::write(&path, template::render(&file.template, &source, &names)?)
            .map_err(|source| StartError::File { path, source })?;
    }
    let words = template::words("start.command", &description.start.command, &names)?;
    let mut variables = BTreeMap::new();
    for (name, value) in &description.start.environment {
        variables.insert(
            name.clone(),
            template::render(&format!("start.environment.{name}"), value, &names)?,
        );
    }

    let metrics = match &description.surfaces.metrics {
        Some(url) => Some(template::render("surfaces.metrics", url, &names)?),
        None => None,
    };

    let log = run.join("output.log");
    let output = std::fs::File::create(&log)
        .map_err(|source| StartError::File { path: log.clone(), source })?;
    progress(&format!(
        "starting {} {} on port {port}, log {}",
        description.name,
        description.version,
        log.display()
    ));
    let group = Group::spawn(&words, &run, Surroundings::Clean { home: &run, variables }, &output)
        .map_err(|source| StartError::Program {
            program: words.first().cloned().unwrap_or_default(),
            source,
        })?;
    let grace = Duration::from_secs(description.stop.grace_s);
    let mut running = Running { base_url, log, metrics, group, grace };
    let since = tokio::time::Instant::now();
    ready(&mut running, &description.ready).await?;
    progress(&format!(
        "{} is ready after {:.1} s",
        description.name,
        since.elapsed().as_secs_f32()
    ));
    Ok(running)
}

/// Asks until the answer is the one that means ready, the process has ended, or the time is up.
async fn ready(running: &mut Running, ready: &Ready) -> Result<(), StartError> {
    let within = Duration::from_secs(ready.within_s);
    let url = format!("{}{}", running.base_url, ready.path);
    let last = std::cell::Cell::new("no answer".to_owned());
    let asked = async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(5))
            .build();
        let Ok(client) = client else { return std::future::pending().await };
        let mut turns = tokio::time::interval(Duration::from_millis(100));
        loop {
            turns.tick().await;
            match client.get(&url).send().await {
                Ok(answer) if answer.status().as_u16() == ready.status => return,
                Ok(answer) => last.set(answer.status().to_string()),
                Err(error) if error.is_connect() => last.set("no connection".to_owned()),
                Err(error) if error.is_timeout() => last.set("no answer".to_owned()),
                Err(error) => last.set(error.to_string()),
            }
        }
    };
    let log = running.log.clone();
    tokio::select! {
        biased;
        ending = running.group.ended() => {
            let status = ending.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(StartError::Ended { status, tail: tail(&log), log })
        }
        () = asked => Ok(()),
        () = tokio::time::sleep(within) => Err(StartError::NotReady { within, url: url.clone(), last: last.take(), tail: tail(&log), log }),
    }
}

/// Where installs and runs are kept: `PREFLIGHT_CACHE`, else `preflight-conformance` in the user's cache folder. `None` without a home.
#[must_use]
pub fn cache_folder(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PREFLIGHT_CACHE").or_else(|| {
        let caches = set("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(caches.join("preflight-conformance"))
    })
}

/// A new folder for this run. Folders of earlier runs are kept for a week, for those who were shown the path of a log.
fn run_folder(cache: &Path, name: &str) -> Result<PathBuf, StartError> {
    let parent = cache.join("runs").join(name);
    let now = SystemTime::now();
    for earlier in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
        let changed = earlier.metadata().and_then(|known| known.modified()).unwrap_or(now);
        if now.duration_since(changed).is_ok_and(|age| age > A_WEEK) {
            // What cannot be removed now is tried again by the next run.
            let _removed = std::fs::remove_dir_all(earlier.path());
        }
    }
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let run = parent.join(format!("{}-{}", since_epoch.as_nanos(), std::process::id()));
    std::fs::create_dir_all(&run)
        .map_err(|source| StartError::File { path: run.clone(), source })?;
    Ok(run)
}

/// A port that was free a moment ago. Where it is taken again before the implementation binds it, the start fails with its own words.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The last lines of a log, for an error message.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..]
        .iter()
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
