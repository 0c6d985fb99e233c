//! What the store keeps: letters, what became of them, how endpoints fare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Told;

/// An event on its way to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) subject: String,
}

/// What was told at once.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    pub(crate) source: String,
    pub(crate) last_sequence: u64,
    pub(crate) told: BTreeMap<String, Told>,
    /// Endpoints that now hear of what there was.
    pub(crate) contacted: Vec<String>,
    /// For each endpoint: what has to arrive there, and as what.
    pub(crate) letters: Vec<(String, Letter, Vec<u8>)>,
}

/// What became of letters.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    pub(crate) arrived: Vec<u64>,
    /// Parcels by their first number; none where it is no more.
    pub(crate) parcels: BTreeMap<u64, Option<Vec<u8>>>,
    pub(crate) dead: Vec<(u64, Dead)>,
    pub(crate) answers: Vec<(String, Answer)>,
}

/// Why an event was given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The event's id.
    pub id: String,
    /// What it is about.
    pub subject: String,
    /// What went wrong last.
    pub why: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// What a remediation tool answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The endpoint.
    pub endpoint: String,
    /// The finding whose event it answered.
    pub finding_id: String,
    /// `dispatched`, or what the tool says.
    pub state: String,
    /// Its ticket.
    pub ticket: Option<String>,
    /// When it means to act.
    pub planned: Option<String>,
}

/// How an endpoint fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether it has heard of what there was at the first contact.
    pub is_contacted: bool,
    /// Why nothing is sent there any more.
    pub disabled: Option<String>,
    /// Counters by name.
    pub counts: BTreeMap<String, u64>,
    /// When something arrived last, in microseconds of the wall clock.
    pub last_success: Option<i64>,
    /// When something failed last.
    pub last_failure: Option<i64>,
    /// What went wrong then.
    pub why: String,
}

impl Status {
    /// Takes over what others wrote into the same row meanwhile. Counters only grow.
    pub(super) fn join(&mut self, kept: &Self) {
        self.is_contacted |= kept.is_contacted;
        for (name, count) in &kept.counts {
            let own = self.counts.entry(name.clone()).or_default();
            *own = (*own).max(*count);
        }
    }

    /// Counts.
    pub(crate) fn count(&mut self, name: &str, by: u64) {
        if by > 0 {
            let count = self.counts.entry(name.to_owned()).or_default();
            *count = count.saturating_add(by);
        }
    }
}
