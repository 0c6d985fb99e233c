//! Where records go.

use fingerprints::record::Record;

use crate::error::OutputError;

/// Takes all records of a run, one by one, and then its end.
pub trait Sink {
    /// Takes a record.
    fn record(&mut self, record: &Record) -> Result<(), OutputError>;

    /// Takes the end of the run. A sink that is dropped instead leaves nothing half written under a public name.
    fn finish(self: Box<Self>) -> Result<Written, OutputError>;
}

/// What a sink wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Files, those included that already stood there.
    pub files: u64,
    /// Bytes, those included that already stood there.
    pub bytes: u64,
}
