//! Which VLANs are one network to a lane.
//!
//! A VLAN is a network of its own until packets prove otherwise: a mirror that tags the two directions differently shows
//! one half of a connection in each, and one that listens in two VLANs shows the same packet in both. What is proven is
//! told to the inventory; from then on the lane reads the one as the other. Tunnels always separate.
//!
//! One packet proves nothing, for anybody can send it: two of TCP have to fit by their numbers, three datagrams by their
//! ends, and each vote is another packet.

use crate::flow::FlowKey;
use crate::pipeline::Vlans;
use dissectors::Side;
use dissectors::observation::{Context, Host, Transport};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// As many proofs, trials and refutations are kept. Another proof is refused, of all else the oldest makes room; both are
/// counted.
const MOST: usize = 64;
/// Host pairs of which it is kept that one network showed both directions.
const PAIRS: usize = 128;
/// So many packets have to fit before they prove anything.
fn enough(transport: Transport) -> u8 {
    if transport == Transport::Tcp { 2 } else { 3 }
}

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
#[repr(C)]
pub(crate) struct Networks {
    // These two first: every packet asks whether there are any.
    proven: Vec<Proof>,
    trials: Vec<Trial>,
    is_fixed: bool,
    /// The first flow's context: while all others have the same, nothing needs to be asked.
    first: Option<Context>,
    is_mixed: bool,
    refuted: Vec<Proof>,
    shown_twice: Vec<Shown>,
    both_ways: Box<[u64; PAIRS]>,
    /// Proofs that found no room.
    pub(crate) over_cap: u64,
    /// Trials, refutations and votes that had to make room.
    pub(crate) forgotten: u64,
}

/// Two contexts that showed the same packets: how many, and which one last.
#[derive(Clone, Copy, Debug)]
struct Shown {
    proof: Proof,
    votes: u8,
    fingerprint: u64,
}

/// Puts something into a list of [`MOST`], from which the oldest goes; tells how many went.
fn keep<T>(list: &mut Vec<T>, item: T) -> u64 {
    let is_full = list.len() >= MOST;
    if is_full {
        list.remove(0);
    }
    list.push(item);
    u64::from(is_full)
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
            forgotten: 0,
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

    /// A packet that is known by this fingerprint was shown in two contexts.
    pub(crate) fn show_twice(
        &mut self,
        home: Context,
        other: Context,
        fingerprint: u64,
        transport: Transport,
    ) -> Option<Proof> {
        let Some(shown) = self.shown_twice.iter_mut().find(|shown| shown.proof.is_of(home, other)) else {
            let proof = Proof { home, other };
            self.forgotten += keep(&mut self.shown_twice, Shown { proof, votes: 1, fingerprint });
            return None;
        };
        if shown.fingerprint != fingerprint {
            (shown.votes, shown.fingerprint) = (shown.votes.saturating_add(1), fingerprint);
        }
        if shown.votes >= enough(transport) { self.prove(home, other) } else { None }
    }

    /// The other half of a flow seems to have come in `other`.
    pub(crate) fn try_out(&mut self, key: FlowKey, other: Context) {
        self.forgotten += keep(&mut self.trials, Trial { key, other, votes: 1 });
    }

    /// A packet of a flow on trial, or of none: which context it is read as, and what it proves. `fits` tells whether its
    /// numbers are those of an answer in the flow of this key, if they say anything.
    pub(crate) fn weigh(
        &mut self,
        key: &FlowKey,
        fits: impl FnOnce(&FlowKey) -> Option<bool>,
    ) -> (Context, Option<Proof>) {
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
        let fits = match (side, context == home) {
            (Side::A, true) => return (home, None),
            (Side::B, false) => fits(&flow),
            // One of them shows both directions after all.
            (Side::A, false) | (Side::B, true) => Some(false),
        };
        match fits {
            None => (home, None),
            Some(true) if votes + 1 < enough(flow.transport()) => {
                self.trials[at].votes += 1;
                (home, None)
            }
            Some(true) => (home, self.prove(home, other)),
            Some(false) => {
                self.trials.remove(at);
                self.forgotten += keep(&mut self.refuted, Proof { home, other });
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
