use super::{finding, trace};
use crate::{
    judge::{Finding, Verdict},
    report::deviation::deviating_exchange,
    trace::{Exchange, Trace},
};

/// A trace whose responses have these statuses.
fn trace_with(statuses: &[u16]) -> Trace {
    let trace = trace();
    let exchange = |status: &u16| Exchange { status: Some(*status), ..trace.exchanges[0].clone() };
    Trace {
        exchanges: statuses.iter().map(exchange).collect(),
        ..trace.clone()
    }
}

fn about(observable: &str, expected: &str, actual: &str) -> Finding {
    Finding {
        observable: observable.into(),
        expected: expected.into(),
        actual: actual.into(),
        ..finding("STA-01", Verdict::Fail)
    }
}

#[test]
fn the_request_that_deviated_is_found() {
    let trace = trace_with(&[200, 401, 200]);
    let index = |observable: &str, expected: &str, actual: &str| {
        deviating_exchange(&trace, &about(observable, expected, actual))
    };
    assert_eq!(index("status", "401", "200"), Some(2));
    assert_eq!(index("all-statuses", "200", "200,401,200"), Some(1));
    assert_eq!(index("all-statuses", "200,401,401", "200,401,200"), Some(2));
    assert_eq!(index("all-responses-complete", "complete", "incomplete: request 2"), Some(1));
    assert_eq!(index("all-responses", "same", "different-status"), Some(1));
    assert_eq!(index("first-two-challenges", "same", "different"), Some(1));
    let without_request = trace_with(&[]);
    assert_eq!(deviating_exchange(&without_request, &about("status", "401", "200")), None);
}
