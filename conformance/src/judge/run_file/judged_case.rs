//! The cases of a run file: matrix cases and scenarios with their traces and findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Evidence;
use crate::{
    cases::{axis::Start, matrix_case::MatrixCase},
    judge::Finding,
    trace::Trace,
};

/// A matrix case with its trace and findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedMatrixCase {
    /// The matrix case.
    pub matrix_case: MatrixCase,
    /// The origin of the gateway, as clients address it.
    pub gateway: String,
    /// The trace.
    pub trace: Trace,
    /// What was known beside the trace.
    #[serde(default, skip_serializing_if = "Evidence::is_usual")]
    pub evidence: Evidence,
    /// The observations, by the name of the observable.
    pub observations: BTreeMap<String, String>,
    /// The findings of the rules.
    pub findings: Vec<Finding>,
}

/// A scenario with its trace and findings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedScenario {
    /// The id of the scenario.
    pub scenario: String,
    /// How the implementation was started.
    pub start: Start,
    /// The origin of the gateway, as clients address it.
    pub gateway: String,
    /// The trace of all steps.
    pub trace: Trace,
    /// What was known beside the trace.
    #[serde(default, skip_serializing_if = "Evidence::is_usual")]
    pub evidence: Evidence,
    /// The observations, by the name of the observable.
    pub observations: BTreeMap<String, String>,
    /// The findings of its expectations.
    pub findings: Vec<Finding>,
}

impl JudgedScenario {
    /// The id in reports and baselines.
    #[must_use]
    pub fn id(&self) -> String {
        scenario_id(&self.scenario, self.start)
    }
}

/// The id in reports and baselines of a scenario with this start.
#[must_use]
pub fn scenario_id(scenario: &str, start: Start) -> String {
    format!("scenario {scenario} / {start}")
}

/// A matrix case or a scenario of a run, for code that handles both alike.
#[derive(Clone, Debug)]
pub struct JudgedCase<'a> {
    /// The id in reports and baselines.
    pub id: String,
    /// The id that the option `--only` matches.
    pub only: String,
    /// The matrix case; `None` for a scenario.
    pub matrix_case: Option<&'a MatrixCase>,
    /// The origin of the gateway, as clients address it.
    pub gateway: &'a str,
    /// The trace.
    pub trace: &'a Trace,
    /// What was known beside the trace.
    pub evidence: &'a Evidence,
    /// The observations, by the name of the observable.
    pub observations: &'a BTreeMap<String, String>,
    /// The findings.
    pub findings: &'a [Finding],
}

impl<'a> From<&'a JudgedMatrixCase> for JudgedCase<'a> {
    fn from(judged: &'a JudgedMatrixCase) -> Self {
        let JudgedMatrixCase {
            matrix_case,
            gateway,
            trace,
            evidence,
            observations,
            findings,
        } = judged;
        let id = matrix_case.to_string();
        Self {
            only: id.clone(),
            id,
            matrix_case: Some(matrix_case),
            gateway,
            trace,
            evidence,
            observations,
            findings,
        }
    }
}

impl<'a> From<&'a JudgedScenario> for JudgedCase<'a> {
    fn from(judged: &'a JudgedScenario) -> Self {
        let JudgedScenario {
            scenario, gateway, trace, evidence, observations, findings, ..
        } = judged;
        Self {
            id: judged.id(),
            only: scenario.clone(),
            matrix_case: None,
            gateway,
            trace,
            evidence,
            observations,
            findings,
        }
    }
}
