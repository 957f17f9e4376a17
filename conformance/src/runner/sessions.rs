//! Opens the session of a case before its request, and ends it afterwards.
//!
//! Every gateway that is built on an MCP SDK with default settings answers 400 to a request without
//! a session. If an implementation does not declare `sessionless-requests`, the suite therefore
//! opens a session for each case of a session-based protocol version: `initialize`, then
//! `notifications/initialized`. Both happen in the healthy phase of the case, in which the mock
//! upstreams ignore the script of its token. The token of the session is thus the token of the
//! case. Requests that open or end a session are not part of the trace.
//!
//! A session is opened with the usual key and the token of the case, also if the case then presents
//! other credentials or none. MCP requires the credentials on every request and forbids the use of
//! sessions for authentication, so the credentials that opened a session must not change how a
//! gateway treats those of a later request. Every credential layout has a place for both, so there
//! is no case for which that is impossible.

use std::time::Duration;

use super::{
    case_session::{FailedOpening, OpenSession, Opening},
    driver::Driver,
};
use crate::{
    cases::axis::{Credentials, Method},
    catalogue::ProtocolVersion,
    client::{
        Request,
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind},
        session::ClientSession,
    },
};

/// How long the mock upstreams may take to finish the requests of an opening or an end.
const REST_WITHIN: Duration = Duration::from_secs(2);

/// The difference between the JSON-RPC ids of `initialize` and of the requests in the session.
///
/// A client must not use an id twice in a session.
const OPENING_ID_OFFSET: u64 = 1_000_000_000;

impl Driver {
    /// Whether the requests of a client of this version need a session that the suite opens.
    pub(super) fn needs_session(&self, protocol_version: ProtocolVersion) -> bool {
        self.requires_sessions && protocol_version != ProtocolVersion::V2026_07_28
    }

    /// Opens a session that the case needs. Makes a second attempt if the first one fails.
    ///
    /// # Errors
    ///
    /// Both attempts failed. The upstream requests of the second one then stay in the record.
    pub(super) async fn open_needed_session(
        &self,
        opening: &Opening,
        case: &Case,
    ) -> Result<OpenSession, FailedOpening> {
        if let Ok(session) = self.open_session(opening, case).await {
            return Ok(session);
        }
        self.upstreams.record().restart_case(&case.id);
        let session = self.open_session(opening, case).await.map_err(FailedOpening::twice)?;
        Ok(OpenSession { attempts: 2, ..session })
    }

    /// Opens a session in the healthy phase of the case, and removes its requests from the record.
    ///
    /// # Errors
    ///
    /// The gateway opened no session. Its upstream requests then stay in the record.
    pub(super) async fn open_session(
        &self,
        opening: &Opening,
        case: &Case,
    ) -> Result<OpenSession, FailedOpening> {
        let _healthy = self.upstreams.begin_healthy_phase(case.id.clone());
        let opened = self.send_opening(opening, case).await;
        let record = self.upstreams.record();
        let expected = self.remaining_sessions.expected(opening.servers);
        if !record.wait_until_settled(&case.id, expected, REST_WITHIN).await {
            self.remaining_sessions.observe(opening.servers, record.live_sessions(&case.id));
        }
        self.quiet_period(opening.company).await;
        if opened.is_ok() {
            record.restart_case(&case.id);
        }
        opened
    }

    async fn send_opening(
        &self,
        opening: &Opening,
        case: &Case,
    ) -> Result<OpenSession, FailedOpening> {
        let initialize = self.session_request(RequestKind::Mcp(Method::Initialize), opening, case);
        let first = self.client.send(&initialize).await;
        let Some(client) = ClientSession::opened_by(&first) else {
            return Err(FailedOpening::at("initialize", vec![first]));
        };
        let mut initialized = self.session_request(RequestKind::Initialized, opening, case);
        client.apply_to(&mut initialized);
        let second = self.client.send(&initialized).await;
        if !second.status.is_some_and(|status| (200..300).contains(&status)) {
            let exchanges = vec![first, second];
            return Err(FailedOpening::at("notifications/initialized", exchanges));
        }
        let mut end = self.session_request(RequestKind::Mcp(Method::Delete), opening, case);
        client.apply_to(&mut end);
        Ok(OpenSession { client, end, attempts: 1 })
    }

    /// Ends a session in the healthy phase of the case.
    ///
    /// The response does not matter: a gateway may answer 405, and the session may have ended.
    pub(super) async fn end_session(&self, session: &OpenSession, case: &Case) {
        if session.client.id.is_none() {
            return;
        }
        let _healthy = self.upstreams.begin_healthy_phase(case.id.clone());
        let _ = self.client.send(&session.end).await;
        self.upstreams
            .record()
            .wait_until_settled(&case.id, usize::MAX, REST_WITHIN)
            .await;
    }

    /// A request that opens or ends a session.
    fn session_request(&self, kind: RequestKind<'_>, opening: &Opening, case: &Case) -> Request {
        let case = Case { number: case.number + OPENING_ID_OFFSET, ..case.clone() };
        let mut request = CaseRequest {
            kind,
            protocol_version: opening.protocol_version,
            caller: Caller { credentials: Credentials::KeyAndToken, token: &opening.token },
            path: &opening.endpoint.path,
            case: &case,
            credential_layout: &self.credential_layout,
            deployment: &self.deployment_of(opening.caller),
        }
        .build();
        request.headers.extend(opening.endpoint.fields.iter().cloned());
        request
    }
}
