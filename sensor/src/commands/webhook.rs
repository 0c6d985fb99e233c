//! `otoscope webhook`: whether receivers hear, what they get, what still waits. And what `read` and `listen` do with them.

use super::told::{self, WrongUse};
use super::{DAMAGED, FAILED, READ, say, summary};
use crate::reading::Reading;
use anyhow::{Context, Result};
use fingerprints::asset::id;
use fingerprints::record::Provenance;
use outputs::event::{self, Event, samples};
use outputs::store::{Status, Store};
use outputs::webhook::{Client, End, Endpoint, Outcome, Request, Settings, WebhookSink, Webhooks};
use outputs::{Sink, did_you_mean, nearest, visible};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where what was told is kept.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct State {
    /// Keep what was told to webhooks, and what has yet to arrive, in this folder
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) state: Option<PathBuf>,
}

/// How long webhooks may take at the end.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Patience {
    /// How long to go on at the end while events have not arrived; with --state what is left is sent the next time
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = told::duration)]
    webhook_wait: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    state: State,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Send one event that means nothing, and say what became of it and whether the clocks agree
    #[command(after_help = "Example: otoscope webhook test soc --config site.toml")]
    Test {
        /// The webhook; all of the settings without it
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Print a sample of an event, for who writes a receiver
    #[command(after_help = "Example: otoscope webhook sample credential.default")]
    Sample {
        /// A type of event, or a kind of finding; without it they are listed
        #[arg(value_name = "KIND")]
        kind: Option<String>,
    },
    /// Print the JSON Schema of events
    #[command(after_help = "Example: otoscope webhook schema > event.json")]
    Schema,
    /// Say what arrived, what waits, and what was given up
    #[command(after_help = "Example: otoscope webhook status --state /var/lib/otoscope")]
    Status {
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Send what waits, until it has arrived
    #[command(after_help = "Example: otoscope webhook sync --state /var/lib/otoscope --config site.toml")]
    Sync {
        #[command(flatten)]
        patience: Patience,
    },
    /// Send what was given up again, under its old ids; one who wanted nothing more is sent to again
    #[command(after_help = "Example: otoscope webhook replay soc --state /var/lib/otoscope --config site.toml")]
    Replay {
        /// The webhook
        #[arg(value_name = "NAME")]
        name: String,
        /// This event alone
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        #[command(flatten)]
        patience: Patience,
    },
}

pub(super) fn run(arguments: &Arguments, webhooks: &[Settings]) -> Result<u8> {
    let state = || {
        let state = arguments.state.state.as_deref();
        state.ok_or_else(|| {
            WrongUse("where is the state? --state DIR names the folder that read or listen wrote".into())
        })
    };
    match &arguments.action {
        Action::Test { name } => test(&chosen(webhooks, name.as_deref())?),
        Action::Sample { kind } => sample(kind.as_deref()),
        Action::Schema => {
            writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&event::schema())?)?;
            Ok(READ)
        }
        Action::Status { json } => status(&existing(state()?)?, *json),
        Action::Sync { patience } => {
            let store = existing(state()?)?;
            let sending = Sending::over(&chosen(webhooks, None)?, store, patience, |_| Ok(()))?;
            sending.finish(false)
        }
        Action::Replay { name, id, patience } => {
            let ours = chosen(webhooks, Some(name))?;
            let store = existing(state()?)?;
            let count = store.replay(name, id.as_deref())?;
            say(&format!("{}: {} again", visible(name), summary::plural(count, "event")));
            Sending::over(&ours, store, patience, |_| Ok(()))?.finish(false)
        }
    }
}

/// The webhooks of the settings, or the one of this name.
fn chosen(webhooks: &[Settings], name: Option<&str>) -> Result<Vec<Settings>> {
    let names = || webhooks.iter().map(|webhook| webhook.name.as_str());
    let ours: Vec<Settings> = webhooks.iter().filter(|it| name.is_none_or(|name| it.name == name)).cloned().collect();
    match (ours.is_empty(), name) {
        (false, _) => Ok(ours),
        (true, Some(name)) if !webhooks.is_empty() => {
            let near = did_you_mean(nearest(name, names()));
            Err(WrongUse(format!(
                "no webhook is called {name}{near}; there is {}",
                names().collect::<Vec<_>>().join(", ")
            ))
            .into())
        }
        (true, _) => Err(WrongUse(
            "the settings have no [[webhook]]; `otoscope config init` shows one, and --config FILE names the file"
                .into(),
        )
        .into()),
    }
}

/// The state of a folder that is one.
fn existing(folder: &Path) -> Result<Store> {
    if !folder.is_dir() {
        let shown = visible(&folder.to_string_lossy());
        return Err(WrongUse(format!("{shown}: no such folder; read --webhook --state makes it")).into());
    }
    opened(Some(folder))
}

fn opened(folder: Option<&Path>) -> Result<Store> {
    let Some(folder) = folder else { return Ok(Store::in_memory()?) };
    let store = Store::open(folder)?;
    if let Some(aside) = store.set_aside() {
        let shown = visible(&aside.to_string_lossy());
        say(&format!(
            "the state was damaged and is now {shown}; what had not arrived is lost with it, and all is told anew"
        ));
    }
    Ok(store)
}

fn sample(kind: Option<&str>) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    let Some(kind) = kind else {
        let width = event::TYPES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, what) in event::TYPES {
            writeln!(out, "{name:<width$}  {what}")?;
        }
        writeln!(out, "\nor a kind of finding; `otoscope explain` lists them")?;
        return Ok(READ);
    };
    let event = event::sample(kind).ok_or_else(|| {
        let all = samples();
        let near = did_you_mean(nearest(kind, all.iter().map(String::as_str)));
        WrongUse(format!("{kind} is no event and no kind of finding{near}; `otoscope webhook sample` lists them"))
    })?;
    writeln!(out, "{}", serde_json::to_string_pretty(&event.numbered(1))?)?;
    Ok(READ)
}

/// Receivers refuse signatures whose time is further from theirs (Standard Webhooks asks for a tolerance; its libraries have
/// five minutes).
const TOLERANCE_SECONDS: i64 = 300;

fn test(webhooks: &[Settings]) -> Result<u8> {
    let mut code = READ;
    for settings in webhooks {
        let client = Client::new(Arc::new(Endpoint::load(settings.clone())?))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut event: Event = event::sample("webhook.test").context("there is a sample of every event")?;
        event.id = id('e', ["webhook.test", &now.as_nanos().to_string()]);
        let body = event.numbered(0).to_string().into_bytes();
        let begun = Instant::now();
        let outcome = client.send(&Request { id: event.id, body, is_batch: false });
        let millis = begun.elapsed().as_millis();
        let (what, date) = match outcome {
            Outcome::Arrived(arrival) => (format!("{} in {millis} ms: it arrives", arrival.status), arrival.date),
            Outcome::Failed(failure) => {
                code = FAILED;
                (format!("it does not arrive: {}", failure.why), failure.date)
            }
            Outcome::Gone => {
                code = FAILED;
                ("410: the receiver wants nothing more".to_owned(), None)
            }
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}: {}", visible(&settings.name), visible(&what))?;
        if let Some(date) = date {
            writeln!(out, "{}: {}", visible(&settings.name), clocks(date, now))?;
        }
    }
    Ok(code)
}

fn clocks(theirs: i64, ours: Duration) -> String {
    let difference = theirs.saturating_sub(i64::try_from(ours.as_secs()).unwrap_or(i64::MAX));
    let by = difference.unsigned_abs();
    let word = if difference < 0 { "behind" } else { "before" };
    match by {
        0..=2 => "its clock and ours agree".to_owned(),
        _ if by < TOLERANCE_SECONDS.unsigned_abs() => {
            format!("its clock is {by} s {word} ours, which is within what receivers bear")
        }
        _ => format!("its clock is {by} s {word} ours: it will refuse what we sign; set one of the two"),
    }
}

fn status(store: &Store, as_json: bool) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    let answers = store.answers()?;
    let mut all = serde_json::Map::new();
    for name in store.endpoints()? {
        let status = store.status(&name)?;
        let (waiting, dead) = store.counts(&name)?;
        if as_json {
            let entry = json!({"status": serde_json::to_value(&status)?, "waiting": waiting, "given_up": dead});
            all.insert(name, entry);
            continue;
        }
        writeln!(out, "{}: {}", visible(&name), fares(&status, waiting, dead))?;
        if !status.why.is_empty() {
            writeln!(out, "  last failure: {}", visible(&status.why))?;
        }
        if let Some(why) = &status.disabled {
            writeln!(out, "  nothing is sent: {}", visible(why))?;
        }
        for (remediation, answer) in answers.iter().filter(|(_, answer)| answer.endpoint == name) {
            let ticket = answer.ticket.as_ref().map(|ticket| format!(", {}", visible(ticket))).unwrap_or_default();
            writeln!(out, "  {} of {}: {}{ticket}", remediation, visible(&answer.finding_id), visible(&answer.state))?;
        }
    }
    if as_json {
        let all = json!({"webhooks": all, "answers": serde_json::to_value(&answers)?});
        writeln!(out, "{}", serde_json::to_string_pretty::<Value>(&all)?)?;
    }
    Ok(READ)
}

fn fares(status: &Status, waiting: usize, dead: usize) -> String {
    let count = |name: &str| status.counts.get(name).copied().unwrap_or_default();
    let refused = count("webhook_refused_full") + count("webhook_refused_disabled");
    let refused = if refused > 0 { format!(", {refused} refused") } else { String::new() };
    format!(
        "{} arrived in {} attempts, {waiting} waiting, {dead} given up{refused}",
        count("delivered"),
        count("attempts")
    )
}

/// The webhooks of a run of `read` or `listen`.
pub(super) struct Sending {
    webhooks: Webhooks,
    wait: Duration,
}

impl Sending {
    /// Starts them. `first` is what their threads do before anything else.
    pub(super) fn start<F>(settings: &[Settings], state: &State, patience: &Patience, first: F) -> Result<Self>
    where
        F: Fn(&Endpoint) -> Result<(), String> + Clone + Send + 'static,
    {
        let settings = chosen(settings, None)?;
        Self::over(&settings, opened(state.state.as_deref())?, patience, first)
    }

    fn over<F>(settings: &[Settings], store: Store, patience: &Patience, first: F) -> Result<Self>
    where
        F: Fn(&Endpoint) -> Result<(), String> + Clone + Send + 'static,
    {
        let endpoints: Vec<Endpoint> = settings.iter().cloned().map(Endpoint::load).collect::<Result<_, _>>()?;
        Ok(Self { webhooks: Webhooks::start(endpoints, store, first)?, wait: patience.webhook_wait })
    }

    /// Takes what is told while a run goes on.
    pub(super) fn sink(&self, provenance: Provenance) -> Result<WebhookSink> {
        Ok(self.webhooks.sink(provenance)?)
    }

    /// Tells what a run found: it is kept, and waits for no network. States of earlier midnights are history, and none of the
    /// receivers' business. What was refused is counted in the health of the run.
    pub(super) fn tell(&self, reading: &mut Reading) -> Result<()> {
        let mut sink = self.sink(reading.run.provenance.clone())?;
        reading.records.iter().try_for_each(|record| sink.record(record))?;
        for (name, count) in sink.end()? {
            reading.refused(name, count);
        }
        Ok(())
    }

    /// Waits until all has arrived, as long as it may take, and says what became of it; gives an exit code.
    pub(super) fn finish(self, is_quiet: bool) -> Result<u8> {
        let is_kept = self.webhooks.store().is_on_disk();
        let ends = self.webhooks.finish(self.wait)?;
        let mut code = READ;
        for (name, end) in &ends {
            let is_whole = end.waiting == 0 && end.status.disabled.is_none();
            if !is_whole {
                code = DAMAGED;
            }
            if !is_quiet || !is_whole {
                say(&format!("webhook {name}: {}", outcome(end, is_kept)));
            }
        }
        Ok(code)
    }
}

fn outcome(end: &End, is_kept: bool) -> String {
    let mut parts =
        vec![format!("{} arrived", summary::plural(usize::try_from(end.arrived).unwrap_or(usize::MAX), "event"))];
    if end.waiting > 0 {
        let fate =
            if is_kept { "kept, and `otoscope webhook sync` sends them" } else { "given up; --state would keep them" };
        parts.push(format!("{} did not ({}): {fate}", end.waiting, end.status.why));
    }
    if end.dead > 0 {
        let fate = if is_kept { "; `otoscope webhook replay` sends them again" } else { "" };
        parts.push(format!("{} were given up{fate}", end.dead));
    }
    if let Some(why) = &end.status.disabled {
        parts.push(why.clone());
    }
    let refused: BTreeMap<&str, u64> = end
        .status
        .counts
        .iter()
        .filter(|(name, _)| name.starts_with("webhook_refused"))
        .map(|(name, count)| (&**name, *count))
        .collect();
    parts.extend(refused.iter().map(|(name, count)| format!("{name} {count}")));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_with_what_follows() {
        let ours = Duration::from_secs(1_000_000);
        assert_eq!(clocks(1_000_001, ours), "its clock and ours agree");
        assert!(clocks(999_900, ours).starts_with("its clock is 100 s behind ours, which"));
        assert!(clocks(1_000_400, ours).contains("400 s before ours: it will refuse"));
    }
}
