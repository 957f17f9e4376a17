//! `upstreams`: the mock upstreams alone, for an implementation that somebody configures by hand.

use std::fmt::Write as _;

use super::{Exit, complain, interruption, print};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, Deployment, names},
    },
    upstreams::MockUpstreams,
};

/// Prints the plan and serves until it is interrupted.
pub(super) async fn upstreams(random_seed: u64, json: bool) -> Exit {
    let interrupted = interruption();
    let upstreams = match MockUpstreams::start(random_seed).await {
        Ok(upstreams) => upstreams,
        Err(error) => {
            return complain(Exit::Harness, &format!("the mock upstreams did not start: {error}"));
        }
    };
    if json {
        match serde_json::to_string_pretty(upstreams.deployment()) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => return complain(Exit::Harness, &error),
        }
    } else {
        print(&in_words(upstreams.deployment()));
    }
    interrupted.await;
    Exit::Expected
}

fn in_words(deployment: &Deployment) -> String {
    let mut text = String::from("Configure the implementation with these servers:\n\n");
    for server in &deployment.servers {
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
            credential(server, deployment)
        );
    }
    text.push_str("\nand, where it serves several at once, with these toolsets:\n\n");
    for toolset in &deployment.toolsets {
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
        deployment.full_key,
        deployment.limited_key,
        names::RESTRICTED,
        deployment.admission_bearer,
        deployment.page
    );
    text
}

fn credential(server: &ConfiguredServer, deployment: &Deployment) -> String {
    match server.kind {
        ServerKind::Forwarding | ServerKind::NotPermitted => {
            "gets the caller's Authorization".to_owned()
        }
        ServerKind::Static => format!("gets `Authorization: Bearer {}`", deployment.static_token),
        ServerKind::ClientCredentials => {
            let (token_url, Deployment { client_id, client_secret, .. }) =
                (server.token_url.as_deref().unwrap_or_default(), deployment);
            format!(
                "gets a token minted at {token_url} for client `{client_id}` with secret `{client_secret}`"
            )
        }
        ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => {
            "gets no credential".to_owned()
        }
    }
}
