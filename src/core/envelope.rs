//! Reads the two members of a JSON-RPC message that the gateway needs, `id` and `method`, and leaves the rest alone.
//!
//! Whether the message is valid is the upstream's business; what cannot be read is simply not known.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What was read of a message.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// The id as it was written, a string or a number; `None` for a notification, a batch, or what could not be read.
    pub id: Option<Box<RawValue>>,
    /// The method, `None` for a response or what could not be read.
    pub method: Option<String>,
}

/// How much of a message is looked at, in bytes; ids and methods come first in every message seen in the wild.
pub const PREFIX: usize = 64 * 1024;

impl Envelope {
    /// Reads as much as the bytes hold; a message cut short gives what stood before the cut.
    ///
    /// ```
    /// use mcp_preflight::core::envelope::Envelope;
    ///
    /// let cut = Envelope::read(br#"{"jsonrpc":"2.0","id":"a-7","method":"tools/call","params":{"arg"#);
    /// assert_eq!(cut.id.unwrap().get(), "\"a-7\"");
    /// assert_eq!(cut.method.as_deref(), Some("tools/call"));
    /// ```
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut envelope = Self::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        // An error only says where reading stopped; what came before it has been kept.
        let _stopped = Members(&mut envelope).deserialize(&mut json);
        // A number that the cut ends with may have lost its last digits.
        envelope.id = envelope.id.filter(|id| !bytes.ends_with(id.get().as_bytes()));
        envelope
    }
}

struct Members<'e>(&'e mut Envelope);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "id" => {
                    let id: Box<RawValue> = members.next_value()?;
                    self.0.id = Some(id).filter(|id| id.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit()));
                }
                "method" => self.0.method = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<String>, Option<String>) {
        let envelope = Envelope::read(text.as_bytes());
        (envelope.id.map(|id| id.get().to_owned()), envelope.method)
    }

    #[test]
    fn ids_are_kept_as_they_were_written() {
        for id in ["1", "-7", "1.50", "12345678901234567890123", "\"a\\u0041\""] {
            assert_eq!(read(&format!(r#"{{"params":{{"id":2}},"id":{id}}}"#)).0.as_deref(), Some(id));
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in [r#"{"id":null}"#, r#"{"id":{}}"#, r#"{"id":[1]}"#, r#"{"id":true}"#, r#"[{"id":1}]"#, "", "hello", "{\"id\""] {
            assert_eq!(read(text).0, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::read(&bytes);
        }

        #[test]
        fn a_cut_never_invents(cut in 0_usize..60) {
            let text = r#"{"jsonrpc":"2.0","id":417,"method":"tools/call","params":{}}"#;
            let (id, method) = read(&text[..cut.min(text.len())]);
            prop_assert!(id.is_none() || id.as_deref() == Some("417"));
            prop_assert!(method.is_none() || method.as_deref() == Some("tools/call"));
        }
    }
}
