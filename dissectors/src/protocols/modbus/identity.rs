//! What a server says of itself: Read Device Identification (Application Protocol V1.1b3, 6.21) and Report Server ID
//! (6.13).

use crate::dissector::{Field, Side};
use crate::observation::{Child, Value};
use crate::out::Out;
use compact_str::format_compact;

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

pub(super) static PRIVATE_OBJECT: Field = Field::new(
    "modbus.private_object",
    "Read Device Identification, objects 0x80 to 0xff, which makers define: number and text, `0x80 AB-12` (6.21)",
);
pub(super) static SERVER_ID: Field = Field::new(
    "modbus.server_id",
    "Report Server ID: the maker's number, where it is one octet of certain place (6.13)",
);

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
        let text = without_padding(text).trim_ascii();
        if let Some(field) = OBJECTS.get(usize::from(number)) {
            out.text(side, Some(child), field, text);
        } else if number >= FIRST_PRIVATE
            && let Some(text) = printable(text)
        {
            out.numbered(side, Some(child), (&PRIVATE_OBJECT, number.into()), &format_compact!("{number:#04x} {text}"));
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
        let starts_with_text = text.as_ref().is_some_and(|text| text.start == 0);
        if let Some(number) = id.first().filter(|_| !starts_with_text) {
            out.number(side, Some(child), &SERVER_ID, (*number).into());
        }
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
        ([_, indicator], None) | ([_, indicator, ..], Some(Text { start: 2, .. })) => indicator,
        ([.., indicator], Some(Text { start: 0, bytes })) if bytes.len().saturating_add(1) == id.len() => indicator,
        _ => return None,
    };
    match indicator {
        0xFF => Some("on"),
        0x00 => Some("off"),
        _ => None,
    }
}

/// Text that can be shown as it is.
pub(super) fn printable(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

/// Text without the zeros that some servers fill it up with.
fn without_padding(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    text.get(..end).unwrap_or_default()
}

const READ_DEVICE_IDENTIFICATION: u8 = 14;
const FIRST_PRIVATE: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use super::super::tests::story_of;
    use crate::Side;
    use crate::rig::{Rig, hex};

    #[test]
    fn every_object_of_an_identification_is_told() {
        let response = "0001 0000 002c 05 2b 0e 02 82 00 00 08
            00 03 414243  01 02 5839  02 04 76312e32  03 03 7777 77  04 02 5034  05 01 4d  06 03 4c3100  80 02 3131";
        let story = story_of(&[("0001 0000 0005 05 2b 0e 02 00", response)]);
        assert_eq!(
            story[4..],
            [
                "10.0.0.2[5] modbus.conformity_level = 130",
                "10.0.0.2[5] modbus.vendor_name = ABC",
                "10.0.0.2[5] modbus.product_code = X9",
                "10.0.0.2[5] modbus.revision = v1.2",
                "10.0.0.2[5] modbus.vendor_url = www",
                "10.0.0.2[5] modbus.product_name = P4",
                "10.0.0.2[5] modbus.model_name = M",
                "10.0.0.2[5] modbus.user_application_name = L1",
                "10.0.0.2[5] modbus.private_object = 0x80 11",
            ]
        );
    }

    #[test]
    fn pages_and_single_objects_add_up() {
        let mut rig = Rig::tcp(&MODBUS);
        // trans proto len  unit fc mei code object
        rig.segment(Side::A, &hex("0001 0000 0005 05 2b 0e 03 00"));
        // trans proto len  unit fc mei code conformity more next count (number length text)
        rig.segment(Side::B, &hex("0001 0000 0011 05 2b 0e 03 83 ff 80 02  00 03 414243  01 02 5839"));
        rig.segment(Side::A, &hex("0002 0000 0005 05 2b 0e 03 80"));
        // The second private object is no text, the third is padded.
        let page = "0002 0000 0015 05 2b 0e 03 83 00 00 03  80 02 5231  81 02 01ff  fe 03 53 3200";
        rig.segment(Side::B, &hex(page));
        rig.segment(Side::A, &hex("0003 0000 0005 05 2b 0e 04 02"));
        rig.segment(Side::B, &hex("0003 0000 000e 05 2b 0e 04 83 00 00 01  02 04 76312e32"));
        // The same page again: nothing is new.
        rig.segment(Side::A, &hex("0002 0000 0005 05 2b 0e 03 80"));
        rig.segment(Side::B, &hex(page));
        let told: Vec<_> = rig.story().into_iter().filter(|line| line.contains("modbus.")).collect();
        assert_eq!(
            told,
            [
                "10.0.0.2[5] modbus.conformity_level = 131",
                "10.0.0.2[5] modbus.vendor_name = ABC",
                "10.0.0.2[5] modbus.product_code = X9",
                "10.0.0.2[5] modbus.private_object = 0x80 R1",
                "10.0.0.2[5] modbus.private_object = 0xfe S2",
                "10.0.0.2[5] modbus.revision = v1.2",
            ]
        );
    }

    #[test]
    fn an_identification_without_objects_gives_no_identity() {
        // Padded, and more-follows is neither 0 nor 0xff: as a real server answered.
        let story = story_of(&[("0000 0000 0005 00 2b 0e 01 00", "0000 0000 000c 00 2b 0e 01 00 4d b7 00 00000000")]);
        assert_eq!(story[2..], ["B response[0] 43", "10.0.0.2[0] exists (Answered)"]);
    }

    #[test]
    fn an_identification_whose_objects_do_not_fit_is_malformed_and_tells_nothing() {
        for broken in [
            // The second object overruns; a third is there beyond the count; one is missing.
            "0001 0000 000f 01 2b 0e 01 01 00 00 02 00 03 414243 01 01",
            "0001 0000 0011 01 2b 0e 01 01 00 00 02 00 03 414243 01 00 02 00",
            "0001 0000 000d 01 2b 0e 01 01 00 00 02 00 03 414243",
        ] {
            let mut rig = Rig::tcp(&MODBUS);
            rig.segment(Side::B, &hex(broken));
            let length = hex(broken).len();
            let stop = format!("B stops: no message of its function in a message of {length} bytes");
            assert_eq!(rig.story(), [stop], "{broken}");
        }
    }

    #[test]
    fn a_server_id_tells_its_text_and_the_run_indicator_where_it_is_certain() {
        let told = |id: &str| {
            let id = hex(id);
            let count = u8::try_from(id.len()).expect("ids are short");
            let mut rig = Rig::tcp(&MODBUS);
            rig.segment(Side::B, &[&[0, 1, 0, 0, 0, count + 3, 1, 17, count][..], &id].concat());
            rig.story()[3..].join("; ").replace("10.0.0.2[1] modbus.", "")
        };
        //               id run text
        assert_eq!(told("fa ff 20504d373130"), "server_id_text = PM710; server_id = 250; run_indicator = on");
        assert_eq!(told("00 00 504d373130"), "server_id_text = PM710; server_id = 0; run_indicator = off");
        assert_eq!(told("504d373130 ff"), "server_id_text = PM710; run_indicator = on");
        assert_eq!(told("504d373130"), "server_id_text = PM710");
        assert_eq!(told("08 ff"), "server_id = 8; run_indicator = on");
        assert_eq!(told("08 01"), "");
        assert_eq!(told("01 02 00 504d37"), "server_id_text = PM7", "the id may be longer than one byte");
        assert_eq!(told("01 ff 4142"), "", "two letters are no text");
        assert_eq!(told("01 ff 414243 00 44454647 00"), "server_id_text = DEFG", "of two texts the longer");
    }
}
