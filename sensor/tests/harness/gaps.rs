//! What the capture lost of a camera's conversation is counted, and the next message is found: in video, in heads, in XML.

use super::support::{Notebook, Recording, read};
use dissectors::{Direction, Side};
use sensor::pipeline::Settings;

const CLIENT: (u32, u16) = (0x0000_0001, 40_000);
const SEGMENT: usize = 1_400;

/// A conversation in the making, one segment after the other, with holes.
struct Talk {
    recording: Recording,
    camera: (u32, u16),
    sent: [u32; 2],
}

impl Talk {
    fn with(port: u16) -> Self {
        let mut talk = Self { recording: Recording::new(), camera: (0x0000_0002, port), sent: [1, 1] };
        talk.recording.syn(CLIENT, talk.camera, 0);
        talk.recording.opening(talk.camera, CLIENT, 0, 1);
        talk
    }

    /// Bytes of a side (the client is A), of which the segments at these places are lost.
    fn say(&mut self, side: Side, bytes: &[u8], lost: &[usize]) {
        let (own, other) = if side == Side::A { (0, 1) } else { (1, 0) };
        let (from, to) = if side == Side::A { (CLIENT, self.camera) } else { (self.camera, CLIENT) };
        for (place, segment) in bytes.chunks(SEGMENT).enumerate() {
            if !lost.contains(&place) {
                self.recording.tcp(from, to, self.sent[own], self.sent[other], segment);
            }
            self.sent[own] += u32::try_from(segment.len()).expect("segments are short");
        }
    }

    /// What was told, and how many bytes were lost.
    fn told(self) -> (Notebook, u64) {
        let (notebook, totals) = read(vec![self.recording.input("gaps")], Settings::default());
        (notebook, totals.sum().lanes.lost_bytes)
    }
}

fn messages(notebook: &Notebook, operation: &str, direction: Direction) -> u64 {
    let counted =
        notebook.activity().filter(|row| row.operation.to_string() == operation && row.direction == direction);
    counted.map(|row| row.messages).sum()
}

/// Frames of video, each longer than a segment.
fn video(frames: u16) -> Vec<u8> {
    let frame = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let mut frame = vec![b'$', 0, 0x07, 0xd0, 0x80, 0x60, high, low, 0, 0, 0, 1, 0, 0, 0, 7];
        // What pictures are made of looks like anything, a frame's mark too.
        frame.extend((0..2_000_usize - 12).map(|at| [0x24, 0x00, 0x65, 0xb8][at * 7 % 4]));
        frame
    };
    (0..frames).flat_map(frame).collect()
}

#[test]
fn behind_a_hole_in_video_the_next_answer_is_found() {
    for lost in [vec![], vec![3], vec![2, 3, 4], vec![5, 9, 20]] {
        let mut talk = Talk::with(554);
        for (number, method) in (1..).zip(["DESCRIBE", "SETUP", "PLAY"]) {
            talk.say(Side::A, format!("{method} rtsp://10.0.0.2/1 RTSP/1.0\r\nCSeq: {number}\r\n\r\n").as_bytes(), &[]);
            talk.say(Side::B, format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n\r\n").as_bytes(), &[]);
        }
        talk.say(Side::B, &video(20), &lost);
        talk.say(Side::A, b"GET_PARAMETER rtsp://10.0.0.2/1 RTSP/1.0\r\nCSeq: 4\r\n\r\n", &[]);
        talk.say(Side::B, &[&b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n"[..], &video(3)].concat(), &[]);
        talk.say(Side::B, &video(5), &[]);
        let (notebook, bytes) = talk.told();
        assert_eq!(messages(&notebook, "200", Direction::Response), 4, "without {lost:?}");
        assert_eq!(bytes, lost.len() as u64 * SEGMENT as u64, "without {lost:?}");
    }
}

#[test]
fn behind_a_hole_in_a_head_the_next_message_is_found() {
    for (port, version, method) in [(554, "RTSP/1.0", "OPTIONS"), (80, "HTTP/1.1", "GET")] {
        let mut talk = Talk::with(port);
        let request = |number: u32, filler: usize| {
            let filler = "x".repeat(filler);
            format!(
                "{method} / {version}\r\nCSeq: {number}\r\nX-Filler: {filler}\r\nUser-Agent: agent {number}\r\n\r\n"
            )
        };
        talk.say(Side::A, request(1, 3 * SEGMENT).as_bytes(), &[1]);
        for number in 2..5 {
            talk.say(Side::A, request(number, 10).as_bytes(), &[]);
        }
        let (notebook, bytes) = talk.told();
        assert_eq!((messages(&notebook, method, Direction::Request), bytes), (3, SEGMENT as u64), "{version}");
    }
}

#[test]
fn behind_a_hole_in_xml_the_next_call_is_found() {
    let call = |name: &str, filler: usize| {
        let body = format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><{name} \
             xmlns='http://www.onvif.org/ver10/device/wsdl'><Filler>{}</Filler></{name}></s:Body></s:Envelope>",
            "x".repeat(filler)
        );
        let length = body.len();
        format!("Content-Type: application/soap+xml\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for lost in [vec![], vec![1], vec![1, 2]] {
        let mut talk = Talk::with(80);
        for (name, filler, lost) in [("GetUsers", 3 * SEGMENT, lost.as_slice()), ("SystemReboot", 0, &[])] {
            talk.say(Side::A, format!("POST /onvif HTTP/1.1\r\n{}", call(name, filler)).as_bytes(), lost);
            talk.say(Side::B, format!("HTTP/1.1 200 OK\r\n{}", call(&format!("{name}Response"), 0)).as_bytes(), &[]);
        }
        let (notebook, bytes) = talk.told();
        // Of a call that was cut its name stands in the front.
        for name in ["GetUsers", "SystemReboot"] {
            for direction in [Direction::Request, Direction::Response] {
                assert_eq!(messages(&notebook, name, direction), 1, "{name} without {lost:?}");
            }
        }
        assert_eq!(messages(&notebook, "POST", Direction::Request), 2);
        assert_eq!(bytes, lost.len() as u64 * SEGMENT as u64);
    }
}
