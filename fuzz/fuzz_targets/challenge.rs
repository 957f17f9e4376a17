//! Any bytes as an upstream's `WWW-Authenticate`: what comes out is one well-formed challenge that leads to the gateway.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_preflight::core::{
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
        let lines = [
            Some(unauthorized(profile, &discovery, &upstream, Owner::CallerWithToken)),
            Some(unauthorized(profile, &discovery, &upstream, Owner::CallerWithoutToken)),
            step_up(profile, &discovery, &upstream),
        ];
        for line in lines.into_iter().flatten() {
            let text = line.to_str().expect("a challenge is visible ASCII");
            let read = parse(text.as_bytes());
            let [challenge] = &read[..] else {
                panic!("{} challenges in {text}", read.len())
            };
            assert!(challenge.is_bearer());
            assert_eq!(challenge.parameter("resource_metadata"), Some("https://gw.test/prm"));
            let Parameters::List(list) = &challenge.parameters else {
                panic!("no parameters in {text}")
            };
            for (n, (name, _)) in list.iter().enumerate() {
                assert!(
                    !list[..n].iter().any(|(earlier, _)| earlier == name),
                    "{name} twice in {text}"
                );
            }
        }
    }
});
