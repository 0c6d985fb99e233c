//! What public samples of tunnels carry tells the same without its tunnels: tshark says where the innermost packet of each
//! frame stands, the test writes these packets as captures of their own, and both tell the same assets, activity and
//! findings, contexts aside.

use super::evidence::has_tshark;
use super::support::{captures_in, public_captures, records_of};
use super::tunnels::CLOSED;
use dissectors::Timestamp;
use fingerprints::record::{ActivityRow, AssetRow, FindingRow, Record};
use sensor::pipeline::{Settings, Vlans};
use sensor::source::{CaptureFile, Input, Step};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Samples whose tunnels stay closed: what they carry is not read, and the packets around it are what is compared.
const STAY_CLOSED: [(&str, &str); 21] = [
    ("flowlab-03_macsec_an2_nonzero_pn_sci.pcap", "MACsec"),
    ("flowlab-16_macsec_legacy_vlan_9100.pcap", "MACsec"),
    ("flowlab-17_gtpu_with_npdu_inner_ipv4_tcp.pcap", "GTP"),
    ("flowlab-18_gtpu_with_extension_header_inner_ipv4_tcp.pcap", "GTP"),
    ("flowlab-20_sctp_gtpu_inner_ipv4_data_s1ap.pcap", "GTP"),
    ("flowlab-21_gtpu_same_inner_tuple_different_teid.pcap", "GTP"),
    ("flowlab-25_gtpu_outer_tagged_contexts.pcap", "GTP"),
    ("ndpi-capwap_data.pcapng", "CAPWAP"),
    ("ndpi-teredo.pcap", "Teredo"),
    ("packetnet-l2tp.pcap", "L2TP"),
    ("pcap4j-GtpV1ExtPduSessionContainerPacketTest.pcap", "GTP"),
    ("pcaps-esp-tunnel-policy__ping__veth2.pcap", "IPsec"),
    ("snort3_demo-gtpingtp.pcap", "GTP"),
    ("tcpdump-macsec-short-valid.pcap", "MACsec"),
    ("zeek-Teredo.pcap", "Teredo"),
    ("zeek-gtp10_not_0xff.pcap", "GTP"),
    ("zeek-gtp_create_pdp_ctx.pcap", "GTP"),
    ("zeek-gtp_ext_header.pcap", "GTP"),
    ("zeek-pdp_ctx_messages.pcapng", "GTP"),
    ("zeek-socks.pcap", "SOCKS"),
    ("zeek-teredo_bubble_with_payload.pcap", "Teredo"),
];

/// Samples in which tshark finds the innermost frame elsewhere, by so many bytes: it takes a pseudowire's control word for
/// a part of a MAC address.
const ELSEWHERE: [(&str, usize); 2] = [
    ("flowlab-14_mpls_pw_control_word_with_sequence.pcap", 4),
    ("flowlab-17_mpls_pw_outer_qinq_inner_ipv4_udp_cw.pcap", 4),
];

/// A frame as tshark takes it apart.
#[derive(Default)]
struct Dissected {
    /// Its layers: names, and where they stand.
    layers: Vec<(String, usize)>,
    /// What fields say, and of which layer.
    fields: Vec<(usize, String, String)>,
}

impl Dissected {
    /// The layers that are open.
    fn open(&self) -> &[(String, usize)] {
        let end = self.layers.iter().position(|(name, _)| CLOSED.contains(&name.as_str()));
        &self.layers[..end.unwrap_or(self.layers.len())]
    }

    fn last(&self, names: &[&str], before: usize) -> Option<usize> {
        self.open().iter().take(before).rposition(|(name, _)| names.contains(&name.as_str()))
    }

    fn value(&self, field: &str, before: usize) -> Option<&str> {
        let mut known = self.fields.iter().rev().filter(|(layer, name, _)| *layer < before && name == field);
        known.next().map(|(.., value)| value.as_str())
    }

    /// What the fragments of a tunnel's outer packet hold together, of which this frame is the last.
    fn reassembled(&self, innermost: usize) -> Option<Vec<u8>> {
        let data = ["ip.reassembled.data", "ipv6.reassembled.data"];
        let text = data.iter().find_map(|field| self.value(field, innermost))?;
        Some(text.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("it is written in hex")).collect())
    }

    /// The networks around a layer, in which addresses hold for themselves.
    fn context(&self, innermost: usize) -> Vec<String> {
        let mut context = Vec::new();
        for (layer, field, value) in self.fields.iter().filter(|(layer, ..)| *layer < innermost) {
            let next = self.layers.get(layer + 1).map_or("", |(name, _)| name);
            let number = value.trim_start_matches("0x");
            match field.as_str() {
                "vlan.id" | "ieee8021ad.id" | "geneve.vni" | "vxlan.vni" | "ieee8021ah.isid" if number != "0" => {
                    context.push(format!("{field} {value}"));
                }
                // A call, which is no network; Ethernet over IP, whose key begins with a length.
                "gre.key" if next == "ppp" => {}
                "gre.key" if next == "eth" => context.push(format!("{field} {}", &number[4.min(number.len())..])),
                "gre.key" => context.push(format!("{field} {value}")),
                // Whatever is around a mirror's cable says nothing.
                "erspan.vlan" => context = Some(value).filter(|id| *id != "0").into_iter().cloned().collect(),
                _ => {}
            }
        }
        context
    }
}

fn dissected(path: &Path) -> Vec<Dissected> {
    let output = Command::new("tshark").args(["-n", "-T", "pdml", "-r"]).arg(path).output().expect("tshark runs");
    let text = String::from_utf8(output.stdout).expect("tshark writes text");
    let mut frames: Vec<Dissected> = Vec::new();
    for line in text.lines() {
        let attribute = |name: &str| Some(line.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.to_owned());
        if line.starts_with("<packet>") {
            frames.push(Dissected::default());
        }
        let Some(frame) = frames.last_mut() else { continue };
        if line.starts_with("  <proto name=") {
            let place = attribute("pos").and_then(|place| place.parse().ok()).unwrap_or(0);
            frame.layers.push((attribute("name").unwrap_or_default(), place));
        } else if line.trim_start().starts_with("<field name=") {
            let layer = frame.layers.len().saturating_sub(1);
            let (name, value) = (attribute("name"), attribute("show"));
            frame.fields.push((layer, name.unwrap_or_default(), value.unwrap_or_default()));
        }
    }
    frames
}

/// A packet without its tunnels: when, its bytes, how many were not captured, and whether a frame is around it.
struct Inner {
    nanos: i64,
    bytes: Vec<u8>,
    cut: usize,
    has_link: bool,
}

impl Inner {
    fn in_vlan(self, id: usize) -> Self {
        assert!(self.has_link, "no sample has bare packets in several networks");
        let id = u16::try_from(id).expect("they are few").to_be_bytes();
        Self { bytes: [&self.bytes[..12], &[0x81, 0], &id, &self.bytes[12..]].concat(), ..self }
    }
}

const ETHERNET: [&str; 3] = ["eth", "ieee8021ah", "sll"];

/// What a frame carries: the innermost packet with the MAC addresses of the frame right around it, if there is one.
fn innermost(frame: &[u8], layers: &Dissected, elsewhere: usize) -> (Vec<u8>, bool, Vec<String>) {
    let open = layers.open();
    let ip = layers.last(&["ip", "ipv6"], open.len());
    let carried = ip.or_else(|| layers.last(&["arp"], open.len()));
    let end = carried.unwrap_or(open.len());
    let whole = layers.reassembled(end);
    let bytes = whole.as_deref().unwrap_or(frame);
    let around =
        layers.last(&ETHERNET, end).filter(|link| layers.last(&["ip", "ipv6"], end).is_none_or(|ip| ip < *link));
    let context = layers.context(end);
    let Some(carried) = carried else {
        // No packet: the frame itself, or the one in its tunnel.
        let start = around.map_or(0, |link| open[link].1);
        return (bytes[start + elsewhere..].to_vec(), true, context);
    };
    let ether_type: [u8; 2] = match open[carried].0.as_str() {
        "ip" => [8, 0],
        "ipv6" => [0x86, 0xdd],
        _ => [8, 6],
    };
    let packet = &bytes[open[carried].1..];
    let Some(link) = around else { return (packet.to_vec(), false, context) };
    let at = open[link].1;
    let macs = match open[link].0.as_str() {
        "eth" => bytes[at..at + 12].to_vec(),
        "ieee8021ah" => bytes[at + 4..at + 16].to_vec(),
        _ => cooked(layers, link),
    };
    ([&macs[..], &ether_type, packet].concat(), true, context)
}

/// The addresses of a cooked frame: of the receiver it says only whether it is a group.
fn cooked(layers: &Dissected, link: usize) -> Vec<u8> {
    let receiver = match layers.value("sll.pkttype", link + 1) {
        Some("1") => [0xff; 6],
        Some("2") => [1, 0, 0, 0, 0, 0],
        _ => [0; 6],
    };
    let sender = layers.value("sll.src.eth", link + 1).unwrap_or("00:00:00:00:00:00");
    let sender = sender.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("it is written in hex"));
    receiver.into_iter().chain(sender).collect()
}

/// The packets of a sample without their tunnels. Where its addresses hold in several networks, each of them is a VLAN;
/// those of tunnels always separate.
fn unwrapped(input: &Input) -> (Vec<Inner>, Vlans) {
    let frames = dissected(&input.path);
    // Fragments of a tunnel's outer packet are told by the last of them.
    let tunnels: BTreeSet<usize> = (1..)
        .zip(&frames)
        .filter(|(_, layers)| {
            let ip = layers.last(&["ip", "ipv6"], usize::MAX).unwrap_or(0);
            layers.reassembled(ip).is_some()
        })
        .map(|(number, _)| number)
        .collect();
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| input.name.ends_with(name)).map_or(0, |(_, bytes)| *bytes);
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let (mut packets, mut networks) = (Vec::new(), BTreeSet::new());
    for layers in &frames {
        let Step::Frame(frame) = file.step() else { panic!("{}: a frame for each of tshark's", input.name) };
        let joined_in = ["ip.reassembled_in", "ipv6.reassembled.in"].iter().find_map(|it| layers.value(it, usize::MAX));
        if joined_in.and_then(|number| number.parse().ok()).is_some_and(|number| tunnels.contains(&number)) {
            continue;
        }
        let cut = frame.wire_length as usize - frame.bytes.len();
        let (bytes, has_link, context) = innermost(&file.bytes[frame.bytes], layers, elsewhere);
        let inner = Inner { nanos: frame.time.nanos(), bytes, cut, has_link };
        networks.insert(context.clone());
        packets.push((context, inner));
    }
    let tagged = packets.into_iter().map(|(context, inner)| {
        let number = networks.iter().position(|network| *network == context).expect("all were listed");
        if networks.len() > 1 && !context.is_empty() { inner.in_vlan(100 + number) } else { inner }
    });
    let is_vlan = |tag: &String| tag.starts_with("vlan.id") || tag.starts_with("ieee8021ad.id");
    let vlans = if networks.iter().flatten().all(is_vlan) { Vlans::Observed } else { Vlans::Separate };
    (tagged.collect(), vlans)
}

/// A capture of Ethernet frames and bare packets, in nanoseconds.
fn pcapng(packets: &[Inner]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = u32::try_from(12 + body.len() + padding.len()).expect("it is short").to_le_bytes();
        bytes.extend([&kind.to_le_bytes()[..], &length, body, &padding, &length].concat());
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    for link in [1, 101] {
        // The option says nanoseconds.
        block(1, &words(&[link, 0, 9 | 1 << 16, 9]));
    }
    for packet in packets {
        let nanos = u64::try_from(packet.nanos).expect("samples are of our time");
        let length = u32::try_from(packet.bytes.len()).expect("it is short");
        let wire_length = length + u32::try_from(packet.cut).expect("it is short");
        let header = words(&[u32::from(!packet.has_link), (nanos >> 32) as u32, nanos as u32, length, wire_length]);
        block(6, &[&header[..], &packet.bytes].concat());
    }
    bytes
}

/// What a capture tells, without contexts and what hangs on them, and without the frames that prove it.
fn told(path: &Path, vlans: Vlans) -> Vec<String> {
    let records = records_of(&[path.to_owned()], Settings { vlans, ..Settings::default() }).records;
    records.iter().filter_map(without_contexts).collect()
}

fn without_contexts(record: &Record) -> Option<String> {
    Some(match record {
        Record::Assets(row) => {
            let row = AssetRow {
                as_of: Timestamp::default(),
                asset_id: String::new(),
                aliases: Vec::new(),
                identity_keys: Vec::new(),
                parent_asset_id: None,
                context: None,
                ..(**row).clone()
            };
            format!("{row:?}")
        }
        Record::Activity(row) => {
            let row = ActivityRow {
                client_asset_id: None,
                server_asset_id: None,
                capture: None,
                frame: None,
                ..(**row).clone()
            };
            format!("{row:?}")
        }
        Record::Findings(row) => {
            let row = FindingRow {
                as_of: Timestamp::default(),
                finding_id: String::new(),
                asset_id: None,
                peer_asset_id: None,
                evidence: Vec::new(),
                ..(**row).clone()
            };
            format!("{row:?}")
        }
        _ => return None,
    })
}

#[test]
fn public_samples_tell_what_their_inner_packets_tell_alone() {
    let (Some(folder), true) = (public_captures(), has_tshark()) else { return };
    let inputs = captures_in(&folder.join("tunnels"));
    for (name, _) in STAY_CLOSED {
        assert!(inputs.iter().any(|input| input.name == name), "{name} is no sample any more");
    }
    let scratch = tempfile::tempdir().expect("there is room");
    let (mut wrong, mut facts) = (Vec::new(), 0);
    for input in &inputs {
        let path = scratch.path().join("plain.pcapng");
        let (packets, vlans) = unwrapped(input);
        std::fs::write(&path, pcapng(&packets)).expect("there is room");
        let mut plain = told(&path, vlans);
        let mut tunnelled = told(&input.path, Vlans::Observed);
        plain.sort();
        tunnelled.sort();
        facts += plain.len();
        let lost: Vec<_> = plain.iter().filter(|row| !tunnelled.contains(row)).collect();
        let new: Vec<_> = tunnelled.iter().filter(|row| !plain.contains(row)).collect();
        if plain != tunnelled {
            wrong.push(format!(
                "{}: {} rows, {} alone; lost {lost:#?}, new {new:#?}",
                input.name,
                tunnelled.len(),
                plain.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), inputs.len(), wrong.join("\n"));
    assert!(facts > 150, "{facts} facts");
}
