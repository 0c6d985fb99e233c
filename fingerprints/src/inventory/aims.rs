//! Attempts at ports of the plant that nobody answered, by source: a sweep over many hosts is made of them.

use super::book::Book;
use super::known::Seen;
use crate::protocol::Protocols;
use dissectors::observation::{Aim, Attempts, Evidence, Host, Transport};
use dissectors::{dissector::Carrier, protocols};
use std::collections::BTreeSet;

/// Who tried which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AimKey {
    pub(super) source: Host,
    pub(super) transport: Transport,
    pub(super) port: u16,
}

/// What there was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aimed {
    pub(super) aim: Option<Aim>,
    pub(super) seen: Option<Seen>,
}

impl Aimed {
    /// Adds those of another address of the same source.
    pub(super) fn join(&mut self, other: &Self) {
        match (&mut self.aim, other.aim) {
            (Some(aim), Some(other)) => aim.add(other),
            (aim, other) => *aim = aim.or(other),
        }
        match (&mut self.seen, other.seen) {
            (Some(seen), Some(other)) => seen.add(other),
            (seen, other) => *seen = seen.or(other),
        }
    }

    /// How many hosts were tried at least: each bit stands for one or more.
    pub(super) fn hosts(&self) -> u64 {
        self.aim.map_or(0, |aim| u64::from(aim.hosts.count_ones()))
    }

    pub(super) fn flows(&self) -> u64 {
        self.aim.map_or(0, |aim| aim.flows)
    }
}

/// All of them, at the ports where protocols of the plant are usually met.
pub(super) struct Aims {
    book: Book<AimKey, Aimed>,
    ports: PlantPorts,
}

impl Aims {
    pub(super) fn within(cap: usize, facts: &Protocols) -> Self {
        Self { book: Book::new(cap, Aim::MOST), ports: PlantPorts::of(facts) }
    }

    pub(super) fn see(&mut self, source: Host, attempts: &Attempts, evidence: Evidence) {
        for aim in &attempts.aims {
            let key = AimKey { source, transport: attempts.transport, port: aim.port };
            if !self.ports.holds(key.transport, key.port) {
                continue;
            }
            let seen = Seen::between(attempts.first_seen, attempts.last_seen, evidence);
            if let Some(aimed) = self.book.of(key, source) {
                aimed.join(&Aimed { aim: Some(*aim), seen: Some(seen) });
            }
        }
    }

    pub(super) fn sorted(&self) -> Vec<(&AimKey, &Aimed)> {
        self.book.sorted()
    }

    pub(super) fn ports(&self) -> &PlantPorts {
        &self.ports
    }

    pub(super) fn refused(&self) -> u64 {
        self.book.refused
    }
}

/// The ports where protocols of the plant are usually met.
pub(super) struct PlantPorts(BTreeSet<(Transport, u16)>);

impl PlantPorts {
    fn of(facts: &Protocols) -> Self {
        let plant = protocols::ALL.iter().filter(|protocol| facts.of(protocol.name).industrial);
        let ports = plant.flat_map(|protocol| protocol.carriers).flat_map(|carrier| match carrier {
            Carrier::Tcp(ports) => ports.iter().map(|port| (Transport::Tcp, *port)).collect(),
            Carrier::Udp(ports) => ports.iter().map(|port| (Transport::Udp, *port)).collect(),
            Carrier::EtherType(_) | Carrier::Llc(_) => Vec::new(),
        });
        Self(ports.collect())
    }

    pub(super) fn holds(&self, transport: Transport, port: u16) -> bool {
        self.0.contains(&(transport, port))
    }
}
