//! What `read` says at the end: on one screen, the worst first, with what to type next.

use super::terminal::Style;
use super::{by_mac, quoted};
use crate::duplicate::DuplicateCount;
use crate::pipeline::Entry;
use crate::reading::Reading;
use crate::source::{Account, LeftOut, Meaningless, link_words};
pub(super) use crate::words::plural;
use anyhow::Result;
use dissectors::Timestamp;
use dissectors::packet::FrameName;
use fingerprints::finding::{Kinds, Severity};
use fingerprints::inventory::Since;
use fingerprints::record::{AssetRow, CoverageRow, FindingRow, Record, ServiceRow};
use outputs::{rfc3339, visible};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A small terminal, with a line left for the prompt.
const WIDTH: usize = 80;
const LINES: usize = 23;

/// Findings and lines of what could not be seen; assets take what is left, which is never less than a few: rather fewer
/// findings are shown.
const FINDINGS_SHOWN: usize = 3;
const BLIND_SHOWN: usize = 6;
const BLIND_LEAST: usize = 3;
const ASSETS_LEAST: usize = 3;

/// A line of the page: what stands out in it, between what does not.
struct Line {
    before: &'static str,
    marked: String,
    style: Style,
    after: String,
}

impl Line {
    fn new(before: &'static str, marked: &str, style: Style, after: &str) -> Self {
        Self { before, marked: marked.to_owned(), style, after: after.to_owned() }
    }

    fn plain(text: &str) -> Self {
        Self::new("", "", Style::Plain, text)
    }

    /// A line whose front, up to a place, is its head.
    fn head(text: &str, end: usize) -> Self {
        let (head, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        Self::new("", head, Style::Head, rest)
    }
}

/// Prints the summary of a reading; with colours where a terminal is lively.
pub(super) fn print(
    reading: &Reading,
    lake: Option<&Path>,
    paths: &[PathBuf],
    is_lively: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let assets: Vec<&AssetRow> = rows(reading, |record| match record {
        Record::Assets(row) => Some(row.as_ref()),
        _ => None,
    });
    let findings: Vec<&FindingRow> = rows(reading, |record| match record {
        Record::Findings(row) => Some(row.as_ref()).filter(|row| row.is_open()),
        _ => None,
    });
    let services: Vec<&ServiceRow> = rows(reading, |record| match record {
        Record::Services(row) => Some(row.as_ref()),
        _ => None,
    });
    let spoken = if all_filtered(reading).is_some() { None } else { spoken(&services) };
    let head = std::iter::once(head(reading)).chain(books(reading)).chain(spoken).chain(since(reading));
    let head: Vec<Line> = head.map(|line| Line::plain(&line)).collect();
    let next = next_steps(reading, lake, paths);
    let least = head.len() + next.len() + 4 + finding_list(reading, &findings, 1).len() + 2 + ASSETS_LEAST;
    let room = LINES.saturating_sub(least).clamp(BLIND_LEAST, BLIND_SHOWN);
    let blind = blind(reading, &services, lake, paths, room);
    // The lines of all sections but the assets, each behind an empty one, and one before the assets.
    let rest = head.len() + blind.len() + next.len() + 4;
    let with = |shown: usize| finding_list(reading, &findings, shown);
    let fits = |shown: &usize| rest + with(*shown).len() + 2 + ASSETS_LEAST <= LINES;
    let findings = with((1..=FINDINGS_SHOWN).rev().find(fits).unwrap_or(1));
    let assets = asset_list(&assets, &vendors_by_mac(reading), LINES.saturating_sub(rest + findings.len()));
    let sections = [head, assets, findings, blind, next];
    for (at, lines) in sections.iter().filter(|lines| !lines.is_empty()).enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        for Line { before, marked, style, after } in lines {
            writeln!(out, "{before}{}{after}", style.shown(marked, is_lively))?;
        }
    }
    Ok(())
}

fn rows<'a, T>(reading: &'a Reading, pick: impl Fn(&'a Record) -> Option<&'a T>) -> Vec<&'a T> {
    reading.records.iter().filter_map(pick).collect()
}

fn head(reading: &Reading) -> String {
    let sum = reading.totals.sum();
    let first = reading.totals.accounts.iter().filter_map(|account| account.first).min();
    let last = reading.totals.accounts.iter().filter_map(|account| account.last).max();
    let captures = plural(reading.captures.len(), "capture");
    let packets = plural(usize::try_from(sum.packets).unwrap_or(usize::MAX), "packet");
    let line = format!("{captures}, {packets}, {}", bytes(sum.bytes));
    let (Some(first), Some(last)) = (first, last) else { return line };
    let lines = spans(first, last).map(|span| format!("{line}, {span}"));
    lines.iter().find(|line| line.len() <= WIDTH).unwrap_or(&line).clone()
}

/// From when to when: to the second, the minute or the day, as it fits.
pub(super) fn spans(first: Timestamp, last: Timestamp) -> [String; 3] {
    let [first, last] = [first, last].map(|time| rfc3339(time).replace('T', " "));
    let is_one_day = first[..DAY] == last[..DAY];
    let until = if is_one_day { DAY + 1 } else { 0 };
    [(19, until), (16, until), (DAY, 0)].map(|(end, until)| match end {
        DAY if is_one_day => first[..DAY].to_owned(),
        _ => format!("{} to {} UTC", &first[..end], &last[until..end]),
    })
}

/// `since lake, 2026-11-24 22:21 to 22:32 UTC, 23 assets: 1 new, 2 changed, 1 not seen`.
fn since(reading: &Reading) -> Option<String> {
    let (before, Since { new, changed, unseen }) = reading.since.as_ref()?;
    let assets = plural(before.assets, "asset");
    let sums = format!("{new} new, {changed} changed, {unseen} not seen");
    let (first, last) = before.span;
    let when = spans(first, last).into_iter().skip(1).map(|span| format!(", {span}")).chain([String::new()]);
    let lines: Vec<String> = when.map(|when| format!("since {}{when}, {assets}: {sums}", before.name)).collect();
    let line = lines.iter().find(|line| line.width() <= WIDTH).cloned();
    line.or_else(|| Some(fit(&format!("since the baseline, {assets}: {sums}"), WIDTH)))
}

/// The letters of a day, as in 2026-11-24.
const DAY: usize = 10;

/// `read: 2161 packets = 2150 used + 8 duplicate + 3 damaged`: where every packet ended. Kinds that are not read stand
/// together where the line has no room for each.
fn books(reading: &Reading) -> Vec<String> {
    let sum = reading.totals.sum();
    let mut ended: BTreeMap<Entry, u64> = BTreeMap::from([(Entry::Used, 0)]);
    for (entry, tally) in sum.entries().filter(|(_, tally)| tally.packets > 0) {
        *ended.entry(entry).or_default() += tally.packets;
    }
    let line = |name: &dyn Fn(Entry) -> String| {
        let mut parts: Vec<(u64, String)> = Vec::new();
        for (entry, packets) in &ended {
            match (name(*entry), parts.last_mut()) {
                (name, Some((sum, last))) if *last == name => *sum += packets,
                (name, _) => parts.push((*packets, name)),
            }
        }
        let parts: Vec<String> = parts.iter().map(|(packets, name)| format!("{packets} {name}")).collect();
        format!(
            "read: {} = {}",
            plural(usize::try_from(sum.packets).unwrap_or(usize::MAX), "packet"),
            parts.join(" + ")
        )
    };
    let way = mirror(&sum.lanes.mirrored);
    let lines = [
        line(&|entry| if entry == Entry::Duplicate { format!("duplicate{way}") } else { entry_name(entry) }),
        line(&entry_name),
        line(&|entry| if is_unread(entry) { "not read".to_owned() } else { entry_name(entry) }),
    ];
    match lines.iter().find(|line| line.width() <= WIDTH) {
        Some(line) => vec![line.clone()],
        // Large numbers: what does not fit goes on below.
        None => lines.last().map(|line| folded(line)).unwrap_or_default(),
    }
}

/// A sum on as many lines as it needs.
fn folded(sum: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in sum.split_inclusive(" + ") {
        match lines.last_mut() {
            Some(line) if line.width() + part.trim_end().width() <= WIDTH => line.push_str(part),
            Some(_) => lines.push(format!("      {part}")),
            None => lines.push(part.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// How many packets there were, where the filter left out every one of them: a network of which nobody saw anything.
fn all_filtered(reading: &Reading) -> Option<u64> {
    let sum = reading.totals.sum();
    (sum.packets > 0 && sum.filtered.packets == sum.packets).then_some(sum.packets)
}

/// What the mirror looks like that shows most of the duplicates.
fn mirror(count: &DuplicateCount) -> &'static str {
    let ways = [
        (count.same_frame, " (the same frame again)"),
        (count.routed, " (both sides of a router)"),
        (count.other_vlan, " (in two VLANs)"),
        (count.other_macs, " (with other MAC addresses)"),
    ];
    ways.into_iter().max_by_key(|(packets, _)| *packets).filter(|(packets, _)| *packets > 0).map_or("", |(_, way)| way)
}

fn entry_name(entry: Entry) -> String {
    match entry {
        Entry::Used => "used".to_owned(),
        Entry::Filtered => "filtered out".to_owned(),
        Entry::Duplicate => "duplicate".to_owned(),
        Entry::Damaged => "damaged".to_owned(),
        Entry::UnreadLink(number) => format!("of link type {}", link_words(number)),
        Entry::UnreadFrame(number) => frame_name(number),
        Entry::Fragment => "incomplete fragment".to_owned(),
    }
}

const fn is_unread(entry: Entry) -> bool {
    matches!(entry, Entry::UnreadLink(_) | Entry::UnreadFrame(_) | Entry::Fragment)
}

/// `LLDP`, or `ethertype:0x1234` where nobody has a name for it.
fn frame_name(number: u16) -> String {
    let frame = FrameName(number);
    fingerprints::frame_name(frame).map_or_else(|| frame.to_string(), str::to_owned)
}

/// `spoken: modbus 14, http 3 relations; 2 in protocols that are not read`. A relation is a client, a server and a port,
/// in however many hours.
fn spoken(services: &[&ServiceRow]) -> Option<String> {
    let mut relations: BTreeMap<Option<&str>, BTreeSet<_>> = BTreeMap::new();
    // A row without a server is what one client asked of many, in vain.
    for row in services.iter().filter(|row| row.server_asset_id.is_some() || row.server_ip.is_some()) {
        let client = (&row.client_asset_id, &row.client_ip, &row.context);
        let server = (&row.server_asset_id, &row.server_ip, row.server_port, &row.transport);
        relations.entry(row.protocol).or_default().insert((client, server));
    }
    let unread = relations.remove(&None).map_or(0, |relations| relations.len());
    let mut known: Vec<(&str, usize)> =
        relations.iter().filter_map(|(name, relations)| Some(((*name)?, relations.len()))).collect();
    known.sort_by_key(|(name, count)| (Reverse(*count), *name));
    let all: usize = known.iter().map(|(_, count)| count).sum();
    let noun = if all == 1 { "relation" } else { "relations" };
    let of_others = match (unread, all) {
        (0, 0) => return Some("spoken: nobody was seen to speak to anybody".to_owned()),
        (0, _) => [String::new(), String::new()],
        (_, 0) => return Some(format!("spoken: {} in protocols that are not read", plural(unread, "relation"))),
        _ => [format!("; {unread} in protocols that are not read"), format!("; {unread} in others")],
    };
    // As many as one line holds.
    let line = |(shown, of_others): (usize, &String)| {
        let spoken: Vec<String> = known.iter().take(shown).map(|(name, count)| format!("{name} {count}")).collect();
        let more = known.len() - shown;
        let more = if more > 0 { format!(" and {more} more,") } else { String::new() };
        format!("spoken: {}{more} {noun}{of_others}", spoken.join(", "))
    };
    let [long, short] = &of_others;
    let ways = std::iter::once((known.len(), long)).chain((1..=known.len()).rev().map(|shown| (shown, short)));
    ways.map(line).find(|line| line.width() <= WIDTH).or_else(|| Some(fit(&line((1, short)), WIDTH)))
}

/// Assets: those that are known best and matter most first, in so many lines.
fn asset_list(assets: &[&AssetRow], by_mac: &BTreeSet<&str>, room: usize) -> Vec<Line> {
    let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
    for asset in assets {
        *roles.entry(asset.role.as_deref().unwrap_or("of no known role")).or_default() += 1;
    }
    let mut roles: Vec<(&str, usize)> = roles.into_iter().collect();
    roles.sort_by_key(|(role, count)| (*role == "of no known role", Reverse(*count), *role));
    let roles: Vec<String> = roles.iter().map(|(role, count)| format!("{count} {role}")).collect();
    let hosts: BTreeMap<&str, &str> = assets
        .iter()
        .filter_map(|asset| Some((asset.asset_id.as_str(), asset.ips.first().or(asset.macs.first())?.as_str())))
        .collect();
    let mut sorted = assets.to_vec();
    sorted.sort_by_cached_key(|asset| {
        let known = [&asset.role, &asset.vendor, &asset.model, &asset.firmware];
        let known = known.iter().filter(|value| value.is_some()).count();
        let address = address_of(asset, &hosts);
        let ip: Option<IpAddr> = address.split('/').next().and_then(|ip| ip.parse().ok());
        (Reverse(known), asset.role.clone(), ip, address, asset.asset_id.clone())
    });
    let colon = if roles.is_empty() { "" } else { ": " };
    let count = plural(assets.len(), "asset");
    let mut lines = vec![Line::head(&fit(&format!("{count}{colon}{}", roles.join(", ")), WIDTH), count.len())];
    let room = room.max(2 + ASSETS_LEAST);
    let hidden = if sorted.len() >= room { sorted.len() - (room - 2) } else { 0 };
    let shown = sorted.iter().take(sorted.len() - hidden);
    let shown = aligned(&shown.map(|asset| cells(asset, &address_of(asset, &hosts), by_mac)).collect::<Vec<_>>());
    lines.extend(shown.iter().map(|line| Line::plain(line)));
    if hidden > 0 {
        lines.push(Line::plain(&format!("  and {hidden} more")));
    }
    lines
}

/// Assets of which only the MAC address tells a vendor: who made the network card need not have made the device.
fn vendors_by_mac(reading: &Reading) -> BTreeSet<&str> {
    let claims = rows(reading, |record| match record {
        Record::Claims(row) => Some(row),
        _ => None,
    });
    let by_mac = claims.into_iter().filter(|it| it.chosen && it.attribute == "vendor" && it.field == "otoscope.mac");
    by_mac.map(|claim| claim.asset_id.as_str()).collect()
}

/// Role, address, vendor, model or name, firmware.
type Cells = [String; 5];
/// The one that is typed again, and therefore never cut.
const ADDRESS: usize = 1;

fn cells(asset: &AssetRow, address: &str, by_mac: &BTreeSet<&str>) -> Cells {
    // A name that only repeats the address is none.
    let host = address.split('/').next().unwrap_or_default();
    let behind = format!(" behind {host}");
    let is_address = |name: &&str| {
        **name == *address
            || asset.ips.iter().chain(&asset.macs).any(|known| known == name)
            || (asset.child_key.is_some() && name.ends_with(&behind))
    };
    let name = asset.model.as_deref().or(asset.name.as_deref().filter(|name| !is_address(name)));
    let is_by_mac = asset.vendor.is_none() || by_mac.contains(asset.asset_id.as_str());
    let mark = if is_by_mac { by_mac::MARK } else { "" };
    let vendor = asset.vendor.as_ref().or(asset.mac_vendor.as_ref()).map(|vendor| format!("{vendor}{mark}"));
    let [role, vendor, name, firmware] = [asset.role.as_deref(), vendor.as_deref(), name, asset.firmware.as_deref()]
        .map(|value| visible(value.unwrap_or(UNKNOWN)));
    [role, visible(address), vendor, name, firmware]
}

const UNKNOWN: &str = "-";

/// Rows in columns as wide as they need to be; where all together are too wide, the widest gives way. A column of which
/// nothing is known is left out.
fn aligned(rows: &[Cells]) -> Vec<String> {
    let mut widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|cells| cells[column].width()).max().unwrap_or(0));
    for (column, width) in widths.iter_mut().enumerate() {
        if rows.iter().all(|cells| cells[column] == UNKNOWN) {
            *width = 0;
        }
    }
    while widths.iter().filter(|width| **width > 0).map(|width| width + 1).sum::<usize>() > WIDTH - 1 {
        let others = widths.iter_mut().enumerate().filter(|(column, _)| *column != ADDRESS);
        match others.map(|(_, width)| width).max() {
            Some(widest) if *widest > 1 => *widest -= 1,
            _ => break,
        }
    }
    let line = |cells: &Cells| {
        let cells = cells.iter().zip(widths).filter(|(_, width)| *width > 0);
        let cells: Vec<String> = cells.map(|(cell, width)| padded(cell, width)).collect();
        format!("  {}", cells.join(" ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// `10.0.0.5`, `10.0.0.5/17` for a child behind it, the MAC where there is no IP.
fn address_of(asset: &AssetRow, hosts: &BTreeMap<&str, &str>) -> String {
    let of = |id: &str| hosts.get(id).copied();
    let host = of(&asset.asset_id).or_else(|| of(asset.parent_asset_id.as_deref()?)).unwrap_or_default();
    match &asset.child_key {
        Some(child) => format!("{host}/{child}"),
        None => host.to_owned(),
    }
}

/// The worst findings, each with the line that shows its proof; of the first also when it was and what to do.
fn finding_list(reading: &Reading, findings: &[&FindingRow], shown: usize) -> Vec<Line> {
    let mut findings = findings.to_vec();
    findings.sort_by_cached_key(|finding| (Reverse(finding.score), Reverse(finding.count), finding.finding_id.clone()));
    let mut severities: Vec<(String, usize)> = Vec::new();
    for finding in &findings {
        match severities.iter_mut().find(|(severity, _)| *severity == finding.severity) {
            Some((_, count)) => *count += 1,
            None => severities.push((finding.severity.clone(), 1)),
        }
    }
    let severities: Vec<String> = severities.iter().map(|(severity, count)| format!("{count} {severity}")).collect();
    let colon = if severities.is_empty() { "" } else { ": " };
    let hidden = findings.len().saturating_sub(shown);
    let count = plural(findings.len(), "finding");
    let head = format!("{count}{colon}{}", severities.join(", "));
    // Shorter where the severities take the room.
    let more = [format!(" ({hidden} not shown)"), format!(" ({hidden} more)")];
    let more = more.iter().find(|more| hidden > 0 && head.len() + more.len() <= WIDTH).map_or("", String::as_str);
    let mut lines = vec![Line::head(&format!("{head}{more}"), count.len())];
    let kinds = Kinds::builtin();
    for finding in findings.iter().take(shown) {
        let style = Severity::named(&finding.severity).map_or(Style::Plain, Style::Of);
        let title = fit(&finding.title, WIDTH - PROOF.len());
        lines.push(Line::new("  ", &padded(&finding.severity, 8), style, &format!(" {title}")));
        if lines.len() == 2 {
            lines.extend(first_step(&kinds, finding).map(|line| Line::new(PROOF, "", Style::Plain, &line)));
        }
        lines.extend(proof(reading, finding).map(|line| Line::new(PROOF, &line, Style::Faint, "")));
    }
    lines
}

/// `2026-11-24 22:31:05: ask who it is`: when it was, and what to do first.
fn first_step(kinds: &Kinds, finding: &FindingRow) -> Option<String> {
    let action = kinds.of(&finding.kind)?.action_on(finding);
    let time = rfc3339(finding.first_seen).replace('T', " ");
    Some(fit(&format!("{}: {action}", time.get(..19)?), WIDTH - PROOF.len()))
}

/// `wireshark -r FILE -g FRAME`, to be pasted; where the path is too long for a line, the end of it.
fn proof(reading: &Reading, finding: &FindingRow) -> Option<String> {
    let evidence = finding.evidence.iter().find(|evidence| evidence.frame.is_some())?;
    let id = evidence.capture_id.as_ref()?;
    let place = reading.captures.iter().position(|capture| capture.capture_id == *id)?;
    let (path, frame) = (&reading.totals.inputs.get(place)?.path, evidence.frame?);
    let line = format!("wireshark -r {} -g {frame}", quoted(path));
    if line.width() <= WIDTH - PROOF.len() {
        return Some(line);
    }
    let path = visible(&path.to_string_lossy());
    let front = format!("frame {frame} of …");
    let room = (WIDTH - PROOF.len()).saturating_sub(front.width());
    let skipped = (0..=path.chars().count()).find(|skipped| tail(&path, *skipped).width() <= room)?;
    Some(front + &tail(&path, skipped))
}

/// A text without so many letters at its front.
fn tail(text: &str, skipped: usize) -> String {
    text.chars().skip(skipped).collect()
}

const PROOF: &str = "           ";

/// What could not be seen, without which no absence proves anything: always said, the gravest first.
fn blind(
    reading: &Reading,
    services: &[&ServiceRow],
    lake: Option<&Path>,
    paths: &[PathBuf],
    room: usize,
) -> Vec<Line> {
    let mut lines = unseen(reading, services);
    if lines.is_empty() {
        lines.push(nothing_amiss(reading, services));
    }
    let hidden = lines.len().saturating_sub(room);
    if hidden > 0 {
        lines.truncate(room - 1);
        let source = lake.or(paths.first().map(PathBuf::as_path)).map(quoted).unwrap_or_default();
        let more = format!("and {} more: ", hidden + 1);
        let long = format!("{more}otoscope coverage {source}, otoscope health {source}");
        let fits = long.width() <= WIDTH - NOT_SEEN.len();
        lines.push(if fits { long } else { format!("{more}`otoscope coverage` and `otoscope health` tell it") });
    }
    let line = |(at, line): (usize, &String)| {
        let line = fit(line, WIDTH - NOT_SEEN.len());
        if at == 0 {
            Line::head(&format!("{NOT_SEEN}{line}"), NOT_SEEN.len() - 1)
        } else {
            Line::new("          ", "", Style::Plain, &line)
        }
    };
    lines.iter().enumerate().map(line).collect()
}

const NOT_SEEN: &str = "not seen: ";

/// What a filter that left out everything leaves to say.
pub(super) fn nothing_looked_at(reading: &Reading) -> Option<String> {
    Some(match all_filtered(reading)? {
        1 => "anything: --filter left out the only packet, and nothing was looked at".to_owned(),
        all => format!("anything: --filter left out all {all} packets, and nothing was looked at"),
    })
}

/// Everything that could not be seen, a line each.
fn unseen(reading: &Reading, services: &[&ServiceRow]) -> Vec<String> {
    let sum = reading.totals.sum();
    let mut lines = Vec::new();
    lines.extend(nothing_looked_at(reading));
    let (packets, bytes) = sum.difference();
    if (packets, bytes) != (0, 0) {
        lines.push(format!("the books are off by {packets} packets and {bytes} bytes: please report it"));
    }
    lines.extend(counted((
        sum.lanes.panics,
        "conversation",
        "conversations",
        " given up after a fault: please report it",
    )));
    lines.extend(damaged_captures(reading));
    lines.extend(left_out(&reading.left_out));
    let unread = sum.unread_links.iter().map(|(number, tally)| (link_words(*number), tally.packets));
    lines.extend(listed(unread, " of link types not read: "));
    for Meaningless { link_type, said, frames } in &reading.totals.filter_fails {
        let frames = plural(usize::try_from(*frames).unwrap_or(usize::MAX), "frame");
        lines.push(format!("{frames} of link type {link_type}, for which the filter means nothing: {said}"));
    }
    let ratio = |part, whole| share(part, whole).map_or(String::new(), |share| format!(" ({share})"));
    lines.extend(one_sided(reading, services));
    let (cut, all) = reading.totals.accounts.iter().fold((0, 0), |(cut, all), it| (cut + it.cut, all + it.packets));
    let lost = ratio(sum.lanes.lost_bytes, sum.bytes.saturating_add(sum.lanes.lost_bytes));
    let cause = if cut > 0 { "lost packets or cut them" } else { "lost packets" };
    let lost = format!(" of connections{lost}: the capture {cause}");
    let cut_share = format!(" cut by the snap length{}: capture with -s 0", ratio(cut, all));
    let counts = [
        (sum.drops.interface.unwrap_or(0), "packet", "packets", " dropped by the capturing interface"),
        (sum.drops.kernel.unwrap_or(0), "packet", "packets", " dropped by the capturing kernel"),
        (sum.lanes.lost_bytes, "byte", "bytes", lost.as_str()),
        (cut, "frame", "frames", cut_share.as_str()),
        (sum.damaged.packets, "frame", "frames", " with headers that are cut or contradict themselves"),
        (sum.fragments.lost.packets, "IP fragment", "IP fragments", " of packets that were never whole"),
    ];
    lines.extend(counts.into_iter().filter_map(counted));
    lines.extend(reading.dropped.iter().filter_map(|(name, count)| {
        let (one, many, what) = dropped(name);
        counted((*count, one, many, what))
    }));
    let crowded = [
        (sum.lanes.flows_evicted, "conversation", "conversations", " given up early: there are too many"),
        (sum.lanes.waiting_dropped, "time", "times", " that bytes waited in vain for others: too many wait"),
        (sum.lanes.operations_over_cap, "operation", "operations", " left uncounted: a packet held too many"),
        (sum.over_cap, "hour", "hours", " counted together with another: there are too many"),
    ];
    lines.extend(crowded.into_iter().filter_map(counted));
    lines.extend(unknown_protocols(reading));
    lines.extend(counted((
        sum.lanes.malformed.values().sum(),
        "message",
        "messages",
        " that break their protocol's rules",
    )));
    let others = sum.lanes.other_frames.iter().map(|(number, tally)| (frame_name(*number), tally.packets));
    lines.extend(listed(others, " without IP, not read: "));
    lines.extend(empty_hours(reading));
    lines
}

/// A count in words for one and for many, and what became of it; nothing of none.
fn counted((count, one, many, what): (u64, &str, &str, &str)) -> Option<String> {
    (count > 0).then(|| format!("{count} {}{what}", if count == 1 { one } else { many }))
}

/// The capture that is damaged and where, or how many are and where the first.
fn damaged_captures(reading: &Reading) -> Option<String> {
    let accounts = reading.totals.accounts.iter().zip(&reading.totals.inputs);
    let mut damages = accounts.filter_map(|(account, input)| Some((account.damage?, account, input)));
    let (first, account, input) = damages.next()?;
    match damages.count() {
        0 => Some(format!("{}: {first}{}", input.name, unread(account))),
        more => Some(format!("{} damaged captures, the first at byte {}: {}", more + 1, first.place(), input.name)),
    }
}

/// How many relations showed one side only, and how many there are. One that nobody answered is none: see attempts; one of
/// which one side is all there is shows both.
fn one_way(services: &[&ServiceRow]) -> (usize, usize) {
    let mut relations: BTreeMap<_, bool> = BTreeMap::new();
    for row in services.iter().filter(|row| row.server_asset_id.is_some()) {
        let client = (&row.client_asset_id, &row.client_ip, &row.context);
        let server = (&row.server_asset_id, &row.server_ip, row.server_port, &row.transport);
        let is_two_way = row.packets_to_server > 0 && row.packets_to_client > 0;
        let is_whole = is_two_way || row.protocol.is_some_and(fingerprints::goes_one_way);
        *relations.entry((client, server)).or_default() |= is_whole;
    }
    (relations.values().filter(|is_whole| !**is_whole).count(), relations.len())
}

/// What was seen one way only: whole relations, and single conversations, also of relations that show both sides. Those
/// between two networks stand in the coverage of both; for a share that is no matter.
fn one_sided(reading: &Reading, services: &[&ServiceRow]) -> Vec<String> {
    let (one_way, relations) = one_way(services);
    let mut lines = Vec::new();
    if one_way > 0 {
        lines.push(format!("one side of {one_way} of {}", plural(relations, "relation")));
    }
    let sides = coverage(reading).map(|row| (row.flows_one_way.unsigned_abs(), row.flows.unsigned_abs()));
    let (part, all) = sides.fold((0, 0), |(part, all), (one_way, flows)| (part + one_way, all + flows));
    if part > 0 {
        let share = share(part, all).unwrap_or_else(|| "less than 0.1 %".to_owned());
        lines.push(format!("answers in {share} of conversations: none given, or none captured"));
    }
    lines
}

fn coverage(reading: &Reading) -> impl Iterator<Item = &CoverageRow> {
    reading.records.iter().filter_map(|record| match record {
        Record::Coverage(row) => Some(row.as_ref()),
        _ => None,
    })
}

/// Hours without a packet between those that have some.
fn empty_hours(reading: &Reading) -> Option<String> {
    let hours = reading.totals.hours.iter().filter(|(_, hour)| hour.packets > 0);
    let seen: Vec<i64> = hours.map(|(start, _)| start.nanos() / NANOS_PER_HOUR).collect();
    let all = seen.last()?.abs_diff(*seen.first()?).saturating_add(1);
    let empty = all.saturating_sub(seen.len() as u64);
    (empty > 0).then(|| format!("{empty} of the {all} hours between the first packet and the last"))
}

const NANOS_PER_HOUR: i64 = 3_600_000_000_000;

/// The share of bytes in conversations whose protocol nobody recognised.
fn unknown_protocols(reading: &Reading) -> Option<String> {
    // Conversations between two networks stand in both; for a share that is no matter.
    let (unknown, all) = coverage(reading).fold((0, 0), |(unknown, all), row| {
        (unknown + row.unknown_protocol_bytes.unsigned_abs(), all + row.bytes.unsigned_abs())
    });
    let share = share(unknown, all)?;
    Some(format!("what {share} of all bytes say: protocols that are not read, or encrypted"))
}

/// `40 frames without IP, not read: LLDP 30, PROFINET 10`.
fn listed(kinds: impl Iterator<Item = (String, u64)>, what: &str) -> Option<String> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (name, frames) in kinds {
        *sums.entry(name).or_default() += frames;
    }
    let all: u64 = sums.values().sum();
    let mut sums: Vec<(String, u64)> = sums.into_iter().collect();
    sums.sort_by_key(|(name, frames)| (Reverse(*frames), name.clone()));
    let sums: Vec<String> = sums.iter().map(|(name, frames)| format!("{name} {frames}")).collect();
    let noun = if all == 1 { "frame" } else { "frames" };
    (all > 0).then(|| format!("{all} {noun}{what}{}", sums.join(", ")))
}

/// When nothing is known to be missing, that is said too: silence could mean that nobody looked.
fn nothing_amiss(reading: &Reading, services: &[&ServiceRow]) -> String {
    if reading.totals.accounts.iter().all(|account| account.packets == 0) {
        return "anything: there is no packet in what was read".to_owned();
    }
    match one_way(services).1 {
        0 => "nothing is known to be missing".to_owned(),
        1 => "nothing is known to be missing; the one relation shows both sides".to_owned(),
        all => format!("nothing is known to be missing; all {all} relations show both sides"),
    }
}

/// A share in percent; none below a thousandth.
fn share(part: u64, whole: u64) -> Option<String> {
    let thousandths = (u128::from(part) * 1_000).checked_div(u128::from(whole))?;
    match thousandths {
        0 => None,
        1..100 => Some(format!("{}.{} %", thousandths / 10, thousandths % 10)),
        _ => Some(format!("{} %", thousandths / 10)),
    }
}

/// How much more of a capture is damaged or was not read.
fn unread(account: &Account) -> String {
    let places = match account.more_damages {
        0 => String::new(),
        1 => " and at another place".to_owned(),
        more => format!(" and at {more} other places"),
    };
    match account.unread_bytes {
        0 => places,
        1 => format!("{places}; 1 byte not read"),
        bytes => format!("{places}; {bytes} bytes not read"),
    }
}

/// What was found and not read.
fn left_out(left_out: &LeftOut) -> Vec<String> {
    let LeftOut { no_captures, compressed, broken, closed, repeated: _ } = left_out;
    let mut lines = Vec::new();
    if !compressed.is_empty() {
        let them = if compressed.len() == 1 { "it" } else { "them" };
        lines.push(format!("{}, not read: unpack {them} first", plural(compressed.len(), "compressed capture")));
    }
    if let [first, ..] = broken.as_slice() {
        let files = plural(broken.len(), "file");
        lines.push(format!("{files} packed so that nothing can be unpacked: {}", first.to_string_lossy()));
    }
    if let [first, ..] = closed.as_slice() {
        lines.push(format!("{} that cannot be opened: {}", plural(closed.len(), "path"), first.to_string_lossy()));
    }
    match no_captures.len() {
        0 => {}
        1 => lines.push("1 file that is no capture, passed over".to_owned()),
        count => lines.push(format!("{count} files that are no captures, passed over")),
    }
    lines
}

/// What the inventory had to drop, in words for one and for many, and what became of it.
fn dropped(name: &'static str) -> (&'static str, &'static str, &'static str) {
    match name {
        "assets_evicted" => ("host", "hosts", " forgotten, of which little spoke: there are too many"),
        "assets_refused" => ("mention", "mentions", " of hosts not taken in: there are too many"),
        "children_refused" => ("mention", "mentions", " of devices behind one host not taken in: it has too many"),
        "claims_forgotten" => ("claim", "claims", " forgotten: one device made too many"),
        "values_forgotten" => ("value", "values", " forgotten: one device told too many"),
        "facts_about_nobody" => ("fact", "facts", " about hosts that were not taken in"),
        "joins_refused" => ("key", "keys", " borne by different devices, which are not joined by it"),
        "dealings_refused" => ("dealing", "dealings", " left out of findings: there are too many"),
        "control_hours_refused" => ("control action", "control actions", " left out of findings: there are too many"),
        "troubles_refused" => ("report", "reports", " of trouble not kept: there are too many"),
        "storms_refused" => ("kind", "kinds", " of messages that nobody asked for not counted: there are too many"),
        "scans_refused" => ("track", "tracks", " of scanners not kept: there are too many"),
        "service_rows_lumped" => ("relation", "relations", " summed up as one: there are too many"),
        "activity_rows_lumped" => ("row", "rows", " of activity summed up as one: more than --memory holds"),
        "operation_rows_lumped" => ("row", "rows", " of operations summed up as one: more than --memory holds"),
        "facts_refused" => ("fact", "facts", " about known hosts not taken in: more than --memory holds"),
        "networks_refused" => ("pair", "pairs", " of VLANs that are one network not kept: there are too many"),
        "state_rows_dropped" => ("row", "rows", " of earlier states dropped: there are too many"),
        "coverage_rows_dropped" => ("row", "rows", " of coverage dropped: there are too many"),
        other => (other, other, ""),
    }
}

/// What to type next: on one line where that fits; of many captures the first. Where nothing came out, what says why.
fn next_steps(reading: &Reading, lake: Option<&Path>, paths: &[PathBuf]) -> Vec<Line> {
    if lake.is_none() && paths.is_empty() {
        let line = "next: listen again with --out LAKE, which keeps the tables, or --write FILE";
        return vec![Line::head(line, "next:".len())];
    }
    let has_assets = reading.records.iter().any(|record| matches!(record, Record::Assets(_)));
    let steps = |source: &str| {
        if has_assets {
            [format!("otoscope findings {source}"), format!("otoscope asset ADDRESS {source} --why")]
        } else {
            [format!("otoscope captures {source}"), format!("otoscope health {source}")]
        }
    };
    let width = |line: &String| line.width();
    let lines = |[one, other]: [String; 2]| {
        let line = format!("next: {one}   {other}");
        if width(&line) <= WIDTH { vec![line] } else { vec![format!("next: {one}"), format!("      {other}")] }
    };
    let first = paths.first().map(|path| quoted(path)).unwrap_or_default();
    let all = lake.map_or_else(|| paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" "), quoted);
    // A path that no line holds is not repeated.
    let sources = [all.as_str(), if lake.is_some() { "LAKE" } else { &first }, "PATH"];
    let fitting = sources
        .map(|source| lines(steps(source)))
        .into_iter()
        .find(|lines| lines.iter().all(|line| width(line) <= WIDTH));
    let fitting = fitting.unwrap_or_else(|| lines(steps("PATH")));
    fitting.iter().enumerate().map(|(at, line)| Line::head(line, if at == 0 { "next:".len() } else { 0 })).collect()
}

/// Bytes in the unit that fits.
pub(super) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// Text made safe, and cut to a width with a mark where it was cut.
pub(super) fn fit(text: &str, width: usize) -> String {
    let safe = visible(text);
    if safe.width() <= width {
        return safe;
    }
    let mut room = width.saturating_sub(1);
    let fits = |letter: &char| {
        let rest = room.checked_sub(letter.width().unwrap_or(0));
        room = rest.unwrap_or(0);
        rest.is_some()
    };
    safe.chars().take_while(fits).chain(['…']).collect()
}

fn padded(text: &str, width: usize) -> String {
    let fitting = fit(text, width);
    let blanks = width.saturating_sub(fitting.width());
    fitting + &" ".repeat(blanks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_two_columns_count_twice() {
        assert_eq!(fit("泵站 PLC 3", 10), "泵站 PLC 3");
        assert_eq!(fit("泵站 PLC 3", 9), "泵站 PLC…");
        assert_eq!(fit("水泵站三号", 6), "水泵…", "half a letter has no place");
        assert_eq!(padded("泵站", 6), "泵站  ");
        assert_eq!(fit("a\u{301}b", 2), "a\u{301}b", "a letter and its accent fill one");
    }

    #[test]
    fn a_sum_that_no_line_holds_goes_on_below() {
        let part = "1234567890123 of a kind";
        let sum = format!("read: 9 packets = {}", [part; 6].join(" + "));
        let lines = folded(&sum);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.width() <= WIDTH), "{lines:?}");
        assert_eq!(lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "), sum);
    }
}
