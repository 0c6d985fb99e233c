//! The management of broadcasts: who registers where, which tables broadcast management devices hold, and who changes
//! them (ASHRAE 135-2020, annexes J.4, J.5 and U.4).

use super::bvlc::{Body, Datagram, Layer, Management};
use super::device::Speaker;
use super::names;
use super::network::{self, Content, NetworkMessage};
use super::turn::Turn;
use crate::dissector::{Direction, Ending, Field, Side};
use crate::observation::{Address, Category, Child, Operation, Outcome};
use crate::out::{Count, Mark, Out, Whom, Words};
use crate::pending::{Command, Pending, Request};
use crate::time::Timestamp;
use compact_str::{CompactString, ToCompactString, format_compact};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// What two hosts say to each other about the network itself. Most conversations say nothing of it.
#[derive(Default)]
pub(super) struct Upkeep(Option<Box<Talk>>);

#[derive(Default)]
struct Talk {
    pending: Pending<Asked>,
    /// Which networks the host on each side, or a station behind it, leads to; told as a list.
    routed: Vec<(Whom, Option<Child>, BTreeSet<u16>)>,
}

/// A request for a change or for a table, as far as its answer needs it.
struct Asked {
    asker: Side,
    layer: Layer,
    function: u8,
    child: Option<Child>,
    operation: Operation,
    command: Option<Command>,
    /// Of who registers as a foreign device.
    seconds: Option<u16>,
}

impl Upkeep {
    /// A datagram without an NPDU.
    pub(super) fn manage(&mut self, side: Side, datagram: &Datagram<'_>, out: &mut Out<'_>) {
        match &datagram.body {
            Body::Result(code) => {
                out.server(side);
                self.result(side, datagram.layer, *code, out);
            }
            Body::Management(management) => self.ask_or_tell(side, datagram, management, out),
            Body::Own(_) | Body::Forwarded { .. } => {}
        }
    }

    fn ask_or_tell(&mut self, side: Side, datagram: &Datagram<'_>, management: &Management<'_>, out: &mut Out<'_>) {
        let change = |target, value| Some(Command::in_words(Category::Config, CompactString::const_new(target), value));
        match management {
            Management::WriteTable(table) => {
                self.ask(side, datagram, change(DISTRIBUTION, Some(table.with_masks())), out);
            }
            Management::Delete(entry) => {
                self.ask(side, datagram, change(FOREIGN, Some(format_compact!("without {entry}"))), out);
            }
            Management::ReadTable | Management::ReadForeignTable | Management::Register { .. } => {
                self.ask(side, datagram, None, out);
            }
            Management::TableRead(table) => {
                out.server(side);
                out.text(side, None, &BROADCAST_TABLE, table.with_masks().as_bytes());
                self.answered(side, |asked| is_about(asked, &[2]), out);
            }
            Management::ForeignTableRead(table) => {
                out.server(side);
                out.text(side, None, &FOREIGN_TABLE, table.with_times().as_bytes());
                self.answered(side, |asked| is_about(asked, &[6]), out);
            }
            Management::Other => {}
        }
    }

    fn ask(&mut self, side: Side, datagram: &Datagram<'_>, command: Option<Command>, out: &mut Out<'_>) {
        let Some(operation) = datagram.operation() else { return };
        let seconds = match datagram.body {
            Body::Management(Management::Register { seconds }) => Some(seconds),
            _ => None,
        };
        out.server(side.other());
        let (layer, function) = (datagram.layer, datagram.function);
        let asked = Asked { asker: side, layer, function, child: None, operation, command, seconds };
        self.push(asked, out);
    }

    fn push(&mut self, asked: Asked, out: &mut Out<'_>) {
        let pending = &mut self.0.get_or_insert_default().pending;
        let is_again = |other: &Asked| {
            let same = |asked: &Asked| (asked.asker, asked.layer, asked.function, asked.seconds);
            same(other) == same(&asked) && (&other.child, &other.command) == (&asked.child, &asked.command)
        };
        let known = pending.position(out.place().time, |waiting| is_again(&waiting.request));
        if known.is_none() {
            let is_owed = !out.is_group(asked.asker.other());
            pending.push(asked, is_owed, out);
        }
    }

    /// Clauses J.2.1 and U.2.1: what became of the oldest request that it can be the answer to.
    fn result(&mut self, side: Side, layer: Layer, code: u16, out: &mut Out<'_>) {
        let Some(talk) = &mut self.0 else { return };
        let fits = |asked: &Asked| {
            asked.asker != side && asked.layer == layer && Datagram::answers(layer, code, asked.function)
        };
        let at = talk.pending.position(out.place().time, |waiting| fits(&waiting.request));
        let Some(waiting) = at.and_then(|at| talk.pending.take(at)) else { return };
        let asked = &waiting.request;
        if let (Some(seconds), Some(place)) = (asked.seconds, place(side, out)) {
            let place = place.to_compact_string();
            let field = if code == 0 { &FOREIGN_DEVICE_OF } else { &FOREIGN_DEVICE_REFUSED };
            out.text(asked.asker, None, field, place.as_bytes());
            if code == 0 {
                out.number(asked.asker, None, &FOREIGN_DEVICE_TTL, seconds.into());
                out.numbered(side, None, (&BROADCAST_MANAGEMENT, 1), "takes foreign devices");
            }
        }
        match code {
            0 => waiting.answered(Outcome::Accepted, out),
            code => {
                let results = if layer == Layer::Ipv6 { "link-result-ipv6" } else { "link-result" };
                waiting.refused(Some(&Words::from(names::enumerated(results, code))), out);
            }
        }
    }

    fn answered(&mut self, side: Side, fits: impl Fn(&Asked) -> bool, out: &mut Out<'_>) {
        let Some(talk) = &mut self.0 else { return };
        let fits = |asked: &Asked| asked.asker != side && fits(asked);
        let at = talk.pending.position(out.place().time, |waiting| fits(&waiting.request));
        at.and_then(|at| talk.pending.take(at))
            .into_iter()
            .for_each(|waiting| waiting.answered(Outcome::Accepted, out));
    }

    /// Counts a message of the network layer, and tells what it says of the router that sends it.
    pub(super) fn network(&mut self, message: &NetworkMessage<'_>, turn: &Turn, out: &mut Out<'_>) {
        let operation = Operation::Kind('n', message.kind.into());
        let (mut is_control, mut is_answer) = (false, false);
        match &message.content {
            Content::Initialize(ports) => is_control = !ports.is_empty(),
            Content::Initialized(_) => is_answer = true,
            _ => {}
        }
        if is_answer {
            turn.count_response(operation, Mark::Plain, out);
        } else {
            turn.count_request(operation, is_control, out);
        }
        if let Some(Speaker { whom, station }) = turn.speaker(out) {
            self.topology(whom, station, &message.content, out);
        }
        match &message.content {
            Content::Initialize(ports) if turn.speaks_for_itself => {
                let command = is_control.then(|| {
                    Command::in_words(Category::Config, CompactString::const_new(ROUTING), Some(ports.line()))
                });
                self.push(Asked::initialize(turn, command), out);
            }
            Content::Initialized(_) => {
                let station = turn.station().cloned();
                let is_it = |asked: &Asked| asked.layer == Layer::Framed && asked.child == station;
                self.answered(turn.sender, is_it, out);
            }
            _ => {}
        }
    }

    fn topology(&mut self, whom: Whom, station: Option<&Child>, content: &Content<'_>, out: &mut Out<'_>) {
        match content {
            Content::Routes(networks) => {
                let line = self.routes(whom, station, networks);
                out.text(whom, station, &NETWORKS_ROUTED, line.as_bytes());
            }
            Content::CouldRoute { network, performance } => {
                let words = format_compact!("{network}, performance {performance}");
                out.numbered(whom, station, (&NETWORK_REACHABLE, (*network).into()), &words);
            }
            Content::Rejects { network, reason } => {
                let words = format_compact!("{network}: {}", names::enumerated("network-reject-reason", *reason));
                out.numbered(whom, station, (&NETWORK_REJECTED, (*network).into()), &words);
            }
            Content::Busy(networks) => {
                let line = networks.line();
                out.text(whom, station, &ROUTER_BUSY, format_compact!("busy: {}", all_if_none(&line)).as_bytes());
            }
            Content::Available(networks) => {
                let line = networks.line();
                out.text(whom, station, &ROUTER_BUSY, format_compact!("available: {}", all_if_none(&line)).as_bytes());
            }
            Content::Initialized(ports) if !ports.is_empty() => {
                out.text(whom, station, &ROUTING_TABLE, ports.line().as_bytes());
            }
            Content::Number(number) => out.number(whom, station, &NETWORK_NUMBER, (*number).into()),
            Content::Initialize(_) | Content::Initialized(_) | Content::Other => {}
        }
    }

    /// All networks that a router has said it leads to: it answers a question for one with that one alone.
    fn routes(&mut self, whom: Whom, station: Option<&Child>, networks: &network::Networks<'_>) -> CompactString {
        let routed = &mut self.0.get_or_insert_default().routed;
        let at = routed.iter().position(|(other, child, _)| *other == whom && child.as_ref() == station);
        let at = at.unwrap_or_else(|| {
            if routed.len() >= MOST_ROUTERS {
                routed.remove(0);
            }
            routed.push((whom, station.cloned(), BTreeSet::new()));
            routed.len().saturating_sub(1)
        });
        let Some((.., known)) = routed.get_mut(at) else { return networks.line() };
        let room = MOST_NETWORKS.saturating_sub(known.len());
        known.extend(networks.iter().take(room));
        network::in_line(known.iter(), MOST_NETWORKS, |network| network.to_compact_string())
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        if let Some(talk) = &mut self.0 {
            talk.pending.give_up(now, out);
        }
    }

    pub(super) fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        if let Some(talk) = &mut self.0 {
            talk.pending.finish(ending, out);
        }
    }
}

fn all_if_none(line: &str) -> &str {
    if line == "none" { "all" } else { line }
}

fn is_about(asked: &Asked, functions: &[u8]) -> bool {
    asked.layer == Layer::Ipv4 && functions.contains(&asked.function)
}

/// Where the host on a side is registered with.
fn place(side: Side, out: &Out<'_>) -> Option<SocketAddr> {
    match out.host(side).address {
        Address::Ip(ip) => Some(SocketAddr::new(ip, out.port(side))),
        _ => None,
    }
}

/// What a datagram says of broadcast management: who passes on broadcasts is in charge of them, and a virtual address is
/// the sender's own.
pub(super) fn tell(side: Side, datagram: &Datagram<'_>, out: &mut Out<'_>) {
    match datagram.body {
        Body::Forwarded { origin, .. } if out.host(side).address != Address::Ip(origin.ip()) => {
            out.numbered(side, None, (&BROADCAST_MANAGEMENT, 0), "forwards broadcasts");
        }
        Body::Forwarded { .. } => {}
        _ => {
            if let Some(address) = datagram.virtual_address {
                out.text(side, None, &VIRTUAL_ADDRESS, format_compact!("{address:06x}").as_bytes());
            }
        }
    }
}

impl Asked {
    fn initialize(turn: &Turn, command: Option<Command>) -> Self {
        Self {
            asker: turn.sender,
            layer: Layer::Framed,
            function: network::INITIALIZE,
            child: turn.receiver().cloned(),
            operation: Operation::Kind('n', network::INITIALIZE.into()),
            command,
            seconds: None,
        }
    }
}

impl Request for Asked {
    /// As long as any other answer may take.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn count(&self) -> Count {
        Count {
            sender: self.asker,
            direction: Direction::Request,
            operation: self.operation.clone(),
            child: self.child.clone(),
            mark: Mark::Plain,
            is_control: self.command.is_some(),
        }
    }

    fn command(&self) -> Option<Command> {
        self.command.clone()
    }
}

const DISTRIBUTION: &str = "broadcast distribution table";
const FOREIGN: &str = "foreign device table";
const ROUTING: &str = "routing table";

/// As many routers of one conversation are remembered with what they lead to.
const MOST_ROUTERS: usize = 16;
/// As many networks of one router are.
const MOST_NETWORKS: usize = 96;

pub(super) static NETWORKS_ROUTED: Field =
    Field::new("bacnet.networks_routed", "the networks that a router says it leads to (6.4.2)");
pub(super) static NETWORK_REACHABLE: Field =
    Field::new("bacnet.network_reachable", "a network that a router can connect to, and how well (6.4.3)");
pub(super) static NETWORK_REJECTED: Field =
    Field::new("bacnet.network_rejected", "a network for which a router passed nothing on, and why (6.4.4)");
pub(super) static ROUTER_BUSY: Field =
    Field::new("bacnet.router_congestion", "for which networks a router takes nothing, or does again (6.4.5, 6.4.6)");
pub(super) static ROUTING_TABLE: Field =
    Field::new("bacnet.routing_table", "the networks of a router by its ports, as it told them (6.4.8)");
pub(super) static NETWORK_NUMBER: Field =
    Field::new("bacnet.network_number", "the number of the network on which the device said so (6.4.20)");
pub(super) static BROADCAST_TABLE: Field = Field::new(
    "bacnet.broadcast_table",
    "to whom a broadcast management device passes broadcasts on, as it told it (J.2.4)",
);
pub(super) static FOREIGN_TABLE: Field = Field::new(
    "bacnet.foreign_device_table",
    "which foreign devices are registered with a broadcast management device, as it told it (J.2.8)",
);
pub(super) static BROADCAST_MANAGEMENT: Field =
    Field::new("bacnet.broadcast_management", "what shows the device to manage broadcasts for others (J.4, U.4)");
pub(super) static FOREIGN_DEVICE_OF: Field = Field::new(
    "bacnet.foreign_device_of",
    "the broadcast management device that took the device's registration (J.5.2, U.4.5)",
);
pub(super) static FOREIGN_DEVICE_TTL: Field =
    Field::new("bacnet.foreign_device_ttl", "for how many seconds it registered (J.2.6)");
pub(super) static FOREIGN_DEVICE_REFUSED: Field =
    Field::new("bacnet.foreign_device_refused", "the device that refused its registration (J.2.1)");
pub(super) static VIRTUAL_ADDRESS: Field =
    Field::new("bacnet.virtual_address", "the device's address on the virtual network of IPv6, in hex (U.5)");
