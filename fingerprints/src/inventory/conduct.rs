//! What hosts do to others, as far as it says what they are: who programs, who polls and commands many devices or few, who
//! reads many and never commands, who serves in one protocol what it polls in another. It becomes the field
//! `otoscope.conduct`, and rules make roles of it. Where there is not enough of it nothing is said: a stranger that wrote
//! once has no role.
//!
//! A host that serves such a protocol itself and commands others in it is a controller or a gateway as well as a panel: of
//! that one nothing is said.

use super::known::{Key, Part, Seen, Speech};
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
    quiet_seconds: u64,
}

/// What each host was seen to do, in the words of `otoscope.conduct`.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    deeds: BTreeMap<Key, BTreeMap<CompactString, Seen>>,
    /// What follows from all that a host said in a part of a protocol, and is seen where that is.
    speeches: BTreeMap<Host, Vec<(Part, &'static str, CompactString)>>,
}

/// What one client had to do with devices over one protocol.
#[derive(Default)]
struct Dealt {
    polled: BTreeSet<Key>,
    /// Those among them that were polled for long.
    polled_long: usize,
    commands: Option<Seen>,
    /// Whether it so much as tried to command anything.
    tried: bool,
}

/// Categories of actions that only who engineers a device takes.
const ENGINEERING: [Category; 2] = [Category::Program, Category::Firmware];
/// Categories of actions of who operates a plant.
const OPERATING: [Category; 2] = [Category::Write, Category::Operate];

/// What a client got from one device over one protocol: how many answers, from when to when.
type Polls = BTreeMap<(Host, &'static str, Key), (u64, Timestamp, Timestamp)>;

impl Conduct {
    pub(super) fn of(activity: &Sums<TalkKey, Talk>, operations: &Sums<DeedKey, Deed>, protocols: &Protocols) -> Self {
        let thresholds: Thresholds =
            toml::from_str(include_str!("../../data/conduct.toml")).expect("a test reads the same file");
        let mut servers: BTreeMap<Host, BTreeSet<&'static str>> = BTreeMap::new();
        let mut clients: BTreeMap<(Host, &'static str), Dealt> = BTreeMap::new();
        for ((client, protocol, server), (messages, first, last)) in polls(activity, protocols) {
            let seconds = last.since(first).as_secs();
            let served = servers.entry(server.host).or_default();
            if messages >= thresholds.polls && seconds >= thresholds.seconds {
                served.insert(protocol);
                let dealt = clients.entry((client, protocol)).or_default();
                dealt.polled_long += usize::from(seconds >= thresholds.quiet_seconds);
                dealt.polled.insert(server);
            }
        }
        let mut conduct = Self::default();
        conduct.act(operations, protocols, &mut clients);
        for (key, _) in activity.all().filter(|(key, talk)| key.direction == Direction::Request && talk.is_control) {
            clients.entry((key.client, key.protocol)).and_modify(|dealt| dealt.tried = true);
        }
        for ((client, protocol), dealt) in clients {
            match (servers.get(&client), dealt.commands) {
                (Some(served), _) => conduct.passes_on(client, protocol, served),
                (None, Some(seen)) => {
                    let how = if dealt.polled.len() >= thresholds.many { "many" } else { "few" };
                    conduct.tell(Key::host(client), format_compact!("{protocol} commands {how}"), seen);
                }
                (None, None) if !dealt.tried && dealt.polled_long >= thresholds.many => {
                    let reads = (Part::Uses, protocol, format_compact!("{protocol} reads many"));
                    conduct.speeches.entry(client).or_default().push(reads);
                }
                (None, None) => {}
            }
        }
        conduct
    }

    /// Takes in what devices obeyed.
    fn act(
        &mut self,
        operations: &Sums<DeedKey, Deed>,
        protocols: &Protocols,
        clients: &mut BTreeMap<(Host, &'static str), Dealt>,
    ) {
        let accepted = operations.all_sorted().into_iter().filter(|(key, _)| key.outcome == Outcome::Accepted);
        for (key, deed) in accepted.filter(|(key, _)| protocols.of(key.protocol).industrial) {
            let seen = Seen::once(deed.evidence);
            if ENGINEERING.contains(&key.category) {
                self.tell(Key::host(key.client), format_compact!("{} programs", key.protocol), seen);
                let server = Key { host: key.server, child: key.child.clone().map(|child| (key.protocol, child)) };
                self.tell(server, format_compact!("{} programmed", key.protocol), seen);
            } else if OPERATING.contains(&key.category)
                && let Some(dealt) = clients.get_mut(&(key.client, key.protocol))
            {
                dealt.commands.get_or_insert(seen).add(seen);
            }
        }
    }

    /// Who is polled in one protocol, and polls in another, brings the one to the other.
    fn passes_on(&mut self, host: Host, polled: &'static str, served: &BTreeSet<&'static str>) {
        for served in served.iter().filter(|served| **served != polled) {
            let what = (Part::Serves, *served, format_compact!("{served} from {polled}"));
            self.speeches.entry(host).or_default().push(what);
        }
    }

    fn tell(&mut self, key: Key, what: CompactString, seen: Seen) {
        self.deeds.entry(key).or_default().entry(what).and_modify(|known| known.add(seen)).or_insert(seen);
    }

    /// What a host, or a device behind one, was seen to do.
    pub(super) fn of_one(&self, key: &Key) -> impl Iterator<Item = (&CompactString, Seen)> {
        self.deeds.get(key).into_iter().flatten().map(|(what, seen)| (what, *seen))
    }

    /// What follows from all that a host said in a part of a protocol.
    pub(super) fn of_speech(&self, host: &Host, speech: &Speech) -> impl Iterator<Item = &CompactString> {
        let of_host = self.speeches.get(host).into_iter().flatten();
        let (part, protocol) = (speech.part, speech.protocol);
        of_host.filter(move |(of, known, _)| (*of, *known) == (part, protocol)).map(|(_, _, what)| what)
    }
}

/// Answers are counted: who is asked and silent is polled by nobody.
fn polls(activity: &Sums<TalkKey, Talk>, protocols: &Protocols) -> Polls {
    let mut polls = Polls::new();
    let answers = activity.all().filter(|(key, _)| key.direction == Direction::Response);
    for (key, talk) in answers.filter(|(key, _)| protocols.of(key.protocol).industrial) {
        let server = Key { host: key.server, child: key.child.clone().map(|child| (key.protocol, child)) };
        let sum = polls.entry((key.client, key.protocol, server));
        let (messages, first, last) = sum.or_insert((0, talk.first_seen, talk.last_seen));
        *messages = messages.saturating_add(talk.messages);
        (*first, *last) = (talk.first_seen.min(*first), talk.last_seen.max(*last));
    }
    polls
}
