//! The model gateway with one profile only: it runs every single-server case of the matrix, and
//! fails none.
//!
//! With several profiles, only the cases run in profiles other than the main one that a profile can
//! change. These tests show that no rule mistakes `seed` for every profile.

use std::{path::PathBuf, sync::Arc};

use mcp_preflight_conformance::{
    cases::{axis::ServerKind, selection::Selection},
    catalogue::{GatewayTraits, Profile},
    implementations::Implementation,
    judge::{run_file::Header, summary},
    runner::{Options, Part, RECOVERY, Recorder, Runner, plan},
    upstreams::MockUpstreams,
};

/// The random seed of the run. Any other value would do.
const RANDOM_SEED: u64 = 20_261_124;

#[test]
fn the_model_gateway_with_profile_mcp_alone_fails_nothing() {
    assert_eq!(failures(Profile::Mcp), Vec::<String>::new());
}

#[test]
fn the_model_gateway_with_profile_transparent_alone_fails_nothing() {
    assert_eq!(failures(Profile::Transparent), Vec::<String>::new());
}

/// The failures of the model gateway if this is its only profile, also of recommendations.
fn failures(profile: Profile) -> Vec<String> {
    let model = Implementation::resolve("builtin:model", None).expect("it is built in");
    let all = plan(&model, &Selection::default());
    let alone = model.with_only_profile(profile).expect("it has every profile");
    let parts = plan(&alone, &Selection::default());
    assert_eq!(parts.len(), 1);
    let single_server = |part: &Part| {
        part.matrix_cases
            .iter()
            .filter(|case| case.server != ServerKind::Aggregate)
            .count()
    };
    assert_eq!(single_server(&parts[0]), single_server(&all[0]));
    let options = Options {
        jobs: 32,
        fail_fast: false,
        recovery: RECOVERY,
        time_limit: None,
        records_observations: false,
        cache: PathBuf::new(),
        selection: Selection::default(),
    };
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    let gateway = GatewayTraits { ours: true, ..GatewayTraits::default() };
    let run = runtime.block_on(async {
        let upstreams =
            Arc::new(MockUpstreams::start(RANDOM_SEED).await.expect("the mock upstreams start"));
        let header = Header::new(&alone, RANDOM_SEED, Vec::new());
        let mut recorder = Recorder::start(header, None).expect("there is no file");
        let counts = |finding: &_| summary::is_failure(finding, &gateway);
        let runner = Runner::new(&alone, upstreams, RANDOM_SEED, &options, &|_| {}, &counts);
        for running in runner.run(&parts, &mut recorder).await.expect("the gateway starts") {
            running.stop().await;
        }
        recorder.finish(false).expect("there is no file")
    });
    assert!(run.damages.is_empty(), "{:?}", run.damages);
    run.findings()
        .filter(|(_, finding)| summary::is_failure(finding, &gateway))
        .map(|(case, finding)| {
            format!(
                "{} in {case}: {} expected {}, actual {} ({})",
                finding.requirement,
                finding.observable,
                finding.expected,
                finding.actual,
                finding.rule
            )
        })
        .collect()
}
