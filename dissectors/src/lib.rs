//! What was said: frames are taken apart, and each protocol's messages tell what they know.
//!
//! This crate knows no file, socket, thread, clock or log. Time comes from packets alone, so a replay is exact.
//! No dissector knows another; [`protocols::ALL`] is the one list of them.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod authorization;
mod ber;
pub mod bounded;
pub mod certificate;
mod challenge;
mod console;
mod dialect;
pub mod dissector;
mod expected;
mod field;
mod handshake;
mod head;
mod hex;
pub mod image;
mod line;
pub mod login;
#[cfg(test)]
mod mauled;
mod names;
mod note;
pub mod observation;
pub mod out;
pub mod packet;
mod pending;
pub mod proof;
pub mod protocols;
pub mod reader;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod rig;
mod rtcp;
mod sasl;
pub mod secret;
mod side;
mod soap;
pub mod time;
mod upgrade;
mod xml;

pub use certificate::Certificate;
pub use dissector::{
    Carrier, Direction, Dissector, Ending, Field, Footing, Next, Part, Protocol, Series, Side, Sides, Verdict,
};
pub use expected::Expected;
pub use hex::hex;
pub use image::Image;
pub use login::{Laxity, Login};
pub use observation::{Evidence, Fact, Host, Mac, Observation, Place, Subject, Value};
pub use out::{Action, Count, Mark, Out, PackedCount, Scene, Told, Words};
pub use packet::Packet;
pub use proof::{Exposure, Proof};
pub use reader::{Reader, Stop};
pub use secret::Secret;
pub use time::Timestamp;
