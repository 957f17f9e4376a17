//! Compares the gateway with a model of it over random sequences of steps.
//!
//! A step changes how a server answers a token, reloads the configuration, or sends a request. The
//! response to every request must be the one that the model predicts, only the selected servers may
//! have received a request, and the gateway key must not have been sent upstream.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod model;
#[path = "../secrets/mod.rs"]
mod secrets;
mod upstreams;

use harness::Harness;
use proptest::prelude::*;
use proptest_state_machine::prop_state_machine;

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends_as_the_model_predicts(sequential 1..40 => Harness);
}
