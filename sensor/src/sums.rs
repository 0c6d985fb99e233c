//! What flows add up to within a window: services, messages, control actions, unanswered attempts.
//!
//! Flows tell nothing of themselves. A lane sums them per client, server, port and hour, so that what it tells depends
//! on who talks to whom, not on how often.

use crate::counters::{self, OperationCount};
use crate::flow::Flow;
use crate::talk::Talk;
use compact_str::CompactString;
use dissectors::observation::{
    Activity, Aim, Attempts, Category, Control, Evidence, Fact, FlowId, Host, Operation, Outcome, RolesFrom, Tally,
    Traffic, Transport,
};
use dissectors::{Action, Direction, Image, Observation, Place, Side, Subject, Timestamp, Words};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ServiceKey {
    server: Host,
    server_port: u16,
    client: Host,
    transport: Transport,
    protocol: Option<&'static str>,
    window: Timestamp,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ActivityKey {
    server: Subject,
    server_port: u16,
    client: Host,
    transport: Transport,
    /// The conversation's protocol. The operation may be of one that it carries.
    carrier: &'static str,
    operation: Operation,
    direction: Direction,
    is_control: bool,
    window: Timestamp,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ControlKey {
    server: Subject,
    server_port: u16,
    client: Host,
    client_user: Option<Box<str>>,
    transport: Transport,
    /// As in [`ActivityKey`].
    carrier: &'static str,
    operation: Operation,
    category: Category,
    target: CompactString,
    outcome: Outcome,
    image: Option<Image>,
    window: Timestamp,
}

/// A row that grows, and the conversation in which its first message stands.
struct Sum<T> {
    row: T,
    capture: u32,
    flow: FlowId,
}

impl<T> Sum<T> {
    /// The conversation that began first is the one that shows it.
    fn began(&mut self, flow: &Flow, sender: Side, first: Timestamp) {
        if flow.first < first {
            (self.capture, self.flow) = (flow.capture, flow_of(flow, sender));
        }
    }
}

/// What becomes of what a flow has counted, once it is added to sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The window has ended, or there is no room: the flow counts anew.
    StartAnew,
    /// The window goes on: the flow goes on counting the same.
    GoOn,
}

/// The sums of one lane.
#[derive(Default)]
pub(crate) struct Sums {
    services: BTreeMap<ServiceKey, Sum<Traffic>>,
    activity: BTreeMap<ActivityKey, Sum<Activity>>,
    controls: BTreeMap<ControlKey, Sum<Control>>,
    attempts: BTreeMap<(Host, Transport), Sum<Attempts>>,
    /// As many rows are summed before they are told early; sums of one window simply add up.
    most_rows: usize,
}

impl Sums {
    /// No sums yet.
    pub(crate) fn new(most_rows: usize) -> Self {
        Self { most_rows, ..Self::default() }
    }

    /// Whether they should be told now, so that they stay small.
    pub(crate) fn are_full(&self) -> bool {
        let rows = [self.services.len(), self.activity.len(), self.controls.len(), self.attempts.len()];
        rows.into_iter().sum::<usize>() >= self.most_rows
    }

    /// Adds what a flow has counted in this window; `then` says whether it starts anew. `relates` is false for protocols whose
    /// conversations are the link's own housekeeping.
    pub(crate) fn add(&mut self, flow: &mut Flow, window: Timestamp, relates: bool, then: Then) {
        let has_lost = flow.talk().is_some_and(|talk| talk.lost > 0 || talk.unknown > 0);
        let has_talked = flow.talk().is_some_and(|talk| !talk.counters.is_empty());
        if flow.is_idle() && !has_talked && !has_lost {
            return;
        }
        if then == Then::GoOn && !is_certain(flow) {
            return self.add_news(flow, window);
        }
        if is_attempt(flow) {
            self.attempt(flow, window);
        } else {
            // What comes to light after the last packet belongs to that packet's hour.
            let window = if flow.is_idle() { flow.last.hour().min(window) } else { window };
            if relates && (has_lost || !flow.is_idle()) {
                self.service(flow, window);
            }
            self.talk(flow, window);
        }
        match then {
            Then::StartAnew => flow.begin_window(),
            Then::GoOn => flow.go_on_counting(),
        }
    }

    /// Adds what was said in a flow since it was added last; how much was sent, and who serves, is left to its turn.
    pub(crate) fn add_news(&mut self, flow: &mut Flow, window: Timestamp) {
        // What was named by chance is taken back, and what was told of it stays.
        if flow.talk().is_some_and(Talk::may_be_misnamed) {
            return;
        }
        self.talk(flow, window);
        if let Some(conversation) = &mut flow.conversation {
            conversation.talk.counters.go_on();
        }
    }

    fn attempt(&mut self, flow: &Flow, window: Timestamp) {
        let (source, transport) = (flow.key.host(Side::A), flow.key.transport());
        let fresh = || Sum {
            row: Attempts {
                window,
                transport,
                flows: 0,
                sent: Tally::default(),
                first_seen: flow.first,
                last_seen: flow.last,
                aims: Vec::new(),
            },
            capture: flow.capture,
            flow: flow_of(flow, Side::A),
        };
        let sum = self.attempts.entry((source, transport)).or_insert_with(fresh);
        sum.began(flow, Side::A, sum.row.first_seen);
        let row = &mut sum.row;
        row.flows += u64::from(!flow.counted);
        row.sent.add(flow.sent(Side::A));
        row.first_seen = row.first_seen.min(flow.first);
        row.last_seen = row.last_seen.max(flow.last);
        if !flow.counted {
            aim(&mut row.aims, Aim::at(port_of(flow, Side::B), flow.key.host(Side::B).address));
        }
    }

    fn service(&mut self, flow: &Flow, window: Timestamp) {
        let (server, roles_from) = flow.server();
        let client = server.other();
        let talk = flow.talk();
        let key = ServiceKey {
            server: flow.key.host(server),
            server_port: port_of(flow, server),
            client: flow.key.host(client),
            transport: flow.key.transport(),
            protocol: talk.and_then(Talk::protocol),
            window,
        };
        let fresh = |key: &ServiceKey| Sum {
            row: Traffic {
                window,
                client: key.client,
                server_is_group: flow.is_group(server),
                server_port: key.server_port,
                transport: key.transport,
                protocol: key.protocol,
                roles_from,
                first_seen: flow.first,
                last_seen: flow.last,
                flows: 0,
                flows_two_way: 0,
                to_server: Tally::default(),
                to_client: Tally::default(),
                lost_bytes: 0,
                unknown_bytes: 0,
                begun_at: None,
                lost_at: None,
                goes_on: false,
            },
            capture: flow.capture,
            flow: flow_of(flow, client),
        };
        let sum = self.services.entry(key).or_insert_with_key(fresh);
        sum.began(flow, client, sum.row.first_seen);
        let row = &mut sum.row;
        row.roles_from = row.roles_from.max(roles_from);
        row.first_seen = row.first_seen.min(flow.first);
        row.last_seen = row.last_seen.max(flow.last);
        row.flows += u64::from(!flow.counted);
        row.flows_two_way += u64::from(!flow.counted && flow.answered);
        row.to_server.add(flow.sent(client));
        row.to_client.add(flow.sent(server));
        row.lost_bytes += talk.map_or(0, |talk| talk.lost);
        row.unknown_bytes += talk.map_or(0, |talk| talk.unknown);
        let here = |place: Option<Place>| place.map(|place| (place, flow_of(flow, client)));
        row.begun_at = earlier(row.begun_at, here(talk.and_then(|talk| talk.begun_at)));
        row.lost_at = earlier(row.lost_at, here(talk.and_then(|talk| talk.lost_at)));
        row.goes_on |= flow.goes_on();
    }

    fn talk(&mut self, flow: &Flow, window: Timestamp) {
        let Some(talk) = flow.talk() else { return };
        let Some(protocol) = talk.protocol() else { return };
        for (count, tally) in talk.counters.operations() {
            self.operation(flow, protocol, (count, tally), window);
        }
        for (action, count) in talk.counters.actions() {
            self.action(flow, protocol, (action, count), window);
        }
    }

    fn operation(
        &mut self,
        flow: &Flow,
        protocol: &'static str,
        (count, tally): (&OperationCount, counters::Tally),
        window: Timestamp,
    ) {
        let client = if count.direction == Direction::Request { count.sender } else { count.sender.other() };
        let server = client.other();
        // A request that nobody answered belongs to the hour in which it was asked.
        let asked = count.first_unanswered.filter(|_| tally.messages == 0);
        let window = asked.map_or(window, |asked| asked.time.hour().min(window));
        let (first, last) = (count.first, tally.last());
        let key = ActivityKey {
            server: Subject { host: flow.key.host(server), child: count.child.clone() },
            server_port: port_of(flow, server),
            client: flow.key.host(client),
            transport: flow.key.transport(),
            carrier: protocol,
            operation: count.operation.clone(),
            direction: count.direction,
            is_control: count.is_control,
            window,
        };
        let fresh = |key: &ActivityKey| Sum {
            row: Activity {
                window,
                client: key.client,
                server_is_group: flow.is_group(server),
                server_port: key.server_port,
                protocol: key.operation.protocol().unwrap_or(protocol),
                operation: key.operation.clone(),
                direction: key.direction,
                is_control: key.is_control,
                messages: 0,
                exceptions: 0,
                unanswered: 0,
                server_silent: true,
                first_seen: first.time,
                last_seen: last,
                first,
                first_unanswered: None,
            },
            capture: first.capture,
            flow: flow_of(flow, count.sender),
        };
        let sum = self.activity.entry(key).or_insert_with_key(fresh);
        if first < sum.row.first {
            sum.row.first = first;
            sum.flow = flow_of(flow, count.sender);
        }
        let row = &mut sum.row;
        row.messages += u64::from(tally.messages);
        row.exceptions += u64::from(tally.exceptions);
        row.unanswered += count.unanswered;
        row.server_silent &= is_silent(flow, server);
        row.first_seen = row.first_seen.min(first.time);
        row.last_seen = row.last_seen.max(last);
        let unanswered = count.first_unanswered.map(|place| (place, flow_of(flow, count.sender)));
        row.first_unanswered = earlier(row.first_unanswered, unanswered);
    }

    fn action(&mut self, flow: &Flow, protocol: &'static str, (action, count): (&Action, u64), window: Timestamp) {
        let server = action.sender.other();
        // Where nothing of the server was seen, a mirror of one direction explains the silence as well.
        let outcome = match action.outcome {
            Outcome::Unanswered if is_silent(flow, server) => Outcome::Unknown,
            outcome => outcome,
        };
        let window = if action.place.time < window { action.place.time.hour() } else { window };
        let key = ControlKey {
            server: Subject { host: flow.key.host(server), child: action.child.clone() },
            server_port: port_of(flow, server),
            client: flow.key.host(action.sender),
            client_user: action.client_user.clone(),
            transport: flow.key.transport(),
            carrier: protocol,
            operation: action.operation.clone(),
            category: action.category,
            target: action.target.text(),
            outcome,
            image: action.image.as_deref().copied(),
            window,
        };
        let fresh = |key: &ControlKey| Sum {
            row: Control {
                window,
                client: key.client,
                client_host: action.client_host.clone(),
                client_user: key.client_user.clone(),
                server_port: key.server_port,
                protocol: key.operation.protocol().unwrap_or(protocol),
                operation: key.operation.clone(),
                category: key.category,
                target: key.target.clone(),
                value: action.value.as_ref().map(Words::text),
                outcome: key.outcome,
                reason: action.reason.as_ref().map(Words::text),
                image: key.image,
                count: 0,
                first: action.place,
            },
            capture: action.place.capture,
            flow: flow_of(flow, action.sender),
        };
        let sum = self.controls.entry(key).or_insert_with_key(fresh);
        sum.row.count += count;
        if action.place < sum.row.first {
            sum.row.first = action.place;
            sum.row.value = action.value.as_ref().map(Words::text);
            sum.row.reason = action.reason.as_ref().map(Words::text);
            sum.row.client_host.clone_from(&action.client_host);
            sum.flow = flow_of(flow, action.sender);
        }
    }

    /// Takes all sums as observations, in the order of their keys.
    pub(crate) fn tell(&mut self, into: &mut Vec<Observation>) {
        for (key, sum) in std::mem::take(&mut self.services) {
            let place = Place { capture: sum.capture, frame: None, time: sum.row.first_seen };
            let fact = Fact::Traffic(Box::new(sum.row));
            into.push(observation(key.server.into(), fact, place, key.protocol.unwrap_or(""), sum.flow));
        }
        for (key, sum) in std::mem::take(&mut self.activity) {
            let place = sum.row.first;
            into.push(observation(key.server, Fact::Activity(Box::new(sum.row)), place, key.carrier, sum.flow));
        }
        for (key, sum) in std::mem::take(&mut self.controls) {
            let place = sum.row.first;
            into.push(observation(key.server, Fact::Control(Box::new(sum.row)), place, key.carrier, sum.flow));
        }
        for ((source, _), sum) in std::mem::take(&mut self.attempts) {
            let place = Place { capture: sum.capture, frame: None, time: sum.row.first_seen };
            into.push(observation(source.into(), Fact::Attempts(Box::new(sum.row)), place, "", sum.flow));
        }
    }
}

/// Adds to the port's attempts; of a source that tries all ports the first few are enough.
fn aim(aims: &mut Vec<Aim>, one: Aim) {
    let has_room = aims.len() < Aim::MOST;
    match aims.iter_mut().find(|aim| aim.port == one.port) {
        Some(aim) => aim.add(one),
        None if has_room => aims.push(one),
        None => {}
    }
}

/// The earlier of two places.
fn earlier(one: Option<(Place, FlowId)>, other: Option<(Place, FlowId)>) -> Option<(Place, FlowId)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Whether not one packet of the server was seen.
fn is_silent(flow: &Flow, server: Side) -> bool {
    server == Side::B && !flow.answered
}

/// Whether it is known what is spoken and who serves, and that both sides speak: what is told of it now stays so.
pub(crate) fn is_certain(flow: &Flow) -> bool {
    let is_both_ways = flow.goes_on() || (flow.packets.a > 0 && flow.packets.b > 0);
    is_both_ways
        && flow.talk().is_some_and(|talk| talk.is_named() && !talk.may_be_misnamed())
        && flow.server().1 > RolesFrom::Port
}

/// Nobody answered, nothing was said that a protocol could be named by, and it was no stream of datagrams either.
fn is_attempt(flow: &Flow) -> bool {
    const FEW: u32 = 4;
    let is_named = flow.talk().is_some_and(|talk| talk.protocol().is_some());
    if flow.answered || flow.to_group || is_named {
        return false;
    }
    match flow.key.transport() {
        Transport::Tcp => flow.conversation.is_none(),
        Transport::Ethernet => false,
        _ => flow.packets.a < FEW && !flow.counted,
    }
}

/// The server's port as the tables tell it: frames without IP have none.
fn port_of(flow: &Flow, server: Side) -> u16 {
    match flow.key.transport() {
        Transport::Ethernet => 0,
        _ => *flow.key.ports().of(server),
    }
}

/// The flow as a packet of `sender` shows it.
fn flow_of(flow: &Flow, sender: Side) -> FlowId {
    let receiver = sender.other();
    let ports = [*flow.key.ports().of(sender), *flow.key.ports().of(receiver)];
    let [source_port, destination_port] = if flow.key.transport().is_icmp() { [FlowId::UNTOLD; 2] } else { ports };
    FlowId {
        transport: flow.key.transport(),
        source: flow.key.host(sender).address,
        source_port,
        destination: flow.key.host(receiver).address,
        destination_port,
    }
}

fn observation(subject: Subject, fact: Fact, place: Place, protocol: &'static str, flow: FlowId) -> Observation {
    let evidence = Evidence { capture: place.capture, frame: place.frame, time: place.time, protocol, flow };
    Observation { time: place.time, subject, fact, evidence }
}
