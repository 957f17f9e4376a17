//! A gateway that answers each refusal late: the run stays within its time limit.

use std::time::Duration;

use mcp_preflight_conformance::judge::{
    Verdict::{Inconclusive, Pass},
    run_file::NotedEvent,
};
use tokio::time::sleep;

use crate::{
    gateway::relay,
    judged::{Judge, KEY_FIELD},
};

#[tokio::test]
async fn a_slow_gateway_is_judged_by_the_cases_that_the_time_suffices_for() {
    let judge = Judge::start(KEY_FIELD, |request, upstreams| async move {
        let answer = relay(&request, &upstreams).await;
        if answer.status >= 400 {
            sleep(Duration::from_millis(300)).await;
        }
        answer
    })
    .await;
    let judged = judge
        .judge_within(
            Duration::from_secs(2),
            &["STA-01"],
            &["credentials=*", "protocol-version=*", "upstream=401-*"],
        )
        .await;
    let [note] = judged.notes() else {
        panic!("the time limit is noted: {judged:?}")
    };
    assert!(matches!(note.event, NotedEvent::TimeLimit { limit_s: 2, .. }), "{note:?}");
    assert_eq!(judged.verdict(&note.cases[0], "STA-01"), Inconclusive);
    assert_eq!(judged.verdict("* / 401-bare+json-rpc / *", "STA-01"), Pass);
    let text = note.in_words();
    assert!(text.contains("the time limit of 2 s was reached"), "{text}");
}
