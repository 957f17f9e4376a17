//! The commands and their arguments. The doc comments are the help texts.

use clap::{Parser, Subcommand, ValueEnum};

use super::{
    baseline::BaselineCommand, colour, diff::DiffArgs, exit::EXIT_CODES, judge::JudgeArgs,
    new_implementation::NewImplementationArgs, report::ReportArgs, run::RunArgs,
    schemas::Published, self_test::SelfTestArgs, smoke::SmokeArgs, upstreams::UpstreamsArgs,
};
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_has_no_contradiction() {
        Cli::command().debug_assert();
    }
}
