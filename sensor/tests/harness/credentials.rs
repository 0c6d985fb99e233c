//! Logins as others make them and as captures hold them: what is found of them, and that no password leaves.

use super::secrets::{assert_untold, captures_in};
use super::support::{otoscope, pcaps, public_captures, records_of, workspace};
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use fingerprints::record::{CredentialRow, FindingRow, Record};
use sensor::pipeline::Settings;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Logins that Python makes of these seeds; CI and others may give more.
const SEEDS: [u32; 2] = [1, 20_261_130];

/// For random users, realms, nonces, algorithms and qualities of protection: the right entry, and never a wrong one.
#[test]
fn what_python_makes_is_recognised_and_nothing_else() {
    for seed in SEEDS {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let [capture, table] = ["logins.pcap", "logins.tsv"].map(|name| folder.path().join(name));
        let data = workspace().join("fingerprints/data/credentials");
        let made = Command::new("python3")
            .arg(workspace().join("sensor/tests/logins.py"))
            .args([data.join("defaults.tsv"), data.join("common.txt")])
            .args([seed.to_string(), "400".to_owned()])
            .args([&capture, &table])
            .status();
        assert!(made.expect("Python is there").success());
        let records = records_of(&[capture], Settings::default()).records;
        let told: BTreeMap<&str, &CredentialRow> =
            credentials(&records).filter_map(|row| Some((row.server_ip.as_deref()?, row))).collect();
        let table = fs::read_to_string(&table).expect("it was written");
        assert_eq!(told.len(), table.lines().count() - 1);
        for line in table.lines().skip(1) {
            let [address, username, scheme, strength, makers] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("five columns: {line}")
            };
            let row = told[address];
            assert_eq!(
                (row.username.as_deref(), row.scheme, row.strength),
                (Some(username), scheme, strength),
                "{line}"
            );
            let is_listed = |entry: &str| {
                makers.split('|').any(|maker| match maker {
                    "*" => entry.starts_with("devices of many makers"),
                    maker => !maker.is_empty() && entry.starts_with(maker),
                })
            };
            let entry = row.default_entry.as_deref();
            assert!(entry.map_or(makers.is_empty(), is_listed), "{line}: {entry:?}");
        }
    }
}

/// Of real stacks: each scheme with a default, an empty, a guessable and a strong password, and one that is refused.
#[test]
fn verdicts_of_real_stacks_are_right_for_each_scheme() {
    let records = records_of(&[pcaps().join("http/passwords.pcap")], Settings::default()).records;
    let mut by_scheme: BTreeMap<&str, BTreeSet<(&str, &str, &str)>> = BTreeMap::new();
    for row in credentials(&records) {
        let told = (row.username.as_deref().unwrap_or_default(), row.outcome, row.strength);
        by_scheme.entry(row.scheme).or_default().insert(told);
    }
    // A digest of the strong one alone would be unknown: Basic has shown the password readable before.
    let right = BTreeSet::from([
        ("admin", "rejected", "unknown"),
        ("admin", "accepted", "default"),
        ("service", "accepted", "empty"),
        ("gate-west", "accepted", "guessable"),
        ("viewer", "accepted", "strong"),
    ]);
    for scheme in ["basic", "digest_md5", "digest_sha256"] {
        assert_eq!(by_scheme.remove(scheme), Some(right.clone()), "{scheme}");
    }
    assert!(by_scheme.is_empty(), "{by_scheme:?}");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    findings(&records).for_each(|finding| *kinds.entry(finding.kind.as_str()).or_default() += 1);
    let wanted = [("default", 3), ("empty", 3), ("guessable", 3), ("cleartext", 3), ("exposed_hash", 6), ("reused", 3)];
    for (kind, count) in wanted {
        assert_eq!(kinds.get(format!("credential.{kind}").as_str()), Some(&count), "{kind}");
    }
    assert!(!kinds.contains_key("credential.guessing"));
}

/// The same of the small protocols: captures, schemes, and what is told of each user.
#[test]
fn verdicts_of_real_stacks_are_right_for_each_scheme_of_the_small_protocols() {
    const REFUSED: Told = ("admin", "rejected", "unknown");
    const DEFAULT: Told = ("admin", "accepted", "default");
    const EMPTY: Told = ("service", "accepted", "empty");
    const GUESSABLE: Told = ("gate-west", "accepted", "guessable");
    const STRONG: Told = ("viewer", "accepted", "strong");
    let told = [
        ("ftp/logins", &["ftp"][..], &[REFUSED, DEFAULT, EMPTY, GUESSABLE, STRONG][..]),
        ("telnet/logins", &["telnet"], &[REFUSED, DEFAULT, EMPTY, GUESSABLE, STRONG]),
        ("mqtt/logins", &["mqtt"], &[REFUSED, DEFAULT, GUESSABLE, STRONG]),
        ("ldap/binds", &["ldap_simple"], &[REFUSED, DEFAULT, GUESSABLE, STRONG]),
        ("smtp/logins", &["sasl_plain", "sasl_login"], &[REFUSED, DEFAULT, GUESSABLE, STRONG]),
        // What an answer to a challenge proves is strong only because it crossed the wire readable as well.
        ("pop3/logins", &["pop3", "apop"], &[REFUSED, DEFAULT, GUESSABLE, STRONG]),
        ("imap/logins", &["imap", "sasl_plain", "cram_md5"], &[REFUSED, DEFAULT, GUESSABLE, STRONG]),
        (
            "vnc/screens",
            &["vnc"],
            &[
                ("", "rejected", "unknown"),
                ("", "accepted", "default"),
                ("", "accepted", "empty"),
                ("", "accepted", "guessable"),
                ("", "accepted", "unknown"),
            ],
        ),
        (
            "snmp/communities",
            &["snmp_community"],
            &[
                ("", "accepted", "default"),
                ("", "accepted", "guessable"),
                ("", "accepted", "strong"),
                ("", "unknown", "default"),
                ("", "unknown", "fair"),
            ],
        ),
        (
            "snmp/users",
            &["snmp_user"],
            &[
                ("operator", "accepted", "unknown"),
                ("viewer", "accepted", "unknown"),
                ("viewer", "rejected", "unknown"),
            ],
        ),
    ];
    for (capture, schemes, right) in told {
        let records = records_of(&[pcaps().join(format!("{capture}.pcap"))], Settings::default()).records;
        let mut by_scheme: BTreeMap<&str, BTreeSet<Told>> = BTreeMap::new();
        for row in credentials(&records) {
            let told = (row.username.as_deref().unwrap_or_default(), row.outcome, row.strength);
            by_scheme.entry(row.scheme).or_default().insert(told);
        }
        for scheme in schemes {
            let right = right.iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(by_scheme.remove(scheme), Some(right), "{capture} {scheme}");
        }
        assert!(by_scheme.is_empty(), "{capture}: {by_scheme:?}");
    }
}

/// A user, an outcome, a strength.
type Told<'t> = (&'t str, &'t str, &'t str);

fn credentials(records: &[Record]) -> impl Iterator<Item = &CredentialRow> {
    records.iter().filter_map(|record| if let Record::Credentials(row) = record { Some(&**row) } else { None })
}

fn findings(records: &[Record]) -> impl Iterator<Item = &FindingRow> {
    records.iter().filter_map(|record| if let Record::Findings(row) = record { Some(&**row) } else { None })
}

/// All captures of ours, and public ones where they are.
fn captures() -> Vec<PathBuf> {
    let folders = [Some(pcaps()), public_captures()].into_iter().flatten();
    let folders = folders.flat_map(|folder| fs::read_dir(folder).expect("the folder is there"));
    let folders = folders.map(|entry| entry.expect("it can be read").path()).filter(|path| path.is_dir());
    folders.flat_map(|folder| captures_in(&folder)).collect()
}

/// Every readable password that a search of this test's own finds, and those that the lab typed, are in no output.
#[test]
fn no_readable_password_is_in_any_output() {
    let own_words = own_words();
    let (mut looked_at, mut looked_for) = (0, BTreeSet::new());
    for capture in captures() {
        let bytes = fs::read(&capture).expect("it can be read");
        let mut secrets = readable(&bytes);
        secrets
            .extend(PLANTED.iter().filter(|word| holds(&bytes, word.as_bytes())).map(|word| word.as_bytes().to_vec()));
        secrets
            .retain(|secret| secret.len() >= SHORTEST && !is_plain_word(&bytes, secret) && !holds(&own_words, secret));
        if !secrets.is_empty() {
            looked_at += 1;
            assert_untold(&capture, &secrets);
            looked_for.extend(secrets);
        }
    }
    for known in ["lab-secret-1", "lab-wrong-0"] {
        assert!(looked_for.contains(known.as_bytes()), "the search does not find what is known to be there");
    }
    assert!(looked_at >= 5, "{looked_at} captures with {} passwords", looked_for.len());
}

/// What the program says of itself: some take `password` for a password.
fn own_words() -> Vec<u8> {
    let texts = [["explain", "--json"], ["schema", "--json"], ["fields", "--json"]];
    texts.iter().flat_map(|typed| otoscope().args(typed).output().expect("it starts").stdout).collect()
}

/// What the lab types where a digest hides it: it must not be found out and told either.
const PLANTED: [&str; 12] = [
    "qX4-tz9w",
    "lab-Secret-8y",
    "lab-wro0",
    "lab-Secret-9x",
    "lab-secret-1",
    "lab-wrong-0",
    "lab-secret-3",
    "lab-secret-7",
    "lab-wrong-1",
    "lab-secret-8",
    "Yard&2024",
    "Gate-4711",
];
/// Shorter ones stand in any text by chance.
const SHORTEST: usize = 6;

/// What stands behind words that passwords stand behind: Basic, PASS, and parameters and elements of that name.
fn readable(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for at in positions(bytes, b"uthorization: Basic ") {
        let text = until(&bytes[at..], |byte| !(byte.is_ascii_alphanumeric() || b"+/".contains(&byte)));
        let pair = unbase64(text);
        let colon = pair.iter().position(|byte| *byte == b':').unwrap_or(pair.len());
        // Names of users are told.
        let password = pair.get(colon + 1..).filter(|password| *password != &pair[..colon]);
        found.extend(password.map(<[u8]>::to_vec));
    }
    for at in positions(bytes, b"\nPASS ").chain(positions(bytes, b"\0PASS ")) {
        found.insert(until(&bytes[at..], |byte| byte < b' ').to_vec());
    }
    for name in ["password=", "passwd=", "pwd=", "psw="] {
        for at in positions(bytes, name.as_bytes()) {
            found.insert(until(&bytes[at..], |byte| !byte.is_ascii_graphic() || b"&\"'<>;,)".contains(&byte)).to_vec());
        }
    }
    for name in ["Password>", "password>", "Passphrase>"] {
        for at in positions(bytes, name.as_bytes()) {
            found.insert(until(&bytes[at..], |byte| byte < b' ' || byte == b'<').to_vec());
        }
    }
    found
}

/// Where something ends in some bytes.
fn positions<'b>(bytes: &'b [u8], what: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let windows = bytes.windows(what.len()).enumerate();
    windows.filter(move |(_, window)| *window == what).map(move |(at, _)| at + what.len())
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    positions(bytes, what).next().is_some()
}

fn until(bytes: &[u8], ends: impl Fn(u8) -> bool) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(64)];
    bytes.iter().position(|byte| ends(*byte)).map_or(bytes, |end| &bytes[..end])
}

/// RFC 4648, as far as it goes: the end may be missing.
fn unbase64(text: &[u8]) -> Vec<u8> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let whole = text.len() - usize::from(text.len() % 4 == 1);
    GeneralPurpose::new(&STANDARD, lenient).decode(&text[..whole]).expect("only its letters stand in it")
}

/// Whether a password is also something else in the capture, which may well be told: a user's name, an ordinary word.
fn is_plain_word(bytes: &[u8], secret: &[u8]) -> bool {
    let name = [b"USER ", secret, b"\r"].concat();
    let is_name = holds(bytes, &name);
    is_name || !secret.iter().any(u8::is_ascii_alphanumeric)
}

/// Where logins of ordinary traffic are told, each is one: of the scheme that is told, in the frame that is told.
#[test]
fn findings_of_it_and_web_traffic_are_true_by_their_frame() {
    let Some(folder) = public_captures() else { return };
    let mut told = 0;
    for capture in ["it", "http"].into_iter().flat_map(|name| captures_in(&folder.join(name))) {
        let records = records_of(std::slice::from_ref(&capture), Settings::default()).records;
        for finding in findings(&records).filter(|finding| finding.kind.starts_with("credential.")) {
            let is_grave = ["credential.default", "credential.empty"].contains(&finding.kind.as_str());
            assert!(!is_grave, "{}: {finding:?}", capture.display());
            for evidence in &finding.evidence {
                let frame = evidence.frame.expect("captures have frames");
                assert!(bears_login(&capture, frame), "{}: frame {frame} of {}", capture.display(), finding.kind);
                told += 1;
            }
        }
    }
    assert!(told >= 2, "{told} frames");
}

/// Whether tshark sees a login, or a part of one, in a frame or in what is put together there.
fn bears_login(capture: &Path, frame: i64) -> bool {
    let filter = format!("frame.number == {frame}");
    let output =
        Command::new("tshark").arg("-r").arg(capture).args(["-Y", &filter, "-V"]).output().expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    ["authorization:", "password", "pass ", "community:", "auth plain", "login"].iter().any(|word| text.contains(word))
}

fn json(arguments: &[&str]) -> Vec<Value> {
    let output = otoscope().args(arguments).args(["--format", "json"]).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A folder with two keys, a list of logins, and captures with logins.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder of its own") }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("written");
        self.path(name)
    }
}

const WEB: &str = "pcaps/http";

#[test]
fn another_site_key_gives_other_hashes_and_the_same_findings() {
    let desk = Desk::new();
    let [one, other] = ["one.key", "other.key"].map(|name| desk.path(name));
    let hashes = |key: &str| {
        let rows = json(&["credentials", WEB, "--columns", "secret_hmac,secret_key_id", "--site-key", key]);
        rows.iter().filter(|row| !row["secret_hmac"].is_null()).cloned().collect::<Vec<_>>()
    };
    let told = |arguments: &[&str]| {
        let columns = ["findings", WEB, "--columns", "kind,title,summary,asset_id,count,score,first_seen,controls"];
        let told = json(&[columns.as_slice(), arguments].concat());
        // Among equals the id decides, and that of a password that is used twice goes by its hash.
        told.iter().map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    assert!(!hashes(&one).is_empty());
    assert_eq!(hashes(&one), hashes(&one), "a key is made once");
    assert_ne!(hashes(&one), hashes(&other));
    assert_eq!(told(&["--site-key", &one]), told(&["--site-key", &other]));
    assert_eq!(told(&["--site-key", &one]), told(&[]));
    let unkeyed = json(&["credentials", WEB, "--columns", "secret_hmac,secret_key_id"]);
    assert!(unkeyed.iter().all(|row| row["secret_hmac"].is_null() && row["secret_key_id"].is_null()));
}

#[test]
fn a_key_is_shown_by_its_name_and_changed_by_a_command() {
    let desk = Desk::new();
    let key = desk.path("site.key");
    let ids = || {
        let rows = json(&["credentials", WEB, "--columns", "secret_key_id", "--site-key", &key]);
        rows.iter().filter_map(|row| row["secret_key_id"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let first = ids();
    assert_eq!(first.len(), 1);
    let id = first.first().expect("one").clone();
    let shown = otoscope().args(["config", "site-key", &key]).output().expect("it starts");
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert_eq!(shown, format!("{key}: {id}\n"));
    otoscope().args(["config", "site-key", &key, "--rotate"]).assert().success();
    let second = ids();
    assert!(second.len() == 1 && second != first);
    assert!(Path::new(&format!("{key}.{id}")).is_file(), "the old one is kept");
}

#[test]
fn a_password_that_a_lake_of_long_ago_knows_is_told() {
    let desk = Desk::new();
    let [long_ago, lake, key] = ["long-ago.pcap", "lake", "site.key"].map(|name| desk.path(name));
    let now = "pcaps/http/passwords.pcap";
    fs::write(&long_ago, earlier(&fs::read(workspace().join(now)).expect("it is there"), 400)).expect("written");
    otoscope().args(["read", &long_ago, "--out", &lake, "--site-key", &key]).assert().success();
    let told = |arguments: &[&str]| {
        let columns = ["findings", now, "--where", "kind = credential.unchanged", "--columns", "details", "--baseline"];
        json(&[columns.as_slice(), &[&lake], arguments].concat())
    };
    // Three schemes, each with a default, a guessable and a strong password.
    let found = told(&["--site-key", &key]);
    assert_eq!(found.len(), 9, "{found:?}");
    assert!(found.iter().all(|row| row["details"]["days"] == "400"), "{found:?}");
    assert!(told(&[]).is_empty(), "without the key nothing can be compared");
}

/// A capture (pcap, microseconds, the low byte first) as if it had been made so many days before.
fn earlier(capture: &[u8], days: u32) -> Vec<u8> {
    let mut bytes = capture.to_vec();
    let number = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let mut at = 24;
    while at < bytes.len() {
        let seconds = number(&bytes, at) - days * 86_400;
        bytes[at..at + 4].copy_from_slice(&seconds.to_le_bytes());
        at += 16 + number(&bytes, at + 8) as usize;
    }
    bytes
}

#[test]
fn names_of_users_are_told_as_tokens_where_that_is_asked_for() {
    let desk = Desk::new();
    let key = desk.path("site.key");
    for capture in ["pcaps/http", "pcaps/onvif", "pcaps/dnp3/security.pcap"] {
        let lines = otoscope()
            .args(["read", capture, "--json", "--quiet", "--site-key", &key, "--tokenise-users"])
            .output()
            .expect("it starts");
        let text = String::from_utf8(lines.stdout).expect("text");
        assert!(text.contains("\"u-"), "{capture}");
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).expect("JSON");
            for column in ["title", "summary", "details", "username", "value", "target", "client_user"] {
                let told = row[column].to_string();
                let mut words = told.split(|letter: char| !letter.is_alphanumeric() && letter != '-');
                assert!(words.all(|word| !USERS.contains(&word)), "{capture}: {line}");
            }
        }
    }
}

/// Users of the lab's devices.
const USERS: [&str; 5] = ["admin", "operator", "root", "service", "lab-operator"];

#[test]
fn a_list_of_ones_own_makes_a_default_of_what_was_strong() {
    let desk = Desk::new();
    let list = desk.write("ours.tsv", "# commissioning\nadmin\tlab-secret-1\tAxis\n");
    let rows = json(&["credentials", "pcaps/http/digest.pcap", "--dictionary", &list, "--where", "outcome = accepted"]);
    let [row] = rows.as_slice() else { panic!("one login: {rows:?}") };
    assert_eq!(row["strength"], "default");
    assert_eq!(row["default_entry"], "Axis, line 2 of the own list");
    let kinds = json(&["findings", "pcaps/http/digest.pcap", "--dictionary", &list, "--columns", "kind"]);
    assert!(kinds.iter().any(|row| row["kind"] == "credential.default"), "{kinds:?}");
}

#[test]
fn what_is_no_list_and_what_is_no_key_is_told() {
    let desk = Desk::new();
    let list = desk.write("list.tsv", "admin\tx\nadmin hunter2\n");
    let key = desk.write("notes.key", "not a key");
    let refused = |arguments: &[&str], code: i32, said: &str| {
        let output = otoscope().arg("read").arg("pcaps/http/digest.pcap").args(arguments).output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(said) && !text.contains("hunter2"), "{text}");
    };
    refused(&["--dictionary", &list], 2, "list.tsv:2: a tab is wanted between user name and password");
    refused(&["--dictionary", &desk.path("nothing.tsv")], 1, "nothing.tsv: there is no such file");
    #[cfg(unix)]
    refused(&["--site-key", &key], 1, "others can read this key; `chmod 600");
    refused(&["--tokenise-users"], 2, "missing: --site-key <FILE>");
    let lake = desk.path("lake");
    otoscope().args(["read", "pcaps/http/digest.pcap", "--out", &lake]).assert().success();
    refused(&["--out", &lake, "--site-key", &format!("{lake}/site.key")], 1, "it lies in the lake");
}
