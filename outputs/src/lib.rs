//! Who is told: schemas, sinks, the lake.
#![forbid(unsafe_code)]

pub mod cell;
pub mod error;
pub mod lines;
pub mod schema;
pub mod sink;

pub use cell::{Cell, Kind, Row, rfc3339};
pub use error::OutputError;
pub use lines::Lines;
pub use schema::{Grain, Table};
pub use sink::{Sink, Written};
