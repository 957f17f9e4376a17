//! A gateway that the suite did not start: the mock upstreams of a plan file, and what `run` and
//! `smoke` do with them.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read as _},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Output, Stdio},
};

use mcp_preflight::{config::Config, gateway};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{command, stderr, stdout};

/// A small selection of cases.
const ONLY: &str = "key-and-token / forwarding / 403-bare+oauth / tools-list / /mcp/{server} / *";

fn folder() -> TempDir {
    tempfile::tempdir().expect("the folder can be created")
}

/// Runs a command in a folder.
fn output_in(folder: &TempDir, arguments: &[&str]) -> Output {
    command(arguments)
        .current_dir(folder.path())
        .output()
        .expect("the command runs")
}

fn exit_code_in(folder: &TempDir, arguments: &[&str]) -> i32 {
    let output = output_in(folder, arguments);
    output.status.code().unwrap_or_else(|| panic!("{}", stderr(&output)))
}

/// Reads lines up to the one that contains this text.
fn read_until(output: &mut impl BufRead, expected: &str) -> String {
    let mut text = String::new();
    for line in output.lines().map_while(Result::ok) {
        text += &format!("{line}\n");
        if line.contains(expected) {
            return text;
        }
    }
    panic!("the command ended: {text}");
}

/// A running command, which ends with the test.
struct Background(Child);

impl Background {
    fn start(folder: &TempDir, arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the command runs"))
    }

    /// Starts `upstreams` and waits until it serves. Returns what it printed.
    fn upstreams(folder: &TempDir, arguments: &[&str]) -> (Self, String) {
        let mut started = Self::start(folder, &[&["upstreams"], arguments].concat());
        let output = started.0.stdout.take().expect("the stream is piped");
        let text = read_until(&mut BufReader::new(output), "Press Ctrl-C to stop");
        (started, text)
    }

    /// Interrupts the command and waits for its end.
    fn interrupt(mut self) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a running process has an id"), Signal::INT)
            .expect("the process belongs to the test");
        self.0.wait().expect("the command ends");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A gateway that the suite did not start. It ends with the test.
struct Gateway {
    _runtime: tokio::runtime::Runtime,
    _running: gateway::Running,
    url: String,
}

/// Starts the project's gateway with exactly the configuration that `upstreams` writes for it.
fn gateway(folder: &TempDir, plan: &str, address: &str) -> Gateway {
    let arguments = ["upstreams", "--plan", plan, "--gateway", address, "--fragment", "preflight"];
    let output = output_in(folder, &[&arguments[..], &["--folder", "gateway"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |name: &str| {
        let path = folder.path().join("gateway").join(name);
        std::fs::read_to_string(path).expect("the file was written")
    };
    let environment = read("preflight.env");
    let environment: HashMap<&str, &str> =
        environment.lines().filter_map(|line| line.split_once('=')).collect();
    let variable = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    let config = Config::parse("preflight.toml", &read("preflight.toml"), &variable)
        .unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    let running = runtime.block_on(gateway::start(config)).expect("the gateway starts");
    let url = format!("url:http://{}", running.address());
    Gateway { _runtime: runtime, _running: running, url }
}

/// A port that is free now. The system gives no connection a port of this range as its own port.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = std::iter::repeat_with(|| fastrand::u16(10_000..15_000));
    ports.take(1000).find(is_free).expect("a loopback port is free")
}

/// The arguments of a short run with a plan file.
fn run<'a>(url: &'a str, plan: &'a str) -> Vec<&'a str> {
    vec!["run", url, "--like", "builtin:reference", "--upstreams", plan, "--only", ONLY]
}

fn assert_success(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
    assert!(stdout(output).contains("result        success"), "{}", stdout(output));
}

#[test]
fn a_run_takes_over_the_ports_of_the_upstreams_process() {
    let folder = folder();
    let (upstreams, printed) = Background::upstreams(&folder, &["--plan", "plan.json"]);
    assert!(
        printed.contains("run url:http://HOST:PORT --kind KIND --upstreams plan.json"),
        "{printed}"
    );
    let gateway = gateway(&folder, "plan.json", "127.0.0.1:0");
    let released = "the `upstreams` process has released its ports for this run";
    for _ in 0..2 {
        let output = output_in(&folder, &run(&gateway.url, "plan.json"));
        assert_success(&output);
        assert!(stderr(&output).contains(released), "{}", stderr(&output));
    }
    let smoke = ["smoke", &gateway.url, "--like", "builtin:reference", "--fleet", "plan.json"];
    assert_eq!(exit_code_in(&folder, &smoke), 0);
    upstreams.interrupt();
    // Without the process, the run binds the same ports.
    let output = output_in(&folder, &run(&gateway.url, "plan.json"));
    assert_success(&output);
    assert!(!stderr(&output).contains(released), "{}", stderr(&output));
    // The process uses the same ports and keys again.
    let (_upstreams, again) = Background::upstreams(&folder, &["--plan", "plan.json"]);
    assert_eq!(printed, again);
}

#[test]
fn a_run_without_a_plan_file_waits_until_the_gateway_is_configured() {
    let folder = folder();
    let address = format!("127.0.0.1:{}", free_port());
    let url = format!("url:http://{address}");
    let arguments = ["run", &url, "--like", "builtin:reference", "--only", ONLY, "--wait", "60"];
    let mut waiting = Background::start(&folder, &arguments);
    let output = waiting.0.stderr.take().expect("the stream is piped");
    let mut output = BufReader::new(output);
    let instructions = read_until(&mut output, "waiting: nothing listens at http://127.0.0.1:");
    assert!(
        instructions.contains("Configure the gateway at http://127.0.0.1:"),
        "{instructions}"
    );
    let _gateway = gateway(&folder, "preflight-plan.json", &address);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("the stream can be read");
    let status = waiting.0.wait().expect("the command has ended");
    assert!(status.success(), "{rest}");
    // The next run needs no configuration.
    assert_success(&output_in(&folder, &arguments[..6]));
}

#[test]
fn a_gateway_on_another_host_gets_an_advertised_host() {
    let folder = folder();
    let arguments = ["--plan", "plan.json", "--advertise", "127.0.0.2"];
    let (_upstreams, printed) = Background::upstreams(&folder, &arguments);
    assert!(printed.contains("http://127.0.0.2:"), "{printed}");
    assert!(printed.contains("so other hosts can reach them"), "{printed}");
    let gateway = gateway(&folder, "plan.json", "127.0.0.1:0");
    assert_success(&output_in(&folder, &run(&gateway.url, "plan.json")));
}

#[test]
fn nothing_that_listens_is_exit_code_3() {
    let folder = folder();
    let url = format!("url:http://127.0.0.1:{}", free_port());
    for subcommand in ["run", "smoke"] {
        let arguments = [subcommand, &url, "--like", "builtin:reference", "--wait", "0"];
        assert_eq!(exit_code_in(&folder, &arguments), 3);
        let output = output_in(&folder, &arguments);
        let last = stderr(&output).lines().last().map(str::to_owned).unwrap_or_default();
        assert!(last.starts_with("nothing listens at http://127.0.0.1:"), "{last}");
    }
}

#[test]
fn a_plan_file_that_cannot_be_used_is_reported() {
    let folder = folder();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("the folder can be written");
    };
    write("broken.json", "{");
    write("newer.json", "{\"format\": 99}");
    let url = "url:http://127.0.0.1:1";
    for (plan, expected) in [
        ("broken.json", "expected a plan file"),
        ("newer.json", "unknown format 99"),
        ("missing.json", "missing.json: No such file"),
    ] {
        let output = output_in(&folder, &run(url, plan));
        assert_eq!(output.status.code(), Some(2), "{plan}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    assert_eq!(exit_code_in(&folder, &["upstreams", "--plan", "broken.json"]), 2);
    assert_eq!(exit_code_in(&folder, &run("builtin:reference", "broken.json")), 2);
}

#[test]
fn a_port_in_use_and_a_contradicting_option_are_reported() {
    let folder = folder();
    let (_upstreams, _) = Background::upstreams(&folder, &["--plan", "plan.json"]);
    let output = output_in(&folder, &["upstreams", "--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("is in use by another program"), "{}", stderr(&output));
    for option in [["--port", "1000"], ["--advertise", "example.org"], ["--random-seed", "8"]] {
        let arguments = [&["upstreams", "--plan", "plan.json"], &option[..]].concat();
        let output = output_in(&folder, &arguments);
        assert_eq!(output.status.code(), Some(2), "{option:?}");
        let expected = "contradicts the existing plan file plan.json";
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let invalid = ["upstreams", "--plan", "new.json", "--advertise", "http://host"];
    assert_eq!(exit_code_in(&folder, &invalid), 2);
    assert!(!Path::new("new.json").exists());
}

/// The commands for a gateway at a URL in the README, in `docs/judging.md` and in the help texts.
fn documented_commands() -> Vec<Vec<String>> {
    let mut texts = vec![
        include_str!("../../../README.md").to_owned(),
        include_str!("../../../docs/judging.md").to_owned(),
    ];
    for subcommand in ["run", "smoke", "upstreams"] {
        texts.push(stdout(&command(&[subcommand, "--help"]).output().expect("the command runs")));
    }
    texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.trim().strip_prefix("preflight-conformance "))
        .filter(|line| line.starts_with("upstreams ") || line.contains(" url:http"))
        .map(|line| {
            let command = line.split(" #").next().unwrap_or_default();
            command.split_whitespace().map(|word| word.replace('\'', "")).collect()
        })
        .collect()
}

#[test]
fn every_documented_command_for_a_url_works() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("my-gateway")).expect("the folder can be created");
    let description = "name = \"any\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\n\
        kind = \"relay\"\n\
        routes = [\"/mcp/{server}\"]\n[credentials]\nkey-header = \"x-key\"\n\
        [start]\ncommand = [\"true\"]\n[ready]\npath = \"/\"\n";
    std::fs::write(folder.path().join("my-gateway/implementation.toml"), description)
        .expect("the folder can be written");
    let address = format!("127.0.0.1:{}", free_port());
    let (_upstreams, _) = Background::upstreams(&folder, &["--plan", "plan.json"]);
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(path("plan.json"), path("preflight-plan.json"))
        .expect("the folder can be written");
    let commands = documented_commands();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        // Nothing listens at this address, which is exit code 3; `run` is not executed.
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let url = format!("url:http://{address}");
        for argument in &mut arguments {
            if argument.starts_with("url:http") {
                *argument = &url;
            }
        }
        let expected = match arguments[0] {
            // It serves until it is interrupted.
            "upstreams" if matches!(arguments[1..], ["--plan", _]) => continue,
            "run" => {
                arguments.push("--dry-run");
                0
            }
            "smoke" => 3,
            _ => 0,
        };
        let output = output_in(&folder, &arguments);
        assert_eq!(output.status.code(), Some(expected), "{command:?}: {}", stderr(&output));
    }
    assert!(folder.path().join("litellm/custom_auth.py").exists());
}

#[test]
fn a_waiting_run_prints_the_fragment_for_its_url() {
    let folder = folder();
    let url = format!("url:http://127.0.0.1:{}", free_port());
    let arguments = ["run", &url, "--like", "builtin:reference", "--wait", "0"];
    let output = output_in(&folder, &[&arguments[..], &["--fragment", "nginx"]].concat());
    assert_eq!(output.status.code(), Some(3));
    let expected = format!("listen {};", url.trim_start_matches("url:http://"));
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}
