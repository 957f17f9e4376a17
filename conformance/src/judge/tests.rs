use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    summary::{ProfileResult, result, summarise},
    *,
};
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Strategy},
        deployment::{ConfiguredServer, Deployment},
        matrix_case::MatrixCase,
        rule::RuleBook,
        token_script::CaseId,
    },
    catalogue::{Catalogue, GatewayTraits, Profile, ProtocolVersion},
    judge::subject::{Context, Deadlines, Subject},
    trace::{Arrival, Ending, Exchange, Trace},
};

fn context() -> Context {
    let alpha = ConfiguredServer::new("alpha", ServerKind::Forwarding, "http://127.0.0.1:9001/mcp");
    let deployment = Deployment { servers: vec![alpha], ..Deployment::default() };
    Context {
        base_url: "http://127.0.0.1:8080".into(),
        deployment: Arc::new(deployment),
        key_header: "x-key".into(),
        token_header: "authorization".into(),
        name_separator: "-".into(),
        deadlines: Deadlines { probe: 5_000, commit: 5_000, slack: 0 },
        features: BTreeSet::from(["gateway-keys", "token-forwarding"].map(str::to_owned)),
        gateway_kind: None,
        profile: Profile::Seed,
        control: true,
        settled: None,
        output: String::new(),
        refused: false,
        metrics: None,
        no_evidence: None,
        surfaces: crate::implementations::Surfaces::default(),
    }
}

fn matrix_case(upstream: &str) -> MatrixCase {
    MatrixCase {
        credentials: Credentials::KeyAndToken,
        server: ServerKind::Forwarding,
        upstream: upstream.into(),
        method: Method::ToolsList,
        route: "/mcp/{server}".into(),
        strategy: Strategy::Deferred,
        profile: Profile::Seed,
        protocol_version: ProtocolVersion::default(),
    }
}

/// A `tools/list` that the server alpha answered with 401.
pub(super) fn refused_tools_list() -> Arrival {
    Arrival {
        server: "alpha".into(),
        connection: 1,
        at_ms: 1.0,
        method: "POST".into(),
        target: "/mcp".into(),
        headers: Vec::new(),
        body: String::new(),
        rpc_method: Some("tools/list".into()),
        answered: "401".into(),
        session_issued: None,
        session_ended: None,
    }
}

fn trace(status: u16, reaches_upstream: bool) -> Trace {
    let arrival = refused_tools_list();
    let exchange = Exchange {
        method: "POST".into(),
        path: "/mcp/alpha".into(),
        sent_headers: Vec::new(),
        sent_body: r#"{"id":1,"method":"tools/list"}"#.into(),
        status: Some(status),
        headers: Vec::new(),
        body: String::new(),
        ending: Ending::Complete,
        head_after_ms: Some(1.0),
    };
    let arrivals = if reaches_upstream { vec![arrival] } else { Vec::new() };
    Trace {
        case: CaseId("c".into()),
        exchanges: vec![exchange],
        arrivals,
        connections_without_request: Vec::new(),
        secrets: Vec::new(),
    }
}

fn judge_trace(
    rules: &RuleBook,
    matrix_case: &MatrixCase,
    context: &Context,
    trace: &Trace,
) -> Vec<Finding> {
    case::findings_by_rules(
        rules,
        matrix_case,
        &Subject::of_matrix_case(matrix_case, context, trace),
    )
}

/// The verdicts of one rule on a trace.
fn verdicts(rule: &str, context: &Context, trace: &Trace) -> Vec<Verdict> {
    let text = format!("[[rule]]\nid = 'r'\nwhen = {{}}\n{rule}");
    let rules = RuleBook::parse(&[("test", &text)]).unwrap();
    judge_trace(&rules, &matrix_case("401-full"), context, trace)
        .into_iter()
        .map(|finding| finding.verdict)
        .collect()
}

#[test]
fn the_level_decides_the_verdict_of_an_unmet_requirement() {
    let of = |id: &str| {
        verdicts(
            &format!("requires = ['{id}']\nexpect = {{ status = 401 }}"),
            &context(),
            &trace(500, true),
        )
    };
    assert_eq!(of("STA-01"), [Verdict::Fail]);
    assert_eq!(of("STA-13"), [Verdict::Warn]);
    assert_eq!(
        verdicts(
            "requires = ['STA-01', 'STA-13']\nexpect = { status = 500 }",
            &context(),
            &trace(500, true)
        ),
        [Verdict::Pass; 2]
    );
}

#[test]
fn a_tolerated_value_is_non_strict() {
    let rule =
        "requires = ['STA-01']\nexpect = { status = 401 }\nnon-strict = { status = [400, 403] }";
    let of = |status| verdicts(rule, &context(), &trace(status, true));
    assert_eq!(
        [of(401), of(403), of(404)],
        [[Verdict::Pass], [Verdict::NonStrict], [Verdict::Fail]]
    );
}

#[test]
fn a_rule_whose_condition_does_not_hold_has_no_findings() {
    let rule =
        "requires = ['CHL-01']\ngiven = { status = 401 }\nexpect = { challenge = 'well-formed' }";
    assert_eq!(verdicts(rule, &context(), &trace(500, true)), []);
    assert_eq!(verdicts(rule, &context(), &trace(401, true)), [Verdict::Fail]);
    // Without a challenge, the observable does not apply.
    assert_eq!(
        verdicts(
            "requires = ['CHL-11']\nexpect = { challenge-error = 'absent' }",
            &context(),
            &trace(401, true)
        ),
        []
    );
}

#[test]
fn a_response_without_an_upstream_request_is_inconclusive() {
    let rule = "requires = ['STA-01']\nexpect = { status = 401 }\nneeds = ['upstream']";
    assert_eq!(verdicts(rule, &context(), &trace(401, false)), [Verdict::Inconclusive]);
    assert_eq!(verdicts(rule, &context(), &trace(200, false)), [Verdict::Inconclusive]);
    assert_eq!(verdicts(rule, &context(), &trace(200, true)), [Verdict::Fail]);
}

#[test]
fn a_message_that_the_gateway_answers_itself_is_inconclusive_without_a_probe() {
    let get = MatrixCase { method: Method::Get, ..matrix_case("401-full") };
    let mut declared = context();
    declared.features.insert("listening-stream".to_owned());
    let verdict_of_get = |context: &Context, reached: bool| {
        judge_trace(RuleBook::embedded(), &get, context, &trace(200, reached))
            .into_iter()
            .filter(|finding| finding.requirement == "STR-07")
            .map(|finding| finding.verdict)
            .max()
    };
    assert_eq!(verdict_of_get(&declared, false), Some(Verdict::Inconclusive));
    assert_eq!(verdict_of_get(&declared, true), Some(Verdict::Fail));
    declared.features.insert("preflight-probe".to_owned());
    assert_eq!(verdict_of_get(&declared, false), Some(Verdict::Fail));
}

#[test]
fn a_case_without_the_session_that_it_needs_is_inconclusive_and_says_why() {
    let reason = "the client could not open a session: initialize got 502";
    let context = Context { no_evidence: Some(reason.to_owned()), ..context() };
    let case::Judgement { observations, findings } =
        case::judge_matrix_case(&matrix_case("401-full"), &context, &trace(502, true));
    let refusal = findings.iter().find(|finding| finding.requirement == "STA-01").unwrap();
    assert_eq!((refusal.verdict, refusal.actual.as_str()), (Verdict::Inconclusive, reason));
    assert!(findings.iter().all(|finding| finding.verdict <= Verdict::Inconclusive));
    assert!(observations.is_empty());
}

#[test]
fn absence_is_evidence_only_if_the_positive_control_passed() {
    let rule = "requires = ['CRD-16']\nexpect = { upstream-credential = 'no-request' }";
    let without_control = Context { control: false, ..context() };
    assert_eq!(verdicts(rule, &context(), &trace(401, false)), [Verdict::Pass]);
    assert_eq!(verdicts(rule, &without_control, &trace(401, false)), [Verdict::Untestable]);
    assert_eq!(verdicts(rule, &without_control, &trace(401, true)), [Verdict::Fail]);
}

#[test]
fn a_requirement_of_another_profile_is_not_applicable() {
    let rule = "requires = ['STA-06', 'STA-08']\nexpect = { challenge = 'absent' }";
    let mcp = Context { profile: Profile::Mcp, ..context() };
    assert_eq!(verdicts(rule, &mcp, &trace(403, true)), [Verdict::NotApplicable, Verdict::Pass]);
}

#[test]
fn an_undeclared_feature_is_skipped_and_a_case_without_a_request_is_an_error() {
    let rules = RuleBook::embedded();
    let get = MatrixCase { method: Method::Get, ..matrix_case("401-full") };
    let all = |findings: &[Finding], verdict| {
        !findings.is_empty() && findings.iter().all(|finding| finding.verdict == verdict)
    };
    assert!(all(&judge_trace(rules, &get, &context(), &trace(405, false)), Verdict::Skip));
    let mut declared = context();
    declared.features.insert("listening-stream".to_owned());
    declared.features.extend(["preflight-probe", "discovery"].map(str::to_owned));
    assert!(
        judge_trace(rules, &get, &declared, &trace(405, false))
            .iter()
            .any(|finding| finding.requirement == "STR-07" && finding.verdict == Verdict::Warn)
    );
    let without_request = Trace { exchanges: Vec::new(), ..trace(200, false) };
    assert!(all(
        &judge_trace(rules, &matrix_case("401-full"), &declared, &without_request),
        Verdict::Error
    ));
    let refused = Context {
        refused: true,
        output: "the program ended before it was ready, with exit status: 1\nlog: a.log\nmore"
            .into(),
        ..declared
    };
    let findings =
        judge_trace(RuleBook::embedded(), &matrix_case("401-full"), &refused, &without_request);
    assert!(all(&findings, Verdict::Untestable));
    assert_eq!(
        findings[0].actual,
        "the implementation did not start with the configuration of the case: the program ended \
         before it was ready, with exit status: 1; log: a.log"
    );
    let rule = "requires = ['PRB-19']\nfeatures = ['preflight-probe']\nexpect = { probe = 'none' }";
    assert_eq!(verdicts(rule, &context(), &trace(401, false)), [Verdict::Skip]);
}

#[test]
fn a_finding_has_the_expected_and_the_actual_value() {
    let findings =
        judge_trace(RuleBook::embedded(), &matrix_case("401-full"), &context(), &trace(403, true));
    let finding = findings.iter().find(|finding| finding.requirement == "STA-01").unwrap();
    assert_eq!(
        (finding.observable.as_str(), finding.expected.as_str(), finding.actual.as_str()),
        ("status", "401", "403")
    );
    assert_eq!(finding.rule, "refused-token-is-401");
}

fn finding(requirement: &str, verdict: Verdict) -> Finding {
    Finding {
        requirement: requirement.into(),
        rule: "r".into(),
        verdict,
        observable: "status".into(),
        expected: String::new(),
        actual: String::new(),
    }
}

#[test]
fn the_most_severe_finding_decides_and_every_requirement_is_listed() {
    let findings = [
        finding("STA-01", Verdict::Pass),
        finding("STA-01", Verdict::Fail),
        finding("STA-01", Verdict::Pass),
    ];
    let verdicts = summarise(Catalogue::embedded(), &GatewayTraits::default(), &findings);
    assert_eq!(verdicts.len(), Catalogue::embedded().iter().count());
    let of = |id: &str| verdicts.iter().find(|verdict| verdict.id == id).unwrap();
    assert_eq!(of("STA-01").verdict, Verdict::Fail);
    assert_eq!(of("STA-01").counts, BTreeMap::from([(Verdict::Pass, 2), (Verdict::Fail, 1)]));
    assert_eq!(of("STA-05").verdict, Verdict::Skip);
    assert_eq!(of("SEC-14").verdict, Verdict::NotApplicable);
    assert!(of("SEC-14").note.is_some());
}

#[test]
fn a_proposed_requirement_fails_only_the_reference_gateway() {
    let gateway = GatewayTraits::default();
    let of = |findings: &[Finding], ours| {
        result(&summarise(Catalogue::embedded(), &gateway, findings), ours)
    };
    let proposed = [finding("GATE-03", Verdict::Fail)];
    assert_eq!(
        (of(&proposed, false), of(&proposed, true)),
        (ProfileResult::Partial, ProfileResult::Failure)
    );
    assert_eq!(of(&[finding("STA-01", Verdict::Untestable)], false), ProfileResult::Failure);
    assert_eq!(of(&[finding("STA-13", Verdict::Warn)], true), ProfileResult::Partial);
    assert_eq!(of(&[finding("STA-01", Verdict::Pass)], true), ProfileResult::Success);
}

#[test]
fn an_inconclusive_case_decides_only_without_other_cases() {
    let finding = |verdict| Finding {
        requirement: "STA-01".to_owned(),
        rule: String::new(),
        verdict,
        observable: String::new(),
        expected: String::new(),
        actual: String::new(),
    };
    let of = |verdicts: &[Verdict]| {
        let findings: Vec<Finding> = verdicts.iter().copied().map(finding).collect();
        let sums = summarise(Catalogue::embedded(), &GatewayTraits::default(), &findings);
        sums.iter().find(|sum| sum.id == "STA-01").map(|sum| sum.verdict)
    };
    assert_eq!(of(&[Verdict::Inconclusive]), Some(Verdict::Untestable));
    assert_eq!(of(&[Verdict::Inconclusive, Verdict::Pass]), Some(Verdict::Pass));
    assert_eq!(of(&[Verdict::Inconclusive, Verdict::Fail]), Some(Verdict::Fail));
}
