//! How the process of an implementation ended, in words.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use rustix::process::Signal;

/// A shell or launcher that reports the signal of its child adds this to the number.
const SHELL_OFFSET: i32 = 128;

/// The exit status, or the name of the signal: `exit status 7`, `signal SIGSEGV`.
pub(super) fn in_words(status: ExitStatus) -> String {
    if let Some(signal) = status.signal() {
        return format!("signal {}", name(signal).unwrap_or(&signal.to_string()));
    }
    let Some(code) = status.code() else {
        return "an unknown status".to_owned();
    };
    match name(code - SHELL_OFFSET) {
        Some(signal) => format!("exit status {code}, with which a shell reports {signal}"),
        None => format!("exit status {code}"),
    }
}

/// The name of a signal that can end a process.
fn name(number: i32) -> Option<&'static str> {
    let signals = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::SYS, "SIGSYS"),
    ];
    signals
        .iter()
        .find(|(known, _)| known.as_raw() == number)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name_and_an_exit_status_its_number() {
        let of = |raw| in_words(ExitStatus::from_raw(raw));
        assert_eq!(of(11), "signal SIGSEGV");
        assert_eq!(of(60), "signal 60");
        assert_eq!(of(7 << 8), "exit status 7");
        assert_eq!(of(139 << 8), "exit status 139, with which a shell reports SIGSEGV");
    }
}
