//! The bytes that every behaviour of `upstreams.toml` sends, as a snapshot for review.

use std::fmt::Write;

use mcp_preflight_conformance::{
    cases::behaviour::{Behaviour, Behaviours, Class, Fault},
    upstreams::MockUpstreams,
};

use crate::{
    answered, case,
    raw::{Answer, Call, Client, End, authority},
    token,
};

#[tokio::test]
async fn every_behaviour_sends_what_it_describes() {
    let upstreams = MockUpstreams::start(7).await.unwrap();
    let mut table = String::new();
    for behaviour in Behaviours::embedded().all().filter(|behaviour| behaviour.server().is_none()) {
        for spelling in behaviour.spellings() {
            let name = spelling.replace('+', "-");
            let mut client = Client::connect(&upstreams, "alpha").await;
            let answer = drive(
                &upstreams,
                behaviour,
                &name,
                &Call::echo().bearer(&token(&name, &spelling)),
                &mut client,
            )
            .await;
            assert_class(behaviour, &answer);
            let end = answer.end;
            let recorded = &upstreams.record().arrivals(&case(&name))[0].answered;
            write!(
                table,
                "=== {spelling}: {}\n{}\n--- {end:?}, recorded as {recorded}\n\n",
                behaviour.description,
                shown(&upstreams, &answer)
            )
            .unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

/// Sends the call and reads the response. No clock is involved: a silent server closes when the
/// client has closed its sending half.
async fn drive(
    upstreams: &MockUpstreams,
    behaviour: &Behaviour,
    name: &str,
    call: &Call,
    client: &mut Client,
) -> Answer {
    match behaviour.fault {
        Some(Fault::Never) => {
            client.start(call).await;
            answered(upstreams, name, "never").await;
            client.finish().await;
            client.read(1 << 20, |_| false).await
        }
        Some(Fault::StallHead | Fault::StallBody) => {
            client.start(call).await;
            let first = client.read(1 << 20, |bytes| !bytes.is_empty()).await;
            client.finish().await;
            let rest = client.read(1 << 20, |_| false).await;
            Answer { bytes: [first.bytes, rest.bytes].concat(), end: rest.end }
        }
        Some(Fault::EndlessBody) => {
            client.start(call).await;
            client.read(256 << 10, |_| false).await
        }
        Some(Fault::Barrier) => {
            let mut others: Vec<Client> = Vec::new();
            for _ in 1..behaviour.barrier_size {
                let mut other = Client::connect(upstreams, "alpha").await;
                other.start(call).await;
                others.push(other);
            }
            client.send(call).await
        }
        Some(Fault::Progress) => {
            (0..4).for_each(|_| upstreams.release_event(&case(name)));
            client.send(call).await
        }
        _ => client.send(call).await,
    }
}

/// Checks that the class of the behaviour agrees with its status line.
fn assert_class(behaviour: &Behaviour, answer: &Answer) {
    let name = &behaviour.name;
    let status = answer.status();
    match behaviour.class {
        Class::Accepted
            if ["401-on-tools-call", "401-after-initialize"].contains(&name.as_str()) =>
        {
            assert_eq!(status, Some(401), "{name}");
        }
        Class::Accepted => assert_eq!(status, Some(200), "{name}"),
        Class::Unauthorized => assert_eq!(status, Some(401), "{name}"),
        Class::Forbidden => assert_eq!(status, Some(403), "{name}"),
        Class::Inconclusive => assert!(!matches!(status, Some(401 | 403)), "{name}"),
    }
}

/// The bytes as a text that is the same in every run: ports are named, control characters are
/// visible, repetitions are counted.
fn shown(upstreams: &MockUpstreams, answer: &Answer) -> String {
    let mut text = answer.text();
    for server in &upstreams.deployment().servers {
        text = text.replace(authority(&server.url), &format!("{}.mock", server.name));
    }
    let elsewhere = text.lines().find_map(|line| {
        line.strip_prefix("Location: http://127.0.0.1:")?
            .split('/')
            .next()
            .map(str::to_owned)
    });
    if let Some(port) = elsewhere {
        text = text.replace(&format!("127.0.0.1:{port}"), "elsewhere.mock");
    }
    if answer.end == End::Endless {
        text.truncate(
            ["Unauthorized\n", "OK\n"].iter().find_map(|reason| text.find(reason)).unwrap(),
        );
        text.push_str("(the text is repeated endlessly)");
    }
    text = text
        .replace(&"x".repeat(64 << 10), "(x 65536 times)")
        .replace(&"refused ".repeat(393_216), "(\"refused \" 393216 times)");
    let visible = |letter: char| match letter {
        '\n' => "\n".to_owned(),
        '\r' => "␍".to_owned(),
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    text.chars().map(visible).collect()
}
