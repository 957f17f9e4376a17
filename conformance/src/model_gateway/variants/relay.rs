//! Variants of a gateway that relays what it does not understand, and in the status of a failure.

use http::{
    StatusCode,
    header::{
        COOKIE, FORWARDED, HeaderName, HeaderValue, ORIGIN, PROXY_AUTHORIZATION, WWW_AUTHENTICATE,
    },
};

use super::Variant;
use crate::{
    catalogue::{Feature, Profile},
    model_gateway::{
        credential::is_forwarded,
        disposition::{Disposition, disposition},
        relay::is_relayed,
    },
};

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "relays-responses",
        description: "Every response of an upstream is relayed as it arrives, with its challenge; \
            only a 401 without a challenge gets one of the gateway.",
        permitted_by: &[
            "RFC 9110 §2.2: forwarding is not generating",
            "RFC 9110 §11.6.1: a proxy does not modify WWW-Authenticate",
            "RFC 9110 §15.4, §15.5.8",
            "RFC 9112 §8: an incomplete response is relayed as incomplete",
        ],
        profiles: &[Profile::Transparent],
        has: &[],
        lacks: &[Feature::PreflightProbe],
        forgoes: &[],
        deviation: |decisions| {
            decisions.probes_tokens.change(false);
            decisions.disposition.change(|head| match head.status {
                StatusCode::UNAUTHORIZED if !head.has_challenge => disposition(head),
                _ => Disposition::Relay,
            });
            decisions.relays_field.change(|name, listed| {
                is_relayed(name, listed) || (*name == WWW_AUTHENTICATE && !listed)
            });
        },
    },
    Variant {
        name: "relays-requests",
        description: "Cookies, proxy credentials, forwarding fields, Origin and any Authorization \
            are forwarded, and the upstream judges them.",
        permitted_by: &[
            "RFC 9110 §5.1: a proxy forwards unknown fields",
            "RFC 9110 §11.6.2, §11.7.2",
            "MCP transports, Security Warning: the server validates Origin",
            "MCP 2026-07-28, Server Validation: binds an intermediary that reads the body",
        ],
        profiles: &[Profile::Transparent],
        has: &[],
        lacks: &[Feature::PreflightProbe],
        forgoes: &[],
        deviation: |decisions| {
            decisions.probes_tokens.change(false);
            decisions
                .forwards_field
                .change(|name, _| is_forwarded(name) || RELAYED_FIELDS.contains(name));
            decisions.forwards_unchecked.change(|_| true);
            decisions.accepts_repeated_authorization.change(true);
            decisions.allows_foreign_origin.change(true);
            decisions.allows_cleartext_upstream.change(true);
            decisions.checks_session_owner.change(false);
            decisions.checks_mirrored_fields.change(false);
        },
    },
    Variant {
        name: "forwards-lower-case-scheme",
        description: "The forwarded token has the scheme `bearer`.",
        permitted_by: &["RFC 9110 §11.1: the scheme is case-insensitive"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.authorization_value.change(|credential| {
                let token = credential.as_bytes().get(7..).unwrap_or_default();
                HeaderValue::from_bytes(&[b"bearer ", token].concat())
                    .unwrap_or_else(|_| credential.clone())
            });
        },
    },
    Variant {
        name: "503-for-no-response",
        description: "A server that is unreachable or too slow gives 503.",
        permitted_by: &["RFC 9110 §15.6.3 to §15.6.5 require none of 502, 503 and 504"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.status_of_failure.change(|_| StatusCode::SERVICE_UNAVAILABLE);
        },
    },
];

/// The fields that a relay forwards in addition.
const RELAYED_FIELDS: [HeaderName; 6] = [
    COOKIE,
    FORWARDED,
    ORIGIN,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
];
