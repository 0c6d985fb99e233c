//! JSON lines: the rows of all tables in the order of their telling, each with its `"table"` first.

use std::io::{BufWriter, Write};

use fingerprints::record::{Provenance, Record};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cell::{Cell, Json, Row};
use crate::error::OutputError;
use crate::schema::{Column, Table};
use crate::sink::{Sink, Written};
use crate::visible::write_json;

/// Writes JSON lines to a stream.
pub struct Lines<W: Write> {
    stream: BufWriter<W>,
    provenance: Provenance,
    written: Written,
}

impl<W: Write> Lines<W> {
    /// Lines onto a stream.
    pub fn new(stream: W, provenance: Provenance) -> Self {
        Self { stream: BufWriter::new(stream), provenance, written: Written { files: 1, ..Written::default() } }
    }

    /// Takes a row that is made already, its provenance too.
    pub fn row(&mut self, table: &'static Table, row: &Row) -> Result<(), OutputError> {
        let fields = table.columns.iter().zip(row).collect();
        let mut line = Vec::new();
        write_json(&mut line, &Object { table: Some(table.name), fields })?;
        line.push(b'\n');
        self.stream.write_all(&line)?;
        self.written.rows += 1;
        self.written.bytes += line.len() as u64;
        Ok(())
    }
}

impl<W: Write> Sink for Lines<W> {
    fn record(&mut self, record: &Record) -> Result<(), OutputError> {
        let (table, row) = Table::row(record, &self.provenance);
        self.row(table, &row)
    }

    fn finish(mut self: Box<Self>) -> Result<Written, OutputError> {
        self.stream.flush()?;
        Ok(self.written)
    }
}

/// Cells of a row as a JSON object, in this order. An unknown value is a null and keeps its place.
pub(crate) struct Object<'a> {
    /// The table, when the object should tell it, first.
    pub(crate) table: Option<&'static str>,
    pub(crate) fields: Vec<(&'static Column, &'a Cell)>,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        if let Some(table) = self.table {
            object.serialize_entry("table", table)?;
        }
        for (column, cell) in &self.fields {
            object.serialize_entry(column.name, &Json(column.kind, cell))?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use dissectors::Timestamp;
    use fingerprints::record::{CaptureRow, HealthRow, LatencyRow};

    use super::*;

    fn lines(records: &[Record]) -> String {
        let provenance = Provenance { site: "s".into(), sensor: "x".into(), run_id: "r".into() };
        let mut stream = Vec::new();
        let mut sink = Box::new(Lines::new(&mut stream, provenance));
        for record in records {
            sink.record(record).unwrap();
        }
        sink.finish().unwrap();
        String::from_utf8(stream).unwrap()
    }

    #[test]
    fn a_line_names_its_table_and_keeps_every_column_in_order() {
        let capture = CaptureRow {
            capture_id: "c".into(),
            path: "a\u{1b}[31m\u{9b}.pcap".into(),
            link_types: vec!["ethernet".into()],
            first_packet: Some(Timestamp::from_nanos(1_999)),
            ..CaptureRow::default()
        };
        assert_eq!(
            lines(&[capture.into()]),
            concat!(
                r#"{"table":"captures","site":"s","sensor":"x","run_id":"r","capture_id":"c","#,
                r#""path":"a\u001b[31m\u009b.pcap","sha256":null,"bytes":0,"link_types":["ethernet"],"snaplen":null,"#,
                r#""first_packet":"1970-01-01T00:00:00.000001Z","last_packet":null,"packets":0,"cut_by_snaplen":0,"#,
                r#""damage":null,"damage_offset":null}"#,
                "\n",
            )
        );
    }

    #[test]
    fn maps_and_structs_are_objects() {
        let health = HealthRow {
            parse_errors: [("modbus".into(), 3)].into(),
            latencies: vec![LatencyRow { stage: "lane".into(), p50_ns: 5, ..LatencyRow::default() }],
            ..HealthRow::default()
        };
        let line = lines(&[health.into()]);
        assert!(line.contains(r#""parse_errors":{"modbus":3}"#), "{line}");
        assert!(line.contains(r#""latencies":[{"stage":"lane","p50_ns":5,"#), "{line}");
    }
}
