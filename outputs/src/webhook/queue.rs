//! What is sent next, and when: pure reckoning, no clock and no network of its own, so that three days pass in a test at once.
//!
//! Events of one subject leave in order: each waits until its forerunner has arrived or was given up. Events of different
//! subjects do not wait for each other. One or several events leave as a *parcel*; what a parcel holds never changes, so that
//! it keeps its id over all attempts.
//!
//! After a failure a parcel waits, longer each time, and once more at the very end of its time; then it is given up. When
//! the endpoint itself seems to be gone, the *breaker* opens: nothing is sent but one attempt now and then, until one arrives.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use dissectors::Timestamp;

/// The waits between attempts; the last one repeats. With the jitter they fill three days.
const WAITS: [Duration; 12] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(2),
    Duration::from_hours(4),
    Duration::from_hours(8),
    Duration::from_hours(12),
    Duration::from_hours(16),
];
/// Every wait is longer or shorter by up to a fifth, so that senders that failed together do not come back together.
const JITTER_PERCENT: u64 = 20;
/// As many failures in a row of the endpoint itself open the breaker.
const STREAK: u32 = 5;
/// How long it is open at first, and at most.
const OPEN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(10));
/// What a receiver may ask us to wait, at most.
pub(super) const LONGEST_ASKED: Duration = Duration::from_hours(24);

/// How an endpoint wants its events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Events per second.
    pub(super) rate: Option<f64>,
    /// Events in one parcel.
    pub(super) batch: usize,
    /// For how long a parcel is tried.
    pub(super) give_up: Duration,
    /// What the jitter is drawn from.
    pub(super) seed: u64,
}

/// Events that leave together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Parcel {
    /// The events by their numbers.
    pub(super) members: Vec<u64>,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// When first, in microseconds of the wall clock.
    pub(super) begun: Option<i64>,
    /// When next.
    pub(super) due: i64,
    /// What went wrong last.
    pub(super) why: String,
}

impl Parcel {
    /// The number of the first event, which is the parcel's name.
    pub(super) fn first(&self) -> u64 {
        self.members.first().copied().unwrap_or_default()
    }
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this.
    Send(Parcel),
    /// Nothing until then.
    Wait(Timestamp),
    /// Nothing at all.
    Idle,
}

/// Who failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The endpoint: it is not there, too slow, or says that it cannot.
    Endpoint,
    /// What was sent, as the endpoint says.
    Parcel,
}

/// What becomes of a parcel that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is tried again.
    Later(Parcel),
    /// It was tried long enough.
    GivenUp(Parcel),
}

/// The queue of an endpoint.
#[derive(Debug)]
pub(super) struct Queue {
    manner: Manner,
    /// Of each event, whose it is.
    subjects: HashMap<u64, u64>,
    /// Of each subject, its events in order.
    lines: HashMap<u64, VecDeque<u64>>,
    /// Events that wait for nobody and were never tried.
    ready: BTreeSet<u64>,
    parcels: HashMap<u64, Parcel>,
    due: BTreeSet<(i64, u64)>,
    streak: u32,
    open_until: Option<Timestamp>,
    allowed: Timestamp,
}

impl Queue {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            manner,
            subjects: HashMap::new(),
            lines: HashMap::new(),
            ready: BTreeSet::new(),
            parcels: HashMap::new(),
            due: BTreeSet::new(),
            streak: 0,
            open_until: None,
            allowed: Timestamp::default(),
        }
    }

    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether nothing is sent for now because the endpoint seems to be gone.
    pub(super) fn is_open(&self) -> bool {
        self.streak >= STREAK
    }

    /// Takes an event; numbers only grow.
    pub(super) fn add(&mut self, sequence: u64, subject: u64) {
        self.subjects.insert(sequence, subject);
        let line = self.lines.entry(subject).or_default();
        line.push_back(sequence);
        if line.len() == 1 {
            self.ready.insert(sequence);
        }
    }

    /// Takes a parcel back that was packed before a restart; its events were added already. The clock may have been set
    /// since: nothing waits longer than it would wait anyway.
    pub(super) fn restore(&mut self, mut parcel: Parcel, now: Timestamp) {
        parcel.members.retain(|member| self.subjects.contains_key(member));
        if parcel.members.is_empty() {
            return;
        }
        parcel.due = parcel.due.min(now.after(LONGEST_ASKED).micros());
        parcel.begun = parcel.begun.map(|begun| begun.min(now.micros()));
        for member in &parcel.members {
            self.ready.remove(member);
        }
        self.put(parcel);
    }

    fn put(&mut self, parcel: Parcel) {
        self.due.insert((parcel.due, parcel.first()));
        self.parcels.insert(parcel.first(), parcel);
    }

    /// What is to be done now. A parcel that is handed out comes back by [`Self::delivered`] or [`Self::failed`].
    pub(super) fn next(&mut self, now: Timestamp) -> Next {
        if self.subjects.is_empty() {
            return Next::Idle;
        }
        let barrier = self.open_until.map_or(self.allowed, |open| open.max(self.allowed));
        if barrier > now {
            return Next::Wait(barrier);
        }
        if let Some(&(due, first)) = self.due.first() {
            if due <= now.micros() {
                self.due.remove(&(due, first));
                return self.parcels.remove(&first).map_or(Next::Idle, |parcel| self.leave(parcel, now));
            }
            if self.ready.is_empty() {
                return Next::Wait(Timestamp::from_micros(due));
            }
        }
        let members: Vec<u64> = self.ready.iter().copied().take(self.manner.batch.max(1)).collect();
        if members.is_empty() {
            return Next::Idle;
        }
        for member in &members {
            self.ready.remove(member);
        }
        self.leave(Parcel { members, attempts: 0, begun: None, due: now.micros(), why: String::new() }, now)
    }

    fn leave(&mut self, mut parcel: Parcel, now: Timestamp) -> Next {
        if let Some(rate) = self.manner.rate.filter(|rate| *rate > 0.0) {
            #[expect(clippy::cast_precision_loss, reason = "a parcel holds a thousand events at most")]
            let seconds = (parcel.members.len() as f64 / rate).min(86_400.0);
            self.allowed = now.after(Duration::from_secs_f64(seconds));
        }
        parcel.begun.get_or_insert(now.micros());
        parcel.attempts += 1;
        Next::Send(parcel)
    }

    /// It arrived; whoever waited for it may leave.
    pub(super) fn delivered(&mut self, parcel: &Parcel, now: Timestamp) {
        self.remove(parcel);
        let was_open = self.is_open();
        self.streak = 0;
        self.open_until = None;
        if was_open {
            // What failed because nobody was there need not wait for its turn.
            let parcels: Vec<Parcel> = std::mem::take(&mut self.parcels).into_values().collect();
            self.due.clear();
            for mut parcel in parcels {
                parcel.due = parcel.due.min(now.micros());
                self.put(parcel);
            }
        }
    }

    fn remove(&mut self, parcel: &Parcel) {
        for member in &parcel.members {
            let Some(subject) = self.subjects.remove(member) else { continue };
            let Some(line) = self.lines.get_mut(&subject) else { continue };
            line.retain(|other| other != member);
            match line.front() {
                // Whoever stands in a parcel is not at the front of a line that somebody else left.
                Some(next) => drop(self.ready.insert(*next)),
                None => drop(self.lines.remove(&subject)),
            }
        }
    }

    /// It did not arrive. `asked` is how long the receiver wants to be left alone.
    pub(super) fn failed(&mut self, mut parcel: Parcel, fault: Fault, asked: Option<Duration>, now: Timestamp) -> Fate {
        let asked = asked.map(|asked| asked.min(LONGEST_ASKED));
        if fault == Fault::Endpoint {
            self.streak = self.streak.saturating_add(1);
            let doubled = OPEN.0.saturating_mul(1 << (self.streak.saturating_sub(STREAK)).min(10)).min(OPEN.1);
            let open = if self.is_open() { Some(self.jittered(doubled, parcel.first(), self.streak)) } else { None };
            self.open_until = open.max(asked).map(|open| now.after(open));
        }
        let end = Timestamp::from_micros(parcel.begun.unwrap_or(now.micros())).after(self.manner.give_up);
        if now >= end {
            self.remove(&parcel);
            return Fate::GivenUp(parcel);
        }
        let attempt = usize::try_from(parcel.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = WAITS.get(attempt).or(WAITS.last()).copied().unwrap_or_default();
        let wait = self.jittered(wait, parcel.first(), parcel.attempts).max(asked.unwrap_or_default());
        parcel.due = now.after(wait).min(end).micros();
        self.put(parcel.clone());
        Fate::Later(parcel)
    }

    fn jittered(&self, wait: Duration, first: u64, attempt: u32) -> Duration {
        let mut hash = DefaultHasher::new();
        (self.manner.seed, first, attempt).hash(&mut hash);
        let percent = 100 - JITTER_PERCENT + hash.finish() % (2 * JITTER_PERCENT + 1);
        Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) / 100 * percent)
    }
}

/// A subject as the queue keeps it. Two subjects of one number only wait for each other without need.
pub(super) fn subject(name: &str) -> u64 {
    let mut hash = DefaultHasher::new();
    name.hash(&mut hash);
    hash.finish()
}

#[cfg(test)]
mod tests;
