//! Deterministic traffic, generated in memory: the same name and number of packets are the same bytes on every machine.
//!
//! Each workload is a cast of actors (a Modbus connection, a camera, a BACnet device) that a schedule calls in
//! the order of time, so conversations are as interleaved as on a mirror port. TCP has handshakes and true sequence
//! numbers; TCP and UDP carry their checksums, as what a switch mirrors does.

mod bacnet;
mod camera;
mod dnp3;
mod http;
mod it;
mod logins;
mod mixed;
mod modbus;
mod onvif;
mod packing;
mod random;
mod scan;
mod schedule;
mod video;
mod wire;

use random::Random;
use schedule::Cast;

/// A kind of traffic.
#[derive(Debug)]
pub struct Workload {
    /// How it is called on the command line.
    pub name: &'static str,
    /// What it is made of.
    pub what: &'static str,
    /// How many packets the quoted figures are measured with.
    pub packets: u64,
    cast: fn(&mut Random) -> Cast,
}

/// Every workload, in the order of the printed table.
pub const ALL: &[Workload] = &[
    Workload {
        name: "modbus",
        what: "50 masters poll each of 200 servers: FC 1, 3, 16, exceptions; pipelined, coalesced, cut",
        packets: 10_000_000,
        cast: modbus::workload,
    },
    Workload {
        name: "bacnet",
        what: "1,000 devices: ReadProperty, ReadPropertyMultiple, notifications, Who-Is, I-Am",
        packets: 4_000_000,
        cast: bacnet::workload,
    },
    Workload {
        name: "dnp3",
        what: "10 masters, 1,000 outstations: events and values, some unasked, confirmed; every frame has its checksums",
        packets: 4_000_000,
        cast: dnp3::workload,
    },
    Workload {
        name: "http",
        what: "2,000 keep-alive connections with small requests and answers",
        packets: 2_000_000,
        cast: http::workload,
    },
    Workload {
        name: "onvif",
        what: "200 cameras, ten recorders: SOAP with WS-Security over kept connections",
        packets: 1_000_000,
        cast: onvif::workload,
    },
    Workload {
        name: "video",
        what: "200 cameras: half in endless HTTP bodies (chunked or not, mostly unaligned), half RTP",
        packets: 1_500_000,
        cast: video::workload,
    },
    Workload {
        name: "camera",
        what: "5,000 streams of RTSP with a login: half within the connection, a third of it unaligned, half RTP beside it",
        packets: 2_000_000,
        cast: camera::workload,
    },
    Workload {
        name: "logins",
        what: "10,000 logins by Digest at 500 cameras, each for a second of video; a fifth have a default password",
        packets: 2_000_000,
        cast: logins::workload,
    },
    Workload {
        name: "tickets",
        what: "the same as logins, but what is shown proves nothing: the difference is the price of the checks",
        packets: 2_000_000,
        cast: logins::blind,
    },
    Workload {
        name: "mixed",
        what: "one site: 30 % modbus, 10 % bacnet, 45 % video, 15 % IT (HTTP, TLS, DNS)",
        packets: 2_000_000,
        cast: mixed::workload,
    },
    Workload {
        name: "scan",
        what: "as many flows as packets: SYNs of 4 sources that nobody answers",
        packets: 5_000_000,
        cast: scan::workload,
    },
];

impl Workload {
    /// The workload of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|workload| workload.name == name)
    }

    /// Its first `packets` packets, as the bytes of a pcap file.
    pub fn build(&self, packets: u64) -> Vec<u8> {
        self.build_from(packets, SEED)
    }

    fn build_from(&self, packets: u64, seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        let cast = (self.cast)(&mut random);
        schedule::play(cast, packets, random)
    }
}

const SEED: u64 = 0x6f74_6f73_636f_7065; // "otoscope"

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Frames;
    use crate::floor::{self, Floor};
    use dissectors::packet::{Headers, Layer, LinkType, TcpHeader, decode};
    use dissectors::{Host, Timestamp};
    use std::collections::{HashMap, HashSet};

    /// Builds a workload and asserts what holds for every one: deterministic, so many packets, in the order of time,
    /// readable, each TCP stream without a hole. Returns its floor and what `each` makes of each packet.
    fn checked<T>(name: &str, packets: u64, mut each: impl FnMut(&Headers, &[u8]) -> T) -> (Floor, Vec<T>) {
        let workload = Workload::named(name).expect("the test names it rightly");
        let bytes = workload.build(packets);
        assert!(bytes == workload.build(packets), "the same seed must give the same bytes");
        assert!(bytes != workload.build_from(packets, SEED + 1), "another seed must give other bytes");
        let mut streams = Streams::default();
        let mut last = Timestamp::default();
        let mut all = Vec::new();
        for frame in Frames::of(&bytes) {
            assert!(last <= frame.time, "time goes forward");
            last = frame.time;
            let length = u32::try_from(frame.bytes.len()).expect("frames are short");
            let (headers, payload) = decode(LinkType::Ethernet, frame.bytes, length).expect("it is a whole frame");
            if let Layer::Tcp(tcp) = &headers.layer {
                streams.check(headers.sender(), headers.receiver(), tcp, payload);
            }
            all.push(each(&headers, payload));
        }
        let floor = floor::run(&bytes);
        assert_eq!((all.len() as u64, floor.packets, floor.others), (packets, packets, 0));
        (floor, all)
    }

    /// The next byte of each direction of each connection.
    #[derive(Default)]
    struct Streams(HashMap<(Host, u16, Host, u16), u32>);

    impl Streams {
        fn check(&mut self, source: Host, destination: Host, tcp: &TcpHeader, payload: &[u8]) {
            let opening = tcp.flags.syn();
            let bytes = u32::try_from(payload.len()).expect("segments are short");
            let after = tcp.sequence.wrapping_add(bytes).wrapping_add(u32::from(opening || tcp.flags.fin()));
            let before = self.0.insert((source, tcp.source, destination, tcp.destination), after);
            assert!(opening || before == Some(tcp.sequence), "a segment follows its predecessor");
            if tcp.flags.ack() {
                let across = self.0.get(&(destination, tcp.destination, source, tcp.source));
                let sent = across.expect("who is acknowledged has spoken");
                // Nothing is acknowledged before it is sent: the difference is small and not negative.
                assert!(sent.wrapping_sub(tcp.acknowledgement) < 1 << 20, "{sent} < {}", tcp.acknowledgement);
            }
        }
    }

    fn bytes_per_packet(floor: &Floor) -> u64 {
        floor.bytes / floor.packets
    }

    /// Tenths of a percent of the packets for which `matches` holds.
    fn per_mille<T>(all: &[T], matches: impl Fn(&T) -> bool) -> usize {
        all.iter().filter(|one| matches(one)).count() * 1_000 / all.len()
    }

    #[test]
    fn modbus_has_every_pair_each_function_and_some_exceptions() {
        let (floor, functions) = checked("modbus", 200_000, |headers, payload| {
            assert!(headers.ports().0 == 502 || headers.ports().1 == 502);
            payload.get(7).copied().filter(|_| payload.starts_with(&[payload[0], payload[1], 0, 0]))
        });
        assert_eq!(floor.flows, 50 * 200);
        assert!((90..=110).contains(&bytes_per_packet(&floor)), "{}", bytes_per_packet(&floor));
        for function in [1, 3, 16] {
            assert!(per_mille(&functions, |f| *f == Some(function)) > 20, "function {function}");
        }
        let exceptions = functions.iter().flatten().filter(|function| **function > 0x80).count();
        let answers = functions.iter().flatten().count() / 2;
        assert!((5..=20).contains(&(exceptions * 1_000 / answers)), "{exceptions} of {answers}");
    }

    #[test]
    fn scan_has_a_flow_for_each_packet_of_60_bytes() {
        let (floor, sources) = checked("scan", 100_000, |headers, payload| {
            assert!(payload.is_empty());
            headers.source()
        });
        assert_eq!((floor.flows, bytes_per_packet(&floor)), (100_000, 60));
        assert_eq!(sources.into_iter().collect::<HashSet<_>>().len(), 4);
    }

    #[test]
    fn video_is_half_tcp_and_half_udp() {
        let (floor, is_tcp) = checked("video", 100_000, |headers, _| matches!(headers.layer, Layer::Tcp(_)));
        assert_eq!(floor.flows, 200);
        assert!((1_050..=1_150).contains(&bytes_per_packet(&floor)), "{}", bytes_per_packet(&floor));
        assert!((470..=530).contains(&per_mille(&is_tcp, |tcp| *tcp)), "{}", per_mille(&is_tcp, |tcp| *tcp));
    }

    #[test]
    fn cameras_send_little_but_video() {
        let (floor, kinds) = checked("camera", 400_000, |headers, payload| {
            let (source, destination) = headers.ports();
            let is_text = payload.starts_with(b"RTSP/1.0") || payload.windows(8).any(|word| word == b"RTSP/1.0");
            let kind = match headers.layer {
                Layer::Tcp(_) if is_text => "text",
                Layer::Tcp(_) if source == camera::RTSP_PORT => "within",
                Layer::Udp { .. } if source == camera::SERVER_PORT => "beside",
                _ if destination == camera::RTSP_PORT => "acknowledgement",
                _ => "other",
            };
            (kind, payload.len())
        });
        assert_eq!(floor.flows, 5_000 + 2_500);
        let bytes = |kind| kinds.iter().filter(|(one, _)| *one == kind).map(|(_, bytes)| bytes).sum::<usize>();
        let video = bytes("within") + bytes("beside");
        assert!(video * 100 > (video + bytes("text")) * 95, "{video} bytes of video");
        assert!((800..1_200).contains(&(bytes("within") * 1_000 / bytes("beside"))), "{}", bytes("within"));
        assert_eq!(bytes("other"), 0);
    }

    #[test]
    fn logins_and_tickets_differ_in_nothing_but_what_they_prove() {
        let count = |payload: &[u8], word: &[u8]| payload.windows(word.len()).filter(|it| *it == word).count();
        let (floor, logins) = checked("logins", 100_000, |_, payload| {
            (payload.len(), count(payload, b"PLAY rtsp"), count(payload, b"Authorization: Digest"))
        });
        let (_, tickets) = checked("tickets", 100_000, |_, payload| {
            (payload.len(), count(payload, b"PLAY rtsp"), count(payload, b"Authorization: Bearer"))
        });
        assert!(logins == tickets);
        let visits = logins.iter().map(|(_, plays, _)| plays).sum::<usize>();
        // A visit has some 200 packets: each camera's first is done or nearly so, and some are at their second.
        assert!((500..=1_000).contains(&visits), "{visits}: 10,000 in two million packets");
        assert!(floor.flows >= 450);
    }

    #[test]
    fn bacnet_has_1000_devices_that_announce_themselves_and_are_polled() {
        let (floor, to_group) = checked("bacnet", 50_000, |headers, payload| {
            assert_eq!(headers.ports(), (47_808, 47_808));
            let told = u16::from_be_bytes([payload[2], payload[3]]);
            assert_eq!((payload[0], usize::from(told)), (0x81, payload.len()));
            headers.is_to_group()
        });
        assert_eq!(floor.flows, 1_000 + 1_000 + 1, "polls, announcements, the question for them");
        assert!((5..=50).contains(&per_mille(&to_group, |group| *group)), "{}", per_mille(&to_group, |group| *group));
    }

    #[test]
    fn dnp3_has_1000_outstations_and_frames_that_begin_anywhere() {
        let (floor, kinds) = checked("dnp3", 100_000, |headers, payload| {
            assert!(headers.ports().0 == dnp3::PORT || headers.ports().1 == dnp3::PORT);
            match payload {
                [] => "acknowledgement",
                // A header, then the transport function's octet, control and function.
                [0x05, 0x64, _, 0x44, ..] if payload.get(12) == Some(&129) => "response",
                [0x05, 0x64, _, 0x44, ..] if payload.get(12) == Some(&130) => "unsolicited",
                [0x05, 0x64, _, 0xc9 | 0x0b, ..] => "link",
                [0x05, 0x64, ..] => "request",
                _ => "within",
            }
        });
        assert_eq!(floor.flows, 1_000);
        assert!((85..=115).contains(&bytes_per_packet(&floor)), "{}", bytes_per_packet(&floor));
        for (kind, least) in [("response", 250), ("request", 300), ("unsolicited", 15), ("link", 15), ("within", 5)] {
            let found = per_mille(&kinds, |one| *one == kind);
            assert!(found >= least, "{kind}: {found}");
        }
    }

    #[test]
    fn http_keeps_its_connections() {
        let (floor, starts) =
            checked("http", 200_000, |_, payload| payload.iter().take(4).copied().collect::<Vec<_>>());
        assert!((2_000..6_000).contains(&floor.flows), "{}", floor.flows);
        assert!(per_mille(&starts, |start| start == b"GET ") > 200);
        assert!(per_mille(&starts, |start| start == b"HTTP") > 200);
    }

    #[test]
    fn onvif_calls_over_connections_that_are_kept() {
        let (floor, starts) =
            checked("onvif", 50_000, |_, payload| payload.iter().take(4).copied().collect::<Vec<_>>());
        assert!((200..1_000).contains(&floor.flows), "{}", floor.flows);
        assert!(per_mille(&starts, |start| start == b"POST") > 150);
        assert!(per_mille(&starts, |start| start == b"HTTP") > 150);
    }

    #[test]
    fn mixed_keeps_its_shares() {
        let (floor, kinds) = checked("mixed", 400_000, |headers, _| {
            let (source, destination) = headers.ports();
            let is = |port| source == port || destination == port;
            match headers.layer {
                _ if is(502) => "modbus",
                _ if is(47_808) => "bacnet",
                _ if is(video::HTTP_PORT) || is(video::RTP_PORT) => "video",
                _ => "it",
            }
        });
        assert!(floor.flows > 1_000);
        for (kind, share) in [("modbus", 300), ("bacnet", 100), ("video", 450), ("it", 150)] {
            let found = per_mille(&kinds, |one| *one == kind);
            assert!(found.abs_diff(share) <= 15, "{kind}: {found} instead of {share}");
        }
    }
}
