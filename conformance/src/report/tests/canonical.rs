use super::{field, rendered, run_with_every_verdict};
use crate::{judge::Verdict, judge::run_file::Run, report::Format};

fn with_date(mut run: Run, date: &str) -> Run {
    for judged in &mut run.matrix_cases {
        judged.trace.exchanges[0].headers.push(field("Date", date));
    }
    run
}

/// The same run at another time: other ports, times and connections, and another order of cases.
fn repeated() -> Run {
    let mut run = with_date(run_with_every_verdict(), "today");
    for judged in &mut run.matrix_cases {
        judged.gateway = "http://127.0.0.1:2".into();
        judged.trace.exchanges[0].head_after_ms = Some(9.0);
        judged.trace.arrivals[0].at_ms = 9.0;
        judged.trace.arrivals[0].connection = 9;
    }
    run.matrix_cases.reverse();
    run
}

#[test]
fn the_canonical_form_contains_no_times_ports_or_connections() {
    let first = with_date(run_with_every_verdict(), "yesterday");
    let first = rendered(&first, Format::Canonical);
    assert_eq!(first, rendered(&repeated(), Format::Canonical));
}

#[test]
fn another_verdict_changes_the_canonical_form() {
    let mut other = repeated();
    other.matrix_cases[0].findings[0].verdict = Verdict::Untestable;
    let first = rendered(&run_with_every_verdict(), Format::Canonical);
    assert_ne!(first, rendered(&other, Format::Canonical));
}
