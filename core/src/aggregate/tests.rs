use super::*;
use proptest::prelude::*;

const SERVERS: [(ServerId, &str); 3] =
    [(ServerId(0), "alpha"), (ServerId(2), "beta"), (ServerId(5), "gamma")];
const SCOPE: Scope<'static> = Scope { servers: &SERVERS, separator: "-", tools: None };

fn message(method: &str, params: &Value) -> Message {
    Message::parse(
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
            .to_string()
            .as_bytes(),
    )
    .unwrap()
}

fn refused(server: &str, failure: Failure) -> FailedServer<'_> {
    FailedServer {
        server,
        failure,
        resource_metadata: Some("https://gw.test/prm"),
    }
}

fn asked(message: &Message) -> Vec<u16> {
    dispatch(message, SCOPE)
        .servers(SCOPE)
        .into_iter()
        .map(|server| server.0)
        .collect()
}

fn planned(message: &Message, scope: Scope<'_>) -> String {
    match dispatch(message, scope) {
        Dispatch::SingleServer(server, message) => format!("server {}: {message}", server.0),
        Dispatch::List(listed, asked) => {
            let asked: Vec<String> = asked
                .iter()
                .map(|(server, message)| {
                    format!("{}:{:?}", server.0, message.string_param("cursor"))
                })
                .collect();
            format!("list {listed:?} of {}", asked.join(" "))
        }
        Dispatch::Undeliverable(refused) => {
            format!("refused {}: {}", refused.code(), refused.message())
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn who_gets_what() {
    let messages = [
        message("initialize", &json!({})),
        message("server/discover", &json!({})),
        message("ping", &json!({})),
        message("tools/list", &json!({})),
        message("prompts/list", &json!({})),
        message("resources/list", &json!({})),
        message("resources/templates/list", &json!({})),
        message("tools/list", &json!({ "cursor": "{\"beta\":\"p2\"}" })),
        message("tools/list", &json!({ "cursor": "{\"nobody\":\"p2\"}" })),
        message("tools/list", &json!({ "cursor": "p2" })),
        message("tools/list", &json!({ "cursor": 7 })),
        message("tools/call", &json!({ "name": "beta-echo-2", "arguments": { "n": 1 } })),
        message("tools/call", &json!({ "name": "delta-echo" })),
        message("tools/call", &json!({})),
        message("resources/read", &json!({ "uri": "preflight://gamma/file:///a/b" })),
        message("resources/read", &json!({ "uri": "file:///a/b" })),
        message(
            "completion/complete",
            &json!({ "ref": { "type": "ref/prompt", "name": "alpha-greet" }, "argument": {} }),
        ),
        message(
            "completion/complete",
            &json!({ "ref": { "type": "ref/resource", "uri": "preflight://beta/x:{y}" } }),
        ),
        message("completion/complete", &json!({ "ref": { "type": "ref/other" } })),
        message("logging/setLevel", &json!({ "level": "info" })),
        message("subscriptions/listen", &json!({})),
        Message::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap(),
        Message::parse(br#"{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}"#).unwrap(),
    ];
    let rows = messages.iter().map(|message| {
        let one = planned(message, Scope { servers: &SERVERS[1..2], ..SCOPE });
        let several = planned(message, SCOPE);
        let differs = if one == several {
            String::new()
        } else {
            format!("\n  one server: {one}")
        };
        format!("{message}\n  several:    {several}{differs}")
    });
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
}

#[test]
fn whom_a_plan_asks() {
    for method in ["initialize", "server/discover", "ping", "tools/list"] {
        assert_eq!(asked(&message(method, &json!({}))), [0, 2, 5], "{method}");
    }
    assert_eq!(
        asked(
            &Message::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap()
        ),
        [0, 2, 5]
    );
    assert_eq!(asked(&message("tools/list", &json!({ "cursor": "{\"beta\":\"p2\"}" }))), [2]);
    assert_eq!(asked(&message("prompts/get", &json!({ "name": "gamma-greet" }))), [5]);
    assert!(asked(&message("prompts/get", &json!({ "name": "greet" }))).is_empty());
}

#[test]
fn a_pong_says_nothing_but_what_its_era_asks() {
    assert_eq!(ping_result(ProtocolVersion::V2025_11_25), "{}");
    assert_eq!(ping_result(ProtocolVersion::V2026_07_28), r#"{"resultType":"complete"}"#);
}

#[test]
fn lists_become_one() {
    let raw = |value: Value| RawValue::from_string(value.to_string()).unwrap();
    let parts = [
        (
            "alpha",
            raw(
                json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }], "nextCursor": "p2" }),
            ),
        ),
        ("beta", raw(json!({ "tools": [{ "name": "echo" }, { "title": "no name" }] }))),
        ("gamma", raw(json!({ "tools": null }))),
    ];
    let merged: Value = serde_json::from_str(&merge_lists(
        ListKind::Tools,
        &parts,
        &[refused("delta", Failure::Unauthorized)],
        SCOPE,
        ProtocolVersion::V2026_07_28,
    ))
    .unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&merged).unwrap());

    let cursor = merged["nextCursor"].as_str().unwrap();
    assert_eq!(
        planned(&message("tools/list", &json!({ "cursor": cursor })), SCOPE),
        "list Tools of 0:Some(\"p2\")"
    );
}

#[test]
fn a_toolset_has_the_tools_that_it_names() {
    let tools = BTreeSet::from(["alpha-echo".to_owned()]);
    let scope = Scope { tools: Some(&tools), ..SCOPE };
    assert_eq!(
        planned(&message("tools/call", &json!({ "name": "alpha-echo" })), scope)
            .split(':')
            .next(),
        Some("server 0")
    );
    assert!(
        planned(&message("tools/call", &json!({ "name": "beta-echo" })), scope)
            .starts_with("refused -32602")
    );
    let raw = |value: Value| RawValue::from_string(value.to_string()).unwrap();
    let parts = ["alpha", "beta"]
        .map(|server| (server, raw(json!({ "tools": [{ "name": "echo" }, { "name": "add" }] }))));
    let merged: Value = serde_json::from_str(&merge_lists(
        ListKind::Tools,
        &parts,
        &[],
        scope,
        ProtocolVersion::V2025_06_18,
    ))
    .unwrap();
    assert_eq!(merged, json!({ "tools": [{ "name": "alpha-echo" }] }));
}

#[test]
fn an_aggregate_promises_what_it_carries() {
    let parts = [
        (
            "alpha",
            json!({ "capabilities": { "tools": { "listChanged": true }, "logging": {} }, "instructions": "Be kind." }),
        ),
        ("beta", json!({ "capabilities": { "prompts": {} } })),
    ];
    let legacy: Value =
        serde_json::from_str(&opening_result(ProtocolVersion::V2025_06_18, &parts, &[])).unwrap();
    assert_eq!(legacy["capabilities"], json!({ "tools": {}, "prompts": {} }));
    assert_eq!(
        (&legacy["protocolVersion"], &legacy["instructions"]),
        (&json!("2025-06-18"), &json!("alpha: Be kind."))
    );
    let modern: Value = serde_json::from_str(&opening_result(
        ProtocolVersion::V2026_07_28,
        &parts,
        &[refused("gamma", Failure::Forbidden)],
    ))
    .unwrap();
    assert_eq!(
        (
            &modern["cacheScope"],
            &modern["ttlMs"],
            &modern["_meta"][OUTCOMES_META_KEY]["gamma"]["outcome"]
        ),
        (&json!("private"), &json!(0), &json!("forbidden"))
    );
}

/// JSON of any shape, with a liking for what messages and lists are made of.
fn json_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}|alpha-echo|preflight://(alpha|nobody)?/.{0,4}|ref/(prompt|resource)|\\{\"alpha\":\"p2\"\\}".prop_map(Value::from),
    ];
    let name = "name|uri|uriTemplate|cursor|ref|type|tools|resources|nextCursor|_meta|[a-z]{0,3}";
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever a client sends, it is for servers of the scope or for nobody; whatever servers list, the result is JSON.
    #[test]
    fn nothing_is_too_odd_to_be_planned_or_merged(
        method in "tools/call|tools/list|resources/read|prompts/get|completion/complete|resources/templates/list|[a-z/]{0,6}",
        params in json_like(),
        lists in prop::collection::vec(json_like(), 0..3),
    ) {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        if let Ok(message) = Message::parse(text.as_bytes()) {
            let asked = dispatch(&message, SCOPE).servers(SCOPE);
            prop_assert!(asked.iter().all(|asked| SERVERS.iter().any(|(server, _)| server == asked)));
        }
        let parts: Vec<(&str, Box<RawValue>)> =
            SERVERS.iter().zip(lists).map(|((_, name), list)| (*name, RawValue::from_string(list.to_string()).unwrap())).collect();
        for listed in [ListKind::Tools, ListKind::Prompts, ListKind::Resources, ListKind::ResourceTemplates] {
            let merged = merge_lists(listed, &parts, &[], SCOPE, ProtocolVersion::V2026_07_28);
            prop_assert!(serde_json::from_str::<Value>(&merged).unwrap()[listed.member()].is_array(), "{}", merged);
        }
    }

    /// AGG-13: whether a server is there changes nothing of what the others' tools are called.
    #[test]
    fn a_servers_absence_renames_nothing(tools in prop::collection::vec("[a-z-]{1,8}", 0..5), present: bool) {
        let raw = |names: &[String]| RawValue::from_string(json!({ "tools": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() }).to_string()).unwrap();
        let mut parts = vec![("beta", raw(&tools))];
        if present {
            parts.insert(0, ("alpha", raw(&tools)));
        }
        let merged: Value = serde_json::from_str(&merge_lists(ListKind::Tools, &parts, &[], SCOPE, ProtocolVersion::V2025_11_25)).unwrap();
        let of_beta: Vec<String> = merged["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).filter(|name| name.starts_with("beta-")).collect();
        prop_assert_eq!(of_beta, tools.iter().map(|tool| format!("beta-{tool}")).collect::<Vec<_>>());
    }

    /// Every name that a merged list shows leads back to the server and the name that it came from.
    #[test]
    fn every_listed_name_leads_back(tool in "[a-z-]{1,8}", server in 0_usize..3) {
        let raw = RawValue::from_string(json!({ "tools": [{ "name": tool }] }).to_string()).unwrap();
        let merged: Value = serde_json::from_str(&merge_lists(ListKind::Tools, &[(SERVERS[server].1, raw)], &[], SCOPE, ProtocolVersion::V2025_06_18)).unwrap();
        let Dispatch::SingleServer(id, call) = dispatch(&message("tools/call", &json!({ "name": merged["tools"][0]["name"] })), SCOPE) else { panic!() };
        prop_assert_eq!((id, call.string_param("name")), (SERVERS[server].0, Some(tool)));
    }
}
