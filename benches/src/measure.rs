//! One row of figures: the sensor and the floor by turns over the same bytes, in one process.

use crate::pipeline::{Pipeline, Told};
use crate::{capture::Frames, floor};
use sensor::source::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

/// What one workload costs with one number of workers.
///
/// Each time is that of one pass over the capture, the median of several runs.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Frames in the capture.
    pub packets: u64,
    /// Bytes of these frames, without the capture's own headers.
    pub bytes: u64,
    /// How long the sensor took.
    pub wall: Duration,
    /// Processor time of all its threads, user and system.
    pub cpu: Duration,
    /// Processor time of the floor.
    pub floor_cpu: Duration,
    /// The median of the ratios of neighbouring runs: the machine's drift cancels out.
    pub times_floor: f64,
    /// Observations of one pass.
    pub observations: u64,
    /// The process's resident peak after the first pass (nothing else has run before), less the capture.
    pub memory_bytes: u64,
}

/// Measures one row. For the memory to be true, `capture` must be all that this process has ever held.
///
/// # Panics
///
/// When the sensor or the floor has not read every packet: such figures would mean nothing.
pub fn measure(capture: &Arc<Bytes>, workers: usize, runs: usize) -> io::Result<Figures> {
    let pipeline = Pipeline::new(workers);
    let told = pipeline.read(capture);
    let memory_bytes = peak_bytes()?.saturating_sub(capture.len() as u64);
    let counted = floor::run(capture);
    assert_eq!((told.packets, counted.packets), (counted.packets, Frames::of(capture).count() as u64));

    let (mut sensor_runs, mut floor_runs) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        floor_runs.push(cost(|| floor::run(capture), counted)?);
        sensor_runs.push(cost(|| pipeline.read(capture), told)?);
    }
    let ratios = sensor_runs.iter().zip(&floor_runs).map(|(sensor, floor)| sensor.cpu.div_duration_f64(floor.cpu));
    let Told { packets, observations } = told;
    Ok(Figures {
        packets,
        bytes: counted.bytes,
        wall: median(sensor_runs.iter().map(|run| run.wall), Duration::cmp),
        cpu: median(sensor_runs.iter().map(|run| run.cpu), Duration::cmp),
        floor_cpu: median(floor_runs.iter().map(|run| run.cpu), Duration::cmp),
        times_floor: median(ratios, f64::total_cmp),
        observations,
        memory_bytes,
    })
}

/// What one pass costs.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// The mean of as many passes as fill `SHORTEST_RUN`. Each must give what the first gave.
fn cost<T: PartialEq + Copy>(mut pass: impl FnMut() -> T, expected: T) -> io::Result<Cost> {
    let (start, cpu_before) = (Instant::now(), cpu_time()?);
    let mut passes = 0;
    while passes == 0 || start.elapsed() < SHORTEST_RUN {
        assert!(pass() == expected, "each pass over the same capture gives the same");
        passes += 1;
    }
    let (wall, cpu) = (start.elapsed(), cpu_time()?.saturating_sub(cpu_before));
    Ok(Cost { wall: wall / passes, cpu: cpu / passes })
}

/// The middle one; of an even number the higher of the two in the middle.
fn median<T: Copy>(values: impl Iterator<Item = T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    let mut sorted = values.collect::<Vec<_>>();
    sorted.sort_by(order);
    sorted[sorted.len() / 2]
}

/// User and system time of all threads of this process, ended ones too (`proc_pid_stat`(5)), in steps of 10 ms.
fn cpu_time() -> io::Result<Duration> {
    const AFTER_NAME_USER: usize = 11;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name may hold spaces and brackets; it ends with the last bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(AFTER_NAME_USER).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>().map_err(io::Error::other)?;
    Ok(Duration::from_millis(ticks * 10))
}

/// The most memory that was ever resident (`proc_pid_status`(5)).
fn peak_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let kibibytes = peak.ok_or_else(|| io::Error::other("no VmHWM in /proc/self/status"))?;
    Ok(kibibytes.parse::<u64>().map_err(io::Error::other)? * 1_024)
}

/// Long enough that the clock's step is a percent.
const SHORTEST_RUN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3, 1, 2].into_iter(), i32::cmp), 2);
        assert_eq!(median([7].into_iter(), i32::cmp), 7);
    }

    #[test]
    fn time_and_memory_of_this_process_can_be_read() {
        let before = cpu_time().expect("Linux tells it");
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
        assert!(cpu_time().expect("Linux tells it") > before);
        assert!(peak_bytes().expect("Linux tells it") > 1 << 20);
    }
}
