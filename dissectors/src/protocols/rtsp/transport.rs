//! Where a stream goes that SETUP asks for (RFC 2326, 12.39; RFC 7826, 18.54).

use crate::Expected;
use crate::dissector::Side;
use crate::head::{self, Head};
use crate::observation::Transport;
use crate::out::Out;

/// The ports of a stream beside the connection: of pictures, and of RTCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ports {
    client: Option<Pair>,
    server: Option<Pair>,
}

type Pair = (u16, u16);

impl Ports {
    /// The first way that goes by UDP to one receiver, of those that a Transport header lists.
    pub(super) fn read(head: &Head<'_>) -> Option<Self> {
        let value = head.value("transport")?;
        head::list(&value).find_map(Self::of)
    }

    fn of(way: &[u8]) -> Option<Self> {
        let mut parts = way.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next()?;
        let is_udp = !kind.to_ascii_uppercase().ends_with(b"/TCP");
        let mut known = Self::default();
        for part in parts {
            match head::split_once(part, b'=') {
                Some((b"client_port", value)) => known.client = pair(value),
                Some((b"server_port", value)) => known.server = pair(value),
                // RTSP 2.0: `":5000"/":5001"`.
                Some((b"dest_addr", value)) => known.client = addresses(value),
                Some((b"src_addr", value)) => known.server = addresses(value),
                None if part == b"multicast" => return None,
                _ => {}
            }
        }
        (is_udp && known != Self::default()).then_some(known)
    }

    /// What is said here, and there what is not.
    pub(super) fn or(self, asked: Option<Self>) -> Self {
        let asked = asked.unwrap_or_default();
        Self { client: self.client.or(asked.client), server: self.server.or(asked.server) }
    }

    /// The stream is on its way.
    pub(super) fn expect(self, server: Side, out: &mut Out<'_>) {
        let Some((pictures, reports)) = self.client else { return };
        let (from, reports_from) = self.server.unzip();
        let ways = [("rtp", pictures, from), ("rtcp", reports, reports_from)];
        for (protocol, client_port, server_port) in ways {
            out.expect(Expected { protocol, transport: Transport::Udp, server, client_port, server_port });
        }
    }
}

/// `5000-5001`; the second is the next one if it is not told.
fn pair(value: &[u8]) -> Option<Pair> {
    let (first, second) = head::split_once(value, b'-').map_or((value, None), |(first, second)| (first, Some(second)));
    let first = port(first)?;
    let second = second.map_or(first.checked_add(1), port)?;
    Some((first, second))
}

fn addresses(value: &[u8]) -> Option<Pair> {
    let mut ports = value.split(|byte| *byte == b'/').filter_map(|address| {
        let address = address.trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        port(address.rsplit(|byte| *byte == b':').next()?)
    });
    let first = ports.next()?;
    Some((first, ports.next().or_else(|| first.checked_add(1))?))
}

fn port(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_both_versions() {
        let ports = |client, server| Some(Ports { client, server });
        for (way, expected) in [
            ("RTP/AVP;unicast;client_port=5000-5001", ports(Some((5000, 5001)), None)),
            (
                "RTP/AVP/UDP;unicast;client_port=5000;server_port=7000-7009",
                ports(Some((5000, 5001)), Some((7000, 7009))),
            ),
            (
                "RTP/AVP;unicast;dest_addr=\"192.0.2.5:3456\"/\"192.0.2.5:3457\";src_addr=\"[2001:db8::1]:6256\"",
                ports(Some((3456, 3457)), Some((6256, 6257))),
            ),
            ("RTP/AVP/TCP;unicast;interleaved=0-1", None),
            ("RTP/AVP/TCP;unicast;client_port=5000-5001", None),
            ("RTP/AVP;multicast;client_port=5000-5001", None),
            ("RTP/AVP;unicast;client_port=65535", None),
            ("RTP/AVP;unicast;client_port=x-1", None),
            ("", None),
        ] {
            assert_eq!(Ports::of(way.as_bytes()), expected, "{way}");
        }
    }
}
