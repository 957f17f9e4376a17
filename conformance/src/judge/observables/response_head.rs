//! Observes the head of the response to the client: status, timing and header fields other than
//! challenges.

use super::{Observable, of_last_exchange, of_response};
use crate::{
    cases::behaviour::{Class, Fault},
    judge::{observation::Observation, subject::Subject},
    trace::{Ending, header},
    upstreams::MARK,
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "status",
        description: "The status of the response; `none` if no response head arrived.",
        values: &["100..599", "none"],
        absence: None,
        observe: status,
    },
    Observable {
        name: "ending",
        description: "How the response ended.",
        values: &["complete", "broken", "no-head", "hung-before-head", "hung-after-head"],
        absence: None,
        observe: ending,
    },
    Observable {
        name: "response-head-time",
        description: "How long the client waited for the response head.",
        values: &["within-1-second", "within-probe-deadline", "late", "timeout"],
        absence: None,
        observe: response_head_time,
    },
    Observable {
        name: "early-success",
        description: "Whether the head of a success was sent before the upstream's response was \
            known.",
        values: &["after-upstream", "early"],
        absence: None,
        observe: early_success,
    },
    Observable {
        name: "injected-bytes",
        description: "What an upstream inserted into the response head: control characters, bytes \
            above 127 or a header field.",
        values: &["none", "control-character: *", "non-ascii: *", "header: *"],
        absence: None,
        observe: injected_bytes,
    },
    Observable {
        name: "proxy-authenticate",
        description: "Whether the response has a Proxy-Authenticate field.",
        values: &["absent", "present"],
        absence: None,
        observe: |subject| presence(subject, "proxy-authenticate"),
    },
    Observable {
        name: "cache-control",
        description: "Whether Cache-Control forbids storing the response.",
        values: &["no-store", "absent", "other: *"],
        absence: None,
        observe: cache_control,
    },
    Observable {
        name: "retry-after",
        description: "Whether the response has the upstream's Retry-After field.",
        values: &["kept", "changed: *", "absent"],
        absence: None,
        observe: retry_after,
    },
    Observable {
        name: "buffering-hint",
        description: "Whether X-Accel-Buffering tells reverse proxies not to buffer the response.",
        values: &["off", "absent"],
        absence: None,
        observe: buffering_hint,
    },
    Observable {
        name: "upstream-marker",
        description: "Whether the response has the marker field that every mock upstream sends.",
        values: &["present", "absent"],
        absence: None,
        observe: |subject| presence(subject, MARK),
    },
];

fn status(subject: &Subject<'_>) -> Observation {
    of_last_exchange(subject, |exchange| {
        exchange.status.map_or("none".into(), |status| status.to_string().into())
    })
}

fn ending(subject: &Subject<'_>) -> Observation {
    of_last_exchange(subject, |exchange| {
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
fn response_head_time(subject: &Subject<'_>) -> Observation {
    let deadlines = subject.context.deadlines;
    let limit = |milliseconds: u64| (milliseconds + deadlines.slack) as f64;
    of_last_exchange(subject, |exchange| match exchange.head_after_ms {
        _ if exchange.ending == Ending::HungBeforeHead => "timeout".into(),
        Some(after) if after <= limit(1_000) => "within-1-second".into(),
        Some(after) if after <= limit(deadlines.probe) => "within-probe-deadline".into(),
        Some(_) => "late".into(),
        None => Observation::NotApplicable,
    })
}

/// A success is early if the upstream had not responded yet: before its delay had passed, or, if it
/// never responds, before the commit deadline.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of deadlines are far below 2^52"
)]
fn early_success(subject: &Subject<'_>) -> Observation {
    let Some(behaviour) = subject.behaviour() else {
        return Observation::NotApplicable;
    };
    of_response(subject, |exchange| {
        let (Some(200..=299), Some(after)) = (exchange.status, exchange.head_after_ms) else {
            return "after-upstream".into();
        };
        let is_early = match (behaviour.class, behaviour.fault) {
            (_, Some(Fault::Never | Fault::StallHead)) => {
                after < subject.context.deadlines.commit as f64
            }
            (Class::Accepted, _) => after < behaviour.after_ms as f64,
            (Class::Unauthorized | Class::Forbidden | Class::Inconclusive, _) => false,
        };
        if is_early { "early" } else { "after-upstream" }.into()
    })
}

/// The cookie that hostile names and challenges try to set. A gateway may set cookies of its own.
const INJECTED_COOKIE: &str = "stolen=1";

fn injected_bytes(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        for (name, value) in &exchange.headers {
            if value.chars().any(|c| c.is_control() && c != '\t') {
                return format!("control-character: {name}").into();
            }
            if !value.is_ascii() {
                return format!("non-ascii: {name}").into();
            }
            if !name.eq_ignore_ascii_case("www-authenticate") && value.contains(INJECTED_COOKIE) {
                return format!("header: {name}").into();
            }
        }
        "none".into()
    })
}

fn presence(subject: &Subject<'_>, name: &str) -> Observation {
    of_response(subject, |exchange| match header(&exchange.headers, name) {
        Some(_) => "present".into(),
        None => "absent".into(),
    })
}

fn cache_control(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        let Some(value) = header(&exchange.headers, "cache-control") else {
            return "absent".into();
        };
        let mut directives = value.split(',').map(str::trim);
        if directives.any(|directive| directive.eq_ignore_ascii_case("no-store")) {
            "no-store".into()
        } else {
            format!("other: {value}").into()
        }
    })
}

fn retry_after(subject: &Subject<'_>) -> Observation {
    let stated = subject.stated_headers().and_then(|headers| header(headers, "retry-after"));
    let Some(stated) = stated else {
        return Observation::NotApplicable;
    };
    of_response(subject, |exchange| match header(&exchange.headers, "retry-after") {
        None => "absent".into(),
        Some(value) if value == stated => "kept".into(),
        Some(value) => format!("changed: {value}").into(),
    })
}

fn buffering_hint(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| match header(&exchange.headers, "x-accel-buffering") {
        Some(value) if value.eq_ignore_ascii_case("no") => "off".into(),
        _ => "absent".into(),
    })
}
