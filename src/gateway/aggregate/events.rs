//! Splits what a server sends into the events of its stream, as it comes.
//!
//! What an event says is not looked at.

use bytes::{Bytes, BytesMut};

/// How long a message may be, in bytes; a list that is longer has pages.
const LIMIT: usize = 8 * 1024 * 1024;

/// The empty lines that can end an event.
const ENDS: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];

/// What has come, and is part of no event that was taken.
#[derive(Default)]
pub(super) struct Unread {
    bytes: BytesMut,
    /// How far no end of an event was found.
    searched: usize,
}

/// A message is longer than any that is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Unread {
    /// Adds what has come.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), TooLong> {
        self.bytes.extend_from_slice(data);
        if self.bytes.len() > LIMIT { Err(TooLong) } else { Ok(()) }
    }

    /// Takes the next whole event off the front, with the empty line that ends it.
    pub(super) fn event(&mut self) -> Option<Bytes> {
        // An end can have begun in what was searched before.
        let from = self.searched.saturating_sub(3);
        let end = |end: &&[u8]| {
            Some((
                self.bytes[from..].windows(end.len()).position(|window| window == *end)?,
                end.len(),
            ))
        };
        let Some((at, length)) = ENDS.iter().filter_map(end).min() else {
            self.searched = self.bytes.len();
            return None;
        };
        self.searched = 0;
        Some(self.bytes.split_to(from + at + length).freeze())
    }

    /// Takes all that is left.
    pub(super) fn rest(&mut self) -> Bytes {
        self.searched = 0;
        self.bytes.split().freeze()
    }
}

/// The data of an event: its `data` lines, joined.
pub(super) fn data_of(event: &[u8]) -> Bytes {
    let lines = event.split(|byte| *byte == b'\n' || *byte == b'\r');
    let data: Vec<&[u8]> = lines
        .filter_map(|line| line.strip_prefix(b"data:"))
        .map(|data| data.strip_prefix(b" ").unwrap_or(data))
        .collect();
    data.join(&b'\n').into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The events that a stream has when it comes in these pieces, and what is left.
    fn split(pieces: &[&[u8]]) -> (Vec<Bytes>, Bytes) {
        let (mut unread, mut events) = (Unread::default(), Vec::new());
        for piece in pieces {
            unread.push(piece).unwrap();
            while let Some(event) = unread.event() {
                events.push(event);
            }
        }
        (events, unread.rest())
    }

    proptest! {
        #[test]
        fn where_a_stream_is_cut_changes_nothing(stream in "(a|\n|\r|\r\n){0,24}", cut in any::<prop::sample::Index>()) {
            let (before, behind) = stream.as_bytes().split_at(cut.index(stream.len() + 1));
            let bytewise: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            let (events, rest) = split(&bytewise);
            prop_assert_eq!([&events.concat()[..], &rest].concat(), stream.as_bytes());
            prop_assert!(events.iter().all(|event| ENDS.iter().any(|end| event.ends_with(end))));
            prop_assert_eq!(split(&[before, behind]), (events, rest));
        }
    }

    #[test]
    fn a_message_without_an_end_is_given_up() {
        let mut unread = Unread::default();
        assert_eq!(
            (unread.push(&vec![b'a'; LIMIT]), unread.event(), unread.push(b"a")),
            (Ok(()), None, Err(TooLong))
        );
    }
}
