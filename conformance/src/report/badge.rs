//! A badge: as the endpoint document that shields.io reads, and as a small picture that needs nobody.

use crate::judge::{baseline::Assessment, run_file::Run, summary::ProfileResult};
use crate::judge::{
    effective_verdict::{EffectiveVerdict, EffectiveVerdicts},
    summary::{outcome, verdicts},
};

const LABEL: &str = "preflight";

/// What it says, and its colour by name and by value.
fn badge(run: &Run, assessment: &Assessment<'_>) -> (String, &'static str, &'static str) {
    let rows = EffectiveVerdicts::new(run, assessment).rows(run);
    let core = || {
        rows.iter().filter(|row| {
            row.verdict.core && row.judged() && row.standing > EffectiveVerdict::Inconclusive
        })
    };
    let met = core()
        .filter(|row| {
            matches!(
                row.standing,
                EffectiveVerdict::Pass
                    | EffectiveVerdict::Info
                    | EffectiveVerdict::NonStrict
                    | EffectiveVerdict::Warn
            )
        })
        .count();
    let (name, colour) = match outcome(run, &verdicts(run)) {
        _ if run.interrupted => ("lightgrey", "#6e7781"),
        ProfileResult::Success => ("brightgreen", "#1a7f4b"),
        ProfileResult::Partial => ("yellow", "#9a6700"),
        ProfileResult::Failure => ("red", "#c4332b"),
    };
    (format!("{met}/{} core", core().count()), name, colour)
}

/// The endpoint document.
pub(super) fn endpoint(run: &Run, assessment: &Assessment<'_>) -> String {
    let (message, colour, _) = badge(run, assessment);
    format!(
        "{}\n",
        serde_json::json!({ "schemaVersion": 1, "label": LABEL, "message": message, "color": colour })
    )
}

/// The picture. Its text is given its width, so that it fits whatever font there is.
pub(super) fn svg(run: &Run, assessment: &Assessment<'_>) -> String {
    let (message, _, colour) = badge(run, assessment);
    let wide = |text: &str| text.chars().count() * 7;
    let (left, right) = (wide(LABEL) + 14, wide(&message) + 14);
    let all = left + right;
    let text = |said: &str, from: usize, room: usize| {
        format!(
            r#"<text x="{}" y="14" textLength="{}" lengthAdjust="spacingAndGlyphs">{said}</text>"#,
            from + room / 2,
            room - 14
        )
    };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="20" role="img" aria-label="{LABEL}: {message}"><title>{LABEL}: {message}</title><clipPath id="r"><rect width="{all}" height="20" rx="4"/></clipPath><g clip-path="url(#r)"><rect width="{left}" height="20" fill="#24292f"/><rect x="{left}" width="{right}" height="20" fill="{colour}"/></g><g fill="#fff" text-anchor="middle" font-family="ui-sans-serif,system-ui,Verdana,sans-serif" font-size="12">{}{}</g></svg>
"##,
        text(LABEL, 0, left),
        text(&message, left, right)
    )
}
