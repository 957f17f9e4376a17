//! The official Rust SDK as an upstream in this process. It serves the protocol versions from
//! 2025-03-26 to 2026-07-28 at one URL.
//!
//! `offer.json` contains its tools, prompts and resources, under the names that the official
//! conformance scenarios use. [`calls`] implements the tools. A filter may answer a request in
//! place of the server, for example to refuse a token.

#![expect(
    deprecated,
    reason = "2026-07-28 deprecates features that the earlier versions use"
)]

mod calls;
mod input_requests;

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock, Mutex},
};

use bytes::Bytes;
use http::Request;
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

use self::input_requests::Round;

/// The tools, prompts and resources of the server, and their results.
static OFFER: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../offer.json")).unwrap());

pub(crate) type Response = http::Response<BoxBody<Bytes, Infallible>>;

/// Starts the server and returns its URL. It runs as long as the test's runtime. If the filter
/// returns a response, the server does not handle the request.
pub(crate) async fn start(
    filter: impl Fn(&Request<Incoming>) -> Option<Response> + Send + Sync + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(["http://127.0.0.1:*", "http://localhost:*"]);
    let server = SdkServer {
        sessions: Arc::default(),
        changes: broadcast::Sender::new(16),
        pending_listeners: Arc::default(),
        resumed: Arc::default(),
    };
    let resumed = Arc::clone(&server.resumed);
    let sessions = Arc::clone(&server.sessions);
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    let filter = Arc::new(filter);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, filter, resumed) =
                (service.clone(), Arc::clone(&filter), Arc::clone(&resumed));
            let respond = service_fn(move |request: Request<Incoming>| {
                let (service, resumed, filtered) =
                    (service.clone(), Arc::clone(&resumed), filter(&request));
                async move {
                    let resumes = request.headers().contains_key("last-event-id");
                    let response = match filtered {
                        Some(response) => response,
                        None => service.handle(request).await,
                    };
                    if resumes {
                        resumed.notify_one();
                    }
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(async move {
                // The client may end its connection at any time.
                let _ended = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), respond)
                    .await;
            });
        }
    });
    format!("http://{address}/mcp")
}

#[derive(Clone)]
struct SdkServer {
    sessions: Arc<LocalSessionManager>,
    /// Announces changes of lists to the subscriptions. The lists themselves never change.
    changes: broadcast::Sender<Changed>,
    /// A receiver for each subscription that is about to be acknowledged, so that it misses no
    /// change.
    pending_listeners: Arc<Mutex<Vec<broadcast::Receiver<Changed>>>>,
    /// Notified when a client resumes a stream with `Last-Event-ID`.
    resumed: Arc<Notify>,
}

/// A list that is announced as changed.
#[derive(Clone, Copy)]
enum Changed {
    Tools,
    Prompts,
}

/// A value of an SDK type, from JSON.
fn from_json<T: DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// A result of an SDK type, from JSON without its `resultType`. The SDK omits that member in the
/// versions that do not define it.
fn complete<T: DeserializeOwned>(mut value: Value) -> T {
    value["resultType"] = json!("complete");
    from_json(&value)
}

type Context = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;

impl ServerHandler for SdkServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "completions": {},
            "logging": {},
            "prompts": { "listChanged": true },
            "resources": { "subscribe": true },
            "tools": { "listChanged": true },
        });
        let mut config = ServerConfig::new(from_json(&capabilities));
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
        calls::call_tool(self, request, &context).await
    }

    /// With this, the SDK compares the header fields that mirror arguments with the arguments.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        OFFER["tools"]
            .as_array()
            .unwrap()
            .iter()
            .find(|tool| tool["name"] == name)
            .map(from_json)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.pending_listeners.lock().unwrap().push(self.changes.subscribe());
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.pending_listeners.lock().unwrap().remove(0);
        loop {
            let changed = tokio::select! {
                changed = changes.recv() => changed.unwrap(),
                () = context.cancelled() => return Ok(()),
            };
            // The SDK returns an error if the client did not subscribe to this list, or has left.
            let _sent = match changed {
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
        if let Some(round) = input_requests::next_round(
            &request.name,
            request.input_responses.as_ref(),
            request.request_state.as_deref(),
            &context,
        ) {
            return round.map(|round| match round {
                Round::Request(input) => input.into(),
                Round::Complete(text) => {
                    let content = json!({ "type": "text", "text": text });
                    let messages = json!([{ "role": "user", "content": content }]);
                    GetPromptResponse::Complete(complete(json!({ "messages": messages })))
                }
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
        let template_id =
            uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let mut content = match template_id {
            Some(id) => {
                let data = format!("Data for ID: {id}");
                let text = json!({ "id": id, "templateTest": true, "data": data });
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
        let values = ["paris", "park", "party"];
        let completion = json!({ "values": values, "total": 3, "hasMore": false });
        Ok(complete(json!({ "completion": completion })))
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
