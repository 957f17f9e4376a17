use super::*;

const NEEDED: &str = "\
    200-json 200-sse 401-full 401-bare 401-no-challenge 401-unquoted 401-three-challenges \
    403-bare 403-insufficient-scope 400 400-with-challenge 404 405 406 407 410 415 \
    429-retry-after 500 500-with-challenge 501 502 503 503-retry-after 504 301-same-origin \
    302-login 307-other-origin 308-other-origin 302-loop slow-100 never stall-head stall-body \
    reset-before-head reset-after-head reset-mid-body close-before-head truncated bad-chunk \
    garbage html-200 empty-200 wrong-type-200 bad-json-200 wrong-id-200 refused-port \
    untrusted-tls unresolvable-name head-405-post-401 200-then-401 401-after-103 http10-401 \
    lower-case-401 401-no-reason huge-header 401-body-3mib 401-body-cut 401-body-endless \
    401-hostile 401-two-lines 401-basic-first 401-token68 401-dpop barrier-5 stream-progress";

#[test]
fn embedded_file_contains_every_required_behaviour() {
    let behaviours = Behaviours::parse(include_str!("../../../upstreams.toml")).unwrap();
    for name in NEEDED.split_whitespace() {
        assert!(behaviours.find(name).is_some(), "{name}");
    }
}

#[test]
fn every_spelling_resolves_to_its_behaviour() {
    for behaviour in Behaviours::embedded().all() {
        for spelling in behaviour.spellings() {
            assert_eq!(Behaviours::embedded().find(&spelling), Some(behaviour), "{spelling}");
        }
    }
}

#[test]
fn behaviour_with_several_bodies_has_one_spelling_for_each() {
    let spellings: Vec<String> =
        Behaviours::embedded().find("401-full").unwrap().spellings().collect();
    assert_eq!(spellings, ["401-full+json-rpc", "401-full+oauth", "401-full+empty"]);
    assert!(Behaviours::embedded().find("401-full+html").is_none());
    assert!(Behaviours::embedded().find("200-json+empty").is_none());
}

#[test]
fn name_of_a_fault_equals_its_serialised_form() {
    for fault in Behaviours::embedded().all().filter_map(|behaviour| behaviour.fault) {
        assert_eq!(serde_json::to_value(fault).unwrap(), fault.as_str());
    }
}

fn error_of(entry: &str) -> String {
    let text = format!(
        "[[body]]\nname = 'empty'\n\
         [[behaviour]]\nname = 'x'\ndescription = ''\nclass = 'inconclusive'\n{entry}"
    );
    Behaviours::parse(&text).unwrap_err().to_string()
}

#[test]
fn contradictory_entry_is_an_error() {
    let needs_source = "behaviour `x`: expected one of `healthy`, `status` with a body, `server`, \
                        or a `fault` that sends no answer";
    for (entry, expected) in [
        ("", needs_source),
        ("status = 200", needs_source),
        ("status = 200\nbody = 'empty'\nfault = 'never'", needs_source),
        ("healthy = 'json'\nserver = 'closed'", needs_source),
        ("fault = 'truncated'", needs_source),
        (
            "body = 'empty'\nfault = 'never'",
            "behaviour `x`: has `headers` or a body without `status`",
        ),
        ("status = 200\nbody = 'html'", "behaviour `x`: unknown body `html`"),
        (
            "healthy = 'json'\nfault = 'barrier'",
            "behaviour `x`: `n` and the fault `barrier` must occur together",
        ),
        (
            "healthy = 'json'\nthen = 'y'",
            "behaviour `x`: `then` or `except` names `y`, which is unknown or itself has `then`, \
             `except` or `server`",
        ),
        (
            "status = 200\nbody = 'empty'\nheaders = [['Location', '{nowhere}']]",
            "behaviour `x`: header `Location`: unknown placeholder {nowhere}, \
             expected one of {origin}, {elsewhere}, {case}, {pad}",
        ),
    ] {
        assert_eq!(error_of(entry), expected, "{entry}");
    }
}

#[test]
fn duplicate_name_is_an_error() {
    let twice =
        "[[behaviour]]\nname = 'x'\ndescription = ''\nclass = 'accepted'\nhealthy = 'json'\n"
            .repeat(2);
    assert_eq!(
        Behaviours::parse(&twice).unwrap_err().to_string(),
        "behaviour `x`: duplicate name"
    );
}
