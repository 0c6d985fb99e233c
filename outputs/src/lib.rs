//! Who is told: schemas, sinks, the lake.
#![forbid(unsafe_code)]

mod arrow;
pub mod cell;
pub mod error;
pub mod event;
mod files;
mod filter;
pub mod lake;
pub mod lines;
mod nearest;
mod parquet;
pub mod print;
pub mod query;
pub mod rows;
pub mod runs;
pub mod schema;
pub mod sink;
pub mod store;
mod visible;
pub mod webhook;

pub use cell::{Cell, Kind, Row, rfc3339};
pub use error::OutputError;
pub use lake::{Lake, LakeSink};
pub use lines::Lines;
pub use nearest::{did_you_mean, nearest};
pub use print::{Format, print};
pub use query::{Asked, Query, QueryError};
pub use rows::Rows;
pub use runs::{Input, Overlap, Run, run_id};
pub use schema::{Grain, Table};
pub use sink::{Sink, Written};
pub use store::Store;
pub use visible::visible;
pub use webhook::Webhooks;
