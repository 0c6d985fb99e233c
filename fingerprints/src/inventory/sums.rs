//! Rows that add up until they are written: conversations, messages, control actions.
//!
//! They name hosts, not assets: which asset a host belongs to is settled when the rows are written.

use crate::record::{ActivityRow, OperationRow, ServiceRow};
use compact_str::CompactString;
use dissectors::observation::{
    Activity, Address, Attempts, Category, Child, Context, Control, Evidence, Host, Operation, Outcome, RolesFrom,
    Subject, Tally, Traffic, Transport,
};
use dissectors::{Direction, Image, Place, Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

/// Who stands in the row of all that found no room.
const NOBODY: Host = Host { context: Context::ROOT, address: Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) };
/// What stands there for their operations.
const OTHERS: Operation = Operation::Verb("others");

fn heap(operation: &Operation) -> usize {
    if let Operation::Word(word) | Operation::WordWithin(_, word) = operation { word.len() } else { 0 }
}

/// Rows by key, at most so many; what finds no room is handed back, and counted.
pub(super) struct Sums<K, V> {
    /// Seeded anew in each run, for keys come from strangers; told in the order of the keys.
    rows: HashMap<K, V, RandomState>,
    /// What rows that were written came to, all windows as one: conclusions rest on it.
    written: HashMap<K, V, RandomState>,
    cap: usize,
    /// What the rows cost, and may cost; each by this measure.
    bytes: usize,
    most_bytes: usize,
    weigh: fn(&K, &V) -> usize,
    /// Whether all tables together have no room for another row.
    pub(super) is_closed: bool,
    pub(super) crowded: u64,
}

impl<K: Eq + Hash + Ord, V> Sums<K, V> {
    pub(super) fn new(cap: usize) -> Self {
        Self::within(cap, usize::MAX, |_, _| 0)
    }

    /// Rows that may not cost more than so many bytes either.
    pub(super) fn within(cap: usize, most_bytes: usize, weigh: fn(&K, &V) -> usize) -> Self {
        let (rows, written) = Default::default();
        Self { rows, written, cap, bytes: 0, most_bytes, weigh, is_closed: false, crowded: 0 }
    }

    /// Adds to the row of a key; what finds no room comes back.
    pub(super) fn add(&mut self, key: K, value: V, merge: impl FnOnce(&mut V, &V)) -> Option<(K, V)> {
        if let Some(row) = self.rows.get_mut(&key) {
            merge(row, &value);
        } else if self.rows.len() < self.cap && self.bytes < self.most_bytes && !self.is_closed {
            self.bytes += (self.weigh)(&key, &value);
            self.rows.insert(key, value);
        } else {
            self.crowded += 1;
            return Some((key, value));
        }
        None
    }

    /// Adds to the row of a key, whatever the room.
    pub(super) fn add_anyway(&mut self, key: K, value: V, merge: impl FnOnce(&mut V, &V)) {
        match self.rows.get_mut(&key) {
            Some(row) => merge(row, &value),
            None => drop(self.rows.insert(key, value)),
        }
    }

    /// The row of a key.
    pub(super) fn of(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// The row of a key, to change; its weight stays.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    /// What the rows cost.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows whose keys fit, to change.
    pub(super) fn rows_where(&mut self, fits: impl Fn(&K) -> bool) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut().filter(move |(key, _)| fits(key)).map(|(_, row)| row)
    }

    /// All rows that are to be written, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// These, and what those came to that were written before.
    pub(super) fn all(&self) -> impl Iterator<Item = (&K, &V)> {
        self.written.iter().chain(&self.rows)
    }

    /// The same, in the order of their keys.
    pub(super) fn all_sorted(&self) -> Vec<(&K, &V)> {
        let mut rows: Vec<(&K, &V)> = self.all().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    /// Rows were written: what they came to is kept under a key without a window, as long as there is room for as many as
    /// are summed.
    pub(super) fn fold(
        &mut self,
        is_written: impl Fn(&K) -> bool,
        without_window: impl Fn(K) -> K,
        merge: impl Fn(&mut V, &V),
    ) {
        for (key, value) in self.rows.extract_if(|key, _| is_written(key)) {
            self.bytes = self.bytes.saturating_sub((self.weigh)(&key, &value));
            let key = without_window(key);
            let has_room = self.written.len() < self.cap;
            match self.written.get_mut(&key) {
                Some(known) => merge(known, &value),
                None if has_room => drop(self.written.insert(key, value)),
                None => {}
            }
        }
    }

    /// Rows were written, and nothing rests on them.
    pub(super) fn forget(&mut self, is_written: impl Fn(&K) -> bool) {
        for (key, value) in self.rows.extract_if(|key, _| is_written(key)) {
            self.bytes = self.bytes.saturating_sub((self.weigh)(&key, &value));
        }
    }

    /// All rows, in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&K, &V)> {
        let mut rows: Vec<(&K, &V)> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.written.clear();
        self.bytes = 0;
    }
}

/// Who used what of whom within one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ServiceKey {
    pub(super) window: Timestamp,
    /// Nobody when it is the sum of all that found no room.
    pub(super) client: Option<Host>,
    /// Nobody when it is the sum of a source's attempts.
    pub(super) server: Option<Host>,
    pub(super) server_is_group: bool,
    pub(super) port: u16,
    pub(super) transport: Transport,
    pub(super) protocol: Option<&'static str>,
}

/// What a conversation came to.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) roles_from: Option<RolesFrom>,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) flows: u64,
    pub(super) to_server: Tally,
    pub(super) to_client: Tally,
    pub(super) lost_bytes: u64,
}

impl ServiceKey {
    /// The row of all that found no room: few of them can be, and no packet goes uncounted.
    pub(super) fn of_the_rest(self) -> Self {
        Self { client: None, server: None, server_is_group: false, port: 0, ..self }
    }
}

impl Service {
    /// About what a row costs, here and as it is written.
    pub(super) fn weight(_key: &ServiceKey, _service: &Self) -> usize {
        size_of::<(ServiceKey, Self)>() + size_of::<ServiceRow>() + 160
    }

    pub(super) fn of(traffic: &Traffic, server: Host) -> (ServiceKey, Self) {
        let key = ServiceKey {
            window: traffic.window,
            client: Some(traffic.client),
            server: Some(server),
            server_is_group: traffic.server_is_group || server.address.is_group(),
            port: traffic.server_port,
            transport: traffic.transport,
            protocol: traffic.protocol,
        };
        let service = Self {
            roles_from: Some(traffic.roles_from),
            first_seen: traffic.first_seen,
            last_seen: traffic.last_seen,
            flows: traffic.flows,
            to_server: traffic.to_server,
            to_client: traffic.to_client,
            lost_bytes: traffic.lost_bytes,
        };
        (key, service)
    }

    pub(super) fn of_attempts(attempts: &Attempts, source: Host) -> (ServiceKey, Self) {
        let key = ServiceKey {
            window: attempts.window,
            client: Some(source),
            server: None,
            server_is_group: false,
            port: 0,
            transport: attempts.transport,
            protocol: None,
        };
        let service = Self {
            roles_from: None,
            first_seen: attempts.first_seen,
            last_seen: attempts.last_seen,
            flows: attempts.flows,
            to_server: attempts.sent,
            to_client: Tally::default(),
            lost_bytes: 0,
        };
        (key, service)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.roles_from = self.roles_from.max(other.roles_from);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.flows = self.flows.saturating_add(other.flows);
        self.to_server.add(other.to_server);
        self.to_client.add(other.to_client);
        self.lost_bytes = self.lost_bytes.saturating_add(other.lost_bytes);
    }
}

/// Which messages of whom to whom within one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TalkKey {
    pub(super) window: Timestamp,
    pub(super) client: Host,
    pub(super) server: Host,
    pub(super) server_is_group: bool,
    pub(super) child: Option<Child>,
    pub(super) protocol: &'static str,
    pub(super) operation: Operation,
    pub(super) direction: Direction,
}

/// How many messages, and where the first stands.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) is_control: bool,
    pub(super) messages: u64,
    pub(super) exceptions: u64,
    pub(super) unanswered: u64,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) first: Place,
}

impl TalkKey {
    /// The row of all that found no room, whoever spoke of whatever.
    pub(super) fn of_the_rest(self) -> Self {
        Self { client: NOBODY, server: NOBODY, server_is_group: false, child: None, operation: OTHERS, ..self }
    }
}

impl Talk {
    /// About what a row costs, here and as it is written.
    pub(super) fn weight(key: &TalkKey, _talk: &Self) -> usize {
        size_of::<(TalkKey, Self)>() + size_of::<ActivityRow>() + 160 + heap(&key.operation)
    }

    pub(super) fn of(activity: &Activity, server: &Subject) -> (TalkKey, Self) {
        let key = TalkKey {
            window: activity.window,
            client: activity.client,
            server: server.host,
            server_is_group: activity.server_is_group || server.host.address.is_group(),
            child: server.child.clone(),
            protocol: activity.protocol,
            operation: activity.operation.clone(),
            direction: activity.direction,
        };
        let talk = Self {
            is_control: activity.is_control,
            messages: activity.messages,
            exceptions: activity.exceptions,
            unanswered: activity.unanswered,
            first_seen: activity.first_seen,
            last_seen: activity.last_seen,
            first: activity.first,
        };
        (key, talk)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.is_control |= other.is_control;
        self.messages = self.messages.saturating_add(other.messages);
        self.exceptions = self.exceptions.saturating_add(other.exceptions);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.first = self.first.min(other.first);
    }
}

/// Which control action of whom on what within one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DeedKey {
    pub(super) window: Timestamp,
    pub(super) client: Host,
    pub(super) client_user: Option<Box<str>>,
    pub(super) server: Host,
    pub(super) child: Option<Child>,
    pub(super) port: u16,
    pub(super) protocol: &'static str,
    pub(super) operation: Operation,
    pub(super) category: Category,
    pub(super) target: CompactString,
    pub(super) outcome: Outcome,
    pub(super) image: Option<Image>,
    /// The conversation's protocol, of which the child is. The action may be of one that it carries.
    pub(super) carrier: &'static str,
}

/// The action itself: the first one keeps its value and its place.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) value: Option<CompactString>,
    /// Why it was refused.
    pub(super) reason: Option<CompactString>,
    pub(super) client_host: Option<Box<str>>,
    pub(super) count: u64,
    pub(super) first: Place,
    pub(super) evidence: Evidence,
}

impl DeedKey {
    /// The row of all that found no room, whoever did what to whom, and to what end.
    pub(super) fn of_the_rest(self) -> Self {
        let target = CompactString::default();
        Self {
            client: NOBODY,
            client_user: None,
            server: NOBODY,
            child: None,
            port: 0,
            operation: OTHERS,
            target,
            image: None,
            ..self
        }
    }

    /// Whether this is such a row.
    pub(super) fn is_of_the_rest(&self) -> bool {
        self.operation == OTHERS && self.server == NOBODY
    }
}

impl Deed {
    /// About what a row costs, here and as it is written.
    pub(super) fn weight(key: &DeedKey, deed: &Self) -> usize {
        let words = deed.value.iter().chain(&deed.reason).map(CompactString::len).sum::<usize>();
        let own = words
            + [&deed.client_host, &key.client_user]
                .iter()
                .map(|text| text.as_ref().map_or(0, |text| text.len()))
                .sum::<usize>();
        let texts = 2 * (key.target.len() + own);
        size_of::<(DeedKey, Self)>() + size_of::<OperationRow>() + 240 + texts + heap(&key.operation)
    }

    /// As a part of the row of all that found no room: the first one's value is no value of all.
    pub(super) fn of_the_rest(self) -> Self {
        Self { value: None, reason: None, client_host: None, ..self }
    }

    pub(super) fn of(control: &Control, server: &Subject, evidence: Evidence) -> (DeedKey, Self) {
        let key = DeedKey {
            window: control.window,
            client: control.client,
            client_user: control.client_user.clone(),
            server: server.host,
            child: server.child.clone(),
            port: control.server_port,
            protocol: control.protocol,
            operation: control.operation.clone(),
            category: control.category,
            target: control.target.clone(),
            outcome: control.outcome,
            image: control.image,
            carrier: evidence.protocol,
        };
        let deed = Self {
            value: control.value.clone(),
            reason: control.reason.clone(),
            client_host: control.client_host.clone(),
            count: control.count,
            first: control.first,
            evidence: at(evidence, control.first),
        };
        (key, deed)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        if other.first < self.first {
            (self.value, self.first, self.evidence) = (other.value.clone(), other.first, other.evidence);
            self.reason.clone_from(&other.reason);
            self.client_host.clone_from(&other.client_host);
        }
    }
}

/// The evidence of a flow, at a place in it.
pub(super) fn at(evidence: Evidence, place: Place) -> Evidence {
    Evidence { capture: place.capture, frame: place.frame, time: place.time, ..evidence }
}

/// The end of the hour that starts with a window.
pub(super) fn end_of(window: Timestamp) -> Timestamp {
    window.after(std::time::Duration::from_hours(1))
}
