use super::*;
use crate::catalogue::Catalogue;

#[test]
fn every_pair_is_decided_once_and_cites_existing_requirements() {
    let table = Table::parse(TEXT).unwrap();
    assert!(
        table.locations.keys().eq(Location::ALL) && table.secrets.keys().eq(SecretClass::ALL),
        "the table describes every location and class, in the order of the code"
    );
    assert_eq!(table.decided.len(), Location::ALL.len() * SecretClass::ALL.len());
    for row in &table.rows {
        assert!(!row.requires.is_empty(), "{row:?}");
        for id in row.requires.iter().chain(row.otherwise.values().flatten()) {
            assert!(Catalogue::embedded().get(id).is_some(), "{id}");
        }
    }
}

#[test]
fn rendered_table() {
    insta::assert_snapshot!(Table::embedded().rendered());
}

#[test]
fn a_pair_that_is_decided_twice_or_not_at_all_is_an_error() {
    let error = |text: &str| Table::parse(text).unwrap_err();
    assert!(
        error(&TEXT.replace("[\"log\", \"metrics\"]", "[\"log\"]"))
            .contains("in metrics is not decided")
    );
    assert!(
        error(&TEXT.replace("[\"log\", \"metrics\"]", "[\"log\", \"metrics\", \"head\"]"))
            .contains("is decided twice")
    );
    assert!(
        error(&TEXT.replace("[\"log\", \"metrics\"]", "[\"logs\"]")).contains("`logs` is unknown")
    );
    assert!(error(&format!("{TEXT}\nwhen = 1\n")).contains("unknown field"));
}

#[test]
fn a_callers_token_is_allowed_only_in_authorization() {
    let table = Table::embedded();
    let (location, class) = (Location::RequestedServer, SecretClass::CallersToken);
    let allows = |part, spelling| table.allows(location, class, part, spelling);
    assert!(allows("authorization", Spelling::Plain));
    assert!(!allows("authorization", Spelling::Base64));
    assert!(!allows("x-token", Spelling::Plain));
    assert!(!allows("target", Spelling::Plain));
    let violated = |part, kind| table.violated(location, class, part, kind);
    assert_eq!(violated("target", PartKind::Target), ["CRD-09"]);
    assert_eq!(violated("x-token", PartKind::Header), ["CRD-10"]);
    assert_eq!(violated("authorization", PartKind::Header), ["CRD-01"]);
}
