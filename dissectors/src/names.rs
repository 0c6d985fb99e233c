//! Numbers and their names, as data: a table of lines, a number, a tab and a name each.

/// The name that stands beside a number in a table; read only when something is told that is new.
pub(crate) fn named(table: &'static str, number: u32) -> Option<&'static str> {
    let rows = table.lines().filter_map(|line| line.split_once('\t'));
    rows.into_iter().find(|(code, _)| code.parse() == Ok(number)).map(|(_, name)| name)
}
