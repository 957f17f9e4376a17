//! The report for a terminal: one line for each requirement, one failure in full for each that failed, and the result.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    failure::{Failure, failures, row},
    is_alike, is_listed, is_told, short, word,
};
use crate::judge::summary::{outcome, verdicts};
use crate::{
    cases::matrix_case::AXES,
    catalogue::Catalogue,
    judge::{Verdict, baseline::Assessment, run_file::Run, summary::RequirementVerdict},
};

/// The report for a terminal.
#[must_use]
pub fn terminal(run: &Run, assessment: &Assessment<'_>) -> String {
    let verdicts = verdicts(run);
    let mut text = String::new();
    head(&mut text, run);
    for verdict in verdicts.iter().filter(|verdict| is_listed(verdict)) {
        line(&mut text, verdict);
    }
    for verdict in verdicts.iter().filter(|verdict| is_told(verdict.verdict)) {
        failure(&mut text, run, verdict);
    }
    for damage in &run.damages {
        let _ = writeln!(text, "\nDAMAGE  {}", damage.description);
        for matrix_case in &damage.matrix_cases {
            let _ = writeln!(text, "        after  {matrix_case}");
        }
    }
    expectations(&mut text, assessment);
    summary(&mut text, run, &verdicts);
    text
}

fn head(text: &mut String, run: &Run) {
    let header = &run.header;
    let strategies: Vec<&str> =
        header.strategies.iter().map(|strategy| strategy.as_str()).collect();
    let _ = writeln!(
        text,
        "{} {} · suite {} · random seed {}",
        header.implementation, header.version, header.suite, header.random_seed
    );
    let profiles: Vec<&str> = header.profiles.iter().map(|profile| profile.as_str()).collect();
    let _ = writeln!(
        text,
        "profile {} · strategy {} · {}",
        profiles.join(", "),
        strategies.join(", "),
        header.credential_layout
    );
    if !header.filters.is_empty() {
        let _ = writeln!(text, "only a part: {}", header.filters.join(" "));
    }
    text.push('\n');
}

fn line(text: &mut String, verdict: &RequirementVerdict) {
    let statement = Catalogue::embedded()
        .get(&verdict.id)
        .map_or("", |requirement| requirement.statement.as_str());
    let name = verdict.verdict.as_str().to_uppercase();
    let kind = if verdict.core { "" } else { " (recommended)" };
    let _ = writeln!(
        text,
        "{name:<14}  {:<7}  {:<10}  {}{kind}",
        verdict.id,
        verdict.level,
        short(statement, 96)
    );
}

fn failure(text: &mut String, run: &Run, verdict: &RequirementVerdict) {
    let alike: Vec<Failure<'_>> =
        failures(run).filter(|failure| is_alike(failure.finding, verdict)).collect();
    let Some(first) = alike.first() else { return };
    text.push('\n');
    first.tell(text, &run.header.implementation);
    let others = alike
        .iter()
        .map(|failure| failure.about.as_str())
        .collect::<BTreeSet<_>>()
        .len()
        - 1;
    if others > 0 {
        row(
            text,
            "alike",
            &format!(
                "{others} other {}: {}",
                if others == 1 { "case" } else { "cases" },
                spread(&alike)
            ),
        );
    }
}

/// What the failing matrix cases have in common, as the values that each axis takes over them; scenarios by their ids.
fn spread(alike: &[Failure<'_>]) -> String {
    let scenarios: BTreeSet<&str> = alike
        .iter()
        .filter_map(|failure| failure.about.strip_prefix("scenario "))
        .collect();
    if alike.iter().all(|failure| failure.about.starts_with("scenario ")) {
        return scenarios.into_iter().skip(1).collect::<Vec<_>>().join(", ");
    }
    let mut values: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); AXES.len()];
    for failure in alike.iter().filter(|failure| !failure.about.starts_with("scenario ")) {
        for (axis, value) in values.iter_mut().zip(failure.about.split(" / ")) {
            axis.insert(value);
        }
    }
    let say = |axis: BTreeSet<&str>| match axis.len() {
        0..=3 => axis.into_iter().collect::<Vec<_>>().join("|"),
        n => format!("{n} values"),
    };
    let matrix_cases = values.into_iter().map(say).collect::<Vec<_>>().join(" / ");
    let scenarios = scenarios.len();
    if scenarios == 0 {
        matrix_cases
    } else {
        format!("{matrix_cases}, and {scenarios} of scenarios")
    }
}

/// Where the run departs from the baseline.
fn expectations(text: &mut String, assessment: &Assessment<'_>) {
    let mut unexpected: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, finding) in &assessment.unexpected {
        *unexpected.entry(&finding.requirement).or_default() += 1;
    }
    if !assessment.known.is_empty() && !unexpected.is_empty() {
        text.push('\n');
    }
    if !assessment.known.is_empty() {
        for (requirement, findings) in &unexpected {
            let _ = writeln!(
                text,
                "UNEXPECTED  {requirement}  {findings} findings that the baseline does not know"
            );
        }
    }
    for stale in &assessment.stale {
        let _ = writeln!(
            text,
            "\nSTALE  {}  {}  {}\n       no longer happens: take the entry out of the baseline",
            stale.requirement, stale.verdict, stale.reason
        );
    }
}

fn summary(text: &mut String, run: &Run, verdicts: &[RequirementVerdict]) {
    text.push('\n');
    for (name, core) in [("core", true), ("recommended", false)] {
        let of: Vec<&RequirementVerdict> = verdicts
            .iter()
            .filter(|verdict| verdict.core == core && is_listed(verdict))
            .collect();
        let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for verdict in &of {
            *counts.entry(verdict.verdict).or_default() += 1;
        }
        let counts: Vec<String> =
            counts.into_iter().rev().map(|(verdict, n)| format!("{n} {verdict}")).collect();
        let counts = if counts.is_empty() {
            "none judged".to_owned()
        } else {
            counts.join(" · ")
        };
        let _ = writeln!(text, "{name:<12}  {counts}");
    }
    let (judged, unjudged): (Vec<_>, Vec<_>) =
        verdicts.iter().partition(|verdict| is_listed(verdict));
    let _ = writeln!(
        text,
        "{:<12}  {} requirements judged over {} matrix cases and {} scenarios; {} not judged in this run (preflight-conformance list says why)",
        "of",
        judged.len(),
        run.matrix_cases.len(),
        run.scenarios.len(),
        unjudged.len()
    );
    if run.interrupted {
        let _ = writeln!(
            text,
            "{:<12}  stopped before its end: what is missing was not judged",
            "interrupted"
        );
    }
    let word = word(outcome(run, verdicts));
    let _ = writeln!(text, "{:<12}  {word}", "result");
}
