//! Logins: what their passwords are found to be, what is told of them and what never is.

mod world;

use dissectors::observation::{Binding, Credential, Outcome};
use dissectors::proof::{Algorithm, Digest, Protection, Wsse};
use dissectors::{Laxity, Proof, Secret};
use fingerprints::baseline::{Baseline, Device, Password};
use fingerprints::record::FindingRow;
use fingerprints::{Credentials, Dictionary, Settings, SiteKey};
use md5::Md5;
use sha1::Sha1;
use std::collections::BTreeSet;
use world::{Rows, World, host};

const CAMERA: &str = "10.0.0.2";
const OTHER: &str = "10.0.0.3";
const RECORDER: &str = "10.0.0.1";

fn clear(password: &str) -> Proof {
    Proof::clear(password.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    dissectors::hex(bytes).to_string()
}

/// A digest of RFC 2069, made here and not there.
fn digest(username: &str, password: &str) -> Proof {
    use md5::Digest as _;
    let (realm, nonce, uri, method) = ("camera", "n0nce", "/stream", "GET");
    let one = hex(&Md5::digest(format!("{username}:{realm}:{password}")));
    let two = hex(&Md5::digest(format!("{method}:{uri}")));
    let response = Md5::digest(format!("{one}:{nonce}:{two}"));
    let bytes = |text: &str| text.as_bytes().into();
    Proof::Digest(Box::new(Digest {
        algorithm: Algorithm::Md5,
        is_session: false,
        username: Some(bytes(username)),
        realm: bytes(realm),
        nonce: bytes(nonce),
        uri: bytes(uri),
        method: bytes(method),
        qop: Protection::Unsaid,
        count: Box::default(),
        cnonce: Box::default(),
        response: Secret::new(&response),
    }))
}

fn token(password: &str) -> Proof {
    use sha1::Digest as _;
    let digest = Sha1::digest(format!("nonce2026{password}"));
    let wsse = Wsse { nonce: (*b"nonce").into(), created: (*b"2026").into(), digest: Secret::new(&digest) };
    Proof::Wsse(Box::new(wsse))
}

/// One login to the camera, and all that comes of it.
fn one(proof: Proof, change: impl FnOnce(&mut Credential)) -> Rows {
    let mut world = World::new();
    world.logs_in(host(RECORDER), host(CAMERA), proof, change);
    world.finish()
}

fn strengths(rows: &Rows) -> Vec<&str> {
    rows.credentials().iter().map(|row| row.strength).collect()
}

fn kinds(rows: &Rows) -> BTreeSet<&str> {
    let kinds = [
        "default",
        "empty",
        "guessable",
        "cleartext",
        "exposed_hash",
        "reused",
        "unchanged",
        "guessing",
        "none_required",
        "key_exposed",
    ];
    kinds.into_iter().filter(|kind| !rows.findings(&format!("credential.{kind}")).is_empty()).collect()
}

#[test]
fn a_default_is_found_in_clear_and_in_a_digest() {
    for (proof, scheme, exposed) in [
        (clear("12345"), "basic", "cleartext"),
        (digest("admin", "12345"), "digest_md5", "exposed_hash"),
        (token("12345"), "wsse_digest", "exposed_hash"),
    ] {
        let rows = one(proof, |login| login.scheme = scheme);
        assert_eq!(strengths(&rows), ["default"], "{scheme}");
        assert_eq!(kinds(&rows), BTreeSet::from([exposed, "default"]), "{scheme}");
        let found = rows.findings("credential.default")[0];
        assert_eq!(found.severity, "critical");
        assert_eq!(found.details["username"], "admin");
        assert_eq!(found.remediation_parameters["scheme"], scheme);
        assert_eq!(found.remediation_parameters["address"], CAMERA);
        assert_eq!((found.port, found.count, found.evidence[0].frame), (Some(80), 1, Some(1)));
    }
}

#[test]
fn what_is_accepted_without_a_password_is_not_readable_too() {
    let rows = one(clear(""), |_| {});
    assert_eq!((strengths(&rows), kinds(&rows)), (vec!["empty"], BTreeSet::from(["empty"])));
    let rows = one(digest("admin", ""), |login| login.scheme = "digest_md5");
    assert_eq!((strengths(&rows), kinds(&rows)), (vec!["empty"], BTreeSet::from(["empty"])));
}

#[test]
fn a_password_that_nothing_explains_is_told_by_its_letters_or_not_at_all() {
    let rows = one(clear("qX7-vbnRT-29pl"), |_| {});
    assert_eq!((strengths(&rows), kinds(&rows)), (vec!["strong"], BTreeSet::from(["cleartext"])));
    let rows = one(digest("admin", "qX7-vbnRT-29pl"), |_| {});
    assert_eq!((strengths(&rows), kinds(&rows)), (vec!["unknown"], BTreeSet::from(["exposed_hash"])));
}

#[test]
fn who_is_not_seen_to_be_let_in_has_no_default() {
    let rows = one(clear("12345"), |login| login.outcome = Outcome::Unknown);
    assert_eq!((strengths(&rows), kinds(&rows)), (vec!["default"], BTreeSet::from(["cleartext"])));
    assert_eq!(rows.findings("credential.cleartext")[0].confidence, Some(70));
    let rows = one(clear("12345"), |login| login.outcome = Outcome::Rejected);
    assert_eq!((strengths(&rows), kinds(&rows)), (vec!["unknown"], BTreeSet::new()));
}

#[test]
fn what_is_encrypted_is_not_exposed_but_may_be_a_default() {
    let rows = one(clear("12345"), |login| login.encrypted = true);
    assert_eq!(kinds(&rows), BTreeSet::from(["default"]));
    assert!(rows.credentials()[0].encrypted);
}

#[test]
fn a_serial_number_that_is_told_later_explains_a_digest_within_the_hour() {
    for (seconds, strength) in [(60, "guessable"), (3_600, "unknown")] {
        let mut world = World::new();
        let camera = host(CAMERA);
        let serial = "DS-2CD2042WD-I20160101";
        world.logs_in(host(RECORDER), camera, digest("admin", serial), |_| {});
        world.second += seconds;
        world.inventory.advance(world::at(world.second));
        world.says(camera, None, "onvif.serial", serial);
        let rows = world.finish();
        assert_eq!(strengths(&rows), [strength], "after {seconds} seconds");
        let found = rows.findings("credential.guessable");
        let guess = found.first().map(|row| row.details["guess"].as_str());
        assert_eq!(guess, (strength == "guessable").then_some("its serial number"));
    }
}

#[test]
fn what_is_explained_later_is_counted_once() {
    let mut world = World::new();
    let serial = "DS-2CD2042WD-I20160101";
    for camera in [CAMERA, OTHER] {
        world.logs_in(host(RECORDER), host(camera), clear(serial), |_| {});
    }
    world.says(host(CAMERA), None, "onvif.serial", serial);
    let rows = world.finish();
    assert_eq!(rows.findings("credential.guessable").len(), 1, "it is the number of one of them");
    assert_eq!(rows.findings("credential.guessable")[0].count, 1);
    assert_eq!(rows.findings("credential.reused")[0].count, 2);
}

#[test]
fn the_maker_that_is_learnt_later_names_the_row_and_makes_it_surer() {
    let found = |vendor: Option<&str>| {
        let mut world = World::new();
        world.logs_in(host(RECORDER), host(CAMERA), clear("12345"), |_| {});
        if let Some(vendor) = vendor {
            world.says(host(CAMERA), None, "onvif.manufacturer", vendor);
        }
        let rows = world.finish();
        let row = rows.findings("credential.default")[0];
        assert_eq!(Some(&row.details["default_entry"]), rows.credentials()[0].default_entry.as_ref());
        (row.details["default_entry"].clone(), row.confidence)
    };
    let (entry, confidence) = found(Some("HIKVISION"));
    assert!(entry.starts_with("Hikvision"), "{entry}");
    assert_eq!((confidence, found(None).1), (Some(97), Some(90)));
}

/// Two devices that accept these.
fn shared(one: Proof, other: Proof, settings: Settings) -> Rows {
    let mut world = World::with(settings);
    world.logs_in(host(RECORDER), host(CAMERA), one, |login| login.username = Some("service".into()));
    world.logs_in(host(RECORDER), host(OTHER), other, |login| {
        (login.username, login.scheme) = (Some("viewer".into()), "digest_md5");
    });
    world.finish()
}

fn with_key(byte: u8) -> Settings {
    let site_key = Some(SiteKey::new(&[byte; 32]));
    let credentials = Credentials { site_key, ..Credentials::default() };
    Settings { site: "test".to_owned(), credentials, ..Settings::default() }
}

const STRONG: &str = "qX7-vbnRT-29pl";

#[test]
fn one_password_of_two_devices_is_found_though_one_shows_only_a_digest() {
    for (one, other) in [
        (clear(STRONG), digest("viewer", STRONG)),
        (digest("service", STRONG), clear(STRONG)),
        (clear(STRONG), clear(STRONG)),
    ] {
        let rows = shared(one, other, Settings::default());
        let found = rows.findings("credential.reused");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].details["devices"], "2");
        assert!(found[0].details["where"].contains("user viewer"), "{:?}", found[0].details);
        assert!(!found[0].details.contains_key("secret_hmac"), "nobody gave a key");
    }
    assert!(
        shared(clear(STRONG), clear("another-Passw0rd"), Settings::default()).findings("credential.reused").is_empty()
    );
    let digests = shared(digest("service", STRONG), digest("viewer", STRONG), Settings::default());
    assert!(digests.findings("credential.reused").is_empty(), "nobody can say");
}

fn hashes(rows: &Rows) -> Vec<Option<&str>> {
    rows.credentials().iter().map(|row| row.secret_hmac.as_deref()).collect()
}

#[test]
fn another_key_gives_other_hashes_and_the_same_findings() {
    let unkeyed = || Settings { credentials: Credentials::default(), ..with_key(0) };
    let with = |settings| shared(clear(STRONG), digest("viewer", STRONG), settings);
    let (none, one, other) = (with(unkeyed()), with(with_key(1)), with(with_key(2)));
    assert_eq!(hashes(&none), [None, None]);
    let [first, second] = hashes(&one)[..] else { panic!("two logins") };
    assert!(first.is_some() && first == second, "equal passwords have equal hashes");
    assert_ne!(hashes(&one), hashes(&other));
    let ids = |rows: &Rows| rows.credentials()[0].secret_key_id.clone();
    assert!(ids(&none).is_none() && ids(&one).is_some() && ids(&one) != ids(&other));
    let findings = |rows: &Rows| {
        let told = |row: &FindingRow| (row.kind.clone(), row.title.clone(), row.asset_id.clone(), row.count);
        let all = ["credential.cleartext", "credential.exposed_hash", "credential.reused"];
        all.map(|kind| rows.findings(kind).into_iter().map(told).collect::<Vec<_>>())
    };
    assert_eq!(findings(&one), findings(&other));
    assert_eq!(findings(&one), findings(&none));
}

#[test]
fn repeats_are_counted_with_the_first() {
    let mut world = World::new();
    let place = world.logs_in(host(RECORDER), host(CAMERA), clear("12345"), |_| {});
    world.logs_in(host(RECORDER), host(CAMERA), clear(""), |login| {
        (login.proof, login.count, login.told) = (None, 41, place);
    });
    let rows = world.finish();
    let [row] = rows.credentials()[..] else { panic!("one row") };
    assert_eq!((row.count, row.strength, row.frame), (42, "default", Some(1)));
    assert_eq!(rows.findings("credential.default")[0].count, 42);
    assert_eq!(rows.findings("credential.cleartext")[0].count, 42);
}

#[test]
fn a_burst_of_refused_logins_is_guessing_and_tells_who_how_many_and_by_which_names() {
    let guesses = |count: usize, then: bool| {
        let mut world = World::new();
        for number in 0..count {
            world.logs_in(host(RECORDER), host(CAMERA), clear("x"), |login| {
                login.username = Some(["root", "admin"][number % 2].into());
                login.outcome = Outcome::Rejected;
            });
        }
        if then {
            world.logs_in(host(RECORDER), host(CAMERA), clear("12345"), |_| {});
        }
        world.finish()
    };
    assert!(kinds(&guesses(9, false)).is_empty());
    let rows = guesses(12, true);
    let found = rows.findings("credential.guessing")[0];
    assert_eq!((found.count, found.details["names"].as_str()), (12, "admin, root"));
    assert_eq!(found.details["clients"], "10.0.0.1 x 12");
    assert_eq!(found.details["end"], "then one of them was let in");
    assert_eq!(found.peer_ip.as_deref(), Some(RECORDER));
    assert_eq!(found.remediation_parameters["policy"], "allow_intended_clients_only");
}

#[test]
fn a_password_that_stays_for_more_than_a_year_is_told() {
    let after = |days: i64| {
        let mut world = World::new();
        world.logs_in(host(RECORDER), host(CAMERA), clear(STRONG), |_| {});
        world.second += days * 86_400;
        world.logs_in(host(RECORDER), host(CAMERA), clear(STRONG), |_| {});
        world.finish().findings("credential.unchanged").first().map(|row| row.details["days"].clone())
    };
    assert_eq!(after(365), None);
    assert_eq!(after(400).as_deref(), Some("400"));
}

/// A camera that accepted a password in another run so many days before, under this key.
fn unchanged_since(days: i64, key_before: u8) -> Option<FindingRow> {
    let login = |world: &mut World| {
        world.binding(host(CAMERA), world::mac(2), Binding::Told);
        world.logs_in(host(RECORDER), host(CAMERA), clear(STRONG), |_| {});
        world.finish()
    };
    let before = login(&mut World::with(with_key(key_before)));
    let passwords = before.credentials().into_iter().map(|row| Password {
        port: row.server_port.unwrap_or_default(),
        scheme: row.scheme.to_owned(),
        username: row.username.clone(),
        hash: row.secret_hmac.clone().unwrap_or_default(),
        first_seen: row.first_seen,
    });
    let camera = Device { passwords: passwords.collect(), ..Device::of(before.asset(CAMERA), []) };
    let mut world = World::with(with_key(1));
    world.second = days * 86_400;
    world.inventory.compare_with(Baseline { devices: vec![camera], ..Baseline::default() });
    let rows = login(&mut world);
    rows.findings("credential.unchanged").first().map(|row| (*row).clone())
}

#[test]
fn a_password_that_was_the_same_in_a_baseline_is_told() {
    let found = unchanged_since(400, 1).expect("it is a year old");
    assert_eq!((found.details["days"].as_str(), found.count), ("400", 1));
    assert_eq!(unchanged_since(300, 1), None);
    assert_eq!(unchanged_since(400, 2), None, "hashes of another key never compare");
}

#[test]
fn what_stands_open_is_told_once_for_a_device_and_port() {
    let mut world = World::new();
    world.is_lax(host(RECORDER), host(CAMERA), Laxity::NoLogin, "live video");
    world.is_lax(host(OTHER), host(CAMERA), Laxity::NoLogin, "restart");
    world.is_lax(host(RECORDER), host(CAMERA), Laxity::Key, "media key");
    world.is_lax(host(RECORDER), host(CAMERA), Laxity::Clear, "console");
    let rows = world.finish();
    let [open] = rows.findings("credential.none_required")[..] else { panic!("one") };
    assert_eq!((open.details["what"].as_str(), open.count, open.port), ("live video, restart", 2, Some(554)));
    let [key] = rows.findings("credential.key_exposed")[..] else { panic!("one") };
    assert_eq!((key.details["what"].as_str(), key.severity.as_str()), ("media key", "critical"));
    let [clear] = rows.findings("protocol.cleartext_management")[..] else { panic!("one") };
    assert_eq!((clear.details["what"].as_str(), clear.severity.as_str()), ("console", "medium"));
}

#[test]
fn what_a_host_says_to_itself_crosses_no_wire() {
    let mut world = World::new();
    world.logs_in(host(CAMERA), host(CAMERA), digest("admin", "12345"), |_| {});
    world.is_lax(host(CAMERA), host(CAMERA), Laxity::Clear, "console");
    world.is_lax(host(CAMERA), host(CAMERA), Laxity::NoLogin, "live video");
    let rows = world.finish();
    assert_eq!(rows.credentials().len(), 1);
    assert_eq!(rows.findings("credential.none_required").len(), 1, "whoever asks gets it");
    for kind in ["credential.default", "credential.exposed_hash", "protocol.cleartext_management"] {
        assert!(rows.findings(kind).is_empty(), "{kind}");
    }
}

#[test]
fn a_list_of_ones_own_counts_as_defaults() {
    let dictionary = Dictionary::read(b"admin\tour-Commissioning-7\tAcme").expect("a list");
    let credentials = Credentials { dictionary, ..Credentials::default() };
    let mut world = World::with(Settings { credentials, ..Settings::default() });
    world.logs_in(host(RECORDER), host(CAMERA), digest("admin", "our-Commissioning-7"), |_| {});
    let rows = world.finish();
    assert_eq!(rows.credentials()[0].default_entry.as_deref(), Some("Acme, line 1 of the own list"));
    assert_eq!(rows.findings("credential.default").len(), 1);
}

#[test]
fn user_names_may_be_told_as_tokens() {
    let settings = with_key(1);
    let credentials = Credentials { tokenise_users: true, ..settings.credentials.clone() };
    let mut world = World::with(Settings { credentials, ..settings });
    world.logs_in(host(RECORDER), host(CAMERA), digest("admin", "12345"), |_| {});
    world.logs_in(host(RECORDER), host(CAMERA), clear("x"), |login| login.outcome = Outcome::Rejected);
    let rows = world.finish();
    let names: Vec<Option<&str>> = rows.credentials().iter().map(|row| row.username.as_deref()).collect();
    assert!(names.iter().all(|name| name.is_some_and(|name| name.starts_with("u-"))), "{names:?}");
    assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "one user, one token");
    assert_eq!(rows.findings("credential.default").len(), 1, "it is judged by its name all the same");
    assert!(!format!("{:?}", rows.0).contains("admin"), "{:?}", rows.0);
}

#[test]
fn a_flood_of_guesses_takes_no_room_from_what_is_let_in() {
    let settings = Settings { max_dealings: 64, max_row_bytes: 1 << 20, ..Settings::default() };
    let mut world = World::with(settings);
    for number in 0..2_000 {
        world.logs_in(host("10.9.9.9"), host(CAMERA), clear("x"), |login| {
            login.username = Some(format!("user{number}").into());
            login.outcome = Outcome::Rejected;
        });
    }
    world.logs_in(host(RECORDER), host(CAMERA), clear("12345"), |_| {});
    let rows = world.finish();
    assert_eq!(rows.findings("credential.default").len(), 1);
    let counted: i64 = rows.credentials().iter().filter(|row| row.outcome == "rejected").map(|row| row.count).sum();
    assert_eq!(counted, 2_000, "what finds no room is lumped, and counted");
    assert!(world.inventory.counters()["login_rows_lumped"] > 0);
    assert!(world.inventory.counters()["accounts_refused"] == 0);
}

#[test]
fn what_is_tried_on_one_device_has_an_end_that_is_counted() {
    let mut world = World::new();
    for number in 0..60 {
        world.logs_in(host(RECORDER), host(CAMERA), digest(&format!("user{number}"), STRONG), |login| {
            login.username = Some(format!("user{number}").into());
        });
    }
    world.logs_in(host(RECORDER), host(OTHER), digest("admin", "12345"), |_| {});
    let counters = world.inventory.counters();
    assert!(counters["password_candidates_untried"] > 0, "{counters:?}");
    let rows = world.finish();
    assert_eq!(rows.findings("credential.default").len(), 1, "another device has tries of its own");
}

#[test]
fn a_password_that_was_found_once_is_found_at_once() {
    let mut world = World::new();
    for _ in 0..2_000 {
        world.logs_in(host(RECORDER), host(CAMERA), digest("admin", "12345"), |login| login.scheme = "digest_md5");
    }
    // What most people choose stands at the end of all that is tried.
    for _ in 0..2_000 {
        world.logs_in(host(RECORDER), host(OTHER), digest("operator-7", "letmein"), |login| {
            login.scheme = "digest_md5";
            login.username = Some("operator-7".into());
        });
    }
    let rows = world.finish();
    assert_eq!(world.inventory.counters()["password_candidates_untried"], 0);
    assert_eq!(BTreeSet::from_iter(strengths(&rows)), BTreeSet::from(["default", "guessable"]));
    let count = |kind: &str| rows.findings(&format!("credential.{kind}"))[0].count;
    assert_eq!((count("default"), count("guessable")), (2_000, 2_000));
}

/// A new password is seen to be one, and the old one to be back.
#[test]
fn a_password_that_was_changed_cures_and_one_that_is_back_regresses() {
    let rows_of = |passwords: &[&str], username: Option<&str>| {
        let mut world = World::new();
        for password in passwords {
            world.logs_in(host(RECORDER), host(CAMERA), digest("admin", password), |login| {
                login.username = username.map(Into::into);
            });
            world.second += 3_600;
        }
        world.finish()
    };
    let status = |passwords: &[&str]| {
        let rows = rows_of(passwords, Some("admin"));
        let [finding] = rows.findings("credential.default")[..] else { panic!("one finding of {passwords:?}") };
        // That digests cross the wire stays open.
        assert_eq!(rows.asset(CAMERA).open_findings, if finding.is_open() { 2 } else { 1 });
        (finding.status.clone(), finding.resolution.clone(), finding.evidence.len())
    };
    let (old, other, new) = ("12345", "admin", "Trombone-88-lantern");
    let verified = ("verified".to_owned(), Some("verified".to_owned()), 2);
    assert_eq!(status(&[old]), ("open".to_owned(), None, 1));
    assert_eq!(status(&[old, new]), verified);
    assert_eq!(status(&[old, new, new]), verified);
    assert_eq!(status(&[new, old]).0, "regressed");
    assert_eq!(status(&[old, new, old]).0, "regressed");
    assert_eq!(status(&[old, new, old, new]).0, "verified");
    assert_eq!(status(&[old, other]).0, "open", "the other is one of them too");
    // A device may have several keys without a name.
    let rows = rows_of(&[old, new], None);
    assert!(rows.findings("credential.default").iter().all(|finding| finding.status == "open"));
}

/// Two realms of one port have a password each.
#[test]
fn a_password_of_another_realm_cures_nothing() {
    let status = |realms: [&str; 2]| {
        let mut world = World::new();
        for (password, realm) in ["12345", "Trombone-88-lantern"].into_iter().zip(realms) {
            world.logs_in(host(RECORDER), host(CAMERA), digest("admin", password), |login| {
                login.realm = Some(realm.into());
            });
            world.second += 3_600;
        }
        world.finish().findings("credential.default")[0].status.clone()
    };
    assert_eq!(status(["camera", "camera"]), "verified");
    assert_eq!(status(["camera", "recorder"]), "open");
}

/// What was held for its hour is explained though the hour's rows are written.
#[test]
fn a_vendor_that_is_known_late_explains_a_login_of_an_hour_that_is_written() {
    let mut world = World::new();
    world.second = 3_590;
    world.logs_in(host(RECORDER), host(CAMERA), digest("admin", "SN-73912-XK"), |_| {});
    world.second += 300;
    world.inventory.advance(world::at(world.second));
    let written = world.inventory.close_hours(world::at(world.second).hour(), &[]);
    assert!(written.iter().any(|row| row.table() == "credentials"), "the login stands in its hour");
    world.says(host(CAMERA), None, "onvif.serial", "SN-73912-XK");
    assert_eq!(world.finish().findings("credential.guessable").len(), 1);
}
