//! `report`, and the reports that `run` writes: from a run to text, to files, and to an exit code.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, ValueEnum as _};

use super::{Exit, colour, complain, print};
use crate::{
    implementations::Implementation,
    judge::{
        Verdict,
        baseline::{Assessment, Baseline},
        run_file::{ReadError, Run},
        summary::failures_of,
    },
    report::Format,
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance report run.jsonl
  preflight-conformance report run.jsonl --format html --output report.html
  preflight-conformance report run.jsonl --format markdown >> \"$GITHUB_STEP_SUMMARY\"
  preflight-conformance report run.jsonl --format canonical | sha256sum

The exit code is that of the run: 0 all as expected, 1 an unexpected failure, 5 a stale baseline.";

/// What `report` is told.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// A file that `run --output` wrote.
    file: PathBuf,
    /// In which form.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    baseline: BaselineArgs,
}

/// What a run is held against.
#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    /// Ignore the implementation's baseline: every failure is unexpected.
    #[arg(long)]
    pub(super) no_baseline: bool,
    /// Hold it against this baseline instead of the implementation's own.
    #[arg(long, value_name = "FILE", conflicts_with = "no_baseline")]
    pub(super) baseline: Option<PathBuf>,
}

impl BaselineArgs {
    /// The baseline that is meant, if it is not the implementation's own.
    pub(super) fn or_else(
        &self,
        own: impl FnOnce() -> Result<Baseline, String>,
    ) -> Result<Baseline, String> {
        match (&self.baseline, self.no_baseline) {
            (Some(path), _) => read_baseline(path),
            (None, true) => Ok(Baseline::default()),
            (None, false) => own(),
        }
    }
}

/// Reads a baseline, and says which file it was where that fails.
pub(super) fn read_baseline(path: &Path) -> Result<Baseline, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Baseline::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A report and the file that it is written to: `html=report.html`.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    format: Format,
    file: PathBuf,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((format, file)) = text.split_once('=') else {
            return Err("expected FORMAT=FILE, for example  html=report.html".to_owned());
        };
        let format = Format::from_str(format, false).map_err(|_| {
            let known: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|known| Some(known.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("unknown format `{format}`, expected one of {}", known.join(", "))
        })?;
        Ok(Self { format, file: file.into() })
    }
}

/// Reads a whole run file, and says which one it was where that fails.
pub(super) fn read(path: &Path) -> Result<Run, String> {
    let read = File::open(path)
        .map_err(ReadError::Io)
        .and_then(|file| Run::read(BufReader::new(file)));
    read.map_err(|error| format!("{}: {error}", path.display()))
}

/// The baseline of the implementation that a run is about. A run of something that this build does not know is held against nothing.
pub(super) fn own_baseline(run: &Run) -> Result<Baseline, String> {
    match Implementation::resolve(&run.header.implementation, None) {
        Ok(target) => Baseline::of(&target).map_err(|error| error.to_string()),
        Err(_) => Ok(Baseline::default()),
    }
}

/// Reports on a run file again.
pub(super) fn report(arguments: &ReportArgs) -> Exit {
    let run = match read(&arguments.file) {
        Ok(run) => run,
        Err(error) => return complain(Exit::Usage, &error),
    };
    let baseline = match arguments.baseline.or_else(|| own_baseline(&run)) {
        Ok(baseline) => baseline,
        Err(error) => return complain(Exit::Usage, &error),
    };
    match &arguments.output {
        Some(file) => {
            write(&run, &baseline, &[Wanted { format: arguments.format, file: file.clone() }])
        }
        None => tell(&run, &baseline, arguments.format),
    }
}

/// Prints a report and says what the run comes to.
pub(super) fn tell(run: &Run, baseline: &Baseline, format: Format) -> Exit {
    let assessment = assess(run, baseline);
    let text = format.render(run, &assessment);
    print(&if format == Format::Terminal {
        colour::verdicts(&text)
    } else {
        text
    });
    exit_after(run, &assessment)
}

/// Writes reports and says what the run comes to.
pub(super) fn write(run: &Run, baseline: &Baseline, wanted: &[Wanted]) -> Exit {
    let assessment = assess(run, baseline);
    for Wanted { format, file } in wanted {
        if let Err(error) = std::fs::write(file, format.render(run, &assessment)) {
            return complain(Exit::Usage, &format!("{}: {error}", file.display()));
        }
    }
    exit_after(run, &assessment)
}

/// Holds a run against a baseline. A part of a run cannot show that a baseline is stale.
fn assess<'a>(run: &'a Run, baseline: &'a Baseline) -> Assessment<'a> {
    let mut assessment = baseline.assess(run, failures_of(run));
    if !run.header.filters.is_empty() || run.interrupted {
        assessment.stale.clear();
    }
    assessment
}

fn exit_after(run: &Run, assessment: &Assessment<'_>) -> Exit {
    if run.interrupted {
        Exit::Interrupted
    } else if run.findings().any(|(_, finding)| finding.verdict == Verdict::Error) {
        Exit::Harness
    } else if !assessment.unexpected.is_empty() || !run.damages.is_empty() {
        Exit::Unexpected
    } else if !assessment.stale.is_empty() {
        Exit::Stale
    } else {
        Exit::Expected
    }
}
