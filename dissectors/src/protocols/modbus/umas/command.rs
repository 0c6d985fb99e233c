//! What a request changes, in the words of the operations table. Transfers of programs are a matter of their own.

use super::frame::Frame;
use super::reservation;
use crate::observation::Category;
use crate::out::Words;
use crate::pending::Command;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, format_compact};

/// What a request changes, if it changes anything.
pub(super) fn of(frame: &Frame<'_>) -> Option<Command> {
    let (category, target, value): (_, Words, Option<Words>) = match frame.code {
        reservation::TAKE => (Category::User, "reservation".into(), None),
        WRITE_MEMORY_BLOCK => (Category::Write, memory(frame.data), None),
        WRITE_VARIABLES => (Category::Write, variables(frame.data), None),
        WRITE_COILS_AND_REGISTERS => (Category::Write, "coils and registers".into(), None),
        WRITE_PHYSICAL_ADDRESS => (Category::Write, "physical address".into(), None),
        WRITE_IO_OBJECT => (Category::Write, "I/O object".into(), None),
        BACKUP => (Category::Backup, "backup".into(), None),
        PRELOAD_BLOCKS => (Category::Program, "blocks".into(), Some("preload".into())),
        SWAP_BLOCKS => (Category::Program, "blocks".into(), Some("swap".into())),
        START => (Category::Mode, "controller".into(), Some("run".into())),
        STOP => (Category::Stop, "controller".into(), None),
        INITIALISE => (Category::Restart, "controller".into(), Some("initialise".into())),
        SET_BREAKPOINT => (Category::Mode, "breakpoint".into(), Some("set".into())),
        DELETE_BREAKPOINT => (Category::Mode, "breakpoint".into(), Some("delete".into())),
        STEP_OVER..=STEP_OUT => (Category::Mode, "task".into(), Some("step".into())),
        _ => return None,
    };
    Some(Command { category, target, value })
}

/// Whether a function, as a request, changes the process or the controller.
pub(super) fn is_control(code: u8) -> bool {
    matches!(
        code,
        reservation::TAKE
            | WRITE_MEMORY_BLOCK
            | WRITE_VARIABLES
            | WRITE_COILS_AND_REGISTERS
            | WRITE_PHYSICAL_ADDRESS
            | WRITE_IO_OBJECT
            | BEGIN_TO_CONTROLLER..=END_TO_CONTROLLER
            | PRELOAD_BLOCKS
            | START..=SWAP_BLOCKS
            | SET_BREAKPOINT..=STEP_OUT
    )
}

/// `memory block 19 at 100`, where the request is laid out as the one that reads a block; its end proves that.
fn memory(data: &[u8]) -> Words {
    let layout = || -> Result<Option<[u32; 2]>, Stop> {
        let mut reader = Reader::closed(data);
        reader.skip(1)?;
        let (block, offset) = (reader.u16_le()?, reader.u16_le()?);
        reader.skip(2)?;
        let length = reader.u16_le()?;
        Ok((usize::from(length) == reader.remaining()).then(|| [block.into(), offset.into()]))
    };
    match layout() {
        Ok(Some(place)) => Words::Numbers(place, |[block, at]| format_compact!("memory block {block} at {at}")),
        Ok(None) | Err(_) => "memory block".into(),
    }
}

/// `3 variables`: their number stands behind the checksum of the dictionary in which they are described.
fn variables(data: &[u8]) -> Words {
    fn counted([count, _]: [u32; 2]) -> CompactString {
        format_compact!("{count} variable{}", if count == 1 { "" } else { "s" })
    }
    match data {
        [_, _, _, _, count, _, ..] if *count > 0 => Words::Numbers([u32::from(*count), 0], counted),
        _ => "variables".into(),
    }
}

const WRITE_MEMORY_BLOCK: u8 = 0x21;
const WRITE_VARIABLES: u8 = 0x23;
const WRITE_COILS_AND_REGISTERS: u8 = 0x25;
const WRITE_PHYSICAL_ADDRESS: u8 = 0x29;
const BEGIN_TO_CONTROLLER: u8 = 0x30;
const END_TO_CONTROLLER: u8 = 0x32;
const BACKUP: u8 = 0x36;
const PRELOAD_BLOCKS: u8 = 0x37;
const START: u8 = 0x40;
const STOP: u8 = 0x41;
const INITIALISE: u8 = 0x42;
const SWAP_BLOCKS: u8 = 0x43;
const SET_BREAKPOINT: u8 = 0x60;
const DELETE_BREAKPOINT: u8 = 0x61;
const STEP_OVER: u8 = 0x62;
const STEP_OUT: u8 = 0x64;
const WRITE_IO_OBJECT: u8 = 0x71;
