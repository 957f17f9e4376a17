//! Reads `disclosure.toml`: which sink may see which secret, in which places, and what is broken where one is seen that may not be.
//!
//! Decides every pair of the two exactly once, or does not parse. Which sink and which secret something is in a case is not known here.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use indexmap::IndexMap;
use serde::Deserialize;

use super::spelling::Spelling;

/// Declares a closed set of words, as `disclosure.toml` spells them.
macro_rules! words {
    ($(#[$doc:meta])* $set:ident { $($word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "disclosure.toml says what each one is, and a test holds that it does")]
        pub enum $set { $($word,)+ }

        impl $set {
            /// All of them, in the order of `disclosure.toml`.
            pub const ALL: &'static [Self] = &[$(Self::$word,)+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }
        }
    };
}

words! {
    /// Where a secret can turn up, as far as it matters who reads it.
    Sink {
        ItsServer = "its-server",
        ForwardingServer = "forwarding-server",
        UngrantedServer = "ungranted-server",
        StaticServer = "static-server",
        MintedServer = "minted-server",
        OpenServer = "open-server",
        Issuer = "issuer",
        Elsewhere = "elsewhere",
        Head = "head",
        ErrorBody = "error-body",
        Body = "body",
        RelayedBody = "relayed-body",
        Discovery = "discovery",
        Log = "log",
        Metrics = "metrics",
    }
}

words! {
    /// What must not turn up just anywhere, as far as it matters whose it is.
    Kind {
        GatewayKey = "gateway-key",
        KeyAsBearer = "key-as-bearer",
        KeyTwice = "key-twice",
        AdmissionBearer = "admission-bearer",
        CallersToken = "callers-token",
        AnotherToken = "another-token",
        StaticToken = "static-token",
        MintedToken = "minted-token",
        ClientSecret = "client-secret",
        Session = "session",
        AnotherSession = "another-session",
        ClientSession = "client-session",
    }
}

/// The kind of a place in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// A header line.
    Header,
    /// A line behind the body.
    Trailer,
    /// The path and query of a request.
    Target,
    /// The body; of a sink that is all text, the text.
    Body,
}

/// One row: the same decision for every pair of its sinks and secrets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    secrets: Vec<String>,
    sinks: Vec<String>,
    /// Header names in lower case, `target` or `body`.
    #[serde(default, rename = "in")]
    places: Vec<String>,
    #[serde(default = "as_it_is")]
    spelled: Vec<Spelling>,
    requires: Vec<String>,
    #[serde(default)]
    otherwise: BTreeMap<PlaceKind, Vec<String>>,
}

fn as_it_is() -> Vec<Spelling> {
    vec![Spelling::Plain]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sinks: IndexMap<Sink, String>,
    secrets: IndexMap<Kind, String>,
    groups: IndexMap<String, Vec<String>>,
    may: Vec<Row>,
    never: Vec<Row>,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    sinks: IndexMap<Sink, String>,
    secrets: IndexMap<Kind, String>,
    /// The groups of secrets, as they are spelled out.
    groups: Vec<(String, Vec<Kind>)>,
    rows: Vec<Row>,
    decided: BTreeMap<(Sink, Kind), usize>,
}

static EMBEDDED: LazyLock<Table> = LazyLock::new(|| {
    Table::parse(include_str!("../../../disclosure.toml"))
        .expect("disclosure.toml parses, as a test of this module shows")
});

impl Table {
    /// The one that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    fn parse(text: &str) -> Result<Self, String> {
        let File { sinks, secrets, groups, may, never } =
            toml::from_str(text).map_err(|error| error.to_string())?;
        if let Some(row) = may.iter().find(|row| row.places.is_empty()) {
            return Err(format!("{:?} may be seen nowhere: expected `in`", row.secrets));
        }
        if let Some(row) = never.iter().find(|row| !row.places.is_empty()) {
            return Err(format!("{:?} may never be seen, and has `in`", row.secrets));
        }
        let kind = |name: &str| Kind::ALL.iter().copied().find(|kind| kind.as_str() == name);
        let rows: Vec<Row> = may.into_iter().chain(never).collect();
        let mut decided = BTreeMap::new();
        for (row, said) in rows.iter().enumerate() {
            let sinks = all(&said.sinks, &groups, |name| {
                Sink::ALL.iter().copied().find(|sink| sink.as_str() == name)
            })?;
            let secrets = all(&said.secrets, &groups, kind)?;
            for (&sink, &kind) in
                sinks.iter().flat_map(|sink| secrets.iter().map(move |kind| (sink, kind)))
            {
                if decided.insert((sink, kind), row).is_some() {
                    return Err(format!("{} in {} is decided twice", kind.as_str(), sink.as_str()));
                }
            }
        }
        let undecided = Sink::ALL
            .iter()
            .flat_map(|sink| Kind::ALL.iter().map(move |kind| (*sink, *kind)));
        match undecided.into_iter().find(|pair| !decided.contains_key(pair)) {
            Some((sink, kind)) => {
                Err(format!("{} in {} is not decided", kind.as_str(), sink.as_str()))
            }
            None => {
                // Those of sinks are not.
                let kinds = |(name, _): (&String, _)| {
                    Some((name.clone(), all(std::slice::from_ref(name), &groups, kind).ok()?))
                };
                Ok(Self {
                    groups: groups.iter().filter_map(kinds).collect(),
                    sinks,
                    secrets,
                    rows,
                    decided,
                })
            }
        }
    }

    fn row(&self, sink: Sink, kind: Kind) -> &Row {
        &self.rows[self.decided[&(sink, kind)]]
    }

    /// Whether a secret may be there, the whole of it and spelled like that.
    #[must_use]
    pub fn allows(&self, sink: Sink, kind: Kind, place: &str, spelling: Spelling) -> bool {
        let row = self.row(sink, kind);
        row.places.iter().any(|known| known == place) && row.spelled.contains(&spelling)
    }

    /// Which requirements are not met where it may not.
    #[must_use]
    pub fn broken(&self, sink: Sink, kind: Kind, place: &str, of: PlaceKind) -> &[String] {
        let row = self.row(sink, kind);
        let otherwise =
            row.otherwise.get(&of).filter(|_| row.places.iter().all(|known| known != place));
        otherwise.unwrap_or(&row.requires)
    }

    /// Every requirement that a row cites, with what the row says.
    pub fn citing<'a>(&'a self, id: &'a str) -> impl Iterator<Item = String> + 'a {
        let cites = move |row: &&Row| {
            row.requires
                .iter()
                .chain(row.otherwise.values().flatten())
                .any(|cited| cited == id)
        };
        self.rows.iter().filter(cites).map(|row| {
            let places = if row.places.is_empty() {
                "never".to_owned()
            } else {
                format!("only in {}", row.places.join(", "))
            };
            format!("{} in {}: {places}", row.secrets.join(", "), row.sinks.join(", "))
        })
    }

    /// The table for people: what each sink may see, what each sink and secret is.
    #[must_use]
    pub fn rendered(&self) -> String {
        let mut text = String::from(
            "Which sink may see which secret, and the requirements that it would break otherwise.\n",
        );
        for (sink, says) in &self.sinks {
            let _ = writeln!(text, "\n{}: {says}", sink.as_str());
            let mut said: IndexMap<(String, &[String]), Vec<&str>> = IndexMap::new();
            for kind in Kind::ALL {
                let row = self.row(*sink, *kind);
                let may = if row.places.is_empty() {
                    "never".to_owned()
                } else {
                    row.places.join(", ")
                };
                said.entry((may, &row.requires)).or_default().push(kind.as_str());
            }
            for ((may, requires), secrets) in said {
                let _ = writeln!(
                    text,
                    "  {may:<20} {:<16} {}",
                    requires.join(", "),
                    self.by_group(secrets).join(", ")
                );
            }
        }
        text.push_str("\nThe secrets\n");
        for (kind, says) in &self.secrets {
            let _ = writeln!(text, "  {:<20} {says}", kind.as_str());
        }
        text
    }

    /// The secrets with as few words as there are: the names of groups, where all of a group is there.
    fn by_group<'a>(&'a self, mut secrets: Vec<&'a str>) -> Vec<&'a str> {
        let mut groups: Vec<&(String, Vec<Kind>)> = self.groups.iter().collect();
        groups.sort_by_key(|(_, kinds)| std::cmp::Reverse(kinds.len()));
        for (name, kinds) in groups {
            if let Some(at) = kinds
                .first()
                .and_then(|first| secrets.iter().position(|secret| *secret == first.as_str()))
                && kinds.iter().all(|kind| secrets.contains(&kind.as_str()))
            {
                secrets[at] = name;
                secrets.retain(|secret| kinds.iter().all(|kind| kind.as_str() != *secret));
            }
        }
        secrets
    }
}

/// What names stand for, groups within groups included.
fn all<T>(
    names: &[String],
    groups: &IndexMap<String, Vec<String>>,
    word: impl Fn(&str) -> Option<T> + Copy,
) -> Result<Vec<T>, String> {
    let mut found = Vec::new();
    for name in names {
        match (word(name), groups.get(name)) {
            (Some(one), _) => found.push(one),
            // A group of itself would have no end, so each knows only those above it.
            (None, Some(group)) => {
                let above = groups
                    .iter()
                    .take_while(|(known, _)| *known != name)
                    .map(|(name, group)| (name.clone(), group.clone()));
                found.extend(all(group, &above.collect(), word)?);
            }
            (None, None) => {
                return Err(format!(
                    "`{name}` is neither a group that stands above nor a word of its list"
                ));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn every_pair_is_decided_once_by_requirements_that_there_are() {
        let table = Table::parse(include_str!("../../../disclosure.toml")).unwrap();
        assert!(
            table.sinks.keys().eq(Sink::ALL) && table.secrets.keys().eq(Kind::ALL),
            "each is described, in the order of the code"
        );
        assert_eq!(table.decided.len(), Sink::ALL.len() * Kind::ALL.len());
        for row in &table.rows {
            assert!(!row.requires.is_empty(), "{row:?}");
            for id in row.requires.iter().chain(row.otherwise.values().flatten()) {
                assert!(Catalogue::embedded().get(id).is_some(), "{id}");
            }
        }
    }

    #[test]
    fn the_table_reads_like_this() {
        insta::assert_snapshot!(Table::embedded().rendered());
    }

    #[test]
    fn what_is_decided_twice_or_not_at_all_does_not_parse() {
        let whole = include_str!("../../../disclosure.toml");
        let error = |text: &str| Table::parse(text).unwrap_err();
        assert!(
            error(&whole.replace("[\"log\", \"metrics\"]", "[\"log\"]"))
                .contains("in metrics is not decided")
        );
        assert!(
            error(&whole.replace("[\"log\", \"metrics\"]", "[\"log\", \"metrics\", \"head\"]"))
                .contains("is decided twice")
        );
        assert!(
            error(&whole.replace("[\"log\", \"metrics\"]", "[\"logs\"]"))
                .contains("`logs` is neither")
        );
        assert!(error(&format!("{whole}\nwhen = 1\n")).contains("unknown field"));
    }

    #[test]
    fn a_token_is_at_home_in_one_place() {
        let table = Table::embedded();
        let token =
            |place, spelling| table.allows(Sink::ItsServer, Kind::CallersToken, place, spelling);
        assert!(token("authorization", Spelling::Plain));
        assert!(
            !token("authorization", Spelling::Base64)
                && !token("x-token", Spelling::Plain)
                && !token("target", Spelling::Plain)
        );
        assert_eq!(
            table.broken(Sink::ItsServer, Kind::CallersToken, "target", PlaceKind::Target),
            ["CRD-09"]
        );
        assert_eq!(
            table.broken(Sink::ItsServer, Kind::CallersToken, "x-token", PlaceKind::Header),
            ["CRD-10"]
        );
        assert_eq!(
            table.broken(Sink::ItsServer, Kind::CallersToken, "authorization", PlaceKind::Header),
            ["CRD-01"]
        );
    }
}
