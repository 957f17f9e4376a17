//! Holds a run against what an implementation is known to fail: anything else that fails is unexpected, and a known failure that no
//! longer happens is stale.
//!
//! It does not excuse anything in the report; it decides only whether the run came out as expected.

use std::collections::BTreeMap;

use globset::GlobMatcher;
use serde::{Deserialize, Deserializer, de};

use crate::{
    cases::selection::glob,
    implementations::Implementation,
    judge::{Finding, Verdict, run_file::Run},
};

/// What an implementation is known to fail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The entries of the file.
    #[serde(default, rename = "expected-failure")]
    pub known: Vec<ExpectedFailure>,
}

/// One known failure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The requirement that fails.
    pub requirement: String,
    /// How.
    pub verdict: Verdict,
    /// Whether it depends on what no run controls, such as how busy the machine is. Then it is not stale where it does not happen.
    #[serde(default)]
    pub sometimes: bool,
    /// The matrix cases and scenarios where it does; all, unless said.
    #[serde(default)]
    pub cases: Option<CaseGlob>,
    /// What it does instead, and where that was reported.
    #[serde(deserialize_with = "reason")]
    pub reason: String,
}

/// A glob over the ids of matrix cases and scenarios.
#[derive(Clone, Debug)]
pub struct CaseGlob(GlobMatcher);

impl<'de> Deserialize<'de> for CaseGlob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(from)?;
        glob(&pattern).map(Self).map_err(|error| {
            de::Error::custom(format!("`{pattern}` is not a glob over matrix case ids: {error}"))
        })
    }
}

fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let reason = String::deserialize(from)?;
    if reason.trim().is_empty() {
        Err(de::Error::custom("an entry without a reason, expected what it does instead"))
    } else {
        Ok(reason)
    }
}

/// How a run compares with a baseline.
#[derive(Debug, Default)]
pub struct Assessment<'a> {
    /// Failures without an entry, with the id of the matrix case or scenario.
    pub unexpected: Vec<(String, &'a Finding)>,
    /// Failures with an entry, with the id of the matrix case or scenario.
    pub known: Vec<(String, &'a Finding, &'a ExpectedFailure)>,
    /// Entries whose requirement was judged, and none of whose failures happened.
    pub stale: Vec<&'a ExpectedFailure>,
}

/// An implementation's `baseline.toml` does not parse.
#[derive(Debug, thiserror::Error)]
#[error("baseline.toml of {name}: {source}")]
pub struct BaselineError {
    /// The implementation.
    name: String,
    /// What the parser says.
    source: Box<toml::de::Error>,
}

impl Baseline {
    /// The baseline of an implementation; empty if it has none.
    pub fn of(target: &Implementation) -> Result<Self, BaselineError> {
        target.baseline.as_deref().map_or_else(
            || Ok(Self::default()),
            |text| {
                Self::parse(text).map_err(|source| BaselineError {
                    name: target.name.clone(),
                    source: Box::new(source),
                })
            },
        )
    }

    /// Reads a `baseline.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Compares a run with it. `failure` says how a finding counts against this implementation, if it does.
    pub fn assess<'a>(
        &'a self,
        run: &'a Run,
        failure: impl Fn(&Finding) -> Option<Verdict>,
    ) -> Assessment<'a> {
        let mut used = vec![false; self.known.len()];
        let mut judged = vec![false; self.known.len()];
        let mut assessment = Assessment::default();
        for (about, finding) in run.findings() {
            let mut expected = None;
            let failure = failure(finding);
            let verdict = failure.unwrap_or(finding.verdict);
            for (index, known) in self
                .known
                .iter()
                .enumerate()
                .filter(|(_, known)| known.concerns(&about, finding))
            {
                // What could not be judged does not show that a failure is gone.
                let silent = [
                    Verdict::NotApplicable,
                    Verdict::Skip,
                    Verdict::Inconclusive,
                    Verdict::Untestable,
                    Verdict::Error,
                ];
                judged[index] |= !silent.contains(&finding.verdict);
                if known.verdict == verdict {
                    used[index] = true;
                    expected = expected.or(Some(known));
                }
            }
            if failure.is_some() {
                match expected {
                    Some(known) => assessment.known.push((about, finding, known)),
                    None => assessment.unexpected.push((about, finding)),
                }
            }
        }
        assessment.stale = self
            .known
            .iter()
            .zip(judged)
            .zip(used)
            .filter(|((known, judged), used)| *judged && !used && !known.sometimes)
            .map(|((known, _), _)| known)
            .collect();
        assessment
    }
}

/// The text of a baseline brought in line with a run: entries that no longer happen are gone, with the comment above them, new ones stand at
/// the end, and everything else is as it was written.
#[must_use]
pub fn updated(baseline: &Baseline, text: &str, assessment: &Assessment<'_>) -> String {
    const ENTRY: &str = "\n[[expected-failure]]";
    let is_stale = |at: usize| {
        baseline
            .known
            .get(at)
            .is_some_and(|known| assessment.stale.iter().any(|stale| std::ptr::eq(*stale, known)))
    };
    // A comment belongs to the entry below it, so it ends the text of the one before.
    let comment = |text: &str| {
        text.rfind("\n\n")
            .filter(|at| text[at + 2..].starts_with('#'))
            .unwrap_or(text.len())
    };
    let text = format!("\n{text}");
    let mut entries = text.split(ENTRY);
    let mut updated = entries.next().unwrap_or_default().to_owned();
    for (at, entry) in entries.enumerate() {
        if is_stale(at) {
            if at > 0 {
                updated.truncate(comment(&updated));
            }
            updated.push_str(&entry[comment(entry)..]);
        } else {
            updated.push_str(ENTRY);
            updated.push_str(entry);
        }
    }
    for entry in new(assessment) {
        updated.truncate(updated.trim_end().len());
        updated.push_str(&format!("\n{ENTRY}\n{entry}"));
    }
    format!("{}\n", updated.trim())
}

/// An entry for each requirement that fails without one, with a reason that says what was seen.
fn new(assessment: &Assessment<'_>) -> Vec<String> {
    let mut failures: BTreeMap<(&str, Verdict), Vec<&(String, &Finding)>> = BTreeMap::new();
    for failure in &assessment.unexpected {
        let verdict = if failure.1.verdict == Verdict::Inconclusive {
            Verdict::Untestable
        } else {
            failure.1.verdict
        };
        failures.entry((&failure.1.requirement, verdict)).or_default().push(failure);
    }
    let entry =
        |((requirement, verdict), failures): ((&str, Verdict), Vec<&(String, &Finding)>)| {
            let (about, finding) = failures.first()?;
            let more = if failures.len() > 1 {
                format!(", and {} more", failures.len() - 1)
            } else {
                String::new()
            };
            let reason = format!(
                "{}: expected {}, actual {}, in {about}{more}",
                finding.observable, finding.expected, finding.actual
            );
            Some(format!(
                "requirement = \"{requirement}\"\nverdict = \"{verdict}\"\nreason = {}\n",
                toml::Value::String(reason)
            ))
        };
    failures.into_iter().filter_map(entry).collect()
}

impl ExpectedFailure {
    fn concerns(&self, about: &str, finding: &Finding) -> bool {
        self.requirement == finding.requirement
            && self.cases.as_ref().is_none_or(|cases| cases.0.is_match(about))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[expected-failure]]
requirement = "STA-01"
verdict = "fail"
cases = "* / forwarding / 401-* / tools-list / /mcp/{server} / own"
reason = "answers 200 with an empty list"
"#;

    #[test]
    fn a_glob_reads_over_slashes_and_takes_braces_as_they_are() {
        let baseline = Baseline::parse(TEXT).unwrap();
        let cases = baseline.known[0].cases.as_ref().unwrap();
        assert!(cases.0.is_match(
            "key-and-token / forwarding / 401-full+oauth / tools-list / /mcp/{server} / own"
        ));
        assert!(
            !cases.0.is_match(
                "key-and-token / forwarding / 403-bare / tools-list / /mcp/{server} / own"
            )
        );
    }

    #[test]
    fn what_happens_only_sometimes_is_not_stale_where_it_does_not() {
        let known = |text: &str| Baseline::parse(text).unwrap().known[0].sometimes;
        assert!(!known(TEXT));
        assert!(known(&format!("{TEXT}sometimes = true\n")));
    }

    #[test]
    fn an_entry_gives_a_reason() {
        assert!(Baseline::parse(&TEXT.replace("answers 200 with an empty list", " ")).is_err());
    }

    #[test]
    fn an_update_leaves_alone_what_somebody_wrote() {
        let entry = |requirement: &str| {
            format!(
                "[[expected-failure]]\nrequirement = \"{requirement}\"\nverdict = \"fail\"\nreason = \"r\"\n"
            )
        };
        let (first, second, third) = (entry("STA-01"), entry("STA-02"), entry("STA-03"));
        let head = "# What it fails:\n#\n#     [[expected-failure]]\n\n";
        let text =
            format!("{head}{first}\n# about the second\n{second}\n# about the third\n{third}");
        let baseline = Baseline::parse(&text).unwrap();
        assert_eq!(updated(&baseline, &text, &Assessment::default()), text);
        let finding = Finding {
            requirement: "STA-05".into(),
            rule: "a-rule".into(),
            verdict: Verdict::Fail,
            observable: "status".into(),
            expected: "403".into(),
            actual: "a \"quote\"".into(),
        };
        let unexpected =
            vec![("a matrix case".to_owned(), &finding), ("another".to_owned(), &finding)];
        let assessment = Assessment {
            unexpected,
            stale: vec![&baseline.known[1]],
            ..Assessment::default()
        };
        let updated = updated(&baseline, &text, &assessment);
        assert!(
            updated.starts_with(&format!(
                "{head}{first}\n# about the third\n{third}\n[[expected-failure]]\n"
            )),
            "{updated}"
        );
        let again = Baseline::parse(&updated).unwrap();
        assert_eq!(
            again.known.iter().map(|known| known.requirement.as_str()).collect::<Vec<_>>(),
            ["STA-01", "STA-03", "STA-05"]
        );
        assert_eq!(
            again.known[2].reason,
            "status: expected 403, actual a \"quote\", in a matrix case, and 1 more"
        );
    }
}
