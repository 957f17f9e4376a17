//! The I/O around the core. [`start`] serves a configuration until it is stopped.
//!
//! The modules in the order in which a request passes them:
//!
//! | module | task |
//! | --- | --- |
//! | `listener`, `server` | accept connections, reload the configuration, stop |
//! | `connection_slots`, `idle_deadline` | limit the connections and how long they wait |
//! | `connection` | follow the bytes of one client connection |
//! | `request` | check framing and web page of a request, and serve its path |
//! | `mcp_request` | serve a request to an MCP endpoint |
//! | `plan` | call the decisions that need neither I/O nor the message |
//! | `request_body` | read the beginning of the message |
//! | `session` | open and seal session ids |
//! | `preflight`, `probe`, `fanout`, `accepted_tokens` | send probes with the caller's token |
//! | `single_server` | forward a request to one server |
//! | `aggregate` | serve several servers as one |
//! | `forward`, `http_client`, `client_credentials` | send a request to a server |
//! | `relay` | relay the response of a server |
//! | `commit` | hold the response head until the upstream's is known |
//! | `metadata`, `metadata_cache` | serve OAuth metadata |
//! | `http2_response` | write what a broken response contains before HTTP/2 resets the stream |
//! | `response`, `body` | build the responses that the gateway writes itself |
//! | `audit`, `metrics` | log and count requests |
//! | `state` | what all requests share |

mod accepted_tokens;
mod aggregate;
mod audit;
mod body;
mod client_credentials;
mod commit;
mod connection;
mod connection_slots;
mod fanout;
mod forward;
mod http2_response;
mod http_client;
mod idle_deadline;
#[cfg(test)]
mod invariants;
mod listener;
mod mcp_request;
mod metadata;
mod metadata_cache;
mod metrics;
pub(crate) mod plan;
mod preflight;
mod probe;
mod random;
mod relay;
mod request;
mod request_body;
mod response;
mod server;
mod session;
mod single_server;
mod state;

use std::io;

pub use self::server::{ReloadError, Running};
use self::{listener::bind, state::Gateway};
use crate::config::Config;

/// Binds the configured addresses and serves them in the background.
///
/// # Errors
/// An address cannot be bound, or TLS cannot be set up.
pub async fn start(config: Config) -> io::Result<Running> {
    let (listener, address) = bind(config.listen).await?;
    if config.session_secret.is_none() {
        tracing::warn!(
            "no session_secret is configured: sessions end when this process ends, and no other \
             process can serve them"
        );
    }
    let metrics = match config.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    Ok(server::serve(Gateway::new(config, address)?, listener, metrics))
}
