//! One frame in others: every tunnel, tag and link type that is opened.

/// A way to carry an Ethernet frame, or the packet in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A VLAN tag: its EtherType and id.
    Tag(u16, u16),
    /// A provider backbone, with its service id.
    Backbone(u32),
    /// 802.2 LLC and SNAP in place of the EtherType.
    Snap,
    /// Two MPLS labels.
    Mpls,
    /// An Ethernet pseudowire on MPLS, with its control word or without.
    Pseudowire(bool),
    Pppoe,
    Gre,
    GreKey(u32),
    /// GRE with checksum, key and sequence number.
    GreFull(u32),
    GreBridged,
    Erspan1,
    Erspan2,
    Erspan3,
    Vxlan(u32),
    Geneve(u32),
    /// GENEVE with an option, of the packet alone.
    GenevePacket(u32),
    InIpv4,
    InIpv6,
    EtherIp,
    Raw,
    Null,
    NullSwapped,
    Loop,
    Cooked,
    Cooked2,
    Ppp,
    Hdlc,
    PppoeLink,
}

/// What of the frame's own link layer is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All of it: what is around it has a link layer of its own.
    Frame,
    /// Its MAC addresses.
    Addresses,
    /// The sender's.
    Sender,
    Nothing,
}

/// The ways that can be stacked: Ethernet goes in and comes out.
pub(crate) const STACKED: [Kind; 23] = [
    Kind::Tag(0x8100, 7),
    Kind::Tag(0x88a8, 4095),
    Kind::Tag(0x9100, 1),
    Kind::Backbone(0x00ab_cdef),
    Kind::Snap,
    Kind::Mpls,
    Kind::Pseudowire(true),
    Kind::Pseudowire(false),
    Kind::Pppoe,
    Kind::Gre,
    Kind::GreKey(17),
    Kind::GreKey(0xffff_fffe),
    Kind::GreFull(5),
    Kind::GreBridged,
    Kind::Erspan1,
    Kind::Erspan2,
    Kind::Erspan3,
    Kind::Vxlan(5000),
    Kind::Geneve(0x00ff_ffff),
    Kind::GenevePacket(1),
    Kind::InIpv4,
    Kind::InIpv6,
    Kind::EtherIp,
];

/// The other link types, which come last.
pub(crate) const LINKS: [Kind; 9] = [
    Kind::Raw,
    Kind::Null,
    Kind::NullSwapped,
    Kind::Loop,
    Kind::Cooked,
    Kind::Cooked2,
    Kind::Ppp,
    Kind::Hdlc,
    Kind::PppoeLink,
];

impl Kind {
    /// The number of the link type that comes out.
    pub(crate) fn link_type(self) -> u32 {
        match self {
            Self::Raw => 101,
            Self::Null | Self::NullSwapped => 0,
            Self::Loop => 108,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Ppp => 9,
            Self::Hdlc => 50,
            Self::PppoeLink => 51,
            _ => 1,
        }
    }

    /// What it adds to the context.
    pub(crate) fn context(self) -> Option<String> {
        match self {
            Self::Tag(_, id) => Some(format!("vlan:{id}")),
            Self::Backbone(id) => Some(format!("isid:{id}")),
            Self::GreKey(key) | Self::GreFull(key) => Some(format!("gre:{key}")),
            Self::Vxlan(id) | Self::Geneve(id) | Self::GenevePacket(id) => Some(format!("vni:{id}")),
            _ => None,
        }
    }

    /// Whether what stands around it says nothing of the network: a mirror's cable.
    pub(crate) fn is_mirror(self) -> bool {
        matches!(self, Self::Erspan1 | Self::Erspan2 | Self::Erspan3)
    }

    pub(crate) fn left(self) -> Left {
        match self {
            Self::Gre | Self::GreKey(_) | Self::GreFull(_) | Self::GenevePacket(_) | Self::InIpv4 | Self::InIpv6 => {
                Left::Nothing
            }
            Self::Cooked | Self::Cooked2 => Left::Sender,
            Self::Tag(..) | Self::Snap | Self::Mpls | Self::Pppoe => Left::Addresses,
            kind if LINKS.contains(&kind) => Left::Nothing,
            _ => Left::Frame,
        }
    }
}

/// A frame carried so, or `None` where it cannot be: only IP goes into a tunnel of IP, and nothing is longer than an IP
/// packet. `cut` bytes of it were not captured.
pub(crate) fn encapsulate(frame: &[u8], cut: usize, kind: Kind) -> Option<Vec<u8>> {
    let [macs, ether_type, rest] = [frame.get(..12)?, frame.get(12..14)?, frame.get(14..)?];
    let packet = || is_ip(ether_type).then_some(rest);
    let wire = |bytes: &[u8]| bytes.len() + cut;
    let bytes = match kind {
        Kind::Tag(tag, id) => [macs, &tag.to_be_bytes(), &id.to_be_bytes(), ether_type, rest].concat(),
        Kind::Backbone(id) => [&ETHERNET, &[0x88, 0xe7][..], &id.to_be_bytes(), frame].concat(),
        Kind::Snap if frame.len() + cut < 1400 && u16::from_be_bytes(ether_type.try_into().ok()?) >= 1536 => {
            let inner = [&[0xaa, 0xaa, 3, 0, 0, 0], ether_type, rest].concat();
            [macs, &two(wire(&inner))?, &inner].concat()
        }
        Kind::Snap => return None,
        Kind::Mpls => [macs, &[0x88, 0x47, 0, 6, 0x40, 0x40, 0, 6, 0x51, 0x40], packet()?].concat(),
        Kind::Pseudowire(has_word) => {
            let word: &[u8] = if has_word { &[0, 0, 0xab, 0xcd] } else { &[] };
            [&ETHERNET, &[0x88, 0x47, 0, 6, 0x51, 0x40][..], word, frame].concat()
        }
        Kind::Pppoe => [macs, &[0x88, 0x64], &pppoe(packet()?, cut)?].concat(),
        Kind::PppoeLink => pppoe(packet()?, cut)?,
        Kind::Gre => over_ip(47, &[&[0, 0], ether_type, packet()?].concat(), cut)?,
        Kind::GreKey(key) => over_ip(47, &[&[0x20, 0], ether_type, &key.to_be_bytes(), packet()?].concat(), cut)?,
        Kind::GreFull(key) => {
            let (checksum, sequence) = ([0x12, 0x34, 0, 0], [0, 0, 0, 9]);
            let header = [&[0xb0, 0], ether_type, &checksum, &key.to_be_bytes(), &sequence].concat();
            over_ip(47, &[&header, packet()?].concat(), cut)?
        }
        Kind::GreBridged => over_ip(47, &[&[0, 0, 0x65, 0x58], frame].concat(), cut)?,
        Kind::Erspan1 => over_ip(47, &[&[0, 0, 0x88, 0xbe], frame].concat(), cut)?,
        Kind::Erspan2 => {
            let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0x63, 0, 5, 0, 0, 0, 0];
            over_ip(47, &[&header, frame].concat(), cut)?
        }
        Kind::Erspan3 => {
            let header = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 5, 1, 2, 3, 4, 0, 0, 0, 1];
            over_ip(47, &[&header, &[0; 8][..], frame].concat(), cut)?
        }
        Kind::Vxlan(id) => over_udp(4789, &[&[8, 0, 0, 0], &(id << 8).to_be_bytes(), frame].concat(), cut)?,
        Kind::Geneve(id) => over_udp(6081, &[&[0, 0, 0x65, 0x58], &(id << 8).to_be_bytes(), frame].concat(), cut)?,
        Kind::GenevePacket(id) => {
            let option = [1, 2, 0x80, 1, 0, 0, 0, 0];
            let header = [&[2, 0x40], ether_type, &(id << 8).to_be_bytes(), &option].concat();
            over_udp(6081, &[&header, packet()?].concat(), cut)?
        }
        Kind::InIpv4 => over_ip(protocol_of(packet()?), packet()?, cut)?,
        Kind::InIpv6 => over_ipv6(protocol_of(packet()?), packet()?, cut)?,
        Kind::EtherIp => over_ip(97, &[&[0x30, 0], frame].concat(), cut)?,
        Kind::Raw => packet()?.to_vec(),
        Kind::Null => [&family_of(packet()?).to_le_bytes(), packet()?].concat(),
        Kind::NullSwapped | Kind::Loop => [&family_of(packet()?).to_be_bytes(), packet()?].concat(),
        Kind::Cooked => {
            let (direction, sender) = (direction_of(macs).to_be_bytes(), macs.get(6..)?);
            [&direction[..], &[0, 1, 0, 6], sender, &[0, 0], carried_ip(frame)?].concat()
        }
        Kind::Cooked2 => {
            let [_, direction] = direction_of(macs).to_be_bytes();
            let carried = carried_ip(frame)?;
            let front = [&carried[..2], &[0, 0, 0, 0, 0, 2, 0, 1, direction, 6], macs.get(6..)?, &[0, 0]].concat();
            [&front, &carried[2..]].concat()
        }
        Kind::Ppp | Kind::Hdlc => [&[0xff, 3], &ppp_of(packet()?), packet()?].concat(),
    };
    Some(bytes)
}

/// The fragments of the IP packet in an Ethernet frame, each with so many bytes of its payload (a multiple of 8), known by
/// an id of their own; `None` if it is none or too short to be cut.
pub(crate) fn fragments(frame: &[u8], size: usize, id: u16) -> Option<Vec<Vec<u8>>> {
    let packet = frame.get(14..).filter(|_| is_ip(&frame[12..14]))?;
    let is_v4 = packet.first()? >> 4 == 4;
    let number = |at: usize| Some(usize::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
    let (header, length) = if is_v4 { (usize::from(packet[0] & 15) * 4, number(2)?) } else { (40, 40 + number(4)?) };
    let (header, payload) = packet.get(..length)?.split_at_checked(header)?;
    let is_fragment = is_v4 && (header[6] & 0x3f, header[7]) != (0, 0);
    if payload.len() <= size || is_fragment {
        return None;
    }
    let last = (payload.len() - 1) / size;
    let fragment = |(index, part): (usize, &[u8])| {
        let (offset, more) = (index * size / 8, u16::from(index < last));
        let mut header = header.to_vec();
        let offset = u16::try_from(offset).expect("a packet is short");
        if is_v4 {
            let length = two(header.len() + part.len()).expect("it is shorter than the packet");
            header[2..4].copy_from_slice(&length);
            header[4..6].copy_from_slice(&id.to_be_bytes());
            header[6..8].copy_from_slice(&(more << 13 | offset).to_be_bytes());
            set_checksum(&mut header);
        } else {
            let protocol = std::mem::replace(&mut header[6], 44);
            header[4..6].copy_from_slice(&two(8 + part.len()).expect("it is shorter than the packet"));
            header.extend([protocol, 0]);
            header.extend((offset << 3 | more).to_be_bytes());
            header.extend([0, 0]);
            header.extend(id.to_be_bytes());
        }
        [&frame[..14], &header, part].concat()
    };
    Some(payload.chunks(size).enumerate().map(fragment).collect())
}

const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 0xa2, 2, 0, 0, 0, 0, 0xa1];

fn is_ip(ether_type: &[u8]) -> bool {
    ether_type == [8, 0] || ether_type == [0x86, 0xdd]
}

/// The EtherType and what follows it, if that is IP, in VLANs or not.
fn carried_ip(frame: &[u8]) -> Option<&[u8]> {
    let mut carried = frame.get(12..)?;
    while carried.get(..2)? == [0x81, 0] {
        carried = carried.get(4..)?;
    }
    is_ip(carried.get(..2)?).then(|| frame.get(12..))?
}

fn direction_of(macs: &[u8]) -> u16 {
    match macs {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..] => 1,
        [first, ..] if first & 1 == 1 => 2,
        _ => 3,
    }
}

fn is_v6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 6)
}

fn protocol_of(packet: &[u8]) -> u8 {
    if is_v6(packet) { 41 } else { 4 }
}

fn family_of(packet: &[u8]) -> u32 {
    if is_v6(packet) { 30 } else { 2 }
}

fn ppp_of(packet: &[u8]) -> [u8; 2] {
    [0, if is_v6(packet) { 0x57 } else { 0x21 }]
}

fn pppoe(packet: &[u8], cut: usize) -> Option<Vec<u8>> {
    Some([&[0x11, 0, 0, 0x42], &two(2 + packet.len() + cut)?[..], &ppp_of(packet), packet].concat())
}

fn two(length: usize) -> Option<[u8; 2]> {
    u16::try_from(length).ok().map(u16::to_be_bytes)
}

fn over_ip(protocol: u8, payload: &[u8], cut: usize) -> Option<Vec<u8>> {
    let [high, low] = two(20 + payload.len() + cut)?;
    let mut header = [0x45, 0, high, low, 0x77, 0x77, 0x40, 0, 61, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    set_checksum(&mut header);
    Some([&ETHERNET, &[8, 0][..], &header, payload].concat())
}

fn over_ipv6(protocol: u8, payload: &[u8], cut: usize) -> Option<Vec<u8>> {
    let [high, low] = two(payload.len() + cut)?;
    let address = |last: u8| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let header = [&[0x60, 0, 0, 0, high, low, protocol, 61][..], &address(1), &address(2)].concat();
    Some([&ETHERNET, &[0x86, 0xdd][..], &header, payload].concat())
}

fn over_udp(port: u16, payload: &[u8], cut: usize) -> Option<Vec<u8>> {
    let header = [&[0xc0, 0], &port.to_be_bytes()[..], &two(8 + payload.len() + cut)?, &[0, 0]].concat();
    over_ip(17, &[&header, payload].concat(), cut)
}

fn set_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let words = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum = words.sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [.., high, low] = (!folded).to_be_bytes();
    header[10..12].copy_from_slice(&[high, low]);
}
