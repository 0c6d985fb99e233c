//! The services, and what the parameters of those that are read say.
//!
//! Never read: what is typed into a virtual terminal (it may be a password), what `AuthRequest` and its predecessors
//! carry (tokens and keys), and what private services mean. Of alarms and subscriptions, audit records and events
//! nothing is told but how many there were; an event's own device need not be its sender (12.51).

use super::apdu::{Answer, AnswerKind, Apdu, Request, Segment};
use super::command::Errand;
use super::device;
use super::file::{self, Passed};
use super::object::Object;
use super::property::Form;
use super::tag;
use super::value::{Text, Value};
use crate::reader::{Reader, Stop};

/// What an application message says beyond its service.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    pub(super) said: Said<'a>,
    /// What a request is to bring about, if it is read. In a box: most only ask.
    pub(super) errand: Option<Box<Errand>>,
}

/// What a message says of who sends it.
#[derive(Clone, Debug, Default)]
pub(super) enum Said<'a> {
    /// Nothing that is read.
    #[default]
    Nothing,
    /// Clause 16.10.2: which device it is.
    IAm { device: Object, vendor: u64 },
    /// Clause 16.9.2: which device it is, and what an object of it is called.
    IHave { device: Object, object: Object, name: Text<'a> },
    /// Clause 16.11, Who-Am-I: a device that does not know its instance yet.
    WhoAmI { vendor: u64, model: Text<'a>, serial: Text<'a> },
    /// What objects of it hold.
    Properties { form: Form, parameters: Reader<'a> },
    /// It is this device; nothing is told of what else the message says.
    Device(Object),
    /// Clauses 16.5 and 16.6: a line for people, and which device it is.
    Message { device: Object, text: Text<'a> },
    /// Clauses 16.2 and 16.3: it speaks a vendor's own service.
    Private { vendor: u32, service: u32 },
    /// Clause 17.2: it gave somebody a session of its virtual terminal.
    Terminal,
    /// Clause 14: a part of a file.
    File(Passed<'a>),
}

impl<'a> Content<'a> {
    /// Reads the parameters; of a segmented request whose segments could not be put together the front, as far as it goes.
    #[expect(clippy::inline_always, reason = "it is read in two places, of which one is nearly all that counts")]
    #[inline(always)]
    pub(super) fn read(apdu: &Apdu<'a>) -> Result<Self, Stop> {
        let mut content = Self::default();
        match apdu {
            Apdu::Unconfirmed { service, parameters } => {
                content.said = announced(*service, parameters.clone())?;
                if is_unconfirmed_control(*service) {
                    content.errand = Some(Errand::of_unconfirmed(*service, parameters.clone())?);
                }
            }
            Apdu::Answer(Answer {
                kind: AnswerKind::Acknowledged,
                segment: Segment::WHOLE,
                service: Some(service),
                parameters,
                ..
            }) => content.said = acknowledged(*service, parameters.clone())?,
            Apdu::Request(Request { segment, service, parameters, .. }) if segment.is_first => {
                if is_control(*service) || *service == ATOMIC_READ_FILE {
                    let mut errand = Box::<Errand>::default();
                    let read = errand.read(*service, parameters.clone());
                    content.errand = Some(errand);
                    if *segment == Segment::WHOLE {
                        read?;
                    }
                } else if *segment == Segment::WHOLE {
                    content.said = told_to(*service, parameters.clone())?;
                }
            }
            _ => {}
        }
        Ok(content)
    }
}

/// What an unconfirmed request says of its sender.
#[inline]
fn announced(service: u8, mut parameters: Reader<'_>) -> Result<Said<'_>, Stop> {
    let reader = &mut parameters;
    match service {
        I_AM => i_am(reader),
        I_HAVE => i_have(reader),
        UNCONFIRMED_COV_NOTIFICATION => properties(Form::Change, parameters),
        UNCONFIRMED_COV_NOTIFICATION_MULTIPLE => properties(Form::Changes, parameters),
        UNCONFIRMED_PRIVATE_TRANSFER => private(reader),
        UNCONFIRMED_TEXT_MESSAGE => message(reader),
        WHO_AM_I => who_am_i(reader),
        _ => Ok(Said::Nothing),
    }
}

/// What a confirmed request says of its sender.
#[inline]
fn told_to(service: u8, mut parameters: Reader<'_>) -> Result<Said<'_>, Stop> {
    match service {
        COV_NOTIFICATION => properties(Form::Change, parameters),
        COV_NOTIFICATION_MULTIPLE => properties(Form::Changes, parameters),
        PRIVATE_TRANSFER => private(&mut parameters),
        TEXT_MESSAGE => message(&mut parameters),
        _ => Ok(Said::Nothing),
    }
}

/// What an acknowledgement says of its sender.
#[inline]
fn acknowledged(service: u8, mut parameters: Reader<'_>) -> Result<Said<'_>, Stop> {
    match service {
        READ_PROPERTY => properties(Form::One, parameters),
        READ_PROPERTY_MULTIPLE => properties(Form::Many, parameters),
        READ_RANGE => properties(Form::Range, parameters),
        ATOMIC_READ_FILE => file::read_ack(&mut parameters).map(Said::File),
        ATOMIC_WRITE_FILE => file::write_ack(&mut parameters).map(Said::File),
        PRIVATE_TRANSFER => private(&mut parameters),
        VT_OPEN => Ok(Said::Terminal),
        _ => Ok(Said::Nothing),
    }
}

/// Walks all of it once, so that it is known to be sound; a second time only where something of it is told.
fn properties(form: Form, parameters: Reader<'_>) -> Result<Said<'_>, Stop> {
    let mut is_told = false;
    let sender = form.walk(parameters.clone(), &mut |held| is_told |= device::is_told(held.object))?;
    Ok(match sender {
        _ if is_told => Said::Properties { form, parameters },
        Some(device) => Said::Device(device),
        None => Said::Nothing,
    })
}

fn i_am<'a>(reader: &mut Reader<'a>) -> Result<Said<'a>, Stop> {
    let device = tag::value(reader)?;
    let _longest_apdu = tag::value(reader)?;
    let _segmentation = tag::value(reader)?;
    match (device, tag::value(reader)?) {
        (Value::Object(device), Value::Unsigned(vendor)) => Ok(Said::IAm { device, vendor }),
        _ => Err(reader.malformed("an I-Am without a device or a vendor")),
    }
}

fn i_have<'a>(reader: &mut Reader<'a>) -> Result<Said<'a>, Stop> {
    match (tag::value(reader)?, tag::value(reader)?, tag::value(reader)?) {
        (Value::Object(device), Value::Object(object), Value::Text(name)) => Ok(Said::IHave { device, object, name }),
        _ => Err(reader.malformed("an I-Have without a device, an object or its name")),
    }
}

fn who_am_i<'a>(reader: &mut Reader<'a>) -> Result<Said<'a>, Stop> {
    match (tag::value(reader)?, tag::value(reader)?, tag::value(reader)?) {
        (Value::Unsigned(vendor), Value::Text(model), Value::Text(serial)) => {
            Ok(Said::WhoAmI { vendor, model, serial })
        }
        _ => Err(reader.malformed("a Who-Am-I without a vendor, a model or a serial number")),
    }
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<Said<'a>, Stop> {
    let device = tag::object(reader, 0)?;
    let _class = tag::optional_enclosed(reader, 1)?;
    let _priority = tag::number(reader, 2)?;
    Ok(Said::Message { device, text: tag::text(reader, 3)? })
}

fn private<'a>(reader: &mut Reader<'_>) -> Result<Said<'a>, Stop> {
    Ok(Said::Private { vendor: tag::number(reader, 0)?, service: tag::number(reader, 1)? })
}

/// Whether a confirmed service changes the process or the device.
pub(super) fn is_control(service: u8) -> bool {
    matches!(
        service,
        ACKNOWLEDGE_ALARM
            | ATOMIC_WRITE_FILE
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

/// Whether an unconfirmed service changes the process or the device.
pub(super) fn is_unconfirmed_control(service: u8) -> bool {
    matches!(service, TIME_SYNCHRONIZATION | UTC_TIME_SYNCHRONIZATION | WRITE_GROUP | YOU_ARE)
}

/// Whether a confirmed service is sent by the device that owns what it tells: it says nothing of who serves.
pub(super) fn is_notification(service: u8) -> bool {
    matches!(service, COV_NOTIFICATION | EVENT_NOTIFICATION | COV_NOTIFICATION_MULTIPLE | AUDIT_NOTIFICATION)
}

// Clause 21, BACnetConfirmedServiceChoice.
pub(super) const ACKNOWLEDGE_ALARM: u8 = 0;
const COV_NOTIFICATION: u8 = 1;
const EVENT_NOTIFICATION: u8 = 2;
pub(super) const ATOMIC_READ_FILE: u8 = 6;
pub(super) const ATOMIC_WRITE_FILE: u8 = 7;
pub(super) const ADD_LIST_ELEMENT: u8 = 8;
pub(super) const REMOVE_LIST_ELEMENT: u8 = 9;
pub(super) const CREATE_OBJECT: u8 = 10;
pub(super) const DELETE_OBJECT: u8 = 11;
const READ_PROPERTY: u8 = 12;
const READ_PROPERTY_MULTIPLE: u8 = 14;
pub(super) const WRITE_PROPERTY: u8 = 15;
pub(super) const WRITE_PROPERTY_MULTIPLE: u8 = 16;
pub(super) const DEVICE_COMMUNICATION_CONTROL: u8 = 17;
const PRIVATE_TRANSFER: u8 = 18;
const TEXT_MESSAGE: u8 = 19;
pub(super) const REINITIALIZE_DEVICE: u8 = 20;
const VT_OPEN: u8 = 21;
const READ_RANGE: u8 = 26;
pub(super) const LIFE_SAFETY_OPERATION: u8 = 27;
const COV_NOTIFICATION_MULTIPLE: u8 = 31;
const AUDIT_NOTIFICATION: u8 = 32;
/// The last confirmed service of the standard: `AuthRequest`.
pub(super) const LAST_CONFIRMED: u8 = 34;

// Clause 21, BACnetUnconfirmedServiceChoice.
const I_AM: u8 = 0;
const I_HAVE: u8 = 1;
const UNCONFIRMED_COV_NOTIFICATION: u8 = 2;
const UNCONFIRMED_PRIVATE_TRANSFER: u8 = 4;
const UNCONFIRMED_TEXT_MESSAGE: u8 = 5;
pub(super) const TIME_SYNCHRONIZATION: u8 = 6;
pub(super) const UTC_TIME_SYNCHRONIZATION: u8 = 9;
pub(super) const WRITE_GROUP: u8 = 10;
const UNCONFIRMED_COV_NOTIFICATION_MULTIPLE: u8 = 11;
const WHO_AM_I: u8 = 13;
pub(super) const YOU_ARE: u8 = 14;
/// The last unconfirmed service of the standard: You-Are.
pub(super) const LAST_UNCONFIRMED: u8 = 14;
