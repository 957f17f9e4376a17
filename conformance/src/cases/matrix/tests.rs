use std::collections::BTreeSet;

use super::*;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start, Strategy},
        behaviour::Behaviours,
        matrix_case::{AXES, MatrixCase},
    },
    catalogue::{Profile, ProtocolVersion},
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

fn scope<'a>(starts: &'a [Start], routes: &'a [String]) -> MatrixScope<'a> {
    MatrixScope {
        starts,
        routes,
        main_profile: Profile::Seed,
        protocol_versions: ProtocolVersion::ALL,
    }
}

#[test]
fn every_value_of_every_axis_is_described() {
    fn names<T: ToString>(values: &[T]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }
    let described = |name: &str| -> Vec<String> {
        let axis = Axes::embedded().iter().find(|axis| axis.name == name).unwrap();
        assert!(axis.needs.keys().all(|value| axis.values.contains_key(value)));
        axis.values.keys().cloned().collect()
    };
    assert_eq!(described("credentials"), names(Credentials::ALL));
    assert_eq!(described("server"), names(ServerKind::ALL));
    assert_eq!(described("method"), names(Method::ALL));
    assert_eq!(described("strategy"), names(Strategy::ALL));
    assert_eq!(described("profile"), names(Profile::ALL));
    assert_eq!(described("protocol-version"), names(ProtocolVersion::ALL));
    let axes: Vec<&str> = Axes::embedded().iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(axes, AXES);
}

#[test]
fn matrix_contains_every_combination_that_is_not_excluded() {
    let starts = [Strategy::Probe, Strategy::Deferred]
        .map(|strategy| Start { profile: Profile::Seed, strategy });
    let (cases, excluded) = matrix_cases(Axes::embedded(), scope(&starts, &routes()));
    let single_server =
        (ServerKind::ALL.len() - 1) * Behaviours::embedded().spellings().count() * 4;
    let aggregate = Axes::embedded().mixes().len() * 3;
    let all = Credentials::ALL.len()
        * (single_server + aggregate)
        * Method::ALL.len()
        * ProtocolVersion::ALL.len()
        * starts.len();
    let excluded: usize = excluded.iter().map(|excluded| excluded.count).sum();
    assert_eq!(cases.len() + excluded, all);
    assert!((1_500..3_500).contains(&cases.len()), "{}", cases.len());
    let ids: BTreeSet<String> = cases.iter().map(ToString::to_string).collect();
    assert_eq!(ids.len(), cases.len());
}

#[test]
fn every_behaviour_of_the_matrix_is_tested_with_a_forwarded_token() {
    let start = Start { profile: Profile::Seed, strategy: Strategy::Own };
    let (cases, _) = matrix_cases(Axes::embedded(), scope(&[start], &routes()));
    for upstream in Behaviours::embedded().spellings() {
        let is_tested = |case: &MatrixCase| {
            case.upstream == upstream
                && case.credentials == Credentials::KeyAndToken
                && case.server == ServerKind::Forwarding
        };
        assert!(cases.iter().any(is_tested), "{upstream}");
    }
}

#[test]
fn main_profile_has_every_single_server_case() {
    let routes = routes();
    let count = |main_profile, profile| {
        let starts = [Start { profile, strategy: Strategy::Own }];
        let scope = MatrixScope { main_profile, ..scope(&starts, &routes) };
        let (cases, _) = matrix_cases(Axes::embedded(), scope);
        cases.iter().filter(|case| case.server != ServerKind::Aggregate).count()
    };
    let all = count(Profile::Seed, Profile::Seed);
    assert_eq!(count(Profile::Mcp, Profile::Mcp), all);
    assert_eq!(count(Profile::Transparent, Profile::Transparent), all);
    let other = count(Profile::Seed, Profile::Transparent);
    assert!(other < all / 2, "{other} of {all}");
}

#[test]
fn matrix_has_only_the_protocol_versions_of_the_clients() {
    let (starts, routes) = ([Start { profile: Profile::Seed, strategy: Strategy::Own }], routes());
    let versions = [ProtocolVersion::V2025_06_18];
    let scope = MatrixScope { protocol_versions: &versions, ..scope(&starts, &routes) };
    let (cases, _) = matrix_cases(Axes::embedded(), scope);
    assert!(!cases.is_empty());
    assert!(cases.iter().all(|case| case.protocol_version == ProtocolVersion::V2025_06_18));
}

#[test]
fn value_that_no_matrix_case_has_is_an_error() {
    let text = "axis = []\n[[not-applicable]]\nwhen = { upstream = 'no-such-behaviour' }\n\
        description = 'teapots'\nreason = 'none'\n";
    let error = Axes::parse(text).unwrap_err().to_string();
    let expected = "`teapots`: no matrix case has upstream = `no-such-behaviour`, expected";
    assert!(error.starts_with(expected), "{error}");
}
