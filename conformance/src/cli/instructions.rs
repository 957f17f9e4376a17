//! Says how to configure a gateway for the mock upstreams.

use std::{fmt::Write as _, path::Path};

use crate::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, Deployment, names},
    },
    catalogue::Feature,
    implementations::{
        Implementation,
        fragment::{Fragment, GatewayAddress},
        preset::kinds,
    },
    upstreams::PlanFile,
};

/// What to configure, for the command `upstreams`.
pub(super) fn for_upstreams(deployment: &Deployment, plan: Option<(&Path, &PlanFile)>) -> String {
    let mut text = String::from("Configure the gateway with these servers:\n\n");
    text += &server_lines(&deployment.servers, deployment);
    text += "\nIf it has aggregate endpoints, configure these toolsets:\n\n";
    text += &toolset_lines(deployment);
    text += &key_lines(deployment);
    if !deployment.page.is_empty() {
        let _ = writeln!(
            text,
            "\nIf it answers browsers, this origin is allowed:  {}",
            deployment.page
        );
    }
    match plan {
        Some((path, plan)) => {
            text += &plan_lines(path, plan, "HOST:PORT");
            let _ = write!(
                text,
                "
To judge the gateway while this command runs, or later:

  preflight-conformance run url:http://HOST:PORT --kind KIND --upstreams {}

KIND is one of

{}
",
                path.display(),
                kinds()
            );
        }
        None => {
            text += "\nThe ports and keys are valid until this command ends; --plan FILE keeps \
                     them.\n";
        }
    }
    text + "
While this command runs, send requests to the gateway. The bearer token

  CANARY.pf1.CASE.BEHAVIOUR

tells the mock upstreams how to answer (`preflight-conformance list behaviours`). Press Ctrl-C to \
            stop.
"
}

/// What to configure before an implementation at a URL can be judged.
pub(super) fn for_run(
    implementation: &Implementation,
    path: &Path,
    plan: &PlanFile,
    address: &GatewayAddress,
) -> String {
    let deployment = &plan.deployment;
    let servers: Vec<ConfiguredServer> = deployment
        .servers
        .iter()
        .filter(|server| can_serve(implementation, server))
        .cloned()
        .collect();
    let url = implementation.url().unwrap_or_default();
    let mut text = format!("Configure the gateway at {url} with these servers:\n\n");
    text += &server_lines(&servers, deployment);
    if implementation.aggregate.is_some() {
        text += "\nIts aggregate endpoints serve these toolsets:\n\n";
        text += &toolset_lines(deployment);
    }
    text += &key_lines(deployment);
    let _ = writeln!(
        text,
        "\nClients send the {}, to these paths:\n\n  {}",
        implementation.credential_layout_in_words(),
        implementation.routes.join("\n  ")
    );
    text += &plan_lines(path, plan, &address.to_string());
    text + "\nThis command waits until a valid request succeeds. Press Ctrl-C to stop.\n\n"
}

/// Whether the implementation declares what the kind of this server needs.
fn can_serve(implementation: &Implementation, server: &ConfiguredServer) -> bool {
    let has = |feature| implementation.features.contains(&feature);
    match server.kind {
        ServerKind::Static => has(Feature::StaticCredential),
        ServerKind::ClientCredentials => has(Feature::ClientCredentials),
        _ => true,
    }
}

fn server_lines(servers: &[ConfiguredServer], deployment: &Deployment) -> String {
    servers
        .iter()
        .map(|server| format!("  {}\n", server_line(server, deployment)))
        .collect()
}

fn toolset_lines(deployment: &Deployment) -> String {
    deployment
        .toolsets
        .iter()
        .map(|toolset| format!("  {:<12} {}\n", toolset.name, toolset.servers.join(", ")))
        .collect()
}

fn key_lines(deployment: &Deployment) -> String {
    let Deployment { full_key, limited_key, admission_bearer, .. } = deployment;
    let restricted = names::RESTRICTED;
    format!(
        "
Configure two gateway keys:

  {full_key}  may use every server
  {limited_key}  may use every server except `{restricted}`; clients send this key

If it admits clients by a bearer token in Authorization, this one has the rights of the second key:

  {admission_bearer}
"
    )
}

/// What the plan file is for, and how to get a ready configuration.
fn plan_lines(path: &Path, plan: &PlanFile, gateway: &str) -> String {
    let path = path.display();
    let fragments: String = Fragment::all()
        .iter()
        .map(|fragment| format!("  --fragment {:<17} {}\n", fragment.name, fragment.description))
        .collect();
    let mut text = format!(
        "
{path} keeps these ports and keys. For a ready configuration:

  preflight-conformance upstreams --plan {path} --gateway {gateway} --fragment NAME

{fragments}"
    );
    if plan.is_reachable_from_network() {
        text += "\nThe mock upstreams listen on every interface, so other hosts can reach them.\n";
    }
    text
}

fn server_line(server: &ConfiguredServer, deployment: &Deployment) -> String {
    let ConfiguredServer { name, url, .. } = server;
    let mut line = format!("{name:<12} {url:<34} {}", credential(server, deployment));
    if let Some(space) = &server.space {
        let _ = write!(line, "; in the protection space `{space}`");
    }
    if server.disabled {
        line.push_str("; disabled, if the gateway can disable a server");
    }
    line
}

/// The credential that the gateway must send to a server.
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
