//! Webhooks against a real receiver that fails: each event arrives at least once, in the order of its subject, under one id.

mod receiver;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use fingerprints::record::{AssetRow, FindingRow, Provenance, Record};
use outputs::webhook::{Endpoint, Role, Settings, Webhooks};
use outputs::{Sink, Store};
use receiver::{Receiver, Reply};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn endpoint(folder: &Path, settings: Settings) -> Endpoint {
    let secret = folder.join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Endpoint::load(Settings { name: "soc".into(), secret_file: vec![secret], ..settings }).unwrap()
}

fn provenance() -> Provenance {
    Provenance { site: "north".into(), sensor: "s1".into(), run_id: "r".into() }
}

/// So many findings, each of which changes so often.
fn lives(findings: usize, changes: usize) -> Vec<Record> {
    let mut rows = vec![AssetRow { asset_id: "a-1".into(), role: Some("plc".into()), ..AssetRow::default() }.into()];
    for change in 0..changes {
        rows.extend((0..findings).map(|finding| {
            let row = FindingRow {
                finding_id: format!("f-{finding}"),
                kind: "credential.default".into(),
                severity: "critical".into(),
                status: "open".into(),
                asset_id: Some("a-1".into()),
                ticket: Some(format!("CHG-{change:03}")),
                remediation: Some("rotate_password".into()),
                remediation_id: Some(format!("r-{finding}")),
                ..FindingRow::default()
            };
            Record::from(row)
        }));
    }
    rows
}

fn tell(webhooks: &Webhooks, rows: &[Record]) {
    let mut sink = Box::new(webhooks.sink(provenance()).unwrap());
    for row in rows {
        sink.record(row).unwrap();
    }
    sink.finish().unwrap();
}

fn started(store: Store, endpoints: Vec<Endpoint>) -> Webhooks {
    Webhooks::start(endpoints, store, |_| Ok(())).unwrap()
}

/// Every event once or more, with one id and one content, and per subject in the order in which they were told.
fn assert_all_arrived(receiver: &Receiver, findings: usize, changes: usize) {
    let mut content: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for arrived in receiver.arrived() {
        let id = arrived.header("webhook-id").to_owned();
        let known = content.entry(id.clone()).or_insert_with(|| arrived.body.clone());
        assert_eq!(*known, arrived.body, "{id} says something else the second time");
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in receiver.taken() {
        let is_first = ids.insert(event["id"].as_str().unwrap().to_owned());
        if let (true, Some(ticket)) = (is_first, event["data"]["finding"]["ticket"].as_str()) {
            seen.entry(event["subject"].as_str().unwrap().to_owned()).or_default().push(ticket.to_owned());
        }
    }
    let expected: Vec<String> = (0..changes).map(|change| format!("CHG-{change:03}")).collect();
    assert_eq!(seen.len(), findings);
    for (subject, tickets) in seen {
        assert_eq!(tickets, expected, "{subject}");
    }
}

/// How many findings change six times: 60, or a sixth of what `OTOSCOPE_EVENTS` says.
fn findings() -> usize {
    std::env::var("OTOSCOPE_EVENTS")
        .ok()
        .and_then(|events| events.parse::<usize>().ok())
        .map_or(60, |events| events / 6)
}

#[test]
fn however_the_receiver_fails_each_event_arrives_in_order_under_one_id() {
    let folder = tempfile::tempdir().unwrap();
    let ways = [
        Reply::status(500),
        Reply::Hang,
        Reply::Say(429, "retry-after: 1\r\n".into(), String::new()),
        Reply::BreakOffReading,
        Reply::BreakOffAnswering,
        Reply::Nonsense,
        Reply::Late(Duration::from_millis(900)),
        Reply::SlowReading(Duration::from_millis(900)),
        Reply::status(404),
        Reply::Say(302, "location: http://127.0.0.1:9/\r\n".into(), String::new()),
        Reply::Lie,
        Reply::status(503),
        Reply::SlowReading(Duration::from_millis(50)),
        Reply::Endless,
    ];
    let tried = ways.len();
    // One in twelve fails, each way several times; never so many in a row that the breaker opens.
    let receiver =
        Receiver::start(move |n| if n % 12 == 3 { ways[(n / 12) % ways.len()].clone() } else { Reply::status(204) });
    let settings = Settings { url: receiver.url(), timeout: Duration::from_millis(500), ..Settings::default() };
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), settings)]);
    let findings = findings();
    tell(&webhooks, &lives(findings, 6));
    let ends = webhooks.finish(Duration::from_hours(1)).unwrap();
    assert!(receiver.asked() > 2 * 12 * tried, "{} requests are too few to fail in each way", receiver.asked());
    assert_all_arrived(&receiver, findings, 6);
    assert_eq!(ends["soc"].arrived, 6 * findings as u64 + 1);
    let counts = &ends["soc"].status.counts;
    assert_eq!(counts["delivered"], 6 * findings as u64 + 1);
    assert!(counts["failures"] > 20 && !counts.contains_key("given_up"), "{counts:?}");
    // What was told stands: told again, there is nothing new.
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![]);
    assert_eq!(webhooks.store().counts("soc").unwrap(), (0, 0));
}

#[test]
fn who_starts_again_sends_what_was_left_and_tells_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let is_dead = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = std::sync::Arc::clone(&is_dead);
    let receiver = Receiver::start(move |_| {
        if switch.load(std::sync::atomic::Ordering::SeqCst) { Reply::status(503) } else { Reply::status(200) }
    });
    let with = |batch| Settings { url: receiver.url(), batch, ..Settings::default() };
    let rows = lives(5, 2);
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), with(3))]);
    tell(&webhooks, &rows);
    webhooks.finish(Duration::from_millis(1_500)).unwrap();
    assert!(receiver.taken().is_empty() && receiver.asked() > 0);
    is_dead.store(false, std::sync::atomic::Ordering::SeqCst);
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), with(3))]);
    // As they are in the end, which was told already.
    tell(&webhooks, &rows[6..]);
    webhooks.finish(Duration::from_secs(90)).unwrap();
    assert_all_arrived(&receiver, 5, 2);
    let sequences: Vec<String> =
        receiver.taken().iter().map(|event| event["sequence"].as_str().unwrap().to_owned()).collect();
    let unique: BTreeSet<&String> = sequences.iter().collect();
    assert_eq!((unique.len(), sequences.len()), (11, 11), "{sequences:?}");
    let is_batch = |arrived: &receiver::Arrived| arrived.header("content-type").contains("batch");
    assert!(receiver.arrived().iter().any(is_batch));
}

#[test]
fn one_who_wants_nothing_more_is_left_alone_until_a_replay() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|n| if n == 2 { Reply::status(410) } else { Reply::status(200) });
    let settings = Settings { url: receiver.url(), ..Settings::default() };
    let ours = || vec![endpoint(folder.path(), settings.clone())];
    let webhooks = started(Store::open(folder.path()).unwrap(), ours());
    tell(&webhooks, &lives(9, 1));
    let ends = webhooks.finish(Duration::from_mins(1)).unwrap();
    assert!(ends["soc"].status.disabled.is_some());
    assert_eq!((receiver.asked(), receiver.taken().len()), (3, 2));
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.counts("soc").unwrap(), (0, 8));
    assert_eq!(store.replay("soc", None).unwrap(), 8);
    started(store, ours()).finish(Duration::from_mins(1)).unwrap();
    assert_all_arrived(&receiver, 9, 1);
}

/// Killed in the middle of telling: a sink that is dropped has not said that it is at its end.
#[test]
fn one_who_was_cut_short_tells_the_rest_and_no_snapshot_of_what_it_told_itself() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::status(200));
    let settings = Settings { url: receiver.url(), ..Settings::default() };
    let rows = lives(40, 1);
    for until in [10, 25, rows.len()] {
        let ours = vec![endpoint(folder.path(), settings.clone())];
        let webhooks = started(Store::open(folder.path()).unwrap(), ours);
        let mut sink = webhooks.sink(provenance()).unwrap();
        for row in &rows[..until] {
            sink.record(row).unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
        drop(sink);
        webhooks.finish(Duration::from_secs(30)).unwrap();
    }
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), settings)]);
    tell(&webhooks, &rows);
    webhooks.finish(Duration::from_secs(30)).unwrap();
    assert_all_arrived(&receiver, 40, 1);
    let sequences: Vec<String> =
        receiver.taken().iter().map(|event| event["sequence"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sequences, (1..=41).map(|number| format!("{number:020}")).collect::<Vec<_>>());
}

#[test]
fn a_dead_endpoint_holds_up_neither_the_rows_nor_another_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let dead = Receiver::start(|_| Reply::Late(Duration::from_mins(1)));
    let alive = Receiver::start(|_| Reply::status(200));
    let of = |name: &str, receiver: &Receiver| {
        let settings = Settings { url: receiver.url(), timeout: Duration::from_secs(30), ..Settings::default() };
        let secret = vec![folder.path().join("secret")];
        endpoint(folder.path(), settings.clone());
        Endpoint::load(Settings { name: name.into(), secret_file: secret, ..settings }).unwrap()
    };
    let webhooks = started(Store::in_memory().unwrap(), vec![of("dead", &dead), of("alive", &alive)]);
    let begun = Instant::now();
    tell(&webhooks, &lives(300, 3));
    let told = begun.elapsed();
    assert!(told < Duration::from_secs(10), "telling took {told:?}");
    while alive.taken().len() < 901 {
        assert!(begun.elapsed() < Duration::from_secs(25), "{} arrived", alive.taken().len());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_all_arrived(&alive, 300, 3);
}

#[test]
fn a_redirect_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = Receiver::start(|_| Reply::status(200));
    let location = format!("location: {}\r\n", elsewhere.url());
    // 307 and 308 would take the body along.
    let receiver = Receiver::start(move |n| Reply::Say([301, 302, 307, 308][n % 4], location.clone(), String::new()));
    let settings = Settings { url: receiver.url(), ..Settings::default() };
    let webhooks = started(Store::in_memory().unwrap(), vec![endpoint(folder.path(), settings)]);
    tell(&webhooks, &lives(7, 1));
    let ends = webhooks.finish(Duration::from_millis(500)).unwrap();
    assert!(receiver.asked() >= 8 && ends["soc"].status.why.contains("redirects are not followed"), "{ends:?}");
    assert_eq!((elsewhere.asked(), ends["soc"].waiting), (0, 8));
}

#[test]
fn a_name_that_nobody_knows_costs_nothing_that_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { url: "https://no-such-host.invalid/".into(), ..Settings::default() };
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), settings)]);
    tell(&webhooks, &lives(3, 1));
    let ends = webhooks.finish(Duration::from_millis(500)).unwrap();
    assert!(ends["soc"].status.counts["failures"] > 0 && !ends["soc"].status.why.is_empty(), "{ends:?}");
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![]);
    assert_eq!(webhooks.store().counts("soc").unwrap(), (4, 0));
}

#[test]
fn a_remediation_tool_answers_in_what_it_returns() {
    let folder = tempfile::tempdir().unwrap();
    let answer = r#"{"state":"in_progress","ticket":"CHG-1","planned":"2026-12-01T20:00:00Z"}"#;
    let receiver = Receiver::start(move |n| match n {
        0 => Reply::Say(200, String::new(), answer.into()),
        1 => Reply::Say(202, String::new(), "not JSON".into()),
        _ => Reply::status(204),
    });
    let types = vec!["finding.*".to_owned()];
    let settings = Settings { url: receiver.url(), types, role: Role::Remediation, ..Settings::default() };
    let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), settings)]);
    tell(&webhooks, &lives(3, 1));
    let ends = webhooks.finish(Duration::from_secs(30)).unwrap();
    assert_eq!((ends["soc"].status.counts["answers"], ends["soc"].status.counts["answers_unread"]), (3, 1));
    let answers = Store::open(folder.path()).unwrap().answers().unwrap();
    assert_eq!((&*answers["r-0"].state, answers["r-0"].ticket.as_deref()), ("in_progress", Some("CHG-1")));
    assert_eq!((&*answers["r-1"].state, &*answers["r-2"].finding_id), ("dispatched", "f-2"));
    // Who reads the next time knows of it, and tells it once.
    for told in [6, 6] {
        let settings = Settings { url: receiver.url(), types: vec!["finding.*".into()], ..Settings::default() };
        let webhooks = started(Store::open(folder.path()).unwrap(), vec![endpoint(folder.path(), settings)]);
        tell(&webhooks, &lives(3, 1));
        webhooks.finish(Duration::from_secs(30)).unwrap();
        assert_eq!(receiver.taken().len(), told);
    }
    let last: Vec<String> = receiver.taken()[3..].iter().map(|event| event["type"].to_string()).collect();
    let expected = ["progress", "dispatched", "dispatched"].map(|name| format!("\"eu.otoscope.finding.{name}\""));
    assert_eq!(last, expected);
    assert_eq!(receiver.taken()[3]["data"]["finding"]["ticket"], "CHG-1");
}

#[test]
fn at_the_first_contact_what_is_known_comes_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_| Reply::status(200));
    let settings = Settings { url: receiver.url(), only_new: true, ..Settings::default() };
    let ours = || vec![endpoint(folder.path(), settings.clone())];
    for rows in [lives(5, 1), lives(6, 1)] {
        let webhooks = started(Store::open(folder.path()).unwrap(), ours());
        tell(&webhooks, &rows);
        webhooks.finish(Duration::from_secs(30)).unwrap();
    }
    let taken = receiver.taken();
    let types: Vec<&str> = taken.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["eu.otoscope.inventory.snapshot", "eu.otoscope.finding.opened"]);
    assert_eq!(taken[0]["data"]["snapshot"]["findings"].as_array().unwrap().len(), 5);
    assert_eq!(taken[1]["subject"], "f-5");
}
