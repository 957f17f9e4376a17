//! Serves several servers as one: who is asked, what their answers together mean, and how they become one answer.
//!
//! One server's part of it, the probe, the credential, the refusal, is what it is on a route of one server. A session of several is kept
//! in a table here: that needs no secret, and the model has one process.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::REQUEST_DEADLINE;
use super::admission::Caller;
use super::answer::{empty, error, success};
use super::fault::Switch;
use super::gateway::{Ask, Gateway, forwards};
use super::merge::{merged, target_of};
use super::places::{Places, filled};
use super::relay::Body;
use super::upstream::{Outcome, SESSION};
use crate::cases::deployment::ConfiguredServer;
use crate::catalogue::Profile;

/// Names what a message of 2026-07-28 is about.
const MIRRORED_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Which servers a request asks for.
pub(super) enum Wanted {
    /// All that its caller may use.
    Everyone,
    /// These.
    Named(Vec<String>),
    /// Those of a toolset, or some of them.
    Toolset(String, Option<Vec<String>>),
}

/// A session of several servers.
#[derive(Clone)]
pub(super) struct Session {
    /// The key that opened it: the one that opens every server, or the other.
    everything: bool,
    path: String,
    /// The session of each server.
    of: Vec<(String, HeaderValue)>,
}

/// What one server said to its part of the request.
pub(super) enum Said {
    /// This, in this session.
    Result(Value, Option<HeaderValue>),
    Unauthorized(HeaderMap),
    Forbidden(HeaderMap),
    /// Nothing that can be used, or nothing in time.
    Nothing {
        late: bool,
    },
}

impl Said {
    /// What a client is told of it.
    fn word(&self) -> Option<&'static str> {
        match self {
            Self::Result(..) => None,
            Self::Unauthorized(_) => Some("unauthorized"),
            Self::Forbidden(_) => Some("forbidden"),
            Self::Nothing { late: true } => Some("inconclusive: timeout"),
            Self::Nothing { late: false } => Some("inconclusive: no answer that can be used"),
        }
    }
}

impl Wanted {
    /// What a path and the narrowing header ask for; `None` where the path is none of several servers.
    pub(super) fn of(places: &Places, path: &str, headers: &HeaderMap) -> Option<Self> {
        let list =
            |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
        let narrowed = headers
            .get(places.narrowing_header)
            .map(|value| list(value.to_str().unwrap_or("\u{fffd}")));
        let [everyone, named, toolset] = places.routes_of_several;
        if filled(everyone, "{servers}", path).is_some() {
            return Some(narrowed.map_or(Self::Everyone, Self::Named));
        }
        if let Some(names) = filled(named, "{servers}", path).filter(|names| names.contains(',')) {
            return Some(Self::Named(list(names)));
        }
        filled(toolset, "{toolset}", path).map(|name| Self::Toolset(name.to_owned(), narrowed))
    }
}

impl Gateway {
    /// The servers asked for, in the order of the configuration; `None` where one is unknown or not this caller's, or none is left.
    fn chosen(&self, caller: &Caller, wanted: &Wanted) -> Option<Vec<ConfiguredServer>> {
        let granted =
            |server: &&ConfiguredServer| (caller.everything || server.granted) && !server.disabled;
        let mine: Vec<ConfiguredServer> =
            self.deployment.servers.iter().filter(granted).cloned().collect();
        let only = |mine: Vec<ConfiguredServer>, names: &[String]| {
            let known = names.iter().all(|name| mine.iter().any(|server| server.name == *name));
            if !known && self.has(Switch::UnknownWidens) {
                return Some(mine);
            }
            let times = |server: &ConfiguredServer| {
                let times = names.iter().filter(|name| **name == server.name).count();
                if self.has(Switch::AsksDuplicates) { times } else { times.min(1) }
            };
            known.then(|| {
                mine.iter()
                    .flat_map(|server| vec![server.clone(); times(server)])
                    .collect::<Vec<_>>()
            })
        };
        let chosen = match wanted {
            Wanted::Everyone => mine,
            Wanted::Named(names) => only(mine, names)?,
            Wanted::Toolset(_, _) if self.has(Switch::IgnoresToolsets) => mine,
            Wanted::Toolset(name, narrowed) => {
                let toolset =
                    self.deployment.toolsets.iter().find(|toolset| toolset.name == *name)?;
                let within: Vec<_> = mine
                    .into_iter()
                    .filter(|server| toolset.servers.contains(&server.name))
                    .collect();
                match narrowed {
                    Some(names) => only(within, names)?,
                    None => within,
                }
            }
        };
        (!chosen.is_empty()).then_some(chosen)
    }

    /// An admitted request to several servers.
    pub(super) async fn several(
        self: Arc<Self>,
        ask: Ask,
        caller: Caller,
        wanted: &Wanted,
    ) -> Response<Body> {
        let Some(servers) = self.chosen(&caller, wanted) else {
            return self.unknown(&ask);
        };
        let Ok(session) = self.session(&ask, &caller) else {
            return error(&ask, StatusCode::NOT_FOUND, "404 Not Found: no such session");
        };
        if ask.method == Method::GET {
            let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
            return answer;
        }
        match ask.rpc.as_deref() {
            Some("tools/call" | "prompts/get" | "resources/read") => {
                self.to_one(ask, caller, &servers, session).await
            }
            Some(
                "initialize" | "server/discover" | "ping" | "tools/list" | "prompts/list"
                | "resources/list",
            ) => self.to_all(ask, caller, servers, session).await,
            Some(rpc)
                if rpc.starts_with("resources/templates") || rpc.starts_with("notifications/") =>
            {
                self.to_all(ask, caller, servers, session).await
            }
            None if ask.method == Method::DELETE => {
                self.to_all(ask, caller, servers, session).await
            }
            _ => success(
                &ask,
                &json!({ "error": { "code": -32601, "message": "no such method for several servers" } }),
            ),
        }
    }

    /// The session that a request names. An error where it is nobody's, or somebody else's (SEC-08).
    fn session(&self, ask: &Ask, caller: &Caller) -> Result<Option<Session>, ()> {
        let Some(id) = ask.headers.get(&SESSION) else { return Ok(None) };
        let sessions = self.of_several.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(id).ok_or(())?;
        let mine = session.everything == caller.everything && session.path == ask.path;
        if mine || self.has(Switch::SharesSessions) {
            Ok(Some(session.clone()))
        } else {
            Err(())
        }
    }

    /// A message that one server is meant to get, and judged by that one alone (AGG-10).
    async fn to_one(
        self: Arc<Self>,
        mut ask: Ask,
        caller: Caller,
        servers: &[ConfiguredServer],
        session: Option<Session>,
    ) -> Response<Body> {
        let Some((server, plain)) = target_of(&ask, servers, self.places.name_separator) else {
            return success(
                &ask,
                &json!({ "error": { "code": -32602, "message": "unknown name: list what there is" } }),
            );
        };
        if self.has(Switch::JudgesCallsByAll) {
            let said = self.probed(servers, &self.shown(servers, caller.token.as_ref())).await;
            if let Some(refused) = self.refused(&ask, servers, &said).await {
                return refused;
            }
        }
        ask.headers.remove(&SESSION);
        if let Some(own) = session
            .and_then(|session| session.of.into_iter().find(|(name, _)| *name == server.name))
        {
            ask.headers.insert(SESSION, own.1);
        }
        ask.body = renamed(&ask, &plain);
        if ask.headers.contains_key(MIRRORED_NAME) && !self.has(Switch::KeepsMirroredName) {
            ask.headers.insert(
                MIRRORED_NAME,
                HeaderValue::try_from(plain).unwrap_or(HeaderValue::from_static("?")),
            );
        }
        let ask = ask.of(&self.places.route_of(&server.name));
        self.passed(ask, server, caller).await
    }

    /// A message to all of them: asked about the token all at once, then sent, and its answers made into one.
    async fn to_all(
        self: Arc<Self>,
        ask: Ask,
        caller: Caller,
        servers: Vec<ConfiguredServer>,
        session: Option<Session>,
    ) -> Response<Body> {
        let tokens = self.shown(&servers, caller.token.as_ref());
        let mut said = self.probed(&servers, &tokens).await;
        if let Some(refused) = self.refused(&ask, &servers, &said).await {
            return refused;
        }
        let mut running = JoinSet::new();
        for (n, server) in servers.iter().enumerate().filter(|(n, _)| said[*n].word().is_none()) {
            let own = session
                .as_ref()
                .and_then(|session| session.of.iter().find(|(name, _)| *name == server.name))
                .map(|own| own.1.clone());
            let (gateway, ask, server) = (Arc::clone(&self), ask.clone(), server.clone());
            let caller = Caller {
                everything: caller.everything,
                holder: caller.holder,
                token: tokens[n].clone(),
            };
            running.spawn(async move { (n, gateway.part(ask, &server, &caller, own).await) });
        }
        for (n, part) in running.join_all().await {
            said[n] = part;
        }
        if let Some(refused) = self.refused(&ask, &servers, &said).await {
            return refused;
        }
        self.joined(&ask, &caller, &servers, &said)
    }

    /// What each server makes of the token, in their order. One that is not to be shown it has nothing against it.
    async fn probed(
        self: &Arc<Self>,
        servers: &[ConfiguredServer],
        tokens: &[Option<HeaderValue>],
    ) -> Vec<Said> {
        let mut said: Vec<Said> = servers.iter().map(|_| Said::Result(Value::Null, None)).collect();
        let mut running = JoinSet::new();
        for (n, server) in servers.iter().enumerate().filter(|(_, server)| forwards(server)) {
            if let Some(token) = tokens[n].clone() {
                let (gateway, server) = (Arc::clone(self), server.clone());
                running.spawn(async move { (n, gateway.probe(&server, &token).await) });
            }
        }
        while let Some(Ok((n, probed))) = running.join_next().await {
            said[n] = match probed.outcome {
                Outcome::Unauthorized => Said::Unauthorized(probed.head),
                Outcome::Forbidden => Said::Forbidden(probed.head),
                Outcome::Silent if self.has(Switch::SilenceHidesRefusals) => {
                    Said::Nothing { late: true }
                }
                Outcome::GoOn | Outcome::Silent => continue,
            };
            if self.has(Switch::FirstRefusalWins) {
                break;
            }
        }
        said
    }

    /// The refusal that a set of words comes to, if it comes to one: 401 before 403, the first server of the configuration named (AGG-01,
    /// AGG-06). Where partial answers are given, only the word of them all is one (AGG-03).
    async fn refused(
        &self,
        ask: &Ask,
        servers: &[ConfiguredServer],
        said: &[Said],
    ) -> Option<Response<Body>> {
        if self.has(Switch::SilenceHidesRefusals)
            && said.iter().any(|said| matches!(said, Said::Nothing { .. }))
        {
            return None;
        }
        let nobody_left = said.iter().all(|said| said.word().is_some());
        let partial = self.profile != Profile::Seed;
        if (partial && !nobody_left) || (nobody_left && self.has(Switch::EmptyWhereAllFail)) {
            return None;
        }
        let (mut unauthorized, mut forbidden) = (Vec::new(), Vec::new());
        for (server, said) in servers.iter().zip(said) {
            match said {
                Said::Unauthorized(head) => unauthorized.push((server, head)),
                Said::Forbidden(head) => forbidden.push((server, head)),
                Said::Result(..) | Said::Nothing { .. } => {}
            }
        }
        if self.has(Switch::NamesTheLastRefuser) {
            unauthorized.reverse();
        }
        if self.has(Switch::ForbiddenOutranks) && !forbidden.is_empty() {
            unauthorized.clear();
        }
        let of = |server: &ConfiguredServer| ask.of(&self.places.route_of(&server.name));
        match (unauthorized.first(), forbidden.first()) {
            (Some((_, head)), _) if self.has(Switch::NamesTheFirstServer) => {
                Some(self.unauthorized(&of(&servers[0]), &servers[0], true, head).await)
            }
            (Some((server, head)), _) => {
                Some(self.unauthorized(&of(server), server, true, head).await)
            }
            (None, Some((server, head))) => {
                Some(self.forbidden(&of(server), server, true, head).await)
            }
            (None, None) => None,
        }
    }

    /// The token that each server is shown. One of several protection spaces gets it where the profile keeps them apart (AGG-04): that of
    /// the first server that is to be shown one.
    fn shown(
        &self,
        servers: &[ConfiguredServer],
        token: Option<&HeaderValue>,
    ) -> Vec<Option<HeaderValue>> {
        let space =
            |server: &ConfiguredServer| server.space.clone().unwrap_or_else(|| server.name.clone());
        let first = servers.iter().find(|server| forwards(server)).map(space);
        let everywhere = self.profile == Profile::Seed || self.has(Switch::TokenToEverySpace);
        servers
            .iter()
            .map(|server| token.filter(|_| everywhere || first == Some(space(server))).cloned())
            .collect()
    }

    /// One server's part of the request, and what it said.
    async fn part(
        &self,
        mut ask: Ask,
        server: &ConfiguredServer,
        caller: &Caller,
        session: Option<HeaderValue>,
    ) -> Said {
        ask.headers.remove(&SESSION);
        ask.headers.extend(session.map(|session| (SESSION, session)));
        let Some(credential) = self.credential(&ask, server, caller).await else {
            return Said::Nothing { late: false };
        };
        let answer = match self.sent(&ask, server, &credential).await {
            Ok(answer) => answer,
            Err(trouble) => {
                return Said::Nothing { late: trouble == super::upstream::Trouble::TooSlow };
            }
        };
        match answer.status() {
            StatusCode::UNAUTHORIZED if forwards(server) => {
                Said::Unauthorized(answer.headers().clone())
            }
            StatusCode::FORBIDDEN if forwards(server) => Said::Forbidden(answer.headers().clone()),
            status if status.is_success() => {
                let session = answer.headers().get(&SESSION).cloned();
                let stream = answer
                    .headers()
                    .get(CONTENT_TYPE)
                    .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
                let body = timeout(
                    REQUEST_DEADLINE,
                    Limited::new(answer.into_body(), 4 * 1024 * 1024).collect(),
                );
                let Ok(body) = body.await else {
                    return Said::Nothing { late: true };
                };
                let Ok(body) = body else { return Said::Nothing { late: false } };
                match result(&body.to_bytes(), stream) {
                    Some(result) => Said::Result(result, session),
                    None if ask.id.is_none() => Said::Result(Value::Null, session),
                    None => Said::Nothing { late: false },
                }
            }
            _ => Said::Nothing { late: false },
        }
    }

    /// One answer of all those that there are. Where there is none, nobody could be reached (STA-12).
    fn joined(
        &self,
        ask: &Ask,
        caller: &Caller,
        servers: &[ConfiguredServer],
        said: &[Said],
    ) -> Response<Body> {
        let words: Vec<(&str, &str)> = servers
            .iter()
            .zip(said)
            .filter_map(|(server, said)| Some((server.name.as_str(), said.word()?)))
            .collect();
        if words.len() == servers.len() && !self.has(Switch::EmptyWhereAllFail) {
            let late = said.iter().any(|said| matches!(said, Said::Nothing { late: true }));
            let (status, word) = if late {
                (StatusCode::GATEWAY_TIMEOUT, "504 Gateway Timeout")
            } else {
                (StatusCode::BAD_GATEWAY, "502 Bad Gateway")
            };
            return error(
                ask,
                status,
                &format!("{word}: no server gave an answer that can be used"),
            );
        }
        let sessions = servers.iter().zip(said).filter_map(|(server, said)| match said {
            Said::Result(_, Some(session)) => Some((server.name.clone(), session.clone())),
            _ => None,
        });
        let opened = Session {
            everything: caller.everything,
            path: ask.path.clone(),
            of: sessions.collect(),
        };
        if ask.method == Method::DELETE || ask.id.is_none() {
            self.forget(ask);
            return empty(if ask.method == Method::DELETE {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::ACCEPTED
            });
        }
        let parts: Vec<(usize, &str, &Value)> = servers
            .iter()
            .zip(said)
            .enumerate()
            .filter_map(|(n, (server, said))| match said {
                Said::Result(result, _) => Some((n, server.name.as_str(), result)),
                _ => None,
            })
            .collect();
        let name = |n: usize, server: &str, item: &str| match () {
            () if self.has(Switch::RenamesByPosition) => {
                let place = parts.iter().position(|(at, _, _)| *at == n).unwrap_or_default();
                format!("server{place}-{item}")
            }
            () if self.has(Switch::OneIsSingle) && servers.len() == 1 => item.to_owned(),
            () => format!("{server}{}{item}", self.places.name_separator),
        };
        let mut result = merged(ask, &parts, name);
        if !words.is_empty() && !self.has(Switch::DropsFailingSilently) {
            let outcomes: serde_json::Map<String, Value> =
                words.iter().map(|(name, word)| ((*name).to_owned(), json!(word))).collect();
            result["_meta"]["preflight-model/outcomes"] = Value::Object(outcomes);
        }
        if self.has(Switch::PublicParts) && result.get("cacheScope").is_some() {
            result["cacheScope"] = json!("public");
            result["ttlMs"] = json!(60_000);
        }
        let mut answer = success(ask, &json!({ "result": result }));
        if ask.rpc.as_deref() == Some("initialize") {
            answer.headers_mut().insert(SESSION, self.keep(opened));
        }
        answer
    }

    fn keep(&self, session: Session) -> HeaderValue {
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        let id = HeaderValue::try_from(id).expect("letters and digits are a header value");
        self.of_several
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), session);
        id
    }

    fn forget(&self, ask: &Ask) {
        if let Some(id) = ask.headers.get(&SESSION).filter(|_| ask.method == Method::DELETE) {
            self.of_several.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
    }
}

/// The body with the plain name in the place of the client's.
fn renamed(ask: &Ask, plain: &str) -> Bytes {
    let Ok(mut message) = serde_json::from_slice::<Value>(&ask.body) else {
        return ask.body.clone();
    };
    for place in ["/params/name", "/params/uri"] {
        if let Some(name) = message.pointer_mut(place) {
            *name = plain.into();
        }
    }
    message.to_string().into()
}

/// The result in an answer, of one JSON text or of a stream of events.
fn result(body: &[u8], stream: bool) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let mut messages: Vec<Value> = if stream {
        text.lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok())
            .collect()
    } else {
        serde_json::from_str(text).into_iter().collect()
    };
    messages
        .iter_mut()
        .find_map(|message| message.get_mut("result").map(Value::take))
}
