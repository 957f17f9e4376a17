//! Makes the matrix cases: every combination of the axes that `axes.toml` does not set aside, with the reason for those that it does.
//!
//! Knows nothing of what is expected of a matrix case.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start},
        behaviour::Behaviours,
        deployment::names,
        matrix_case::MatrixCase,
        selector::Selector,
    },
    catalogue::{ProtocolVersion, embedded::Embedded},
};

/// The axes as `axes.toml` describes them.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axes {
    /// The axes, in the order of a matrix case's id.
    axis: Vec<Axis>,
    /// Combinations that the matrix leaves out; the first row that fits one is named as the reason.
    not_applicable: Vec<Reduction>,
    /// How the servers of an aggregate endpoint answer.
    #[serde(default)]
    mixes: Mixes,
}

/// How the servers of an aggregate endpoint answer.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Mixes {
    /// Mock behaviours; the matrix has every mix of them.
    every: Vec<String>,
    /// Further mixes, each with one behaviour for each server, separated by commas.
    also: Vec<String>,
}

/// One axis of the matrix.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axis {
    /// The name in rules and filters.
    pub name: String,
    /// What differs between its values.
    pub description: String,
    /// The values, each with its description. Empty if another file or the implementation lists them.
    #[serde(default)]
    pub values: IndexMap<String, String>,
    /// The feature that an implementation must declare for a value; otherwise the verdict is `skip`.
    #[serde(default)]
    pub needs: IndexMap<String, String>,
}

/// Combinations that the matrix leaves out.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Reduction {
    /// The matrix cases that are left out.
    when: Selector,
    /// Limits the row to the first route of the implementation, or to its other ones.
    spelling: Option<RouteSpelling>,
    /// The same in words, for reports.
    description: String,
    /// Why no evidence is lost.
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RouteSpelling {
    /// The first route of the implementation.
    First,
    /// Any other route.
    Other,
}

/// The JSON Schema of `axes.toml`, from which the reference is made.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Axes)
}

/// Combinations that a run leaves out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// Which ones, in words.
    pub pattern: String,
    /// Why no evidence is lost.
    pub reason: String,
    /// How many.
    pub count: usize,
}

/// The place of a server's name in a route.
const PLACE: &str = "{server}";
/// Which of several servers a call is meant for: one with a neighbour on either side.
const TARGET: usize = 1;

static EMBEDDED: Embedded<Axes> = Embedded::new(|| {
    Axes::parse(include_str!("../../cases/axes.toml"))
        .map_err(|error| format!("cases/axes.toml: {error}"))
});

impl Axes {
    /// The ones that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    /// Reads and checks a description of the axes.
    ///
    /// # Errors
    ///
    /// When it is not TOML, has unknown keys, or names a value that no matrix case has.
    pub fn parse(text: &str) -> Result<Self, AxesError> {
        let axes: Self = toml::from_str(text)?;
        for reduction in &axes.not_applicable {
            reduction.when.check().map_err(|why| AxesError::Value {
                description: reduction.description.clone(),
                why,
            })?;
        }
        Ok(axes)
    }

    /// Every mix of behaviours that several servers are asked with, each spelled as a matrix case spells it.
    #[must_use]
    pub fn mixes(&self) -> Vec<String> {
        let mut mixes = self.mixes_of_words();
        mixes.extend(self.mixes.also.iter().cloned());
        mixes
    }

    /// Those of them in which every server has a word to say about the token.
    #[must_use]
    pub fn mixes_of_words(&self) -> Vec<String> {
        let mut mixes = vec![String::new()];
        for place in 0..names::AGGREGATE.len() {
            let comma = if place == 0 { "" } else { "," };
            mixes = mixes
                .iter()
                .flat_map(|mix| {
                    self.mixes.every.iter().map(move |one| format!("{mix}{comma}{one}"))
                })
                .collect();
        }
        mixes
    }

    /// The axes, in the order in which a matrix case names them.
    pub fn iter(&self) -> impl Iterator<Item = &Axis> {
        self.axis.iter()
    }

    /// The feature that an implementation lacks for this matrix case, if it lacks one.
    #[must_use]
    pub fn missing(&self, matrix_case: &MatrixCase, features: &BTreeSet<String>) -> Option<&str> {
        self.axis
            .iter()
            .filter_map(|axis| axis.needs.get(matrix_case.value(&axis.name)))
            .find(|feature| !features.contains(*feature))
            .map(String::as_str)
    }
}

/// Every matrix case for these starts and routes, one start after another, and what is left out. A route belongs to one server where it has a
/// place for its name, and to several where not.
#[must_use]
pub fn matrix_cases(
    axes: &Axes,
    starts: &[Start],
    routes: &[String],
) -> (Vec<MatrixCase>, Vec<Excluded>) {
    let (of_several, of_one): (Vec<String>, Vec<String>) =
        routes.iter().cloned().partition(|route| !route.contains(PLACE));
    let one = Choice {
        upstreams: Behaviours::embedded().spellings().collect(),
        routes: of_one,
    };
    let several = Choice { upstreams: axes.mixes(), routes: of_several };
    let reductions: Vec<&Reduction> = axes.not_applicable.iter().collect();
    let mut walk = Walk {
        one: &one,
        several: &several,
        matrix_cases: Vec::new(),
        excluded: vec![0; reductions.len()],
    };
    for start in starts {
        let blank = MatrixCase {
            credentials: Credentials::NoCredentials,
            server: ServerKind::Unknown,
            upstream: String::new(),
            method: Method::Initialize,
            route: String::new(),
            strategy: start.strategy,
            profile: start.profile,
            protocol_version: ProtocolVersion::default(),
        };
        let fits = |reduction: &Reduction| {
            ["strategy", "profile"]
                .iter()
                .all(|axis| reduction.when.fits(axis, blank.value(axis)))
        };
        let open: Vec<(usize, &Reduction)> = reductions
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, reduction)| fits(reduction))
            .collect();
        walk.from(0, &blank, &open);
    }
    let excluded = reductions.iter().zip(walk.excluded).filter(|(_, count)| *count > 0);
    let excluded = excluded.map(|(Reduction { description, reason, .. }, count)| Excluded {
        pattern: description.clone(),
        reason: reason.clone(),
        count,
    });
    (walk.matrix_cases, excluded.collect())
}

/// What there is to choose from, once it is known whether one server is asked or several.
struct Choice {
    upstreams: Vec<String>,
    routes: Vec<String>,
}

/// The way through all combinations, axis by axis. Where a reduction fits whatever comes behind, nothing behind is looked at.
struct Walk<'a> {
    one: &'a Choice,
    several: &'a Choice,
    matrix_cases: Vec<MatrixCase>,
    excluded: Vec<usize>,
}

impl Walk<'_> {
    /// The axes that a start leaves open, in the order of the walk.
    const OPEN: [&'static str; 6] =
        ["protocol-version", "credentials", "server", "upstream", "method", "route"];

    /// The protocol versions, the usual one first.
    const ERAS: [ProtocolVersion; 4] = [
        ProtocolVersion::V2025_11_25,
        ProtocolVersion::V2025_06_18,
        ProtocolVersion::V2025_03_26,
        ProtocolVersion::V2026_07_28,
    ];

    /// Goes on at an axis, with the values chosen so far and the reductions that fit them.
    fn from(&mut self, at: usize, chosen: &MatrixCase, open: &[(usize, &Reduction)]) {
        let settled = |reduction: &Reduction| {
            !Self::OPEN[at..].iter().any(|axis| reduction.when.looks_at(axis))
                && (reduction.spelling.is_none() || at == Self::OPEN.len())
        };
        if let Some((row, _)) = open.iter().find(|(_, reduction)| settled(reduction)) {
            self.excluded[*row] += self.count(at, chosen);
            return;
        }
        let Some(axis) = Self::OPEN.get(at) else {
            return self.matrix_cases.push(chosen.clone());
        };
        for nth in 0..self.width(at, chosen) {
            let mut matrix_case = chosen.clone();
            match *axis {
                "protocol-version" => matrix_case.protocol_version = Self::ERAS[nth],
                "credentials" => matrix_case.credentials = Credentials::ALL[nth],
                "server" => matrix_case.server = ServerKind::ALL[nth],
                "upstream" => matrix_case.upstream.clone_from(&self.choice(chosen).upstreams[nth]),
                "method" => matrix_case.method = Method::ALL[nth],
                _ => matrix_case.route.clone_from(&self.choice(chosen).routes[nth]),
            }
            let spelling = if nth == 0 { RouteSpelling::First } else { RouteSpelling::Other };
            let fits = |reduction: &Reduction| {
                reduction.when.fits(axis, matrix_case.value(axis))
                    && (*axis != "route" || reduction.spelling.is_none_or(|only| only == spelling))
            };
            let open: Vec<(usize, &Reduction)> =
                open.iter().copied().filter(|(_, reduction)| fits(reduction)).collect();
            self.from(at + 1, &matrix_case, &open);
        }
    }

    fn choice(&self, chosen: &MatrixCase) -> &Choice {
        if chosen.server == ServerKind::Aggregate {
            self.several
        } else {
            self.one
        }
    }

    /// How many combinations there are from an axis on.
    fn count(&self, at: usize, chosen: &MatrixCase) -> usize {
        let behind =
            |kind: ServerKind| self.count(at + 1, &MatrixCase { server: kind, ..chosen.clone() });
        match Self::OPEN.get(at) {
            None => 1,
            Some(&"server") => ServerKind::ALL.iter().map(|kind| behind(*kind)).sum(),
            Some(_) => self.width(at, chosen) * self.count(at + 1, chosen),
        }
    }

    fn width(&self, at: usize, chosen: &MatrixCase) -> usize {
        match Self::OPEN[at] {
            "protocol-version" => Self::ERAS.len(),
            "credentials" => Credentials::ALL.len(),
            "server" => ServerKind::ALL.len(),
            "upstream" => self.choice(chosen).upstreams.len(),
            "method" => Method::ALL.len(),
            _ => self.choice(chosen).routes.len(),
        }
    }
}

/// The server of the plan that a matrix case asks for. A matrix case whose token carries no script to a forwarding server needs the server for
/// itself; the methods are spread over several, so that such matrix cases wait less for one another.
#[must_use]
pub fn server_of(matrix_case: &MatrixCase) -> &'static str {
    match matrix_case.server {
        ServerKind::Forwarding => {
            let is_server = Behaviours::embedded()
                .find(&matrix_case.upstream)
                .and_then(|found| found.server());
            if matrix_case.protocol_version == ProtocolVersion::V2026_07_28 {
                return is_server.unwrap_or(names::STATELESS);
            }
            let turn = if matrix_case.credentials == Credentials::KeyAndToken {
                0
            } else {
                matrix_case.method as usize
            };
            is_server.unwrap_or(names::FORWARDING[turn % names::FORWARDING.len()])
        }
        ServerKind::Static => names::STATIC,
        ServerKind::ClientCredentials => names::MINTED,
        ServerKind::Open => names::OPEN,
        ServerKind::NotPermitted => names::RESTRICTED,
        ServerKind::Unknown => names::UNKNOWN,
        ServerKind::Aggregate => names::AGGREGATE[TARGET],
    }
}

/// The servers that a matrix case asks for, each with what it is told to do.
#[must_use]
pub fn orders_of(matrix_case: &MatrixCase) -> Vec<(&'static str, &str)> {
    match matrix_case.server {
        ServerKind::Aggregate => names::AGGREGATE.into_iter().zip(matrix_case.mix()).collect(),
        _ => vec![(server_of(matrix_case), &matrix_case.upstream)],
    }
}

/// What is wrong with a description of the axes.
#[derive(Debug, thiserror::Error)]
pub enum AxesError {
    /// It is not TOML, or has keys or values that nobody knows.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A reduction names a value that no matrix case has.
    #[error("`{description}`: {why}")]
    Value {
        /// The reduction.
        description: String,
        /// The value, and the accepted ones.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases::{axis::Strategy, matrix_case::AXES},
        catalogue::Profile,
    };

    fn routes() -> Vec<String> {
        [
            "/mcp/{server}",
            "/mcp/{server}/",
            "/{server}/mcp",
            "/{server}/mcp/",
            "/mcp",
            "/mcp/{servers}",
            "/toolset/{toolset}/mcp",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[test]
    fn every_value_of_every_axis_is_described() {
        let described = |name: &str| -> Vec<String> {
            let axis = Axes::embedded().iter().find(|axis| axis.name == name).unwrap();
            assert!(axis.needs.keys().all(|value| axis.values.contains_key(value)));
            axis.values.keys().cloned().collect()
        };
        assert_eq!(
            described("credentials"),
            Credentials::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            described("server"),
            ServerKind::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            described("method"),
            Method::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            described("strategy"),
            Strategy::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            described("profile"),
            Profile::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            described("protocol-version"),
            ProtocolVersion::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            Axes::embedded().iter().map(|axis| axis.name.as_str()).collect::<Vec<_>>(),
            AXES
        );
    }

    #[test]
    fn the_matrix_is_every_combination_less_what_is_set_aside() {
        let starts = [Strategy::Probe, Strategy::Deferred]
            .map(|strategy| Start { profile: Profile::Seed, strategy });
        let (matrix_cases, excluded) = matrix_cases(Axes::embedded(), &starts, &routes());
        let of_one = (ServerKind::ALL.len() - 1) * Behaviours::embedded().spellings().count() * 4;
        let of_several = Axes::embedded().mixes().len() * 3;
        let all = Credentials::ALL.len()
            * (of_one + of_several)
            * Method::ALL.len()
            * ProtocolVersion::ALL.len()
            * starts.len();
        assert_eq!(
            matrix_cases.len() + excluded.iter().map(|excluded| excluded.count).sum::<usize>(),
            all
        );
        assert!((1_500..3_500).contains(&matrix_cases.len()), "{}", matrix_cases.len());
        let ids: BTreeSet<String> = matrix_cases.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), matrix_cases.len());
    }

    #[test]
    fn every_behaviour_of_the_matrix_meets_a_forwarded_token() {
        let (matrix_cases, _) = matrix_cases(
            Axes::embedded(),
            &[Start { profile: Profile::Seed, strategy: Strategy::Own }],
            &routes(),
        );
        for upstream in Behaviours::embedded().spellings() {
            let meets = |matrix_case: &&MatrixCase| {
                matrix_case.upstream == upstream
                    && matrix_case.credentials == Credentials::KeyAndToken
                    && matrix_case.server == ServerKind::Forwarding
            };
            assert!(matrix_cases.iter().any(|matrix_case| meets(&matrix_case)), "{upstream}");
        }
    }

    #[test]
    fn a_value_that_no_matrix_case_has_is_an_error() {
        let text = "axis = []\n[[not-applicable]]\nwhen = { upstream = 'no-such-behaviour' }\ndescription = 'teapots'\nreason = 'none'\n";
        let error = Axes::parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "`teapots`: no matrix case has upstream = `no-such-behaviour`, expected"
            )
        );
    }
}
