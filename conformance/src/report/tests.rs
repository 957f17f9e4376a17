use super::*;
use crate::{
    baseline::Baseline,
    cell::{Cell, Credentials, Era, Method, Profile, ServerKind, Start, Strategy},
    run_file::{Damage, Evidence, FORMAT, Header, JudgedCell},
    script::CaseId,
    trace::{Arrival, Ending, Exchange, Secret, SecretKind},
};

fn finding(requirement: &str, verdict: Verdict) -> Finding {
    Finding {
        requirement: requirement.into(),
        rule: "a-rule".into(),
        verdict,
        observable: "status".into(),
        expected: "403".into(),
        seen: "401".into(),
    }
}

fn cell(method: Method, findings: Vec<Finding>) -> JudgedCell {
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let exchange = Exchange {
        method: "POST".into(),
        path: "/mcp/alpha".into(),
        sent_headers: vec![line("authorization", "Bearer the-token")],
        sent_body: "{}".into(),
        status: Some(401),
        headers: vec![line("www-authenticate", "Bearer realm=\"x\"")],
        body: "no".into(),
        ending: Ending::Complete,
        head_after_ms: Some(1.0),
    };
    let arrival = Arrival {
        server: "alpha".into(),
        connection: 1,
        at_ms: 1.0,
        method: "POST".into(),
        target: "/mcp".into(),
        headers: vec![line("authorization", "Bearer the-token")],
        body: String::new(),
        rpc_method: Some("initialize".into()),
        answered: "403".into(),
        session_issued: None,
        session_ended: None,
    };
    let secrets = vec![Secret { kind: SecretKind::UpstreamToken, value: "the-token".into() }];
    JudgedCell {
        cell: Cell {
            credentials: Credentials::KeyAndToken,
            server: ServerKind::Forwarding,
            upstream: "403-bare+oauth".into(),
            method,
            route: "/mcp/{server}".into(),
            strategy: Strategy::Own,
            profile: Profile::Seed,
            era: Era::default(),
        },
        gateway: "http://127.0.0.1:1".into(),
        trace: Trace { case: CaseId("c1".into()), exchanges: vec![exchange], arrivals: vec![arrival], secrets },
        evidence: Evidence::default(),
        observations: BTreeMap::new(),
        findings,
    }
}

fn run(cells: Vec<JudgedCell>) -> Run {
    let header = Header {
        format: FORMAT,
        suite: "0.1.0".into(),
        catalogue: "0".into(),
        implementation: "somebody".into(),
        version: "9".into(),
        ours: false,
        seed: 7,
        profiles: vec![Profile::Seed],
        strategies: vec![Strategy::Own],
        layout: "key and token".into(),
        filters: Vec::new(),
    };
    Run { cells, ..Run::new(header) }
}

fn report(run: &Run, baseline: &str) -> String {
    let baseline = Baseline::parse(baseline).unwrap();
    terminal(run, &baseline.assess(run, failures_of(run)))
}

#[test]
fn a_failure_is_shown_once_with_how_many_are_alike() {
    let failing = |method| cell(method, vec![finding("STA-05", Verdict::Fail), finding("STA-06", Verdict::Pass)]);
    insta::assert_snapshot!(report(&run(vec![failing(Method::ToolsList), failing(Method::ToolsCall)]), ""));
}

#[test]
fn what_the_baseline_does_not_know_and_what_it_knows_too_well_are_both_told() {
    let baseline = "[[known-failure]]\nrequirement = 'STA-05'\nverdict = 'fail'\nreason = 'a'\n\
                    [[known-failure]]\nrequirement = 'STA-06'\nverdict = 'fail'\nreason = 'b'\n";
    let findings = vec![finding("STA-05", Verdict::Fail), finding("STA-06", Verdict::Pass), finding("STA-01", Verdict::Fail)];
    let text = report(&run(vec![cell(Method::Get, findings)]), baseline);
    assert!(text.contains("UNEXPECTED  STA-01"), "{text}");
    assert!(text.contains("STALE  STA-06  fail  b"), "{text}");
    assert!(!text.contains("UNEXPECTED  STA-05"), "{text}");
}

#[test]
fn recommended_requirements_fail_nobody_but_us() {
    let recommended = finding("CRD-04", Verdict::Fail);
    assert!(counts(&recommended, true) && !counts(&recommended, false));
    let should = finding("STR-12", Verdict::Warn);
    assert!(counts(&should, true) && !counts(&should, false));
    let stranger = run(vec![cell(Method::Get, vec![recommended])]);
    assert_eq!(outcome(&stranger, &verdicts(&stranger)), ProfileResult::Partial);
}

#[test]
fn damage_is_a_failure_whatever_else_was_found() {
    let mut damaged = run(vec![cell(Method::Get, vec![finding("STA-05", Verdict::Pass)])]);
    assert_eq!(outcome(&damaged, &verdicts(&damaged)), ProfileResult::Success);
    damaged.damages.push(Damage {
        start: Start { profile: Profile::Seed, strategy: Strategy::Own },
        cells: vec!["a cell".into()],
        says: "no answer".into(),
    });
    assert_eq!(outcome(&damaged, &verdicts(&damaged)), ProfileResult::Failure);
    assert!(report(&damaged, "").contains("DAMAGE  no answer\n        after  a cell"));
}

#[test]
fn what_no_case_says_anything_about_is_as_red_as_a_failure() {
    let silent = run(vec![cell(Method::Get, vec![finding("STA-05", Verdict::Inconclusive), finding("STA-06", Verdict::Pass)])]);
    let text = report(&silent, "");
    assert!(text.contains("INCONCLUSIVE  STA-05") && text.contains("result        failure"), "{text}");
    let baseline = Baseline::parse("").unwrap();
    assert_eq!(baseline.assess(&silent, failures_of(&silent)).unexpected.len(), 1);
    let entry = "[[known-failure]]\nrequirement = 'STA-05'\nverdict = 'untestable'\nreason = 'answers by itself'\n";
    let known = Baseline::parse(entry).unwrap();
    assert!(known.assess(&silent, failures_of(&silent)).unexpected.is_empty());
    let told = run(vec![cell(Method::Get, vec![finding("STA-05", Verdict::Inconclusive), finding("STA-05", Verdict::Pass)])]);
    assert_eq!(known.assess(&told, failures_of(&told)).stale.len(), 1);
}
