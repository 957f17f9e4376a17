//! Decides whether the framing of an HTTP/1 request is ambiguous (SEC-04).
//!
//! The HTTP library rejects most ambiguous requests, but it accepts a Content-Length beside chunks
//! and a line that ends in LF alone. A proxy in front of the gateway may read such a request
//! differently, so the gateway rejects it. This module follows the bytes of the connection and
//! finds the end of each message; it does not parse bodies.

use alloc::vec::Vec;

/// The longest line that is followed, in bytes. The HTTP library accepts no longer header section.
const MAX_LINE_LENGTH: usize = 64 * 1024;

/// The position in the bytes of a connection, and whether a request on it was ambiguous.
#[derive(Debug, Default)]
pub struct Framing {
    position: Position,
    line: Vec<u8>,
    head: Head,
    is_ambiguous: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// In a header section, or before a request.
    #[default]
    Head,
    /// In a body, with this many bytes left.
    Body(u64),
    /// In the line with the size of the next chunk.
    ChunkSize,
    /// In a chunk, with this many bytes left, including its final CR LF.
    Chunk(u64),
    /// After the last chunk.
    Trailer,
    /// Unknown, because the bytes cannot be followed any further.
    Unknown,
    /// In HTTP/2, whose frames are not ambiguous.
    Http2,
}

/// What the lines of a header section tell about the body.
#[derive(Debug, Default)]
struct Head {
    has_begun: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Follows the next bytes of the connection.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.position {
                Position::Body(left) | Position::Chunk(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    match self.position {
                        Position::Body(0) => self.position = Position::Head,
                        Position::Chunk(0) => self.position = Position::ChunkSize,
                        _ => {}
                    }
                }
                Position::Head | Position::ChunkSize | Position::Trailer => {
                    let end = bytes
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(bytes.len(), |newline| newline + 1);
                    self.line.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end..];
                    if self.line.ends_with(b"\n") {
                        let line = core::mem::take(&mut self.line);
                        self.position = self.read_line(&line);
                    } else if self.line.len() > MAX_LINE_LENGTH {
                        self.position = Position::Unknown;
                    }
                }
                Position::Unknown | Position::Http2 => return,
            }
        }
    }

    /// Whether a request with ambiguous framing was sent.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    /// Whether every request that was begun is complete.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        self.position == Position::Http2
            || self.position == Position::Head && !self.head.has_begun && self.line.is_empty()
    }

    /// Whether a request has begun whose body is not complete.
    #[must_use]
    pub fn is_within_body(&self) -> bool {
        matches!(
            self.position,
            Position::Body(_) | Position::ChunkSize | Position::Chunk(_) | Position::Trailer
        )
    }

    /// Reads a complete line and returns the position after it.
    fn read_line(&mut self, line: &[u8]) -> Position {
        let text = line.strip_suffix(b"\r\n").filter(|text| !text.contains(&b'\r'));
        let Some(text) = text else { return self.ambiguous() };
        match self.position {
            Position::Head if !self.head.has_begun && text == b"PRI * HTTP/2.0" => Position::Http2,
            Position::Head if text.is_empty() && self.head.has_begun => {
                match core::mem::take(&mut self.head) {
                    Head { length: Some(_), chunked: true, .. } => self.ambiguous(),
                    Head { chunked: true, .. } => Position::ChunkSize,
                    Head { length: Some(length @ 1..), .. } => Position::Body(length),
                    Head { .. } => Position::Head,
                }
            }
            Position::Head if self.head.has_begun => self.read_field(text),
            Position::Head => {
                self.head.has_begun = !text.is_empty();
                Position::Head
            }
            Position::ChunkSize => {
                let digits = text
                    .split(|byte| *byte == b';')
                    .next()
                    .and_then(|digits| str::from_utf8(digits).ok());
                match digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()) {
                    Some(0) => Position::Trailer,
                    Some(size) => Position::Chunk(size.saturating_add(2)),
                    None => Position::Unknown,
                }
            }
            Position::Trailer if text.is_empty() => Position::Head,
            position => position,
        }
    }

    /// Reads a field line that may give the length of the body.
    fn read_field(&mut self, line: &[u8]) -> Position {
        let (name, value) =
            line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            // The HTTP library rejects a value that is not a number and two different numbers.
            self.head.length = Some(length.unwrap_or_default());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return self.ambiguous();
            }
            self.head.chunked = true;
        }
        Position::Head
    }

    fn ambiguous(&mut self) -> Position {
        self.is_ambiguous = true;
        Position::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framing(bytes: &[u8]) -> Framing {
        let mut framing = Framing::default();
        framing.read(bytes);
        framing
    }

    #[test]
    fn ambiguous_requests_are_detected() {
        for head in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            "transfer-encoding: gzip, chunked\r\n\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "a: b\n\r\n",
            "a: b\rc: d\r\n\r\n",
        ] {
            let request = format!("POST / HTTP/1.1\r\n{head}");
            assert!(framing(request.as_bytes()).is_ambiguous(), "{head:?}");
        }
        assert!(!framing(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\r\n\n").is_ambiguous());
    }

    #[test]
    fn a_line_is_followed_up_to_the_limit_of_the_http_library() {
        for (length, is_followed) in [(65_536, true), (65_537, false)] {
            let mut framing =
                framing(&[&b"GET / HTTP/1.1\r\na:"[..], &vec![b'x'; length - 2]].concat());
            framing.read(b"\r\n\r\n");
            assert_eq!(framing.is_between_requests(), is_followed, "{length}");
            assert!(!framing.is_ambiguous(), "{length}");
        }
    }

    /// The bytes of a request, and whether its framing is ambiguous.
    fn request() -> impl Strategy<Value = (Vec<u8>, bool)> {
        let body = prop::collection::vec(prop::sample::select(b"\r\n:5ct\0".to_vec()), 0..20);
        let ambiguous = body.clone().prop_map(|body| {
            (b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), body, true)
        });
        let sized = body.clone().prop_map(|body| {
            let head = format!("content-length: {}\r\n\r\n", body.len());
            (head.into_bytes(), body, false)
        });
        let chunked =
            (prop::collection::vec(body, 0..3), trailers()).prop_map(|(chunks, trailers)| {
                let head = b"Transfer-Encoding: Chunked\r\n\r\n".to_vec();
                let body = [&chunk_bytes(&chunks)[..], b"0\r\n", &trailers, b"\r\n"].concat();
                (head, body, false)
            });
        prop_oneof![4 => sized, 4 => chunked, 1 => ambiguous].prop_map(|(head, body, ambiguous)| {
            let start = b"\r\nPOST / HTTP/1.1\r\nhost: gw\r\n";
            ([&start[..], &head, &body].concat(), ambiguous)
        })
    }

    /// Trailer fields, which tell nothing about the length of any body.
    fn trailers() -> impl Strategy<Value = Vec<u8>> {
        let lines = ["t: u\r\n", "content-length: 5\r\n", "transfer-encoding: chunked\r\n"];
        prop::collection::vec(prop::sample::select(lines.to_vec()), 0..4)
            .prop_map(|lines| lines.concat().into_bytes())
    }

    fn chunk_bytes(chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
            bytes.extend(format!("{:x};x=y\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes
    }

    proptest! {
        /// For any sequence of requests, and however their bytes arrive, a connection is ambiguous
        /// exactly if a request is.
        #[test]
        fn every_ambiguous_request_is_found(
            requests in prop::collection::vec(request(), 1..5),
            cuts in prop::collection::vec(1_usize..40, 1..8),
        ) {
            let bytes: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let mut framing = Framing::default();
            let mut rest = &bytes[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(*cuts.next().unwrap().min(&rest.len()));
                framing.read(now);
                rest = later;
            }
            let is_ambiguous = requests.iter().any(|(_, ambiguous)| *ambiguous);
            prop_assert_eq!(framing.is_ambiguous(), is_ambiguous);
            prop_assert_eq!(framing.is_between_requests(), !is_ambiguous);
        }

        #[test]
        fn any_bytes_are_followed_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = framing(&bytes).is_between_requests();
        }
    }
}
