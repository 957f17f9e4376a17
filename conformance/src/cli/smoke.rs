//! `smoke`: checks the description of an implementation before anything is judged.

use std::{fmt::Write as _, sync::Arc};

use clap::Args;

use super::{
    Exit,
    at_url::UrlArgs,
    colour, interruption, print, report_error,
    run::{cache, exit_of_error},
};
use crate::{
    cases::{axis::Start, matrix_case::MatrixCase, selection::Selection},
    implementations::{self, Implementation},
    runner::{
        Options, Progress, Runner,
        smoke::{calls, diagnose, expectation},
    },
    trace::Trace,
    upstreams::MockUpstreams,
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance smoke ./my-gateway
  preflight-conformance smoke url:http://127.0.0.1:4000 --like ./my-gateway --upstreams plan.json

The exit code is 0 if every request succeeds, 1 if one fails, and 3 if the implementation does not
start.";

/// The arguments of `smoke`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SmokeArgs {
    /// The implementation, as for `run`
    #[arg(default_value = implementations::DEFAULT)]
    implementation: String,
    /// For url: take credential layout, routes and features from this implementation
    #[arg(long, value_name = "IMPLEMENTATION")]
    like: Option<String>,
    /// The random seed from which keys, tokens and canary values are derived
    #[arg(long, alias = "seed", value_name = "NUMBER", default_value_t = 1)]
    random_seed: u64,
    #[command(flatten)]
    at_url: UrlArgs,
}

/// Sends the positive controls and diagnoses each one that fails.
pub(super) async fn smoke(arguments: &SmokeArgs) -> Exit {
    let like = arguments.like.as_deref();
    let implementation = match Implementation::resolve(&arguments.implementation, like) {
        Ok(implementation) => implementation,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    let interrupted = interruption();
    let started = arguments.at_url.start_upstreams(&implementation, arguments.random_seed).await;
    let upstreams = match started {
        Ok(upstreams) => upstreams,
        Err((exit, error)) => return report_error(exit, &error),
    };
    let options = Options {
        jobs: 1,
        fail_fast: false,
        cache: cache(),
        selection: Selection::default(),
    };
    let print_text = |progress: Progress<'_>| {
        if let Progress::Message(text) = progress {
            eprintln!("{text}");
        }
    };
    let counts = |_: &_| false;
    let runner = Runner::new(
        &implementation,
        Arc::clone(&upstreams.mocks),
        arguments.random_seed,
        &options,
        &print_text,
        &counts,
    );
    let check = async {
        let waited = arguments.at_url.wait_until_it_listens(&implementation, &upstreams).await;
        match waited {
            Ok(()) => check_all_starts(&runner, &implementation, &upstreams.mocks).await,
            Err((exit, error)) => report_error(exit, &error),
        }
    };
    tokio::select! {
        exit = Box::pin(check) => exit,
        () = interrupted => Exit::Interrupted,
    }
}

/// Checks the implementation with each strategy and profile.
async fn check_all_starts(
    runner: &Runner<'_>,
    implementation: &Implementation,
    upstreams: &MockUpstreams,
) -> Exit {
    let (mut sent, mut failed) = (0, 0);
    for (index, start) in implementation.starts().enumerate() {
        let (driven, running) =
            match runner.drive_without_judging(start, &calls(implementation, start)).await {
                Ok(driven) => driven,
                Err(error) => return report_error(exit_of_error(&error), &error),
            };
        let check = Check::new(&driven, implementation, upstreams, index == 0);
        sent += driven.len();
        failed += check.failed;
        print_check(implementation, start, &check, driven.len());
        running.stop().await;
    }
    if failed == 0 {
        print(&format!("all {sent} requests succeeded: the description is ready for `run`\n"));
        Exit::Expected
    } else {
        print(&format!(
            "{failed} of {sent} requests failed: correct the description before you use `run`\n"
        ));
        Exit::Unexpected
    }
}

fn print_check(implementation: &Implementation, start: Start, check: &Check, sent: usize) {
    let Implementation { name, version, .. } = implementation;
    let lines = if check.text.is_empty() {
        format!("all {sent} requests succeeded\n")
    } else {
        colour::coloured(&check.text)
    };
    print(&format!("{name} {version}, {start}\n\n{lines}\n"));
}

/// The check of one start.
struct Check {
    /// A line for each request; after the first start only for those that fail.
    text: String,
    /// The number of requests that failed.
    failed: usize,
}

impl Check {
    fn new(
        driven: &[(MatrixCase, Trace)],
        implementation: &Implementation,
        upstreams: &MockUpstreams,
        list_successes: bool,
    ) -> Self {
        let mut check = Self { text: String::new(), failed: 0 };
        let layout = &implementation.credential_layout;
        for (matrix_case, trace) in driven {
            let request = expectation(matrix_case);
            let text = &mut check.text;
            match diagnose(matrix_case, trace, upstreams.deployment(), layout) {
                None if list_successes => _ = writeln!(text, "PASS  {request}"),
                None => {}
                Some(diagnosis) => {
                    check.failed += 1;
                    let _ = writeln!(
                        text,
                        "FAIL  {request}\n      actual   {}\n      hint     {}",
                        diagnosis.actual, diagnosis.hint
                    );
                }
            }
        }
        check
    }
}
