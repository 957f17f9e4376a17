//! Names the forms that a report can take.

use clap::ValueEnum;

use super::{badge, canonical, html, json, junit, markdown, terminal, traceability};
use crate::judge::{baseline::Assessment, run_file::Run};

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people at a terminal.
    Terminal,
    /// For programs: every requirement with its verdict, counts and first failure.
    Json,
    /// For CI systems that show test results.
    Junit,
    /// A summary for a pull request or a job's page.
    Markdown,
    /// One page with everything in it, traces included; it loads nothing.
    Html,
    /// The endpoint document of a shields.io badge.
    Badge,
    /// The badge itself.
    BadgeSvg,
    /// Which requirement is judged by what, over how many cases, and which defects show that it would be noticed.
    Traceability,
    /// What two runs with one seed have in common: times, ports and random ids are taken out.
    Canonical,
}

impl Format {
    /// The report on a run, held against a baseline.
    #[must_use]
    pub fn render(self, run: &Run, assessment: &Assessment<'_>) -> String {
        match self {
            Self::Terminal => terminal(run, assessment),
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
