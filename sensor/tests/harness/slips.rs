//! Slips that people make: each is answered with what it is, where, and what helps, in one to three lines.

use super::support::{otoscope, pcaps, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const READ: i32 = 0;
const FAILED: i32 = 1;
const WRONG_USE: i32 = 2;
const DAMAGED: i32 = 3;

/// One slip.
struct Slip {
    name: &'static str,
    /// What is typed; `@` stands for the folder of the test's files.
    typed: &'static [&'static str],
    code: i32,
    /// What must be said.
    said: &'static [&'static str],
}

const fn slip(name: &'static str, typed: &'static [&'static str], code: i32, said: &'static [&'static str]) -> Slip {
    Slip { name, typed, code, said }
}

const CAPTURE: &str = "pcaps/modbus/polling.pcap";

#[rustfmt::skip]
const SLIPS: &[Slip] = &[
    // Paths.
    slip("a wrong path", &["read", "@/nothing"], FAILED, &["@/nothing: there is no such file or folder", "is the path right?"]),
    slip("a path mistyped", &["read", "@/pollign.pcap"], FAILED, &["@/pollign.pcap: there is no such file or folder; did you mean polling.pcap?"]),
    slip("a lake mistyped", &["assets", "@/laek"], FAILED, &["@/laek: there is no such file or folder; did you mean lake?"]),
    slip("~ in quotes", &["read", "~/site.pcap"], FAILED, &["~/site.pcap: the shell has left ~ as it is; write the whole path"]),
    slip("~ after =", &["read", CAPTURE, "--out=~/lake"], FAILED, &["~/lake: the shell has left ~ as it is"]),
    slip("an address", &["read", "https://example.org/site.pcap"], FAILED, &["it is an address; nothing is fetched"]),
    slip("a bucket", &["read", CAPTURE, "--out", "s3://bucket/lake"], FAILED, &["s3://bucket/lake: it is an address"]),
    slip("a folder as a file of settings", &["read", CAPTURE, "--config", "@/folder"], FAILED, &["@/folder: it is a folder, and a file is wanted"]),
    slip("a file as a folder of pages", &["man", "@/notes.txt"], FAILED, &["@/notes.txt: a file stands there already"]),
    slip("a file within a file", &["read", CAPTURE, "--out", "@/notes.txt/lake"], FAILED, &["@/notes.txt/lake", "a file stands where a folder should"]),
    slip("a path that is too long", &["read", "@/long/"], FAILED, &["@/long/: the name is too long"]),
    slip("a folder without captures", &["read", "@/folder"], FAILED, &["@/folder: no capture in this folder (1 other file)", "pcap and pcapng"]),
    // Files that are no captures.
    slip("text", &["read", "@/notes.txt"], FAILED, &["@/notes.txt: not a capture (it is text); pcap and pcapng"]),
    slip("nothing", &["read", "@/empty.pcap"], FAILED, &["@/empty.pcap: not a capture (it is empty)"]),
    slip("a zip", &["read", "@/site.zip"], FAILED, &["@/site.zip: not a capture (it is compressed by zip: unpack it first)"]),
    slip("a 7z", &["read", "@/site.7z"], FAILED, &["@/site.7z: not a capture (it is compressed by 7-Zip: unpack it first)"]),
    slip("a page", &["read", "@/site.html"], FAILED, &["it is a web page", "download"]),
    slip("an event log", &["read", "@/site.evtx"], FAILED, &["it is a Windows event log, which holds no packets"]),
    slip("snoop", &["read", "@/site.snoop"], FAILED, &["it is a snoop capture: make a pcapng of it", "editcap"]),
    slip("ERF", &["read", "@/site.erf"], FAILED, &["it is an ERF capture: make a pcapng of it", "editcap"]),
    slip("a piece of a pcapng", &["read", "@/part2.pcapng"], FAILED, &["it is a piece of a pcapng without its beginning", "join"]),
    slip("a file of a lake", &["read", "@/some.parquet"], FAILED, &["it is Parquet", "lake"]),
    slip("a capture that is cut", &["read", "@/cut.pcap"], DAMAGED, &["cut.pcap: the last record is cut short at byte "]),
    slip("an unknown link type", &["read", "@/usb.pcap"], DAMAGED, &["1 packet", "189"]),
    // Lakes.
    slip("a lake that is a file", &["read", CAPTURE, "--out", "@/notes.txt"], FAILED, &["@/notes.txt: it is a file, and a lake is a folder; name another place"]),
    slip("a lake that is a capture", &["read", CAPTURE, "--out", "@/polling.pcap"], FAILED, &["@/polling.pcap: it is a file, and a lake is a folder"]),
    slip("a lake to be read", &["read", "@/lake"], FAILED, &["@/lake: it is a lake, and captures are read here; `otoscope assets @/lake`"]),
    slip("a lake among captures", &["findings", "@/lake", CAPTURE], FAILED, &["@/lake: it is a lake; `otoscope assets @/lake` reads it alone"]),
    slip("a capture to be verified", &["verify", "@/polling.pcap"], FAILED, &["@/polling.pcap: it is a file, and a lake is a folder that `otoscope read CAPTURES --out LAKE` writes"]),
    slip("a folder to be verified", &["verify", "@/folder"], FAILED, &["@/folder: no lake (a folder that `read --out` wrote)"]),
    slip("a lake of a later schema, read", &["assets", "@/later"], DAMAGED, &["@/later: a later otoscope wrote it (schema 99", "update otoscope"]),
    slip("a lake of a later schema, written to", &["read", CAPTURE, "--out", "@/later"], FAILED, &["@/later: a later otoscope wrote it (schema 99", "update otoscope, or name another lake"]),
    slip("a lake whose notes are broken", &["read", CAPTURE, "--out", "@/broken"], FAILED, &["@/broken/_runs/x.json: ", "line 1 column 2"]),
    slip("a lake without a table", &["assets", "@/gone"], FAILED, &["@/gone/assets: the table is missing, of which ", " rows were written; bring its folder back, or read polling.pcap again with --out"]),
    slip("an asset of a lake without claims", &["asset", "10.20.0.10", "@/gone", "--why"], FAILED, &["@/gone/assets: the table is missing"]),
    slip("a lake copied in part", &["services", "@/part"], FAILED, &["@/part/services: the table is not there, and no run of this lake says that it has no rows; bring its folder here"]),
    slip("a table that is there of a lake copied in part", &["assets", "@/part"], READ, &["10.20.0.10"]),
    slip("a table that has no rows", &["operations", "@/quiet"], READ, &["no rows"]),
    slip("a lake without one file", &["assets", "@/holes"], DAMAGED, &["1 file of the table assets missing: @/holes/assets/", "`otoscope verify` says what mends it"]),
    slip("a part of a run again", &["read", CAPTURE, "--out", "@/both"], FAILED, &["polling.pcap was read before", "--append"]),
    // What is typed.
    slip("an unknown option", &["read", CAPTURE, "--wrokers", "2"], WRONG_USE, &["unknown option --wrokers; did you mean --workers?", "usage: otoscope read [OPTIONS] <PATH>...", "`otoscope read --help`"]),
    slip("an unknown command", &["reed", CAPTURE], WRONG_USE, &["unknown command reed; did you mean read?", "`otoscope --help`"]),
    slip("an option of another command", &["read", CAPTURE, "--limit", "2"], WRONG_USE, &["unknown option --limit", "usage: otoscope read"]),
    slip("one argument too many", &["verify", "@/lake", "@/later"], WRONG_USE, &["@/later is one argument too many", "usage: otoscope verify"]),
    slip("a missing argument", &["read"], WRONG_USE, &["missing: <PATH>...", "usage: otoscope read"]),
    slip("a missing value", &["read", CAPTURE, "--site"], WRONG_USE, &["--site"]),
    slip("no workers", &["read", CAPTURE, "--workers", "0"], WRONG_USE, &["--workers: 0 is not in 1..=64", "`otoscope read --help`"]),
    slip("workers in words", &["read", CAPTURE, "--workers", "two"], WRONG_USE, &["--workers: two is no whole number"]),
    slip("a limit below nothing", &["assets", CAPTURE, "--limit", "-1"], WRONG_USE, &["--limit: -1 is no whole number"]),
    slip("a limit in words", &["assets", CAPTURE, "--limit", "all"], WRONG_USE, &["--limit: all is no whole number"]),
    slip("an unknown format", &["assets", CAPTURE, "--format", "jsno"], WRONG_USE, &["--format: jsno is none of table, json, csv; did you mean json?"]),
    slip("two that contradict", &["schema", "--json", "--sql", "duckdb"], WRONG_USE, &["--json and --sql <DIALECT> contradict each other; keep one"]),
    slip("one without the other", &["read", CAPTURE, "--append"], WRONG_USE, &["missing: --out <LAKE>"]),
    slip("one option twice", &["read", CAPTURE, "--site", "a", "--site", "b"], WRONG_USE, &["--site is given twice; once is enough"]),
    slip("a site without a name", &["read", CAPTURE, "--site", ""], WRONG_USE, &["--site: a name has letters"]),
    slip("a site that moves the cursor", &["read", CAPTURE, "--site", "a\u{1b}[2J"], WRONG_USE, &["a name has no letters that cannot be seen"]),
    slip("a site with odd letters", &["read", CAPTURE, "--site", "Werk 7/Halle \"B\" = ../é", "--out", "@/odd"], READ, &["1 capture"]),
    slip("an unknown shell", &["completions", "bsh"], WRONG_USE, &["bsh is none of bash, ", "did you mean bash?"]),
    // Questions.
    slip("an unknown column asked for", &["assets", CAPTURE, "--where", "role = plc and vendr = x"], WRONG_USE, &["--where: assets has no column vendr; did you mean vendor?", "  role = plc and vendr = x\n                 ^"]),
    slip("an unknown column shown", &["assets", CAPTURE, "--columns", "name,ip"], WRONG_USE, &["assets has no column ip; did you mean ips?"]),
    slip("an unknown column sorted by", &["findings", CAPTURE, "--sort", "-sore"], WRONG_USE, &["findings has no column sore; did you mean score?"]),
    slip("no column at all", &["assets", CAPTURE, "--columns", "elephants"], WRONG_USE, &["assets has no column elephants; `otoscope schema` lists its columns"]),
    slip("conditions that break off", &["assets", CAPTURE, "--where", "role ="], WRONG_USE, &["--where: expected a value, found the end", "  role =\n        ^"]),
    slip("conditions as in SQL", &["assets", CAPTURE, "--where", "role == 'plc'"], WRONG_USE, &["--where: expected a value, found =", "  role == 'plc'\n        ^"]),
    slip("a pattern that is none", &["assets", CAPTURE, "--where", "name ~ '('"], WRONG_USE, &["name ~ wants a regular expression: unclosed group"]),
    slip("an unknown kind of finding", &["findings", CAPTURE, "--where", "kind = protocol.unauthenticated_contrl"], READ, &["no rows", "no kind is protocol.unauthenticated_contrl; did you mean protocol.unauthenticated_control?"]),
    slip("an unknown asset", &["asset", "10.20.0.100", CAPTURE], FAILED, &["no asset is called 10.20.0.100; did you mean 10.20.0.10?"]),
    slip("an asset unlike all others", &["asset", "boiler", CAPTURE], FAILED, &["no asset is called boiler; `otoscope assets` lists them"]),
    // Settings.
    slip("settings that are not there", &["read", CAPTURE, "--config", "@/missing.toml"], FAILED, &["@/missing.toml: there is no such file or folder"]),
    slip("an unknown key", &["read", CAPTURE, "--config", "@/key.toml"], WRONG_USE, &["@/key.toml:2:1: unknown key wrokers; did you mean workers?"]),
    slip("a value of another type", &["read", CAPTURE, "--config", "@/type.toml"], WRONG_USE, &["@/type.toml:1:11: workers is a number, and this is text"]),
    slip("a quote that is not closed", &["read", CAPTURE, "--config", "@/syntax.toml"], WRONG_USE, &["@/syntax.toml:1:", "expected `\"`"]),
    slip("settings that contradict", &["read", CAPTURE, "--config", "@/both.toml"], WRONG_USE, &["@/both.toml:2:1: json and sql (line 3) of [schema] contradict each other"]),
    slip("a secret among settings", &["read", CAPTURE, "--config", "@/secret.toml"], WRONG_USE, &["there is no webhook_secret: secrets come from files or the environment"]),
    slip("settings that are there already", &["config", "init", "@/key.toml"], FAILED, &["@/key.toml: it is there already and is left as it is"]),
];

/// The files of the slips.
fn files() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let at = folder.path();
    let put = |name: &str, content: &[u8]| {
        let path = at.join(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("the folder can be made");
        fs::write(path, content).expect("the file can be written");
    };
    let polling = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    put("polling.pcap", &polling);
    put("cut.pcap", &polling[..polling.len() - 3]);
    let mut usb = polling[..24 + 16 + 60].to_vec();
    usb[20..24].copy_from_slice(&189_u32.to_le_bytes());
    for at in [32, 36] {
        usb[at..at + 4].copy_from_slice(&60_u32.to_le_bytes());
    }
    put("usb.pcap", &usb);
    put("notes.txt", b"no packets here\n");
    put("empty.pcap", b"");
    put("folder/notes.txt", b"nor here\n");
    put("site.zip", b"PK\x03\x04\x14\0\0\0\x08\0site.pcap");
    put("site.7z", b"7z\xbc\xaf\x27\x1c\0\x04");
    put("site.html", b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n");
    put("site.evtx", b"ElfFile\0\0\0\0\0\0\0\0\0\x01\0\0\0");
    put("site.snoop", b"snoop\0\0\0\0\0\0\x02\0\0\0\x04");
    put("site.erf", &[0x5c, 0x8f, 0xc2, 0x35, 0x10, 0x27, 0x5f, 0x49, 2, 4, 0, 0x54, 0, 0, 0, 0x3c]);
    put("part2.pcapng", &[&[6, 0, 0, 0, 36, 0, 0, 0][..], &[0; 24], &[36, 0, 0, 0]].concat());
    put("some.parquet", b"PAR1\x15\x04\x15");
    put("broken/_runs/x.json", b"{x");
    put("key.toml", b"site = 'a'\nwrokers = 3\n");
    put("type.toml", b"workers = 'many'\n".replace(b"many", b"2").as_slice());
    put("syntax.toml", b"site = \"a\n");
    put("both.toml", b"[schema]\njson = true\nsql = 'duckdb'\n");
    put("secret.toml", b"webhook_secret = 'hunter2'\n");
    for (lake, captures) in [("lake", &[CAPTURE] as &[&str]), ("later", &[CAPTURE]), ("both", &["pcaps/modbus"])] {
        otoscope().arg("read").args(captures).arg("--out").arg(at.join(lake)).assert().code(READ);
    }
    let gone = ["gone/assets", "part/services", "part/_runs"];
    let quiet: Vec<u8> = polling[..24].to_vec();
    put("quiet.pcap", &quiet);
    for (lake, captures) in
        [("gone", &["polling.pcap"] as &[&str]), ("part", &["polling.pcap"]), ("quiet", &["quiet.pcap"])]
    {
        let captures = captures.iter().map(|name| at.join(name));
        otoscope().arg("read").args(captures).arg("--out").arg(at.join(lake)).assert().code(READ);
    }
    for folder in gone {
        fs::remove_dir_all(at.join(folder)).expect("it was written");
    }
    for capture in [CAPTURE, "pcaps/modbus/mbpoll.pcap"] {
        otoscope().args(["read", capture, "--out"]).arg(at.join("holes")).assert().code(READ);
    }
    let hole = files_below(&at.join("holes/assets")).into_iter().next().expect("a file");
    fs::remove_file(hole).expect("it was written");
    let runs = at.join("later/_runs");
    let notes = fs::read_dir(&runs).expect("a folder").next().expect("a run").expect("it can be read").path();
    let text = fs::read_to_string(&notes).expect("the notes of the run");
    let now = format!("\"schema_version\": \"{}\"", outputs::schema::VERSION);
    fs::write(&notes, text.replace(&now, "\"schema_version\": \"99\"")).expect("the file can be written");
    folder
}

/// Some bytes in the place of others.
trait Replace {
    fn replace(&self, old: &[u8], new: &[u8]) -> Vec<u8>;
}

impl Replace for [u8] {
    fn replace(&self, old: &[u8], new: &[u8]) -> Vec<u8> {
        String::from_utf8_lossy(self)
            .replace(&*String::from_utf8_lossy(old), &String::from_utf8_lossy(new))
            .into_bytes()
    }
}

#[test]
fn each_slip_is_answered() {
    let folder = files();
    let here = folder.path().to_str().expect("the paths of tests are text").to_owned();
    let long = format!("{here}/{}", "x".repeat(300));
    let mut wrong = Vec::new();
    for Slip { name, typed, code, said } in SLIPS {
        let typed: Vec<String> = typed.iter().map(|word| word.replace("@/long/", &long).replace('@', &here)).collect();
        let output = otoscope().args(&typed).output().expect("the program starts");
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let lines = err.lines().count();
        let is_short = [READ, DAMAGED].contains(code) || (out.is_empty() && (1..=3).contains(&lines));
        let both = format!("{out}{err}");
        let missing: Vec<String> = said
            .iter()
            .map(|piece| piece.replace("@/long/", &long).replace('@', &here))
            .filter(|piece| !both.contains(piece))
            .collect();
        let is_harmless = !both.contains('\u{1b}') && !both.contains("hunter2") && !both.contains("os error");
        if output.status.code() != Some(*code) || !is_short || !missing.is_empty() || !is_harmless {
            wrong.push(format!("{name}: {typed:?} gave {}, lacks {missing:?}\n{both}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), SLIPS.len(), wrong.join("\n"));
    let mut names: Vec<&str> = SLIPS.iter().map(|slip| slip.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SLIPS.len());
}

/// A lake of a user's own, and one of another's; a capture of another's.
#[test]
#[cfg(unix)]
fn what_this_user_may_not_do_is_said() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = files();
    let at = |name: &str| folder.path().join(name);
    let set = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    set(folder.path().to_owned(), 0o755);
    set(at("polling.pcap"), 0o000);
    set(at("lake"), 0o555);
    let capture = pcaps().join("modbus/mbpoll.pcap");
    let copy = at("mbpoll.pcap");
    fs::copy(capture, &copy).expect("the capture can be copied");
    let run = |arguments: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otoscope"));
        command.args(arguments).current_dir(folder.path());
        // The rights do not bind root.
        if is_root() {
            command.uid(65_534).gid(65_534);
        }
        match command.output() {
            Ok(output) => (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => (None, error.to_string()),
        }
    };
    // Where the program itself lies may be closed to others.
    if run(&[Path::new("--version")]).0 != Some(READ) {
        eprintln!("skipped: nobody may run the program here");
        return;
    }
    let (code, said) = run(&[Path::new("read"), &at("polling.pcap")]);
    let expected =
        format!("{}: this user may not read it; change its rights or read as another", at("polling.pcap").display());
    assert!(code == Some(FAILED) && said.contains(&expected), "{code:?} {said}");
    for lake in [at("lake"), at("lake/in/lake")] {
        let (code, said) = run(&[Path::new("read"), &copy, Path::new("--out"), &lake]);
        let last = said.lines().last().unwrap_or_default();
        let is_said =
            last.starts_with(&format!("otoscope: {}", lake.display())) && last.contains(": this user may not");
        assert!(
            code == Some(FAILED) && is_said && !said.contains("1 capture"),
            "before anything is read: {code:?} {said}"
        );
    }
    let (code, said) = run(&[Path::new("config"), Path::new("init"), &at("mine.toml")]);
    assert!(code == Some(FAILED) && said.contains("mine.toml: this user may not do that here"), "{code:?} {said}");
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A disk of 32 KiB, where this user may make one.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_and_leaves_no_half() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"]).arg(folder.path()).output();
    if mount.is_ok_and(|output| output.status.success()) {
        let lake = folder.path().join("lake");
        let output = otoscope().args(["read", "pcaps", "--out"]).arg(&lake).output().expect("the program starts");
        let left = files_below(folder.path());
        let unmount = Command::new("umount").arg("-l").arg(folder.path()).status();
        assert!(unmount.is_ok_and(|status| status.success()));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_said = said.contains(&format!("otoscope: {}/", lake.display()))
            && said.contains(": the disk is full; make room, or write elsewhere\n");
        assert!(output.status.code() == Some(FAILED) && is_said && output.stdout.is_empty(), "{said}");
        assert!(left.iter().all(|path| path.ends_with("_lake.json")), "{left:?}");
    } else {
        eprintln!("skipped: no disk can be mounted here");
    }
    for arguments in [
        &["read", CAPTURE] as &[&str],
        &["read", CAPTURE, "--json"],
        &["assets", CAPTURE],
        &["schema"],
        &["fields"],
        &["--help"],
        &["man"],
        &["completions", "bash"],
        &["config", "init"],
        &["config", "show"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a disk that is always full");
        let mut command = Command::new(env!("CARGO_BIN_EXE_otoscope"));
        let output =
            command.args(arguments).current_dir(workspace()).stdout(full).output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(FAILED) && said.contains("the disk is full; make room"),
            "{arguments:?}: {said}"
        );
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// `otoscope ... 2>&1 | head -0`: nobody listens to what is said beside.
#[test]
fn a_closed_pipe_for_all_that_is_said_is_quiet() {
    for (arguments, code) in [
        (&["read", CAPTURE] as &[&str], READ),
        (&["findings", CAPTURE, "--where", "kind = x"], READ),
        (&["captures", CAPTURE, CAPTURE], READ),
        (&["read", "no/such/place"], FAILED),
        (&["read", "--wrokers"], WRONG_USE),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otoscope"));
        command.args(arguments).current_dir(workspace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        drop((child.stdout.take(), child.stderr.take()));
        let status = child.wait().expect("the program ends");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
