//! Runs a program as its own process group, so that its children end with it.
//!
//! It knows nothing about gateways. A child that leaves the group on purpose (`setsid`) is not
//! ended.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

/// A running process group.
///
/// Dropping it kills every process of the group at once; [`ProcessGroup::stop`] sends SIGTERM
/// first.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    leader: Child,
    id: Option<Pid>,
    /// A process that kills the group when the suite ends in any way: its standard input then ends.
    pub(super) guard: Option<Child>,
}

/// The environment variables that a process gets.
pub(super) enum Environment<'a> {
    /// All variables of this process, for example package indexes, proxies and certificates.
    Inherited,
    /// `PATH`, `TMPDIR`, `LANG`, a home folder of its own, and the given variables.
    Clean {
        /// `HOME`, so that no settings of the user of this machine apply.
        home: &'a Path,
        /// The variables of the description.
        variables: BTreeMap<String, String>,
    },
}

impl ProcessGroup {
    /// Starts a command in a folder and appends its output to `log`.
    pub(super) fn spawn(
        command: &[String],
        folder: &Path,
        environment: Environment<'_>,
        log: &File,
    ) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // Whether a relative program is found below the current folder or below `folder` depends on
        // the operating system, so the path is made absolute here.
        let program = if program.contains('/') {
            folder.join(program).into_os_string()
        } else {
            program.into()
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .process_group(0);
        if let Environment::Clean { home, variables } = environment {
            command.env_clear();
            for name in ["PATH", "TMPDIR"] {
                if let Some(value) = std::env::var_os(name) {
                    command.env(name, value);
                }
            }
            command.env("LANG", "C.UTF-8").env("HOME", home).envs(variables);
        }
        let leader = command.spawn()?;
        let id = leader.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let guard = id.and_then(|id| spawn_guard(id).ok());
        Ok(Self { leader, id, guard })
    }

    /// Waits until the first process ends, and kills the rest of the group. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await;
        self.kill_all();
        status
    }

    /// Sends SIGTERM, waits for the first process during the grace period, and kills the rest.
    pub(super) async fn stop(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        // Children may be left whether or not the first process ended in time.
        let _in_time = tokio::time::timeout(grace, self.leader.wait()).await;
        self.kill_all();
        let _reaped = self.leader.wait().await;
    }

    /// Kills the group and then the guard. Forgets the group id, which the system may reuse.
    fn kill_all(&mut self) {
        self.signal(Signal::KILL);
        self.id = None;
        if let Some(mut guard) = self.guard.take() {
            // The guard may have ended already; it is not needed any more.
            let _killed = guard.start_kill();
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // The only possible failure is that no process of the group is left.
            let _sent = kill_process_group(id, signal);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// Starts a process that kills the group if the suite itself is killed.
///
/// It reads standard input, which ends when the suite ends.
fn spawn_guard(group: Pid) -> io::Result<Child> {
    let group = group.as_raw_nonzero().to_string();
    Command::new("sh")
        .args(["-c", "read line; kill -s KILL -- \"-$1\"", "sh", &group])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Waits until this process is asked to end, by Ctrl-C, SIGTERM or SIGHUP.
///
/// An implementation runs in its own process group, so Ctrl-C does not reach it. The caller of this
/// function must stop the implementation.
///
/// # Errors
///
/// A signal handler could not be installed.
pub async fn interrupted() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    }
}
