//! A mock authorization server that registers every client, needs no user, and issues tokens until
//! the test expires them.
//!
//! It implements what the clients need of OAuth 2.1: metadata (RFC 8414), dynamic registration
//! (RFC 7591), codes with PKCE (RFC 7636), the issuer in the authorization response (RFC 9207),
//! resource indicators (RFC 8707) and refresh tokens. It refuses every invalid request and records
//! the refusal, so a client cannot recover through a lenient server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::child::gateway::KEY;

pub(crate) struct AuthorizationServer {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

/// The scope and resource of a token, or of the code that is exchanged for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) scope: String,
    pub(crate) resource: String,
}

/// An authorization code that has not been exchanged.
struct Code {
    grant: Grant,
    client_id: String,
    redirect_uri: String,
    /// The PKCE code challenge.
    challenge: String,
}

#[derive(Default)]
struct State {
    issuer: String,
    /// See [`AuthorizationServer::take_requests`].
    requests: Vec<String>,
    /// The redirect URI of each client id.
    clients: HashMap<String, String>,
    codes: HashMap<String, Code>,
    access_tokens: HashMap<String, Grant>,
    refresh_tokens: HashMap<String, Grant>,
    /// The number of values that [`State::new_value`] has returned.
    count: u32,
}

/// A response, or the reason why the request is refused.
type Answer = Result<ResponseTemplate, &'static str>;

impl AuthorizationServer {
    pub(crate) async fn start() -> Self {
        let server = MockServer::start().await;
        let state = Arc::new(Mutex::new(State { issuer: server.uri(), ..State::default() }));
        let responder = Arc::clone(&state);
        Mock::given(any())
            .respond_with(move |request: &Request| responder.lock().unwrap().respond(request))
            .mount(&server)
            .await;
        Self { server, state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.uri()
    }

    /// Returns a function that finds the grant of a token which has not expired.
    pub(crate) fn token_lookup(&self) -> impl Fn(&str) -> Option<Grant> + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |token| state.lock().unwrap().access_tokens.get(token).cloned()
    }

    /// Expires every access token.
    pub(crate) fn expire_access_tokens(&self) {
        self.state().access_tokens.clear();
    }

    /// Expires every access token and refresh token.
    pub(crate) fn expire_all_tokens(&self) {
        let mut state = self.state();
        state.access_tokens.clear();
        state.refresh_tokens.clear();
    }

    /// Returns the requests since the last call, and forgets them: `metadata`, `register`,
    /// `authorize SCOPE for RESOURCE`, `token by GRANT_TYPE` and `refused: REASON`.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn respond(&mut self, request: &Request) -> ResponseTemplate {
        if request.headers.values().any(|value| value == KEY) {
            self.requests.push("refused: a gateway key".to_owned());
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let answer = match request.url.path() {
            "/.well-known/oauth-authorization-server" => Ok(self.metadata()),
            "/register" => self.register(&body),
            "/authorize" => self.authorize(request.url.query().unwrap_or_default()),
            "/token" => self.token(&body),
            _ => Err("unknown path"),
        };
        answer.unwrap_or_else(|reason| {
            self.requests.push(format!("refused: {reason} at {}", request.url.path()));
            let error = if request.url.path() == "/token" {
                "invalid_grant"
            } else {
                "invalid_request"
            };
            ResponseTemplate::new(400)
                .set_body_json(json!({ "error": error, "error_description": reason }))
        })
    }

    fn metadata(&mut self) -> ResponseTemplate {
        self.requests.push("metadata".to_owned());
        let issuer = &self.issuer;
        ResponseTemplate::new(200).set_body_json(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
        }))
    }

    fn register(&mut self, body: &str) -> Answer {
        let mut client: Value = serde_json::from_str(body).map_err(|_| "not JSON")?;
        let redirect_uri = client["redirect_uris"][0].as_str().ok_or("no redirect URI")?.to_owned();
        let id = self.new_value("client");
        client["client_id"] = json!(id);
        client["token_endpoint_auth_method"] = json!("none");
        self.clients.insert(id, redirect_uri);
        self.requests.push("register".to_owned());
        Ok(ResponseTemplate::new(201).set_body_json(client))
    }

    fn authorize(&mut self, query: &str) -> Answer {
        let query = form(query);
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let (client_id, redirect_uri) = (text("client_id"), text("redirect_uri"));
        if self.clients.get(&client_id) != Some(&redirect_uri) {
            return Err("unknown client id or redirect URI");
        }
        if text("response_type") != "code" || text("code_challenge_method") != "S256" {
            return Err("response type is not code, or code challenge method is not S256");
        }
        let grant = Grant { scope: text("scope"), resource: text("resource") };
        self.requests.push(format!("authorize {} for {}", grant.scope, grant.resource));
        let code = self.new_value("code");
        let mut location =
            url::Url::parse(&redirect_uri).map_err(|_| "the redirect URI is not a URL")?;
        let parameters = [("code", &code), ("state", &text("state")), ("iss", &self.issuer)];
        location.query_pairs_mut().extend_pairs(parameters);
        let challenge = text("code_challenge");
        self.codes.insert(code, Code { grant, client_id, redirect_uri, challenge });
        Ok(ResponseTemplate::new(302).insert_header("location", location.as_str()))
    }

    fn token(&mut self, body: &str) -> Answer {
        let fields = form(body);
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let grant = match text("grant_type").as_str() {
            "authorization_code" => {
                let code = self.codes.remove(&text("code")).ok_or("unknown code")?;
                if code.client_id != text("client_id") {
                    return Err("the code was issued to another client");
                }
                if code.redirect_uri != text("redirect_uri") {
                    return Err("the redirect URI differs from that of the code");
                }
                if URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier"))) != code.challenge {
                    return Err("the code verifier does not match the code challenge");
                }
                code.grant
            }
            "refresh_token" => {
                let token = text("refresh_token");
                self.refresh_tokens.remove(&token).ok_or("unknown refresh token")?
            }
            _ => return Err("unknown grant type"),
        };
        if text("resource") != grant.resource {
            return Err("the resource differs from that of the grant");
        }
        self.requests.push(format!("token by {}", text("grant_type")));
        let (access, refresh) = (self.new_value("token"), self.new_value("refresh"));
        self.access_tokens.insert(access.clone(), grant.clone());
        self.refresh_tokens.insert(refresh.clone(), grant.clone());
        Ok(ResponseTemplate::new(200)
            .insert_header("cache-control", "no-store")
            .set_body_json(json!({
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": 3600,
                "refresh_token": refresh,
                "scope": grant.scope,
            })))
    }

    /// A new id, code or token, which no other authorization server has issued.
    fn new_value(&mut self, kind: &str) -> String {
        self.count += 1;
        let port = self.issuer.rsplit(':').next().unwrap_or_default();
        format!("{kind}-{port}-{}", self.count)
    }
}

fn form(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
