//! How a message of RTSP starts, and how one is found in the midst of video.

use super::tunnel;
use crate::dialect::{Dialect, Fit, opens_rtsp};
use crate::dissector::Verdict;
use crate::observation::Transport;

/// Methods of RFC 2326 (10) and RFC 7826 (13).
pub(super) static DIALECT: Dialect = Dialect {
    version: b"RTSP/#.#",
    preface: None,
    methods: "OPTIONS DESCRIBE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER ANNOUNCE RECORD REDIRECT PLAY_NOTIFY",
    targets: &["rtsp", "*", "/"],
};

/// Text names the flow. A frame of video (RFC 2326, 10.12) is too little for that, though several in a row are not.
pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    match (transport, DIALECT.probe(front)) {
        (Transport::Tcp, Verdict::NotMine) if opens_rtsp(front) => tunnel::DIALECT.probe(front),
        (Transport::Tcp, Verdict::NotMine) => within(front),
        (Transport::Tcp, verdict) | (Transport::Udp, verdict @ Verdict::Bits(64)) => verdict,
        _ => Verdict::NotMine,
    }
}

/// Where in the midst of something a frame or a response starts. Video holds all bytes, these too: what follows the frame
/// has to fit as far as it is here.
fn within(bytes: &[u8]) -> Verdict {
    let frames = memchr::memchr_iter(b'$', bytes).take(MOST_LOOKED_AT);
    let frame = frames.filter_map(|at| {
        let (_, rest) = bytes.split_at_checked(at)?;
        let length = frame(rest)?;
        let fits = rest.get(length..).is_none_or(may_follow);
        fits.then_some(Verdict::Within { at, length })
    });
    let responses = || {
        let name = memchr::memmem::find_iter(bytes, b"RTSP/").take(MOST_LOOKED_AT);
        let mut whole = name.filter(|at| bytes.get(*at..).is_some_and(|rest| DIALECT.fit(rest) == Fit::Whole));
        whole.next().map(|at| Verdict::Within { at, length: 0 })
    };
    let mut frame = frame;
    frame.next().or_else(responses).unwrap_or(Verdict::NotMine)
}

/// How long a frame is, its four bytes counted, if one starts here as cameras send it: few channels, in it RTP (RFC 3550,
/// 5.1) or RTCP (6.1).
fn frame(bytes: &[u8]) -> Option<usize> {
    let [b'$', 0..=15, high, low, first, second, third, fourth] = bytes.first_chunk::<8>()? else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let is_stream = matches!(first, 0x80 | 0x90 | 0xa0) && matches!(second & 0x7f, 0..=34 | 96..=127) && length > 12;
    let words = usize::from(u16::from_be_bytes([*third, *fourth]));
    let is_report =
        first >> 6 == 2 && matches!(second, 200..=207) && words.saturating_add(1).saturating_mul(4) <= length;
    (is_stream || is_report).then_some(length.saturating_add(4))
}

/// Whether what stands behind a frame may do so: another one, a message, an empty line, or nothing yet.
fn may_follow(bytes: &[u8]) -> bool {
    match bytes {
        [] | [b'$'] | [b'$', 0..=15, ..] | [b'\r' | b'\n', ..] => true,
        [b'$', ..] => false,
        text => DIALECT.fit(text) != Fit::Not,
    }
}

const MOST_LOOKED_AT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(front: &[u8]) -> Verdict {
        probe(front, Transport::Tcp)
    }

    /// A frame of video: so many bytes of one kind behind its header.
    fn video(channel: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![b'$', channel, 0, length, 0x80, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        frame.resize(usize::from(length) + 4, 0x24);
        frame
    }

    #[test]
    fn start_lines_name_the_flow_on_either_transport() {
        for front in [
            "OPTIONS * RTSP/1.0\r\n",
            "DESCRIBE rtsp://cam/ RTSP/2.0\r\nCSeq: 1",
            "PLAY_NOTIFY rtsp://cam/ RTSP/2.0\n",
            "RTSP/1.0 200 OK\r\n",
            "RTSP/2.0 404\r\n",
        ] {
            assert_eq!(tcp(front.as_bytes()), Verdict::Bits(64), "{front:?}");
            assert_eq!(probe(front.as_bytes(), Transport::Udp), Verdict::Bits(64), "{front:?}");
        }
        assert_eq!(tcp(b"OPTIONS rtsp://cam"), Verdict::More);
        assert_eq!(probe(b"OPTIONS rtsp://cam", Transport::Udp), Verdict::NotMine);
    }

    #[test]
    fn tunnels_in_http_are_ours() {
        let head = "GET /live HTTP/1.0\r\nx-sessioncookie: x\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n";
        assert_eq!(tcp(head.as_bytes()), Verdict::Bits(64));
        assert_eq!(tcp(head.replace("rtsp", "http").as_bytes()), Verdict::NotMine);
        let socket = head.replace("Accept: application/x-rtsp-tunnelled", "Sec-WebSocket-Protocol: rtsp.onvif.org");
        assert_eq!(tcp(socket.as_bytes()), Verdict::Bits(64));
        assert_eq!(tcp(head.replace("GET", "").as_bytes()), Verdict::NotMine);
    }

    #[test]
    fn other_protocols_are_refused() {
        for front in [&b"GET / HTTP/1.1\r\n"[..], b"HTTP/1.1 200 OK\r\n", b"SIP/2.0 200 OK\r\n", b"RTSP/1 200 OK\r\n"] {
            assert_eq!(tcp(front), Verdict::NotMine, "{:?}", String::from_utf8_lossy(front));
        }
    }

    #[test]
    fn frames_are_found_within_video() {
        let frame = video(0, 40);
        assert_eq!(tcp(&frame), Verdict::Within { at: 0, length: 44 });
        let mut late = vec![0xff; 9];
        late.extend(&frame);
        assert_eq!(tcp(&late), Verdict::Within { at: 9, length: 44 });
        late.extend(b"RTSP/1.0 200 OK\r\n");
        assert_eq!(tcp(&late), Verdict::Within { at: 9, length: 44 });
        let mut report = vec![b'$', 1, 0, 8, 0x80, 201, 0, 1, 0, 0, 0, 9];
        assert_eq!(tcp(&report), Verdict::Within { at: 0, length: 12 });
        report[7] = 2;
        assert_eq!(tcp(&report), Verdict::NotMine, "it is longer than its frame");
        let mut odd = video(0, 40);
        odd.extend(b"\xff$");
        assert_eq!(tcp(&odd), Verdict::NotMine, "what follows is neither frame nor message");
        for (at, byte) in [(1, 16), (4, 0x40), (4, 0x8f), (5, 0x50), (3, 12)] {
            let mut odd = video(0, 40);
            odd.truncate(16);
            odd[at] = byte;
            assert_eq!(tcp(&odd), Verdict::NotMine, "byte {at} = {byte:#x}");
        }
    }

    #[test]
    fn a_response_is_found_behind_what_is_left_of_video() {
        assert_eq!(tcp(b"\xff\xffRTSP/1.0 200 OK\r\n"), Verdict::Within { at: 2, length: 0 });
        assert_eq!(tcp(b"\xff\xffRTSP/1.0 2"), Verdict::NotMine);
        assert_eq!(probe(b"\xffRTSP/1.0 200 OK\r\n", Transport::Udp), Verdict::NotMine);
    }
}
