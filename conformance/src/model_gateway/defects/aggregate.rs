//! Defects of aggregate endpoints: which servers are contacted, and what their results amount to.

use super::Defect;
use crate::{
    catalogue::Profile,
    model_gateway::{
        aggregate_names::prefixed_name,
        aggregate_verdict::{AggregateRefusal, PartRefusal, combine, refusal},
    },
};

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "first-refusal-wins",
        description: "The gateway answers with the refusal that arrives first and does not wait \
            for the others.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-03", "AGG-06", "AGG-07", "AGG-11"],
        deviation: |decisions| decisions.waits_for_all_probes.change(false),
    },
    Defect {
        name: "403-outranks-401",
        description: "The gateway answers 403 if one server answers 401 and another 403.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-03"],
        deviation: |decisions| {
            decisions.aggregate_refusal.change(|parts| {
                refusal(parts, PartRefusal::Forbidden)
                    .or_else(|| refusal(parts, PartRefusal::Unauthorized))
            });
        },
    },
    Defect {
        name: "names-the-last-refuser",
        description: "The challenge names the last of several servers that refuse.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-06"],
        deviation: |decisions| {
            decisions.aggregate_refusal.change(|parts| {
                let last = parts.iter().rposition(|part| *part == Some(PartRefusal::Unauthorized));
                let named = |last| AggregateRefusal {
                    kind: PartRefusal::Unauthorized,
                    refusing: last,
                    named: last,
                };
                last.map(named).or_else(|| refusal(parts, PartRefusal::Forbidden))
            });
        },
    },
    Defect {
        name: "names-the-first-server",
        description: "The challenge names the first server, whichever server refused.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-05", "AGG-06"],
        deviation: |decisions| {
            decisions.aggregate_refusal.change(|parts| {
                let mut refusal = combine(parts)?;
                if refusal.kind == PartRefusal::Unauthorized {
                    refusal.named = 0;
                }
                Some(refusal)
            });
        },
    },
    Defect {
        name: "empty-where-all-fail",
        description: "The gateway answers with an empty success if every server fails.",
        reported_in: &["metamcp#329"],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-03", "STA-04", "STA-12"],
        deviation: |decisions| decisions.succeeds_when_all_fail.change(true),
    },
    Defect {
        name: "silence-hides-refusals",
        description: "The gateway ignores the refusals of servers if one server does not respond.",
        reported_in: &["pctx#119"],
        profiles: &[Profile::Seed],
        fails: &["AGG-01", "AGG-08"],
        deviation: |decisions| decisions.timeout_hides_refusals.change(true),
    },
    Defect {
        name: "judges-calls-by-all",
        description: "A call to one server is refused if another server of the set refuses the \
            token.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-10"],
        deviation: |decisions| decisions.probes_all_servers_for_call.change(true),
    },
    Defect {
        name: "renames-by-position",
        description: "Tools are named by the position of their server among those that respond.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-09", "AGG-13"],
        deviation: |decisions| {
            decisions
                .aggregate_name
                .change(|name| format!("server{}-{}", name.position, name.item));
        },
    },
    Defect {
        name: "one-is-single",
        description: "The tools of a set of one server have no prefix.",
        reported_in: &["litellm#31684"],
        profiles: &[Profile::Seed],
        fails: &["AGG-09"],
        deviation: |decisions| {
            decisions.aggregate_name.change(|name| {
                if name.servers == 1 {
                    name.item.to_owned()
                } else {
                    prefixed_name(name)
                }
            });
        },
    },
    Defect {
        name: "unknown-widens",
        description: "An unknown name in a selection selects every server that the caller may use.",
        reported_in: &["litellm#28220"],
        profiles: &[Profile::Seed],
        fails: &["GATE-01", "GATE-03"],
        deviation: |decisions| decisions.widens_unknown_selection.change(true),
    },
    Defect {
        name: "asks-duplicates",
        description: "A server that is named three times is contacted three times.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["GATE-11"],
        deviation: |decisions| decisions.removes_duplicates.change(false),
    },
    Defect {
        name: "ignores-toolsets",
        description: "A toolset selects every server that the caller may use.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-09", "GATE-01", "GATE-02", "GATE-03"],
        deviation: |decisions| decisions.applies_toolsets.change(false),
    },
    Defect {
        name: "drops-failing-silently",
        description: "A partial result does not name the servers that failed.",
        reported_in: &["litellm#33153", "agentgateway#962"],
        profiles: &[Profile::Mcp],
        fails: &["AGG-02"],
        deviation: |decisions| decisions.reports_failed_servers.change(false),
    },
    Defect {
        name: "token-to-every-space",
        description: "The gateway sends one token to every protection space of a set.",
        reported_in: &["litellm#31989"],
        profiles: &[Profile::Mcp],
        fails: &["AGG-04"],
        deviation: |decisions| decisions.sends_token_to_every_space.change(true),
    },
    Defect {
        name: "public-parts",
        description: "The merged list of several servers may be cached for all callers.",
        reported_in: &[],
        profiles: &[Profile::Seed],
        fails: &["AGG-12"],
        deviation: |decisions| decisions.aggregate_cache.change(("public", 60_000)),
    },
];
