//! Variants in challenges and in the metadata to which they refer.

use std::future::ready;

use http::{
    HeaderMap, StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use serde_json::json;

use super::Variant;
use crate::{
    catalogue::Profile,
    trace::challenge::{Challenge, Content, parse},
};

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "documents-otherwise",
        description: "Challenges refer to metadata at another path than the well-known one; the \
            metadata has more members, UTF-8 and a charset.",
        permitted_by: &[
            "RFC 9728 §5.1: resource_metadata is the URL of the document",
            "RFC 9728 §3.2: unknown members are ignored",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.metadata_path.change("/oauth/resources");
            decisions.metadata_media_type.change("Application/JSON; charset=\"utf-8\"");
            decisions.resource_metadata.change(|mut document, _, base_url| {
                document["resource_name"] = json!("Übergang");
                document["resource_documentation"] = json!(format!("{base_url}/help"));
                document["x-gateway"] = json!({ "resource": "none", "authorization_servers": [] });
                document
            });
        },
    },
    Variant {
        name: "challenge-otherwise",
        description: "Parameters of challenges are in another order and case, and quoted only \
            where necessary.",
        permitted_by: &[
            "RFC 9110 §11.1: the scheme is case-insensitive",
            "RFC 9110 §11.2: names are case-insensitive, a value is a token or a quoted-string",
        ],
        profiles: &[Profile::Seed, Profile::Mcp],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|mut response, _| {
                let headers = response.headers_mut();
                let lines: Vec<HeaderValue> =
                    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(rearranged).collect();
                headers.remove(WWW_AUTHENTICATE);
                headers.extend(lines.into_iter().map(|line| (WWW_AUTHENTICATE, line)));
                Box::pin(ready(response))
            });
        },
    },
    Variant {
        name: "several-challenges",
        description: "A 401 has challenges of other schemes before the Bearer challenge, in the \
            same field line or in others.",
        permitted_by: &[
            "RFC 9110 §11.6.1: a list of at least one challenge, in one field line or several",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|mut response, _| {
                if response.status() == StatusCode::UNAUTHORIZED {
                    add_other_schemes(response.headers_mut());
                }
                Box::pin(ready(response))
            });
        },
    },
];

/// Adds challenges of other schemes: in the same field line if an upstream refused, in field lines
/// of their own otherwise.
fn add_other_schemes(headers: &mut HeaderMap) {
    let Some(line) = headers.remove(WWW_AUTHENTICATE) else { return };
    let key_challenge = "GatewayKey realm=\"keys, and more\"";
    let names_url = line.as_bytes().contains(&b':');
    if names_url {
        let others = format!("{key_challenge}, Negotiate, ");
        let joined = [others.as_bytes(), line.as_bytes()].concat();
        headers.extend(HeaderValue::try_from(joined).ok().map(|line| (WWW_AUTHENTICATE, line)));
    } else {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(key_challenge));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        headers.append(WWW_AUTHENTICATE, line);
    }
}

/// The same challenges in another order and case.
fn rearranged(line: &HeaderValue) -> Option<HeaderValue> {
    let mut challenges = parse(line.to_str().ok()?).ok()?;
    for challenge in &mut challenges {
        rearrange(challenge);
    }
    let lines: Vec<String> = challenges.iter().map(ToString::to_string).collect();
    HeaderValue::try_from(lines.join(",").replacen(' ', "   ", 1)).ok()
}

fn rearrange(challenge: &mut Challenge) {
    challenge.scheme.make_ascii_lowercase();
    let Content::Parameters(parameters) = &mut challenge.content else {
        return;
    };
    parameters.reverse();
    for (position, parameter) in parameters.iter_mut().enumerate() {
        let is_token = !parameter.value.is_empty()
            && parameter
                .value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        // RFC 6750 §3 requires quotes around the scope.
        parameter.quoted = !is_token || parameter.name == "scope";
        if position % 2 == 0 {
            parameter.name.make_ascii_uppercase();
        }
    }
}
