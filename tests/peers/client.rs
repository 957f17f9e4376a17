//! The official Rust SDK as a client of the gateway: it sends the gateway key in its own header and a token in `Authorization`.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{CallToolRequestParams, ProgressNotificationParam},
    service::{ClientInitializeError, NotificationContext, RunningService},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::sync::mpsc;

use crate::child::gateway::{Gateway, KEY, KEY_HEADER};

pub(crate) const TOKEN: &str = "tk-Q7rW2mYc5uLd9aKo";

/// Hands on how far the server says it is.
pub(crate) struct Progress(mpsc::UnboundedSender<f64>);

impl ClientHandler for Progress {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        // A test that has seen enough no longer listens.
        let _test_over = self.0.send(params.progress);
    }
}

pub(crate) type Client = RunningService<RoleClient, Progress>;

/// Opens the conversation with the one server in the given way.
pub(crate) async fn connect(
    gateway: &Gateway,
    lifecycle: ClientLifecycleMode,
) -> Result<(Client, mpsc::UnboundedReceiver<f64>), ClientInitializeError> {
    connect_at(&format!("http://{}/mcp/alpha", gateway.address), lifecycle).await
}

/// Opens the conversation at this URL.
pub(crate) async fn connect_at(
    url: &str,
    lifecycle: ClientLifecycleMode,
) -> Result<(Client, mpsc::UnboundedReceiver<f64>), ClientInitializeError> {
    let key = HashMap::from([(HeaderName::from_static(KEY_HEADER), HeaderValue::from_static(KEY))]);
    let config = StreamableHttpClientTransportConfig::with_uri(url.to_owned())
        .auth_header(TOKEN)
        .custom_headers(key);
    let (sender, progress) = mpsc::unbounded_channel();
    let client = Progress(sender)
        .serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle)
        .await?;
    Ok((client, progress))
}

/// A call of a tool with arguments as JSON.
pub(crate) fn call(tool: &'static str, arguments: &serde_json::Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}
