//! `otoscope read`: captures in, a summary on the screen, tables in a lake.

use super::logins::Logins;
use super::terminal::is_lively;
use super::told::{self, WrongUse};
use super::webhook::{Patience, Sending, State};
use super::{DAMAGED, FAIL_ON, READ, paths, say, summary};
use crate::pipeline::{Settings, Vlans};
use crate::reading::{Job, Prepared, Reading, prepare};
use crate::source::LeftOut;
use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use fingerprints::Credentials;
use fingerprints::finding::Severity;
use fingerprints::inventory::Names;
use fingerprints::record::Record;
use indicatif::{ProgressBar, ProgressStyle};
use outputs::lake::DEFAULT_SITE;
use outputs::webhook::Settings as Webhook;
use outputs::{Lake, Lines, Overlap, Sink, visible};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(super) struct Arguments {
    /// Captures (pcap, pcapng; also .gz, .zst, .xz) and folders of them; - for standard input
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
    /// Tell the webhooks of the settings what was found, and wait until it has arrived
    #[arg(long)]
    webhook: bool,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    pub(super) whom: Whom,
}

pub(super) fn severity() -> impl TypedValueParser<Value = Severity> {
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
    /// What all that grows may cost beyond the captures, 64M at least; what finds no room is counted
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = size)]
    memory: usize,
    /// Each VLAN is a network of its own, even where packets prove two of them one
    #[arg(long)]
    vlan_separate: bool,
    /// All VLANs are one network: an address is the same host in each
    #[arg(long, conflicts_with = "vlan_separate")]
    vlan_join: bool,
    /// A name for a VLAN, as 7=plant-a: it stands for the number in contexts and ids, which stay when the number changes
    #[arg(long, value_name = "NUMBER=NAME", value_parser = told::vlan_name)]
    vlan_name: Vec<(u16, String)>,
    /// The sensor's name in every row
    #[arg(long, value_name = "NAME", default_value = "otoscope", value_parser = told::name)]
    sensor: String,
    /// Read only packets that meet this expression, as tcpdump writes them (pcap-filter(7)): `host 10.0.0.5 and tcp`
    #[arg(long = "filter", value_name = "EXPRESSION")]
    pub(super) packet_filter: Option<String>,
    /// Take each path as a site of its own, named as the path is: what stands in different sites is never joined
    #[arg(long, conflicts_with = "site")]
    separate: bool,
    /// Compare with what this lake knows of the site: what is new or has changed since is a finding
    #[arg(long, value_name = "LAKE", conflicts_with = "separate")]
    pub(super) baseline: Option<PathBuf>,
    #[command(flatten)]
    pub(super) logins: Logins,
}

impl Whom {
    /// The job of reading these captures for a site; with `--separate` one job for each path.
    ///
    /// Fails when two sites or two networks have one name.
    pub(super) fn jobs(&self, paths: &[PathBuf], site: &str, credentials: &Credentials) -> Result<Vec<Job>> {
        if !self.separate {
            return Ok(vec![self.job(paths, site, credentials)?]);
        }
        let sites = sites_of(paths)?;
        paths.iter().zip(sites).map(|(path, site)| self.job(std::slice::from_ref(path), &site, credentials)).collect()
    }

    /// The site that was asked for, or that of the lake that is written, or that of the baseline.
    pub(super) fn site(&self, out: Option<&Path>) -> Result<String> {
        self.baseline.as_deref().map_or(Ok(()), paths::lake)?;
        let lakes = [out.filter(|path| Lake::is_lake(path)), self.baseline.as_deref()];
        match (&self.site, lakes.into_iter().flatten().next()) {
            (Some(site), _) => Ok(site.clone()),
            (None, Some(lake)) => Ok(Lake::open(lake)?.site().to_owned()),
            (None, None) => Ok(DEFAULT_SITE.to_owned()),
        }
    }

    /// The job of reading these captures for one site.
    pub(super) fn job(&self, paths: &[PathBuf], site: &str, credentials: &Credentials) -> Result<Job> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
        let workers = self.workers.map_or(cores, usize::from);
        let vlans = match (self.vlan_separate, self.vlan_join) {
            (true, _) => Vlans::Separate,
            (false, true) => Vlans::Joined,
            (false, false) => Vlans::Observed,
        };
        let settings = Settings { workers, vlans, ..Settings::default() }.within(self.memory);
        let names = Names::of(self.vlan_name.iter().cloned()).map_err(WrongUse)?;
        let (site, sensor, filter) = (site.to_owned(), self.sensor.clone(), self.packet_filter.clone());
        let (baseline, credentials) = (self.baseline.clone(), credentials.clone());
        Ok(Job { paths: paths.to_vec(), site, sensor, settings, filter, names, credentials, baseline })
    }
}

/// Sites named as paths are: a folder by its name, a capture by its name without what follows the first dot of its kind.
fn sites_of(paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut sites: Vec<String> = Vec::new();
    for path in paths {
        let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned();
        let site = if path == Path::new("-") { "stdin" } else { stem(&name) };
        if let Some(at) = sites.iter().position(|known| known == site) {
            let [one, other] = [&paths[at], path].map(|path| visible(&path.to_string_lossy()));
            let site = visible(site);
            let what =
                format!("{one} and {other} would both be the site {site}: read them one by one, each with --site");
            return Err(WrongUse(what).into());
        }
        sites.push(site.to_owned());
    }
    Ok(sites)
}

/// A name without the endings that captures and what packs them have.
fn stem(name: &str) -> &str {
    let endings = [".gz", ".zst", ".xz", ".pcap", ".pcapng", ".cap", ".ntar"];
    let shorter = endings.iter().find_map(|ending| name.strip_suffix(ending)).filter(|stem| !stem.is_empty());
    shorter.map_or(name, stem)
}

/// Bytes as people write them: `256M`, `2G`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    const LEAST: usize = 64 << 20;
    let text = text.trim_end_matches("iB").trim_end_matches('B');
    let units = [(['k', 'K'], 10), (['m', 'M'], 20), (['g', 'G'], 30)];
    let unit = units.iter().find_map(|(letters, shift)| Some((text.strip_suffix(letters.as_slice())?, *shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let bytes = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= LEAST => Ok(bytes),
        Some(_) => Err("64M is the least".to_owned()),
        None => Err("a size is a number and K, M or G: 512M".to_owned()),
    }
}

pub(super) fn run(arguments: &Arguments, webhooks: &[Webhook]) -> Result<u8> {
    paths::captures(&arguments.paths)?;
    arguments.out.as_deref().map_or(Ok(()), paths::target)?;
    let site = arguments.whom.site(arguments.out.as_deref())?;
    let begun = Progress::begin(&arguments.paths, arguments.quiet);
    let credentials = arguments.whom.logins.credentials(arguments.out.as_deref())?;
    let jobs = arguments.whom.jobs(&arguments.paths, &site, &credentials)?;
    let prepared: Vec<Prepared> = jobs.into_iter().map(prepare).collect::<Result<_>>()?;
    let start = || Sending::start(webhooks, &arguments.state, &arguments.patience, |_| Ok(()));
    let sending = arguments.webhook.then(start).transpose()?;
    // What cannot be read leaves no lake behind.
    let lake = match &arguments.out {
        Some(path) => Some(Lake::create(path, arguments.whom.site.as_deref())?),
        None => None,
    };
    let mut code = READ;
    for prepared in prepared {
        code = code.max(read(prepared, lake.as_ref(), sending.as_ref(), &begun, arguments)?);
    }
    match sending {
        Some(sending) => Ok(code.max(sending.finish(arguments.quiet)?)),
        None => Ok(code),
    }
}

/// Reads what belongs to one site, writes its rows, and says what there is.
fn read(
    prepared: Prepared,
    lake: Option<&Lake>,
    sending: Option<&Sending>,
    begun: &Progress,
    arguments: &Arguments,
) -> Result<u8> {
    // A run that would count packets twice is refused before it is read; of pipes that shows at their end.
    let sinks = prepared.run().map(|run| sinks(run, lake, arguments)).transpose()?;
    let mut reading = begun.read(prepared);
    // Kept for webhooks first: what finds no room there stands in the tables. What fails there hinders nobody else.
    let told = sending.map_or(Ok(()), |sending| sending.tell(&mut reading));
    let sinks = match sinks {
        Some(sinks) => sinks,
        None => self::sinks(&reading.run, lake, arguments)?,
    };
    let shown = Shown {
        out: arguments.out.as_deref(),
        paths: &arguments.paths,
        fail_on: arguments.fail_on,
        is_quiet: arguments.quiet,
        is_beside: arguments.json,
        names_site: arguments.whom.separate,
    };
    let code = conclude(&reading, sinks, &shown)?;
    told.map(|()| code)
}

/// How the end of a run is shown.
pub(super) struct Shown<'a> {
    /// The lake that was written.
    pub(super) out: Option<&'a Path>,
    /// What was read, as it was typed.
    pub(super) paths: &'a [PathBuf],
    /// From which severity on findings give an exit code of their own.
    pub(super) fail_on: Option<Severity>,
    pub(super) is_quiet: bool,
    /// Standard output is taken: the summary goes to standard error.
    pub(super) is_beside: bool,
    pub(super) names_site: bool,
}

/// The end of a run: rows to those who take them, a summary, an exit code.
pub(super) fn conclude(reading: &Reading, sinks: Vec<Box<dyn Sink>>, shown: &Shown<'_>) -> Result<u8> {
    for mut sink in sinks {
        reading.records.iter().chain(&reading.earlier).try_for_each(|record| sink.record(record))?;
        sink.finish()?;
    }
    if !shown.is_quiet {
        let is_lively = if shown.is_beside { is_lively(&std::io::stderr()) } else { is_lively(&std::io::stdout()) };
        let out: &mut dyn Write =
            if shown.is_beside { &mut std::io::stderr().lock() } else { &mut std::io::stdout().lock() };
        let cannot = "the summary cannot be written";
        if shown.names_site {
            writeln!(out, "site {}:", visible(&reading.run.provenance.site)).context(cannot)?;
        }
        summary::print(reading, shown.out, shown.paths, is_lively, out).context(cannot)?;
    }
    match shown.fail_on.map(|least| (least, found(reading, least))) {
        Some((least, count)) if count > 0 => {
            if !shown.is_quiet {
                let findings = summary::plural(count, "finding");
                say(&format!("--fail-on {}: {findings} as severe as that or more", least.name()));
            }
            Ok(FAIL_ON)
        }
        _ => Ok(exit_code(reading)),
    }
}

/// How many findings are as severe as this, or more.
fn found(reading: &Reading, least: Severity) -> usize {
    let is_found = |record: &&Record| match record {
        Record::Findings(row) => {
            row.is_open() && Severity::named(&row.severity).is_some_and(|severity| severity >= least)
        }
        _ => false,
    };
    reading.records.iter().filter(is_found).count()
}

/// Who takes the rows of a run.
fn sinks(run: &outputs::Run, lake: Option<&Lake>, arguments: &Arguments) -> Result<Vec<Box<dyn Sink>>> {
    let overlap = if arguments.append { Overlap::Append } else { Overlap::Refuse };
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(lake) = lake {
        sinks.push(Box::new(lake.begin(run.clone(), overlap)?));
    }
    if arguments.json {
        sinks.push(Box::new(Lines::new(std::io::stdout().lock(), run.provenance.clone())));
    }
    Ok(sinks)
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
    pub(super) fn read(&self, prepared: Prepared) -> Reading {
        let repeated = prepared.left_out().repeated.iter().map(|path| path.to_string_lossy());
        let repeated: Vec<String> = repeated.map(|path| format!("{path} is named twice; it is read once")).collect();
        let Some(bar) = &self.bar else {
            if !self.is_quiet {
                for line in &repeated {
                    say(line);
                }
                if prepared.captures() > 1 {
                    let captures = summary::plural(prepared.captures(), "capture");
                    say(&format!("{captures}, {} on disk", summary::bytes(prepared.bytes())));
                }
            }
            return prepared.read(&mut |_| {});
        };
        bar.suspend(|| repeated.iter().for_each(|line| say(line)));
        bar.reset();
        bar.set_length(prepared.bytes());
        if let Ok(style) = ProgressStyle::with_template("reading {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        let reading = prepared.read(&mut |done| bar.set_position(done));
        bar.finish_and_clear();
        reading
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
    let LeftOut { compressed, broken, closed, .. } = &reading.left_out;
    let is_left_out = [compressed, broken, closed].iter().any(|paths| !paths.is_empty());
    let is_unread = sum.damaged.packets > 0 || !sum.unread_links.is_empty();
    let is_unjudged = !reading.totals.filter_fails.is_empty();
    let is_off = sum.difference() != (0, 0);
    if is_damaged || is_left_out || is_unread || is_unjudged || is_off { DAMAGED } else { READ }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("256M"), Ok(256 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("134217728"), Ok(128 << 20));
        for wrong in ["", "M", "1M", "-5G", "lots", "99999999999999999999G", "\u{20ac}"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
