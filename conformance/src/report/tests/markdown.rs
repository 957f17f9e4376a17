use super::{rendered, run_with_every_verdict};
use crate::report::Format;

#[test]
fn the_summary_lists_unexpected_and_expected_failures_and_unmet_recommendations() {
    let summary = rendered(&run_with_every_verdict(), Format::Markdown);
    let (before, section) = summary.split_once("\n### Not judged\n").unwrap();
    insta::assert_snapshot!(before);
    // The other numbers change with every new requirement.
    assert!(
        section.contains("| feature \\`sessions\\` is not declared | 1 | 1 |\n"),
        "{section}"
    );
}
