//! Defects in connections, HTTP messages and the handling of web pages.

use std::future::ready;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, SET_COOKIE};

use super::Defect;
use crate::{catalogue::Profile, model_gateway::relay::is_relayed};

/// How many bytes at the start of a read are searched for the head of a request.
const HEAD_LIMIT: usize = 4096;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "sends-in-the-clear",
        description: "The gateway starts with a token-forwarding server outside this machine \
            that has no TLS.",
        reported_in: &["api7/aisix#879"],
        profiles: &[Profile::Seed],
        fails: &["SEC-07"],
        deviation: |decisions| decisions.allows_cleartext_upstream.change(true),
    },
    Defect {
        name: "any-origin",
        description: "The gateway serves a page of any origin.",
        reported_in: &["agentgateway#449"],
        profiles: &[Profile::Seed],
        fails: &["SEC-03", "STA-19"],
        deviation: |decisions| decisions.allows_foreign_origin.change(true),
    },
    Defect {
        name: "any-page-reads",
        description: "Every response may be read by a page of any origin.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-03"],
        deviation: |decisions| {
            decisions.final_response.change(|mut response, _| {
                let everyone = HeaderValue::from_static("*");
                response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, everyone);
                Box::pin(ready(response))
            });
        },
    },
    Defect {
        name: "relays-cookies",
        description: "The gateway relays the cookies that an upstream sets.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-16"],
        deviation: |decisions| {
            decisions.relays_field.change(|name, listed| {
                is_relayed(name, listed) || (*name == SET_COOKIE && !listed)
            });
        },
    },
    Defect {
        name: "hides-from-pages",
        description: "A page may read a response, but not its challenge.",
        reported_in: &["slicc#3348"],
        profiles: &[Profile::Seed],
        fails: &["CHL-21"],
        deviation: |decisions| decisions.exposed_fields.change("retry-after"),
    },
    Defect {
        name: "length-beats-chunks",
        description: "The gateway uses Content-Length although Transfer-Encoding is present, and \
            parses the rest as a request.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-04"],
        deviation: |decisions| decisions.received_bytes.change(hide_transfer_encoding),
    },
    Defect {
        name: "skips-odd-lines",
        description: "The gateway skips an invalid field line.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-14", "SEC-04"],
        deviation: |decisions| decisions.skips_invalid_field_lines.change(true),
    },
    Defect {
        name: "drops-the-oversized",
        description: "The gateway closes the connection without a response if a message is too \
            large.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-05"],
        deviation: |decisions| decisions.answers_oversized_message.change(false),
    },
    Defect {
        name: "relays-hops",
        description: "The gateway relays fields that belong to the upstream's connection.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["SEC-06"],
        deviation: |decisions| decisions.relays_field.change(|name, _| is_relayed(name, false)),
    },
    Defect {
        name: "no-pool",
        description: "The gateway opens a connection for every request to an upstream.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["PRB-04"],
        deviation: |decisions| decisions.pools_connections.change(false),
    },
];

/// Renames `Transfer-Encoding` if `Content-Length` is present, so that the parser ignores it.
fn hide_transfer_encoding(received: &mut [u8]) {
    let length = received.len().min(HEAD_LIMIT);
    let head = &mut received[..length];
    let position =
        |name: &[u8]| head.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name));
    if position(b"content-length:").is_some()
        && let Some(start) = position(b"transfer-encoding:")
    {
        head[start] = b'x';
    }
}
