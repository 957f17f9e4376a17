//! Plans a request: one decision of the core after the other, as far as they go before anyone is asked.
//!
//! There is no I/O here, so that [`explain`](crate::explain) plans a request exactly as the server does.

use http::{HeaderMap, Method};

use super::answer::Refusal;
use crate::{
    config::Config,
    core::{
        access::{self, CallerId, ServerId},
        challenge::Discovery,
        credential::{self, Credential},
        discovery::ExternalUrl,
        fields,
        origin::{Origins, Page},
        preflight::{self, Strategy, Target},
        route::{Endpoint, Route},
        status::Failure,
    },
};

/// Whom a request is from and for, as far as it was found out; known of a refused one, too.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subject {
    pub(crate) caller: Option<CallerId>,
    pub(crate) server: Option<ServerId>,
    /// Whether a header for tokens held a gateway key, which was taken out.
    pub(crate) stripped: bool,
}

/// What is to be done for a request.
pub(crate) struct Plan {
    pub(crate) caller: CallerId,
    pub(crate) server: ServerId,
    pub(crate) credential: Credential,
    /// Where a challenge leads.
    pub(crate) discovery: Discovery,
    /// Who is asked first.
    pub(crate) targets: Vec<Target>,
}

/// Judges what comes before any caller: what `Connection` would take out, then the page that the request comes from (STA-19).
pub(crate) fn edge(config: &Config, origins: &Origins, route: &Route<'_>, headers: &HeaderMap) -> Result<Page, Failure> {
    if fields::hidden(headers, &config.keyring.header) {
        return Err(Failure::Hidden);
    }
    origins.page(route, headers).ok_or(Failure::ForeignOrigin)
}

/// Plans a request, or says how it is answered without asking anyone.
pub(crate) fn plan(
    config: &Config,
    external: &ExternalUrl,
    endpoint: &Endpoint<'_>,
    method: &Method,
    headers: &HeaderMap,
    subject: &mut Subject,
) -> Result<Plan, Refusal> {
    let admitted = config.keyring.admit(headers).map_err(Failure::Rejected)?;
    subject.caller = Some(admitted.caller);
    subject.stripped = admitted.stripped;
    if ![Method::POST, Method::GET, Method::DELETE].contains(method) {
        return Err(Failure::MethodNotAllowed.into());
    }
    let server = access::resolve(&config.caller(admitted.caller).grant, config.server_named(endpoint.server));
    subject.server = server;
    let server = server.ok_or(Failure::NoSuchServer)?;

    let discovery = external.discovery(endpoint);
    let configured = config.server(server);
    let credential = credential::assign(configured.credential.kind(), admitted.toward(&configured.name))
        .map_err(|_| Refusal::challenging(Failure::UnusableToken, config.profile, &discovery, &[]))?;
    let targets = match config.strategy {
        Strategy::Probe => preflight::targets([(server, &credential)]),
        Strategy::Deferred => Vec::new(),
    };
    Ok(Plan { caller: admitted.caller, server, credential, discovery, targets })
}
