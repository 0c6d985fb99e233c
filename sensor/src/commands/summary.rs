//! What `read` says at the end: on one screen, the worst first, with what to type next.

use crate::reading::{Reading, link_name};
use anyhow::Result;
use fingerprints::record::{AssetRow, FindingRow, Record, ServiceRow};
use outputs::print::visible;
use outputs::rfc3339;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Rows of the asset list, of the finding list, of what could not be seen: 24 lines with the rest.
const ASSETS_SHOWN: usize = 8;
const FINDINGS_SHOWN: usize = 3;
const BLIND_SHOWN: usize = 4;
const WIDTH: usize = 80;

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
    head(reading, out)?;
    asset_list(&assets, out)?;
    finding_list(reading, findings, out)?;
    blind(reading, &services, out)?;
    next_steps(lake, paths, out)
}

fn rows<'a, T>(reading: &'a Reading, pick: impl Fn(&'a Record) -> Option<&'a T>) -> Vec<&'a T> {
    reading.records.iter().filter_map(pick).collect()
}

fn head(reading: &Reading, out: &mut dyn Write) -> Result<()> {
    let sum = reading.totals.sum();
    let first = reading.totals.accounts.iter().filter_map(|account| account.first).min();
    let last = reading.totals.accounts.iter().filter_map(|account| account.last).max();
    let captures = plural(reading.captures.len(), "capture");
    let packets = plural(usize::try_from(sum.packets).unwrap_or(usize::MAX), "packet");
    write!(out, "{captures}, {packets}, {}", bytes(sum.bytes))?;
    if let (Some(first), Some(last)) = (first, last) {
        let short = |time| rfc3339(time).get(..19).unwrap_or_default().replace('T', " ");
        write!(out, ", {} to {} UTC", short(first), short(last))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Assets: those that are known best and matter most first.
fn asset_list(assets: &[&AssetRow], out: &mut dyn Write) -> Result<()> {
    let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
    for asset in assets {
        *roles.entry(asset.role.as_deref().unwrap_or("of no known role")).or_default() += 1;
    }
    let mut roles: Vec<(&str, usize)> = roles.into_iter().collect();
    roles.sort_by_key(|(role, count)| (*role == "of no known role", std::cmp::Reverse(*count), *role));
    let roles: Vec<String> = roles.iter().map(|(role, count)| format!("{count} {role}")).collect();
    writeln!(out, "\n{}: {}", plural(assets.len(), "asset"), fit(&roles.join(", "), WIDTH - 14))?;
    let mut sorted = assets.to_vec();
    sorted.sort_by_key(|asset| {
        let known = [&asset.role, &asset.vendor, &asset.model, &asset.firmware];
        let known = known.iter().filter(|value| value.is_some()).count();
        (std::cmp::Reverse(known), asset.role.clone(), address_of(asset), asset.asset_id.clone())
    });
    for asset in sorted.iter().take(ASSETS_SHOWN) {
        let name = asset.model.as_deref().or(asset.name.as_deref()).unwrap_or("-");
        let vendor = asset.vendor.as_deref().or(asset.mac_vendor.as_deref()).unwrap_or("-");
        writeln!(
            out,
            "  {} {} {} {} {}",
            padded(asset.role.as_deref().unwrap_or("-"), 16),
            padded(&address_of(asset), 18),
            padded(vendor, 17),
            padded(name, 16),
            fit(asset.firmware.as_deref().unwrap_or("-"), 8)
        )?;
    }
    if sorted.len() > ASSETS_SHOWN {
        writeln!(out, "  and {} more", sorted.len() - ASSETS_SHOWN)?;
    }
    Ok(())
}

/// `10.0.0.5`, `10.0.0.5/17` for a child, the MAC where there is no IP.
fn address_of(asset: &AssetRow) -> String {
    let address = asset.ips.first().or(asset.macs.first()).cloned().unwrap_or_default();
    match &asset.child_key {
        Some(child) => format!("{address}/{child}"),
        None => address,
    }
}

/// The worst findings, each with the line that shows its proof.
fn finding_list(reading: &Reading, mut findings: Vec<&FindingRow>, out: &mut dyn Write) -> Result<()> {
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.score), finding.finding_id.clone()));
    let mut severities: Vec<(String, usize)> = Vec::new();
    for finding in &findings {
        match severities.iter_mut().find(|(severity, _)| *severity == finding.severity) {
            Some((_, count)) => *count += 1,
            None => severities.push((finding.severity.clone(), 1)),
        }
    }
    let severities: Vec<String> = severities.iter().map(|(severity, count)| format!("{count} {severity}")).collect();
    writeln!(out, "\n{}: {}", plural(findings.len(), "finding"), severities.join(", "))?;
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        let severity = padded(&finding.severity, 8);
        writeln!(out, "  {severity} {}", fit(finding.summary.as_deref().unwrap_or(&finding.title), WIDTH - 11))?;
        if let Some(line) = proof(reading, finding) {
            writeln!(out, "           {line}")?;
        }
    }
    if findings.len() > FINDINGS_SHOWN {
        writeln!(out, "  and {} more", findings.len() - FINDINGS_SHOWN)?;
    }
    Ok(())
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
fn blind(reading: &Reading, services: &[&ServiceRow], out: &mut dyn Write) -> Result<()> {
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
        return Ok(());
    }
    writeln!(out, "\nnot seen:")?;
    let more = lines.len().saturating_sub(BLIND_SHOWN);
    for line in lines.iter().take(BLIND_SHOWN) {
        writeln!(out, "  {}", fit(line, WIDTH - 2))?;
    }
    if more > 0 {
        writeln!(out, "  and {more} more: `otoscope health`, `otoscope coverage`, `otoscope captures`")?;
    }
    Ok(())
}

fn next_steps(lake: Option<&Path>, paths: &[PathBuf], out: &mut dyn Write) -> Result<()> {
    let source = match lake {
        Some(lake) => lake.display().to_string(),
        None => paths.first().map(|path| path.display().to_string()).unwrap_or_default(),
    };
    writeln!(out, "\nnext: otoscope findings {source}   otoscope asset ADDRESS {source} --why")?;
    Ok(())
}

/// `1 capture`, `2 captures`.
fn plural(count: usize, noun: &str) -> String {
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
