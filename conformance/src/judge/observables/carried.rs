//! Observes what became of the upstream's own challenge on its way to the client: relayed, carried over, or left behind.
//!
//! Compares with what the upstream was told to send, which is what it sends. Where that cannot be read, only bytes are compared.

use std::collections::BTreeSet;

use super::{Observable, Observation, Subject, client::challenges};
use crate::trace::{
    Exchange, all_headers,
    challenge::{Challenge, parse, parse_leniently},
    header,
};

/// What a client is told of the upstream's challenge.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "challenge-lines",
        description: "whether the upstream's challenge lines arrived byte for byte, all of them, in their order, and none beside them",
        values: &["verbatim", "gateway-generated", "added", "dropped", "reordered", "changed"],
        absence: None,
        look: lines,
    },
    Observable {
        name: "challenge-name",
        description: "the name under which challenges arrived",
        values: &["standard", "renamed: *", "absent"],
        absence: None,
        look: name,
    },
    Observable {
        name: "scope",
        description: "what became of the scope that the upstream's Bearer challenge asks for",
        values: &["kept", "dropped", "changed: *"],
        absence: None,
        look: scope,
    },
    Observable {
        name: "kept-challenge-parameters",
        description: "whether error, error_description, error_uri and realm of the upstream's Bearer challenge arrived as they were",
        values: &["all", "dropped: *", "changed: *"],
        absence: None,
        look: carried,
    },
    Observable {
        name: "schemes",
        description: "the schemes of all challenges, in lower case",
        values: &["none", "bearer", "*"],
        absence: None,
        look: schemes,
    },
];

const NAME: &str = "www-authenticate";

fn of_head(subject: &Subject<'_>, look: impl FnOnce(&Exchange) -> Observation) -> Observation {
    match subject.exchange() {
        None => Observation::Unknown("no request was sent"),
        Some(exchange) if exchange.status.is_none() => Observation::NotApplicable,
        Some(exchange) => look(exchange),
    }
}

/// An upstream that sends no challenge with its 401 leaves the gateway to make one.
fn lines(subject: &Subject<'_>) -> Observation {
    let Some(stated) = subject.stated_lines(NAME) else {
        return Observation::NotApplicable;
    };
    of_head(subject, |exchange| {
        let seen: Vec<&str> = all_headers(&exchange.headers, NAME).collect();
        let sorted = |lines: &[&str]| {
            lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<String>>()
        };
        let stated: Vec<&str> = stated.iter().map(String::as_str).collect();
        match () {
            () if seen == stated => "verbatim",
            () if stated.is_empty() => "gateway-generated",
            () if sorted(&seen) == sorted(&stated) => "reordered",
            () if sorted(&seen).is_superset(&sorted(&stated)) => "added",
            () if sorted(&seen).is_subset(&sorted(&stated)) => "dropped",
            () => "changed",
        }
        .into()
    })
}

fn name(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        if header(&exchange.headers, NAME).is_some() {
            return "standard".into();
        }
        let like = |name: &str| name.to_ascii_lowercase().ends_with(NAME);
        let renamed = exchange.headers.iter().find(|(name, _)| like(name));
        renamed.map_or("absent".into(), |(name, _)| {
            format!("renamed: {}", name.to_ascii_lowercase()).into()
        })
    })
}

/// The upstream's first Bearer challenge, where a strict reader finds one.
fn theirs(subject: &Subject<'_>) -> Option<Challenge> {
    let stated = subject.stated_lines(NAME)?;
    stated
        .iter()
        .filter_map(|line| parse(line).ok())
        .flatten()
        .find(|challenge| challenge.is("Bearer"))
}

fn of_both(
    subject: &Subject<'_>,
    look: impl FnOnce(&Challenge, Option<&Challenge>) -> Observation,
) -> Observation {
    let Some(theirs) = theirs(subject) else {
        return Observation::NotApplicable;
    };
    of_head(subject, |exchange| {
        look(&theirs, challenges(exchange).iter().find(|challenge| challenge.is("Bearer")))
    })
}

/// A scope is a set of words (RFC 6749 §3.3).
fn scope(subject: &Subject<'_>) -> Observation {
    let words = |scope: &str| {
        scope.split_ascii_whitespace().map(str::to_owned).collect::<BTreeSet<String>>()
    };
    of_both(subject, |theirs, ours| {
        match (theirs.parameter("scope"), ours.and_then(|ours| ours.parameter("scope"))) {
            (None, None) => Observation::NotApplicable,
            (Some(_), None) => "dropped".into(),
            (Some(theirs), Some(ours)) if words(theirs) == words(ours) => "kept".into(),
            (_, Some(ours)) => format!("changed: {ours}").into(),
        }
    })
}

fn carried(subject: &Subject<'_>) -> Observation {
    of_both(subject, |theirs, ours| {
        for name in ["error", "error_description", "error_uri", "realm"] {
            let Some(said) = theirs.parameter(name) else { continue };
            match ours.and_then(|ours| ours.parameter(name)) {
                None => return format!("dropped: {name}").into(),
                Some(ours) if ours != said => return format!("changed: {name}").into(),
                Some(_) => {}
            }
        }
        "all".into()
    })
}

fn schemes(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let lines = all_headers(&exchange.headers, NAME)
            .flat_map(|line| parse_leniently(line).unwrap_or_default());
        let schemes: BTreeSet<String> =
            lines.map(|challenge| challenge.scheme.to_ascii_lowercase()).collect();
        if schemes.is_empty() {
            "none".into()
        } else {
            schemes.into_iter().collect::<Vec<_>>().join("+").into()
        }
    })
}
