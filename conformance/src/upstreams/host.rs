//! One host of the mock upstreams: takes its connections, has every request recorded, and answers as its role asks.

use std::sync::Arc;

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    MARK,
    answer::Answer,
    authorization_server as issuer,
    connection::Wire,
    delivery::{After, Manner, deliver},
    mcp_server as healthy,
    request::{Flaw, Request, read_body, read_head, rpc_method},
    state::Site,
    upstream::{self, Decision},
};
use crate::{cases::behaviour::Flavour, trace::Arrival};

/// How much of a request body the record keeps.
const RECORDED_BODY: usize = 64 << 10;

/// What a host is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A mock MCP server, which does as it is told.
    Upstream,
    /// The origin that redirects point at: always healthy.
    Elsewhere,
    /// The authorization server.
    Issuer,
}

/// One listening host.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) role: Role,
    pub(super) tls: Option<TlsAcceptor>,
}

impl Host {
    /// Accepts connections until it is dropped, and all of them with it.
    pub(super) async fn listen(self, listener: TcpListener, site: Arc<Site>) {
        let host = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // An error is about one connection, gone before it was accepted.
                    let Ok((stream, _)) = accepted else { continue };
                    site.record.connected(&host.name);
                    connections.spawn(Arc::clone(&host).connection(stream, Arc::clone(&site)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, site: Arc<Site>) {
        let number = site.new_connection();
        // Without it small answers wait for the peer's acknowledgement; where it can not be set they do.
        let _ = stream.set_nodelay(true);
        let mut wire = match &self.tls {
            None => Wire::new(stream),
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => Wire::new(stream),
                Err(_) => return,
            },
        };
        while let Some(mut request) = read_head(&mut wire).await {
            let arrival = Head {
                connection: number,
                number: site.record.number(),
                at_ms: site.elapsed_ms(),
            };
            read_body(&mut wire, &mut request).await;
            match self.serve(&site, &mut wire, &request, arrival).await {
                After::KeepOpen => {}
                After::Close => return wire.close().await,
                After::Reset => return wire.reset(),
            }
        }
    }

    async fn serve(&self, site: &Site, wire: &mut Wire, request: &Request, head: Head) -> After {
        let claim = site.orders.claim(&self.name, request, &site.record);
        let ticket =
            site.record.open(claim.case.clone(), head.number, self.arrival(request, &head));
        let decided = async {
            if let Some(flaw) = request.flaw {
                return refusal(flaw).into();
            }
            match self.role {
                Role::Issuer => issuer::answer(&site.deployment, request).into(),
                Role::Elsewhere => {
                    healthy::answer(site, &self.name, Flavour::Json, request, &ticket).into()
                }
                Role::Upstream => upstream::decide(site, self, request, &claim, &ticket).await,
            }
        };
        let decision: Decision = tokio::select! {
            biased;
            () = wire.gone() => {
                ticket.answered("nobody left to answer");
                return After::Close;
            }
            decision = decided => decision,
        };
        let mark = format!(
            "{}/{}/{}",
            self.name,
            claim.case.as_ref().map_or("-", |case| case.0.as_str()),
            ticket.nth
        );
        let answer = decision.answer.with(MARK, &mark);
        ticket.answered(&decision.word.unwrap_or_else(|| answer.status.to_string()));
        let last = request.flaw.is_some() || !request.keep_alive;
        let manner = Manner {
            fault: decision.fault,
            head_only: request.is_head(),
            last,
            pace: decision.pace.as_deref(),
        };
        let delivered = deliver(wire, &answer, manner).await;
        drop(decision.turn);
        match delivered {
            Ok(after) => after,
            Err(_) => {
                ticket.undelivered();
                After::Close
            }
        }
    }

    fn arrival(&self, request: &Request, head: &Head) -> Arrival {
        let mut body = request.body_text();
        body.truncate(body.floor_char_boundary(RECORDED_BODY));
        Arrival {
            server: self.name.clone(),
            connection: head.connection,
            at_ms: head.at_ms,
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            body,
            rpc_method: request.json().as_ref().and_then(rpc_method).map(str::to_owned),
            answered: "not yet".to_owned(),
            session_issued: None,
            session_ended: None,
        }
    }
}

/// When and where a request's head was read.
struct Head {
    connection: u64,
    number: u64,
    at_ms: f64,
}

fn refusal(flaw: Flaw) -> Answer {
    Answer::empty(match flaw {
        // Nobody is left to read it, but the record says what the request was worth.
        Flaw::Malformed | Flaw::Cut => 400,
        Flaw::HeadTooLarge => 431,
        Flaw::BodyTooLarge => 413,
    })
}
