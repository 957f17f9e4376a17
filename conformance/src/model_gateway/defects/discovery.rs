//! Defects in the metadata that the gateway serves.

use http::{HeaderMap, Method, header::LOCATION};
use http_body_util::Full;
use serde_json::json;

use super::Defect;
use crate::{
    cases::deployment::ConfiguredServer,
    catalogue::Profile,
    model_gateway::{
        decisions::SendToUpstream,
        layout::RESOURCE_METADATA,
        relay::Pending,
        upstream_request::{UpstreamRequest, upstream_request},
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "metadata-at-the-root",
        description: "Protected resource metadata is not served under the path of its endpoint.",
        reported_in: &[],
        profiles: &[Profile::Seed, Profile::Mcp],
        fails: &["AGG-06", "CHL-06", "DSC-01", "DSC-04"],
        deviation: |decisions| decisions.serves_metadata_of_paths.change(false),
    },
    Defect {
        name: "metadata-names-upstream",
        description: "The metadata names the upstream's URL as the resource.",
        reported_in: &["litellm#36803"],
        profiles: &[Profile::Mcp],
        fails: &["AGG-06", "DSC-02"],
        deviation: |decisions| {
            decisions.resource_metadata.change(|mut document, server, _| {
                document["resource"] = json!(server.url);
                document
            });
        },
    },
    Defect {
        name: "offers-offline-access",
        description: "The metadata lists the scope `offline_access`.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["DSC-06"],
        deviation: |decisions| {
            decisions.resource_metadata.change(|mut document, _, _| {
                document["scopes_supported"] = json!(["mcp:read", "offline_access"]);
                document
            });
        },
    },
    Defect {
        name: "no-authorization-servers",
        description: "The metadata of a server lists no authorization server.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["DSC-03"],
        deviation: |decisions| {
            decisions.resource_metadata.change(|mut document, _, _| {
                document["authorization_servers"] = json!([]);
                document
            });
        },
    },
    Defect {
        name: "follows-metadata",
        description: "For each request for metadata, the gateway fetches the upstream's metadata \
            and follows a redirect.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["DSC-05"],
        deviation: |decisions| decisions.before_metadata.change(fetch_upstream_metadata),
    },
    Defect {
        name: "redirects-slash",
        description: "The gateway redirects a path that ends with a slash to the path without it.",
        reported_in: &["litellm#34845", "litellm#23688"],
        profiles: &[Profile::Seed],
        fails: &["DSC-08"],
        deviation: |decisions| decisions.redirects_trailing_slash.change(true),
    },
    Defect {
        name: "discovery-needs-key",
        description: "The metadata to which a challenge refers requires credentials.",
        reported_in: &["sigbit/mcp-auth-proxy#177"],
        profiles: &[Profile::Seed],
        fails: &["CHL-06", "DSC-04"],
        deviation: |decisions| decisions.metadata_needs_credentials.change(true),
    },
    Defect {
        name: "probes-anything",
        description: "The gateway probes a server before it serves the server's metadata.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["GATE-08"],
        deviation: |decisions| decisions.probes_for_metadata.change(true),
    },
];

fn fetch_upstream_metadata<'a>(
    send: &'a SendToUpstream<'a>,
    server: &'a ConfiguredServer,
) -> Pending<'a, ()> {
    Box::pin(async move {
        let url = server.url.replace("/mcp", &format!("{RESOURCE_METADATA}/mcp"));
        let Ok(response) = send(get(&url)).await else {
            return;
        };
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        if let Some(location) = location {
            // Only sending the request is the defect; the response is not used.
            let _ = send(get(location)).await;
        }
    })
}

fn get(url: &str) -> UpstreamRequest {
    upstream_request(url, Method::GET, HeaderMap::new(), Full::default())
}
