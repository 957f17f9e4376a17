//! `self-test`: runs the suite against gateways with known defects.

use std::{fmt::Write as _, io::IsTerminal as _, io::stderr};

use clap::Args;
use indicatif::ProgressBar;

use super::{Exit, print, progress, report_error};
use crate::{
    cases::pattern::Pattern,
    runner::self_test::{Claim, GATEWAYS_AT_ONCE, Outcome, claims, drive_all, kill_matrix},
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance self-test
  preflight-conformance self-test --only '*leaks*'

Prints each requirement with the defects that fail it. The exit code is 0 if every defect fails
exactly the requirements that it names, and the model gateway and its variants fail no binding
requirement; otherwise 1. A defect that no case reaches is an error.";

/// The arguments of `self-test`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SelfTestArgs {
    /// Test only the gateways whose names match this pattern
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    only: String,
    /// The number of gateways that are tested at the same time
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = GATEWAYS_AT_ONCE,
        value_parser = at_least_one
    )]
    jobs: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|jobs| *jobs > 0)
        .ok_or_else(|| "expected a number from 1 on".to_owned())
}

/// Runs the suite against the selected gateways and prints which defects fail each requirement.
pub(super) fn self_test(arguments: &SelfTestArgs) -> Exit {
    let names = Pattern::new([arguments.only.as_str()]);
    let claims: Vec<Claim> = claims()
        .into_iter()
        .filter(|claim| names.matches(&claim.implementation))
        .collect();
    if claims.is_empty() {
        return report_error(
            Exit::NothingSelected,
            &"no gateway has such a name\n\
              expected a pattern for the names that `preflight-conformance list implementations` \
              shows",
        );
    }
    let bar = progress_bar(claims.len());
    let outcomes = drive_all(claims, arguments.jobs, |outcome| {
        bar.inc(1);
        if let Ok(outcome) = outcome {
            bar.set_message(outcome.claim.implementation.clone());
        }
    });
    bar.finish_and_clear();
    let outcomes: Result<Vec<Outcome>, _> = outcomes.into_iter().collect();
    match outcomes {
        Ok(outcomes) => print_outcomes(outcomes),
        Err(error) => report_error(Exit::SuiteFailure, &error),
    }
}

fn progress_bar(gateways: usize) -> ProgressBar {
    if stderr().is_terminal() {
        let length = u64::try_from(gateways).unwrap_or(u64::MAX);
        progress::bar(length, "{bar:40} {pos}/{len} {elapsed} {msg}")
    } else {
        ProgressBar::hidden()
    }
}

fn print_outcomes(mut outcomes: Vec<Outcome>) -> Exit {
    outcomes.sort_by(|one, other| one.claim.implementation.cmp(&other.claim.implementation));
    let mut text = kill_matrix(&outcomes);
    let differences: Vec<String> = outcomes
        .iter()
        .map(Outcome::differences)
        .filter(|differences| !differences.is_empty())
        .collect();
    let _ = writeln!(
        text,
        "\ngateways tested: {}, as expected: {}",
        outcomes.len(),
        outcomes.len() - differences.len()
    );
    for difference in &differences {
        let _ = write!(text, "\n{difference}");
    }
    print(&text);
    if differences.is_empty() { Exit::Expected } else { Exit::Unexpected }
}
