//! A body that is loaded into the server: known by its size and SHA-256, never kept. It comes as it is, or as a part among
//! others: behind an envelope (MTOM, W3C XOP 1.0) or in a form (RFC 7578).

use crate::head::{self, Head};
use crate::image::{Hashing, Image};
use crate::out::Out;
use crate::protocols::onvif;

/// A body that comes in pieces.
pub(super) struct Upload {
    form: Form,
    /// How much is charged.
    held: usize,
    /// Whether a piece was lost.
    is_cut: bool,
}

enum Form {
    Plain(Hashing),
    Parts(Box<Parts>),
}

/// What came.
#[derive(Debug, Default)]
pub(super) struct Uploaded {
    /// The front of the part that is XML.
    pub(super) envelope: Vec<u8>,
    /// What was loaded, if all of it was seen.
    pub(super) image: Option<Image>,
}

impl Upload {
    /// A body that comes as a head says.
    pub(super) fn of(head: &Head<'_>) -> Self {
        Self::in_parts(head, "multipart/").unwrap_or_else(|| Self::new(Form::Plain(Hashing::default())))
    }

    /// An envelope with what belongs to it behind it.
    pub(super) fn of_envelope(head: &Head<'_>) -> Option<Self> {
        Self::in_parts(head, "multipart/related")
    }

    /// A body in parts, if the name of its kind begins so.
    fn in_parts(head: &Head<'_>, front: &str) -> Option<Self> {
        let kind = head.value("content-type").filter(|kind| {
            let name = head::without_parameters(kind);
            name.get(..front.len()).is_some_and(|name| name.eq_ignore_ascii_case(front.as_bytes()))
        })?;
        let boundary = head::parameter_of(&kind, "boundary").filter(|boundary| boundary.len() <= LONGEST_BOUNDARY)?;
        Some(Self::new(Form::Parts(Box::new(Parts::new(&boundary)))))
    }

    fn new(form: Form) -> Self {
        Self { form, held: 0, is_cut: false }
    }

    /// The next piece.
    pub(super) fn add(&mut self, piece: &[u8], out: &mut Out<'_>) {
        if self.is_cut {
            return;
        }
        let weight = match &mut self.form {
            Form::Plain(hashing) => {
                hashing.add(piece);
                0
            }
            Form::Parts(parts) => {
                parts.add(piece);
                parts.weight()
            }
        };
        self.charge(weight, out);
    }

    /// A piece was lost.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// What came. `is_whole`: nothing of the body is to come.
    pub(super) fn take(mut self, is_whole: bool, out: &mut Out<'_>) -> Uploaded {
        self.charge(0, out);
        let is_whole = is_whole && !self.is_cut;
        match self.form {
            Form::Plain(hashing) => Uploaded { envelope: Vec::new(), image: hashing.image().filter(|_| is_whole) },
            Form::Parts(parts) => parts.take(is_whole),
        }
    }

    fn charge(&mut self, weight: usize, out: &mut Out<'_>) {
        let [before, now] = [self.held, weight].map(|weight| i32::try_from(weight).unwrap_or(i32::MAX));
        out.hold_back(now.saturating_sub(before));
        self.held = weight;
    }
}

/// A body in parts (RFC 2046, 5.1.1): of the first one that is XML the front is kept, the first one that is a file is hashed.
struct Parts {
    /// What ends a part: a line break, two hyphens and the boundary.
    delimiter: Vec<u8>,
    /// What cannot be judged before more comes.
    left: Vec<u8>,
    at: At,
    uploaded: Uploaded,
    hashing: Option<Hashing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a part that tells nothing, or before the first one.
    Chaff,
    /// In the head of a part.
    Head,
    Envelope,
    File,
    /// Behind the last one.
    End,
}

impl Parts {
    fn new(boundary: &[u8]) -> Self {
        // The first delimiter may stand at the very front, without the line break.
        let (delimiter, left) = ([b"\r\n--", boundary].concat(), b"\r\n".to_vec());
        Self { delimiter, left, at: At::Chaff, uploaded: Uploaded::default(), hashing: None }
    }

    fn add(&mut self, piece: &[u8]) {
        self.left.extend_from_slice(piece);
        let bytes = std::mem::take(&mut self.left);
        let mut rest = bytes.as_slice();
        while let Some(after) = self.step(rest) {
            rest = after;
        }
        self.left = if self.at == At::End { Vec::new() } else { rest.to_vec() };
    }

    /// Reads on as far as it can be judged, and says what is left; `None` if that is all of it.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match self.at {
            At::End => None,
            At::Head => self.head(bytes),
            At::Chaff | At::Envelope | At::File => {
                if let Some(end) = memchr::memmem::find(bytes, &self.delimiter) {
                    self.content(bytes.get(..end)?);
                    self.end_part();
                    return bytes.get(end.saturating_add(self.delimiter.len())..);
                }
                let sure = bytes.len().saturating_sub(self.delimiter.len());
                let (content, rest) = bytes.split_at_checked(sure).filter(|_| sure > 0)?;
                self.content(content);
                Some(rest)
            }
        }
    }

    /// What stands behind a delimiter: two hyphens behind the last one, else the head of a part.
    fn head<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n");
        let is_last = bytes.starts_with(b"--") || (end.is_none() && bytes.len() > LONGEST_HEAD);
        let (lines, rest) = bytes.split_at_checked(end.filter(|_| !is_last).unwrap_or_default())?;
        if is_last {
            self.at = At::End;
            return None;
        }
        end?;
        let kind = head::value_in(lines, "content-type");
        let is_xml = kind.as_ref().is_some_and(|kind| onvif::may_hold(head::without_parameters(kind)));
        let is_json = kind.as_ref().is_some_and(|kind| kind.starts_with(b"application/json"));
        // A field of a form has neither a type nor the name of a file (RFC 7578, 4.2 and 4.4).
        let is_named = || {
            let disposition = head::value_in(lines, "content-disposition");
            disposition.is_none_or(|disposition| head::parameter_of(&disposition, "filename").is_some())
        };
        self.at = match is_xml {
            true if self.uploaded.envelope.is_empty() => At::Envelope,
            false if self.hashing.is_none() && self.uploaded.image.is_none() && !is_json && is_named() => At::File,
            _ => At::Chaff,
        };
        // The empty line's end goes with the head.
        rest.get(b"\r\n\r\n".len()..)
    }

    fn content(&mut self, bytes: &[u8]) {
        match self.at {
            At::Envelope => {
                let room = LONGEST_ENVELOPE.saturating_sub(self.uploaded.envelope.len());
                self.uploaded.envelope.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            At::File => self.hashing.get_or_insert_default().add(bytes),
            At::Chaff | At::Head | At::End => {}
        }
    }

    fn end_part(&mut self) {
        if self.at == At::File {
            self.uploaded.image = self.hashing.take().and_then(Hashing::image);
        }
        self.at = At::Head;
    }

    fn weight(&self) -> usize {
        self.left.len().saturating_add(self.uploaded.envelope.len())
    }

    /// A file whose end was seen stands even where the body breaks off behind it, unless a piece of it was lost.
    fn take(self, is_whole: bool) -> Uploaded {
        let Uploaded { envelope, image } = self.uploaded;
        Uploaded { envelope, image: image.filter(|_| is_whole) }
    }
}

/// RFC 2046, 5.1.1.
const LONGEST_BOUNDARY: usize = 70;
const LONGEST_HEAD: usize = 4 * 1024;
const LONGEST_ENVELOPE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MTOM: &str = "preamble\r\n--b\r\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\r\n\r\n<a>\r\n</a>\r\n\
        --b\r\nContent-Type: application/octet-stream\r\nContent-ID: <f>\r\n\r\nfirm\r\n--ware\r\n--b\r\n\r\nanother\r\n--b--\r\nend";

    fn read(text: &str, size: usize, is_whole: bool) -> (String, Option<u64>, usize) {
        let mut parts = Parts::new(b"b");
        let mut most = 0;
        for piece in text.as_bytes().chunks(size) {
            parts.add(piece);
            most = most.max(parts.weight());
        }
        let Uploaded { envelope, image } = parts.take(is_whole);
        (String::from_utf8(envelope).expect("text"), image.map(|image| image.bytes), most)
    }

    #[test]
    fn an_envelope_is_kept_and_a_file_is_hashed_in_any_pieces() {
        for size in [1, 2, 7, 1000] {
            let (envelope, image, _) = read(MTOM, size, true);
            assert_eq!((envelope.as_str(), image), ("<a>\r\n</a>", Some(12)), "by {size}");
        }
        let form = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nfield\r\n--b\r\n\
            Content-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\n\
            \r\nfirmware!\r\n--b--\r\n";
        assert_eq!(read(form, 5, true).1, Some(9));
        assert_eq!(read(form, 5, false).1, None, "a piece was lost");
        assert_eq!(read(&form[..form.len() - 20], 5, true).1, None, "its end was not seen");
    }

    #[test]
    fn no_more_is_kept_than_the_front_of_an_envelope() {
        let endless = format!("--b\r\nContent-Type: text/xml\r\n\r\n{}", "x".repeat(1 << 20));
        let (envelope, _, most) = read(&endless, 1460, true);
        assert!(envelope.len() == LONGEST_ENVELOPE && most < LONGEST_ENVELOPE + 2000, "{most}");
        for text in [format!("--b\r\n{}", "Header: x\r\n".repeat(1 << 16)), "y".repeat(1 << 20)] {
            let (_, _, most) = read(&text, 1460, true);
            assert!(most < LONGEST_HEAD + 2000, "{most}");
        }
    }
}
