//! Decides whether a request on an HTTP/1 connection can be read in more than one way (SEC-04).
//!
//! The HTTP library refuses most of what is ambiguous, and settles the rest without a word: a length beside chunks, a line that ends
//! in LF alone. Whoever stands before the gateway may have settled it otherwise, so here it is told. Of bodies only the ends are
//! looked for.

use alloc::vec::Vec;

/// The longest line that is followed; the library takes no head that is longer.
const LINE_LIMIT: usize = 64 * 1024;

/// What has been read of a connection so far.
#[derive(Debug, Default)]
pub struct Framing {
    at: At,
    line: Vec<u8>,
    head: Head,
    ambiguous: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// In a head, or before one.
    #[default]
    Head,
    /// In a body with this much to come.
    Body(u64),
    /// In the line before a chunk.
    Size,
    /// In a chunk with this much to come, its end of line included.
    Chunk(u64),
    /// Behind the last chunk.
    Trailer,
    /// In something that cannot be followed.
    Lost,
    /// In HTTP/2, which has frames.
    Http2,
}

/// What the lines of a head have said about its body.
#[derive(Debug, Default)]
struct Head {
    begun: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Follows the next bytes of the connection.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.at {
                At::Body(left) | At::Chunk(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    match self.at {
                        At::Body(0) => self.at = At::Head,
                        At::Chunk(0) => self.at = At::Size,
                        _ => {}
                    }
                }
                At::Head | At::Size | At::Trailer => {
                    let end = bytes
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(bytes.len(), |newline| newline + 1);
                    self.line.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end..];
                    if self.line.ends_with(b"\n") {
                        let line = core::mem::take(&mut self.line);
                        self.at = self.after(&line);
                    } else if self.line.len() > LINE_LIMIT {
                        self.at = At::Lost;
                    }
                }
                At::Lost | At::Http2 => return,
            }
        }
    }

    /// Whether a request was sent that can be read in more than one way.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether nothing more is to come of what was sent.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        self.at == At::Http2 || self.at == At::Head && !self.head.begun && self.line.is_empty()
    }

    /// What comes after a line.
    fn after(&mut self, line: &[u8]) -> At {
        let text = line.strip_suffix(b"\r\n").filter(|text| !text.contains(&b'\r'));
        let Some(text) = text else { return self.lost() };
        match self.at {
            At::Head if !self.head.begun && text == b"PRI * HTTP/2.0" => At::Http2,
            At::Head if text.is_empty() && self.head.begun => {
                match core::mem::take(&mut self.head) {
                    Head { length: Some(_), chunked: true, .. } => self.lost(),
                    Head { chunked: true, .. } => At::Size,
                    Head { length: Some(length @ 1..), .. } => At::Body(length),
                    Head { .. } => At::Head,
                }
            }
            At::Head if self.head.begun => self.field(text),
            At::Head => {
                self.head.begun = !text.is_empty();
                At::Head
            }
            At::Size => {
                let digits = text
                    .split(|byte| *byte == b';')
                    .next()
                    .and_then(|digits| str::from_utf8(digits).ok());
                match digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()) {
                    Some(0) => At::Trailer,
                    Some(size) => At::Chunk(size.saturating_add(2)),
                    None => At::Lost,
                }
            }
            At::Trailer if text.is_empty() => At::Head,
            at => at,
        }
    }

    /// Reads a line of a head that may say how long the body is.
    fn field(&mut self, line: &[u8]) -> At {
        let (name, value) =
            line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            // No number, or two of them, is for the library to refuse.
            self.head.length = Some(length.unwrap_or_default());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return self.lost();
            }
            self.head.chunked = true;
        }
        At::Head
    }

    fn lost(&mut self) -> At {
        self.ambiguous = true;
        At::Lost
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
    fn what_can_be_read_in_two_ways_is_told() {
        for head in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            "transfer-encoding: gzip, chunked\r\n\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "a: b\n\r\n",
            "a: b\rc: d\r\n\r\n",
        ] {
            assert!(
                framing(format!("POST / HTTP/1.1\r\n{head}").as_bytes()).is_ambiguous(),
                "{head:?}"
            );
        }
        assert!(!framing(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\r\n\n").is_ambiguous());
    }

    #[test]
    fn a_line_is_followed_as_far_as_the_library_takes_one() {
        for (length, followed) in [(65_536, true), (65_537, false)] {
            let mut framing =
                framing(&[&b"GET / HTTP/1.1\r\na:"[..], &vec![b'x'; length - 2]].concat());
            framing.read(b"\r\n\r\n");
            assert_eq!(
                (framing.is_between_requests(), framing.is_ambiguous()),
                (followed, false),
                "{length}"
            );
        }
    }

    fn request() -> impl Strategy<Value = (Vec<u8>, bool)> {
        let body = prop::collection::vec(prop::sample::select(b"\r\n:5ct\0".to_vec()), 0..20);
        let sized = body.clone().prop_map(|body| {
            (format!("content-length: {}\r\n\r\n", body.len()).into_bytes(), body, false)
        });
        // Behind the last chunk a field says nothing of any body.
        let trailers = prop::collection::vec(
            prop::sample::select(vec![
                "t: u\r\n",
                "content-length: 5\r\n",
                "transfer-encoding: chunked\r\n",
            ]),
            0..4,
        );
        let chunked =
            (prop::collection::vec(body.clone(), 0..3), trailers).prop_map(|(chunks, trailers)| {
                let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty());
                let sent = chunks.flat_map(|chunk| {
                    [format!("{:x};x=y\r\n", chunk.len()).into_bytes(), chunk, b"\r\n".to_vec()]
                        .concat()
                });
                let sent = sent.collect::<Vec<u8>>();
                (
                    b"Transfer-Encoding: Chunked\r\n\r\n".to_vec(),
                    [&sent[..], b"0\r\n", trailers.concat().as_bytes(), b"\r\n"].concat(),
                    false,
                )
            });
        let both = body.prop_map(|body| {
            (b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), body, true)
        });
        prop_oneof![4 => sized, 4 => chunked, 1 => both].prop_map(|(head, body, ambiguous)| {
            (
                [b"\r\nPOST / HTTP/1.1\r\nhost: gw\r\n", &head[..], &body[..]].concat(),
                ambiguous,
            )
        })
    }

    proptest! {
        /// However requests follow each other and however the bytes of them arrive, exactly the ambiguous ones are told.
        #[test]
        fn every_request_is_found(requests in prop::collection::vec(request(), 1..5), cuts in prop::collection::vec(1_usize..40, 1..8)) {
            let bytes = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>();
            let (mut framing, mut rest, mut cuts) = (Framing::default(), &bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(*cuts.next().unwrap().min(&rest.len()));
                framing.read(now);
                rest = later;
            }
            let ambiguous = requests.iter().any(|(_, ambiguous)| *ambiguous);
            prop_assert_eq!((framing.is_ambiguous(), framing.is_between_requests()), (ambiguous, !ambiguous));
        }

        #[test]
        fn any_bytes_are_followed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = framing(&bytes).is_between_requests();
        }
    }
}
