//! `judge`: judges the traces of a run file with the rules of this build.

use std::path::PathBuf;

use clap::Args;

use super::{
    Exit, notify,
    report::{
        BaselineArgs, RequestedReport, baseline_of_implementation, print_and_write_reports,
        read_run, verbosity,
    },
    report_error,
};
use crate::judge::rejudge::rejudge;

const EXAMPLES: &str = "\
Examples:
  preflight-conformance judge run.jsonl
  preflight-conformance judge yesterday.jsonl --report html=today.html

A run file contains the full trace of every case, so a newer build can judge an older run. The exit
codes are those of `run`.";

/// The arguments of `judge`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct JudgeArgs {
    /// A run file that `run --output` wrote
    file: PathBuf,
    /// Also write a report to a file: html=report.html, junit=junit.xml, …; repeatable
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<RequestedReport>,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// List every judged requirement, also those that pass
    #[arg(long, short)]
    verbose: bool,
}

/// Judges a recorded run and reports on it.
pub(super) fn judge(arguments: &JudgeArgs) -> Exit {
    let recorded = match read_run(&arguments.file) {
        Ok(run) => run,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    let (run, not_judged) = match rejudge(&recorded) {
        Ok(judged) => judged,
        Err(error) => {
            return report_error(Exit::Usage, &format!("{}: {error}", arguments.file.display()));
        }
    };
    if recorded.header.catalogue != run.header.catalogue {
        notify(&format_args!(
            "recorded with catalogue {}, judged with catalogue {}",
            recorded.header.catalogue, run.header.catalogue
        ));
    }
    for id in not_judged {
        notify(&format_args!(
            "{id}: findings kept from the recorded run; its trace does not contain enough to judge \
             it"
        ));
    }
    let baseline = match arguments.baseline.or_else(|| baseline_of_implementation(&run)) {
        Ok(baseline) => baseline,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    print_and_write_reports(&run, &baseline, &arguments.reports, verbosity(arguments.verbose))
}
