//! From captures to records: the whole way of a packet, once.

use crate::lane::LaneCount;
use crate::pipeline::{self, Entry, Hour, Settings, Totals, Vlans, Witness};
use crate::source::{self, Account, Feed, Found, Input, LeftOut, OTHER_LINKS, Origin};
use anyhow::{Context, Result};
use dissectors::observation::Tally;
use dissectors::packet::FrameName;
use dissectors::{Observation, Place, Timestamp};
use fingerprints::Credentials;
use fingerprints::baseline::Baseline;
use fingerprints::inventory::{Blind, CaptureName, Hidden, Inventory, Names, Since};
use fingerprints::record::{CaptureRow, HealthRow, Provenance, Record};
use fingerprints::rules::Rules;
use outputs::{Lake, rfc3339};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is to be read, and as whom.
#[derive(Clone, Debug)]
pub struct Job {
    /// Captures and folders of them.
    pub paths: Vec<PathBuf>,
    /// The site; part of every id.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// How the lanes are run.
    pub settings: Settings,
    /// Which packets alone are to be read, as pcap-filter(7) writes it.
    pub filter: Option<String>,
    /// Names of VLANs; part of every id.
    pub names: Names,
    /// How logins are judged and told.
    pub credentials: Credentials,
    /// A lake of what stood there before.
    pub baseline: Option<PathBuf>,
}

/// What captures told.
#[derive(Debug)]
pub struct Reading {
    /// Every row of every table, states as they are at the end.
    pub records: Vec<Record>,
    /// States as they were at midnights: history for the lake.
    pub earlier: Vec<Record>,
    /// What was read and counted.
    pub totals: Totals,
    /// The run, as a lake keeps it.
    pub run: outputs::Run,
    /// What the rows name each capture by.
    pub captures: Vec<CaptureName>,
    /// What was found and not read.
    pub left_out: LeftOut,
    /// What the inventory had to forget or refuse, by name.
    pub dropped: BTreeMap<&'static str, u64>,
    /// What it was compared with, and how it differs.
    pub since: Option<(Before, Since)>,
}

/// A baseline, in short.
#[derive(Clone, Debug)]
pub struct Before {
    /// The path of its lake.
    pub name: String,
    /// From when to when its assets were seen.
    pub span: (Timestamp, Timestamp),
    /// How many there were.
    pub assets: usize,
}

/// Captures found and looked at, not yet read.
pub struct Prepared {
    feed: Feed,
    job: Job,
    /// What each capture is known by; of a pipe that shows at its end.
    looks: Vec<Option<outputs::Input>>,
    /// The run, if all captures are known.
    run: Option<outputs::Run>,
    /// A run that listens, as it is known at its start.
    started: Option<outputs::Run>,
    left_out: LeftOut,
    baseline: Option<Baseline>,
}

/// Finds the captures and makes up the run's id from them.
///
/// Fails when a path cannot be read or holds no capture, when the filter is none, and when the baseline is no lake that
/// knows the site.
pub fn prepare(job: Job) -> Result<Prepared> {
    let found = source::find(&job.paths)?;
    prepare_found(job, found)
}

/// The same of inputs that are found already, as interfaces are.
pub fn prepare_found(job: Job, found: Found) -> Result<Prepared> {
    let mut looks = Vec::new();
    let mut heard = Vec::new();
    let begun = format!("{:?}", SystemTime::now());
    for input in &found.inputs {
        // What is listened to is known by its name and by when that began.
        let listening = || outputs::Input::of_samples(input.name.clone(), 0, begun.as_bytes(), &[]);
        looks.push(match input.origin {
            Origin::Pipe => None,
            #[cfg(target_os = "linux")]
            Origin::Live(_) => {
                heard.push(listening());
                // Where it is kept it is known again as the file is.
                (!input.is_numbered()).then(listening)
            }
            Origin::File | Origin::Held(_) => {
                let look = outputs::Input::look(&input.path, input.name.clone());
                Some(look.with_context(|| format!("{}: cannot be read", input.path.display()))?)
            }
        });
    }
    // Captures that come through a pipe are not known yet, and so not known again in the lake.
    let again: Vec<outputs::Input> = looks.iter().flatten().cloned().collect();
    let baseline = job.baseline.as_ref().map(|lake| Lake::open(lake)?.baseline(&job.site, &again)).transpose()?;
    let inputs = looks.iter().cloned().collect::<Option<Vec<_>>>();
    let started = (!heard.is_empty()).then(|| run_of(&job, baseline.as_ref(), heard));
    let run = inputs.map(|inputs| run_of(&job, baseline.as_ref(), inputs));
    let mut feed = Feed::new(found.inputs)?;
    if let Some(filter) = &job.filter {
        feed = feed.filtered(filter)?;
    }
    Ok(Prepared { feed, job, looks, run, started, left_out: found.left_out, baseline })
}

/// The run that reads these captures: the same ones, read as the same, give the same id.
fn run_of(job: &Job, baseline: Option<&Baseline>, inputs: Vec<outputs::Input>) -> outputs::Run {
    let filter = job.filter.as_ref().map(|filter| format!(" filter={filter}")).unwrap_or_default();
    let described = described(job);
    let baseline = baseline.map(|baseline| format!(" baseline={}", baseline.id)).unwrap_or_default();
    let configuration =
        format!("version={VERSION} site={} sensor={}{filter}{described}{baseline}", job.site, job.sensor);
    let run_id = outputs::run_id(&inputs, &configuration);
    let provenance = Provenance { site: job.site.clone(), sensor: job.sensor.clone(), run_id };
    outputs::Run { provenance, version: VERSION.to_owned(), knowledge: knowledge(), inputs }
}

/// What else decides the rows, where it is not as usual.
fn described(job: &Job) -> String {
    let vlans = match job.settings.vlans {
        Vlans::Observed => String::new(),
        other => format!(" vlans={other:?}"),
    };
    // Where room is short, what is told depends on how much there is.
    let memory = match job.settings.inventory_bytes {
        usual if usual == Settings::default().inventory_bytes => String::new(),
        bytes => format!(" memory={bytes}"),
    };
    let names = job.names.describe();
    let names = if names.is_empty() { names } else { format!(" names={names}") };
    format!("{vlans}{memory}{names}{}", job.credentials.describe())
}

/// Which knowledge the program runs on: what is compiled in.
fn knowledge() -> String {
    format!("builtin-{VERSION}")
}

/// A baseline in short.
fn before(baseline: &Baseline) -> Option<Before> {
    let devices = baseline.devices.iter().filter(|device| device.is_of_the_plant());
    Some(Before { name: baseline.name.clone(), span: baseline.span()?, assets: devices.count() })
}

/// What a pipe is known by, now that all of it has come.
fn look_back(input: &Input, account: &Account) -> outputs::Input {
    let (head, tail) = account.samples.clone().unwrap_or_default();
    outputs::Input::of_samples(input.name.clone(), account.bytes, &head, &tail)
}

fn name_of(look: &outputs::Input) -> CaptureName {
    CaptureName { path: look.path.clone(), capture_id: capture_id(look) }
}

/// A capture's id: the same file gives the same one, wherever it lies below the argument that names it.
pub(crate) fn capture_id(look: &outputs::Input) -> String {
    fingerprints::asset::id('c', [&*look.path, &look.bytes.to_string(), &look.head_sha256, &look.tail_sha256])
}

/// The inventory hears what the lanes tell.
impl Witness for Inventory {
    fn observe(&mut self, observation: Observation) {
        self.observe(observation);
    }

    fn advance(&mut self, now: Timestamp) {
        self.advance(now);
    }
}

impl Hearing<'_> {
    /// Hands over the hours that are over.
    fn close_hours(&mut self, now: Timestamp) {
        let hour =
            Timestamp::from_nanos(now.nanos().saturating_sub(i64::try_from(LATE.as_nanos()).unwrap_or(0))).hour();
        // Where time goes back hours begin anew.
        let taken = self.taken.filter(|taken| *taken <= hour).unwrap_or(hour);
        self.taken = Some(hour);
        let Some(run) = self.run.as_ref().filter(|_| taken < hour) else { return };
        let rows = self.inventory.close_hours(hour, self.captures);
        self.times += 1;
        let begin = rfc3339(taken);
        // Another sensor's hour, or the same hour once more, is another one.
        let content = format!("{} {} {begin}", run.provenance.run_id, self.times);
        let name = format!("{} from {begin}", run.provenance.sensor);
        let input = outputs::Input::of_samples(name, 0, content.as_bytes(), &[]);
        let run_id = outputs::run_id(std::slice::from_ref(&input), &run.provenance.run_id);
        let provenance = Provenance { run_id, ..run.provenance.clone() };
        self.follower.take_hours(outputs::Run { provenance, inputs: vec![input], ..run.clone() }, rows);
    }
}

/// Who is told what is so while packets still come.
pub trait Follower {
    /// Packet time is `now`. Whoever wants to know asks for the rows of this moment, and tells that it did; else it is asked
    /// again soon.
    /// `is_news` is false where nothing was learned and time alone has passed.
    fn follow(&mut self, now: Timestamp, is_news: bool, rows: &dyn Fn() -> Vec<Record>) -> bool;

    /// Whether it takes what hours came to, once they are over. They are then no part of the rows at the end.
    fn takes_hours(&self) -> bool {
        false
    }

    /// Hours are over: what they came to, as a run of its own.
    fn take_hours(&mut self, _run: outputs::Run, _rows: Vec<Record>) {}
}

/// Nobody follows.
struct Nobody;

impl Follower for Nobody {
    fn follow(&mut self, _now: Timestamp, _is_news: bool, _rows: &dyn Fn() -> Vec<Record>) -> bool {
        true
    }
}

/// The inventory hears what the lanes tell, and a follower hears of it.
struct Hearing<'a> {
    inventory: &'a mut Inventory,
    follower: &'a mut dyn Follower,
    captures: &'a [CaptureName],
    /// The run that goes on.
    run: Option<outputs::Run>,
    /// The hours before this one were taken, and how many times that was.
    taken: Option<Timestamp>,
    times: u32,
    is_news: bool,
}

/// What belongs to an hour may come so long after it.
const LATE: Duration = Duration::from_mins(5);

impl Witness for Hearing<'_> {
    fn observe(&mut self, observation: Observation) {
        self.inventory.observe(observation);
        self.is_news = true;
    }

    fn advance(&mut self, now: Timestamp) {
        self.inventory.advance(now);
        if self.follower.takes_hours() {
            self.close_hours(now);
        }
        let is_taken = self.follower.follow(now, self.is_news, &|| self.inventory.state(now, self.captures));
        self.is_news &= !is_taken;
    }
}

impl Reading {
    /// A sink had no room for so many: it stands in the health of the last hour.
    pub(crate) fn refused(&mut self, name: &'static str, count: u64) {
        let mut rows = self.records.iter_mut().rev();
        let last = rows.find_map(|record| if let Record::Health(row) = record { Some(row) } else { None });
        if let Some(row) = last {
            *row.evicted.entry(name.to_owned()).or_default() += self::count(count);
        }
    }
}

impl Prepared {
    /// The run, before the first packet is read; of pipes it is known at their end.
    pub fn run(&self) -> Option<&outputs::Run> {
        self.run.as_ref()
    }

    /// Who tells, if that is known before the end: always of what is listened to.
    pub fn provenance(&self) -> Option<&Provenance> {
        Some(&self.started.as_ref().or(self.run.as_ref())?.provenance)
    }

    /// How many captures there are.
    pub fn captures(&self) -> usize {
        self.looks.len()
    }

    /// What was found and is not read.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// How many bytes they have together.
    pub fn bytes(&self) -> u64 {
        self.feed.total_bytes()
    }

    /// Reads all packets. `progress` hears how many bytes are done.
    pub fn read(self, progress: &mut dyn FnMut(u64)) -> Reading {
        self.follow(progress, &mut Nobody)
    }

    /// The same, and somebody hears of it while it goes on.
    pub fn follow(self, progress: &mut dyn FnMut(u64), follower: &mut dyn Follower) -> Reading {
        let Self { feed, job, looks, run, started, left_out, baseline } = self;
        let settings = fingerprints::inventory::Settings {
            site: job.site.clone(),
            names: job.names.clone(),
            credentials: job.credentials.clone(),
            ..Default::default()
        };
        let settings = settings.within(job.settings.inventory_bytes);
        let mut inventory = Inventory::new(settings, Rules::builtin());
        let before = baseline.as_ref().and_then(before);
        if let Some(baseline) = &baseline {
            inventory.compare_with(baseline.clone());
        }
        let captures: Vec<CaptureName> =
            looks.iter().map(|look| look.as_ref().map(name_of).unwrap_or_default()).collect();
        let mut hearing = Hearing {
            inventory: &mut inventory,
            follower,
            captures: &captures,
            run: started.clone().or_else(|| run.clone()),
            taken: None,
            times: 0,
            is_news: false,
        };
        let totals = pipeline::read(feed, job.settings, &mut hearing, progress);
        let told = totals.inputs.iter().zip(&totals.accounts);
        let looks: Vec<outputs::Input> = looks
            .into_iter()
            .zip(told)
            .map(|(look, (input, account))| look.unwrap_or_else(|| look_back(input, account)))
            .collect();
        let captures: Vec<CaptureName> = looks.iter().map(name_of).collect();
        let run = run.unwrap_or_else(|| run_of(&job, baseline.as_ref(), looks));
        let provenance = started.map_or_else(|| run.provenance.clone(), |started| started.provenance);
        let run = outputs::Run { provenance, ..run };
        let unseen = unread_links(&totals).into_iter().chain(holes(&totals, &captures));
        for blind in unseen.chain(dropped_before(&totals, &captures)) {
            inventory.blind(blind);
        }
        let mut records = inventory.finish(totals.clock, &captures);
        let earlier = inventory.earlier(&captures);
        let assets = records.iter().filter(|record| matches!(record, Record::Assets(_))).count();
        records.extend(totals.accounts.iter().zip(&captures).map(|(account, name)| capture_row(account, name)));
        let mut dropped = inventory.counters();
        dropped.retain(|_, count| *count > 0);
        records.extend(health_rows(&totals, &dropped, assets, job.filter.is_some()));
        let since = before.zip(inventory.since());
        Reading { records, earlier, totals, run, captures, left_out, dropped, since }
    }
}

/// Link types that are not read: nothing is seen of what stands behind them.
fn unread_links(totals: &Totals) -> Vec<Blind> {
    let sum = totals.sum();
    let blind = sum.unread_links.iter().filter_map(|(number, tally)| {
        let place = *totals.first_unread.get(number).or_else(|| totals.first_unread.get(&OTHER_LINKS))?;
        let segment = format!("frames of link type {}", source::link_words(*number));
        let packets = tally.packets;
        Some(Blind {
            hidden: Hidden::Unread,
            what: format!("{packets} {segment}, which is not read."),
            segment,
            key: format!("link/{number}"),
            missing: packets,
            of: sum.packets,
            span: (place.time, totals.clock),
            place: Some(place),
        })
    });
    blind.collect()
}

/// Holes in time: a capture that is steady but for one long silence.
fn holes(totals: &Totals, captures: &[CaptureName]) -> Vec<Blind> {
    let accounts = totals.accounts.iter().zip(captures).zip(0u32..);
    let blind = accounts.filter_map(|((account, name), capture)| {
        let hole = account.silences.hole(account.packets)?;
        let span = account.first?.nanos().abs_diff(account.last?.nanos());
        let rest = u128::from(span.saturating_sub(hole.nanos()).max(1));
        let missing = u128::from(account.packets) * u128::from(hole.nanos()) / rest;
        let missing = u64::try_from(missing).unwrap_or(u64::MAX);
        let minute = |time| rfc3339(time).replace('T', " ")[..16].to_owned();
        let (from, to) = (minute(hole.from), minute(hole.to));
        Some(Blind {
            hidden: Hidden::Unread,
            segment: format!("{from} to {to} UTC"),
            key: format!("hole/{}", name.capture_id),
            what: format!(
                "No packet came from {} to {}, in a capture of {} packets that is never silent for a tenth as long.",
                rfc3339(hole.from),
                rfc3339(hole.to),
                account.packets
            ),
            missing,
            of: account.packets.saturating_add(missing),
            span: (hole.from, hole.to),
            place: Some(Place { capture, frame: Some(hole.frame), time: hole.to }),
        })
    });
    blind.collect()
}

/// What captures say that was dropped before it reached them.
fn dropped_before(totals: &Totals, captures: &[CaptureName]) -> Vec<Blind> {
    let accounts = totals.accounts.iter().zip(captures);
    let blind = accounts.filter_map(|(account, name)| {
        let [kernel, interface] = [account.drops.kernel, account.drops.interface].map(Option::unwrap_or_default);
        let missing = kernel.saturating_add(interface);
        let of = account.packets.saturating_add(missing);
        Some(Blind {
            hidden: Hidden::Dropped,
            segment: name.path.clone(),
            key: format!("dropped/{}", name.capture_id),
            what: format!(
                "The capture itself says that {missing} packets were dropped before they reached it, {kernel} by the \
                 kernel and {interface} by the interface, and it holds {}.",
                account.packets
            ),
            missing,
            of,
            span: (account.first?, account.last?),
            place: None,
        })
    });
    blind.collect()
}

fn capture_row(account: &Account, name: &CaptureName) -> Record {
    let row = CaptureRow {
        capture_id: name.capture_id.clone(),
        path: name.path.clone(),
        sha256: None,
        bytes: count(account.bytes),
        link_types: link_names(account),
        snaplen: (account.snaplen > 0).then_some(i64::from(account.snaplen)),
        first_packet: account.first,
        last_packet: account.last,
        packets: count(account.packets),
        cut_by_snaplen: count(account.cut),
        damage: account.damage.map(|damage| damage.what.to_owned()),
        damage_offset: account.damage.map(|damage| count(damage.place())),
    };
    row.into()
}

fn link_names(account: &Account) -> Vec<String> {
    let mut numbers: Vec<u32> = account.link_types.iter().map(|(link_type, _)| link_type.number()).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(link_name).collect()
}

/// A link type as the tables name it, or its number in the registry.
fn link_name(number: u32) -> String {
    let name = match number {
        0 => "null",
        1 => "ethernet",
        7 | 129 => "arcnet",
        9 => "ppp",
        50 => "ppp_hdlc",
        51 => "ppp_ether",
        101 => "raw_ip",
        104 => "cisco_hdlc",
        108 => "loop",
        113 => "linux_cooked",
        165 => "bacnet_ms_tp",
        276 => "linux_cooked_2",
        OTHER_LINKS => "others",
        other => return other.to_string(),
    };
    name.to_owned()
}

fn health_rows(
    totals: &Totals,
    dropped: &BTreeMap<&'static str, u64>,
    assets: usize,
    is_filtering: bool,
) -> Vec<Record> {
    let last = totals.hours.keys().last().copied();
    let rows = totals.hours.iter().map(|(start, hour)| {
        let is_last = Some(*start) == last;
        let mut row = health_row(*start, hour);
        row.filtered = is_filtering.then_some(count(hour.filtered.packets));
        row.filtered_bytes = is_filtering.then_some(count(hour.filtered.bytes));
        row.assets = if is_last { count(assets as u64) } else { 0 };
        if is_last {
            row.evicted.extend(dropped.iter().map(|(name, n)| ((*name).to_owned(), count(*n))));
        }
        row.into()
    });
    rows.collect()
}

fn health_row(start: Timestamp, hour: &Hour) -> HealthRow {
    let lanes = &hour.lanes;
    let LaneCount { malformed, panics, lost_bytes, flows_evicted, flows_active, .. } = lanes;
    let unread: Vec<(String, Tally)> = hour
        .entries()
        .filter(|(_, tally)| tally.packets > 0)
        .filter_map(|(entry, tally)| Some((unread_name(entry)?, tally)))
        .collect();
    let (used, duplicates) = (hour.ended(Entry::Used), hour.ended(Entry::Duplicate));
    let mut parse_errors: BTreeMap<String, i64> =
        malformed.iter().map(|(protocol, n)| ((*protocol).to_owned(), count(*n))).collect();
    let checksums_bad = lanes.checksums_bad + hour.fragments.checksums_bad;
    let others = [
        ("panic", *panics),
        ("checksum_bad", checksums_bad),
        ("checksum_offloaded", lanes.checksums_offloaded),
        ("segment_lost", lanes.segments_lost),
    ];
    let others = others.into_iter().filter(|(_, n)| *n > 0);
    parse_errors.extend(others.map(|(name, n)| (name.to_owned(), count(n))));
    HealthRow {
        window_start: start,
        window_end: start.after(Duration::from_hours(1)),
        packets: count(hour.packets),
        bytes: count(hour.bytes),
        used: count(used.packets),
        used_bytes: count(used.bytes),
        dropped_kernel: hour.drops.kernel.map(count),
        dropped_interface: hour.drops.interface.map(count),
        duplicates: Some(count(duplicates.packets)),
        duplicate_bytes: Some(count(duplicates.bytes)),
        damaged: count(hour.damaged.packets),
        damaged_bytes: count(hour.damaged.bytes),
        unread: count(unread.iter().map(|(_, tally)| tally.packets).sum()),
        unread_bytes: count(unread.iter().map(|(_, tally)| tally.bytes).sum()),
        unread_by: unread.iter().map(|(name, tally)| (name.clone(), count(tally.packets))).collect(),
        parse_errors,
        lost_bytes: count(*lost_bytes),
        flows_active: count(*flows_active),
        flows_evicted: count(*flows_evicted),
        evicted: evictions(hour),
        ..HealthRow::default()
    }
}

/// What frames are called that nothing here reads; `None` for those that end elsewhere.
fn unread_name(entry: Entry) -> Option<String> {
    match entry {
        Entry::UnreadLink(number) => Some(format!("link:{}", link_name(number))),
        Entry::UnreadFrame(number) => Some(FrameName(number).to_string()),
        Entry::Fragment => Some("fragment".to_owned()),
        Entry::Used | Entry::Filtered | Entry::Duplicate | Entry::Damaged => None,
    }
}

/// Everything that a lane had to drop, by name.
fn evictions(Hour { lanes, fragments, over_cap, .. }: &Hour) -> BTreeMap<String, i64> {
    let counts = [
        ("hours", *over_cap),
        ("flows", lanes.flows_evicted),
        ("known_properties", lanes.known_forgotten),
        ("expected_flows", lanes.expected_forgotten),
        ("flapping_values", lanes.flaps),
        ("segmented_messages", lanes.segmented_over_cap),
        ("waiting_bytes", lanes.waiting_dropped),
        ("operations", lanes.operations_over_cap),
        ("nesting", lanes.nested_deeper),
        ("joined_networks", lanes.networks_over_cap),
        ("network_trials", lanes.network_trials_forgotten),
        ("frame_types", lanes.frame_types_over_cap),
        ("fragmented_packets", fragments.evicted),
        ("contradicting_fragments", fragments.contradicting),
    ];
    counts.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), count(n))).collect()
}

/// A count as the tables write it.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
