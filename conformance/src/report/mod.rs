//! Turns a run into what people read: one line for each requirement, one failure in full for each that failed, and the result.
//!
//! A pure function of the run file: nothing is judged here, and nothing is left out that would change a verdict.

mod curl;
mod face;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub use self::curl::curl;
use crate::{
    baseline::Assessment,
    catalogue::{Catalogue, Requirement},
    cell::AXES,
    judge::{Finding, ProfileResult, RequirementVerdict, Verdict, result, summarise},
    run_file::Run,
    runner::is_scripted,
    trace::Trace,
};

/// A finding with everything that a reader wants to see beside it.
struct Failure<'a> {
    /// The id of the cell or scenario.
    about: String,
    finding: &'a Finding,
    gateway: &'a str,
    trace: &'a Trace,
    /// Whether the upstream answers alike when the request is sent again: its token says how, or it is simply healthy.
    replays: bool,
}

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
    let verdicts = verdicts(run).into_iter().filter(|verdict| verdict.verdict == Verdict::Untestable && (ours || verdict.core));
    let untestable: BTreeSet<String> = verdicts.map(|verdict| verdict.id).collect();
    move |finding| match finding.verdict {
        Verdict::Inconclusive if untestable.contains(&finding.requirement) => Some(Verdict::Untestable),
        verdict => counts(finding, ours).then_some(verdict),
    }
}

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
        let _ = writeln!(text, "\nDAMAGE  {}", damage.says);
        for cell in &damage.cells {
            let _ = writeln!(text, "        after  {cell}");
        }
    }
    expectations(&mut text, assessment);
    summary(&mut text, run, &verdicts);
    text
}

/// What a run comes to. Damage is a failure whatever else was found.
#[must_use]
pub fn outcome(run: &Run, verdicts: &[RequirementVerdict]) -> ProfileResult {
    if run.damages.is_empty() { result(verdicts, run.header.ours) } else { ProfileResult::Failure }
}

fn head(text: &mut String, run: &Run) {
    let header = &run.header;
    let strategies: Vec<&str> = header.strategies.iter().map(|strategy| strategy.as_str()).collect();
    let _ = writeln!(text, "{} {} · suite {} · seed {}", header.implementation, header.version, header.suite, header.seed);
    let profiles: Vec<&str> = header.profiles.iter().map(|profile| profile.as_str()).collect();
    let _ = writeln!(text, "profile {} · strategy {} · {}", profiles.join(", "), strategies.join(", "), header.layout);
    if !header.filters.is_empty() {
        let _ = writeln!(text, "only a part: {}", header.filters.join(" "));
    }
    text.push('\n');
}

/// What the catalogue says is not judged has no line; `list` shows it.
fn is_listed(verdict: &RequirementVerdict) -> bool {
    !verdict.counts.is_empty()
}

/// Whether a failure is shown in full.
fn is_told(verdict: Verdict) -> bool {
    verdict.is_red() || verdict == Verdict::Warn
}

fn line(text: &mut String, verdict: &RequirementVerdict) {
    let statement = Catalogue::embedded().get(&verdict.id).map_or("", |requirement| requirement.statement.as_str());
    let name = verdict.verdict.as_str().to_uppercase();
    let kind = if verdict.core { "" } else { " (recommended)" };
    let _ = writeln!(text, "{name:<14}  {:<7}  {:<10}  {}{kind}", verdict.id, verdict.level, short(statement, 96));
}

fn failure(text: &mut String, run: &Run, verdict: &RequirementVerdict) {
    let alike: Vec<Failure<'_>> = failures(run).filter(|failure| is_alike(failure.finding, verdict)).collect();
    let Some(first) = alike.first() else { return };
    text.push('\n');
    first.tell(text, &run.header.implementation);
    let others = alike.iter().map(|failure| failure.about.as_str()).collect::<BTreeSet<_>>().len() - 1;
    if others > 0 {
        row(text, "alike", &format!("{others} other {}: {}", if others == 1 { "case" } else { "cases" }, spread(&alike)));
    }
}

impl Failure<'_> {
    fn tell(&self, text: &mut String, implementation: &str) {
        let Self { about, finding, gateway, trace, replays } = self;
        let Some(requirement) = Catalogue::embedded().get(&finding.requirement) else { return };
        let kind = if requirement.core() { "" } else { "  recommended" };
        let name = finding.verdict.as_str().to_uppercase();
        let Requirement { id, level, statement, sources, .. } = requirement;
        let _ = writeln!(text, "{name}  {id}  {level}  {statement}  {}{kind}", sources.join(" · "));
        row(text, if about.starts_with("scenario ") { "case" } else { "cell" }, about);
        row(text, "expected", &format!("{} {}, by rule {}", finding.observable, finding.expected, finding.rule));
        row(text, "seen", &format!("{} {}", finding.observable, finding.seen));
        for said in face::client(trace) {
            row(text, "client", &said);
        }
        for said in face::upstreams(trace) {
            row(text, "upstream", &said);
        }
        if let Some(hurts) = &requirement.hurts {
            row(text, "why it hurts", hurts);
        }
        let id = about.strip_prefix("scenario ").map_or(about.as_str(), |about| about.split(" / ").next().unwrap_or(about));
        row(text, "again", &format!("preflight-conformance run {implementation} --only '{id}' --hold"));
        if let Some(exchange) = trace.exchanges.last().filter(|_| *replays) {
            row(text, "try", &curl(gateway, exchange));
        }
    }
}

/// Every failure of one cell or scenario in full, as the report shows one of them; nothing where there is none.
#[must_use]
pub fn in_full(run: &Run, about: &str) -> String {
    let mut text = String::new();
    for failure in failures(run).filter(|failure| failure.about == about && counts(failure.finding, run.header.ours)) {
        failure.tell(&mut text, &run.header.implementation);
    }
    text
}

fn is_alike(finding: &Finding, verdict: &RequirementVerdict) -> bool {
    let nothing_told = verdict.verdict == Verdict::Untestable && finding.verdict == Verdict::Inconclusive;
    finding.requirement == verdict.id && (finding.verdict == verdict.verdict || nothing_told)
}

fn row(text: &mut String, name: &str, said: &str) {
    let _ = writeln!(text, "      {name:<12}  {said}");
}

/// What the failing cells have in common, as the values that each axis takes over them; scenarios by their ids.
fn spread(alike: &[Failure<'_>]) -> String {
    let scenarios: BTreeSet<&str> = alike.iter().filter_map(|failure| failure.about.strip_prefix("scenario ")).collect();
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
    let cells = values.into_iter().map(say).collect::<Vec<_>>().join(" / ");
    let scenarios = scenarios.len();
    if scenarios == 0 { cells } else { format!("{cells}, and {scenarios} of scenarios") }
}

fn failures(run: &Run) -> impl Iterator<Item = Failure<'_>> {
    let cells = run.cells.iter().flat_map(|judged| {
        let about = judged.cell.to_string();
        let replays = is_scripted(&judged.cell) || judged.cell.upstream == "200-json";
        let (gateway, trace) = (judged.gateway.as_str(), &judged.trace);
        judged.findings.iter().map(move |finding| Failure { about: about.clone(), finding, gateway, trace, replays })
    });
    let scenarios = run.scenarios.iter().flat_map(|judged| {
        let about = format!("scenario {} / {}", judged.scenario, judged.start);
        let (gateway, trace) = (judged.gateway.as_str(), &judged.trace);
        judged.findings.iter().map(move |finding| Failure { about: about.clone(), finding, gateway, trace, replays: true })
    });
    cells.chain(scenarios)
}

/// Where the run departs from the baseline.
fn expectations(text: &mut String, assessment: &Assessment<'_>) {
    let mut unexpected: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, finding) in &assessment.unexpected {
        *unexpected.entry(&finding.requirement).or_default() += 1;
    }
    if assessment.known > 0 && !unexpected.is_empty() {
        text.push('\n');
    }
    if assessment.known > 0 {
        for (requirement, findings) in &unexpected {
            let _ = writeln!(text, "UNEXPECTED  {requirement}  {findings} findings that the baseline does not know");
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
        let of: Vec<&RequirementVerdict> = verdicts.iter().filter(|verdict| verdict.core == core && is_listed(verdict)).collect();
        let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for verdict in &of {
            *counts.entry(verdict.verdict).or_default() += 1;
        }
        let counts: Vec<String> = counts.into_iter().rev().map(|(verdict, n)| format!("{n} {verdict}")).collect();
        let counts = if counts.is_empty() { "none judged".to_owned() } else { counts.join(" · ") };
        let _ = writeln!(text, "{name:<12}  {counts}");
    }
    let (judged, unjudged): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| is_listed(verdict));
    let _ = writeln!(
        text,
        "{:<12}  {} requirements judged over {} cells and {} scenarios; {} not judged in this run (preflight-conformance list says why)",
        "of",
        judged.len(),
        run.cells.len(),
        run.scenarios.len(),
        unjudged.len()
    );
    if run.interrupted {
        let _ = writeln!(text, "{:<12}  stopped before its end: what is missing was not judged", "interrupted");
    }
    let word = match outcome(run, verdicts) {
        ProfileResult::Success => "success",
        ProfileResult::Partial => "partial",
        ProfileResult::Failure => "failure",
    };
    let _ = writeln!(text, "{:<12}  {word}", "result");
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
