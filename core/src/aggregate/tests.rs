use super::{list::Cursors, *};
use crate::envelope::Message;
use alloc::boxed::Box;
use proptest::prelude::*;
use serde_json::value::RawValue;

const SERVERS: [(ServerId, &str); 3] =
    [(ServerId(0), "alpha"), (ServerId(2), "beta"), (ServerId(5), "gamma")];
const SCOPE: Scope<'static> = Scope { servers: &SERVERS, separator: "-", tools: None };

const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn message(method: &str, params: &Value) -> Message {
    let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    Message::parse(text.to_string().as_bytes()).unwrap()
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn merge(
    kind: ListKind,
    results: &[(&str, Box<RawValue>)],
    failed: &[FailedServer<'_>],
    scope: Scope<'_>,
    version: ProtocolVersion,
) -> Value {
    serde_json::from_str(&merge_lists(kind, results, failed, scope, version)).unwrap()
}

fn failed(server: &str, failure: Failure) -> FailedServer<'_> {
    FailedServer {
        server,
        failure,
        resource_metadata: Some("https://gw.test/prm"),
    }
}

fn servers_of(message: &Message) -> Vec<u16> {
    let servers = dispatch(message, SCOPE).servers(SCOPE);
    servers.into_iter().map(|server| server.0).collect()
}

/// A dispatch in one line.
fn describe(message: &Message, scope: Scope<'_>) -> String {
    match dispatch(message, scope) {
        Dispatch::SingleServer(server, message) => format!("server {}: {message}", server.0),
        Dispatch::List(kind, messages) => {
            let messages: Vec<String> = messages
                .iter()
                .map(|(server, message)| {
                    format!("{}:{:?}", server.0, message.string_param("cursor"))
                })
                .collect();
            format!("list {kind:?} of {}", messages.join(" "))
        }
        Dispatch::Undeliverable(reason) => {
            format!("undeliverable {}: {}", reason.code(), reason.message())
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn messages_are_dispatched_to_servers() {
    let messages = [
        message("initialize", &json!({})),
        message("server/discover", &json!({})),
        message("ping", &json!({})),
        message("tools/list", &json!({})),
        message("prompts/list", &json!({})),
        message("resources/list", &json!({})),
        message("resources/templates/list", &json!({})),
        message("tools/list", &json!({ "cursor": "{\"beta\":\"p2\"}" })),
        message("tools/list", &json!({ "cursor": "{\"unknown\":\"p2\"}" })),
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
        Message::parse(NOTIFICATION).unwrap(),
        Message::parse(br#"{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}"#).unwrap(),
    ];
    let rows = messages.iter().map(|message| {
        let one = describe(message, Scope { servers: &SERVERS[1..2], ..SCOPE });
        let several = describe(message, SCOPE);
        let difference = if one == several {
            String::new()
        } else {
            format!("\n  one server:      {one}")
        };
        format!("{message}\n  several servers: {several}{difference}")
    });
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_dispatch_lists_the_servers_that_it_sends_to() {
    for method in ["initialize", "server/discover", "ping", "tools/list"] {
        assert_eq!(servers_of(&message(method, &json!({}))), [0, 2, 5], "{method}");
    }
    assert_eq!(servers_of(&Message::parse(NOTIFICATION).unwrap()), [0, 2, 5]);
    let next_page = message("tools/list", &json!({ "cursor": "{\"beta\":\"p2\"}" }));
    assert_eq!(servers_of(&next_page), [2]);
    assert_eq!(servers_of(&message("prompts/get", &json!({ "name": "gamma-greet" }))), [5]);
    assert!(servers_of(&message("prompts/get", &json!({ "name": "greet" }))).is_empty());
}

#[test]
fn a_ping_result_has_only_the_members_that_its_version_requires() {
    assert_eq!(ping_result(ProtocolVersion::V2025_11_25), "{}");
    assert_eq!(ping_result(ProtocolVersion::V2026_07_28), r#"{"resultType":"complete"}"#);
}

#[test]
fn lists_are_merged() {
    let alpha = json!({
        "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }],
        "nextCursor": "p2",
    });
    let results = [
        ("alpha", raw(&alpha)),
        ("beta", raw(&json!({ "tools": [{ "name": "echo" }, { "title": "no name" }] }))),
        ("gamma", raw(&json!({ "tools": null }))),
    ];
    let delta = failed("delta", Failure::Unauthorized);
    let merged = merge(ListKind::Tools, &results, &[delta], SCOPE, ProtocolVersion::V2026_07_28);
    insta::assert_snapshot!(serde_json::to_string_pretty(&merged).unwrap());

    let cursor = merged["nextCursor"].as_str().unwrap();
    assert_eq!(
        describe(&message("tools/list", &json!({ "cursor": cursor })), SCOPE),
        "list Tools of 0:Some(\"p2\")"
    );
}

#[test]
fn an_empty_cursor_is_rejected() {
    let empty = serde_json::to_string(&Cursors::new()).unwrap();
    assert!(servers_of(&message("tools/list", &json!({ "cursor": empty }))).is_empty());
}

#[test]
fn a_toolset_offers_only_its_own_tools() {
    let tools = BTreeSet::from(["alpha-echo".to_owned()]);
    let scope = Scope { tools: Some(&tools), ..SCOPE };
    let call = |name: &str| describe(&message("tools/call", &json!({ "name": name })), scope);
    assert!(call("alpha-echo").starts_with("server 0: "));
    assert!(call("beta-echo").starts_with("undeliverable -32602: "));

    let list = json!({ "tools": [{ "name": "echo" }, { "name": "add" }] });
    let results = ["alpha", "beta"].map(|server| (server, raw(&list)));
    let merged = merge(ListKind::Tools, &results, &[], scope, ProtocolVersion::V2025_06_18);
    assert_eq!(merged, json!({ "tools": [{ "name": "alpha-echo" }] }));
}

#[test]
fn the_opening_result_offers_only_capabilities_that_are_forwarded() {
    let alpha = json!({
        "capabilities": { "tools": { "listChanged": true }, "logging": {} },
        "instructions": "Search before you write.",
    });
    let results = [("alpha", alpha), ("beta", json!({ "capabilities": { "prompts": {} } }))];
    let session_based: Value =
        serde_json::from_str(&opening_result(ProtocolVersion::V2025_06_18, &results, &[])).unwrap();
    assert_eq!(session_based["capabilities"], json!({ "tools": {}, "prompts": {} }));
    assert_eq!(session_based["protocolVersion"], "2025-06-18");
    assert_eq!(session_based["instructions"], "alpha: Search before you write.");

    let gamma = failed("gamma", Failure::Forbidden);
    let stateless: Value =
        serde_json::from_str(&opening_result(ProtocolVersion::V2026_07_28, &results, &[gamma]))
            .unwrap();
    assert_eq!(stateless["cacheScope"], "private");
    assert_eq!(stateless["ttlMs"], 0);
    assert_eq!(stateless["_meta"][OUTCOMES_META_KEY]["gamma"]["outcome"], "forbidden");
}

/// JSON of any shape, often with the members and strings of messages and lists.
fn json_like() -> impl Strategy<Value = Value> {
    let string = "\\PC{0,8}|alpha-echo|preflight://(alpha|unknown)?/.{0,4}\
        |ref/(prompt|resource)|\\{\"alpha\":\"p2\"\\}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        string.prop_map(Value::from),
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

fn method() -> impl Strategy<Value = String> {
    "tools/call|tools/list|resources/read|prompts/get|completion/complete\
        |resources/templates/list|[a-z/]{0,6}"
}

proptest! {
    #[test]
    fn any_message_is_dispatched_to_servers_of_the_scope(
        method in method(),
        params in json_like(),
    ) {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        if let Ok(message) = Message::parse(text.to_string().as_bytes()) {
            let servers = dispatch(&message, SCOPE).servers(SCOPE);
            let known = |server: &ServerId| SERVERS.iter().any(|(known, _)| known == server);
            prop_assert!(servers.iter().all(known));
        }
    }

    #[test]
    fn any_results_are_merged_into_a_list(lists in prop::collection::vec(json_like(), 0..3)) {
        let results: Vec<(&str, Box<RawValue>)> =
            SERVERS.iter().zip(&lists).map(|((_, name), list)| (*name, raw(list))).collect();
        for kind in [
            ListKind::Tools,
            ListKind::Prompts,
            ListKind::Resources,
            ListKind::ResourceTemplates,
        ] {
            let merged = merge(kind, &results, &[], SCOPE, ProtocolVersion::V2026_07_28);
            prop_assert!(merged[kind.member()].is_array(), "{}", merged);
        }
    }

    /// AGG-13: the names of a server's tools do not depend on which other servers are present.
    #[test]
    fn an_absent_server_renames_no_tool(
        tools in prop::collection::vec("[a-z-]{1,8}", 0..5),
        alpha_is_present: bool,
    ) {
        let items: Vec<Value> = tools.iter().map(|name| json!({ "name": name })).collect();
        let list = json!({ "tools": items });
        let mut results = vec![("beta", raw(&list))];
        if alpha_is_present {
            results.insert(0, ("alpha", raw(&list)));
        }
        let version = ProtocolVersion::V2025_11_25;
        let merged = merge(ListKind::Tools, &results, &[], SCOPE, version);
        let names_of_beta: Vec<&str> = merged["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .filter(|name| name.starts_with("beta-"))
            .collect();
        let expected: Vec<String> = tools.iter().map(|tool| format!("beta-{tool}")).collect();
        prop_assert_eq!(names_of_beta, expected);
    }

    /// A call by a name from a merged list is dispatched to the server of that tool, under the
    /// server's own name.
    #[test]
    fn every_listed_name_can_be_called(tool in "[a-z-]{1,8}", server in 0_usize..3) {
        let (id, name) = SERVERS[server];
        let results = [(name, raw(&json!({ "tools": [{ "name": tool }] })))];
        let version = ProtocolVersion::V2025_06_18;
        let merged = merge(ListKind::Tools, &results, &[], SCOPE, version);
        let call = message("tools/call", &json!({ "name": merged["tools"][0]["name"] }));
        let Dispatch::SingleServer(called, call) = dispatch(&call, SCOPE) else { panic!() };
        prop_assert_eq!((called, call.string_param("name")), (id, Some(tool)));
    }
}

#[test]
fn a_list_with_an_invalid_item_contributes_nothing() {
    let results = [
        ("alpha", raw(&json!({ "tools": [{ "name": "x" }] }))),
        ("beta", raw(&json!({ "tools": [{ "name": "y" }, 7, { "name": "z" }] }))),
        (
            "gamma",
            raw(&json!({ "tools": [{ "name": "w" }, { "title": "without a name" }] })),
        ),
    ];
    let merged = merge(ListKind::Tools, &results, &[], SCOPE, ProtocolVersion::V2025_11_25);
    assert_eq!(merged["tools"], json!([{ "name": "alpha-x" }, { "name": "gamma-w" }]));
    assert!(merged["_meta"].to_string().contains("beta"), "{merged}");
}
