//! Tests of the reports. The runs are made by hand, so that they contain every kind of verdict.
//!
//! A format with one short test has it in its own module.

mod canonical;
mod deviation;
mod html;
mod json;
mod junit;
mod markdown;
mod printable;
mod result;
mod terminal;
mod traceability;

use std::collections::BTreeMap;

use super::Format;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start, Strategy},
        matrix_case::MatrixCase,
        token_script::CaseId,
    },
    catalogue::{Profile, ProtocolVersion},
    judge::{
        Finding, Verdict,
        baseline::Baseline,
        run_file::{CasesLeftOut, Damage, Evidence, FORMAT, Header, JudgedMatrixCase, Run},
        summary::failures_of,
    },
    trace::{Arrival, Ending, Exchange, Secret, SecretKind, Trace},
};

/// A baseline with one entry that [`run_with_every_verdict`] uses and one that is stale in it.
const BASELINE: &str = "\
[[expected-failure]]
requirement = 'STA-06'
verdict = 'fail'
reason = 'sends a challenge with 403, reported'

[[expected-failure]]
requirement = 'STA-01'
verdict = 'fail'
reason = 'used to answer 200'
";

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

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A trace in which the upstream server answers 403 and the client receives 401.
fn trace() -> Trace {
    let exchange = Exchange {
        method: "POST".into(),
        path: "/mcp/alpha".into(),
        sent_headers: vec![field("authorization", "Bearer the-token")],
        sent_body: "{}".into(),
        status: Some(401),
        headers: vec![field("www-authenticate", "Bearer realm=\"x\"")],
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
        headers: vec![field("authorization", "Bearer the-token")],
        body: String::new(),
        rpc_method: Some("initialize".into()),
        answered: "403".into(),
        session_issued: None,
        session_ended: None,
    };
    Trace {
        case: CaseId("c1".into()),
        exchanges: vec![exchange],
        arrivals: vec![arrival],
        connections_without_request: Vec::new(),
        secrets: vec![Secret { kind: SecretKind::UpstreamToken, value: "the-token".into() }],
    }
}

fn matrix_case(method: Method, findings: Vec<Finding>) -> JudgedMatrixCase {
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
        trace: trace(),
        evidence: Evidence::default(),
        observations: BTreeMap::new(),
        findings,
    }
}

/// A run of a gateway that is not the project's own.
fn run(matrix_cases: Vec<JudgedMatrixCase>) -> Run {
    let header = Header {
        format: FORMAT,
        suite: "0.1.0".into(),
        catalogue: "0".into(),
        implementation: "a-gateway".into(),
        version: "9".into(),
        kind: None,
        protocol_versions: Vec::new(),
        ours: false,
        random_seed: 7,
        profiles: vec![Profile::Seed],
        strategies: vec![Strategy::Own],
        credential_layout: "key and token".into(),
        filters: Vec::new(),
        left_out: CasesLeftOut::default(),
    };
    Run { matrix_cases, ..Run::new(header) }
}

fn damage(description: &str) -> Damage {
    let start = Start { profile: Profile::Seed, strategy: Strategy::Own };
    Damage {
        process_end: Some("signal SIGSEGV".into()),
        log: vec!["served 7 requests".into(), "fatal: <b>invalid</b> session".into()],
        ..Damage::new(start, vec!["a matrix case".into()], description.into())
    }
}

/// A run with unexpected, expected and advisory failures, a warning, an untestable requirement and
/// damage. One actual value contains markup of several formats.
pub(super) fn run_with_every_verdict() -> Run {
    let markup = Finding {
        actual: "<script>alert('x')</script> | `code` ]]>".into(),
        ..finding("CHL-13", Verdict::Fail)
    };
    let failing = vec![
        finding("STA-05", Verdict::Fail),
        finding("STA-06", Verdict::Fail),
        finding("GATE-03", Verdict::Fail),
        finding("STA-13", Verdict::Warn),
        markup,
    ];
    let other = vec![
        finding("STA-01", Verdict::Pass),
        finding("STA-05", Verdict::Pass),
        Finding {
            actual: "feature `sessions` is not declared".into(),
            ..finding("STA-03", Verdict::Skip)
        },
        finding("STA-04", Verdict::Inconclusive),
    ];
    let cases = vec![matrix_case(Method::ToolsList, failing), matrix_case(Method::Get, other)];
    Run {
        damages: vec![damage("a healthy call got 502")],
        ..run(cases)
    }
}

/// The report on a run that is compared with [`BASELINE`].
pub(super) fn rendered(run: &Run, format: Format) -> String {
    let baseline = Baseline::parse(BASELINE).unwrap();
    format.render(run, &baseline.assess(run, failures_of(run)))
}
