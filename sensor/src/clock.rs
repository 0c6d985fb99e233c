//! A capture's clock: the running maximum of its packets' times, slow to believe a leap.
//!
//! A packet's time that lies more than an hour from the clock, either way, is a glitch until four packets in a row tell of
//! such a time and none of them goes on at the old one. (Two are not enough: a card that writes one wrong time writes the
//! answer's wrong as well, and the clock would be led astray by every such pair. Four come within a moment where the clock
//! has really moved.) The packets behind the one that leaps are looked at before it is counted, so all four are counted
//! at the new time. Where the capture ends before, two that agree are believed.
//!
//! A glitch is counted when the packets around it came, and whoever is believed takes no wrong time of it.

use dissectors::Timestamp;
use std::time::Duration;

/// Further from the clock no packet is believed by itself.
const BELIEVED: Duration = Duration::from_hours(1);
const BELIEVED_NANOS: i64 = 3_600_000_000_000;
/// As many packets behind one that leaps have to tell the same.
pub(crate) const WITNESSES: usize = 3;
/// Before the second packet a capture may be silent for a while; for longer, the first one's clock was not set yet.
const SILENT: Duration = Duration::from_hours(24);

/// The running maximum of packet times. It goes back where a leap back is believed, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    now: Timestamp,
}

/// Where a time lies that is too far from another to be believed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leap {
    Ahead,
    Back,
}

impl Leap {
    fn of(time: Timestamp, from: Timestamp) -> Option<Self> {
        match (time.since(from) > BELIEVED, from.since(time) > BELIEVED) {
            (true, _) => Some(Self::Ahead),
            (_, true) => Some(Self::Back),
            _ => None,
        }
    }

    /// Of times that have leapt the one that is nearest to where they came from: one glitch among them changes nothing.
    fn least(self, times: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
        match self {
            Self::Ahead => times.min(),
            Self::Back => times.max(),
        }
    }
}

impl Clock {
    /// The clock of a capture whose first packet came at this time, and some others behind it. The first is wrong where all
    /// others came much earlier, or all together much later than any silence lasts.
    pub(crate) fn starting(first: Timestamp, behind: &[Timestamp]) -> Self {
        let others = || behind.iter().copied();
        let (earliest, latest) = (others().min().unwrap_or(first), others().max().unwrap_or(first));
        let is_set_later =
            behind.len() >= WITNESSES && earliest.since(first) > SILENT && Leap::of(latest, earliest).is_none();
        let least = match Leap::of(latest, first) {
            Some(Leap::Back) => Some(latest),
            Some(Leap::Ahead) if is_set_later => Some(earliest),
            _ => None,
        };
        let now = least.zip(others().next()).map_or(first, |(least, second)| near(second, least));
        Self { now }
    }

    /// A packet of this time has come; tells what time it is, or nothing if the packet has leapt: then
    /// [`Clock::weigh`] tells.
    #[inline]
    pub(crate) fn advance(&mut self, time: Timestamp) -> Option<Timestamp> {
        let ahead = time.nanos().saturating_sub(self.now.nanos());
        if ahead.wrapping_add(BELIEVED_NANOS).cast_unsigned() > 2 * BELIEVED_NANOS.cast_unsigned() {
            return None;
        }
        self.now = self.now.max(time);
        Some(self.now)
    }

    /// A packet of this time has leapt, and those behind it came at these times; fewer than [`WITNESSES`] where no more
    /// can be seen. Tells what time it is.
    #[cold]
    pub(crate) fn weigh(&mut self, time: Timestamp, behind: &[Timestamp]) -> Timestamp {
        let Some(leap) = Leap::of(time, self.now) else { return self.now };
        let told = || std::iter::once(time).chain(behind.iter().copied());
        if !behind.is_empty()
            && told().all(|told| Leap::of(told, self.now) == Some(leap))
            && let Some(least) = leap.least(told())
        {
            self.now = near(time, least);
        }
        self.now
    }

    /// What time a packet is counted at whose own time is this: its own, unless it is not believed.
    pub(crate) fn believed(self, time: Timestamp) -> Timestamp {
        near(time, self.now)
    }

    /// What time it is.
    pub(crate) fn now(self) -> Timestamp {
        self.now
    }
}

/// A packet's own time, unless it is a glitch among those that are believed.
fn near(time: Timestamp, believed: Timestamp) -> Timestamp {
    if Leap::of(time, believed).is_none() { time } else { believed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// What the clock of a capture says at each of its packets, and at what time they are counted.
    fn told(times: &[i64]) -> Vec<(i64, i64)> {
        let times: Vec<Timestamp> = times.iter().copied().map(seconds).collect();
        let behind = |at: usize| &times[(at + 1).min(times.len())..(at + 1 + WITNESSES).min(times.len())];
        let mut clock = Clock::starting(times[0], behind(0));
        let all = times.iter().enumerate().map(|(at, time)| {
            let now = clock.advance(*time).unwrap_or_else(|| clock.weigh(*time, behind(at)));
            (now.nanos() / 1_000_000_000, clock.believed(*time).nanos() / 1_000_000_000)
        });
        all.collect()
    }

    fn clocks(times: &[i64]) -> Vec<i64> {
        told(times).into_iter().map(|(now, _)| now).collect()
    }

    const FAR: i64 = 1_000_000;
    const FARTHER: i64 = 9_000_000;

    #[test]
    fn four_packets_move_the_clock_and_are_counted_there() {
        assert_eq!(clocks(&[100, 90, 101]), [100, 100, 101], "within an hour it never goes back");
        assert_eq!(clocks(&[0, 1, FAR, FAR + 1, FAR + 2, FAR + 3]), [0, 1, FAR, FAR + 1, FAR + 2, FAR + 3]);
        let back = [FAR, FAR + 1, FAR + 2, FAR + 3, 5, 6, 7, 8, 7];
        assert_eq!(clocks(&back), [FAR, FAR + 1, FAR + 2, FAR + 3, 5, 6, 7, 8, 8], "back as well");
    }

    #[test]
    fn up_to_three_packets_are_glitches_and_counted_when_the_others_came() {
        for far in [FAR, -FAR] {
            let times = [0, 1, far, 2, far, far + 1, 3, far, far + 1, far + 2, 4, far, 5];
            let expected = [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5];
            assert_eq!(told(&times), expected.map(|now| (now, now)), "{far}");
        }
    }

    #[test]
    fn a_glitch_among_four_pulls_the_clock_no_further() {
        let times = [0, 1, FAR, FARTHER, FAR + 1, FAR + 2, FAR + 3];
        assert_eq!(told(&times)[2..5], [(FAR, FAR), (FAR, FAR), (FAR + 1, FAR + 1)]);
        let times = [0, 1, FARTHER, FAR, FAR + 1, FAR + 2, FAR + 3];
        assert_eq!(told(&times)[2..4], [(FAR, FAR), (FAR, FAR)], "the first of them too");
        let times = [0, 1, FAR, -FAR, FAR + 1, FAR + 2, FAR + 3, FAR + 4];
        assert_eq!(clocks(&times), [0, 1, 1, 1, FAR + 1, FAR + 2, FAR + 3, FAR + 4], "they disagree which way");
    }

    #[test]
    fn where_the_capture_ends_two_that_agree_are_believed() {
        assert_eq!(clocks(&[0, 1, FAR, FAR + 1]), [0, 1, FAR, FAR + 1]);
        assert_eq!(clocks(&[0, 1, FAR]), [0, 1, 1]);
        assert_eq!(clocks(&[0, 1, FAR, 2]), [0, 1, 1, 2]);
    }

    /// A packet every two hours.
    #[test]
    fn where_few_packets_come_each_is_believed() {
        let times: Vec<i64> = (0..9).map(|number| number * 7_200).collect();
        assert_eq!(clocks(&times)[..8], times[..8]);
    }

    #[test]
    fn a_wrong_first_packet_does_not_set_the_clock() {
        assert_eq!(told(&[FAR, 5, 6, 7, 8]), [5, 5, 6, 7, 8].map(|now| (now, now)), "it is counted with the others");
        assert_eq!(clocks(&[FAR, 5]), [5, 5]);
        assert_eq!(clocks(&[FAR, FARTHER, FAR + 1, FAR + 2]), [FAR, FAR, FAR + 1, FAR + 2], "the second is wrong");
        assert_eq!(clocks(&[0, FAR, FAR + 1, FAR + 2]), [FAR, FAR, FAR + 1, FAR + 2], "a clock that was not set yet");
        assert_eq!(clocks(&[0, 7_200, 7_201, 7_202, 7_203]), [0, 7_200, 7_201, 7_202, 7_203], "a silence");
        assert_eq!(clocks(&[3]), [3]);
    }

    #[test]
    fn the_ends_of_time_are_far_from_each_other() {
        let mut clock = Clock::starting(Timestamp::MIN, &[]);
        assert_eq!(clock.advance(Timestamp::MAX), None);
        assert_eq!(clock.weigh(Timestamp::MAX, &[Timestamp::MAX; WITNESSES]), Timestamp::MAX);
        assert_eq!(clock.advance(Timestamp::MIN), None);
        assert_eq!(clock.weigh(Timestamp::MIN, &[Timestamp::MAX; WITNESSES]), Timestamp::MAX);
    }
}
