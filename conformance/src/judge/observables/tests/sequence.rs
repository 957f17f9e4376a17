//! Observables of several exchanges, on hand-made traces.

use super::*;

#[test]
fn exchanges_are_compared_with_each_other() {
    let refused = |path: &str, body: &str| {
        let (path, body) = (path.to_owned(), body.to_owned());
        move |exchange: &mut Exchange| {
            exchange.path = path;
            exchange.status = Some(404);
            exchange.headers = headers(&[("date", "today"), ("content-type", "application/json")]);
            exchange.body = body;
        }
    };
    let pair = |body: &str| {
        case("200-json")
            .with_exchange(refused("/mcp/restricted", r#"{"id":1,"error":"no restricted"}"#))
            .followed_by(refused("/mcp/nosuch", body))
    };
    assert_eq!(pair(r#"{"id":2,"error":"no nosuch"}"#).observe("first-two-responses"), "same");
    assert_eq!(
        pair(r#"{"id":2,"error":"unknown"}"#).observe("first-two-responses"),
        "different-body"
    );
    assert_eq!(
        pair("")
            .followed_by(|_| ())
            .with_exchange(|exchange| exchange.status = None)
            .observe("all-statuses"),
        "404,404,none"
    );
    assert_eq!(pair("").observe("all-statuses"), "404");
    let other = case("200-json").followed_by(|exchange| exchange.status = Some(403));
    assert_eq!(other.observe("first-two-responses"), "different-status");
    let other = case("200-json")
        .followed_by(|exchange| exchange.headers.push(("x-why".into(), "policy".into())));
    assert_eq!(other.observe("first-two-responses"), "different-headers");
    let challenged = |realm: &str| {
        let value = format!("Bearer realm=\"{realm}\"");
        case("401-full")
            .with_response(401, &[("www-authenticate", "Bearer realm=\"gateway\"")], "")
            .followed_by(|exchange| exchange.headers = headers(&[("www-authenticate", &value)]))
    };
    assert_eq!(
        [
            challenged("gateway").observe("first-two-challenges"),
            challenged("alpha").observe("first-two-challenges")
        ],
        ["same", "different"]
    );
    let connected = |connections: &[u64]| {
        connections
            .iter()
            .fold(case("200-json"), |case, id| {
                case.with_arrival(Arrival { connection: *id, ..own_arrival() })
            })
            .observe("connections-per-exchange")
    };
    assert_eq!(
        [
            connected(&[1, 1, 1, 1]),
            connected(&[1, 1, 2]),
            connected(&[1, 2]),
            connected(&[1])
        ],
        ["reused", "some-reused", "not-reused", "not-applicable"]
    );
}
