//! What hosts do to others, as far as it says what they are: who programs, who polls and commands many devices or few.
//! It becomes the field `otoscope.conduct`, and rules make roles of it.
//!
//! A host that serves such a protocol itself and commands others in it is a controller or a gateway as well as a panel: of
//! that one nothing is said.

use super::known::{Key, Seen};
use super::sums::{Deed, DeedKey, Sums, Talk, TalkKey};
use crate::protocol::Protocols;
use compact_str::{CompactString, format_compact};
use dissectors::observation::{Category, Host, Outcome};
use dissectors::{Direction, Timestamp};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// From where on conduct says something: `data/conduct.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    polls: u64,
    seconds: u64,
    many: usize,
}

/// What each host was seen to do, in the words of `otoscope.conduct`.
#[derive(Debug, Default)]
pub(super) struct Conduct(BTreeMap<Key, BTreeMap<CompactString, Seen>>);

/// What one client had to do with devices over one protocol.
#[derive(Default)]
struct Dealt {
    polled: BTreeSet<Key>,
    commands: Option<Seen>,
}

/// Categories of actions that only who engineers a device takes.
const ENGINEERING: [Category; 2] = [Category::Program, Category::Firmware];
/// Categories of actions of who operates a plant.
const OPERATING: [Category; 2] = [Category::Write, Category::Operate];

impl Conduct {
    pub(super) fn of(activity: &Sums<TalkKey, Talk>, operations: &Sums<DeedKey, Deed>, protocols: &Protocols) -> Self {
        let thresholds: Thresholds =
            toml::from_str(include_str!("../../data/conduct.toml")).expect("a test reads the same file");
        let mut servers: BTreeSet<Host> = BTreeSet::new();
        let mut clients: BTreeMap<(Host, &'static str), Dealt> = BTreeMap::new();
        // Answers are counted: who is asked and silent is polled by nobody.
        let mut polls: BTreeMap<(Host, &'static str, Key), (u64, Timestamp, Timestamp)> = BTreeMap::new();
        let answers = activity.iter().filter(|(key, _)| key.direction == Direction::Response);
        for (key, talk) in answers.filter(|(key, _)| protocols.of(key.protocol).industrial) {
            servers.insert(key.server);
            let server = Key { host: key.server, child: key.child.clone().map(|child| (key.protocol, child)) };
            let sum = polls.entry((key.client, key.protocol, server));
            let (messages, first, last) = sum.or_insert((0, talk.first_seen, talk.last_seen));
            *messages = messages.saturating_add(talk.messages);
            (*first, *last) = (talk.first_seen.min(*first), talk.last_seen.max(*last));
        }
        for ((client, protocol, server), (messages, first, last)) in polls {
            if messages >= thresholds.polls && last.since(first).as_secs() >= thresholds.seconds {
                clients.entry((client, protocol)).or_default().polled.insert(server);
            }
        }
        let mut conduct = Self::default();
        let accepted = operations.sorted().into_iter().filter(|(key, _)| key.outcome == Outcome::Accepted);
        for (key, deed) in accepted.filter(|(key, _)| protocols.of(key.protocol).industrial) {
            let seen = Seen::once(deed.evidence);
            if ENGINEERING.contains(&deed.category) {
                conduct.tell(Key::host(key.client), format_compact!("{} programs", key.protocol), seen);
                let server = Key { host: key.server, child: key.child.clone().map(|child| (key.protocol, child)) };
                conduct.tell(server, format_compact!("{} programmed", key.protocol), seen);
            } else if OPERATING.contains(&deed.category)
                && let Some(dealt) = clients.get_mut(&(key.client, key.protocol))
            {
                dealt.commands.get_or_insert(seen).add(seen);
            }
        }
        for ((client, protocol), dealt) in clients.into_iter().filter(|((client, _), _)| !servers.contains(client)) {
            let Some(seen) = dealt.commands else { continue };
            let how = if dealt.polled.len() >= thresholds.many { "many" } else { "few" };
            conduct.tell(Key::host(client), format_compact!("{protocol} commands {how}"), seen);
        }
        conduct
    }

    fn tell(&mut self, key: Key, what: CompactString, seen: Seen) {
        self.0.entry(key).or_default().entry(what).and_modify(|known| known.add(seen)).or_insert(seen);
    }

    /// What a host, or a device behind one, was seen to do.
    pub(super) fn of_one(&self, key: &Key) -> impl Iterator<Item = (&CompactString, Seen)> {
        self.0.get(key).into_iter().flatten().map(|(what, seen)| (what, *seen))
    }
}
