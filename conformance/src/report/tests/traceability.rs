use super::{rendered, run_with_every_verdict};
use crate::report::Format;

#[test]
fn the_table_shows_the_rules_of_each_requirement_and_names_the_gaps() {
    let table = rendered(&run_with_every_verdict(), Format::Traceability);
    assert!(table.contains("| STA-05 | MUST | `a-rule` (2) | 2 | fail | "), "{table}");
    let gap = "- STA-09: a rule judges it, but no case of this run did";
    assert!(table.contains(gap), "{table}");
}
