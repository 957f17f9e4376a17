//! The tools of the SDK server: they report progress, send log messages, and send requests to the
//! client.

use http::request::Parts;
use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, LoggingMessageNotificationParam,
        ProgressNotificationParam,
    },
};
use serde_json::{Value, json};

use super::{
    Changed, Context, OFFER, SdkServer, complete, from_json,
    input_requests::{self, Round},
};

pub(super) async fn call_tool(
    server: &SdkServer,
    request: CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    if let Some(result) = OFFER["results"].get(&*request.name) {
        return Ok(complete::<CallToolResult>(result.clone()).into());
    }
    if let Some(round) = input_requests::next_round(
        &request.name,
        request.input_responses.as_ref(),
        request.request_state.as_deref(),
        context,
    ) {
        return round.map(|round| match round {
            Round::Request(input) => input.into(),
            Round::Complete(input) => text(&input),
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
            report_progress(context).await?;
            Ok(text("done"))
        }
        "test_trigger_tool_change" | "test_trigger_prompt_change" => {
            let changed = if &*request.name == "test_trigger_tool_change" {
                Changed::Tools
            } else {
                Changed::Prompts
            };
            // The call fails if no client has subscribed.
            let _sent = server.changes.send(changed);
            Ok(text("done"))
        }
        "test_reconnection" => {
            close_stream_until_resumed(server, context).await;
            Ok(text("done"))
        }
        "test_tool_with_logging" => {
            send_log_messages(context).await?;
            Ok(text("done"))
        }
        // Since 2026-07-28, a request declares whether it wants log messages.
        "test_logging_tool" => {
            if context.meta.log_level().is_some() {
                send_log_messages(context).await?;
            }
            Ok(text("done"))
        }
        "test_sampling" => {
            let content = json!({ "type": "text", "text": argument("prompt") });
            let message = json!({ "role": "user", "content": content });
            request_sampling(context, &json!({ "messages": [message], "maxTokens": 100 })).await
        }
        "test_missing_capability" => {
            let declared = context
                .client_capabilities()
                .is_some_and(|capabilities| capabilities.sampling.is_some());
            if declared {
                Ok(text("done"))
            } else {
                let required = from_json(&json!({ "sampling": {} }));
                Err(ErrorData::missing_required_client_capability(required))
            }
        }
        "test_elicitation"
        | "test_elicitation_sep1034_defaults"
        | "test_elicitation_sep1330_enums" => {
            let mut request = OFFER["elicitations"][&*request.name].clone();
            request["mode"] = json!("form");
            if let message @ Value::String(_) = argument("message") {
                request["message"] = message;
            }
            request_elicitation(context, &request).await
        }
        _ => Err(ErrorData::invalid_params("no such tool", None)),
    }
}

/// Closes the event stream of this call, and waits until the client resumes it.
async fn close_stream_until_resumed(server: &SdkServer, context: &Context) {
    let session = context
        .extensions
        .get::<Parts>()
        .and_then(|head| head.headers.get("mcp-session-id"))
        .unwrap();
    let sessions = server.sessions.sessions.read().await;
    // Stream 0 belongs to the first request after the initialization.
    sessions[session.to_str().unwrap()].close_sse_stream(0, None).await.unwrap();
    drop(sessions);
    server.resumed.notified().await;
}

async fn report_progress(context: &Context) -> Result<(), ErrorData> {
    let Some(token) = context.meta.get_progress_token() else {
        return Ok(());
    };
    for step in [0.0, 50.0, 100.0] {
        let progress = ProgressNotificationParam::new(token.clone(), step).with_total(100.0);
        context.peer.notify_progress(progress).await.map_err(failed)?;
    }
    Ok(())
}

async fn send_log_messages(context: &Context) -> Result<(), ErrorData> {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let message: LoggingMessageNotificationParam =
            from_json(&json!({ "level": "info", "data": message }));
        context.peer.notify_logging_message(message).await.map_err(failed)?;
    }
    Ok(())
}

async fn request_sampling(
    context: &Context,
    request: &Value,
) -> Result<CallToolResponse, ErrorData> {
    let result = context.peer.create_message(from_json(request)).await.map_err(failed)?;
    let result = serde_json::to_value(result).unwrap();
    let response = result["content"]["text"].as_str().unwrap_or_default();
    Ok(text(&format!("LLM response: {response}")))
}

async fn request_elicitation(
    context: &Context,
    request: &Value,
) -> Result<CallToolResponse, ErrorData> {
    let result = context.peer.create_elicitation(from_json(request)).await.map_err(failed)?;
    let result = serde_json::to_value(result).unwrap();
    let (action, content) = (result["action"].as_str().unwrap(), &result["content"]);
    Ok(text(&format!("Elicitation completed: action={action}, content={content}")))
}

fn text(text: &str) -> CallToolResponse {
    complete::<CallToolResult>(json!({ "content": [{ "type": "text", "text": text }] })).into()
}

fn failed(error: impl std::error::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
