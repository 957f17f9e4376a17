//! Explains what the gateway would do with a request, without sending anything to a server.
//!
//! The request is planned as the server plans it, and the plan is written as text. The text cannot
//! say what depends on the message or on the response of a server. It shows no secret: of a token
//! only its length.

use std::fmt::{Display, Write};

use http::{HeaderMap, Method, header};

use crate::{
    config::{Config, CredentialSource},
    core::{
        access::ServerId,
        challenge::Profile,
        credential::{Credential, Owner},
        discovery::ExternalUrl,
        origin::AllowedOrigins,
        preflight::{Strategy, probe_message},
        refusal::Refusal,
        route::{Endpoint, Route},
        status::Failure,
    },
    gateway::plan::{
        AggregatePlan, Plan, Planned, PlannedUpstream, SingleServerPlan, check_page_access, plan,
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
    let mut explanation = Explanation {
        config,
        external: config.external(config.listen),
        text: String::new(),
    };
    explanation.line("request", format_args!("{method} {path}"));
    explanation.route(method, path, headers);
    explanation.text
}

/// The text that has been written so far.
struct Explanation<'c> {
    config: &'c Config,
    external: ExternalUrl,
    text: String,
}

impl Explanation<'_> {
    fn route(&mut self, method: &Method, path: &str, headers: &HeaderMap) {
        let route = Route::parse(path);
        let origins = AllowedOrigins::new(&self.external, &self.config.allowed_origins);
        if let Err(failure) = check_page_access(self.config, &origins, &route, headers) {
            self.refusal(&failure.into());
            return;
        }
        match route {
            Route::Mcp(endpoint) => self.mcp(endpoint, method, headers),
            Route::ProtectedResourceMetadata(Endpoint::SingleServer(endpoint))
            | Route::AuthorizationServerMetadata(endpoint) => self.metadata(endpoint.server),
            Route::ProtectedResourceMetadata(Endpoint::Aggregate(_)) => self.line(
                "answer",
                "the OAuth metadata of all servers of this endpoint, for any client",
            ),
            Route::Liveness | Route::Readiness => {
                self.line("answer", "a plain-text status for load balancers, for any client");
            }
            Route::Unknown => self.refusal(&Failure::UnknownPath.into()),
        }
    }

    fn metadata(&mut self, server: &str) {
        match self.config.server_named(server) {
            Some(server) => {
                self.line("server", &self.config.server(server).name);
                self.line(
                    "answer",
                    "the OAuth metadata that a challenge of this server refers to, for any client",
                );
            }
            None => self.refusal(&Failure::UnknownPath.into()),
        }
    }

    fn mcp(&mut self, endpoint: Endpoint<'_>, method: &Method, headers: &HeaderMap) {
        let Planned { subject, plan } =
            plan(self.config, &self.external, endpoint, method, headers);
        let caller = subject.caller.map(|caller| &self.config.caller(caller).name);
        self.line("caller", caller.map_or("not identified", String::as_str));
        if subject.key_removed {
            self.line(
                "",
                "a header field for upstream tokens contains a gateway key, which is not forwarded",
            );
        }
        match plan {
            Ok(Plan::SingleServer(plan)) => self.single_server(&plan),
            Ok(Plan::Aggregate(plan)) => self.aggregate(&plan),
            Err(refusal) => {
                for server in &subject.servers {
                    self.server(*server);
                }
                self.refusal(&refusal);
            }
        }
    }

    fn single_server(&mut self, plan: &SingleServerPlan) {
        self.upstream(&plan.upstream);
        self.line("answer", "the response of the server, or a refusal that its head causes");
    }

    fn aggregate(&mut self, plan: &AggregatePlan<'_>) {
        for (server, planned) in plan.upstreams(self.config, &self.external, &plan.servers) {
            match planned {
                Ok(upstream) => self.upstream(&upstream),
                Err(_unusable) => {
                    self.server(server);
                    self.line(
                        "credential",
                        "unusable: the server does not accept the scheme that the caller sent",
                    );
                }
            }
        }
        let answer = match plan.profile {
            Profile::Seed => "the combined answers of the servers; one refusal refuses the request",
            Profile::Mcp | Profile::Transparent => {
                "the combined answers of the servers, which name those that refuse; the request is \
                 refused if all servers refuse"
            }
        };
        self.line("answer", answer);
        self.line("", "a message for one server, such as tools/call, is sent to that server only");
    }

    fn upstream(&mut self, upstream: &PlannedUpstream) {
        let PlannedUpstream { server, credential, .. } = upstream;
        let configured = self.config.server(*server);
        self.server(*server);
        self.line("credential", credential_text(credential, &configured.credential));
        self.line("owner", owner_text(credential));
        self.line("probe", self.probe_text(credential));
        if self.config.strategy == Strategy::Probe && credential.forwarded().is_some() {
            self.line("", probe_message(configured.protocol_version).1);
        }
    }

    fn probe_text(&self, credential: &Credential) -> String {
        match self.config.strategy {
            Strategy::Deferred => {
                "none: with strategy \"deferred\" the response to the request itself decides"
                    .to_owned()
            }
            Strategy::Probe if credential.forwarded().is_none() => {
                "none: only a caller's token is probed".to_owned()
            }
            Strategy::Probe => {
                let deadline = self.config.deadlines.probe.as_millis();
                format!("POST, within {deadline} ms")
            }
        }
    }

    fn server(&mut self, server: ServerId) {
        let server = self.config.server(server);
        self.line("server", format_args!("{} at {}", server.name, server.url));
    }

    fn refusal(&mut self, refusal: &Refusal) {
        self.line("answer", refusal.failure.message(refusal.visible_server()));
        let fields = refusal.header_fields();
        for name in [header::WWW_AUTHENTICATE, header::ALLOW] {
            if let Some(value) = fields.get(&name).and_then(|value| value.to_str().ok()) {
                self.line("", format_args!("{name}: {value}"));
            }
        }
        self.line("", "no server is sent anything");
    }

    fn line(&mut self, label: &str, text: impl Display) {
        // Writing to a `String` cannot fail.
        let _written = writeln!(self.text, "{label:<12}{text}");
    }
}

fn credential_text(credential: &Credential, source: &CredentialSource) -> String {
    match source {
        CredentialSource::TokenForwarding(_) => match credential.forwarded() {
            Some(token) => {
                format!("forwarded: the caller's token, unchanged, … ({} characters)", token.len())
            }
            None => "missing: the caller sent no token for this server".to_owned(),
        },
        CredentialSource::StaticCredential(_) => {
            "static: the bearer token of the configuration".to_owned()
        }
        CredentialSource::ClientCredentials(client) => {
            format!("client credentials: an access token from {}", client.token_url)
        }
        CredentialSource::NoCredential => {
            "none: no credential is configured for the server".to_owned()
        }
    }
}

fn owner_text(credential: &Credential) -> &'static str {
    match credential.owner() {
        Owner::CallerWithToken | Owner::CallerWithoutToken => {
            "the caller: if the server refuses, the client receives the refusal"
        }
        Owner::Gateway => "the gateway: if the server refuses, the client receives 502",
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
[server.client_credentials]
token_url = "https://login.example/token"
client_id = "gateway"
client_secret = { env = "SECRET" }
[[server]]
name = "clock"
url = "http://127.0.0.1:9000/mcp"
[[server]]
name = "secret"
url = "https://secret.example/mcp"
"#;

    #[test]
    fn the_explanation_of_each_kind_of_request() {
        const KEY: (&str, &str) = ("x-litellm-api-key", "sk-canary");
        const TOKEN: (&str, &str) = ("authorization", "Bearer to-canary");
        let mut explanations = Vec::new();
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
            explanations.push(explain(&config, &method, path, &headers));
        }
        let text = explanations.join("\n");
        assert!(!text.contains("canar") && !text.contains("dG8tY2"), "{text}");
        insta::assert_snapshot!(text);
    }
}
