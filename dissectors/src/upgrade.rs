//! Conversations that go on in TLS once both sides have agreed to (STARTTLS, AUTH TLS and their like): what is said from
//! there on is read as any other TLS is, and told in the same conversation.

use crate::dissector::{Dissector, Ending, Footing, Next, Side};
use crate::out::Out;
use crate::protocols;
use crate::reader::{Reader, Stop};

/// What the rest of a conversation is, once it is agreed on.
#[derive(Default)]
pub(crate) struct Upgrade(Option<Box<dyn Dissector>>);

/// The longest message that may pend in a conversation that may become TLS.
pub(crate) const MOST: usize = 110 * 1024;

const TLS: &str = "tls";

impl Upgrade {
    /// The next byte of either side is TLS.
    pub(crate) fn begin(&mut self) {
        self.0 = protocols::named(TLS).map(|tls| (tls.open)());
    }

    /// A message, if it is one of TLS by now.
    pub(crate) fn message(
        &mut self,
        side: Side,
        reader: &mut Reader<'_>,
        out: &mut Out<'_>,
    ) -> Option<Result<Next, Stop>> {
        let next = self.0.as_mut()?.message(side, reader, out);
        if next.is_ok() {
            out.counts_are_within(TLS);
        }
        Some(next)
    }

    /// Bytes were lost: the protocol in the midst of which TLS began cannot find where a record starts.
    pub(crate) fn gap(&self) -> Footing {
        if self.0.is_some() { Footing::Lost } else { Footing::Segment }
    }

    pub(crate) fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.0.iter_mut().for_each(|tls| tls.finish(ending, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_tls_may_have_to_wait_for() {
        let tls = protocols::named("tls").expect("it is in the table");
        assert!(tls.max_message <= MOST);
        let mut upgrade = Upgrade::default();
        assert_eq!(upgrade.gap(), Footing::Segment);
        upgrade.begin();
        assert_eq!(upgrade.gap(), Footing::Lost);
    }
}
