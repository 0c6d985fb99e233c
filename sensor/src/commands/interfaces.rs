//! `otoscope interfaces`: what can be listened to, and what some seconds of it show of the port. `listen` says the same of
//! its ports when it has begun.

use super::finding::wrapped;
use super::listen::stopped_by_signals;
use super::table::Printed;
use super::{DAMAGED, READ, catalogue, say, summary, table, told};
use crate::confine::confine;
use crate::source::live::{Interface, Seen, Watch, Watched, interfaces};
use anyhow::{Context, Result, anyhow};
use outputs::schema::Column;
use outputs::{Cell, Format, Grain, Kind, Row, Rows, Table, visible};
use std::io::Write;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// These interfaces alone; without one all are listed, and those that are up are watched
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How long they are watched, all at the same time: 5s, 1m
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = told::duration)]
    duration: Duration,
    /// How the rows are printed
    #[arg(long, value_enum, default_value = "table")]
    format: Printed,
}

/// How long `listen` watches its ports before it says what they are.
const AT_THE_START: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let ports = ports(&arguments.names);
    let watched: Vec<String> = ports.iter().filter(|port| port.is_watched).map(|port| port.name.clone()).collect();
    let watch = Watch::open(&watched);
    let stop = stopped_by_signals()?;
    // From here on only what is open is read.
    for what in &confine(&[], &watch.descriptors()).context("the program cannot be confined")? {
        say(what);
    }
    if !watch.descriptors().is_empty() {
        let seconds = arguments.duration.as_secs();
        say(&format!("watching {} for {seconds} s, or until Ctrl-C; nothing is sent", watched.join(", ")));
    }
    let lines = lines(ports, watch.run(arguments.duration, &stop));
    print(&lines, arguments.format)?;
    let errors: Vec<&String> = lines.iter().filter_map(Line::error).collect();
    match errors.first() {
        None => Ok(READ),
        Some(_) if errors.len() < watched.len() => Ok(DAMAGED),
        Some(first) => Err(anyhow!("no interface can be listened to: {first}")),
    }
}

/// An interface, and whether it is watched.
struct Port {
    name: String,
    /// What the system says of it; nothing of one that it does not know.
    interface: Option<Interface>,
    is_watched: bool,
}

/// Those that are asked for, each once; or else all.
fn ports(names: &[String]) -> Vec<Port> {
    let known = interfaces();
    if names.is_empty() {
        let port = |interface: Interface| Port {
            name: interface.name.clone(),
            is_watched: interface.is_up && !interface.is_loopback,
            interface: Some(interface),
        };
        return known.into_iter().map(port).collect();
    }
    let mut ports: Vec<Port> = Vec::new();
    for name in names {
        if ports.iter().all(|port| port.name != *name) {
            let interface = known.iter().find(|interface| interface.name == *name).cloned();
            // One that is not known is asked for all the same: what is wrong is then said.
            let is_watched = interface.as_ref().is_none_or(|interface| interface.is_up);
            ports.push(Port { name: name.clone(), interface, is_watched });
        }
    }
    ports
}

/// What is told of an interface.
struct Line {
    port: Port,
    /// What was seen, or why it could not be watched; of one that was watched.
    seen: Option<Result<Seen, String>>,
}

fn lines(ports: Vec<Port>, watched: Vec<Watched>) -> Vec<Line> {
    let mut watched = watched.into_iter();
    let line = |port: Port| {
        let seen = if port.is_watched { watched.next() } else { None };
        Line { port, seen: seen.map(|watched| watched.seen) }
    };
    ports.into_iter().map(line).collect()
}

impl Line {
    fn state(&self) -> &'static str {
        match &self.port.interface {
            None => "unknown",
            Some(interface) if interface.is_loopback => "loopback",
            Some(interface) if !interface.is_up => "down",
            Some(interface) if !interface.is_running => "not connected",
            Some(_) => "up",
        }
    }

    fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()?.as_ref().ok()
    }

    fn error(&self) -> Option<&String> {
        self.seen.as_ref()?.as_ref().err()
    }

    /// On what the verdict rests.
    fn why(&self) -> Option<String> {
        let seen = self.seen()?;
        let missed = match seen.missed {
            0 => String::new(),
            missed => format!("; {missed} packets more came too fast to be looked at"),
        };
        Some(format!("{}{missed}", seen.judgement.why))
    }

    /// What helps.
    fn help(&self) -> Option<String> {
        match (&self.seen, self.state()) {
            (Some(Err(error)), _) => Some(error.clone()),
            (_, "down") => Some(format!("bring it up: ip link set {} up", self.port.name)),
            (_, "loopback") => None,
            (Some(_), "not connected") => Some("plug the cable in, or switch on what is at its other end".to_owned()),
            _ => Some(self.seen()?.judgement.help?.to_owned()),
        }
    }
}

/// What programs get: one row for each interface.
static INTERFACES: Table = Table {
    name: "interfaces",
    doc: "What can be listened to, and what some seconds of it show.",
    grain: Grain::Log,
    key: &["interface"],
    bloom: &[],
    shown: &["interface", "state", "verdict"],
    ranked: None,
    columns: &[
        column("interface", Kind::Text, false, "Its name."),
        column("state", Kind::Text, false, "up, not connected, down, loopback, or unknown."),
        column("addresses", Kind::List(&Kind::Text), false, "Its addresses on this machine."),
        column("link_type", Kind::Text, true, "How its frames begin, with the number of pcap."),
        column("packets_per_second", Kind::Double, true, "Packets that were seen, those of this machine too."),
        column("bytes_per_second", Kind::Int64, true, "Their bytes."),
        column("vlans", Kind::List(&Kind::Int32), true, "VLANs that frames came from."),
        column("verdict", Kind::Text, true, "silent, own_only, one_way, tags_stripped, mirrored or too_little."),
        column("why", Kind::Text, true, "On what the verdict rests."),
        column("help", Kind::Text, true, "What helps, where something is wrong."),
    ],
};

const fn column(name: &'static str, kind: Kind, nullable: bool, doc: &'static str) -> Column {
    Column { name, kind, nullable, doc, since: 1 }
}

impl Line {
    fn row(&self) -> Row {
        let text = |text: &str| Cell::Text(text.to_owned());
        let of_seen = |cell: fn(&Seen) -> Cell| self.seen().map_or(Cell::Null, cell);
        let addresses = self.port.interface.iter().flat_map(|interface| &interface.addresses);
        vec![
            text(&self.port.name),
            text(self.state()),
            Cell::List(addresses.map(|address| text(address)).collect()),
            of_seen(|seen| Cell::Text(seen.link_type.to_string())),
            of_seen(|seen| Cell::Double(seen.packets_per_second)),
            of_seen(|seen| Cell::Int(i64::try_from(seen.bytes_per_second).unwrap_or(i64::MAX))),
            of_seen(|seen| Cell::List(seen.vlans.iter().map(|vlan| Cell::Int((*vlan).into())).collect())),
            of_seen(|seen| Cell::Text(seen.judgement.verdict.name().to_owned())),
            self.why().map_or(Cell::Null, Cell::Text),
            self.help().map_or(Cell::Null, Cell::Text),
        ]
    }

    fn cells(&self) -> [String; 6] {
        let of_seen = |text: &dyn Fn(&Seen) -> String| self.seen().map_or_else(|| "-".to_owned(), text);
        let verdict = if self.error().is_some() {
            "not watched".to_owned()
        } else {
            of_seen(&|seen| seen.judgement.verdict.to_string())
        };
        [
            visible(&self.port.name),
            self.state().to_owned(),
            of_seen(&|seen| seen.link_type.to_string()),
            of_seen(&|seen| seen.packets_per_second.to_string()),
            of_seen(&|seen| summary::bytes(seen.bytes_per_second)),
            verdict,
        ]
    }
}

fn print(lines: &[Line], format: Printed) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let format = match format {
        Printed::Table => {
            let names = ["interface", "state", "link type", "packets/s", "bytes/s", "verdict"];
            let rows: Vec<[String; 6]> = lines.iter().map(Line::cells).collect();
            let rows = catalogue::aligned(names, &rows);
            let (head, rows) = rows.split_first().context("a table has a head")?;
            writeln!(out, "{head}")?;
            for (line, row) in lines.iter().zip(rows) {
                writeln!(out, "{row}")?;
                for text in sentence(line.why(), line.help()).iter().flat_map(|text| wrapped(text)) {
                    writeln!(out, "  {text}")?;
                }
            }
            return Ok(());
        }
        Printed::Json => Format::Json,
        Printed::Csv => Format::Csv(table::audience()),
    };
    let rows = Rows { table: &INTERFACES, rows: lines.iter().map(Line::row).collect() };
    outputs::print(&rows, None, format, &mut out)?;
    Ok(())
}

/// Why, and what helps.
fn sentence(why: Option<String>, help: Option<String>) -> Option<String> {
    let parts: Vec<String> = why.into_iter().chain(help).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Ports of `listen`, which says what they are as soon as that can be known.
pub(super) struct Opening(Watch);

/// It is being found out.
pub(super) struct Judging(JoinHandle<()>);

impl Opening {
    /// Opens the ports once more, before the program is confined.
    pub(super) fn open(names: &[String]) -> Self {
        Self(Watch::open(names))
    }

    /// Those that are open.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.0.descriptors()
    }

    /// Watches them, on a thread of its own, for as long as is listened but no longer than some seconds, and says what they
    /// are. Who wants to hear little hears what is wrong.
    pub(super) fn say(self, listened: Option<Duration>, stop: &Arc<AtomicBool>, is_quiet: bool) -> Result<Judging> {
        let stop = Arc::clone(stop);
        let duration = listened.unwrap_or(AT_THE_START).min(AT_THE_START);
        let judge = move || {
            for watched in self.0.run(duration, &stop) {
                tell(&watched, is_quiet);
            }
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(judge);
        Ok(Judging(thread.context("the ports cannot be watched")?))
    }
}

impl Judging {
    /// Waits until it is said.
    pub(super) fn end(self) {
        // A panic there has said its place already, and what was listened to is whole.
        let _ = self.0.join();
    }
}

fn tell(watched: &Watched, is_quiet: bool) {
    match &watched.seen {
        Ok(Seen { judgement, .. }) if judgement.verdict.is_wrong() || !is_quiet => {
            let sentence = sentence(Some(judgement.why.clone()), judgement.help.map(str::to_owned));
            say(&format!("{}: {}: {}", watched.name, judgement.verdict, sentence.unwrap_or_default()));
        }
        Ok(_) => {}
        Err(error) => say(&format!("what the port is cannot be said: {error}")),
    }
}
