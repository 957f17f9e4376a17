//! `new-implementation`: writes the folder that describes a gateway to the suite.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin},
    path::PathBuf,
};

use clap::Args;

use super::{
    Exit,
    named_value::{by_name, gateway_kind},
    print, report_error,
};
use crate::{
    catalogue::{Feature, GatewayKind},
    implementations::{
        preset::{Preset, kinds},
        scaffold::Sketch,
    },
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance new-implementation                  # asks for everything
  preflight-conformance new-implementation my-gateway --kind forwarding-gateway \\
      --key-header x-gateway-key --command 'my-gateway serve --config {{ run }}/config.json'

Then:  preflight-conformance smoke ./my-gateway";

/// The arguments of `new-implementation`. On a terminal, it asks for those that are missing.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NewImplementationArgs {
    /// The name of the gateway: letters, digits, `-`, `_` and `.`
    name: Option<String>,
    /// The kind of gateway: relay, forwarding-gateway, sdk-proxy or catalogue
    #[arg(long, value_name = "KIND", value_parser = gateway_kind)]
    kind: Option<GatewayKind>,
    /// The folder to write [default: ./NAME]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The version of the gateway
    #[arg(long)]
    version: Option<String>,
    /// The gateway's home page
    #[arg(long, value_name = "URL")]
    homepage: Option<String>,
    /// The program and its arguments, separated by blanks; {{ port }}, {{ run }} and {{ install }}
    /// are replaced
    #[arg(long)]
    command: Option<String>,
    /// The header field for the gateway key, in lower case
    #[arg(long, value_name = "HEADER")]
    key_header: Option<String>,
    /// The header field for the upstream token, in lower case
    #[arg(long, value_name = "HEADER")]
    token_header: Option<String>,
    /// The path of a single-server endpoint, with {server} [default: that of the kind]
    #[arg(long, value_name = "PATH")]
    route: Option<String>,
    /// The path that answers 200 when the gateway is ready
    #[arg(long, value_name = "PATH")]
    ready: Option<String>,
    /// A feature that the gateway has in addition to those of its kind; repeatable
    #[arg(long = "feature", value_name = "FEATURE", value_parser = feature)]
    features: Vec<Feature>,
}

fn feature(name: &str) -> Result<Feature, String> {
    by_name(Feature::ALL, name)
}

/// Writes the folder.
pub(super) fn new_implementation(arguments: NewImplementationArgs) -> Exit {
    let folder = arguments.folder.clone();
    let sketch = match sketch(arguments) {
        Ok(sketch) => sketch,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    let files = match sketch.files() {
        Ok(files) => files,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    let folder = folder.unwrap_or_else(|| PathBuf::from(&sketch.name));
    if folder.exists() {
        return report_error(
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
        return report_error(Exit::Usage, &format!("{}: {error}", folder.display()));
    }
    let shown = folder.display().to_string();
    let path = if shown.contains('/') { shown } else { format!("./{shown}") };
    print(&format!(
        "{path} is written\n\
         edit config.json.jinja: it is the template of the gateway's own configuration; \
         then run\n\n  preflight-conformance smoke {path}\n"
    ));
    Exit::Expected
}

/// The description with the given values, the answers on a terminal, or the defaults. The kind has
/// no default.
fn sketch(arguments: NewImplementationArgs) -> Result<Sketch, String> {
    let interactive = stdin().is_terminal() && stderr().is_terminal();
    let answer = |given: Option<String>, question: &str, default: &str| match given {
        Some(given) => given,
        None if interactive => ask(question, default),
        None => default.to_owned(),
    };
    let kind = match arguments.kind {
        Some(kind) => kind,
        None if interactive => ask_kind()?,
        None => return Err(format!("the kind is missing\nexpected --kind KIND:\n{}", kinds())),
    };
    let name = answer(arguments.name, "name of the gateway", "my-gateway");
    let command = format!("{name} --config {{{{ run }}}}/config.json");
    Ok(Sketch {
        version: answer(arguments.version, "version", "0.0.0"),
        homepage: answer(arguments.homepage, "home page", "https://example.com"),
        command: answer(arguments.command, "command that starts it", &command),
        key_header: answer(
            arguments.key_header,
            "header field for the gateway key",
            "x-gateway-key",
        ),
        token_header: answer(
            arguments.token_header,
            "header field for the upstream token",
            "authorization",
        ),
        route: Some(answer(
            arguments.route,
            "path of a single-server endpoint",
            &Preset::of(kind).routes[0],
        )),
        ready: answer(arguments.ready, "path that answers 200 when it is ready", "/healthz"),
        features: arguments.features,
        kind,
        name,
    })
}

/// Asks for the kind on the terminal.
fn ask_kind() -> Result<GatewayKind, String> {
    eprintln!("the kind of gateway is one of\n{}", kinds());
    let answer = ask("kind", GatewayKind::Relay.as_str());
    gateway_kind(&answer).map_err(|expected| format!("unknown kind `{answer}`\n{expected}"))
}

/// Asks on the terminal. An empty answer means the default.
fn ask(question: &str, default: &str) -> String {
    eprint!("{question} [{default}]: ");
    let _ = stderr().flush();
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    let answer = line.trim();
    if read.is_err() || answer.is_empty() {
        default.to_owned()
    } else {
        answer.to_owned()
    }
}
