//! Who talks to whom: the conversations that packets belong to.

use dissectors::observation::{Address, Transport};
use dissectors::packet::{Headers, Layer};
use std::collections::BTreeSet;

/// Two ends, whichever way a packet goes. The context is none of it: a mirror may tag the two directions differently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Conversation {
    transport: Transport,
    ends: [(Address, u16); 2],
}

impl Conversation {
    fn of(headers: &Headers) -> Self {
        let ports = match headers.layer {
            Layer::Frame(ether_type) => (ether_type, ether_type),
            _ => headers.ports(),
        };
        let mut ends = [(headers.source(), ports.0), (headers.destination(), ports.1)];
        ends.sort();
        Self { transport: headers.transport(), ends }
    }

    /// The same as far as any fragment tells it: its hosts.
    fn of_hosts(self) -> [Address; 2] {
        self.ends.map(|(address, _)| address)
    }
}

/// The conversations of some packets.
#[derive(Default)]
pub(super) struct Conversations {
    whole: BTreeSet<Conversation>,
    /// The hosts of them all, for the fragments between them.
    hosts: BTreeSet<[Address; 2]>,
    /// The hosts of those packets that are fragments themselves: everything between them may belong to it.
    of_fragments: BTreeSet<[Address; 2]>,
}

impl Conversations {
    /// Adds the one that a packet belongs to.
    pub(super) fn add(&mut self, headers: &Headers) {
        let conversation = Conversation::of(headers);
        self.hosts.insert(conversation.of_hosts());
        if is_fragment(headers) {
            self.of_fragments.insert(conversation.of_hosts());
        } else {
            self.whole.insert(conversation);
        }
    }

    /// Whether a packet belongs to one of them.
    pub(super) fn have(&self, headers: &Headers) -> bool {
        let conversation = Conversation::of(headers);
        let hosts = conversation.of_hosts();
        self.whole.contains(&conversation)
            || self.of_fragments.contains(&hosts)
            || (is_fragment(headers) && self.hosts.contains(&hosts))
    }
}

fn is_fragment(headers: &Headers) -> bool {
    matches!(headers.layer, Layer::Fragment(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::packet::{Ends, Fragment};

    fn headers(source: &str, destination: &str, layer: Layer) -> Headers {
        let ip = |text: &str| Address::Ip(text.parse().expect("it is an address"));
        Headers { ends: Ends::between(ip(source), ip(destination)), layer, ..Headers::default() }
    }

    const A: &str = "10.0.0.1";
    const B: &str = "10.0.0.2";

    fn udp(source: u16, destination: u16) -> Layer {
        Layer::Udp { source, destination }
    }

    fn fragment() -> Layer {
        Layer::Fragment(Fragment { id: 1, offset: 8, more: false, protocol: 17 })
    }

    #[test]
    fn both_directions_and_the_fragments_between_the_hosts() {
        let mut conversations = Conversations::default();
        conversations.add(&headers(A, B, udp(1, 2)));
        assert!(conversations.have(&headers(A, B, udp(1, 2))) && conversations.have(&headers(B, A, udp(2, 1))));
        assert!(!conversations.have(&headers(B, A, udp(1, 2))) && !conversations.have(&headers(A, B, udp(1, 3))));
        assert!(
            conversations.have(&headers(B, A, fragment())) && !conversations.have(&headers("10.0.0.3", A, fragment()))
        );
    }

    #[test]
    fn what_a_fragment_completes_may_be_all_between_its_hosts() {
        let mut conversations = Conversations::default();
        conversations.add(&headers(A, B, fragment()));
        assert!(
            conversations.have(&headers(B, A, udp(7, 8))) && !conversations.have(&headers(A, "10.0.0.3", udp(7, 8)))
        );
    }
}
