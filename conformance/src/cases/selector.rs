//! Selects matrix cases by the values of their axes. Rules and the reductions of the matrix use it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Strategy},
        behaviour::{Behaviours, Class},
        matrix_case::{AXES, MatrixCase},
        pattern::{Pattern, wildcard_match},
    },
    catalogue::{Profile, ProtocolVersion},
};

/// A set of matrix cases: those that match the patterns of all given axes.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Selector {
    /// Values of the axis `credentials`.
    credentials: Option<Pattern>,
    /// Values of the axis `server`.
    server: Option<Pattern>,
    /// Mock behaviours, with or without `+body`.
    upstream: Option<Pattern>,
    /// What a correct gateway concludes from the behaviours: `accepted`, `unauthorized`,
    /// `forbidden`, `inconclusive`. For an aggregate endpoint, each different class once, in
    /// alphabetical order, joined by `+`.
    class: Option<Pattern>,
    /// The class of the server that a tool call to an aggregate endpoint addresses.
    target: Option<Pattern>,
    /// Values of the axis `method`.
    method: Option<Pattern>,
    /// Routes of the implementation.
    route: Option<Pattern>,
    /// Values of the axis `strategy`.
    strategy: Option<Pattern>,
    /// Values of the axis `profile`.
    profile: Option<Pattern>,
    /// Values of the axis `protocol-version`.
    protocol_version: Option<Pattern>,
}

impl Selector {
    /// This selector, with the patterns of `defaults` for the axes that it does not constrain.
    #[must_use]
    pub fn or(self, defaults: &Self) -> Self {
        let or = |own: Option<Pattern>, default: &Option<Pattern>| own.or_else(|| default.clone());
        Self {
            credentials: or(self.credentials, &defaults.credentials),
            server: or(self.server, &defaults.server),
            upstream: or(self.upstream, &defaults.upstream),
            class: or(self.class, &defaults.class),
            target: or(self.target, &defaults.target),
            method: or(self.method, &defaults.method),
            route: or(self.route, &defaults.route),
            strategy: or(self.strategy, &defaults.strategy),
            profile: or(self.profile, &defaults.profile),
            protocol_version: or(self.protocol_version, &defaults.protocol_version),
        }
    }

    /// Whether the selector contains this matrix case. A behaviour matches with and without its
    /// `+body`.
    #[must_use]
    pub fn matches(&self, matrix_case: &MatrixCase) -> bool {
        let target = |pattern: &Pattern| {
            matrix_case.target().is_some_and(|target| pattern.matches(class_of(target)))
        };
        AXES.iter()
            .filter(|axis| self.constrains(axis))
            .all(|axis| self.matches_value(axis, matrix_case.value(axis)))
            && self.target.as_ref().is_none_or(target)
    }

    /// Whether the selector can contain a matrix case with this value of this axis.
    #[must_use]
    pub fn matches_value(&self, axis: &str, value: &str) -> bool {
        if axis != "upstream" {
            return self.pattern(axis).is_none_or(|pattern| pattern.matches(value));
        }
        let name = value.split_once('+').map_or(value, |(name, _)| name);
        let class = |pattern: &Pattern| match value.contains(',') {
            true => pattern.matches(&classes(value.split(','))),
            false => pattern.matches(class_of(value)),
        };
        self.upstream
            .as_ref()
            .is_none_or(|pattern| pattern.matches_one_of(&[value, name]))
            && self.class.as_ref().is_none_or(class)
    }

    /// Whether the selector depends on this axis.
    #[must_use]
    pub fn constrains(&self, axis: &str) -> bool {
        self.pattern(axis).is_some() || axis == "upstream" && self.class.is_some()
    }

    fn pattern(&self, axis: &str) -> Option<&Pattern> {
        match axis {
            "credentials" => self.credentials.as_ref(),
            "server" => self.server.as_ref(),
            "upstream" => self.upstream.as_ref(),
            "method" => self.method.as_ref(),
            "route" => self.route.as_ref(),
            "strategy" => self.strategy.as_ref(),
            "profile" => self.profile.as_ref(),
            "protocol-version" => self.protocol_version.as_ref(),
            _ => None,
        }
    }

    /// Checks that every value can occur in a matrix case.
    ///
    /// # Errors
    ///
    /// The first value that cannot occur, and the accepted ones.
    pub fn check(&self) -> Result<(), String> {
        const CLASSES: [Class; 4] =
            [Class::Accepted, Class::Forbidden, Class::Inconclusive, Class::Unauthorized];
        let behaviours = Behaviours::embedded();
        let class_sets: Vec<String> = (1_u8..1 << CLASSES.len())
            .map(|set| {
                CLASSES
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| set & 1 << n != 0)
                    .map(|(_, class)| class.as_str())
                    .collect::<Vec<_>>()
            })
            .map(|classes| classes.join("+"))
            .collect();
        let mut upstreams: Vec<String> = behaviours.spellings().collect();
        upstreams.extend(
            behaviours
                .all()
                .filter(|behaviour| !behaviour.scenario)
                .map(|behaviour| behaviour.name.clone()),
        );
        let axes: [(&'static str, Vec<&str>, &Option<Pattern>); 9] = [
            (
                "credentials",
                Credentials::ALL.iter().map(|value| value.as_str()).collect(),
                &self.credentials,
            ),
            (
                "server",
                ServerKind::ALL.iter().map(|value| value.as_str()).collect(),
                &self.server,
            ),
            ("upstream", upstreams.iter().map(String::as_str).collect(), &self.upstream),
            ("class", class_sets.iter().map(String::as_str).collect(), &self.class),
            ("target", CLASSES.iter().map(|class| class.as_str()).collect(), &self.target),
            ("method", Method::ALL.iter().map(|value| value.as_str()).collect(), &self.method),
            (
                "strategy",
                Strategy::ALL.iter().map(|value| value.as_str()).collect(),
                &self.strategy,
            ),
            (
                "profile",
                Profile::ALL.iter().map(|value| value.as_str()).collect(),
                &self.profile,
            ),
            (
                "protocol-version",
                ProtocolVersion::ALL.iter().map(|value| value.as_str()).collect(),
                &self.protocol_version,
            ),
        ];
        for (axis, values, pattern) in &axes {
            if let Some(value) = pattern.as_ref().and_then(|pattern| unknown_value(pattern, values))
            {
                let accepted = values.join(", ");
                return Err(format!(
                    "no matrix case has {axis} = `{value}`, expected one of {accepted}"
                ));
            }
        }
        Ok(())
    }
}

/// What a correct gateway concludes from a behaviour. Empty if the behaviour is unknown.
fn class_of(behaviour: &str) -> &'static str {
    Behaviours::embedded().find(behaviour).map_or("", |found| found.class.as_str())
}

/// The classes of several behaviours: each once, in alphabetical order, joined by `+`.
fn classes<'a>(behaviours: impl IntoIterator<Item = &'a str>) -> String {
    behaviours
        .into_iter()
        .map(class_of)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
        .join("+")
}

/// The first value of the pattern that matches none of the accepted ones. Each behaviour of a mix
/// is checked by itself.
fn unknown_value(pattern: &Pattern, values: &[&str]) -> Option<String> {
    let known = |part: &str| values.iter().any(|value| wildcard_match(part, value));
    pattern.values().find(|value| !value.split(',').all(known)).map(str::to_owned)
}
