//! Rows of one table, wherever they come from: records of this run or files of a lake.

use std::cmp::Ordering;

use fingerprints::record::{Provenance, Record};

use crate::cell::Row;
use crate::schema::{Grain, Table};

/// Rows of one table.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The table.
    pub table: &'static Table,
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Rows {
    /// The rows that these records are in one table, sorted.
    pub fn of<'a>(
        table: &'static Table,
        records: impl IntoIterator<Item = &'a Record>,
        provenance: &Provenance,
    ) -> Self {
        let ours = records.into_iter().filter(|record| record.table() == table.name);
        let mut rows: Vec<Row> = ours.map(|record| Table::row(record, provenance).1).collect();
        sort(table, &mut rows);
        Self { table, rows }
    }

    /// What holds now: of a state table the newest row of each key, of the others every row.
    #[must_use]
    pub fn newest(mut self) -> Self {
        if self.table.grain == Grain::State {
            let key: Vec<usize> = self.table.indices(self.table.key.iter().copied()).collect();
            let age = self.table.grain.order().iter().chain(&["run_id", "sensor"]).copied();
            let age: Vec<usize> = self.table.indices(age).collect();
            self.rows.sort_by(|a, b| compare(a, b, &key).then_with(|| compare(b, a, &age)));
            self.rows.dedup_by(|older, newest| compare(older, newest, &key).is_eq());
        }
        self
    }
}

/// Sorts rows as every file of the table is sorted. The order is total: what the table's order leaves open, the other
/// columns decide, so that the same rows always stand in the same places.
pub(crate) fn sort(table: &Table, rows: &mut [Row]) {
    let order = table.order();
    rows.sort_unstable_by(|a, b| compare(a, b, &order).then_with(|| a.cmp(b)));
}

/// Whether rows stand in the order in which files of the table hold them.
pub(crate) fn is_sorted(table: &Table, rows: &[Row]) -> bool {
    let order = table.order();
    rows.windows(2).all(|pair| compare(&pair[0], &pair[1], &order).is_le())
}

fn compare(a: &Row, b: &Row, columns: &[usize]) -> Ordering {
    columns.iter().map(|&column| a[column].cmp(&b[column])).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use dissectors::Timestamp;
    use fingerprints::record::{AssetRow, ClaimRow, HealthRow};

    use super::*;
    use crate::cell::Cell;
    use crate::schema::tables::{ASSETS, HEALTH};

    fn asset(id: &str, as_of: i64, revision: i64, name: &str) -> Record {
        let as_of = Timestamp::from_micros(as_of);
        AssetRow { as_of, revision, asset_id: id.into(), name: Some(name.into()), ..AssetRow::default() }.into()
    }

    #[test]
    fn the_newest_row_of_a_key_is_what_holds_now() {
        let records = [
            asset("b", 5, 0, "only"),
            asset("a", 9, 1, "newest"),
            asset("a", 9, 0, "older revision"),
            asset("a", 2, 7, "oldest"),
            ClaimRow::default().into(),
        ];
        let rows = Rows::of(&ASSETS, &records, &Provenance::default());
        assert_eq!(rows.rows.len(), 4);
        let now = rows.newest();
        let name = ASSETS.index("name").unwrap();
        let names: Vec<_> = now.rows.iter().map(|row| row[name].clone()).collect();
        assert_eq!(names, [Cell::Text("newest".into()), Cell::Text("only".into())]);
    }

    #[test]
    fn windows_are_all_kept() {
        let records = [HealthRow::default().into(), HealthRow::default().into()];
        assert_eq!(Rows::of(&HEALTH, &records, &Provenance::default()).newest().rows.len(), 2);
    }
}
