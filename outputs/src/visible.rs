//! Text from the wire, made inert: it comes from a stranger, and could move the cursor, recolour the terminal, turn the
//! line around, hide in it, or be run by a spreadsheet. It is kept as it came (made valid UTF-8, and cut where it is very
//! long), and each way out of the program takes its own care:
//!
//! | where | what inert means |
//! |---|---|
//! | terminal: tables, summaries, messages, CSV at a terminal | what is not meant to be seen stands as `\u{1b}`; one text, one line; cells and lines are cut |
//! | CSV for a program | the text itself, quoted; what a spreadsheet would run has an apostrophe before it; numbers are left alone |
//! | JSON, JSON lines | the text itself; what is not meant to be seen is escaped, so that the same text is read and nothing is obeyed |
//! | Parquet | the text itself: valid UTF-8 in a column of text. Who prints it takes the care that our printers take |
//! | pcapng comments | as on the terminal |

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Text with all that is not meant to be seen made visible.
pub fn visible(text: &str) -> String {
    let show =
        |letter: char| -> String { if is_unseen(letter) { letter.escape_unicode().collect() } else { letter.into() } };
    text.chars().map(show).collect()
}

/// Controls, the marks that turn text around, end a line or join letters, and letters without a shape (Unicode's Cc, Cf,
/// Zl, Zp, and its default ignorable code points).
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text that no spreadsheet takes for a formula, whichever of comma, semicolon, tab and line end it splits at: one that
/// splits at semicolons obeys no quotes of ours.
pub(crate) fn harmless(text: &str) -> String {
    const SPLITS: [char; 4] = [';', '\t', '\r', '\n'];
    let mut told = String::with_capacity(text.len());
    for (place, part) in text.split_inclusive(SPLITS).enumerate() {
        // A control at the front of a cell is dropped by some, and what is behind it is run.
        if place == 0 && text.starts_with(['\t', '\r', '\n']) {
            told.push('\'');
        }
        let is_passed = |letter: char| letter == '"' || letter.is_whitespace() || is_unseen(letter);
        let rest = part.trim_start_matches(is_passed);
        told.push_str(&part[..part.len() - rest.len()]);
        if rest.starts_with(FORMULA) {
            told.push('\'');
        }
        told.push_str(rest);
    }
    told
}

/// What formulas begin with; the wide forms are read like the others where letters are wide.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Writes a value as JSON on one line. What [`visible`] shows is escaped, so that the same value is read and nothing is
/// obeyed.
pub(crate) fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaped)).map_err(io::Error::from)
}

struct Escaped;

impl Formatter for Escaped {
    /// Quotes, backslashes and the controls below the blank are escaped before they come here.
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, letter) in fragment.char_indices().filter(|(_, letter)| is_unseen(*letter)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
            plain = at + letter.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_moves_nothing() {
        let text = "a\u{1b}[2J\u{9b}31m\n\"b\\\u{7f}\u{202e}c\u{200b}\u{e0041}\u{2028}ü\u{1f600}";
        let mut json = Vec::new();
        write_json(&mut json, &text).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert!(!json.chars().any(is_unseen), "{json}");
        assert!(
            json.contains(r"\u009b31m\n") && json.contains(r"\udb40\udc41") && json.contains("ü\u{1f600}"),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
