//! The time limit of a run. It bounds how much longer a slow gateway makes the run.
//!
//! Each start has a share of the limit in proportion to its cases, and so has each group of its
//! cases: concurrent cases, exclusive cases, scenarios. If a group would take longer, cases are
//! left out, evenly spread, so that what runs still covers all of the group. A case that is left
//! out is inconclusive.

use std::time::Duration;

use tokio::time::Instant;

/// The constant part of the limit of a run.
const BASE: Duration = Duration::from_secs(300);
/// The time for one case, divided by the number of cases that run at the same time.
const PER_CASE: Duration = Duration::from_secs(2);
/// How many times a healthy call is the least time for one case.
const HEALTHY_CALLS: u32 = 4;
/// How many cases of a group run before its pace is known.
const SAMPLE: usize = 16;

/// The time limit of one start of the implementation.
#[derive(Debug)]
pub(super) struct TimeLimit {
    begin: Instant,
    limit: Duration,
    planned: usize,
    /// The cases of the groups that have begun.
    begun: usize,
    not_run: Vec<String>,
}

/// A group of cases, its share of the time, and its progress.
#[derive(Debug)]
pub(super) struct Group {
    begin: Instant,
    deadline: Instant,
    done: usize,
}

/// What the limit of a start depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The number of its cases, also of those that are skipped.
    pub(super) cases: usize,
    /// The number of cases of the whole run.
    pub(super) cases_of_run: usize,
    /// How many cases run at the same time.
    pub(super) jobs: usize,
    /// How long a healthy call took.
    pub(super) healthy_call: Duration,
}

impl Scope {
    /// The limit of the start. `of_run` is a limit of the whole run that the user has chosen.
    fn limit(self, of_run: Option<Duration>) -> Duration {
        let share = |of_run: Duration| {
            let cases = Duration::mul_f64(of_run, ratio(self.cases, self.cases_of_run));
            cases.max(Duration::from_millis(1))
        };
        of_run.map_or_else(
            || {
                let jobs = u32::try_from(self.jobs.max(1)).unwrap_or(u32::MAX);
                let per_case = (PER_CASE / jobs).max(self.healthy_call * HEALTHY_CALLS);
                share(BASE) + per_case * u32::try_from(self.cases).unwrap_or(u32::MAX)
            },
            share,
        )
    }
}

impl TimeLimit {
    /// The limit of a start that begins now and sends this number of cases.
    pub(super) fn new(scope: Scope, planned: usize, of_run: Option<Duration>) -> Self {
        Self {
            begin: Instant::now(),
            limit: scope.limit(of_run),
            planned,
            begun: 0,
            not_run: Vec::new(),
        }
    }

    /// A limit that is replaced before the first case.
    pub(super) fn unused() -> Self {
        Self {
            begin: Instant::now(),
            limit: BASE,
            planned: 0,
            begun: 0,
            not_run: Vec::new(),
        }
    }

    /// Begins a group of this number of cases. It may also use the time that earlier groups left.
    pub(super) fn begin_group(&mut self, cases: usize) -> Group {
        self.begun += cases;
        Group {
            begin: Instant::now(),
            deadline: self.begin + self.limit.mul_f64(ratio(self.begun, self.planned).min(1.0)),
            done: 0,
        }
    }

    /// Whether the limit is reached.
    pub(super) fn is_reached(&self) -> bool {
        self.begin.elapsed() >= self.limit
    }

    /// Why a case that did not run proves nothing.
    pub(super) fn reason(&self) -> String {
        format!(
            "the case did not run, because the time limit of {} s was reached",
            self.seconds()
        )
    }

    /// The limit in seconds.
    pub(super) fn seconds(&self) -> u64 {
        self.limit.as_secs()
    }

    /// The number of cases that the start was to send.
    pub(super) const fn planned(&self) -> usize {
        self.planned
    }

    /// Remembers a case that does not run.
    pub(super) fn leave_out(&mut self, case: String) {
        self.not_run.push(case);
    }

    /// The cases that did not run.
    pub(super) fn take_not_run(&mut self) -> Vec<String> {
        std::mem::take(&mut self.not_run)
    }
}

impl Group {
    /// Counts cases that have run.
    pub(super) const fn has_run(&mut self, cases: usize) {
        self.done += cases;
    }

    /// How many cases run before the pace of the group is looked at again, at most `batch`.
    pub(super) fn batch(&self, batch: usize) -> usize {
        if self.done == 0 { SAMPLE.max(batch / 4) } else { batch }
    }

    /// Splits the waiting cases into those that run, and those that are left out because the time
    /// does not suffice.
    pub(super) fn split<T>(&self, waiting: Vec<T>) -> (Vec<T>, Vec<T>) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let kept = affordable(waiting.len(), self.done, self.begin.elapsed(), left);
        let len = waiting.len();
        let mut number = 0;
        waiting.into_iter().partition(|_| {
            number += 1;
            is_kept(number - 1, len, kept)
        })
    }
}

/// How many of the waiting cases run, if `done` cases took `elapsed` and `left` is left.
///
/// Some cases take longer than others, so at most half of the waiting cases are left out at once,
/// unless no time is left.
fn affordable(waiting: usize, done: usize, elapsed: Duration, left: Duration) -> usize {
    if done < SAMPLE {
        return if left.is_zero() { waiting.min(SAMPLE - done) } else { waiting };
    }
    if left.is_zero() {
        return 0;
    }
    let needed = elapsed.mul_f64(ratio(waiting, done));
    if needed <= left {
        return waiting;
    }
    (waiting / 2).max(waiting.saturating_mul(usize_of(left)) / usize_of(needed).max(1))
}

/// Whether the case at this index runs if `kept` of `len` cases run, evenly spread.
const fn is_kept(index: usize, len: usize, kept: usize) -> bool {
    index * kept / len != (index + 1) * kept / len
}

fn usize_of(duration: Duration) -> usize {
    usize::try_from(duration.as_millis()).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of cases are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn scope(jobs: usize, healthy_call: Duration) -> Scope {
        Scope { cases: 1000, cases_of_run: 2000, jobs, healthy_call }
    }

    #[test]
    fn the_limit_follows_the_cases_the_jobs_and_the_speed_of_a_healthy_call() {
        assert_eq!(scope(8, Duration::ZERO).limit(None), SECOND * (150 + 250));
        assert_eq!(scope(1, Duration::ZERO).limit(None), SECOND * (150 + 2000));
        assert_eq!(scope(8, SECOND).limit(None), SECOND * (150 + 4000));
        assert_eq!(scope(8, SECOND).limit(Some(SECOND * 60)), SECOND * 30);
    }

    #[test]
    fn cases_are_left_out_only_if_the_time_does_not_suffice() {
        assert_eq!(affordable(100, 100, SECOND, SECOND), 100);
        assert_eq!(affordable(100, 100, SECOND * 4, SECOND * 3), 75);
        assert_eq!(affordable(100, 100, SECOND * 400, SECOND), 50, "at most half at once");
        assert_eq!(affordable(100, 100, SECOND, Duration::ZERO), 0);
        assert_eq!(affordable(100, 0, Duration::ZERO, Duration::ZERO), SAMPLE);
    }

    #[test]
    fn the_cases_that_run_are_evenly_spread() {
        let kept: Vec<usize> = (0..10).filter(|index| is_kept(*index, 10, 5)).collect();
        assert_eq!(kept, [1, 3, 5, 7, 9]);
        for kept in 0..=7 {
            assert_eq!((0..7).filter(|index| is_kept(*index, 7, kept)).count(), kept);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_group_ends_in_its_share_of_the_time_and_leaves_the_rest_to_the_next_one() {
        let mut limit = TimeLimit::new(
            Scope {
                cases: 400,
                cases_of_run: 400,
                jobs: 1,
                healthy_call: Duration::ZERO,
            },
            400,
            Some(SECOND * 400),
        );
        let begin = Instant::now();
        for cases in [200, 200] {
            let mut group = limit.begin_group(cases);
            let mut waiting: Vec<usize> = (0..cases).collect();
            while !waiting.is_empty() {
                (waiting, _) = group.split(waiting);
                let rest = waiting.split_off(group.batch(16).min(waiting.len()));
                tokio::time::sleep(SECOND * 4 * u32::try_from(waiting.len()).unwrap()).await;
                group.has_run(waiting.len());
                waiting = rest;
            }
        }
        assert!(limit.is_reached());
        assert!(begin.elapsed() < SECOND * 500, "{:?}", begin.elapsed());
    }
}
