//! Picks cells by the values of their axes. Rules and the reductions of the matrix spell it the same way.

use serde::Deserialize;

use crate::{
    behaviour::{Behaviours, Class},
    cell::{Cell, Credentials, Method, ServerKind, Strategy},
    pattern::Pattern,
};

/// Which cells are meant: those that fit every pattern that is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Selector {
    credentials: Option<Pattern>,
    server: Option<Pattern>,
    upstream: Option<Pattern>,
    /// What an honest gateway may conclude from the upstream's behaviour.
    class: Option<Pattern>,
    method: Option<Pattern>,
    route: Option<Pattern>,
    strategy: Option<Pattern>,
}

impl Selector {
    /// Whether this cell is meant. A behaviour goes by its name, with and without its body.
    #[must_use]
    pub fn matches(&self, cell: &Cell) -> bool {
        let fits = |pattern: &Option<Pattern>, value: &str| pattern.as_ref().is_none_or(|pattern| pattern.matches(value));
        let name = cell.upstream.split_once('+').map_or(cell.upstream.as_str(), |(name, _)| name);
        fits(&self.credentials, cell.credentials.as_str())
            && fits(&self.server, cell.server.as_str())
            && fits(&self.method, cell.method.as_str())
            && fits(&self.route, &cell.route)
            && fits(&self.strategy, cell.strategy.as_str())
            && self.upstream.as_ref().is_none_or(|pattern| pattern.matches_one_of(&[&cell.upstream, name]))
            && self
                .class
                .as_ref()
                .is_none_or(|pattern| Behaviours::embedded().find(name).is_some_and(|found| pattern.matches(found.class.as_str())))
    }

    /// A value that no cell can have, with the name of its axis: a slip of the pen.
    #[must_use]
    pub fn slip(&self) -> Option<(&'static str, String)> {
        const CLASSES: [Class; 4] = [Class::Accepted, Class::Unauthorized, Class::Forbidden, Class::Inconclusive];
        let behaviours = Behaviours::embedded();
        let mut upstreams: Vec<String> = behaviours.spellings().collect();
        upstreams.extend(behaviours.all().filter(|behaviour| !behaviour.scenario).map(|behaviour| behaviour.name.clone()));
        let of = |values: &[&str], pattern: &Option<Pattern>| unknown(pattern.as_ref()?, values);
        let all = |values: &[&'static str]| values.to_vec();
        let axes: [(&'static str, Vec<&str>, &Option<Pattern>); 6] = [
            ("credentials", all(&Credentials::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>()), &self.credentials),
            ("server", all(&ServerKind::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>()), &self.server),
            ("upstream", upstreams.iter().map(String::as_str).collect(), &self.upstream),
            ("class", CLASSES.iter().map(|class| class.as_str()).collect(), &self.class),
            ("method", all(&Method::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>()), &self.method),
            ("strategy", all(&Strategy::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>()), &self.strategy),
        ];
        axes.iter().find_map(|(axis, values, pattern)| of(values, pattern).map(|value| (*axis, value)))
    }
}

fn unknown(pattern: &Pattern, values: &[&str]) -> Option<String> {
    pattern.written().find(|written| !values.iter().any(|value| crate::pattern::wild(written, value))).map(str::to_owned)
}
