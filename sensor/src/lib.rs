//! How bytes travel: sources, lanes, flows, streams, threads.

mod clock;
pub mod commands;
mod config;
#[cfg(target_os = "linux")]
mod confine;
mod conversation;
mod counters;
pub mod duplicate;
mod flow;
pub mod fragments;
pub mod lane;
mod messages;
mod network;
pub mod pipeline;
pub mod reading;
mod site_key;
pub mod source;
mod stream;
mod sums;
mod talk;
mod wiped;
mod words;
