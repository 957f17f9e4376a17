//! Judges what was captured of a run as a whole: looks for all of its secrets in everything that the implementation wrote and counted.
//!
//! What counts as a trace of a secret, and who may see one, is decided by [`crate::judge::disclosure`].

use crate::{
    catalogue::Catalogue,
    judge::{
        Finding, Verdict,
        disclosure::{Secrets, table::Sink},
    },
};

/// The id of what is found, beside the scenarios.
pub const ID: &str = "the-whole-output";
/// What it judges.
pub const REQUIREMENT: &str = "OBS-01";

/// What outputs and metrics say about OBS-01. No output at all says nothing: either nobody listens, or somebody else does.
pub fn judge(output: &str, metrics: &str, secrets: &Secrets) -> Option<Finding> {
    Catalogue::embedded().get(REQUIREMENT)?;
    let leaks = || {
        [(Sink::Log, output), (Sink::Metrics, metrics)]
            .into_iter()
            .flat_map(|(sink, text)| find(secrets, sink, text))
    };
    let (verdict, actual) = match leaks().next() {
        Some(leak) => (Verdict::Fail, leak),
        None if output.trim().is_empty() => (Verdict::Untestable, "no output at all".to_owned()),
        None => (Verdict::Pass, "none".to_owned()),
    };
    Some(Finding {
        requirement: REQUIREMENT.to_owned(),
        rule: ID.to_owned(),
        verdict,
        observable: "secret-in-output".to_owned(),
        expected: "none".to_owned(),
        actual,
    })
}

/// Each secret of a text with the line that holds it. Looked for line by line, so that the line is known.
fn find<'a>(secrets: &'a Secrets, sink: Sink, text: &'a str) -> impl Iterator<Item = String> + 'a {
    let of_line = move |line: &'a str| {
        secrets.shown(sink, line).into_iter().map(move |leak| format!("{leak}: {line}"))
    };
    text.lines().flat_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases::{deployment::Deployment, token_script::CaseId},
        trace::{Secret, SecretKind, Trace},
    };

    fn secrets() -> Secrets {
        let secret = Secret {
            kind: SecretKind::UpstreamToken,
            value: "k3jd92mxq0w8rjty5hfb".into(),
        };
        let trace = Trace {
            case: CaseId("c1".into()),
            exchanges: Vec::new(),
            arrivals: Vec::new(),
            secrets: vec![secret],
        };
        Secrets::of(&Deployment::default(), [&trace])
    }

    #[test]
    fn an_output_that_holds_nothing_is_no_evidence() {
        let verdict = |output: &str| judge(output, "", &secrets()).map(|finding| finding.verdict);
        assert_eq!(verdict(" \n"), Some(Verdict::Untestable));
        assert_eq!(verdict("serving\n"), Some(Verdict::Pass));
    }

    #[test]
    fn a_secret_is_found_with_its_line_and_its_spelling() {
        let seen = |output: &str, metrics: &str| {
            judge(output, metrics, &secrets())
                .map(|finding| finding.actual)
                .unwrap_or_default()
        };
        let log = |line: &str| seen(&format!("an innocent line\n{line} and more\n"), "");
        assert_eq!(
            log("token k3jd92mxq0w8rjty5hfb"),
            "caller's token in the log: token k3jd92mxq0w8rjty5hfb and more"
        );
        assert_eq!(
            log("Bearer k3jd92mxq…"),
            "caller's token in the log, its first 9 characters: Bearer k3jd92mxq… and more"
        );
        assert_eq!(
            log("b64 azNqZDkybXhxMHc4cmp0eTVoZmI="),
            "caller's token in the log, base64: b64 azNqZDkybXhxMHc4cmp0eTVoZmI= and more"
        );
        assert_eq!(seen("an innocent line\nk3jd\n", ""), "none");
        assert_eq!(
            seen("x", "n{t=\"k3jd92mxq0w8rjty5hfb\"} 1"),
            "caller's token in the metrics: n{t=\"k3jd92mxq0w8rjty5hfb\"} 1"
        );
    }
}
