//! Ports of this machine, and what each of them is said to be: on real interfaces, all at the same time, without a frame sent.

use super::live::Cable;
use super::support::{Recording, otoscope, pcaps};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const PROGRAM: &str = env!("CARGO_BIN_EXE_otoscope");

fn written(folder: &Path, name: &str, recording: Recording) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, recording.into_bytes()).expect("the file can be written");
    path
}

/// What three servers are asked, and no answer.
fn questions() -> Recording {
    let mut recording = Recording::new();
    for sequence in 1..=5 {
        for server in 0x0100..0x0104 {
            recording.tcp((9, 40_000), (server, 502), sequence, 1, &[7; 12]);
        }
    }
    recording
}

/// What one host and everybody are told.
fn own(to: [u8; 6]) -> Recording {
    let mut recording = Recording::new();
    for (last, target) in (0..12).map(|last| (last, if last % 2 == 0 { to } else { [0xff; 6] })) {
        let mut frame = Vec::new();
        let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], target);
        let datagram = builder.ipv4([10, 0, 0, last], [10, 0, 0, 99], 64).udp(40_000, 40_001);
        datagram.write(&mut frame, b"hello").expect("a vector takes all");
        recording.frame(&frame);
    }
    recording
}

/// The far end's own address, as the namespace knows it.
fn mac_of(cable: &Cable) -> [u8; 6] {
    let path = format!("/sys/class/net/{}/address", cable.there);
    let output = cable.inside("cat", &[&path]).output().expect("cat runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes: Vec<u8> = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
    bytes.try_into().expect("six bytes")
}

#[test]
fn every_port_is_judged_at_the_same_time_and_hears_nothing_of_us() {
    let Some(silent) = Cable::plug("i") else { return };
    let [own_only, one_way, mirrored] = ["span1", "span2", "span3"].map(|there| silent.another(there));
    let folder = tempfile::tempdir().expect("a folder of its own");
    let own = written(folder.path(), "own.pcap", own(mac_of(&own_only)));
    let questions = written(folder.path(), "questions.pcap", questions());
    let mut command = silent.inside(PROGRAM, &["interfaces", "--for", "4s", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let is_begun = said.any(|line| line.is_ok_and(|line| line.starts_with("watching span")));
    assert!(is_begun, "it says what it watches");
    own_only.send(&own);
    one_way.send(&questions);
    mirrored.send(&pcaps().join("mixed/plant.pcap"));
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output.status);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an array");
    let row = |name: &str| rows.iter().find(|row| row["interface"] == name).expect("every interface is told");
    for (name, verdict, why) in [
        ("span0", "silent", "nothing came"),
        ("span1", "own_only", "all 6 frames that came for one host came for this machine, and 6 frames of"),
        ("span2", "one_way", "the mirror shows what 10.0.0.9 sends to 10.0.1.0/24, and not the answers"),
        ("span3", "mirrored", "13 of 18 pairs of hosts in both directions"),
    ] {
        let row = row(name);
        assert_eq!(row["verdict"], verdict, "{row}");
        assert!(row["why"].as_str().is_some_and(|text| text.contains(why)), "{row}");
        assert!(row["help"].is_null() == (verdict == "mirrored"), "{row}");
        assert_eq!((&row["state"], &row["link_type"]), (&"up".into(), &"Ethernet (1)".into()), "{row}");
        let is_seen = row["packets_per_second"].as_f64().is_some_and(|rate| rate > 0.0);
        assert_eq!(is_seen, verdict != "silent", "{row}");
    }
    let loopback = row("lo");
    assert!(loopback["verdict"].is_null() && loopback["state"] == "loopback", "{loopback}");
    for cable in [&silent, &own_only, &one_way, &mirrored] {
        assert_eq!(cable.heard(), 0, "frames came out of {}", cable.there);
    }
}

#[test]
fn a_port_that_is_not_there_or_down_is_no_hindrance_to_the_others() {
    let Some(cable) = Cable::plug("j") else { return };
    let down = cable.another("span1");
    assert!(cable.inside("ip", &["link", "set", "span1", "down"]).status().expect("ip runs").success());
    let watch = |names: &[&str]| {
        let all = [&["interfaces"], names, &["--for", "1s"]].concat();
        let output = cable.inside(PROGRAM, &all).output().expect("it starts");
        let [told, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
        (output.status.code(), told, said)
    };
    let (code, told, _) = watch(&["span0", "nosuch0", down.there, "span0"]);
    assert_eq!(code, Some(3), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("interface  state    link type"), "{told}");
    assert!(lines[1].starts_with("span0      up       Ethernet (1)  0          0 B      silent"), "{told}");
    assert_eq!(lines[2], "  nothing came; look at the cable, and whether the switch mirrors to this port");
    assert!(lines[3].starts_with("nosuch0    unknown  -") && lines[3].ends_with("not watched"), "{told}");
    assert!(told.contains("nosuch0: ") && told.contains("there are: "), "{told}");
    assert!(told.contains("span1      down") && told.ends_with("bring it up: ip link set span1 up\n"), "{told}");
    let (code, _, said) = watch(&["nosuch0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("otoscope: no interface can be listened to: nosuch0: "), "{said}");
    assert_eq!(watch(&["span1"]).0, Some(0), "it is told that it is down");
}

/// Who may not listen is told what helps, and which interfaces there are.
#[test]
fn without_the_right_to_listen_it_says_what_helps() {
    let Some(cable) = Cable::plug("k") else { return };
    let without = ["--bounding-set=-net_raw", "--inh-caps=-net_raw", PROGRAM, "interfaces", "--format", "csv"];
    let Ok(output) = cable.inside("setpriv", &without).output() else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("span0: ") && said.contains("give the program cap_net_raw"), "{said}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.starts_with("interface,state,addresses,") && told.contains("\nspan0,up,"), "{told}");
}

#[test]
fn what_is_typed_wrongly_is_said() {
    otoscope().args(["interfaces", "--for", "0s"]).assert().code(2).stderr(contains("a time is a number and s, m"));
    let none = contains("--format: xml is none of table, json, csv").and(contains("otoscope interfaces --help"));
    otoscope().args(["interfaces", "--format", "xml"]).assert().code(2).stderr(none);
}
