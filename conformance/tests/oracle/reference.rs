//! An independent implementation of the accepted statuses and credentials, so that an error in the
//! rules is found.
//!
//! It is written from the requirements, not from the rules.

use mcp_preflight_conformance::{
    cases::{
        axis::{Credentials as C, Method as M, ServerKind as S},
        matrix_case::MatrixCase,
    },
    catalogue::Profile,
};

/// The accepted statuses, and the accepted values of `upstream-credential`; empty if no rule
/// restricts them.
pub(crate) fn decide(matrix_case: &MatrixCase) -> (Vec<&'static str>, Vec<&'static str>) {
    let rejected = |status| (status, vec!["no-request"]);
    // In this profile, the upstream may judge the Authorization field, and it accepts everything.
    let relayed = (vec!["200", "202", "204", "299", "400", "401"], vec![]);
    match matrix_case.credentials {
        C::EmptyToken | C::TwoAuthorizationLines | C::MalformedToken
            if matrix_case.profile == Profile::Transparent =>
        {
            return relayed;
        }
        C::TokenOnly | C::WrongKeyAndToken | C::NoCredentials | C::EmptyToken => {
            return rejected(vec!["401"]);
        }
        C::TwoAuthorizationLines => return rejected(vec!["400"]),
        C::MalformedToken => return rejected(vec!["400", "401"]),
        C::KeyAndToken | C::KeyOnly | C::KeyInAuthorization | C::SameKeyTwice => {}
    }
    if matrix_case.server == S::Aggregate {
        // Whether the server refuses a request depends on the number of requests.
        if matrix_case.upstream.contains("200-then-401") {
            return (vec!["200", "401"], vec![]);
        }
        let outcomes: Vec<Outcome> = matrix_case.mix().map(Outcome::of).collect();
        let statuses = if matrix_case.method == M::ToolsCall {
            call(&outcomes)
        } else {
            several(matrix_case.profile, &outcomes)
        };
        return (statuses, vec![]);
    }
    let token = matrix_case.credentials == C::KeyAndToken;
    let saw = match (matrix_case.server, matrix_case.upstream.as_str()) {
        (S::Aggregate, _) => vec![],
        (S::NotPermitted | S::Unknown, _) => return rejected(vec!["403", "404"]),
        (S::Forwarding, "untrusted-tls" | "unresolvable-name") => vec!["no-request"],
        (S::Forwarding, "refused-port") => vec![],
        (S::Forwarding, _) if token => vec!["token"],
        (S::Forwarding | S::Open, _) => vec!["no-credential"],
        (S::Static | S::ClientCredentials, _) => vec!["server-credential"],
    };
    let request = !matches!(matrix_case.method, M::Notification | M::Get | M::Delete);
    let upstream = matrix_case.upstream.split('+').next().unwrap_or_default();
    let forwarded = token && matrix_case.server == S::Forwarding;
    // A refusal of a credential of the gateway is a 502: the client cannot correct it.
    let refusal = |status| {
        if matrix_case.server == S::Forwarding {
            vec![status]
        } else {
            vec!["502"]
        }
    };
    let healthy = match matrix_case.method {
        M::Initialize
        | M::ToolsList
        | M::ToolsCall
        | M::Discover
        | M::Listen
        | M::ResourcesRead
        | M::PromptsGet => vec!["200"],
        _ if !forwarded => vec!["200", "202", "204", "299", "405"],
        M::Notification => vec!["202"],
        M::Get => vec!["200"],
        M::Delete => vec!["200", "202", "204"],
    };
    let vague = || if request { vec!["502"] } else { vec!["200", "202", "204", "502"] };
    // RFC 9110 §15.6.3 to §15.6.5 require none of the three for a server that does not answer.
    let unreachable = vec!["502", "503", "504"];
    // A gateway in this profile may relay what is not an MCP response.
    let relays = matrix_case.profile == Profile::Transparent;
    let statuses = match upstream {
        "delete-405" if matrix_case.method == M::Delete => vec!["405"],
        "delete-never" if matrix_case.method == M::Delete => unreachable,
        "200-json" | "200-sse" | "slow-100" | "delete-405" | "delete-never" => healthy,
        "200-then-401" | "401-after-initialize" => vec!["200", "202", "204", "299", "401"],
        "200-then-403" => vec!["200", "202", "204", "299", "403"],
        "rpc-error-200" if request => vec!["200"],
        "rpc-error-200" => vec!["200", "202", "204", "405", "502"],
        "huge-header" => vec!["401"],
        "401-body-cut" if relays && forwarded => vec!["401", "502", "none"],
        name if name.contains("401") => refusal("401"),
        name if name.starts_with("403") => refusal("403"),
        "400" | "400-with-challenge" | "rpc-400" => vec!["400"],
        "404" | "rpc-404" => vec!["404"],
        "405" => vec!["405"],
        "406" => vec!["406"],
        "410" => vec!["410"],
        "415" => vec!["415"],
        "429-retry-after" => vec!["429"],
        "500" | "500-with-challenge" => vec!["500", "502"],
        "501" => vec!["501", "502"],
        "503" | "503-retry-after" => vec!["503"],
        "504" => vec!["504"],
        "never" | "stall-head" | "refused-port" | "unresolvable-name" | "untrusted-tls"
        | "reset-before-head" | "close-before-head" | "garbage" => unreachable,
        "html-200" | "wrong-type-200" if relays && matrix_case.method != M::Delete => {
            if matrix_case.method == M::Notification {
                vague()
            } else {
                vec!["200", "502"]
            }
        }
        "html-200" | "wrong-type-200" if matrix_case.method == M::Get => vec!["502"],
        "html-200" | "wrong-type-200" | "empty-200" => vague(),
        "bad-json-200" | "wrong-id-200" => vec!["200", "202", "204", "502"],
        "reset-after-head" | "reset-mid-body" | "truncated" | "bad-chunk" => vec!["200", "502"],
        "stall-body" => vec!["200", "502", "504"],
        "407" if relays => vec!["407", "502"],
        name if relays && name.starts_with("30") => vec!["301", "302", "307", "308", "502"],
        // 407 and 502 of a proxy, and redirects.
        _ => vec!["502"],
    };
    (statuses, saw)
}

/// The outcome of one of several servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Yes,
    Unauthorized,
    Forbidden,
    Nothing,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] =
        [Self::Yes, Self::Unauthorized, Self::Forbidden, Self::Nothing];

    fn of(behaviour: &str) -> Self {
        let behaviour = if behaviour == "late-401" { "401-full" } else { behaviour };
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.behaviour() == behaviour)
            .unwrap_or(Self::Nothing)
    }

    pub(crate) fn behaviour(self) -> &'static str {
        match self {
            Self::Yes => "200-json",
            Self::Unauthorized => "401-full",
            Self::Forbidden => "403-bare",
            Self::Nothing => "garbage",
        }
    }
}

/// The accepted statuses of a message to all servers, by the number of servers with each outcome.
pub(crate) fn several(profile: Profile, outcomes: &[Outcome]) -> Vec<&'static str> {
    let count = |wanted: Outcome| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    if profile != Profile::Seed && count(Outcome::Yes) > 0 {
        vec!["200"]
    } else if profile != Profile::Seed && (1..outcomes.len()).contains(&count(Outcome::Nothing)) {
        vec!["401", "403", "502", "504"]
    } else if count(Outcome::Unauthorized) > 0 {
        vec!["401"]
    } else if count(Outcome::Forbidden) > 0 {
        vec!["403"]
    } else if count(Outcome::Yes) > 0 {
        vec!["200"]
    } else {
        vec!["502", "503", "504"]
    }
}

/// The accepted statuses of a call to the second server, or to the only one.
fn call(outcomes: &[Outcome]) -> Vec<&'static str> {
    match outcomes.get(1).or(outcomes.first()) {
        Some(Outcome::Yes) => vec!["200"],
        Some(Outcome::Unauthorized) => vec!["401"],
        Some(Outcome::Forbidden) => vec!["403"],
        Some(Outcome::Nothing) | None => vec!["500", "502", "504"],
    }
}

/// The server that the challenge must name.
pub(crate) fn named(outcomes: &[Outcome]) -> Option<usize> {
    (0..outcomes.len()).find(|&n| outcomes[n] == Outcome::Unauthorized)
}
