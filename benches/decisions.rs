//! Times the core's decisions for one request: admission, the verdict, and parsing and writing a
//! challenge.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp_preflight::core::{
    access::ServerId,
    admission::{KeyDigest, Keyring},
    challenge::{DiscoveryUrls, Profile, parse, unauthorized},
    credential::Owner,
    outcome::{Cause, Outcome},
    verdict::verdict,
};

fn admission(criterion: &mut Criterion) {
    let headers = HeaderMap::from_iter([
        (
            HeaderName::from_static("x-litellm-api-key"),
            HeaderValue::from_static("Bearer sk-7"),
        ),
        (
            http::header::AUTHORIZATION,
            HeaderValue::from_static(
                "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
            ),
        ),
        (
            http::header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        ),
    ]);
    for keys in [1_usize, 16, 256] {
        // Each keyring contains the key of the request, `sk-7`.
        let first = 8 - keys.min(8);
        let digests = (first..first + keys)
            .map(|number| KeyDigest::of_key(format!("sk-{number}").as_bytes()))
            .collect();
        let keyring = Keyring::new(HeaderName::from_static("x-litellm-api-key"), digests);
        assert!(keyring.admit(&headers).is_ok());
        criterion.bench_function(&format!("admission/{keys} keys"), |bencher| {
            bencher.iter(|| keyring.admit(black_box(&headers)));
        });
    }
}

fn verdicts(criterion: &mut Criterion) {
    let outcomes = [
        Outcome::Accepted,
        Outcome::Forbidden,
        Outcome::Inconclusive(Cause::Status(StatusCode::BAD_GATEWAY)),
        Outcome::Unauthorized,
    ];
    let set: Vec<_> = (0..16).map(ServerId).zip(outcomes.into_iter().cycle()).collect();
    criterion.bench_function("verdict/16 outcomes", |bencher| {
        bencher.iter(|| verdict(black_box(set.iter().copied())));
    });
}

fn challenges(criterion: &mut Criterion) {
    let value = concat!(
        r#"Basic realm="a, b", Bearer realm="up", scope="tools:read tools:call", "#,
        r#"error="invalid_token", "#,
        r#"resource_metadata="https://up.example/.well-known/oauth-protected-resource""#
    )
    .as_bytes();
    criterion.bench_function("challenge/parse", |bencher| {
        bencher.iter(|| parse(black_box(value)));
    });
    let upstream = parse(value);
    let well_known = "https://gateway.example/.well-known";
    let discovery = DiscoveryUrls {
        resource_metadata: format!("{well_known}/oauth-protected-resource/mcp/alpha"),
        authorization_uri: format!("{well_known}/oauth-authorization-server/mcp/alpha"),
    };
    for profile in [Profile::Seed, Profile::Mcp] {
        criterion.bench_function(&format!("challenge/write {profile:?}"), |bencher| {
            bencher.iter(|| {
                unauthorized(
                    profile,
                    black_box(&discovery),
                    black_box(&upstream),
                    Owner::CallerWithToken,
                )
            });
        });
    }
}

criterion_group!(benches, admission, verdicts, challenges);
criterion_main!(benches);
