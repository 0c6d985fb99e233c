//! What it means: rules, assets, findings, and the inventory that makes records of observations.
//!
//! No protocol is named in this crate's code: rules match fields, and the matching is data (`data/`).
//! Only the inventory changes an asset; it has one owner, and therefore no locks. It waits for no disk and no clock.
#![forbid(unsafe_code)]

pub mod asset;
pub mod baseline;
pub mod community;
mod credential;
pub mod finding;
pub mod inventory;
mod mark;
mod protocol;
pub mod record;
mod rule;
pub mod rules;
mod table;

pub use credential::{Credentials, Dictionary, DictionaryError, SiteKey, Trials};
pub use inventory::{CaptureName, Inventory, Settings};
pub use protocol::goes_one_way;
pub use rules::Rules;
pub use table::frame_name;
