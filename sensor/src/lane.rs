//! A lane: packets in, observations out, for one sixty-fourth of the host pairs.
//!
//! All state belongs to a lane, never to a worker: its flows, what its dissectors have told, its sums and caps. Who runs
//! a lane decides nothing, so any number of workers writes the same bytes.

use crate::duplicate::{self, DuplicateCount, Duplicates, Way};
use crate::flow::{Flow, FlowHasher, FlowKey};
use crate::network::{Networks, Proof};
use crate::pipeline::{HourNumber, LaneHours, Settings, Vlans};
use crate::source::prefetch;
use crate::sums::{Sums, Then, is_certain};
use crate::talk::{Lent, Life, Talk};
use dissectors::bounded::{Bounded, Slot};
use dissectors::observation::{Address, Binding, Evidence, Fact, FlowId, Host, Tally, Transport};
use dissectors::out::Losses;
use dissectors::packet::checksum::{self, Checksum};
use dissectors::packet::{Headers, Layer};
use dissectors::{Mac, Observation, Out, Packet, Place, Side, Sides, Timestamp, Told, protocols};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

/// As many hours are counted apart, of two years; the others are added to the last of them.
pub(crate) const MOST_HOURS: usize = 24 * 366 * 2;
/// As many kinds of frames without IP a lane counts apart within an hour: two stations speak few.
const MOST_FRAME_TYPES: usize = 64;
/// What further kinds are counted as: frames without a name.
const UNNAMED: u16 = 0;

/// How many lanes there are. Fixed: the number of workers decides who runs a lane, nothing else.
pub const LANES: usize = 64;

/// What a lane may hold.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Flows per lane.
    pub flows: usize,
    /// Flows per lane that nobody has answered and in which nothing was said: a scan's, mostly.
    pub newcomers: usize,
    /// Flows per lane in which something was said: each costs as much as several others.
    pub conversations: usize,
    /// Properties that are known not to be new, per lane.
    pub known: usize,
    /// Rows in which one flow counts its messages before they are summed up early.
    pub flow_rows: usize,
    /// The same of all flows of a lane.
    pub rows: usize,
    /// Rows that flows have been summed up in, per lane, before they are told early.
    pub sums: usize,
    /// Bytes that wait for the rest of their message or for their turn, per lane.
    pub waiting_bytes: usize,
}

impl Caps {
    /// As much as all lanes together may cost so many bytes for. What one of each costs was measured; the row that a flow
    /// becomes, the dissector of a conversation and the indexes are counted in.
    pub fn within(bytes: usize) -> Self {
        const FLOW: usize = 300;
        const CONVERSATION: usize = 1_536;
        const ROW: usize = 200;
        const SUM: usize = 400;
        const KNOWN: usize = 64;
        let share = |percent: usize, cost: usize| (bytes / LANES / 100 * percent / cost).max(16);
        let flows = share(25, FLOW);
        Self {
            flows,
            newcomers: 256.min(flows / 4),
            conversations: share(27, CONVERSATION),
            known: share(10, KNOWN).min(8_192),
            flow_rows: 256,
            rows: share(20, ROW).min(8_192),
            sums: share(8, SUM).min(16_384),
            waiting_bytes: share(10, 1).min(1 << 20),
        }
    }
}

impl Default for Caps {
    /// 110,000 flows and 12 MiB of waiting bytes in all lanes. The unanswered flows stay in the cache: an answer comes
    /// before 16,000 others were tried, or not at all.
    fn default() -> Self {
        crate::pipeline::Settings::default().caps
    }
}

/// Flows are looked at as often as this, in packet time.
const ROUND: Duration = Duration::from_secs(5);
const IDLE_TCP: Duration = Duration::from_mins(30);
const IDLE_UDP: Duration = Duration::from_mins(5);
const IDLE_UNANSWERED: Duration = Duration::from_mins(1);
const IDLE_CLOSED: Duration = Duration::from_secs(10);

/// What a lane has counted within an hour of packet time.
#[derive(Clone, Debug, Default)]
pub struct LaneCount {
    /// Packets that were looked into. Bytes are those of whole frames, here and in the other tallies.
    pub used: Tally,
    /// Packets that were seen before.
    pub duplicates: Tally,
    /// The same by how they came twice.
    pub mirrored: DuplicateCount,
    /// Frames without IP that no dissector reads, by the number that `packet::FrameName` explains.
    pub other_frames: BTreeMap<u16, Tally>,
    /// Frames of further kinds, which are among those without a name: a lane keeps some apart within an hour.
    pub frame_types_over_cap: u64,
    /// Malformed messages, by protocol.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Dissectors that panicked: each cost its flow.
    pub panics: u64,
    /// Bytes that streams lost in capture.
    pub lost_bytes: u64,
    /// Flows evicted because the lane was full.
    pub flows_evicted: u64,
    /// Known properties forgotten because the lane was full.
    pub known_forgotten: u64,
    /// Values that were told although another had replaced them within a minute: two servers behind one address.
    pub flaps: u64,
    /// Segments of messages that never came.
    pub segments_lost: u64,
    /// Messages in segments that were too long or too many to be put together.
    pub segmented_over_cap: u64,
    /// Conversations that others had announced, forgotten before they came because there were too many.
    pub expected_forgotten: u64,
    /// Times that a flow's waiting bytes were dropped because the lane held too many.
    pub waiting_dropped: u64,
    /// Operations and actions of one packet beyond what a flow can count.
    pub operations_over_cap: u64,
    /// Times that a flow's counters were summed up before the hour's end, because they had grown large.
    pub summed_early: u64,
    /// Packets that had more tags or tunnels than are told apart.
    pub nested_deeper: u64,
    /// Packets read whose TCP or UDP checksum does not hold.
    pub checksums_bad: u64,
    /// Packets read whose checksum the sender's network card was to compute after they were captured.
    pub checksums_offloaded: u64,
    /// Pairs of VLANs that are one network, and were too many to be kept.
    pub networks_over_cap: u64,
    /// Pairs of VLANs that may be one network, and of which it was forgotten what speaks for it or against it.
    pub network_trials_forgotten: u64,
    /// Flows at the end.
    pub flows_active: u64,
}

impl LaneCount {
    /// Counts a frame that no dissector reads.
    fn other_frame(&mut self, number: u16, bytes: u32) {
        let is_over = self.other_frames.len() >= MOST_FRAME_TYPES && !self.other_frames.contains_key(&number);
        self.frame_types_over_cap += u64::from(is_over);
        self.other_frames.entry(if is_over { UNNAMED } else { number }).or_default().count(bytes);
    }

    /// Adds another lane's counts.
    pub fn add(&mut self, other: &Self) {
        self.used.add(other.used);
        self.duplicates.add(other.duplicates);
        self.mirrored += other.mirrored;
        self.panics += other.panics;
        self.lost_bytes += other.lost_bytes;
        self.flows_evicted += other.flows_evicted;
        self.known_forgotten += other.known_forgotten;
        self.flaps += other.flaps;
        self.segments_lost += other.segments_lost;
        self.segmented_over_cap += other.segmented_over_cap;
        self.expected_forgotten += other.expected_forgotten;
        self.waiting_dropped += other.waiting_dropped;
        self.operations_over_cap += other.operations_over_cap;
        self.summed_early += other.summed_early;
        self.nested_deeper += other.nested_deeper;
        self.checksums_bad += other.checksums_bad;
        self.checksums_offloaded += other.checksums_offloaded;
        self.networks_over_cap += other.networks_over_cap;
        self.network_trials_forgotten += other.network_trials_forgotten;
        self.frame_types_over_cap += other.frame_types_over_cap;
        self.flows_active += other.flows_active;
        for (number, count) in &other.other_frames {
            self.other_frames.entry(*number).or_default().add(*count);
        }
        for (protocol, count) in &other.malformed {
            *self.malformed.entry(protocol).or_default() += count;
        }
    }
}

/// A packet's flow as it was found before the packet's turn.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    key: FlowKey,
    hash: u64,
    slot: Option<Slot>,
    /// What the mirror's second showing of the packet would be known by.
    fingerprint: u64,
}

/// What others count without an end, as it stood when the last hour was closed.
#[derive(Default)]
struct Past {
    flows_evicted: u64,
    known_forgotten: u64,
    expected_forgotten: u64,
    flaps: u64,
    losses: Losses,
    networks_over_cap: u64,
    network_trials_forgotten: u64,
}

/// One of the lanes. What every packet touches stands first, side by side: packets of all lanes take turns, and what they
/// touch of all of them has to fit in the first cache.
#[repr(C, align(64))]
pub struct Lane {
    /// From when until when nothing is due: until the hour ends or the next round is. Time may go back, too.
    quiet: Range<Timestamp>,
    hasher: FlowHasher,
    last_place: Place,
    duplicates: Duplicates,
    flows: Bounded<Flow>,
    networks: Networks,
    told: Told,
    count: LaneCount,
    waiting_bytes: usize,
    /// Rows that the flows count in, all together.
    rows: usize,
    /// Flows in which something was said.
    conversations: usize,
    sums: Sums,
    caps: Caps,
    counts: LaneHours,
    past: Past,
    bound: Bound,
    /// How often all that was counted is told, where somebody waits for it.
    live: Option<Duration>,
    /// Flows in which something was counted for the first time, where somebody waits for it.
    news: Vec<Slot>,
    /// When all that was counted was told last.
    told_all: Timestamp,
    /// The hour that it is, and as which one it is counted; none before the first packet.
    window: Option<(Timestamp, HourNumber)>,
    last_round: Option<Timestamp>,
    next_round: Timestamp,
}

impl Lane {
    /// An empty lane.
    pub fn new(settings: Settings) -> Self {
        let Settings { caps, vlans, live, .. } = settings;
        let last_place = Place { time: Timestamp::default(), capture: 0, frame: None };
        Self {
            flows: Bounded::new(caps.flows, caps.newcomers),
            hasher: FlowHasher::new(),
            duplicates: Duplicates::new(vlans == Vlans::Separate),
            networks: Networks::new(vlans),
            told: Told::new(caps.known),
            sums: Sums::new(caps.sums),
            caps,
            count: LaneCount::default(),
            counts: LaneHours::new(),
            past: Past::default(),
            bound: Bound::default(),
            live,
            news: Vec::new(),
            told_all: Timestamp::MIN,
            waiting_bytes: 0,
            rows: 0,
            conversations: 0,
            window: None,
            last_round: None,
            next_round: Timestamp::MIN,
            quiet: Timestamp::MIN..Timestamp::MIN,
            last_place,
        }
    }

    /// Begins to look a packet's flow up, some packets before it is their turn: asks for the memory in which it and the
    /// packet's duplicate would be found.
    #[expect(clippy::inline_always, reason = "else what was found goes through memory, in pieces and back as a whole")]
    #[inline(always)]
    pub(crate) fn look_up(&self, headers: &Headers) -> Found {
        let key = FlowKey::of(headers);
        let hash = self.hasher.hash(&key);
        let fingerprint = self.duplicates.fingerprint(headers, hash, key.sender());
        prefetch::<1, _>(self.duplicates.memory_of(fingerprint));
        if let Some(memory) = self.flows.memory_of_hash(hash) {
            prefetch::<1, _>(memory);
        }
        Found { key, hash, slot: None, fingerprint }
    }

    /// Looks the flow up and asks for its memory. That it is the right one is only checked when the packet is taken.
    #[inline]
    pub(crate) fn guess(&self, found: &mut Found) {
        found.slot = self.flows.guess(found.hash);
        if let Some(memory) = found.slot.and_then(|slot| self.flows.memory_of(slot)) {
            prefetch::<2, _>(memory);
        }
    }

    /// Asks for the memory of a flow's conversation.
    #[inline]
    pub(crate) fn prefetch_conversation(&self, found: &Found) {
        let flow = self.flow(found).filter(|flow| !flow.is_silent());
        if let Some(conversation) = flow.and_then(|flow| flow.conversation.as_deref()) {
            conversation.prefetch();
        }
    }

    /// Asks for the memory of a flow's dissector and counters; its conversation should be here by now.
    #[inline]
    pub(crate) fn prefetch_talk(&self, found: &Found) {
        let flow = self.flow(found).filter(|flow| !flow.is_silent());
        if let Some(talk) = flow.and_then(Flow::talk) {
            talk.prefetch();
        }
    }

    /// How many flows there are.
    pub(crate) fn flows(&self) -> usize {
        self.flows.len()
    }

    fn flow(&self, found: &Found) -> Option<&Flow> {
        self.flows.get(found.slot?)
    }

    /// Takes a packet, whose flow was looked up; `clock` is the timeline's time, `hour` says as which one it is counted.
    #[inline]
    pub(crate) fn packet(&mut self, packet: &Packet<'_>, found: &Found, clock: Timestamp, hour: HourNumber) {
        if !self.quiet.contains(&clock) {
            self.keep_time(clock, hour);
        }
        self.last_place = packet.place;
        if packet.headers.deeper_tags != 0 {
            self.count.nested_deeper += 1;
        }
        match packet.headers.layer {
            Layer::Frame(ether_type) if !is_read(ether_type) => {
                self.count.other_frame(ether_type, packet.frame_bytes);
            }
            _ if self.is_duplicate(packet, found) => {}
            _ => {
                self.count.used.count(packet.frame_bytes);
                self.flow_packet(packet, found);
            }
        }
    }

    /// Whether the mirror has shown this packet before: then it is counted, and no more.
    #[inline]
    fn is_duplicate(&mut self, packet: &Packet<'_>, found: &Found) -> bool {
        let headers = packet.headers;
        if !duplicate::can_be_told(headers) {
            return false;
        }
        let has_payload = !packet.payload.is_empty();
        let Some(way) = self.duplicates.ask(found.fingerprint, headers, has_payload, packet.place.time) else {
            return false;
        };
        self.count.duplicates.count(packet.frame_bytes);
        self.count.mirrored.count(way);
        if way == Way::OtherVlan {
            self.shown_in_two_vlans(packet, found);
        }
        true
    }

    /// A packet was shown in two VLANs: they are one network, if it happens again.
    #[cold]
    fn shown_in_two_vlans(&mut self, packet: &Packet<'_>, found: &Found) {
        let is_elsewhere = |flow: &Flow| {
            let key = &flow.key;
            key.context() != found.key.context() && key.ends_as(&found.key).is_some()
        };
        let Some(slot) = self.flows.find(found.hash, is_elsewhere) else { return };
        let Some(home) = self.flows.get(slot).map(|flow| flow.key.context()) else { return };
        let (other, transport) = (found.key.context(), packet.headers.transport());
        let proof = self.networks.show_twice(home, other, found.fingerprint, transport);
        self.tell_network(proof, packet);
    }

    /// What is proven of two contexts is told.
    fn tell_network(&mut self, proof: Option<Proof>, packet: &Packet<'_>) {
        let Some(Proof { home, other }) = proof else { return };
        let (place, headers) = (packet.place, packet.headers);
        let (source_port, destination_port) = headers.ports();
        let flow = FlowId {
            transport: headers.transport(),
            source: headers.source(),
            source_port,
            destination: headers.destination(),
            destination_port,
        };
        let evidence = Evidence { capture: place.capture, frame: place.frame, time: place.time, protocol: "", flow };
        let subject = Host { context: home, address: headers.source() }.into();
        let fact = Fact::SameNetwork { other };
        self.told.ready().push(Observation { time: place.time, subject, fact, evidence });
    }

    /// The packet's flow in the network that it belongs to, where some are known or tried out to be one.
    #[cold]
    fn in_its_network(&mut self, packet: &Packet<'_>, found: &Found) -> FlowKey {
        let Self { networks, flows, .. } = self;
        let (context, proof) = networks.weigh(&found.key, |home| {
            let slot = flows.find(found.hash, |flow| flow.key == *home)?;
            flows.get(slot)?.fits_as_answer(packet.headers, packet.place.time)
        });
        self.tell_network(proof, packet);
        let context = self.networks.read_as(context);
        // What began before it was known stays where it is.
        let is_begun = context != found.key.context()
            && self.flows.find(found.hash, |flow| flow.key.side_of(&found.key).is_some()).is_some();
        if is_begun { found.key } else { found.key.within(context) }
    }

    /// The flow whose other half begins with this packet, because a mirror tags the directions differently.
    #[cold]
    fn other_half(&mut self, packet: &Packet<'_>, found: &Found) -> Option<Slot> {
        let is_half = |flow: &Flow| {
            let key = &flow.key;
            key.context() != found.key.context()
                && key.ends_as(&found.key) == Some(Side::B)
                && flow.is_answered_by(packet.headers, packet.place.time)
        };
        let slot = self.flows.find(found.hash, is_half)?;
        let key = self.flows.get(slot)?.key;
        if !self.networks.may_be_one(&key, &found.key) {
            return None;
        }
        self.networks.try_out(key, found.key.context());
        Some(slot)
    }

    /// The end of an epoch: what packet time brings about.
    pub(crate) fn end_epoch(&mut self, clock: Timestamp, hour: HourNumber) {
        if !self.quiet.contains(&clock) && self.window.is_some() {
            self.keep_time(clock, hour);
        }
        if let Some(every) = self.live {
            self.tell_news(clock, every);
        }
        if self.sums.are_full() {
            self.sums.tell(self.told.ready());
        }
    }

    /// Somebody waits: what is counted for the first time is told at once, and how much of it there is now and then. What an
    /// hour comes to is the same, for sums of one hour add up.
    fn tell_news(&mut self, clock: Timestamp, every: Duration) {
        let Some((window, _)) = self.window else { return };
        let (sums, count) = (&mut self.sums, &mut self.count);
        // Where time went back, the last time was of another time.
        self.told_all = self.told_all.min(clock);
        let is_due = clock.since(self.told_all) >= every;
        if is_due {
            self.told_all = clock;
            self.flows.iter_mut().for_each(|flow| settle(flow, window, Then::GoOn, sums, count));
            self.told.tell_repeats();
        } else {
            for slot in &self.news {
                if let Some(flow) = self.flows.get_mut(*slot) {
                    sums.add_news(flow, window);
                }
            }
        }
        self.news.clear();
        self.sums.tell(self.told.ready());
    }

    /// Something is due: an hour has ended, or the flows have to be looked at.
    #[cold]
    fn keep_time(&mut self, clock: Timestamp, hour: HourNumber) {
        let begin = clock.hour();
        if self.window.is_none_or(|(window, _)| window != begin) {
            self.begin_window(clock, hour);
        }
        // At the end of time the next round is always due; nothing passes between two of them. Where time went back, the
        // next round was of another time.
        let is_back = self.last_round.is_some_and(|last| clock < last);
        if is_back || (clock >= self.next_round && self.last_round != Some(clock)) {
            self.last_round = Some(clock);
            self.next_round = clock.after(ROUND);
            self.go_round(clock);
        }
        self.quiet = begin..self.next_round.min(begin.after(Duration::from_hours(1)));
    }

    /// The end of all packets: everything is told.
    pub fn finish(&mut self, clock: Timestamp) {
        self.go_round(clock);
        let place = Place { time: clock, ..self.last_place };
        self.count.flows_active += self.flows.len() as u64;
        let flows: Vec<Flow> = self.flows.drain().collect();
        for flow in flows {
            self.finish_flow(flow, place);
        }
        self.sums.tell(self.told.ready());
        self.told.tell_repeats();
    }

    /// Takes what was told since the last call.
    #[inline]
    pub fn ready(&mut self) -> &mut Vec<Observation> {
        self.told.ready()
    }

    /// What was counted, by the hours of the packets; to be asked after [`Lane::finish`].
    pub(crate) fn counts(&mut self) -> LaneHours {
        self.close_count();
        std::mem::take(&mut self.counts)
    }

    /// Ends the count of this window, if one has begun.
    fn close_count(&mut self) {
        let Some((_, hour)) = self.window else { return };
        let mut count = std::mem::take(&mut self.count);
        let since = |all: u64, past: &mut u64| all - std::mem::replace(past, all);
        let past = &mut self.past;
        count.flows_evicted = since(self.flows.evicted(), &mut past.flows_evicted);
        count.known_forgotten = since(self.told.forgotten(), &mut past.known_forgotten);
        count.expected_forgotten = since(self.told.expected_forgotten(), &mut past.expected_forgotten);
        count.flaps = since(self.told.flaps(), &mut past.flaps);
        let losses = self.told.losses();
        count.segments_lost = since(losses.segments, &mut past.losses.segments);
        count.segmented_over_cap = since(losses.messages_over_cap, &mut past.losses.messages_over_cap);
        count.networks_over_cap = since(self.networks.over_cap, &mut past.networks_over_cap);
        count.network_trials_forgotten = since(self.networks.forgotten, &mut past.network_trials_forgotten);
        self.counts.entry(hour).or_default().add(&count);
    }

    /// Tells the sums of the hour that has passed, and begins another.
    fn begin_window(&mut self, clock: Timestamp, hour: HourNumber) {
        if let Some((past, _)) = self.window {
            let (sums, count) = (&mut self.sums, &mut self.count);
            for flow in self.flows.iter_mut() {
                settle(flow, past, Then::StartAnew, sums, count);
                // Later only where time went back.
                flow.last = flow.last.min(clock);
            }
            self.rows = 0;
            self.sums.tell(self.told.ready());
            self.told.tell_repeats();
        }
        self.close_count();
        self.window = Some((clock.hour(), hour));
    }

    #[inline]
    fn flow_packet(&mut self, packet: &Packet<'_>, found: &Found) {
        let headers = packet.headers;
        let moved;
        let found = if self.networks.is_quiet() {
            found
        } else {
            moved = Found { key: self.in_its_network(packet, found), ..*found };
            &moved
        };
        let (slot, side) = match self.still(found) {
            Some((slot, side)) if !self.is_reused(slot, side, headers) => (slot, side),
            known => self.open(known.map(|(slot, _)| slot), found, packet),
        };
        let Self { flows, told, count, caps, waiting_bytes, bound, rows, sums, window, networks, live, news, .. } =
            self;
        let Some(flow) = flows.touch(slot, Flow::chances) else { return };
        if side == Side::B && !flow.answered {
            bind(bound, told, flow, side, packet);
            if headers.context == flow.key.context() {
                networks.shows_both_ways(&flow.key);
            }
        }
        flow.tally(side, headers.wire_bytes, packet.place.time);
        if flow.coasts(side, packet) {
            return;
        }
        let rows_before = flow.rows();
        let has_spoken = flow.conversation.is_some();
        // What nobody reads needs no proof.
        if !packet.payload.is_empty() && !flow.talk().is_some_and(Talk::is_quiet) {
            match checksum::of_transport(headers, packet.segment) {
                Checksum::Good | Checksum::Untold => {}
                Checksum::Bad => count.checksums_bad += 1,
                Checksum::Offloaded => count.checksums_offloaded += 1,
            }
        }
        let mut lent = Lent { told, panics: &mut count.panics };
        let waiting = match headers.layer {
            Layer::Tcp(tcp) => flow.segment(side, &tcp, packet, &mut lent),
            Layer::Udp { .. } | Layer::Frame(_) if !packet.payload.is_empty() => flow.datagram(side, packet, &mut lent),
            _ => 0,
        };
        if waiting != 0 {
            *waiting_bytes = waiting_bytes.saturating_add_signed(waiting);
            if *waiting_bytes > caps.waiting_bytes {
                *waiting_bytes = waiting_bytes.saturating_sub(flow.wait_no_longer(&mut lent));
                count.waiting_dropped += 1;
            }
        }
        let speaks = !has_spoken && flow.conversation.is_some();
        let rows_now = flow.rows();
        if rows_now > rows_before {
            *rows += rows_now - rows_before;
            if rows_now > caps.flow_rows || *rows > caps.rows {
                // Nothing is lost: sums of one window add up.
                let window = window.map_or_else(Timestamp::default, |(window, _)| window);
                settle(flow, window, Then::StartAnew, sums, count);
                count.summed_early += 1;
                *rows = rows.saturating_sub(rows_now);
            } else if live.is_some() && news.last() != Some(&slot) {
                news.push(slot);
            }
        }
        if speaks {
            self.hear_another(packet.place);
        }
    }

    /// One more flow in which something is said; the least proven ones go while there are too many.
    #[cold]
    fn hear_another(&mut self, place: Place) {
        self.conversations += 1;
        while self.conversations > self.caps.conversations {
            let Some(flow) = self.flows.evict() else { return };
            self.finish_flow(flow, place);
        }
    }

    /// The flow that was looked up, if the packets since have not changed it; else it is looked up anew.
    #[inline]
    fn still(&self, found: &Found) -> Option<(Slot, Side)> {
        let side_in = |slot: Slot| Some((slot, self.flows.get(slot)?.key.side_of(&found.key)?));
        found.slot.and_then(side_in).or_else(|| {
            let slot = self.flows.find(found.hash, |flow| flow.key.side_of(&found.key).is_some());
            slot.and_then(side_in)
        })
    }

    /// Whether a SYN or SYN-ACK opens a new connection on the ports of an old one.
    #[inline]
    fn is_reused(&mut self, slot: Slot, side: Side, headers: &Headers) -> bool {
        match headers.layer {
            Layer::Tcp(tcp) if tcp.flags.syn() => {
                self.flows.get_mut(slot).is_some_and(|flow| flow.is_reopened(side, &tcp))
            }
            _ => false,
        }
    }

    /// A new flow, in the place of an old one that ends here, if any; or the other half of one.
    #[inline]
    fn open(&mut self, old: Option<Slot>, found: &Found, packet: &Packet<'_>) -> (Slot, Side) {
        if self.networks.is_mixed_with(found.key.context())
            && old.is_none()
            && let Some(slot) = self.other_half(packet, found)
        {
            return (slot, Side::B);
        }
        let old = old.and_then(|slot| self.flows.remove(slot));
        let is_answer = matches!(packet.headers.layer, Layer::Tcp(tcp) if tcp.flags.ack());
        let Place { capture, time, .. } = packet.place;
        let (flow, side) = match &old {
            // A SYN-ACK confirms that the ports of a living flow are used anew: it answers the new one's client.
            Some(old) if is_answer => (old.reopened(found.key.crossed(), capture, time), Side::B),
            _ => (Flow::new(found.key, packet.headers.is_to_group(), capture, time), Side::A),
        };
        if let Some(old) = old {
            self.finish_flow(old, packet.place);
        }
        if side == Side::A {
            bind(&mut self.bound, &mut self.told, &flow, side, packet);
        }
        let flow = self.as_announced(flow, packet.place);
        let (slot, evicted) = self.flows.insert(found.hash, flow);
        if let Some(evicted) = evicted {
            self.finish_flow(evicted, packet.place);
        }
        (slot, side)
    }

    /// A new flow, which another one may have announced.
    #[inline]
    fn as_announced(&mut self, mut flow: Flow, place: Place) -> Flow {
        if flow.key.transport() == Transport::Udp
            && let Some((protocol, server)) = self.told.expected(|| flow.scene())
            && let Some(protocol) = protocols::named(protocol)
        {
            self.conversations += 1;
            let talk = &mut flow.converse().talk;
            talk.begun_at = Some(place);
            talk.expect(protocol, server);
        }
        flow
    }

    /// Looks at every flow: what pends too long is given up, what is idle too long ends.
    fn go_round(&mut self, clock: Timestamp) {
        let place = Place { time: clock, ..self.last_place };
        let mut idle = Vec::new();
        let (told, count) = (&mut self.told, &mut self.count);
        let first = |flow: &Flow| flow.conversation.iter().for_each(|conversation| conversation.prefetch());
        let then = |flow: &Flow| flow.talk().into_iter().for_each(Talk::prefetch_dissector);
        self.flows.for_each_mut(first, then, |slot, flow| {
            if let Some(conversation) = &mut flow.conversation {
                conversation.talk.tick(place, &mut Lent { told: &mut *told, panics: &mut count.panics });
            }
            if clock.since(flow.last) > patience_with(flow) {
                idle.push(slot);
            }
        });
        for slot in idle {
            if let Some(flow) = self.flows.remove(slot) {
                self.finish_flow(flow, place);
            }
        }
    }

    fn finish_flow(&mut self, mut flow: Flow, place: Place) {
        self.rows = self.rows.saturating_sub(flow.rows());
        if let Some(conversation) = &mut flow.conversation {
            self.conversations = self.conversations.saturating_sub(1);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(conversation.waiting());
            conversation.finish(flow.life, place, &mut Lent { told: &mut self.told, panics: &mut self.count.panics });
        }
        let window = self.window.map_or_else(Timestamp::default, |(window, _)| window);
        settle(&mut flow, window, Then::StartAnew, &mut self.sums, &mut self.count);
    }
}

/// Adds what a flow has counted to the sums of a window.
fn settle(flow: &mut Flow, window: Timestamp, then: Then, sums: &mut Sums, count: &mut LaneCount) {
    let mut relates = true;
    let stands = then == Then::StartAnew || is_certain(flow);
    if let Some(conversation) = &mut flow.conversation {
        let talk = &mut conversation.talk;
        if stands {
            count.lost_bytes += talk.lost;
        }
        count.operations_over_cap += talk.counters.take_over_cap();
        if let Some(protocol) = talk.protocol() {
            relates = protocols::named(protocol).is_none_or(|protocol| protocol.relates);
            let malformed = talk.take_malformed();
            if malformed > 0 {
                *count.malformed.entry(protocol).or_default() += malformed;
            }
        }
    }
    sums.add(flow, window, relates, then);
}

/// The pairs of address and MAC that were bound last: a scan opens millions of flows from one host.
type Bound = [Option<(Host, Mac)>; 16];

/// An IP packet came in a frame from this MAC: they belong together, or a router is between them.
#[inline]
fn bind(bound: &mut Bound, told: &mut Told, flow: &Flow, side: Side, packet: &Packet<'_>) {
    let Some(link) = packet.headers.link else { return };
    let host = flow.key.host(side);
    let Address::Ip(ip) = host.address else { return };
    let place = match ip {
        IpAddr::V4(ip) => ip.to_bits() as usize % bound.len(),
        IpAddr::V6(ip) => ip.to_bits() as usize % bound.len(),
    };
    if bound[place] == Some((host, link.source)) || !host.address.is_host() || !link.source.is_device() {
        return;
    }
    bound[place] = Some((host, link.source));
    let mut scene = flow.scene();
    scene.ports = ports_of(packet, side).unwrap_or(scene.ports);
    Out::new(told, &scene, side, packet.place).binding(host, link.source, Binding::Frame);
    told.commit(&mut Nothing);
}

/// What tells the packets of two hosts apart where the flow does not: type and code of ICMP, ports of SCTP.
#[cold]
fn ports_of(packet: &Packet<'_>, sender: Side) -> Option<Sides<u16>> {
    const SCTP: Transport = Transport::Other(132);
    let transport = packet.headers.transport();
    let (own, other) = match packet.payload {
        [kind, code, ..] if transport.is_icmp() => (u16::from(*kind), u16::from(*code)),
        _ if transport.is_icmp() => (FlowId::UNTOLD, FlowId::UNTOLD),
        [a, b, c, d, ..] if transport == SCTP => (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
        _ => return None,
    };
    Some(if sender == Side::A { Sides::new(own, other) } else { Sides::new(other, own) })
}

struct Nothing;

impl dissectors::out::Tallies for Nothing {
    fn serves(&mut self, _server: Side) {}
    fn count(&mut self, _count: &dissectors::Count, _place: &Place) {}
    fn act(&mut self, _action: dissectors::Action) {}
}

fn patience_with(flow: &Flow) -> Duration {
    match (flow.life, flow.key.transport()) {
        (Life::Closed, _) => IDLE_CLOSED,
        (Life::Open, _) if !flow.answered => IDLE_UNANSWERED,
        (Life::Open, Transport::Tcp) => IDLE_TCP,
        (Life::Open, _) => IDLE_UDP,
    }
}

/// Whether a dissector reads frames of this number.
fn is_read(number: u16) -> bool {
    protocols::ALL.iter().flat_map(|protocol| protocol.carriers).any(|carrier| carrier.frame() == Some(number))
}
