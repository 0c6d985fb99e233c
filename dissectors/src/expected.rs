//! Conversations that others announce: pictures that come beside the connection in which they were asked for.

use crate::bounded::Bounded;
use crate::observation::{Host, Transport};
use crate::side::{Side, Sides};
use std::hash::{BuildHasher, Hash};

/// A conversation between the two hosts of the one that announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expected {
    /// What it speaks, by its name in the table of protocols.
    pub protocol: &'static str,
    /// What carries it.
    pub transport: Transport,
    /// Which side of the announcing conversation serves it.
    pub server: Side,
    /// The client's port.
    pub client_port: u16,
    /// The server's, if it is known.
    pub server_port: Option<u16>,
}

/// The same, with the hosts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    protocol: &'static str,
    transport: Transport,
    server: Host,
    client: Host,
    client_port: u16,
    server_port: Option<u16>,
}

/// What by which one is found.
#[derive(Hash)]
struct Key {
    transport: Transport,
    server: Host,
    client: Host,
    client_port: u16,
}

/// The conversations that a lane waits for.
pub(crate) struct Expectations {
    announced: Bounded<Announced>,
}

impl Announced {
    pub(crate) fn new(expected: Expected, hosts: &Sides<Host>) -> Self {
        let Expected { protocol, transport, server, client_port, server_port } = expected;
        let (server, client) = (*hosts.of(server), *hosts.of(server.other()));
        Self { protocol, transport, server, client, client_port, server_port }
    }

    fn key(&self) -> Key {
        let Self { transport, server, client, client_port, .. } = *self;
        Key { transport, server, client, client_port }
    }

    fn is_of(&self, key: &Key) -> bool {
        let Key { transport, server, client, client_port } = *key;
        (self.transport, self.server, self.client, self.client_port) == (transport, server, client, client_port)
    }
}

impl Expectations {
    pub(crate) fn new() -> Self {
        Self { announced: Bounded::new(MOST, MOST) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.announced.is_empty()
    }

    /// How many were forgotten because there were too many.
    pub(crate) fn forgotten(&self) -> u64 {
        self.announced.evicted()
    }

    /// One more, in the place of an earlier one at the same port.
    pub(crate) fn add(&mut self, new: Announced, hasher: &impl BuildHasher) {
        let key = new.key();
        let hash = hasher.hash_one(&key);
        let known = self.announced.find(hash, |known| known.is_of(&key));
        match known.and_then(|slot| self.announced.touch(slot, |_| 1)) {
            Some(known) => *known = new,
            None => drop(self.announced.insert(hash, new)),
        }
    }

    /// What a conversation between these ends was announced to speak, and which side serves.
    pub(crate) fn find(
        &mut self,
        transport: Transport,
        hosts: &Sides<Host>,
        ports: Sides<u16>,
        hasher: &impl BuildHasher,
    ) -> Option<(&'static str, Side)> {
        Side::BOTH.into_iter().find_map(|server| {
            let client = server.other();
            let (server_host, client_host) = (*hosts.of(server), *hosts.of(client));
            let key = Key { transport, server: server_host, client: client_host, client_port: *ports.of(client) };
            let hash = hasher.hash_one(&key);
            let slot = self.announced.find(hash, |known| known.is_of(&key))?;
            let known = self.announced.touch(slot, |_| 1)?;
            let fits = known.server_port.is_none_or(|port| port == *ports.of(server));
            fits.then_some((known.protocol, server))
        })
    }
}

/// As many a lane keeps: a recorder with some hundred channels has two for each.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Address, Context};
    use foldhash::fast::FixedState;

    fn host(last: u8) -> Host {
        Host { context: Context::default(), address: Address::Ip([10, 0, 0, last].into()) }
    }

    fn expected(client_port: u16, server_port: Option<u16>) -> Expected {
        Expected { protocol: "rtp", transport: Transport::Udp, server: Side::B, client_port, server_port }
    }

    #[test]
    fn what_was_announced_is_found_from_either_side_and_nothing_else() {
        let hasher = FixedState::default();
        let hosts = Sides::new(host(1), host(2));
        let mut expectations = Expectations::new();
        assert!(expectations.is_empty());
        expectations.add(Announced::new(expected(5000, Some(6000)), &hosts), &hasher);
        expectations.add(Announced::new(expected(5001, None), &hosts), &hasher);
        let mut find = |a, b, ports: (u16, u16), transport| {
            expectations.find(transport, &Sides::new(host(a), host(b)), Sides::new(ports.0, ports.1), &hasher)
        };
        let udp = Transport::Udp;
        assert_eq!(find(1, 2, (5000, 6000), udp), Some(("rtp", Side::B)));
        assert_eq!(find(2, 1, (6000, 5000), udp), Some(("rtp", Side::A)));
        assert_eq!(find(2, 1, (7777, 5001), udp), Some(("rtp", Side::A)));
        assert_eq!(find(1, 2, (5000, 6001), udp), None);
        assert_eq!(find(1, 2, (6000, 5000), udp), None, "the ports are the other's");
        assert_eq!(find(1, 3, (5000, 6000), udp), None);
        assert_eq!(find(1, 2, (5000, 6000), Transport::Tcp), None);
    }

    #[test]
    fn a_port_that_is_announced_again_is_another_conversation_and_there_are_not_too_many() {
        let hasher = FixedState::default();
        let hosts = Sides::new(host(1), host(2));
        let mut expectations = Expectations::new();
        for server_port in [6000, 7000] {
            expectations.add(Announced::new(expected(5000, Some(server_port)), &hosts), &hasher);
        }
        let mut find = |ports: (u16, u16)| {
            expectations.find(Transport::Udp, &hosts, Sides::new(ports.0, ports.1), &hasher).is_some()
        };
        assert_eq!((find((5000, 6000)), find((5000, 7000))), (false, true));
        for port in 0..2_000 {
            expectations.add(Announced::new(expected(port, None), &hosts), &hasher);
        }
        assert_eq!(expectations.forgotten(), 2_001 - 1_024);
    }
}
