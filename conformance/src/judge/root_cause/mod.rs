//! Groups the requirements that fail because of the same defect.
//!
//! One defect of a gateway can violate many requirements. A group has a head, which describes the
//! defect best, and the others as its consequences. The grouping is a pure function of the findings
//! and of the traces. It knows no rule.
//!
//! Two requirements have the same cause in one of three situations:
//!
//! - Most of their cases deviate in the same way, for example "the upstream server answered 403,
//!   the client received 401". `deviation` defines what the same way is.
//! - Every failing case of the one shows the deviation of the other, and chance does not explain
//!   that: the cases in which it is met mostly do not show that deviation.
//! - The one is about a client that follows a challenge, and the other is about the refusal or the
//!   challenge that the client followed.
//!
//! The head is the requirement whose deviation comes first in the course of a request. Among those
//! with the same deviation, it is the one that fits the failing cases best: it fails in many of
//! them, and it is met in few of the cases in which it is judged.

mod deviation;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use self::deviation::{Deviation, Phase};
use super::{
    Finding,
    run_file::{JudgedCase, Run},
};
use crate::catalogue::{Catalogue, Condition};

/// The largest probability at which two failures are not considered a coincidence.
const MAX_COINCIDENCE: f64 = 0.01;
/// The smallest percentage of the cases with a deviation that fail as well if it is the cause.
const MIN_FAILING_PERCENT: usize = 40;
/// A deviation is also a possible cause of fewer failures if at most one judged case in this number
/// shows it.
const RARE: usize = 8;

/// How much attention a failing requirement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// It does not change the result: it is only recommended, or the rules tolerate it.
    Advisory,
    /// It fails, and the baseline expects that.
    Expected,
    /// It fails, and the baseline does not expect that.
    Unexpected,
}

impl Attention {
    /// Whether a failure with this attention may be listed below a head with the other one. So an
    /// expected failure never hides an unexpected one, and keeps the reason of its baseline entry.
    fn may_follow(self, head: Self) -> bool {
        self == head || self == Self::Advisory
    }
}

/// A requirement that is not met, and the findings that show it.
#[derive(Clone, Debug)]
pub struct UnmetRequirement<'a> {
    /// The id of the requirement.
    pub id: &'a str,
    /// How much attention it needs.
    pub attention: Attention,
    /// The deciding findings, each with the id of its case.
    pub findings: Vec<(String, &'a Finding)>,
}

/// Requirements that fail because of the same defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootCause<'a> {
    /// The requirement that describes the defect best.
    pub head: &'a str,
    /// The other requirements, in the order in which they were given.
    pub consequences: Vec<&'a str>,
}

/// Groups these requirements by root cause: first the heads that need most attention, and among
/// them those with the most consequences.
#[must_use]
pub fn root_causes<'a>(run: &Run, unmet: &[UnmetRequirement<'a>]) -> Vec<RootCause<'a>> {
    let cases: Vec<JudgedCase<'_>> = run.cases().collect();
    let mut groups = groups_by_deviation(&cases, unmet);
    groups.sort_by(Group::compare_rank);
    let mut causes: Vec<(Group, Vec<usize>)> = Vec::new();
    for group in groups {
        let cause = causes.iter_mut().find(|(head, _)| group.follows_from(head, &cases));
        match cause {
            Some((_, consequences)) => consequences.extend(group.members),
            None => {
                let others = group.members.iter().copied().filter(|member| *member != group.head);
                let consequences = others.collect();
                causes.push((group, consequences));
            }
        }
    }
    causes.sort_by_key(|(group, consequences)| {
        Reverse((group.attention, consequences.len(), Reverse(group.head)))
    });
    let id = |index: usize| unmet[index].id;
    let cause = |(group, mut consequences): (Group, Vec<usize>)| {
        consequences.sort_unstable();
        RootCause {
            head: id(group.head),
            consequences: consequences.into_iter().map(id).collect(),
        }
    };
    causes.into_iter().map(cause).collect()
}

/// Requirements with the same attention whose cases deviate in the same way. Requirements and cases
/// are indexes.
struct Group {
    attention: Attention,
    deviation: Deviation,
    members: Vec<usize>,
    /// The member that fits the failing cases best, and how well.
    head: usize,
    fit: f64,
    /// The cases in which a member fails, and those in which a member is judged.
    failing: BTreeSet<usize>,
    judged: BTreeSet<usize>,
}

impl Group {
    /// Both groups as one. Its head is the one that fits better.
    fn with(mut self, other: Self, unmet: &[UnmetRequirement<'_>]) -> Self {
        let rank = |index: usize| (specificity(unmet[index].id), Reverse(index));
        let order = other.fit.total_cmp(&self.fit);
        if order.then_with(|| rank(other.head).cmp(&rank(self.head))).is_gt() {
            (self.head, self.fit) = (other.head, other.fit);
        }
        self.members.extend(other.members);
        self.failing.extend(other.failing);
        self.judged.extend(other.judged);
        self
    }

    /// Heads come before what may follow from them.
    fn compare_rank(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |group: &Self| {
            let failing = Reverse(group.failing.len());
            (Reverse(group.attention), group.deviation.phase(), failing)
        };
        rank(self)
            .cmp(&rank(other))
            .then(other.fit.total_cmp(&self.fit))
            .then(self.head.cmp(&other.head))
    }

    fn follows_from(&self, cause: &Self, cases: &[JudgedCase<'_>]) -> bool {
        if !self.attention.may_follow(cause.attention) {
            return false;
        }
        if self.deviation == cause.deviation && !self.deviation.is_common(cases) {
            return true;
        }
        let phase = self.deviation.phase();
        self.deviation.can_have_cause()
            && ((cause.deviation.phase() <= phase && self.is_shown_with(cause, cases))
                || (phase == Phase::FollowUp && self.is_misled_by(cause, cases)))
    }

    /// Whether every failing case shows the deviation of the cause, and chance does not explain it.
    fn is_shown_with(&self, cause: &Self, cases: &[JudgedCase<'_>]) -> bool {
        let shows = |case: &&usize| {
            cause.failing.contains(case)
                || cause.deviation.is_shown_by(&cases[**case]).unwrap_or_default()
        };
        if !self.failing.iter().all(|case| shows(&case)) {
            return false;
        }
        let (failing, judged) = (self.failing.len(), self.judged.len());
        let showing = self.judged.iter().filter(shows).count();
        let is_specific =
            failing * 100 >= showing * MIN_FAILING_PERCENT || showing * RARE <= judged;
        is_specific && coincidence(failing, showing, judged) <= MAX_COINCIDENCE
    }

    /// Whether the failing cases follow a challenge of a refusal that the cause spoils. A scenario
    /// records only the observables that it judges.
    fn is_misled_by(&self, cause: &Self, cases: &[JudgedCase<'_>]) -> bool {
        let is_known_otherwise = |case: &JudgedCase<'_>| {
            case.matrix_case.is_some() && cause.deviation.is_shown_by(case) == Some(false)
        };
        cause.deviation.concerns_refusals()
            && !self.failing.iter().any(|case| is_known_otherwise(&cases[*case]))
    }
}

/// The probability that all failing cases are among the showing ones by chance, if the failing
/// cases were drawn from all judged ones.
#[expect(clippy::cast_precision_loss, reason = "numbers of cases are small")]
fn coincidence(failing: usize, showing: usize, judged: usize) -> f64 {
    (0..failing)
        .map(|drawn| showing.saturating_sub(drawn) as f64 / judged.saturating_sub(drawn) as f64)
        .product()
}

fn groups_by_deviation(cases: &[JudgedCase<'_>], unmet: &[UnmetRequirement<'_>]) -> Vec<Group> {
    let index_of: BTreeMap<&str, usize> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| (case.id.as_str(), index))
        .collect();
    let judged_cases = judged_cases(cases);
    let mut groups: BTreeMap<(Attention, Deviation), Vec<Group>> = BTreeMap::new();
    for (index, requirement) in unmet.iter().enumerate() {
        let deviating: Vec<(usize, &Finding)> = requirement
            .findings
            .iter()
            .filter_map(|(case_id, finding)| Some((*index_of.get(case_id.as_str())?, *finding)))
            .collect();
        let failing: BTreeSet<usize> = deviating.iter().map(|(case, _)| *case).collect();
        let mut judged = judged_cases.get(requirement.id).cloned().unwrap_or_default();
        judged.extend(&failing);
        let group = Group {
            attention: requirement.attention,
            deviation: most_frequent_deviation(cases, &deviating)
                .unwrap_or_else(|| Deviation::NoEvidence { reason: requirement.id.to_owned() }),
            members: vec![index],
            head: index,
            fit: fit(failing.len(), judged.len()),
            failing,
            judged,
        };
        let key = (group.attention, group.deviation.clone());
        groups.entry(key).or_default().push(group);
    }
    let merge = |((_, deviation), groups): ((Attention, Deviation), Vec<Group>)| {
        let needs_common_case = deviation.is_common(cases);
        merged(groups, unmet, |one, other| {
            !needs_common_case || !one.failing.is_disjoint(&other.failing)
        })
    };
    groups.into_iter().flat_map(merge).collect()
}

/// The groups, of which those that belong together are one.
fn merged(
    groups: Vec<Group>,
    unmet: &[UnmetRequirement<'_>],
    belong_together: impl Fn(&Group, &Group) -> bool,
) -> Vec<Group> {
    let mut merged: Vec<Group> = Vec::new();
    for group in groups {
        let (together, others): (Vec<Group>, Vec<Group>) =
            merged.into_iter().partition(|other| belong_together(other, &group));
        merged = others;
        merged.push(together.into_iter().fold(group, |group, other| group.with(other, unmet)));
    }
    merged
}

/// How well a requirement fits the failing cases: the share of its own cases that fail, weighted by
/// their number.
#[expect(clippy::cast_precision_loss, reason = "numbers of cases are small")]
fn fit(failing: usize, judged: usize) -> f64 {
    (failing * failing) as f64 / judged.max(1) as f64
}

/// How few gateways and clients a requirement concerns, which decides between requirements that fit
/// equally well.
fn specificity(id: &str) -> impl Ord {
    Catalogue::embedded().get(id).map(|requirement| {
        let concerns_any = |condition: &Condition| condition.to_string() == "any";
        let is_conditional = !requirement.core_for.iter().any(concerns_any);
        (requirement.profile.is_some(), is_conditional, requirement.since.is_some())
    })
}

/// The cases that show whether each requirement is met.
fn judged_cases<'a>(cases: &'a [JudgedCase<'_>]) -> BTreeMap<&'a str, BTreeSet<usize>> {
    let mut judged: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        for finding in case.findings.iter().filter(|finding| finding.is_conclusive()) {
            judged.entry(&finding.requirement).or_default().insert(index);
        }
    }
    judged
}

/// The deviation of the most cases; of several, the one that comes first in the course of a
/// request. `None` without findings.
fn most_frequent_deviation(
    cases: &[JudgedCase<'_>],
    deviating: &[(usize, &Finding)],
) -> Option<Deviation> {
    let mut by_deviation: BTreeMap<Deviation, BTreeSet<usize>> = BTreeMap::new();
    for (case, finding) in deviating {
        let deviation = Deviation::of(finding, &cases[*case]);
        by_deviation.entry(deviation).or_default().insert(*case);
    }
    by_deviation
        .into_iter()
        .max_by_key(|(deviation, cases)| (cases.len(), Reverse(deviation.phase())))
        .map(|(deviation, _)| deviation)
}
