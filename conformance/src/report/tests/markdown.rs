use super::{rendered, run_with_every_verdict};
use crate::report::Format;

#[test]
fn the_summary_lists_unexpected_and_expected_failures_and_unmet_recommendations() {
    insta::assert_snapshot!(rendered(&run_with_every_verdict(), Format::Markdown));
}
