//! Colours for printed reports.
//!
//! Colours are used on a terminal unless `NO_COLOR` or `--color never` forbids them. They carry no
//! information that the text does not have.

use std::{
    env,
    io::{IsTerminal as _, stdout},
    sync::OnceLock,
};

use clap::{ColorChoice, ValueEnum};

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

static CHOSEN: OnceLock<When> = OnceLock::new();

/// Stores the value of `--color`; only the first call has an effect.
pub(super) fn choose(when: When) {
    let _ = CHOSEN.set(when);
}

/// The choice for help texts and usage errors, which are printed before `--color` is known.
pub(super) fn choice_for_help() -> ColorChoice {
    if is_set("NO_COLOR") {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    }
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn is_enabled() -> bool {
    match CHOSEN.get().copied().unwrap_or_default() {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
            stdout().is_terminal() && !is_set("NO_COLOR") && !dumb
        }
    }
}

/// Colours the verdict at the beginning of each line, and the result, if colours are enabled.
pub(super) fn coloured(text: &str) -> String {
    if is_enabled() {
        text.split_inclusive('\n').map(coloured_line).collect()
    } else {
        text.to_owned()
    }
}

fn coloured_line(line: &str) -> String {
    let first = line.split([' ', '\n']).next().unwrap_or_default();
    let word = match line.strip_prefix("result ") {
        Some(result) => result.trim(),
        None => first,
    };
    match colour_code(word) {
        Some(code) => line.replacen(word, &format!("\u{1b}[{code}m{word}\u{1b}[0m"), 1),
        None => line.to_owned(),
    }
}

/// The parameters of the ANSI escape sequence for a verdict or a result.
fn colour_code(word: &str) -> Option<&'static str> {
    Some(match word {
        "PASS" | "success" => "32",
        "FAIL" | "ERROR" | "DAMAGE" | "failure" | "WORSE" => "1;31",
        "UNTESTABLE" | "INCONCLUSIVE" => "35",
        "WARN" | "NON-STRICT" | "STALE" | "EXPECTED-FAILURE" | "ADVISORY" | "partial" => "33",
        "INFO" | "BETTER" => "36",
        "SKIP" | "NOT-APPLICABLE" => "2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::coloured_line;

    #[test]
    fn only_the_verdict_and_the_result_are_coloured() {
        for (plain, coloured) in [
            ("FAIL  STA-05  FAIL\n", "\u{1b}[1;31mFAIL\u{1b}[0m  STA-05  FAIL\n"),
            ("result        success\n", "result        \u{1b}[32msuccess\u{1b}[0m\n"),
            ("      case          key\n", "      case          key\n"),
        ] {
            assert_eq!(coloured_line(plain), coloured);
        }
    }
}
