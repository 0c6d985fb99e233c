//! Numbers and their names, as data: tables of lines, a number, a tab and a name each; several tables in one file have
//! their own name in front.

/// The name that stands beside a number in a table; read only when something is told that is new.
pub(crate) fn named(table: &'static str, number: u32) -> Option<&'static str> {
    let rows = table.lines().filter_map(|line| line.split_once('\t'));
    rows.into_iter().find(|(code, _)| code.parse() == Ok(number)).map(|(_, name)| name)
}

/// Several tables of one file, put in order once: of what devices do all day names are asked for all day.
pub(crate) struct Tables(Vec<(&'static str, u64, &'static str)>);

impl Tables {
    /// A line that is no row is a heading.
    pub(crate) fn of(file: &'static str) -> Self {
        let mut rows: Vec<_> = file.lines().filter_map(row).collect();
        rows.sort_unstable();
        Self(rows)
    }

    /// The name that stands beside a number in one of them.
    pub(crate) fn name(&self, table: &str, number: u64) -> Option<&'static str> {
        let at = self.0.binary_search_by(|(known, code, _)| (*known, *code).cmp(&(table, number)));
        self.0.get(at.ok()?).map(|(.., name)| *name)
    }
}

fn row(line: &'static str) -> Option<(&'static str, u64, &'static str)> {
    let (table, rest) = line.split_once('\t')?;
    let (number, name) = rest.split_once('\t')?;
    Some((table, number.parse().ok()?, name))
}
