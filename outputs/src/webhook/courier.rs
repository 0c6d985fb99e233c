//! The thread of one endpoint: takes what waits from the store, sends it, and keeps what became of it.
//!
//! What has arrived is written down in groups. Between an answer and the writing a pulled plug costs a second delivery under
//! the same id, never a lost one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dissectors::Timestamp;
use fingerprints::asset::id;

use super::answer;
use super::endpoint::Role;
use super::post::{Arrival, Client, Failure, Outcome, Request};
use super::queue::{Fate, Manner, Next, Parcel, Queue, subject};
use crate::store::{Dead, Letter, Settlement, Status, Store, StoreError};

/// What has arrived is written down after so many events, or after so long.
const GROUP: usize = 256;
const GROUP_TIME: Duration = Duration::from_millis(20);
/// Nobody sleeps longer without a look at the clock.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

/// Why nothing is sent any more to one who answered 410.
const GONE: &str = "410: the receiver wants nothing more; `otoscope webhook replay` takes it up again";

/// What a courier hears.
#[derive(Debug)]
pub(super) enum Word {
    /// These were kept for it: the number and the subject of each.
    Kept(Vec<(u64, u64)>),
    /// Nothing more comes. It goes on until all has arrived or was given up, or until then.
    Finish(Instant),
}

/// A courier before it sets out.
pub(super) struct Courier {
    pub(super) client: Client,
    pub(super) store: Arc<Store>,
    pub(super) words: Receiver<Word>,
    pub(super) seed: u64,
}

struct Round {
    courier: Courier,
    queue: Queue,
    status: Status,
    clock: Clock,
    settled: Settlement,
    since: Instant,
    until: Option<Instant>,
}

/// The wall clock, which here nobody sets: it only goes on.
struct Clock {
    wall: Timestamp,
    begun: Instant,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.wall.after(self.begun.elapsed())
    }
}

impl Courier {
    /// Goes on until told to finish; gives how the endpoint fares.
    pub(super) fn run(self) -> Result<Status, StoreError> {
        let settings = self.client.endpoint().settings().clone();
        let manner = Manner { rate: settings.rate, batch: settings.batch, give_up: settings.give_up, seed: self.seed };
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp::from_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX));
        let status = self.store.status(&settings.name)?;
        let mut round = Round {
            queue: Queue::new(manner),
            status,
            clock: Clock { wall, begun: Instant::now() },
            settled: Settlement::default(),
            since: Instant::now(),
            until: None,
            courier: self,
        };
        round.load()?;
        round.go()?;
        Ok(round.status)
    }
}

impl Round {
    fn name(&self) -> String {
        self.courier.client.endpoint().name().to_owned()
    }

    /// Takes up what an earlier run left.
    fn load(&mut self) -> Result<(), StoreError> {
        let name = self.name();
        for letter in self.courier.store.waiting(&name)? {
            self.queue.add(letter.sequence, subject(&letter.subject));
        }
        let now = self.clock.now();
        for parcel in self.courier.store.parcels(&name)? {
            self.queue.restore(serde_json::from_slice(&parcel)?, now);
        }
        Ok(())
    }

    fn go(&mut self) -> Result<(), StoreError> {
        loop {
            while let Ok(word) = self.courier.words.try_recv() {
                self.hear(word);
            }
            if self.is_done() {
                // What was kept for one who has gone meanwhile is kept with the rest.
                return if self.status.disabled.is_some() { self.bury_rest() } else { self.settle() };
            }
            let next = if self.status.disabled.is_some() { Next::Idle } else { self.queue.next(self.clock.now()) };
            match next {
                Next::Send(parcel) => self.send(&parcel)?,
                Next::Wait(until) => self.sleep(until.since(self.clock.now()))?,
                Next::Idle => self.sleep(LONGEST_SLEEP)?,
            }
        }
    }

    fn is_done(&self) -> bool {
        let is_over =
            |until: Instant| self.queue.len() == 0 || self.status.disabled.is_some() || Instant::now() >= until;
        self.until.is_some_and(is_over)
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Kept(letters) => {
                for (sequence, subject) in letters {
                    self.queue.add(sequence, subject);
                }
            }
            Word::Finish(until) => self.until = Some(until),
        }
    }

    /// Waits for a word or for the time; what has arrived is written down before.
    fn sleep(&mut self, wait: Duration) -> Result<(), StoreError> {
        self.settle()?;
        let left = self.until.map_or(LONGEST_SLEEP, |until| until.saturating_duration_since(Instant::now()));
        // A millisecond more: who wakes too early only looks again.
        let wait = wait.saturating_add(Duration::from_millis(1)).min(left).min(LONGEST_SLEEP);
        match self.courier.words.recv_timeout(wait) {
            Ok(word) => self.hear(word),
            Err(RecvTimeoutError::Timeout) => {}
            // Whoever could tell more is gone, and did not say how long to go on.
            Err(RecvTimeoutError::Disconnected) => self.until = self.until.or(Some(Instant::now())),
        }
        Ok(())
    }

    fn send(&mut self, parcel: &Parcel) -> Result<(), StoreError> {
        let name = self.name();
        let mut letters = Vec::new();
        for member in &parcel.members {
            letters.extend(self.courier.store.letter(&name, *member)?);
        }
        let Some(request) = request(&letters) else {
            // Nothing of it is there any more.
            self.queue.delivered(parcel, self.clock.now());
            return Ok(());
        };
        if request.is_batch && parcel.attempts == 1 {
            // What is packed together stays together over a restart, for the id's sake.
            self.settled.parcels.insert(parcel.first(), Some(serde_json::to_vec(parcel)?));
            self.settle()?;
        }
        let outcome = self.courier.client.send(&request);
        let now = self.clock.now();
        self.status.count("attempts", 1);
        match outcome {
            Outcome::Arrived(arrival) => self.arrived(parcel, &letters, &arrival, now),
            Outcome::Failed(failure) => self.failed(parcel, &letters, &failure, now)?,
            Outcome::Gone => self.gone(parcel, &letters, now)?,
        }
        if self.settled.arrived.len() >= GROUP || self.since.elapsed() >= GROUP_TIME {
            self.settle()?;
        }
        Ok(())
    }

    fn arrived(&mut self, parcel: &Parcel, letters: &[(Letter, Vec<u8>)], arrival: &Arrival, now: Timestamp) {
        self.queue.delivered(parcel, now);
        self.status.count("delivered", parcel.members.len() as u64);
        self.status.last_success = Some(now.micros());
        self.settled.arrived.extend(&parcel.members);
        if parcel.attempts > 1 || parcel.members.len() > 1 {
            self.settled.parcels.insert(parcel.first(), None);
        }
        if self.courier.client.endpoint().settings().role == Role::Remediation {
            let name = self.name();
            let (answers, unread) = answer::answers(&name, letters, &arrival.body);
            self.status.count("answers", answers.len() as u64);
            self.status.count("answers_unread", unread);
            self.settled.answers.extend(answers);
        }
    }

    fn failed(
        &mut self,
        parcel: &Parcel,
        letters: &[(Letter, Vec<u8>)],
        failure: &Failure,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.status.count("failures", 1);
        self.status.last_failure = Some(now.micros());
        self.status.why.clone_from(&failure.why);
        let parcel = Parcel { why: failure.why.clone(), ..parcel.clone() };
        match self.queue.failed(parcel, failure.fault, failure.retry_after, now) {
            Fate::Later(parcel) => {
                self.settled.parcels.insert(parcel.first(), Some(serde_json::to_vec(&parcel)?));
            }
            Fate::GivenUp(parcel) => self.bury(&parcel, letters),
        }
        Ok(())
    }

    fn bury(&mut self, parcel: &Parcel, letters: &[(Letter, Vec<u8>)]) {
        self.status.count("given_up", parcel.members.len() as u64);
        self.settled.parcels.insert(parcel.first(), None);
        let dead = letters.iter().map(|(letter, _)| {
            let (id, subject) = (letter.id.clone(), letter.subject.clone());
            (letter.sequence, Dead { id, subject, why: parcel.why.clone(), attempts: parcel.attempts })
        });
        self.settled.dead.extend(dead);
    }

    /// The receiver wants nothing more: what waits is kept for a replay, and nothing is sent until then.
    fn gone(&mut self, parcel: &Parcel, letters: &[(Letter, Vec<u8>)], now: Timestamp) -> Result<(), StoreError> {
        self.status.disabled = Some(GONE.to_owned());
        self.status.last_failure = Some(now.micros());
        GONE.clone_into(&mut self.status.why);
        self.bury(&Parcel { why: GONE.to_owned(), ..parcel.clone() }, letters);
        self.bury_rest()
    }

    fn bury_rest(&mut self) -> Result<(), StoreError> {
        self.settle()?;
        let name = self.name();
        for parcel in self.courier.store.parcels(&name)? {
            let parcel: Parcel = serde_json::from_slice(&parcel)?;
            self.settled.parcels.insert(parcel.first(), None);
        }
        let rest = self.courier.store.waiting(&name)?;
        self.status.count("given_up", rest.len() as u64);
        self.settled.dead.extend(rest.into_iter().map(|letter| {
            let Letter { sequence, id, subject } = letter;
            (sequence, Dead { id, subject, why: GONE.to_owned(), attempts: 0 })
        }));
        self.settle()
    }

    /// Writes down what became of letters.
    fn settle(&mut self) -> Result<(), StoreError> {
        self.since = Instant::now();
        let settled = std::mem::take(&mut self.settled);
        let is_empty = settled.arrived.is_empty()
            && settled.dead.is_empty()
            && settled.answers.is_empty()
            && settled.parcels.is_empty();
        if is_empty {
            return Ok(());
        }
        let name = self.name();
        self.courier.store.settle(&name, &settled, &mut self.status)
    }
}

/// The request of some letters.
fn request(letters: &[(Letter, Vec<u8>)]) -> Option<Request> {
    match letters {
        [] => None,
        [(letter, body)] => Some(Request { id: letter.id.clone(), body: body.clone(), is_batch: false }),
        several => {
            let bodies: Vec<&[u8]> = several.iter().map(|(_, body)| body.as_slice()).collect();
            let body = [b"[", bodies.join(&b","[..]).as_slice(), b"]"].concat();
            Some(Request { id: id('b', several.iter().map(|(letter, _)| letter.id.as_str())), body, is_batch: true })
        }
    }
}
