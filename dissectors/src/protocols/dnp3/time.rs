//! Times of DNP3: milliseconds since 1970 in UTC, 48 bits (IEEE 1815-2012, 11.3.5 and A.23).

use super::objects::Block;
use super::turn::Turn;
use crate::dissector::Field;
use crate::observation::Category;
use crate::out::Out;
use crate::pending::Command;
use crate::time::Timestamp;
use compact_str::{CompactString, ToCompactString, format_compact};
use std::fmt;

pub(super) static CLOCK_OFFSET: Field = Field::new(
    "dnp3.clock_offset",
    "how many seconds the outstation's clock, when asked for it, is ahead of the capture's (g50v1, A.23.1)",
);

/// A moment by the clock of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Moment {
    /// From the first six octets, the lowest first.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let octets: &[u8; 6] = bytes.first_chunk()?;
        Some(Self(octets.iter().rev().fold(0, |moment, octet| moment << 8 | u64::from(*octet))))
    }

    /// How many milliseconds it is ahead of packet time.
    fn ahead_of(self, now: Timestamp) -> i64 {
        let now = now.micros().div_euclid(1000);
        i64::try_from(self.0).unwrap_or(i64::MAX).saturating_sub(now)
    }
}

/// `2015-03-25 17:40:09.211`. The days of a civil year are counted from March on, so that the odd one is its last.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let days = days.saturating_add(DAYS_BEFORE_1970);
        let (era, day) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
        let year = day.saturating_sub(day / 1460).saturating_add(day / 36_524).saturating_sub(day / 146_096) / 365;
        let before = year.saturating_mul(365).saturating_add(year / 4).saturating_sub(year / 100);
        let day = day.saturating_sub(before);
        let march = day.saturating_mul(5).saturating_add(2) / 153;
        let date = day.saturating_sub(march.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
        let (month, next) = if march < 10 { (march.saturating_add(3), 0) } else { (march.saturating_sub(9), 1) };
        let year = era.saturating_mul(400).saturating_add(year).saturating_add(next);
        let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
        let (second, milli) = (millis / 1000 % 60, millis % 1000);
        write!(f, "{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
    }
}

/// A master sets the clock: to when, and how far that is from the capture's.
pub(super) fn set(block: &Block<'_>, out: &Out<'_>) -> Option<Command> {
    let bytes = block.items().next()?.bytes;
    let value = match block.kind.variation {
        // What comes before the date is a season's or an interval's.
        1 | 3 => set_to(Moment::of(bytes)?, out.place().time),
        _ => Moment::of(bytes)?.to_compact_string(),
    };
    let target = if block.kind.variation == 4 { "a time" } else { "clock" };
    Some(Command::in_words(Category::Time, target.into(), Some(value)))
}

fn set_to(moment: Moment, now: Timestamp) -> CompactString {
    let ahead = moment.ahead_of(now);
    if ahead.unsigned_abs() < SAME {
        return moment.to_compact_string();
    }
    let seconds = ahead.unsigned_abs() / 1000;
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    format_compact!("{moment} ({seconds} s {side} the capture)")
}

/// An outstation says what its clock shows.
pub(super) fn tell(turn: Turn, block: &Block<'_>, out: &mut Out<'_>) {
    let moment = block.items().next().and_then(|item| Moment::of(item.bytes));
    if let Some(moment) = moment.filter(|_| block.kind.variation == 1) {
        let ahead = moment.ahead_of(out.place().time) / 1000;
        out.number(turn.sender, Some(&turn.child()), &CLOCK_OFFSET, ahead);
    }
}

/// In milliseconds: less is the way of a message.
const SAME: u64 = 2000;
const DAY: u64 = 86_400_000;
/// From 0000-03-01.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_OF_ERA: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_dates() {
        for (millis, text) in [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (1_427_305_209_211, "2015-03-25 17:40:09.211"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
            ((1 << 48) - 1, "10889-08-02 05:31:50.655"),
        ] {
            assert_eq!(Moment(millis).to_string(), text);
        }
        assert_eq!(Moment::of(&[1, 1, 0, 0, 0, 0, 9]), Some(Moment(257)));
        assert_eq!(Moment::of(&[1; 5]), None);
    }

    #[test]
    fn a_clock_that_differs_says_by_how_much() {
        let now = Timestamp::from_micros(1_000_000_000);
        assert_eq!(set_to(Moment(1_001_999), now), "1970-01-01 00:16:41.999");
        assert_eq!(set_to(Moment(1_061_000), now), "1970-01-01 00:17:41.000 (61 s ahead of the capture)");
        assert_eq!(set_to(Moment(0), now), "1970-01-01 00:00:00.000 (1000 s behind the capture)");
    }
}
