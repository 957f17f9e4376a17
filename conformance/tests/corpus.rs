//! Judges recorded traces of third-party gateways and compares the verdicts with those that were
//! derived by hand: `corpus/*/run.jsonl` and `corpus/*/verdicts.toml`.
//!
//! Prints the agreement. Each disagreement must be listed with its reason, and a listed one must
//! still exist.

use std::{collections::BTreeMap, fs, io::BufReader, path::Path};

use mcp_preflight_conformance::judge::{Verdict, rejudge::rejudge, run_file::Run};
use serde::Deserialize;

/// The verdicts on the traces of one gateway.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdicts {
    verdict: Vec<ByHand>,
}

/// A verdict that was derived by hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByHand {
    /// The id of the case.
    case: String,
    /// The id of the requirement.
    requirement: String,
    verdict: Compliance,
    /// What the trace shows.
    reason: String,
    /// Why the suite judges otherwise, if that is known.
    disagreement: Option<String>,
}

/// Whether a trace meets a requirement, independent of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Compliance {
    Met,
    Violated,
}

/// How the verdicts of the suite compare with those derived by hand.
#[derive(Default)]
struct Comparison {
    compared: usize,
    known: usize,
    /// The disagreements that are not listed, and the listed ones that no longer exist.
    mistakes: Vec<String>,
}

#[test]
fn verdicts_on_third_party_traces_agree_with_those_derived_by_hand() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<_> = fs::read_dir(&corpus)
        .expect("the corpus exists")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut comparison = Comparison::default();
    for folder in &folders {
        comparison.add(folder);
    }
    let Comparison { compared, known, mistakes } = comparison;
    let agreed = compared - known - mistakes.len();
    println!(
        "{} gateways, {compared} verdicts: {agreed} agree, {known} known disagreements",
        folders.len()
    );
    assert!(compared > 0);
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n\n"));
}

impl Comparison {
    /// Compares the verdicts on the traces of one gateway.
    fn add(&mut self, folder: &Path) {
        let gateway = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let text = fs::read_to_string(folder.join("verdicts.toml")).expect("it has verdicts");
        let verdicts: Verdicts =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{gateway}: {error}"));
        let judged = compliance_of(&folder.join("run.jsonl"));
        for by_hand in verdicts.verdict {
            let ByHand { case, requirement, verdict, reason, disagreement } = by_hand;
            self.compared += 1;
            let by_suite = judged.get(&(case.clone(), requirement.clone())).copied();
            let place = format!("{gateway}: {requirement} in {case}");
            match (by_suite == Some(verdict), disagreement) {
                (true, None) => {}
                (false, Some(_)) => self.known += 1,
                (true, Some(_)) => {
                    self.mistakes.push(format!("{place}\nthe disagreement no longer exists"));
                }
                (false, None) => self.mistakes.push(format!(
                    "{place}\nby hand {verdict:?}: {reason}\nby the suite {by_suite:?}"
                )),
            }
        }
    }
}

/// Whether each case of a run meets each requirement that this build judges in it.
fn compliance_of(file: &Path) -> BTreeMap<(String, String), Compliance> {
    let file = fs::File::open(file).expect("the run file exists");
    let recorded = Run::read(BufReader::new(file)).expect("the run file is valid");
    let (run, not_judged) = rejudge(&recorded).expect("the run has a setup");
    assert_eq!(not_judged, Vec::<String>::new(), "every case can be judged");
    let mut compliance = BTreeMap::new();
    for (case, finding) in run.findings() {
        let found = match finding.verdict {
            Verdict::Pass | Verdict::NonStrict => Compliance::Met,
            Verdict::Fail | Verdict::Warn => Compliance::Violated,
            _ => continue,
        };
        let entry = compliance.entry((case, finding.requirement.clone())).or_insert(found);
        if found == Compliance::Violated {
            *entry = found;
        }
    }
    compliance
}
