//! `smoke`: checks the description of an implementation before anything is judged.

use std::{fmt::Write as _, sync::Arc};

use clap::Args;

use super::{
    Exit,
    at_url::{DescriptionArgs, UrlArgs},
    colour,
    exit::exit_of_error,
    interruption, notify, print, report_error,
    run::cache,
};
use crate::{
    cases::{axis::Start, selection::Selection},
    implementations::{self, Implementation},
    runner::{
        Options, Progress, RECOVERY, Runner,
        smoke::{Cause, Proposal, SmokeTest, Survey, expectation},
    },
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance smoke ./my-gateway
  preflight-conformance smoke url:http://127.0.0.1:4000 --kind relay --upstreams plan.json

It also tries whether the gateway requires sessions, at which paths it listens, where it expects key
and token, and which features it has. If the description differs, it prints the lines to paste.

The exit code is 0 if every request succeeds and the description states nothing that is not so,
1 otherwise, and 3 if the implementation does not start or nothing listens at its URL.";

/// The arguments of `smoke`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SmokeArgs {
    /// The implementation, as for `run`
    #[arg(default_value = implementations::DEFAULT)]
    implementation: String,
    #[command(flatten)]
    description: DescriptionArgs,
    /// The random seed from which keys, tokens and canary values are derived
    #[arg(long, alias = "seed", value_name = "NUMBER", default_value_t = 1)]
    random_seed: u64,
    #[command(flatten)]
    at_url: UrlArgs,
}

/// Sends the positive controls and diagnoses each one that fails.
pub(super) async fn smoke(arguments: &SmokeArgs) -> Exit {
    let url = arguments.description.of_url();
    let implementation = match Implementation::resolve(&arguments.implementation, url) {
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
        recovery: RECOVERY,
        time_limit: None,
        fail_fast: false,
        records_observations: true,
        cache: cache(),
        selection: Selection::default(),
    };
    let print_text = |progress: Progress<'_>| {
        if let Progress::Message(text) = progress {
            notify(&text);
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
            Ok(()) => check_all_starts(&runner, &implementation).await,
            Err((exit, error)) => report_error(exit, &error),
        }
    };
    tokio::select! {
        exit = Box::pin(check) => exit,
        () = interrupted => Exit::Interrupted,
    }
}

/// Checks the implementation with each strategy and profile. Only the first start is surveyed.
async fn check_all_starts(runner: &Runner<'_>, implementation: &Implementation) -> Exit {
    let (mut sent, mut failed, mut defects, mut is_wrong) = (0, 0, 0, false);
    for (index, start) in implementation.starts().enumerate() {
        let smoke_test = if index == 0 {
            runner.smoke_with_survey(start).await
        } else {
            runner.smoke(start).await
        };
        let (smoke_test, running) = match smoke_test {
            Ok(checked) => checked,
            Err(error) => return report_error(exit_of_error(&error), &error),
        };
        let proposal = smoke_test
            .survey
            .as_ref()
            .and_then(|survey| Proposal::of(implementation, survey));
        sent += smoke_test.calls.len();
        failed += count(&smoke_test, Cause::Description);
        defects += count(&smoke_test, Cause::Gateway);
        is_wrong |= proposal.as_ref().is_some_and(Proposal::is_wrong);
        print_smoke_test(implementation, start, &smoke_test, proposal.as_ref());
        running.stop().await;
    }
    if failed > 0 {
        print(&format!(
            "{failed} of {sent} requests failed: correct the description before you use `run`\n"
        ));
        return Exit::Unexpected;
    }
    if is_wrong {
        print("the description states something that is not so: correct it before you use `run`\n");
        return Exit::Unexpected;
    }
    if defects > 0 {
        print(&format!(
            "{defects} of {sent} requests show a defect of the gateway: the description is ready \
             for `run`\n"
        ));
    } else {
        print(&format!("all {sent} requests succeeded: the description is ready for `run`\n"));
    }
    Exit::Expected
}

/// The number of calls that did not have the expected result because of this.
fn count(smoke_test: &SmokeTest, cause: Cause) -> usize {
    let diagnoses = smoke_test.calls.iter().filter_map(|(_, diagnosis)| diagnosis.as_ref());
    diagnoses.filter(|diagnosis| diagnosis.cause == cause).count()
}

fn print_smoke_test(
    implementation: &Implementation,
    start: Start,
    smoke_test: &SmokeTest,
    proposal: Option<&Proposal>,
) {
    let Implementation { name, version, .. } = implementation;
    let found = smoke_test.survey.as_ref().map(found).unwrap_or_default();
    let calls = colour::coloured(&calls_in_words(smoke_test));
    let proposal = proposal.map(proposal_in_words).unwrap_or_default();
    print(&format!("{name} {version}, {start}\n\n{found}{calls}\n{proposal}"));
}

/// What the survey found, as a line.
fn found(survey: &Survey) -> String {
    match (survey.in_words(), survey.kind()) {
        (Some(text), Some(kind)) => {
            format!("found {text}; the preset that fits best is `{kind}`\n\n")
        }
        _ => {
            "found no path, credential layout or session with which a request reaches a server\n\n"
                .to_owned()
        }
    }
}

/// A line for each call; after the first start only for those without the expected result.
fn calls_in_words(smoke_test: &SmokeTest) -> String {
    let mut text = String::new();
    for (call, diagnosis) in &smoke_test.calls {
        let request = expectation(call);
        match diagnosis {
            None if smoke_test.survey.is_some() => _ = writeln!(text, "PASS  {request}"),
            None => {}
            Some(diagnosis) => {
                let label = match diagnosis.cause {
                    Cause::Description => "FAIL",
                    Cause::Gateway => "WARN",
                };
                let _ = writeln!(
                    text,
                    "{label}  {request}\n      actual   {}\n      hint     {}",
                    diagnosis.actual, diagnosis.hint
                );
            }
        }
    }
    if text.is_empty() {
        text = format!("all {} requests succeeded\n", smoke_test.calls.len());
    }
    text
}

fn proposal_in_words(proposal: &Proposal) -> String {
    let mut text = "the description differs from the gateway:\n".to_owned();
    for difference in &proposal.differences {
        let _ = writeln!(text, "  {}", difference.text);
    }
    let _ = write!(
        text,
        "\nlines for implementation.toml, in place of the keys and sections with the same \
         names:\n\n{}\n",
        proposal.lines.trim_start()
    );
    text
}
