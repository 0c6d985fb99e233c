//! Every thread and channel, on one page.
//!
//! ```text
//! reader --- one batch per worker and epoch ---> workers (each owns some lanes) --- notes ---> witness
//!    ^                                                                                            |
//!    +------------------------- a token for each epoch that is closed ----------------------------+
//! ```
//!
//! The reader walks the captures, decodes headers once, and hands out epochs: references into the mapped bytes, not
//! copies. Each worker gets exactly one batch per epoch, an empty one too, and closes it. The witness takes an epoch when
//! all workers have closed it, in the order of the packets. At most [`Settings::epochs_in_flight`] epochs are under way,
//! so no queue can fill up and nothing can wait in a circle. With one worker all of it is one thread.

use crate::flow::FlowKey;
use crate::fragments::{self, Came, FragmentCount, Fragments, Taken, Whole};
use crate::lane::{Caps, Found, LANES, Lane, LaneCount, MOST_HOURS};
use crate::source::{Account, Bytes, Drops, Fed, Feed, Input, MOST_LINK_TYPES, Meaningless, OTHER_LINKS};
use arrayvec::ArrayVec;
use crossbeam_channel::{Receiver, Sender, bounded};
use dissectors::observation::Tally;
use dissectors::packet::{self, Fragment, Headers, Layer, LinkType, Unread};
use dissectors::{Observation, Packet, Place, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a reading is run. Nothing here but the caps changes what is told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many threads run the lanes; 1 runs everything in the caller's.
    pub workers: usize,
    /// How many epochs may be under way at once.
    pub epochs_in_flight: usize,
    /// Packets in an epoch.
    pub epoch_packets: usize,
    /// Bytes of captures in an epoch, at most: what is streamed is held until its epoch is done.
    pub epoch_bytes: u64,
    /// What each lane may hold.
    pub caps: Caps,
    /// What may wait for the rest of its datagram.
    pub fragments: fragments::Caps,
    /// Bytes that the inventory may cost, its rows too.
    pub inventory_bytes: usize,
    /// What the VLANs of a site are to each other.
    pub vlans: Vlans,
    /// Where somebody waits for what is told it is told as soon as it is news, and all that was counted as often as this, in
    /// packet time; epochs are short. What all of it comes to is the same.
    pub live: Option<Duration>,
}

/// What the VLANs of a site are to each other: by itself a VLAN is a network of its own, until packets prove two of them
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vlans {
    /// As the packets show it.
    #[default]
    Observed,
    /// Each is a network of its own, whatever packets show: cells that are built alike, addresses and all.
    Separate,
    /// All are one network: the mirror's tags tell nothing.
    Joined,
}

/// What a reading may cost beyond the captures themselves, unless somebody says otherwise.
pub const MEMORY: usize = 512 << 20;
/// What the program, its rules and its tables cost before the first packet.
const PROGRAM: usize = 64 << 20;
/// What an epoch has of a file, unless memory is scarce.
const EPOCH_PACKETS: usize = 16_384;
/// How long an epoch lasts at most where somebody waits for what it tells.
const LIVE_EPOCH: Duration = Duration::from_millis(20);
/// More than an epoch of full Ethernet frames has.
const EPOCH_BYTES: u64 = 1 << 25;

impl Settings {
    /// Everything that grows within so many bytes. Of what the program itself leaves of them (half, where it would leave
    /// less), nine thirty-seconds each are for lanes and for the inventory, a thirty-second is for fragments; the rest is
    /// for what is on its way: epochs, rows at the end, and what the allocator holds back. Of what is streamed an epoch
    /// holds at most a sixteenth of all, as some epochs are under way at once, and of packets a packet for each 32 KiB.
    #[must_use]
    pub fn within(self, memory: usize) -> Self {
        let share = memory.saturating_sub(PROGRAM).max(memory / 2) / 32;
        Self {
            caps: Caps::within(share * 9),
            fragments: fragments::Caps::within(share),
            inventory_bytes: share * 9,
            epoch_packets: (memory / (32 << 10)).clamp(CHUNK, EPOCH_PACKETS),
            epoch_bytes: EPOCH_BYTES.min(memory as u64 / 16),
            ..self
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let fixed = Self {
            workers: 1,
            epochs_in_flight: 4,
            epoch_packets: EPOCH_PACKETS,
            epoch_bytes: EPOCH_BYTES,
            caps: Caps::within(0),
            fragments: fragments::Caps::within(0),
            inventory_bytes: 0,
            vlans: Vlans::default(),
            live: None,
        };
        fixed.within(MEMORY)
    }
}

/// Who hears what the lanes tell, in the order of the packets.
pub trait Witness {
    /// Something new was told.
    fn observe(&mut self, observation: Observation);
    /// An epoch has ended; packet time is `now`.
    fn advance(&mut self, now: Timestamp);
}

/// What a reading came to.
#[derive(Debug, Default)]
pub struct Totals {
    /// What was counted, by the hour of packet time.
    pub hours: BTreeMap<Timestamp, Hour>,
    /// Observations told.
    pub observations: u64,
    /// Packet time at the end.
    pub clock: Timestamp,
    /// What was read of each capture.
    pub accounts: Vec<Account>,
    /// The captures, in the order in which evidence counts them.
    pub inputs: Vec<Input>,
    /// The hour that all further ones are added to, if there were too many to count each apart.
    pub last_hour: Option<Timestamp>,
    /// The first frame of each link type that is not read.
    pub first_unread: BTreeMap<u32, Place>,
    /// Link types whose frames the filter left out because it means nothing for them.
    pub filter_fails: Vec<Meaningless>,
}

/// What was counted within an hour of packet time.
///
/// The books balance: the reader counts what it sees, and each frame is counted once more, by the reader or by a lane,
/// where it ends: used, left out, or not read for a reason that has a name. See [`Hour::entries`].
#[derive(Clone, Debug, Default)]
pub struct Hour {
    /// Frames read.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames that a filter left out.
    pub filtered: Tally,
    /// Frames whose headers are cut or contradict themselves.
    pub damaged: Tally,
    /// Frames of link types that are not read, by type.
    pub unread_links: BTreeMap<u32, Tally>,
    /// What became of fragments.
    pub fragments: FragmentCount,
    /// What captures that ended in it say that was dropped before it reached them.
    pub drops: Drops,
    /// How often another hour began that is counted here, because too many are counted apart.
    pub over_cap: u64,
    /// What the lanes counted.
    pub lanes: LaneCount,
}

/// Where a frame can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// It was looked into.
    Used,
    /// The filter left it out.
    Filtered,
    /// It was seen before.
    Duplicate,
    /// Its headers are cut or contradict themselves.
    Damaged,
    /// It begins in a way that is not read: its link type.
    UnreadLink(u32),
    /// It carries what no dissector reads: its number, which `packet::FrameName` explains.
    UnreadFrame(u16),
    /// It is a piece of a packet of which the others are missing.
    Fragment,
}

impl Hour {
    /// Every place where a frame can end, with what ended there; together they are all frames. Whoever lets frames end
    /// elsewhere adds a line.
    pub fn entries(&self) -> impl Iterator<Item = (Entry, Tally)> {
        let Self { filtered, damaged, unread_links, fragments, lanes, packets: _, bytes: _, drops: _, over_cap: _ } =
            self;
        let fixed = [
            (Entry::Used, lanes.used),
            (Entry::Used, fragments.joined),
            (Entry::Filtered, *filtered),
            (Entry::Duplicate, lanes.duplicates),
            (Entry::Duplicate, fragments.duplicates),
            (Entry::Damaged, *damaged),
            (Entry::Fragment, fragments.lost),
        ];
        let links = unread_links.iter().map(|(number, tally)| (Entry::UnreadLink(*number), *tally));
        let others = lanes.other_frames.iter().map(|(number, tally)| (Entry::UnreadFrame(*number), *tally));
        fixed.into_iter().chain(links).chain(others)
    }

    /// What was seen and ended nowhere, or ended without having been seen: packets and bytes, both 0 if the books balance.
    pub fn difference(&self) -> (i128, i128) {
        let start = (i128::from(self.packets), i128::from(self.bytes));
        self.entries().fold(start, |(packets, bytes), (_, tally)| {
            (packets - i128::from(tally.packets), bytes - i128::from(tally.bytes))
        })
    }

    /// A frame ends at the reader.
    #[cold]
    fn not_read(&mut self, unread: Unread, link_type: LinkType, bytes: u32) {
        match unread {
            Unread::Damaged(_) => self.damaged.count(bytes),
            Unread::LinkType => self.unread_link(link_type.number()).count(bytes),
        }
    }

    /// Where frames of a link type are counted: apart, while there are not too many of them.
    fn unread_link(&mut self, number: u32) -> &mut Tally {
        self.unread_links.entry(link_apart(&self.unread_links, number)).or_default()
    }

    fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.filtered.add(other.filtered);
        self.damaged.add(other.damaged);
        for (number, tally) in &other.unread_links {
            self.unread_link(*number).add(*tally);
        }
        self.fragments.add(&other.fragments);
        self.drops.add(other.drops);
        self.over_cap += other.over_cap;
        self.lanes.add(&other.lanes);
    }

    /// Everything that ended in one place.
    pub fn ended(&self, place: Entry) -> Tally {
        self.entries().filter(|(entry, _)| *entry == place).fold(Tally::default(), |mut sum, (_, tally)| {
            sum.add(tally);
            sum
        })
    }
}

impl Totals {
    /// All hours together.
    pub fn sum(&self) -> Hour {
        self.hours.values().fold(Hour::default(), |mut sum, hour| {
            sum.add(hour);
            sum
        })
    }

    /// The hour in which something of this time is counted.
    fn hour(&mut self, time: Timestamp) -> &mut Hour {
        let hour = time.hour();
        let is_apart = self.hours.contains_key(&hour);
        self.hours.entry(self.last_hour.filter(|_| !is_apart).unwrap_or(hour)).or_default()
    }
}

/// The number that a link type is kept under: its own, while there are not too many of them.
fn link_apart<V>(links: &BTreeMap<u32, V>, number: u32) -> u32 {
    if links.len() < MOST_LINK_TYPES || links.contains_key(&number) { number } else { OTHER_LINKS }
}

/// An hour that is counted apart, by its place among them: packets carry it to the lanes, so that all count alike.
pub(crate) type HourNumber = u16;

/// What lanes have counted, by the hours of their packets.
pub(crate) type LaneHours = BTreeMap<HourNumber, LaneCount>;

/// Adds what some lanes have counted to what others have.
fn add_lanes(sum: &mut LaneHours, more: &LaneHours) {
    for (number, count) in more {
        sum.entry(*number).or_default().add(count);
    }
}

/// Counts frames of the hour that it is, so that no map is asked for each of them.
struct Books {
    /// The hours that are counted apart, in the order in which they were met; time may go back to one of them.
    hours: Vec<(Timestamp, Hour)>,
    numbers: BTreeMap<Timestamp, HourNumber>,
    /// The hour that it is, and the number of the one in which it is counted.
    hour: Hour,
    number: HourNumber,
    span: Range<Timestamp>,
    clock: Timestamp,
    /// Whether another hour has begun in this epoch.
    has_turned: bool,
    fragments: Fragments,
    vlans: Vlans,
    first_unread: BTreeMap<u32, Place>,
}

impl Books {
    /// No hour has begun: the first packet's is the first, before 1970 too.
    fn new(settings: Settings) -> Self {
        Self {
            hours: Vec::new(),
            numbers: BTreeMap::new(),
            hour: Hour::default(),
            number: 0,
            span: Timestamp::MIN..Timestamp::MIN,
            clock: Timestamp::default(),
            has_turned: false,
            fragments: Fragments::new(settings.fragments),
            vlans: settings.vlans,
            first_unread: BTreeMap::new(),
        }
    }

    #[inline]
    fn turn_to(&mut self, clock: Timestamp) {
        self.clock = clock;
        if !self.span.contains(&clock) {
            self.turn();
        }
    }

    /// Where all VLANs are one network, tags are no part of an address.
    #[inline]
    fn look_at_tags(&mut self, headers: &mut Headers) {
        if self.vlans == Vlans::Joined && !headers.context.is_root() {
            headers.context = headers.context.without_vlans();
        }
    }

    /// Another hour has begun, later or, where the clock went back, earlier.
    #[cold]
    fn turn(&mut self) {
        self.has_turned = true;
        self.close_hour();
        let begin = self.clock.hour();
        self.span = begin..begin.after(Duration::from_hours(1));
        let next = self.hours.len();
        let number = HourNumber::try_from(next.min(MOST_HOURS - 1)).expect("as many hours have a number");
        let is_apart = self.numbers.contains_key(&begin);
        self.number = *self.numbers.get(&begin).unwrap_or(&number);
        if is_apart {
            return;
        }
        if next < MOST_HOURS {
            self.hours.push((begin, Hour::default()));
            self.numbers.insert(begin, number);
        } else {
            self.hour.over_cap += 1;
        }
    }

    fn close_hour(&mut self) {
        let hour = std::mem::take(&mut self.hour);
        if let Some((_, known)) = self.hours.get_mut(usize::from(self.number)) {
            known.add(&hour);
        }
    }

    /// A frame ends at the reader.
    #[cold]
    fn not_read(&mut self, unread: Unread, fed: &Fed) {
        if unread == Unread::LinkType {
            let number = fed.frame.link_type.number();
            let number = link_apart(&self.first_unread, number);
            self.first_unread.entry(number).or_insert_with(|| place_of(fed));
        }
        self.hour.not_read(unread, fed.frame.link_type, fed.frame.wire_length);
    }

    /// Counts a frame that the filter left out.
    #[cold]
    fn leave_out(&mut self, fed: &Fed) {
        self.turn_to(fed.clock);
        self.hour.packets += 1;
        self.hour.bytes += u64::from(fed.frame.wire_length);
        self.hour.filtered.count(fed.frame.wire_length);
    }

    fn close(mut self, lanes: &LaneHours) -> Totals {
        self.close_hour();
        let fragments = self.fragments.finish();
        for ((_, hour), number) in self.hours.iter_mut().zip(0..) {
            fragments.get(&number).into_iter().for_each(|count| hour.fragments.add(count));
            lanes.get(&number).into_iter().for_each(|count| hour.lanes.add(count));
        }
        let last_hour = self.hours.get(MOST_HOURS - 1).map(|(begin, _)| *begin);
        let hours = self.hours.into_iter().collect();
        Totals { hours, clock: self.clock, last_hour, first_unread: self.first_unread, ..Totals::default() }
    }
}

/// Something told, and where it belongs in the order of an epoch.
struct Note {
    ordinal: u32,
    lane: u8,
    observation: Observation,
}

/// Notes of what packet time brings about come after all packets of their epoch.
const EPOCH_END: u32 = u32::MAX;

/// Packets that are read and then taken, while all of them are in the cache.
const CHUNK: usize = 128;

/// Packets between two steps of a look-up: memory comes sooner than they are taken, and a core asks for no more at once.
const BLOCK: usize = 4;

/// A packet is looked up in so many steps, its turn being the last.
const STEPS: usize = 5;

/// With fewer flows the caches hold them all, and asking for their memory costs more than it gains.
const FLOWS_IN_CACHE: usize = 1_000;

/// A packet on its way to a worker.
#[derive(Clone, Copy, Default)]
struct Item {
    headers: Headers,
    place: Place,
    clock: Timestamp,
    ordinal: u32,
    hour: HourNumber,
    lane: u8,
    file: u32,
    /// Where the transport header stands, or the payload if there is none, and how long both are.
    start: usize,
    length: u32,
    frame_bytes: u32,
}

/// The packets of some ordinals. Their memory is used again, and each is decoded where it stays.
#[derive(Default)]
struct Epoch {
    files: Vec<Arc<Bytes>>,
    /// The packets, then places that are free.
    items: Vec<Item>,
    used: usize,
    /// Packet time at the end, and its hour.
    clock: Timestamp,
    hour: HourNumber,
}

/// What a worker gets of an epoch.
struct Batch {
    epoch: Arc<Epoch>,
    /// Its packets, by their places among the items.
    mine: Vec<u32>,
}

impl Epoch {
    fn clear(&mut self) {
        self.files.clear();
        self.used = 0;
    }
}

/// Reads a feed to its end. `progress` hears now and then how many bytes of captures are done.
pub fn read(feed: Feed, settings: Settings, witness: &mut dyn Witness, progress: &mut dyn FnMut(u64)) -> Totals {
    if settings.workers <= 1 {
        read_alone(feed, settings, witness, progress)
    } else {
        read_together(feed, settings, witness, progress)
    }
}

/// Reader, lanes and witness as one thread: small batches, so that nothing leaves the cache between them.
fn read_alone(mut feed: Feed, settings: Settings, witness: &mut dyn Witness, progress: &mut dyn FnMut(u64)) -> Totals {
    let mut worker = Worker::new(0, Settings { workers: 1, ..settings });
    let mut books = Books::new(settings);
    let mut epoch = Epoch::default();
    let (mut observations, mut is_last) = (0, false);
    while !is_last {
        let mut notes = Vec::new();
        let until = begin_epoch(&mut feed, settings, &mut books);
        let most = Most { bytes: feed.walked() + settings.epoch_bytes, until };
        for start in (0..settings.epoch_packets).step_by(CHUNK) {
            let ordinals = start..settings.epoch_packets.min(start + CHUNK);
            let filled = fill(&mut feed, ordinals, most, (&mut epoch, |_, _| {}), &mut books);
            worker.take(&epoch.files, epoch.used, |at| &epoch.items[at], &mut notes);
            epoch.clear();
            is_last = filled == Filled::ToTheLast;
            if filled != Filled::All {
                break;
            }
        }
        observations += hand_over(notes, witness);
        for round in worker.rounds() {
            observations += hand_over(worker.end_epoch(round, books.clock, books.number), witness);
        }
        worker.count_flows();
        witness.advance(books.clock);
        progress(feed.done_bytes());
    }
    let mut lanes = LaneHours::new();
    for round in worker.rounds() {
        observations += hand_over(worker.finish(round, books.clock, &mut lanes), witness);
    }
    let mut totals = books.close(&lanes);
    totals.observations = observations;
    close(feed, totals, progress)
}

fn close(feed: Feed, mut totals: Totals, progress: &mut dyn FnMut(u64)) -> Totals {
    progress(feed.total_bytes());
    (totals.inputs, totals.accounts, totals.filter_fails) = feed.into_accounts();
    let dropping = totals.accounts.iter().filter(|account| account.drops != Drops::default());
    let dropped =
        dropping.map(|account| (if account.packets > 0 { account.ended } else { totals.clock }, account.drops));
    for (ended, drops) in dropped.collect::<Vec<_>>() {
        totals.hour(ended).drops.add(drops);
    }
    debug_assert!(
        totals.hours.values().all(|hour| hour.difference() == (0, 0)),
        "the books do not balance: {:?}",
        totals.hours
    );
    totals
}

/// A reader's thread, the workers' threads, and the witness in the caller's.
fn read_together(feed: Feed, settings: Settings, witness: &mut dyn Witness, progress: &mut dyn FnMut(u64)) -> Totals {
    let in_flight = settings.epochs_in_flight.max(1);
    let (tokens_in, tokens) = bounded::<()>(in_flight);
    for () in std::iter::repeat_n((), in_flight) {
        tokens_in.send(()).expect("the channel has room for all tokens, and both ends are here");
    }
    std::thread::scope(|scope| {
        let mut to_workers = Vec::new();
        let mut from_workers = Vec::new();
        for index in 0..settings.workers {
            let (batches_in, batches) = bounded::<Batch>(in_flight);
            let (notes_in, notes) = bounded::<Closed>(in_flight + 1);
            let worker = Worker::new(index, settings);
            scope.spawn(move || worker.run(&batches, &notes_in));
            to_workers.push(batches_in);
            from_workers.push(notes);
        }
        let (progress_in, progressed) = bounded::<u64>(in_flight);
        let reader = scope.spawn(move || hand_out(feed, settings, &tokens, &to_workers, &progress_in));
        let (mut lanes, mut observations) = (LaneHours::new(), 0);
        while let Some(epoch) = gather(&from_workers) {
            add_lanes(&mut lanes, &epoch.counts);
            observations += hand_over(epoch.notes, witness);
            if let Some(now) = epoch.clock {
                witness.advance(now);
                // The reader has gone when it has handed out its last epoch.
                let _ = tokens_in.send(());
            }
            progressed.try_iter().for_each(&mut *progress);
        }
        let (feed, books) = reader.join().expect("the reader does not panic");
        let mut totals = books.close(&lanes);
        totals.observations = observations;
        close(feed, totals, progress)
    })
}

/// The reader: hands out epochs, one batch to each worker.
fn hand_out(
    mut feed: Feed,
    settings: Settings,
    tokens: &Receiver<()>,
    workers: &[Sender<Batch>],
    progress: &Sender<u64>,
) -> (Feed, Books) {
    let (mut books, seats) = (Books::new(settings), seats(workers.len()));
    // The oldest is free again when its token has come back.
    let mut epochs: VecDeque<Arc<Epoch>> = VecDeque::new();
    while tokens.recv().is_ok() {
        let spare = epochs.pop_front_if(|oldest| Arc::get_mut(oldest).is_some());
        let mut epoch = spare.and_then(Arc::into_inner).unwrap_or_default();
        epoch.clear();
        let mut shares: Vec<Vec<u32>> = workers.iter().map(|_| Vec::with_capacity(epoch.items.len())).collect();
        let until = begin_epoch(&mut feed, settings, &mut books);
        let most = Most { bytes: feed.walked() + settings.epoch_bytes, until };
        let hand = |lane: usize, place: usize| {
            shares[seats[lane].worker].push(u32::try_from(place).expect("an epoch is short"));
        };
        let filled = fill(&mut feed, 0..settings.epoch_packets, most, (&mut epoch, hand), &mut books);
        (epoch.clock, epoch.hour) = (books.clock, books.number);
        let epoch = Arc::new(epoch);
        for (worker, mine) in workers.iter().zip(shares) {
            if worker.send(Batch { epoch: Arc::clone(&epoch), mine }).is_err() {
                return (feed, books);
            }
        }
        epochs.push_back(epoch);
        // Progress that nobody takes is stale anyway.
        let _ = progress.try_send(feed.done_bytes());
        if filled == Filled::ToTheLast {
            break;
        }
    }
    (feed, books)
}

/// How far batches were filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// With all packets that were asked for.
    All,
    /// With as many bytes as an epoch may have, or all that has come so far.
    Enough,
    /// With the last packet that there is.
    ToTheLast,
}

/// What an epoch has at most.
#[derive(Clone, Copy)]
struct Most {
    /// So many bytes of captures are walked when it ends.
    bytes: u64,
    /// When it ends, where somebody waits for it; then it ends too when nothing more has come.
    until: Option<Instant>,
}

impl Most {
    /// Whether an epoch that somebody waits for ends before this ordinal.
    #[inline]
    fn is_over(&self, ordinal: usize, feed: &mut Feed) -> bool {
        /// The clock is looked at only now and then.
        const PACKETS: usize = 64;
        self.until.is_some_and(|until| {
            !feed.is_at_hand() || (ordinal.is_multiple_of(PACKETS) && ordinal > 0 && Instant::now() >= until)
        })
    }
}

/// An epoch begins. Where somebody waits for what is told, it waits a little for packets, and packet time goes on without
/// them; gives when it has to end.
fn begin_epoch(feed: &mut Feed, settings: Settings, books: &mut Books) -> Option<Instant> {
    settings.live?;
    if let Some(clock) = feed.wait(LIVE_EPOCH) {
        books.turn_to(clock.max(books.clock));
    }
    Some(Instant::now() + LIVE_EPOCH)
}

/// Fills the packets of these ordinals into an epoch, until it has as much as it may or another hour has begun: what the
/// last one came to is told before more is heard of the next. `hand` hears of each packet's lane and its place in the
/// epoch.
fn fill(
    feed: &mut Feed,
    ordinals: Range<usize>,
    most: Most,
    (epoch, mut hand): (&mut Epoch, impl FnMut(usize, usize)),
    books: &mut Books,
) -> Filled {
    let Epoch { files, items, used, .. } = epoch;
    for ordinal in ordinals {
        if feed.walked() >= most.bytes || most.is_over(ordinal, feed) || std::mem::take(&mut books.has_turned) {
            return Filled::Enough;
        }
        let Some(next) = feed.next_frame() else { return Filled::ToTheLast };
        if feed.is_filtered(&next) {
            books.leave_out(&next);
            continue;
        }
        let Some(bytes) = feed.bytes() else { continue };
        if *used == items.len() {
            items.push(Item::default());
        }
        let item = &mut items[*used];
        let Some(payload) = decode(&mut item.headers, &next, bytes, books) else { continue };
        let mut bytes = bytes;
        let mut range = (payload.as_ptr().addr() - bytes.as_ptr().addr(), payload.len());
        let whole;
        if let Layer::Fragment(fragment) = item.headers.layer {
            let Some(told) = put_together(&mut item.headers, fragment, payload, &next, books) else { continue };
            (whole, range) = told;
            bytes = &whole;
        }
        let lane = FlowKey::of(&item.headers).lane();
        item.place = place_of(&next);
        (item.clock, item.hour) = (next.clock, books.number);
        item.ordinal = u32::try_from(ordinal).expect("an epoch is short");
        item.lane = u8::try_from(lane).expect("lanes are few");
        let header = usize::from(item.headers.transport_bytes);
        item.start = range.0 - header;
        item.length = u32::try_from(range.1 + header).expect("a record's length has 32 bits");
        item.frame_bytes = next.frame.wire_length;
        let is_same = files.last().is_some_and(|last| Arc::ptr_eq(last, bytes));
        if !is_same {
            files.push(Arc::clone(bytes));
        }
        item.file = u32::try_from(files.len() - 1).expect("an epoch is short");
        hand(lane, *used);
        *used += 1;
    }
    Filled::All
}

/// A fragment: tells the datagram that it completes, if it does, and where the innermost payload stands in it. The place
/// of such a packet is that of its last fragment (Wireshark's way).
#[cold]
fn put_together(
    headers: &mut Headers,
    mut fragment: Fragment,
    payload: &[u8],
    fed: &Fed,
    books: &mut Books,
) -> Option<(Arc<Bytes>, (usize, usize))> {
    let (frame_bytes, time, clock, hour) = (fed.frame.wire_length, fed.frame.time, fed.clock, books.number);
    let mut held: Option<Arc<Bytes>> = None;
    let mut range = (0, 0);
    // A tunnel's packet may itself carry a fragment; each is shorter than the one around it.
    loop {
        let payload = held.as_ref().map_or(payload, |bytes| &bytes[range.0..range.0 + range.1]);
        let came = Came { headers, fragment, payload, frame_bytes, time, clock, hour };
        let Taken::Whole(Whole { headers: first, protocol, bytes }) = books.fragments.take(&came) else { return None };
        *headers = first;
        match packet::decode_transport(headers, protocol, &bytes) {
            Ok(inner) => range = (inner.as_ptr().addr() - bytes.as_ptr().addr(), inner.len()),
            Err(unread) => {
                books.hour.not_read(unread, fed.frame.link_type, frame_bytes);
                return None;
            }
        }
        books.look_at_tags(headers);
        match headers.layer {
            Layer::Fragment(inner) => fragment = inner,
            _ => return Some((bytes, range)),
        }
        held = Some(bytes);
    }
}

/// What a worker says at the end of an epoch, or of a part of it. All workers say the same parts.
#[derive(Default)]
struct Closed {
    notes: Vec<Note>,
    /// Packet time, when the epoch ends with this part.
    clock: Option<Timestamp>,
    counts: LaneHours,
}

/// Who runs a lane, and the lane's place among those of its worker. Asked some times a packet, and a division each time
/// would cost as much as a look-up.
#[derive(Clone, Copy)]
struct Seat {
    worker: usize,
    place: usize,
}

/// The seats of all lanes.
fn seats(workers: usize) -> [Seat; LANES] {
    std::array::from_fn(|lane| Seat { worker: lane % workers, place: lane / workers })
}

/// A packet that was looked up and waits for its turn.
#[derive(Clone, Copy)]
struct Turn<'a> {
    item: &'a Item,
    /// The place of its lane among those of the worker.
    at: usize,
    found: Found,
}

/// A worker and its lanes.
struct Worker {
    index: usize,
    workers: usize,
    seats: [Seat; LANES],
    lanes: Vec<Lane>,
    /// How many flows there were at the end of the last epoch.
    flows: usize,
}

impl Worker {
    fn new(index: usize, settings: Settings) -> Self {
        let lanes = (index..LANES).step_by(settings.workers).map(|_| Lane::new(settings)).collect();
        let workers = settings.workers;
        Self { index, workers, seats: seats(workers), lanes, flows: 0 }
    }

    fn run(mut self, batches: &Receiver<Batch>, closed: &Sender<Closed>) {
        let (mut clock, mut hour) = Default::default();
        // Nobody listens any more only when the witness has gone.
        let say = |part: Closed| closed.send(part).is_ok();
        for Batch { epoch, mine } in batches {
            let has_turned = epoch.hour != hour;
            (clock, hour) = (epoch.clock, epoch.hour);
            let mut notes = Vec::new();
            self.take(&epoch.files, mine.len(), |at| &epoch.items[mine[at] as usize], &mut notes);
            drop(epoch);
            for round in self.rounds() {
                // What an hour came to is much: it goes on by parts, of a lane each.
                if has_turned && !say(Closed { notes: std::mem::take(&mut notes), ..Closed::default() }) {
                    return;
                }
                notes.extend(self.end_epoch(round, clock, hour));
            }
            self.count_flows();
            if !say(Closed { notes, clock: Some(clock), ..Closed::default() }) {
                return;
            }
        }
        for round in self.rounds() {
            let mut counts = LaneHours::new();
            let notes = self.finish(round, clock, &mut counts);
            if !say(Closed { notes, clock: None, counts }) {
                return;
            }
        }
    }

    /// The places of lanes: where the workers' lanes are not equally many, the last one is free with some.
    fn rounds(&self) -> Range<usize> {
        0..LANES.div_ceil(self.workers)
    }

    /// Takes so many packets. Each is looked up some packets before its turn, in steps, so that the memory that a step
    /// waits for comes while others are taken.
    #[inline]
    fn take<'a>(
        &mut self,
        files: &[Arc<Bytes>],
        count: usize,
        item: impl Fn(usize) -> &'a Item,
        notes: &mut Vec<Note>,
    ) {
        let is_large = self.flows > FLOWS_IN_CACHE;
        // Those that are looked up now, and those of the last rounds.
        let mut blocks: [ArrayVec<Turn<'_>, BLOCK>; STEPS] = Default::default();
        for round in 0..count.div_ceil(BLOCK) + STEPS - 1 {
            let latest = &mut blocks[round % STEPS];
            latest.clear();
            for number in round * BLOCK..count.min((round + 1) * BLOCK) {
                let item = item(number);
                let at = self.seats[usize::from(item.lane)].place;
                let found = self.lanes[at].look_up(&item.headers);
                latest.push(Turn { item, at, found });
            }
            blocks[(round + 4) % STEPS].iter_mut().for_each(|turn| self.lanes[turn.at].guess(&mut turn.found));
            if is_large {
                blocks[(round + 3) % STEPS]
                    .iter()
                    .for_each(|turn| self.lanes[turn.at].prefetch_conversation(&turn.found));
                blocks[(round + 2) % STEPS].iter().for_each(|turn| self.lanes[turn.at].prefetch_talk(&turn.found));
            }
            for turn in &blocks[(round + 1) % STEPS] {
                self.take_turn(files, turn, notes);
            }
        }
    }

    #[inline]
    fn take_turn(&mut self, files: &[Arc<Bytes>], turn: &Turn<'_>, notes: &mut Vec<Note>) {
        let Turn { item, at, found } = turn;
        let segment = &files[item.file as usize][item.start..][..item.length as usize];
        let payload = &segment[usize::from(item.headers.transport_bytes)..];
        let (place, frame_bytes) = (item.place, item.frame_bytes);
        let packet = Packet { place, headers: &item.headers, payload, segment, frame_bytes };
        let lane = &mut self.lanes[*at];
        lane.packet(&packet, found, item.clock, item.hour);
        take_notes(lane, item.lane, item.ordinal, notes);
    }

    /// Ends an epoch for the lane at a place.
    fn end_epoch(&mut self, place: usize, clock: Timestamp, hour: HourNumber) -> Vec<Note> {
        let Some(lane) = self.lanes.get_mut(place) else { return Vec::new() };
        lane.end_epoch(clock, hour);
        self.notes_of(place)
    }

    /// All packets are done, for the lane at a place.
    fn finish(&mut self, place: usize, clock: Timestamp, counts: &mut LaneHours) -> Vec<Note> {
        let Some(lane) = self.lanes.get_mut(place) else { return Vec::new() };
        lane.finish(clock);
        add_lanes(counts, &lane.counts());
        self.notes_of(place)
    }

    /// What the lane at a place told at the end of an epoch.
    fn notes_of(&mut self, place: usize) -> Vec<Note> {
        let mut notes = Vec::new();
        let number = u8::try_from(place * self.workers + self.index).expect("lanes are few");
        take_notes(&mut self.lanes[place], number, EPOCH_END, &mut notes);
        notes
    }

    fn count_flows(&mut self) {
        self.flows = self.lanes.iter().map(Lane::flows).sum();
    }
}

/// Takes an epoch, or a part of it, when all workers have closed it; `None` when they have all gone.
fn gather(workers: &[Receiver<Closed>]) -> Option<Closed> {
    let mut epoch = workers.first()?.recv().ok()?;
    for worker in workers.get(1..).unwrap_or_default() {
        let closed = worker.recv().ok()?;
        epoch.notes.extend(closed.notes);
        add_lanes(&mut epoch.counts, &closed.counts);
    }
    epoch.notes.sort_by_key(|note| (note.ordinal, note.lane));
    Some(epoch)
}

/// Hands over what was told, in order; tells how much that was.
fn hand_over(notes: Vec<Note>, witness: &mut dyn Witness) -> u64 {
    let count = notes.len() as u64;
    for note in notes {
        witness.observe(note.observation);
    }
    count
}

#[inline]
fn take_notes(lane: &mut Lane, number: u8, ordinal: u32, notes: &mut Vec<Note>) {
    if !lane.ready().is_empty() {
        note_down(lane, number, ordinal, notes);
    }
}

#[cold]
fn note_down(lane: &mut Lane, number: u8, ordinal: u32, notes: &mut Vec<Note>) {
    notes.extend(lane.ready().drain(..).map(|observation| Note { ordinal, lane: number, observation }));
}

fn place_of(fed: &Fed) -> Place {
    Place { capture: fed.capture, frame: fed.is_numbered.then_some(fed.number), time: fed.frame.time }
}

/// Decodes a frame's headers; what cannot be decoded is counted.
#[expect(clippy::inline_always, reason = "else a frame is moved through memory once more")]
#[inline(always)]
fn decode<'a>(headers: &mut Headers, fed: &Fed, bytes: &'a [u8], books: &mut Books) -> Option<&'a [u8]> {
    books.turn_to(fed.clock);
    let hour = &mut books.hour;
    hour.packets += 1;
    hour.bytes += u64::from(fed.frame.wire_length);
    let frame = bytes.get(fed.frame.bytes.clone()).unwrap_or_default();
    match packet::decode_into(headers, fed.frame.link_type, frame, fed.frame.wire_length) {
        Ok(decoded) => {
            books.look_at_tags(headers);
            Some(decoded)
        }
        Err(unread) => {
            books.not_read(unread, fed);
            None
        }
    }
}
