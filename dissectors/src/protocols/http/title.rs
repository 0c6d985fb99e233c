//! The title of an HTML page, read as its bytes pass by.

/// Looks for `<title>` in a page that comes in pieces. Keeps nothing of the page but the title's own text.
#[derive(Debug)]
pub(super) struct Title {
    at: At,
    text: Vec<u8>,
    /// How many more bytes are looked at.
    left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the tag, of which so many bytes have been met.
    Front(usize),
    /// In the tag, before its `>`.
    Tag,
    /// In the text.
    Text,
    /// Behind it, or out of bytes.
    End,
}

impl Title {
    /// Nothing seen yet.
    pub(super) fn new() -> Self {
        Self { at: At::Front(0), text: Vec::new(), left: FRONT }
    }

    /// Reads on, and tells the title at the piece in which it ends.
    pub(super) fn read(&mut self, piece: &[u8]) -> Option<&[u8]> {
        for byte in piece {
            if self.is_over() {
                return None;
            }
            self.left = self.left.saturating_sub(1);
            self.at = self.step(*byte);
            if self.at == At::End {
                return Some(&self.text);
            }
        }
        None
    }

    /// Whether there is nothing more to look for.
    pub(super) fn is_over(&self) -> bool {
        self.at == At::End || self.left == 0
    }

    /// `<` stands only at the tag's start, so a search that fails starts anew there or nowhere.
    fn step(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Front(met), _) if TAG.get(met) == Some(&byte.to_ascii_lowercase()) => At::Front(met.saturating_add(1)),
            (At::Front(met), b'>') if met == TAG.len() => At::Text,
            (At::Front(met), _) if met == TAG.len() && byte.is_ascii_whitespace() => At::Tag,
            (At::Front(_), b'<') => At::Front(1),
            (At::Front(_), _) => At::Front(0),
            (At::Tag, b'>') => At::Text,
            (At::Text, b'<') | (At::End, _) => At::End,
            (At::Text, _) => {
                self.keep(byte);
                At::Text
            }
            (At::Tag, _) => At::Tag,
        }
    }

    /// White space shows as one blank, as in a browser.
    fn keep(&mut self, byte: u8) {
        let byte = if byte.is_ascii_whitespace() { b' ' } else { byte };
        let is_repeat = byte == b' ' && matches!(self.text.last(), None | Some(b' '));
        if !is_repeat && self.text.len() < LONGEST {
            self.text.push(byte);
        }
    }
}

const TAG: &[u8] = b"<title";
/// A title stands in a page's head: what comes later is a picture's (SVG has titles too) or nobody's.
const FRONT: usize = 64 * 1024;
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Option<String> {
        let mut title = Title::new();
        let mut found = pieces.iter().filter_map(|piece| title.read(piece).map(<[u8]>::to_vec));
        let first = found.next().map(|text| String::from_utf8(text).expect("the samples are text"));
        assert_eq!(found.next(), None, "a page has one title");
        first
    }

    #[test]
    fn a_title_is_found_and_shown_as_a_browser_shows_it() {
        let cases: [(&str, Option<&str>); 8] = [
            ("<html><head><title>Web Viewer</title>", Some("Web Viewer")),
            ("<<TITLE lang='en'>\n  Web\r\n\tViewer \n</TITLE>", Some("Web Viewer ")),
            ("<tit<title></title>", Some("")),
            ("<titles>no</titles><title>yes<br>", Some("yes")),
            ("<title>never closed", None),
            ("<title", None),
            ("title>no</title>", None),
            ("<title>first</title><title>second</title>", Some("first")),
        ];
        for (page, title) in cases {
            assert_eq!(read(&[page.as_bytes()]).as_deref(), title, "{page}");
            let bytes: Vec<&[u8]> = page.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes).as_deref(), title, "{page} byte by byte");
        }
    }

    #[test]
    fn the_search_and_the_text_have_an_end() {
        assert_eq!(read(&[&vec![b'x'; FRONT - 24], b"<title>just in</title>"]).as_deref(), Some("just in"));
        assert_eq!(read(&[&vec![b'x'; FRONT], b"<title>too late</title>"]), None);
        let long = format!("<title>{}</title>", "x".repeat(4000));
        assert_eq!(read(&[long.as_bytes()]).map(|text| text.len()), Some(LONGEST));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(page in "(<title>|</title>|<|t|[a-z ]){0,12}", cut in 0usize..100) {
            let (front, back) = page.as_bytes().split_at(cut.min(page.len()));
            prop_assert_eq!(read(&[front, back]), read(&[page.as_bytes()]));
        }
    }
}
