//! Probes the servers of a request, and ends the request if the outcomes refuse it.
//!
//! Which servers are probed and what their outcomes mean together is decided in the core.

use std::{slice, sync::Arc};

use tokio::time::{Duration, Instant};

use super::{
    plan::{PlannedUpstream, RequestContext},
    probe::{ProbeResult, probe},
    state::Gateway,
};
use crate::core::{
    access::{CallerId, ServerId},
    challenge::Profile,
    combine::{Refusals, combine_refusals},
    preflight::{Strategy, probe_targets},
    refusal::Refusal,
};

/// What the audit line says about the probes of a request.
pub(super) struct ProbeReport {
    /// The outcome of the one probe, or the outcome of each probe by server name.
    pub(super) outcomes: String,
    /// How long all probes took together.
    pub(super) duration: Duration,
}

/// The result of the probes of a request.
pub(super) struct Preflight<T> {
    /// Absent if no probe was sent.
    pub(super) report: Option<ProbeReport>,
    pub(super) result: Result<T, Refusal>,
}

impl<T> Preflight<T> {
    pub(super) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Preflight<U> {
        Preflight { report: self.report, result: self.result.map(convert) }
    }

    /// The result without a probe.
    pub(super) fn without_probes(result: Result<T, Refusal>) -> Self {
        Self { report: None, result }
    }
}

/// Probes the server of a request that only one server answers, if the strategy says so.
pub(super) async fn probe_single_server(
    gateway: &Arc<Gateway>,
    context: RequestContext,
    upstream: &PlannedUpstream,
) -> Preflight<()> {
    if gateway.config.strategy == Strategy::Deferred {
        return Preflight::without_probes(Ok(()));
    }
    let probes = match send_probes(gateway, context.caller, slice::from_ref(upstream)).await {
        Ok(probes) => probes,
        Err(refusal) => return Preflight::without_probes(Err(refusal)),
    };
    let refusal = refusal_by(gateway, context.profile, upstream, &probes.results);
    count_probes(gateway, &probes.results, refusal.is_none());
    Preflight {
        report: probes.report(gateway),
        result: refusal.map_or(Ok(()), Err),
    }
}

/// Servers that are sent the request, and those that refused before it was sent.
pub(super) struct UsableUpstreams {
    pub(super) upstreams: Vec<PlannedUpstream>,
    pub(super) refusals: Refusals,
}

/// Combines the plans for several servers, after probing those that can be probed if `is_probed`.
///
/// In profile `seed` one refusal ends the request. In the others the request proceeds without the
/// servers that refuse.
pub(super) async fn probe_several_servers(
    gateway: &Arc<Gateway>,
    context: RequestContext,
    planned: Vec<(ServerId, Result<PlannedUpstream, Refusal>)>,
    is_probed: bool,
) -> Preflight<UsableUpstreams> {
    let (mut upstreams, mut refusals) = (Vec::new(), Refusals::new());
    for (server, plan) in planned {
        match plan {
            Ok(upstream) => upstreams.push(upstream),
            Err(refusal) => drop(refusals.insert(server, refusal)),
        }
    }
    let probed = if is_probed { &upstreams[..] } else { &[] };
    let probes = match send_probes(gateway, context.caller, probed).await {
        Ok(probes) => probes,
        Err(refusal) => return Preflight::without_probes(Err(refusal)),
    };
    for upstream in &upstreams {
        let refusal = refusal_by(gateway, context.profile, upstream, &probes.results);
        refusals.extend(refusal.map(|refusal| (upstream.server, refusal)));
    }
    upstreams.retain(|upstream| !refusals.contains_key(&upstream.server));
    let remaining: Vec<ServerId> = upstreams.iter().map(|upstream| upstream.server).collect();
    let combined = combine_refusals(context.profile, &remaining, refusals);
    count_probes(gateway, &probes.results, combined.is_ok());
    Preflight {
        report: probes.report(gateway),
        result: combined.map(|refusals| UsableUpstreams { upstreams, refusals }),
    }
}

struct Probes {
    results: Vec<ProbeResult>,
    duration: Duration,
}

impl Probes {
    fn report(&self, gateway: &Gateway) -> Option<ProbeReport> {
        let outcomes = match &self.results[..] {
            [] => return None,
            [single] => single.outcome.to_string(),
            several => {
                let named = several.iter().map(|result| {
                    format!("{}={}", gateway.server_name(result.server), result.outcome)
                });
                named.collect::<Vec<_>>().join(",")
            }
        };
        Some(ProbeReport { outcomes, duration: self.duration })
    }
}

/// Probes the servers that are sent the caller's token.
async fn send_probes(
    gateway: &Arc<Gateway>,
    caller: CallerId,
    upstreams: &[PlannedUpstream],
) -> Result<Probes, Refusal> {
    let credentials = upstreams.iter().map(|upstream| (upstream.server, &upstream.credential));
    let targets = probe_targets(credentials);
    let started = Instant::now();
    let results = probe(gateway, caller, targets).await?;
    Ok(Probes { results, duration: started.elapsed() })
}

/// The refusal of a server that was probed, if it refused the token.
fn refusal_by(
    gateway: &Gateway,
    profile: Profile,
    upstream: &PlannedUpstream,
    results: &[ProbeResult],
) -> Option<Refusal> {
    let result = results.iter().find(|result| result.server == upstream.server)?;
    let refusal =
        Refusal::after_probe(result.outcome, profile, &upstream.discovery, &result.challenges)?;
    Some(refusal.about(gateway.server_name(upstream.server)))
}

fn count_probes(gateway: &Gateway, results: &[ProbeResult], has_proceeded: bool) {
    for result in results {
        if let Some(took) = result.took {
            let name = gateway.server_name(result.server);
            gateway.metrics.count_probe(name, result.outcome, took, has_proceeded);
        }
    }
}
