//! Escapes characters of recorded texts that would change how a terminal or a page shows them.
//!
//! Run files and judged gateways contain texts of unknown origin. Control characters can move the
//! cursor of a terminal, and bidirectional characters change the order in which text is shown.

use std::fmt::Write as _;

/// The text with every control character, line separator and bidirectional character escaped, so
/// that it is one line: `\u{1b}` for ESC.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, is_hidden)
}

/// The same for a text of several lines: line breaks and tabs stay.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| is_hidden(c) && c != '\n' && c != '\t')
}

/// The JSON with these characters escaped in its strings, as RFC 8259 §7 permits. A parser reads
/// the same values.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        // Between strings, JSON has only line breaks of these characters.
        if is_hidden(c) && c != '\n' {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_escaped(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Whether a character is a control character, a line separator, or one of the bidirectional
/// controls of Unicode (UAX #9 §2).
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidirectional_characters_become_visible() {
        let text = "a\u{1b}[2J\u{9b}31m\r\n\tb\u{202e}c\u{2067}d é→";
        let line = "a\\u{1b}[2J\\u{9b}31m\\u{d}\\u{a}\\u{9}b\\u{202e}c\\u{2067}d é→";
        assert_eq!(printable(text), line);
        assert!(printable_lines(text).contains("\\u{d}\n\tb\\u{202e}c"));
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({ "a": "x\u{202e}y\u{7f}\u{1b}" });
        let safe = printable_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!safe.chars().any(|c| is_hidden(c) && c != '\n'), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
