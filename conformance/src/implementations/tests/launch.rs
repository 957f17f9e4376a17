//! Starting and stopping: readiness, errors, and that no process survives.

use super::*;

#[tokio::test]
async fn stop_ends_the_process_and_its_children() {
    let lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by(&format!("sleep 1000 & {SERVE}")), "");
    let running = start(&description, lifeline.cache()).await.unwrap();
    running.stop().await;
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed() {
    let lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by(&format!("trap '' TERM; {SERVE}")), "");
    let running = start(&description, lifeline.cache()).await.unwrap();
    running.stop().await;
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn dropping_a_running_process_kills_it() {
    let lifeline = Lifeline::new();
    let running = start(
        &scripted(&lifeline.held_by(&format!("sleep 1000 & {SERVE}")), ""),
        lifeline.cache(),
    )
    .await
    .unwrap();
    drop(running);
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn the_guard_kills_the_processes_when_the_suite_is_killed() {
    let lifeline = Lifeline::new();
    let description =
        scripted(&lifeline.held_by(&format!("trap '' TERM; sleep 1000 & {SERVE}")), "");
    let mut running = start(&description, lifeline.cache()).await.unwrap();
    // If the suite is killed, the guard sees the end of its standard input.
    drop(running.group.guard.as_mut().unwrap().stdin.take());
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn a_cancelled_start_leaves_no_process() {
    let mut lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by("echo up >&9; sleep 1000 & sleep 1000"), "");
    let cache = lifeline.cache().to_owned();
    tokio::select! {
        _ = start(&description, &cache) => panic!("it never gets ready"),
        up = lifeline.end.read_u8() => assert_eq!(up.unwrap(), b'u'),
    }
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn the_exit_status_of_an_ended_process_is_known() {
    let lifeline = Lifeline::new();
    let script = lifeline.held_by(&format!("mkfifo until; ({SERVE}) & read line < until; exit 7"));
    let mut running = start(&scripted(&script, ""), lifeline.cache()).await.unwrap();
    assert!(tokio::time::timeout(Duration::ZERO, running.ended()).await.is_err());
    std::fs::write(running.log.with_file_name("until"), "now\n").unwrap();
    assert_eq!(running.ended().await.unwrap().code(), Some(7));
    // The status is still known when it is asked for a second time.
    assert_eq!(running.ended().await.unwrap().code(), Some(7));
    running.stop().await;
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn a_process_that_is_not_ready_in_time_is_killed() {
    let lifeline = Lifeline::new();
    let mut description = scripted(&lifeline.held_by("echo still thinking; sleep 1000"), "");
    description.ready.within_s = 1;
    let error = start(&description, lifeline.cache()).await.unwrap_err();
    let port = error
        .to_string()
        .split("127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(stable_text(&error, lifeline.cache()).replace(&port, "PORT"), @r#"
    the program was not ready within 1 s: GET http://127.0.0.1:PORT/ gave no connection
    log: CACHE/runs/tiny/RUN/output.log
      | still thinking
    "#);
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn a_process_can_be_ready_only_when_its_log_says_so() {
    let cache = tempfile::tempdir().unwrap();
    let mut description = scripted(&format!("(sleep 1; echo all connected) & {SERVE}"), "");
    description.ready.output = Some("all connected".into());
    let running = start(&description, cache.path()).await.unwrap();
    let log = std::fs::read_to_string(&running.log).unwrap();
    assert!(log.contains("all connected"), "{log}");
    running.stop().await;
}

#[tokio::test]
async fn a_process_that_ends_before_it_is_ready_is_reported_with_its_output() {
    let lifeline = Lifeline::new();
    let description = scripted(&lifeline.held_by("sleep 1000 & echo no licence >&2; exit 3"), "");
    let error = start(&description, lifeline.cache()).await.unwrap_err();
    insta::assert_snapshot!(stable_text(&error, lifeline.cache()), @r#"
    the program ended before it was ready, with exit status: 3
    log: CACHE/runs/tiny/RUN/output.log
      | no licence
    "#);
    lifeline.assert_all_processes_end().await;
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let mut description = scripted("", "");
    description.start.command = vec!["no-such-gateway".into()];
    insta::assert_snapshot!(start(&description, cache.path()).await.unwrap_err(), @"cannot start \
        `no-such-gateway`: No such file or directory (os error 2)");
}

#[tokio::test]
async fn the_environment_is_not_inherited() {
    let cache = tempfile::tempdir().unwrap();
    let mut description = scripted("env; exit 1", "");
    description.start.environment.insert("MODE".into(), "{{ strategy }}".into());
    let text = start(&description, cache.path()).await.unwrap_err().to_string();
    assert!(text.contains("| MODE=own\n") || text.ends_with("| MODE=own"), "{text}");
    assert!(text.contains(&format!("| HOME={}", cache.path().display())), "{text}");
    assert!(!text.contains("CARGO"), "{text}");
}
