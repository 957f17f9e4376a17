//! Words the model's challenges as its profile asks: its own, with what the upstream's said carried over, or the upstream's as they are.
//!
//! Decides neither who is refused nor with which status.

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};

use super::discovery::{AUTHORIZATION_SERVER, ELSEWHERE, RESOURCE};
use super::fault::Switch;
use super::gateway::{Ask, Gateway};
use crate::catalogue::Profile;
use crate::trace::challenge::{Challenge, Content, parse, parse_leniently};

/// What all challenges together may weigh (CHL-19).
const LIMIT: usize = 4096;

/// Where a fault puts challenges instead.
const REMAPPED: HeaderName = HeaderName::from_static("x-amzn-remapped-www-authenticate");

impl Gateway {
    /// Gives a 401 that the upstream caused its challenges (STA-01, CHL-01 to CHL-19).
    pub(super) fn challenge_401(
        &self,
        answer: &mut HeaderMap,
        ask: &Ask,
        upstream: &str,
        token_sent: bool,
        said: &HeaderMap,
    ) {
        let mut lines: Vec<HeaderValue> = Vec::new();
        if self.profile == Profile::Transparent || self.has(Switch::RelaysUpstreamChallenge) {
            lines.extend(said.get_all(WWW_AUTHENTICATE).iter().cloned());
        }
        if lines.is_empty() || self.profile != Profile::Transparent {
            lines.insert(0, self.challenge(ask, upstream, token_sent, said));
        } else if self.has(Switch::AddsAChallenge) {
            lines.push(self.challenge(ask, upstream, token_sent, said));
        }
        if self.has(Switch::ReordersChallenges) {
            lines.reverse();
        }
        let dpop = |line: &&HeaderValue| line.as_bytes().starts_with(b"DPoP");
        lines.extend(
            said.get_all(WWW_AUTHENTICATE)
                .iter()
                .filter(dpop)
                .filter(|_| self.has(Switch::KeepsDpop))
                .cloned(),
        );
        let name = if self.has(Switch::RenamesChallenge) {
            REMAPPED
        } else {
            WWW_AUTHENTICATE
        };
        for line in lines.into_iter().filter(|_| !self.has(Switch::NoChallengeOn401)) {
            answer.append(name.clone(), line);
        }
    }

    /// Gives a 403 what it may say: nothing, unless the upstream asked for more scope and the profile lets it (STA-06 to STA-08).
    pub(super) fn challenge_403(
        &self,
        answer: &mut HeaderMap,
        ask: &Ask,
        upstream: &str,
        token_sent: bool,
        said: &HeaderMap,
    ) {
        if self.has(Switch::Challenges403) {
            answer.insert(WWW_AUTHENTICATE, self.challenge(ask, upstream, token_sent, said));
            return;
        }
        match self.profile {
            Profile::Seed => {}
            Profile::Mcp => {
                let asks = |bearer: &Challenge| {
                    bearer.parameter("error") == Some("insufficient_scope")
                        && bearer.parameter("scope").is_some_and(|scope| !scope.trim().is_empty())
                };
                let steps_up = bearer(said).is_some_and(|bearer| asks(&bearer))
                    && !self.has(Switch::LosesStepUp);
                if steps_up || self.has(Switch::StepsUpAnyway) {
                    answer
                        .insert(WWW_AUTHENTICATE, self.challenge(ask, upstream, token_sent, said));
                }
            }
            Profile::Transparent => {
                for line in said.get_all(WWW_AUTHENTICATE) {
                    answer.append(WWW_AUTHENTICATE, line.clone());
                }
            }
        }
    }

    /// The model's own challenge; in profile `mcp` with what the upstream's Bearer challenge said.
    pub(super) fn challenge(
        &self,
        ask: &Ask,
        upstream: &str,
        token_sent: bool,
        said: &HeaderMap,
    ) -> HeaderValue {
        if self.has(Switch::BareBearer) {
            return HeaderValue::from_static("Bearer");
        }
        let (base, path) = (self.named_base(&ask.headers), ask.refused_at());
        let theirs = bearer(said).filter(|_| self.profile == Profile::Mcp);
        let carried = |name: &str| {
            theirs.as_ref().and_then(|theirs| theirs.parameter(name)).map(str::to_owned)
        };
        let mut line = Line {
            text: "Bearer".to_owned(),
            quote: if self.has(Switch::UnquotedChallenge) { "" } else { "\"" },
        };
        if self.profile != Profile::Mcp && !self.has(Switch::NoAuthorizationUri) {
            line.add("authorization_uri", &format!("{base}{AUTHORIZATION_SERVER}{path}"));
        }
        if self.has(Switch::ForeignResourceMetadata) {
            line.add("resource_metadata", &upstream.replace("/mcp", &format!("{RESOURCE}/mcp")));
        } else if !self.has(Switch::NoResourceMetadata) {
            let place = if self.has(Switch::DocumentsOtherwise) {
                ELSEWHERE
            } else {
                RESOURCE
            };
            line.add("resource_metadata", &format!("{base}{place}{path}"));
        }
        if (token_sent && !self.has(Switch::NoInvalidToken)) || self.has(Switch::ErrorWithoutToken)
        {
            line.add("error", &carried("error").unwrap_or_else(|| "invalid_token".to_owned()));
        }
        if let Some(scope) = carried("scope").filter(|_| !self.has(Switch::DropsScope)) {
            line.add(
                "scope",
                &if self.has(Switch::AddsOfflineAccess) {
                    format!("{scope} offline_access")
                } else {
                    scope
                },
            );
        }
        for name in ["error_description", "error_uri", "realm"] {
            if let Some(value) = carried(name).filter(|_| !self.has(Switch::DropsDescription)) {
                line.add(name, &value);
            }
        }
        if self.has(Switch::ChallengeLeaksUpstreamUrl) {
            line.add("error_description", &format!("refused by {upstream}"));
        }
        HeaderValue::try_from(line.text)
            .expect("a served path names a server of the plan, and only visible ASCII is added")
    }

    /// The URL that clients know the model by; a fault believes the request instead (CHL-07).
    fn named_base(&self, headers: &HeaderMap) -> String {
        let said = |name: HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let host = said(HeaderName::from_static("x-forwarded-host")).or_else(|| said(HOST));
        host.filter(|_| self.has(Switch::HostDerivedMetadata))
            .map_or_else(|| self.base_url.clone(), |host| format!("http://{host}"))
    }
}

/// A challenge that says the same in another order, another case and without the quotes that it does not need.
pub(super) fn respelled(line: &HeaderValue) -> Option<HeaderValue> {
    let mut challenges = parse(line.to_str().ok()?).ok()?;
    for challenge in &mut challenges {
        challenge.scheme.make_ascii_lowercase();
        let Content::Parameters(parameters) = &mut challenge.content else {
            continue;
        };
        parameters.reverse();
        for (at, parameter) in parameters.iter_mut().enumerate() {
            // RFC 6750 §3 wants the scope quoted.
            let is_token = parameter
                .value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            parameter.quoted = !is_token || parameter.value.is_empty() || parameter.name == "scope";
            if at % 2 == 0 {
                parameter.name.make_ascii_uppercase();
            }
        }
    }
    let lines: Vec<String> = challenges.iter().map(ToString::to_string).collect();
    HeaderValue::try_from(lines.join(",").replacen(' ', "   ", 1)).ok()
}

/// The upstream's first Bearer challenge.
fn bearer(said: &HeaderMap) -> Option<Challenge> {
    let lines = said
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    lines
        .flat_map(|line| parse_leniently(&line).unwrap_or_default())
        .find(|challenge| challenge.is("Bearer"))
}

/// A challenge in the making.
struct Line {
    text: String,
    quote: &'static str,
}

impl Line {
    /// Adds a parameter, unless it cannot be written or is too much (CHL-13, CHL-19).
    fn add(&mut self, name: &str, value: &str) {
        let quote = self.quote;
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let comma = if self.text.contains('=') { "," } else { "" };
        let parameter = format!("{comma} {name}={quote}{value}{quote}");
        if value.bytes().all(|byte| matches!(byte, 0x20..0x7f))
            && self.text.len() + parameter.len() <= LIMIT
        {
            self.text.push_str(&parameter);
        }
    }
}
