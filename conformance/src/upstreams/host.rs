//! One listening host of the mock upstreams: accepts connections, records requests and responds by
//! its role.

use std::sync::Arc;

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    MARK, REFUSING_PATH, authorization_server,
    connection::Connection,
    delivery::{Delivery, NextStep, deliver},
    mcp_server,
    request::{Flaw, Request, read_body, read_head, rpc_method},
    response::Response,
    state::State,
    upstream::{self, Decision, Upstream},
};
use crate::{cases::behaviour::Flavour, trace::Arrival};

/// How many bytes of a request body are recorded.
const RECORDED_BODY: usize = 64 << 10;

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A mock MCP server, which behaves as scripts and assignments say.
    Upstream,
    /// The origin that redirects to another origin point at. It is healthy, except
    /// at [`REFUSING_PATH`].
    Elsewhere,
    /// The mock authorization server.
    AuthorizationServer,
}

/// One listening host.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) role: Role,
    pub(super) tls: Option<TlsAcceptor>,
}

/// When, and on which connection, the head of a request was read.
struct HeadRead {
    connection: u64,
    /// The number of the request among all requests of the mock upstreams.
    number: u64,
    at_ms: f64,
}

impl Host {
    /// Accepts connections. If the future is dropped, all of them are closed.
    pub(super) async fn listen(self, listener: TcpListener, state: Arc<State>) {
        let host = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // An error concerns one connection that ended before it was accepted.
                    let Ok((stream, _)) = accepted else { continue };
                    let number = state.new_connection();
                    state.record.connected(&host.name, number);
                    let (host, state) = (Arc::clone(&host), Arc::clone(&state));
                    connections.spawn(host.serve_connection(stream, number, state));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream, number: u64, state: Arc<State>) {
        // Small responses are then sent at once. If the option cannot be set, they are sent later.
        let _ = stream.set_nodelay(true);
        let mut connection = match &self.tls {
            None => Connection::new(stream),
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => Connection::new(stream),
                Err(_) => return,
            },
        };
        while let Some(mut request) = read_head(&mut connection).await {
            state.record.used(number);
            let head = HeadRead {
                connection: number,
                number: state.record.next_number(),
                at_ms: state.elapsed_ms(),
            };
            read_body(&mut connection, &mut request).await;
            match self.serve_request(&state, &mut connection, &request, head).await {
                NextStep::KeepOpen => {}
                NextStep::Close => return connection.close().await,
                NextStep::Reset => return connection.reset(),
            }
        }
    }

    async fn serve_request(
        &self,
        state: &State,
        connection: &mut Connection,
        request: &Request,
        head: HeadRead,
    ) -> NextStep {
        let mut attribution = state.assignments.attribute(&self.name, request, &state.record);
        if attribution
            .case
            .as_ref()
            .is_some_and(|case| state.healthy_phases.contains(case))
        {
            attribution.behaviour = None;
        }
        let ticket =
            state
                .record
                .open(attribution.case.clone(), head.number, self.arrival(request, &head));
        let decision = async {
            if let Some(flaw) = request.flaw {
                return rejection(flaw).into();
            }
            match self.role {
                Role::AuthorizationServer => {
                    authorization_server::respond(&state.deployment, request).into()
                }
                Role::Elsewhere if request.path() == REFUSING_PATH => {
                    Response::empty(401).with("WWW-Authenticate", "Bearer").into()
                }
                Role::Elsewhere => {
                    mcp_server::respond(state, &self.name, Flavour::Json, request, &ticket).into()
                }
                Role::Upstream => {
                    let upstream = Upstream { name: &self.name, origin: &self.origin, state };
                    upstream::decide(upstream, request, &attribution, &ticket).await
                }
            }
        };
        let decision: Decision = tokio::select! {
            biased;
            () = connection.peer_closed() => {
                ticket.responded("connection closed by the gateway");
                return NextStep::Close;
            }
            decision = decision => decision,
        };
        let case = attribution.case.as_ref().map_or("-", |case| case.0.as_str());
        let mark = format!("{}/{case}/{}", self.name, ticket.nth);
        let response = decision.response.with(MARK, &mark);
        ticket.responded(&decision.recorded_as.unwrap_or_else(|| response.status.to_string()));
        let delivery = Delivery {
            fault: decision.fault,
            head_only: request.is_head(),
            closes: request.flaw.is_some() || !request.keep_alive,
            released_events: decision.released_events.as_deref(),
        };
        let delivered = deliver(connection, &response, delivery).await;
        drop(decision.turn);
        delivered.unwrap_or_else(|_| {
            ticket.undelivered();
            NextStep::Close
        })
    }

    fn arrival(&self, request: &Request, head: &HeadRead) -> Arrival {
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
            rpc_method: request.json().and_then(rpc_method).map(str::to_owned),
            answered: "no response yet".to_owned(),
            session_issued: None,
            session_ended: None,
        }
    }
}

/// The response to a request that could not be read.
fn rejection(flaw: Flaw) -> Response {
    Response::empty(match flaw {
        // After `Cut` the peer is gone, but the record still names the status.
        Flaw::Malformed | Flaw::Cut => 400,
        Flaw::HeadTooLarge => 431,
        Flaw::BodyTooLarge => 413,
    })
}
