//! What the frames of some seconds say of the port that they came in at: a mirror, half of one, or none.
//!
//! Frames are told apart by whose they are. What this machine sends or gets, and what goes to a group, comes to every port of
//! a switch; only frames between others show that something is mirrored. Of these the pairs of hosts are kept, with what each
//! side said.
//!
//! | verdict | rests on |
//! |---|---|
//! | silent | no frame but those that this machine sent |
//! | own traffic only | [`FRAMES_TO_TELL`] frames or more came, none of them between others |
//! | one-way | [`PAIRS_TO_TELL`] pairs or more are owed an answer, and fewer than one in [`ANSWERED_ONE_IN`] shows one |
//! | tags stripped | [`ROUTED_TO_TELL`] packets or more are shown before and behind a router, and no frame has a tag |
//! | mirrored | a pair of others is seen in both directions |
//! | too little to tell | everything else |
//!
//! **An answer is owed** where it is proven that there is one: whoever acknowledges by TCP has heard what it acknowledges, so
//! a SYN that nobody answers, as scans send them, owes nothing. By UDP only the usual ports of protocols that answer count,
//! since logs and video go one way by nature.
//!
//! **Tags stripped** is said of nothing but this: the same packet twice within 2 ms (`duplicate.rs`), with another TTL, and
//! neither time with a tag. Two networks are then shown as one. That no frame has a tag proves nothing by itself, since a
//! port of one VLAN has none; nor does it that a network card takes tags off, since libpcap puts those back.

#[cfg(test)]
mod tests;

use crate::duplicate::{DuplicateCount, Duplicates};
use crate::flow::{FlowHasher, FlowKey};
use crate::words::plural;
use dissectors::observation::{Address, Context, Host, Mac, Tag, Tally, Transport};
use dissectors::packet::{self, Headers, Layer, LinkType};
use dissectors::{Timestamp, protocols};
use fingerprints::goes_one_way;
use fingerprints::inventory::Subnet;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Fewer frames prove nothing: a quiet mirror has no more, and neither has an ordinary port.
const FRAMES_TO_TELL: usize = 10;
/// Of fewer pairs that are owed an answer, one may be silent by itself.
const PAIRS_TO_TELL: usize = 3;
/// Packets of a pair that are owed an answer: a single one may belong to what was said before.
const OWED_TO_TELL: u32 = 2;
/// Where nearly no pair shows both directions, those that do are seen by another way.
const ANSWERED_ONE_IN: usize = 10;
/// Packets that a router passed on, from which on two networks are shown.
const ROUTED_TO_TELL: usize = 3;
/// From this share of the packets on it is said that they are shown twice, in percent.
const TWICE_TO_TELL: usize = 10;
/// A place is named for all pairs when so many of them are there, in percent.
const COMMON: usize = 80;
/// Pairs that are kept apart; the frames of further ones are counted.
const MOST_PAIRS: usize = 8_192;
/// VLANs that are named.
const MOST_NAMED: usize = 8;

/// The addresses of this machine.
#[derive(Debug, Default)]
pub(crate) struct Own {
    macs: HashSet<Mac>,
    ips: HashSet<IpAddr>,
}

/// Whose a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// This machine sent it.
    Sent,
    /// It came, and is for this machine.
    Received,
    /// It came, and is for a group.
    Group,
    /// It came, and is for another.
    Others,
}

impl Own {
    /// A machine with these addresses.
    pub(crate) fn new(macs: impl IntoIterator<Item = Mac>, ips: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { macs: macs.into_iter().filter(|mac| mac.is_device()).collect(), ips: ips.into_iter().collect() }
    }

    fn has(&self, address: Address) -> bool {
        match address {
            Address::Ip(ip) => ip.is_loopback() || self.ips.contains(&ip),
            Address::Mac(mac) => self.macs.contains(&mac),
            Address::Node(..) => false,
        }
    }

    fn whose(&self, headers: &Headers) -> Whose {
        let has_mac = |of: fn(packet::Link) -> Mac| headers.link.is_some_and(|link| self.macs.contains(&of(link)));
        if has_mac(|link| link.source) || self.has(headers.source()) {
            Whose::Sent
        } else if headers.is_to_group() {
            Whose::Group
        } else if has_mac(|link| link.destination) || self.has(headers.destination()) {
            Whose::Received
        } else {
            Whose::Others
        }
    }
}

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing comes.
    Silent,
    /// An ordinary port: nothing between others comes.
    OwnOnly,
    /// A mirror of one direction.
    OneWay,
    /// A mirror of several networks that cannot be told apart.
    TagsStripped,
    /// A mirror.
    Mirrored,
    /// It cannot be said.
    TooLittle,
}

impl Verdict {
    /// For programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::OwnOnly => "own_only",
            Self::OneWay => "one_way",
            Self::TagsStripped => "tags_stripped",
            Self::Mirrored => "mirrored",
            Self::TooLittle => "too_little",
        }
    }

    /// Whether something has to be done before listening there is worth it.
    pub(crate) const fn is_wrong(self) -> bool {
        !matches!(self, Self::Mirrored | Self::TooLittle)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "silent",
            Self::OwnOnly => "own traffic only",
            Self::OneWay => "one-way",
            Self::TagsStripped => "tags stripped",
            Self::Mirrored => "mirrored",
            Self::TooLittle => "too little to tell",
        })
    }
}

/// What a port is, why that is said, and what helps.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// What it is.
    pub(crate) verdict: Verdict,
    /// The evidence.
    pub(crate) why: String,
    /// What helps, where something does.
    pub(crate) help: Option<&'static str>,
}

/// The ends of what two others say, the lower address first, and what carries it.
type Pair = (Address, Address, Transport);

/// What each end of a pair said, the lower address first.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    packets: [u32; 2],
    /// Those among them that are owed an answer.
    owed: [u32; 2],
}

impl Said {
    fn is_owed(self) -> bool {
        self.owed.iter().any(|owed| *owed >= OWED_TO_TELL)
    }

    fn is_mutual(self) -> bool {
        self.packets.iter().all(|packets| *packets > 0)
    }
}

/// What a port has shown so far.
pub(crate) struct Sight {
    own: Arc<Own>,
    link_type: LinkType,
    all: Tally,
    received: usize,
    group: usize,
    others: usize,
    /// Frames that cannot be taken apart.
    unread: usize,
    vlans: BTreeSet<u16>,
    pairs: HashMap<Pair, Said, RandomState>,
    /// Frames of pairs beyond those that are kept apart.
    frames_over_cap: usize,
    hasher: FlowHasher,
    duplicates: Duplicates,
    twice: DuplicateCount,
}

impl Sight {
    /// Of a port whose frames begin like this.
    pub(crate) fn new(own: Arc<Own>, link_type: LinkType) -> Self {
        Self {
            own,
            link_type,
            all: Tally::default(),
            received: 0,
            group: 0,
            others: 0,
            unread: 0,
            vlans: BTreeSet::new(),
            pairs: HashMap::default(),
            frames_over_cap: 0,
            hasher: FlowHasher::new(),
            duplicates: Duplicates::new(false),
            twice: DuplicateCount::default(),
        }
    }

    /// How its frames begin.
    pub(crate) fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// All frames, those of this machine too.
    pub(crate) fn all(&self) -> Tally {
        self.all
    }

    /// VLANs that frames came from.
    pub(crate) fn vlans(&self) -> &BTreeSet<u16> {
        &self.vlans
    }

    /// Takes a frame, of which the front may be all that there is.
    pub(crate) fn frame(&mut self, time: Timestamp, frame: &[u8], wire_length: u32) {
        self.all.count(wire_length);
        let Ok((headers, payload)) = packet::decode(self.link_type, frame, wire_length) else {
            self.unread += 1;
            return;
        };
        match self.own.whose(&headers) {
            Whose::Sent => return,
            Whose::Received => self.received += 1,
            Whose::Group => self.group += 1,
            Whose::Others => {
                self.others += 1;
                self.pair(&headers);
                self.show(&headers, !payload.is_empty(), time);
            }
        }
        self.vlans.extend(headers.context.tags().filter_map(|tag| match tag {
            Tag::Vlan(id) => Some(id),
            _ => None,
        }));
    }

    fn pair(&mut self, headers: &Headers) {
        let (source, destination) = (headers.source(), headers.destination());
        let side = usize::from(source > destination);
        let pair = (source.min(destination), source.max(destination), headers.transport());
        if self.pairs.len() >= MOST_PAIRS && !self.pairs.contains_key(&pair) {
            self.frames_over_cap += 1;
            return;
        }
        let said = self.pairs.entry(pair).or_default();
        said.packets[side] = said.packets[side].saturating_add(1);
        said.owed[side] = said.owed[side].saturating_add(u32::from(is_owed_an_answer(headers)));
    }

    /// Whether it was shown before.
    fn show(&mut self, headers: &Headers, has_payload: bool, time: Timestamp) {
        let key = FlowKey::of(headers);
        let fingerprint = self.duplicates.fingerprint(headers, self.hasher.hash(&key), key.sender());
        if let Some(way) = self.duplicates.ask(fingerprint, headers, has_payload, time) {
            self.twice.count(way);
        }
    }

    /// What the port is, by all that it has shown.
    pub(crate) fn judge(&self) -> Judgement {
        let heard = self.received + self.group + self.others + self.unread;
        let owed = self.pairs.values().filter(|said| said.is_owed()).count();
        let answered = self.pairs.values().filter(|said| said.is_owed() && said.is_mutual()).count();
        if heard == 0 {
            self.silent()
        } else if heard < FRAMES_TO_TELL {
            too_little(format!("{} came", plural(heard, "frame")))
        } else if self.unread * 2 > heard {
            too_little(format!("{} of {heard} frames are not read: {}", self.unread, self.link_type))
        } else if self.others == 0 {
            self.own_only()
        } else if owed >= PAIRS_TO_TELL && answered * ANSWERED_ONE_IN < owed {
            self.one_way(owed - answered, owed)
        } else {
            self.both_ways()
        }
    }

    fn silent(&self) -> Judgement {
        let why = match self.all.packets {
            0 => "nothing came".to_owned(),
            sent => format!("nothing came but {} of this machine itself", plural(count(sent), "frame")),
        };
        let help = "look at the cable, and whether the switch mirrors to this port";
        Judgement { verdict: Verdict::Silent, why, help: Some(help) }
    }

    fn own_only(&self) -> Judgement {
        let group = plural(self.group, "frame");
        let why = match self.received {
            0 => format!("only broadcast and multicast came ({group}), as at every port"),
            received => format!(
                "all {} that came for one host came for this machine, and {group} of broadcast and multicast",
                plural(received, "frame")
            ),
        };
        let help = "this is no mirror: let the switch mirror a port or a VLAN to this one (SPAN), or use a TAP";
        Judgement { verdict: Verdict::OwnOnly, why, help: Some(help) }
    }

    fn one_way(&self, unanswered: usize, owed: usize) -> Judgement {
        let missing = "and not the answers";
        let shown = match self.ways() {
            (Some(from), Some(to)) if from == to => format!("the mirror shows one direction of what {from} says"),
            (Some(from), Some(to)) => format!("the mirror shows what {from} sends to {to}, {missing}"),
            (Some(from), None) => format!("the mirror shows what {from} sends, {missing}"),
            (None, Some(to)) => format!("the mirror shows what is sent to {to}, {missing}"),
            (None, None) => "the mirror shows a question or its answer, never both".to_owned(),
        };
        let why = format!("one direction only of {unanswered} of {owed} pairs of hosts: {shown}");
        let help = "mirror both directions (rx and tx); with a TAP, listen to both of its ports";
        Judgement { verdict: Verdict::OneWay, why, help: Some(help) }
    }

    /// Where what is shown of one direction comes from, and where it goes: what nearly all of it has in common.
    fn ways(&self) -> (Option<String>, Option<String>) {
        let alone = self.pairs.iter().filter(|(_, said)| said.is_owed() && !said.is_mutual());
        let ways = alone.map(|((low, high, _), said)| if said.packets[0] > 0 { (*low, *high) } else { (*high, *low) });
        let (from, to): (Vec<Address>, Vec<Address>) = ways.unzip();
        (common(&from), common(&to))
    }

    fn both_ways(&self) -> Judgement {
        let mutual = self.pairs.values().filter(|said| said.is_mutual()).count();
        let pairs = self.pairs.len();
        if mutual == 0 {
            let count = plural(pairs, "pair");
            return too_little(format!("{count} of hosts in one direction each, as logs and video go by nature"));
        }
        let routed = count(self.twice.routed);
        if routed >= ROUTED_TO_TELL && self.vlans.is_empty() {
            let packets = plural(routed, "packet");
            let why = format!("{packets} shown before and behind a router, and no frame has a VLAN tag");
            let help =
                "several networks are shown as one: let the mirror keep the tags, so that equal addresses stay apart";
            return Judgement { verdict: Verdict::TagsStripped, why, help: Some(help) };
        }
        let shown = format!("{mutual} of {pairs} pairs of hosts in both directions");
        let why: Vec<String> = std::iter::once(shown).chain(self.besides()).collect();
        Judgement { verdict: Verdict::Mirrored, why: why.join("; "), help: None }
    }

    /// What else is seen of a mirror.
    fn besides(&self) -> impl Iterator<Item = String> {
        let twice = count(self.twice.sum());
        let is_twice = twice * 100 >= self.others * TWICE_TO_TELL;
        let parts = [
            self.networks(),
            is_twice.then(|| format!("{twice} of {} packets are shown twice", self.others)),
            (self.frames_over_cap > 0).then(|| format!("{} of further pairs", plural(self.frames_over_cap, "frame"))),
        ];
        parts.into_iter().flatten()
    }

    fn networks(&self) -> Option<String> {
        let named: Vec<String> = self.vlans.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        let named = named.join(", ");
        match self.vlans.len() {
            0 => None,
            1 => Some(format!("VLAN {named}")),
            2..=MOST_NAMED => Some(format!("VLANs {named}")),
            all => Some(format!("VLANs {named} and {} more", all - MOST_NAMED)),
        }
    }
}

fn count(packets: u64) -> usize {
    usize::try_from(packets).unwrap_or(usize::MAX)
}

fn too_little(why: String) -> Judgement {
    Judgement { verdict: Verdict::TooLittle, why, help: Some("watch for longer: otoscope interfaces --for 1m") }
}

/// Whether a packet proves that there is, or will be, one the other way.
fn is_owed_an_answer(headers: &Headers) -> bool {
    match &headers.layer {
        Layer::Tcp(tcp) => tcp.flags.ack(),
        Layer::Udp { destination, .. } => ANSWERED_PORTS.contains(destination),
        Layer::Other(_) | Layer::Fragment(_) | Layer::Frame(_) => false,
    }
}

/// UDP ports at which questions are answered: the most usual one of each protocol. At its other ports something else may be
/// said, as traps of SNMP.
static ANSWERED_PORTS: LazyLock<BTreeSet<u16>> = LazyLock::new(|| {
    let answered = protocols::ALL.iter().filter(|protocol| !goes_one_way(protocol.name));
    let carriers = answered.flat_map(|protocol| protocol.carriers);
    carriers
        .filter_map(|carrier| if let dissectors::Carrier::Udp(ports) = carrier { ports.first() } else { None })
        .copied()
        .collect()
});

/// The host, or else the network, that nearly all of these are.
fn common(addresses: &[Address]) -> Option<String> {
    let context = Context::default();
    let network = |address: &Address| {
        let subnet = Subnet::of(Host { context, address: *address })?;
        Some(if subnet.is_everything() { "the internet".to_owned() } else { subnet.to_string() })
    };
    most(addresses, |address| Some(address.to_string())).or_else(|| most(addresses, network))
}

fn most(addresses: &[Address], name: impl Fn(&Address) -> Option<String>) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in addresses.iter().filter_map(name) {
        *counts.entry(name).or_default() += 1;
    }
    let (name, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count * 100 >= addresses.len() * COMMON).then_some(name)
}
