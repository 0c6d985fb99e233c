//! `otoscope read`: captures in, a summary on the screen, tables in a lake.

use super::terminal::is_lively;
use super::{DAMAGED, FAIL_ON, READ, paths, say, summary, told};
use crate::pipeline::{Settings, Vlans};
use crate::reading::{Job, Prepared, Reading, prepare};
use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fingerprints::finding::Severity;
use fingerprints::record::Record;
use indicatif::{ProgressBar, ProgressStyle};
use outputs::lake::DEFAULT_SITE;
use outputs::{Lake, Lines, Overlap, Sink, visible};
use std::io::Write;
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
    /// End with exit code 4 if something is found that is as severe as this, or more
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    fail_on: Option<Severity>,
    /// Print no summary and no progress, only what goes wrong; the exit code tells the rest
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    pub(super) whom: Whom,
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name))
        .try_map(|name| Severity::named(&name).ok_or("no severity"))
}

/// As whom, and with how many hands.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Whom {
    /// Threads that dissect; the result does not depend on it [default: one per core, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// The site that ids are made for [default: the lake's, or "default"]
    #[arg(long, value_name = "NAME", value_parser = told::name)]
    pub(super) site: Option<String>,
    /// Each VLAN is a network of its own, even where packets prove two of them one
    #[arg(long)]
    vlan_separate: bool,
    /// All VLANs are one network: an address is the same host in each
    #[arg(long, conflicts_with = "vlan_separate")]
    vlan_join: bool,
    /// The sensor's name in every row
    #[arg(long, value_name = "NAME", default_value = "otoscope", value_parser = told::name)]
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
    let begun = Progress::begin(&arguments.paths, arguments.quiet);
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
    let reading = begun.read(prepared);
    for mut sink in sinks {
        reading.records.iter().chain(&reading.earlier).try_for_each(|record| sink.record(record))?;
        sink.finish()?;
    }
    if !arguments.quiet {
        let is_lively = if arguments.json { is_lively(&std::io::stderr()) } else { is_lively(&std::io::stdout()) };
        let out: &mut dyn Write =
            if arguments.json { &mut std::io::stderr().lock() } else { &mut std::io::stdout().lock() };
        summary::print(&reading, arguments.out.as_deref(), &arguments.paths, is_lively, out)
            .context("the summary cannot be written")?;
    }
    match arguments.fail_on.map(|least| (least, found(&reading, least))) {
        Some((least, count)) if count > 0 => {
            if !arguments.quiet {
                let findings = summary::plural(count, "finding");
                say(&format!("--fail-on {}: {findings} as severe as that or more", least.name()));
            }
            Ok(FAIL_ON)
        }
        _ => Ok(exit_code(&reading)),
    }
}

/// How many findings are as severe as this, or more.
fn found(reading: &Reading, least: Severity) -> usize {
    let is_found = |record: &&Record| match record {
        Record::Findings(row) => Severity::named(&row.severity).is_some_and(|severity| severity >= least),
        _ => false,
    };
    reading.records.iter().filter(is_found).count()
}

/// The site that was asked for, or the lake's.
fn site(arguments: &Arguments) -> Result<String> {
    match (&arguments.whom.site, &arguments.out) {
        (Some(site), _) => Ok(site.clone()),
        (None, Some(path)) if Lake::is_lake(path) => Ok(Lake::open(path)?.site().to_owned()),
        _ => Ok(DEFAULT_SITE.to_owned()),
    }
}

/// What is said while captures are read: a bar on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    is_quiet: bool,
}

/// As many paths are named before the first look at them.
const NAMED: usize = 3;

impl Progress {
    /// Says at once what will be read: many captures, or one that comes through a pipe, take a while to be looked at.
    pub(super) fn begin(paths: &[PathBuf], is_quiet: bool) -> Self {
        let name = |path: &PathBuf| match path.to_string_lossy() {
            name if name == "-" => "standard input".to_owned(),
            name => name.into_owned(),
        };
        let named: Vec<String> = paths.iter().take(NAMED).map(name).collect();
        let more = paths.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let line = format!("reading {}{more}", named.join(", "));
        if is_quiet {
            return Self { bar: None, is_quiet };
        }
        if !is_lively(&std::io::stderr()) {
            say(&line);
            return Self { bar: None, is_quiet };
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        bar.set_message(visible(&line));
        bar.tick();
        Self { bar: Some(bar), is_quiet }
    }

    /// Reads all packets.
    pub(super) fn read(self, prepared: Prepared) -> Reading {
        let repeated = prepared.left_out().repeated.iter().map(|path| path.to_string_lossy());
        let repeated: Vec<String> = repeated.map(|path| format!("{path} is named twice; it is read once")).collect();
        let Some(bar) = &self.bar else {
            if !self.is_quiet {
                repeated.iter().for_each(|line| say(line));
                if prepared.captures() > 1 {
                    let captures = summary::plural(prepared.captures(), "capture");
                    say(&format!("{captures}, {} on disk", summary::bytes(prepared.bytes())));
                }
            }
            return prepared.read(&mut |_| {});
        };
        bar.suspend(|| repeated.iter().for_each(|line| say(line)));
        bar.set_length(prepared.bytes());
        if let Ok(style) = ProgressStyle::with_template("reading {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        prepared.read(&mut |done| bar.set_position(done))
    }
}

impl Drop for Progress {
    /// Whatever ends the reading, what is said next begins on a line of its own.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
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
