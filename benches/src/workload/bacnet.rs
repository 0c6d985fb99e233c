//! BACnet/IP (ASHRAE 135, Annex J): workstations poll the objects of devices, devices notify of changes and answer
//! the question who they are.

use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Datagrams, End, Wire};
use dissectors::Side;
use std::time::Duration;

pub(super) fn workload(random: &mut Random) -> Cast {
    site(1_000, random)
}

/// So many devices, one workstation that looks for them, and three more that poll.
pub(super) fn site(devices: u32, random: &mut Random) -> Cast {
    let all = End::broadcast(3, PORT);
    let announcements =
        (0..devices).map(|device| Datagrams::new(End::new(3, device, PORT), all, random)).collect::<Vec<_>>();
    let question = Datagrams::new(workstation(0), all, random);
    let mut cast: Cast = vec![(Duration::from_millis(5), Box::new(Discovery { question, announcements }))];
    for device in 0..devices {
        let start = Duration::from_micros(u64::from(random.between(0, 999_999)));
        cast.push((start, Box::new(Device::new(device, random))));
    }
    cast
}

fn workstation(number: u32) -> End {
    End::new(3, 10_000 + number % 4, PORT)
}

/// Who-Is, and the I-Am of all.
struct Discovery {
    question: Datagrams,
    announcements: Vec<Datagrams>,
}

impl Actor for Discovery {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        self.question.send(Side::A, now, &broadcast(&WHO_IS), wire);
        for (device, announcement) in self.announcements.iter_mut().enumerate() {
            let at = now + Duration::from_micros(u64::from(wire.random.between(1_000, 2_000_000)));
            announcement.send(Side::A, at, &broadcast(&i_am(device as u32)), wire);
        }
        now + BETWEEN_DISCOVERIES
    }
}

/// A device: polled once a second, and it tells of changes.
struct Device {
    number: u32,
    with_workstation: Datagrams,
    invoke: u8,
    object: u32,
}

impl Device {
    fn new(number: u32, random: &mut Random) -> Self {
        Self {
            number,
            with_workstation: Datagrams::new(workstation(number), End::new(3, number, PORT), random),
            invoke: random.next() as u8,
            object: 0,
        }
    }

    /// The next of twenty objects: analog inputs, values and outputs.
    fn next_object(&mut self) -> [u8; 4] {
        self.object = (self.object + 1) % 20;
        let kind = [ANALOG_INPUT, ANALOG_VALUE, ANALOG_OUTPUT][self.object as usize % 3];
        object(kind, self.object)
    }
}

impl Actor for Device {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let object = self.next_object();
        self.invoke = self.invoke.wrapping_add(1);
        let value = value(&mut wire.random);
        let (request, answer) = if wire.random.percent(25) {
            (read_multiple(self.invoke, object), multiple(self.invoke, object, value))
        } else {
            (read(self.invoke, object), one(self.invoke, object, value))
        };
        let answered = now + Duration::from_micros(u64::from(wire.random.between(1_000, 9_000)));
        self.with_workstation.send(Side::A, now, &unicast(true, &request), wire);
        self.with_workstation.send(Side::B, answered, &unicast(false, &answer), wire);
        if wire.random.percent(50) {
            let changed = now + Duration::from_micros(u64::from(wire.random.between(10_000, 900_000)));
            let notification = notification(self.number, object, value);
            self.with_workstation.send(Side::B, changed, &unicast(false, &notification), wire);
        }
        now + Duration::from_micros(u64::from(wire.random.between(950_000, 1_050_000)))
    }
}

/// Original-Unicast-NPDU (J.2.11) on the local network, with or without an answer expected (6.2.2).
fn unicast(expects_answer: bool, apdu: &[u8]) -> Vec<u8> {
    let control = if expects_answer { 0x04 } else { 0x00 };
    framed(0x0a, &[0x01, control], apdu)
}

/// Original-Broadcast-NPDU (J.2.12) to all networks (6.2.2).
fn broadcast(apdu: &[u8]) -> Vec<u8> {
    framed(0x0b, &[0x01, 0x20, 0xff, 0xff, 0x00, 0xff], apdu)
}

fn framed(function: u8, npdu: &[u8], apdu: &[u8]) -> Vec<u8> {
    let mut message = vec![0x81, function];
    message.extend_from_slice(&((4 + npdu.len() + apdu.len()) as u16).to_be_bytes());
    message.extend_from_slice(npdu);
    message.extend_from_slice(apdu);
    message
}

/// An object identifier (20.2.14).
fn object(kind: u32, instance: u32) -> [u8; 4] {
    (kind << 22 | instance).to_be_bytes()
}

/// A REAL of a sensible size.
fn value(random: &mut Random) -> [u8; 4] {
    (f32::from(random.short(0, 1_000)) / 10.0).to_be_bytes()
}

fn i_am(device: u32) -> Vec<u8> {
    let vendor = (device % 200) as u8;
    let (longest, whole) = ([0x22, 0x05, 0xc4], [0x91, 0x03]); // 1,476 bytes, not segmented
    [&[0x10, 0x00, 0xc4], object(DEVICE, 1_000 + device).as_slice(), &longest, &whole, &[0x21, vendor]].concat()
}

/// `ReadProperty` of the present value.
fn read(invoke: u8, object: [u8; 4]) -> Vec<u8> {
    [&[0x00, 0x05, invoke, 0x0c, 0x0c], object.as_slice(), &[0x19, PRESENT_VALUE]].concat()
}

/// Its answer.
fn one(invoke: u8, object: [u8; 4], value: [u8; 4]) -> Vec<u8> {
    let property = [0x19, PRESENT_VALUE, 0x3e, 0x44];
    [&[0x30, invoke, 0x0c, 0x0c], object.as_slice(), &property, &value, &[0x3f]].concat()
}

/// `ReadPropertyMultiple` of present value, status flags and units.
fn read_multiple(invoke: u8, object: [u8; 4]) -> Vec<u8> {
    let properties = [0x1e, 0x09, PRESENT_VALUE, 0x09, STATUS_FLAGS, 0x09, UNITS, 0x1f];
    [&[0x00, 0x05, invoke, 0x0e, 0x0c], object.as_slice(), &properties].concat()
}

/// Its answer.
fn multiple(invoke: u8, object: [u8; 4], value: [u8; 4]) -> Vec<u8> {
    let present_value = [&[0x29, PRESENT_VALUE, 0x4e, 0x44], value.as_slice(), &[0x4f]].concat();
    let status_flags = [0x29, STATUS_FLAGS, 0x4e, 0x82, 0x04, 0x00, 0x4f];
    let units = [0x29, UNITS, 0x4e, 0x91, 62, 0x4f]; // degrees Celsius
    let results = [present_value.as_slice(), &status_flags, &units].concat();
    [&[0x30, invoke, 0x0e, 0x0c], object.as_slice(), &[0x1e], &results, &[0x1f]].concat()
}

/// `UnconfirmedCOVNotification` of present value and status flags.
fn notification(device: u32, changed: [u8; 4], value: [u8; 4]) -> Vec<u8> {
    let process = [0x10, 0x02, 0x09, 0x01];
    let device = [&[0x1c], object(DEVICE, 1_000 + device).as_slice(), &[0x2c], &changed].concat();
    let left = [0x39, 0x00]; // of the subscription: it has no end
    let present_value = [&[0x09, PRESENT_VALUE, 0x2e, 0x44], value.as_slice(), &[0x2f]].concat();
    let status_flags = [0x09, STATUS_FLAGS, 0x2e, 0x82, 0x04, 0x00, 0x2f];
    [&process, device.as_slice(), &left, &[0x4e], &present_value, &status_flags, &[0x4f]].concat()
}

const PORT: u16 = 47_808;
const BETWEEN_DISCOVERIES: Duration = Duration::from_mins(1);
const WHO_IS: [u8; 2] = [0x10, 0x08];
const ANALOG_INPUT: u32 = 0;
const ANALOG_VALUE: u32 = 2;
const ANALOG_OUTPUT: u32 = 1;
const DEVICE: u32 = 8;
const PRESENT_VALUE: u8 = 85;
const STATUS_FLAGS: u8 = 111;
const UNITS: u8 = 117;
