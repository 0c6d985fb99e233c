//! The timeline's clock: packet time that never goes back.

use dissectors::Timestamp;
use std::time::Duration;

/// A jump further than this needs a second packet that confirms it.
const BELIEVED: Duration = Duration::from_hours(1);
const BELIEVED_NANOS: i64 = 3_600_000_000_000;

/// The running maximum of packet times, slow to believe a leap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    now: Option<Timestamp>,
    /// A time far ahead that one packet claimed.
    claimed: Option<Timestamp>,
}

impl Clock {
    /// The clock of a capture whose first packet came at this time. That is believed unless the second packet tells of a
    /// much earlier one: then the first has leapt ahead, and nobody confirms it.
    pub(crate) fn starting(first: Timestamp, second: Option<Timestamp>) -> Self {
        let believed = second.filter(|second| first.since(*second) > BELIEVED).unwrap_or(first);
        Self { now: Some(believed), claimed: None }
    }

    /// A packet of this time has come; tells what time it is.
    #[inline]
    pub(crate) fn advance(&mut self, time: Timestamp) -> Timestamp {
        let now = self.now.unwrap_or(time);
        if self.claimed.is_some() || time.nanos().saturating_sub(now.nanos()) > BELIEVED_NANOS {
            return self.leap(now, time);
        }
        let now = now.max(time);
        self.now = Some(now);
        now
    }

    /// A leap is believed when the packet before has claimed it too.
    #[cold]
    fn leap(&mut self, now: Timestamp, time: Timestamp) -> Timestamp {
        let is_leap = time.since(now) > BELIEVED;
        let is_confirmed =
            self.claimed.is_some_and(|claimed| time.since(claimed) <= BELIEVED && claimed.since(time) <= BELIEVED);
        self.claimed = if is_leap && !is_confirmed { Some(time) } else { None };
        let now = if self.claimed.is_some() { now } else { now.max(time) };
        self.now = Some(now);
        now
    }

    /// It is this late at the least.
    #[inline]
    pub(crate) fn at_least(&mut self, time: Timestamp) -> Timestamp {
        let now = self.now.map_or(time, |now| now.max(time));
        self.now = Some(now);
        now
    }

    /// What time it is; the epoch before the first packet.
    pub(crate) fn now(&self) -> Timestamp {
        self.now.unwrap_or_default()
    }
}

/// The hour in which something of this time is counted: `last` is the last that is counted apart, once it is known.
pub(crate) fn hour_within(time: Timestamp, last: Option<Timestamp>) -> Timestamp {
    let hour = time.hour();
    last.map_or(hour, |last| hour.min(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_leap_needs_a_second_witness() {
        let mut clock = Clock::default();
        assert_eq!(clock.advance(seconds(100)), seconds(100));
        assert_eq!(clock.advance(seconds(90)), seconds(100), "it never goes back");
        assert_eq!(clock.advance(seconds(1_000_000)), seconds(100), "one packet alone is not believed");
        assert_eq!(clock.advance(seconds(101)), seconds(101), "the others go on");
        assert_eq!(clock.advance(seconds(1_000_000)), seconds(101), "the claim has to be repeated at once");
        assert_eq!(clock.advance(seconds(1_000_001)), seconds(1_000_001), "two packets are believed");
    }

    #[test]
    fn a_packet_between_two_claims_refutes_the_first() {
        let mut clock = Clock::default();
        for (time, now) in [(100, 100), (1_000_000, 100), (90, 100), (1_000_000, 100), (100, 100), (101, 101)] {
            assert_eq!(clock.advance(seconds(time)), seconds(now), "{time}");
        }
    }

    #[test]
    fn a_first_packet_that_leaps_is_refuted_by_the_second() {
        let leapt = |second: Option<i64>| Clock::starting(seconds(1_000_000), second.map(seconds)).now();
        assert_eq!(leapt(Some(100)), seconds(100));
        for second in [None, Some(999_000), Some(1_000_001), Some(2_000_000)] {
            assert_eq!(leapt(second), seconds(1_000_000), "{second:?}");
        }
        let mut clock = Clock::starting(seconds(1_000_000), Some(seconds(100)));
        for (time, now) in [(1_000_000, 100), (100, 100), (101, 101)] {
            assert_eq!(clock.advance(seconds(time)), seconds(now), "{time}");
        }
    }
}
