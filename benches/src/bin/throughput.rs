//! Prints how fast the sensor reads each workload, beside the floor: what this machine can do at the very most.
//!
//! `throughput` builds a workload once, then starts itself anew for each row and hands the capture over, so that a
//! row's memory is its own. In that process the floor and the sensor run by turns over the same bytes.
//!
//! The columns:
//!
//! | column | what it is |
//! |---|---|
//! | `workload`, `workers` | what is read, and by how many worker threads |
//! | `packets`, `B/packet` | frames in the capture, and their mean length |
//! | `Mpackets/s`, `Gbit/s` | by the clock on the wall; bits of frames, from the Ethernet header on |
//! | `ns/packet` | processor time of all threads, user and system, for one packet |
//! | `CPU s` | the same for the whole capture, start-up left out |
//! | `floor ns` | processor time of the floor for one packet |
//! | `x floor` | processor time in floors, the median of neighbouring runs: the figure to compare |
//! | `obs/1000` | observations that lanes handed to the inventory, for 1,000 packets |
//! | `MiB` | resident peak of the whole process during the first pass, less the capture |

use benches::measure::{Figures, measure};
use benches::pipeline;
use benches::workload::{ALL, Workload};
use clap::Parser;
use sensor::source::Bytes;
use std::error::Error;
use std::io::{Read, Write, stdin};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

/// How fast the sensor reads each workload, in floors: what this machine can do with a capture at the very most.
#[derive(Debug, Parser)]
#[command(after_long_help = after_help())]
struct Arguments {
    /// The workload to measure, or `all`.
    #[arg(long, default_value = "all", value_parser = workload_names())]
    workload: String,

    /// How many packets it has; by default as many as the quoted figures are measured with.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    packets: Option<u64>,

    /// Numbers of workers, a row each.
    #[arg(long, default_value = "1,2", value_delimiter = ',')]
    workers: Vec<usize>,

    /// How often the floor and the sensor run by turns; medians are told.
    #[arg(long, default_value_t = 3)]
    runs: usize,

    /// Prints one JSON object per row, with plain units in the names.
    #[arg(long)]
    json: bool,

    /// Measures nothing and saves a workload as a pcap file, for other tools to read the same bytes.
    #[arg(long, num_args = 2, value_names = ["NAME", "FILE"], conflicts_with_all = ["json", "workers", "runs", "workload"])]
    write: Option<Vec<String>>,

    /// In the process of one row: the length of the capture on standard input.
    #[arg(long, hide = true)]
    row: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some([name, file]) = arguments.write.as_deref() {
        return write(name, &PathBuf::from(file), arguments.packets);
    }
    if let Some(length) = arguments.row {
        return row(length, &arguments);
    }
    if !arguments.json {
        println!("{}", heading());
    }
    for workload in ALL.iter().filter(|workload| ["all", workload.name].contains(&arguments.workload.as_str())) {
        let capture = workload.build(arguments.packets.unwrap_or(workload.packets));
        for workers in &arguments.workers {
            in_its_own_process(workload, *workers, &capture, &arguments)?;
        }
    }
    if !arguments.json {
        println!("measured: {}", pipeline::WHAT);
    }
    Ok(())
}

fn write(name: &str, file: &PathBuf, packets: Option<u64>) -> Result<(), Box<dyn Error>> {
    let workload = Workload::named(name).ok_or_else(|| format!("there is no workload named {name}; see --help"))?;
    let capture = workload.build(packets.unwrap_or(workload.packets));
    fs::write(file, capture).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    Ok(())
}

/// Starts this program for one row; the row goes straight to our output.
fn in_its_own_process(
    workload: &Workload,
    workers: usize,
    capture: &[u8],
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--workload", workload.name, "--workers", &workers.to_string()]);
    command.args(["--runs", &arguments.runs.to_string(), "--row", &capture.len().to_string()]);
    command.args(arguments.json.then_some("--json"));
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("the row's process has no input")?.write_all(capture)?;
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("measuring {} with {workers} workers failed: {status}", workload.name).into());
    }
    Ok(())
}

/// The process of one row: it reads the capture, and holds nothing else before the sensor runs.
fn row(length: usize, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut capture = vec![0; length];
    stdin().lock().read_exact(&mut capture)?;
    let workers = *arguments.workers.first().ok_or("a row has a number of workers")?;
    let figures = measure(&Arc::new(Bytes::Held(capture)), workers, arguments.runs)?;
    let line = if arguments.json { json } else { text };
    println!("{}", line(&arguments.workload, workers, &figures));
    Ok(())
}

fn heading() -> String {
    format!(
        "{:<8} {:>7} {:>9} {:>8} {:>10} {:>7} {:>9} {:>7} {:>8} {:>7} {:>8} {:>7}",
        "workload",
        "workers",
        "packets",
        "B/packet",
        "Mpackets/s",
        "Gbit/s",
        "ns/packet",
        "CPU s",
        "floor ns",
        "x floor",
        "obs/1000",
        "MiB"
    )
}

fn text(workload: &str, workers: usize, figures: &Figures) -> String {
    let packets = float(figures.packets);
    let seconds = figures.wall.as_secs_f64();
    format!(
        "{workload:<8} {workers:>7} {:>9} {:>8.0} {:>10.2} {:>7.2} {:>9.1} {:>7.3} {:>8.1} {:>7.2} {:>8.3} {:>7.1}",
        figures.packets,
        float(figures.bytes) / packets,
        packets / seconds / 1e6,
        float(figures.bytes) * 8.0 / seconds / 1e9,
        figures.cpu.as_secs_f64() * 1e9 / packets,
        figures.cpu.as_secs_f64(),
        figures.floor_cpu.as_secs_f64() * 1e9 / packets,
        figures.times_floor,
        float(figures.observations) * 1_000.0 / packets,
        float(figures.memory_bytes) / 1_048_576.0,
    )
}

fn json(workload: &str, workers: usize, figures: &Figures) -> String {
    format!(
        concat!(
            r#"{{"workload":"{}","workers":{},"packets":{},"bytes":{},"wall_seconds":{:.6},"cpu_seconds":{:.6},"#,
            r#""floor_cpu_seconds":{:.6},"times_floor":{:.3},"observations":{},"memory_bytes":{}}}"#
        ),
        workload,
        workers,
        figures.packets,
        figures.bytes,
        figures.wall.as_secs_f64(),
        figures.cpu.as_secs_f64(),
        figures.floor_cpu.as_secs_f64(),
        figures.times_floor,
        figures.observations,
        figures.memory_bytes,
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets and bytes stay far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

fn workload_names() -> Vec<&'static str> {
    ALL.iter().map(|workload| workload.name).chain(["all"]).collect()
}

fn after_help() -> String {
    let line = |workload: &Workload| format!("  {:<8} {}", workload.name, workload.what);
    let workloads = ALL.iter().map(line).collect::<Vec<_>>().join("\n");
    format!("Workloads:\n{workloads}\n\n{COLUMNS}")
}

const COLUMNS: &str = "\
Columns:
  packets, B/packet   frames in the capture, and their mean length
  Mpackets/s, Gbit/s  by the clock on the wall; bits of frames, from the Ethernet header on
  ns/packet           processor time of all threads, user and system, for one packet
  CPU s               the same for the whole capture, start-up left out
  floor ns            processor time of the floor for one packet
  x floor             processor time in floors, median of neighbouring runs: compare these
  obs/1000            observations that lanes handed to the inventory, for 1,000 packets
  MiB                 resident peak of the process in the first pass, less the capture

A run repeats its capture until a second is full. The floor is one thread, whatever the number of workers: the bytes \
walked, headers decoded at fixed offsets, one look-up and tally a packet in a hash table of flows.";
