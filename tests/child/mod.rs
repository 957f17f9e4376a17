//! A child process in its own process group, and the lines that it prints.
//!
//! The group is killed when the [`Child`] is dropped. If the test process itself is killed, a guard
//! process kills the group. Only [`gateway`] interprets the lines.

pub(crate) mod gateway;

use std::{os::unix::process::ExitStatusExt, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
    sync::watch,
    time::timeout,
};

/// The time after which a test that waits for a child process fails. No test waits for it to pass.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Child {
    process: tokio::process::Child,
    /// The process group. `None` once the leader has been waited for: its id may then be reused.
    group: Option<Pid>,
    /// Kills the group when its standard input ends. Only this process holds the other end open.
    guard: tokio::process::Child,
    output: watch::Receiver<Output>,
}

/// What a child process has printed so far on both output streams.
#[derive(Default)]
struct Output {
    lines: Vec<String>,
    ended_streams: usize,
}

/// How a child process ended.
pub(crate) struct Exit {
    /// The exit code, or the negated number of the signal that killed the process.
    pub(crate) code: i32,
    /// Everything that the process printed.
    pub(crate) lines: Vec<String>,
}

impl Child {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::spawn_with_stderr(command, Stdio::piped())
    }

    /// Only the lines of a piped standard error belong to the output.
    pub(crate) fn spawn_with_stderr(command: &mut Command, stderr: Stdio) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true);
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let group = process.id().and_then(|id| Pid::from_raw(id.try_into().unwrap())).unwrap();
        let guard = spawn_guard(group);
        let (sender, output) = watch::channel(Output::default());
        read_lines(process.stdout.take().unwrap(), sender.clone());
        match process.stderr.take() {
            Some(stderr) => read_lines(stderr, sender),
            None => sender.send_modify(|output| output.ended_streams += 1),
        }
        Self { process, group: Some(group), guard, output }
    }

    /// Waits until `find` finds something in the lines printed so far, and returns it.
    pub(crate) async fn wait_for_output<T>(
        &mut self,
        description: &str,
        find: impl Fn(&[String]) -> Option<T>,
    ) -> T {
        let done = |output: &Output| output.ended_streams == 2 || find(&output.lines).is_some();
        let in_time = timeout(TIMEOUT, self.output.wait_for(done)).await.is_ok();
        let lines = &self.output.borrow().lines;
        let failure = if in_time {
            "ended without printing"
        } else {
            "did not print in time"
        };
        find(lines).unwrap_or_else(|| {
            panic!("the child process {failure} {description}:\n{}", lines.join("\n"))
        })
    }

    /// Sends a signal to the process group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The call fails if the process has already ended.
            let _ended = kill_process_group(group, signal);
        }
    }

    /// Waits until the process and its output streams have ended.
    pub(crate) async fn wait(mut self) -> Exit {
        let Ok(status) = timeout(TIMEOUT, self.process.wait()).await else {
            let lines = self.output.borrow().lines.join("\n");
            panic!("the child process did not end in time:\n{lines}");
        };
        let status = status.unwrap();
        self.group = None;
        self.guard.start_kill().unwrap();
        let output = self.output.wait_for(|output| output.ended_streams == 2).await.unwrap();
        let code = status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap();
        Exit { code, lines: output.lines.clone() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn spawn_guard(group: Pid) -> tokio::process::Child {
    let script = "read line; kill -s KILL -- \"-$1\"";
    Command::new("sh")
        .args(["-c", script, "sh", &group.as_raw_nonzero().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn read_lines(stream: impl AsyncRead + Send + Unpin + 'static, output: watch::Sender<Output>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            output.send_modify(|output| output.lines.push(line));
        }
        output.send_modify(|output| output.ended_streams += 1);
    });
}
