//! Settings from a file: named by an option or the environment, checked, shown, begun.

use super::support::otoscope;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const READ: i32 = 0;
const FAILED: i32 = 1;
const WRONG_USE: i32 = 2;

const CAPTURE: &str = "pcaps/modbus/polling.pcap";
const VARIABLE: &str = "OTOSCOPE_CONFIG";

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder of its own")
}

fn settings(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("the file can be written");
    path
}

/// The site that rows bear when this is typed, with a file named by the environment perhaps.
fn site(arguments: &[&str], named: Option<&Path>) -> String {
    let mut command = otoscope();
    command.args(["captures", CAPTURE, "--format", "json"]).args(arguments);
    named.map(|path| command.env(VARIABLE, path));
    let output = command.assert().code(READ).get_output().stdout.clone();
    let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array");
    rows[0]["site"].as_str().expect("a row has its site").to_owned()
}

#[test]
fn the_command_line_goes_before_the_file_and_the_file_before_defaults() {
    let folder = scratch();
    let one = settings(&folder, "one.toml", "site = 'one'\n");
    let two = settings(&folder, "two.toml", "site = 'top'\n[captures]\nsite = 'two'\n");
    let two = two.to_str().expect("the paths of tests are text");
    assert_eq!(site(&[], None), "default");
    assert_eq!(site(&[], Some(&one)), "one");
    assert_eq!(site(&["--config", two], Some(&one)), "two");
    assert_eq!(site(&["--config", two, "--site", "typed"], Some(&one)), "typed");
    assert_eq!(site(&[], Some(Path::new(""))), "default", "an empty variable names nothing");
}

#[test]
fn a_lake_is_written_as_the_file_says() {
    let folder = scratch();
    let lake = folder.path().join("lake");
    let text = format!("workers = 1\nsensor = 'left'\n[read]\nout = '{}'\njson = true\n", lake.display());
    let file = settings(&folder, "x.toml", &text);
    let read = |arguments: &[&str]| {
        otoscope().arg("--config").arg(&file).args(["read", CAPTURE]).args(arguments).assert().code(READ)
    };
    read(&[]).stdout(starts_with(r#"{"table":"#).and(contains(r#""sensor":"left""#)));
    read(&["--json=false"]).stdout(starts_with("1 capture"));
    otoscope().arg("assets").arg(&lake).assert().code(READ).stdout(contains("Schneider"));
}

#[test]
fn what_is_not_understood_is_wrong_use_and_says_where() {
    let folder = scratch();
    let file = settings(&folder, "x.toml", "site = 'a'\nwrokers = 3\n[read]\nappend = 1\n");
    let shown = file.display();
    let first = format!("otoscope: {shown}:2:1: unknown key wrokers; did you mean workers?\n");
    let more = format!("(and 1 more; `otoscope config check {shown}` lists them)\n");
    let said = format!("{first}{more}");
    otoscope()
        .args(["read", CAPTURE])
        .arg("--config")
        .arg(&file)
        .assert()
        .code(WRONG_USE)
        .stdout("")
        .stderr(said.clone());
    otoscope().args(["read", CAPTURE]).env(VARIABLE, &file).assert().code(WRONG_USE).stdout("").stderr(said);
    let all = contains(format!("{shown}:2:1: unknown key wrokers"))
        .and(contains(format!("{shown}:4:10: append is true or false")));
    otoscope().args(["config", "check"]).arg(&file).assert().code(WRONG_USE).stdout("").stderr(all);
    // What is about the program itself is printed whatever the file says.
    for arguments in [&["--help"] as &[&str], &["read", "--help"], &["--version"], &["man"], &["config", "init"]] {
        otoscope().args(arguments).env(VARIABLE, &file).assert().code(READ);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_what_helps() {
    let folder = scratch();
    let missing = folder.path().join("missing.toml");
    let help = contains(format!("otoscope: {}: there is no such file or folder", missing.display()));
    for arguments in [["config", "check"], ["fields", "--config"], ["read", "--config"]] {
        otoscope().args(arguments).arg(&missing).assert().code(FAILED).stdout("").stderr(help.clone());
    }
    otoscope().args(["config", "check"]).arg(folder.path()).assert().code(FAILED).stderr(contains("a file is wanted"));
    otoscope().args(["config", "check", CAPTURE]).assert().code(WRONG_USE).stderr(contains(":1:1: it is no text"));
    let long = settings(&folder, "long.toml", &"# x\n".repeat(300_000));
    otoscope().args(["config", "check"]).arg(&long).assert().code(WRONG_USE).stderr(contains("at most 1 MiB"));
}

#[test]
fn a_file_to_begin_with_is_understood_and_never_overwrites() {
    let folder = scratch();
    let path = folder.path().join("site.toml");
    let init = || otoscope().args(["config", "init"]).arg(&path).assert();
    init().code(READ).stdout(contains("written"));
    otoscope().args(["config", "check"]).arg(&path).assert().code(READ).stdout(contains("0 settings, all understood"));
    let written = fs::read_to_string(&path).expect("it was written");
    let printed = otoscope().args(["config", "init"]).assert().code(READ).get_output().stdout.clone();
    assert_eq!(written.as_bytes(), printed);
    fs::write(&path, "site = 'mine'\n").expect("the file can be written");
    init().code(FAILED).stdout("").stderr(contains("it is there already and is left as it is"));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "site = 'mine'\n");
}

#[test]
fn the_settings_in_force_say_where_they_come_from() {
    let folder = scratch();
    let file = settings(&folder, "x.toml", "\nsite = 'north'\n[read]\nout = 'lake'\n[vlans]\n7 = 'plant-a'\n");
    let shown = file.display();
    let lines = [
        r#"site = "north"                           # line 2"#,
        r#"sensor = "otoscope"                      # default"#,
        "# workers                                # not set",
        "[read]\nout = \"lake\"                             # line 4",
        "[vlans]\n7 = \"plant-a\"",
    ];
    for (command, by) in
        [(otoscope().arg("--config").arg(&file), "--config"), (otoscope().env(VARIABLE, &file), VARIABLE)]
    {
        let output = command.args(["config", "show"]).assert().code(READ).get_output().stdout.clone();
        let text = String::from_utf8(output).expect("text");
        assert!(text.starts_with(&format!("# {shown}, named by {by}\n")), "{text}");
        for line in lines {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        let again = settings(&folder, "shown.toml", &text);
        otoscope().args(["config", "check"]).arg(again).assert().code(READ);
    }
    otoscope().args(["config", "show"]).assert().code(READ).stdout(starts_with("# no file: "));
}
