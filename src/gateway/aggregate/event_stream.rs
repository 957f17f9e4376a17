//! Splits the body of an event stream into events.
//!
//! The content of an event is not interpreted.

use bytes::{Bytes, BytesMut};

/// The largest message, in bytes. Longer lists have pages.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// The sequences that end an event.
const EVENT_ENDS: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
const MAX_EVENT_END_BYTES: usize = 4;

/// How many bytes the first event has, with its end. The search stops there, so that a stream of
/// many small events is examined once and not once for each event.
fn first_event_end(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find_map(|at| {
        let end = EVENT_ENDS.iter().find(|end| bytes[at..].starts_with(end))?;
        Some(at + end.len())
    })
}

/// Received bytes that have not been taken as events.
#[derive(Default)]
pub(super) struct EventBuffer {
    bytes: BytesMut,
    /// How many bytes contain no end of an event.
    searched: usize,
    /// How many bytes have been examined since the beginning of the stream.
    #[cfg(test)]
    examined: usize,
}

/// A message has more than [`MAX_MESSAGE_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessageTooLong;

impl EventBuffer {
    /// Adds received bytes.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), MessageTooLong> {
        self.bytes.extend_from_slice(data);
        if self.bytes.len() > MAX_MESSAGE_BYTES {
            Err(MessageTooLong)
        } else {
            Ok(())
        }
    }

    /// Takes the next complete event, with the empty line that ends it.
    pub(super) fn next_event(&mut self) -> Option<Bytes> {
        // An end may begin in the bytes that were searched before.
        let from = self.searched.saturating_sub(MAX_EVENT_END_BYTES - 1);
        let end = first_event_end(&self.bytes[from..]);
        self.count_examined(end.unwrap_or(self.bytes.len() - from));
        let Some(end) = end else {
            self.searched = self.bytes.len();
            return None;
        };
        self.searched = 0;
        Some(self.bytes.split_to(from + end).freeze())
    }

    /// Lets a test see the work.
    fn count_examined(&mut self, bytes: usize) {
        #[cfg(test)]
        {
            self.examined += bytes;
        }
        #[cfg(not(test))]
        let _not_counted = bytes;
    }

    /// Takes all remaining bytes.
    pub(super) fn take_rest(&mut self) -> Bytes {
        self.searched = 0;
        self.bytes.split().freeze()
    }
}

/// The data of an event: its `data` lines, joined with line feeds.
pub(super) fn event_data(event: &[u8]) -> Bytes {
    let lines = event.split(|byte| *byte == b'\n' || *byte == b'\r');
    let data: Vec<&[u8]> = lines
        .filter_map(|line| line.strip_prefix(b"data:"))
        .map(|data| data.strip_prefix(b" ").unwrap_or(data))
        .collect();
    data.join(&b'\n').into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events of a stream that arrives in these pieces, and the remaining bytes.
    fn split(pieces: &[&[u8]]) -> (Vec<Bytes>, Bytes) {
        let (mut buffer, mut events) = (EventBuffer::default(), Vec::new());
        for piece in pieces {
            buffer.push(piece).unwrap();
            while let Some(event) = buffer.next_event() {
                events.push(event);
            }
        }
        (events, buffer.take_rest())
    }

    proptest! {
        #[test]
        fn the_events_do_not_depend_on_how_a_stream_is_divided(
            stream in "(a|\n|\r|\r\n){0,24}",
            cut in any::<prop::sample::Index>(),
        ) {
            let (before, behind) = stream.as_bytes().split_at(cut.index(stream.len() + 1));
            let bytewise: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            let (events, rest) = split(&bytewise);
            prop_assert_eq!([&events.concat()[..], &rest].concat(), stream.as_bytes());
            let is_complete = |event: &Bytes| EVENT_ENDS.iter().any(|end| event.ends_with(end));
            prop_assert!(events.iter().all(is_complete));
            prop_assert_eq!(split(&[before, behind]), (events, rest));
        }
    }

    /// A stream of empty events once took time in proportion to the square of its length.
    #[test]
    fn the_work_grows_with_the_length_of_the_stream_and_not_with_its_square() {
        for (stream, chunk) in [
            ("\n\n".repeat(100_000), 200_000),
            ("\n\n".repeat(100_000), 1_000),
            ("data: {}\r\n\r\n".repeat(10_000), 120_000),
            ("a".repeat(100_000), 1),
        ] {
            let mut buffer = EventBuffer::default();
            for piece in stream.as_bytes().chunks(chunk) {
                buffer.push(piece).unwrap();
                while buffer.next_event().is_some() {}
            }
            // Each piece begins with up to three bytes that were examined before.
            assert!(buffer.examined <= 4 * stream.len(), "{} of {}", buffer.examined, stream.len());
        }
    }

    #[test]
    fn a_message_without_an_end_is_too_long_at_the_limit() {
        let mut buffer = EventBuffer::default();
        assert_eq!(buffer.push(&vec![b'a'; MAX_MESSAGE_BYTES]), Ok(()));
        assert_eq!(buffer.next_event(), None);
        assert_eq!(buffer.push(b"a"), Err(MessageTooLong));
    }
}
