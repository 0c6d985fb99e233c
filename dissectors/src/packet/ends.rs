//! The two ends of a packet, their addresses packed: every packet's are compared, hashed and mixed, and few are printed.

use crate::observation::{Address, Bus, Mac};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bits of an address: an IPv6 address, or an IPv4 or MAC address or a node's number in the lowest bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bits {
    /// The upper half of an IPv6 address; 0 of all others.
    pub high: u64,
    /// The lower half, or the whole address.
    pub low: u64,
}

/// What kind of address both ends have, in the order of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
    /// MAC addresses, of frames without IP.
    Mac,
    /// Nodes of BACnet MS/TP.
    MsTp,
    /// Nodes of ARCNET.
    Arcnet,
}

/// Who sent a packet, and to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The sender's bits.
    pub source: Bits,
    /// The receiver's bits.
    pub destination: Bits,
    /// What kind of address these are.
    pub family: Family,
}

impl Ends {
    /// The ends of a packet between two addresses, which are of one kind.
    pub fn between(source: Address, destination: Address) -> Self {
        let (source, family) = Bits::of(source);
        let (destination, other) = Bits::of(destination);
        debug_assert_eq!(family, other, "the ends of a packet are of one kind");
        Self { source, destination, family }
    }

    #[inline]
    pub(super) fn of_v4(source: [u8; 4], destination: [u8; 4]) -> Self {
        let bits = |address| Bits { high: 0, low: u32::from_be_bytes(address).into() };
        Self { source: bits(source), destination: bits(destination), family: Family::V4 }
    }
}

impl Bits {
    /// The bits of an address, and of which kind it is.
    #[inline]
    pub(crate) fn of(address: Address) -> (Self, Family) {
        let low = |low: u64| Self { high: 0, low };
        match address {
            Address::Ip(IpAddr::V4(ip)) => (low(ip.to_bits().into()), Family::V4),
            Address::Ip(IpAddr::V6(ip)) => {
                let [high, low] = halves(ip.to_bits());
                (Self { high, low }, Family::V6)
            }
            Address::Mac(Mac(bytes)) => {
                (low(bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))), Family::Mac)
            }
            Address::Node(Bus::MsTp, number) => (low(number.into()), Family::MsTp),
            Address::Node(Bus::Arcnet, number) => (low(number.into()), Family::Arcnet),
        }
    }

    /// The address that these are the bits of.
    pub fn address(self, family: Family) -> Address {
        let [.., node] = self.low.to_be_bytes();
        match family {
            Family::V4 => {
                let [_, _, _, _, bytes @ ..] = self.low.to_be_bytes();
                Address::Ip(IpAddr::V4(Ipv4Addr::from(bytes)))
            }
            Family::V6 => {
                let bits = u128::from(self.high) << 64 | u128::from(self.low);
                Address::Ip(IpAddr::V6(Ipv6Addr::from_bits(bits)))
            }
            Family::Mac => {
                let [_, _, bytes @ ..] = self.low.to_be_bytes();
                Address::Mac(Mac(bytes))
            }
            Family::MsTp => Address::Node(Bus::MsTp, node),
            Family::Arcnet => Address::Node(Bus::Arcnet, node),
        }
    }
}

/// The upper and the lower half.
fn halves(bits: u128) -> [u64; 2] {
    let half = |shift: u32| u64::try_from(bits >> shift & u128::from(u64::MAX)).unwrap_or_default();
    [half(64), half(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each kind for itself and byte by byte, whatever the way in which that is found out.
        #[test]
        fn addresses_have_an_order(ips in any::<[IpAddr; 2]>(), macs in any::<[[u8; 6]; 2]>(), nodes in any::<[u8; 2]>()) {
            let [one, other] = ips.map(Address::Ip);
            prop_assert_eq!(one.cmp(&other), ips[0].cmp(&ips[1]));
            let [mac, other_mac] = macs.map(|mac| Address::Mac(Mac(mac)));
            prop_assert_eq!(mac.cmp(&other_mac), macs[0].cmp(&macs[1]));
            let [node, other_node] = nodes.map(|node| Address::Node(Bus::MsTp, node));
            prop_assert_eq!(node.cmp(&other_node), nodes[0].cmp(&nodes[1]));
            prop_assert!(one < mac && mac < node && node < Address::Node(Bus::Arcnet, 0));
        }

        #[test]
        fn an_address_is_its_bits(ip in any::<IpAddr>(), mac in any::<[u8; 6]>(), node in any::<u8>()) {
            let buses = [Bus::MsTp, Bus::Arcnet].map(|bus| Address::Node(bus, node));
            for address in [Address::Ip(ip), Address::Mac(Mac(mac))].into_iter().chain(buses) {
                let (bits, family) = Bits::of(address);
                prop_assert_eq!(bits.address(family), address);
            }
            prop_assert_eq!(Ends::of_v4([1, 2, 3, 4], [5, 6, 7, 8]).source.address(Family::V4).to_string(), "1.2.3.4");
        }
    }
}
