//! Tools and prompts that request input from the client in rounds (protocol version 2026-07-28):
//! the result asks for input, and the client repeats its request with the input.

use rmcp::{
    ErrorData,
    model::{InputRequiredResult, InputResponses},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Context, OFFER, from_json};

/// The response to a request that takes part in rounds.
pub(super) enum Round {
    /// The server requests input.
    Request(InputRequiredResult),
    /// All input has been received. The text contains it.
    Complete(String),
}

/// Determines the next round of a tool or prompt; `None` if it requests no input.
///
/// An error means that the request state was not issued by this server.
pub(super) fn next_round(
    name: &str,
    responses: Option<&InputResponses>,
    state: Option<&str>,
    context: &Context,
) -> Option<Result<Round, ErrorData>> {
    let offer = OFFER["rounds"].get(name)?;
    let rounds = offer["rounds"].as_array().unwrap();
    let has_state = offer["state"] == json!(true);
    let round = match state.filter(|_| has_state) {
        None => 0,
        Some(state) => match (0..rounds.len()).find(|round| request_state(name, *round) == state) {
            Some(round) => round,
            None => {
                return Some(Err(ErrorData::invalid_params(
                    "the request state was not issued by this server",
                    None,
                )));
            }
        },
    };
    let requested = supported_requests(&rounds[round], context);
    let round_complete = responses.is_some_and(|responses| {
        requested.iter().all(|(key, request)| {
            responses.get(key).is_some_and(|response| has_expected_form(request, response))
        })
    });
    let next = if round_complete { round + 1 } else { round };
    let Some(requests) = rounds.get(next) else {
        let responses = serde_json::to_value(responses).unwrap();
        let name = responses["user_name"]["content"]["name"].as_str().unwrap_or("you");
        return Some(Ok(Round::Complete(format!("Hello, {name}! state-ok {responses}"))));
    };
    let mut result = json!({
        "resultType": "input_required",
        "inputRequests": supported_requests(requests, context),
    });
    if has_state {
        result["requestState"] = json!(request_state(name, next));
    }
    Some(Ok(Round::Request(from_json(&result))))
}

/// The requests whose capability the client has declared.
fn supported_requests(requests: &Value, context: &Context) -> Map<String, Value> {
    let capabilities = serde_json::to_value(context.client_capabilities()).unwrap();
    let supported = |request: &Value| {
        let (capability, _) = request["method"].as_str().unwrap().split_once('/').unwrap();
        capabilities.get(capability).is_some_and(|declared| !declared.is_null())
    };
    requests
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, request)| supported(request))
        .map(|(key, request)| (key.clone(), request.clone()))
        .collect()
}

/// Whether a response has the form that its request requires.
fn has_expected_form(request: &Value, response: &Value) -> bool {
    match request["method"].as_str().unwrap() {
        "elicitation/create" => response["action"].is_string(),
        "sampling/createMessage" => response["content"].is_object(),
        _ => response["roots"].is_array(),
    }
}

/// The state that identifies a round. A client cannot compute it.
fn request_state(name: &str, round: usize) -> String {
    let digest = Sha256::digest(format!("only this server knows; {name}; {round}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
