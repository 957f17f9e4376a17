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
mod terminal;
mod traceability;

pub use self::{
    curl::curl, failure::in_full, format::Format, terminal::terminal, traceability::gaps,
};
use crate::judge::{
    Finding, Verdict,
    summary::{ProfileResult, RequirementVerdict},
};

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
