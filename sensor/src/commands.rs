//! The commands: what is typed, what is said, with which exit code.

mod asset;
mod by_mac;
mod catalogue;
mod completions;
mod config;
mod diff;
mod explain;
mod extract;
mod finding;
#[cfg(target_os = "linux")]
mod interfaces;
#[cfg(target_os = "linux")]
mod listen;
#[cfg(target_os = "linux")]
mod live;
mod logins;
mod man;
mod paths;
mod read;
mod summary;
mod table;
mod terminal;
mod told;
mod verify;
mod webhook;

pub(crate) use told::refusal;

use crate::config::Config;
use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use outputs::visible;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// All went well.
const READ: u8 = 0;
/// Something failed; nothing can be relied on.
const FAILED: u8 = 1;
/// What was typed is not understood, or asks for what there is not.
const WRONG_USE: u8 = 2;
/// Read, but something was damaged or could not be read; it was said what.
const DAMAGED: u8 = 3;
/// Read, and what was found is as bad as `--fail-on` names; it goes before [`DAMAGED`].
const FAIL_ON: u8 = 4;
/// What was listened to has gone away for good (`EX_TEMPFAIL` of sysexits.h): whoever started it may start it again.
#[cfg(target_os = "linux")]
const GONE: u8 = 75;

/// Listens, and never touches: what stands in an industrial, building or camera network, from its captures.
#[derive(Debug, Parser)]
#[command(name = "otoscope", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Example: otoscope read site.pcapng
or: otoscope read captures/ --out lake
or: otoscope findings lake

Exit codes: 0 read, 1 failed, 2 wrong use, 3 read but something was damaged or could not be read, 4 --fail-on met,\n75 all interfaces that were listened to have gone";

const CONFIG_HELP: &str =
    "Take settings from this TOML file; what is typed goes before it [environment: OTOSCOPE_CONFIG]";

#[derive(Debug, Subcommand)]
enum Command {
    /// Read captures: who speaks, what they are, who commands them
    #[command(after_help = "Example: otoscope read site.pcapng --out lake")]
    Read(read::Arguments),
    /// Listen to interfaces: the same of what comes in at a SPAN or TAP port, until stopped
    #[cfg(target_os = "linux")]
    #[command(after_help = "Example: otoscope listen -i eth1 --for 30m --out lake")]
    Listen(listen::Arguments),
    /// What can be listened to, and what each port shows: a mirror, one direction of it, or none
    #[cfg(target_os = "linux")]
    #[command(after_help = "Example: otoscope interfaces\nor: otoscope interfaces eth1 eth2 --for 30s")]
    Interfaces(interfaces::Arguments),
    /// Devices and what they are
    #[command(
        after_help = "Example: otoscope assets lake --where 'vendor = Siemens and firmware != null' --columns name,ips,firmware"
    )]
    Assets(table::Arguments),
    /// Why each asset is called what it is
    #[command(after_help = "Example: otoscope claims lake --where 'attribute = firmware' --sort -confidence")]
    Claims(table::Arguments),
    /// Who talks to whom: client, server, port, protocol
    #[command(after_help = "Example: otoscope services lake --where 'protocol = modbus'")]
    Services(table::Arguments),
    /// What was said, summed per operation
    #[command(after_help = "Example: otoscope activity lake --where 'is_control = true' --format csv > control.csv")]
    Activity(table::Arguments),
    /// Control actions one by one
    #[command(after_help = "Example: otoscope operations lake --where 'category = write' --sort -time --limit 20")]
    Operations(table::Arguments),
    /// Logins: who, how, with what outcome, and what the password is worth; never the password
    #[command(after_help = "Example: otoscope credentials lake --where 'strength = default and outcome = accepted'")]
    Credentials(table::Arguments),
    /// Certificates that devices showed
    #[command(after_help = "Example: otoscope certificates lake --where 'self_signed = true' --sort not_after")]
    Certificates(table::Arguments),
    /// What should be looked at, the worst first
    #[command(after_help = "Example: otoscope findings lake --where 'severity = high or severity = critical'")]
    Findings(table::Arguments),
    /// The captures that were read
    #[command(after_help = "Example: otoscope captures lake --where 'damage != null'")]
    Captures(table::Arguments),
    /// What could be seen, and what could not
    #[command(after_help = "Example: otoscope coverage lake --where 'state != two_way'")]
    Coverage(table::Arguments),
    /// How the reading itself went
    #[command(after_help = "Example: otoscope health lake --format json")]
    Health(table::Arguments),
    /// All that is known of one asset
    #[command(after_help = "Example: otoscope asset 10.20.0.110 lake --why")]
    Asset(asset::Arguments),
    /// All that is known of one finding, and what to do about it
    #[command(after_help = "Example: otoscope finding f-3c1a lake")]
    Finding(finding::Arguments),
    /// What is different between two lakes or captures: assets, firmware, findings, relations
    #[command(after_help = "Example: otoscope diff lake-of-may lake-of-june --fail-on high")]
    Diff(diff::Arguments),
    /// What a kind of finding means, when it is raised, what to do, and what proves the cure
    #[command(after_help = "Example: otoscope explain control.stop")]
    Explain(explain::Arguments),
    /// The packets that prove a finding, as a capture of their own
    #[command(after_help = "Example: otoscope extract f-3c1a --from captures -o proof.pcapng")]
    Extract(extract::Arguments),
    /// The tables and their columns: as text, JSON Schema or SQL
    #[command(after_help = "Example: otoscope schema --sql duckdb --lake lake > views.sql")]
    Schema(catalogue::SchemaArguments),
    /// The properties that dissectors fill and rules match
    #[command(after_help = "Example: otoscope fields --json")]
    Fields(catalogue::ListArguments),
    /// The protocols that are read
    #[command(after_help = "Example: otoscope protocols")]
    Protocols(catalogue::ListArguments),
    /// Say whether every file of a lake is as it was written, and what mends it
    #[command(after_help = "Example: otoscope verify lake")]
    Verify(verify::Arguments),
    /// Try webhooks, see what they get, send what waits
    Webhook(webhook::Arguments),
    /// Check, show or begin a file of settings
    Config(config::Arguments),
    /// Print what a shell needs to complete commands and options
    #[command(after_help = "Example: otoscope completions bash > /etc/bash_completion.d/otoscope")]
    Completions(completions::Arguments),
    /// Print the manual, or write a page for each command
    #[command(after_help = "Example: otoscope man /usr/local/share/man/man1")]
    Man(man::Arguments),
}

/// All commands, as they are typed.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    quiet_panics();
    let code = arguments().and_then(|(arguments, webhooks)| {
        let code = carry_out(&arguments, &webhooks)?;
        std::io::stdout().flush()?;
        Ok(code)
    });
    ExitCode::from(code.unwrap_or_else(|error| told::failure(&error)))
}

/// What was typed, completed from the file of settings, and the webhooks that stand there.
fn arguments() -> Result<(Arguments, Vec<outputs::webhook::Settings>)> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let root = command();
    let Some(path) = crate::config::named(&root, &typed) else {
        return Ok((Arguments::try_parse_from(typed)?, Vec::new()));
    };
    let config = Config::load(&root, &path)?;
    let arguments = Arguments::try_parse_from(config.complete(&root, &typed))?;
    Ok((arguments, config.webhooks.into_iter().map(|webhook| webhook.settings).collect()))
}

fn carry_out(arguments: &Arguments, webhooks: &[outputs::webhook::Settings]) -> Result<u8> {
    match &arguments.command {
        Command::Read(read) => read::run(read, webhooks),
        #[cfg(target_os = "linux")]
        Command::Listen(listen) => listen::run(listen, webhooks),
        #[cfg(target_os = "linux")]
        Command::Interfaces(interfaces) => interfaces::run(interfaces),
        Command::Assets(table) => table::run("assets", table),
        Command::Claims(table) => table::run("claims", table),
        Command::Services(table) => table::run("services", table),
        Command::Activity(table) => table::run("activity", table),
        Command::Operations(table) => table::run("operations", table),
        Command::Credentials(table) => table::run("credentials", table),
        Command::Certificates(table) => table::run("certificates", table),
        Command::Findings(table) => table::run("findings", table),
        Command::Captures(table) => table::run("captures", table),
        Command::Coverage(table) => table::run("coverage", table),
        Command::Health(table) => table::run("health", table),
        Command::Asset(asset) => asset::run(asset),
        Command::Finding(finding) => finding::run(finding),
        Command::Diff(diff) => diff::run(diff),
        Command::Explain(explain) => explain::run(explain),
        Command::Extract(extract) => extract::run(extract),
        Command::Schema(schema) => catalogue::schema(schema),
        Command::Fields(list) => catalogue::fields(list),
        Command::Protocols(list) => catalogue::protocols(list),
        Command::Verify(lake) => verify::run(lake),
        Command::Webhook(webhook) => webhook::run(webhook, webhooks),
        Command::Config(config) => config::run(config, arguments.config.as_deref()),
        Command::Completions(completions) => completions::run(completions),
        Command::Man(man) => man::run(man),
    }
}

/// A panic inside a dissector costs its flow. Its place is told, never the data that led to it.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            say(&format!("otoscope: a fault at {place}; please report it"));
        }
    }));
}

/// Says something beside what was asked for. That nobody listens is no fault: `otoscope ... 2>&1 | head` ends quietly.
fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = text.lines().try_for_each(|line| writeln!(stderr, "{}", visible(line)));
}

/// A path to be pasted into a shell: in quotes where it would be read as something else. Bytes that could move a terminal
/// are written as bash, zsh and ksh read them.
pub(crate) fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    // What begins like an option is none behind its folder.
    let front = if bytes.first() == Some(&b'-') { "./" } else { "" };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:,=@%".contains(letter);
    match path.to_str() {
        Some(text) if visible(text) != text => escaped(front, bytes),
        None => escaped(front, bytes),
        Some(text) if text.chars().all(plain) && !text.is_empty() && !text.starts_with('=') => format!("{front}{text}"),
        Some(text) => format!("'{front}{}'", text.replace('\'', r"'\''")),
    }
}

fn escaped(front: &str, bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    // Two digits are all that a shell reads: what follows them is a letter of its own.
    format!("$'{front}{}'", bytes.iter().map(letter).collect::<String>())
}
