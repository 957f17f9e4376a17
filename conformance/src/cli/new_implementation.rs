//! `new-implementation`: asks what it must know, or takes it from flags, and writes the folder that describes a gateway.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin},
    path::PathBuf,
};

use clap::Args;

use super::{Exit, complain, print};
use crate::{catalogue::Feature, implementations::scaffold::Sketch};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance new-implementation                  # asks
  preflight-conformance new-implementation my-gateway --key-header x-gateway-key \\
      --command 'my-gateway serve --config {{ run }}/config.json' --feature limited-keys

Then:  preflight-conformance smoke ./my-gateway";

/// What it is told. On a terminal, it asks for what is missing.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NewArgs {
    /// The gateway's name: letters, digits, `-`, `_` and `.`.
    name: Option<String>,
    /// The folder to write; ./NAME, unless said.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Its version.
    #[arg(long)]
    version: Option<String>,
    /// Where a reader finds out more.
    #[arg(long, value_name = "URL")]
    homepage: Option<String>,
    /// Program and arguments, split at blanks; they may name {{ port }}, {{ run }} and {{ install }}.
    #[arg(long)]
    command: Option<String>,
    /// The header that holds the gateway key, in lower case.
    #[arg(long, value_name = "HEADER")]
    key_header: Option<String>,
    /// The header that holds the caller's token, in lower case.
    #[arg(long, value_name = "HEADER")]
    token_header: Option<String>,
    /// The path of one server, with {server}.
    #[arg(long, value_name = "PATH")]
    route: Option<String>,
    /// The path that is answered with 200 once it serves.
    #[arg(long, value_name = "PATH")]
    ready: Option<String>,
    /// What it can do; may be given several times.
    #[arg(long = "feature", value_name = "FEATURE", value_parser = feature)]
    features: Vec<Feature>,
}

fn feature(name: &str) -> Result<Feature, String> {
    Feature::ALL
        .iter()
        .copied()
        .find(|feature| feature.to_string() == name)
        .ok_or_else(|| {
            let known: Vec<String> = Feature::ALL.iter().map(ToString::to_string).collect();
            format!("expected one of {}", known.join(", "))
        })
}

/// Writes the folder.
pub(super) fn new_implementation(arguments: NewArgs) -> Exit {
    let asks = stdin().is_terminal() && stderr().is_terminal();
    let answer = |given: Option<String>, question: &str, usual: &str| {
        given.unwrap_or_else(|| if asks { ask(question, usual) } else { usual.to_owned() })
    };
    let name = answer(arguments.name, "name of the gateway", "my-gateway");
    let sketch = Sketch {
        version: answer(arguments.version, "version", "0.0.0"),
        homepage: answer(arguments.homepage, "homepage", "https://example.com"),
        command: answer(
            arguments.command,
            "command that starts it",
            &format!("{name} --config {{{{ run }}}}/config.json"),
        ),
        key_header: answer(arguments.key_header, "header of the gateway key", "x-gateway-key"),
        token_header: answer(
            arguments.token_header,
            "header of the caller's token",
            "authorization",
        ),
        route: answer(arguments.route, "path of one server", "/mcp/{server}"),
        ready: answer(arguments.ready, "path that says it is ready", "/healthz"),
        features: arguments.features,
        name,
    };
    let files = match sketch.files() {
        Ok(files) => files,
        Err(error) => return complain(Exit::Usage, &error),
    };
    let folder = arguments.folder.unwrap_or_else(|| PathBuf::from(&sketch.name));
    if folder.exists() {
        return complain(
            Exit::Usage,
            &format!(
                "{} exists already\nexpected the name of a new folder: --folder FOLDER",
                folder.display()
            ),
        );
    }
    let written = std::fs::create_dir_all(&folder).and_then(|()| {
        files
            .iter()
            .try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
    });
    if let Err(error) = written {
        return complain(Exit::Usage, &format!("{}: {error}", folder.display()));
    }
    let shown = folder.display().to_string();
    let path = if shown.contains('/') { shown } else { format!("./{shown}") };
    print(&format!(
        "{path} is written. Make config.json.jinja a template of its own configuration, then\n\n  preflight-conformance smoke {path}\n"
    ));
    Exit::Expected
}

/// Asks on the terminal. Whoever just presses return takes what is usual.
fn ask(question: &str, usual: &str) -> String {
    eprint!("{question} [{usual}]: ");
    let _ = stderr().flush();
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    let said = line.trim();
    if read.is_err() || said.is_empty() {
        usual.to_owned()
    } else {
        said.to_owned()
    }
}
