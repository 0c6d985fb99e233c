//! Text from the wire, made harmless for who looks at it: it comes from a stranger, and could move the cursor, recolour
//! the terminal, or turn the line around.

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

/// Controls, and the marks that turn text around, hide in it or end a line (Unicode's Cc, Cf, Zl and Zp, as far as a
/// terminal obeys them).
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

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
