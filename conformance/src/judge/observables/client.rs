//! Observes the head of the client's answer: its status, its timing and its challenge.
//!
//! Looks at no upstream, except to tell whose URL a challenge names.

use super::{Observable, Observation, Subject};
use crate::trace::{
    Ending, Exchange, all_headers,
    challenge::{self, Challenge},
    header,
};

/// What a client is told by the head of its answer.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "status",
        description: "the status of the answer",
        values: &["100..599", "none"],
        absence: None,
        look: status,
    },
    Observable {
        name: "ending",
        description: "how the answer ended",
        values: &["complete", "broken", "no-head", "hung-before-head", "hung-after-head"],
        absence: None,
        look: ending,
    },
    Observable {
        name: "response-head-time",
        description: "how soon the head came: within a second, within the probe's deadline, later, or never",
        values: &["within-1-second", "within-probe-deadline", "late", "timeout"],
        absence: None,
        look: answered,
    },
    Observable {
        name: "early-success",
        description: "whether a success was begun before the upstream's head could be known",
        values: &["after-upstream", "early"],
        absence: None,
        look: committed,
    },
    Observable {
        name: "challenge",
        description: "whether WWW-Authenticate is there, and a list of challenges by the letter, or but for the quotes",
        values: &["absent", "well-formed", "unquoted", "malformed: *"],
        absence: None,
        look: challenge,
    },
    Observable {
        name: "bearer-challenge",
        description: "whether the Bearer challenge has parameters",
        values: &["with-parameters", "bare", "absent"],
        absence: None,
        look: bearer,
    },
    Observable {
        name: "challenge-parameters",
        description: "whether URL values are quoted and each parameter is there once",
        values: &["valid", "unquoted: *", "repeated: *"],
        absence: None,
        look: parameters,
    },
    Observable {
        name: "authorization-uri",
        description: "whose URL `authorization_uri` is",
        values: &["gateway", "gateway-without-server", "upstream", "foreign", "absent"],
        absence: None,
        look: |subject| url_parameter(subject, "authorization_uri"),
    },
    Observable {
        name: "resource-metadata",
        description: "whose URL `resource_metadata` is",
        values: &["gateway", "gateway-without-server", "upstream", "foreign", "absent"],
        absence: None,
        look: |subject| url_parameter(subject, "resource_metadata"),
    },
    Observable {
        name: "challenge-error",
        description: "the `error` of the Bearer challenge",
        values: &["absent", "invalid_token", "insufficient_scope", "invalid_request", "other: *"],
        absence: None,
        look: error_param,
    },
    Observable {
        name: "challenge-realm",
        description: "whether the Bearer challenge has a realm",
        values: &["absent", "present"],
        absence: None,
        look: realm,
    },
    Observable {
        name: "challenge-size",
        description: "whether all challenges together are longer than 4 KiB",
        values: &["small", "large"],
        absence: None,
        look: challenge_size,
    },
    Observable {
        name: "injected-bytes",
        description: "what an upstream managed to write into the head: control characters, bytes above 127, a line of its own",
        values: &["none", "control-character: *", "non-ascii: *", "header: *"],
        absence: None,
        look: injected,
    },
    Observable {
        name: "proxy-authenticate",
        description: "whether Proxy-Authenticate is there",
        values: &["absent", "present"],
        absence: None,
        look: |subject| presence(subject, "proxy-authenticate"),
    },
    Observable {
        name: "cache-control",
        description: "whether the answer may be stored",
        values: &["no-store", "absent", "other: *"],
        absence: None,
        look: cache_control,
    },
    Observable {
        name: "retry-after",
        description: "what became of the upstream's Retry-After",
        values: &["kept", "changed: *", "absent"],
        absence: None,
        look: retry_after,
    },
    Observable {
        name: "buffering-hint",
        description: "whether proxies in front are told not to buffer",
        values: &["off", "absent"],
        absence: None,
        look: buffering,
    },
    Observable {
        name: "upstream-marker",
        description: "whether the answer bears the mark of an upstream's",
        values: &["present", "absent"],
        absence: None,
        look: mark,
    },
];

fn of_last(subject: &Subject<'_>, look: impl FnOnce(&Exchange) -> Observation) -> Observation {
    subject.exchange().map_or(Observation::Unknown("no request was sent"), look)
}

fn of_head(subject: &Subject<'_>, look: impl FnOnce(&Exchange) -> Observation) -> Observation {
    of_last(subject, |exchange| {
        if exchange.status.is_some() {
            look(exchange)
        } else {
            Observation::NotApplicable
        }
    })
}

fn status(subject: &Subject<'_>) -> Observation {
    of_last(subject, |exchange| {
        exchange.status.map_or("none".into(), |status| status.to_string().into())
    })
}

fn ending(subject: &Subject<'_>) -> Observation {
    of_last(subject, |exchange| {
        match exchange.ending {
            Ending::Complete => "complete",
            Ending::Broken => "broken",
            Ending::NoHead => "no-head",
            Ending::HungBeforeHead => "hung-before-head",
            Ending::HungAfterHead => "hung-after-head",
        }
        .into()
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of deadlines are far below 2^52"
)]
fn answered(subject: &Subject<'_>) -> Observation {
    let deadlines = subject.context.deadlines;
    of_last(subject, |exchange| match exchange.head_after_ms {
        _ if exchange.ending == Ending::HungBeforeHead => "timeout".into(),
        Some(after) if after <= (1_000 + deadlines.slack) as f64 => "within-1-second".into(),
        Some(after) if after <= (deadlines.probe + deadlines.slack) as f64 => {
            "within-probe-deadline".into()
        }
        Some(_) => "late".into(),
        None => Observation::NotApplicable,
    })
}

/// A success is early when the upstream cannot have said one yet: within its delay, or before the commit deadline where it never does.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of deadlines are far below 2^52"
)]
fn committed(subject: &Subject<'_>) -> Observation {
    use crate::cases::behaviour::{Class, Fault};
    let Some(behaviour) = subject.behaviour() else {
        return Observation::NotApplicable;
    };
    of_head(subject, |exchange| {
        let (Some(200..=299), Some(after)) = (exchange.status, exchange.head_after_ms) else {
            return "after-upstream".into();
        };
        let early = match (behaviour.class, behaviour.fault) {
            (_, Some(Fault::Never | Fault::StallHead)) => {
                after < subject.context.deadlines.commit as f64
            }
            (Class::Accepted, _) => after < behaviour.after_ms as f64,
            (Class::Unauthorized | Class::Forbidden | Class::Inconclusive, _) => false,
        };
        if early { "early" } else { "after-upstream" }.into()
    })
}

fn challenge(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let mut challenges = 0;
        let mut lines = 0;
        for line in all_headers(&exchange.headers, "www-authenticate") {
            lines += 1;
            match (challenge::parse(line), challenge::parse_leniently(line)) {
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

/// Every challenge that a forgiving client finds.
pub(super) fn challenges(exchange: &Exchange) -> Vec<Challenge> {
    all_headers(&exchange.headers, "www-authenticate")
        .filter_map(|line| challenge::parse_leniently(line).ok())
        .flatten()
        .collect()
}

fn of_challenges(
    subject: &Subject<'_>,
    look: impl FnOnce(&[Challenge]) -> Observation,
) -> Observation {
    of_head(subject, |exchange| match challenges(exchange) {
        none if none.is_empty() => Observation::NotApplicable,
        challenges => look(&challenges),
    })
}

fn of_bearer(subject: &Subject<'_>, look: impl FnOnce(&Challenge) -> Observation) -> Observation {
    of_challenges(subject, |challenges| {
        match challenges.iter().find(|challenge| challenge.is("Bearer")) {
            Some(bearer) => look(bearer),
            None => "absent".into(),
        }
    })
}

fn bearer(subject: &Subject<'_>) -> Observation {
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

fn parameters(subject: &Subject<'_>) -> Observation {
    of_challenges(subject, |challenges| {
        for challenge in challenges {
            if let Some(name) = challenge.repeated() {
                return format!("repeated: {name}").into();
            }
            if let Some(parameter) = challenge
                .parameters()
                .iter()
                .find(|parameter| !parameter.quoted && parameter.value.contains("://"))
            {
                return format!("unquoted: {}", parameter.name).into();
            }
        }
        "valid".into()
    })
}

fn url_parameter(subject: &Subject<'_>, name: &str) -> Observation {
    of_bearer(subject, |bearer| {
        bearer.parameter(name).map_or("absent", |url| whose(subject, url)).into()
    })
}

/// Whose URL this is. The gateway's is for the server asked for when a part of its path names that server.
fn whose(subject: &Subject<'_>, url: &str) -> &'static str {
    let rest = url.strip_prefix(&subject.context.base_url);
    if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
        let named = rest.split(['/', '?', '=', '&']).any(|part| subject.means(part));
        return if named { "gateway" } else { "gateway-without-server" };
    }
    let of_upstream = |server: &crate::cases::deployment::ConfiguredServer| {
        url.contains(crate::judge::observables::leak::authority(&server.url))
    };
    if subject.context.deployment.servers.iter().any(of_upstream) {
        "upstream"
    } else {
        "foreign"
    }
}

fn error_param(subject: &Subject<'_>) -> Observation {
    of_bearer(subject, |bearer| match bearer.parameter("error") {
        None => "absent".into(),
        Some(known @ ("invalid_token" | "insufficient_scope" | "invalid_request")) => known.into(),
        Some(other) => format!("other: {other}").into(),
    })
}

fn realm(subject: &Subject<'_>) -> Observation {
    of_bearer(subject, |bearer| {
        if bearer.parameter("realm").is_some() { "present" } else { "absent" }.into()
    })
}

fn challenge_size(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let size: usize = all_headers(&exchange.headers, "www-authenticate").map(str::len).sum();
        if size > 4_096 { "large" } else { "small" }.into()
    })
}

/// What hostile names and challenges try to set as a cookie. A gateway may set cookies of its own.
const INJECTED: &str = "stolen=1";

fn injected(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        for (name, value) in &exchange.headers {
            if value.chars().any(|c| c.is_control() && c != '\t') {
                return format!("control-character: {name}").into();
            }
            if !value.is_ascii() {
                return format!("non-ascii: {name}").into();
            }
            if !name.eq_ignore_ascii_case("www-authenticate") && value.contains(INJECTED) {
                return format!("header: {name}").into();
            }
        }
        "none".into()
    })
}

fn presence(subject: &Subject<'_>, name: &str) -> Observation {
    of_head(subject, |exchange| {
        if header(&exchange.headers, name).is_some() {
            "present"
        } else {
            "absent"
        }
        .into()
    })
}

fn cache_control(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| match header(&exchange.headers, "cache-control") {
        None => "absent".into(),
        Some(value)
            if value
                .split(',')
                .any(|directive| directive.trim().eq_ignore_ascii_case("no-store")) =>
        {
            "no-store".into()
        }
        Some(value) => format!("other: {value}").into(),
    })
}

fn retry_after(subject: &Subject<'_>) -> Observation {
    let Some(stated) = subject.stated_header("retry-after") else {
        return Observation::NotApplicable;
    };
    of_head(subject, |exchange| match header(&exchange.headers, "retry-after") {
        None => "absent".into(),
        Some(value) if value == stated => "kept".into(),
        Some(value) => format!("changed: {value}").into(),
    })
}

fn buffering(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| match header(&exchange.headers, "x-accel-buffering") {
        Some(value) if value.eq_ignore_ascii_case("no") => "off".into(),
        _ => "absent".into(),
    })
}

fn mark(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        if header(&exchange.headers, "x-mock-answer").is_some() {
            "present"
        } else {
            "absent"
        }
        .into()
    })
}
