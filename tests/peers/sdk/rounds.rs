//! What the SDK server asks for in rounds, as the revision of 2026-07-28 has it: an answer that asks, and the same request again with
//! what was asked for.

use rmcp::{
    ErrorData,
    model::{InputRequiredResult, InputResponses},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Context, OFFER, said};

/// What comes of a round.
pub(super) enum More {
    /// It is asked for more.
    Ask(InputRequiredResult),
    /// Everything is there; what was heard.
    Enough(String),
}

/// Takes the round that a request stands at; `None` where a name asks for nothing.
pub(super) fn ask(
    name: &str,
    heard: Option<&InputResponses>,
    state: Option<&str>,
    context: &Context,
) -> Option<Result<More, ErrorData>> {
    let asking = OFFER["rounds"].get(name)?;
    let rounds = asking["rounds"].as_array().unwrap();
    let keeps_state = asking["state"] == json!(true);
    let round = match state.filter(|_| keeps_state) {
        None => 0,
        Some(state) => match (0..rounds.len()).find(|round| seal(name, *round) == state) {
            Some(round) => round,
            None => {
                return Some(Err(ErrorData::invalid_params(
                    "the request state is not what this server gave",
                    None,
                )));
            }
        },
    };
    let wanted: Map<String, Value> = capable(&rounds[round], context);
    let complete = heard.is_some_and(|heard| {
        wanted
            .iter()
            .all(|(key, asked)| heard.get(key).is_some_and(|answer| answers(asked, answer)))
    });
    let next = if complete { round + 1 } else { round };
    let Some(questions) = rounds.get(next) else {
        let heard = serde_json::to_value(heard).unwrap();
        let name = heard["user_name"]["content"]["name"].as_str().unwrap_or("you");
        return Some(Ok(More::Enough(format!("Hello, {name}! state-ok {heard}"))));
    };
    let mut asked =
        json!({ "resultType": "input_required", "inputRequests": capable(questions, context) });
    if keeps_state {
        asked["requestState"] = json!(seal(name, next));
    }
    Some(Ok(More::Ask(said(&asked))))
}

/// What a client can be asked for.
fn capable(questions: &Value, context: &Context) -> Map<String, Value> {
    let capabilities = serde_json::to_value(context.client_capabilities()).unwrap();
    let can = |question: &Value| {
        let (capability, _) = question["method"].as_str().unwrap().split_once('/').unwrap();
        capabilities.get(capability).is_some_and(|declared| !declared.is_null())
    };
    questions
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, question)| can(question))
        .map(|(key, question)| (key.clone(), question.clone()))
        .collect()
}

/// Whether an answer has the form that its question asks for.
fn answers(asked: &Value, answer: &Value) -> bool {
    match asked["method"].as_str().unwrap() {
        "elicitation/create" => answer["action"].is_string(),
        "sampling/createMessage" => answer["content"].is_object(),
        _ => answer["roots"].is_array(),
    }
}

/// What a client brings back to show where it was, and cannot make up.
fn seal(name: &str, round: usize) -> String {
    let digest = Sha256::digest(format!("only this server knows; {name}; {round}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
