//! TLS and SSH held against others: handshake messages and offers against tshark's, certificates against what openssl
//! prints of them.

use super::evidence::has_tshark;
use super::support::{captures_in, pcaps, public_captures, read, records_of};
use dissectors::Fact;
use fingerprints::record::{CertificateRow, Record};
use sensor::pipeline::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where tshark counts something else, of handshake messages of one type: the capture, the types, and why.
const OTHERWISE: &[(&str, &[&str], &str)] = &[
    (
        "tls/ja4-chrome-cloudflare-quic-with-secrets.pcapng",
        &["1", "2", "4", "8", "15", "20", "25"],
        "QUIC, and what the keys in the capture open",
    ),
    ("tls/ja4-tls-sni.pcapng", &["1"], "QUIC's hellos, which go over UDP"),
    ("tls/ndpi-tls_cipher_lens.pcapng", &["1"], "hellos whose list of ciphers ends within a cipher are malformed"),
    (
        "tls/zeek-psql-aws-ssl-preferred.pcap",
        &["2", "11", "12", "13", "14"],
        "tshark does not put the server's segments in order",
    ),
    ("tls/zeek-psql-aws-ssl-require.pcap", &["11"], "likewise"),
    ("tls/zeek-psql-aws-ssl-require-15432.pcap", &["11"], "likewise"),
    ("tunnels/ndpi-capwap_data.pcapng", &["1"], "CAPWAP's data is not opened, and its control goes over DTLS"),
    ("damaged/ndpi-ossfuzz_seed_fake_traces_1.pcapng", &["1"], "a hello in which bytes were turned"),
    (
        "other-ot/arkime-arkime_synthetic.pcap",
        &["1", "2"],
        "conversations whose packets stand in the capture without order",
    ),
];

#[test]
fn handshakes_are_counted_as_tshark_counts_them() {
    let Some(folder) = public_captures() else { return };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).expect("the counts stand beside the captures");
    let mut expected: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in table.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        if let [capture, "tls", what, count, ..] = columns.as_slice()
            && let Some(kind) = what.strip_prefix("handshake=")
        {
            let counts = expected.entry((*capture).to_owned()).or_default();
            counts.insert(kind.to_owned(), count.parse().expect("a number"));
        }
    }
    assert!(expected.len() >= 30, "{}", expected.len());
    let mut wrong = Vec::new();
    for (capture, theirs) in expected {
        let (notebook, _) = read(captures_in(&folder.join(&capture)), Settings::default());
        let mut ours: BTreeMap<String, u64> = BTreeMap::new();
        for activity in notebook.activity().filter(|activity| activity.protocol == "tls") {
            *ours.entry(activity.operation.to_string()).or_default() += activity.messages;
        }
        ours.remove("alert");
        let explained: BTreeSet<&str> =
            OTHERWISE.iter().filter(|(name, ..)| *name == capture).flat_map(|(_, kinds, _)| *kinds).copied().collect();
        let kinds: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for kind in kinds {
            let differs = ours.get(kind) != theirs.get(kind);
            if differs != explained.contains(kind.as_str()) {
                wrong.push(format!("{capture} {kind}: {:?}, tshark {:?}", ours.get(kind), theirs.get(kind)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where tshark hashes no offer that we hash, and why.
const MORE_OFFERS: [(&str, &str); 2] = [
    ("zeek-server-pre-banner-data.pcap", "it takes what stands before the version line for a packet"),
    ("zeek-ssl-and-ssh-using-sslh.pcap", "it takes the port's word that all of it is TLS"),
];

#[test]
fn offers_of_ssh_are_hashed_as_tshark_hashes_them() {
    let (Some(folder), true) = (public_captures(), has_tshark()) else { return };
    let mut seen = 0;
    for input in captures_in(&folder.join("ssh")) {
        let fields = ["-Y", "ssh", "-T", "fields", "-e", "ssh.kex.hassh", "-e", "ssh.kex.hasshserver"];
        let output = Command::new("tshark").arg("-r").arg(&input.path).args(fields).output().expect("tshark runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let theirs: BTreeSet<&str> = text.split_whitespace().collect();
        // Rows hold the latest of an hour; what is told holds all.
        let (notebook, _) = read(vec![input.clone()], Settings::default());
        let channels = notebook.observations.iter().filter_map(|observation| match &observation.fact {
            Fact::Channel(channel) => Some([channel.hassh.as_deref(), channel.hassh_server.as_deref()]),
            _ => None,
        });
        let ours: BTreeSet<&str> = channels.flatten().flatten().collect();
        assert!(ours.is_superset(&theirs), "{}: {theirs:?}, not {ours:?}", input.name);
        let is_more = MORE_OFFERS.iter().any(|(name, _)| *name == input.name);
        assert_eq!(ours.len() > theirs.len(), is_more, "{}: {ours:?}, tshark {theirs:?}", input.name);
        seen += theirs.len();
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn certificates_of_our_captures_are_as_openssl_prints_them() {
    if has_tshark() {
        assert!(compare(&[pcaps().join("tls")]) >= 12);
    }
}

#[test]
fn certificates_of_public_captures_are_as_openssl_prints_them() {
    if let (Some(folder), true) = (public_captures(), has_tshark()) {
        assert!(compare(&[folder.join("tls")]) >= 20);
    }
}

/// tshark opens what is encrypted there by the keys that stand in the capture.
const OPENED: [&str; 1] = ["ja4-chrome-cloudflare-quic-with-secrets.pcapng"];

/// Every certificate that tshark finds has its row, and says what openssl says. Tells how many there are.
fn compare(paths: &[PathBuf]) -> usize {
    let reading = records_of(paths, Settings::default());
    let rows: BTreeMap<&str, &CertificateRow> = reading
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Certificates(row) => Some((row.sha256.as_str(), &**row)),
            _ => None,
        })
        .collect();
    let mut compared = BTreeSet::new();
    for input in paths.iter().flat_map(|path| captures_in(path)) {
        for der in certificates_in(&input.path) {
            let Some(theirs) = openssl(&der) else { continue };
            let hash = theirs["sha256 Fingerprint"].replace(':', "").to_lowercase();
            let Some(ours) = rows.get(hash.as_str()) else {
                assert!(OPENED.contains(&input.name.as_str()), "{}: {hash} has no row", input.name);
                continue;
            };
            let day = |time: Option<dissectors::Timestamp>| {
                time.map(|time| outputs::cell::rfc3339(time).replace(".000000Z", "Z"))
            };
            assert_eq!(ours.serial, theirs["serial"], "{hash}");
            assert_eq!(day(ours.not_before), Some(theirs["notBefore"].replace(' ', "T")), "{hash}");
            assert_eq!(day(ours.not_after), Some(theirs["notAfter"].replace(' ', "T")), "{hash}");
            assert_eq!(ours.signature_algorithm, theirs["Signature Algorithm"], "{hash}");
            assert_eq!(ours.key_bits.map(|bits| bits.to_string()).as_ref(), theirs.get("bits"), "{hash}");
            compared.insert(hash);
        }
    }
    compared.len()
}

/// The certificates of a capture, by tshark.
fn certificates_in(capture: &Path) -> BTreeSet<Vec<u8>> {
    let fields = ["-T", "fields", "-e", "tls.handshake.certificate", "-Y", "tls.handshake.certificate"];
    let output = Command::new("tshark").arg("-r").arg(capture).args(fields).output().expect("tshark runs");
    let text = String::from_utf8(output.stdout).expect("hex");
    let all = text.split([',', '\n']).filter(|digits| !digits.is_empty());
    all.map(|digits| {
        let digits: Vec<char> = digits.chars().filter(char::is_ascii_hexdigit).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("two digits");
        digits.chunks(2).map(byte).collect()
    })
    .collect()
}

/// What openssl prints of a certificate: `name=value` and `name: value`.
fn openssl(der: &[u8]) -> Option<BTreeMap<String, String>> {
    let wanted = ["-fingerprint", "-sha256", "-serial", "-dates", "-dateopt", "iso_8601", "-text"];
    let mut child = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-noout"])
        .args(wanted)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl starts");
    child.stdin.take().expect("it is piped").write_all(der).expect("openssl reads");
    let output = child.wait_with_output().expect("openssl ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut said = BTreeMap::new();
    for line in text.lines() {
        let pair = line.trim().split_once('=').or_else(|| line.trim().split_once(": "));
        if let Some((name, value)) = pair {
            said.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        if let Some((_, rest)) = line.split_once("Public-Key: (") {
            let bits = rest.split(' ').next().unwrap_or_default();
            said.entry("bits".to_owned()).or_insert_with(|| bits.to_owned());
        }
    }
    said.contains_key("sha256 Fingerprint").then_some(said)
}
