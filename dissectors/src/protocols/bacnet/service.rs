//! The services, and what the parameters of those that are read say.

use super::apdu::{Answer, AnswerKind, Apdu, Request, Segment};
use super::command;
use super::object::Object;
use super::tag::{self, Value};
use crate::pending::Command;
use crate::reader::{Reader, Stop};

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
    /// Reads the parameters of the few services that matter; of segments the first of a request, as far as it goes.
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
            Apdu::Request(Request { segment, service, parameters, .. }) if segment.is_first => {
                let command = match command::read(*service, parameters.clone()) {
                    Err(_) if !segment.is_last => None,
                    read => read?,
                };
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
pub(super) const ATOMIC_WRITE_FILE: u8 = 7;
pub(super) const ADD_LIST_ELEMENT: u8 = 8;
pub(super) const REMOVE_LIST_ELEMENT: u8 = 9;
pub(super) const CREATE_OBJECT: u8 = 10;
pub(super) const DELETE_OBJECT: u8 = 11;
const READ_PROPERTY: u8 = 12;
pub(super) const WRITE_PROPERTY: u8 = 15;
pub(super) const WRITE_PROPERTY_MULTIPLE: u8 = 16;
pub(super) const DEVICE_COMMUNICATION_CONTROL: u8 = 17;
pub(super) const REINITIALIZE_DEVICE: u8 = 20;
pub(super) const LIFE_SAFETY_OPERATION: u8 = 27;
const COV_NOTIFICATION_MULTIPLE: u8 = 31;
const AUDIT_NOTIFICATION: u8 = 32;
/// The last confirmed service of the standard: `AuthRequest`.
pub(super) const LAST_CONFIRMED: u8 = 34;

// Clause 21, BACnetUnconfirmedServiceChoice.
const I_AM: u8 = 0;
/// The last unconfirmed service of the standard: You-Are.
pub(super) const LAST_UNCONFIRMED: u8 = 14;
