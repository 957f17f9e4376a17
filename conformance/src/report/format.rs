//! The formats of a report.

use clap::ValueEnum;

use super::{
    TerminalOptions, badge, canonical, html, json, junit, markdown, terminal, traceability,
};
use crate::judge::{baseline::Assessment, run_file::Run};

/// A format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for a terminal: failures in full, then counts
    Terminal,
    /// One JSON document: every requirement with its verdict, its counts and the case that decided
    /// it
    Json,
    /// JUnit XML for CI systems
    Junit,
    /// A summary in Markdown for a pull request or a CI job
    Markdown,
    /// One self-contained page with every trace
    Html,
    /// The endpoint document of a shields.io badge
    Badge,
    /// The badge as an SVG image
    BadgeSvg,
    /// A table in Markdown: what judges each requirement, in how many cases, and which defects fail
    /// it
    Traceability,
    /// One JSON line for each case without times, ports and random ids, for comparing two runs
    Canonical,
}

impl Format {
    /// The report on a run that was compared with a baseline.
    #[must_use]
    pub fn render(self, run: &Run, assessment: &Assessment<'_>) -> String {
        match self {
            Self::Terminal => terminal(run, assessment, TerminalOptions::default()),
            Self::Json => json::json(run, assessment),
            Self::Junit => junit::junit(run, assessment),
            Self::Markdown => markdown::markdown(run, assessment),
            Self::Html => html::html(run, assessment),
            Self::Badge => badge::endpoint(run, assessment),
            Self::BadgeSvg => badge::svg(run, assessment),
            Self::Traceability => traceability::traceability(run),
            Self::Canonical => canonical::canonical(run),
        }
    }
}
