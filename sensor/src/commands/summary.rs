//! What `read` says at the end: on one screen, the worst first, with what to type next.

use crate::reading::{Reading, link_name};
use anyhow::Result;
use fingerprints::record::{AssetRow, FindingRow, Record, ServiceRow};
use outputs::print::visible;
use outputs::rfc3339;
use std::cmp::Reverse;
use std::collections::BTreeMap;
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
    let head = head(reading);
    let rest = [finding_list(reading, findings), blind(reading, &services), next_steps(lake, paths)];
    let taken: usize = rest.iter().filter(|lines| !lines.is_empty()).map(|lines| lines.len() + 1).sum();
    let room = LINES.saturating_sub(taken + 2);
    writeln!(out, "{head}")?;
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
    let mut lines = vec![fit(&format!("{}: {}", plural(assets.len(), "asset"), roles.join(", ")), WIDTH)];
    lines.extend(sorted.iter().map(|asset| {
        let name = asset.model.as_deref().or(asset.name.as_deref()).unwrap_or("-");
        let vendor = asset.vendor.as_deref().or(asset.mac_vendor.as_deref()).unwrap_or("-");
        format!(
            "  {} {} {} {} {}",
            padded(asset.role.as_deref().unwrap_or("-"), 16),
            padded(&address_of(asset, &hosts), 18),
            padded(vendor, 16),
            padded(name, 16),
            fit(asset.firmware.as_deref().unwrap_or("-"), 8)
        )
    }));
    shortened(lines, room.max(2 + ASSETS_LEAST), "")
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
    let path = reading.totals.inputs.get(place)?.path.to_string_lossy().into_owned();
    let is_plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-+".contains(letter));
    let path = if is_plain { path } else { format!("'{}'", visible(&path).replace('\'', r"'\''")) };
    Some(format!("wireshark -r {path} -g {}", evidence.frame?))
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
    for (number, packets) in &sum.unread_links {
        lines.push(format!("{packets} frames of link type {} are not read", link_name(*number)));
    }
    let counts = [
        (sum.damaged, "frames with headers that are cut or contradict themselves"),
        (sum.lanes.fragments, "IP fragments, which are not put together yet"),
        (sum.lanes.lost_bytes, "bytes that the captures lost within streams"),
        (sum.lanes.malformed.values().sum(), "malformed messages"),
        (sum.lanes.panics, "conversations given up after a fault: please report it"),
        (reading.totals.accounts.iter().map(|account| account.cut).sum(), "frames cut by the snap length"),
    ];
    lines.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    let one_way = services.iter().filter(|row| row.packets_to_client == 0 && row.server_asset_id.is_some()).count();
    if one_way > 0 {
        lines.push(format!("{} seen in one direction only", plural(one_way, "relation")));
    }
    let unnamed = services.iter().filter(|row| row.protocol.is_none()).count();
    if unnamed > 0 {
        lines.push(format!("{} in protocols that are not read", plural(unnamed, "relation")));
    }
    if !reading.passed_over.is_empty() {
        lines.push(format!("{} that are no captures, passed over", plural(reading.passed_over.len(), "file")));
    }
    if lines.is_empty() {
        return lines;
    }
    let lines = lines.iter().map(|line| format!("  {}", fit(line, WIDTH - 2)));
    let lines = std::iter::once("not seen:".to_owned()).chain(lines).collect();
    shortened(lines, 2 + BLIND_SHOWN, ": `otoscope health`, `otoscope coverage`, `otoscope captures`")
}

/// What to type next: on one line where that fits.
fn next_steps(lake: Option<&Path>, paths: &[PathBuf]) -> Vec<String> {
    let source = match lake {
        Some(lake) => lake.display().to_string(),
        None => paths.first().map(|path| path.display().to_string()).unwrap_or_default(),
    };
    let [findings, asset] = [format!("otoscope findings {source}"), format!("otoscope asset ADDRESS {source} --why")];
    let line = format!("next: {findings}   {asset}");
    if line.chars().count() <= WIDTH { vec![line] } else { vec![format!("next: {findings}"), format!("      {asset}")] }
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
