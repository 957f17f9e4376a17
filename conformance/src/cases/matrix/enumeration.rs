//! Enumerates the combinations of the axes and counts those that a reduction excludes.

use super::axes::{Axes, Reduction, RouteSpelling};
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start},
        behaviour::Behaviours,
        matrix_case::MatrixCase,
    },
    catalogue::{Profile, ProtocolVersion},
};

/// Combinations that a run excludes, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The description of the combinations.
    pub pattern: String,
    /// Why no evidence is lost.
    pub reason: String,
    /// The number of combinations.
    pub count: usize,
}

/// What an implementation determines about its matrix.
#[derive(Clone, Copy, Debug)]
pub struct MatrixScope<'a> {
    /// How it is started.
    pub starts: &'a [Start],
    /// Its routes. A route with `{server}` is a single-server endpoint; any other route is an
    /// aggregate endpoint. If no route has `{server}`, they are endpoints of the only server.
    pub routes: &'a [String],
    /// The profile in which every case runs. In other profiles, only the cases run that a profile
    /// can change.
    pub main_profile: Profile,
    /// The protocol versions that its clients may use.
    pub protocol_versions: &'a [ProtocolVersion],
}

/// The placeholder of the server's name in a route.
const SERVER_PLACEHOLDER: &str = "{server}";

/// Returns every matrix case of an implementation, start by start, and the excluded combinations.
#[must_use]
pub fn matrix_cases(axes: &Axes, scope: MatrixScope<'_>) -> (Vec<MatrixCase>, Vec<Excluded>) {
    let has_placeholder = |route: &String| route.contains(SERVER_PLACEHOLDER);
    let has_multiple_servers = scope.routes.iter().any(has_placeholder);
    let (single_server_routes, aggregate_routes): (Vec<String>, Vec<String>) = scope
        .routes
        .iter()
        .cloned()
        .partition(|route| has_placeholder(route) || !has_multiple_servers);
    let reductions: Vec<&Reduction> = axes.not_applicable.iter().collect();
    let mut enumeration = Enumeration {
        single_server: EndpointValues {
            upstreams: Behaviours::embedded().spellings().collect(),
            routes: single_server_routes,
        },
        aggregate: EndpointValues { upstreams: axes.mixes(), routes: aggregate_routes },
        main_profile: scope.main_profile,
        protocol_versions: Enumeration::PROTOCOL_VERSIONS
            .into_iter()
            .filter(|version| scope.protocol_versions.contains(version))
            .collect(),
        cases: Vec::new(),
        excluded: vec![0; reductions.len()],
    };
    for start in scope.starts {
        enumeration.add_start(*start, &reductions);
    }
    let excluded = reductions
        .iter()
        .zip(enumeration.excluded)
        .filter(|(_, count)| *count > 0)
        .map(|(reduction, count)| Excluded {
            pattern: reduction.description.clone(),
            reason: reduction.reason.clone(),
            count,
        })
        .collect();
    (enumeration.cases, excluded)
}

/// The values of the axes `upstream` and `route`, which depend on the kind of endpoint.
struct EndpointValues {
    upstreams: Vec<String>,
    routes: Vec<String>,
}

/// Assigns a value to one axis after another.
///
/// If a reduction matches before all axes have a value, all remaining combinations are only
/// counted.
struct Enumeration {
    single_server: EndpointValues,
    aggregate: EndpointValues,
    main_profile: Profile,
    /// The protocol versions of the clients, the default version first.
    protocol_versions: Vec<ProtocolVersion>,
    /// The cases found so far.
    cases: Vec<MatrixCase>,
    /// The number of combinations that each reduction excludes, by its row.
    excluded: Vec<usize>,
}

/// A reduction with its row in `axes.toml`.
type Row<'a> = (usize, &'a Reduction);

impl Enumeration {
    /// The axes that a start does not determine, in the order in which they receive values.
    const AXES: [&'static str; 6] =
        ["protocol-version", "credentials", "server", "upstream", "method", "route"];

    /// The protocol versions. The default version comes first.
    const PROTOCOL_VERSIONS: [ProtocolVersion; 4] = [
        ProtocolVersion::V2025_11_25,
        ProtocolVersion::V2025_06_18,
        ProtocolVersion::V2025_03_26,
        ProtocolVersion::V2026_07_28,
    ];

    /// Adds the cases of one start.
    fn add_start(&mut self, start: Start, reductions: &[&Reduction]) {
        let initial = MatrixCase {
            credentials: Credentials::NoCredentials,
            server: ServerKind::Unknown,
            upstream: String::new(),
            method: Method::Initialize,
            route: String::new(),
            strategy: start.strategy,
            profile: start.profile,
            protocol_version: ProtocolVersion::default(),
        };
        let is_other_profile = start.profile != self.main_profile;
        let matches_start = |reduction: &Reduction| {
            (reduction.profile.is_none() || is_other_profile)
                && ["strategy", "profile"]
                    .iter()
                    .all(|axis| reduction.when.matches_value(axis, initial.value(axis)))
        };
        let candidates: Vec<Row<'_>> = reductions
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, reduction)| matches_start(reduction))
            .collect();
        self.add_from(0, &initial, &candidates);
    }

    /// Adds the cases that have the values of `partial` for the axes before `position`.
    ///
    /// `candidates` are the reductions that match these values.
    fn add_from(&mut self, position: usize, partial: &MatrixCase, candidates: &[Row<'_>]) {
        if let Some((row, _)) =
            candidates.iter().find(|(_, reduction)| is_decided(reduction, position))
        {
            self.excluded[*row] += self.count_from(position, partial);
            return;
        }
        let Some(&axis) = Self::AXES.get(position) else {
            self.cases.push(partial.clone());
            return;
        };
        for index in 0..self.value_count(axis, partial) {
            let next = self.with_value(axis, index, partial);
            let matches = |reduction: &Reduction| {
                reduction.when.matches_value(axis, next.value(axis))
                    && (axis != "route" || matches_spelling(reduction, index))
            };
            let candidates: Vec<Row<'_>> =
                candidates.iter().copied().filter(|(_, reduction)| matches(reduction)).collect();
            self.add_from(position + 1, &next, &candidates);
        }
    }

    /// The partial case with the value of this index for an axis.
    fn with_value(&self, axis: &str, index: usize, partial: &MatrixCase) -> MatrixCase {
        let mut case = partial.clone();
        match axis {
            "protocol-version" => case.protocol_version = self.protocol_versions[index],
            "credentials" => case.credentials = Credentials::ALL[index],
            "server" => case.server = ServerKind::ALL[index],
            "upstream" => {
                case.upstream.clone_from(&self.endpoint_values(partial).upstreams[index]);
            }
            "method" => case.method = Method::ALL[index],
            _ => case.route.clone_from(&self.endpoint_values(partial).routes[index]),
        }
        case
    }

    fn endpoint_values(&self, partial: &MatrixCase) -> &EndpointValues {
        match partial.server {
            ServerKind::Aggregate => &self.aggregate,
            _ => &self.single_server,
        }
    }

    /// The number of combinations of the axes from `position` on.
    fn count_from(&self, position: usize, partial: &MatrixCase) -> usize {
        match Self::AXES.get(position) {
            None => 1,
            // The number of upstreams and routes depends on the kind of server.
            Some(&"server") => ServerKind::ALL
                .iter()
                .map(|&server| MatrixCase { server, ..partial.clone() })
                .map(|next| self.count_from(position + 1, &next))
                .sum(),
            Some(axis) => self.value_count(axis, partial) * self.count_from(position + 1, partial),
        }
    }

    /// The number of values of an axis.
    fn value_count(&self, axis: &str, partial: &MatrixCase) -> usize {
        match axis {
            "protocol-version" => self.protocol_versions.len(),
            "credentials" => Credentials::ALL.len(),
            "server" => ServerKind::ALL.len(),
            "upstream" => self.endpoint_values(partial).upstreams.len(),
            "method" => Method::ALL.len(),
            _ => self.endpoint_values(partial).routes.len(),
        }
    }
}

/// Whether a reduction depends on no axis from `position` on.
fn is_decided(reduction: &Reduction, position: usize) -> bool {
    let axes = &Enumeration::AXES;
    !axes[position..].iter().any(|axis| reduction.when.constrains(axis))
        && (reduction.spelling.is_none() || position == axes.len())
}

/// Whether a reduction applies to the route of this index.
fn matches_spelling(reduction: &Reduction, route_index: usize) -> bool {
    let spelling = match route_index {
        0 => RouteSpelling::First,
        _ => RouteSpelling::Other,
    };
    reduction.spelling.is_none_or(|only| only == spelling)
}
