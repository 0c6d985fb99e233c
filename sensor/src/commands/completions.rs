//! `otoscope completions`: what a shell needs to complete commands, options and values.

use super::{READ, command};
use anyhow::Result;
use clap_complete::Shell;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "otoscope", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(READ)
}
