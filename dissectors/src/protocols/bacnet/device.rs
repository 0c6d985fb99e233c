//! What a device says of itself: the properties of its Device object (ASHRAE 135-2020, clause 12.11).

use super::lists::Lists;
use super::names;
use super::network_port;
use super::object::{Object, Property};
use super::property::Held;
use super::tag;
use super::value::{Text, Time, Value, hex};
use crate::dissector::Field;
use crate::observation::Child;
use crate::out::{Out, Whom};
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString, format_compact};

/// Who speaks: a host, or a station behind it.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) whom: Whom,
    pub(super) station: Option<&'a Child>,
}

impl Speaker<'_> {
    pub(super) fn text(&self, field: &'static Field, text: Text<'_>, out: &mut Out<'_>) {
        if let Some(text) = text.utf8() {
            out.text(self.whom, self.station, field, &text);
        }
    }

    pub(super) fn words(&self, field: &'static Field, words: &str, out: &mut Out<'_>) {
        out.text(self.whom, self.station, field, words.as_bytes());
    }

    pub(super) fn number(&self, field: &'static Field, number: u64, out: &mut Out<'_>) {
        if let Ok(number) = i64::try_from(number) {
            out.number(self.whom, self.station, field, number);
        }
    }

    /// It is the device with this object, unless that is the wildcard.
    pub(super) fn instance(&self, device: Object, out: &mut Out<'_>) {
        if let Some(instance) = device.device_instance() {
            self.number(&DEVICE_INSTANCE, instance.into(), out);
        }
    }

    /// One of its objects holds this.
    pub(super) fn holds(&self, held: &Held<'_>, lists: &mut Lists, out: &mut Out<'_>) {
        if held.object.is_network_port() {
            return network_port::tell(*self, held, out);
        }
        if !held.object.is_device() {
            return;
        }
        match held.property {
            Property { number: OBJECT_LIST, index } => lists.hear(*self, index, held.content.clone(), out),
            Property { number, index: None } => self.property(number, held.content.clone(), out),
            Property { .. } => {}
        }
    }

    fn property(&self, number: u32, content: Reader<'_>, out: &mut Out<'_>) {
        if number == TIME_OF_DEVICE_RESTART {
            if let Ok(Some(at)) = timestamp(content) {
                self.words(&TIME_OF_RESTART, &at, out);
            }
            return;
        }
        match tag::first(content) {
            Ok(Some(Value::Text(text))) => {
                if let Some(field) = field_of(&TEXTS, number) {
                    self.text(field, text, out);
                }
            }
            Ok(Some(Value::Unsigned(value) | Value::Enumerated(value))) => {
                if let Some(field) = field_of(&NUMBERS, number) {
                    self.number(field, value, out);
                } else if let Some((_, enumeration, field)) = ENUMERATED.iter().find(|(code, ..)| *code == number) {
                    self.words(field, &names::enumerated(enumeration, value), out);
                }
            }
            // Object_Identifier: whoever was asked as 4194303 tells its true instance here.
            Ok(Some(Value::Object(device))) => self.instance(device, out),
            Ok(Some(Value::Octets(bytes))) if number == UUID => {
                if let Some(uuid) = uuid(bytes) {
                    self.words(&DEVICE_UUID, &uuid, out);
                }
            }
            _ => {}
        }
    }
}

/// Whether anything is told of an object's properties.
pub(super) fn is_told(object: Object) -> bool {
    object.is_device() || object.is_network_port()
}

/// RFC 9562, as it is written.
fn uuid(bytes: &[u8]) -> Option<CompactString> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let text = hex(bytes);
    let groups = [text.get(..8)?, text.get(8..12)?, text.get(12..16)?, text.get(16..20)?, text.get(20..)?];
    bytes.iter().any(|byte| *byte != 0).then(|| groups.join("-").into())
}

/// `BACnetTimeStamp` (clause 21): a time, a number in a sequence, or a date with a time.
fn timestamp(mut content: Reader<'_>) -> Result<Option<CompactString>, Stop> {
    let reader = &mut content;
    if let Some(mut time) = tag::optional(reader, 0)? {
        return Time::read(&mut time).map(|time| Some(time.to_compact_string()));
    }
    if let Some(number) = tag::optional_number(reader, 1)? {
        return Ok(Some(format_compact!("sequence {number}")));
    }
    let mut both = tag::enclosed(reader, 2)?;
    match (tag::value(&mut both)?, tag::value(&mut both)?) {
        (Value::Date(date), Value::Time(time)) => Ok(Some(format_compact!("{date} {time}"))),
        _ => Ok(None),
    }
}

fn field_of(fields: &[(u32, &'static Field)], number: u32) -> Option<&'static Field> {
    fields.iter().find(|(code, _)| *code == number).map(|(_, field)| *field)
}

pub(super) static DEVICE_INSTANCE: Field =
    Field::new("bacnet.device_instance", "instance of the Device object, unique on the internetwork (12.11, 16.10)");
pub(super) static VENDOR_ID: Field =
    Field::new("bacnet.vendor_id", "number that ASHRAE gave to the maker (12.11, 16.10, 16.11)");
pub(super) static OBJECT_NAME: Field = Field::new("bacnet.object_name", "name of the device (12.11, Object_Name)");
pub(super) static VENDOR_NAME: Field = Field::new("bacnet.vendor_name", "who made the device (12.11, Vendor_Name)");
pub(super) static MODEL_NAME: Field =
    Field::new("bacnet.model_name", "the maker's name of the model (12.11, Model_Name; 16.11)");
pub(super) static FIRMWARE_REVISION: Field =
    Field::new("bacnet.firmware_revision", "level of the firmware (12.11, Firmware_Revision)");
pub(super) static APPLICATION_SOFTWARE_VERSION: Field = Field::new(
    "bacnet.application_software_version",
    "version of the application software (12.11, Application_Software_Version)",
);
pub(super) static SERIAL_NUMBER: Field =
    Field::new("bacnet.serial_number", "the maker's serial number of the device (12.11, Serial_Number; 16.11)");
pub(super) static DEVICE_UUID: Field =
    Field::new("bacnet.device_uuid", "the device's universally unique identifier (12.11, Device_UUID)");
pub(super) static LOCATION: Field = Field::new("bacnet.location", "where the device stands (12.11, Location)");
pub(super) static DESCRIPTION: Field =
    Field::new("bacnet.description", "what somebody noted of the device (12.11, Description)");
pub(super) static PROFILE_NAME: Field =
    Field::new("bacnet.profile_name", "the maker's profile that the device follows (12.11, Profile_Name)");
pub(super) static PROTOCOL_VERSION: Field =
    Field::new("bacnet.protocol_version", "version of the protocol (12.11, Protocol_Version)");
pub(super) static PROTOCOL_REVISION: Field =
    Field::new("bacnet.protocol_revision", "revision of the standard that is followed (12.11, Protocol_Revision)");
pub(super) static DATABASE_REVISION: Field =
    Field::new("bacnet.database_revision", "goes up when the configuration changes (12.11, Database_Revision)");
pub(super) static SYSTEM_STATUS: Field =
    Field::new("bacnet.system_status", "operational, or what else the device is in (12.11, System_Status)");
pub(super) static BACKUP_STATE: Field =
    Field::new("bacnet.backup_state", "idle, or what of a backup goes on (12.11, Backup_And_Restore_State)");
pub(super) static LAST_RESTART_REASON: Field =
    Field::new("bacnet.last_restart_reason", "why the device started last (12.11, Last_Restart_Reason)");
pub(super) static TIME_OF_RESTART: Field =
    Field::new("bacnet.time_of_restart", "when it started last, by its own clock (12.11, Time_Of_Device_Restart)");
pub(super) static OBJECTS: Field =
    Field::new("bacnet.objects", "how many objects of each type the device has (12.11, Object_List)");
pub(super) static OBJECT_COUNT: Field =
    Field::new("bacnet.object_count", "how many objects the device has (12.11, Object_List)");

/// Properties of the Device object that are text, by their numbers (clause 21, `BACnetPropertyIdentifier`).
static TEXTS: [(u32, &Field); 9] = [
    (12, &APPLICATION_SOFTWARE_VERSION),
    (28, &DESCRIPTION),
    (44, &FIRMWARE_REVISION),
    (58, &LOCATION),
    (70, &MODEL_NAME),
    (77, &OBJECT_NAME),
    (121, &VENDOR_NAME),
    (168, &PROFILE_NAME),
    (372, &SERIAL_NUMBER),
];

/// Properties of the Device object that are numbers.
static NUMBERS: [(u32, &Field); 4] =
    [(98, &PROTOCOL_VERSION), (120, &VENDOR_ID), (139, &PROTOCOL_REVISION), (155, &DATABASE_REVISION)];

/// Properties of the Device object whose numbers have names.
static ENUMERATED: [(u32, &str, &Field); 3] = [
    (112, "device-status", &SYSTEM_STATUS),
    (196, "restart-reason", &LAST_RESTART_REASON),
    (338, "backup-state", &BACKUP_STATE),
];

const OBJECT_LIST: u32 = 76;
const TIME_OF_DEVICE_RESTART: u32 = 203;
const UUID: u32 = 507;
