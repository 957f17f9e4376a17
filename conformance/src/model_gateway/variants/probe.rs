//! Variants in whether and how tokens are probed.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::Variant;
use crate::{
    catalogue::{Feature, Profile},
    model_gateway::probe_request::probe_request,
};

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "asks-nothing-beforehand",
        description: "The gateway does not probe: the response to the request itself shows \
            whether the token is accepted.",
        permitted_by: &["STR-01: the upstream's response head decides", "PRB-20"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[Feature::PreflightProbe],
        forgoes: &[],
        deviation: |decisions| decisions.probes_tokens.change(false),
    },
    Variant {
        name: "probes-otherwise",
        description: "The probe has two `Accept` field lines, a weight, and media types in \
            another case with a parameter.",
        permitted_by: &["RFC 9110 §5.3, §8.3.1, §12.5.1", "PRB-07: Accept names both types"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.probe_request.change(|server, token| {
                let mut request = probe_request(server, token);
                let headers = request.headers_mut();
                headers.insert(ACCEPT, HeaderValue::from_static("Text/Event-Stream;q=0.5"));
                headers.append(ACCEPT, HeaderValue::from_static("Application/JSON"));
                let media_type = HeaderValue::from_static("Application/JSON; charset=utf-8");
                headers.insert(CONTENT_TYPE, media_type);
                request
            });
        },
    },
    Variant {
        name: "remembers-acceptance",
        description: "The gateway does not probe an accepted token again for two seconds.",
        permitted_by: &["PRB-16"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.acceptance_lifetime.change(Some(Duration::from_secs(2))),
    },
];
