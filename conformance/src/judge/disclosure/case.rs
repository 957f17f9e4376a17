//! Walks through everything that was captured of a case: which sink each part of it is, and which secret each find is there.
//!
//! Both are matters of relation: a server is one that the request is meant for, or not; a token is the one that the request came with, or
//! another. What may be where is the table's.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    Disclosure, Place,
    index::{Found, Index, Wanted},
    table::{Kind, PlaceKind, Sink},
};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{Deployment, names},
        token_script::TokenScript,
    },
    judge::observables::Subject,
    trace::{Arrival, Exchange, Headers, SecretKind, Trace, all_headers, header},
    upstreams::{ISSUER, MARK},
};

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// What a secret is, whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nature {
    Key,
    Admission,
    Token,
    Static,
    Minted,
    ClientSecret,
    /// Of this server.
    Session(String),
    ClientSession,
}

/// Secrets with what they are, ready to be looked for.
#[derive(Debug)]
pub struct Secrets {
    index: Index,
    natures: Vec<(String, Nature)>,
}

impl Secrets {
    /// The secrets of these cases, each once.
    #[must_use]
    pub fn of<'a>(deployment: &Deployment, traces: impl IntoIterator<Item = &'a Trace>) -> Self {
        let signature = signature(deployment);
        let mut all: BTreeSet<(Cow<'a, str>, Nature)> = BTreeSet::new();
        for trace in traces {
            for secret in &trace.secrets {
                let nature = match secret.kind {
                    SecretKind::GatewayKey if secret.value == signature => Nature::Admission,
                    SecretKind::GatewayKey => Nature::Key,
                    SecretKind::UpstreamToken => Nature::Token,
                    SecretKind::StaticToken => Nature::Static,
                    SecretKind::MintedToken => Nature::Minted,
                    SecretKind::ClientSecret => Nature::ClientSecret,
                };
                all.insert((Cow::Borrowed(&secret.value), nature));
            }
            let mut issued: BTreeSet<&str> = BTreeSet::new();
            for arrival in &trace.arrivals {
                for id in arrival.session_issued.iter().chain(&arrival.session_ended) {
                    issued.insert(id);
                    all.insert((Cow::Borrowed(id), Nature::Session(arrival.server.clone())));
                }
            }
            let given = trace
                .exchanges
                .iter()
                .flat_map(|exchange| all_headers(&exchange.headers, SESSION));
            all.extend(
                given
                    .filter(|id| !issued.contains(id))
                    .map(|id| (Cow::Borrowed(id), Nature::ClientSession)),
            );
            all.extend(strange_tokens(trace).map(|canary| (Cow::Owned(canary), Nature::Token)));
        }
        let mut natures: Vec<(String, Nature)> =
            all.into_iter().map(|(value, nature)| (value.into_owned(), nature)).collect();
        natures.dedup_by(|one, other| one.0 == other.0);
        let wanted = natures
            .iter()
            .map(|(value, nature)| Wanted { value, drawn_here: *nature != Nature::ClientSession });
        Self { index: Index::new(wanted), natures }
    }

    /// What of it is in a text that operators read.
    #[must_use]
    pub fn shown(&self, sink: Sink, text: &str) -> Vec<Disclosure> {
        let leak = |found: &Found| {
            Disclosure::of(sink, None, self.nature(found).plainly(), Place::BODY, found)
        };
        self.index.find(text).iter().filter_map(leak).collect()
    }

    /// Which kinds of secret a text holds, whoever reads it.
    #[must_use]
    pub fn kinds_in(&self, text: &str) -> BTreeSet<Kind> {
        self.index.find(text).iter().map(|found| self.nature(found).plainly()).collect()
    }

    fn nature(&self, found: &Found) -> &Nature {
        &self.natures[found.secret].1
    }
}

impl Nature {
    /// What it is where no request is at hand.
    fn plainly(&self) -> Kind {
        match self {
            Self::Key => Kind::GatewayKey,
            Self::Admission => Kind::AdmissionBearer,
            Self::Token => Kind::CallersToken,
            Self::Static => Kind::StaticToken,
            Self::Minted => Kind::MintedToken,
            Self::ClientSecret => Kind::ClientSecret,
            Self::Session(_) => Kind::Session,
            Self::ClientSession => Kind::ClientSession,
        }
    }
}

/// The part of the admitting bearer that is random.
fn signature(deployment: &Deployment) -> &str {
    deployment.admission_bearer.rsplit('.').next().unwrap_or_default()
}

/// The canaries of tokens of other cases, in what upstreams were sent beside the token that the request came with.
fn strange_tokens(trace: &Trace) -> impl Iterator<Item = String> + '_ {
    let known = |canary: &str| {
        trace.secrets.iter().any(|secret| secret.value == canary) || canary == TokenScript::NOBODYS
    };
    let texts = trace.arrivals.iter().flat_map(of_arrival).map(|(_, text)| text);
    let scripts = texts.filter_map(TokenScript::find);
    scripts.map(|script| script.canary).filter(move |canary| !known(canary))
}

/// What leaked in a case, in the order of what was captured.
#[must_use]
pub fn leaks(subject: &Subject<'_>) -> Vec<Disclosure> {
    let secrets = subject.secrets();
    let mut leaks = Vec::new();
    for arrival in &subject.trace.arrivals {
        let sink = sink_of(subject, arrival);
        each(&of_arrival(arrival), secrets, &mut leaks, |place, found| {
            if place.kind == PlaceKind::Body
                && is_written_by_client(subject, &secrets.natures[found.secret].0)
            {
                return None;
            }
            let kind = behind(subject, secrets, arrival, place, found);
            let leak = Disclosure::of(
                sink,
                Some(&arrival.server),
                kind.unwrap_or(Kind::GatewayKey),
                place,
                found,
            )?;
            // Whose requirement it is cannot be told where it cannot be told how the key had come in.
            Some(Disclosure {
                broken: if kind.is_none() { Vec::new() } else { leak.broken.clone() },
                ..leak
            })
        });
    }
    for exchange in subject.trace.exchanges.iter().filter(|exchange| exchange.status.is_some()) {
        let body = body_of(exchange);
        each(&of_exchange(exchange), secrets, &mut leaks, |place, found| {
            let sink = if place.kind == PlaceKind::Body { body } else { Sink::Head };
            Disclosure::of(sink, None, before(subject, secrets, exchange, found), place, found)
        });
    }
    leaks.extend(secrets.shown(Sink::Log, &subject.context.output));
    if let Some(metrics) = &subject.context.metrics {
        leaks.extend(secrets.shown(Sink::Metrics, &metrics.after));
    }
    leaks
}

/// Whether it stands in a message of the client's: who hands that on as it is does not speak.
fn is_written_by_client(subject: &Subject<'_>, value: &str) -> bool {
    subject.trace.exchanges.iter().any(|sent| sent.sent_body.contains(value))
}

fn each(
    texts: &[(Place<'_>, &str)],
    secrets: &Secrets,
    leaks: &mut Vec<Disclosure>,
    leak: impl Fn(Place<'_>, &Found) -> Option<Disclosure>,
) {
    for (place, text) in texts {
        leaks.extend(secrets.index.find(text).iter().filter_map(|found| leak(*place, found)));
    }
}

fn lines(headers: &Headers, kind: PlaceKind) -> impl Iterator<Item = (Place<'_>, &str)> {
    headers.iter().flat_map(move |(name, value)| {
        [(Place { name, kind }, value.as_str()), (Place { name, kind }, name.as_str())]
    })
}

fn of_arrival(arrival: &Arrival) -> Vec<(Place<'_>, &str)> {
    let head = lines(&arrival.headers, PlaceKind::Header);
    head.chain([(Place::TARGET, arrival.target.as_str()), (Place::BODY, arrival.body.as_str())])
        .collect()
}

fn of_exchange(exchange: &Exchange) -> Vec<(Place<'_>, &str)> {
    lines(&exchange.headers, PlaceKind::Header)
        .chain([(Place::BODY, exchange.body.as_str())])
        .collect()
}

fn body_of(exchange: &Exchange) -> Sink {
    if exchange.path.contains("/.well-known/") {
        Sink::Discovery
    } else if header(&exchange.headers, MARK).is_some() {
        Sink::RelayedBody
    } else if matches!(exchange.status, Some(400..)) {
        Sink::ErrorBody
    } else {
        Sink::Body
    }
}

fn sink_of(subject: &Subject<'_>, arrival: &Arrival) -> Sink {
    let deployment = &subject.context.deployment;
    if arrival.server == ISSUER {
        return Sink::Issuer;
    }
    match deployment.server(&arrival.server).map(|server| server.kind) {
        Some(ServerKind::NotPermitted) if !is_everyones(subject) => Sink::UngrantedServer,
        Some(ServerKind::Forwarding | ServerKind::NotPermitted)
            if is_meant(subject, &arrival.server) =>
        {
            Sink::ItsServer
        }
        Some(ServerKind::Forwarding | ServerKind::NotPermitted) => Sink::ForwardingServer,
        Some(ServerKind::Static) => Sink::StaticServer,
        Some(ServerKind::ClientCredentials) => Sink::MintedServer,
        Some(ServerKind::Open) => Sink::OpenServer,
        Some(ServerKind::Unknown | ServerKind::Aggregate) | None => Sink::Elsewhere,
    }
}

/// Whether a caller of the case may use every server.
fn is_everyones(subject: &Subject<'_>) -> bool {
    let (key_header, full) = (&subject.context.key_header, &subject.context.deployment.full_key);
    !full.is_empty()
        && subject
            .trace
            .exchanges
            .iter()
            .any(|sent| all_headers(&sent.sent_headers, key_header).any(|key| key.ends_with(full)))
}

/// Whether a request of the case is meant for this server: it names it, or nobody in particular.
fn is_meant(subject: &Subject<'_>, server: &str) -> bool {
    let parts = |text: &'_ str| -> Vec<String> {
        text.split(['/', '?', '&', '=', ',', ' ']).map(str::to_owned).collect()
    };
    let named = |exchange: &Exchange| {
        let path = exchange.path.split('?').next().unwrap_or_default();
        let asked: Vec<String> = parts(path)
            .into_iter()
            .chain(exchange.sent_headers.iter().flat_map(|(_, value)| parts(value)))
            .collect();
        let is_server = |part: &String| subject.context.deployment.server(part).is_some();
        // A route of several has one word, whatever it is, and one of toolsets has theirs.
        let words: Vec<String> = parts(path).into_iter().filter(|part| !part.is_empty()).collect();
        // Bytes of the client's own can hide another request in its body.
        let is_hidden = exchange.sent_body.contains(&format!("/{server}"));
        is_hidden
            || match asked.iter().any(is_server) {
                true => asked.iter().any(|part| part == server),
                false => words.len() < 2 || words.iter().any(|word| is_toolset(word)),
            }
    };
    match subject.matrix_case {
        Some(_) => subject.means(server),
        None => subject.trace.exchanges.iter().any(named),
    }
}

fn is_toolset(name: &str) -> bool {
    names::TOOLSETS.iter().any(|(toolset, _)| *toolset == name)
}

/// What a secret is to an upstream. Nothing where it is a key that came in more ways than one.
fn behind(
    subject: &Subject<'_>,
    secrets: &Secrets,
    arrival: &Arrival,
    place: Place<'_>,
    found: &Found,
) -> Option<Kind> {
    let (value, nature) = &secrets.natures[found.secret];
    match nature {
        Nature::Key if place.name.eq_ignore_ascii_case(&subject.context.key_header) => {
            Some(Kind::GatewayKey)
        }
        Nature::Key => {
            let ways: BTreeSet<Kind> = subject
                .trace
                .exchanges
                .iter()
                .filter_map(|sent| presented(subject, sent, value))
                .collect();
            match ways.len() {
                0 => Some(Kind::GatewayKey),
                1 => ways.first().copied(),
                _ => None,
            }
        }
        Nature::Token => {
            let own = all_headers(&arrival.headers, "authorization")
                .find_map(TokenScript::find)
                .map(|script| script.canary);
            Some(if own.is_none_or(|own| own == *value) {
                Kind::CallersToken
            } else {
                Kind::AnotherToken
            })
        }
        Nature::Session(server) if *server != arrival.server => Some(Kind::AnotherSession),
        nature => Some(nature.plainly()),
    }
}

/// What a secret is to the client that this was answered to.
fn before(subject: &Subject<'_>, secrets: &Secrets, exchange: &Exchange, found: &Found) -> Kind {
    let (value, nature) = &secrets.natures[found.secret];
    match nature {
        Nature::Key => presented(subject, exchange, value).unwrap_or(Kind::GatewayKey),
        Nature::Token => {
            let sent = exchange.sent_headers.iter().any(|(_, sent)| sent.contains(value))
                || exchange.path.contains(value);
            if sent { Kind::CallersToken } else { Kind::AnotherToken }
        }
        nature => nature.plainly(),
    }
}

/// How a request presented a key, if it did.
fn presented(subject: &Subject<'_>, sent: &Exchange, key: &str) -> Option<Kind> {
    let (key_header, token_header) =
        (subject.context.key_header.as_str(), subject.context.token_header.as_str());
    let holds = |name: &str| all_headers(&sent.sent_headers, name).any(|value| value.contains(key));
    let as_token = [token_header, "authorization"]
        .into_iter()
        .any(|name| name != key_header && holds(name));
    match (holds(key_header), as_token) {
        (true, true) => Some(Kind::KeyTwice),
        (true, false) => Some(Kind::GatewayKey),
        (false, true) => Some(Kind::KeyAsBearer),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::case::Case;

    fn trace(case: &Case, deployment: &Deployment) -> Trace {
        Trace {
            case: case.id.clone(),
            exchanges: Vec::new(),
            arrivals: Vec::new(),
            secrets: case.secrets(deployment),
        }
    }

    #[test]
    fn no_secret_of_a_case_is_mistaken_for_one_of_another() {
        let deployment = Deployment {
            admission_bearer: "eyJhbGciOiJSUzI1NiJ9.e30.qX2n8Lr5vT9wYb3k".into(),
            ..Deployment::default()
        };
        let cases: Vec<Case> = (0..1_200).map(|number| Case::new(7, number)).collect();
        let (some, others) = cases.split_at(600);
        let traces: Vec<Trace> = some.iter().map(|case| trace(case, &deployment)).collect();
        let secrets = Secrets::of(&deployment, &traces);
        let orders = [
            ("alpha".to_owned(), "401-full+oauth".to_owned()),
            ("beta".to_owned(), "200-json".to_owned()),
        ];
        let tokens = |case: &Case| {
            [
                case.script(&orders).token(),
                case.second_caller_script(&orders).token(),
                case.wrong_key.clone(),
            ]
        };
        for token in others.iter().flat_map(tokens) {
            assert_eq!(secrets.shown(Sink::Log, &token), [], "{token}");
        }
        for case in some {
            let found: Vec<usize> =
                tokens(case).iter().map(|token| secrets.shown(Sink::Log, token).len()).collect();
            assert_eq!(found, [1, 1, 1], "{}", case.id);
            let told = secrets.shown(Sink::Log, &case.script(&orders).token()[..10]);
            assert_eq!(
                told.iter().map(ToString::to_string).collect::<Vec<_>>(),
                ["caller's token in the log, its first 10 characters"]
            );
        }
    }

    #[test]
    fn what_every_secret_has_around_it_is_no_secret() {
        let deployment = Deployment {
            admission_bearer: "eyJhbGciOiJSUzI1NiJ9.e30.qX2n8Lr5vT9wYb3k".into(),
            ..Deployment::default()
        };
        let case = Case::new(7, 1);
        let secrets = Secrets::of(&deployment, [&trace(&case, &deployment)]);
        for text in [
            "Bearer sk-…",
            "authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.…",
            ".pf1.c1.401-full+oauth",
            "x-litellm-api-key: sk-a1b2c3d4",
        ] {
            assert_eq!(secrets.shown(Sink::Log, text), [], "{text}");
        }
    }
}
