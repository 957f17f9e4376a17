use std::collections::BTreeMap;

use super::*;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Strategy},
        matrix_case::MatrixCase,
        token_script::CaseId,
    },
    catalogue::{GatewayKind, Profile, ProtocolVersion},
    judge::Verdict,
    trace::Trace,
};

/// A run with one matrix case, one scenario and one damage.
pub(in crate::judge) fn run() -> Run {
    let header = Header {
        format: FORMAT,
        suite: "0.1.0".into(),
        catalogue: "0".into(),
        implementation: "builtin:reference".into(),
        version: "0.1.0".into(),
        kind: None,
        protocol_versions: ProtocolVersion::ALL.to_vec(),
        ours: true,
        random_seed: 7,
        profiles: vec![Profile::Seed],
        strategies: vec![Strategy::Probe],
        credential_layout: "key in x-litellm-api-key, token in authorization".into(),
        filters: Vec::new(),
        left_out: CasesLeftOut::default(),
    };
    let trace = Trace {
        case: CaseId("c1".into()),
        exchanges: Vec::new(),
        arrivals: Vec::new(),
        connections_without_request: Vec::new(),
        secrets: Vec::new(),
    };
    let matrix_case = MatrixCase {
        credentials: Credentials::KeyAndToken,
        server: ServerKind::Forwarding,
        upstream: "401-full+oauth".into(),
        method: Method::ToolsList,
        route: "/mcp/{server}".into(),
        strategy: Strategy::Probe,
        profile: Profile::Seed,
        protocol_version: ProtocolVersion::default(),
    };
    let finding = Finding {
        requirement: "STA-01".into(),
        rule: "refused-token-surfaces".into(),
        verdict: Verdict::Pass,
        observable: "status".into(),
        expected: "401".into(),
        actual: "401".into(),
    };
    let observations = BTreeMap::from([("status".to_owned(), "401".to_owned())]);
    let judged = JudgedMatrixCase {
        matrix_case,
        gateway: "http://127.0.0.1:1".into(),
        trace: trace.clone(),
        evidence: Evidence::default(),
        observations,
        findings: vec![finding],
    };
    let scenario = JudgedScenario {
        scenario: "calls-share-connections".into(),
        start: Start { profile: Profile::Seed, strategy: Strategy::Probe },
        gateway: "http://127.0.0.1:1".into(),
        trace,
        evidence: Evidence {
            control: false,
            output: "a line".into(),
            ..Evidence::default()
        },
        observations: BTreeMap::new(),
        findings: Vec::new(),
    };
    let damage = Damage {
        start: Start { profile: Profile::Seed, strategy: Strategy::Probe },
        matrix_cases: vec!["a".into()],
        description: "no answer".into(),
        process_end: Some("signal SIGSEGV".into()),
        log: vec!["a line".into()],
        not_judged: 3,
    };
    let note = Note {
        start: Start { profile: Profile::Seed, strategy: Strategy::Probe },
        event: NotedEvent::TimeLimit { limit_s: 60, planned: 7 },
        cases: vec!["a".into()],
    };
    Run {
        setup: Some(setup()),
        matrix_cases: vec![judged],
        scenarios: vec![scenario],
        damages: vec![damage],
        notes: vec![note],
        ..Run::new(header)
    }
}

fn setup() -> Setup {
    let deployment = crate::cases::deployment::Deployment {
        full_key: "sk-full".into(),
        ..crate::cases::deployment::Deployment::default()
    };
    Setup {
        deployment,
        key_header: "x-key".into(),
        token_header: "authorization".into(),
        name_separator: "-".into(),
        deadlines: crate::judge::subject::Deadlines { probe: 1, commit: 1, slack: 1 },
        features: ["discovery", "gateway-keys", "token-forwarding"].map(str::to_owned).into(),
        gateway_kind: Some(GatewayKind::ForwardingGateway),
        surfaces: crate::implementations::Surfaces::default(),
    }
}

fn written(run: &Run) -> String {
    let mut bytes = Vec::new();
    let mut writer = Writer::start(&mut bytes, &run.header).unwrap();
    run.setup.iter().for_each(|setup| writer.setup(setup).unwrap());
    run.matrix_cases
        .iter()
        .for_each(|matrix_case| writer.matrix_case(matrix_case).unwrap());
    run.scenarios.iter().for_each(|scenario| writer.scenario(scenario).unwrap());
    run.damages.iter().for_each(|damage| writer.damage(damage).unwrap());
    run.notes.iter().for_each(|note| writer.note(note).unwrap());
    writer.finish(run.interrupted).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_written_run_is_read_back_unchanged() {
    let run = run();
    assert_eq!(Run::read(written(&run).as_bytes()).unwrap(), run);
}

#[test]
fn an_interrupted_run_is_valid_and_marked() {
    let run = Run { interrupted: true, ..run() };
    assert!(Run::read(written(&run).as_bytes()).unwrap().interrupted);
}

#[test]
fn a_file_that_is_cut_at_any_byte_is_rejected() {
    let whole = written(&run());
    for cut in 0..whole.len() - 1 {
        let error = Run::read(&whole.as_bytes()[..cut]).unwrap_err();
        assert!(
            matches!(error, ReadError::NoHeader | ReadError::Truncated { .. }),
            "cut at {cut}: {error}"
        );
    }
}

#[test]
fn a_missing_line_is_an_error() {
    let whole = written(&run());
    let without: String = whole
        .lines()
        .filter(|line| !line.contains(r#""line":"scenario""#))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(matches!(Run::read(without.as_bytes()), Err(ReadError::Miscounted { .. })));
}

#[test]
fn another_format_is_rejected_with_the_suite_version_that_wrote_it() {
    let format = format!(r#""format":{FORMAT}"#);
    let other = written(&run()).replacen(&format, r#""format":99"#, 1);
    let expected = "run file format 99 is not supported by this version, which reads format 3; \
                    run the suite again, or use suite version 0.1.0";
    assert_eq!(Run::read(other.as_bytes()).unwrap_err().to_string(), expected);
    // Another format may have other members.
    let renamed = other.replacen(r#""random_seed""#, r#""seed""#, 1);
    assert_eq!(Run::read(renamed.as_bytes()).unwrap_err().to_string(), expected);
}

#[test]
fn an_invalid_line_is_reported_by_its_number() {
    let broken = written(&run()).replacen(r#"{"line":"matrix-case""#, r#"{"line":"sell""#, 1);
    assert!(matches!(Run::read(broken.as_bytes()), Err(ReadError::BadLine { line: 3, .. })));
}

#[test]
fn control_characters_of_an_invalid_file_are_escaped() {
    let broken = written(&run()).replacen(
        r#"{"line":"matrix-case""#,
        r#"{"line":"\u001b[2Jmatrix-case""#,
        1,
    );
    let error = Run::read(broken.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 3") && !error.contains('\u{1b}'), "{error}");
}
