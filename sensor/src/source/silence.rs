//! How long a capture was silent: where it is steady but for one hole, somebody stopped it, or could not keep up.

use dissectors::Timestamp;
use std::time::Duration;

/// A time without a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// When the packet before it came.
    pub from: Timestamp,
    /// When the packet behind it came.
    pub to: Timestamp,
    /// That packet's number.
    pub frame: u64,
}

impl Silence {
    /// How long it lasts, in nanoseconds.
    pub fn nanos(&self) -> u64 {
        self.from.nanos().abs_diff(self.to.nanos())
    }
}

/// The longest silence of a capture, and how long the next longest was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silences {
    longest: Option<Silence>,
    next_nanos: u64,
}

/// Nobody restarts a capture faster, and much is silent for less.
const HOLE: Duration = Duration::from_mins(1);
/// Beyond a day two captures were joined, years apart often.
const JOINED: Duration = Duration::from_hours(24);
/// With fewer packets before it or behind it, nothing is steady.
const STEADY: u64 = 100;
/// What is silent now and then is so for about as long as the time before: a hole is longer than that by far.
const TIMES: u64 = 10;

impl Silences {
    /// A packet came, later than all before it.
    #[inline]
    pub(super) fn see(&mut self, silence: Silence) {
        if silence.nanos() > self.next_nanos {
            self.keep(silence);
        }
    }

    #[cold]
    fn keep(&mut self, silence: Silence) {
        match self.longest {
            Some(longest) if silence.nanos() <= longest.nanos() => self.next_nanos = silence.nanos(),
            longest => {
                self.next_nanos = longest.map_or(0, |longest| longest.nanos());
                self.longest = Some(silence);
            }
        }
    }

    /// The one hole in a capture of so many packets that is steady else.
    pub fn hole(&self, packets: u64) -> Option<Silence> {
        self.longest.filter(|longest| {
            let lasts = Duration::from_nanos(longest.nanos());
            let before = longest.frame.saturating_sub(1);
            (HOLE..JOINED).contains(&lasts)
                && longest.nanos() / TIMES >= self.next_nanos
                && before.min(packets.saturating_sub(before)) >= STEADY
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole_of(seconds: &[i64]) -> Option<(i64, i64, u64)> {
        let mut silences = Silences::default();
        for (pair, frame) in seconds.windows(2).zip(1_000..) {
            let [from, to] = [pair[0], pair[1]].map(|second| Timestamp::from_nanos(second * 1_000_000_000));
            silences.see(Silence { from, to, frame });
        }
        let second = |time: Timestamp| time.nanos() / 1_000_000_000;
        silences.hole(u64::MAX).map(|hole| (second(hole.from), second(hole.to), hole.frame))
    }

    #[test]
    fn a_hole_stands_out_of_steady_traffic() {
        assert_eq!(hole_of(&[0, 1, 2, 3, 303, 304, 309, 310]), Some((3, 303, 1_003)));
        assert_eq!(hole_of(&[0, 1, 2, 3, 33, 34]), None, "it is short");
        assert_eq!(hole_of(&[0, 1, 301, 302, 602, 603]), None, "it is silent now and then");
        assert_eq!(hole_of(&[0, 1, 2, 62, 63, 663]), Some((63, 663, 1_004)), "ten times as long as any other");
        assert_eq!(hole_of(&[0, 1, 2, 63, 64, 663]), None);
        assert_eq!(hole_of(&[0, 1, 100_000, 100_001]), None, "two captures in one");
        assert_eq!(hole_of(&[7]), None);
    }

    #[test]
    fn a_few_packets_prove_no_hole() {
        let mut silences = Silences::default();
        let [from, to] = [0, 600].map(|second| Timestamp::from_nanos(second * 1_000_000_000));
        silences.see(Silence { from, to, frame: 101 });
        assert!(silences.hole(200).is_some());
        assert!(silences.hole(199).is_none(), "99 behind it");
        silences = Silences::default();
        silences.see(Silence { from, to, frame: 100 });
        assert!(silences.hole(200).is_none(), "99 before it");
    }
}
