//! A mock authorization server: it registers any client, asks no person, and issues tokens until it is told to forget them.
//!
//! OAuth 2.1 as the clients need it: metadata (RFC 8414), dynamic registration (RFC 7591), codes with PKCE (RFC 7636) and an issuer
//! (RFC 9207), resource indicators (RFC 8707), refresh. It is strict, and what it refuses it writes down as refused: a client that
//! recovers by its leniency has not recovered. Who accepts its tokens is not decided here.

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

pub(crate) struct Issuer {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

/// What one token, or the code that buys it, is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) scope: String,
    pub(crate) resource: String,
}

/// A code that nobody has exchanged yet.
struct Code {
    grant: Grant,
    client: String,
    redirect: String,
    challenge: String,
}

#[derive(Default)]
struct State {
    issuer: String,
    asked: Vec<String>,
    /// Each client, with the place that it is called back at.
    clients: HashMap<String, String>,
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Grant>,
    refreshes: HashMap<String, Grant>,
    count: u32,
}

/// What a request asked for, or why it may not.
type Answer = Result<ResponseTemplate, &'static str>;

impl Issuer {
    pub(crate) async fn start() -> Self {
        let server = MockServer::start().await;
        let state = Arc::new(Mutex::new(State { issuer: server.uri(), ..State::default() }));
        let answering = Arc::clone(&state);
        Mock::given(any())
            .respond_with(move |request: &Request| answering.lock().unwrap().answer(request))
            .mount(&server)
            .await;
        Self { server, state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.uri()
    }

    /// What the token is good for, if it is one and has not expired.
    pub(crate) fn knows(&self) -> impl Fn(&str) -> Option<Grant> + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |token| state.lock().unwrap().tokens.get(token).cloned()
    }

    /// Every token expires now; what they are refreshed with may live on.
    pub(crate) fn expire(&self, refreshes_too: bool) {
        let mut state = self.state();
        state.tokens.clear();
        if refreshes_too {
            state.refreshes.clear();
        }
    }

    /// What it was asked since this was last called, a word each; `authorize` and `token` with what they are for.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        if request.headers.values().any(|value| value == KEY) {
            self.asked.push("refused: a gateway key".to_owned());
        }
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        let answered = match request.url.path() {
            "/.well-known/oauth-authorization-server" => Ok(self.metadata()),
            "/register" => self.register(&sent),
            "/authorize" => self.authorize(request.url.query().unwrap_or_default()),
            "/token" => self.token(&sent),
            _ => Err("nothing is here"),
        };
        answered.unwrap_or_else(|why| {
            self.asked.push(format!("refused: {why} at {}", request.url.path()));
            let error = if request.url.path() == "/token" {
                "invalid_grant"
            } else {
                "invalid_request"
            };
            ResponseTemplate::new(400)
                .set_body_json(json!({ "error": error, "error_description": why }))
        })
    }

    fn metadata(&mut self) -> ResponseTemplate {
        self.asked.push("metadata".to_owned());
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

    fn register(&mut self, sent: &str) -> Answer {
        let mut client: Value = serde_json::from_str(sent).map_err(|_| "not JSON")?;
        let redirect = client["redirect_uris"][0].as_str().ok_or("no redirect URI")?.to_owned();
        let id = self.fresh("client");
        client["client_id"] = json!(id);
        client["token_endpoint_auth_method"] = json!("none");
        self.clients.insert(id, redirect);
        self.asked.push("register".to_owned());
        Ok(ResponseTemplate::new(201).set_body_json(client))
    }

    fn authorize(&mut self, query: &str) -> Answer {
        let query = form(query);
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let (client, redirect) = (text("client_id"), text("redirect_uri"));
        if self.clients.get(&client) != Some(&redirect) {
            return Err("no such client, or not called back there");
        }
        if text("response_type") != "code" || text("code_challenge_method") != "S256" {
            return Err("only codes, and only with S256");
        }
        let grant = Grant { scope: text("scope"), resource: text("resource") };
        self.asked.push(format!("authorize {} for {}", grant.scope, grant.resource));
        let code = self.fresh("code");
        let mut back = url::Url::parse(&redirect).map_err(|_| "no URL to be called back at")?;
        let parameters = [("code", &code), ("state", &text("state")), ("iss", &self.issuer)];
        back.query_pairs_mut().extend_pairs(parameters);
        self.codes
            .insert(code, Code { grant, client, redirect, challenge: text("code_challenge") });
        Ok(ResponseTemplate::new(302).insert_header("location", back.as_str()))
    }

    fn token(&mut self, sent: &str) -> Answer {
        let sent = form(sent);
        let text = |name: &str| sent.get(name).cloned().unwrap_or_default();
        let grant = match text("grant_type").as_str() {
            "authorization_code" => {
                let code = self.codes.remove(&text("code")).ok_or("no such code")?;
                if (&code.client, &code.redirect) != (&text("client_id"), &text("redirect_uri")) {
                    return Err("not the client that the code was for");
                }
                if URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier"))) != code.challenge {
                    return Err("not the verifier of the challenge");
                }
                code.grant
            }
            "refresh_token" => {
                self.refreshes.remove(&text("refresh_token")).ok_or("no such refresh token")?
            }
            _ => return Err("no such grant"),
        };
        if text("resource") != grant.resource {
            return Err("a token for another resource");
        }
        self.asked.push(format!("token by {}", text("grant_type")));
        let (access, refresh) = (self.fresh("token"), self.fresh("refresh"));
        self.tokens.insert(access.clone(), grant.clone());
        self.refreshes.insert(refresh.clone(), grant.clone());
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

    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        // No two issuers give out the same.
        let own = self.issuer.rsplit(':').next().unwrap_or_default();
        format!("{what}-{own}-{}", self.count)
    }
}

fn form(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
