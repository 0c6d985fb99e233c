//! Paths of streams: makers are known by them. Some makers want the password in the path, so that only the words of the
//! trade are told.

use crate::head;
use compact_str::CompactString;
use std::sync::LazyLock;

/// The path of a target, with its query; nothing of one that has none. Whatever is no word of the list stands as `*`, and
/// all that follows `user=`, `password=` and the like.
pub(super) fn told(target: &[u8]) -> Option<CompactString> {
    let path = head::path(target)?;
    // An at sign belongs to a user's name: part of the authority was taken for a path.
    if path.len() > LONGEST || !path.is_ascii() || path.contains(&b'@') {
        return None;
    }
    let mut told = CompactString::default();
    let mut rest = path;
    let mut before = b'/';
    let mut is_secret = false;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if length == 0 {
            if !is_secret || is_separator(*first) {
                told.push(if MARKS.contains(first) { char::from(*first) } else { '*' });
            }
            before = *first;
            rest = rest.get(1..)?;
            continue;
        }
        let (token, after) = rest.split_at_checked(length)?;
        let is_key = after.first() == Some(&b'=');
        is_secret = is_secret && !is_key;
        if !is_secret {
            let token = std::str::from_utf8(token).ok()?;
            is_secret = is_key && is_secret_key(token);
            told.push_str(if is_secret || is_word(token, before) { token } else { "*" });
            told.push_str(if is_secret { "=*" } else { "" });
        }
        rest = after;
    }
    (told.len() > 1).then_some(told)
}

/// Whether a path, as it is told, may hold a login: something stood behind the name of a user, or two words with a colon
/// between.
pub(super) fn may_log_in(told: &str) -> bool {
    told.contains("=*") || told.contains("*:*")
}

/// Behind these another parameter may come, even in what is secret.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b'&' | b'_' | b'?' | b'/')
}

/// A word of the list, with or without a short number; a short number where no password stands.
fn is_word(token: &str, before: u8) -> bool {
    let word = token.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let is_short = token.len().saturating_sub(word.len()) <= 3;
    match before {
        b':' => false,
        b'.' => is_listed(token),
        _ => is_listed(token) || is_short && (word.is_empty() || is_listed(word)),
    }
}

/// Whether the list has a word, in letters of either case.
fn is_listed(word: &str) -> bool {
    WORDS.binary_search_by(|listed| small(listed).cmp(small(word))).is_ok()
}

fn small(word: &str) -> impl Iterator<Item = u8> {
    word.bytes().map(|letter| letter.to_ascii_lowercase())
}

fn is_secret_key(token: &str) -> bool {
    SECRET_KEYS.split(' ').any(|key| key.eq_ignore_ascii_case(token))
}

/// The words of the paths that makers document, one a line, in the order by which they are found: a path of every request is
/// looked up.
static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut words: Vec<&str> = include_str!("../../../data/rtsp_words.txt").lines().collect();
    words.sort_by(|one, other| small(one).cmp(small(other)));
    words
});
const SECRET_KEYS: &str = "user usr username userid name login account password passwd pass pwd psw pw pin secret token \
    key auth authbasic access code session";
const MARKS: &[u8] = b"/._-?=&:+";
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makers_document_is_told() {
        for path in [
            "/axis-media/media.amp?videocodec=h264&resolution=640x480",
            "/cam/realmonitor?channel=1&subtype=0",
            "/Streaming/Channels/101/",
            "/h264Preview_01_main",
            "/live/ch00_0",
            "/profile2/media.smp",
            "/ONVIF/MediaInput?profile=4_def_profile6",
            "/rtsp_tunnel",
            "/videoMain",
            "/CH001.sdp",
            "/11",
        ] {
            assert_eq!(told(path.as_bytes()).as_deref(), Some(path));
            assert_eq!(told(format!("rtsp://10.0.0.1:554{path}").as_bytes()).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_login_in_a_path_is_known_though_not_told() {
        for (target, is_one) in [
            ("/user=admin&password=&channel=1", true),
            ("/live?token=a1b2c3", true),
            ("/0/usrnm:pwd/main", true),
            ("/hunter2", false),
            ("/cam/realmonitor?channel=1&subtype=0", false),
        ] {
            assert_eq!(told(target.as_bytes()).is_some_and(|told| may_log_in(&told)), is_one, "{target}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not() {
        for (target, shown) in [
            ("rtsp://admin:hunter2@10.0.0.1/live", Some("/live")),
            ("rtsp://admin:hun/ter2@10.0.0.1/live", None),
            ("/user=admin&password=&channel=1&stream=0.sdp?", Some("/user=*&password=*&channel=1&stream=0.sdp?")),
            ("/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp", Some("/user=*_password=*_channel=1_stream=0.sdp")),
            ("/user=a_password=live_live_channel=1", Some("/user=*_password=*__channel=1")),
            ("/cam1/mpeg4?user='me'&pwd='x.live&y'&channel=1", Some("/cam1/mpeg4?user=*&pwd=*&&channel=1")),
            ("/0/usrnm:pwd/main", Some("/0/*:*/main")),
            ("/admin/12345/ch1", Some("/*/*/ch1")),
            ("/user.123.mp2", Some("/*.*.mp2")),
            ("/live;x=hunter2", Some("/live**=*")),
            ("/hunter2", Some("/*")),
            ("*", None),
            ("rtsp://10.0.0.1", None),
            ("rtsp://10.0.0.1/", None),
            ("", None),
        ] {
            assert_eq!(told(target.as_bytes()).as_deref(), shown, "{target}");
        }
        assert_eq!(told(format!("/{}", "live/".repeat(60)).as_bytes()), None);
        assert_eq!(told("/live/ü".as_bytes()), None);
    }
}
