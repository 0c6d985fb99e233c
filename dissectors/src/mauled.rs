//! Every byte of our captures turned, every message cut there, and begun again there: a dissector that has heard all that
//! neither panics nor keeps more than it may, and in the end it keeps nothing.

use crate::observation::Transport;
use crate::recorded::{captures, payloads};
use crate::rig::Rig;
use crate::{Ending, Protocol, Side, protocols};

#[test]
fn bacnet_whose_every_byte_is_turned_cut_and_repeated_keeps_its_caps() {
    maul("bacnet");
}

#[test]
fn dnp3_whose_every_byte_is_turned_cut_and_repeated_keeps_its_caps() {
    maul("dnp3");
}

fn maul(name: &str) {
    let protocol = protocols::ALL.iter().find(|protocol| protocol.name == name).expect("a protocol");
    let mut places = 0;
    for capture in captures(name) {
        for transport in [Transport::Tcp, Transport::Udp, Transport::Ethernet] {
            places += maul_all_over(protocol, transport, &payloads(&capture));
        }
    }
    assert!(places > 10_000, "{places} places");
}

/// Says everything that a capture holds of one transport in one conversation, mauled in each place; how many there are.
fn maul_all_over(
    protocol: &'static Protocol,
    transport: Transport,
    payloads: &[(crate::recorded::Way, Vec<u8>)],
) -> usize {
    let mut rig = Rig::on(protocol, transport);
    let first = payloads.first().map(|(way, _)| way.from);
    let mut places = 0;
    for (way, payload) in payloads.iter().filter(|(way, _)| way.transport == transport) {
        let side = if Some(way.from) == first { Side::A } else { Side::B };
        for at in 0..payload.len() {
            let mut turned = payload.clone();
            turned[at] ^= 0xff;
            let (front, back) = payload.split_at(at);
            for message in [&turned, front, payload, &[front, back, back].concat()] {
                if transport == Transport::Tcp {
                    rig.segment(side, message);
                } else {
                    rig.datagram(side, message);
                }
            }
            rig.story();
            assert!(rig.keeps_its_caps(), "{way:?} at {at}");
        }
        places += payload.len();
    }
    rig.finish(Ending::Closed);
    assert!(rig.keeps_nothing());
    places
}
