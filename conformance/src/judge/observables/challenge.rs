//! Observes the challenges of the response to the client (RFC 9110 §11.6.1).

use super::{Observable, authority, of_response};
use crate::{
    cases::deployment::ConfiguredServer,
    judge::{observation::Observation, subject::Subject},
    trace::{
        Exchange, all_headers,
        challenge::{Challenge, parse, parse_leniently},
    },
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "challenge",
        description: "Whether WWW-Authenticate is present and follows the grammar of RFC 9110; \
            `unquoted` if only quotes are missing.",
        values: &["absent", "well-formed", "unquoted", "malformed: *"],
        absence: None,
        observe: challenge,
    },
    Observable {
        name: "bearer-challenge",
        description: "Whether the Bearer challenge has parameters.",
        values: &["with-parameters", "bare", "absent"],
        absence: None,
        observe: bearer_challenge,
    },
    Observable {
        name: "challenge-parameters",
        description: "Whether the URLs in challenges are quoted and no parameter is repeated.",
        values: &["valid", "unquoted: *", "repeated: *"],
        absence: None,
        observe: challenge_parameters,
    },
    Observable {
        name: "authorization-uri",
        description: "Which host the `authorization_uri` parameter names, and whether it names the \
            requested server.",
        values: &["gateway", "gateway-without-server", "upstream", "foreign", "absent"],
        absence: None,
        observe: |subject| url_parameter(subject, "authorization_uri"),
    },
    Observable {
        name: "resource-metadata",
        description: "Which host the `resource_metadata` parameter names, and whether it names the \
            requested server.",
        values: &["gateway", "gateway-without-server", "upstream", "foreign", "absent"],
        absence: None,
        observe: |subject| url_parameter(subject, "resource_metadata"),
    },
    Observable {
        name: "challenge-error",
        description: "The `error` parameter of the Bearer challenge.",
        values: &["absent", "invalid_token", "insufficient_scope", "invalid_request", "other: *"],
        absence: None,
        observe: challenge_error,
    },
    Observable {
        name: "challenge-realm",
        description: "Whether the Bearer challenge has a `realm` parameter.",
        values: &["absent", "present"],
        absence: None,
        observe: challenge_realm,
    },
    Observable {
        name: "challenge-size",
        description: "Whether the challenges together are longer than 4 KiB.",
        values: &["small", "large"],
        absence: None,
        observe: challenge_size,
    },
];

fn challenge(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        let mut challenges = 0;
        let mut lines = 0;
        for line in all_headers(&exchange.headers, "www-authenticate") {
            lines += 1;
            match (parse(line), parse_leniently(line)) {
                (Ok(found), _) => challenges += found.len(),
                (Err(_), Ok(_)) => return "unquoted".into(),
                (Err(malformed), Err(_)) => return format!("malformed: {malformed}").into(),
            }
        }
        match (lines, challenges) {
            (0, _) => "absent".into(),
            (_, 0) => "malformed: no challenge in it".into(),
            _ => "well-formed".into(),
        }
    })
}

/// Every challenge that a lenient client finds.
pub(super) fn challenges(exchange: &Exchange) -> Vec<Challenge> {
    all_headers(&exchange.headers, "www-authenticate")
        .filter_map(|line| parse_leniently(line).ok())
        .flatten()
        .collect()
}

fn of_challenges(
    subject: &Subject<'_>,
    observe: impl FnOnce(&[Challenge]) -> Observation,
) -> Observation {
    of_response(subject, |exchange| {
        let challenges = challenges(exchange);
        if challenges.is_empty() {
            Observation::NotApplicable
        } else {
            observe(&challenges)
        }
    })
}

fn of_bearer(
    subject: &Subject<'_>,
    observe: impl FnOnce(&Challenge) -> Observation,
) -> Observation {
    of_challenges(subject, |challenges| {
        match challenges.iter().find(|challenge| challenge.is("Bearer")) {
            Some(bearer) => observe(bearer),
            None => "absent".into(),
        }
    })
}

fn bearer_challenge(subject: &Subject<'_>) -> Observation {
    of_challenges(subject, |challenges| {
        let bearers: Vec<&Challenge> =
            challenges.iter().filter(|challenge| challenge.is("Bearer")).collect();
        match bearers.as_slice() {
            [] => "absent",
            all if all.iter().all(|bearer| !bearer.parameters().is_empty()) => "with-parameters",
            _ => "bare",
        }
        .into()
    })
}

fn challenge_parameters(subject: &Subject<'_>) -> Observation {
    of_challenges(subject, |challenges| {
        for challenge in challenges {
            if let Some(name) = challenge.repeated() {
                return format!("repeated: {name}").into();
            }
            let unquoted = challenge
                .parameters()
                .iter()
                .find(|parameter| !parameter.quoted && parameter.value.contains("://"));
            if let Some(parameter) = unquoted {
                return format!("unquoted: {}", parameter.name).into();
            }
        }
        "valid".into()
    })
}

fn url_parameter(subject: &Subject<'_>, name: &str) -> Observation {
    of_bearer(subject, |bearer| {
        bearer.parameter(name).map_or("absent", |url| host_of_url(subject, url)).into()
    })
}

/// Which host a URL names. A gateway's URL names the requested server if a segment of it is the
/// server's name.
fn host_of_url(subject: &Subject<'_>, url: &str) -> &'static str {
    let rest = url.strip_prefix(&subject.context.base_url);
    if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
        let names_server = rest.split(['/', '?', '=', '&']).any(|part| subject.requests(part));
        return if names_server { "gateway" } else { "gateway-without-server" };
    }
    let is_host = |server: &ConfiguredServer| url.contains(authority(&server.url));
    if subject.context.deployment.servers.iter().any(is_host) {
        "upstream"
    } else {
        "foreign"
    }
}

fn challenge_error(subject: &Subject<'_>) -> Observation {
    of_bearer(subject, |bearer| match bearer.parameter("error") {
        None => "absent".into(),
        Some(known @ ("invalid_token" | "insufficient_scope" | "invalid_request")) => known.into(),
        Some(other) => format!("other: {other}").into(),
    })
}

fn challenge_realm(subject: &Subject<'_>) -> Observation {
    of_bearer(subject, |bearer| match bearer.parameter("realm") {
        Some(_) => "present".into(),
        None => "absent".into(),
    })
}

fn challenge_size(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        let size: usize = all_headers(&exchange.headers, "www-authenticate").map(str::len).sum();
        if size > 4_096 { "large" } else { "small" }.into()
    })
}
