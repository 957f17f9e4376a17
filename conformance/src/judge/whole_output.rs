//! Judges the outputs and metrics of a whole run: they must not contain a secret of any case
//! (OBS-01).

use super::{
    Finding, Verdict,
    disclosure::{Secrets, table::Location},
};

/// The id of the finding; it is listed with the scenarios.
pub const ID: &str = "the-whole-output";
/// The requirement that is judged.
pub const REQUIREMENT: &str = "OBS-01";

/// The finding about OBS-01.
///
/// Empty output makes the verdict `untestable`, because the output may not have been captured.
#[must_use]
pub fn judge(output: &str, metrics: &str, secrets: &Secrets) -> Option<Finding> {
    let first_disclosure = first_disclosure(secrets, Location::Log, output)
        .or_else(|| first_disclosure(secrets, Location::Metrics, metrics));
    let (verdict, actual) = match first_disclosure {
        Some(disclosure) => (Verdict::Fail, disclosure),
        None if output.trim().is_empty() => (Verdict::Untestable, "no output".to_owned()),
        None => (Verdict::Pass, "none".to_owned()),
    };
    Finding::expecting_none(REQUIREMENT, ID, verdict, "secret-in-output", actual)
}

/// The first disclosure in a text, with the line that contains it.
fn first_disclosure(secrets: &Secrets, location: Location, text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let disclosures = secrets.disclosed_to_operator(location, line);
        disclosures.first().map(|disclosure| format!("{disclosure}: {line}"))
    })
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
            connections_without_request: Vec::new(),
            secrets: vec![secret],
        };
        Secrets::collect(&Deployment::default(), [&trace])
    }

    #[test]
    fn empty_output_is_untestable() {
        let verdict = |output: &str| judge(output, "", &secrets()).map(|finding| finding.verdict);
        assert_eq!(verdict(" \n"), Some(Verdict::Untestable));
        assert_eq!(verdict("serving\n"), Some(Verdict::Pass));
    }

    #[test]
    fn a_disclosure_is_reported_with_its_line_and_spelling() {
        let actual = |output: &str, metrics: &str| {
            judge(output, metrics, &secrets())
                .map(|finding| finding.actual)
                .unwrap_or_default()
        };
        let log = |line: &str| actual(&format!("an innocent line\n{line} and more\n"), "");
        assert_eq!(
            log("token k3jd92mxq0w8rjty5hfb"),
            "caller's token in the log: token k3jd92mxq0w8rjty5hfb and more"
        );
        assert_eq!(
            log("Bearer k3jd92mxq…"),
            "caller's token in the log, 9 of its characters: Bearer k3jd92mxq… and more"
        );
        assert_eq!(
            log("b64 azNqZDkybXhxMHc4cmp0eTVoZmI="),
            "caller's token in the log, base64: b64 azNqZDkybXhxMHc4cmp0eTVoZmI= and more"
        );
        assert_eq!(actual("an innocent line\nk3jd\n", ""), "none");
        assert_eq!(
            actual("x", "n{t=\"k3jd92mxq0w8rjty5hfb\"} 1"),
            "caller's token in the metrics: n{t=\"k3jd92mxq0w8rjty5hfb\"} 1"
        );
    }
}
