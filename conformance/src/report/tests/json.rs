use super::{rendered, run_with_every_verdict};
use crate::{catalogue::Catalogue, report::Format};

#[test]
fn the_json_report_contains_every_requirement() {
    let report = rendered(&run_with_every_verdict(), Format::Json);
    let mut document: serde_json::Value = serde_json::from_str(&report).unwrap();
    let requirements = document["requirements"].as_array_mut().unwrap();
    assert_eq!(requirements.len(), Catalogue::embedded().iter().count());
    requirements.retain(|requirement| !requirement["counts"].as_object().unwrap().is_empty());
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}
