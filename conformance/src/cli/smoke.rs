//! `smoke`: whether an implementation is described rightly, before anything is judged.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use clap::Args;

use super::{Exit, colour, complain, interruption, print, run::exit_of};
use crate::{
    cases::selection::Selection,
    implementations::{self, Implementation, cache_folder},
    runner::{
        Options, Progress, Runner,
        smoke::{calls, diagnose, expectation},
    },
    upstreams::MockUpstreams,
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance smoke ./my-gateway
  preflight-conformance smoke url:http://127.0.0.1:4000 --like ./my-gateway

Ends 0 where every call goes as the description says, 1 where one does not, 3 where the implementation does not start.";

/// What `smoke` is told.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SmokeArgs {
    /// As for `run`.
    #[arg(default_value = implementations::DEFAULT)]
    implementation: String,
    /// The implementation whose layout and routes the one behind a url: has.
    #[arg(long, value_name = "IMPLEMENTATION")]
    like: Option<String>,
    /// The random seed from which keys, tokens and canary values are derived.
    #[arg(long, alias = "seed", value_name = "NUMBER", default_value_t = 1)]
    random_seed: u64,
}

/// Tries the positive controls and says what is wrong with each that fails.
pub(super) async fn smoke(arguments: &SmokeArgs) -> Exit {
    let target = match Implementation::resolve(&arguments.implementation, arguments.like.as_deref())
    {
        Ok(target) => target,
        Err(error) => return complain(Exit::Usage, &error),
    };
    let interrupted = interruption();
    let upstreams = match MockUpstreams::start(arguments.random_seed).await {
        Ok(upstreams) => Arc::new(upstreams),
        Err(error) => {
            return complain(Exit::Harness, &format!("the mock upstreams did not start: {error}"));
        }
    };
    let cache = cache_folder(|name| std::env::var(name).ok())
        .unwrap_or_else(|| PathBuf::from(".preflight-conformance"));
    let options = Options {
        jobs: 1,
        fail_fast: false,
        cache,
        selection: Selection::default(),
    };
    let say = |progress: Progress<'_>| {
        if let Progress::Message(text) = progress {
            eprintln!("{text}");
        }
    };
    let counts = |_: &_| false;
    let runner = Runner::new(
        &target,
        Arc::clone(&upstreams),
        arguments.random_seed,
        &options,
        &say,
        &counts,
    );
    tokio::select! {
        exit = Box::pin(all(&runner, &target, &upstreams)) => exit,
        () = interrupted => Exit::Interrupted,
    }
}

async fn all(runner: &Runner<'_>, target: &Implementation, upstreams: &MockUpstreams) -> Exit {
    let (mut tried, mut failed) = (0, 0);
    for (nth, start) in target.starts().enumerate() {
        let (seen, running) = match runner.drive_without_judging(start, &calls(target, start)).await
        {
            Ok(seen) => seen,
            Err(error) => return complain(exit_of(&error), &error),
        };
        let mut text = String::new();
        for (matrix_case, trace) in &seen {
            tried += 1;
            match diagnose(matrix_case, trace, upstreams.deployment(), &target.credential_layout) {
                None if nth > 0 => {}
                None => _ = writeln!(text, "PASS  {}", expectation(matrix_case)),
                Some(diagnosis) => {
                    failed += 1;
                    let _ = writeln!(
                        text,
                        "FAIL  {}\n      actual {}\n      hint   {}",
                        expectation(matrix_case),
                        diagnosis.actual,
                        diagnosis.hint
                    );
                }
            }
        }
        let calls = if text.is_empty() {
            format!("all {} calls had the same result\n", seen.len())
        } else {
            text
        };
        print(&format!(
            "{} {}, {start}\n\n{}\n",
            target.name,
            target.version,
            colour::verdicts(&calls)
        ));
        running.stop().await;
    }
    print(&if failed == 0 {
        format!(
            "all {tried} calls had the expected result; the verdicts of `run` will be meaningful\n"
        )
    } else {
        format!(
            "{failed} of {tried} calls failed; correct the description before you rely on a verdict\n"
        )
    });
    if failed == 0 { Exit::Expected } else { Exit::Unexpected }
}
