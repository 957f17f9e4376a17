//! Parses arbitrary bytes as an upstream's `WWW-Authenticate`, and checks that the gateway writes
//! one well-formed challenge with its own metadata URL.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_preflight_core::{
    challenge::{DiscoveryUrls, Parameters, Profile, parse, step_up, unauthorized},
    credential::Owner,
};

fuzz_target!(|bytes: &[u8]| {
    let discovery = DiscoveryUrls {
        resource_metadata: "https://gw.test/prm".into(),
        authorization_uri: "https://gw.test/as".into(),
    };
    let upstream = parse(bytes);
    for profile in [Profile::Seed, Profile::Mcp] {
        let values = [
            Some(unauthorized(profile, &discovery, &upstream, Owner::CallerWithToken)),
            Some(unauthorized(profile, &discovery, &upstream, Owner::CallerWithoutToken)),
            step_up(profile, &discovery, &upstream),
        ];
        for value in values.into_iter().flatten() {
            let text = value.to_str().expect("a challenge is visible ASCII");
            let parsed = parse(text.as_bytes());
            let [challenge] = &parsed[..] else {
                panic!("{} challenges in {text}", parsed.len())
            };
            assert!(challenge.is_bearer());
            assert_eq!(challenge.parameter("resource_metadata"), Some("https://gw.test/prm"));
            let Parameters::List(list) = &challenge.parameters else {
                panic!("no parameters in {text}")
            };
            for (position, (name, _)) in list.iter().enumerate() {
                assert!(
                    !list[..position].iter().any(|(earlier, _)| earlier == name),
                    "{name} occurs twice in {text}"
                );
            }
        }
    }
});
