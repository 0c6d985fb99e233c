//! Any cut, reorder or repeat of segments tells the same story; what came before a cut is a prefix.

use super::support::{Recording, captures_in, is_news, pcaps, read, story_of};
use dissectors::packet::{self, Layer, LinkType};
use proptest::prelude::*;
use sensor::pipeline::Settings;
use sensor::source::{CaptureFile, Input, Step};

/// A frame of a capture: its link type and bytes.
type Framed = (LinkType, Vec<u8>);

fn frames_of(input: &Input) -> Vec<Framed> {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut frames = Vec::new();
    while let Step::Frame(frame) = file.step() {
        frames.push((frame.link_type, file.bytes[frame.bytes].to_vec()));
    }
    frames
}

/// The same conversation with its TCP payloads cut into pieces: each piece in a frame of its own, neighbours swapped and
/// repeated as the seed has it. Only what lies within one original segment changes its order.
fn recut(frames: &[Framed], seed: u64) -> Recording {
    let mut random = Random(seed);
    let mut recording = Recording::new();
    for (link_type, frame) in frames {
        let wire_length = u32::try_from(frame.len()).expect("frames are short");
        let decoded = packet::decode(*link_type, frame, wire_length);
        let Ok((headers, payload)) = decoded else { continue };
        let Layer::Tcp(tcp) = headers.layer else {
            recording.frame(frame);
            continue;
        };
        if payload.len() < 2 {
            recording.frame(frame);
            continue;
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < payload.len() {
            let length = (1 + random.below(payload.len().min(40))).min(payload.len() - at);
            pieces.push((at, at + length));
            at += length;
        }
        if random.below(2) == 0 {
            let (first, second) = (random.below(pieces.len()), random.below(pieces.len()));
            // The very first bytes of a side decide where a stream begins that was not seen to open.
            if first > 0 && second > 0 {
                pieces.swap(first, second);
            }
        }
        if random.below(3) == 0 {
            pieces.push(pieces[random.below(pieces.len())]);
        }
        for (start, end) in pieces {
            let sequence = tcp.sequence.wrapping_add(u32::try_from(start).expect("segments are short"));
            recording.frame(&resized(frame, payload, start, end, sequence));
        }
    }
    recording
}

/// The frame with only a part of its payload. Checksums do not hold any more; they do not have to.
fn resized(frame: &[u8], payload: &[u8], start: usize, end: usize, sequence: u32) -> Vec<u8> {
    let front = payload.as_ptr().addr() - frame.as_ptr().addr();
    let mut cut = [&frame[..front], &payload[start..end]].concat();
    let ip = 14;
    assert_eq!(frame[12..14], [8, 0], "our captures with TCP are IPv4 on plain Ethernet");
    let length = u16::try_from(cut.len() - ip).expect("frames are short");
    cut[ip + 2..ip + 4].copy_from_slice(&length.to_be_bytes());
    let tcp = ip + usize::from(frame[ip] & 15) * 4;
    cut[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
    cut
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound.max(1)
    }
}

/// Captures over TCP and plain Ethernet, and every message of them is whole.
fn talks() -> Vec<Input> {
    let wanted = |input: &Input| ["modbus/", "http/"].iter().any(|folder| input.name.starts_with(folder));
    captures_in(&pcaps()).into_iter().filter(wanted).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cut_swapped_and_repeated_segments_tell_the_same_story(seed in any::<u64>()) {
        for input in talks() {
            let frames = frames_of(&input);
            let (whole, _) = read(vec![input.clone()], Settings::default());
            let recording = recut(&frames, seed).input(&input.name);
            let (cut, _) = read(vec![recording], Settings::default());
            let (whole, cut) = (story_of(&whole), story_of(&cut));
            let lost: Vec<_> = whole.iter().filter(|line| !cut.contains(line)).collect();
            let new: Vec<_> = cut.iter().filter(|line| !whole.contains(line)).collect();
            prop_assert!(whole == cut, "{}: lost {lost:#?}, new {new:#?}", input.name);
        }
    }
}

#[test]
fn what_came_before_a_cut_is_a_prefix() {
    for input in captures_in(&pcaps()) {
        let bytes = std::fs::read(&input.path).expect("the capture can be read");
        let whole = news_of(Input::held(&input.name, bytes.clone()));
        for part in 1..8 {
            let cut = bytes[..bytes.len() * part / 8].to_vec();
            let news = news_of(Input::held(&input.name, cut));
            assert!(whole.starts_with(&news), "{} cut at {part}/8", input.name);
        }
    }
}

/// What was told at once, not summed: with frames and times.
fn news_of(input: Input) -> Vec<String> {
    let (notebook, _) = read(vec![input], Settings::default());
    notebook.observations.iter().filter(|it| is_news(&it.fact)).map(|it| format!("{it:?}")).collect()
}
