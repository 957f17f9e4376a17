//! The official Rust SDK as an OAuth client.
//!
//! The SDK discovers the authorization server. The application around it does only what the SDK's
//! errors ask for.

use std::{collections::HashMap, error::Error};

use http::{HeaderName, HeaderValue};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    service::{ClientInitializeError, RunningService},
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthError, AuthorizationCallback, AuthorizationRequest, OAuthState},
        streamable_http_client::{InsufficientScopeError, StreamableHttpClientTransportConfig},
    },
};

use crate::child::gateway::{KEY, KEY_HEADER};

/// The redirect URI of the application. Nothing listens there: the test reads the redirect itself.
const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
/// The number of connection attempts after which the recovery is considered endless.
const MAX_ATTEMPTS: usize = 20;

pub(crate) type Client = RunningService<RoleClient, ()>;
type OAuthClient = AuthClient<reqwest::Client>;

/// Connects with an expired token, and obtains new tokens as the SDK's errors ask for them. Returns
/// the error that asks for nothing new.
pub(crate) async fn connect_with_recovery(
    url: &str,
    expired_token: &str,
    lifecycle: ClientLifecycleMode,
) -> Result<Client, String> {
    let key = HashMap::from([(HeaderName::from_static(KEY_HEADER), HeaderValue::from_static(KEY))]);
    let config = || {
        StreamableHttpClientTransportConfig::with_uri(url.to_owned()).custom_headers(key.clone())
    };
    let transport = StreamableHttpClientTransport::from_config(config().auth_header(expired_token));
    let mut connected = ().serve_with_lifecycle(transport, lifecycle.clone()).await;
    let mut authorized: Option<OAuthClient> = None;
    for _ in 0..MAX_ATTEMPTS {
        let error = match connected {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let client = if error.is_authorization_required() {
            let challenge = error.auth_challenge().ok_or("no challenge")?;
            authorize(url, challenge).await.map_err(|error| error.to_string())?
        } else if let (Some(scope), Some(client)) = (required_scope(&error), authorized) {
            if has_scope(&client, &scope).await {
                // The SDK restarts its count of scope upgrades after each token, so the
                // application has to notice that the scope is not new.
                return Err(error.to_string());
            }
            upgrade_scope(&client, &scope).await.map_err(|error| error.to_string())?;
            client
        } else {
            return Err(error.to_string());
        };
        let transport = StreamableHttpClientTransport::with_client(client.clone(), config());
        authorized = Some(client);
        connected = ().serve_with_lifecycle(transport, lifecycle.clone()).await;
    }
    panic!("the client is still not connected after {MAX_ATTEMPTS} attempts");
}

/// Discovers the authorization server, registers, and obtains a token.
async fn authorize(url: &str, challenge: &str) -> Result<OAuthClient, AuthError> {
    let mut state = OAuthState::new(url, None).await?;
    let request = AuthorizationRequest::new(REDIRECT_URI).with_challenge(challenge);
    state.start_authorization(request).await?;
    let redirect = follow_authorization_url(&state.get_authorization_url().await?).await;
    state.handle_callback_url(&redirect).await?;
    let manager = state.into_authorization_manager().unwrap();
    Ok(AuthClient::new(reqwest::Client::new(), manager))
}

async fn has_scope(client: &OAuthClient, scope: &String) -> bool {
    client.auth_manager.lock().await.get_current_scopes().await.contains(scope)
}

/// Obtains a token with one more scope.
async fn upgrade_scope(client: &OAuthClient, scope: &str) -> Result<(), AuthError> {
    let manager = client.auth_manager.lock().await;
    let url = manager.request_scope_upgrade(scope).await?;
    let redirect = follow_authorization_url(&url).await;
    let callback = AuthorizationCallback::from_redirect_url(&redirect)?;
    manager
        .exchange_code_for_token_with_issuer(
            &callback.code,
            &callback.csrf_token,
            callback.issuer.as_deref(),
        )
        .await?;
    Ok(())
}

/// Requests the authorization URL, as a browser would, and returns the URL of the redirect.
async fn follow_authorization_url(url: &str) -> String {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let response = browser.get(url).send().await.unwrap();
    let location = response
        .headers()
        .get("location")
        .unwrap_or_else(|| panic!("{} from {url}", response.status()));
    location.to_str().unwrap().to_owned()
}

/// The scope that the challenge of a 403 response requires.
fn required_scope(error: &ClientInitializeError) -> Option<String> {
    let ClientInitializeError::TransportError { error, .. } = error else {
        return None;
    };
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.error.as_ref());
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<InsufficientScopeError>() {
            return error.get_required_scope().map(str::to_owned);
        }
        cause = current.source();
    }
    None
}
