//! What a control request does, in the words of the operations table.

use super::pdu::{
    CHANGE_ASCII_DELIMITER, CLEAR_COUNTERS, CLEAR_OVERRUN_COUNTER, DIAGNOSTICS, FIRMWARE_REPLACEMENT,
    FORCE_LISTEN_ONLY, PROGRAM_484, PROGRAM_584, PROGRAM_584_AGAIN, PROGRAM_884, PROGRAM_CONCEPT, Pdu, RESET_LINK_884,
    RESTART_COMMUNICATIONS, WRITE_FILE_RECORD,
};
use super::records::{self, Group};
use super::write::Write;
use crate::observation::Category;
use crate::out::Words;
use crate::pending::Command;
use compact_str::{CompactString, format_compact};

/// What a request changes. Small: it is kept until the answer comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    /// Coils or registers.
    Write(Write),
    /// Records of files (6.15).
    File(Records),
    /// Diagnostics 1 (6.8.1): the port starts anew, and leaves the listen only mode.
    Restart { clears_log: bool },
    /// Diagnostics 4 (6.8.1): the port answers nothing until it is restarted.
    Silence,
    /// Diagnostics 10 (6.8.1): all counters and the diagnostic register count anew.
    ClearCounters,
    /// Diagnostics 20 (6.8.1): the counter of overruns counts anew.
    ClearOverruns,
    /// Diagnostics 3 (6.8.1): what ends a message in ASCII mode.
    Delimiter(u8),
    /// Modicon's functions 9, 13, 18, 40 and 126.
    Program,
    /// Modicon's function 19.
    ResetLink,
    /// Modicon's function 125.
    Firmware,
}

/// The first group of records that a request writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records {
    file: u16,
    record: u16,
    length: u16,
    /// The first register, if there is one.
    first: Option<u16>,
    has_others: bool,
}

impl Control {
    /// What a request of whole structure changes, if it changes anything.
    pub(super) fn of(request: &Pdu<'_>) -> Option<Self> {
        match (request.function, request.data) {
            (DIAGNOSTICS, [0, RESTART_COMMUNICATIONS, option @ ..]) => {
                Some(Self::Restart { clears_log: *option == CLEAR_LOG })
            }
            (DIAGNOSTICS, [0, FORCE_LISTEN_ONLY, ..]) => Some(Self::Silence),
            (DIAGNOSTICS, [0, CLEAR_COUNTERS, ..]) => Some(Self::ClearCounters),
            (DIAGNOSTICS, [0, CLEAR_OVERRUN_COUNTER, ..]) => Some(Self::ClearOverruns),
            (DIAGNOSTICS, [0, CHANGE_ASCII_DELIMITER, delimiter, ..]) => Some(Self::Delimiter(*delimiter)),
            (PROGRAM_484 | PROGRAM_584 | PROGRAM_884 | PROGRAM_CONCEPT | PROGRAM_584_AGAIN, _) => Some(Self::Program),
            (RESET_LINK_884, _) => Some(Self::ResetLink),
            (FIRMWARE_REPLACEMENT, _) => Some(Self::Firmware),
            (WRITE_FILE_RECORD, data) => Records::of(data).map(Self::File),
            _ => Write::of(request).map(Self::Write),
        }
    }

    pub(super) fn command(&self) -> Command {
        let (category, target, value) = match self {
            Self::Write(write) => (Category::Write, write.target(), write.value()),
            Self::File(records) => (Category::File, records.target().into(), records.first.map(Words::number)),
            Self::Restart { clears_log } => {
                let value = clears_log.then(|| "clear event log".into());
                (Category::Restart, "communications".into(), value)
            }
            Self::Silence => (Category::Stop, "port".into(), None),
            Self::ClearCounters => {
                (Category::Config, "counters and diagnostic register".into(), Some("cleared".into()))
            }
            Self::ClearOverruns => (Category::Config, "overrun counter".into(), Some("cleared".into())),
            Self::Program => (Category::Program, "program".into(), None),
            Self::ResetLink => (Category::Restart, "communication link".into(), None),
            Self::Firmware => (Category::Firmware, "firmware".into(), None),
            Self::Delimiter(delimiter) => (Category::Config, "ASCII delimiter".into(), Some(Words::number(*delimiter))),
        };
        Command { category, target, value }
    }
}

impl Records {
    fn of(request: &[u8]) -> Option<Self> {
        let mut groups = records::written(request);
        let Group { file, record, length, data } = groups.next()?.ok()?;
        let first = data.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        Some(Self { file, record, length, first, has_others: groups.next().is_some() })
    }

    /// `file 4 records 7-9`; `file 4 record 7 and others`.
    fn target(&self) -> CompactString {
        let others = if self.has_others { " and others" } else { "" };
        let target = target(self.file, self.record, self.length.into());
        format_compact!("{target}{others}")
    }
}

/// Consecutive records of a file, in words.
pub(super) fn target(file: u16, record: u16, length: u32) -> CompactString {
    let last = u32::from(record).saturating_add(length).saturating_sub(1);
    match length {
        0 | 1 => format_compact!("file {file} record {record}"),
        _ => format_compact!("file {file} records {record}-{last}"),
    }
}

/// The data field of Restart Communications that clears the log of communication events too.
const CLEAR_LOG: [u8; 2] = [0xff, 0];

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use super::super::tests::story_of;
    use crate::dissector::Side;
    use crate::rig::{Rig, hex};

    fn act(request: &str, response: &str) -> String {
        story_of(&[(request, response)]).into_iter().filter(|line| line.contains(" by ")).collect()
    }

    #[test]
    fn records_of_files_are_named() {
        // trans proto len  unit fc count | type file record length | registers
        let one = "0001 0000 0010 01 15 0d  06 0004 0007 0003  06af 04be 100d";
        let two = "0001 0000 0015 01 15 12  06 0004 0007 0001  06af  06 0003 0009 0001 4b1d";
        let refused = "0001 0000 0003 01 95 02";
        assert_eq!(
            act(one, refused),
            "A file[1] by 21: file 4 records 7-9 = 1711, rejected (illegal data address) (frame 1)"
        );
        assert_eq!(
            act(two, refused),
            "A file[1] by 21: file 4 record 7 and others = 1711, rejected (illegal data address) (frame 1)"
        );
        let refused = "0001 0000 0003 01 95 03";
        for broken in [
            "0001 0000 0010 01 15 0d  05 0004 0007 0003  06af 04be 100d",
            "0001 0000 0010 01 15 0d  06 0004 0007 0004  06af 04be 100d",
            "0001 0000 0010 01 15 0e  06 0004 0007 0003  06af 04be 100d",
            "0001 0000 0003 01 15 00",
        ] {
            assert_eq!(act(broken, refused), "", "{broken}");
        }
    }

    /// What these hold is not public: the byte is made up.
    #[test]
    fn programming_in_the_old_ways_is_told_with_its_outcome() {
        let told = |function: &str, answer: &str| act(&format!("0001 0000 0003 01 {function} 00"), answer);
        let accepted = |function: &str| told(function, &format!("0001 0000 0003 01 {function} 00"));
        assert_eq!(accepted("7d"), "A firmware[1] by 125: firmware, accepted (frame 1)");
        assert_eq!(
            told("7d", "0001 0000 0003 01 fd 01"),
            "A firmware[1] by 125: firmware, rejected (illegal function) (frame 1)"
        );
        assert_eq!(accepted("13"), "A restart[1] by 19: communication link, accepted (frame 1)");
        for (function, number) in [("09", 9), ("0d", 13), ("12", 18), ("28", 40), ("7e", 126)] {
            assert_eq!(accepted(function), format!("A program[1] by {number}: program, accepted (frame 1)"));
        }
        for function in ["5b", "64", "7f"] {
            assert_eq!(accepted(function), "", "nothing is changed");
        }
    }

    #[test]
    fn a_restart_and_a_silence_of_the_port_are_told() {
        // trans proto len  unit fc sub data
        let restart = "0001 0000 0006 01 08 0001 0000";
        assert_eq!(act(restart, restart), "A restart[1] by 8: communications, accepted (frame 1)");
        let cleared = "0001 0000 0006 01 08 0001 ff00";
        assert_eq!(act(cleared, cleared), "A restart[1] by 8: communications = clear event log, accepted (frame 1)");
        let counters = "0001 0000 0006 01 08 000a 0000";
        let target = "counters and diagnostic register = cleared";
        assert_eq!(act(counters, counters), format!("A config[1] by 8: {target}, accepted (frame 1)"));
        let overruns = "0001 0000 0006 01 08 0014 0000";
        assert_eq!(act(overruns, overruns), "A config[1] by 8: overrun counter = cleared, accepted (frame 1)");
        let delimiter = "0001 0000 0006 01 08 0003 3b00";
        assert_eq!(act(delimiter, delimiter), "A config[1] by 8: ASCII delimiter = 59, accepted (frame 1)");
        let echo = "0001 0000 0006 01 08 0000 a55a";
        assert_eq!(act(echo, echo), "");
        let mut rig = Rig::tcp(&MODBUS);
        rig.segment(Side::A, &hex("0001 0000 0006 01 08 0004 0000"));
        assert_eq!(
            rig.wait(5).story(),
            ["A request[1] 8 control", "A stop[1] by 8: port, unknown (frame 1)"],
            "no answer is sent"
        );
    }
}
