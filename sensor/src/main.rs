//! The `otoscope` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sensor::commands::run()
}
