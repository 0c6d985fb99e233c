//! `otoscope man`: the manual, one page for each command.

use super::{READ, command};
use anyhow::{Context, Result};
use clap_mangen::Man;
use outputs::visible;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write the pages of all commands into this folder, which is made [default: the main page, to standard output]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        Man::new(command()).render(&mut page)?;
        std::io::stdout().lock().write_all(&page)?;
        return Ok(READ);
    };
    let shown = visible(&folder.to_string_lossy());
    std::fs::create_dir_all(folder).with_context(|| shown.clone())?;
    let mut root = command();
    root.build();
    let pages = write(&root, folder).with_context(|| shown.clone())?;
    writeln!(std::io::stdout().lock(), "{shown}: {pages} pages; `man -l {shown}/otoscope.1` shows the first")?;
    Ok(READ)
}

/// Writes the page of a command and those of the commands below it; tells how many that were.
fn write(command: &clap::Command, folder: &std::path::Path) -> std::io::Result<usize> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let name = command.get_display_name().unwrap_or(command.get_name());
    std::fs::write(folder.join(format!("{name}.1")), page)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.map(|below| write(below, folder)).sum::<std::io::Result<usize>>().map(|pages| pages + 1)
}
