//! What a control request does, in the words of the operations table.

use super::pdu::{DIAGNOSTICS, FORCE_LISTEN_ONLY, Pdu, RESTART_COMMUNICATIONS, WRITE_FILE_RECORD};
use super::write::Write;
use crate::observation::Category;
use crate::out::Words;
use crate::pending::Command;
use crate::reader::{Reader, Stop};
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
            (WRITE_FILE_RECORD, data) => Records::read(data).ok().map(Self::File),
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
        };
        Command { category, target, value }
    }
}

impl Records {
    fn read(data: &[u8]) -> Result<Self, Stop> {
        let mut reader = Reader::closed(data);
        let length = reader.u8()?;
        let mut groups = reader.sub(length.into())?;
        if groups.u8()? != REFERENCE_TYPE {
            return Err(groups.malformed("the reference type is not 6"));
        }
        let (file, record, length) = (groups.u16()?, groups.u16()?, groups.u16()?);
        let mut registers = groups.sub(usize::from(length).saturating_mul(2))?;
        Ok(Self { file, record, length, first: registers.u16().ok(), has_others: !groups.is_empty() })
    }

    /// `file 4 records 7-9`; `file 4 record 7 and others`.
    fn target(&self) -> CompactString {
        let Self { file, record, length, has_others, .. } = *self;
        let last = u32::from(record).saturating_add(u32::from(length)).saturating_sub(1);
        let others = if has_others { " and others" } else { "" };
        match length {
            0 | 1 => format_compact!("file {file} record {record}{others}"),
            _ => format_compact!("file {file} records {record}-{last}{others}"),
        }
    }
}

/// The data field of Restart Communications that clears the log of communication events too.
const CLEAR_LOG: [u8; 2] = [0xff, 0];
const REFERENCE_TYPE: u8 = 6;

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
        assert_eq!(act(one, one), "A file[1] by 21: file 4 records 7-9 = 1711, accepted (frame 1)");
        let two = "0001 0000 0015 01 15 12  06 0004 0007 0001  06af  06 0003 0009 0001 4b1d";
        assert_eq!(act(two, two), "A file[1] by 21: file 4 record 7 and others = 1711, accepted (frame 1)");
        assert_eq!(
            act(one, "0001 0000 0003 01 95 02"),
            "A file[1] by 21: file 4 records 7-9 = 1711, rejected (frame 1)"
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

    #[test]
    fn a_restart_and_a_silence_of_the_port_are_told() {
        // trans proto len  unit fc sub data
        let restart = "0001 0000 0006 01 08 0001 0000";
        assert_eq!(act(restart, restart), "A restart[1] by 8: communications, accepted (frame 1)");
        let cleared = "0001 0000 0006 01 08 0001 ff00";
        assert_eq!(act(cleared, cleared), "A restart[1] by 8: communications = clear event log, accepted (frame 1)");
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
