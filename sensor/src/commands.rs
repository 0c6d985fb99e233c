//! The commands: what is typed, what is said, with which exit code.

mod asset;
mod catalogue;
mod read;
mod summary;
mod table;

use clap::{Parser, Subcommand};
use outputs::{QueryError, visible};
use std::path::Path;
use std::process::ExitCode;

/// All went well.
const READ: u8 = 0;
/// Something failed; nothing can be relied on.
const FAILED: u8 = 1;
/// What was typed is not understood, or asks for what there is not.
const WRONG_USE: u8 = 2;
/// Read, but something was damaged or could not be read; it was said what.
const DAMAGED: u8 = 3;

/// Listens, and never touches: what stands in an industrial, building or camera network, from its captures.
#[derive(Debug, Parser)]
#[command(name = "otoscope", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read captures: who speaks, what they are, who commands them
    Read(read::Arguments),
    /// Devices and what they are
    Assets(table::Arguments),
    /// Why each asset is called what it is
    Claims(table::Arguments),
    /// Who talks to whom: client, server, port, protocol
    Services(table::Arguments),
    /// What was said, summed per operation
    Activity(table::Arguments),
    /// Control actions one by one
    Operations(table::Arguments),
    /// What should be looked at, the worst first
    Findings(table::Arguments),
    /// The captures that were read
    Captures(table::Arguments),
    /// What could be seen, and what could not
    Coverage(table::Arguments),
    /// How the reading itself went
    Health(table::Arguments),
    /// All that is known of one asset
    Asset(asset::Arguments),
    /// The tables and their columns: as text, JSON Schema or SQL
    Schema(catalogue::SchemaArguments),
    /// The properties that dissectors fill and rules match
    Fields(catalogue::ListArguments),
    /// The protocols that are read
    Protocols(catalogue::ListArguments),
}

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    quiet_panics();
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Read(read) => read::run(read),
        Command::Assets(table) => table::run("assets", table),
        Command::Claims(table) => table::run("claims", table),
        Command::Services(table) => table::run("services", table),
        Command::Activity(table) => table::run("activity", table),
        Command::Operations(table) => table::run("operations", table),
        Command::Findings(table) => table::run("findings", table),
        Command::Captures(table) => table::run("captures", table),
        Command::Coverage(table) => table::run("coverage", table),
        Command::Health(table) => table::run("health", table),
        Command::Asset(asset) => asset::run(asset),
        Command::Schema(schema) => catalogue::schema(schema),
        Command::Fields(list) => catalogue::fields(list),
        Command::Protocols(list) => catalogue::protocols(list),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_closed_pipe(&error) => ExitCode::from(READ),
        Err(error) => {
            let said = format!("otoscope: {error:#}");
            said.lines().for_each(|line| eprintln!("{}", visible(line)));
            ExitCode::from(if error.is::<QueryError>() { WRONG_USE } else { FAILED })
        }
    }
}

/// A panic inside a dissector costs its flow. Its place is told, never the data that led to it.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            eprintln!("otoscope: a fault at {place}; please report it");
        }
    }));
}

/// A path to be pasted: in quotes where a shell would read it as something else.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-+:,=@%".contains(letter));
    if is_plain && !path.is_empty() {
        path.into_owned()
    } else {
        format!("'{}'", visible(&path).replace('\'', r"'\''"))
    }
}

/// `otoscope assets LAKE | head` is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
