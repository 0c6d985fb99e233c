//! Packet time: the only time this house knows below its sinks.

use std::time::Duration;

/// A moment in packet time: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const NANOS_PER_MICRO: i64 = 1_000;
const NANOS_PER_HOUR: i64 = 3_600_000_000_000;

impl Timestamp {
    /// The first moment that can be told.
    pub const MIN: Self = Self(i64::MIN);

    /// The last moment that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// A moment from nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A moment from microseconds since the epoch; saturates beyond the year 2262.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(NANOS_PER_MICRO))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the epoch, rounded down: the resolution of every public table.
    pub const fn micros(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MICRO)
    }

    /// A moment from its year, month, day, hour, minute and second (UTC), if there is such a one.
    #[expect(clippy::arithmetic_side_effects, reason = "years of four digits and parts of them")]
    pub fn of_utc([year, month, day, hour, minute, second]: [i64; 6]) -> Option<Self> {
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
        let is_date = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !is_time || !is_date {
            return None;
        }
        // Years begin in March, so that the day that some have more stands at their end.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        seconds.checked_mul(1_000_000_000).map(Self)
    }

    /// The start of this moment's hour (UTC).
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0.div_euclid(NANOS_PER_HOUR).saturating_mul(NANOS_PER_HOUR))
    }

    /// This moment moved later; saturates.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_times_are_counted_from_1970() {
        for (time, seconds) in [
            ([1970, 1, 1, 0, 0, 0], 0),
            ([1969, 12, 31, 23, 59, 59], -1),
            ([2000, 2, 29, 12, 0, 0], 951_825_600),
            ([2026, 11, 30, 6, 36, 52], 1_796_020_612),
        ] {
            assert_eq!(Timestamp::of_utc(time), Some(Timestamp::from_micros(seconds * 1_000_000)), "{time:?}");
        }
        assert_eq!(Timestamp::of_utc([2026, 13, 1, 0, 0, 0]), None);
        assert_eq!(Timestamp::of_utc([9999, 1, 1, 0, 0, 0]), None, "beyond what nanoseconds can count");
    }

    #[test]
    fn hours_and_microseconds_round_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_nanos(-1).micros(), -1);
        assert_eq!(Timestamp::from_nanos(-1).hour(), Timestamp::from_nanos(-NANOS_PER_HOUR));
        assert_eq!(Timestamp::from_nanos(NANOS_PER_HOUR + 5).hour(), Timestamp::from_nanos(NANOS_PER_HOUR));
    }

    #[test]
    fn differences_never_go_negative() {
        let (early, late) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
    }
}
