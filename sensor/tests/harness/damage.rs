//! Captures cut anywhere tell the front of what they tell whole; captures with any byte turned are read to an end.

use super::support::{Notebook, captures_in, is_news, pcaps, public_captures, read};
use dissectors::{Observation, Timestamp};
use sensor::pipeline::Settings;
use sensor::source::{CaptureFile, Damage, Frame, Input, Step};
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The frames of a capture that is in memory, and the first damage.
fn walked(bytes: &[u8]) -> (Vec<Frame>, Option<Damage>) {
    let (mut frames, mut first) = (Vec::new(), None);
    let Ok(mut file) = CaptureFile::open(&Input::held("x", bytes.to_vec())) else { return (frames, first) };
    loop {
        match file.step() {
            Step::Frame(frame) => frames.push(frame),
            Step::Damaged(damage) => first = first.or(Some(damage)),
            Step::Cut { .. } | Step::End => return (frames, first),
        }
    }
}

/// What was told at once, not summed: of which frame, when, and what.
fn news_of(bytes: &[u8]) -> Vec<(u64, Timestamp, String)> {
    let notebook = read_through(bytes);
    let news = notebook.observations.into_iter().filter(|it| is_news(&it.fact));
    let told = news.map(|Observation { time, subject, fact, evidence }| {
        let frame = evidence.frame.expect("news have a frame");
        (frame, time, format!("{subject:?} {fact:?} {} {:?}", evidence.protocol, evidence.flow))
    });
    told.collect()
}

/// Reads a capture to its end: nobody panics, and the books balance.
fn read_through(bytes: &[u8]) -> Notebook {
    let (notebook, totals) = read(vec![Input::held("x", bytes.to_vec())], Settings::default());
    let sum = totals.sum();
    assert_eq!((sum.difference(), sum.lanes.panics), ((0, 0), 0));
    notebook
}

/// Whether the front of what a whole capture tells is what its first frames tell. Whether a time that leaps is believed
/// hangs on the three packets behind, so those at the cut may have come at another time.
fn is_front(whole: &[(u64, Timestamp, String)], cut: &[(u64, Timestamp, String)], frames: usize) -> bool {
    let is_same = |(one, other): (&(u64, Timestamp, String), &(u64, Timestamp, String))| {
        let is_sure = one.0 + 3 <= frames as u64;
        (one.0, &one.2) == (other.0, &other.2) && (one.1 == other.1 || !is_sure)
    };
    cut.len() <= whole.len() && whole.iter().zip(cut).all(is_same)
}

/// Cuts a capture at these lengths. A cut changes what is told only where it changes which frames there are, so what
/// lanes tell is asked once for each number of frames.
fn cut(input: &Input, lengths: impl Iterator<Item = usize>) {
    let name = &input.name;
    let bytes = fs::read(&input.path).expect("the capture can be read");
    let (whole, damage) = walked(&bytes);
    let news = news_of(&bytes);
    // Behind damage a whole capture may go on where a cut one has no footing.
    let sound = damage.map_or(bytes.len(), |damage| usize::try_from(damage.at).expect("it is in memory"));
    let mut numbers = BTreeSet::new();
    for length in lengths {
        let (frames, damage) = walked(&bytes[..length]);
        assert!(whole.starts_with(&frames), "{name} cut at {length}");
        let expected = whole.iter().filter(|frame| frame.bytes.end <= length).count();
        if length <= sound {
            // A block of pcapng ends some bytes behind its frame.
            let is_pcapng = bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
            assert!(expected - frames.len() <= usize::from(is_pcapng), "{name} cut at {length}");
            let is_whole = frames.last().is_some_and(|frame| frame.bytes.end == length);
            let is_told = if is_pcapng { length % 4 == 0 || damage.is_some() } else { is_whole != damage.is_some() };
            assert!(is_told || frames.is_empty(), "{name} cut at {length}: {damage:?}");
        }
        if numbers.insert(frames.len()) && !frames.is_empty() {
            assert!(is_front(&news, &news_of(&bytes[..length]), frames.len()), "{name} cut at {length}");
        }
    }
}

/// Turns these bytes, one at a time, and reads all to its end.
fn turn(mut bytes: Vec<u8>, places: impl Iterator<Item = usize>) {
    for place in places {
        bytes[place] ^= 0xff;
        if CaptureFile::open(&Input::held("x", bytes.clone())).is_ok() {
            read_through(&bytes);
        }
        bytes[place] ^= 0xff;
    }
}

/// A capture in pieces that are read quickly: its first bytes as they are, and its frames, some at a time.
fn pieces(input: &Input) -> Vec<Vec<u8>> {
    const LENGTH: usize = 4 << 10;
    let bytes = fs::read(&input.path).expect("the capture can be read");
    let mut pieces = vec![bytes[..bytes.len().min(LENGTH)].to_vec()];
    if bytes.len() <= LENGTH {
        return pieces;
    }
    let (mut link_type, mut room) = (None, 0);
    for frame in walked(&bytes).0 {
        if room < frame.bytes.len() || link_type != Some(frame.link_type) {
            let header = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, frame.link_type.number()];
            pieces.push(header.iter().flat_map(|word| word.to_le_bytes()).collect());
            (link_type, room) = (Some(frame.link_type), LENGTH);
        }
        room = room.saturating_sub(frame.bytes.len() + 16);
        let nanos = frame.time.nanos();
        let number = |number: i64| u32::try_from(number).unwrap_or(0);
        let captured = u32::try_from(frame.bytes.len()).expect("a record's length has 32 bits");
        let record = [number(nanos / 1_000_000_000), number(nanos % 1_000_000_000), captured, frame.wire_length];
        let piece = pieces.last_mut().expect("one has begun");
        piece.extend(record.iter().flat_map(|word| word.to_le_bytes()));
        piece.extend(&bytes[frame.bytes]);
    }
    pieces
}

/// Places in a capture, evenly.
fn places(input: &Input, count: usize) -> impl Iterator<Item = usize> + use<> {
    let length = fs::metadata(&input.path).expect("the capture is there").len();
    let length = usize::try_from(length).expect("the capture is short");
    (0..count.min(length)).map(move |place| place * length / count.min(length))
}

/// Does something with each capture, on two threads.
fn with_each(inputs: &[Input], test: impl Fn(&Input) + Sync) {
    std::thread::scope(|scope| {
        for odd in 0..2 {
            let test = &test;
            scope.spawn(move || inputs.iter().skip(odd).step_by(2).for_each(test));
        }
    });
}

#[test]
fn our_captures_cut_at_every_byte_tell_a_prefix() {
    with_each(&captures_in(&pcaps()), |input| cut(input, places(input, usize::MAX)));
}

#[test]
fn our_captures_with_every_tenth_byte_turned_are_read() {
    with_each(&captures_in(&pcaps()), |input| {
        turn(fs::read(&input.path).expect("the capture can be read"), places(input, usize::MAX).step_by(10));
    });
}

#[test]
fn public_captures_cut_at_200_places_tell_a_prefix() {
    let Some(folder) = public_captures() else { return };
    with_each(&captures_in(&folder), |input| cut(input, places(input, 200)));
}

/// Every tenth byte of each capture when `OTOSCOPE_TURN` is `all`. Else of large ones as many as many have, chosen anew by
/// the capture's name, and for a while: each gets a few before any gets more.
#[test]
fn public_captures_with_every_tenth_byte_turned_are_read() {
    const MANY: usize = 2_000;
    const A_WHILE: Duration = Duration::from_mins(1);
    let Some(folder) = public_captures() else { return };
    let is_all = std::env::var_os("OTOSCOPE_TURN").is_some_and(|all| all == "all");
    let (inputs, turned, tenths) = (captures_in(&folder), AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    let rounds: &[usize] = if is_all { &[usize::MAX] } else { &[20, MANY] };
    for most in rounds {
        with_each(&inputs, |input| {
            if !is_all && start.elapsed() > A_WHILE {
                return;
            }
            let pieces = pieces(input);
            let bytes: usize = pieces.iter().map(Vec::len).sum();
            let every = (bytes / 10).div_ceil(*most).max(1) * 10;
            let seed = input.name.bytes().fold(0, |seed: usize, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
            let mut next = seed % every;
            if *most == rounds[0] {
                tenths.fetch_add(bytes / 10, Ordering::Relaxed);
            }
            for piece in pieces {
                let places: Vec<usize> = (next..piece.len()).step_by(every).collect();
                next = (next + places.len() * every).saturating_sub(piece.len());
                turned.fetch_add(places.len(), Ordering::Relaxed);
                turn(piece, places.into_iter());
            }
        });
    }
    eprintln!("{turned:?} bytes turned, of {tenths:?} in {:?}", start.elapsed());
    assert!(turned.into_inner() > 5_000);
}
