//! The commands and their arguments. The doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    at_url::UrlArgs,
    baseline::BaselineCommand,
    colour,
    diff::DiffArgs,
    exit::EXIT_CODES,
    judge::JudgeArgs,
    new_implementation::NewImplementationArgs,
    report::{BaselineArgs, ReportArgs, RequestedReport},
    schemas::Published,
    self_test::SelfTestArgs,
    smoke::SmokeArgs,
    upstreams::UpstreamsArgs,
};
use crate::{
    cases::axis::Strategy,
    catalogue::{GatewayKind, Level, Profile},
    implementations::{self, UrlDescription},
};

const RUN_EXAMPLES: &str = "\
Examples:
  preflight-conformance run                       the reference gateway, which is built in
  preflight-conformance run ./my-gateway --report html=report.html --output run.jsonl
  preflight-conformance run litellm --only 'STA-*' --level MUST
  preflight-conformance run --where upstream=401-* --where method=tools-list --dry-run
  preflight-conformance run ./my-gateway --only-failed run.jsonl
  preflight-conformance run url:http://127.0.0.1:4000 --kind relay --upstreams plan.json
  preflight-conformance run builtin:defect/403-as-401 --only STA-05 --fail-fast --hold";

/// Tests an MCP gateway: acts as its client and as its upstream servers, sends every combination of
/// credentials, upstream responses and methods, and judges what both sides saw
#[derive(Debug, Parser)]
#[command(name = "preflight-conformance", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(super) struct Cli {
    /// When to use colours: auto (on a terminal, unless `NO_COLOR` is set), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        hide_possible_values = true
    )]
    pub(super) color: colour::When,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the suite against an implementation and print a report
    #[command(after_help = format!("{RUN_EXAMPLES}\n\n{EXIT_CODES}"))]
    Run(RunArgs),
    /// Check the description of an implementation: send valid requests only, and diagnose each that
    /// fails
    Smoke(SmokeArgs),
    /// Print or write a report on a run file
    Report(ReportArgs),
    /// Judge the traces of a run file with this build, without the implementation
    Judge(JudgeArgs),
    /// Compare two run files
    Diff(DiffArgs),
    /// Update a list of expected failures
    Baseline(BaselineCommand),
    /// Test the suite: run it against gateways with one defect each, and check that exactly the
    /// right requirements fail
    SelfTest(SelfTestArgs),
    /// List requirements, cases, behaviours, implementations or disclosure rules
    List {
        /// What to list
        #[arg(default_value = "requirements")]
        subject: ListSubject,
    },
    /// Explain one requirement, matrix case, scenario, mock behaviour or verdict
    Explain {
        /// The id or name, for example STA-05, 401-bare or untestable
        id: String,
    },
    /// Start only the mock upstreams, print the configuration that an implementation needs, and
    /// serve until Ctrl-C
    #[command(visible_alias = "fleet")]
    Upstreams(UpstreamsArgs),
    /// Write the folder that describes a gateway to the suite; asks for what the options do not
    /// give
    NewImplementation(NewImplementationArgs),
    /// Print the JSON Schema of a published format
    Schema {
        /// The format
        format: Published,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// builtin:reference, builtin:model, builtin:defect/NAME, builtin:variant/NAME,
    /// url:http://HOST:PORT, a name from `list implementations`, or the path of a folder
    #[arg(default_value = implementations::DEFAULT)]
    pub(super) implementation: String,
    /// Select requirements, matrix cases and scenarios whose id matches this pattern; `*` matches
    /// any text, and `!` before a pattern excludes what it matches; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(super) only: Vec<String>,
    /// Select matrix cases by the value of an axis, which may be a pattern: method=tools-list,
    /// upstream=401-*; repeatable
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub(super) axes: Vec<String>,
    /// Select the cases that judge requirements of this level: MUST, SHOULD, MAY …; repeatable
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    pub(super) levels: Vec<Level>,
    /// Select only the cases that failed in the run with this file, which `run --output` wrote; the
    /// baseline has no influence
    #[arg(long, value_name = "FILE")]
    pub(super) only_failed: Option<PathBuf>,
    /// Print the selected cases and do not run them
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Start the implementation with this strategy only
    #[arg(long, value_parser = strategy, value_name = "STRATEGY")]
    pub(super) strategy: Option<Strategy>,
    /// Start the implementation with this profile only
    #[arg(long, value_parser = profile, value_name = "PROFILE")]
    pub(super) profile: Option<Profile>,
    /// The number of matrix cases that run at the same time [default: 32 for a built-in gateway, 8
    /// for a process, because an overloaded gateway answers too late]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// The random seed from which keys, tokens and canary values are derived; the report shows it
    /// [default: chosen at random]
    #[arg(long, alias = "seed", value_name = "NUMBER")]
    pub(super) random_seed: Option<u64>,
    /// Write the run to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Also write a report to a file: html=report.html, junit=junit.xml, …; repeatable
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub(super) reports: Vec<RequestedReport>,
    #[command(flatten)]
    pub(super) baseline: BaselineArgs,
    /// List every judged requirement in the printed report, also those that pass
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Stop at the first failure
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// After the report, keep the implementation and the mock upstreams running until Ctrl-C, so
    /// that the curl commands of the report work
    #[arg(long)]
    pub(super) hold: bool,
    #[command(flatten)]
    pub(super) description: DescriptionArgs,
    #[command(flatten)]
    pub(super) at_url: UrlArgs,
}

/// What describes an implementation at a URL.
#[derive(Debug, Args)]
pub(super) struct DescriptionArgs {
    /// For url: take credential layout, routes and features from this implementation
    #[arg(long, value_name = "IMPLEMENTATION")]
    like: Option<String>,
    /// For url: use the preset of this kind: relay, forwarding-gateway, sdk-proxy or catalogue
    #[arg(long, value_name = "KIND", value_parser = gateway_kind, conflicts_with = "like")]
    kind: Option<GatewayKind>,
}

impl DescriptionArgs {
    /// The description that the options name.
    pub(super) fn of_url(&self) -> Option<UrlDescription<'_>> {
        let like = self.like.as_deref().map(UrlDescription::Like);
        like.or(self.kind.map(UrlDescription::Kind))
    }
}

/// What `list` shows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ListSubject {
    /// Every requirement, with the number of rules and scenarios that judge it or the reason why
    /// none does
    Requirements,
    /// The matrix cases of the reference gateway, and the combinations that are excluded
    #[value(alias = "cells")]
    MatrixCases,
    /// The scenarios: cases of several steps
    Scenarios,
    /// The behaviours of the mock upstreams
    Behaviours,
    /// The implementations that `run` knows by name
    Implementations,
    /// Which secret may appear where
    #[value(alias = "taint")]
    Disclosure,
    /// The requirements as a release file records them
    Release,
    /// Every key of every data file, as in `REFERENCE.md`
    Reference,
}

fn strategy(name: &str) -> Result<Strategy, String> {
    by_name(Strategy::ALL, name)
}

fn profile(name: &str) -> Result<Profile, String> {
    by_name(Profile::ALL, name)
}

/// The kind of gateway with this name.
pub(super) fn gateway_kind(name: &str) -> Result<GatewayKind, String> {
    by_name(GatewayKind::ALL, name)
}

fn level(name: &str) -> Result<Level, String> {
    by_name(&Level::ALL, &name.to_ascii_uppercase())
}

/// The value with this name; the error lists all names.
pub(super) fn by_name<T: Copy + ToString>(all: &[T], name: &str) -> Result<T, String> {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let position = names.iter().position(|known| known == name);
    position
        .map(|index| all[index])
        .ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_has_no_contradiction() {
        Cli::command().debug_assert();
    }
}
