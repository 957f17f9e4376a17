//! Turns a run into what people and programs read. Each report is a pure function of the run file and of the baseline that it is held
//! against: nothing is judged here, and nothing is left out that would change a verdict.

mod badge;
mod canonical;
mod curl;
mod face;
mod failure;
mod format;
mod html;
mod json;
mod junit;
mod markdown;
mod standing;
mod terminal;
mod traceability;

use std::collections::BTreeSet;

pub use self::{
    curl::curl, failure::in_full, format::Format, terminal::terminal, traceability::gaps,
};
use crate::{
    catalogue::{Catalogue, Requirement},
    judge::{Finding, ProfileResult, RequirementVerdict, Verdict, result, summarise},
    run_file::Run,
};

/// What a run says about every requirement.
#[must_use]
pub fn verdicts(run: &Run) -> Vec<RequirementVerdict> {
    summarise(Catalogue::embedded(), run.findings().map(|(_, finding)| finding))
}

/// Whether a finding is a failure of this implementation: of its core requirements, or of all of them where it is our own.
#[must_use]
pub fn counts(finding: &Finding, ours: bool) -> bool {
    let core = Catalogue::embedded().get(&finding.requirement).is_none_or(Requirement::core);
    (finding.verdict.is_red() && (core || ours)) || (ours && finding.verdict == Verdict::Warn)
}

/// How each finding of a run counts against its implementation, if it does. What no case says anything about counts as untestable.
pub fn failures_of(run: &Run) -> impl Fn(&Finding) -> Option<Verdict> {
    let ours = run.header.ours;
    let verdicts = verdicts(run)
        .into_iter()
        .filter(|verdict| verdict.verdict == Verdict::Untestable && (ours || verdict.core));
    let untestable: BTreeSet<String> = verdicts.map(|verdict| verdict.id).collect();
    move |finding| match finding.verdict {
        Verdict::Inconclusive if untestable.contains(&finding.requirement) => {
            Some(Verdict::Untestable)
        }
        verdict => counts(finding, ours).then_some(verdict),
    }
}

/// What a run comes to. Damage is a failure whatever else was found.
#[must_use]
pub fn outcome(run: &Run, verdicts: &[RequirementVerdict]) -> ProfileResult {
    if run.damages.is_empty() {
        result(verdicts, run.header.ours)
    } else {
        ProfileResult::Failure
    }
}

fn is_alike(finding: &Finding, verdict: &RequirementVerdict) -> bool {
    let nothing_told =
        verdict.verdict == Verdict::Untestable && finding.verdict == Verdict::Inconclusive;
    finding.requirement == verdict.id && (finding.verdict == verdict.verdict || nothing_told)
}

/// A result as every report spells it.
const fn word(result: ProfileResult) -> &'static str {
    match result {
        ProfileResult::Success => "success",
        ProfileResult::Partial => "partial",
        ProfileResult::Failure => "failure",
    }
}

/// What the catalogue says is not judged has no line; `list` shows it.
fn is_listed(verdict: &RequirementVerdict) -> bool {
    !verdict.counts.is_empty()
}

/// Whether a failure is shown in full.
fn is_told(verdict: Verdict) -> bool {
    verdict.is_red() || verdict == Verdict::Warn
}

/// The text, cut at a blank where it is longer than that.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{} …", cut[..end].trim_end_matches([',', ';', ':']))
}

#[cfg(test)]
mod tests;
