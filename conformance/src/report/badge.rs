//! A badge with the number of core requirements that are met.
//!
//! Either the endpoint document that shields.io reads, or an SVG image that needs no other service.

use super::totals;
use crate::judge::{
    baseline::Assessment,
    effective_verdict::{EffectiveVerdict, EffectiveVerdicts},
    run_file::Run,
    summary::{ProfileResult, run_result, verdicts},
};

const LABEL: &str = "preflight";
/// The XML namespace of SVG.
const NAMESPACE: &str = "http://www.w3.org/2000/svg";
/// Widths in pixels: one character, and the margins of one half of the badge.
const CHARACTER_WIDTH: usize = 7;
const MARGINS: usize = 14;

/// The message of a badge, and its colour as a name and as a value.
struct Badge {
    message: String,
    colour_name: &'static str,
    colour: &'static str,
}

impl Badge {
    fn new(run: &Run, assessment: &Assessment<'_>) -> Self {
        let rows = EffectiveVerdicts::new(run, assessment).rows(run);
        let (mut met, mut judged) = (0, 0);
        for (verdict, count) in totals(&rows, true) {
            if verdict >= EffectiveVerdict::Pass {
                judged += count;
            }
            if (EffectiveVerdict::Pass..=EffectiveVerdict::Warn).contains(&verdict) {
                met += count;
            }
        }
        let (colour_name, colour) = match run_result(run, &verdicts(run)) {
            _ if run.interrupted => ("lightgrey", "#6e7781"),
            ProfileResult::Success => ("brightgreen", "#1a7f4b"),
            ProfileResult::Partial => ("yellow", "#9a6700"),
            ProfileResult::Failure => ("red", "#c4332b"),
        };
        Self { message: format!("{met}/{judged} core"), colour_name, colour }
    }
}

/// The endpoint document of shields.io.
pub(super) fn endpoint(run: &Run, assessment: &Assessment<'_>) -> String {
    let Badge { message, colour_name, .. } = Badge::new(run, assessment);
    let document = serde_json::json!({
        "schemaVersion": 1,
        "label": LABEL,
        "message": message,
        "color": colour_name,
    });
    format!("{document}\n")
}

/// The SVG image. `textLength` fixes the width of each text, so that it fits with any font.
pub(super) fn svg(run: &Run, assessment: &Assessment<'_>) -> String {
    let Badge { message, colour, .. } = Badge::new(run, assessment);
    let (left, right) = (width(LABEL), width(&message));
    let total = left + right;
    let label = format!(r#"aria-label="{LABEL}: {message}""#);
    let font = "ui-sans-serif,system-ui,Verdana,sans-serif";
    let elements = [
        format!(r#"<svg xmlns="{NAMESPACE}" width="{total}" height="20" role="img" {label}>"#),
        format!("<title>{LABEL}: {message}</title>"),
        format!(r#"<clipPath id="r"><rect width="{total}" height="20" rx="4"/></clipPath>"#),
        r#"<g clip-path="url(#r)">"#.to_owned(),
        format!(r##"<rect width="{left}" height="20" fill="#24292f"/>"##),
        format!(r#"<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>"#),
        format!(r##"<g fill="#fff" text-anchor="middle" font-family="{font}" font-size="12">"##),
        text_element(LABEL, 0, left),
        text_element(&message, left, right),
        "</g></svg>\n".to_owned(),
    ];
    elements.concat()
}

fn width(text: &str) -> usize {
    text.chars().count() * CHARACTER_WIDTH + MARGINS
}

/// A text in the middle of the part of the badge that begins at `x`.
fn text_element(text: &str, x: usize, width: usize) -> String {
    format!(
        r#"<text x="{}" y="14" textLength="{}" lengthAdjust="spacingAndGlyphs">{text}</text>"#,
        x + width / 2,
        width - MARGINS
    )
}

#[cfg(test)]
mod tests {
    use crate::{
        judge::run_file::Run,
        report::{
            Format,
            tests::{rendered, run_with_every_verdict},
        },
    };

    #[test]
    fn a_badge_counts_the_core_requirements_that_are_met() {
        let run = run_with_every_verdict();
        insta::assert_snapshot!(
            rendered(&run, Format::Badge),
            @r#"{"schemaVersion":1,"label":"preflight","message":"2/6 core","color":"red"}"#
        );
        let image = rendered(&run, Format::BadgeSvg).replace("><", ">\n<");
        insta::assert_snapshot!(image, @r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="147" height="20" role="img" aria-label="preflight: 2/6 core">
        <title>preflight: 2/6 core</title>
        <clipPath id="r">
        <rect width="147" height="20" rx="4"/>
        </clipPath>
        <g clip-path="url(#r)">
        <rect width="77" height="20" fill="#24292f"/>
        <rect x="77" width="70" height="20" fill="#c4332b"/>
        </g>
        <g fill="#fff" text-anchor="middle" font-family="ui-sans-serif,system-ui,Verdana,sans-serif" font-size="12">
        <text x="38" y="14" textLength="63" lengthAdjust="spacingAndGlyphs">preflight</text>
        <text x="112" y="14" textLength="56" lengthAdjust="spacingAndGlyphs">2/6 core</text>
        </g>
        </svg>
        "##);
        let interrupted = Run { interrupted: true, ..run };
        assert!(rendered(&interrupted, Format::Badge).contains("lightgrey"));
    }
}
