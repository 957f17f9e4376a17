//! Reads the reply of one server, and decides what it contributes to the answer of an aggregate
//! endpoint.

use alloc::boxed::Box;

use serde_json::{Value, value::RawValue};

use crate::{
    envelope::RawObject,
    status::{Failure, code},
};

/// A JSON-RPC response of a server.
#[derive(Debug)]
pub enum Reply {
    /// The result.
    Result(Box<RawValue>),
    /// The code of the error, if it could be read.
    Error(Option<i32>),
}

impl Reply {
    /// Reads a message, or `None` if it is not the response to the request with this id. An event
    /// stream also carries other messages, for example progress notifications.
    #[must_use]
    pub fn parse(text: &[u8], id: Option<&RawValue>) -> Option<Self> {
        let mut members: RawObject = serde_json::from_slice(text).ok()?;
        if members.get("id").map(|own| own.get()) != id.map(RawValue::get) {
            return None;
        }
        if let Some(result) = members.shift_remove("result") {
            return Some(Self::Result(result));
        }
        let error: RawObject = serde_json::from_str(members.get("error")?.get()).ok()?;
        Some(Self::Error(error.get("code").and_then(|code| code.get().parse().ok())))
    }

    /// The result of opening a server.
    ///
    /// # Errors
    /// A server that answers with an error cannot be used.
    pub fn opening_result(self) -> Result<Value, Failure> {
        match self {
            Self::Result(result) => serde_json::from_str(result.get()).map_err(|_| Failure::NotMcp),
            Self::Error(_) => Err(Failure::NotMcp),
        }
    }

    /// The result of a list request, or `None` if the server does not have this list.
    ///
    /// # Errors
    /// The server answered with another error.
    pub fn list_result(self) -> Result<Option<Box<RawValue>>, Failure> {
        match self {
            Self::Result(result) => Ok(Some(result)),
            Self::Error(Some(code::METHOD_NOT_FOUND)) => Ok(None),
            Self::Error(_) => Err(Failure::NotMcp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Reply> {
        let id = RawValue::from_string("7".to_owned()).unwrap();
        Reply::parse(text.as_bytes(), Some(&id))
    }

    #[test]
    fn only_the_response_to_the_request_is_a_reply() {
        assert!(matches!(parse(r#"{"id":7,"result":{}}"#), Some(Reply::Result(_))));
        assert!(matches!(
            parse(r#"{"id":7,"error":{"code":-32000}}"#),
            Some(Reply::Error(Some(-32000)))
        ));
        for text in [
            r#"{"id":8,"result":{}}"#,
            r#"{"id":"7","result":{}}"#,
            r#"{"method":"notifications/progress"}"#,
            r#"{"id":7}"#,
            "{",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_server_without_the_method_has_no_such_list() {
        let list = |text: &str| {
            parse(text)
                .unwrap()
                .list_result()
                .map(|list| list.map(|list| list.get().to_owned()))
        };
        assert_eq!(list(r#"{"id":7,"result":{"a": 1}}"#), Ok(Some(r#"{"a": 1}"#.to_owned())));
        assert_eq!(list(r#"{"id":7,"error":{"code":-32601}}"#), Ok(None));
        assert_eq!(list(r#"{"id":7,"error":{"code":-32603}}"#), Err(Failure::NotMcp));
        assert_eq!(list(r#"{"id":7,"error":{}}"#), Err(Failure::NotMcp));
    }

    #[test]
    fn a_server_that_answers_its_opening_with_an_error_cannot_be_used() {
        let opened = parse(r#"{"id":7,"error":{"code":-32601}}"#).unwrap().opening_result();
        assert_eq!(opened, Err(Failure::NotMcp));
    }
}
