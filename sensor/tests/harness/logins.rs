//! Logins of our captures: each with its outcome, and proved by the password that the lab knows; and what stood open there.

use super::support::{Notebook, captures_in, pcaps, read};
use dissectors::{Fact, Laxity};
use sensor::pipeline::Settings;
use std::collections::BTreeSet;

/// The capture, who is logged in to, how, as whom, and what became of it; the password is the lab's.
const LOGINS: [(&str, &str, &str, &str, &str, &str); 19] = [
    ("http/web", "10.20.0.31", "basic", "admin", "accepted", "lab-secret-1"),
    ("http/digest", "10.20.0.33", "digest_md5", "admin", "accepted", "lab-secret-1"),
    ("rtsp/basic", "10.20.0.203", "basic", "admin", "accepted", "lab-Door-7"),
    ("rtsp/basic", "10.20.0.203", "basic", "admin", "rejected", ""),
    ("rtsp/digest", "10.20.0.204", "digest_md5", "root", "accepted", "lab-Hall-4"),
    ("rtsp/digest", "10.20.0.204", "digest_md5", "root", "rejected", ""),
    ("onvif/cameras", "10.20.0.81", "wsse_digest", "root", "accepted", "Gate-4711"),
    ("onvif/cameras", "10.20.0.82", "digest_md5", "admin", "accepted", "Yard&2024"),
    ("onvif/changes", "10.20.0.81", "wsse_digest", "root", "rejected", ""),
    ("onvif/changes", "10.20.0.81", "wsse_text", "root", "accepted", "Gate-4711"),
    ("onvif/changes", "10.20.0.82", "digest_md5", "admin", "rejected", ""),
    ("onvif/changes", "10.20.0.82", "digest_md5", "admin", "accepted", "Yard&2024"),
    ("ftp/logins", "10.20.0.217", "ftp", "viewer", "accepted", "lab-Secret-9x"),
    ("telnet/logins", "10.20.0.219", "telnet", "viewer", "accepted", "lab-Secret-9x"),
    ("telnet/logins", "10.20.0.220", "telnet", "admin", "rejected", ""),
    ("mqtt/logins", "10.20.0.222", "mqtt", "viewer", "accepted", "lab-Secret-9x"),
    ("imap/logins", "10.20.0.230", "cram_md5", "viewer", "accepted", "lab-Secret-9x"),
    ("smtp/logins", "10.20.0.231", "sasl_login", "admin", "rejected", ""),
    ("ldap/binds", "10.20.0.233", "ldap_simple", "viewer", "accepted", "lab-Secret-9x"),
];

#[test]
fn logins_are_told_with_their_outcome_and_prove_their_password() {
    for (capture, server, scheme, user, outcome, password) in LOGINS {
        let told = told(capture);
        let found = told.logins().find(|(subject, login)| {
            subject.host.address.to_string() == server
                && login.scheme == scheme
                && login.username.as_deref() == Some(user)
                && login.outcome.name() == outcome
        });
        let Some((_, login)) = found else { panic!("{capture}: {:?}", told.logins().collect::<Vec<_>>()) };
        let is_of = |candidate: &str| login.proof.as_ref().and_then(|proof| proof.is_of(candidate.as_bytes()));
        let expected = (outcome == "accepted").then_some(true);
        assert_eq!((is_of(password), is_of("another")), (expected, expected.map(|_| false)), "{capture} {server}");
    }
}

#[test]
fn what_stands_open_is_told() {
    let lax = |capture: &str| -> BTreeSet<String> {
        let told = told(capture);
        let facts = told.observations.iter().filter_map(|observation| match &observation.fact {
            Fact::Lax(lax) => Some((observation.subject.host.address, lax)),
            _ => None,
        });
        let kind = |laxity| match laxity {
            Laxity::Key => "key",
            Laxity::NoLogin => "no login",
            Laxity::Clear => "in the clear",
        };
        facts.map(|(address, lax)| format!("{address} {}: {}", kind(lax.laxity), lax.what)).collect()
    };
    let of = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>();
    let open = [
        "10.20.0.201 no login: live video",
        "10.20.0.201 no login: stream description",
        "10.20.0.202 no login: live video",
        "10.20.0.202 no login: stream description",
    ];
    assert_eq!(lax("rtsp/open"), of(&open));
    assert_eq!(lax("rtsp/digest"), of(&[]));
    assert_eq!(lax("rtsp/basic"), of(&[]));
    let door = [
        "10.20.0.83 no login: device settings read",
        "10.20.0.83 no login: media settings read",
        "10.20.0.83 no login: users, logs or backups read",
    ];
    assert_eq!(lax("onvif/cameras"), of(&door));
    let changed = [
        "10.20.0.83 key: private key",
        "10.20.0.83 no login: device settings changed",
        "10.20.0.83 no login: restart, reset or firmware",
    ];
    assert_eq!(lax("onvif/changes"), of(&changed));
    for (capture, lines) in [
        ("ftp/logins", &["10.20.0.217 in the clear: files"][..]),
        ("ftp/tls", &[]),
        ("ldap/binds", &[]),
        ("imap/logins", &[]),
        ("mqtt/logins", &["10.20.0.223 no login: messages of a broker"]),
        ("rlogin/console", &["10.20.0.235 in the clear: console"]),
        ("snmp/communities", &["10.20.0.221 in the clear: settings"]),
        ("snmp/users", &["10.20.0.221 no login: values for users without a password"]),
        (
            "telnet/logins",
            &[
                "10.20.0.218 in the clear: console",
                "10.20.0.219 in the clear: console",
                "10.20.0.220 in the clear: console",
            ],
        ),
        ("tftp/files", &["10.20.0.234 in the clear: files"]),
        (
            "vnc/screens",
            &[
                "10.20.0.225 in the clear: screen",
                "10.20.0.226 in the clear: screen",
                "10.20.0.227 in the clear: screen",
                "10.20.0.228 in the clear: screen",
                "10.20.0.229 in the clear: screen",
                "10.20.0.229 no login: screen",
            ],
        ),
    ] {
        assert_eq!(lax(capture), of(lines), "{capture}");
    }
}

fn told(capture: &str) -> Notebook {
    read(captures_in(&pcaps().join(format!("{capture}.pcap"))), Settings::default()).0
}
