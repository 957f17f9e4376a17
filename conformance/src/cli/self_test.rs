//! `self-test`: whether the suite notices what it says that it notices.

use std::{fmt::Write as _, io::IsTerminal as _, io::stderr};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, complain, print};
use crate::{
    cases::selection::glob,
    runner::self_test::{GATEWAYS, Outcome, claims, drive_all, kill_matrix},
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance self-test
  preflight-conformance self-test --only '*leaks*'

Prints the kill matrix, each requirement with the defects that fail it, and ends 0 where every defect fails exactly what defects.toml
says and neither the gateway without a defect nor any of variants.toml fails anything that binds it; 1 where one does not.";

/// What `self-test` is told.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SelfTestArgs {
    /// Drive the gateways whose names match this glob.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    only: String,
    /// How many gateways at once.
    #[arg(long, default_value_t = GATEWAYS, value_parser = at_least_one)]
    jobs: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|jobs| *jobs > 0)
        .ok_or_else(|| "expected a number from 1 on".to_owned())
}

/// Drives the defects and prints what fails what.
pub(super) fn self_test(arguments: &SelfTestArgs) -> Exit {
    let wanted = match glob(&arguments.only) {
        Ok(wanted) => wanted,
        Err(error) => return complain(Exit::Usage, &error),
    };
    let claims: Vec<_> = claims()
        .into_iter()
        .filter(|claim| wanted.is_match(&claim.implementation))
        .collect();
    if claims.is_empty() {
        return complain(
            Exit::Nothing,
            &"no gateway is called so: `preflight-conformance list implementations` shows their names",
        );
    }
    let bar = if stderr().is_terminal() {
        ProgressBar::new(u64::try_from(claims.len()).unwrap_or(u64::MAX))
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let outcomes = drive_all(claims, arguments.jobs, |outcome| {
        bar.inc(1);
        if let Ok(outcome) = outcome {
            bar.set_message(outcome.claim.implementation.clone());
        }
    });
    bar.finish_and_clear();
    let outcomes: Result<Vec<Outcome>, _> = outcomes.into_iter().collect();
    match outcomes {
        Ok(outcomes) => tell(&outcomes),
        Err(error) => complain(Exit::Harness, &error),
    }
}

fn tell(outcomes: &[Outcome]) -> Exit {
    let name = |outcome: &'_ Outcome| {
        outcome.claim.implementation.trim_start_matches("builtin:defect/").to_owned()
    };
    let is_defect = |outcome: &Outcome| outcome.claim.implementation.starts_with("builtin:defect/");
    let mut sorted: Vec<(String, &Outcome)> =
        outcomes.iter().map(|outcome| (name(outcome), outcome)).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let fails = |id: &str| {
        let failing = sorted
            .iter()
            .filter(|(_, outcome)| is_defect(outcome) && outcome.failed.contains_key(id));
        failing.map(|(name, _)| name.as_str()).collect()
    };
    let mut text = kill_matrix(fails);
    let differing: Vec<String> = sorted
        .iter()
        .map(|(_, outcome)| outcome.differences())
        .filter(|differences| !differences.is_empty())
        .collect();
    let _ = writeln!(
        text,
        "\ngateways driven: {}, as claimed: {}",
        outcomes.len(),
        outcomes.len() - differing.len()
    );
    for differences in &differing {
        let _ = write!(text, "\n{differences}");
    }
    print(&text);
    if differing.is_empty() { Exit::Expected } else { Exit::Unexpected }
}
