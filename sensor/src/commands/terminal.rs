//! Whether somebody sits before it, and looks at colours and moving bars.

use fingerprints::finding::Severity;
use std::io::IsTerminal;

/// Whether a stream is a terminal that may be coloured, and on which lines may move. Pipes, CI, `NO_COLOR` and terminals
/// that call themselves dumb get plain lines.
pub(super) fn is_lively(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    stream.is_terminal() && !is_dumb && !is_set("NO_COLOR") && !is_set("CI")
}

/// How a part of a line stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Head,
    Faint,
    Of(Severity),
}

impl Style {
    /// The text as it is shown: with colours on a terminal, as it is elsewhere.
    pub(super) fn shown(self, text: &str, is_lively: bool) -> String {
        let code = match self {
            Self::Head => "1",
            Self::Faint => "2",
            Self::Of(Severity::Critical | Severity::High) => "1;31",
            Self::Of(Severity::Medium) => "33",
            Self::Of(Severity::Low | Severity::Info) => "36",
            Self::Plain => return text.to_owned(),
        };
        if is_lively { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
