//! What a call that changes something changes, in a few words: of elements that the table names, which hold no secret.

use super::operation::Row;
use crate::observation::Value;
use crate::pending::Command;
use crate::xml::Element;
use compact_str::CompactString;

/// What a call does, if it changes anything.
pub(super) fn of(row: &'static Row, element: Element<'_, '_>) -> Option<Command> {
    let category = row.category?;
    let target = texts(row.target, element).unwrap_or_else(|| CompactString::const_new(row.of));
    Some(Command::in_words(category, target, texts(row.value, element)))
}

/// The texts of all elements of these names, in their order.
fn texts(names: &str, element: Element<'_, '_>) -> Option<CompactString> {
    let is_named = |element: &Element<'_, '_>| names.split(' ').any(|name| name.as_bytes() == element.name());
    let mut all = CompactString::default();
    for text in element.descendants().filter(is_named).filter_map(Element::text).take(MOST_TEXTS) {
        let text = Value::text(text.get(..LONGEST).unwrap_or(&text)).as_text();
        if !text.is_empty() {
            all.push_str(if all.is_empty() { "" } else { ", " });
            all.push_str(&text);
        }
    }
    (!all.is_empty()).then_some(all)
}

const MOST_TEXTS: usize = 8;
const LONGEST: usize = 64;
