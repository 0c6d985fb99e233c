//! What the parameters of the services that are read say: who a device is, and what a command does to it.

use super::apdu::{Answer, AnswerKind, Apdu, Request, Segment};
use super::object::{Object, Property};
use super::tag::{self, Value};
use crate::observation::Category;
use crate::pending::Command;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString, format_compact};

/// What an application message says beyond its service.
#[derive(Debug, PartialEq)]
pub(super) enum Content<'a> {
    /// Nothing that is read.
    Nothing,
    IAm(IAm),
    DeviceProperty(DeviceProperty<'a>),
    Command(Command),
}

/// Clause 16.10.2: a device makes itself known.
#[derive(Debug, PartialEq)]
pub(super) struct IAm {
    pub(super) device: Object,
    pub(super) vendor: u64,
}

/// Clause 15.5.2: a property of a Device object, as it was read.
#[derive(Debug, PartialEq)]
pub(super) struct DeviceProperty<'a> {
    pub(super) device: Object,
    pub(super) number: u32,
    pub(super) value: Value<'a>,
}

impl<'a> Content<'a> {
    /// Reads the parameters of the few services that matter; a segment alone tells nothing.
    pub(super) fn read(apdu: &Apdu<'a>) -> Result<Self, Stop> {
        match apdu {
            Apdu::Unconfirmed { service: I_AM, parameters } => IAm::read(parameters.clone()).map(Self::IAm),
            Apdu::Answer(Answer {
                kind: AnswerKind::Acknowledged,
                segment: Segment::WHOLE,
                service: Some(READ_PROPERTY),
                parameters,
                ..
            }) => {
                let property = DeviceProperty::read(parameters.clone())?;
                Ok(property.map_or(Self::Nothing, Self::DeviceProperty))
            }
            Apdu::Request(Request { segment: Segment::WHOLE, service, parameters, .. }) => {
                let command = Command::read(*service, parameters.clone())?;
                Ok(command.map_or(Self::Nothing, Self::Command))
            }
            _ => Ok(Self::Nothing),
        }
    }

    /// The command, if it is one.
    pub(super) fn command(self) -> Option<Command> {
        match self {
            Self::Command(command) => Some(command),
            _ => None,
        }
    }
}

impl IAm {
    fn read(mut parameters: Reader<'_>) -> Result<Self, Stop> {
        let device = tag::value(&mut parameters)?;
        let _longest_apdu = tag::value(&mut parameters)?;
        let _segmentation = tag::value(&mut parameters)?;
        let vendor = tag::value(&mut parameters)?;
        match (device, vendor) {
            (Value::Object(device), Value::Unsigned(vendor)) => Ok(Self { device, vendor }),
            _ => Err(parameters.malformed("an I-Am without a device or a vendor")),
        }
    }
}

impl<'a> DeviceProperty<'a> {
    /// Nothing for objects other than the Device object, and for a part of an array.
    fn read(mut parameters: Reader<'a>) -> Result<Option<Self>, Stop> {
        let device = tag::object(&mut parameters, 0)?;
        let number = tag::number(&mut parameters, 1)?;
        let index = tag::optional_number(&mut parameters, 2)?;
        let value = tag::enclosed(&mut parameters, 3)?;
        Ok((device.is_device() && index.is_none()).then_some(Self { device, number, value }))
    }
}

impl Command {
    fn read(service: u8, parameters: Reader<'_>) -> Result<Option<Self>, Stop> {
        match service {
            WRITE_PROPERTY => Self::write(parameters).map(Some),
            REINITIALIZE_DEVICE => Self::restart(parameters),
            DEVICE_COMMUNICATION_CONTROL => Self::silence(parameters).map(Some),
            _ => Ok(None),
        }
    }

    /// Clause 15.9.1. The priority is a slot of the property that is written: it belongs to the target.
    fn write(mut parameters: Reader<'_>) -> Result<Self, Stop> {
        let object = tag::object(&mut parameters, 0)?;
        let number = tag::number(&mut parameters, 1)?;
        let property = Property { number, index: tag::optional_number(&mut parameters, 2)? };
        let value = tag::enclosed(&mut parameters, 3)?;
        let target = match tag::optional_number(&mut parameters, 4)? {
            Some(priority) => format_compact!("{object} {property} priority {priority}"),
            None => format_compact!("{object} {property}"),
        };
        let may_be_secret = property.is_proprietary() && matches!(value, Value::Text(_));
        let value = if may_be_secret { None } else { value.line() };
        Ok(Self { category: Category::Write, target, value })
    }

    /// Clause 16.4.1. Backup and restore are no restarts. The password that may follow is not read.
    fn restart(mut parameters: Reader<'_>) -> Result<Option<Self>, Stop> {
        let state = match tag::number(&mut parameters, 0)? {
            0 => "coldstart",
            1 => "warmstart",
            _ => return Ok(None),
        };
        let (target, value) = (CompactString::const_new("device"), Some(CompactString::const_new(state)));
        Ok(Some(Self { category: Category::Restart, target, value }))
    }

    /// Clause 16.1.1. The password that may follow is not read.
    fn silence(mut parameters: Reader<'_>) -> Result<Self, Stop> {
        let _minutes = tag::optional_number(&mut parameters, 0)?;
        let value = match tag::number(&mut parameters, 1)? {
            0 => CompactString::const_new("enable"),
            1 => CompactString::const_new("disable"),
            2 => CompactString::const_new("disable-initiation"),
            other => other.to_compact_string(),
        };
        Ok(Self { category: Category::Write, target: CompactString::const_new("communication"), value: Some(value) })
    }
}

/// Whether a confirmed service changes the process or the device.
pub(super) fn is_control(service: u8) -> bool {
    matches!(
        service,
        ATOMIC_WRITE_FILE
            | ADD_LIST_ELEMENT
            | REMOVE_LIST_ELEMENT
            | CREATE_OBJECT
            | DELETE_OBJECT
            | WRITE_PROPERTY
            | WRITE_PROPERTY_MULTIPLE
            | DEVICE_COMMUNICATION_CONTROL
            | REINITIALIZE_DEVICE
            | LIFE_SAFETY_OPERATION
    )
}

/// Whether a confirmed service is sent by the device that owns what it tells: it says nothing of who serves.
pub(super) fn is_notification(service: u8) -> bool {
    matches!(service, COV_NOTIFICATION | EVENT_NOTIFICATION | COV_NOTIFICATION_MULTIPLE | AUDIT_NOTIFICATION)
}

// Clause 21, BACnetConfirmedServiceChoice.
const COV_NOTIFICATION: u8 = 1;
const EVENT_NOTIFICATION: u8 = 2;
const ATOMIC_WRITE_FILE: u8 = 7;
const ADD_LIST_ELEMENT: u8 = 8;
const REMOVE_LIST_ELEMENT: u8 = 9;
const CREATE_OBJECT: u8 = 10;
const DELETE_OBJECT: u8 = 11;
const READ_PROPERTY: u8 = 12;
const WRITE_PROPERTY: u8 = 15;
const WRITE_PROPERTY_MULTIPLE: u8 = 16;
const DEVICE_COMMUNICATION_CONTROL: u8 = 17;
const REINITIALIZE_DEVICE: u8 = 20;
const LIFE_SAFETY_OPERATION: u8 = 27;
const COV_NOTIFICATION_MULTIPLE: u8 = 31;
const AUDIT_NOTIFICATION: u8 = 32;
/// The last confirmed service of the standard: `AuthRequest`.
pub(super) const LAST_CONFIRMED: u8 = 34;

// Clause 21, BACnetUnconfirmedServiceChoice.
const I_AM: u8 = 0;
/// The last unconfirmed service of the standard: You-Are.
pub(super) const LAST_UNCONFIRMED: u8 = 14;
