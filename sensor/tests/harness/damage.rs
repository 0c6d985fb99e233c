//! Captures cut anywhere tell the front of what they tell whole; captures with any byte turned are read to an end.

use super::support::{captures_in, pcaps, public_captures, read};
use dissectors::observation::Fact;
use sensor::pipeline::Settings;
use sensor::source::{CaptureFile, Damage, Frame, Input, Step};
use std::collections::BTreeSet;
use std::fs;

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

/// What was told at once, not summed: with frames and times.
fn news_of(bytes: &[u8]) -> Vec<String> {
    let (notebook, totals) = read(vec![Input::held("x", bytes.to_vec())], Settings::default());
    let sum = totals.sum();
    assert_eq!((sum.difference(), sum.lanes.panics), ((0, 0), 0));
    let is_news = |fact: &Fact| matches!(fact, Fact::Attribute { .. } | Fact::Binding { .. } | Fact::Child(_));
    notebook.observations.iter().filter(|it| is_news(&it.fact)).map(|it| format!("{it:?}")).collect()
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
            assert!(news.starts_with(&news_of(&bytes[..length])), "{name} cut at {length}");
        }
    }
}

/// Turns these bytes, one at a time, and reads all to its end.
fn turn(input: &Input, places: impl Iterator<Item = usize>) {
    let mut bytes = fs::read(&input.path).expect("the capture can be read");
    for place in places {
        bytes[place] ^= 0xff;
        if CaptureFile::open(&Input::held("x", bytes.clone())).is_ok() {
            news_of(&bytes);
        }
        bytes[place] ^= 0xff;
    }
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
    with_each(&captures_in(&pcaps()), |input| turn(input, places(input, usize::MAX).step_by(10)));
}

#[test]
fn public_captures_cut_at_200_places_tell_a_prefix() {
    let Some(folder) = public_captures() else { return };
    with_each(&captures_in(&folder), |input| cut(input, places(input, 200)));
}

#[test]
fn public_captures_with_bytes_turned_are_read() {
    let Some(folder) = public_captures() else { return };
    with_each(&captures_in(&folder), |input| turn(input, places(input, 20)));
}
