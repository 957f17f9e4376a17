//! Explains what the gateway would do with a request, before anyone is asked and without asking anyone.
//!
//! It plans the request as the server does and puts the plan into words. What a message holds and what servers answer is not known
//! here, and no secret is shown: of a token, only how long it is.

use std::fmt::Write;

use http::{HeaderMap, Method, header};

use crate::{
    config::{Config, CredentialSource, Server},
    core::{
        challenge::Profile,
        credential::{Credential, Owner},
        origin::AllowedOrigins,
        preflight::{self, Strategy},
        route::{Endpoint, Route},
        status::Failure,
    },
    gateway::{
        answer::Refusal,
        plan::{Plan, Subject, edge, plan},
    },
};

/// Explains a request to this path.
///
/// ```
/// use http::{HeaderMap, Method};
/// use mcp_preflight::{config::Config, explain::explain};
///
/// let key = "[[key]]\nname = \"alice\"\nvalue = { env = \"KEY\" }\nservers = \"all\"";
/// let config = Config::parse("preflight.toml", key, &|_| Some("sk-alice".into())).unwrap();
/// let text = explain(&config, &Method::POST, "/mcp/alpha", &HeaderMap::new());
/// assert!(text.contains("answer      401 Unauthorized: the gateway key is missing"));
/// ```
#[must_use]
pub fn explain(config: &Config, method: &Method, path: &str, headers: &HeaderMap) -> String {
    let mut said = Said(String::new());
    said.line("request", format_args!("{method} {path}"));
    let route = Route::parse(path);
    let origins = AllowedOrigins::new(&config.external(config.listen), &config.allowed_origins);
    if let Err(failure) = edge(config, &origins, &route, headers) {
        said.refusal(failure.into());
        return said.0;
    }
    match route {
        Route::Mcp(place) => serve(&mut said, config, method, place, headers),
        Route::ProtectedResourceMetadata(Endpoint::SingleServer(endpoint))
        | Route::AuthorizationServerMetadata(endpoint) => {
            match config.server_named(endpoint.server) {
                Some(server) => {
                    said.line("server", &config.server(server).name);
                    said.line(
                        "answer",
                        "the document that a challenge of this server leads to; anyone may have it",
                    );
                }
                None => said.refusal(Failure::UnknownPath.into()),
            }
        }
        Route::ProtectedResourceMetadata(Endpoint::Aggregate(_)) => {
            said.line(
                "answer",
                "where the tokens of these servers come from, together; anyone may have it",
            );
        }
        Route::Liveness | Route::Readiness => {
            said.line("answer", "a word for a load balancer; anyone may have it")
        }
        Route::Unknown => said.refusal(Failure::UnknownPath.into()),
    }
    said.0
}

fn serve(
    said: &mut Said,
    config: &Config,
    method: &Method,
    place: Endpoint<'_>,
    headers: &HeaderMap,
) {
    let mut subject = Subject::default();
    let planned =
        plan(config, &config.external(config.listen), place, method, headers, &mut subject);
    said.line("caller", subject.caller.map_or("nobody", |caller| &config.caller(caller).name));
    if subject.stripped {
        said.line("", "a header for tokens holds a gateway key, which goes no further");
    }
    match planned {
        Ok(plan) => proceed(said, config, place, &plan),
        Err(refusal) => {
            for server in &subject.servers {
                said.server(config.server(*server));
            }
            said.refusal(refusal);
        }
    }
}

fn proceed(said: &mut Said, config: &Config, place: Endpoint<'_>, plan: &Plan<'_>) {
    for party in plan.parties(config, &config.external(config.listen), &plan.servers) {
        let server = config.server(party.server);
        said.server(server);
        match &party.credential {
            Ok(credential) => {
                said.line("credential", worded(credential, &server.credential));
                said.line("owner", owner(credential));
                said.line("probe", probe(config, credential));
                if config.strategy == Strategy::Probe && credential.forwarded().is_some() {
                    said.line("", preflight::probe_message(server.protocol_version).1);
                }
            }
            Err(_) => said.line(
                "credential",
                "unusable: what the caller brought is not of a scheme that the server takes",
            ),
        }
    }
    let answer = match (place, plan.profile(config)) {
        (Endpoint::SingleServer(_), _) => "the server's own, judged by its head",
        (Endpoint::Aggregate(_), Profile::Seed) => {
            "the servers' together; whichever refuses, refuses the request"
        }
        (Endpoint::Aggregate(_), _) => {
            "the servers' together; those that refuse are named in it, and all of them refuse the request"
        }
    };
    said.line("answer", answer);
    if let Endpoint::Aggregate(_) = place {
        said.line(
            "",
            "a message for one of them, as tools/call, is asked of and answered by that one alone",
        );
    }
}

fn worded(credential: &Credential, source: &CredentialSource) -> String {
    match (credential, source) {
        (Credential::Forwarded(token), _) => {
            format!(
                "forwarded: the caller's, as it came, … ({} characters)",
                token.header_value().len()
            )
        }
        (Credential::Missing, _) => {
            "missing: the server is sent none, because the caller sent none for it".to_owned()
        }
        (Credential::Static, _) => "static: the bearer of the configuration".to_owned(),
        (Credential::ClientCredentials, CredentialSource::ClientCredentials(client)) => {
            format!("minted: a bearer from {}", client.token_url)
        }
        (Credential::ClientCredentials, _) => "minted".to_owned(),
        (Credential::None, _) => "none: the server is sent none".to_owned(),
    }
}

fn owner(credential: &Credential) -> &'static str {
    match credential.owner() {
        Owner::CallerWithToken | Owner::CallerWithoutToken => {
            "the caller, who is told if the server refuses"
        }
        Owner::Gateway => "the gateway: if the server refuses, the caller is told 502",
    }
}

fn probe(config: &Config, credential: &Credential) -> String {
    match config.strategy {
        Strategy::Deferred => {
            "none: strategy \"deferred\" judges the answer to the request itself".to_owned()
        }
        Strategy::Probe if credential.forwarded().is_none() => {
            "none: only a caller's own token is asked about".to_owned()
        }
        Strategy::Probe => {
            format!("for at most {} ms, with POST", config.deadlines.probe.as_millis())
        }
    }
}

/// What has been said so far.
struct Said(String);

impl Said {
    fn line(&mut self, about: &str, what: impl std::fmt::Display) {
        // Writing into a string cannot fail.
        let _written = writeln!(self.0, "{about:<12}{what}");
    }

    fn server(&mut self, server: &Server) {
        self.line("server", format_args!("{} at {}", server.name, server.url));
    }

    fn refusal(&mut self, refusal: Refusal) {
        self.line("answer", refusal.failure.message(refusal.named()));
        let response = refusal.response(None);
        for name in [header::WWW_AUTHENTICATE, header::ALLOW] {
            if let Some(value) = response.headers().get(&name).and_then(|value| value.to_str().ok())
            {
                self.line("", format_args!("{name}: {value}"));
            }
        }
        self.line("", "nobody is asked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
external_url = "https://gateway.example"
[[key]]
name = "alice"
value = { env = "KEY" }
servers = ["tickets", "wiki", "reports", "clock"]
[[server]]
name = "tickets"
url = "https://tickets.example/mcp"
forward = ["authorization"]
[[server]]
name = "wiki"
url = "https://wiki.example/mcp"
bearer = { env = "SECRET" }
[[server]]
name = "reports"
url = "https://reports.example/mcp"
client_credentials = { token_url = "https://login.example/token", client_id = "gateway", client_secret = { env = "SECRET" } }
[[server]]
name = "clock"
url = "http://127.0.0.1:9000/mcp"
[[server]]
name = "secret"
url = "https://secret.example/mcp"
"#;

    #[test]
    fn what_an_operator_is_told() {
        const KEY: (&str, &str) = ("x-litellm-api-key", "sk-canary");
        const TOKEN: (&str, &str) = ("authorization", "Bearer to-canary");
        let mut told = Vec::new();
        for (strategy, method, path, lines) in [
            ("probe", Method::POST, "/mcp/tickets", &[KEY, TOKEN][..]),
            ("deferred", Method::GET, "/tickets/mcp", &[KEY, TOKEN]),
            ("probe", Method::POST, "/mcp/tickets", &[("authorization", "Bearer sk-canary")]),
            (
                "probe",
                Method::POST,
                "/mcp/tickets",
                &[KEY, ("authorization", "Basic dG8tY2FuYXJ5")],
            ),
            ("probe", Method::POST, "/mcp/wiki", &[KEY, TOKEN]),
            ("probe", Method::POST, "/mcp/reports", &[KEY, TOKEN]),
            ("probe", Method::DELETE, "/mcp/clock", &[KEY]),
            ("probe", Method::POST, "/mcp/secret", &[KEY, TOKEN]),
            ("probe", Method::PUT, "/mcp/tickets", &[KEY, TOKEN]),
            (
                "probe",
                Method::POST,
                "/mcp/tickets",
                &[("x-litellm-api-key", "sk-canard"), TOKEN],
            ),
            ("probe", Method::POST, "/mcp/tickets", &[KEY, TOKEN, TOKEN]),
            (
                "probe",
                Method::POST,
                "/mcp/tickets",
                &[KEY, ("origin", "https://elsewhere.example")],
            ),
            (
                "probe",
                Method::POST,
                "/mcp/tickets",
                &[KEY, TOKEN, ("connection", "close, authorization")],
            ),
            ("probe", Method::POST, "/mcp/../tickets", &[KEY]),
            (
                "probe",
                Method::POST,
                "/mcp",
                &[KEY, TOKEN, ("x-mcp-tickets-authorization", "Digest x")],
            ),
            ("deferred", Method::POST, "/mcp/clock,tickets,clock", &[KEY, TOKEN]),
            (
                "deferred",
                Method::POST,
                "/mcp",
                &[KEY, TOKEN, ("x-mcp-servers", "clock, secret")],
            ),
            ("probe", Method::GET, "/.well-known/oauth-protected-resource/mcp/wiki", &[]),
            ("probe", Method::GET, "/healthz", &[]),
        ] {
            let config =
                Config::parse("test", &format!("strategy = \"{strategy}\"\n{CONFIG}"), &|_| {
                    Some("sk-canary".to_owned())
                })
                .unwrap();
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            told.push(explain(&config, &method, path, &headers));
        }
        let told = told.join("\n");
        assert!(!told.contains("canar") && !told.contains("dG8tY2"), "{told}");
        insta::assert_snapshot!(told);
    }
}
