//! XML 1.0 with namespaces, as far as messages of devices need it: elements, their texts and attributes, in a list.
//!
//! Bounded in depth, elements and declared prefixes; what goes beyond is left out, and so is all that follows it. A message
//! that was cut, or breaks off in nonsense, still tells its front. No entity is ever expanded but the five that XML
//! knows by itself (XML 1.0, 4.6): a document type, which would declare others, ends the reading. Texts are slices of the
//! message, made readable only when they are asked for: what is never asked for, a password say, is never copied.

use crate::secret::Secret;
use arrayvec::ArrayVec;
use memchr::memmem::Finder;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::LazyLock;
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

/// What a prefix means within an element, and in all that stands in it (Namespaces in XML 1.0, 6).
struct Declared<'a> {
    /// How many elements are open around that one.
    depth: usize,
    prefix: &'a [u8],
    space: Space,
}

/// How far a message is read: `known` numbers its namespaces, each once where it is declared, and `is_enough` says of an
/// element, behind the one in which it stands, that nobody asks for what is in it and behind it.
struct Reading<'a> {
    known: fn(&[u8]) -> Space,
    is_enough: fn(Name<'_>, Name<'_>) -> bool,
    open: ArrayVec<Opened, DEPTH>,
    declared: SmallVec<[Declared<'a>; 32]>,
    /// How many were declared in all.
    prefixes: usize,
}

/// An element by its namespace and its name.
pub(crate) type Name<'n> = (Space, &'n [u8]);

impl<'a> Document<'a> {
    /// Reads a message; `known` numbers the namespaces.
    pub(crate) fn read(bytes: &'a [u8], known: fn(&[u8]) -> Space) -> Self {
        Self::read_until(bytes, known, |_, _| false)
    }

    /// Reads a message as far as anybody asks for it.
    pub(crate) fn read_until(
        bytes: &'a [u8],
        known: fn(&[u8]) -> Space,
        is_enough: fn(Name<'_>, Name<'_>) -> bool,
    ) -> Self {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let nodes = Vec::with_capacity((bytes.len() / BYTES_PER_ELEMENT).min(MOST_ELEMENTS));
        let mut document = Self { nodes, is_whole: false };
        let (open, declared) = (ArrayVec::new(), SmallVec::new());
        let mut reading = Reading { known, is_enough, open, declared, prefixes: 0 };
        document.is_whole = document.fill(bytes, &mut reading).is_some();
        let end = document.nodes.len();
        for opened in reading.open {
            if let Some(node) = document.nodes.get_mut(opened.at) {
                node.end = end;
            }
        }
        document
    }

    /// Reads to the end of the message's one element.
    fn fill(&mut self, bytes: &'a [u8], reading: &mut Reading<'a>) -> Option<()> {
        let mut reader = Reader::from_reader(bytes);
        // The reader would keep all names that are open a second time.
        reader.config_mut().check_end_names = false;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    let at = self.push(bytes, &tag, reading)?;
                    let content = usize::try_from(reader.buffer_position()).ok()?;
                    let is_enough = self.is_enough(at, reading);
                    reading.open.try_push(Opened { at, content }).ok()?;
                    if is_enough {
                        return None;
                    }
                }
                Event::Empty(tag) => {
                    let at = self.push(bytes, &tag, reading)?;
                    self.end(at, Some(&[]));
                    reading.forget();
                    if reading.open.is_empty() {
                        return Some(());
                    }
                }
                Event::End(tag) => {
                    let is_its_own = |node: &&Node<'_>| node.name == split_at_colon(tag.name().as_ref()).1;
                    self.nodes.get(reading.open.last()?.at).filter(is_its_own)?;
                    let opened = reading.open.pop()?;
                    let tag = place_of(tag.name().as_ref(), bytes)?.checked_sub("</".len())?;
                    self.end(opened.at, bytes.get(opened.content..tag));
                    reading.forget();
                    if reading.open.is_empty() {
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

    fn push(&mut self, bytes: &'a [u8], tag: &BytesStart<'_>, reading: &mut Reading<'a>) -> Option<usize> {
        let part = |part: &[u8]| {
            let from = place_of(part, bytes)?;
            bytes.get(from..from.checked_add(part.len())?)
        };
        let (name, attributes) = (part(tag.name().as_ref())?, part(tag.attributes_raw())?);
        reading.declare(attributes);
        if self.nodes.len() >= MOST_ELEMENTS || reading.prefixes > MOST_PREFIXES {
            return None;
        }
        let (prefix, name) = split_at_colon(name);
        let at = self.nodes.len();
        let space = reading.space(prefix);
        self.nodes.push(Node { space, name, attributes, text: None, end: at.saturating_add(1) });
        Some(at)
    }

    /// Whether nobody asks for what is in the element at a place, nor for what stands behind it.
    fn is_enough(&self, at: usize, reading: &Reading<'a>) -> bool {
        let name = |at: usize| self.nodes.get(at).map(|node| (node.space, node.name));
        let outer = reading.open.last().and_then(|outer| name(outer.at));
        outer.zip(name(at)).is_some_and(|(outer, inner)| (reading.is_enough)(outer, inner))
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
        let mut all = attributes_in(self.node.attributes);
        all.find(|(key, _)| split_at_colon(key).1 == name.as_bytes()).map(|(_, value)| value)
    }
}

impl<'a> Reading<'a> {
    /// Takes in what the attributes of an element declare.
    fn declare(&mut self, attributes: &'a [u8]) {
        if attributes.is_empty() || XMLNS.find(attributes).is_none() {
            return;
        }
        let depth = self.open.len();
        for (key, namespace) in attributes_in(attributes) {
            let prefix = match key.strip_prefix(b"xmlns") {
                Some([]) => &[],
                Some([b':', prefix @ ..]) => prefix,
                _ => continue,
            };
            self.prefixes = self.prefixes.saturating_add(1);
            if self.prefixes > MOST_PREFIXES {
                return;
            }
            self.declared.push(Declared { depth, prefix, space: (self.known)(namespace) });
        }
    }

    /// An element has ended: what it declared means nothing any more.
    fn forget(&mut self) {
        let depth = self.open.len();
        while self.declared.last().is_some_and(|declared| declared.depth >= depth) {
            self.declared.pop();
        }
    }

    /// What a prefix means here.
    fn space(&self, prefix: &[u8]) -> Space {
        let declared = self.declared.iter().rev().find(|declared| declared.prefix == prefix);
        declared.map_or(Space::UNKNOWN, |declared| declared.space)
    }
}

/// The attributes of an element, each with its value as it is written.
fn attributes_in(attributes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = attributes.trim_ascii_start();
    std::iter::from_fn(move || {
        let (key, value) = rest.split_at_checked(memchr::memchr(b'=', rest)?)?;
        let (quote, value) = value.get(1..)?.trim_ascii_start().split_first()?;
        let (value, behind) = value.split_at_checked(memchr::memchr(*quote, value)?)?;
        rest = behind.get(1..)?.trim_ascii_start();
        Some((key.trim_ascii(), value))
    })
}

/// A name without its prefix, behind the prefix.
fn split_at_colon(name: &[u8]) -> (&[u8], &[u8]) {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    let prefix = name.len().saturating_sub(local.len()).saturating_sub(1);
    (name.get(..prefix).unwrap_or_default(), local)
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

/// What every declaration of a namespace begins with. Few elements have one.
static XMLNS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("xmlns"));
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Messages of ONVIF nest a dozen deep.
const DEPTH: usize = 64;
/// The longest answers, of profiles or of events, have some thousand.
const MOST_ELEMENTS: usize = 4096;
/// By which room is made for them: that of each would be made anew, time and again.
const BYTES_PER_ELEMENT: usize = 48;
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

    #[test]
    fn a_prefix_means_what_the_nearest_element_says() {
        let text = "<p:a xmlns:p='urn:a'><p:b xmlns:p='urn:b'><p:c/></p:b><p:d/><e xmlns='urn:a'><f/><g xmlns=''/></e><h/></p:a>";
        assert_eq!(lines(text.as_bytes()), ["0+ a", "1 b", "2 c ", "1+ d ", "1+ e", "2+ f ", "2 g ", "1 h ", "whole"]);
    }

    #[test]
    fn what_nobody_asks_for_is_not_read() {
        let is_enough = |outer: Name<'_>, inner: Name<'_>| outer == (Space(1), b"a") && inner == (Space(1), b"c");
        let document = Document::read_until(b"<a xmlns='urn:a'><b>x</b><c><d/></c><e/></a>", known, is_enough);
        let names: Vec<_> = document.root().expect("an element").descendants().map(Element::name).collect();
        assert_eq!(names, [b"b", b"c"]);
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
