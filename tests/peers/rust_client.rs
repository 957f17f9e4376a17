//! The official Rust SDK as a client: it sends the gateway key in a field of its own and a token in
//! `Authorization`.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{CallToolRequestParams, ProgressNotificationParam, ProtocolVersion},
    service::{ClientInitializeError, NotificationContext, RunningService},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::sync::mpsc;

use crate::child::gateway::{Gateway, KEY, KEY_HEADER};

pub(crate) const TOKEN: &str = "tk-Q7rW2mYc5uLd9aKo";

/// Passes the progress that the server reports to the test.
pub(crate) struct ProgressHandler(mpsc::UnboundedSender<f64>);

impl ClientHandler for ProgressHandler {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        // The test may have dropped its receiver.
        let _sent = self.0.send(params.progress);
    }
}

pub(crate) type Client = RunningService<RoleClient, ProgressHandler>;

/// Connects to the single-server endpoint of `alpha`. Also returns the progress of later calls.
pub(crate) async fn connect(
    gateway: &Gateway,
    lifecycle: ClientLifecycleMode,
) -> Result<(Client, mpsc::UnboundedReceiver<f64>), ClientInitializeError> {
    connect_to(&format!("http://{}/mcp/alpha", gateway.address), lifecycle).await
}

/// Connects to the endpoint with this URL. Also returns the progress of later calls.
pub(crate) async fn connect_to(
    url: &str,
    lifecycle: ClientLifecycleMode,
) -> Result<(Client, mpsc::UnboundedReceiver<f64>), ClientInitializeError> {
    let key = HashMap::from([(HeaderName::from_static(KEY_HEADER), HeaderValue::from_static(KEY))]);
    let config = StreamableHttpClientTransportConfig::with_uri(url.to_owned())
        .auth_header(TOKEN)
        .custom_headers(key);
    let (sender, progress) = mpsc::unbounded_channel();
    let client = ProgressHandler(sender)
        .serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle)
        .await?;
    Ok((client, progress))
}

/// The client tries 2026-07-28 first, and then a session-based version.
pub(crate) fn prefer_2026_07_28() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    }
}

/// A call of a tool with arguments as JSON.
pub(crate) fn call(tool: &'static str, arguments: &serde_json::Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}
