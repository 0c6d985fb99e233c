//! No password that crosses the wire in a capture stands in any output: not as it is, not in hex, not in base64, not as
//! addresses or XML write it.

use super::support::{otoscope, pcaps, public_captures};
use super::webhook::Site;
use super::webhook::receiver::{Receiver, Reply};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is typed into a virtual terminal in `bacnet/messages`.
const TYPED: &[u8] = b"lab-secret-3";
/// Shorter ones stand in any text by chance.
const SHORTEST: usize = 6;

#[test]
fn no_password_of_bacnet_is_in_any_output() {
    let own = captures_in(&pcaps().join("bacnet"));
    let all: BTreeSet<Vec<u8>> = own.iter().flat_map(|path| passwords_in(path)).collect();
    for known in [&b"lab-secret-1"[..], b"lab-wrong-0"] {
        assert!(all.contains(known), "the search finds none of what is known to be there");
    }
    let public = public_captures().map(|folder| captures_in(&folder.join("bacnet"))).unwrap_or_default();
    let mut looked_for = 0;
    for capture in own.iter().chain(&public) {
        let mut secrets = passwords_in(capture);
        secrets.insert(TYPED.to_vec());
        secrets.retain(|secret| secret.len() >= SHORTEST);
        looked_for += secrets.len();
        assert_untold(capture, &secrets);
    }
    assert!(looked_for > own.len(), "{looked_for} passwords");
}

/// Every password of the captures of DNP3: of files, and typed at a console.
const OF_DNP3: [(&str, &str); 3] = [("files", "lab-secret-7"), ("files", "lab-wrong-1"), ("console", "lab-secret-8")];

#[test]
fn no_password_of_dnp3_is_in_any_output() {
    for (capture, password) in OF_DNP3 {
        let path = pcaps().join(format!("dnp3/{capture}.pcap"));
        let bytes = fs::read(&path).expect("the capture is there");
        assert!(holds(&bytes, password.as_bytes()), "one of the passwords is in no frame of {capture}");
        assert_untold(&path, &BTreeSet::from([password.as_bytes().to_vec()]));
    }
}

/// What is known of the captures of cameras and of the web: passwords, and a key.
const OF_CAMERAS: [(&str, &str); 9] = [
    ("rtsp/basic", "lab-Door-7"),
    ("onvif/changes", "Gate-4711"),
    ("onvif/changes", "Visit<2026>"),
    ("onvif/changes", "no key, but the place where one stands"),
    ("http/web", "lab-secret-1"),
    ("http/digest", "lab-secret-1"),
    ("onvif/cameras", "Gate-4711"),
    ("onvif/cameras", "Yard&2024"),
    ("rtsp/digest", "lab-Hall-4"),
];

#[test]
fn no_secret_of_cameras_and_of_the_web_is_in_any_output() {
    let mut folders: Vec<PathBuf> = ["http", "rtsp", "onvif"].iter().map(|name| pcaps().join(name)).collect();
    folders.extend(public_captures().into_iter().flat_map(|folder| ["http", "rtsp"].map(|name| folder.join(name))));
    let mut looked_for = 0;
    for capture in folders.iter().flat_map(|folder| captures_in(folder)) {
        let mut secrets = logins_in(&fs::read(&capture).expect("it can be read"));
        let is_here = |name: &str| capture.ends_with(format!("{name}.pcap"));
        secrets
            .extend(OF_CAMERAS.iter().filter(|(name, _)| is_here(name)).map(|(_, secret)| secret.as_bytes().to_vec()));
        secrets.retain(|secret| secret.len() >= SHORTEST);
        looked_for += secrets.len();
        assert_untold(&capture, &secrets);
    }
    assert!(looked_for >= 20, "{looked_for} secrets");
}

/// What stands in heads and bodies where logins do, by a search of this test's own over all bytes: the value of a header,
/// its base64 undone; the response and the password of a digest; passwords of addresses and of XML.
fn logins_in(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut secrets = BTreeSet::new();
    let marks: [(&[u8], &[u8]); 7] = [
        (b"Authorization: Basic ", b"\r\n"),
        (b"Authorization: Bearer ", b"\r\n"),
        (b"response=\"", b"\"\r\n"),
        (b"password=", b"& \r\n"),
        (b"pwd=", b"& \r\n"),
        (b"#PasswordText\">", b"<"),
        (b"#PasswordDigest\">", b"<"),
    ];
    for (mark, ends) in marks {
        for at in (0..bytes.len().saturating_sub(mark.len())).filter(|at| bytes[*at..].starts_with(mark)) {
            let value = bytes[at + mark.len()..].split(|byte| ends.contains(byte)).next().unwrap_or_default();
            if mark.ends_with(b"Basic ") {
                let pair = BASE64_STANDARD.decode(value).unwrap_or_default();
                let mut parts = pair.splitn(2, |byte| *byte == b':');
                // A password that is the user's own name is told as that.
                let (user, password) = (parts.next(), parts.next());
                secrets.extend(password.filter(|password| user != Some(password)).map(<[u8]>::to_vec));
            }
            secrets.insert(value.to_vec());
        }
    }
    secrets
}

/// Whether bytes stand in a capture, maybe with the two bytes of a checksum among them.
fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let is_split_at = |window: &[u8], at: usize| window[..at] == wanted[..at] && window[at + 2..] == wanted[at..];
    bytes.windows(wanted.len()).any(|window| window == wanted)
        || bytes.windows(wanted.len() + 2).any(|window| (1..wanted.len()).any(|at| is_split_at(window, at)))
}

/// Nothing that reading a capture leaves behind holds any of these.
pub(super) fn assert_untold(capture: &Path, secrets: &BTreeSet<Vec<u8>>) {
    for (output, text) in outputs_of(capture) {
        for secret in secrets {
            let forms = [
                ("clear", secret.clone()),
                ("hex", hex(secret)),
                ("base64", base64(secret)),
                // As it stands behind a user's name and a colon, whose length is not known.
                ("base64", base64(secret.get(1..).unwrap_or_default())),
                ("base64", base64(secret.get(2..).unwrap_or_default())),
                ("an address", in_address(secret)),
                ("an address", in_address(secret).to_ascii_lowercase()),
                ("XML", in_xml(secret)),
            ];
            for (how, form) in forms.into_iter().filter(|(_, form)| form.len() >= SHORTEST) {
                assert!(!contains(&text, &form), "{}: {output} holds a password in {how}", capture.display());
            }
        }
    }
}

pub(super) fn captures_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "pcap" || kind == "pcapng");
    let mut captures: Vec<PathBuf> = entries.filter(is_capture).collect();
    captures.sort();
    captures
}

/// Everything that reading a capture leaves behind, in lower case where hex may be written so.
fn outputs_of(capture: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let lake = folder.path().join("lake");
    let read = otoscope().arg("read").arg(capture).arg("--out").arg(&lake).output().expect("it starts");
    let lines = otoscope().arg("read").arg(capture).arg("--json").output().expect("it starts");
    let mut outputs = vec![
        ("the summary".to_owned(), read.stdout),
        ("the log".to_owned(), read.stderr),
        ("JSON".to_owned(), lines.stdout),
    ];
    outputs.extend(events_of(capture));
    let snapshot = capture.with_extension("snap");
    outputs.extend(fs::read(&snapshot).into_iter().map(|text| ("the snapshot".to_owned(), text)));
    let mut folders = vec![lake];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it was written").map(|entry| entry.expect("it can be read").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                outputs.push((entry.display().to_string(), fs::read(&entry).expect("it can be read")));
            }
        }
    }
    assert!(outputs.iter().filter(|(_, text)| !text.is_empty()).count() >= 3, "{}", capture.display());
    outputs
}

/// What webhooks get, and what is kept of it.
fn events_of(capture: &Path) -> Vec<(String, Vec<u8>)> {
    let receiver = Receiver::start(|_| Reply::status(200));
    let site = Site::new(&receiver, "");
    let read =
        site.otoscope(&["read", "--webhook", "--quiet", "--state"]).arg(site.path("state")).arg(capture).output();
    let read = read.expect("it starts");
    let events: Vec<Vec<u8>> = receiver.arrived().into_iter().map(|arrived| arrived.body).collect();
    let state = fs::read(site.path("state/otoscope.redb")).expect("the state was written");
    let log = [read.stdout, read.stderr].concat();
    vec![
        ("an event".to_owned(), events.concat()),
        ("the state".to_owned(), state),
        ("the log of webhooks".to_owned(), log),
    ]
}

/// Passwords of `ReinitializeDevice` and `DeviceCommunicationControl`, by a search of this test's own over all bytes:
/// the service, its parameters in their context tags, and a string in the last of them.
fn passwords_in(capture: &Path) -> BTreeSet<Vec<u8>> {
    let bytes = fs::read(capture).expect("it can be read");
    let strings = (0..bytes.len()).filter_map(|at| match bytes.get(at..)? {
        [0x14, 0x09, _, rest @ ..] => string(rest, 0x18),
        [0x11, 0x09, _, 0x19, _, rest @ ..] | [0x11, 0x0a, _, _, 0x19, _, rest @ ..] | [0x11, 0x19, _, rest @ ..] => {
            string(rest, 0x28)
        }
        _ => None,
    });
    strings.filter(|string| string.len() >= 2).map(<[u8]>::to_vec).collect()
}

/// A character string of UTF-8 in this context tag.
fn string(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = match first.checked_sub(tag)? {
        5 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        length @ 1..=4 => (usize::from(length), rest),
        _ => return None,
    };
    let text = rest.get(..length)?.strip_prefix(&[0])?;
    text.iter().all(u8::is_ascii_graphic).then_some(text)
}

fn contains(text: &[u8], form: &[u8]) -> bool {
    text.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form))
}

fn hex(secret: &[u8]) -> Vec<u8> {
    dissectors::hex(secret).as_bytes().to_vec()
}

/// RFC 3986, 2.1: all but letters, digits and four signs.
fn in_address(secret: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let letter = |byte: &u8| if is_plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    secret.iter().map(letter).collect::<String>().into_bytes()
}

/// XML 1.0, 4.6.
fn in_xml(secret: &[u8]) -> Vec<u8> {
    let escaped = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&apos;")];
    let text = String::from_utf8_lossy(secret).into_owned();
    escaped.iter().fold(text, |text, (letter, entity)| text.replace(letter, entity)).into_bytes()
}

/// RFC 4648, as far as it does not depend on what stands behind.
fn base64(secret: &[u8]) -> Vec<u8> {
    let whole = secret.len() / 3 * 3;
    BASE64_STANDARD.encode(&secret[..whole]).into_bytes()
}
