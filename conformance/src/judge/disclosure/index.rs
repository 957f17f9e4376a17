//! Finds secrets in texts: all spellings of all of them at once, however many there are and however long the text is.
//!
//! Of each secret, its first eight characters are enough. Every spelling of those is known by its first eight bytes: a text is read once,
//! and hardly any of its places needs a second look. Whether a secret may be where it was found is decided elsewhere.

use std::collections::HashMap;

use super::spelling::{Spelling, spellings};

/// How many characters of a secret give it away.
pub const TELLING: usize = 8;
/// How many of one that somebody else has drawn: what it begins with may be a label.
const TELLING_OF_OTHERS: usize = 16;
/// What a gateway key begins with, because there are gateways that ask for it. Nothing else of ours begins with a label.
const LABEL: &str = "sk-";

/// A secret to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its text.
    pub value: &'a str,
    /// Whether the suite has drawn it, so that it is random from its first character on.
    pub drawn_here: bool,
}

impl<'a> Wanted<'a> {
    /// The texts of which each starts with what gives the secret away, and how much of it does.
    fn roots(self) -> impl Iterator<Item = (&'a str, usize)> {
        let telling = if self.drawn_here {
            TELLING
        } else {
            TELLING_OF_OTHERS.min(self.value.len())
        };
        let bare = self.value.strip_prefix(LABEL).filter(|_| self.drawn_here);
        [Some(self.value), bare].into_iter().flatten().map(move |root| (root, telling))
    }
}

/// One secret, found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which of the wanted it is, counted from zero.
    pub secret: usize,
    /// How it is spelled.
    pub spelling: Spelling,
    /// Where its spelling begins.
    pub at: usize,
    /// How many of its characters are there, where that is less than all.
    pub part: Option<usize>,
}

#[derive(Debug)]
struct Needle {
    text: String,
    spelling: Spelling,
    root: usize,
    /// Whether another secret has the same one, so that it tells neither.
    shared: bool,
}

/// Secrets, made ready to be looked for.
#[derive(Debug, Default)]
pub struct Index {
    /// The text behind each needle, and whose it is.
    roots: Vec<(String, usize)>,
    needles: Vec<Needle>,
    /// By their first eight bytes.
    starts: HashMap<u64, Vec<usize>>,
    /// A bit for each hash that a start can have: most places of a text are passed over without a look into the table.
    filter: Vec<u64>,
}

const WORD: usize = size_of::<u64>();

impl Index {
    /// Of these secrets. What is shorter than eight characters is nobody's secret, and not looked for.
    #[must_use]
    pub fn new<'a>(wanted: impl IntoIterator<Item = Wanted<'a>>) -> Self {
        let mut index = Self::default();
        for (secret, wanted) in wanted.into_iter().enumerate() {
            for (root, telling) in wanted.roots() {
                index.add(secret, root, telling);
            }
        }
        index.filter = vec![0; (index.needles.len() / 4).next_power_of_two().max(64)];
        let bits: Vec<usize> = index.starts.keys().map(|start| index.bit(*start)).collect();
        bits.into_iter().for_each(|bit| index.filter[bit / 64] |= 1 << (bit % 64));
        index
    }

    fn add(&mut self, secret: usize, text: &str, telling: usize) {
        let Some(start) = text.get(..telling).filter(|start| start.len() >= TELLING) else {
            return;
        };
        let root = self.roots.len();
        self.roots.push((text.to_owned(), secret));
        for (spelling, text) in spellings(start) {
            let Some(word) = text.as_bytes().first_chunk::<WORD>() else {
                continue;
            };
            let alike = self.starts.entry(u64::from_le_bytes(*word)).or_default();
            match alike.iter().find(|known| self.needles[**known].text == text) {
                Some(known) => {
                    let known = &mut self.needles[*known];
                    known.shared |= self.roots[known.root].1 != secret;
                }
                None => {
                    alike.push(self.needles.len());
                    self.needles.push(Needle { text, spelling, root, shared: false });
                }
            }
        }
    }

    /// Which bit of the filter a start has.
    fn bit(&self, start: u64) -> usize {
        (start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (self.filter.len() * 64 - 1)
    }

    /// Every secret in a text, each once, by where it is found first.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Found> {
        let mut all: Vec<Found> = Vec::new();
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
                let secret = self.roots[needle.root].1;
                let is_new = !needle.shared && all.iter().all(|found| found.secret != secret);
                if is_new && text.as_bytes()[at..].starts_with(needle.text.as_bytes()) {
                    all.push(Found {
                        secret,
                        spelling: needle.spelling,
                        at,
                        part: self.part(needle, &text.as_bytes()[at..]),
                    });
                }
            }
        }
        all
    }

    /// Whether a text holds any of them.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        !self.find(text).is_empty()
    }

    /// How many characters of a secret are there, where that is not all of them.
    fn part(&self, needle: &Needle, text: &[u8]) -> Option<usize> {
        let root = &self.roots[needle.root].0;
        // Spellings that begin alike, such as those in which only the case of digits differs, may part later.
        let there = |whole: &str| {
            let there = whole.bytes().zip(text).take_while(|(one, other)| one == *other).count();
            there * root.len() / whole.len()
        };
        let alike =
            spellings(root).into_iter().filter(|(_, whole)| whole.starts_with(&needle.text));
        alike.map(|(_, whole)| there(&whole)).max().filter(|there| *there < root.len())
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    fn ours(value: &str) -> Wanted<'_> {
        Wanted { value, drawn_here: true }
    }

    fn seen(text: &str, secrets: &[&str]) -> Vec<(usize, Spelling, Option<usize>)> {
        let index = Index::new(secrets.iter().map(|secret| ours(secret)));
        index
            .find(text)
            .into_iter()
            .map(|found| (found.secret, found.spelling, found.part))
            .collect()
    }

    #[test]
    fn a_secret_is_told_by_eight_characters_and_by_no_label() {
        let (one, other) = ("k3jd92mxq0w8rjty5hfb", "sk-Zq81xWm4Lk07Rr2v");
        let all = [one, other];
        assert_eq!(seen("token k3jd92mxq0w8rjty5hfb.pf1", &all), [(0, Spelling::Plain, None)]);
        assert_eq!(seen("token k3jd92mxq0…", &all), [(0, Spelling::Plain, Some(10))]);
        assert_eq!(seen("token k3jd92m…", &all), []);
        assert_eq!(seen("key sk-Zq81x****", &all), [(1, Spelling::Plain, Some(8))]);
        assert_eq!(seen("key sk-**** of Zq81xWm4Lk07Rr2v", &all), [(1, Spelling::Plain, None)]);
        assert_eq!(seen("key sk-another one", &all), []);
        assert_eq!(seen(&STANDARD.encode(format!("a:{one}")), &all), [(0, Spelling::Base64, None)]);
        assert_eq!(
            seen("6b336a6439326d787130 and 6B336A6439326D78", &all),
            [(0, Spelling::Hex, Some(10))]
        );
        assert_eq!(seen("short", &["short"]), []);
    }

    #[test]
    fn what_two_secrets_begin_with_tells_neither() {
        assert_eq!(seen("session-4711", &["session-4711", "session-0815"]), []);
        let theirs = |value| Wanted { value, drawn_here: false };
        let index = Index::new([theirs("session-4711-0815-x"), theirs("abcd")]);
        assert!(
            !index.is_in("session-4")
                && !index.is_in("abcd")
                && index.is_in("at session-4711-0815 …")
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
        fn a_secret_is_found_in_any_surroundings_and_in_none_without_it(
            secrets in prop::collection::vec("[a-z0-9]{20}", 1..6),
            before in "[ -~äö€]{0,60}",
            after in "[ -~äö€]{0,60}",
            spelling in prop::sample::select(vec!["plain", "percent", "hex", "json", "base64"]),
        ) {
            let index = Index::new(secrets.iter().map(|secret| ours(secret)));
            let without = format!("{before}{after}");
            prop_assert!(!index.is_in(&without), "{}", without);
            for (n, secret) in secrets.iter().enumerate() {
                let text = format!("{before}{}{after}", scattered(spelling, secret));
                let found = index.find(&text);
                prop_assert!(matches!(found.as_slice(), [found] if found.secret == n && found.part.is_none()), "{text} {found:?}");
            }
        }
    }
}
