//! Webhooks as they are used: what arrives is what was found, signed as published libraries verify it, whoever is killed.

#[path = "../../../outputs/tests/webhook/receiver.rs"]
pub(super) mod receiver;

use super::engines::python;
use super::support::{otoscope, workspace};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use receiver::{Arrived, Receiver, Reply};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A folder with a secret and a file of settings for one receiver.
pub(super) struct Site(TempDir);

impl Site {
    pub(super) fn new(receiver: &Receiver, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let site = Self(folder);
        let secret = site.path("secret");
        fs::write(&secret, SECRET).expect("the secret");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&secret, private).expect("for its owner alone");
        let (url, secret) = (receiver.url(), secret.display());
        let text = format!("[[webhook]]\nname = \"soc\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n{more}");
        fs::write(site.path("site.toml"), text).expect("the settings");
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn otoscope(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = otoscope();
        command.arg("--config").arg(self.path("site.toml")).args(arguments);
        command
    }

    /// The program as a process that can be killed.
    fn process(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otoscope"));
        command.current_dir(workspace()).arg("--config").arg(self.path("site.toml")).args(arguments);
        command.arg("--state").arg(self.path("state")).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.taken().iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

const READ: [&str; 4] = ["read", "pcaps/http", "pcaps/bacnet", "--quiet"];

#[test]
fn what_is_found_arrives_and_the_same_capture_gives_the_same_ids() {
    let receiver = Receiver::start(|_| Reply::status(200));
    let site = Site::new(&receiver, "");
    site.otoscope(&[&READ[..], &["--webhook"]].concat()).assert().code(0);
    let first = ids(&receiver);
    site.otoscope(&[&READ[..], &["--webhook"]].concat()).assert().code(0);
    let both = ids(&receiver);
    let unique: BTreeSet<&String> = both.iter().collect();
    assert!(first.len() > 50 && both.len() == 2 * first.len() && unique.len() == first.len(), "{} ids", unique.len());
    let lines = otoscope().args(READ).arg("--json").assert().success();
    let told: Vec<Value> = String::from_utf8_lossy(&lines.get_output().stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    let events = receiver.taken();
    for (table, key, name) in [("findings", "finding_id", "finding"), ("assets", "asset_id", "asset")] {
        // States of earlier midnights are history.
        let mut rows: BTreeMap<String, &Value> = BTreeMap::new();
        for row in told.iter().filter(|row| row["table"] == table) {
            let newest = rows.entry(row[key].to_string()).or_insert(row);
            let age = |row: &Value| (row["as_of"].to_string(), row["revision"].as_i64());
            if age(row) > age(newest) {
                *newest = row;
            }
        }
        assert!(rows.len() > 10);
        for row in rows.into_values() {
            let event = events.iter().find(|event| event["subject"] == row[key]);
            let event = event.unwrap_or_else(|| panic!("{} was not told", row[key]));
            let mut row = row.clone();
            row.as_object_mut().expect("a row").remove("table");
            assert_eq!(event["data"][name], row);
        }
    }
    // With a state nothing is told twice.
    let state = site.path("state").display().to_string();
    let with_state = [&READ[..], &["--webhook", "--state", &state]].concat();
    let before = receiver.asked();
    site.otoscope(&with_state).assert().code(0);
    assert_eq!(receiver.asked() - before, first.len());
    site.otoscope(&with_state).assert().code(0);
    assert_eq!(receiver.asked() - before, first.len(), "what was told is told again");
}

#[test]
fn who_does_not_want_to_tell_tells_nobody_and_keeps_nothing() {
    let receiver = Receiver::start(|_| Reply::status(200));
    let site = Site::new(&receiver, "");
    let state = site.path("state");
    site.otoscope(&READ).arg("--state").arg(&state).assert().code(0);
    assert!(receiver.asked() == 0 && !state.exists());
    otoscope().args(READ).arg("--webhook").assert().code(2).stderr(contains("no [[webhook]]"));
}

#[test]
fn what_does_not_arrive_is_said_and_kept() {
    let receiver = Receiver::start(|_| Reply::status(503));
    let site = Site::new(&receiver, "");
    let state = site.path("state").display().to_string();
    let said = contains("webhook soc: 0 events arrived").and(contains("webhook sync"));
    site.otoscope(&[&READ[..], &["--webhook", "--webhook-wait", "1s", "--state", &state]].concat())
        .assert()
        .code(3)
        .stderr(said);
    let status = site.otoscope(&["webhook", "status", "--json", "--state", &state]).assert().code(0);
    let status: Value = serde_json::from_slice(&status.get_output().stdout).expect("JSON");
    assert!(status["webhooks"]["soc"]["waiting"].as_u64() > Some(50), "{status}");
}

#[test]
fn what_one_does_not_want_any_more_is_counted_in_health() {
    let receiver = Receiver::start(|_| Reply::status(410));
    let site = Site::new(&receiver, "");
    let (state, lake) = (site.path("state").display().to_string(), site.path("lake").display().to_string());
    let arguments =
        [&["read", "--quiet", "--webhook", "--state", &state, "--out", &lake][..], &["pcaps/http"]].concat();
    site.otoscope(&arguments).assert().code(3).stderr(contains("the receiver wants nothing more"));
    let other = [&arguments[..arguments.len() - 1], &["pcaps/bacnet"]].concat();
    site.otoscope(&other).assert().code(3);
    assert_eq!(receiver.asked(), 1);
    let health = otoscope().args(["health", &lake, "--format", "json"]).assert().success();
    let health: Vec<Value> = serde_json::from_slice(&health.get_output().stdout).expect("rows");
    let refused = health.iter().filter_map(|row| row["evicted"]["webhook_refused_disabled"].as_i64()).sum::<i64>();
    assert!(refused > 10, "{refused}");
}

/// 20 kills; as many more as `OTOSCOPE_KILLS` says.
fn kills() -> u64 {
    std::env::var("OTOSCOPE_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

#[test]
fn whenever_the_sender_is_killed_each_event_arrives_in_order_under_one_id() {
    let reference = Receiver::start(|_| Reply::status(200));
    Site::new(&reference, "").otoscope(&[&READ[..], &["--webhook"]].concat()).assert().code(0);
    let expected: BTreeSet<String> = ids(&reference).into_iter().collect();

    let receiver = Receiver::start(|n| match n % 17 {
        5 => Reply::BreakOffAnswering,
        11 => Reply::status(500),
        _ => Reply::status(200),
    });
    let site = Site::new(&receiver, "rate = 150\n");
    let mut seed = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos());
    eprintln!("seed {seed}");
    for kill in 0..kills() {
        // The reading itself is killed too, before and while it tells.
        let reads = kill % 3 == 0;
        let arguments = if reads { [&READ[..], &["--webhook"]].concat() } else { vec!["webhook", "sync"] };
        let mut child = site.process(&arguments).spawn().expect("it starts");
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let longest = if reads { 1_500 } else { 400 };
        std::thread::sleep(Duration::from_millis((seed >> 33) % longest));
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
    }
    let finished = site.process(&[&READ[..], &["--webhook"]].concat()).status().expect("it starts");
    assert_eq!(finished.code(), Some(0));
    let mut content: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for arrived in receiver.arrived() {
        let known = content.entry(arrived.header("webhook-id").to_owned()).or_insert_with(|| arrived.body.clone());
        assert_eq!(*known, arrived.body, "an id says something else the second time");
    }
    let taken = receiver.taken();
    let arrived: BTreeSet<String> = ids(&receiver).into_iter().collect();
    assert_eq!(arrived, expected, "{} events in {} requests", arrived.len(), receiver.asked());
    let numbers: BTreeSet<u64> =
        taken.iter().map(|event| event["sequence"].as_str().expect("a text").parse().expect("a number")).collect();
    assert_eq!(numbers, (1..=expected.len() as u64).collect(), "a gap or a double");
}

/// The block of the README that begins so, after its fence.
fn block(language: &str, holds: &str) -> String {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("there is a README");
    let fence = format!("```{language}\n");
    let mut blocks = readme.split(&fence).skip(1).map(|rest| rest.split("```\n").next().unwrap_or_default());
    blocks.find(|block| block.contains(holds)).unwrap_or_else(|| panic!("no {language} with {holds}")).to_owned()
}

/// Requests as Python reads them.
fn for_python(arrived: &[Arrived]) -> String {
    let requests = arrived.iter().map(|arrived| {
        let headers: BTreeMap<&str, &str> =
            arrived.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        json!({"headers": headers, "body": String::from_utf8_lossy(&arrived.body)})
    });
    json!({"secret": SECRET, "requests": requests.collect::<Vec<_>>()}).to_string()
}

fn run(python: &Path, program: &str, input: &str) {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let (script, data) = (folder.path().join("verify.py"), folder.path().join("requests.json"));
    fs::write(&script, program).and_then(|()| fs::write(&data, input)).expect("the script and its input");
    let output = Command::new(python).arg(&script).arg(&data).output().expect("Python starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn what_the_readme_says_of_webhooks_holds() {
    let receiver = Receiver::start(|_| Reply::status(200));
    let site = Site::new(&receiver, "batch = 7\n");
    site.otoscope(&[&READ[..], &["--webhook"]].concat()).assert().code(0);
    let program = block("python", "def verified") + CHECKS;
    run(Path::new("python3"), &program, &for_python(&receiver.arrived()));

    let settings = site.path("readme.toml");
    fs::write(&settings, block("toml", "[[webhook]]")).expect("the settings");
    otoscope().args(["config", "check"]).arg(&settings).assert().code(0).stdout(contains("all understood"));
    let shown: Value = serde_json::from_str(&block("json", "specversion")).expect("JSON");
    let sample = otoscope().args(["webhook", "sample", "credential.default"]).assert().code(0);
    let sample: Value = serde_json::from_slice(&sample.get_output().stdout).expect("JSON");
    assert_holds(&sample, &shown, "event");
}

/// Whatever is shown is there, and says the same.
fn assert_holds(whole: &Value, part: &Value, path: &str) {
    let Value::Object(members) = part else { return assert_eq!(whole, part, "{path}") };
    // The event's own id follows from every column, also from those that are not shown.
    for (name, value) in members.iter().filter(|(name, _)| *name != "id") {
        assert_holds(&whole[name], value, &format!("{path}.{name}"));
    }
}

const CHECKS: &str = r#"
import sys
given = json.load(open(sys.argv[1]))
for request in given["requests"]:
    headers, body = request["headers"], request["body"].encode()
    events = verified(headers, body, given["secret"])
    assert all(event["type"].startswith("eu.otoscope.") for event in (events if isinstance(events, list) else [events]))
    for wrong in [
        (headers, body + b" ", given["secret"]),
        ({**headers, "webhook-timestamp": "1614265330"}, body, given["secret"]),
        ({**headers, "webhook-id": "e-0"}, body, given["secret"]),
        (headers, body, "whsec_" + "A" * 32),
    ]:
        try:
            verified(*wrong)
        except ValueError:
            continue
        raise AssertionError("what is not ours is accepted")
assert given["requests"]
"#;

#[test]
fn the_published_library_verifies_what_arrives() {
    let Some(python) = python() else { return };
    let receiver = Receiver::start(|_| Reply::status(200));
    let site = Site::new(&receiver, "");
    site.otoscope(&["read", "pcaps/http", "--quiet", "--webhook"]).assert().code(0);
    run(&python, LIBRARY, &for_python(&receiver.arrived()));
}

const LIBRARY: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
given = json.load(open(sys.argv[1]))
judge = Webhook(given["secret"])
for request in given["requests"]:
    assert judge.verify(request["body"], request["headers"])["specversion"] == "1.0"
    try:
        judge.verify(request["body"] + " ", request["headers"])
    except WebhookVerificationError:
        continue
    raise AssertionError("another body is accepted")
assert given["requests"]
"#;

#[test]
fn a_test_says_whether_it_arrives_and_whether_the_clocks_agree() {
    let receiver = Receiver::start(|n| {
        let date = if n == 0 { "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" } else { "" };
        Reply::Say(if n == 2 { 401 } else { 200 }, date.into(), String::new())
    });
    let site = Site::new(&receiver, "");
    let late = contains("soc: 200 in").and(contains("behind ours: it will refuse"));
    site.otoscope(&["webhook", "test"]).assert().code(0).stdout(late);
    site.otoscope(&["webhook", "test", "soc"]).assert().code(0).stdout(contains("it arrives"));
    site.otoscope(&["webhook", "test"]).assert().code(1).stdout(contains("does not accept the signature"));
    site.otoscope(&["webhook", "test", "sco"]).assert().code(2).stderr(contains("did you mean soc"));
    assert_eq!(receiver.taken()[0]["type"], "eu.otoscope.webhook.test");
}

#[test]
fn faults_in_the_settings_are_told_with_line_and_column() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let path = folder.path().join("x.toml");
    let faults = |text: &str| {
        fs::write(&path, text).expect("the settings");
        let said = otoscope().args(["config", "check"]).arg(&path).assert().code(2);
        String::from_utf8_lossy(&said.get_output().stderr).into_owned()
    };
    let head = "[[webhook]]\nname = \"a\"\nurl = \"https://a.example/\"\n";
    for (text, expected) in [
        ("secert_file = \"x\"", "4:1: unknown key secert_file in [[webhook]]; did you mean secret_file?"),
        ("secret = \"whsec_x\"", "4:1: there is no secret: secrets come from files (secret_file)"),
        (
            "severity = \"hgih\"",
            "4:12: severity: hgih is none of info, low, medium, high, critical; did you mean high?",
        ),
        ("role = \"remedy\"", "4:8: role: remedy is none of listener, remediation"),
        ("batch = 0", "4:9: batch: a number from 1 to 1000 is wanted"),
        ("headers = { Authorization = \"x\" }", "4:11: headers: Authorization is a secret"),
        ("only_new = \"yes\"", "4:12: only_new: true or false is wanted"),
        ("[[webhook]]\nname = \"b\"", "this [[webhook]] has no url"),
        ("[[webhook]]\nname = \"a\"\nurl = \"https://b.example/\"", "two webhooks are called a"),
    ] {
        let said = faults(&format!("{head}{text}\n"));
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("whsec_x"), "{said}");
    }
    assert!(faults("[webhook]\nname = \"a\"\n").contains("1:2: write [[webhook]]"));
    assert!(faults("[[webhook]]\nname = \"a\"\nurl = \"http://a.example/\"\n").contains("3:7: url: events would go"));
    assert!(faults("[webhok]\nname = \"a\"\n").contains("did you mean [[webhook]]?"));
}
