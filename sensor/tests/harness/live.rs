//! A real interface: what is heard there is what was sent, and nothing is said.
//!
//! Two ends of a cable between two network namespaces. Needs root and `ip`; without them nothing is tested, except in CI,
//! where that is a failure.

use super::support::{captures_in, pcaps, records_of};
use dissectors::Timestamp;
use fingerprints::record::{AssetRow, Record};
use pcap::Capture;
use predicates::prelude::PredicateBooleanExt;
use sensor::pipeline::Settings;
use sensor::reading::Follower;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A cable from this namespace to another one, which goes with it.
pub(super) struct Cable {
    namespace: String,
    here: String,
    pub(super) there: &'static str,
}

impl Cable {
    pub(super) fn plug(name: &str) -> Option<Self> {
        let number = std::process::id() % 100_000;
        let cable =
            Self { namespace: format!("otolive-{name}-{number}"), here: format!("ol{name}{number}"), there: "span0" };
        let is_made = ip(&["netns", "add", &cable.namespace]) && cable.lay();
        assert!(
            is_made || std::env::var_os("CI").is_none(),
            "no cable can be made: is this root, and is iproute2 there?"
        );
        if !is_made {
            eprintln!("not tested: no cable can be made without root and iproute2");
            return None;
        }
        cable.raise();
        Some(cable)
    }

    /// One more into the same namespace.
    pub(super) fn another(&self, there: &'static str) -> Self {
        let place = there.trim_start_matches(char::is_alphabetic);
        let cable = Self { namespace: self.namespace.clone(), here: format!("{}{place}", self.here), there };
        assert!(cable.lay(), "one more cable");
        cable.raise();
        cable
    }

    fn lay(&self) -> bool {
        let there = ["peer", "name", self.there, "netns", &self.namespace];
        ip(&[&["link", "add", &self.here, "type", "veth"], &there[..]].concat())
    }

    fn raise(&self) {
        // Neither end has anything to say of itself.
        fs::write(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", self.here), "1").ok();
        self.inside("sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=1"]).status().ok();
        assert!(ip(&["link", "set", &self.here, "mtu", "9000", "up"]), "the near end comes up");
        assert!(ip(&["-n", &self.namespace, "link", "set", self.there, "mtu", "9000", "up"]), "the far end comes up");
    }

    pub(super) fn inside(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).args(arguments);
        command
    }

    /// Frames that came out of the other end.
    pub(super) fn heard(&self) -> u64 {
        let path = format!("/sys/class/net/{}/statistics/rx_packets", self.here);
        fs::read_to_string(path).expect("it is counted").trim().parse().expect("a number")
    }

    /// Waits until so many sockets listen at the far end.
    fn wait_for_sockets(&self, count: usize) {
        for _ in 0..200 {
            let table = self.inside("cat", &["/proc/net/packet"]).output().expect("cat runs").stdout;
            // The sixth word of a line says whether frames come there already.
            let is_running = |line: &&str| line.split_whitespace().nth(5) == Some("1");
            if String::from_utf8_lossy(&table).lines().filter(is_running).count() >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nobody listens at {}", self.there);
    }

    /// Sends all packets of a capture into the cable; tells how many there were.
    pub(super) fn send(&self, capture: &Path) -> u64 {
        let mut port = Capture::from_device(self.here.as_str()).expect("a device").open().expect("it opens");
        let mut file = Capture::from_file(capture).expect("a capture");
        let mut sent = 0;
        while let Ok(packet) = file.next_packet() {
            port.sendpacket(packet.data).expect("it is sent");
            sent += 1;
        }
        sent
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.namespace]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    let status = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A sensor that listens at the far end.
fn listen(cable: &Cable, arguments: &[&str]) -> Child {
    let program = env!("CARGO_BIN_EXE_otoscope");
    let all: Vec<&str> = ["listen", "-i", cable.there].into_iter().chain(arguments.iter().copied()).collect();
    let mut child =
        cable.inside(program, &all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    // What the kernel cannot do is said before.
    while !line.starts_with("listening") && said.read_line(&mut line).expect("it says that it listens") > 0 {
        if line.contains("Landlock") {
            line.clear();
        }
    }
    assert!(line.starts_with("listening to span0"), "{line}");
    child.stderr = Some(said.into_inner());
    child
}

/// Asks it to end, and waits for its page.
fn stop(mut child: Child) -> String {
    // What the kernel holds back is handed over within some milliseconds.
    std::thread::sleep(Duration::from_millis(300));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    let mut page = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut page).expect("text");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}: {page}");
    page
}

/// What was told of who is there and what was said, without times and frames.
fn told(paths: &[PathBuf]) -> (Vec<String>, BTreeMap<String, i64>) {
    let reading = records_of(paths, Settings::default());
    let mut assets = Vec::new();
    let mut messages: BTreeMap<String, i64> = BTreeMap::new();
    for record in &reading.records {
        match record {
            Record::Assets(row) => {
                assets.push(format!(
                    "{} {:?} {:?} {:?} {:?}",
                    row.asset_id, row.ips, row.vendor, row.model, row.firmware
                ));
            }
            Record::Activity(row) => {
                let key = format!("{:?} {} {} {}", row.server_asset_id, row.protocol, row.operation, row.direction);
                *messages.entry(key).or_default() += row.messages;
            }
            _ => {}
        }
    }
    (assets, messages)
}

#[test]
fn what_is_listened_to_is_told_as_what_is_read_and_not_one_frame_is_sent() {
    let Some(cable) = Cable::plug("a") else { return };
    let folder = tempfile::tempdir().expect("a folder of its own");
    let kept = folder.path().join("kept.pcapng");
    let lake = folder.path().join("lake");
    let shown = |path: &Path| path.to_str().expect("a plain path").to_owned();
    for workers in ["1", "2"] {
        let _ = fs::remove_file(&kept);
        let child = listen(&cable, &["--write", &shown(&kept), "--out", &shown(&lake), "--workers", workers]);
        let capture = pcaps().join("mixed/plant.pcap");
        let sent = cable.send(&capture);
        let page = stop(child);
        assert!(page.contains(&format!("read: {sent} packets = {sent} used")), "{page}");
        assert_eq!(told(std::slice::from_ref(&kept)), told(&[capture]), "{workers} workers");
        assert!(page.contains("wireshark -r"), "{page}");
    }
    assert_eq!(cable.heard(), 0, "frames came out of the sensor's port");
    let rows = |table: &str| {
        let output =
            super::support::otoscope().args([table, &shown(&lake), "--format", "json"]).output().expect("it starts");
        serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout).expect("an array").len()
    };
    assert!(rows("assets") > 5 && rows("services") > 5 && rows("health") > 0, "the lake holds what was heard");
}

/// What is told as soon as it is news adds up to what is told at the end.
#[test]
fn what_is_told_early_comes_to_the_same() {
    let often = [Duration::ZERO, Duration::from_secs(1), Duration::from_mins(1)];
    for (capture, every) in
        captures_in(&pcaps()).into_iter().flat_map(|capture| often.map(|every| (capture.clone(), every)))
    {
        let rows = |settings: Settings| -> Vec<String> {
            let reading = records_of(std::slice::from_ref(&capture.path), settings);
            let rows = reading.records.iter().filter(|record| !matches!(record, Record::Health(_)));
            // A claim counts how often it was heard, and its proof, as a finding's, is what was heard of first. Attempts that
            // stand in one sum with what was answered count as conversations of the server, those that stand alone do not.
            let line = |record: &Record| match record {
                Record::Assets(row) => format!("{:#?}", AssetRow { two_way: None, ..(**row).clone() }),
                Record::Claims(row) => format!(
                    "{} {} {} {} {} {} {:?}",
                    row.asset_id, row.attribute, row.value, row.field, row.confidence, row.chosen, row.first_seen
                ),
                // As often as of two devices with one address.
                Record::Findings(row) => format!(
                    "{} {} {} {:?} {:?} {:?}",
                    row.finding_id,
                    row.severity,
                    row.title,
                    (row.kind != "asset.address_conflict").then_some(row.count),
                    row.first_seen,
                    row.last_seen
                ),
                record => format!("{record:#?}"),
            };
            rows.map(line).collect()
        };
        let (late, early) =
            (rows(Settings::default()), rows(Settings { live: Some(every), epoch_packets: 1, ..Settings::default() }));
        for (late, early) in late.iter().zip(&early) {
            assert_eq!(late, early, "{} {every:?}", capture.name);
        }
        assert_eq!(late.len(), early.len(), "{}", capture.name);
    }
}

/// Takes what hours came to.
#[derive(Default)]
struct Hours {
    runs: BTreeSet<String>,
    rows: Vec<Record>,
}

impl Follower for Hours {
    fn follow(&mut self, _now: Timestamp, _is_news: bool, _rows: &dyn Fn() -> Vec<Record>) -> bool {
        true
    }

    fn takes_hours(&self) -> bool {
        true
    }

    fn take_hours(&mut self, run: outputs::Run, rows: Vec<Record>) {
        assert!(self.runs.insert(run.provenance.run_id), "each is a run of its own");
        self.rows.extend(rows);
    }
}

/// What hours came to is told once, and what is concluded in the end rests on all of them.
#[test]
fn hours_that_are_written_come_to_the_same() {
    let paths = [pcaps()];
    let whole = records_of(&paths, Settings::default());
    let mut hours = Hours::default();
    let rest = super::support::prepared(&paths, Settings::default()).follow(&mut |_| {}, &mut hours);
    assert!(hours.runs.len() >= 3, "{} hours", hours.runs.len());
    let in_pieces: Vec<Record> = hours.rows.iter().chain(&rest.records).cloned().collect();
    assert_eq!(sums(&whole.records), sums(&in_pieces));
    let state = |rows: &[Record]| -> Vec<String> {
        let lines = rows.iter().filter_map(|row| match row {
            Record::Assets(row) => Some(format!("{:#?}", AssetRow { revision: 0, ..(**row).clone() })),
            Record::Findings(row) => Some(format!("{} {} {} {}", row.finding_id, row.kind, row.title, row.count)),
            _ => None,
        });
        lines.collect()
    };
    let (whole, rest) = (state(&whole.records), state(&rest.records));
    for (whole, rest) in whole.iter().zip(&rest) {
        assert_eq!(whole, rest);
    }
    assert_eq!(whole.len(), rest.len());
}

/// How many rows each table of sums has, and what they come to.
fn sums(rows: &[Record]) -> BTreeMap<&'static str, (usize, i64)> {
    let mut sums: BTreeMap<&'static str, (usize, i64)> = BTreeMap::new();
    for row in rows {
        let count = match row {
            Record::Services(row) => row.packets_to_server + row.packets_to_client,
            Record::Activity(row) => row.messages + row.unanswered,
            Record::Operations(row) => row.count,
            Record::Credentials(row) => row.count,
            Record::Coverage(row) => row.packets,
            _ => continue,
        };
        let (rows, sum) = sums.entry(row.table()).or_default();
        (*rows, *sum) = (*rows + 1, *sum + count);
    }
    sums
}

/// Who listens hears after some seconds what the port is.
#[test]
fn what_the_port_is_is_said_when_it_is_known() {
    let Some(cable) = Cable::plug("d") else { return };
    for (arguments, said) in [
        (&[][..], Some("span0: mirrored: 13 of 18 pairs of hosts in both directions")),
        (&["--quiet"], None),
        (&["--filter", "tcp port 502", "--workers", "1"], Some("span0: mirrored: 13 of 18 pairs")),
    ] {
        let all: Vec<&str> = ["listen", "-i", "span0", "--for", "3s"].iter().chain(arguments).copied().collect();
        let mut command = cable.inside(env!("CARGO_BIN_EXE_otoscope"), &all);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        // One to listen, one to find out what the port is.
        cable.wait_for_sockets(2);
        cable.send(&pcaps().join("mixed/plant.pcap"));
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        match said {
            Some(said) => assert!(told.contains(said), "{told}"),
            None => assert!(!told.contains("span0"), "{told}"),
        }
    }
    let silent = ["listen", "-i", "span0", "--for", "1s", "--quiet"];
    let output = cable.inside(env!("CARGO_BIN_EXE_otoscope"), &silent).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("span0: silent: nothing came; look at the cable"), "{told}");
    assert_eq!(cable.heard(), 0, "frames came out of the sensor's port");
}

/// Without a file the frames have no numbers: evidence says when and between whom.
#[test]
fn evidence_of_what_is_not_kept_names_its_time() {
    let Some(cable) = Cable::plug("b") else { return };
    let folder = tempfile::tempdir().expect("a folder of its own");
    let lake = folder.path().join("lake");
    let lake = lake.to_str().expect("a plain path");
    let child = listen(&cable, &["--out", lake, "--filter", "tcp port 502"]);
    for capture in captures_in(&pcaps().join("modbus/polling.pcap")) {
        cable.send(&capture.path);
    }
    let page = stop(child);
    assert!(page.contains("modbus") && !page.contains("arp"), "only what the filter lets through: {page}");
    let output = super::support::otoscope().args(["findings", lake, "--format", "json"]).output().expect("it starts");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("an array");
    let evidence: Vec<&serde_json::Value> =
        rows.iter().filter_map(|row| row["evidence"].as_array()).flatten().collect();
    assert!(!evidence.is_empty(), "{page}");
    for each in evidence {
        assert!(each["frame"].is_null(), "{each}");
        let filter = each["display_filter"].as_str().expect("a filter");
        assert!(filter.starts_with("frame.time_epoch == ") && filter.contains("tcp.port"), "{filter}");
    }
    assert_eq!(cable.heard(), 0, "frames came out of the sensor's port");
}

/// Keeps what it gets, a line each, in the file that its first argument names.
const RECEIVER: &str = r#"
import http.server, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        with open(sys.argv[1], "ab") as file:
            file.write(self.rfile.read(int(self.headers["content-length"])) + b"\n")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn a_webhook_hears_what_is_listened_to_and_the_port_stays_silent() {
    let Some(cable) = Cable::plug("c") else { return };
    assert!(ip(&["-n", &cable.namespace, "link", "set", "lo", "up"]), "the loopback comes up");
    let folder = tempfile::tempdir().expect("a folder of its own");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut receiver = cable.inside("python3", &["-c", RECEIVER, &path("events")]);
    let mut receiver = receiver.stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut port = String::new();
    BufReader::new(receiver.stdout.take().expect("it is piped")).read_line(&mut port).expect("its port");
    fs::write(path("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("the secret");
    fs::set_permissions(path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("for us alone");
    let (port, secret) = (port.trim(), path("secret"));
    let settings =
        format!("[[webhook]]\nname = \"soc\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret_file = \"{secret}\"\n");
    fs::write(path("site.toml"), settings).expect("the settings");
    let child = listen(&cable, &["--config", &path("site.toml"), "--state", &path("state"), "--webhook-wait", "30s"]);
    cable.send(&pcaps().join("mixed/plant.pcap"));
    let begun = Instant::now();
    let has_come = || fs::read_to_string(path("events")).unwrap_or_default().contains("eu.otoscope.finding.opened");
    while !has_come() {
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing arrives while it listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    eprintln!("the first finding arrived {} ms after the last packet", begun.elapsed().as_millis());
    let page = stop(child);
    receiver.kill().and_then(|()| receiver.wait()).expect("the receiver ends");
    let events = fs::read_to_string(path("events")).unwrap_or_default();
    let types: Vec<serde_json::Value> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event")["type"].clone())
        .collect();
    assert!(types.iter().any(|name| name == "eu.otoscope.finding.opened"), "{page}");
    assert!(types.iter().any(|name| name == "eu.otoscope.asset.discovered"), "{types:?}");
    assert_eq!(cable.heard(), 0, "frames came out of the sensor's port");
}

#[test]
fn an_interface_that_is_not_there_is_said_with_those_that_are() {
    let said = predicates::str::contains("nosuch0: ").and(predicates::str::contains("there are: "));
    super::support::otoscope().args(["listen", "-i", "nosuch0", "--for", "1s"]).assert().code(1).stderr(said);
}
