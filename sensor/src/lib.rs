//! How bytes travel: sources, lanes, flows, streams, threads.

mod clock;
mod conversation;
mod counters;
mod flow;
pub mod lane;
mod messages;
pub mod pipeline;
pub mod source;
mod stream;
mod sums;
