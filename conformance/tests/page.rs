//! The HTML report in a real browser.
//!
//! The tests start Chromium without a driver: the fragment of the page's address says what to show,
//! and the browser prints the document after the script has run. A machine without Chromium fails
//! these tests; the variable `PREFLIGHT_WITHOUT_BROWSER=1` skips them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The variable that allows a machine without a browser.
const OPT_OUT: &str = "PREFLIGHT_WITHOUT_BROWSER";
const BROWSER_OPTIONS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
    "--dump-dom",
    "--enable-logging=stderr",
];

/// The browser; `None` if [`OPT_OUT`] is set.
fn browser() -> Option<&'static str> {
    if std::env::var_os(OPT_OUT).is_some_and(|value| value == "1") {
        eprintln!("{OPT_OUT}=1: the HTML report is not tested in a browser");
        return None;
    }
    let runs = |name: &&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let browser = BROWSERS.into_iter().find(runs);
    assert!(
        browser.is_some(),
        "found none of {}\nexpected Chromium, for example from `apt-get install chromium`; \
         set {OPT_OUT}=1 to skip the tests of the HTML report",
        BROWSERS.join(", ")
    );
    browser
}

/// Writes the page of a small run.
fn write_page(name: &str, implementation: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let path = folder.join(name);
    let report = format!("html={}", path.display());
    let output = Command::new(env!("CARGO_BIN_EXE_preflight-conformance"))
        .args(["run", implementation, "--only", "STA-0*", "--where", "method=tools-*"])
        .args(["--strategy", "probe", "--profile", "seed"])
        .args(["--random-seed", "7", "--report", &report])
        .output()
        .expect("the command runs");
    assert!(output.status.code().is_some_and(|code| code < 2));
    path
}

/// The document after the script has run, as text.
///
/// Fails if the page writes to the browser's console, for example because its policy forbids a
/// resource.
fn document(browser: &str, page: &Path, fragment: &str) -> String {
    let profile = tempfile::tempdir().expect("a temporary folder can be created");
    let output = Command::new(browser)
        .args(BROWSER_OPTIONS)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{fragment}", page.display()))
        .output()
        .expect("the browser runs");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:#?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn percent_encoded(text: &str) -> String {
    text.replace(' ', "%20").replace('/', "%2F").replace('+', "%2B")
}

#[test]
fn the_address_of_a_case_opens_it_with_both_sides_of_its_trace() {
    let Some(browser) = browser() else { return };
    let page = write_page("case.html", "builtin:defect/403-as-401");
    let id = "key-and-token / forwarding / 403-bare+json-rpc / tools-list / /mcp/{server} / \
              probe / seed / 2025-11-25";
    let document = document(browser, &page, &format!("case={}", percent_encoded(id)));
    assert!(document.contains("data-ready=\"yes\""), "the script did not reach its end");
    let (_, dialog) = document.split_once("<dialog").expect("the page has a dialog");
    let (dialog, _) = dialog.split_once("</dialog>").expect("the dialog has an end tag");
    assert!(dialog.contains("open=\"\""), "the dialog is closed");
    for part in [
        id,
        "<code>status</code> expected <code>403</code>, actual <code>401</code>",
        "rule forbidden-is-403 · MCP authorization",
        "Client saw",
        "gateway answers",
        "Upstream saw",
        "<mark class=\"upstream-token\" title=\"upstream token\">",
        "preflight-conformance run builtin:defect/403-as-401 --only",
        "curl -isS",
    ] {
        assert!(dialog.contains(part), "no {part} in {dialog}");
    }
}

#[test]
fn the_address_of_a_requirement_filters_the_matrix() {
    let Some(browser) = browser() else { return };
    let page = write_page("matrix.html", "builtin:defect/403-as-401");
    let unfiltered = document(browser, &page, "");
    let filtered = document(browser, &page, "show=STA-05");
    let squares = |document: &str, class: &str| {
        document.matches(&format!("<button class=\"sq {class}\"")).count()
    };
    let (passed, failed) = (squares(&unfiltered, "pass"), squares(&unfiltered, "fail"));
    assert!(passed > failed && squares(&unfiltered, "none off") == 0);
    assert_eq!(squares(&filtered, "fail"), failed);
    assert!(squares(&filtered, "none off") > 0 && squares(&filtered, "pass") == 0);
    let count = filtered
        .split("id=\"shown\">")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .expect("the page shows the number of matrix cases");
    assert_eq!(count, format!("{failed} of {} matrix cases", passed + failed));
}
