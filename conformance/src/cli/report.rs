//! `report`, and what other commands need for reports: reading runs and baselines, writing files,
//! and the exit code of a run.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, ValueEnum as _};
use console::Term;

use super::{Exit, colour, print, report_error};
use crate::{
    implementations::Implementation,
    judge::{
        baseline::{Assessment, Baseline, Conclusion, Origin},
        run_file::{ReadError, Run},
        summary::failures_of,
    },
    report::{Format, TerminalOptions, Verbosity, terminal},
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance report run.jsonl
  preflight-conformance report run.jsonl --format html --output report.html
  preflight-conformance report run.jsonl --format markdown >> \"$GITHUB_STEP_SUMMARY\"
  preflight-conformance report run.jsonl --format canonical | sha256sum

The exit codes are those of `run`: 0 as expected, 1 unexpected failure, 5 stale baseline.";

/// The arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// A run file that `run --output` wrote
    file: PathBuf,
    /// The format of the report
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// List every judged requirement in a terminal report, also those that pass
    #[arg(long, short)]
    verbose: bool,
}

/// The baseline that a run is compared with.
#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    /// Ignore the implementation's baseline, so that every failure is unexpected
    #[arg(long)]
    no_baseline: bool,
    /// Compare with this baseline instead of the implementation's own
    #[arg(long, value_name = "FILE", conflicts_with = "no_baseline")]
    baseline: Option<PathBuf>,
}

impl BaselineArgs {
    /// Whether a run is compared with the implementation's own baseline.
    pub(super) fn is_own(&self) -> bool {
        self.baseline.is_none() && !self.no_baseline
    }

    /// The baseline that the arguments name, or else the implementation's own.
    pub(super) fn or_else(
        &self,
        own: impl FnOnce() -> Result<Baseline, String>,
    ) -> Result<Baseline, String> {
        match (&self.baseline, self.no_baseline) {
            (Some(path), _) => read_baseline(path),
            (None, true) => Ok(Baseline { origin: Origin::Ignored, ..Baseline::default() }),
            (None, false) => own(),
        }
    }
}

/// Reads a baseline. An error names the file.
pub(super) fn read_baseline(path: &Path) -> Result<Baseline, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let baseline =
        Baseline::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Baseline { origin: Origin::File(path.to_owned()), ..baseline })
}

/// A report that is written to a file: `html=report.html`.
#[derive(Clone, Debug)]
pub(super) struct RequestedReport {
    format: Format,
    file: PathBuf,
}

impl FromStr for RequestedReport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((format, file)) = text.split_once('=') else {
            return Err("expected FORMAT=FILE, for example  html=report.html".to_owned());
        };
        let format = Format::from_str(format, false).map_err(|_| {
            let names: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|known| Some(known.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("unknown format `{format}`, expected one of {}", names.join(", "))
        })?;
        Ok(Self { format, file: file.into() })
    }
}

/// Reads a run file. An error names the file.
pub(super) fn read_run(path: &Path) -> Result<Run, String> {
    let run = File::open(path)
        .map_err(ReadError::Io)
        .and_then(|file| Run::read(BufReader::new(file)));
    run.map_err(|error| format!("{}: {error}", path.display()))
}

/// The baseline of the implementation that a run is about; empty if this build cannot find the
/// implementation.
pub(super) fn baseline_of_implementation(run: &Run) -> Result<Baseline, String> {
    match Implementation::resolve(&run.header.implementation, None) {
        Ok(implementation) => Baseline::of(&implementation).map_err(|error| error.to_string()),
        Err(_) => Ok(Baseline::default()),
    }
}

/// The verbosity that `--verbose` selects.
pub(super) const fn verbosity(verbose: bool) -> Verbosity {
    if verbose { Verbosity::AllRequirements } else { Verbosity::Problems }
}

/// Reports on a run file.
pub(super) fn report(arguments: &ReportArgs) -> Exit {
    let run = match read_run(&arguments.file) {
        Ok(run) => run,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    let baseline = match arguments.baseline.or_else(|| baseline_of_implementation(&run)) {
        Ok(baseline) => baseline,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    let assessment = assess(&run, &baseline);
    let verbosity = verbosity(arguments.verbose);
    let format = arguments.format;
    let Some(file) = &arguments.output else {
        print(&printed_report(&run, &assessment, format, verbosity));
        return exit_of_run(&run, &assessment);
    };
    let text = rendered(&run, &assessment, format, TerminalOptions { verbosity, width: None });
    match std::fs::write(file, text) {
        Ok(()) => exit_of_run(&run, &assessment),
        Err(error) => report_error(Exit::Usage, &format!("{}: {error}", file.display())),
    }
}

/// Prints the terminal report, writes the requested ones, and returns the exit code of the run.
pub(super) fn print_and_write_reports(
    run: &Run,
    baseline: &Baseline,
    requested: &[RequestedReport],
    verbosity: Verbosity,
) -> Exit {
    let assessment = assess(run, baseline);
    print(&printed_report(run, &assessment, Format::Terminal, verbosity));
    for RequestedReport { format, file } in requested {
        let text = rendered(run, &assessment, *format, TerminalOptions { verbosity, width: None });
        if let Err(error) = std::fs::write(file, text) {
            return report_error(Exit::Usage, &format!("{}: {error}", file.display()));
        }
    }
    exit_of_run(run, &assessment)
}

fn rendered(
    run: &Run,
    assessment: &Assessment<'_>,
    format: Format,
    options: TerminalOptions,
) -> String {
    match format {
        Format::Terminal => terminal(run, assessment, options),
        format => format.render(run, assessment),
    }
}

/// The report for standard output: a terminal report has colours and fits the terminal, if standard
/// output is one.
fn printed_report(
    run: &Run,
    assessment: &Assessment<'_>,
    format: Format,
    verbosity: Verbosity,
) -> String {
    let options = TerminalOptions { verbosity, width: terminal_width() };
    let text = rendered(run, assessment, format, options);
    if format == Format::Terminal {
        colour::coloured(&text)
    } else {
        text
    }
}

/// The number of columns; `None` if standard output is not a terminal.
fn terminal_width() -> Option<usize> {
    let (_, columns) = Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// Compares a run with a baseline. A partial run does not show that an entry is stale.
fn assess<'a>(run: &'a Run, baseline: &'a Baseline) -> Assessment<'a> {
    let mut assessment = baseline.assess(run, failures_of(run));
    if !run.header.filters.is_empty() || run.interrupted {
        assessment.stale.clear();
    }
    assessment
}

fn exit_of_run(run: &Run, assessment: &Assessment<'_>) -> Exit {
    match Conclusion::of(run, assessment) {
        Conclusion::AsExpected => Exit::Expected,
        Conclusion::StaleEntries => Exit::StaleBaseline,
        Conclusion::Unexpected => Exit::Unexpected,
        Conclusion::SuiteFailure => Exit::SuiteFailure,
        Conclusion::Interrupted => Exit::Interrupted,
    }
}
