//! Defects in the credentials that upstreams receive.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header::AUTHORIZATION};
use http_body_util::Full;

use super::Defect;
use crate::{
    cases::axis::ServerKind,
    catalogue::Profile,
    model_gateway::{
        caller::GatewayKey,
        client_request::ClientRequest,
        credential::{Credential, CredentialSource, Forwarding, credential_source, is_forwarded},
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "drops-token",
        description: "The gateway does not forward the caller's token with `tools/call`.",
        reported_in: &["agw#2132", "Kuadrant/mcp-gateway#926"],
        profiles: &[Profile::Seed],
        fails: &[
            "AGG-10", "CRD-01", "OPN-02", "OPN-05", "OPN-06", "OPN-07", "OPN-08", "OPN-09",
            "OPN-10", "OPN-11", "STA-10", "STA-12", "STA-13", "STA-15", "STA-16", "STR-04",
        ],
        deviation: |decisions| {
            decisions.credential_source.change(|server, request, _| {
                let is_call = request.rpc_method.as_deref() == Some("tools/call");
                if server.kind == ServerKind::Forwarding && is_call {
                    CredentialSource::None
                } else {
                    credential_source(server.kind)
                }
            });
        },
    },
    Defect {
        name: "keeps-the-first-token",
        description: "The gateway sends the first token of a caller with all later requests.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-11", "GATE-12", "OBS-02", "OPN-17", "SEC-09", "SEC-10", "STA-01", "STR-12"],
        deviation: |decisions| decisions.upstream_request.change(with_first_token),
    },
    Defect {
        name: "cuts-long-tokens",
        description: "The gateway forwards only the first kibibyte of a credential.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-01"],
        deviation: |decisions| {
            decisions.authorization_value.change(|credential| {
                let bytes = credential.as_bytes();
                let kept = &bytes[..bytes.len().min(1024)];
                HeaderValue::from_bytes(kept).unwrap_or_else(|_| credential.clone())
            });
        },
    },
    Defect {
        name: "wants-a-token",
        description: "The gateway answers a request without a token with 401 and does not \
            forward it.",
        reported_in: &["neo4j/mcp#204"],
        profiles: &[Profile::Seed],
        fails: &["GATE-06"],
        deviation: |decisions| decisions.requires_token.change(true),
    },
    Defect {
        name: "calls-anonymously",
        description: "The gateway calls a server that needs the gateway's credential without it.",
        reported_in: &["litellm#41364"],
        profiles: &[Profile::Seed],
        fails: &["OPN-16"],
        deviation: |decisions| {
            decisions.credential_source.change(|server, _, _| {
                match credential_source(server.kind) {
                    CredentialSource::Gateway => CredentialSource::None,
                    source => source,
                }
            });
        },
    },
    Defect {
        name: "leaks-key",
        description: "The gateway forwards the field of the gateway key.",
        reported_in: &["litellm#21151", "mcpjungle/MCPJungle#252"],
        profiles: &[Profile::Seed],
        fails: &["CRD-03"],
        deviation: |decisions| {
            decisions
                .forwards_field
                .change(|name, key_header| is_forwarded(name) || name == key_header);
        },
    },
    Defect {
        name: "key-in-authorization-forwarded",
        description: "The gateway forwards a gateway key in `Authorization` as a token.",
        reported_in: &["litellm#27847", "caipe-io/ai-platform-engineering#1929"],
        profiles: &[Profile::Seed],
        fails: &["CRD-02"],
        deviation: |decisions| {
            decisions
                .forwards_admitting_credential
                .change(|key| key != GatewayKey::JsonWebToken);
        },
    },
    Defect {
        name: "same-key-forwarded",
        description: "The gateway forwards a gateway key that is in both fields as a token.",
        reported_in: &["litellm#21151"],
        profiles: &[Profile::Seed],
        fails: &["CRD-04"],
        deviation: |decisions| decisions.forwards_repeated_key.change(true),
    },
    Defect {
        name: "forwards-admission",
        description: "The gateway forwards the bearer that admits the caller.",
        reported_in: &["litellm#31989", "litellm#33190"],
        profiles: &[Profile::Seed],
        fails: &["CRD-05"],
        deviation: |decisions| {
            decisions
                .forwards_admitting_credential
                .change(|key| key == GatewayKey::JsonWebToken);
        },
    },
    Defect {
        name: "double-bearer",
        description: "The gateway adds the scheme to a token that already has it.",
        reported_in: &["litellm#37668"],
        profiles: &[Profile::Seed],
        fails: &["CRD-01", "CRD-07", "SEC-06"],
        deviation: |decisions| {
            decisions.authorization_value.change(|token| {
                HeaderValue::try_from([b"Bearer ", token.as_bytes()].concat())
                    .unwrap_or_else(|_| token.clone())
            });
        },
    },
    Defect {
        name: "forwards-all-headers",
        description: "The gateway forwards every field of the client's request, including cookies.",
        reported_in: &["mcpjungle/MCPJungle#252"],
        profiles: &[Profile::Seed],
        fails: &["CRD-10", "SEC-06"],
        deviation: |decisions| {
            decisions.forwards_field.change(|name, key_header| {
                let consumed = [key_header, "authorization", "host", "content-length"];
                !consumed.contains(&name.as_str())
            });
        },
    },
    Defect {
        name: "forwards-to-static",
        description: "The gateway sends the caller's token to a static-credential server.",
        reported_in: &["PrefectHQ/fastmcp#3262"],
        profiles: &[Profile::Seed],
        fails: &["CRD-13"],
        deviation: |decisions| {
            decisions.credential_source.change(|server, _, has_token| {
                caller_source_for(ServerKind::Static, server.kind, has_token)
            });
        },
    },
    Defect {
        name: "forwards-to-client-credentials",
        description: "The gateway sends the caller's token to a client-credentials server.",
        reported_in: &["litellm#27847"],
        profiles: &[Profile::Seed],
        fails: &["CRD-12", "OPN-16"],
        deviation: |decisions| {
            decisions.credential_source.change(|server, _, has_token| {
                caller_source_for(ServerKind::ClientCredentials, server.kind, has_token)
            });
        },
    },
    Defect {
        name: "forwards-to-open",
        description: "The gateway sends the caller's token to a server that receives no \
            credential.",
        reported_in: &["microsoft/mcp-gateway#13"],
        profiles: &[Profile::Seed],
        fails: &["CRD-13", "SEC-01"],
        deviation: |decisions| {
            decisions.credential_source.change(|server, _, has_token| {
                caller_source_for(ServerKind::Open, server.kind, has_token)
            });
        },
    },
    Defect {
        name: "two-authorization-lines-first-wins",
        description: "The gateway uses the first of two `Authorization` field lines.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-06"],
        deviation: |decisions| decisions.accepts_repeated_authorization.change(true),
    },
    Defect {
        name: "takes-token-from-query",
        description: "The gateway uses a token in the query of the URI.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-09"],
        deviation: |decisions| {
            decisions.token_from_uri.change(|uri| {
                let mut parameters = uri.query()?.split('&');
                let token = parameters.find_map(|pair| pair.strip_prefix("access_token="))?;
                HeaderValue::try_from(format!("Bearer {token}")).ok()
            });
        },
    },
    Defect {
        name: "forwards-malformed-token",
        description: "The gateway forwards any value of `Authorization`.",
        reported_in: &["litellm#37080"],
        profiles: &[Profile::Seed],
        fails: &["CRD-08", "CRD-14"],
        deviation: |decisions| decisions.forwards_unchecked.change(|_| true),
    },
    Defect {
        name: "forwards-basic",
        description: "The gateway forwards Basic credentials as a token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-08"],
        deviation: |decisions| {
            decisions
                .forwards_unchecked
                .change(|value| value.as_bytes().starts_with(b"Basic "));
        },
    },
    Defect {
        name: "crosses-tokens",
        description: "The gateway forwards the token for one server to any server.",
        reported_in: &["litellm#37410"],
        profiles: &[Profile::Seed],
        fails: &["CRD-11"],
        deviation: |decisions| decisions.forwards_token_of_other_server.change(true),
    },
    Defect {
        name: "token-in-the-target",
        description: "The gateway also sends the token in the query of the URI, percent-encoded.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-09"],
        deviation: |decisions| decisions.forwarded_request.change(with_token_in_query),
    },
    Defect {
        name: "token-to-the-static",
        description: "The gateway sends the caller's token to a static-credential server, in \
            hexadecimal, in a trace field.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["CRD-13"],
        deviation: |decisions| decisions.forwarded_request.change(with_token_in_trace),
    },
];

/// The first token of each caller, by the part that all tokens of the caller have in common.
static FIRST_TOKENS: LazyLock<Mutex<HashMap<String, HeaderValue>>> = LazyLock::new(Mutex::default);

/// The request with the first token of its caller.
fn with_first_token(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    if let Some(token) = request.headers_mut().get_mut(AUTHORIZATION)
        && let Some((caller, _)) = token.to_str().ok().and_then(|text| text.split_once(".pf1."))
    {
        let mut known = FIRST_TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
        *token = known.entry(caller.to_owned()).or_insert_with(|| token.clone()).clone();
    }
    request
}

/// The caller's token for the wrong kind of server, and the correct credential for all others.
fn caller_source_for(wrong: ServerKind, kind: ServerKind, has_token: bool) -> CredentialSource {
    if kind == wrong && has_token {
        CredentialSource::Caller
    } else {
        credential_source(kind)
    }
}

fn with_token_in_query(
    mut request: Request<Full<Bytes>>,
    forwarding: &Forwarding<'_>,
) -> Request<Full<Bytes>> {
    if matches!(forwarding.credential, Credential::Forwarded(_)) {
        let mut target = format!("{}?session=", request.uri());
        target.extend(authorization(forwarding.client).iter().map(|byte| format!("%{byte:02x}")));
        *request.uri_mut() = target.parse().unwrap_or_else(|_| Uri::from_static("/"));
    }
    request
}

fn with_token_in_trace(
    mut request: Request<Full<Bytes>>,
    forwarding: &Forwarding<'_>,
) -> Request<Full<Bytes>> {
    let token = authorization(forwarding.client);
    let is_key = token.ends_with(forwarding.deployment.limited_key.as_bytes());
    if forwarding.server.kind == ServerKind::Static && !is_key {
        let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        if let Ok(hex) = HeaderValue::try_from(hex) {
            request.headers_mut().insert(HeaderName::from_static("x-trace"), hex);
        }
    }
    request
}

fn authorization(client: &ClientRequest) -> &[u8] {
    client.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default()
}
