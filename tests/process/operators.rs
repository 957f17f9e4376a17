//! What an operator reads in the log.

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    NOWHERE,
    child::{
        Child,
        gateway::{Configuration, Gateway, command},
    },
};

/// Serves a configuration and logs JSON.
async fn serve(configuration: &Configuration) -> Gateway {
    let mut child = Child::spawn(command("serve", configuration).args(["--log-format", "json"]).env("RUST_LOG", "info"));
    let address =
        child.prints("the address that it serves", |lines| told(lines, "serving").next()?["address"].as_str()?.parse().ok()).await;
    Gateway { child, address }
}

/// The log lines with a message, each of them an object.
fn told(lines: &[String], message: &str) -> impl Iterator<Item = Value> {
    let objects = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    objects.filter(move |object| object["message"] == message)
}

#[tokio::test]
async fn every_line_of_a_json_log_is_an_object() {
    let gateway = serve(&Configuration::forwarding("", NOWHERE)).await;
    gateway.child.signal(Signal::INT);
    let ended = gateway.child.ends().await;
    assert_eq!((ended.code, told(&ended.lines, "stopping").next().unwrap()["level"].as_str()), (0, Some("INFO")));
}
