//! Reads the parts of JSON-RPC messages that the gateway needs, and leaves the rest as the bytes
//! that were sent.
//!
//! An [`Envelope`] is the id and the method from the beginning of a message, which is enough to
//! answer it. A [`Message`] is a complete message; an aggregate endpoint needs it to select the
//! servers. Whether a message is valid MCP is decided by its server.

use alloc::{
    borrow::{Cow, ToOwned},
    boxed::Box,
    format,
    string::String,
};
use core::fmt;

use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The id and the method of a message.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// The id, a string or a number, as it was sent. `None` for a notification, a batch or
    /// unreadable bytes.
    pub id: Option<Box<RawValue>>,
    /// The method. `None` for a response or unreadable bytes.
    pub method: Option<String>,
}

/// How many bytes of a message are read to find its envelope: 64 KiB. MCP clients send id and
/// method before any long parameter.
pub const MAX_PREFIX_BYTES: usize = 65_536;

impl Envelope {
    /// Reads the envelope from the beginning of a message. A truncated message gives the members
    /// before the end of the bytes.
    ///
    /// ```
    /// use mcp_preflight_core::envelope::Envelope;
    ///
    /// let bytes = br#"{"jsonrpc":"2.0","id":"a-7","method":"tools/call","params":{"arg"#;
    /// let cut = Envelope::parse_prefix(bytes);
    /// assert_eq!(cut.id.unwrap().get(), "\"a-7\"");
    /// assert_eq!(cut.method.as_deref(), Some("tools/call"));
    /// ```
    #[must_use]
    pub fn parse_prefix(bytes: &[u8]) -> Self {
        let mut envelope = Self::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        // The error only tells where reading stopped. The members before it are already in the
        // envelope.
        let _end_of_reading = Peek(&mut envelope).deserialize(&mut json);
        // A number at the end of the bytes may lack its last digits.
        envelope.id = envelope.id.filter(|id| !bytes.ends_with(id.get().as_bytes()));
        envelope
    }
}

/// Fills the envelope while the object is read, so that members before an error are kept.
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

/// A JSON object with unparsed values, in the order in which they were sent.
pub type RawObject = indexmap::IndexMap<String, Box<RawValue>>;

/// A JSON-RPC response. The id keeps its bytes, and `value` is serialized JSON.
pub(crate) fn json_rpc_response(id: Option<&RawValue>, member: &str, value: &str) -> String {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0",{id}"{member}":{value}}}"#)
}

/// Serializes a value that is always valid JSON: built from strings, numbers, and maps and lists of
/// JSON values.
pub(crate) fn raw_json(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value)
        .expect("strings, numbers, and maps and lists of JSON values are valid JSON")
}

/// A complete message. Its members and its parameters are split, their values are not parsed.
#[derive(Clone, Debug)]
pub struct Message {
    /// Every member except `params`.
    members: RawObject,
    params: Option<RawObject>,
}

/// Why a text is not a message for an aggregate endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidMessage {
    /// Not JSON.
    NotJson,
    /// JSON, but not one message: for example a batch.
    NotOneMessage,
}

impl Message {
    /// Parses a message.
    ///
    /// # Errors
    /// The text is not JSON, or not an object with `method`, `result` or `error`.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let mut members: RawObject = serde_json::from_slice(bytes).map_err(|_| {
            match serde_json::from_slice::<IgnoredAny>(bytes) {
                Ok(_) => InvalidMessage::NotOneMessage,
                Err(_) => InvalidMessage::NotJson,
            }
        })?;
        let params = members
            .shift_remove("params")
            .map(|params| serde_json::from_str(params.get()))
            .transpose();
        let message = Self {
            members,
            params: params.map_err(|_| InvalidMessage::NotOneMessage)?,
        };
        let is_message = ["method", "result", "error"]
            .iter()
            .any(|member| message.members.contains_key(*member));
        if is_message {
            Ok(message)
        } else {
            Err(InvalidMessage::NotOneMessage)
        }
    }

    /// The id as it was sent; `None` in a notification.
    #[must_use]
    pub fn id(&self) -> Option<&RawValue> {
        self.members.get("id").map(AsRef::as_ref)
    }

    /// The id if the message is a request, so that a reply or an error can answer it.
    #[must_use]
    pub fn request_id(&self) -> Option<&RawValue> {
        self.id().filter(|_| self.method().is_some())
    }

    /// The method; `None` in a response.
    #[must_use]
    pub fn method(&self) -> Option<String> {
        serde_json::from_str(self.members.get("method")?.get()).ok()
    }

    /// A parameter, unparsed.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&RawValue> {
        self.params.as_ref()?.get(name).map(AsRef::as_ref)
    }

    /// A parameter that is a string.
    #[must_use]
    pub fn string_param(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.param(name)?.get()).ok()
    }

    /// The same message with another value for one parameter.
    #[must_use]
    pub fn with_param(&self, name: &str, value: impl Serialize) -> Self {
        let mut changed = self.clone();
        let params = changed.params.get_or_insert_default();
        params.insert(name.to_owned(), raw_json(&value));
        changed
    }
}

/// The message as JSON. Unchanged values keep their bytes.
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
    fn an_id_keeps_its_bytes() {
        for id in ["1", "-7", "1.50", "12345678901234567890123", "\"a\\u0041\""] {
            assert_eq!(
                read(&format!(r#"{{"params":{{"id":2}},"id":{id}}}"#)).0.as_deref(),
                Some(id)
            );
        }
    }

    #[test]
    fn a_value_that_is_not_an_id_gives_none() {
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
    fn changing_a_parameter_changes_nothing_else() {
        let text = concat!(
            r#"{"jsonrpc":"2.0","id":1.50,"method":"tools/call","params":"#,
            r#"{"name":"a-echo","arguments":{"n":1e2,"b": [ ]},"_meta":{"progressToken":7}}}"#,
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.string_param("name").as_deref(), Some("a-echo"));
        assert_eq!(message.to_string(), text);
        assert_eq!(message.with_param("name", "echo").to_string(), text.replace("a-echo", "echo"));
        let bare = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(Message::parse(bare.as_bytes()).unwrap().to_string(), bare);
    }

    #[test]
    fn a_text_that_is_not_a_message_is_an_error() {
        for (text, error) in [
            ("", InvalidMessage::NotJson),
            ("{", InvalidMessage::NotJson),
            ("[]", InvalidMessage::NotOneMessage),
            ("{}", InvalidMessage::NotOneMessage),
        ] {
            assert_eq!(Message::parse(text.as_bytes()).unwrap_err(), error, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::parse_prefix(&bytes);
        }

        #[test]
        fn a_truncated_message_gives_only_complete_members(cut in 0_usize..60) {
            let text = r#"{"jsonrpc":"2.0","id":417,"method":"tools/call","params":{}}"#;
            let (id, method) = read(&text[..cut]);
            prop_assert_eq!(id.as_deref(), (cut >= 26).then_some("417"), "the comma shows that the \
                number is complete");
            prop_assert_eq!(method.as_deref(), (cut >= 47).then_some("tools/call"));
        }
    }
}
