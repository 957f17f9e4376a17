use std::collections::BTreeMap;

use super::*;
use crate::catalogue::Catalogue;
use crate::judge::{
    run_file::Run,
    summary::{counts, failures_of, outcome, verdicts},
};
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start, Strategy},
        matrix_case::MatrixCase,
        token_script::CaseId,
    },
    catalogue::{Profile, ProtocolVersion},
    judge::{
        baseline::Baseline,
        run_file::{Damage, Evidence, FORMAT, Header, JudgedMatrixCase},
    },
    trace::{Arrival, Ending, Exchange, Secret, SecretKind, Trace},
};

fn finding(requirement: &str, verdict: Verdict) -> Finding {
    Finding {
        requirement: requirement.into(),
        rule: "a-rule".into(),
        verdict,
        observable: "status".into(),
        expected: "403".into(),
        actual: "401".into(),
    }
}

fn matrix_case(method: Method, findings: Vec<Finding>) -> JudgedMatrixCase {
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
    JudgedMatrixCase {
        matrix_case: MatrixCase {
            credentials: Credentials::KeyAndToken,
            server: ServerKind::Forwarding,
            upstream: "403-bare+oauth".into(),
            method,
            route: "/mcp/{server}".into(),
            strategy: Strategy::Own,
            profile: Profile::Seed,
            protocol_version: ProtocolVersion::default(),
        },
        gateway: "http://127.0.0.1:1".into(),
        trace: Trace {
            case: CaseId("c1".into()),
            exchanges: vec![exchange],
            arrivals: vec![arrival],
            secrets,
        },
        evidence: Evidence::default(),
        observations: BTreeMap::new(),
        findings,
    }
}

fn run(matrix_cases: Vec<JudgedMatrixCase>) -> Run {
    let header = Header {
        format: FORMAT,
        suite: "0.1.0".into(),
        catalogue: "0".into(),
        implementation: "somebody".into(),
        version: "9".into(),
        ours: false,
        random_seed: 7,
        profiles: vec![Profile::Seed],
        strategies: vec![Strategy::Own],
        credential_layout: "key and token".into(),
        filters: Vec::new(),
    };
    Run { matrix_cases, ..Run::new(header) }
}

fn report(run: &Run, baseline: &str) -> String {
    let baseline = Baseline::parse(baseline).unwrap();
    terminal(run, &baseline.assess(run, failures_of(run)))
}

#[test]
fn a_failure_is_shown_once_with_how_many_are_alike() {
    let failing = |method| {
        matrix_case(
            method,
            vec![finding("STA-05", Verdict::Fail), finding("STA-06", Verdict::Pass)],
        )
    };
    insta::assert_snapshot!(report(
        &run(vec![failing(Method::ToolsList), failing(Method::ToolsCall)]),
        ""
    ));
}

#[test]
fn what_the_baseline_does_not_know_and_what_it_knows_too_well_are_both_told() {
    let baseline = "[[expected-failure]]\nrequirement = 'STA-05'\nverdict = 'fail'\nreason = 'a'\n\
                    [[expected-failure]]\nrequirement = 'STA-06'\nverdict = 'fail'\nreason = 'b'\n";
    let findings = vec![
        finding("STA-05", Verdict::Fail),
        finding("STA-06", Verdict::Pass),
        finding("STA-01", Verdict::Fail),
    ];
    let text = report(&run(vec![matrix_case(Method::Get, findings)]), baseline);
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
    let stranger = run(vec![matrix_case(Method::Get, vec![recommended])]);
    assert_eq!(outcome(&stranger, &verdicts(&stranger)), ProfileResult::Partial);
}

#[test]
fn damage_is_a_failure_whatever_else_was_found() {
    let mut damaged = run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Pass)])]);
    assert_eq!(outcome(&damaged, &verdicts(&damaged)), ProfileResult::Success);
    damaged.damages.push(Damage {
        start: Start { profile: Profile::Seed, strategy: Strategy::Own },
        matrix_cases: vec!["a matrix case".into()],
        description: "no answer".into(),
    });
    assert_eq!(outcome(&damaged, &verdicts(&damaged)), ProfileResult::Failure);
    assert!(report(&damaged, "").contains("DAMAGE  no answer\n        after  a matrix case"));
}

#[test]
fn what_no_case_says_anything_about_is_as_red_as_a_failure() {
    let silent = run(vec![matrix_case(
        Method::Get,
        vec![finding("STA-05", Verdict::Inconclusive), finding("STA-06", Verdict::Pass)],
    )]);
    let text = report(&silent, "");
    assert!(
        text.contains("INCONCLUSIVE  STA-05") && text.contains("result        failure"),
        "{text}"
    );
    let baseline = Baseline::parse("").unwrap();
    assert_eq!(baseline.assess(&silent, failures_of(&silent)).unexpected.len(), 1);
    let entry = "[[expected-failure]]\nrequirement = 'STA-05'\nverdict = 'untestable'\nreason = 'answers by itself'\n";
    let known = Baseline::parse(entry).unwrap();
    assert!(known.assess(&silent, failures_of(&silent)).unexpected.is_empty());
    let told = run(vec![matrix_case(
        Method::Get,
        vec![finding("STA-05", Verdict::Inconclusive), finding("STA-05", Verdict::Pass)],
    )]);
    assert_eq!(known.assess(&told, failures_of(&told)).stale.len(), 1);
}

/// A stranger's run with something of everything: an unexpected failure, a known one, a recommended one, silence, and damage.
fn eventful() -> Run {
    let mut hostile = finding("CHL-13", Verdict::Fail);
    hostile.actual = "<script>alert('x')</script> | `code` ]]>".into();
    let findings = vec![
        finding("STA-05", Verdict::Fail),
        finding("STA-06", Verdict::Fail),
        finding("CRD-04", Verdict::Fail),
        finding("STA-13", Verdict::Warn),
        hostile,
    ];
    let mut other = vec![
        finding("STA-01", Verdict::Pass),
        finding("STA-05", Verdict::Pass),
        finding("STA-03", Verdict::Skip),
    ];
    other.push(finding("STA-04", Verdict::Inconclusive));
    let mut run =
        run(vec![matrix_case(Method::ToolsList, findings), matrix_case(Method::Get, other)]);
    run.damages.push(Damage {
        start: Start { profile: Profile::Seed, strategy: Strategy::Own },
        matrix_cases: vec!["a matrix case".into()],
        description: "a healthy call got 502".into(),
    });
    run
}

const KNOWN: &str = "[[expected-failure]]\nrequirement = 'STA-06'\nverdict = 'fail'\nreason = 'sends a challenge with 403, reported'\n\
                     [[expected-failure]]\nrequirement = 'STA-01'\nverdict = 'fail'\nreason = 'used to answer 200'\n";

fn rendered(run: &Run, format: Format) -> String {
    let baseline = Baseline::parse(KNOWN).unwrap();
    format.render(run, &baseline.assess(run, failures_of(run)))
}

#[test]
fn what_a_pull_request_shows() {
    insta::assert_snapshot!(rendered(&eventful(), Format::Markdown));
}

#[test]
fn what_a_program_reads() {
    let mut document: serde_json::Value =
        serde_json::from_str(&rendered(&eventful(), Format::Json)).unwrap();
    let requirements = document["requirements"].as_array_mut().unwrap();
    assert_eq!(requirements.len(), Catalogue::embedded().iter().count());
    requirements.retain(|requirement| !requirement["counts"].as_object().unwrap().is_empty());
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

/// The tests of a CI system are green exactly where the exit code is 0.
#[test]
fn what_a_ci_system_reads() {
    let junit =
        quick_junit::Report::deserialize_from_str(&rendered(&eventful(), Format::Junit)).unwrap();
    let cases = || junit.test_suites.iter().flat_map(|suite| &suite.test_cases);
    assert_eq!(cases().count(), Catalogue::embedded().iter().count() + 3);
    let failed = |case: &&quick_junit::TestCase| {
        matches!(case.status, quick_junit::TestCaseStatus::NonSuccess { .. })
    };
    let failed: Vec<String> = cases()
        .filter(failed)
        .map(|case| format!("{} {:?}\n", case.name.as_str(), case.status))
        .collect();
    insta::assert_snapshot!(failed.concat());
    let calm = run(vec![matrix_case(
        Method::Get,
        vec![finding("STA-06", Verdict::Fail), finding("CRD-04", Verdict::Fail)],
    )]);
    let calm = rendered(&calm, Format::Junit);
    assert!(
        calm.contains("failures=\"0\" errors=\"0\"")
            && calm.contains("known fail: sends a challenge with 403, reported"),
        "{calm}"
    );
}

#[test]
fn what_a_badge_says() {
    insta::assert_snapshot!(
        rendered(&eventful(), Format::Badge) + &rendered(&eventful(), Format::BadgeSvg)
    );
    assert!(
        rendered(&Run { interrupted: true, ..eventful() }, Format::Badge).contains("lightgrey")
    );
}

#[test]
fn a_table_of_what_judges_what_names_its_gaps() {
    let table = rendered(&eventful(), Format::Traceability);
    assert!(table.contains("| STA-05 | MUST | `a-rule` (2) | 2 | fail | "), "{table}");
    assert!(
        table.contains("- STA-09: judged by a rule, and by no case of this run"),
        "{table}"
    );
}

#[test]
fn the_canonical_form_knows_neither_time_nor_port() {
    let one = eventful();
    let mut other = eventful();
    for judged in &mut other.matrix_cases {
        judged.gateway = "http://127.0.0.1:2".into();
        judged.trace.exchanges[0].head_after_ms = Some(9.0);
        judged.trace.exchanges[0].headers.push(("Date".into(), "today".into()));
        judged.trace.arrivals[0].at_ms = 9.0;
        judged.trace.arrivals[0].connection = 9;
    }
    let mut dated = one.clone();
    dated.matrix_cases.iter_mut().for_each(|judged| {
        judged.trace.exchanges[0].headers.push(("Date".into(), "yesterday".into()))
    });
    other.matrix_cases.reverse();
    assert_eq!(rendered(&dated, Format::Canonical), rendered(&other, Format::Canonical));
    other.matrix_cases[0].findings[0].verdict = Verdict::Untestable;
    assert_ne!(rendered(&dated, Format::Canonical), rendered(&other, Format::Canonical));
}

#[test]
fn the_page_carries_everything_and_believes_nothing() {
    let mut run = eventful();
    run.header.implementation = "<img src=x onerror=alert(1)>".into();
    run.matrix_cases[0].trace.exchanges[0].body = "</script><script>alert(2)</script>".into();
    let page = rendered(&run, Format::Html);
    assert_eq!(page.matches("<script").count(), 2, "one for the data, one for the code");
    assert!(
        !page.contains("<img") && !page.contains("<script>alert"),
        "what an implementation said became markup"
    );
    assert!(page.contains("&lt;img src=x"));
    assert_eq!(
        page.matches("class=\"sq ").count(),
        2 + crate::judge::effective_verdict::EffectiveVerdict::ALL.len(),
        "a square for each matrix case, and the legend's"
    );
    for outside in ["http://", "https://", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(outside), "the page names {outside}");
    }
}
