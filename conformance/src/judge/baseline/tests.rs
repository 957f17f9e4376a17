use super::*;

const TEXT: &str = r#"
[[expected-failure]]
requirement = "STA-01"
verdict = "fail"
cases = "* / forwarding / 401-* / tools-list / /mcp/{server} / own"
reason = "answers 200 with an empty list"
"#;

#[test]
fn a_pattern_for_cases_matches_across_slashes_and_takes_braces_literally() {
    let baseline = Baseline::parse(TEXT).unwrap();
    let cases = baseline.entries[0].cases.as_ref().unwrap();
    assert!(
        cases.matches(
            "key-and-token / forwarding / 401-full+oauth / tools-list / /mcp/{server} / own"
        )
    );
    assert!(
        !cases.matches("key-and-token / forwarding / 403-bare / tools-list / /mcp/{server} / own")
    );
}

#[test]
fn an_entry_can_be_intermittent() {
    let sometimes = |text: &str| Baseline::parse(text).unwrap().entries[0].sometimes;
    assert!(!sometimes(TEXT));
    assert!(sometimes(&format!("{TEXT}sometimes = true\n")));
}

#[test]
fn an_entry_without_a_reason_is_an_error() {
    assert!(Baseline::parse(&TEXT.replace("answers 200 with an empty list", " ")).is_err());
}

#[test]
fn an_update_keeps_comments_and_other_entries() {
    let entry = |requirement: &str| {
        format!(
            "[[expected-failure]]\nrequirement = \"{requirement}\"\nverdict = \"fail\"\nreason \
             = \"r\"\n"
        )
    };
    let (first, second, third) = (entry("STA-01"), entry("STA-02"), entry("STA-03"));
    let head = "# What it fails:\n#\n#     [[expected-failure]]\n\n";
    let text = format!("{head}{first}\n# about the second\n{second}\n# about the third\n{third}");
    let baseline = Baseline::parse(&text).unwrap();
    assert_eq!(updated(&baseline, &text, &Assessment::default()), text);
    let finding = Finding {
        requirement: "STA-05".into(),
        rule: "a-rule".into(),
        verdict: Verdict::Fail,
        observable: "status".into(),
        expected: "403".into(),
        actual: "a \"quote\"".into(),
    };
    let unexpected = vec![("a case".to_owned(), &finding), ("another case".to_owned(), &finding)];
    let assessment = Assessment {
        unexpected,
        stale: vec![&baseline.entries[1]],
        ..Assessment::default()
    };
    let updated = updated(&baseline, &text, &assessment);
    assert!(
        updated.starts_with(&format!(
            "{head}{first}\n# about the third\n{third}\n[[expected-failure]]\n"
        )),
        "{updated}"
    );
    let reread = Baseline::parse(&updated).unwrap();
    assert_eq!(
        reread
            .entries
            .iter()
            .map(|entry| entry.requirement.as_str())
            .collect::<Vec<_>>(),
        ["STA-01", "STA-03", "STA-05"]
    );
    assert_eq!(
        reread.entries[2].reason,
        "status: expected 403, actual a \"quote\", in a case, and 1 more"
    );
}
