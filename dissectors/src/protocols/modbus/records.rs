//! Records of files: what is asked for, answered and written (Application Protocol V1.1b3, 6.14 and 6.15).
//!
//! A record is one register. A message holds groups of consecutive records, each of one file.

use crate::reader::{Reader, Stop};

/// Consecutive records of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) file: u16,
    /// The first of them.
    pub(super) record: u16,
    /// How many there are.
    pub(super) length: u16,
    /// What they hold, two bytes each; nothing in a request to read.
    pub(super) data: &'a [u8],
}

/// Whether these are the data of a request to read.
pub(super) fn is_query(data: &[u8]) -> bool {
    is_counted(data) && is_whole(asked(data))
}

/// Whether these are the data of an answer with what was read.
pub(super) fn is_answer(data: &[u8]) -> bool {
    is_counted(data) && is_whole(answered(data))
}

/// Whether these are the data of a request to write, which the answer repeats.
pub(super) fn is_write(data: &[u8]) -> bool {
    is_counted(data) && is_whole(written(data))
}

/// The groups that a request asks for, up to the first that is broken.
pub(super) fn asked(data: &[u8]) -> impl Iterator<Item = Result<Group<'_>, Stop>> {
    groups(data, |reader| head(reader))
}

/// The groups that a request writes, up to the first that is broken.
pub(super) fn written(data: &[u8]) -> impl Iterator<Item = Result<Group<'_>, Stop>> {
    groups(data, |reader| {
        let group = head(reader)?;
        let data = reader.take(usize::from(group.length).saturating_mul(2))?;
        Ok(Group { data, ..group })
    })
}

/// What an answer says that the records hold, a piece for each group that was asked for.
pub(super) fn answered(data: &[u8]) -> impl Iterator<Item = Result<&[u8], Stop>> {
    groups(data, |reader| {
        // The length counts the reference type too.
        let length = usize::from(reader.u8()?);
        reference_type(reader)?;
        if length.is_multiple_of(2) {
            return Err(reader.malformed("half a record"));
        }
        reader.take(length.saturating_sub(1))
    })
}

/// Reads behind the byte count until nothing is left or something is broken, which comes last.
fn groups<'a, T>(
    data: &'a [u8],
    read: impl Fn(&mut Reader<'a>) -> Result<T, Stop>,
) -> impl Iterator<Item = Result<T, Stop>> {
    let mut reader = Some(Reader::closed(data.get(1..).unwrap_or_default()));
    std::iter::from_fn(move || {
        let left = reader.as_mut().filter(|reader| !reader.is_empty())?;
        let group = read(left);
        if group.is_err() {
            reader = None;
        }
        Some(group)
    })
}

fn head<'a>(reader: &mut Reader<'a>) -> Result<Group<'a>, Stop> {
    reference_type(reader)?;
    Ok(Group { file: reader.u16()?, record: reader.u16()?, length: reader.u16()?, data: &[] })
}

fn reference_type(reader: &mut Reader<'_>) -> Result<(), Stop> {
    if reader.u8()? == REFERENCE_TYPE { Ok(()) } else { Err(reader.malformed("the reference type is not 6")) }
}

/// A byte count, not 0, and as many bytes.
fn is_counted(data: &[u8]) -> bool {
    matches!(data, [count, groups @ ..] if *count != 0 && usize::from(*count) == groups.len())
}

fn is_whole<T>(mut groups: impl Iterator<Item = Result<T, Stop>>) -> bool {
    groups.all(|group| group.is_ok())
}

const REFERENCE_TYPE: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // count | type file record length (6.14)
        let query = hex("0e  06 0004 0001 0002  06 0003 0009 0002");
        assert!(is_query(&query) && !is_write(&query));
        let groups: Vec<_> = asked(&query).map(|group| group.expect("whole")).collect();
        assert_eq!(groups[1], Group { file: 3, record: 9, length: 2, data: &[] });
        // count | length type registers
        let answer = hex("0c  05 06 0dfe 0020  05 06 33cd 0040");
        assert!(is_answer(&answer) && !is_query(&answer));
        let pieces: Vec<_> = answered(&answer).map(|piece| piece.expect("whole")).collect();
        assert_eq!(pieces, [[0x0d, 0xfe, 0, 0x20], [0x33, 0xcd, 0, 0x40]]);
        // count | type file record length registers (6.15)
        let write = hex("0d  06 0004 0007 0003 06af 04be 100d");
        assert!(is_write(&write) && !is_query(&write) && !is_answer(&write));
        let groups: Vec<_> = written(&write).map(|group| group.expect("whole").data.len()).collect();
        assert_eq!(groups, [6]);
    }

    #[test]
    fn what_is_broken_is_none_of_them() {
        for broken in [
            "",
            "00",
            "07 05 0004 0001 0002",
            "06 06 0004 0001 00",
            "08 06 0004 0001 0002",
            "04 04 06 0dfe 00",
            "01 00",
            "05 05 06 0dfe 00",
        ] {
            let broken = hex(broken);
            assert!(!is_query(&broken) && !is_answer(&broken) && !is_write(&broken), "{broken:x?}");
        }
    }
}
