//! Observes which parts of the upstream's challenge reached the client.
//!
//! The upstream's challenge is known from its behaviour. If it cannot be parsed, only bytes are
//! compared.

use std::collections::BTreeSet;

use super::{Observable, challenge::challenges, of_response};
use crate::{
    judge::{observation::Observation, subject::Subject},
    trace::{
        all_headers,
        challenge::{Challenge, parse, parse_leniently},
        header,
    },
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "challenge-lines",
        description: "Whether the client received exactly the upstream's WWW-Authenticate field \
            lines, in their order; `gateway-generated` if the upstream sent none.",
        values: &["verbatim", "gateway-generated", "added", "dropped", "reordered", "changed"],
        absence: None,
        observe: challenge_lines,
    },
    Observable {
        name: "challenge-name",
        description: "The name of the header field that carries the challenges.",
        values: &["standard", "renamed: *", "absent"],
        absence: None,
        observe: challenge_name,
    },
    Observable {
        name: "scope",
        description: "Whether the client received the `scope` of the upstream's Bearer challenge.",
        values: &["kept", "dropped", "changed: *"],
        absence: None,
        observe: scope,
    },
    Observable {
        name: "kept-challenge-parameters",
        description: "Whether the client received `error`, `error_description`, `error_uri` and \
            `realm` of the upstream's Bearer challenge.",
        values: &["all", "dropped: *", "changed: *"],
        absence: None,
        observe: kept_parameters,
    },
    Observable {
        name: "schemes",
        description: "The schemes of all challenges, in lower case.",
        values: &["none", "bearer", "*"],
        absence: None,
        observe: schemes,
    },
];

const NAME: &str = "www-authenticate";

fn challenge_lines(subject: &Subject<'_>) -> Observation {
    let Some(upstream) = subject.upstream_field_lines(NAME) else {
        return Observation::NotApplicable;
    };
    of_response(subject, |exchange| {
        let received: Vec<&str> = all_headers(&exchange.headers, NAME).collect();
        if received == upstream {
            return "verbatim".into();
        }
        let received_set: BTreeSet<&str> = received.into_iter().collect();
        let upstream_set: BTreeSet<&str> = upstream.iter().map(String::as_str).collect();
        match () {
            // The upstream sent no challenge with its 401, so the gateway writes one.
            () if upstream_set.is_empty() => "gateway-generated",
            () if received_set == upstream_set => "reordered",
            () if received_set.is_superset(&upstream_set) => "added",
            () if received_set.is_subset(&upstream_set) => "dropped",
            () => "changed",
        }
        .into()
    })
}

fn challenge_name(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        if header(&exchange.headers, NAME).is_some() {
            return "standard".into();
        }
        let mut names = exchange.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
        match names.find(|name| name.ends_with(NAME)) {
            Some(name) => format!("renamed: {name}").into(),
            None => "absent".into(),
        }
    })
}

/// The first Bearer challenge of the upstream that follows the grammar.
fn upstream_bearer(subject: &Subject<'_>) -> Option<Challenge> {
    subject
        .upstream_field_lines(NAME)?
        .iter()
        .filter_map(|line| parse(line).ok())
        .flatten()
        .find(|challenge| challenge.is("Bearer"))
}

/// Compares the Bearer challenge of the upstream with the one that the client received.
fn compare_bearers(
    subject: &Subject<'_>,
    compare: impl FnOnce(&Challenge, Option<&Challenge>) -> Observation,
) -> Observation {
    let Some(upstream) = upstream_bearer(subject) else {
        return Observation::NotApplicable;
    };
    of_response(subject, |exchange| {
        let challenges = challenges(exchange);
        compare(&upstream, challenges.iter().find(|challenge| challenge.is("Bearer")))
    })
}

/// A scope is a set of words (RFC 6749 §3.3).
fn scope(subject: &Subject<'_>) -> Observation {
    let words = |scope: &str| -> BTreeSet<String> {
        scope.split_ascii_whitespace().map(str::to_owned).collect()
    };
    compare_bearers(subject, |upstream, received| {
        let received = received.and_then(|received| received.parameter("scope"));
        match (upstream.parameter("scope"), received) {
            (None, None) => Observation::NotApplicable,
            (Some(_), None) => "dropped".into(),
            (Some(upstream), Some(received)) if words(upstream) == words(received) => "kept".into(),
            (_, Some(received)) => format!("changed: {received}").into(),
        }
    })
}

fn kept_parameters(subject: &Subject<'_>) -> Observation {
    compare_bearers(subject, |upstream, received| {
        for name in ["error", "error_description", "error_uri", "realm"] {
            let Some(sent) = upstream.parameter(name) else { continue };
            match received.and_then(|received| received.parameter(name)) {
                None => return format!("dropped: {name}").into(),
                Some(received) if received != sent => return format!("changed: {name}").into(),
                Some(_) => {}
            }
        }
        "all".into()
    })
}

fn schemes(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        let schemes: BTreeSet<String> = all_headers(&exchange.headers, NAME)
            .flat_map(|line| parse_leniently(line).unwrap_or_default())
            .map(|challenge| challenge.scheme.to_ascii_lowercase())
            .collect();
        if schemes.is_empty() {
            "none".into()
        } else {
            schemes.into_iter().collect::<Vec<_>>().join("+").into()
        }
    })
}
