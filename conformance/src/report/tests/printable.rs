//! Texts of a run file or of a judged gateway cannot control a terminal.

use clap::ValueEnum as _;

use super::{damage, finding, matrix_case, rendered, run};
use crate::{
    cases::axis::Method,
    judge::{Finding, Verdict, run_file::Run},
    report::Format,
    trace::printable::is_hidden,
};

/// ESC, a C1 control, and a bidirectional override, each as a gateway could send them.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}\r\nresult        success";

/// A run with hostile text wherever a run file has text.
fn hostile_run() -> Run {
    let hostile = |requirement, verdict| Finding {
        observable: format!("status{HOSTILE}"),
        expected: HOSTILE.into(),
        actual: HOSTILE.into(),
        rule: HOSTILE.into(),
        ..finding(requirement, verdict)
    };
    let findings = vec![
        hostile("STA-05", Verdict::Fail),
        hostile("STA-13", Verdict::Warn),
        hostile("STA-06", Verdict::Fail),
        hostile("CHL-01", Verdict::Skip),
    ];
    let mut judged = matrix_case(Method::Get, findings);
    judged.matrix_case.upstream = HOSTILE.into();
    judged.observations.insert("result".into(), HOSTILE.into());
    judged.gateway = format!("http://{HOSTILE}");
    let exchange = &mut judged.trace.exchanges[0];
    exchange.body = HOSTILE.into();
    exchange.path = HOSTILE.into();
    exchange.method = HOSTILE.into();
    exchange.sent_headers.push(("x".into(), HOSTILE.into()));
    exchange.headers.push(("location".into(), HOSTILE.into()));
    let arrival = &mut judged.trace.arrivals[0];
    arrival.answered = HOSTILE.into();
    arrival.server = HOSTILE.into();
    arrival.target = HOSTILE.into();
    arrival.rpc_method = Some(HOSTILE.into());
    let mut run = run(vec![judged]);
    run.header.implementation = HOSTILE.into();
    run.header.version = HOSTILE.into();
    run.header.credential_layout = HOSTILE.into();
    run.header.suite = HOSTILE.into();
    run.header.filters = vec![HOSTILE.into()];
    let mut damage = damage(HOSTILE);
    damage.log.push(HOSTILE.into());
    damage.process_end = Some(HOSTILE.into());
    damage.matrix_cases.push(HOSTILE.into());
    run.damages = vec![damage];
    run
}

#[test]
fn no_report_contains_a_control_or_bidirectional_character() {
    for format in Format::value_variants() {
        let text = rendered(&hostile_run(), *format);
        let hidden = text.chars().find(|c| is_hidden(*c) && !matches!(c, '\n' | '\t'));
        assert_eq!(hidden, None, "{format:?}:\n{text}");
    }
}

#[test]
fn a_text_of_a_gateway_adds_no_line_to_a_terminal_report() {
    let text = rendered(&hostile_run(), Format::Terminal);
    let results = text.lines().filter(|line| line.starts_with("result  ")).count();
    assert_eq!(results, 1, "{text}");
}

#[test]
fn the_values_of_a_json_report_are_unchanged() {
    let document: serde_json::Value =
        serde_json::from_str(&rendered(&hostile_run(), Format::Json)).unwrap();
    assert_eq!(document["implementation"]["name"], HOSTILE);
}
