//! Looks for the secrets of a whole run in everything that the implementation wrote.
//!
//! There are thousands of secrets and megabytes of output, so candidates are found by their first characters and only those are
//! looked at closely. What counts as a trace of a secret is decided by the leak observables.

use std::collections::{BTreeSet, HashMap};

use crate::{
    catalogue::Catalogue,
    judge::{Finding, Verdict},
    observe::leak::{holds_a_part, spellings},
    trace::{Secret, SecretKind},
};

/// The id of what is found, beside the scenarios.
pub const ID: &str = "the-whole-output";
/// What it judges.
pub(super) const REQUIREMENT: &str = "OBS-01";
/// How many characters make a candidate.
const START: usize = 8;

/// What the output says about OBS-01. No output at all says nothing: either nobody listens, or somebody else does.
pub(super) fn judge(output: &str, secrets: &BTreeSet<(String, SecretKind)>) -> Option<Finding> {
    Catalogue::embedded().get(REQUIREMENT)?;
    let (verdict, seen) = match find(output, secrets) {
        Some(line) => (Verdict::Fail, format!("a secret in: {line}")),
        None if output.trim().is_empty() => (Verdict::Untestable, "no output at all".to_owned()),
        None => (Verdict::Pass, "nothing".to_owned()),
    };
    Some(Finding {
        requirement: REQUIREMENT.to_owned(),
        rule: ID.to_owned(),
        verdict,
        observable: "logged".to_owned(),
        expected: "nothing".to_owned(),
        seen,
    })
}

/// The first line that holds a secret, or the start of one.
fn find<'a>(output: &'a str, secrets: &BTreeSet<(String, SecretKind)>) -> Option<&'a str> {
    let mut starts: HashMap<[u8; START], Vec<&str>> = HashMap::new();
    for (secret, _) in secrets {
        for spelling in spellings(secret) {
            if let Some(start) = spelling.as_bytes().first_chunk::<START>() {
                starts.entry(*start).or_default().push(secret);
            }
        }
    }
    output.lines().find(|line| {
        let candidates = line.as_bytes().windows(START).filter_map(|window| starts.get(window));
        candidates.flatten().any(|secret| holds_a_part(line, secret))
    })
}

/// A set of secrets, each once over all cases.
pub(super) fn distinct(secrets: &[Secret]) -> impl Iterator<Item = (String, SecretKind)> {
    secrets.iter().map(|secret| (secret.value.clone(), secret.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_holds_nothing_is_no_evidence() {
        let verdict = |output: &str| judge(output, &BTreeSet::new()).map(|finding| finding.verdict);
        assert_eq!(verdict(" \n"), Some(Verdict::Untestable));
        assert_eq!(verdict("serving\n"), Some(Verdict::Pass));
    }

    #[test]
    fn a_secret_is_found_in_any_spelling_and_by_its_start_alone() {
        let secrets = BTreeSet::from([("k3jd92mxq0w8rjty5hfb".to_owned(), SecretKind::UpstreamToken)]);
        for leak in [
            "token k3jd92mxq0w8rjty5hfb",
            "Bearer pf1.c1.200-json.k3jd92mxq…",
            "b64 azNqZDkybXhxMHc4cmp0eTVoZmI=",
            "hex 6b336a6439326d7871307738726a747935686662",
        ] {
            let output = format!("an innocent line\n{leak} and more\n");
            assert_eq!(find(&output, &secrets), output.lines().nth(1), "{leak}");
        }
        assert_eq!(find("an innocent line\nk3jd\n", &secrets), None);
    }
}
