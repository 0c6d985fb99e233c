//! Settings from a file: named by an option or the environment, checked, shown, begun.

use super::support::{Recording, otoscope};
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

/// A meter in a VLAN, whatever its number was at the time.
fn meter(folder: &TempDir, vlan: u16) -> PathBuf {
    let mut recording = Recording::new();
    let (client, server) = ((1, 40_000), (2, 502));
    recording.tagged(vlan, client, server, 1, 1, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
    recording.tagged(vlan, server, client, 1, 13, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7]);
    let path = folder.path().join(format!("vlan{vlan}.pcap"));
    fs::write(&path, recording.into_bytes()).expect("the file can be written");
    path
}

/// A mirror that moves to where a network has another number: with a name the ids stay, and every context bears it.
#[test]
fn a_name_of_a_vlan_keeps_the_ids() {
    let folder = scratch();
    let file = settings(&folder, "x.toml", "[vlans]\n7 = 'plant a'\n107 = 'spare'\n");
    let moved = settings(&folder, "moved.toml", "[vlans]\n107 = 'plant a'\n");
    let [before, after] = [7, 107].map(|vlan| meter(&folder, vlan));
    let told = |capture: &Path, arguments: &[&str]| {
        let rows = |table: &str| {
            let columns = if table == "assets" { "asset_id,context,identity_keys" } else { "finding_id" };
            let mut command = otoscope();
            command.args([table, "--format", "json", "--columns", columns]).arg(capture).args(arguments);
            String::from_utf8(command.assert().code(READ).get_output().stdout.clone()).expect("text")
        };
        rows("assets") + &rows("findings")
    };
    let text = |path: &Path| path.to_str().expect("the paths of tests are text").to_owned();
    let (file, moved) = (text(&file), text(&moved));
    let named = told(&before, &["--config", &file]);
    assert_eq!(named, told(&after, &["--config", &moved]));
    assert_eq!(named, told(&after, &["--vlan-name", "107=plant a"]));
    assert!(named.contains(r#""context":"plant a""#) && named.contains(r#"["ip:plant a/10.0.0.1"]"#), "{named}");
    assert!(!named.contains("vlan:"), "{named}");
    let plain = told(&before, &[]);
    assert!(plain.contains(r#""context":"vlan:7""#) && plain != told(&after, &[]), "{plain}");
    let ids = |told: &str| told.split('"').filter(|part| part.starts_with("a-")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!ids(&named).is_empty() && ids(&named) != ids(&plain), "the name is part of the id");
    // What is typed goes before the file, and two networks never share a name.
    assert!(told(&before, &["--config", &file, "--vlan-name", "7=typed"]).contains(r#""context":"typed""#));
    let twice = ["read", "--vlan-name", "7=a", "--vlan-name", "8=a"];
    otoscope().args(twice).arg(&before).assert().code(WRONG_USE).stderr(contains("vlan:8 has the name of vlan:7"));
    let none = ["read", "--vlan-name", "plant"];
    otoscope().args(none).arg(&before).assert().code(WRONG_USE).stderr(contains("are wanted, like 7=plant-a"));
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
