//! Which rows of a table are shown, which of their columns, and in which order.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::cell::{Cell, Row};
use crate::filter::{Filter, texts_of};
use crate::nearest::{did_you_mean, nearest};
use crate::rows::Rows;
use crate::schema::Table;

/// What was asked for, as it was typed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `--where`: conditions, like `role = plc and firmware ~ "^V4"`.
    pub filter: Option<&'a str>,
    /// `--columns`: names, separated by commas.
    pub columns: Option<&'a str>,
    /// `--sort`: names, separated by commas; one with a `-` before it falls.
    pub sort: Option<&'a str>,
    /// `--limit`: the most rows to show.
    pub limit: Option<usize>,
}

/// What was asked for, checked against a table.
#[derive(Debug)]
pub struct Query {
    filter: Option<Filter>,
    columns: Option<Vec<usize>>,
    sort: Vec<(usize, Direction)>,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Rising,
    Falling,
}

/// What is wrong with a question, in words for who asked it.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The table has no such column.
    #[error("{table} has no column {column}{}", instead(*nearest))]
    Column {
        /// The table.
        table: &'static str,
        /// What was asked for.
        column: String,
        /// The name that is spelled most like it.
        nearest: Option<&'static str>,
    },
    /// A value does not fit its column.
    #[error("{column} is {wanted}, and {found} is not")]
    Value {
        /// The column.
        column: &'static str,
        /// What its values are.
        wanted: &'static str,
        /// What was asked for.
        found: String,
    },
    /// A column cannot be compared like that.
    #[error("{column} cannot be compared by {operator}; {instead}")]
    Operator {
        /// The column.
        column: &'static str,
        /// What was asked for.
        operator: String,
        /// What can be asked for.
        instead: &'static str,
    },
    /// A pattern is no regular expression.
    #[error("{column} ~ wants a regular expression: {problem}")]
    Pattern {
        /// The column.
        column: &'static str,
        /// What is wrong with the pattern.
        problem: String,
    },
    /// The conditions cannot be read.
    #[error("expected {wanted}, found {found}")]
    Syntax {
        /// What should stand there.
        wanted: &'static str,
        /// What stands there.
        found: String,
    },
    /// Conditions in which something is wrong, and where in them.
    #[error("--where: {fault}\n  {text}\n  {}^", " ".repeat(*at))]
    Conditions {
        /// What is wrong.
        fault: Box<QueryError>,
        /// The conditions, as they can be shown.
        text: String,
        /// How many letters stand before the fault.
        at: usize,
    },
}

fn instead(nearest: Option<&str>) -> String {
    match nearest {
        None => "; `otoscope schema` lists its columns".to_owned(),
        some => did_you_mean(some),
    }
}

impl Query {
    /// Checks what was asked for against a table. What was not asked for is as the table ranks its rows.
    pub fn new(table: &'static Table, asked: Asked<'_>) -> Result<Self, QueryError> {
        Ok(Self {
            filter: asked.filter.map(|text| Filter::parse(table, text)).transpose()?,
            columns: asked.columns.map(|names| columns(table, names)).transpose()?,
            sort: sort(table, asked.sort.or(table.ranked).unwrap_or_default())?,
            limit: asked.limit.unwrap_or(usize::MAX),
        })
    }

    /// The rows that were asked for.
    #[must_use]
    pub fn apply(&self, mut rows: Rows) -> Rows {
        if let Some(filter) = &self.filter {
            rows.rows.retain(|row| filter.holds(row));
        }
        rows.rows.sort_by(|a, b| self.compare(a, b));
        rows.rows.truncate(self.limit);
        rows
    }

    /// Values that were asked for and stand in no row, each with the one that is spelled most like it: of those that
    /// stand there, and of those that `known` says can.
    pub fn unmet<'a>(&self, rows: &'a Rows, known: impl Fn(&str) -> Vec<&'a str>) -> Vec<String> {
        let asked = self.filter.as_ref().map(Filter::texts).unwrap_or_default();
        let said = asked.into_iter().filter_map(|(column, text)| {
            let name = rows.table.columns[column].name;
            let there: BTreeSet<&str> = rows.rows.iter().flat_map(|row| texts_of(&row[column])).collect();
            let can = known(name);
            let is_met = can.contains(&text) || there.iter().any(|value| value.contains(text));
            let near = nearest(text, there.into_iter().chain(can));
            (!is_met).then(|| format!("no {name} is {text}{}", did_you_mean(near)))
        });
        said.collect()
    }

    /// The columns that were asked for; nothing when it was left open.
    pub fn columns(&self) -> Option<&[usize]> {
        self.columns.as_deref()
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let each = self.sort.iter().map(|&(column, direction)| compare(&a[column], &b[column], direction));
        each.fold(Ordering::Equal, Ordering::then)
    }
}

/// What is unknown comes last either way.
fn compare(a: &Cell, b: &Cell, direction: Direction) -> Ordering {
    let known = a.is_null().cmp(&b.is_null());
    known.then_with(|| match direction {
        Direction::Rising => a.cmp(b),
        Direction::Falling => b.cmp(a),
    })
}

fn columns(table: &'static Table, names: &str) -> Result<Vec<usize>, QueryError> {
    separated(names).map(|name| column(table, name)).collect()
}

fn sort(table: &'static Table, names: &str) -> Result<Vec<(usize, Direction)>, QueryError> {
    separated(names)
        .map(|name| match name.strip_prefix('-') {
            Some(name) => Ok((column(table, name)?, Direction::Falling)),
            None => Ok((column(table, name)?, Direction::Rising)),
        })
        .collect()
}

fn separated(names: &str) -> impl Iterator<Item = &str> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// Where a column stands that somebody typed.
pub(crate) fn column(table: &'static Table, name: &str) -> Result<usize, QueryError> {
    table.index(name).ok_or_else(|| QueryError::Column {
        table: table.name,
        column: name.into(),
        nearest: nearest(name, table.columns.iter().map(|column| column.name)),
    })
}

#[cfg(test)]
mod tests {
    use fingerprints::record::{AssetRow, FindingRow, Provenance, Record};

    use super::*;
    use crate::schema::tables::{ASSETS, FINDINGS};

    fn asset(id: &str, risk_score: Option<i32>) -> Record {
        AssetRow { asset_id: id.into(), risk_score, ..AssetRow::default() }.into()
    }

    fn ids(asked: Asked) -> String {
        let records = [asset("a", Some(3)), asset("b", None), asset("c", Some(9)), asset("d", Some(3))];
        let rows = Rows::of(&ASSETS, &records, &Provenance::default());
        let column = ASSETS.index("asset_id").unwrap();
        let rows = Query::new(&ASSETS, asked).unwrap().apply(rows);
        rows.rows.iter().filter_map(|row| row[column].text()).collect()
    }

    #[test]
    fn sorting_keeps_equals_in_place_and_the_unknown_last() {
        let sort = |sort| ids(Asked { sort: Some(sort), ..Asked::default() });
        assert_eq!(sort("risk_score"), "adcb");
        assert_eq!(sort("-risk_score"), "cadb");
        assert_eq!(sort("-risk_score, -asset_id"), "cdab");
        assert_eq!(sort(""), "abcd");
    }

    #[test]
    fn the_limit_counts_what_is_left_after_filter_and_sort() {
        let asked =
            Asked { filter: Some("risk_score > 1"), sort: Some("-asset_id"), limit: Some(2), ..Asked::default() };
        assert_eq!(ids(asked), "dc");
    }

    #[test]
    fn findings_are_ranked_by_their_score_unless_asked_otherwise() {
        let finding = |score| Record::from(FindingRow { score, ..FindingRow::default() });
        let rows = Rows::of(&FINDINGS, &[finding(1), finding(5)], &Provenance::default());
        let rows = Query::new(&FINDINGS, Asked::default()).unwrap().apply(rows);
        assert_eq!(rows.rows[0][FINDINGS.index("score").unwrap()], Cell::Int(5));
    }

    #[test]
    fn a_misspelt_column_is_named_with_the_nearest() {
        let error = |names| columns(&ASSETS, names).unwrap_err().to_string();
        assert_eq!(error("vendor,frimware"), "assets has no column frimware; did you mean firmware?");
        let unlike = "assets has no column colour_of_the_box; `otoscope schema` lists its columns";
        assert_eq!(error("colour_of_the_box"), unlike);
        assert_eq!(columns(&ASSETS, " site , run_id,").unwrap(), [0, 2]);
    }

    #[test]
    fn a_value_that_no_row_has_is_named_with_the_nearest() {
        let records = ["plc", "meter"].map(|role| {
            let ips = vec!["10.0.0.1".to_owned()];
            Record::from(AssetRow { role: Some(role.into()), ips, ..AssetRow::default() })
        });
        let rows = Rows::of(&ASSETS, &records, &Provenance::default());
        let unmet = |filter| {
            let query = Query::new(&ASSETS, Asked { filter: Some(filter), ..Asked::default() }).unwrap();
            query.unmet(&rows, |column| if column == "role" { vec!["camera"] } else { Vec::new() })
        };
        assert_eq!(unmet("role = plcc or role = plc"), ["no role is plcc; did you mean plc?"]);
        assert_eq!(unmet("role = camer"), ["no role is camer; did you mean camera?"]);
        assert_eq!(unmet("role = camera and ips contains 10.0.0.1"), [""; 0]);
        assert_eq!(unmet("ips contains 10.0.0.2"), ["no ips is 10.0.0.2; did you mean 10.0.0.1?"]);
        assert_eq!(unmet("vendor = Siemens or role != x"), ["no vendor is Siemens"]);
    }
}
