//! Drives the fleet over raw sockets, as no gateway would, and checks what arrives on the wire and in the record.

#[path = "fleet/raw.rs"]
mod raw;

use std::time::Duration;

use mcp_preflight_conformance::{
    fleet::Fleet,
    plan::names,
    script::{CaseId, Script},
};
use raw::{Call, Client};

const PROMPT: Duration = Duration::from_secs(5);

fn case(name: &str) -> CaseId {
    CaseId(name.to_owned())
}

fn token(name: &str, behaviour: &str) -> String {
    Script::everywhere(case(name), behaviour, "canary".to_owned()).token()
}

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent() {
    let fleet = Fleet::start(1).await.unwrap();
    let mut client = Client::connect(&fleet, "alpha").await;
    let call = Call::rpc("tools/list").header("auTHORization", &format!("Bearer {}", token("c1", "200-json")));
    let answer = client.send(&call).await;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.header("x-fleet-answer"), Some("alpha/c1/1"));

    let arrivals = fleet.record().of(&case("c1"));
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].server, "alpha");
    assert_eq!(arrivals[0].rpc_method.as_deref(), Some("tools/list"));
    assert_eq!(arrivals[0].answered, "200");
    let lines: Vec<&str> = arrivals[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(lines, ["Host", "content-TYPE", "auTHORization", "Content-Length"]);
    assert!(fleet.record().stray().is_empty());
    assert!(fleet.record().settled(&case("c1"), 0, PROMPT).await);
}
