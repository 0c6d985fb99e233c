//! Who sends when: actors are called in the order of time, what they send is captured in the order of time.

use super::random::{Noise, Random};
use super::wire::Wire;
use crate::capture::Capture;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Something that sends packets: a connection, a device, a camera.
pub(super) trait Actor {
    /// Does what is due `now`, such as one poll with its answer; the packets may lie ahead. Returns its next turn.
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration;
}

/// Actors, each with its first turn.
pub(super) type Cast = Vec<(Duration, Box<dyn Actor>)>;

/// What the actors send, until `packets` packets are captured.
pub(super) fn play(cast: Cast, packets: u64, mut random: Random) -> Vec<u8> {
    let noise = Noise::new(&mut random);
    let mut wire = Wire::new(random, noise);
    let mut capture = Capture::new();
    let (mut starts, mut actors): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for (start, actor) in cast {
        starts.push(start);
        actors.push(actor);
    }
    let mut agenda = Agenda::default();
    for (index, start) in starts.into_iter().enumerate() {
        agenda.add(start, What::Turn(index));
    }
    while capture.packets() < packets {
        let Some((now, what)) = agenda.next() else { break };
        match what {
            What::Frame(bytes) => {
                capture.push(now, &bytes);
                wire.recycle(bytes);
            }
            What::Turn(index) => {
                let next = actors[index].turn(now, &mut wire);
                debug_assert!(next > now, "a turn must come to an end");
                for (at, frame) in wire.sent() {
                    debug_assert!(at >= now, "nothing is sent in the past");
                    agenda.add(at, What::Frame(frame));
                }
                agenda.add(next, What::Turn(index));
            }
        }
    }
    capture.into_bytes()
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Frame(Vec<u8>),
    Turn(usize),
}

/// What is to come, by time; of the same moment, what was added first comes first.
#[derive(Debug, Default)]
struct Agenda {
    due: BinaryHeap<Reverse<(Duration, u64, What)>>,
    added: u64,
}

impl Agenda {
    fn add(&mut self, at: Duration, what: What) {
        self.due.push(Reverse((at, self.added, what)));
        self.added += 1;
    }

    fn next(&mut self) -> Option<(Duration, What)> {
        self.due.pop().map(|Reverse((at, _, what))| (at, what))
    }
}
