//! Failures in full: one finding with its case, what both sides saw, and how to reproduce it.

use std::{cmp::Reverse, collections::BTreeSet, fmt::Write as _};

use super::{
    cause::share_of_cases, curl, deviation::deviating_exchange, telling::Telling, trace_summary,
};
use crate::{
    cases::matrix_case::is_scripted,
    catalogue::{Binding, Catalogue, Requirement},
    judge::{
        Finding, Verdict,
        baseline::Assessment,
        masking::Masking,
        run_file::{Header, JudgedCase, Run},
        summary::is_failure,
    },
    trace::printable::printable,
};

/// A finding and the case that it is about.
pub(super) struct Failure<'a> {
    pub(super) case: JudgedCase<'a>,
    pub(super) finding: &'a Finding,
}

impl Failure<'_> {
    /// The failure as text, one labelled line for each fact.
    pub(super) fn in_full(&self, run: &Run) -> String {
        let Self { case, finding } = self;
        let Some(requirement) = Catalogue::embedded().get(&finding.requirement) else {
            return String::new();
        };
        let Requirement { id, level, statement, sources, impact, .. } = requirement;
        let verdict = verdict_of_failure(finding).as_str().to_uppercase();
        let is_core = requirement.binding(&run.gateway_traits()) == Binding::Core;
        let recommended = if is_core { "" } else { "  recommended" };
        let sources = sources.join(" · ");
        let mut text = format!("{verdict}  {id}  {level}  {statement}  {sources}{recommended}\n");
        let Finding { rule, observable, expected, actual, .. } = finding;
        text += &labelled("case", &case.id);
        text += &labelled("expected", &format!("{observable} {expected} (rule {rule})"));
        text += &labelled("actual", &format!("{observable} {actual}"));
        for line in trace_summary::client_saw(case.trace) {
            text += &labelled("client saw", &line);
        }
        for line in trace_summary::upstream_saw(case.trace) {
            text += &labelled("upstream saw", &line);
        }
        if let Some(masking) = Masking::of(case) {
            text += &labelled("masked by", masking.description());
        }
        if let Some(impact) = impact {
            text += &labelled("impact", impact);
        }
        text += &labelled("reproduce", &reproduce_command(&run.header, case));
        let deviating = deviating_exchange(case.trace, finding);
        let steps = case.trace.exchanges.len();
        if let Some(index) = deviating.filter(|_| steps > 1) {
            text += &labelled("step", &format!("request {} of {steps}", index + 1));
        }
        if let Some(command) = curl_command(case, deviating) {
            text += &labelled("curl", &command);
        }
        text
    }
}

/// One line of a failure: a label and its value.
pub(super) fn labelled(label: &str, value: &str) -> String {
    format!("      {label:<12}  {}\n", printable(value))
}

/// The verdict that a failure has in a report: an inconclusive finding counts as a failure only if
/// its requirement is untestable.
fn verdict_of_failure(finding: &Finding) -> Verdict {
    match finding.verdict {
        Verdict::Inconclusive => Verdict::Untestable,
        verdict => verdict,
    }
}

/// The command that runs a case again with the same secrets and keeps the servers running.
pub(super) fn reproduce_command(header: &Header, case: &JudgedCase<'_>) -> String {
    let Header { implementation, random_seed, .. } = header;
    let (implementation, only) = (curl::word(implementation), curl::quoted(&case.only));
    format!(
        "preflight-conformance run {implementation} --only {only} --random-seed {random_seed} \
         --hold"
    )
}

/// The `curl` command that repeats a request of a case, by its index.
///
/// `None` if the mock upstream would answer that request differently outside the case. It answers
/// the same if the token carries the behaviour, or if the upstream is healthy.
pub(super) fn curl_command(case: &JudgedCase<'_>, index: Option<usize>) -> Option<String> {
    let repeatable = case
        .matrix_case
        .is_none_or(|matrix_case| is_scripted(matrix_case) || matrix_case.upstream == "200-json");
    let exchange = case.trace.exchanges.get(index?).filter(|_| repeatable)?;
    Some(curl(case.gateway, exchange))
}

/// The unexpected failures of one requirement.
pub(super) struct UnexpectedFailures<'a> {
    /// The most telling one of the most severe ones.
    pub(super) first: Failure<'a>,
    /// The ids of all cases that fail unexpectedly.
    pub(super) case_ids: BTreeSet<&'a str>,
    /// The number of cases that show whether the requirement is met, including these.
    judged_cases: usize,
}

impl<'a> UnexpectedFailures<'a> {
    /// The unexpected failures of this requirement; `None` if there are none.
    pub(super) fn of_requirement(
        id: &str,
        run: &'a Run,
        assessment: &'a Assessment<'a>,
    ) -> Option<Self> {
        let failures =
            || assessment.unexpected.iter().filter(|(_, finding)| finding.requirement == id);
        let case_ids: BTreeSet<&str> = failures().map(|(case_id, _)| case_id.as_str()).collect();
        let telling = Telling::of_cases(run, &case_ids);
        let (case_id, finding) = failures().min_by_key(|(case_id, finding)| {
            Reverse((verdict_of_failure(finding), telling.get(case_id).copied()))
        })?;
        let case = run.cases().find(|case| case.id == *case_id)?;
        let judged: BTreeSet<String> = run
            .findings()
            .filter(|(_, finding)| finding.requirement == id && finding.is_conclusive())
            .map(|(case_id, _)| case_id)
            .collect();
        Some(Self {
            first: Failure { case, finding },
            judged_cases: judged.len().max(case_ids.len()),
            case_ids,
        })
    }

    /// How many of the cases that show whether the requirement is met fail: `9 of 40 cases`.
    pub(super) fn count_in_words(&self) -> String {
        share_of_cases(self.case_ids.len(), self.judged_cases)
    }
}

/// Every failure of one case in full, whether the baseline expects it or not; empty if there is
/// none.
#[must_use]
pub fn failures_of_case(run: &Run, case_id: &str) -> String {
    let mut text = String::new();
    for case in run.cases().filter(|case| case.id == case_id) {
        let gateway = run.gateway_traits();
        let failing = case.findings.iter().filter(|finding| is_failure(finding, &gateway));
        for finding in failing {
            let failure = Failure { case: case.clone(), finding };
            let _ = write!(text, "{}", failure.in_full(run));
        }
    }
    text
}
