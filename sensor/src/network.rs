//! Which VLANs are one network to a lane.
//!
//! A VLAN is a network of its own until packets prove otherwise: a mirror that tags the two directions differently shows
//! one half of a connection in each, and one that listens in two VLANs shows the same packet in both. What is proven is
//! told to the inventory; from then on the lane reads the one as the other. Tunnels always separate.

use crate::flow::FlowKey;
use crate::pipeline::Vlans;
use dissectors::Side;
use dissectors::observation::{Context, Host};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// As many proofs, trials and refutations are kept; what is beyond is counted.
const MOST: usize = 64;
/// Host pairs of which it is kept that one network showed both directions.
const PAIRS: usize = 128;
/// Datagrams carry no sequence numbers: so many have to fit before they prove anything.
const ENOUGH: u8 = 3;

/// Two contexts that are one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) home: Context,
    pub(crate) other: Context,
}

impl Proof {
    fn is_of(&self, one: Context, other: Context) -> bool {
        (self.home, self.other) == (one, other) || (self.home, self.other) == (other, one)
    }
}

/// A flow whose second half seems to come in another VLAN.
#[derive(Clone, Copy, Debug)]
struct Trial {
    key: FlowKey,
    other: Context,
    votes: u8,
}

/// What a lane knows of its networks.
pub(crate) struct Networks {
    is_fixed: bool,
    /// The first flow's context: while all others have the same, nothing needs to be asked.
    first: Option<Context>,
    is_mixed: bool,
    proven: Vec<Proof>,
    trials: Vec<Trial>,
    refuted: Vec<Proof>,
    /// Pairs of contexts that showed the same datagram, and how often.
    shown_twice: Vec<(Proof, u8)>,
    both_ways: Box<[u64; PAIRS]>,
    /// Proofs that found no room.
    pub(crate) over_cap: u64,
}

impl Networks {
    pub(crate) fn new(vlans: Vlans) -> Self {
        Self {
            is_fixed: vlans != Vlans::Observed,
            first: None,
            is_mixed: false,
            proven: Vec::new(),
            trials: Vec::new(),
            refuted: Vec::new(),
            shown_twice: Vec::new(),
            both_ways: Box::new([0; PAIRS]),
            over_cap: 0,
        }
    }

    /// Whether every context is read as it is.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.proven.is_empty() && self.trials.is_empty()
    }

    /// A flow begins: whether its other half may stand in another context.
    #[inline]
    pub(crate) fn is_mixed_with(&mut self, context: Context) -> bool {
        self.is_mixed |= *self.first.get_or_insert(context) != context;
        self.is_mixed && !self.is_fixed
    }

    /// The context that this one is read as.
    pub(crate) fn read_as(&self, context: Context) -> Context {
        self.proven.iter().find(|proof| proof.other == context).map_or(context, |proof| proof.home)
    }

    /// A network shows both directions of what two hosts say: its mirror does not tag them differently.
    pub(crate) fn shows_both_ways(&mut self, key: &FlowKey) {
        let hash = pair(key);
        self.both_ways[hash as usize % PAIRS] = hash;
    }

    /// Whether these may be one network at all: the same tunnels, and neither has shown both directions of the pair.
    pub(crate) fn may_be_one(&self, key: &FlowKey, other: &FlowKey) -> bool {
        let shows = |key: &FlowKey| {
            let hash = pair(key);
            self.both_ways[hash as usize % PAIRS] == hash
        };
        let (one, two) = (key.context(), other.context());
        one.without_vlans() == two.without_vlans()
            && !self.refuted.iter().any(|proof| proof.is_of(one, two))
            && !shows(key)
            && !shows(other)
    }

    /// Two contexts are one network; tells whether that is news.
    pub(crate) fn prove(&mut self, home: Context, other: Context) -> Option<Proof> {
        let (home, from) = (self.read_as(home), self.read_as(other));
        if self.is_fixed || home == from || home.without_vlans() != from.without_vlans() {
            return None;
        }
        if self.proven.len() >= MOST {
            self.over_cap += 1;
            return None;
        }
        self.proven.iter_mut().filter(|proof| proof.home == from).for_each(|proof| proof.home = home);
        let proof = Proof { home, other: from };
        self.proven.push(proof);
        self.trials.retain(|trial| !proof.is_of(trial.key.context(), trial.other));
        Some(proof)
    }

    /// A datagram was shown in two contexts.
    pub(crate) fn show_twice(&mut self, home: Context, other: Context) -> Option<Proof> {
        let Some(at) = self.shown_twice.iter().position(|(proof, _)| proof.is_of(home, other)) else {
            if self.shown_twice.len() < MOST {
                self.shown_twice.push((Proof { home, other }, 1));
            }
            return None;
        };
        let (_, count) = &mut self.shown_twice[at];
        *count = count.saturating_add(1);
        if *count >= ENOUGH { self.prove(home, other) } else { None }
    }

    /// The other half of a flow of datagrams seems to have come in `other`.
    pub(crate) fn try_out(&mut self, key: FlowKey, other: Context) -> bool {
        let has_room = self.trials.len() < MOST;
        if has_room {
            self.trials.push(Trial { key, other, votes: 1 });
        }
        has_room
    }

    /// A packet of a flow on trial, or of none: which context it is read as, and what it proves.
    pub(crate) fn weigh(&mut self, key: &FlowKey) -> (Context, Option<Proof>) {
        let context = key.context();
        let of_flow = |trial: &Trial| {
            let side = trial.key.ends_as(key)?;
            (context == trial.key.context() || context == trial.other).then_some(side)
        };
        let Some((at, side)) = self.trials.iter().enumerate().find_map(|(at, trial)| Some((at, of_flow(trial)?)))
        else {
            return (context, None);
        };
        let Trial { key: flow, other, votes } = self.trials[at];
        let home = flow.context();
        match (side, context == home) {
            (Side::A, true) => (home, None),
            (Side::B, false) if votes + 1 < ENOUGH => {
                self.trials[at].votes += 1;
                (home, None)
            }
            (Side::B, false) => (home, self.prove(home, other)),
            // One of them shows both directions after all.
            (Side::A, false) | (Side::B, true) => {
                self.trials.swap_remove(at);
                if self.refuted.len() < MOST {
                    self.refuted.push(Proof { home, other });
                }
                (context, None)
            }
        }
    }
}

/// Two hosts in their network, whichever asks.
fn pair(key: &FlowKey) -> u64 {
    let (one, other): (Host, Host) = (key.host(Side::A), key.host(Side::B));
    FixedState::default().hash_one((one.min(other), one.max(other))) | 1
}
