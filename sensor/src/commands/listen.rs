//! `otoscope listen`: what comes in at a port of this machine, and never a frame out.

use super::interfaces::Opening;
use super::live::Live;
use super::read::{Shown, Whom, conclude, severity};
use super::told::{self, WrongUse};
use super::webhook::{Patience, Sending, State};
use super::{GONE, READ, paths, say};
use crate::confine::{Reach, confine, confine_sender};
use crate::pipeline;
use crate::reading::{Job, prepare_found};
use crate::source::live::{Listening, Tap};
use crate::source::{Found, Input};
use anyhow::{Context, Result};
use fingerprints::finding::Severity;
use outputs::webhook::Settings;
use outputs::{Lake, Overlap, Sink};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The interface to listen to, a SPAN or TAP port; several are listened to as one (`otoscope interfaces` lists them)
    #[arg(long = "interface", short, value_name = "NAME", required = true)]
    interfaces: Vec<String>,
    /// How long: 90s, 30m, 2h; until Ctrl-C or SIGTERM without it
    #[arg(long = "for", value_name = "TIME", value_parser = told::duration)]
    duration: Option<Duration>,
    /// Keep all packets in this pcapng file too; evidence then names its frames
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write the tables as Parquet into this lake, at the end
    #[arg(long, value_name = "LAKE")]
    out: Option<PathBuf>,
    /// What the kernel holds of each interface until it is read
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = super::read::size)]
    ring: usize,
    /// As many bytes of each frame are taken
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(i32).range(64..=262_144))]
    snaplen: i32,
    /// End with exit code 4 if something is found that is as severe as this, or more
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    fail_on: Option<Severity>,
    /// Print no summary, only what goes wrong; the exit code tells the rest
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    pub(super) whom: Whom,
}

pub(super) fn run(arguments: &Arguments, webhooks: &[Settings]) -> Result<u8> {
    arguments.out.as_deref().map_or(Ok(()), paths::target)?;
    if let Some(path) = arguments.write.as_ref().filter(|path| path.exists()) {
        return Err(WrongUse(format!("--write {}: the file exists; name another, or move it", path.display())).into());
    }
    let site = arguments.whom.site(arguments.out.as_deref())?;
    let credentials = arguments.whom.logins.credentials(arguments.out.as_deref())?;
    let stop = stopped_by_signals()?;
    let tap = Tap::open(&Listening {
        interfaces: arguments.interfaces.clone(),
        filter: arguments.whom.packet_filter.clone(),
        duration: arguments.duration,
        ring_bytes: i32::try_from(arguments.ring).unwrap_or(i32::MAX),
        snaplen: arguments.snaplen,
        write: arguments.write.clone(),
        stop: Arc::clone(&stop),
    })?;
    let opening = Opening::open(&arguments.interfaces);
    let ports = [tap.descriptors(), opening.descriptors()].concat();
    let lake = arguments.out.as_ref().map(|path| Lake::create(path, arguments.whom.site.as_deref())).transpose()?;
    // Who sends is confined otherwise than the rest, and so is started before it.
    let sending = match webhooks {
        [] => None,
        webhooks => Some(send(webhooks, arguments, &ports)?),
    };
    // From here on only what is open is read, and only the lake and the state are written.
    let state = arguments.state.state.iter().filter(|_| sending.is_some());
    let writable: Vec<PathBuf> = arguments.out.iter().chain(state).cloned().collect();
    let missing = confine(&writable, &ports).context("the program cannot be confined")?;
    for what in &missing {
        say(what);
    }
    if !arguments.quiet {
        let until = arguments.duration.map_or_else(
            || "until Ctrl-C".to_owned(),
            |duration| format!("for {} s, or until Ctrl-C", duration.as_secs()),
        );
        let told = if sending.is_some() { "nothing is sent there" } else { "nothing is sent" };
        say(&format!("listening to {}, {until}; {told}", arguments.interfaces.join(", ")));
    }
    let opening = opening.say(arguments.duration, &stop, arguments.quiet)?;
    let name =
        arguments.write.as_ref().map_or_else(|| arguments.interfaces.join("+"), |path| path.display().to_string());
    let inputs = vec![Input::live(&name, tap.clone())];
    let job = arguments.whom.job(&[PathBuf::from(&name)], &site, &credentials)?;
    let settings = pipeline::Settings { live: Some(ALL_IS_TOLD), ..job.settings };
    let prepared = prepare_found(Job { settings, ..job }, Found { inputs, ..Found::default() })?;
    let sink =
        sending.as_ref().zip(prepared.provenance()).map(|(sending, who)| sending.sink(who.clone())).transpose()?;
    // What is kept as a file may be read again, and takes the place of this run as a whole.
    let hours = lake.as_ref().filter(|_| arguments.write.is_none());
    let mut live = Live::new(sink, hours, arguments.quiet);
    let mut reading = prepared.follow(&mut |_| {}, &mut live);
    let (refused, written) = live.finish();
    for (name, count) in refused {
        reading.refused(name, count);
    }
    let told = sending.as_ref().map_or(Ok(()), |sending| sending.tell(&mut reading));
    opening.end();
    for what in tap.gone() {
        say(&what);
    }
    let sinks: Vec<Box<dyn Sink>> = match &lake {
        Some(lake) => vec![Box::new(lake.begin(reading.run.clone(), Overlap::Refuse)?)],
        None => Vec::new(),
    };
    // What is not kept cannot be asked again.
    let kept: Vec<PathBuf> = arguments.write.iter().cloned().collect();
    let shown = Shown {
        out: arguments.out.as_deref(),
        paths: &kept,
        fail_on: arguments.fail_on,
        is_quiet: arguments.quiet,
        is_beside: false,
        names_site: false,
    };
    let mut code = conclude(&reading, sinks, &shown)?;
    written?;
    if let Some(sending) = sending {
        told?;
        code = code.max(sending.finish(arguments.quiet)?);
    }
    // All interfaces are gone for good: whoever started it may start it again.
    let is_cut = !stop.load(Ordering::Relaxed) && tap.is_dead();
    Ok(if code == READ && is_cut { GONE } else { code })
}

/// How much was sent and said is told as often as this; what is said for the first time, at once.
const ALL_IS_TOLD: Duration = Duration::from_mins(1);

/// What is set when the program is asked to end: by the first signal; a second one ends it at once.
pub(super) fn stopped_by_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop)).context("signals cannot be heard")?;
        flag::register(signal, Arc::clone(&stop)).context("signals cannot be heard")?;
    }
    Ok(stop)
}

/// Starts the webhooks; each of their threads may reach its endpoint and nothing else, and no port that is listened to.
fn send(webhooks: &[Settings], arguments: &Arguments, ports: &[RawFd]) -> Result<Sending> {
    let (state, ports) = (arguments.state.state.clone(), ports.to_vec());
    Sending::start(webhooks, &arguments.state, &arguments.patience, move |endpoint| {
        let writable: Vec<PathBuf> = state.iter().cloned().collect();
        let reach = Reach { port: endpoint.port(), is_named: endpoint.is_named() };
        let missing = confine_sender(&writable, &ports, reach).map_err(|error| error.to_string())?;
        for what in &missing {
            say(&format!("webhook {}: {what}", endpoint.name()));
        }
        Ok(())
    })
}
