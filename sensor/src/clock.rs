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
    /// A packet of this time has come; tells what time it is.
    #[inline]
    pub(crate) fn advance(&mut self, time: Timestamp) -> Timestamp {
        let now = self.now.unwrap_or(time);
        if time > now && (self.claimed.is_some() || time.nanos().saturating_sub(now.nanos()) > BELIEVED_NANOS) {
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
        let now = if self.claimed.is_some() { now } else { time };
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
}
