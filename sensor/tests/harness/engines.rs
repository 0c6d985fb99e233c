//! The lake of our captures in the engines that its users have, and the SQL that the README promises.
//!
//! Needs Python with `outputs/tests/requirements.txt`: `.venv` of the workspace, which `.ci/setup` makes, or the
//! interpreter that `OTOSCOPE_PYTHON` names. Without either nothing is tested, except in CI, where that is a failure.

use super::support::{otoscope, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Blocks of SQL that the README has at least, once it is whole.
const README_BLOCKS: &str = "3";

#[test]
fn every_engine_sees_what_the_program_sees() {
    let Some(python) = python() else { return };
    let lake = lake();
    let said = run(Command::new(python).arg("outputs/tests/engines.py").arg(lake.path()).arg(program()));
    assert!(said.trim_end().ends_with(" passed, 0 failed"), "{said}");
}

#[test]
fn the_readme_keeps_its_word() {
    let Some(python) = python() else { return };
    let readme = workspace().join("README.md");
    if !readme.is_file() {
        assert!(!is_ci(), "{} is missing", readme.display());
        return;
    }
    let lake = lake();
    let mut command = Command::new(python);
    command.arg("outputs/tests/readme.py").arg(lake.path()).arg(readme).arg(program());
    if is_ci() {
        command.args(["--at-least", README_BLOCKS]);
    }
    run(&mut command);
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

pub(super) fn python() -> Option<PathBuf> {
    let own = workspace().join(".venv/bin/python");
    let python = std::env::var_os("OTOSCOPE_PYTHON").map(PathBuf::from).or_else(|| own.is_file().then_some(own));
    if python.is_none() {
        let why = "there is no Python with DuckDB and its like: `.ci/setup` makes .venv, OTOSCOPE_PYTHON names another";
        assert!(!is_ci(), "{why}");
        eprintln!("not tested: {why}");
    }
    python
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_otoscope"))
}

fn lake() -> TempDir {
    let lake = tempfile::tempdir().expect("a folder of its own");
    otoscope().args(["read", "pcaps", "--out"]).arg(lake.path()).assert().success();
    lake
}

/// What a script prints; it succeeds.
fn run(command: &mut Command) -> String {
    let output = command.current_dir(workspace()).output().expect("Python starts");
    let [said, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{said}\n{errors}");
    said
}
