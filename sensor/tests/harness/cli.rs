//! What is typed, what is said, with which exit code.

use super::support::{Recording, otoscope, pcaps, workspace};
use assert_cmd::assert::Assert;
use outputs::schema::TABLES;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match};
use sensor::source::{CaptureFile, Step};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Exit codes.
const READ: i32 = 0;
const FAILED: i32 = 1;
const WRONG_USE: i32 = 2;
const DAMAGED: i32 = 3;

/// A terminal of the smallest size that people still use.
const COLUMNS: usize = 80;
const LINES: usize = 24;

fn run(arguments: &[&str]) -> Assert {
    otoscope().args(arguments).assert()
}

fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments).code(READ).get_output().stdout.clone();
    String::from_utf8(output).expect("what is printed is text")
}

/// A folder for what a test writes.
fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder of its own")
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("the paths of tests are text")
}

/// A file within a folder, with its content.
fn file(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).expect("the file can be written");
    path
}

/// The objects of a JSON array.
fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("an array of objects")
}

#[test]
fn a_whole_capture_is_read_and_one_that_is_cut_is_damaged() {
    let polling = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    run(&["read", "pcaps/modbus/polling.pcap"]).code(READ).stdout(contains("damage").not());
    let folder = scratch();
    let half = file(&folder, "half.pcap", &polling[..polling.len() / 2]);
    let end = last_whole_record(&polling, polling.len() / 2);
    let record = format!("the last record is cut short at byte {end}");
    run(&["read", shown(&half)]).code(DAMAGED).stdout(contains(format!("half.pcap: {record}")));
    let json = run(&["read", "--json", shown(&half)]).code(DAMAGED).stderr(contains(record));
    let told = String::from_utf8_lossy(&json.get_output().stdout).into_owned();
    let columns = format!(r#""damage":"the last record is cut short","damage_offset":{end}}}"#);
    assert!(told.contains(&columns), "{told}");
}

/// Where the last record ends that fits a length of a pcap file.
fn last_whole_record(capture: &[u8], length: usize) -> usize {
    let mut at = 24;
    loop {
        let size = capture[at + 8..at + 12].try_into().expect("four bytes");
        let next = at + 16 + u32::from_le_bytes(size) as usize;
        if next > length {
            return at;
        }
        at = next;
    }
}

#[test]
fn what_cannot_be_read_says_what_where_and_what_helps() {
    let folder = scratch();
    let text = file(&folder, "notes.txt", b"no packets here\n");
    let empty = file(&folder, "empty.pcap", b"");
    let gzip = file(&folder, "trace.pcap.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    let bzip2 = file(&folder, "trace.pcap.bz2", b"BZh91AY&SY");
    let stump = file(&folder, "stump.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]);
    let captures = "pcap and pcapng are read, also packed as .gz, .zst or .xz";
    for (path, what, help) in [
        (Path::new("no/such/place"), "there is no such file or folder", "is the path right?"),
        (text.as_path(), "not a capture (it is text)", captures),
        (empty.as_path(), "not a capture (it is empty)", captures),
        (gzip.as_path(), "not a capture (it is compressed by gzip, and nothing of it can be unpacked)", captures),
        (bzip2.as_path(), "not a capture (it is compressed by bzip2: unpack it first)", captures),
        (stump.as_path(), "not a capture (it ends within its own header)", captures),
        (folder.path(), "no capture in this folder (5 other files, 1 of them compressed: unpack first)", captures),
    ] {
        for command in ["read", "assets"] {
            let said = contains(format!("otoscope: {}: {what}", shown(path))).and(contains(help));
            run(&[command, shown(path)]).code(FAILED).stdout("").stderr(said);
        }
    }
}

/// The name of the one capture, as the rows say it.
fn paths_of(arguments: &[&str]) -> Vec<String> {
    let arguments = [&["captures", "--format", "json"], arguments].concat();
    let rows = rows(&stdout(&arguments));
    rows.iter().map(|row| row["path"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_cannot_be_unpacked_inside_a_folder_is_said() {
    let folder = scratch();
    copy(&folder, "polling.pcap");
    file(&folder, "one.pcap.bz2", b"BZh91AY&SY");
    let one = contains("not seen: 1 compressed capture, not read: unpack it first");
    run(&["read", shown(folder.path())]).code(DAMAGED).stdout(one);
    file(&folder, "two.pcap.lz4", &[0x04, 0x22, 0x4d, 0x18, 0]);
    let two = contains("2 compressed captures, not read: unpack them first");
    run(&["read", shown(folder.path())]).code(DAMAGED).stdout(two);
    for (name, front) in
        [("a.gz", &[0x1f, 0x8b, 8, 0, 0, 0][..]), ("b.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0]), ("c.xz", b"\xfd7zXZ\0")]
    {
        file(&folder, name, front);
    }
    let broken = contains("3 files packed so that nothing can be unpacked: ");
    run(&["read", shown(folder.path())]).code(DAMAGED).stdout(broken);
    run(&["assets", shown(folder.path())]).code(DAMAGED);
}

fn copy(folder: &TempDir, name: &str) -> PathBuf {
    let polling = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    file(folder, name, &polling)
}

#[test]
fn text_beside_captures_is_no_loss_and_other_files_are_counted() {
    let folder = scratch();
    copy(&folder, "polling.pcap");
    file(&folder, "notes.md", "Übersicht – was wo steht, und vieles mehr, das länger ist als der Anfang\n".as_bytes());
    run(&["read", shown(folder.path())]).code(READ).stdout(contains("not seen: nothing is known to be missing"));
    file(&folder, "photo.jpg", &[0xff, 0xd8, 0xff, 0xe0]);
    let one = contains("1 file that is no capture, passed over");
    run(&["read", shown(folder.path())]).code(READ).stdout(one);
    file(&folder, "empty.pcap", b"");
    let two = contains("2 files that are no captures, passed over");
    run(&["read", shown(folder.path())]).code(READ).stdout(two);
}

#[test]
#[cfg(unix)]
fn each_file_is_read_once_whatever_its_names() {
    use std::os::unix::fs::symlink;
    let folder = scratch();
    let capture = copy(&folder, "polling.pcap");
    symlink(".", folder.path().join("self")).expect("a link");
    symlink("polling.pcap", folder.path().join("same.pcap")).expect("a link");
    fs::hard_link(&capture, folder.path().join("twin.pcap")).expect("a link");
    assert_eq!(paths_of(&[shown(folder.path())]), ["polling.pcap"]);
    run(&["read", shown(folder.path())]).code(READ).stderr(contains("twice").not());
    for arguments in [[shown(&capture), shown(&capture)], [shown(folder.path()), shown(&capture)]] {
        let said = format!("{} is named twice; it is read once\n", shown(&capture));
        run(&["captures", arguments[0], arguments[1]]).code(READ).stderr(contains(said));
        assert_eq!(paths_of(&arguments), ["polling.pcap"]);
    }
    symlink("/no/such/place", folder.path().join("dangling")).expect("a link");
    let said = contains("1 path that cannot be opened: ").and(contains("dangling"));
    run(&["read", shown(folder.path())]).code(DAMAGED).stdout(said);
}

#[test]
fn captures_of_one_name_are_told_apart_by_their_paths() {
    let folders = [scratch(), scratch()];
    let paths = folders.each_ref().map(|folder| copy(folder, "a.pcap"));
    let [mut one, other] = paths.each_ref().map(|path| shown(path).to_owned());
    let mut told = paths_of(&[&one, &other]);
    told.sort();
    let mut typed = vec![one.clone(), other];
    typed.sort();
    assert_eq!(told, typed);
    assert_eq!(paths_of(&[&one, "pcaps/modbus/mbpoll.pcap"]), ["a.pcap", "mbpoll.pcap"]);
    // Folders too.
    one = shown(folders[0].path()).to_owned();
    told = paths_of(&[&one, shown(folders[1].path())]);
    told.sort();
    assert_eq!(told, typed);
}

#[test]
fn a_pipe_without_a_capture_is_said_in_words() {
    for path in ["-", "/dev/stdin"] {
        for (content, what) in [("x", "it is text"), ("", "it is empty")] {
            let said = contains(format!("otoscope: {path}: not a capture ({what}); pcap and pcapng are read"));
            let mut command = otoscope();
            command.args(["read", path]).write_stdin(content).assert().code(FAILED).stdout("").stderr(said);
        }
    }
}

#[test]
fn an_empty_capture_has_nothing_to_count() {
    let folder = scratch();
    let polling = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    let empty = file(&folder, "empty.pcap", &polling[..24]);
    run(&["read", shown(&empty)]).code(READ).stdout(contains("\n0 assets\n").and(contains("\n0 findings\n")));
    run(&["findings", shown(&empty)]).code(READ).stderr(contains("no rows\n"));
    run(&["findings", shown(&empty), "--format", "json"]).code(READ).stdout("[]\n");
}

#[test]
#[cfg(unix)]
fn paths_are_shown_safely_and_can_be_pasted() {
    let folder = scratch();
    let steering = copy(&folder, "\u{1b}[31mred.pcap");
    let blank = copy(&folder, "my site.pcap");
    let missing = folder.path().join("\u{9b}2J");
    run(&["read", shown(&missing)])
        .code(FAILED)
        .stderr(contains(r"\u{9b}2J: there is no such").and(contains('\u{9b}').not()));
    let summary = stdout(&["read", shown(&steering)]);
    assert!(!summary.contains('\u{1b}') && summary.contains(r"\x1b[31mred.pcap'"), "{summary}");
    let summary = stdout(&["read", shown(&blank)]);
    let quoted = format!("'{}'", shown(&blank));
    for step in ["wireshark -r", "otoscope findings", "otoscope asset ADDRESS"] {
        assert!(summary.contains(&format!("{step} {quoted}")), "{step} {quoted} in\n{summary}");
    }
}

/// What a device says of itself cannot steer a terminal, whatever the format.
#[test]
fn json_escapes_what_moves_a_terminal() {
    let folder = scratch();
    let capture = copy(&folder, "\u{9b}31m\u{202e}.pcap");
    for arguments in [["read", "--json"], ["captures", "--format=json"]] {
        let json = stdout(&[arguments[0], arguments[1], shown(&capture)]);
        assert!(!json.contains(['\u{9b}', '\u{202e}']), "{json}");
        assert!(json.contains(r#""path":"\u009b31m\u202e.pcap""#), "{json}");
    }
}

#[test]
fn what_cannot_be_written_says_where() {
    let folder = scratch();
    let file = file(&folder, "file", b"in the way");
    let lake = file.join("lake");
    run(&["read", "pcaps/modbus", "--out", shown(&lake)]).code(FAILED).stderr(contains(shown(&lake)));
}

#[test]
fn a_misspelt_column_is_answered_with_the_nearest() {
    let said = "assets has no column vendr; did you mean vendor?\n";
    for (option, value, said) in [
        ("--columns", "asset_id,vendr", format!("otoscope: {said}")),
        ("--sort", "-vendr", format!("otoscope: {said}")),
        (
            "--where",
            "name = x or vendr = y",
            format!("otoscope: --where: {said}  name = x or vendr = y\n              ^\n"),
        ),
    ] {
        run(&["assets", "pcaps/modbus", option, value]).code(WRONG_USE).stdout("").stderr(said);
    }
}

#[test]
fn wrong_use_is_told_from_failure() {
    for arguments in [
        &[] as &[&str],
        &["reed", "pcaps"],
        &["read"],
        &["read", "pcaps", "--workers", "0"],
        &["read", "pcaps", "--workers", "65"],
        &["read", "pcaps", "--append"],
        &["assets", "pcaps", "--format", "xml"],
        &["schema", "--json", "--sql", "duckdb"],
    ] {
        run(arguments).code(WRONG_USE).stdout("").stderr(contains("Usage").or(contains("--help")));
    }
    run(&["read", "pcaps", "--workers", "0"]).stderr(contains("0 is not in 1..=64"));
    run(&["reed", "pcaps"]).stderr(contains("unknown command reed; did you mean read?"));
}

/// A question that is wrong is answered before captures are read.
#[test]
fn a_question_is_checked_first() {
    run(&["assets", "no/such/place", "--where", "vendr = ABB"])
        .code(WRONG_USE)
        .stderr(contains("did you mean vendor?"));
}

#[test]
fn the_summary_fits_a_small_screen() {
    let one_by_one = super::support::captures_in(&pcaps());
    let one_by_one = one_by_one.iter().map(|input| format!("pcaps/{}", input.name));
    for path in one_by_one.chain(["pcaps".to_owned(), "pcaps/modbus".to_owned()]) {
        fits_a_small_screen(&path);
    }
    let Some(folder) = super::support::public_captures() else { return };
    for input in super::support::captures_in(&folder) {
        fits_a_small_screen(shown(&input.path));
    }
    fits_a_small_screen(shown(&folder));
    // No line has room for such a path.
    let deep = scratch();
    let mut place = deep.path().to_owned();
    (0..9).for_each(|number| place.push(format!("a-folder-with-a-long-name-{number}")));
    fs::create_dir_all(&place).expect("folders");
    let capture = place.join("polling.pcap");
    fs::copy(pcaps().join("modbus/polling.pcap"), &capture).expect("a copy");
    let page = fits_a_small_screen(shown(&capture));
    assert!(page.contains("\nnext: otoscope findings PATH   otoscope asset ADDRESS PATH --why\n"), "{page}");
    assert!(page.contains("           frame 24 of …") && page.contains("/polling.pcap\n"), "{page}");
}

/// The page that a reading ends with, whatever its exit code.
fn fits_a_small_screen(path: &str) -> String {
    let output = otoscope().args(["read", path]).output().expect("the program starts");
    let page = String::from_utf8(output.stdout).expect("what is printed is text");
    let lines: Vec<&str> = page.lines().collect();
    assert!((1..=LINES).contains(&lines.len()), "{path}: {} lines\n{page}", lines.len());
    for line in &lines {
        assert!(line.chars().count() <= COLUMNS, "{path}: {} columns\n{line}", line.chars().count());
    }
    assert!(lines.iter().any(|line| line.starts_with("not seen: ")), "{path}\n{page}");
    assert!(lines[1].starts_with("read: ") && lines[1].contains(" = "), "{path}\n{page}");
    page
}

/// The numbers of a page's books, as they stand there: what was read, and where it ended.
fn books_of(page: &str) -> (u64, u64) {
    let from = page.lines().position(|line| line.starts_with("read: ")).expect("the books");
    let lines = page.lines().skip(from).take_while(|line| line.starts_with("read: ") || line.starts_with("      "));
    let line = lines.collect::<Vec<_>>().join(" ");
    let (read, ended) = line.split_once(" = ").expect("a sum");
    let number = |text: &str| text.split(' ').find_map(|word| word.parse::<u64>().ok()).expect("a number");
    (number(read), ended.split(" + ").map(number).sum())
}

#[test]
fn the_page_s_books_add_up() {
    let paths = ["pcaps".to_owned(), "pcaps/mixed".to_owned()].into_iter();
    let public = super::support::public_captures();
    let public = public.iter().flat_map(|folder| ["", "tunnels", "damaged", "bacnet"].map(|part| folder.join(part)));
    for path in paths.chain(public.map(|path| shown(&path).to_owned())) {
        let page = fits_a_small_screen(&path);
        let (read, ended) = books_of(&page);
        assert_eq!(read, ended, "{page}");
    }
}

/// Pages that a newcomer may meet first.
#[test]
fn every_state_of_the_page_says_what_it_is() {
    let folder = scratch();
    // Nothing but who has which address.
    let mut arp = Recording::new();
    for number in 1..=3u8 {
        let (mac, ip) = ([2, 0, 0, 0, 0, number], [10, 0, 0, number]);
        let head = [&[0xff; 6][..], &mac, &[8, 6], &[0, 1, 8, 0, 6, 4, 0, 1], &mac, &ip].concat();
        arp.frame(&[&head[..], &[0; 6], &[10, 0, 0, 9]].concat());
    }
    let page = fits_a_small_screen(shown(&file(&folder, "arp.pcap", &arp.into_bytes())));
    for part in [
        "spoken: nobody was seen to speak to anybody\n",
        "\n3 assets: 3 of no known role\n  10.0.0.1\n",
        "\n0 findings\n",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    // A thousand devices.
    let mut crowd = Recording::new();
    for host in 0..1_000u32 {
        let (client, server) = ((1, 40_000), (1_000 + host, 502));
        crowd.tcp(client, server, 1, 1, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
        crowd.tcp(server, client, 1, 13, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7]);
    }
    let page = fits_a_small_screen(shown(&file(&folder, "crowd.pcap", &crowd.into_bytes())));
    for part in ["\n1001 assets: 1001 of no known role\n", "all 1000 relations show both sides\n", "  and 99"] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    // Frames of which nothing is read.
    let mut strange = Recording::new();
    for number in 0..5u8 {
        let ether_type: [u8; 2] = if number < 3 { [0x88, 0xb8] } else { [0x12, 0x34] };
        strange.frame(&[&[1; 6][..], &[2, 0, 0, 0, 0, 1], &ether_type, &[0; 46]].concat());
    }
    let page = fits_a_small_screen(shown(&file(&folder, "strange.pcap", &strange.into_bytes())));
    for part in [
        "\nread: 5 packets = 0 used + 2 ethertype:0x1234 + 3 GOOSE\n",
        "\nnot seen: 5 frames without IP, not read: GOOSE 3, ethertype:0x1234 2\n",
        "\nnext: otoscope captures ",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    // A question that nobody answers, and one that is answered: their relation shows both sides.
    let mut deaf = Recording::new();
    deaf.tcp((1, 40_000), (2, 502), 1, 1, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
    deaf.tcp((1, 40_001), (2, 502), 1, 1, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
    deaf.tcp((2, 502), (1, 40_001), 1, 13, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7]);
    let page = fits_a_small_screen(shown(&file(&folder, "deaf.pcap", &deaf.into_bytes())));
    assert!(page.contains("answers in 50 % of conversations: none given, or none captured\n"), "{page}");
    // Nothing.
    let polling = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    let page = fits_a_small_screen(shown(&file(&folder, "empty.pcap", &polling[..24])));
    for part in [
        "\nread: 0 packets = 0 used\n",
        "\nnot seen: anything: there is no packet in what was read\n",
        "\nnext: otoscope captures ",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
}

#[test]
fn a_filter_that_leaves_no_packet_shows_no_clean_network() {
    let page = stdout(&["read", "pcaps/modbus/polling.pcap", "--filter", "host 1.2.3.4"]);
    let all = books_of(&page).0;
    let said = format!("\nnot seen: anything: --filter left out all {all} packets, and nothing was looked at\n");
    assert!(page.contains(&said) && !page.contains("spoken: "), "{page}");
    let page = stdout(&["read", "pcaps/modbus/polling.pcap", "--filter", "tcp"]);
    assert!(!page.contains("left out all") && page.contains("spoken: "), "{page}");
    let assets = otoscope().args(["assets", "pcaps/modbus/polling.pcap", "--filter", "host 1.2.3.4"]).assert();
    assets.code(READ).stderr(contains(said.trim()));
}

/// The maker of a network card is not what the device told.
#[test]
fn a_vendor_by_the_mac_alone_is_marked() {
    let mut arp = Recording::new();
    let mac = [0x00, 0x0e, 0x8c, 0, 0, 1];
    let head = [&[0xff; 6][..], &mac, &[8, 6], &[0, 1, 8, 0, 6, 4, 0, 1], &mac, &[10, 0, 0, 1]].concat();
    arp.frame(&[&head[..], &[0; 6], &[10, 0, 0, 9]].concat());
    let folder = scratch();
    let path = file(&folder, "arp.pcap", &arp.into_bytes());
    let page = fits_a_small_screen(shown(&path));
    assert!(page.contains(" (by MAC)\n"), "{page}");
    let rows = rows(&stdout(&["assets", shown(&path), "--format", "json"]));
    assert!(rows[0]["mac_vendor"].as_str().is_some_and(|vendor| !vendor.contains("by MAC")), "{rows:?}");
    assert_eq!(rows[0]["vendor"], "Siemens");
}

#[test]
fn the_summary_says_what_is_there_and_what_to_type_next() {
    let summary = stdout(&["read", "pcaps"]);
    assert!(summary.starts_with(&counted()), "{summary}");
    let line = |number| summary.lines().nth(number).unwrap_or_default();
    assert!(line(1).starts_with("read: ") && line(2).starts_with("spoken: modbus "), "{summary}");
    for part in ["assets: ", " gateway", "findings: ", "V3.40 Build", "next: otoscope findings pcaps"] {
        assert!(summary.contains(part), "{part} in\n{summary}");
    }
    let proof = summary.lines().find_map(|line| line.trim().strip_prefix("wireshark -r ")).expect("a line to paste");
    let (path, frame) = proof.split_once(" -g ").expect("file and frame");
    assert!(workspace().join(path).is_file() && frame.parse::<u64>().is_ok_and(|frame| frame > 0), "{proof}");
}

/// `24 captures, 2161 packets, `: counted here, so that a new capture breaks nothing.
fn counted() -> String {
    let inputs = super::support::captures_in(&pcaps());
    let frames = |input| {
        let mut file = CaptureFile::open(input).expect("the capture can be opened");
        std::iter::from_fn(|| matches!(file.step(), Step::Frame(_)).then_some(())).count()
    };
    let packets: usize = inputs.iter().map(frames).sum();
    format!("{} captures, {packets} packets, ", inputs.len())
}

/// More announcements than there is room for, then one conversation.
#[test]
fn a_flood_of_announcements_hides_nobody_and_is_said() {
    let mut recording = Recording::new();
    for number in 0..66_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let (mac, ip) = ([2, 0xaa, a, b, c, 1], [172, 16 + a, b, c]);
        let head = [&[0xff; 6][..], &mac, &[8, 6], &[0, 1, 8, 0, 6, 4, 0, 1], &mac, &ip].concat();
        recording.frame(&[&head[..], &[0; 6], &[10, 0, 0, 1]].concat());
    }
    let (client, server) = ((1, 40_000), (2, 502));
    recording.tcp(client, server, 1, 1, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
    recording.tcp(server, client, 1, 13, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7]);
    let folder = scratch();
    let flood = file(&folder, "flood.pcap", &recording.into_bytes());
    let summary = stdout(&["read", shown(&flood)]);
    assert!(summary.contains("  10.0.0.2\n") && summary.contains("  10.0.0.1\n"), "{summary}");
    let said = is_match(r"not seen: \d+ hosts forgotten, of which little spoke").expect("a pattern");
    assert!(predicates::Predicate::eval(&said, &summary), "{summary}");
}

#[test]
fn nothing_moves_the_cursor_of_a_pipe() {
    let lake = lake();
    let lake = shown(lake.path());
    for arguments in [
        &["read", "pcaps"] as &[&str],
        &["read", "pcaps", "--json"],
        &["assets", "pcaps"],
        &["findings", lake],
        &["asset", "10.20.0.110", lake, "--why"],
        &["read", "pcaps/nothing"],
        &["read", "--workers", "0"],
        &["--help"],
    ] {
        let output = otoscope().args(arguments).output().expect("the program starts");
        for bytes in [output.stdout, output.stderr] {
            let moves = |byte: &u8| byte.is_ascii_control() && *byte != b'\n';
            assert!(!bytes.iter().any(moves), "{arguments:?}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn json_lines_have_the_columns_of_the_schema() {
    let lines = stdout(&["read", "pcaps", "--json"]);
    let mut tables = std::collections::BTreeSet::new();
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).expect("one object on each line");
        let name = row["table"].as_str().expect("a row names its table");
        let table = TABLES.into_iter().find(|table| table.name == name).expect("a table of the schema");
        assert!(line.starts_with(&format!(r#"{{"table":"{name}","#)), "{line}");
        let keys: Vec<&str> = row.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut columns: Vec<&str> = table.columns.iter().map(|column| column.name).chain(["table"]).collect();
        columns.sort_unstable();
        assert_eq!(keys, columns, "{name}");
        tables.insert(name.to_owned());
    }
    assert_eq!(tables.len(), TABLES.len(), "{tables:?}");
    run(&["read", "pcaps", "--json"]).stderr(contains(counted()));
}

/// A lake of `pcaps`.
fn lake() -> TempDir {
    let lake = scratch();
    run(&["read", "pcaps", "--out", shown(lake.path())]).code(READ);
    lake
}

/// The run is known by what was read and for which site, so that even its id is the same.
#[test]
fn a_lake_and_its_captures_give_the_same_rows() {
    let lake = lake();
    for table in TABLES {
        for format in ["json", "csv", "table"] {
            let [of_lake, of_captures] =
                [shown(lake.path()), "pcaps"].map(|source| stdout(&[table.name, source, "--format", format]));
            assert!(of_lake == of_captures, "{} as {format}:\n{of_lake}\n{of_captures}", table.name);
        }
        assert!(!rows(&stdout(&[table.name, "pcaps", "--format", "json"])).is_empty(), "{}", table.name);
    }
}

#[test]
fn questions_choose_rows_and_columns() {
    let asked = stdout(&[
        "assets",
        "pcaps",
        "--where",
        "role = plc and vendor ~ Schneider",
        "--columns",
        "model,vendor",
        "--sort",
        "-model",
        "--limit",
        "1",
        "--format",
        "json",
    ]);
    assert_eq!(asked, "[\n{\"model\":\"BMX P34 2020\",\"vendor\":\"Schneider Electric\"}\n]\n");
}

#[test]
fn why_names_frame_and_rule() {
    let lake = lake();
    for source in [shown(lake.path()), "pcaps"] {
        let why = stdout(&["asset", "10.20.0.110", source, "--why"]);
        assert!(why.contains("Delta Controls") && why.contains("10.20.0.110"), "{why}");
        let line = r"(?m)^ \* DSC-1616E  \(\d+ % sure: bacnet\.\w+ by rule [\w-]+; [\w/]+\.pcap frame \d+\)$";
        assert!(predicates::Predicate::eval(&is_match(line).expect("a pattern"), &why), "{why}");
    }
    let plain = stdout(&["asset", "10.20.0.110", "pcaps"]);
    assert!(!plain.contains("by rule"), "{plain}");
    let id = plain.lines().find_map(|line| line.strip_prefix("asset_id")).expect("an id").trim();
    assert_eq!(stdout(&["asset", &id[..12], "pcaps"]), plain, "the front of an id will do");
    let child = stdout(&["asset", "10.20.0.20/2", "pcaps", "--why"]);
    assert!(child.contains("ACS580-01") && child.contains("by rule"), "{child}");
    run(&["asset", "10.20.0.20/99", "pcaps"]).code(FAILED).stderr(contains("no asset is called 10.20.0.20/99"));
    run(&["asset", "10.99.0.1", "pcaps"]).code(FAILED).stderr(contains("no asset is called 10.99.0.1"));
}

#[test]
fn the_program_knows_itself() {
    let promised = fs::read_to_string(workspace().join("outputs/tests/schema.txt")).expect("the contract");
    assert_eq!(stdout(&["schema"]).trim_end(), promised.trim_end());
    let json: Value = serde_json::from_str(&stdout(&["schema", "--json"])).expect("JSON");
    assert!(json["$schema"].as_str().is_some_and(|schema| schema.contains("json-schema.org")), "{json}");
    let lake = lake();
    for dialect in ["duckdb", "spark", "trino"] {
        let sql = stdout(&["schema", "--sql", dialect, "--lake", shown(lake.path())]);
        let has_view = |table: &outputs::Table| sql.contains(&format!("VIEW {}", table.name));
        assert!(TABLES.into_iter().all(has_view) && sql.contains("assets_now"), "{sql}");
        assert!(sql.contains(shown(lake.path())), "{sql}");
    }
    assert!(stdout(&["fields"]).contains("modbus.vendor_name"));
    let names =
        |rows: Vec<Value>, key: &str| rows.iter().filter_map(|row| Some(row[key].as_str()?.to_owned())).collect();
    let protocols: Vec<String> = names(rows(&stdout(&["protocols", "--json"])), "protocol");
    assert!(["arp", "bacnet", "http", "modbus"].iter().all(|name| protocols.iter().any(|it| it == name)));
    assert_eq!(stdout(&["--version"]), format!("otoscope {}\n", env!("CARGO_PKG_VERSION")));
    let help = stdout(&["--help"]);
    for command in ["read", "asset", "schema", "fields", "protocols"].into_iter().chain(TABLES.map(|it| it.name)) {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command} in {help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
}

/// `otoscope assets pcaps | head -1`, and a reader that goes before the first byte.
#[test]
fn a_closed_pipe_is_quiet() {
    let lake = lake();
    let lake = shown(lake.path());
    for arguments in [
        &["assets", lake] as &[&str],
        &["claims", lake, "--format", "json"],
        &["claims", lake, "--format", "csv"],
        &["activity", "pcaps"],
        &["asset", "10.20.0.110", lake, "--why"],
        &["read", "pcaps"],
        &["read", "pcaps", "--json"],
        &["schema"],
        &["schema", "--json"],
        &["schema", "--sql", "duckdb", "--lake", lake],
        &["fields"],
        &["protocols", "--json"],
        &["--help"],
    ] {
        for lines in [0, 1] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_otoscope"));
            command.args(arguments).current_dir(workspace()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("the program starts");
            let mut pipe = BufReader::with_capacity(1, child.stdout.take().expect("a pipe"));
            let mut line = String::new();
            (0..lines).for_each(|_| drop(pipe.read_line(&mut line)));
            drop(pipe);
            let mut said = String::new();
            let mut errors = child.stderr.take().expect("a pipe");
            errors.read_to_string(&mut said).expect("what is said is text");
            let status = child.wait().expect("the program ends");
            assert!(status.success(), "{arguments:?} after {lines} lines: {status} {said}");
            let is_quiet =
                |line: &str| !line.contains("otoscope: ") && !line.contains("pipe") && !line.contains("panic");
            assert!(said.lines().all(is_quiet), "{arguments:?} after {lines} lines: {said}");
        }
    }
}

/// Nobody waits for the first line, whatever there is to read and however long that takes.
#[test]
fn something_is_said_at_once() {
    let folder = scratch();
    // A folder of many captures takes its time to be looked at; of a huge one only its holes are on the disk.
    let polling = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    let huge = file(&folder, "huge.pcap", &polling);
    fs::OpenOptions::new().write(true).open(&huge).and_then(|file| file.set_len(10 << 30)).expect("a file with a hole");
    let many = scratch();
    (0..2_000).for_each(|number| drop(file(&many, &format!("{number}.pcap"), &polling)));
    // Of the pipe nothing has come yet.
    for (path, named) in
        [(shown(&huge), shown(&huge)), (shown(many.path()), shown(many.path())), ("-", "standard input")]
    {
        // The best of five: other programs run here too.
        let best = (0..5).map(|_| first_line(&["read", path])).min_by_key(|(_, after)| *after).expect("five");
        assert_eq!(best.0, format!("reading {named}\n"));
        assert!(best.1 < Duration::from_millis(100), "{path}: {:?}", best.1);
    }
}

/// The first line that is said, and after how long.
fn first_line(arguments: &[&str]) -> (String, Duration) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_otoscope"));
    command.args(arguments).current_dir(workspace()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut line).expect("what is said is text");
    let after = begun.elapsed();
    child.kill().expect("the program can be stopped");
    child.wait().expect("the program ends");
    (line, after)
}

#[test]
fn what_is_found_can_fail_a_script() {
    const FAIL_ON: i32 = 4;
    let polling = "pcaps/modbus/polling.pcap";
    for (severity, code) in
        [("info", FAIL_ON), ("low", FAIL_ON), ("medium", FAIL_ON), ("high", READ), ("critical", READ)]
    {
        run(&["read", polling, "--fail-on", severity]).code(code);
    }
    let said = contains("--fail-on medium: 1 finding as severe as that or more\n");
    run(&["read", polling, "--fail-on", "medium"]).stderr(said).stdout(contains("1 medium"));
    // It goes before damage.
    let folder = scratch();
    let bytes = fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read");
    let cut = file(&folder, "cut.pcap", &bytes[..bytes.len() - 1]);
    run(&["read", shown(&cut)]).code(DAMAGED);
    run(&["read", shown(&cut), "--fail-on", "medium"]).code(FAIL_ON);
    run(&["read", shown(&cut), "--fail-on", "high"]).code(DAMAGED);
    run(&["read", polling, "--fail-on", "grave"]).code(WRONG_USE).stderr(contains("critical"));
}

#[test]
fn a_quiet_reading_says_what_goes_wrong_and_no_more() {
    let polling = "pcaps/modbus/polling.pcap";
    for quiet in ["--quiet", "-q"] {
        run(&["read", polling, quiet]).code(READ).stdout("").stderr("");
        run(&["read", polling, polling, quiet, "--fail-on", "medium"]).code(4).stdout("").stderr("");
        run(&["read", "no/such/place", quiet]).code(FAILED).stdout("").stderr(contains("no such file"));
    }
    let rows = run(&["read", polling, "--quiet", "--json"]).code(READ).stderr("");
    assert!(rows.get_output().stdout.starts_with(b"{"));
}

/// What a command prints on a terminal of 80 columns, with more of the environment.
#[cfg(unix)]
fn on_a_terminal(arguments: &str, environment: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new("script");
    let typed = format!("{} {arguments}", env!("CARGO_BIN_EXE_otoscope"));
    command.args(["-qec", &typed, "/dev/null"]).current_dir(workspace()).stdin(Stdio::null());
    command.env_remove("CI").env_remove("NO_COLOR");
    let output = command.env("TERM", "xterm").envs(environment.iter().copied()).output().expect("script starts");
    String::from_utf8(output.stdout).expect("what is printed is text")
}

#[test]
#[cfg(unix)]
fn a_terminal_gets_colours_and_whoever_wants_none_plain_lines() {
    let polling = "read pcaps/modbus/polling.pcap";
    let lively = on_a_terminal(polling, &[]);
    for part in ["\u{1b}[33mmedium  \u{1b}[0m ", "\u{1b}[1mnot seen:\u{1b}[0m ", "\u{1b}[1mnext:\u{1b}[0m "] {
        assert!(lively.contains(part), "{part:?} in {lively:?}");
    }
    for environment in [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")] {
        let plain = on_a_terminal(polling, &[environment]);
        assert!(!plain.contains('\u{1b}') && plain.contains("\r\nnext: "), "{environment:?}: {plain:?}");
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines[0], "reading pcaps/modbus/polling.pcap");
        assert!(lines[1].starts_with("1 capture, 127 packets, "), "{}", lines[1]);
    }
}
