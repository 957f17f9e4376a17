//! Observables of upstream requests, on hand-made traces.

use super::*;

#[test]
fn the_credential_of_an_upstream_request_is_classified() {
    let saw = |authorization: &str| {
        case("200-json")
            .with_arrival(arrival_with(authorization))
            .observe("upstream-credential")
    };
    assert_eq!(saw(TOKEN), "token");
    assert_eq!(saw(""), "no-credential");
    assert_eq!(saw(&format!("Bearer {TOKEN}")), "altered-token");
    assert_eq!(saw(&format!("Bearer {KEY}")), "gateway-key");
    assert_eq!(saw("Bearer st4t1cst4t1c"), "server-credential");
    assert_eq!(saw("Basic eDp5"), "other");
    assert_eq!(case("200-json").observe("upstream-credential"), "no-request");
    let both = case("200-json").with_arrival(own_arrival()).with_arrival(arrival_with(""));
    assert_eq!(both.observe("upstream-credential"), "no-credential+token");
    let mut discovery = own_arrival();
    discovery.target = "/.well-known/oauth-protected-resource/mcp".into();
    assert_eq!(
        case("200-json").with_arrival(discovery).observe("upstream-credential"),
        "no-request"
    );
    let mut renamed = case("200-json").with_arrival(own_arrival());
    renamed.context.token_header = "x-upstream-authorization".into();
    renamed.last_exchange().sent_headers =
        headers(&[("x-upstream-authorization", &TOKEN["Bearer ".len()..])]);
    assert_eq!(renamed.observe("upstream-credential"), "token");
    let scheme = |authorization: &str| {
        case("200-json")
            .with_arrival(arrival_with(authorization))
            .observe("forwarded-schemes")
    };
    assert_eq!(
        [scheme(TOKEN), scheme(&format!("bearer {TOKEN}")), scheme("Basic x"), scheme("")],
        ["one", "repeated", "none", "not-applicable"]
    );
}

#[test]
fn other_servers_and_redirect_targets_are_observed() {
    let at = |server: &str, target: &str| {
        case("307-other-origin").with_arrival(Arrival {
            server: server.into(),
            target: target.into(),
            ..own_arrival()
        })
    };
    assert_eq!(at("beta", "/mcp").observe("other-servers-contacted"), "some");
    assert_eq!(
        at("beta", "/.well-known/oauth-protected-resource").observe("other-servers-contacted"),
        "none"
    );
    assert_eq!(at("issuer", "/token").observe("other-servers-contacted"), "none");
    assert_eq!(
        at("elsewhere", "/mcp").observe("redirect-target-contacted"),
        "request-with-token"
    );
    assert_eq!(at("alpha", "/moved").observe("redirect-target-contacted"), "same-origin");
    assert_eq!(at("alpha", "/mcp").observe("redirect-target-contacted"), "none");
}

#[test]
fn the_status_and_the_end_of_upstream_requests_are_observed() {
    let mut refused = own_arrival();
    refused.answered = "401".into();
    assert_eq!(
        case("200-then-401")
            .with_arrival(probe_arrival())
            .with_arrival(refused)
            .observe("upstream-status"),
        "401"
    );
    assert_eq!(
        case("200-then-401").with_arrival(probe_arrival()).observe("upstream-status"),
        "not-applicable"
    );
    let mut settled = case("200-sse");
    assert_eq!(settled.observe("upstream-settled"), "not-applicable");
    settled.context.settled = Some(false);
    assert_eq!(settled.observe("upstream-settled"), "in-flight");
}
