use super::{rendered, run_with_every_verdict};
use crate::{judge::run_file::Run, report::Format};

#[test]
fn a_badge_counts_the_core_requirements_that_are_met() {
    let run = run_with_every_verdict();
    insta::assert_snapshot!(rendered(&run, Format::Badge) + &rendered(&run, Format::BadgeSvg));
    let interrupted = Run { interrupted: true, ..run };
    assert!(rendered(&interrupted, Format::Badge).contains("lightgrey"));
}
