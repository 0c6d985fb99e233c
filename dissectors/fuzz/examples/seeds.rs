//! Seeds for the targets, of captures: `seeds CORPUS PATH...` writes frames for `packet`, conversations for `dissect` and
//! the captures themselves for `capture`, each into its folder below CORPUS, each once.
//!
//! What is written is what the targets' arguments are read from (`arbitrary` takes numbers from the front, lengths of
//! lists from the end).

use dissectors::packet::{Layer, decode};
use sensor::source::{CaptureFile, Input, Step, find};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Longer inputs are slow, and teach nothing that shorter ones do not.
const LONGEST_CAPTURE: usize = 16 << 10;
const LONGEST_TALK: usize = 4 << 10;
const LONGEST_FRAME: usize = 2 << 10;
const MOST_PIECES: usize = 24;
/// Of one capture.
const MOST_FRAMES: usize = 200;
const MOST_TALKS: usize = 50;

/// What the target `packet` picks link types by.
const LINK_TYPES: [(u32, u8); 12] = [
    (1, 0),
    (101, 3),
    (0, 4),
    (108, 5),
    (113, 6),
    (276, 7),
    (9, 8),
    (50, 9),
    (51, 10),
    (104, 11),
    (165, 12),
    (129, 13),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let corpus = arguments.next().ok_or("seeds CORPUS PATH...")?;
    for target in ["packet", "dissect", "capture"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for input in find(&arguments.collect::<Vec<_>>())?.inputs {
        sow(&corpus, &input)?;
    }
    Ok(())
}

fn sow(corpus: &Path, input: &Input) -> Result<(), Box<dyn Error>> {
    let mut bytes = fs::read(&input.path)?;
    bytes.truncate(LONGEST_CAPTURE);
    keep(corpus, "capture", &bytes)?;
    let mut file = CaptureFile::open(input)?;
    // The payloads of each pair of ends, and whether the end that sent first did not send them.
    let mut talks: BTreeMap<_, Vec<(bool, Vec<u8>)>> = BTreeMap::new();
    let mut frames = 0;
    while let Step::Frame(frame) = file.step() {
        let bytes = file.bytes.get(frame.bytes).unwrap_or_default();
        frames += 1;
        let number = LINK_TYPES.iter().find(|(link, _)| *link == frame.link_type.number());
        if let Some((_, pick)) = number.filter(|_| frames <= MOST_FRAMES && bytes.len() <= LONGEST_FRAME) {
            keep(corpus, "packet", &[&[*pick, 0, 0], bytes].concat())?;
        }
        let Ok((headers, payload)) = decode(frame.link_type, bytes, frame.wire_length) else { continue };
        if payload.is_empty() || matches!(headers.layer, Layer::Fragment(_)) {
            continue;
        }
        let (from, to) = headers.ports();
        let ends = [(headers.source().to_string(), from), (headers.destination().to_string(), to)];
        let back = [ends[1].clone(), ends[0].clone()];
        let is_answer = talks.contains_key(&back) && ends != back;
        talks.entry(if is_answer { back } else { ends }).or_default().push((is_answer, payload.to_vec()));
    }
    for talk in talks.into_values().take(MOST_TALKS) {
        keep(corpus, "dissect", &encoded(talk))?;
    }
    Ok(())
}

/// A list of pieces as `Vec<(bool, bool, &[u8])>` is read: before each a byte that says so and two for the marks, behind
/// all that is left the length of its bytes.
fn encoded(talk: Vec<(bool, Vec<u8>)>) -> Vec<u8> {
    let mut bytes = 0;
    let few = talk.into_iter().take(MOST_PIECES).take_while(|(_, piece)| {
        bytes += piece.len();
        bytes <= LONGEST_TALK
    });
    let few: Vec<_> = few.collect();
    few.into_iter().rev().fold(Vec::new(), |rest, (is_answer, piece)| {
        let left = piece.len() + rest.len();
        let suffix = if left < 256 { 1 } else { 2 };
        // As many bytes as the greatest length needs are read, the high one first.
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX).to_be_bytes();
        let length = if left < 256 { &length[1..] } else { &length[..suffix] };
        [&[1, u8::from(is_answer), 0], &piece[..], &rest, length].concat()
    })
}

fn keep(corpus: &Path, target: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    fs::write(corpus.join(target).join(format!("{:016x}", hasher.finish())), bytes)?;
    Ok(())
}
