//! The positive control: a call that must reach a healthy upstream and return its response.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    case_session::{Company, Endpoint, OpenSession, Opening},
    driver::{Driver, needs_assigned_behaviour, token_for_all_servers},
};
use crate::{
    cases::{
        axis::{Credentials, Method},
        deployment::names,
        scenario::CallerName,
    },
    catalogue::{Feature, ProtocolVersion},
    client::{
        case::Case,
        case_request::{Caller, RequestKind},
    },
    trace::{Ending, Exchange},
};

/// The pause before each positive control while a gateway does not work.
const PAUSE: Duration = Duration::from_millis(500);

impl Driver {
    /// Sends a healthy `tools/list` and checks that it reached the upstream and was answered.
    ///
    /// Some gateways list tools from a store, without the upstream. If the upstream saw no
    /// `tools/list`, a `tools/call` must reach it.
    ///
    /// A passed control shows that the implementation still works, that earlier requests have been
    /// processed, and that a missing upstream request is a fact and not a failure of the record.
    ///
    /// # Errors
    ///
    /// A sentence that says what happened instead.
    pub(super) async fn positive_control(&self) -> Result<(), String> {
        self.healthy_call(self.control_server).await
    }

    /// Waits for at most this time until the positive control passes, and returns how long that
    /// took.
    pub(super) async fn recovers_within(&self, limit: Duration) -> Option<Duration> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            sleep(PAUSE).await;
            if self.positive_control().await.is_ok() {
                return Some(begin.elapsed());
            }
        }
        None
    }

    /// Sends a healthy call to each server, and ignores the results.
    ///
    /// A gateway that the suite did not start may have pooled connections and sessions of mock
    /// upstreams that an earlier process has closed. A call that uses one of them fails or makes
    /// the gateway open a new one. Afterwards, no case meets them.
    pub(super) async fn replace_pooled_connections(&self, features: &[Feature]) {
        let mut servers = vec![names::OPEN];
        if features.contains(&Feature::TokenForwarding) {
            servers.extend(names::FORWARDING);
        }
        if features.contains(&Feature::StaticCredential) {
            servers.push(names::STATIC);
        }
        self.call_healthy_servers(servers).await;
    }

    /// Sends a healthy call to each of these servers, and ignores the results: some gateways do not
    /// serve every server.
    pub(super) async fn call_healthy_servers<'a>(
        &self,
        servers: impl IntoIterator<Item = &'a str>,
    ) {
        for server in servers {
            let _ = self.healthy_call(server).await;
        }
    }

    async fn healthy_call(&self, server: &str) -> Result<(), String> {
        let case = self.case_numbers.next_case();
        let opening = Opening {
            endpoint: Endpoint {
                path: self.route.replace("{server}", server),
                fields: Vec::new(),
            },
            protocol_version: ProtocolVersion::default(),
            caller: CallerName::First,
            token: token_for_all_servers(&case, "200-json"),
            servers: 1,
            company: Company::Others,
        };
        let _assigned = if needs_assigned_behaviour(Credentials::KeyAndToken, server) {
            Some(self.upstreams.assign_behaviour(server, case.id.clone(), "200-json").await)
        } else {
            None
        };
        if !self.needs_session(opening.protocol_version) {
            return self.control_calls(server, &opening, None, &case).await;
        }
        let session = self
            .open_session(&opening, &case)
            .await
            .map_err(|failed| format!("in the positive control, {}", failed.reason))?;
        let result = self.control_calls(server, &opening, Some(&session), &case).await;
        self.end_session(&session, &case).await;
        result
    }

    async fn control_calls(
        &self,
        server: &str,
        opening: &Opening,
        session: Option<&OpenSession>,
        case: &Case,
    ) -> Result<(), String> {
        for (method, rpc_method) in
            [(Method::ToolsList, "tools/list"), (Method::ToolsCall, "tools/call")]
        {
            let exchange = self.control_call(method, opening, session, case).await;
            let arrivals = self.upstreams.record().arrivals(&case.id);
            if exchange.status != Some(200) || exchange.ending != Ending::Complete {
                let status =
                    exchange.status.map_or("no status".to_owned(), |status| status.to_string());
                return Err(format!(
                    "the positive control got {status}, {}; {server} saw {} of its requests",
                    exchange.ending.description(),
                    arrivals.len()
                ));
            }
            let has_reached_server = arrivals.iter().any(|arrival| {
                arrival.server == server && arrival.rpc_method.as_deref() == Some(rpc_method)
            });
            if has_reached_server {
                return Ok(());
            }
        }
        Err(format!(
            "the positive control got 200, but its tools/list and tools/call never reached {server}"
        ))
    }

    async fn control_call(
        &self,
        method: Method,
        opening: &Opening,
        session: Option<&OpenSession>,
        case: &Case,
    ) -> Exchange {
        let caller = Caller { credentials: Credentials::KeyAndToken, token: &opening.token };
        let kind = RequestKind::Mcp(method);
        let mut request =
            self.request(kind, opening.protocol_version, caller, &opening.endpoint.path, case);
        if let Some(session) = session {
            session.client.apply_to(&mut request);
        }
        self.client.send(&request).await
    }
}
