use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    judge::{
        Verdict,
        run_file::{JudgedMatrixCase, tests::run},
        tests::refused_tools_list,
    },
    trace::{Ending, Exchange},
};

/// The findings of one case: requirement, verdict, observable and observed value.
type Findings<'a> = &'a [(&'a str, Verdict, &'a str, &'a str)];

/// A case in which the upstream server answers and the client receives these statuses.
fn case(id: &str, upstream: &str, client: u16, findings: Findings<'_>) -> JudgedMatrixCase {
    let mut judged = run().matrix_cases.remove(0);
    judged.matrix_case.upstream = id.to_owned();
    judged.trace.arrivals.push(refused_tools_list());
    judged.trace.arrivals[0].answered = upstream.to_owned();
    judged.trace.exchanges.push(Exchange {
        method: "POST".into(),
        path: "/mcp/alpha".into(),
        sent_headers: Vec::new(),
        sent_body: String::new(),
        status: Some(client),
        headers: Vec::new(),
        body: String::new(),
        ending: Ending::Complete,
        head_after_ms: None,
    });
    judged.findings = findings
        .iter()
        .map(|(requirement, verdict, observable, actual)| Finding {
            requirement: (*requirement).to_owned(),
            rule: "a-rule".into(),
            verdict: *verdict,
            observable: (*observable).to_owned(),
            expected: "another value".into(),
            actual: (*actual).to_owned(),
        })
        .collect();
    judged
}

fn run_of(cases: Vec<JudgedMatrixCase>) -> Run {
    let empty = run();
    Run {
        matrix_cases: cases,
        scenarios: Vec::new(),
        damages: Vec::new(),
        ..empty
    }
}

/// The unmet requirements of a run, in the order of their ids, with this attention.
fn unmet<'a>(run: &'a Run, attention: impl Fn(&str) -> Attention) -> Vec<UnmetRequirement<'a>> {
    let failing = || run.findings().filter(|(_, finding)| finding.verdict.is_red());
    let ids: BTreeSet<&str> = failing().map(|(_, finding)| finding.requirement.as_str()).collect();
    ids.into_iter()
        .map(|id| UnmetRequirement {
            id,
            attention: attention(id),
            findings: failing().filter(|(_, finding)| finding.requirement == id).collect(),
        })
        .collect()
}

/// The causes as text: `head: consequence consequence`.
fn causes(run: &Run, attention: impl Fn(&str) -> Attention) -> Vec<String> {
    let unmet = unmet(run, attention);
    let causes = root_causes(run, &unmet).into_iter();
    causes
        .map(|cause| format!("{}: {}", cause.head, cause.consequences.join(" ")))
        .collect()
}

fn unexpected(_: &str) -> Attention {
    Attention::Unexpected
}

const FAIL: Verdict = Verdict::Fail;
const PASS: Verdict = Verdict::Pass;

#[test]
fn requirements_of_different_cases_with_the_same_deviation_have_one_cause() {
    let run = run_of(vec![
        case("a", "403", 401, &[("STA-05", FAIL, "status", "401")]),
        case("b", "403", 401, &[("STA-05", FAIL, "status", "401")]),
        case("c", "403", 401, &[("AGG-01", FAIL, "status", "401")]),
        case("d", "401", 401, &[("AGG-01", PASS, "status", "401")]),
    ]);
    assert_eq!(causes(&run, unexpected), ["STA-05: AGG-01"]);
}

#[test]
fn another_answer_of_the_upstream_server_is_another_cause() {
    let run = run_of(vec![
        case("a", "403", 401, &[("STA-05", FAIL, "status", "401")]),
        case("b", "500", 401, &[("STA-09", FAIL, "status", "401")]),
    ]);
    assert_eq!(causes(&run, unexpected), ["STA-05: ", "STA-09: "]);
}

/// Cases in which a token goes to the wrong server, each with a wrong status, and as many cases
/// without either.
fn run_with_a_chain() -> Run {
    let failing = (0..5).map(|index| {
        let findings = [
            ("CRD-13", FAIL, "token-disclosure", "caller's token to static"),
            ("STA-11", FAIL, "status", "401"),
        ];
        case(&format!("bad-{index}"), "401", 401, &findings)
    });
    let met = (0..5).map(|index| {
        let findings =
            [("CRD-13", PASS, "token-disclosure", "none"), ("STA-11", PASS, "status", "502")];
        case(&format!("good-{index}"), "401", 502, &findings)
    });
    run_of(failing.chain(met).collect())
}

#[test]
fn the_deviation_that_comes_first_in_a_request_is_the_head() {
    assert_eq!(causes(&run_with_a_chain(), unexpected), ["CRD-13: STA-11"]);
}

#[test]
fn a_deviation_that_every_case_shows_explains_nothing() {
    let mut run = run_with_a_chain();
    run.matrix_cases.retain(|case| case.matrix_case.upstream.starts_with("bad"));
    assert_eq!(causes(&run, unexpected), ["CRD-13: ", "STA-11: "]);
}

#[test]
fn an_unexpected_failure_is_no_consequence_of_an_expected_one() {
    let attention = |id: &str| match id {
        "STA-11" => Attention::Unexpected,
        _ => Attention::Expected,
    };
    assert_eq!(causes(&run_with_a_chain(), attention), ["STA-11: ", "CRD-13: "]);
}

#[test]
fn a_client_that_follows_a_spoilt_challenge_is_a_consequence() {
    let run = run_of(vec![
        case("a", "401", 401, &[("CHL-01", FAIL, "challenge", "absent")]),
        case("b", "500", 500, &[("STA-12", FAIL, "cache-control", "absent")]),
        // Only a matrix case records the challenge; this one does not.
        case("c", "401", 401, &[("AGG-05", FAIL, "re-authorisation", "loops")]),
    ]);
    assert_eq!(causes(&run, unexpected), ["CHL-01: AGG-05", "STA-12: "]);
}

fn any_case(index: usize) -> impl Strategy<Value = JudgedMatrixCase> {
    let requirement = prop::sample::select(vec!["CRD-13", "STA-01", "STA-05", "AGG-05", "PRB-08"]);
    let verdict = prop::sample::select(vec![FAIL, PASS, Verdict::Untestable]);
    let observable = prop::sample::select(vec!["status", "probes", "discovery", "challenge"]);
    let value = prop::sample::select(vec!["401", "none", "absent"]);
    let findings = prop::collection::vec((requirement, verdict, observable, value), 0..6);
    let upstream = prop::sample::select(vec!["200", "401", "403", "never"]);
    let client = prop::sample::select(vec![200, 401, 502]);
    (upstream, client, findings).prop_map(move |(upstream, client, findings)| {
        case(&format!("case-{index}"), upstream, client, &findings)
    })
}

fn any_run() -> impl Strategy<Value = Run> {
    let cases: Vec<_> = (0..8).map(any_case).collect();
    cases.prop_map(run_of)
}

fn any_attention() -> impl Strategy<Value = Vec<Attention>> {
    let attentions = vec![Attention::Advisory, Attention::Expected, Attention::Unexpected];
    prop::collection::vec(prop::sample::select(attentions), 8)
}

/// The unmet requirements of a run with these values of attention.
fn unmet_with<'a>(run: &'a Run, attentions: &[Attention]) -> Vec<UnmetRequirement<'a>> {
    let mut unmet = unmet(run, unexpected);
    for (requirement, attention) in unmet.iter_mut().zip(attentions) {
        requirement.attention = *attention;
    }
    unmet
}

proptest! {
    #[test]
    fn every_requirement_is_in_exactly_one_cause(run in any_run(), attentions in any_attention()) {
        let unmet = unmet_with(&run, &attentions);
        let causes = root_causes(&run, &unmet);
        let mut ids: Vec<&str> = causes
            .iter()
            .flat_map(|cause| cause.consequences.iter().copied().chain([cause.head]))
            .collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, unmet.iter().map(|one| one.id).collect::<Vec<_>>());
    }

    #[test]
    fn no_failure_hides_below_a_head_that_needs_less_attention(
        run in any_run(),
        attentions in any_attention(),
    ) {
        let unmet = unmet_with(&run, &attentions);
        let attention = |id: &str| unmet.iter().find(|one| one.id == id).map(|one| one.attention);
        let causes = root_causes(&run, &unmet);
        for cause in &causes {
            for consequence in &cause.consequences {
                prop_assert!(attention(consequence) <= attention(cause.head));
                let is_expected = attention(consequence) == Some(Attention::Expected);
                prop_assert!(!is_expected || attention(cause.head) == Some(Attention::Expected));
            }
        }
        let heads: Vec<_> = causes.iter().map(|cause| attention(cause.head)).collect();
        prop_assert!(heads.is_sorted_by(|one, next| one >= next));
    }

    #[test]
    fn the_order_of_the_cases_has_no_influence(
        (run, shuffled) in any_run().prop_flat_map(|run| {
            let cases = Just(run.matrix_cases.clone()).prop_shuffle();
            (Just(run), cases.prop_map(run_of))
        }),
        attentions in any_attention(),
    ) {
        let unmet = unmet_with(&run, &attentions);
        let of_shuffled = unmet_with(&shuffled, &attentions);
        prop_assert_eq!(root_causes(&run, &unmet), root_causes(&shuffled, &of_shuffled));
    }
}
