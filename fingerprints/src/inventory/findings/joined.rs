//! What assets had to do with each other, over all their addresses: the ground of findings about the two.

use super::Ground;
use crate::finding::FAILING;
use crate::inventory::dealings::{Dealing, DealingKey, Dealings};
use crate::inventory::deeds::Deeds;
use crate::inventory::known::Key;
use crate::inventory::matter::Matter;
use dissectors::Timestamp;
use dissectors::observation::Host;
use std::collections::BTreeMap;

/// What a finding about two assets is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Between {
    pub(super) asset: usize,
    pub(super) peer: Option<usize>,
    pub(super) protocol: &'static str,
    pub(super) port: u16,
}

/// What two assets had to do with each other.
#[derive(Default)]
pub(super) struct Joined {
    pub(super) requests: u64,
    pub(super) since: Option<Timestamp>,
    pub(super) control: Matter,
    pub(super) deeds: Deeds,
    /// Whether a device was commanded by a client that was not seen to prove who it is.
    pub(super) is_unproved: bool,
    pub(super) unanswered: Matter,
    /// Devices behind the asset that did not answer, and how often.
    pub(super) silent: BTreeMap<String, u64>,
    /// Requests to devices that refused them all.
    pub(super) failing: Matter,
    pub(super) failing_answers: u64,
    /// Devices behind the asset that refused all, and how often.
    pub(super) refusing: BTreeMap<String, u64>,
}

/// All of them.
pub(super) struct Relations {
    all: BTreeMap<Between, Joined>,
}

impl Relations {
    pub(super) fn of(ground: &Ground<'_>, dealings: &Dealings) -> Self {
        let mut all: BTreeMap<Between, Joined> = BTreeMap::new();
        for (key, dealing) in dealings.sorted() {
            let Some(between) = ground.ends(key) else { continue };
            let joined = all.entry(between).or_default();
            joined.requests = joined.requests.saturating_add(dealing.requests);
            joined.since = earlier(joined.since, dealing.since);
            joined.control.join(&dealing.control);
            joined.deeds.join(&dealing.deeds);
            joined.is_unproved |= ground.is_unproved(key.protocol, dealing);
            if dealing.unanswered.count > 0 && (dealing.server_heard || ground.gets_answers(key.client)) {
                joined.unanswered.join(&dealing.unanswered);
                count(&mut joined.silent, key, dealing.unanswered.count);
            }
            if ground.is_failing(dealing) {
                joined.failing.join(&dealing.refusals);
                joined.failing_answers = joined.failing_answers.saturating_add(dealing.answers);
                count(&mut joined.refusing, key, dealing.refusals.count);
            }
        }
        Self { all }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Between, &Joined)> {
        self.all.iter()
    }

    /// All that an asset is asked, by whomever.
    pub(super) fn with(&self, asset: usize) -> impl Iterator<Item = (&Between, &Joined)> {
        let first = Between { asset, peer: None, protocol: "", port: 0 };
        self.all.range(first..).take_while(move |(between, _)| between.asset == asset)
    }
}

impl Ground<'_> {
    /// Whose a dealing is.
    pub(super) fn ends(&self, key: &DealingKey) -> Option<Between> {
        let asset = self.assets.place(&key.server)?;
        let peer = self.assets.place(&Key::host(key.client));
        Some(Between { asset, peer, protocol: key.protocol, port: key.port })
    }

    /// Whether anybody was seen to answer this client: else a mirror that shows one direction explains the silence.
    pub(super) fn gets_answers(&self, client: Host) -> bool {
        let asset = self.assets.of(client);
        asset.is_some_and(|asset| asset.members.iter().any(|known| known.flows_two_way > 0))
    }

    /// Whether a device was commanded, and not asked to let its client prove who it is.
    fn is_unproved(&self, protocol: &str, dealing: &Dealing) -> bool {
        let facts = self.protocols.of(protocol);
        let has_commanded = dealing.control.count > 0 || dealing.deeds.first.is_some();
        has_commanded && !dealing.asked.iter().any(|operation| facts.proves(&operation.to_string()))
    }

    /// Whether a device of the plant refuses all that a client asks of it.
    fn is_failing(&self, dealing: &Dealing) -> bool {
        let Some(kind) = self.kinds.of(FAILING) else { return false };
        let refused = dealing.refusals.count;
        refused >= kind.at_least && kind.is_beyond(refused, dealing.answers)
    }
}

fn count(children: &mut BTreeMap<String, u64>, key: &DealingKey, count: u64) {
    if let Some(child) = key.server.child_key() {
        let sum = children.entry(child).or_default();
        *sum = sum.saturating_add(count);
    }
}

/// The earlier of two moments, where there are any.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
