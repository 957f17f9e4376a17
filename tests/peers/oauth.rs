//! The official Rust SDK as an OAuth client: its authorization manager finds out where tokens come from, and an application does what
//! the SDK's errors tell it to, and nothing of its own.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    service::{ClientInitializeError, RunningService},
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState},
        streamable_http_client::{InsufficientScopeError, StreamableHttpClientTransportConfig},
    },
};

use crate::child::gateway::{KEY, KEY_HEADER};

/// Where the application would listen for the person's browser; the test is the browser, and nobody has to listen.
const REDIRECT: &str = "http://127.0.0.1:9/callback";
/// What no application needs more often than this: a recovery that takes longer does not end.
const ENDLESS: usize = 20;

pub(crate) type Client = RunningService<RoleClient, ()>;

/// Connects with a token that is refused, and does what it is told until it is in, or is told nothing any more.
pub(crate) async fn recover(
    url: &str,
    stale: &str,
    lifecycle: ClientLifecycleMode,
) -> Result<Client, String> {
    let key = HashMap::from([(HeaderName::from_static(KEY_HEADER), HeaderValue::from_static(KEY))]);
    let config = || {
        StreamableHttpClientTransportConfig::with_uri(url.to_owned()).custom_headers(key.clone())
    };
    let with_stale = StreamableHttpClientTransport::from_config(config().auth_header(stale));
    let mut connected = ().serve_with_lifecycle(with_stale, lifecycle.clone()).await;
    let mut authorized: Option<AuthClient<reqwest::Client>> = None;
    for _ in 0..ENDLESS {
        let error = match connected {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let client = if error.is_authorization_required() {
            let challenge = error.auth_challenge().ok_or("no challenge")?;
            authorize(url, challenge).await.map_err(|error| error.to_string())?
        } else if let (Some(scope), Some(client)) = (scope_asked_for(&error), authorized) {
            let manager = client.auth_manager.lock().await;
            // The SDK counts its step-ups anew after each token, so it is for the application to see that the scope is no news.
            if manager.get_current_scopes().await.contains(&scope) {
                return Err(error.to_string());
            }
            let page =
                manager.request_scope_upgrade(&scope).await.map_err(|error| error.to_string())?;
            let back = AuthorizationCallback::from_redirect_url(&browse(&page).await)
                .map_err(|error| error.to_string())?;
            let exchanged = manager
                .exchange_code_for_token_with_issuer(
                    &back.code,
                    &back.csrf_token,
                    back.issuer.as_deref(),
                )
                .await;
            exchanged.map_err(|error| error.to_string())?;
            drop(manager);
            client
        } else {
            return Err(error.to_string());
        };
        let transport = StreamableHttpClientTransport::with_client(client.clone(), config());
        authorized = Some(client);
        connected = ().serve_with_lifecycle(transport, lifecycle.clone()).await;
    }
    panic!("the client goes round in circles");
}

/// Discovers, registers, sends the person to the authorization server, and exchanges what comes back.
async fn authorize(
    url: &str,
    challenge: &str,
) -> Result<AuthClient<reqwest::Client>, rmcp::transport::auth::AuthError> {
    let mut state = OAuthState::new(url, None).await?;
    state
        .start_authorization(AuthorizationRequest::new(REDIRECT).with_challenge(challenge))
        .await?;
    let back = browse(&state.get_authorization_url().await?).await;
    state.handle_callback_url(&back).await?;
    Ok(AuthClient::new(
        reqwest::Client::new(),
        state.into_authorization_manager().unwrap(),
    ))
}

/// Opens the page of the authorization server, which sends the browser back at once; where to.
async fn browse(page: &str) -> String {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = browser.get(page).send().await.unwrap();
    let back = answer
        .headers()
        .get("location")
        .unwrap_or_else(|| panic!("{} from {page}", answer.status()));
    back.to_str().unwrap().to_owned()
}

/// The scope that an answer 403 asks for.
fn scope_asked_for(error: &ClientInitializeError) -> Option<String> {
    let ClientInitializeError::TransportError { error, .. } = error else {
        return None;
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.error.as_ref());
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<InsufficientScopeError>() {
            return error.get_required_scope().map(str::to_owned);
        }
        cause = current.source();
    }
    None
}
