//! Where answers and notifications hold properties with their values.

use super::object::{Object, Property};
use super::tag;
use crate::reader::{Reader, Stop};

/// A property of an object, with what it holds.
#[derive(Clone, Debug)]
pub(super) struct Held<'a> {
    pub(super) object: Object,
    pub(super) property: Property,
    /// Sound tagged data: one value, or the elements of a list or an array.
    pub(super) content: Reader<'a>,
}

/// How properties stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `ReadProperty-ACK` (15.5.1.2).
    One,
    /// `ReadPropertyMultiple-ACK` (15.7.1.2), errors among them.
    Many,
    /// `ReadRange-ACK` (15.8.1.2): some elements of a list.
    Range,
    /// `COVNotification`, confirmed or not (13.6 and 13.7).
    Change,
    /// `COVNotificationMultiple`, confirmed or not (13.17 and 13.18).
    Changes,
}

impl Form {
    /// Shows every property that is there, up to the end of the message; errors in place of values are passed over.
    /// A notification names the device that sends it: that comes back.
    pub(super) fn walk<'a>(
        self,
        mut parameters: Reader<'a>,
        see: &mut impl FnMut(Held<'a>),
    ) -> Result<Option<Object>, Stop> {
        let reader = &mut parameters;
        match self {
            Self::One => one(reader, see),
            Self::Many => many(reader, see),
            Self::Range => range(reader, see),
            Self::Change => return change(reader, see).map(Some),
            Self::Changes => return changes(reader, see).map(Some),
        }
        .map(|()| None)
    }
}

fn one<'a>(reader: &mut Reader<'a>, see: &mut impl FnMut(Held<'a>)) -> Result<(), Stop> {
    let object = tag::object(reader, 0)?;
    let property = tag::property(reader, 1)?;
    see(Held { object, property, content: tag::enclosed(reader, 3)? });
    Ok(())
}

fn many<'a>(reader: &mut Reader<'a>, see: &mut impl FnMut(Held<'a>)) -> Result<(), Stop> {
    while !reader.is_empty() {
        let object = tag::object(reader, 0)?;
        tag::opening(reader, 1)?;
        while !tag::closes(reader, 1)? {
            let property = tag::property(reader, 2)?;
            match tag::optional_enclosed(reader, 4)? {
                Some(content) => see(Held { object, property, content }),
                None => {
                    tag::enclosed(reader, 5)?;
                }
            }
        }
    }
    Ok(())
}

fn range<'a>(reader: &mut Reader<'a>, see: &mut impl FnMut(Held<'a>)) -> Result<(), Stop> {
    let object = tag::object(reader, 0)?;
    let property = tag::property(reader, 1)?;
    let _is_first_last_or_more = tag::optional(reader, 3)?;
    let _count = tag::number(reader, 4)?;
    see(Held { object, property, content: tag::enclosed(reader, 5)? });
    Ok(())
}

fn change<'a>(reader: &mut Reader<'a>, see: &mut impl FnMut(Held<'a>)) -> Result<Object, Stop> {
    let _process = tag::number(reader, 0)?;
    let device = tag::object(reader, 1)?;
    let object = tag::object(reader, 2)?;
    let _seconds_remaining = tag::number(reader, 3)?;
    let mut values = tag::enclosed(reader, 4)?;
    while !values.is_empty() {
        let property = tag::property(&mut values, 0)?;
        let content = tag::enclosed(&mut values, 2)?;
        let _priority = tag::optional_number(&mut values, 3)?;
        see(Held { object, property, content });
    }
    Ok(device)
}

fn changes<'a>(reader: &mut Reader<'a>, see: &mut impl FnMut(Held<'a>)) -> Result<Object, Stop> {
    let _process = tag::number(reader, 0)?;
    let device = tag::object(reader, 1)?;
    let _seconds_remaining = tag::number(reader, 2)?;
    let _at = tag::optional_enclosed(reader, 3)?;
    let mut objects = tag::enclosed(reader, 4)?;
    while !objects.is_empty() {
        let object = tag::object(&mut objects, 0)?;
        let mut values = tag::enclosed(&mut objects, 1)?;
        while !values.is_empty() {
            let property = tag::property(&mut values, 0)?;
            let content = tag::enclosed(&mut values, 2)?;
            let _at = tag::optional(&mut values, 3)?;
            see(Held { object, property, content });
        }
    }
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;

    /// Each property of a message in a line, and who sends it.
    fn walked(form: Form, parameters: &str) -> Result<Vec<String>, Stop> {
        let bytes = hex(parameters);
        let mut lines = Vec::new();
        let sender = form.walk(Reader::closed(&bytes), &mut |held| {
            let value = tag::first(held.content).expect("sound").and_then(|value| value.line()).unwrap_or_default();
            lines.push(format!("{} {} = {value}", held.object, held.property));
        })?;
        lines.extend(sender.map(|device| format!("by {device}")));
        Ok(lines)
    }

    #[test]
    fn an_answer_holds_one_or_many_or_a_range() {
        // [0] device 5, [1] object-list, [2] index 1, [3 object 3]
        assert_eq!(
            walked(Form::One, "0c 02000005 19 4c 29 01 3e c4 02000005 3f"),
            Ok(vec!["device 5 object-list[1] = device 5".to_owned()])
        );
        // [0] object, [1 [2] property, [3] index, [4 value 4] or [5 error 5] ... 1]
        let many = "0c 02000005 1e 29 4d 4e 75 02 00 41 4f 2a 0174 5e 91 02 91 20 5f 29 4c 39 00 4e 21 07 4f 1f
            0c 00000001 1e 29 55 4e 44 42290000 4f 29 57 4e 00 00 44 42290000 00 4f 29 6f 4e 82 04 40 4f 1f";
        assert_eq!(
            walked(Form::Many, many).expect("sound"),
            [
                "device 5 object-name = A",
                "device 5 object-list[0] = 7",
                "analog-input 1 present-value = 42.25",
                "analog-input 1 priority-array = null",
                "analog-input 1 status-flags = 0100",
            ]
        );
        // [0] trend-log 1, [1] log-buffer, [3] flags, [4] 1 item, [5 [0 date time 0] [1 [2] real 1] 5], [6] sequence
        let range = "0c 05000001 19 83 3a 05 c0 49 01 5e 0e a4 7e0b1802 b4 08050000 0f 1e 2c 42290000 1f 5f 69 09";
        assert_eq!(walked(Form::Range, range), Ok(vec!["trend-log 1 log-buffer = ".to_owned()]));
    }

    #[test]
    fn a_notification_names_its_sender() {
        // [0] process, [1] device 5, [2] analog-input 1, [3] seconds, [4 [0] present-value [2 42.25 2] ... 4]
        let change = "09 01 1c 02000005 2c 00000001 39 3c 4e 09 55 2e 44 42290000 2f 09 6f 2e 82 04 00 2f 39 08 4f";
        assert_eq!(
            walked(Form::Change, change).expect("sound"),
            ["analog-input 1 present-value = 42.25", "analog-input 1 status-flags = 0000", "by device 5"]
        );
        // [0] process, [1] device 5, [2] seconds, [3 date time 3], [4 [0] object [1 [0] property [2 value 2] [3] time 1] 4]
        let changes = "09 01 1c 02000005 29 3c 3e a4 7e0b1802 b4 08050000 3f 4e
            0c 00000001 1e 09 55 2e 44 42290000 2f 3c 08050000 1f 0c 02000005 1e 09 70 2e 91 00 2f 1f 4f";
        assert_eq!(
            walked(Form::Changes, changes).expect("sound"),
            ["analog-input 1 present-value = 42.25", "device 5 system-status = 0", "by device 5"]
        );
    }

    #[test]
    fn a_message_cut_anywhere_is_not_whole() {
        for (form, parameters) in [
            (Form::One, "0c 02000005 19 4d 3e 75 02 00 41 3f"),
            (Form::Many, "0c 02000005 1e 29 4d 4e 75 02 00 41 4f 1f"),
            (Form::Range, "0c 05000001 19 83 3a 05 c0 49 00 5e 5f"),
            (Form::Change, "09 01 1c 02000005 2c 00000001 39 3c 4e 09 55 2e 44 42290000 2f 4f"),
            (Form::Changes, "09 01 1c 02000005 29 3c 4e 0c 00000001 1e 09 55 2e 44 42290000 2f 1f 4f"),
        ] {
            let whole = hex(parameters);
            for end in 1..whole.len() {
                assert!(form.walk(Reader::closed(&whole[..end]), &mut |_| ()).is_err(), "{form:?} to {end}");
            }
            assert!(form.walk(Reader::closed(&whole), &mut |_| ()).is_ok(), "{form:?}");
        }
    }
}
