//! The identity and the secrets of one case.

use crate::{
    cases::{
        deployment::Deployment,
        token_script::{CaseId, TokenScript},
    },
    trace::{Secret, SecretKind},
};

/// One case of a run. Every secret here belongs to this case alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Identifies the case at the client and at the mock upstreams.
    pub id: CaseId,
    /// The number of the case in the run; the JSON-RPC id of its requests.
    pub number: u64,
    /// A random text that occurs only in the upstream token of this case.
    pub canary: String,
    /// A gateway key that is not configured.
    pub wrong_key: String,
    /// A random text that occurs only in the upstream token of the second caller, if there is one.
    pub other_canary: String,
}

impl Case {
    /// The case with this number in a run with this random seed.
    #[must_use]
    pub fn new(random_seed: u64, number: u64) -> Self {
        let case_seed = random_seed.rotate_left(32) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = fastrand::Rng::with_seed(case_seed);
        Self {
            id: CaseId(format!("c{number}")),
            number,
            canary: random_text(&mut rng),
            wrong_key: format!("sk-{}", random_text(&mut rng)),
            other_canary: random_text(&mut rng),
        }
    }

    /// The script of an upstream token of this case.
    #[must_use]
    pub fn script(&self, behaviours: &[(String, String)]) -> TokenScript {
        TokenScript {
            case: self.id.clone(),
            behaviours: behaviours.to_vec(),
            canary: self.canary.clone(),
            suffix: String::new(),
        }
    }

    /// The script of an upstream token of the second caller of this case.
    #[must_use]
    pub fn second_caller_script(&self, behaviours: &[(String, String)]) -> TokenScript {
        TokenScript { canary: self.other_canary.clone(), ..self.script(behaviours) }
    }

    /// Every secret that can occur in this case; the disclosure check searches for them.
    #[must_use]
    pub fn secrets(&self, deployment: &Deployment) -> Vec<Secret> {
        // Only the signature is secret: header and claims are the same in other tokens.
        let admission_signature =
            deployment.admission_bearer.rsplit('.').next().unwrap_or_default();
        [
            (SecretKind::GatewayKey, deployment.limited_key.as_str()),
            (SecretKind::GatewayKey, &deployment.full_key),
            (SecretKind::GatewayKey, &self.wrong_key),
            (SecretKind::GatewayKey, admission_signature),
            (SecretKind::UpstreamToken, &self.canary),
            (SecretKind::UpstreamToken, &self.other_canary),
            (SecretKind::StaticToken, &deployment.static_token),
            (SecretKind::MintedToken, &deployment.minted_token),
            (SecretKind::ClientSecret, &deployment.client_secret),
        ]
        .into_iter()
        .map(|(kind, value)| Secret { kind, value: value.to_owned() })
        .collect()
    }
}

fn random_text(rng: &mut fastrand::Rng) -> String {
    (0..20).map(|_| rng.alphanumeric().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_case_of_a_run_has_its_own_secrets() {
        let canaries: BTreeSet<String> =
            (0..2_000).map(|number| Case::new(7, number).canary).collect();
        assert_eq!(canaries.len(), 2_000);
        assert_eq!(Case::new(7, 1), Case::new(7, 1));
        assert_ne!(Case::new(7, 1).canary, Case::new(8, 1).canary);
    }
}
