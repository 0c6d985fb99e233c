//! What a controller says of itself and of the project in it. Integers are little-endian.

use super::frame::Frame;
use super::{name, reservation};
use crate::dissector::{Field, Side};
use crate::observation::{Child, Value};
use crate::out::Out;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, format_compact};

pub(in super::super) static MODEL: Field = Field::new("umas.model", "function 0x02: the controller's name of its type");
pub(in super::super) static FIRMWARE: Field = Field::new(
    "umas.firmware",
    "function 0x02: major and minor, two digits each as they stand in hex (`70 02`: 02.70)",
);
pub(in super::super) static FIRMWARE_PATCH: Field =
    Field::new("umas.firmware_patch", "function 0x02: the firmware's patch level");
pub(in super::super) static FAMILY: Field =
    Field::new("umas.family", "function 0x02: number of the range: 14 an M580, 16 a Quantum (seen)");
pub(in super::super) static KIND: Field = Field::new("umas.type", "function 0x02: number of the type");
pub(in super::super) static CONTROLLER_ID: Field =
    Field::new("umas.controller_id", "function 0x02: number of the model");
pub(in super::super) static HARDWARE_ID: Field =
    Field::new("umas.hardware_id", "function 0x02: number of the hardware");
pub(in super::super) static MEMORY_CARD: Field =
    Field::new("umas.memory_card", "function 0x06: the memory card's name of its type");
pub(in super::super) static OPERATING_STATE: Field =
    Field::new("umas.operating_state", "function 0x04: stopped or running");
pub(in super::super) static PROJECT_NAME: Field =
    Field::new("umas.project_name", "function 0x03: the name of the project");
pub(in super::super) static PROJECT_VERSION: Field =
    Field::new("umas.project_version", "function 0x03: the project's version: major, minor, build");
pub(in super::super) static PROJECT_REBUILT: Field = Field::new(
    "umas.project_rebuilt",
    "function 0x03: when all of the project was built last, by the programmer's clock",
);
pub(in super::super) static PROJECT_BUILT: Field = Field::new(
    "umas.project_built",
    "function 0x03: when some of the project was built last, by the programmer's clock",
);
pub(in super::super) static PROJECT: Field =
    Field::new("umas.project", "function 0x03: name, version and last time of build of the project in one");
pub(in super::super) static PROJECT_FILE: Field = Field::new(
    "umas.project_file",
    "function 0x20: the programmer's file, from the memory block that describes the project",
);

/// Tells what the answer to a request says.
pub(super) type Tell = fn(Side, &Child, &[u8], &mut Out<'_>);

/// How the answer to a request is told, if it says anything of the controller.
pub(super) fn of(request: &Frame<'_>) -> Option<Tell> {
    match (request.code, request.data) {
        (INITIALISE, _) => Some(reservation::tell_owner),
        (READ_IDENTITY, []) => Some(tell_controller),
        (READ_PROJECT, [0]) => Some(tell_project),
        (READ_STATE, []) => Some(tell_state),
        (READ_MEMORY_CARD, _) => Some(tell_memory_card),
        (READ_MEMORY_BLOCK, [_, place @ ..]) if place.starts_with(&PROJECT_FILE_PLACE) => Some(tell_project_file),
        _ => None,
    }
}

struct Controller<'a> {
    family: u8,
    kind: u8,
    id: u16,
    /// Minor, major.
    firmware: [u8; 2],
    patch: u16,
    hardware: u16,
    model: &'a [u8],
}

impl<'a> Controller<'a> {
    /// Memory banks follow, which are skipped.
    fn read(data: &'a [u8]) -> Result<Self, Stop> {
        let mut reader = Reader::closed(data);
        let [family, kind] = reader.array()?;
        let id = reader.u16_le()?;
        reader.skip(4)?;
        let firmware = reader.array()?;
        let patch = reader.u16_le()?;
        reader.skip(2)?;
        let hardware = reader.u16_le()?;
        reader.skip(6)?;
        let length = reader.u8()?;
        let model = name(reader.take(length.into())?).ok_or(reader.malformed("no name"))?;
        Ok(Self { family, kind, id, firmware, patch, hardware, model })
    }
}

fn tell_controller(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let Ok(controller) = Controller::read(data) else { return };
    let [minor, major] = controller.firmware;
    out.text(side, Some(child), &MODEL, controller.model);
    out.attribute(side, Some(child), &FIRMWARE, &controller.firmware, || {
        Value::Text(format_compact!("{major:02x}.{minor:02x}"))
    });
    out.number(side, Some(child), &FIRMWARE_PATCH, controller.patch.into());
    out.number(side, Some(child), &FAMILY, controller.family.into());
    out.number(side, Some(child), &KIND, controller.kind.into());
    out.number(side, Some(child), &CONTROLLER_ID, controller.id.into());
    out.number(side, Some(child), &HARDWARE_ID, controller.hardware.into());
}

struct Project<'a> {
    all_built: Option<CompactString>,
    some_built: Option<CompactString>,
    major: u8,
    minor: u8,
    build: u16,
    name: &'a [u8],
}

impl<'a> Project<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Stop> {
        let mut reader = Reader::closed(data);
        reader.skip(18)?;
        let (all_built, some_built) = (date(&mut reader)?, date(&mut reader)?);
        let build = reader.u16_le()?;
        let [minor, major] = reader.array()?;
        let length = reader.u8()?;
        let name = name(reader.take(length.into())?).ok_or(reader.malformed("no name"))?;
        Ok(Self { all_built, some_built, major, minor, build, name })
    }
}

/// Day of the week, seconds, minutes, hours, day, month, year: `2014-01-14 12:59:12`; nothing if it is no date.
fn date(reader: &mut Reader<'_>) -> Result<Option<CompactString>, Stop> {
    let [_weekday, second, minute, hour, day, month] = reader.array()?;
    let year = reader.u16_le()?;
    let is_date = (1990..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let is_time = hour < 24 && minute < 60 && second < 60;
    let text = || format_compact!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    Ok((is_date && is_time).then(text))
}

fn tell_project(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let Ok(project) = Project::read(data) else { return };
    let Project { major, minor, build, .. } = project;
    out.text(side, Some(child), &PROJECT_NAME, project.name);
    let version = format_compact!("{major}.{minor}.{build}");
    out.text(side, Some(child), &PROJECT_VERSION, version.as_bytes());
    let built = project.some_built.as_ref().or(project.all_built.as_ref());
    let built = built.map(|date| format_compact!(", built {date}")).unwrap_or_default();
    let whole = [project.name, b" ", version.as_bytes(), built.as_bytes()].concat();
    out.text(side, Some(child), &PROJECT, &whole);
    for (field, date) in [(&PROJECT_REBUILT, &project.all_built), (&PROJECT_BUILT, &project.some_built)] {
        out.text(side, Some(child), field, date.as_deref().unwrap_or_default().as_bytes());
    }
}

/// The state stands where a Quantum and an M580 have it, in answers of the length that both give.
fn tell_state(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let state = match (data.len(), data.get(60)) {
        (66, Some(1)) => "stopped",
        (66, Some(2)) => "running",
        _ => return,
    };
    out.text(side, Some(child), &OPERATING_STATE, state.as_bytes());
}

fn tell_memory_card(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let card = || -> Result<&[u8], Stop> {
        let mut reader = Reader::closed(data);
        reader.skip(6)?;
        let length = reader.u8()?;
        reader.take(length.into())
    };
    if let Some(card) = card().ok().and_then(name) {
        out.text(side, Some(child), &MEMORY_CARD, card);
    }
}

/// A byte, the number of bytes, and the file's name, ended by a zero.
fn tell_project_file(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let file = data.get(3..).and_then(name);
    let is_project = |file: &&[u8]| file.to_ascii_lowercase().ends_with(b".stu");
    if let Some(file) = file.filter(is_project) {
        out.text(side, Some(child), &PROJECT_FILE, file);
    }
}

const INITIALISE: u8 = 0x01;
const READ_IDENTITY: u8 = 0x02;
const READ_PROJECT: u8 = 0x03;
const READ_STATE: u8 = 0x04;
const READ_MEMORY_CARD: u8 = 0x06;
const READ_MEMORY_BLOCK: u8 = 0x20;
/// Block 20, from byte 346 on (Redpoint, modicon-info).
const PROJECT_FILE_PLACE: [u8; 6] = [20, 0, 0x5A, 0x01, 0, 0];
