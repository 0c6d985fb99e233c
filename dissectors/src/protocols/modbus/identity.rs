//! What a server says of itself: Read Device Identification (Application Protocol V1.1b3, 6.21) and Report Server ID
//! (6.13).

use crate::dissector::{Field, Side};
use crate::observation::{Child, Value};
use crate::out::Out;

pub(super) static VENDOR_NAME: Field =
    Field::new("modbus.vendor_name", "Read Device Identification, object 0, VendorName (6.21)");
pub(super) static PRODUCT_CODE: Field =
    Field::new("modbus.product_code", "Read Device Identification, object 1, ProductCode (6.21)");
pub(super) static REVISION: Field =
    Field::new("modbus.revision", "Read Device Identification, object 2, MajorMinorRevision (6.21)");
pub(super) static VENDOR_URL: Field =
    Field::new("modbus.vendor_url", "Read Device Identification, object 3, VendorUrl (6.21)");
pub(super) static PRODUCT_NAME: Field =
    Field::new("modbus.product_name", "Read Device Identification, object 4, ProductName (6.21)");
pub(super) static MODEL_NAME: Field =
    Field::new("modbus.model_name", "Read Device Identification, object 5, ModelName (6.21)");
pub(super) static USER_APPLICATION_NAME: Field =
    Field::new("modbus.user_application_name", "Read Device Identification, object 6, UserApplicationName (6.21)");
pub(super) static CONFORMITY_LEVEL: Field = Field::new(
    "modbus.conformity_level",
    "which objects can be read: 1 basic, 2 regular, 3 extended; 128 more when each alone can, too (6.21)",
);
pub(super) static SERVER_ID_TEXT: Field =
    Field::new("modbus.server_id_text", "Report Server ID: the longest text in what the device tells (6.13)");
pub(super) static RUN_INDICATOR: Field =
    Field::new("modbus.run_indicator", "Report Server ID: on (0xFF) or off (0x00), where its place is certain (6.13)");

/// The fields of the objects, by their numbers.
static OBJECTS: [&Field; 7] =
    [&VENDOR_NAME, &PRODUCT_CODE, &REVISION, &VENDOR_URL, &PRODUCT_NAME, &MODEL_NAME, &USER_APPLICATION_NAME];

/// Whether the data of function 43 are of Read Device Identification (MEI type 14).
pub(super) fn is_identification(data: &[u8]) -> bool {
    data.first() == Some(&READ_DEVICE_IDENTIFICATION)
}

/// Whether the data of Read Device Identification are a response in which the objects fill the room exactly. A
/// response that names no object may be padded: some servers answer so.
pub(super) fn is_whole_answer(data: &[u8]) -> bool {
    let [_, 1..=4, _conformity, _more_follows, _next, count, objects @ ..] = data else {
        return false;
    };
    let mut objects = Objects(objects);
    let found = objects.by_ref().take(usize::from(*count)).count();
    found == usize::from(*count) && (found == 0 || objects.0.is_empty())
}

/// Tells the objects of a whole answer to Read Device Identification.
pub(super) fn tell_objects(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let [_, _, conformity, _, _, count, objects @ ..] = data else {
        return;
    };
    if *count == 0 {
        return;
    }
    out.number(side, Some(child), &CONFORMITY_LEVEL, i64::from(*conformity));
    for (number, text) in Objects(objects).take(usize::from(*count)) {
        if let Some(field) = OBJECTS.get(usize::from(number)) {
            out.text(side, Some(child), field, without_padding(text));
        }
    }
}

/// Tells what can be made out in a response to Report Server ID: what its bytes mean is for each maker to say.
pub(super) fn tell_server_id(side: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    let [_, id @ ..] = data else {
        return;
    };
    let text = longest_text(id);
    if let Some(text) = &text {
        out.text(side, Some(child), &SERVER_ID_TEXT, text.bytes);
    }
    if let Some(indicator) = run_indicator(id, text.as_ref()) {
        out.attribute(side, Some(child), &RUN_INDICATOR, indicator.as_bytes(), || Value::text(indicator.as_bytes()));
    }
}

/// Number, length and value of objects, up to the first that overruns.
struct Objects<'a>(&'a [u8]);

impl<'a> Iterator for Objects<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [number, length, rest @ ..] = self.0 else {
            return None;
        };
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some((*number, value))
    }
}

/// Text within the bytes of a server's id.
struct Text<'a> {
    start: usize,
    bytes: &'a [u8],
}

/// The longest run of printable ASCII of at least three bytes; of equals, the first.
fn longest_text(id: &[u8]) -> Option<Text<'_>> {
    let mut longest = Text { start: 0, bytes: &[] };
    let mut start = 0_usize;
    for run in id.split(|byte| !matches!(byte, b' '..=b'~')) {
        if run.len() > longest.bytes.len() {
            longest = Text { start, bytes: run };
        }
        start = start.saturating_add(run.len()).saturating_add(1);
    }
    (longest.bytes.len() >= 3).then_some(longest)
}

/// The run indicator follows the id, whose length is the maker's choice. Its place is certain when nothing else is
/// there, when a text follows an id of one byte, and when the id is a text and the indicator ends the response.
fn run_indicator(id: &[u8], text: Option<&Text<'_>>) -> Option<&'static str> {
    let indicator = match (id, text) {
        ([_, indicator], None) => indicator,
        ([_, indicator, ..], Some(Text { start: 2, .. })) => indicator,
        ([.., indicator], Some(Text { start: 0, bytes })) if bytes.len().saturating_add(1) == id.len() => indicator,
        _ => return None,
    };
    match indicator {
        0xFF => Some("on"),
        0x00 => Some("off"),
        _ => None,
    }
}

/// Text without the zeros that some servers fill it up with.
fn without_padding(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    text.get(..end).unwrap_or_default()
}

const READ_DEVICE_IDENTIFICATION: u8 = 14;
