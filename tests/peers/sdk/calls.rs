//! What the SDK server does while a tool is called: tells of progress, writes logs, asks the client.

use http::request::Parts;
use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, LoggingMessageNotificationParam,
        ProgressNotificationParam,
    },
};
use serde_json::{Value, json};

use super::{Changed, Context, OFFER, Sdk, complete, rounds, said};

/// Answers a call.
pub(super) async fn tool(
    server: &Sdk,
    request: CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    if let Some(result) = OFFER["results"].get(&*request.name) {
        return Ok(complete::<CallToolResult>(result.clone()).into());
    }
    if let Some(asked) = rounds::ask(
        &request.name,
        request.input_responses.as_ref(),
        request.request_state.as_deref(),
        context,
    ) {
        return asked.map(|more| match more {
            rounds::More::Ask(asked) => asked.into(),
            rounds::More::Enough(heard) => text(&heard),
        });
    }
    let argument = |name: &str| {
        request
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.get(name))
            .cloned()
            .unwrap_or(Value::Null)
    };
    match &*request.name {
        "test_tool_with_progress" | "test_streaming_elicitation" => {
            progress(context).await?;
            Ok(text("done"))
        }
        "test_trigger_tool_change" | "test_trigger_prompt_change" => {
            let changed = if &*request.name == "test_trigger_tool_change" {
                Changed::Tools
            } else {
                Changed::Prompts
            };
            // Where nobody listens, nobody is told.
            let _listened_to = server.changes.send(changed);
            Ok(text("done"))
        }
        "test_reconnection" => {
            hang_up(server, context).await;
            Ok(text("done"))
        }
        "test_tool_with_logging" => {
            log(context).await?;
            Ok(text("done"))
        }
        // In the newest revision a request says whether it wants logs.
        "test_logging_tool" => {
            if context.meta.log_level().is_some() {
                log(context).await?;
            }
            Ok(text("done"))
        }
        "test_sampling" => {
            let message = json!({ "role": "user", "content": { "type": "text", "text": argument("prompt") } });
            sample(context, &json!({ "messages": [message], "maxTokens": 100 })).await
        }
        "test_missing_capability" => {
            let declared = context
                .client_capabilities()
                .is_some_and(|capabilities| capabilities.sampling.is_some());
            let required = || said(&json!({ "sampling": {} }));
            if declared {
                Ok(text("done"))
            } else {
                Err(ErrorData::missing_required_client_capability(required()))
            }
        }
        "test_elicitation"
        | "test_elicitation_sep1034_defaults"
        | "test_elicitation_sep1330_enums" => {
            let mut asked = OFFER["elicitations"][&*request.name].clone();
            asked["mode"] = json!("form");
            if let message @ Value::String(_) = argument("message") {
                asked["message"] = message;
            }
            let answered = context.peer.create_elicitation(said(&asked)).await.map_err(failed)?;
            let answered = serde_json::to_value(answered).unwrap();
            Ok(text(&format!(
                "Elicitation completed: action={}, content={}",
                answered["action"].as_str().unwrap(),
                answered["content"]
            )))
        }
        _ => Err(ErrorData::invalid_params("no such tool", None)),
    }
}

/// Ends the stream that the answer would go to, and waits for the client to come back for the rest.
async fn hang_up(server: &Sdk, context: &Context) {
    let session = context
        .extensions
        .get::<Parts>()
        .and_then(|head| head.headers.get("mcp-session-id"))
        .unwrap();
    let sessions = server.sessions.sessions.read().await;
    // The session's first request after its beginning.
    sessions[session.to_str().unwrap()].close_sse_stream(0, None).await.unwrap();
    drop(sessions);
    server.resumed.notified().await;
}

async fn progress(context: &Context) -> Result<(), ErrorData> {
    let Some(token) = context.meta.get_progress_token() else {
        return Ok(());
    };
    for step in [0.0, 50.0, 100.0] {
        let said = ProgressNotificationParam::new(token.clone(), step).with_total(100.0);
        context.peer.notify_progress(said).await.map_err(failed)?;
    }
    Ok(())
}

async fn log(context: &Context) -> Result<(), ErrorData> {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let said: LoggingMessageNotificationParam =
            said(&json!({ "level": "info", "data": message }));
        context.peer.notify_logging_message(said).await.map_err(failed)?;
    }
    Ok(())
}

async fn sample(context: &Context, asked: &Value) -> Result<CallToolResponse, ErrorData> {
    let answered = context.peer.create_message(said(asked)).await.map_err(failed)?;
    Ok(text(&format!(
        "LLM response: {}",
        serde_json::to_value(answered).unwrap()["content"]["text"]
            .as_str()
            .unwrap_or_default()
    )))
}

fn text(text: &str) -> CallToolResponse {
    complete::<CallToolResult>(json!({ "content": [{ "type": "text", "text": text }] })).into()
}

fn failed(error: impl std::error::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
