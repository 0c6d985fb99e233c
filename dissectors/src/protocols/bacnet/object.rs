//! Objects and properties, by number and by the names of the standard (ASHRAE 135-2020, clause 21).

use super::names;
use crate::reader::{Reader, Stop};
use std::fmt;

/// An object of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    kind: u32,
    instance: u32,
}

/// A type of objects.
pub(super) struct Kind(pub(super) u32);

/// A property of an object, and its place in it if it is an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Property {
    pub(super) number: u32,
    pub(super) index: Option<u32>,
}

impl Object {
    /// Clause 20.2.14: ten bits of type, then the instance.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        Ok(Self::of(reader.u32()?))
    }

    /// By its 32 bits.
    pub(super) fn of(bits: u32) -> Self {
        Self { kind: bits >> 22, instance: bits & ANY_INSTANCE }
    }

    /// The number of its type.
    pub(super) fn kind(self) -> u32 {
        self.kind
    }

    /// Its number among the objects of its type.
    pub(super) fn instance(self) -> u32 {
        self.instance
    }

    /// Whether it stands for one of the device's ports.
    pub(super) fn is_network_port(self) -> bool {
        self.kind == NETWORK_PORT
    }

    /// Whether it says who somebody is, or holds keys.
    pub(super) fn is_private(self) -> bool {
        matches!(self.kind, ACCESS_CREDENTIAL | ACCESS_USER | CREDENTIAL_DATA_INPUT | NETWORK_SECURITY)
    }

    /// Whether it is the one object that stands for the device itself.
    pub(super) fn is_device(self) -> bool {
        self.kind == DEVICE
    }

    /// The instance of a Device object, unless it is the wildcard that names every device (clause 12.11.1).
    pub(super) fn device_instance(self) -> Option<u32> {
        (self.is_device() && self.instance != ANY_INSTANCE).then_some(self.instance)
    }
}

impl Property {
    /// Whether its vendor decides what it holds (clause 21).
    pub(super) fn is_proprietary(self) -> bool {
        matches!(self.number, 512..=ANY_INSTANCE)
    }
}

/// `analog-output 3`; `object 300:3` for a type that the standard does not name.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match names::object_type(self.kind) {
            Some(name) => write!(f, "{name} {}", self.instance),
            None => write!(f, "object {}:{}", self.kind, self.instance),
        }
    }
}

/// `analog-output`; `object 300` for a type that the standard does not name.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match names::object_type(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "object {}", self.0),
        }
    }
}

/// `present-value`, `priority-array[3]`; `property 600` for one that our table does not name.
impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match names::property(self.number) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "property {}", self.number)?,
        }
        self.index.iter().try_for_each(|index| write!(f, "[{index}]"))
    }
}

const DEVICE: u32 = 8;
const ACCESS_CREDENTIAL: u32 = 32;
const ACCESS_USER: u32 = 35;
const CREDENTIAL_DATA_INPUT: u32 = 37;
const NETWORK_SECURITY: u32 = 38;
const NETWORK_PORT: u32 = 56;
const ANY_INSTANCE: u32 = 0x3f_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_properties_bear_their_names_or_numbers() {
        let printed = |kind, instance| Object { kind, instance }.to_string();
        assert_eq!(printed(1, 3), "analog-output 3");
        assert_eq!(printed(300, 3), "object 300:3");
        assert_eq!(format!("{} {}", Kind(1), Kind(300)), "analog-output object 300");
        let printed = |number, index| Property { number, index }.to_string();
        assert_eq!(printed(85, None), "present-value");
        assert_eq!(printed(87, Some(8)), "priority-array[8]");
        assert_eq!(printed(600, None), "property 600");
    }

    #[test]
    fn the_wildcard_names_no_device() {
        let instance = |kind, instance| Object { kind, instance }.device_instance();
        assert_eq!(instance(DEVICE, 8601), Some(8601));
        assert_eq!(instance(DEVICE, ANY_INSTANCE), None);
        assert_eq!(instance(0, 8601), None);
    }
}
