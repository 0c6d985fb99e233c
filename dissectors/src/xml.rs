//! XML 1.0 with namespaces, as far as messages of devices need it: elements, their texts and attributes, in a list.
//!
//! Bounded in depth, elements and declared prefixes; what goes beyond is left out, and so is all that follows it. A message
//! that was cut, or breaks off in nonsense, still tells its front. No entity is ever expanded but the five that XML
//! knows by itself (XML 1.0, 4.6): a document type, which would declare others, ends the reading. Texts are slices of the
//! message, made readable only when they are asked for: what is never asked for, a password say, is never copied.

use crate::secret::Secret;
use arrayvec::ArrayVec;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// A namespace, by the number that the caller gives it; 0 is none that it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space(pub(crate) u8);

impl Space {
    /// None that is known.
    pub(crate) const UNKNOWN: Self = Self(0);
}

/// What was read of a message.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    nodes: Vec<Node<'a>>,
    is_whole: bool,
}

#[derive(Debug)]
struct Node<'a> {
    space: Space,
    name: &'a [u8],
    attributes: &'a [u8],
    /// What stands between its tags, if it has ended and there is no element in it.
    text: Option<&'a [u8]>,
    /// The place behind the last element in it.
    end: usize,
}

/// An element that has not ended yet.
struct Opened {
    at: usize,
    /// Where its content begins in the message.
    content: usize,
}

impl<'a> Document<'a> {
    /// Reads a message; `known` numbers the namespaces.
    pub(crate) fn read(bytes: &'a [u8], known: fn(&[u8]) -> Space) -> Self {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let mut document = Self::default();
        let mut open = ArrayVec::<Opened, DEPTH>::new();
        document.is_whole = document.fill(bytes, known, &mut open).is_some();
        let end = document.nodes.len();
        for opened in open {
            if let Some(node) = document.nodes.get_mut(opened.at) {
                node.end = end;
            }
        }
        document
    }

    /// Reads to the end of the message's one element.
    fn fill(&mut self, bytes: &'a [u8], known: fn(&[u8]) -> Space, open: &mut ArrayVec<Opened, DEPTH>) -> Option<()> {
        let mut reader = NsReader::from_reader(bytes);
        let mut prefixes = 0_usize;
        loop {
            let (resolved, event) = reader.read_resolved_event().ok()?;
            let space = match resolved {
                ResolveResult::Bound(namespace) => known(namespace.as_ref()),
                ResolveResult::Unbound | ResolveResult::Unknown(_) => Space::UNKNOWN,
            };
            match event {
                Event::Start(tag) => {
                    let at = self.push(bytes, space, &tag, &mut prefixes)?;
                    let content = usize::try_from(reader.buffer_position()).ok()?;
                    open.try_push(Opened { at, content }).ok()?;
                }
                Event::Empty(tag) => {
                    let at = self.push(bytes, space, &tag, &mut prefixes)?;
                    self.end(at, Some(&[]));
                    if open.is_empty() {
                        return Some(());
                    }
                }
                Event::End(tag) => {
                    let opened = open.pop()?;
                    let tag = place_of(tag.name().as_ref(), bytes)?.checked_sub("</".len())?;
                    self.end(opened.at, bytes.get(opened.content..tag));
                    if open.is_empty() {
                        return Some(());
                    }
                }
                Event::DocType(_) | Event::Eof => return None,
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::GeneralRef(_) => {}
            }
        }
    }

    fn push(&mut self, bytes: &'a [u8], space: Space, tag: &BytesStart<'_>, prefixes: &mut usize) -> Option<usize> {
        let part = |part: &[u8]| {
            let from = place_of(part, bytes)?;
            bytes.get(from..from.checked_add(part.len())?)
        };
        let (name, attributes) = (part(tag.local_name().as_ref())?, part(tag.attributes_raw())?);
        *prefixes = prefixes.saturating_add(memchr::memmem::find_iter(attributes, b"xmlns").count());
        if self.nodes.len() >= MOST_ELEMENTS || *prefixes > MOST_PREFIXES {
            return None;
        }
        let at = self.nodes.len();
        self.nodes.push(Node { space, name, attributes, text: None, end: at.saturating_add(1) });
        Some(at)
    }

    fn end(&mut self, at: usize, content: Option<&'a [u8]>) {
        let end = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(at) {
            node.end = end;
            node.text = content.filter(|_| end == at.saturating_add(1));
        }
    }

    /// The one element that holds all others.
    pub(crate) fn root(&self) -> Option<Element<'_, 'a>> {
        self.element(0)
    }

    /// Whether it was read to its end.
    #[cfg(test)]
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn element(&self, at: usize) -> Option<Element<'_, 'a>> {
        self.nodes.get(at).map(|node| Element { document: self, node, at })
    }
}

/// One element of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'d, 'a> {
    document: &'d Document<'a>,
    node: &'d Node<'a>,
    at: usize,
}

impl<'d, 'a> Element<'d, 'a> {
    /// Its namespace.
    pub(crate) fn space(self) -> Space {
        self.node.space
    }

    /// Its name without a prefix.
    pub(crate) fn name(self) -> &'a [u8] {
        self.node.name
    }

    /// Whether it is this one.
    pub(crate) fn is(self, space: Space, name: &str) -> bool {
        self.node.space == space && self.node.name == name.as_bytes()
    }

    /// The elements in it, without those in them.
    pub(crate) fn children(self) -> impl Iterator<Item = Element<'d, 'a>> {
        let within = move |at: usize| self.document.element(at).filter(|_| at < self.node.end);
        let first = within(self.at.saturating_add(1));
        std::iter::successors(first, move |child| within(child.node.end))
    }

    /// All elements in it, in the order of the message.
    pub(crate) fn descendants(self) -> impl Iterator<Item = Element<'d, 'a>> {
        let inner = self.at.saturating_add(1)..self.node.end;
        inner.filter_map(move |at| self.document.element(at))
    }

    /// The first child of this name.
    pub(crate) fn child(self, space: Space, name: &str) -> Option<Element<'d, 'a>> {
        self.children().find(|child| child.is(space, name))
    }

    /// Its text, if it has one and no elements, without the blanks around it.
    pub(crate) fn text(self) -> Option<Cow<'a, [u8]>> {
        let text = self.node.text?;
        if memchr::memchr2(b'&', b'<', text).is_none() {
            return Some(Cow::Borrowed(text.trim_ascii()));
        }
        let mut plain = Vec::with_capacity(text.len());
        unescape(text, |piece| plain.extend_from_slice(piece));
        Some(Cow::Owned(plain.trim_ascii().to_vec()))
    }

    /// Its text, which nobody else may see. All of it: a password may end in a blank.
    pub(crate) fn secret(self) -> Option<Secret> {
        let text = self.node.text?;
        // What is written with entities is never shorter than what it means: the buffer does not grow.
        let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
        unescape(text, |piece| plain.extend_from_slice(piece));
        Some(Secret::new(&plain))
    }

    /// An attribute as it is written, whatever its prefix.
    pub(crate) fn attribute(self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self.node.attributes.trim_ascii_start();
        while let Some(equals) = memchr::memchr(b'=', rest) {
            let (key, value) = rest.split_at_checked(equals)?;
            let value = value.get(1..)?.trim_ascii_start();
            let (quote, value) = value.split_first()?;
            let (value, behind) = value.split_at_checked(memchr::memchr(*quote, value)?)?;
            let local = key.trim_ascii().rsplit(|byte| *byte == b':').next()?;
            if local == name.as_bytes() {
                return Some(value);
            }
            rest = behind.get(1..)?.trim_ascii_start();
        }
        None
    }
}

/// Where a part of some bytes stands in them.
fn place_of(part: &[u8], whole: &[u8]) -> Option<usize> {
    let place = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (place.checked_add(part.len())? <= whole.len()).then_some(place)
}

/// Hands on what a text means: entities replaced (XML 1.0, 4.1 and 4.6), CDATA as it stands (2.7), comments left out
/// (2.5). What is none of these stays as it is written.
fn unescape(mut text: &[u8], mut push: impl FnMut(&[u8])) {
    while let Some(at) = memchr::memchr2(b'&', b'<', text) {
        let (plain, rest) = text.split_at_checked(at).unwrap_or((text, &[]));
        push(plain);
        text = special(rest, &mut push);
    }
    push(text);
}

/// Takes an entity, a CDATA section or a comment at the front, and gives back what follows it.
fn special<'a>(text: &'a [u8], push: &mut impl FnMut(&[u8])) -> &'a [u8] {
    if let Some(section) = text.strip_prefix(b"<![CDATA[") {
        let (content, rest) = split_at(section, b"]]>");
        push(content);
        return rest;
    }
    if let Some(comment) = text.strip_prefix(b"<!--") {
        return split_at(comment, b"-->").1;
    }
    let front = text.get(..LONGEST_ENTITY).unwrap_or(text);
    if let Some(end) = memchr::memchr(b';', front)
        && let Some(entity) = front.get(1..end)
        && let Some(letter) = letter(entity)
    {
        push(letter.encode_utf8(&mut [0; 4]).as_bytes());
        return text.get(end.saturating_add(1)..).unwrap_or_default();
    }
    let (mark, rest) = text.split_at_checked(1).unwrap_or((text, &[]));
    push(mark);
    rest
}

fn split_at<'a>(text: &'a [u8], mark: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = memchr::memmem::find(text, mark).unwrap_or(text.len());
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, &[]));
    (before, rest.get(mark.len()..).unwrap_or_default())
}

/// The letter that an entity stands for, if it is one that needs no declaration.
fn letter(entity: &[u8]) -> Option<char> {
    let entity = std::str::from_utf8(entity).ok()?;
    if let Some(number) = entity.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|letter| *letter != '\0');
    }
    let entities = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
    entities.into_iter().find(|(name, _)| *name == entity).map(|(_, letter)| letter)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Messages of ONVIF nest a dozen deep.
const DEPTH: usize = 64;
/// The longest answers, of profiles or of events, have some thousand.
const MOST_ELEMENTS: usize = 4096;
/// gSOAP declares seventy in each message; each element is compared with all of them.
const MOST_PREFIXES: usize = 512;
/// `&#x10FFFF;`
const LONGEST_ENTITY: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(namespace: &[u8]) -> Space {
        Space(u8::from(namespace == b"urn:a"))
    }

    /// Every element as a line: how deep, whether its namespace is known, its name and its text.
    fn lines(bytes: &[u8]) -> Vec<String> {
        fn tell(element: Element<'_, '_>, depth: usize, lines: &mut Vec<String>) {
            let name = String::from_utf8_lossy(element.name()).into_owned();
            let text = element.text().map(|text| format!(" {}", String::from_utf8_lossy(&text))).unwrap_or_default();
            lines.push(format!("{depth}{} {name}{text}", if element.space() == Space(1) { "+" } else { "" }));
            element.children().for_each(|child| tell(child, depth + 1, lines));
        }
        let document = Document::read(bytes, known);
        let mut lines = Vec::new();
        document.root().into_iter().for_each(|root| tell(root, 0, &mut lines));
        if document.is_whole() {
            lines.push("whole".to_owned());
        }
        lines
    }

    #[test]
    fn elements_are_known_by_namespace_whatever_their_prefix() {
        let told = ["0+ a", "1+ b x", "1 c", "2 d y", "2+ e ", "whole"];
        for text in [
            "<a xmlns='urn:a'><b>x</b><c xmlns='urn:c'><d> y </d><z:e xmlns:z='urn:a'/></c></a>",
            "\u{feff}<?xml version='1.0'?>\n<p:a xmlns:p=\"urn:a\" xmlns:q='urn:b'><p:b>x</p:b><q:c><q:d>y</q:d><p:e></p:e>\
             </q:c></p:a>\r\n<trailing",
        ] {
            assert_eq!(lines(text.as_bytes()), told, "{text}");
        }
    }

    #[test]
    fn texts_mean_what_the_standard_says_and_no_entity_is_expanded() {
        let text =
            "<a>1 &lt; 2 &amp;&#38;&#x26; <![CDATA[<&lt;>]]><!-- no -->&unknown;&#0;&#xD800; &quot;&apos;&gt;</a>";
        assert_eq!(lines(text.as_bytes()), ["0 a 1 < 2 &&& <&lt;>&unknown;&#0;&#xD800; \"'>", "whole"]);
        let document = Document::read(b"<a> p&amp;w </a>", known);
        assert_eq!(document.root().and_then(Element::secret), Some(Secret::new(b" p&w ")));
        let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><l>&b;</l>";
        assert_eq!(lines(laughs.as_bytes()), [""; 0]);
    }

    #[test]
    fn attributes_are_found_without_their_prefix() {
        let document = Document::read(b"<a x='1' p:Type = \"t > u\" y=''/>", known);
        let root = document.root().expect("an element");
        assert_eq!(root.attribute("Type"), Some(&b"t > u"[..]));
        assert_eq!((root.attribute("y"), root.attribute("z")), (Some(&b""[..]), None));
    }

    #[test]
    fn the_front_of_a_message_that_was_cut_is_told() {
        let whole = "<a xmlns='urn:a'><b>one</b><b>two</b></a>";
        for length in 0..whole.len() {
            let told = lines(&whole.as_bytes()[..length]);
            assert!(!told.contains(&"whole".to_owned()) && told.len() <= 3, "{length}: {told:?}");
            assert_eq!(told.contains(&"1+ b one".to_owned()), length >= 27, "{length}: {told:?}");
        }
        assert_eq!(lines(b"<a xmlns='urn:a'><b>one</b></c><d/>"), ["0+ a", "1+ b one"]);
    }

    #[test]
    fn depth_elements_and_prefixes_have_an_end() {
        assert_eq!(lines("<a>".repeat(100_000).as_bytes()).len(), DEPTH + 1);
        let wide = format!("<a>{}</a>", "<b/>".repeat(100_000));
        assert_eq!(Document::read(wide.as_bytes(), known).nodes.len(), MOST_ELEMENTS);
        let prefixes: Vec<String> = (0..200).map(|number| format!(" xmlns:p{number}='urn:a'")).collect();
        let prefixes = prefixes.concat();
        let nested = format!("<a{prefixes}><b{prefixes}><c{prefixes}><d/>");
        assert_eq!(lines(nested.as_bytes()), ["0 a", "1 b"]);
    }

    proptest! {
        #[test]
        fn nonsense_is_read_to_some_end(
            text in prop::collection::vec(prop::sample::select(&b"<>/!?&;'\"=[]-ax: \n\0\xff"[..]), 0..300),
        ) {
            let document = Document::read(&text, known);
            if let Some(root) = document.root() {
                for element in root.descendants() {
                    let _ = (element.text(), element.secret(), element.attribute("a"));
                }
            }
        }
    }
}
