//! A program as a child of the test, in a process group of its own, and the lines that it prints.
//!
//! However the test ends, the group is killed by its id: when the [`Child`] is dropped, or by a guard where the test itself was killed.
//! What the lines mean is not known here, except for those of the [`gateway`].

pub(crate) mod gateway;

use std::{os::unix::process::ExitStatusExt, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    sync::watch,
    time::timeout,
};

/// How long a child may take for what is expected of it. No test waits for this to pass: it ends the test that would hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Child {
    process: tokio::process::Child,
    /// The process group, until its leader has been waited for: then the number may be somebody else's.
    group: Option<Pid>,
    /// Kills the group at the end of a pipe that only we hold open.
    guard: tokio::process::Child,
    printed: watch::Receiver<Printed>,
}

/// What a child has printed so far, on both of its streams.
#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    ended_streams: usize,
}

/// How a child ended.
pub(crate) struct Ended {
    /// Its exit code, or the negated signal that killed it.
    pub(crate) code: i32,
    /// Everything that it printed.
    pub(crate) lines: Vec<String>,
}

impl Child {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let group = process.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
        let mut guard = Command::new("sh");
        guard.args([
            "-c",
            "read line; kill -s KILL -- \"-$1\"",
            "sh",
            &group.as_raw_nonzero().to_string(),
        ]);
        guard
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let (sender, printed) = watch::channel(Printed::default());
        read(process.stdout.take().unwrap(), sender.clone());
        read(process.stderr.take().unwrap(), sender);
        Self {
            process,
            group: Some(group),
            guard: guard.spawn().unwrap(),
            printed,
        }
    }

    /// Waits until something can be found in the lines printed so far.
    pub(crate) async fn prints<T>(
        &mut self,
        what: &str,
        find: impl Fn(&[String]) -> Option<T>,
    ) -> T {
        let enough =
            |printed: &Printed| printed.ended_streams == 2 || find(&printed.lines).is_some();
        let in_time = timeout(PATIENCE, self.printed.wait_for(enough)).await.is_ok();
        let lines = &self.printed.borrow().lines;
        let failed = if in_time {
            "ended before it printed"
        } else {
            "did not in time print"
        };
        find(lines).unwrap_or_else(|| panic!("the child {failed} {what}:\n{}", lines.join("\n")))
    }

    /// Sends a signal to the whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A child that has just ended by itself needs no signal any more.
            let _gone = kill_process_group(group, signal);
        }
    }

    /// Waits for the end of the process and of what it prints.
    pub(crate) async fn ends(mut self) -> Ended {
        let Ok(status) = timeout(PATIENCE, self.process.wait()).await else {
            panic!("the child did not end in time:\n{}", self.printed.borrow().lines.join("\n"));
        };
        let status = status.unwrap();
        self.group = None;
        self.guard.start_kill().unwrap();
        let printed = self.printed.wait_for(|printed| printed.ended_streams == 2).await.unwrap();
        let code = status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap();
        Ended { code, lines: printed.lines.clone() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn read(stream: impl AsyncRead + Send + Unpin + 'static, printed: watch::Sender<Printed>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            printed.send_modify(|printed| printed.lines.push(line));
        }
        printed.send_modify(|printed| printed.ended_streams += 1);
    });
}
