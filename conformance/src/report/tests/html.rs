use super::{rendered, run_with_every_verdict};
use crate::{judge::effective_verdict::EffectiveVerdict, report::Format};

#[test]
fn texts_of_an_implementation_do_not_become_markup() {
    let mut run = run_with_every_verdict();
    run.header.implementation = "<img src=x onerror=alert(1)>".into();
    run.matrix_cases[0].trace.exchanges[0].body = "</script><script>alert(2)</script>".into();
    let page = rendered(&run, Format::Html);
    assert_eq!(page.matches("<script").count(), 2, "one for the data, one for the code");
    assert!(!page.contains("<img") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("&lt;img src=x"));
}

#[test]
fn the_page_has_a_square_for_each_matrix_case_and_each_verdict_of_the_legend() {
    let page = rendered(&run_with_every_verdict(), Format::Html);
    assert_eq!(page.matches("class=\"sq ").count(), 2 + EffectiveVerdict::ALL.len());
}

#[test]
fn the_page_loads_nothing() {
    let page = rendered(&run_with_every_verdict(), Format::Html);
    for outside in ["http://", "https://", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(outside), "the page contains {outside}");
    }
}
