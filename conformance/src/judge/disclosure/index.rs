//! Finds secrets in texts: every spelling of every secret, in one pass over the text.
//!
//! The first eight characters of a secret identify it. A random secret is also identified by its
//! last eight characters, because some programs mask all but the end, and by each block of eight
//! characters, so that every fragment of fifteen characters is found. Each spelling of those
//! characters is indexed by its first eight bytes, so a text is read once, and few positions need a
//! full comparison.
//! Whether a secret is allowed where it occurs is decided by the table.

use std::collections::HashMap;

use super::spelling::{Spelling, spellings};

/// How many characters of a random secret identify it.
pub const IDENTIFYING: usize = 8;
/// How many characters of another secret identify it: its first characters may be a constant label.
const IDENTIFYING_IF_NOT_RANDOM: usize = 16;
/// The prefix that some gateways require of a gateway key. No other random secret has a constant
/// prefix.
const LABEL: &str = "sk-";

/// A secret to search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its text.
    pub value: &'a str,
    /// Whether the suite generated it, so that it is random from its first character on.
    pub is_random: bool,
    /// Another random text, which occurs only at the end of the secret; empty if there is none.
    pub tail: &'a str,
}

impl<'a> Wanted<'a> {
    /// The fragments after the start that identify the secret: its blocks, its end and its tail.
    fn fragments(self) -> impl Iterator<Item = &'a str> {
        let end = self.value.len().saturating_sub(IDENTIFYING);
        let blocks = (IDENTIFYING..end).step_by(IDENTIFYING).chain([end]);
        let is_long = self.is_random && end >= IDENTIFYING;
        blocks
            .filter(move |_| is_long)
            .filter_map(move |at| self.value.get(at..))
            .chain([self.tail])
            .filter(|fragment| fragment.len() >= IDENTIFYING)
    }

    /// The texts whose start identifies the secret, and how many characters of each do.
    fn roots(self) -> impl Iterator<Item = (&'a str, usize)> {
        let identifying = if self.is_random {
            IDENTIFYING
        } else {
            IDENTIFYING_IF_NOT_RANDOM.min(self.value.len())
        };
        let bare = self.value.strip_prefix(LABEL).filter(|_| self.is_random);
        [Some(self.value), bare]
            .into_iter()
            .flatten()
            .map(move |root| (root, identifying))
    }
}

/// An occurrence of a secret in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The index of the secret in the list of wanted secrets.
    pub secret: usize,
    /// How the secret is spelled.
    pub spelling: Spelling,
    /// The byte offset at which the spelling begins.
    pub at: usize,
    /// How many characters of the secret occur, if not all.
    pub found_characters: Option<usize>,
}

/// A text whose start identifies a secret.
#[derive(Debug)]
struct Root {
    text: String,
    secret: usize,
    /// Whether the text is a part of the secret only.
    is_part: bool,
}

#[derive(Debug)]
struct Needle {
    text: String,
    spelling: Spelling,
    root: usize,
    /// Whether another secret starts alike, so that the needle identifies neither.
    shared: bool,
}

/// An index of secrets.
#[derive(Debug, Default)]
pub struct Index {
    roots: Vec<Root>,
    needles: Vec<Needle>,
    /// The needles by their first eight bytes.
    starts: HashMap<u64, Vec<usize>>,
    /// A bit for each hash of a start: most positions of a text are skipped without a table
    /// look-up.
    filter: Vec<u64>,
}

const WORD: usize = size_of::<u64>();

impl Index {
    /// An index of these secrets. A text shorter than eight characters is not a secret and is
    /// ignored.
    #[must_use]
    pub fn new<'a>(wanted: impl IntoIterator<Item = Wanted<'a>>) -> Self {
        let mut index = Self::default();
        for (secret, wanted) in wanted.into_iter().enumerate() {
            for (root, identifying) in wanted.roots() {
                index.add(secret, root, identifying, false);
            }
            for fragment in wanted.fragments() {
                index.add(secret, fragment, IDENTIFYING, true);
            }
        }
        index.filter = vec![0; (index.needles.len() / 4).next_power_of_two().max(64)];
        let bits: Vec<usize> = index.starts.keys().map(|start| index.bit(*start)).collect();
        bits.into_iter().for_each(|bit| index.filter[bit / 64] |= 1 << (bit % 64));
        index
    }

    fn add(&mut self, secret: usize, text: &str, identifying: usize, is_part: bool) {
        let Some(start) = text.get(..identifying).filter(|start| start.len() >= IDENTIFYING) else {
            return;
        };
        let root = self.roots.len();
        self.roots.push(Root { text: text.to_owned(), secret, is_part });
        for (spelling, text) in spellings(start) {
            let Some(word) = text.as_bytes().first_chunk::<WORD>() else {
                continue;
            };
            let alike = self.starts.entry(u64::from_le_bytes(*word)).or_default();
            match alike.iter().find(|known| self.needles[**known].text == text) {
                Some(known) => {
                    let known = &mut self.needles[*known];
                    known.shared |= self.roots[known.root].secret != secret;
                }
                None => {
                    alike.push(self.needles.len());
                    self.needles.push(Needle { text, spelling, root, shared: false });
                }
            }
        }
    }

    /// The filter bit of a start.
    fn bit(&self, start: u64) -> usize {
        (start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (self.filter.len() * 64 - 1)
    }

    /// The secrets in a text, each once, in the order of their first occurrence.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Occurrence> {
        let mut all: Vec<Occurrence> = Vec::new();
        if self.needles.is_empty() {
            return all;
        }
        let mut start = 0_u64;
        for (end, byte) in text.bytes().enumerate() {
            start = start >> 8 | u64::from(byte) << 56;
            let bit = self.bit(start);
            if self.filter[bit / 64] >> (bit % 64) & 1 == 0 || end + 1 < WORD {
                continue;
            }
            let at = end + 1 - WORD;
            for needle in self
                .starts
                .get(&start)
                .into_iter()
                .flatten()
                .map(|needle| &self.needles[*needle])
            {
                let secret = self.roots[needle.root].secret;
                let is_new = !needle.shared && all.iter().all(|found| found.secret != secret);
                if is_new && text.as_bytes()[at..].starts_with(needle.text.as_bytes()) {
                    all.push(Occurrence {
                        secret,
                        spelling: needle.spelling,
                        at,
                        found_characters: self.found_characters(needle, &text.as_bytes()[at..]),
                    });
                }
            }
        }
        all
    }

    /// Whether a text contains any of the secrets.
    #[must_use]
    pub fn occurs_in(&self, text: &str) -> bool {
        !self.find(text).is_empty()
    }

    /// How many characters of the secret occur, if not all.
    fn found_characters(&self, needle: &Needle, text: &[u8]) -> Option<usize> {
        let Root { text: root, is_part, .. } = &self.roots[needle.root];
        if text.starts_with(root.as_bytes()) {
            return is_part.then_some(root.len());
        }
        // Spellings with the same start, such as two that differ in the case of digits, may differ
        // later.
        let found = |whole: &str| {
            let found = whole.bytes().zip(text).take_while(|(one, other)| one == *other).count();
            found * root.len() / whole.len()
        };
        let alike =
            spellings(root).into_iter().filter(|(_, whole)| whole.starts_with(&needle.text));
        let most = alike.map(|(_, whole)| found(&whole)).max();
        most.filter(|found| *is_part || *found < root.len())
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    fn random(value: &str) -> Wanted<'_> {
        Wanted { value, is_random: true, tail: "" }
    }

    fn occurrences(text: &str, secrets: &[&str]) -> Vec<(usize, Spelling, Option<usize>)> {
        let index = Index::new(secrets.iter().map(|secret| random(secret)));
        index
            .find(text)
            .into_iter()
            .map(|found| (found.secret, found.spelling, found.found_characters))
            .collect()
    }

    #[test]
    fn eight_characters_identify_a_secret_and_its_label_does_not() {
        let (one, other) = ("k3jd92mxq0w8rjty5hfb", "sk-Zq81xWm4Lk07Rr2v");
        let all = [one, other];
        assert_eq!(
            occurrences("token k3jd92mxq0w8rjty5hfb.pf1", &all),
            [(0, Spelling::Plain, None)]
        );
        assert_eq!(occurrences("token k3jd92mxq0…", &all), [(0, Spelling::Plain, Some(10))]);
        assert_eq!(occurrences("token k3jd92m…", &all), []);
        assert_eq!(occurrences("key sk-Zq81x****", &all), [(1, Spelling::Plain, Some(8))]);
        assert_eq!(
            occurrences("key sk-**** of Zq81xWm4Lk07Rr2v", &all),
            [(1, Spelling::Plain, None)]
        );
        assert_eq!(occurrences("key sk-another one", &all), []);
        assert_eq!(occurrences("token …rjty5hfb", &all), [(0, Spelling::Plain, Some(8))]);
        assert_eq!(occurrences("token …3jd92mxq0w8rjt…", &all), []);
        let fragment = "token …d92mxq0w8rjty5hf…";
        assert_eq!(occurrences(fragment, &all), [(0, Spelling::Plain, Some(11))]);
        let long = "k3jd92mxq0w8rjty5hfb4711";
        assert_eq!(occurrences("token …5hfb4711", &[long]), [(0, Spelling::Plain, Some(8))]);
        assert_eq!(
            occurrences(&STANDARD.encode(format!("a:{one}")), &all),
            [(0, Spelling::Base64, None)]
        );
        assert_eq!(
            occurrences("6b336a6439326d787130 and 6B336A6439326D78", &all),
            [(0, Spelling::Hex, Some(10))]
        );
        assert_eq!(occurrences("short", &["short"]), []);
    }

    #[test]
    fn the_tail_of_a_secret_identifies_it() {
        let wanted = Wanted { tail: "x7c04kq2m9zd", ..random("k3jd92mxq0w8rjty5hfb") };
        let index = Index::new([wanted]);
        let found = |text: &str| index.find(text).first().map(|found| found.found_characters);
        assert_eq!(found("k3jd92mxq0w8rjty5hfb.pf1.c1.x.x7c04kq2m9zd"), Some(None));
        assert_eq!(found("token ****x7c04kq2m9zd"), Some(Some(12)));
        assert_eq!(found("token ****pf1.c1.401-full"), None);
    }

    #[test]
    fn a_common_start_of_two_secrets_identifies_neither() {
        assert_eq!(occurrences("session-4711", &["session-4711", "session-0815"]), []);
        let not_random = |value| Wanted { value, is_random: false, tail: "" };
        let index = Index::new([not_random("session-4711-0815-x"), not_random("abcd")]);
        assert!(
            !index.occurs_in("session-4")
                && !index.occurs_in("abcd")
                && index.occurs_in("at session-4711-0815 …")
        );
    }

    fn scattered(spelling: &str, secret: &str) -> String {
        let every = |spell: &dyn Fn(u8) -> String| secret.bytes().map(spell).collect::<String>();
        match spelling {
            "percent" => every(&|byte| format!("%{byte:02x}")),
            "hex" => every(&|byte| format!("{byte:02X}")),
            "json" => every(&|byte| format!("\\u{byte:04x}")),
            "base64" => STANDARD.encode(format!("?{secret}!")),
            _ => secret.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_found_in_any_text_that_contains_it_and_in_no_other(
            secrets in prop::collection::vec("[a-z0-9]{20}", 1..6),
            before in "[ -~äö€]{0,60}",
            after in "[ -~äö€]{0,60}",
            spelling in prop::sample::select(vec!["plain", "percent", "hex", "json", "base64"]),
        ) {
            let index = Index::new(secrets.iter().map(|secret| random(secret)));
            let without = format!("{before}{after}");
            prop_assert!(!index.occurs_in(&without), "{}", without);
            for (n, secret) in secrets.iter().enumerate() {
                let text = format!("{before}{}{after}", scattered(spelling, secret));
                let found = index.find(&text);
                prop_assert_eq!(found.len(), 1, "{} {:?}", text, found);
                prop_assert_eq!(found[0].secret, n, "{} {:?}", text, found);
                prop_assert_eq!(found[0].found_characters, None, "{} {:?}", text, found);
            }
        }
    }
}
