//! `otoscope verify`: whether every file of a lake is as it was written.

use super::{DAMAGED, FAILED, READ, paths, say, summary::plural};
use anyhow::Result;
use outputs::{Lake, visible};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The lake
    #[arg(value_name = "LAKE")]
    lake: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    paths::lake(&arguments.lake)?;
    let verdict = Lake::verify(&arguments.lake)?;
    let shown = visible(&arguments.lake.to_string_lossy());
    let mut out = std::io::stdout().lock();
    for problem in &verdict.problems {
        writeln!(out, "{problem}")?;
    }
    for note in &verdict.notes {
        say(&format!("{note}"));
    }
    let [runs, files] = [(verdict.runs, "run"), (verdict.files, "file")].map(|(count, noun)| plural(count, noun));
    let rows = plural(usize::try_from(verdict.rows).unwrap_or(usize::MAX), "row");
    let of = |count: usize, what: &str| {
        if count > 0 { format!("; {} {what}", plural(count, "file")) } else { String::new() }
    };
    let older = of(verdict.older, "of an older schema, which has fewer columns and is read all the same");
    let newer = of(verdict.newer, "of a later schema, checked as far as it is known here: update otoscope");
    let found = match verdict.problems.len() {
        0 => "every file is as it was written".to_owned(),
        count => format!("{} found", plural(count, "fault")),
    };
    writeln!(out, "{shown}: {runs}, {files}, {rows}: {found}{older}{newer}")?;
    Ok(match (verdict.problems.len(), verdict.newer) {
        (0, 0) => READ,
        (0, _) => DAMAGED,
        _ => FAILED,
    })
}
