//! `otoscope read`: captures in, a summary on the screen, tables in a lake.

use super::{DAMAGED, READ, paths, say, summary, told};
use crate::pipeline::{Settings, Vlans};
use crate::reading::{Job, Prepared, Reading, prepare};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use outputs::lake::DEFAULT_SITE;
use outputs::{Lake, Lines, Overlap, Sink};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Captures (pcap, pcapng) and folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the tables as Parquet into this lake
    #[arg(long, value_name = "LAKE")]
    out: Option<PathBuf>,
    /// Allow captures of which the lake holds a part already; their packets count twice
    #[arg(long, requires = "out")]
    append: bool,
    /// Print every row of every table as JSON lines; the summary goes to standard error
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) whom: Whom,
}

/// As whom, and with how many hands.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Whom {
    /// Threads that dissect; the result does not depend on it [default: one per core, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// The site that ids are made for [default: the lake's, or "default"]
    #[arg(long, value_name = "S", value_parser = told::name)]
    pub(super) site: Option<String>,
    /// Each VLAN is a network of its own, even where packets prove two of them one
    #[arg(long)]
    vlan_separate: bool,
    /// All VLANs are one network: an address is the same host in each
    #[arg(long, conflicts_with = "vlan_separate")]
    vlan_join: bool,
    /// The sensor's name in every row
    #[arg(long, value_name = "S", default_value = "otoscope", value_parser = told::name)]
    sensor: String,
}

impl Whom {
    /// The job of reading these captures for a site.
    pub(super) fn job(&self, paths: &[PathBuf], site: &str) -> Job {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
        let workers = self.workers.map_or(cores, usize::from);
        let vlans = match (self.vlan_separate, self.vlan_join) {
            (true, _) => Vlans::Separate,
            (false, true) => Vlans::Joined,
            (false, false) => Vlans::Observed,
        };
        let settings = Settings { workers, vlans, ..Settings::default() };
        Job { paths: paths.to_vec(), site: site.to_owned(), sensor: self.sensor.clone(), settings }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    paths::captures(&arguments.paths)?;
    arguments.out.as_deref().map_or(Ok(()), paths::target)?;
    let site = site(arguments)?;
    let prepared = prepare(arguments.whom.job(&arguments.paths, &site))?;
    // What cannot be read leaves no lake behind.
    let lake = match &arguments.out {
        Some(path) => Some(Lake::create(path, arguments.whom.site.as_deref())?),
        None => None,
    };
    let overlap = if arguments.append { Overlap::Append } else { Overlap::Refuse };
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(lake) = &lake {
        sinks.push(Box::new(lake.begin(prepared.run().clone(), overlap)?));
    }
    if arguments.json {
        sinks.push(Box::new(Lines::new(std::io::stdout().lock(), prepared.run().provenance.clone())));
    }
    let reading = with_progress(prepared);
    for mut sink in sinks {
        reading.records.iter().chain(&reading.earlier).try_for_each(|record| sink.record(record))?;
        sink.finish()?;
    }
    let out: &mut dyn Write =
        if arguments.json { &mut std::io::stderr().lock() } else { &mut std::io::stdout().lock() };
    summary::print(&reading, arguments.out.as_deref(), &arguments.paths, out)
        .context("the summary cannot be written")?;
    Ok(exit_code(&reading))
}

/// The site that was asked for, or the lake's.
fn site(arguments: &Arguments) -> Result<String> {
    match (&arguments.whom.site, &arguments.out) {
        (Some(site), _) => Ok(site.clone()),
        (None, Some(path)) if Lake::is_lake(path) => Ok(Lake::open(path)?.site().to_owned()),
        _ => Ok(DEFAULT_SITE.to_owned()),
    }
}

/// Reads, with a bar on a terminal and a plain line elsewhere.
pub(super) fn with_progress(prepared: Prepared) -> Reading {
    for path in &prepared.left_out().repeated {
        say(&format!("{} is named twice; it is read once", path.to_string_lossy()));
    }
    if !std::io::stderr().is_terminal() {
        let captures = summary::plural(prepared.captures(), "capture");
        say(&format!("reading {captures}, {}", summary::bytes(prepared.bytes())));
        return prepared.read(&mut |_| {});
    }
    let bar = ProgressBar::new(prepared.bytes());
    if let Ok(style) = ProgressStyle::with_template("reading {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let reading = prepared.read(&mut |done| bar.set_position(done));
    bar.finish_and_clear();
    reading
}

/// Says which captures could not be read whole, where no summary says it; gives the exit code that they deserve.
pub(super) fn tell_damage(reading: &Reading) -> u8 {
    let code = exit_code(reading);
    if code == DAMAGED {
        say("not everything could be read: `otoscope read` says what, `otoscope captures` and `health` where");
    }
    code
}

/// Whether everything could be read.
fn exit_code(reading: &Reading) -> u8 {
    let sum = reading.totals.sum();
    let is_damaged = reading.totals.accounts.iter().any(|account| account.damage.is_some());
    let is_left_out = !reading.left_out.compressed.is_empty() || !reading.left_out.closed.is_empty();
    let is_unread = sum.damaged.packets > 0 || !sum.unread_links.is_empty();
    let is_off = sum.difference() != (0, 0);
    if is_damaged || is_left_out || is_unread || is_off { DAMAGED } else { READ }
}
