//! Runs a program as a process group of its own, so that nothing it started outlives it.
//!
//! Knows nothing of gateways. A child that leaves its group on purpose (`setsid`) is out of reach.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// A running process group. Dropping it kills every member at once; [`Group::stop`] asks first.
#[derive(Debug)]
pub(super) struct Group {
    leader: Child,
    id: Option<Pid>,
    /// Kills the group when this program is gone, however it went: its standard input is then at its end.
    pub(super) guard: Option<Child>,
}

/// What a process gets to see of ours.
pub(super) enum Surroundings<'a> {
    /// Our whole environment: package settings, proxies and certificates of this machine.
    Inherited,
    /// Only where programs and temporary files are, a home of its own, and these variables.
    Clean {
        /// `HOME`, so that no setting of this machine's user reaches it.
        home: &'a Path,
        /// What the description adds.
        variables: BTreeMap<String, String>,
    },
}

impl Group {
    /// Starts a program in a folder; what it prints goes to the end of `log`.
    pub(super) fn spawn(
        words: &[String],
        folder: &Path,
        surroundings: Surroundings<'_>,
        log: &File,
    ) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // A relative program is one of the folder's own; whether an OS looks it up there or here is not portable.
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
        if let Surroundings::Clean { home, variables } = surroundings {
            command.env_clear();
            command.envs(
                ["PATH", "TMPDIR"]
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            );
            command.env("LANG", "C.UTF-8").env("HOME", home).envs(variables);
        }
        let leader = command.spawn()?;
        let id = leader.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { leader, id, guard: id.and_then(|id| guard(id).ok()) })
    }

    /// Waits for the first process of the group to end; the rest goes with it. Safe to cancel.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await;
        self.bury();
        status
    }

    /// How the first process ended, if it has; the rest goes with it.
    pub(super) fn ending(&mut self) -> Option<ExitStatus> {
        let status = self.leader.try_wait().ok().flatten()?;
        self.bury();
        Some(status)
    }

    /// Asks the group to end, gives its first process that long, and kills what is left.
    pub(super) async fn stop(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        // Whether it went in time makes no difference to what follows: children may be left either way.
        let _in_time = tokio::time::timeout(grace, self.leader.wait()).await;
        self.bury();
        let _reaped = self.leader.wait().await;
    }

    /// Kills what is left, and then the guard; forgets the group's id, which the system may now give to somebody else.
    fn bury(&mut self) {
        self.signal(Signal::KILL);
        self.id = None;
        if let Some(mut guard) = self.guard.take() {
            // It may have gone by itself; it is no longer needed either way.
            let _gone = guard.start_kill();
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // The only failure left is that nobody is there any more.
            let _gone = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.bury();
    }
}

/// Starts the process that outlives us just long enough to kill the group, where we are killed and can not.
fn guard(group: Pid) -> io::Result<Child> {
    let group = group.as_raw_nonzero().to_string();
    let mut command = Command::new("sh");
    command
        .args(["-c", "read line; kill -s KILL -- \"-$1\"", "sh", &group])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true).spawn()
}

/// Waits until this program is asked to end: Ctrl-C, SIGTERM, or its terminal going away.
///
/// An implementation has a process group of its own, so Ctrl-C does not reach it: whoever started one races its work against this and
/// then stops it.
pub async fn interrupted() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    }
}
