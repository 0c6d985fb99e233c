//! Every dissector reads any bytes, in any pieces, from either side, without a panic or a standstill.
#![no_main]

use dissectors::observation::{Address, Context, Host, Place, Transport};
use dissectors::out::{Scene, Tallies, Told};
use dissectors::{Action, Count, Ending, Next, Out, Reader, Side, Sides, Stop, Timestamp, protocols};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr};

struct Nothing;

impl Tallies for Nothing {
    fn serves(&mut self, _server: Side) {}
    fn count(&mut self, _count: &Count, _place: &Place) {}
    fn act(&mut self, _action: Action) {}
}

fuzz_target!(|pieces: Vec<(bool, bool, &[u8])>| {
    let host =
        |last| Host { context: Context::default(), address: Address::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))) };
    for protocol in protocols::ALL {
        for transport in [Transport::Tcp, Transport::Udp] {
            let scene = Scene {
                hosts: Sides::new(host(1), host(2)),
                ports: Sides::new(40_000, 502),
                group: Sides::new(false, false),
                transport,
                protocol: protocol.name,
            };
            let mut told = Told::new(64);
            let mut dissector = (protocol.open)();
            for (index, (is_answer, is_gap, bytes)) in pieces.iter().enumerate() {
                let side = if *is_answer { Side::B } else { Side::A };
                let time = Timestamp::from_micros(i64::try_from(index).expect("pieces are few") * 1_000_000);
                let place = Place { time, capture: 0, frame: Some(index as u64 + 1) };
                let _ = (protocol.probe)(bytes, transport);
                if *is_gap {
                    let _ = dissector.gap(side, bytes.len() as u64);
                    continue;
                }
                let mut rest: &[u8] = bytes;
                while !rest.is_empty() {
                    let mut reader = match transport {
                        Transport::Tcp => Reader::open(rest, 0),
                        _ => Reader::closed(rest),
                    };
                    let mut out = Out::new(&mut told, &scene, side, place);
                    match dissector.message(side, &mut reader, &mut out) {
                        Ok(next) => {
                            assert!(reader.remaining() < rest.len(), "{}: an empty message", protocol.name);
                            told.commit(&mut Nothing);
                            rest = reader.rest();
                            let (Next::Skip(length) | Next::Body(length)) = next else { continue };
                            let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                            let mut out = Out::new(&mut told, &scene, side, place);
                            dissector.body(side, &rest[..here], &mut out);
                            told.commit(&mut Nothing);
                            rest = &rest[here..];
                        }
                        Err(stop) => {
                            assert!(
                                !(transport == Transport::Udp && matches!(stop, Stop::Short { .. })),
                                "{}: a datagram has no more bytes",
                                protocol.name
                            );
                            told.roll_back();
                            let Stop::Bad { length, .. } = stop else { break };
                            assert!(length > 0, "{}: an empty message", protocol.name);
                            rest = rest.get(length..).unwrap_or_default();
                        }
                    }
                }
                dissector.tick(time, &mut Out::new(&mut told, &scene, side, place));
                told.commit(&mut Nothing);
            }
            let ending = if pieces.len().is_multiple_of(2) { Ending::Closed } else { Ending::Unseen };
            let place = Place { time: Timestamp::MAX, capture: 0, frame: None };
            dissector.finish(ending, &mut Out::new(&mut told, &scene, Side::A, place));
            told.commit(&mut Nothing);
        }
    }
});
