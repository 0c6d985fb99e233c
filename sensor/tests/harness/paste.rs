//! What the summary says to type is typed: in a shell, with whatever a path is called, it leads to the frame.

use super::support::{otoscope, pcaps};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// Names that files have, and that shells, terminals and programs read in ways of their own.
const NAMES: [&[u8]; 12] = [
    b"plain.pcap",
    b"my site.pcap",
    b"it's.pcap",
    b"\"quoted\".pcap",
    b"$HOME `id` $(id).pcap",
    b"back\\slash.pcap",
    b"a;b&c|d>e<f*g?h[i]j{k}l~m#n!o.pcap",
    b"\x1b[31mred\x07.pcap",
    b"it's\n\xe2\x80\xaeturned\\.pcap",
    b"no\xff\xfeutf8'.pcap",
    b"-r.pcap",
    b"=\xc3\xbcber.pcap",
];

#[test]
fn what_is_pasted_leads_to_the_frame() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let inner = folder.path().join(OsStr::from_bytes(b"it's\xff"));
    fs::create_dir(&inner).expect("a folder");
    let mut followed = 0;
    for name in NAMES {
        let path = inner.join(OsStr::from_bytes(name));
        fs::copy(pcaps().join("modbus/gateway.pcap"), &path).expect("it can be copied");
        // Named as a file from where it lies, as a file from elsewhere, and as the folder that holds it.
        let elsewhere = [b"it's\xff/", name].concat();
        followed += pasted(OsStr::from_bytes(name), &inner, name);
        followed += pasted(OsStr::from_bytes(&elsewhere), folder.path(), name);
        followed += pasted(OsStr::new("."), &inner, name);
        fs::remove_file(&path).expect("it is there");
    }
    assert!(followed >= 3 * NAMES.len() - 4, "{followed} lines to paste");
}

/// How many lines to paste there were, and led to the frame: none where the path is too long for one.
fn pasted(argument: &OsStr, here: &Path, name: &[u8]) -> usize {
    let output = otoscope().current_dir(here).args(["read", "--"]).arg(argument).output().expect("it starts");
    let summary = String::from_utf8(output.stdout).expect("what is printed is text");
    let shown = String::from_utf8_lossy(name);
    assert!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(summary.chars().all(|letter| letter == '\n' || !letter.is_control() && letter != '\u{202e}'), "{summary}");
    let Some(proof) = summary.lines().find_map(|line| line.trim().strip_prefix("wireshark ")) else {
        assert!(summary.contains(" of …"), "{shown}: {summary}");
        return 0;
    };
    let (file, frame) = proof.rsplit_once(" -g ").expect("a frame");
    let read = format!("tshark {file} -Y 'frame.number == {frame}' -T fields -e frame.number -e modbus.func_code");
    let output = Command::new("bash").current_dir(here).args(["-c", &read]).output().expect("a shell");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let (number, function) = told.trim_end().split_once('\t').unwrap_or_default();
    let is_write = ["5", "6", "15", "16", "22", "23"].contains(&function);
    assert!(number == frame && is_write, "{shown}: {read}: {told}{}", String::from_utf8_lossy(&output.stderr));
    // What to type next.
    let next = summary.lines().find_map(|line| line.strip_prefix("next: otoscope findings ")).expect("a next step");
    let next = next.split("   otoscope asset").next().expect("the first of them");
    // In the place of a long path a word stands for it.
    if next == "PATH" {
        return 1;
    }
    let next = format!("{} findings {next}", env!("CARGO_BIN_EXE_otoscope"));
    let output = Command::new("bash").current_dir(here).args(["-c", &next]).output().expect("a shell");
    assert!(output.status.success(), "{next}: {}", String::from_utf8_lossy(&output.stderr));
    1
}
