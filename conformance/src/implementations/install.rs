//! Puts an implementation onto this machine, once per version of its install section.
//!
//! An install is complete or it is not there: it counts only when its mark is in place, and what has no mark is wiped and made
//! anew. It is never moved into place, because installers write absolute paths into what they install. Knows nothing of what it installs.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::value::{Serde, Value};
use sha2::{Digest, Sha256};

use super::description::Description;
use super::process::{Group, Surroundings};
use super::template::{self, TemplateError};

const MARK: &str = ".installed";

/// Why an implementation could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file that the install section names is not in the folder.
    #[error("install.files names {file}, which cannot be read: {source}")]
    File {
        /// The name.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The cache cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Cache {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A step's words do not render.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A step's program could not be started.
    #[error(
        "cannot run `{program}` to install it: {source}\nexpected `{program}` to be on this machine; nothing else was tried"
    )]
    Program {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A step said that it failed.
    #[error("`{command}` failed with {status}\nlog: {}\n{tail}", log.display())]
    Step {
        /// The step.
        command: String,
        /// How it ended.
        status: String,
        /// Everything that the steps printed.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// The steps took too long.
    #[error("not installed within {} s, while running `{command}`\nlog: {}", within.as_secs(), log.display())]
    TooSlow {
        /// How long all steps had.
        within: Duration,
        /// The step that was running.
        command: String,
        /// Everything that the steps printed.
        log: PathBuf,
    },
}

/// Makes sure that it is installed below `cache`; the folder it is in. Two runs at once do not meet: the second waits for the first.
pub(super) async fn installed(
    description: &Description,
    cache: &Path,
    progress: &impl Fn(&str),
) -> Result<PathBuf, InstallError> {
    let files = files(description)?;
    let parent = cache.join("installs");
    let id = format!("{}-{}", description.name, key(description, &files));
    let place = parent.join(&id);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::Cache { path, source }
    };
    std::fs::create_dir_all(&parent).map_err(at(&parent))?;
    let lock = parent.join(format!("{id}.lock"));
    let _held = hold(&lock, &description.name, progress).await.map_err(at(&lock))?;
    if place.join(MARK).exists() {
        return Ok(place);
    }
    if place.exists() {
        progress(&format!("wiping an install of {} that was cut short", description.name));
        std::fs::remove_dir_all(&place).map_err(at(&place))?;
    }
    std::fs::create_dir_all(&place).map_err(at(&place))?;
    for (name, text) in &files {
        std::fs::write(place.join(name), text).map_err(at(&place))?;
    }
    progress(&format!(
        "installing {} {} into {}",
        description.name,
        description.version,
        place.display()
    ));
    let log = parent.join(format!("{id}.log"));
    steps(description, &place, &log, progress).await?;
    std::fs::write(place.join(MARK), "").map_err(at(&place))?;
    progress(&format!("installed {} {}", description.name, description.version));
    Ok(place)
}

async fn steps(
    description: &Description,
    place: &Path,
    log: &Path,
    progress: &impl Fn(&str),
) -> Result<(), InstallError> {
    let install = &description.install;
    let names = Value::from(Serde(std::collections::BTreeMap::from([("install", place)])));
    let mut output =
        File::create(log).map_err(|source| InstallError::Cache { path: log.to_owned(), source })?;
    let deadline = tokio::time::Instant::now() + install.within();
    for (n, step) in (1..).zip(&install.steps) {
        let words = template::words("install.steps", step, &names)?;
        let command = words.join(" ");
        progress(&format!("step {n} of {}: {command}", install.steps.len()));
        // The log is for people; a line that cannot be written is no reason to stop.
        let _noted = writeln!(output, "$ {command}");
        let program = || words.first().cloned().unwrap_or_default();
        let mut group = Group::spawn(&words, place, Surroundings::Inherited, &output)
            .map_err(|source| InstallError::Program { program: program(), source })?;
        let Ok(ending) = tokio::time::timeout_at(deadline, group.ended()).await else {
            return Err(InstallError::TooSlow {
                within: install.within(),
                command,
                log: log.to_owned(),
            });
        };
        match ending {
            Ok(status) if status.success() => {}
            Ok(status) => {
                return Err(InstallError::Step {
                    command,
                    status: status.to_string(),
                    log: log.to_owned(),
                    tail: super::tail(log),
                });
            }
            Err(source) => return Err(InstallError::Program { program: program(), source }),
        }
    }
    Ok(())
}

fn files(description: &Description) -> Result<Vec<(&str, String)>, InstallError> {
    let read = |file: &String| {
        description
            .folder
            .read(file)
            .map_err(|source| InstallError::File { file: file.clone(), source })
    };
    description
        .install
        .files
        .iter()
        .map(|file| Ok((file.as_str(), read(file)?)))
        .collect()
}

/// Names an install after everything that decides what it is.
fn key(description: &Description, files: &[(&str, String)]) -> String {
    let text = serde_json::json!({ "version": description.version, "install": description.install, "files": files }).to_string();
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The lock on one install. To close the file would not do: a process that another thread is just starting holds it open, too, until it
/// has become another program.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Where this fails, closing the file does it in the end.
        let _released = self.0.unlock();
    }
}

/// Holds the lock until it is dropped. Polls, because a blocking wait could not be interrupted.
async fn hold(path: &Path, name: &str, progress: &impl Fn(&str)) -> io::Result<Held> {
    let file = File::create(path)?;
    let mut turns = tokio::time::interval(Duration::from_millis(200));
    let mut told = false;
    loop {
        turns.tick().await;
        match file.try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if told => {}
            Err(TryLockError::WouldBlock) => {
                told = true;
                progress(&format!("waiting for another run that is installing {name}"));
            }
        }
    }
}
