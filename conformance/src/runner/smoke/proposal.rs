//! Compares what was found out about a gateway with its description, and proposes the lines of
//! `implementation.toml` that agree with the gateway.

use std::fmt::Write as _;

use super::{
    survey::{FoundAggregate, Survey},
    way::Way,
};
use crate::{
    catalogue::Feature,
    implementations::{CredentialLayout, Implementation},
};

/// One difference between a description and the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line for the user: what to remove or to add, and what shows that.
    pub text: String,
    /// Whether the description states something that is not so. If it only leaves something out,
    /// the cases that need it are skipped.
    pub is_wrong: bool,
}

/// What to change in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The differences.
    pub differences: Vec<Difference>,
    /// The lines of `implementation.toml`, which replace the keys and sections with the same names.
    pub lines: String,
}

impl Proposal {
    /// Compares a description with a survey. `None` if they agree, or if nothing was found out.
    #[must_use]
    pub fn of(implementation: &Implementation, survey: &Survey) -> Option<Self> {
        let way = survey.way.as_ref()?;
        let declared = Way::declared(implementation);
        let mut differences = Vec::new();
        let mut lines = String::new();
        if way.route != declared.route {
            let (stated, found) = (&declared.route, &way.route);
            differences.push(wrong(format!("routes: calls succeed at {found}, not at {stated}")));
            let _ = writeln!(lines, "routes = [{found:?}]");
        }
        let features = feature_differences(implementation, survey);
        if !features.is_empty() {
            differences.extend(features);
            lines.push_str(&feature_lines(implementation, survey));
        }
        if let Some(aggregate) = &survey.aggregate {
            let route = &aggregate.route;
            differences.push(missing(format!(
                "+ [aggregate]: a tools/list at {route} reached exactly the selected servers"
            )));
            lines.push_str(&aggregate_lines(aggregate));
        }
        if way.layout != declared.layout {
            differences.push(wrong(format!(
                "credentials: calls succeed with the key in `{}` and the token in `{}`",
                way.layout.key_header, way.layout.token_header
            )));
            lines.push_str(&credential_lines(&way.layout));
        }
        (!differences.is_empty()).then_some(Self { differences, lines })
    }

    /// Whether the description states something that is not so.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.differences.iter().any(|difference| difference.is_wrong)
    }
}

fn wrong(text: String) -> Difference {
    Difference { text, is_wrong: true }
}

fn missing(text: String) -> Difference {
    Difference { text, is_wrong: false }
}

fn feature_differences(implementation: &Implementation, survey: &Survey) -> Vec<Difference> {
    let difference = |found: &super::FoundFeature| {
        let (feature, evidence) = (found.feature, &found.evidence);
        match (implementation.features.contains(&feature), found.is_present) {
            (true, false) => Some(wrong(format!("- \"{feature}\": {evidence}"))),
            (false, true) => Some(missing(format!("+ \"{feature}\": {evidence}"))),
            (true, true) | (false, false) => None,
        }
    };
    survey.features.iter().filter_map(difference).collect()
}

/// The list `features` that agrees with the gateway. What could not be tried stays as declared.
///
/// It is complete, so the changes of the preset's features would be changes of this list.
fn feature_lines(implementation: &Implementation, survey: &Survey) -> String {
    let mut lines = "# instead of features-added and features-removed\nfeatures = [\n".to_owned();
    for feature in Feature::ALL {
        let is_listed = survey
            .has(*feature)
            .unwrap_or_else(|| implementation.features.contains(feature));
        if is_listed && feature.declaring_key().is_none() {
            let _ = writeln!(lines, "    \"{feature}\",");
        }
    }
    lines.push_str("]\n");
    lines
}

fn aggregate_lines(aggregate: &FoundAggregate) -> String {
    let FoundAggregate { route, narrowing_header, name_separator } = aggregate;
    let selection = narrowing_header
        .as_ref()
        .map(|name| format!("narrowing-header = {name:?}\n"))
        .unwrap_or_default();
    format!("\n[aggregate]\nroutes = [{route:?}]\n{selection}name-separator = {name_separator:?}\n")
}

fn credential_lines(layout: &CredentialLayout) -> String {
    let CredentialLayout { key_header, key_prefix, token_header, token_prefix, .. } = layout;
    format!(
        "\n[credentials]\nkey-header = {key_header:?}\nkey-prefix = {key_prefix:?}\n\
         token-header = {token_header:?}\ntoken-prefix = {token_prefix:?}\n"
    )
}
