//! `upstreams`: runs only the mock upstreams, for an implementation that is configured by hand.

use std::fmt::Write as _;

use super::{Exit, interruption, print, report_error};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, Deployment, names},
    },
    upstreams::MockUpstreams,
};

/// Prints the configuration that an implementation needs and serves until it is interrupted.
pub(super) async fn upstreams(random_seed: u64, json: bool) -> Exit {
    let interrupted = interruption();
    let upstreams = match MockUpstreams::start(random_seed).await {
        Ok(upstreams) => upstreams,
        Err(error) => {
            let error = format!("the mock upstreams did not start: {error}");
            return report_error(Exit::SuiteFailure, &error);
        }
    };
    if json {
        match serde_json::to_string_pretty(upstreams.deployment()) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => return report_error(Exit::SuiteFailure, &error),
        }
    } else {
        print(&instructions(upstreams.deployment()));
    }
    interrupted.await;
    Exit::Expected
}

fn instructions(deployment: &Deployment) -> String {
    let mut text = String::from("Configure the implementation with these servers:\n\n");
    for server in &deployment.servers {
        let _ = writeln!(text, "  {}", server_line(server, deployment));
    }
    text.push_str("\nIf it has aggregate endpoints, configure these toolsets:\n\n");
    for toolset in &deployment.toolsets {
        let _ = writeln!(text, "  {:<12} {}", toolset.name, toolset.servers.join(", "));
    }
    let Deployment { full_key, limited_key, admission_bearer, page, .. } = deployment;
    let restricted = names::RESTRICTED;
    let _ = write!(
        text,
        "
Configure two gateway keys:

  {full_key}  may use every server
  {limited_key}  may use every server except `{restricted}`; clients send this key

If it admits clients by a bearer token in Authorization, this one has the rights of the second key:

  {admission_bearer}

If it answers browsers, this origin is allowed:  {page}

While this command runs, send requests to the implementation. The bearer token

  CANARY.pf1.CASE.BEHAVIOUR

tells the mock upstreams how to answer (`preflight-conformance list behaviours`). Press Ctrl-C to stop.
"
    );
    text
}

fn server_line(server: &ConfiguredServer, deployment: &Deployment) -> String {
    let ConfiguredServer { name, url, .. } = server;
    let mut line = format!("{name:<12} {url:<34} {}", credential(server, deployment));
    if let Some(space) = &server.space {
        let _ = write!(line, "; in the protection space `{space}`");
    }
    if server.disabled {
        line.push_str("; disabled, if the implementation can disable a server");
    }
    line
}

/// The credential that the implementation must send to a server.
fn credential(server: &ConfiguredServer, deployment: &Deployment) -> String {
    match server.kind {
        ServerKind::Forwarding | ServerKind::NotPermitted => {
            "receives the caller's Authorization".to_owned()
        }
        ServerKind::Static => {
            format!("receives `Authorization: Bearer {}`", deployment.static_token)
        }
        ServerKind::ClientCredentials => {
            let token_url = server.token_url.as_deref().unwrap_or_default();
            let Deployment { client_id, client_secret, .. } = deployment;
            format!(
                "receives a token from {token_url} (client `{client_id}`, secret `{client_secret}`)"
            )
        }
        ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => {
            "receives no credential".to_owned()
        }
    }
}
