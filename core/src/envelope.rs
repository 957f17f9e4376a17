//! The one layer that knows JSON-RPC: reads what the gateway needs of a message, and leaves the rest the bytes that it was.
//!
//! An [`Envelope`] is what the beginning of a message tells, enough to answer by id. A [`Message`] is a whole one, read because an
//! aggregate has to know whose it is. Whether a message makes sense is its server's business.

use alloc::{
    borrow::{Cow, ToOwned},
    boxed::Box,
    string::String,
};
use core::fmt;

use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What was read of a message.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// The id as it was written, a string or a number; `None` for a notification, a batch, or what could not be read.
    pub id: Option<Box<RawValue>>,
    /// The method, `None` for a response or what could not be read.
    pub method: Option<String>,
}

/// How much of a message is looked at: 64 KiB; ids and methods come first in every message seen in the wild.
pub const MAX_PREFIX_BYTES: usize = 65_536;

impl Envelope {
    /// Reads as much as the bytes hold; a message cut short gives what stood before the cut.
    ///
    /// ```
    /// use mcp_preflight_core::envelope::Envelope;
    ///
    /// let cut = Envelope::parse_prefix(br#"{"jsonrpc":"2.0","id":"a-7","method":"tools/call","params":{"arg"#);
    /// assert_eq!(cut.id.unwrap().get(), "\"a-7\"");
    /// assert_eq!(cut.method.as_deref(), Some("tools/call"));
    /// ```
    #[must_use]
    pub fn parse_prefix(bytes: &[u8]) -> Self {
        let mut envelope = Self::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        // An error only says where reading stopped; what came before it has been kept.
        let _stopped = Peek(&mut envelope).deserialize(&mut json);
        // A number that the cut ends with may have lost its last digits.
        envelope.id = envelope.id.filter(|id| !bytes.ends_with(id.get().as_bytes()));
        envelope
    }
}

struct Peek<'e>(&'e mut Envelope);

impl<'de> DeserializeSeed<'de> for Peek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Peek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "id" => {
                    let id: Box<RawValue> = members.next_value()?;
                    self.0.id = Some(id).filter(|id| {
                        id.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
                    });
                }
                "method" => self.0.method = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A JSON object whose values have not been looked into, in its own order.
pub type RawObject = indexmap::IndexMap<String, Box<RawValue>>;

/// A whole message, of which one level has been looked into.
#[derive(Clone, Debug)]
pub struct Message {
    /// Every member but `params`.
    members: RawObject,
    params: Option<RawObject>,
}

/// A text that is no JSON-RPC message that an aggregate could serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidMessage {
    /// Not JSON.
    NotJson,
    /// JSON, and not one message: a batch, or something else.
    NotAMessage,
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// Says whether it was JSON at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let mut members: RawObject = serde_json::from_slice(bytes).map_err(|_| {
            match serde_json::from_slice::<IgnoredAny>(bytes) {
                Ok(_) => InvalidMessage::NotAMessage,
                Err(_) => InvalidMessage::NotJson,
            }
        })?;
        let params = members
            .shift_remove("params")
            .map(|params| serde_json::from_str(params.get()))
            .transpose();
        let message = Self {
            members,
            params: params.map_err(|_| InvalidMessage::NotAMessage)?,
        };
        let says_something = ["method", "result", "error"]
            .iter()
            .any(|member| message.members.contains_key(*member));
        if says_something {
            Ok(message)
        } else {
            Err(InvalidMessage::NotAMessage)
        }
    }

    /// The id as it was written; absent in a notification.
    #[must_use]
    pub fn id(&self) -> Option<&RawValue> {
        self.members.get("id").map(AsRef::as_ref)
    }

    /// The method; absent in a response.
    #[must_use]
    pub fn method(&self) -> Option<String> {
        serde_json::from_str(self.members.get("method")?.get()).ok()
    }

    /// A parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&RawValue> {
        self.params.as_ref()?.get(name).map(AsRef::as_ref)
    }

    /// A parameter that is a string.
    #[must_use]
    pub fn string_param(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.param(name)?.get()).ok()
    }

    /// The same message with one parameter of another value.
    #[must_use]
    pub fn with_param(&self, name: &str, value: impl Serialize) -> Self {
        let mut changed = self.clone();
        let value = serde_json::value::to_raw_value(&value)
            .expect("strings, numbers and maps of them are JSON");
        changed.params.get_or_insert_default().insert(name.to_owned(), value);
        changed
    }
}

/// The message as it goes on the wire.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = self.members.clone();
        if let Some(params) = &self.params {
            let params = serde_json::value::to_raw_value(params).map_err(|_| fmt::Error)?;
            members.insert("params".to_owned(), params);
        }
        f.write_str(&serde_json::to_string(&members).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<String>, Option<String>) {
        let envelope = Envelope::parse_prefix(text.as_bytes());
        (envelope.id.map(|id| id.get().to_owned()), envelope.method)
    }

    #[test]
    fn ids_are_kept_as_they_were_written() {
        for id in ["1", "-7", "1.50", "12345678901234567890123", "\"a\\u0041\""] {
            assert_eq!(
                read(&format!(r#"{{"params":{{"id":2}},"id":{id}}}"#)).0.as_deref(),
                Some(id)
            );
        }
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in [
            r#"{"id":null}"#,
            r#"{"id":{}}"#,
            r#"{"id":[1]}"#,
            r#"{"id":true}"#,
            r#"[{"id":1}]"#,
            "",
            "hello",
            "{\"id\"",
        ] {
            assert_eq!(read(text).0, None, "{text}");
        }
    }

    #[test]
    fn a_message_is_rewritten_in_one_place_only() {
        let text = r#"{"jsonrpc":"2.0","id":1.50,"method":"tools/call","params":{"name":"a-echo","arguments":{"n":1e2,"b": [ ]},"_meta":{"progressToken":7}}}"#;
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.string_param("name").as_deref(), Some("a-echo"));
        assert_eq!(message.to_string(), text);
        assert_eq!(message.with_param("name", "echo").to_string(), text.replace("a-echo", "echo"));
        let bare = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(Message::parse(bare.as_bytes()).unwrap().to_string(), bare);
    }

    #[test]
    fn what_is_no_message_says_how() {
        for (text, unreadable) in [
            ("", InvalidMessage::NotJson),
            ("{", InvalidMessage::NotJson),
            ("[]", InvalidMessage::NotAMessage),
            ("{}", InvalidMessage::NotAMessage),
        ] {
            assert_eq!(Message::parse(text.as_bytes()).unwrap_err(), unreadable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::parse_prefix(&bytes);
        }

        #[test]
        fn a_cut_never_invents(cut in 0_usize..60) {
            let text = r#"{"jsonrpc":"2.0","id":417,"method":"tools/call","params":{}}"#;
            let (id, method) = read(&text[..cut]);
            prop_assert_eq!(id.as_deref(), (cut >= 26).then_some("417"), "a comma tells that the number is whole");
            prop_assert_eq!(method.as_deref(), (cut >= 47).then_some("tools/call"));
        }
    }
}
