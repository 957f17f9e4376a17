//! One finding with everything that a reader wants to see beside it, and how it is told in full.

use std::fmt::Write as _;

use super::{curl, face};
use crate::judge::summary::counts;
use crate::{
    cases::matrix_case::is_scripted,
    catalogue::{Catalogue, Requirement},
    judge::{
        Finding,
        run_file::{JudgedCase, Run},
    },
    trace::Trace,
};

/// A finding with everything that a reader wants to see beside it.
pub(super) struct Failure<'a> {
    /// The id of the matrix case or scenario.
    pub(super) about: String,
    pub(super) finding: &'a Finding,
    gateway: &'a str,
    trace: &'a Trace,
    /// See [`replays`].
    replays: bool,
}

impl Failure<'_> {
    pub(super) fn tell(&self, text: &mut String, implementation: &str) {
        let Self { about, finding, gateway, trace, replays } = self;
        let Some(requirement) = Catalogue::embedded().get(&finding.requirement) else {
            return;
        };
        let kind = if requirement.core() { "" } else { "  recommended" };
        let name = finding.verdict.as_str().to_uppercase();
        let Requirement { id, level, statement, sources, .. } = requirement;
        let _ = writeln!(text, "{name}  {id}  {level}  {statement}  {}{kind}", sources.join(" · "));
        row(text, if about.starts_with("scenario ") { "case" } else { "matrix-case" }, about);
        row(
            text,
            "expected",
            &format!("{} {}, by rule {}", finding.observable, finding.expected, finding.rule),
        );
        row(text, "actual", &format!("{} {}", finding.observable, finding.actual));
        for said in face::client(trace) {
            row(text, "client", &said);
        }
        for said in face::upstreams(trace) {
            row(text, "upstream", &said);
        }
        if let Some(impact) = &requirement.impact {
            row(text, "impact", impact);
        }
        let id = about
            .strip_prefix("scenario ")
            .map_or(about.as_str(), |about| about.split(" / ").next().unwrap_or(about));
        row(
            text,
            "again",
            &format!("preflight-conformance run {implementation} --only '{id}' --hold"),
        );
        if let Some(exchange) = trace.exchanges.last().filter(|_| *replays) {
            row(text, "try", &curl(gateway, exchange));
        }
    }
}

/// Every failure of one matrix case or scenario in full, as the report shows one of them; nothing where there is none.
#[must_use]
pub fn in_full(run: &Run, about: &str) -> String {
    let mut text = String::new();
    for failure in failures(run)
        .filter(|failure| failure.about == about && counts(failure.finding, run.header.ours))
    {
        failure.tell(&mut text, &run.header.implementation);
    }
    text
}

pub(super) fn row(text: &mut String, name: &str, said: &str) {
    let _ = writeln!(text, "      {name:<12}  {said}");
}

pub(super) fn failures(run: &Run) -> impl Iterator<Item = Failure<'_>> {
    run.cases().flat_map(|case| {
        let replays = replays(&case);
        let JudgedCase { id, gateway, trace, findings, .. } = case;
        findings.iter().map(move |finding| Failure {
            about: id.clone(),
            finding,
            gateway,
            trace,
            replays,
        })
    })
}

/// Whether the upstream answers alike when the last request of a case is sent again: its token says how, or it is simply healthy.
pub(super) fn replays(case: &JudgedCase<'_>) -> bool {
    case.matrix_case
        .is_none_or(|matrix_case| is_scripted(matrix_case) || matrix_case.upstream == "200-json")
}
