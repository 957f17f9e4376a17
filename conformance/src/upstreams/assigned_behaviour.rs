//! Decides which case a request belongs to and which behaviour it is owed.
//!
//! The token's script speaks first, wherever in the request the token turns up; then the server's standing order; then the session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{record::Record, request::Request};
use crate::{
    cases::token_script::{CaseId, TokenScript},
    trace::all_headers,
};

/// Whose a request is, and how it is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// `None` for requests of the implementation's own.
    pub(super) case: Option<CaseId>,
    /// A spelling of `upstreams.toml`; `None` for the healthy default.
    pub(super) behaviour: Option<String>,
}

/// The standing orders, one desk for each server.
#[derive(Debug)]
pub(super) struct Orders {
    desks: HashMap<String, Arc<Desk>>,
}

#[derive(Debug)]
struct Desk {
    order: Mutex<Option<(CaseId, String)>>,
    turn: Arc<Semaphore>,
}

impl Desk {
    fn set(&self, order: Option<(CaseId, String)>) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
    }

    fn get(&self) -> Option<(CaseId, String)> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// While it lives, requests without a script to one server belong to one case. Dropping it lets the next order in.
#[derive(Debug)]
pub struct AssignedBehaviour {
    /// The desk, and the turn at it; `None` for a server that the mock upstreams has not.
    held: Option<(Arc<Desk>, OwnedSemaphorePermit)>,
}

impl Drop for AssignedBehaviour {
    fn drop(&mut self) {
        if let Some((desk, turn)) = self.held.take() {
            desk.set(None);
            drop(turn);
        }
    }
}

impl Orders {
    pub(super) fn new<'a>(servers: impl IntoIterator<Item = &'a str>) -> Self {
        let desk = || Arc::new(Desk { order: Mutex::new(None), turn: Arc::new(Semaphore::new(1)) });
        Self {
            desks: servers.into_iter().map(|server| (server.to_owned(), desk())).collect(),
        }
    }

    pub(super) async fn stand(
        &self,
        server: &str,
        case: CaseId,
        behaviour: &str,
    ) -> AssignedBehaviour {
        let Some(desk) = self.desks.get(server) else {
            return AssignedBehaviour { held: None };
        };
        // The semaphore is never closed, so a turn comes sooner or later.
        let turn = Arc::clone(&desk.turn).acquire_owned().await.ok();
        AssignedBehaviour {
            held: turn.map(|turn| {
                desk.set(Some((case, behaviour.to_owned())));
                (Arc::clone(desk), turn)
            }),
        }
    }

    /// Whose the request is.
    pub(super) fn claim(&self, server: &str, request: &Request, record: &Record) -> Claim {
        let standing = self.desks.get(server).and_then(|desk| desk.get());
        if let Some(script) = find_script(request) {
            let ordered = script.order(server).map(str::to_owned);
            return Claim {
                behaviour: ordered.or(standing.map(|(_, behaviour)| behaviour)),
                case: Some(script.case),
            };
        }
        let owner = request.session().and_then(|session| record.owner(session));
        if request.method == "DELETE"
            && owner.is_some()
            && standing.as_ref().is_none_or(|(case, _)| Some(case) != owner.as_ref())
        {
            // The clean-up of an earlier case may come while the next one has the floor.
            return Claim { case: owner, behaviour: None };
        }
        match standing {
            Some((case, behaviour)) => Claim { case: Some(case), behaviour: Some(behaviour) },
            None => Claim { case: owner, behaviour: None },
        }
    }
}

/// The script of the token in `Authorization`, or else of one anywhere in the request: a leak is attributed too.
fn find_script(request: &Request) -> Option<TokenScript> {
    let authorization = all_headers(&request.headers, "authorization").find_map(TokenScript::find);
    let elsewhere = || {
        request
            .headers
            .iter()
            .find_map(|(name, value)| TokenScript::find(value).or_else(|| TokenScript::find(name)))
    };
    authorization
        .or_else(elsewhere)
        .or_else(|| TokenScript::find(&request.target))
        .or_else(|| TokenScript::find(&request.body_text()))
}

#[cfg(test)]
mod tests {
    use std::{future::ready, pin::pin};

    use super::*;

    fn request(headers: &[(&str, &str)], target: &str, body: &str) -> Request {
        Request {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        }
    }

    fn token(case: &str) -> String {
        TokenScript::everywhere(CaseId(case.to_owned()), "401-full+empty", "canary".to_owned())
            .token()
    }

    fn claimed(request: &Request) -> Option<String> {
        Orders::new(["alpha"])
            .claim("alpha", request, &Record::default())
            .case
            .map(|case| case.0)
    }

    #[test]
    fn a_token_is_attributed_wherever_it_turns_up() {
        let (a, b) = (token("a"), token("b"));
        assert_eq!(
            claimed(&request(
                &[("x-stray", &b), ("Authorization", &format!("Bearer {a}"))],
                "/mcp",
                &b
            )),
            Some("a".into())
        );
        assert_eq!(
            claimed(&request(&[("Cookie", &format!("t={b}"))], "/mcp", "")),
            Some("b".into())
        );
        assert_eq!(claimed(&request(&[], &format!("/mcp?access_token={a}"), "")), Some("a".into()));
        assert_eq!(
            claimed(&request(&[], "/mcp", &format!("{{\"token\":\"{a}\"}}"))),
            Some("a".into())
        );
        assert_eq!(claimed(&request(&[("Authorization", "Bearer other")], "/mcp", "{}")), None);
    }

    #[tokio::test]
    async fn a_standing_order_claims_what_has_no_script_until_it_is_dropped() {
        let orders = Orders::new(["static"]);
        let (record, unmarked) =
            (Record::default(), request(&[("Authorization", "Bearer own")], "/mcp", "{}"));
        let order = orders.stand("static", CaseId("s".to_owned()), "403-bare").await;
        let expected = Claim {
            case: Some(CaseId("s".to_owned())),
            behaviour: Some("403-bare".to_owned()),
        };
        assert_eq!(orders.claim("static", &unmarked, &record), expected);
        drop(order);
        assert_eq!(orders.claim("static", &unmarked, &record), Claim::default());
    }

    #[tokio::test]
    async fn the_next_standing_order_waits_for_the_earlier_one_to_end() {
        let orders = Orders::new(["static"]);
        let first = orders.stand("static", CaseId("1".to_owned()), "500").await;
        let mut second = pin!(orders.stand("static", CaseId("2".to_owned()), "503"));
        tokio::select! {
            biased;
            _ = &mut second => panic!("the first order still stands"),
            () = ready(()) => {}
        }
        drop(first);
        second.await;
    }
}
