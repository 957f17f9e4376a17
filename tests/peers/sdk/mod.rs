//! The official Rust SDK as an upstream in this process: a server of the revisions from 2025-03-26 to 2026-07-28 at one address.
//!
//! What it offers stands in `offer.json`, under the names that the official conformance scenarios call; what has to happen while it
//! is called is in [`calls`]. A gate before it may answer in its place, which is how a token is refused.

#![expect(
    deprecated,
    reason = "what the newest revision gave up is in use with the others"
)]

mod calls;
mod rounds;

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        GetPromptRequestParams, GetPromptResponse, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
        ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast};

/// What the server offers, and what it answers.
static OFFER: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../offer.json")).unwrap());

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Serves at the URL that it returns, for as long as the test's runtime lives.
pub(crate) async fn serve(
    gate: impl Fn(&Request<Incoming>) -> Option<Answer> + Send + Sync + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(["http://127.0.0.1:*", "http://localhost:*"]);
    let sdk = Sdk {
        sessions: Arc::default(),
        changes: broadcast::Sender::new(16),
        listening: Arc::default(),
        resumed: Arc::default(),
    };
    let resumed = Arc::clone(&sdk.resumed);
    let sessions = Arc::clone(&sdk.sessions);
    let service = StreamableHttpService::new(move || Ok(sdk.clone()), sessions, config);
    let gate = Arc::new(gate);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, gate, resumed) =
                (service.clone(), Arc::clone(&gate), Arc::clone(&resumed));
            let answer = service_fn(move |request: Request<Incoming>| {
                let (service, resumed, stopped) =
                    (service.clone(), Arc::clone(&resumed), gate(&request));
                async move {
                    let resumes = request.headers().contains_key("last-event-id");
                    let answer = match stopped {
                        Some(answer) => answer,
                        None => service.handle(request).await,
                    };
                    if resumes {
                        resumed.notify_one();
                    }
                    Ok::<_, Infallible>(answer)
                }
            });
            tokio::spawn(async move {
                // A connection ends as its client wants it to.
                let _ended = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    format!("http://{address}/mcp")
}

/// The server. What it offers never changes, but it says so when it is told to.
#[derive(Clone)]
struct Sdk {
    sessions: Arc<LocalSessionManager>,
    changes: broadcast::Sender<Changed>,
    /// A place in the changes for each subscription that is about to be acknowledged, so that it misses none.
    listening: Arc<Mutex<Vec<broadcast::Receiver<Changed>>>>,
    /// A client has come back for the rest of a stream.
    resumed: Arc<Notify>,
}

/// A list that is said to have changed.
#[derive(Clone, Copy)]
enum Changed {
    Tools,
    Prompts,
}

/// A value of the SDK's, from what stands in the file.
fn said<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// A complete result, from what stands in the file; the SDK leaves the word out towards those who do not know it.
fn complete<T: DeserializeOwned>(mut value: Value) -> T {
    value["resultType"] = json!("complete");
    said(&value)
}

type Context = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;

impl ServerHandler for Sdk {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "completions": {}, "logging": {}, "prompts": { "listChanged": true }, "resources": { "subscribe": true },
            "tools": { "listChanged": true }
        });
        let mut config = ServerConfig::new(said(&capabilities));
        config.server_info.name = "sdk".to_owned();
        config
    }

    async fn list_tools(&self, _: Page, _: Context) -> Result<ListToolsResult, ErrorData> {
        Ok(complete(json!({ "tools": OFFER["tools"] })))
    }

    async fn list_prompts(&self, _: Page, _: Context) -> Result<ListPromptsResult, ErrorData> {
        Ok(complete(json!({ "prompts": OFFER["prompts"] })))
    }

    async fn list_resources(&self, _: Page, _: Context) -> Result<ListResourcesResult, ErrorData> {
        Ok(complete(json!({ "resources": OFFER["resources"] })))
    }

    async fn list_resource_templates(
        &self,
        _: Page,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(complete(json!({ "resourceTemplates": OFFER["templates"] })))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        calls::tool(self, request, &context).await
    }

    /// Has the SDK compare the fields that mirror arguments with the arguments.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        OFFER["tools"]
            .as_array()
            .unwrap()
            .iter()
            .find(|tool| tool["name"] == name)
            .map(said)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.listening.lock().unwrap().push(self.changes.subscribe());
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.listening.lock().unwrap().remove(0);
        loop {
            let changed = tokio::select! {
                changed = changes.recv() => changed.unwrap(),
                () = context.cancelled() => return Ok(()),
            };
            // The SDK keeps back what was not subscribed to, and says so; a client that has left is told nothing.
            let _told = match changed {
                Changed::Tools => context.sink().notify_tool_list_changed().await,
                Changed::Prompts => context.sink().notify_prompt_list_changed().await,
            };
        }
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(asked) = rounds::ask(
            &request.name,
            request.input_responses.as_ref(),
            request.request_state.as_deref(),
            &context,
        ) {
            return asked.map(|more| match more {
                rounds::More::Ask(asked) => asked.into(),
                rounds::More::Enough(heard) => GetPromptResponse::Complete(complete(
                    json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": heard } }] }),
                )),
            });
        }
        let mut messages = OFFER["messages"]
            .get(&*request.name)
            .ok_or_else(|| ErrorData::invalid_params("no such prompt", None))?
            .to_string();
        for (name, value) in request.arguments.iter().flatten() {
            messages = messages.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default());
        }
        Ok(GetPromptResponse::Complete(complete(
            json!({ "messages": serde_json::from_str::<Value>(&messages).unwrap() }),
        )))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = &request.uri;
        let mut content = match uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"))
        {
            Some(id) => {
                let text =
                    json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                json!({ "mimeType": "application/json", "text": text.to_string() })
            }
            None => OFFER["contents"].get(uri).cloned().ok_or_else(|| {
                ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })))
            })?,
        };
        content["uri"] = json!(uri);
        Ok(ReadResourceResponse::Complete(complete(json!({ "contents": [content] }))))
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(complete(
            json!({ "completion": { "values": ["paris", "park", "party"], "total": 3, "hasMore": false } }),
        ))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }
}
