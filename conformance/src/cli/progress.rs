//! Progress of a run: a bar on a terminal, lines of text otherwise.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use super::notify;
use crate::{runner::Progress, trace::printable::printable_lines};

/// Shows progress on standard error.
pub(super) struct ProgressDisplay {
    /// `None` if standard error is not a terminal.
    bar: Option<ProgressBar>,
}

impl ProgressDisplay {
    pub(super) fn new() -> Self {
        let bar = stderr()
            .is_terminal()
            .then(|| bar(0, "{prefix:>22} {bar:40} {pos}/{len} {elapsed} {msg}"));
        Self { bar }
    }

    pub(super) fn update(&self, progress: Progress<'_>) {
        match (&self.bar, progress) {
            (Some(bar), Progress::Message(text)) => bar.println(printable_lines(text)),
            (None, Progress::Message(text)) => notify(&text),
            (Some(bar), Progress::PartBegins(start, cases)) => {
                bar.set_length(u64::try_from(cases).unwrap_or(u64::MAX));
                bar.set_position(0);
                bar.set_prefix(start.to_string());
            }
            (None, Progress::PartBegins(start, cases)) => {
                eprintln!(
                    "strategy {}, profile {}: {cases} matrix cases and scenarios",
                    start.strategy, start.profile
                );
            }
            (Some(bar), Progress::CaseJudged) => bar.inc(1),
            (None, Progress::CaseJudged) => {}
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A progress bar with this template.
pub(super) fn bar(length: u64, template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}
