//! What is known of one host, or of one device behind it, before anything is concluded from it.

use crate::asset::{Claim, Claims};
use crate::record::AssetRow;
use crate::rule::Scope;
use crate::rules::Values;
use compact_str::CompactString;
use dissectors::Timestamp;
use dissectors::observation::{Binding, Child, ChildProof, Evidence, Host, Mac, Operation, Transport};
use smallvec::SmallVec;

/// A host, or a child of one. Children of different protocols are never the same, whatever their numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) host: Host,
    pub(super) child: Option<(&'static str, Child)>,
}

impl Key {
    pub(super) fn host(host: Host) -> Self {
        Self { host, child: None }
    }

    /// The child's key as the tables write it.
    pub(super) fn child_key(&self) -> Option<String> {
        self.child.as_ref().map(|(_, child)| child.to_string())
    }
}

/// How much speaks for it being a device: what speaks for less yields first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Standing {
    /// It was spoken to, or nobody answered it.
    Rumour,
    /// It told its MAC address, which costs a frame.
    Announced,
    /// It was seen in conversation.
    Heard,
    /// It said something of itself, answers in a protocol that is known, or stands in a finding: it never yields.
    Proven,
}

impl Standing {
    /// Those who yield, and in this order.
    pub(super) const YIELDING: [Self; 3] = [Self::Rumour, Self::Announced, Self::Heard];
}

/// A part in a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// It answered.
    Serves,
    /// It got answers.
    Uses,
    /// It spoke it, whoever heard.
    Speaks,
}

/// A protocol that a host was seen to take part in.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    pub(super) protocol: &'static str,
    pub(super) part: Part,
    pub(super) seen: Seen,
}

/// An operation that a host asked of others.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) protocol: &'static str,
    pub(super) operation: Operation,
    pub(super) seen: Seen,
}

/// A MAC address that came with a host's packets.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) mac: Mac,
    pub(super) proof: Binding,
    /// It came by frames alone to a host that had proven itself behind another MAC: anybody can send from its address.
    pub(super) is_late: bool,
    pub(super) seen: Seen,
}

/// Two MAC addresses that claim one network address by turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Contest {
    /// The two of the last turn; of those that prove it, once it is proven.
    pub(super) macs: Option<[Mac; 2]>,
    /// The turns: the last of them, or those that prove it.
    pub(super) turns: Vec<Evidence>,
}

impl Contest {
    /// A device that is replaced makes one turn, and one that is put back a second; redundant ones make more over the days.
    const TURNS: usize = 3;
    /// In seconds. Two that both answer who asks take turns with every question.
    const WITHIN: u64 = 120;

    fn turn(&mut self, macs: [Mac; 2], evidence: Evidence) {
        if self.is_proven() {
            return;
        }
        let is_same = self.macs.is_none_or(|known| macs.iter().all(|mac| known.contains(mac)));
        if !is_same {
            self.turns.clear();
        }
        self.macs = Some(macs);
        self.turns.push(evidence);
        if self.turns.len() > Self::TURNS {
            self.turns.remove(0);
        }
    }

    /// Whether both claim the address at the same time.
    pub(super) fn is_proven(&self) -> bool {
        let (Some(first), Some(last)) = (self.turns.first(), self.turns.last()) else { return false };
        self.turns.len() == Self::TURNS && last.time.since(first.time).as_secs() <= Self::WITHIN
    }
}

/// When, where and how often something was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) count: u64,
    /// Where first.
    pub(super) evidence: Evidence,
}

impl Seen {
    pub(super) fn once(evidence: Evidence) -> Self {
        Self::between(evidence.time, evidence.time, evidence)
    }

    pub(super) fn between(first: Timestamp, last: Timestamp, evidence: Evidence) -> Self {
        Self { first, last, count: 1, evidence }
    }

    pub(super) fn add(&mut self, other: Self) {
        if other.first < self.first {
            self.evidence = other.evidence;
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
    }
}

/// Everything known of one host or child.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) key: Key,
    pub(super) standing: Standing,
    pub(super) seen: Seen,
    pub(super) claims: Claims,
    pub(super) values: Latest,
    /// Nearly always one.
    pub(super) macs: SmallVec<[Bound; 1]>,
    /// Who said last that it has this address.
    teller: Option<(Mac, Timestamp)>,
    /// What was seen of two who say so by turns.
    pub(super) contest: Option<Box<Contest>>,
    pub(super) speeches: Vec<Speech>,
    pub(super) asked: Vec<Asked>,
    pub(super) ports: Vec<(u16, Transport)>,
    /// How it is known to be a device behind its host.
    pub(super) proof: Option<(ChildProof, Seen)>,
    pub(super) hours: Hours,
    pub(super) flows: u64,
    pub(super) flows_two_way: u64,
    pub(super) lost_bytes: u64,
}

/// As many MAC addresses, ports, protocols and asked operations are kept of one host.
const MOST: usize = 64;

impl Known {
    pub(super) fn new(key: Key, standing: Standing, seen: Seen) -> Self {
        Self {
            key,
            standing,
            seen,
            claims: Claims::default(),
            values: Latest::default(),
            macs: SmallVec::new(),
            teller: None,
            contest: None,
            speeches: Vec::new(),
            asked: Vec::new(),
            ports: Vec::new(),
            proof: None,
            hours: Hours::default(),
            flows: 0,
            flows_two_way: 0,
            lost_bytes: 0,
        }
    }

    /// About how many bytes it costs, and will cost as rows.
    pub(super) fn weight(&self) -> usize {
        let heap = |text: &CompactString| if text.is_heap_allocated() { text.len() } else { 0 };
        // A claim is kept once here, once in the asset that is made of it, and becomes a row of about as much again.
        let claims = self.claims.iter().map(|claim| 5 * size_of::<Claim>() + 3 * heap(&claim.told.value));
        let values = self.values.0.iter().map(|value| size_of::<Value>() + heap(&value.text));
        let lists = self.macs.len() * 2 * size_of::<Bound>()
            + self.speeches.len() * size_of::<Speech>()
            + self.asked.len() * size_of::<Asked>()
            + self.ports.len() * size_of::<(u16, Transport)>()
            + self.hours.0.len() * size_of::<(i64, i64)>();
        2 * size_of::<Self>() + size_of::<AssetRow>() + claims.sum::<usize>() + values.sum::<usize>() + lists
    }

    /// It has this MAC; the stronger proof stands.
    pub(super) fn bind(&mut self, mac: Mac, proof: Binding, seen: Seen) {
        if proof == Binding::Told {
            self.contend(mac, seen.evidence);
        }
        let is_late = proof == Binding::Frame && self.standing == Standing::Proven && !self.macs.is_empty();
        match self.macs.iter_mut().find(|bound| bound.mac == mac) {
            Some(bound) if bound.proof < proof => *bound = Bound { mac, proof, is_late, seen },
            Some(bound) if bound.proof == proof => bound.seen.add(seen),
            Some(_) => {}
            None => self.take_in(Bound { mac, proof, is_late, seen }),
        }
    }

    /// Another MAC; where there are too many, one that came late yields to one that did not.
    fn take_in(&mut self, bound: Bound) {
        if self.macs.len() < MOST {
            self.macs.push(bound);
        } else if let Some(late) = self.macs.iter_mut().rfind(|bound| bound.is_late).filter(|_| !bound.is_late) {
            *late = bound;
        }
    }

    /// Somebody says that it has this address: another one than said so last, perhaps.
    fn contend(&mut self, mac: Mac, evidence: Evidence) {
        match self.teller.replace((mac, evidence.time)) {
            Some((before, _)) if before != mac => self.contest.get_or_insert_default().turn([before, mac], evidence),
            _ => {}
        }
    }

    /// The MACs that it told itself.
    pub(super) fn told_macs(&self) -> impl Iterator<Item = &Bound> {
        self.macs.iter().filter(|bound| bound.proof == Binding::Told)
    }

    /// It takes this part in a protocol.
    pub(super) fn speaks(&mut self, protocol: &'static str, part: Part, seen: Seen) {
        match self.speeches.iter_mut().find(|speech| (speech.protocol, speech.part) == (protocol, part)) {
            Some(speech) => speech.seen.add(seen),
            None => keep(&mut self.speeches, Speech { protocol, part, seen }),
        }
    }

    /// It asked for this operation.
    pub(super) fn asks(&mut self, protocol: &'static str, operation: &Operation, seen: Seen) {
        match self.asked.iter_mut().find(|asked| asked.protocol == protocol && asked.operation == *operation) {
            Some(asked) => asked.seen.add(seen),
            None => keep(&mut self.asked, Asked { protocol, operation: operation.clone(), seen }),
        }
    }

    /// It listens on this port.
    pub(super) fn listens(&mut self, port: u16, transport: Transport) {
        if port != 0 && !self.ports.contains(&(port, transport)) {
            keep(&mut self.ports, (port, transport));
        }
    }

    /// It is known to stand behind its host, by the strongest proof.
    pub(super) fn prove(&mut self, proof: ChildProof, seen: Seen) {
        match &mut self.proof {
            Some((known, place)) if *known == proof => place.add(seen),
            Some((known, _)) if *known > proof => {}
            slot => *slot = Some((proof, seen)),
        }
    }
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MOST {
        list.push(item);
    }
}

/// The hours in which something was seen, as ranges: continuous watching is one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hours(Vec<(i64, i64)>);

impl Hours {
    /// As many interruptions are told apart; what comes after them is not counted any more.
    const MOST_RANGES: usize = 4_096;
    const NANOS: i64 = 3_600_000_000_000;

    /// The hour of this moment was one of them.
    pub(super) fn see(&mut self, at: Timestamp) {
        let hour = at.nanos().div_euclid(Self::NANOS);
        self.add(hour, hour);
    }

    fn add(&mut self, from: i64, to: i64) {
        let start = self.0.partition_point(|(_, end)| *end < from - 1);
        let end = self.0.partition_point(|(start, _)| *start <= to + 1);
        let covered = self.0.get(start..end).unwrap_or_default();
        let joined = covered.iter().fold((from, to), |(low, high), (start, end)| (low.min(*start), high.max(*end)));
        if start < end || self.0.len() < Self::MOST_RANGES {
            self.0.splice(start..end, [joined]);
        }
    }

    /// The hours of both.
    pub(super) fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(from, to)| self.add(*from, *to));
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| u64::try_from(to - from + 1).unwrap_or(0)).sum()
    }
}

/// The latest value per service and field, for rules of several conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Vec<Value>);

#[derive(Clone, Debug)]
struct Value {
    field: &'static str,
    port: u16,
    evidence: Evidence,
    text: CompactString,
}

impl Latest {
    /// As many are kept of one subject; the oldest goes.
    const MOST: usize = 64;

    /// Keeps a value; says whether another had to go.
    pub(super) fn keep(&mut self, field: &'static str, port: u16, evidence: Evidence, text: &str) -> bool {
        self.0.retain(|value| (value.field, value.port) != (field, port));
        let is_full = self.0.len() >= Self::MOST;
        if is_full {
            self.0.remove(0);
        }
        self.0.push(Value { field, port, evidence, text: text.into() });
        is_full
    }

    /// Everything that is kept.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str, Evidence)> {
        self.0.iter().map(|value| (value.field, value.text.as_str(), value.evidence))
    }

    /// The values as a message on this port sees them.
    pub(super) fn seen_from(&self, port: u16, evidence: Evidence) -> View<'_> {
        View { values: self, port, evidence }
    }
}

/// The kept values, from the place of one message.
pub(super) struct View<'a> {
    values: &'a Latest,
    port: u16,
    evidence: Evidence,
}

impl Values for View<'_> {
    fn value(&self, field: &'static str, scope: Scope) -> Option<&str> {
        let holds = |value: &&Value| match scope {
            Scope::Message => value.port == self.port && value.evidence == self.evidence,
            Scope::Service => value.port == self.port,
            // What belongs to one asset is settled when it is written.
            Scope::Asset => false,
        };
        self.values.0.iter().rev().filter(|value| value.field == field).find(holds).map(|value| value.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::observation::{Address, FlowId};

    #[test]
    fn hours_are_counted_once_in_any_order() {
        let mut hours = Hours::default();
        for hour in [5, 3, 4, 3, 9, -1] {
            hours.add(hour, hour);
        }
        assert_eq!(hours.0, [(-1, -1), (3, 5), (9, 9)]);
        let mut both = Hours::default();
        both.add(6, 8);
        both.join(&hours);
        assert_eq!((both.0.len(), both.count()), (2, 8));
    }

    #[test]
    fn the_oldest_value_goes_and_scopes_differ() {
        let mut latest = Latest::default();
        assert!(!latest.keep("a.x", 80, evidence(1), "one"));
        assert!(!latest.keep("a.x", 81, evidence(2), "two"));
        let other = latest.seen_from(80, evidence(2));
        assert_eq!(other.value("a.x", Scope::Service), Some("one"));
        assert_eq!(other.value("a.x", Scope::Message), None);
        let lost = (0..100).filter(|port| latest.keep("b.x", *port, evidence(3), "v")).count();
        assert_eq!(lost, 100 + 2 - Latest::MOST);
        assert_eq!(latest.iter().count(), Latest::MOST);
    }

    fn evidence(second: i64) -> Evidence {
        let nobody = Address::Mac(Mac([0; 6]));
        let flow = FlowId {
            transport: Transport::Tcp,
            source: nobody,
            source_port: 0,
            destination: nobody,
            destination_port: 0,
        };
        Evidence { capture: 0, frame: None, time: Timestamp::from_micros(second), protocol: "", flow }
    }
}
