//! The HTML report in a real browser: it unpacks its traces, opens a case on both faces, filters its matrix, and asks the network for nothing.
//!
//! Drives Chromium without a driver: the page can be told by its address what to show, and the browser prints what became of it. Without
//! a browser nothing is tested here, except where `CI` is set: there it must be installed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

fn browser() -> Option<&'static str> {
    let found = BROWSERS.into_iter().find(|name| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    });
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "no Chromium, which .ci/run installs"
    );
    if found.is_none() {
        eprintln!("no Chromium on this machine: the page is not looked at");
    }
    found
}

/// The page of a run of a few matrix cases.
fn page(name: &str, implementation: &str) -> PathBuf {
    let path = folder().join(name);
    let report = format!("html={}", path.display());
    let output = Command::new(env!("CARGO_BIN_EXE_preflight-conformance"))
        .args([
            "run",
            implementation,
            "--only",
            "STA-0*",
            "--where",
            "method=tools-*",
            "--strategy",
            "probe",
            "--profile",
            "seed",
        ])
        .args(["--random-seed", "7", "--report", &report])
        .output()
        .expect("the binary runs");
    assert!(output.status.code().is_some_and(|code| code < 2));
    path
}

/// What the browser makes of a page at this address, as text, after its scripts have run.
fn rendered(browser: &str, page: &Path, at: &str) -> String {
    let profile = tempfile::tempdir().expect("there is room for a profile");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--virtual-time-budget=20000",
            "--dump-dom",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{at}", page.display()))
        .output()
        .expect("the browser runs");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_page: Vec<&str> = complaints.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(of_page.is_empty(), "{of_page:#?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_case_opens_with_both_faces_its_expectation_and_its_source() {
    let Some(browser) = browser() else { return };
    let page = page("case.html", "builtin:defect/403-as-401");
    let matrix_case = "key-and-token / forwarding / 403-bare+json-rpc / tools-list / /mcp/{server} / probe / seed / 2025-11-25";
    let shown = rendered(
        browser,
        &page,
        &format!(
            "case={}",
            matrix_case.replace(' ', "%20").replace('/', "%2F").replace('+', "%2B")
        ),
    );
    assert!(shown.contains("data-ready=\"yes\""), "its script came to its end");
    let (_, dialog) = shown.split_once("<dialog").expect("there is a dialog");
    let (dialog, _) = dialog.split_once("</dialog>").expect("it ends");
    assert!(dialog.contains("open=\"\""), "it is open");
    for what in [
        matrix_case,
        "<code>status</code> expected <code>403</code>, actual <code>401</code>",
        "rule forbidden-is-403 · LiteLLM change #27847, step 11 · RFC 9110 §15.5.4",
        "At the client",
        "gateway answers",
        "At the upstreams",
        "<mark class=\"upstream-token\" title=\"upstream token\">",
        "preflight-conformance run builtin:defect/403-as-401 --only",
        "curl -isS",
    ] {
        assert!(dialog.contains(what), "no {what} in {dialog}");
    }
}

#[test]
fn the_matrix_shows_one_requirement_where_it_is_asked_to() {
    let Some(browser) = browser() else { return };
    let page = page("matrix.html", "builtin:defect/403-as-401");
    let all = rendered(browser, &page, "");
    let one = rendered(browser, &page, "show=STA-05");
    let squares =
        |shown: &str, class: &str| shown.matches(&format!("<button class=\"sq {class}\"")).count();
    assert!(squares(&all, "pass") > squares(&all, "fail") && squares(&all, "none off") == 0);
    assert!(
        squares(&one, "fail") == squares(&all, "fail")
            && squares(&one, "none off") > 0
            && squares(&one, "pass") == 0
    );
    let count = one
        .split("id=\"shown\">")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .expect("it says how many");
    assert_eq!(
        count,
        format!(
            "{} of {} matrix cases",
            squares(&one, "fail"),
            squares(&all, "fail") + squares(&all, "pass")
        )
    );
}
