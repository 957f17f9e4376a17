//! `upstreams`: runs only the mock upstreams, for a gateway that the suite does not start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Exit,
    at_url::{plan_failure, write_plan},
    instructions, interruption, print, report_error,
};
use crate::{
    implementations::fragment::{Fragment, GatewayAddress, RenderedFragment},
    upstreams::{
        Addresses, MockUpstreams, PlanError, PlanFile,
        hand_over::{self, Event},
    },
};

/// The random seed, if the command line names none.
const DEFAULT_RANDOM_SEED: u64 = 1;

const EXAMPLES: &str = "\
Examples:
  preflight-conformance upstreams --plan plan.json
  preflight-conformance upstreams --plan plan.json --fragment nginx --gateway 127.0.0.1:4000
  preflight-conformance upstreams --plan plan.json --fragment litellm --folder litellm

With a plan file, `run url:… --upstreams plan.json` uses the same mock upstreams. This command
releases its ports for the run, and serves again when the run has ended.";

/// The arguments of `upstreams`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct UpstreamsArgs {
    /// The random seed from which keys and tokens are derived [default: 1, or that of the plan
    /// file]
    #[arg(long, alias = "seed", value_name = "NUMBER")]
    random_seed: Option<u64>,
    /// Keep ports and keys in this file: write it, or use them again if it exists
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Use consecutive ports from this one on [default: free ports]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The host in the URLs of the mock upstreams, for a gateway on another host or in a container.
    /// They then listen on every interface and can be reached from the network
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Print the configuration as JSON
    #[arg(long)]
    json: bool,
    /// Only print a ready configuration of this gateway for the plan file, and end
    #[arg(long, value_name = "GATEWAY", requires = "plan", value_parser = Fragment::find)]
    fragment: Option<&'static Fragment>,
    /// Write the configuration of --fragment into this folder, and print how to start the gateway
    #[arg(long, value_name = "FOLDER", requires = "fragment")]
    folder: Option<PathBuf>,
    /// Where the gateway of --fragment listens
    #[arg(
        long,
        value_name = "HOST:PORT",
        requires = "fragment",
        default_value = "127.0.0.1:4000"
    )]
    gateway: GatewayAddress,
}

/// Prints the configuration that a gateway needs, and serves until it is interrupted.
pub(super) async fn upstreams(arguments: &UpstreamsArgs) -> Exit {
    let result = match (&arguments.plan, arguments.fragment) {
        (Some(plan), Some(fragment)) => print_fragment(arguments, plan, fragment).await,
        (Some(plan), None) => serve_plan(arguments, plan).await,
        (None, _) => serve(arguments).await,
    };
    result.unwrap_or_else(|(exit, error)| report_error(exit, &error))
}

type CommandResult = Result<Exit, (Exit, String)>;

/// Serves mock upstreams that end with this command.
async fn serve(arguments: &UpstreamsArgs) -> CommandResult {
    let interrupted = interruption();
    let upstreams = MockUpstreams::start_at(arguments.seed(), arguments.addresses()?)
        .await
        .map_err(|error| plan_failure(&PlanError::Bind(error)))?;
    if arguments.json {
        print_json(upstreams.deployment())?;
    } else {
        print(&instructions::for_upstreams(upstreams.deployment(), None));
    }
    interrupted.await;
    Ok(Exit::Expected)
}

/// Serves the mock upstreams of a plan file, and lends their ports to runs.
async fn serve_plan(arguments: &UpstreamsArgs, path: &Path) -> CommandResult {
    let interrupted = interruption();
    let (plan, upstreams, control) = if path.exists() {
        let plan = arguments.existing_plan(path)?;
        let control = plan.bind_control().await.map_err(|error| plan_failure(&error))?;
        let upstreams = plan.start().await.map_err(|error| plan_failure(&error))?;
        (plan, upstreams, control)
    } else {
        let written = write_plan(path, arguments.seed(), arguments.addresses()?).await;
        written.map_err(|error| plan_failure(&error))?
    };
    if arguments.json {
        print_json(&plan.deployment)?;
    } else {
        print(&instructions::for_upstreams(&plan.deployment, Some((path, &plan))));
    }
    let report = |event| match event {
        Event::Released => eprintln!("the ports are released for a run"),
        Event::Serving => eprintln!("the run has ended; the mock upstreams serve again"),
    };
    tokio::select! {
        error = hand_over::serve(&plan, upstreams, &control, report) => Err(plan_failure(&error)),
        () = interrupted => Ok(Exit::Expected),
    }
}

/// Prints the configuration of a gateway for a plan file, which is written if it does not exist.
async fn print_fragment(
    arguments: &UpstreamsArgs,
    path: &Path,
    fragment: &Fragment,
) -> CommandResult {
    let plan = if path.exists() {
        arguments.existing_plan(path)?
    } else {
        let written = write_plan(path, arguments.seed(), arguments.addresses()?).await;
        written.map_err(|error| plan_failure(&error))?.0
    };
    let rendered = fragment
        .render(&plan.deployment, &arguments.gateway)
        .map_err(|error| (Exit::SuiteFailure, error.to_string()))?;
    match &arguments.folder {
        Some(folder) => {
            write_files(folder, &rendered)
                .map_err(|error| (Exit::Usage, format!("{}: {error}", folder.display())))?;
            let (folder, plan) = (folder.display(), path.display());
            let RenderedFragment { start, run_options, .. } = rendered;
            print(&format!(
                "start the gateway in {folder}:\n\n  {start}\n\nand judge it:\n\n  \
                 preflight-conformance run url:http://{} {run_options} --upstreams {plan}\n",
                arguments.gateway
            ));
        }
        None => print(&rendered.as_text()),
    }
    Ok(Exit::Expected)
}

fn write_files(folder: &Path, rendered: &RenderedFragment) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in &rendered.files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn print_json(value: &impl serde::Serialize) -> Result<(), (Exit, String)> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| (Exit::SuiteFailure, error.to_string()))?;
    print(&format!("{text}\n"));
    Ok(())
}

impl UpstreamsArgs {
    fn seed(&self) -> u64 {
        self.random_seed.unwrap_or(DEFAULT_RANDOM_SEED)
    }

    fn addresses(&self) -> Result<Addresses, (Exit, String)> {
        let addresses = match self.port {
            Some(first) => Addresses::free().with_ports_from(first),
            None => Addresses::lasting(),
        };
        match &self.advertise {
            None => Ok(addresses),
            Some(host) => {
                addresses.advertised_as(host).map_err(|error| (Exit::Usage, error.to_string()))
            }
        }
    }

    /// Reads an existing plan file, which no option may contradict.
    fn existing_plan(&self, path: &Path) -> Result<PlanFile, (Exit, String)> {
        let plan = PlanFile::read(path).map_err(|error| plan_failure(&error))?;
        let first_port = plan.listeners.first().map(|listener| listener.address.port());
        let contradiction = if self.port.is_some() && self.port != first_port {
            "--port"
        } else if self.advertise.as_ref().is_some_and(|host| *host != plan.host) {
            "--advertise"
        } else if self.random_seed.is_some_and(|seed| seed != plan.random_seed) {
            "--random-seed"
        } else {
            return Ok(plan);
        };
        let text = format!(
            "{contradiction} contradicts the existing plan file {}\n\
             remove the option, or name a new plan file",
            path.display()
        );
        Err((Exit::Usage, text))
    }
}
