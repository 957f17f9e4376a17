//! Declares every decision of the model gateway that a defect or a variant can change, each with
//! the correct choice.
//!
//! A choice is a plain value, or a function of what the decision depends on. The gateway asks for a
//! choice where it applies it, so that [`Decisions`] can tell whether a deviation was ever reached.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use hyper::body::Incoming;
use serde_json::Value;

use super::{
    aggregate_names::{ToolName, prefixed_name},
    aggregate_verdict::{AggregateRefusal, PartRefusal, combine},
    caller::GatewayKey,
    challenge::{Parameters, UpstreamRefusal, own_challenge},
    client_request::{ClientFacts, ClientRequest},
    credential::{CredentialSource, Forwarding, credential_source, is_forwarded},
    disposition::{Disposition, UpstreamHead, disposition},
    layout::{self, Layout, RESOURCE_METADATA},
    probe_request::probe_request,
    probe_result::{ProbeOutcome, outcome_of},
    relay::{Body, Pending, is_relayed},
    rpc_response::error,
    upstream_request::{UpstreamError, UpstreamRequest},
};
use crate::{
    cases::{axis::ServerKind, deployment::ConfiguredServer},
    catalogue::Profile,
};

/// A response to the client that is not ready yet.
pub(super) type PendingResponse = Pending<'static, Response<Body>>;

/// The response to a request that the gateway sent.
pub(super) type PendingUpstreamResponse<'a> =
    Pending<'a, Result<Response<Incoming>, UpstreamError>>;

/// Sends a request to an upstream.
pub(super) type SendToUpstream<'a> =
    dyn Fn(UpstreamRequest) -> PendingUpstreamResponse<'a> + Sync + 'a;

/// One decision: the choice, and whether it deviates from the correct one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision<T> {
    choice: T,
    deviates: bool,
}

impl<T> Decision<T> {
    /// Replaces the correct choice.
    pub(super) fn change(&mut self, choice: T) {
        *self = Self { choice, deviates: true };
    }
}

/// The decisions of one model gateway.
#[derive(Clone, Debug)]
pub struct Decisions {
    choices: Box<Choices>,
    deviate: bool,
    reached: Arc<AtomicBool>,
}

impl Decisions {
    /// The decisions of the model gateway without a defect.
    #[must_use]
    pub fn correct() -> Self {
        Self {
            choices: Box::new(CORRECT),
            deviate: false,
            reached: Arc::default(),
        }
    }

    /// The correct decisions, except those that `deviation` changes.
    pub(super) fn deviating(deviation: fn(&mut Choices)) -> Self {
        let mut choices = Box::new(CORRECT);
        deviation(&mut choices);
        Self { choices, deviate: true, reached: Arc::default() }
    }

    /// Paths, header fields and the separator in tool names.
    #[must_use]
    pub fn layout(&self) -> &'static Layout {
        self.chosen_layout()
    }

    /// Whether any decision deviates from the correct one.
    #[must_use]
    pub fn deviate(&self) -> bool {
        self.deviate
    }

    /// Whether a gateway with these decisions has applied one that deviates. Clones share the
    /// result.
    #[must_use]
    pub fn deviation_was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    fn choice<T: Copy>(&self, decision: Decision<T>) -> T {
        if decision.deviates {
            self.reached.store(true, Ordering::Relaxed);
        }
        decision.choice
    }
}

/// Declares the decisions: for each a field that a deviation can change, and a method by which the
/// gateway asks for the choice.
macro_rules! decisions {
    ($($(#[$doc:meta])* $name:ident: $choice:ty = $correct:expr;)+) => {
        /// What a deviation can change.
        #[derive(Clone, Debug)]
        pub(super) struct Choices {
            $($(#[$doc])* pub(super) $name: Decision<$choice>,)+
        }

        const CORRECT: Choices = Choices {
            $($name: Decision { choice: $correct, deviates: false },)+
        };

        impl Decisions {
            $($(#[$doc])* pub(super) fn $name(&self) -> $choice {
                self.choice(self.choices.$name)
            })+
        }
    };
}

decisions! {
    // Connections and HTTP messages.

    /// Whether a server outside this machine may be configured without TLS (SEC-07).
    allows_cleartext_upstream: bool = false;
    /// The size limit of a request head in bytes, if it is not the library's (SEC-05).
    head_limit: Option<usize> = None;
    /// Whether the fields that `Connection` names are removed from a request before it is read,
    /// `Authorization` included (SEC-06).
    removes_named_fields: bool = false;
    /// Whether a connection that begins with the HTTP/2 preface is served with HTTP/2.
    speaks_http2: bool = false;
    /// Whether an invalid header field line is skipped instead of rejected (SEC-04).
    skips_invalid_field_lines: bool = false;
    /// Whether field names are written in title case.
    title_case_field_names: bool = false;
    /// Whether a connection stays open after a response.
    keeps_connections: bool = true;
    /// How many bytes at the start of a connection are written in pieces of three bytes.
    bytes_in_small_pieces: usize = 0;
    /// Changes bytes of a client's connection before they are parsed.
    received_bytes: fn(&mut [u8]) = |_| {};
    /// Whether a request to an upstream ends when the client disconnects (STR-09).
    cancels_on_disconnect: bool = true;
    /// Whether a message that is too large is answered with 413 (SEC-05).
    answers_oversized_message: bool = true;
    /// Whether a page of a foreign origin may use the gateway (SEC-03).
    allows_foreign_origin: bool = false;
    /// The fields of a response that a page may read (CHL-21).
    exposed_fields: &'static str = "www-authenticate, mcp-session-id";
    /// The last change to a response before it is sent.
    final_response: fn(Response<Body>, &ClientFacts) -> PendingResponse =
        |response, _| Box::pin(ready(response));
    /// Paths, header fields and the separator in tool names.
    chosen_layout: &'static Layout = &layout::STANDARD;

    // Admission and access.

    /// Whether a repeated `Authorization` field is accepted, and the first is used (CRD-06).
    accepts_repeated_authorization: bool = false;
    /// Whether a gateway key in `Authorization`, without the key's own field, is forwarded as a
    /// token (CRD-02, CRD-05).
    forwards_admitting_credential: fn(GatewayKey) -> bool = |_| false;
    /// Whether two different gateway keys in one request are rejected (CRD-15).
    rejects_conflicting_keys: bool = true;
    /// Whether a gateway key in both fields is forwarded as a token (CRD-04).
    forwards_repeated_key: bool = false;
    /// The token of a request without `Authorization` (CRD-09).
    token_from_uri: fn(&Uri) -> Option<HeaderValue> = |_| None;
    /// Whether this value of `Authorization` is forwarded without being checked (CRD-08, CRD-14).
    forwards_unchecked: fn(&HeaderValue) -> bool = |_| false;
    /// Whether a token for one server is forwarded to any server (CRD-11).
    forwards_token_of_other_server: bool = false;
    /// A response that is sent before the gateway key is checked (STA-19, OPN-15).
    response_before_admission:
        fn(Option<&ConfiguredServer>) -> Option<(StatusCode, &'static str)> = |_| None;
    /// Whether a caller without a valid key gets its token probed (CRD-16, GATE-01).
    probes_before_admission: bool = false;
    /// Whether the header fields of a stateless message are compared with the message (SEC-11).
    checks_mirrored_fields: bool = true;
    /// Whether a path that ends with a slash is answered with a redirect (DSC-08).
    redirects_trailing_slash: bool = false;
    /// Whether a server that the configuration disables is served (GATE-10).
    serves_disabled_server: bool = false;
    /// The server that is meant by a name outside the configuration (GATE-03, SEC-02).
    unconfigured_server: fn(&str) -> Option<ConfiguredServer> = |_| None;
    /// The server name that a name in a path stands for (GATE-01, GATE-03).
    server_name: fn(&str) -> &str = |name| name;
    /// Whether the gateway connects to a server before it checks whether the caller may use it
    /// (GATE-01).
    connects_before_access: bool = false;
    /// The server that is probed although the caller may not use it, from the name in the request
    /// and whether it is configured (GATE-01, GATE-10).
    probe_without_access: fn(&str, bool) -> Option<&str> = |_, _| None;
    /// Whether a server that the caller cannot use is answered with 403 instead of 404, from
    /// whether it is configured (GATE-07).
    forbids_inaccessible_server: fn(bool) -> bool = |_| false;
    /// Whether a request of a session-based version needs a session that the gateway knows.
    requires_session: bool = false;
    /// Whether sessions are hidden from clients, and session ids of clients ignored (SEC-08).
    keeps_no_sessions: bool = false;
    /// Whether a session is accepted only from the caller that opened it (SEC-08).
    checks_session_owner: bool = true;

    // Credentials towards upstreams.

    /// Whether a token-forwarding server needs a token from the caller (GATE-06).
    requires_token: bool = false;
    /// Whose credential a server receives (CRD-01, CRD-12, CRD-13).
    credential_source: fn(&ConfiguredServer, &ClientRequest, bool) -> CredentialSource =
        |server, _, _| credential_source(server.kind);
    /// The `Authorization` that a server receives (CRD-07).
    authorization_value: fn(&HeaderValue) -> HeaderValue = HeaderValue::clone;
    /// Whether a field of the client's request is forwarded, with the name of the key's field
    /// (CRD-03, CRD-10, SEC-12).
    forwards_field: fn(&HeaderName, &str) -> bool = |name, _| is_forwarded(name);
    /// The last change to the client's request before it is forwarded.
    forwarded_request: fn(UpstreamRequest, &Forwarding<'_>) -> UpstreamRequest =
        |request, _| request;
    /// The last change to any request to an upstream.
    upstream_request: fn(UpstreamRequest) -> UpstreamRequest = |request| request;
    /// Whether connections to upstreams are reused (PRB-04).
    pools_connections: bool = true;
    /// The time limit of a request to an upstream.
    deadline: fn(Duration) -> Duration = |limit| limit;
    /// Whether an upstream's redirect is followed (PRB-13).
    follows_redirects: bool = false;

    // Probes.

    /// Whether a token is probed before the request is forwarded.
    probes_tokens: bool = true;
    /// Whether servers of this kind are probed (GATE-04, GATE-05).
    probes_servers_of: fn(ServerKind) -> bool =
        |kind| matches!(kind, ServerKind::Forwarding | ServerKind::NotPermitted);
    /// How many probes one request sends to a server (PRB-12).
    probes_per_request: usize = 1;
    /// How long an accepted token is not probed again (PRB-16).
    acceptance_lifetime: Option<Duration> = None;
    /// Whether a rejected token is rejected from then on without a probe (PRB-16).
    remembers_rejection: bool = false;
    /// Whether the probes of one token wait for each other (PRB-01).
    serializes_probes: bool = false;
    /// The probe of a server with a token (PRB-04 to PRB-07, PRB-19).
    probe_request: fn(&ConfiguredServer, &HeaderValue) -> UpstreamRequest = probe_request;
    /// Whether a probe without a response is sent again (PRB-12).
    retries_failed_probe: bool = false;
    /// What the status of a probe's response means (STA-01, STA-05, PRB-18).
    probe_outcome: fn(StatusCode) -> ProbeOutcome = outcome_of;
    /// Whether a refusal counts only after its body has arrived (PRB-14).
    waits_for_refusal_body: bool = false;
    /// Whether the session that a probe opened is ended (PRB-08).
    ends_probe_session: bool = true;
    /// Whether the session of a probe is ended with the token of the probe (PRB-08).
    ends_session_with_token: bool = true;
    /// Whether the response waits for the end of the probe's session (PRB-09).
    waits_for_session_end: bool = false;
    /// Whether the body of a probe's response is read (PRB-15).
    reads_probe_body: bool = false;
    /// Whether the client is given the session of the probe (PRB-11).
    returns_probe_session: bool = false;
    /// Whether a probe without a response in time rejects the request (OPN-05).
    rejects_after_probe_timeout: bool = false;
    /// Whether a 401 after a successful probe is ignored (STR-03).
    trusts_probe_over_401: bool = false;

    // Responses of upstreams.

    /// The status if an upstream gives no response (STA-12, OPN-01 to OPN-04).
    status_of_failure: fn(UpstreamError) -> StatusCode = |failure| match failure {
        UpstreamError::Unreachable => StatusCode::BAD_GATEWAY,
        UpstreamError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    };
    /// What becomes of an upstream's response (STA-01 to STA-15, OPN-07 to OPN-10).
    disposition: fn(&UpstreamHead<'_>) -> Disposition = disposition;
    /// Whether a refusal of the gateway's own credential is hidden from the client (STA-11).
    hides_refusal_of_own_credential: bool = true;
    /// The name of a server in an error message (OBS-05).
    server_in_errors: fn(&ConfiguredServer) -> &str = |server| &server.name;
    /// Whether a field of an upstream's response is relayed, from whether `Connection` lists it
    /// (SEC-06, STA-13).
    relays_field: fn(&HeaderName, bool) -> bool = is_relayed;
    /// Whether a body that breaks off ends as if it were complete (OPN-11).
    completes_broken_bodies: bool = false;
    /// Whether a response is read completely before its head is sent.
    buffers_responses: bool = false;
    /// Whether GET opens an event stream.
    offers_get_stream: bool = true;
    /// Sends the response head: the correct gateway waits for the upstream's head (STR-01).
    commit: fn(&Value, PendingResponse) -> PendingResponse =
        |_, response| response;

    // Refusals.

    /// A response that is sent instead of a 401 (STA-01 to STA-04).
    response_instead_of_401: fn(&ClientRequest) -> Option<Response<Body>> = |_| None;
    /// How long a 401 is held back (STR-02).
    delay_of_401: Duration = Duration::ZERO;
    /// Whether an upstream 403 is answered with 401 (STA-05).
    answers_403_with_401: bool = false;
    /// The first words of a 403's message (STA-20).
    message_of_403: &'static str = "403 Forbidden";
    /// The body of a refusal (STA-17, STA-18).
    refusal_body: fn(&ClientRequest, StatusCode, &str) -> Response<Body> = error;
    /// `Cache-Control` of a refusal (CHL-22).
    refusal_cache_control: Option<&'static str> = Some("no-store");
    /// The challenge of a refusal of the gateway's own (CRD-17, CHL-14).
    /// The second argument writes the challenge of the endpoint.
    own_challenge: fn(&ClientRequest, &dyn Fn() -> HeaderValue) -> HeaderValue =
        |_, _| own_challenge();

    // Challenges and metadata.

    /// The challenges of a 401, from the correct ones (CHL-01, CHL-08, CHL-16).
    challenges_of_401: fn(Vec<HeaderValue>, &UpstreamRefusal<'_>) -> Vec<HeaderValue> =
        |challenges, _| challenges;
    /// The field that holds the challenges of a 401 (CHL-01).
    challenge_field: &'static str = "www-authenticate";
    /// Whether a 403 carries a challenge, from whether the upstream asks for more scope (STA-06 to
    /// STA-08).
    challenges_403: fn(Profile, bool) -> bool = |profile, asks| profile == Profile::Mcp && asks;
    /// The parameters of a challenge, from the correct ones (CHL-04, CHL-05, CHL-09 to CHL-12).
    challenge_parameters: fn(Parameters, &UpstreamRefusal<'_>) -> Parameters =
        |parameters, _| parameters;
    /// What encloses the value of a challenge's parameter (CHL-03).
    challenge_quote: &'static str = "\"";
    /// The gateway's URL in a challenge, from the configured one and the client's fields (CHL-07).
    public_url: fn(&str, &HeaderMap) -> String = |configured, _| configured.to_owned();
    /// The path before that of the endpoint to which challenges refer for metadata.
    metadata_path: &'static str = RESOURCE_METADATA;
    /// Whether metadata is served only with credentials (DSC-04).
    metadata_needs_credentials: bool = false;
    /// Whether a request for metadata sends a probe (GATE-08).
    probes_for_metadata: bool = false;
    /// Work that is done before a server's metadata is served (DSC-05).
    before_metadata: for<'a> fn(&'a SendToUpstream<'a>, &'a ConfiguredServer) -> Pending<'a, ()> =
        |_, _| Box::pin(ready(()));
    /// Whether protected resource metadata is served under the path of its endpoint (DSC-01).
    serves_metadata_of_paths: bool = true;
    /// The protected resource metadata of a server, from the correct document (DSC-02, DSC-03).
    resource_metadata: fn(Value, &ConfiguredServer, &str) -> Value = |document, _, _| document;
    /// The media type of protected resource metadata.
    metadata_media_type: &'static str = "application/json";

    // Aggregate endpoints.

    /// Whether an unknown name in a selection selects every server (GATE-03).
    widens_unknown_selection: bool = false;
    /// Whether a server that is named several times is contacted once (GATE-11).
    removes_duplicates: bool = true;
    /// Whether a toolset restricts the servers (GATE-02).
    applies_toolsets: bool = true;
    /// Whether an aggregate session is accepted only from the caller that opened it (SEC-08).
    checks_aggregate_session_owner: bool = true;
    /// Whether `initialize` is answered without a request to any server (AGG-01).
    answers_initialize_itself: bool = false;
    /// Whether a call to one server needs the acceptance of every server (AGG-10).
    probes_all_servers_for_call: bool = false;
    /// Whether the mirrored name is replaced along with the name in the message (SEC-12).
    renames_mirrored_name: bool = true;
    /// Whether the gateway waits for every probe (AGG-07).
    waits_for_all_probes: bool = true;
    /// Whether a server that does not respond hides the refusals of others (AGG-08).
    timeout_hides_refusals: bool = false;
    /// Whether a request that every server fails becomes an empty success (AGG-03, STA-04).
    succeeds_when_all_fail: bool = false;
    /// The refusal that the refusals of several servers amount to (AGG-01, AGG-06).
    aggregate_refusal: fn(&[Option<PartRefusal>]) -> Option<AggregateRefusal> = combine;
    /// Whether a token is sent to every protection space (AGG-04).
    sends_token_to_every_space: bool = false;
    /// The name of a tool or prompt in an aggregate list (AGG-09, AGG-13).
    aggregate_name: fn(&ToolName<'_>) -> String = prefixed_name;
    /// Whether a partial result names the servers that failed (AGG-02).
    reports_failed_servers: bool = true;
    /// The cache scope and the lifetime in milliseconds of a stateless aggregate result (AGG-12).
    aggregate_cache: (&'static str, u64) = ("private", 0);

    // Observability.

    /// Whether a name outside the configuration becomes a metric's label (OBS-02).
    labels_unknown_servers: bool = false;
    /// What a log line shows of the key and the token (OBS-01).
    logged_credentials: fn(&str, &str) -> String = |_, _| String::new();
    /// Whether a refusal is logged as an error (OBS-03).
    logs_refusals_as_errors: bool = false;
    /// Whether a response names its log line (OBS-04).
    returns_request_id: bool = true;
    /// A further label of the request metric, from the token (OBS-01, OBS-02).
    request_label: fn(&str) -> String = |_| String::new();
    /// The metric to which the time of a probe is added (PRB-17).
    probe_time_metric: &'static str = "model_probe_seconds_sum";
    /// The label for the cause of an inconclusive probe (OPN-17).
    inconclusive_cause: fn(&'static str) -> &'static str = |cause| cause;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deviating_decision_counts_as_reached() {
        let decisions = Decisions::deviating(|choices| choices.follows_redirects.change(true));
        assert!(decisions.pools_connections());
        assert!(!decisions.deviation_was_reached());
        let copy = decisions.clone();
        assert!(copy.follows_redirects());
        assert!(decisions.deviation_was_reached());
    }
}
