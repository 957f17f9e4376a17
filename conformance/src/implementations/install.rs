//! Installs a described implementation into the cache, once for each content of its install
//! section.
//!
//! An install counts only when its marker file exists. An install without the marker is removed and
//! made again. It is never moved, because installers write absolute paths into the files they
//! install.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use minijinja::value::{Serde, Value};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use super::{
    cache::log_tail,
    description::Description,
    find::DescriptionError,
    process_group::{Environment, ProcessGroup},
    template::{self, TemplateError},
};

const MARKER: &str = ".installed";

/// Why an implementation could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The description that `install.same-as` names cannot be read.
    #[error("install.same-as: {0}")]
    Neighbour(Box<DescriptionError>),
    /// The description that `install.same-as` names installs another version.
    #[error("install.same-as names {name} {version}, expected version {expected}")]
    OtherVersion {
        /// The name of that implementation.
        name: String,
        /// Its version.
        version: String,
        /// The version of the implementation that is installed.
        expected: String,
    },
    /// A file of the install section is not in the folder.
    #[error("install.files names {file}, which cannot be read: {source}")]
    File {
        /// The name of the file.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// The cache cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A step could not be rendered.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The program of a step could not be started.
    #[error(
        "cannot run `{program}`, which the install needs: {source}\ninstall `{program}` on this \
         machine, or change install.steps"
    )]
    Program {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// A step failed.
    #[error("`{command}` failed with {status}\nlog: {}\n{tail}", log.display())]
    Step {
        /// The step.
        command: String,
        /// Its exit status.
        status: String,
        /// The file with the output of all steps.
        log: PathBuf,
        /// The last lines of that file.
        tail: String,
    },
    /// The steps took too long.
    #[error(
        "not installed within {} s; `{command}` was running\nlog: {}",
        within.as_secs(),
        log.display()
    )]
    TooSlow {
        /// The time for all steps.
        within: Duration,
        /// The step that was running.
        command: String,
        /// The file with the output of all steps.
        log: PathBuf,
    },
}

/// Installs the implementation below `cache` if it is not installed, and returns its folder.
///
/// If two runs need the same install, the second waits for the first.
pub(super) async fn installed(
    description: &Description,
    cache: &Path,
    progress: &impl Fn(&str),
) -> Result<PathBuf, InstallError> {
    match neighbour(description)? {
        Some(neighbour) => own_install(&neighbour, cache, progress).await,
        None => own_install(description, cache, progress).await,
    }
}

/// The description whose install this one uses, if `install.same-as` names one.
fn neighbour(description: &Description) -> Result<Option<Description>, InstallError> {
    let Some(name) = &description.install.same_as else {
        return Ok(None);
    };
    let neighbour = Description::find(&description.folder.neighbour(name))
        .map_err(|error| InstallError::Neighbour(Box::new(error)))?;
    if neighbour.version == description.version {
        return Ok(Some(neighbour));
    }
    Err(InstallError::OtherVersion {
        name: neighbour.name,
        version: neighbour.version,
        expected: description.version.clone(),
    })
}

async fn own_install(
    description: &Description,
    cache: &Path,
    progress: &impl Fn(&str),
) -> Result<PathBuf, InstallError> {
    let Description { name, version, .. } = description;
    let files = read_files(description)?;
    let installs = cache.join("installs");
    let id = format!("{name}-{}", content_hash(description, &files));
    let folder = installs.join(&id);
    fs::create_dir_all(&installs).map_err(|source| cache_error(&installs, source))?;
    let lock_file = installs.join(format!("{id}.lock"));
    let _lock = InstallLock::acquire(&lock_file, name, progress)
        .await
        .map_err(|source| cache_error(&lock_file, source))?;
    if folder.join(MARKER).exists() {
        return Ok(folder);
    }
    if folder.exists() {
        progress(&format!("removing an incomplete install of {name}"));
        fs::remove_dir_all(&folder).map_err(|source| cache_error(&folder, source))?;
    }
    fs::create_dir_all(&folder).map_err(|source| cache_error(&folder, source))?;
    for (file, text) in &files {
        fs::write(folder.join(file), text).map_err(|source| cache_error(&folder, source))?;
    }
    progress(&format!("installing {name} {version} into {}", folder.display()));
    let log = installs.join(format!("{id}.log"));
    run_steps(description, &folder, &log, progress).await?;
    fs::write(folder.join(MARKER), "").map_err(|source| cache_error(&folder, source))?;
    progress(&format!("installed {name} {version}"));
    Ok(folder)
}

async fn run_steps(
    description: &Description,
    folder: &Path,
    log: &Path,
    progress: &impl Fn(&str),
) -> Result<(), InstallError> {
    let install = &description.install;
    let names = Value::from(Serde(BTreeMap::from([("install", folder)])));
    let mut output = File::create(log).map_err(|source| cache_error(log, source))?;
    let deadline = Instant::now() + install.within();
    for (n, step) in (1..).zip(&install.steps) {
        let words = template::render_command("install.steps", step, &names)?;
        let command = words.join(" ");
        progress(&format!("step {n} of {}: {command}", install.steps.len()));
        // A line that is missing in the log is no reason to stop the install.
        let _written = writeln!(output, "$ {command}");
        let Ok(ended) = timeout_at(deadline, run_step(&words, folder, &output)).await else {
            return Err(InstallError::TooSlow {
                within: install.within(),
                command,
                log: log.to_owned(),
            });
        };
        let status = ended.map_err(|source| InstallError::Program {
            program: words.first().cloned().unwrap_or_default(),
            source,
        })?;
        if !status.success() {
            return Err(InstallError::Step {
                command,
                status: status.to_string(),
                log: log.to_owned(),
                tail: log_tail(log),
            });
        }
    }
    Ok(())
}

async fn run_step(words: &[String], folder: &Path, output: &File) -> io::Result<ExitStatus> {
    ProcessGroup::spawn(words, folder, Environment::Inherited, output)?
        .ended()
        .await
}

fn read_files(description: &Description) -> Result<Vec<(&str, String)>, InstallError> {
    let mut files = Vec::new();
    for file in &description.install.files {
        let text = description
            .folder
            .read(file)
            .map_err(|source| InstallError::File { file: file.clone(), source })?;
        files.push((file.as_str(), text));
    }
    Ok(files)
}

/// A hash of everything that determines an install; a part of the name of its folder.
fn content_hash(description: &Description, files: &[(&str, String)]) -> String {
    let content = serde_json::json!({
        "version": description.version,
        "install": description.install,
        "files": files,
    });
    let digest = Sha256::digest(content.to_string());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn cache_error(path: &Path, source: io::Error) -> InstallError {
    InstallError::Cache { path: path.to_owned(), source }
}

/// The lock on one install, until it is dropped.
///
/// Closing the file would not release the lock: a process that another thread is starting inherits
/// the file and holds it open until it executes its own program.
struct InstallLock(File);

impl InstallLock {
    /// Waits for the lock. It polls, because a blocking wait could not be cancelled.
    async fn acquire(path: &Path, name: &str, progress: &impl Fn(&str)) -> io::Result<Self> {
        let file = File::create(path)?;
        let mut interval = tokio::time::interval(Duration::from_millis(200));
        let mut reported = false;
        loop {
            interval.tick().await;
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if reported => {}
                Err(TryLockError::WouldBlock) => {
                    reported = true;
                    progress(&format!("waiting for another run that is installing {name}"));
                }
            }
        }
    }
}

impl Drop for InstallLock {
    fn drop(&mut self) {
        // If this fails, the lock is released when the file is closed everywhere.
        let _released = self.0.unlock();
    }
}
