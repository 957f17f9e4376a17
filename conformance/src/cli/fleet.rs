//! `fleet`: the mock upstreams alone, for an implementation that somebody configures by hand.

use std::fmt::Write as _;

use super::{Exit, complain, interruption, print};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{Plan, PlannedServer, names},
    },
    upstreams::Fleet,
};

/// Prints the plan and serves until it is interrupted.
pub(super) async fn fleet(seed: u64, json: bool) -> Exit {
    let interrupted = interruption();
    let fleet = match Fleet::start(seed).await {
        Ok(fleet) => fleet,
        Err(error) => return complain(Exit::Harness, &format!("the fleet did not start: {error}")),
    };
    if json {
        match serde_json::to_string_pretty(fleet.plan()) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => return complain(Exit::Harness, &error),
        }
    } else {
        print(&in_words(fleet.plan()));
    }
    interrupted.await;
    Exit::Expected
}

fn in_words(plan: &Plan) -> String {
    let mut text = String::from("Configure the implementation with these servers:\n\n");
    for server in &plan.servers {
        let set_aside = if server.disabled {
            "; set aside, where that can be said"
        } else {
            ""
        };
        let space = server
            .space
            .as_ref()
            .map(|space| format!("; of protection space `{space}`"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<12} {:<34} {}{space}{set_aside}",
            server.name,
            server.url,
            credential(server, plan)
        );
    }
    text.push_str("\nand, where it serves several at once, with these toolsets:\n\n");
    for toolset in &plan.toolsets {
        let _ = writeln!(text, "  {:<12} {}", toolset.name, toolset.servers.join(", "));
    }
    let _ = write!(
        text,
        "\nand with two gateway keys:\n\n  {}  may use every server\n  {}  may use every server but `{}`; the one that clients present\n\n\
         A bearer in Authorization that admits like the second key, where an implementation admits by bearers:\n\n  {}\n\n\
         An origin whose pages may use it, where it answers browsers:  {}\n\n\
         Then, while this runs:  curl the implementation by hand; a bearer token\n\
         \n  CANARY.pf1.CASE.BEHAVIOUR\n\n\
         tells the upstreams what to answer (preflight-conformance list behaviours). Ctrl-C ends it.\n",
        plan.full_key,
        plan.limited_key,
        names::RESTRICTED,
        plan.admission_bearer,
        plan.page
    );
    text
}

fn credential(server: &PlannedServer, plan: &Plan) -> String {
    match server.kind {
        ServerKind::Forwarding | ServerKind::Ungranted => {
            "gets the caller's Authorization".to_owned()
        }
        ServerKind::Static => format!("gets `Authorization: Bearer {}`", plan.static_token),
        ServerKind::ClientCredentials => {
            let (token_url, Plan { client_id, client_secret, .. }) =
                (server.token_url.as_deref().unwrap_or_default(), plan);
            format!(
                "gets a token minted at {token_url} for client `{client_id}` with secret `{client_secret}`"
            )
        }
        ServerKind::Open | ServerKind::Unknown | ServerKind::Several => {
            "gets no credential".to_owned()
        }
    }
}
