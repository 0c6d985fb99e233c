//! Conversations that go on in TLS once both sides have agreed to (STARTTLS, AUTH TLS and their like): what is said from
//! there on is read as any other TLS is, and told in the same conversation.

use crate::dissector::{Dissector, Ending, Footing, Next, Side};
use crate::out::Out;
use crate::protocols;
use crate::reader::{Reader, Stop};

/// What the rest of a conversation is.
pub(crate) struct Upgrade(Box<dyn Dissector>);

/// The longest message that may pend in a conversation that may become TLS.
pub(crate) const MOST: usize = 110 * 1024;

const TLS: &str = "tls";

impl Upgrade {
    /// The next byte of either side is TLS.
    pub(crate) fn new() -> Option<Self> {
        protocols::named(TLS).map(|tls| Self((tls.open)()))
    }

    pub(crate) fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let next = self.0.message(side, reader, out)?;
        out.counts_are_within(TLS);
        Ok(next)
    }

    /// The protocol in the midst of which it began cannot find where a record starts.
    pub(crate) fn gap() -> Footing {
        Footing::Lost
    }

    pub(crate) fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.0.finish(ending, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_tls_may_have_to_wait_for() {
        let tls = protocols::named("tls").expect("it is in the table");
        assert!(tls.max_message <= MOST);
        assert!(Upgrade::new().is_some());
    }
}
