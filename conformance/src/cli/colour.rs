//! Colours the report where people read it: on a terminal, unless `NO_COLOR` or `--color never` says otherwise.
//!
//! Colour adds nothing that the words do not say.

use std::{
    env,
    io::{IsTerminal as _, stdout},
    sync::OnceLock,
};

use clap::{ColorChoice, ValueEnum};

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

static CHOSEN: OnceLock<When> = OnceLock::new();

/// What the command line says. Said once.
pub(super) fn choose(when: When) {
    let _ = CHOSEN.set(when);
}

/// The same for help and complaints about the command line, before that has been read.
pub(super) fn of_help() -> ColorChoice {
    if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    }
}

/// Whether standard output gets colours.
fn on() -> bool {
    match CHOSEN.get().copied().unwrap_or_default() {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
            stdout().is_terminal()
                && !set("NO_COLOR")
                && env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Colours the verdict at the beginning of each line, and the result.
pub(super) fn verdicts(text: &str) -> String {
    if on() {
        text.split_inclusive('\n').map(line).collect()
    } else {
        text.to_owned()
    }
}

fn line(line: &str) -> String {
    let word = line.split([' ', '\n']).next().unwrap_or_default();
    let said = if word == "result" { line["result".len()..].trim() } else { word };
    let Some(code) = code(said) else { return line.to_owned() };
    line.replacen(said, &format!("\u{1b}[{code}m{said}\u{1b}[0m"), 1)
}

fn code(word: &str) -> Option<&'static str> {
    Some(match word {
        "PASS" | "success" => "32",
        "FAIL" | "ERROR" | "DAMAGE" | "UNEXPECTED" | "failure" | "WORSE" => "1;31",
        "UNTESTABLE" | "INCONCLUSIVE" => "35",
        "WARN" | "NON-STRICT" | "STALE" | "partial" => "33",
        "INFO" | "BETTER" => "36",
        "SKIP" | "NOT-APPLICABLE" => "2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn only_the_verdict_is_coloured() {
        assert_eq!(line("FAIL  STA-05  FAIL\n"), "\u{1b}[1;31mFAIL\u{1b}[0m  STA-05  FAIL\n");
        assert_eq!(line("result        success\n"), "result        \u{1b}[32msuccess\u{1b}[0m\n");
        assert_eq!(line("      matrix case     key\n"), "      matrix case     key\n");
    }
}
