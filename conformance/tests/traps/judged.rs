//! Judges a small gateway through the library of the suite, with a bounded selection of cases.

use std::{collections::BTreeSet, future::Future, path::Path, sync::Arc, time::Duration};

use mcp_preflight_conformance::{
    cases::{pattern::Pattern, selection::Selection},
    implementations::{Implementation, UrlDescription},
    judge::{
        Finding, Verdict,
        run_file::{Damage, Header, JudgedCase, Note, Run},
        summary,
    },
    runner::{
        Options, Recorder, Runner, plan,
        smoke::{Cause, Proposal, SmokeTest},
    },
    upstreams::MockUpstreams,
};
use tempfile::TempDir;

use crate::gateway::{Answer, ClientRequest, TestGateway, UpstreamClient};

/// The random seed of every run. Any other value would do.
const RANDOM_SEED: u64 = 20_261_124;

/// The routes and credentials of a gateway that expects its key in a field of its own.
pub(crate) const KEY_FIELD: &str = r#"
routes = ["/mcp/{server}"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[credentials]
key-header = "x-gateway-key"
"#;

/// The description with one more feature. It must declare `token-forwarding`.
pub(crate) fn with_feature(description: &str, feature: &str) -> String {
    let declared = r#""token-forwarding""#;
    assert!(description.contains(declared), "{description}");
    description.replace(declared, &format!(r#"{declared}, "{feature}""#))
}

/// What every description contains. The program is never started, because the gateway runs already.
const REST: &str = r#"
[deadlines]
probe-ms = 500
answer-ms = 1500

[start]
command = ["true"]

[ready]
path = "/"
"#;

/// The keys that come first in every description.
const FIRST: &str = "name = \"small\"\nversion = \"1\"\n\
    homepage = \"https://example.invalid\"\nkind = \"forwarding-gateway\"\n";

/// A running gateway, its mock upstreams, and its description.
pub(crate) struct Judge {
    pub(crate) upstreams: Arc<MockUpstreams>,
    gateway: TestGateway,
    folder: TempDir,
}

impl Judge {
    /// Starts a gateway that answers every request with this function. `description` states
    /// routes, features and credentials.
    pub(crate) async fn start<F, A>(description: &str, answer: F) -> Self
    where
        F: Fn(ClientRequest, UpstreamClient) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let upstreams = MockUpstreams::start(RANDOM_SEED).await.expect("loopback ports are free");
        let gateway = TestGateway::start(upstreams.deployment(), answer).await;
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let text = [FIRST, description, REST].concat();
        std::fs::write(folder.path().join("implementation.toml"), text)
            .expect("the temporary folder can be written");
        Self { upstreams: Arc::new(upstreams), gateway, folder }
    }

    /// Judges these requirements in the matrix cases with these values of axes.
    ///
    /// One run uses up the mock upstreams, because their record names cases by number.
    pub(crate) async fn judge(self, requirements: &[&str], axes: &[&str]) -> Judged {
        judge(&self.implementation(), self.upstreams, Path::new(""), requirements, axes).await
    }

    /// The same within a time limit.
    pub(crate) async fn judge_within(
        self,
        time_limit: Duration,
        requirements: &[&str],
        axes: &[&str],
    ) -> Judged {
        let selection = selection(requirements, axes);
        let options = Options {
            time_limit: Some(time_limit),
            ..options(selection, Path::new(""))
        };
        run(&self.implementation(), self.upstreams, &options).await
    }

    fn implementation(&self) -> Implementation {
        let url = format!("url:{}", self.gateway.base_url);
        let folder = self.folder.path().display().to_string();
        Implementation::resolve(&url, Some(UrlDescription::Like(&folder)))
            .unwrap_or_else(|error| panic!("the description is valid: {error}"))
    }
}

/// The result of the smoke test, and the description that it proposes.
pub(crate) struct Smoked {
    pub(crate) test: SmokeTest,
    pub(crate) proposal: Option<Proposal>,
}

impl Smoked {
    /// The calls without their expected result because of this, each as its hint.
    pub(crate) fn hints(&self, cause: Cause) -> Vec<&str> {
        let diagnoses = self.test.calls.iter().filter_map(|(_, diagnosis)| diagnosis.as_ref());
        diagnoses
            .filter(|diagnosis| diagnosis.cause == cause)
            .map(|diagnosis| diagnosis.hint.as_str())
            .collect()
    }

    /// The lines of `implementation.toml` that are proposed.
    pub(crate) fn lines(&self) -> &str {
        self.proposal.as_ref().map_or("", |proposal| &proposal.lines)
    }

    /// The differences between the description and the gateway that make the smoke test fail.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let differences = self.proposal.iter().flat_map(|proposal| &proposal.differences);
        differences
            .filter(|difference| difference.is_wrong)
            .map(|difference| difference.text.as_str())
            .collect()
    }
}

impl Judge {
    /// Makes the smoke test of the description.
    pub(crate) async fn smoke(self) -> Smoked {
        let implementation = self.implementation();
        let options = options(Selection::default(), Path::new(""));
        let counts = |_: &Finding| false;
        let runner =
            Runner::new(&implementation, self.upstreams, RANDOM_SEED, &options, &|_| {}, &counts);
        let start = implementation.starts().next().expect("it has a start");
        let (test, _) = runner.smoke_with_survey(start).await.expect("the gateway runs");
        let survey = test.survey.as_ref().expect("the gateway was surveyed");
        let proposal = Proposal::of(&implementation, survey);
        Smoked { test, proposal }
    }
}

/// The values of axes that a selection does not state.
const USUAL: [(&str, &str); 3] = [
    ("credentials", "key-and-token"),
    ("server", "forwarding"),
    ("protocol-version", "2025-11-25"),
];

/// Judges these requirements of an implementation in the matrix cases with these values of axes.
pub(crate) async fn judge(
    implementation: &Implementation,
    upstreams: Arc<MockUpstreams>,
    cache: &Path,
    requirements: &[&str],
    axes: &[&str],
) -> Judged {
    run(implementation, upstreams, &options(selection(requirements, axes), cache)).await
}

fn selection(requirements: &[&str], axes: &[&str]) -> Selection {
    let requirements: Vec<String> = requirements.iter().map(|id| (*id).to_owned()).collect();
    let mut axes: Vec<String> = axes.iter().map(|axis| (*axis).to_owned()).collect();
    for (axis, value) in USUAL {
        if !axes.iter().any(|stated| stated.starts_with(axis)) {
            axes.push(format!("{axis}={value}"));
        }
    }
    Selection::parse(&requirements, &axes, &[]).expect("the tests state valid axes")
}

/// Runs the selected cases.
async fn run(
    implementation: &Implementation,
    upstreams: Arc<MockUpstreams>,
    options: &Options,
) -> Judged {
    let parts = plan(implementation, &options.selection);
    let header = Header::new(implementation, RANDOM_SEED, Vec::new());
    let mut recorder = Recorder::start(header, None).expect("no file is written");
    let gateway = implementation.gateway_traits();
    let counts = |finding: &Finding| summary::is_failure(finding, &gateway);
    let runner = Runner::new(implementation, upstreams, RANDOM_SEED, options, &|_| {}, &counts);
    let running = runner.run(&parts, &mut recorder).await.expect("the gateway runs");
    for running in running {
        running.stop().await;
    }
    Judged { run: recorder.finish(false).expect("no file is written") }
}

fn options(selection: Selection, cache: &Path) -> Options {
    Options {
        jobs: 8,
        recovery: Duration::from_secs(4),
        time_limit: None,
        fail_fast: false,
        records_observations: true,
        cache: cache.to_owned(),
        selection,
    }
}

/// The result of a run.
pub(crate) struct Judged {
    run: Run,
}

impl Judged {
    /// The most severe verdict on a requirement in the cases whose ids match the pattern.
    ///
    /// # Panics
    ///
    /// The requirement was not judged in such a case.
    pub(crate) fn verdict(&self, case: &str, requirement: &str) -> Verdict {
        let pattern = Pattern::new([case]);
        self.run
            .findings()
            .filter(|(id, finding)| pattern.matches(id) && finding.requirement == requirement)
            .map(|(_, finding)| finding.verdict)
            .max()
            .unwrap_or_else(|| panic!("{requirement} was not judged in {case}: {self:?}"))
    }

    /// What findings about a requirement say about the cases whose ids match the pattern.
    pub(crate) fn texts(&self, case: &str, requirement: &str) -> BTreeSet<&str> {
        let pattern = Pattern::new([case]);
        self.run
            .findings()
            .filter(|(id, finding)| pattern.matches(id) && finding.requirement == requirement)
            .map(|(_, finding)| finding.actual.as_str())
            .collect()
    }

    /// The value of an observable in the only case whose id matches the pattern.
    ///
    /// # Panics
    ///
    /// No case or several cases match, or the observable does not apply.
    pub(crate) fn observed(&self, case: &str, observable: &str) -> &str {
        let pattern = Pattern::new([case]);
        let cases: Vec<JudgedCase<'_>> =
            self.run.cases().filter(|judged| pattern.matches(&judged.id)).collect();
        match cases.as_slice() {
            [only] => only
                .observations
                .get(observable)
                .unwrap_or_else(|| panic!("{observable} does not apply in {case}: {self:?}")),
            _ => panic!("{} cases match {case}: {self:?}", cases.len()),
        }
    }

    /// The requirements of every level that were not met.
    pub(crate) fn failed(&self) -> BTreeSet<&str> {
        self.run
            .findings()
            .filter(|(_, finding)| finding.verdict >= Verdict::Warn)
            .map(|(_, finding)| finding.requirement.as_str())
            .collect()
    }

    /// The requirements that at least one case met.
    pub(crate) fn passed(&self) -> BTreeSet<&str> {
        self.run
            .findings()
            .filter(|(_, finding)| finding.verdict == Verdict::Pass)
            .map(|(_, finding)| finding.requirement.as_str())
            .collect()
    }

    /// The verdict of the whole run on a requirement.
    pub(crate) fn summary(&self, requirement: &str) -> Verdict {
        summary::verdicts(&self.run)
            .into_iter()
            .find(|verdict| verdict.id == requirement)
            .expect("the requirement exists")
            .verdict
    }

    /// The notes about how the run was made.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.run.notes
    }

    /// The lasting defects that cases caused.
    pub(crate) fn damages(&self) -> &[Damage] {
        &self.run.damages
    }
}

impl std::fmt::Debug for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (case, finding) in self.run.findings() {
            let Finding { requirement, verdict, observable, expected, actual, .. } = finding;
            writeln!(
                f,
                "{verdict} {requirement} {case}: {observable} {expected}, actual {actual}"
            )?;
        }
        for note in &self.run.notes {
            writeln!(f, "note {}", note.in_words())?;
        }
        for damage in &self.run.damages {
            writeln!(f, "damage {:?}: {}", damage.matrix_cases, damage.description)?;
        }
        Ok(())
    }
}
