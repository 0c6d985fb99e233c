//! What `read` says at the end: on one screen, the worst first, with what to type next.

use super::quoted;
use crate::reading::{Reading, link_name};
use crate::source::LeftOut;
use anyhow::Result;
use dissectors::observation::Tally;
use fingerprints::record::{AssetRow, FindingRow, Record, ServiceRow};
use outputs::{rfc3339, visible};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A small terminal, with a line left for the prompt.
const WIDTH: usize = 80;
const LINES: usize = 23;

/// Findings and lines of what could not be seen; assets take what is left, which is never less than a few.
const FINDINGS_SHOWN: usize = 3;
const BLIND_SHOWN: usize = 3;
const ASSETS_LEAST: usize = 3;

/// Prints the summary of a reading.
pub(super) fn print(reading: &Reading, lake: Option<&Path>, paths: &[PathBuf], out: &mut dyn Write) -> Result<()> {
    let assets: Vec<&AssetRow> = rows(reading, |record| match record {
        Record::Assets(row) => Some(row.as_ref()),
        _ => None,
    });
    let findings: Vec<&FindingRow> = rows(reading, |record| match record {
        Record::Findings(row) => Some(row.as_ref()),
        _ => None,
    });
    let services: Vec<&ServiceRow> = rows(reading, |record| match record {
        Record::Services(row) => Some(row.as_ref()),
        _ => None,
    });
    let head: Vec<String> = std::iter::once(head(reading)).chain(spoken(&services)).collect();
    let rest = [finding_list(reading, findings), blind(reading, &services), next_steps(lake, paths)];
    let taken: usize = rest.iter().filter(|lines| !lines.is_empty()).map(|lines| lines.len() + 1).sum();
    let room = LINES.saturating_sub(taken + head.len() + 1);
    head.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    for lines in std::iter::once(asset_list(&assets, room)).chain(rest).filter(|lines| !lines.is_empty()) {
        writeln!(out)?;
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
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
    let [first, last] = [first, last].map(|time| rfc3339(time).replace('T', " "));
    let until = if first[..DAY] == last[..DAY] { DAY + 1 } else { 0 };
    // To the second, the minute or the day, as it fits.
    let spans = [(19, until), (16, until), (DAY, 0)];
    let lines = spans.map(|(end, until)| format!("{line}, {} to {} UTC", &first[..end], &last[until..end]));
    lines.iter().find(|line| line.len() <= WIDTH).unwrap_or(&line).clone()
}

/// The letters of a day, as in 2026-11-24.
const DAY: usize = 10;

/// `spoken: modbus 14, http 3 relations; 2 in protocols that are not read`. A relation is a client, a server and a port,
/// in however many hours.
fn spoken(services: &[&ServiceRow]) -> Option<String> {
    let mut relations: BTreeMap<Option<&str>, BTreeSet<_>> = BTreeMap::new();
    // A row without a server is what one client asked of many, in vain.
    for row in services.iter().filter(|row| row.server_asset_id.is_some() || row.server_ip.is_some()) {
        let client = (&row.client_asset_id, &row.client_ip, &row.context);
        let server = (&row.server_asset_id, &row.server_ip, row.server_port, &row.transport);
        relations.entry(row.protocol.as_deref()).or_default().insert((client, server));
    }
    let unread = relations.remove(&None).map_or(0, |relations| relations.len());
    let mut known: Vec<(&str, usize)> =
        relations.iter().filter_map(|(name, relations)| Some(((*name)?, relations.len()))).collect();
    known.sort_by_key(|(name, count)| (Reverse(*count), *name));
    let all: usize = known.iter().map(|(_, count)| count).sum();
    let noun = if all == 1 { "relation" } else { "relations" };
    let of_others = match (unread, all) {
        (0, 0) => return None,
        (0, _) => String::new(),
        (_, 0) => return Some(format!("spoken: {} in protocols that are not read", plural(unread, "relation"))),
        _ => format!("; {unread} in protocols that are not read"),
    };
    // As many as one line holds.
    let line = |shown: usize| {
        let spoken: Vec<String> = known.iter().take(shown).map(|(name, count)| format!("{name} {count}")).collect();
        let more = known.len() - shown;
        let more = if more > 0 { format!(" and {more} more,") } else { String::new() };
        format!("spoken: {}{more} {noun}{of_others}", spoken.join(", "))
    };
    (1..=known.len()).rev().map(line).find(|line| line.chars().count() <= WIDTH).or_else(|| Some(fit(&line(1), WIDTH)))
}

/// Assets: those that are known best and matter most first, in so many lines.
fn asset_list(assets: &[&AssetRow], room: usize) -> Vec<String> {
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
        (Reverse(known), asset.role.clone(), address_of(asset, &hosts), asset.asset_id.clone())
    });
    let colon = if roles.is_empty() { "" } else { ": " };
    let mut lines = vec![fit(&format!("{}{colon}{}", plural(assets.len(), "asset"), roles.join(", ")), WIDTH)];
    let room = room.max(2 + ASSETS_LEAST);
    let hidden = if sorted.len() >= room { sorted.len() - (room - 2) } else { 0 };
    let shown = sorted.iter().take(sorted.len() - hidden);
    lines.extend(aligned(&shown.map(|asset| cells(asset, &address_of(asset, &hosts))).collect::<Vec<_>>()));
    if hidden > 0 {
        lines.push(format!("  and {hidden} more"));
    }
    lines
}

/// Role, address, vendor, model or name, firmware.
type Cells = [String; 5];
/// The one that is typed again, and therefore never cut.
const ADDRESS: usize = 1;

fn cells(asset: &AssetRow, address: &str) -> Cells {
    let is_address = |name: &&str| **name == *address || asset.ips.iter().chain(&asset.macs).any(|known| known == name);
    let name = asset.model.as_deref().or(asset.name.as_deref().filter(|name| !is_address(name)));
    let vendor = asset.vendor.as_deref().or(asset.mac_vendor.as_deref());
    let [role, vendor, name, firmware] =
        [asset.role.as_deref(), vendor, name, asset.firmware.as_deref()].map(|value| visible(value.unwrap_or("-")));
    [role, visible(address), vendor, name, firmware]
}

/// Rows in columns as wide as they need to be; where all together are too wide, the widest gives way.
fn aligned(rows: &[Cells]) -> Vec<String> {
    let mut widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0));
    while widths.iter().map(|width| width + 1).sum::<usize>() > WIDTH - 1 {
        let others = widths.iter_mut().enumerate().filter(|(column, _)| *column != ADDRESS);
        match others.map(|(_, width)| width).max() {
            Some(widest) if *widest > 1 => *widest -= 1,
            _ => break,
        }
    }
    let line = |cells: &Cells| {
        let cells: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        format!("  {}", cells.join(" ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A heading and what stands below it, in so many lines; what is left out is counted.
fn shortened(mut lines: Vec<String>, room: usize, where_else: &str) -> Vec<String> {
    if lines.len() > room {
        let left_out = lines.split_off(room - 1);
        lines.push(format!("  and {} more{where_else}", left_out.len()));
    }
    lines
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

/// The worst findings, each with the line that shows its proof.
fn finding_list(reading: &Reading, mut findings: Vec<&FindingRow>) -> Vec<String> {
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
    let hidden = findings.len().saturating_sub(FINDINGS_SHOWN);
    let more = if hidden > 0 { format!(" ({hidden} not shown)") } else { String::new() };
    let mut lines = vec![format!("{}{colon}{}{more}", plural(findings.len(), "finding"), severities.join(", "))];
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        let severity = padded(&finding.severity, 8);
        lines.push(format!("  {severity} {}", fit(&finding.title, WIDTH - 11)));
        lines.extend(proof(reading, finding).map(|line| format!("           {line}")));
    }
    lines
}

/// `wireshark -r FILE -g FRAME`, to be pasted.
fn proof(reading: &Reading, finding: &FindingRow) -> Option<String> {
    let evidence = finding.evidence.iter().find(|evidence| evidence.frame.is_some())?;
    let id = evidence.capture_id.as_ref()?;
    let place = reading.captures.iter().position(|capture| capture.capture_id == *id)?;
    let path = &reading.totals.inputs.get(place)?.path;
    Some(format!("wireshark -r {} -g {}", quoted(path), evidence.frame?))
}

/// What could not be seen, without which no absence proves anything.
fn blind(reading: &Reading, services: &[&ServiceRow]) -> Vec<String> {
    let sum = reading.totals.sum();
    let mut lines = Vec::new();
    for (account, input) in reading.totals.accounts.iter().zip(&reading.totals.inputs) {
        if let Some(damage) = account.damage {
            lines.push(format!("{}: {} at byte {}", input.name, damage.what, damage.at));
        }
    }
    lines.extend(left_out(&reading.left_out));
    for (number, Tally { packets, .. }) in &sum.unread_links {
        let noun = if *packets == 1 { "frame" } else { "frames" };
        lines.push(format!("{packets} {noun} of link type {}, which is not read", link_name(*number)));
    }
    let (packets, bytes) = sum.difference();
    if (packets, bytes) != (0, 0) {
        lines.push(format!("the books are off by {packets} packets and {bytes} bytes: please report it"));
    }
    let counts = [
        (sum.damaged.packets, "frame", "frames", " with headers that are cut or contradict themselves"),
        (sum.fragments.lost.packets, "IP fragment", "IP fragments", " of packets that were never whole"),
        (sum.lanes.lost_bytes, "byte", "bytes", " lost within streams by the captures"),
        (sum.lanes.malformed.values().sum(), "malformed message", "malformed messages", ""),
        (sum.lanes.panics, "conversation", "conversations", " given up after a fault: please report it"),
        (reading.totals.accounts.iter().map(|account| account.cut).sum(), "frame", "frames", " cut by the snap length"),
    ];
    let counts = counts.into_iter().chain(reading.dropped.iter().map(|(name, count)| {
        let (one, many, what) = dropped(name);
        (*count, one, many, what)
    }));
    lines.extend(counts.filter(|(count, ..)| *count > 0).map(|(count, one, many, what)| {
        let noun = if count == 1 { one } else { many };
        format!("{count} {noun}{what}")
    }));
    let one_way = services.iter().filter(|row| row.packets_to_client == 0 && row.server_asset_id.is_some()).count();
    if one_way > 0 {
        lines.push(format!("{} seen in one direction only", plural(one_way, "relation")));
    }
    if lines.is_empty() {
        return lines;
    }
    let lines = lines.iter().map(|line| format!("  {}", fit(line, WIDTH - 2)));
    let lines = std::iter::once("not seen:".to_owned()).chain(lines).collect();
    shortened(lines, 2 + BLIND_SHOWN, ": `otoscope health`, `otoscope coverage`, `otoscope captures`")
}

/// What was found and not read.
fn left_out(left_out: &LeftOut) -> Vec<String> {
    let LeftOut { no_captures, compressed, closed, repeated: _ } = left_out;
    let mut lines = Vec::new();
    if !compressed.is_empty() {
        let them = if compressed.len() == 1 { "it" } else { "them" };
        lines.push(format!("{}, not read: unpack {them} first", plural(compressed.len(), "compressed capture")));
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
        "service_rows_lumped" => ("relation", "relations", " summed up as one: there are too many"),
        "activity_rows_dropped" => ("row", "rows", " of activity dropped: there are too many"),
        "operation_rows_dropped" => ("row", "rows", " of operations dropped: there are too many"),
        "state_rows_dropped" => ("row", "rows", " of earlier states dropped: there are too many"),
        "coverage_rows_dropped" => ("row", "rows", " of coverage dropped: there are too many"),
        other => (other, other, ""),
    }
}

/// What to type next: on one line where that fits; of many captures the first.
fn next_steps(lake: Option<&Path>, paths: &[PathBuf]) -> Vec<String> {
    let steps =
        |source: &str| [format!("otoscope findings {source}"), format!("otoscope asset ADDRESS {source} --why")];
    let lines = |[findings, asset]: [String; 2]| {
        let line = format!("next: {findings}   {asset}");
        let is_short = line.chars().count() <= WIDTH;
        if is_short { vec![line] } else { vec![format!("next: {findings}"), format!("      {asset}")] }
    };
    let Some(lake) = lake else {
        let all = lines(steps(&paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ")));
        let fits = all.iter().all(|line| line.chars().count() <= WIDTH);
        return if fits { all } else { lines(steps(&paths.first().map(|path| quoted(path)).unwrap_or_default())) };
    };
    lines(steps(&quoted(lake)))
}

/// `1 capture`, `2 captures`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Bytes in the unit that fits.
pub(super) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// Text made safe, and cut to a width with a mark where it was cut.
fn fit(text: &str, width: usize) -> String {
    let safe = visible(text);
    if safe.chars().count() <= width {
        return safe;
    }
    safe.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn padded(text: &str, width: usize) -> String {
    format!("{:<width$}", fit(text, width))
}
