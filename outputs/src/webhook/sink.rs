//! The sink: rows become events, events are kept for every endpoint that wants them, and couriers are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use fingerprints::record::{Provenance, Record};

use super::courier::Word;
use super::endpoint::Endpoint;
use super::queue::subject;
use crate::error::OutputError;
use crate::event::{Event, Memory, Teller, Told};
use crate::sink::{Sink, Written};
use crate::store::{Answer, Letter, Store, StoreError, Telling};

/// One transaction holds so many events, or what came in so long.
const GROUP: usize = 1_000;
const GROUP_TIME: Duration = Duration::from_millis(20);
/// As many events may wait for an endpoint; what comes on top is refused and counted, as `webhook_refused_full`.
const MOST_ON_DISK: usize = 1_000_000;
const MOST_IN_MEMORY: usize = 100_000;

/// Takes the rows of a run for all endpoints.
pub struct WebhookSink {
    store: Arc<Store>,
    ways: Vec<Way>,
    teller: Teller,
    recall: Recall,
    /// What remediation tools have answered before, by remediation.
    answers: BTreeMap<String, Answer>,
    sequence: u64,
    telling: Telling,
    since: Instant,
    written: Written,
    most: usize,
}

struct Way {
    endpoint: Arc<Endpoint>,
    words: Sender<Word>,
    /// Whether this is the first contact.
    is_new: bool,
    /// Why nothing is sent there.
    is_disabled: bool,
    waiting: usize,
    /// Events that found no room, by the name of their counter.
    refused: BTreeMap<&'static str, u64>,
    kept: Vec<(u64, u64)>,
}

/// What was told, in the store and since.
struct Recall {
    store: Arc<Store>,
    source: String,
    since: BTreeMap<String, Told>,
}

impl Memory for Recall {
    fn told(&self, subject: &str) -> Option<Told> {
        match self.since.get(subject) {
            Some(told) => Some(told.clone()),
            // What cannot be read is told again: better twice than never.
            None => self.store.told(&self.source, subject).ok().flatten(),
        }
    }

    fn tell(&mut self, subject: &str, told: Told) {
        self.since.insert(subject.to_owned(), told);
    }
}

impl WebhookSink {
    pub(super) fn new(
        store: Arc<Store>,
        ways: Vec<(Arc<Endpoint>, Sender<Word>)>,
        provenance: Provenance,
    ) -> Result<Self, StoreError> {
        let teller = Teller::new(provenance);
        let source = teller.source().to_owned();
        let mut all = Vec::new();
        for (endpoint, words) in ways {
            let status = store.status(endpoint.name())?;
            let (waiting, _) = store.counts(endpoint.name())?;
            all.push(Way {
                is_new: !status.is_contacted,
                is_disabled: status.disabled.is_some(),
                endpoint,
                words,
                waiting,
                refused: BTreeMap::new(),
                kept: Vec::new(),
            });
        }
        let mut sink = Self {
            sequence: store.last_sequence(&source)?,
            telling: Telling { source: source.clone(), ..Telling::default() },
            recall: Recall { store: Arc::clone(&store), source, since: BTreeMap::new() },
            answers: store.answers()?,
            most: if store.is_on_disk() { MOST_ON_DISK } else { MOST_IN_MEMORY },
            store,
            ways: all,
            teller,
            since: Instant::now(),
            written: Written::default(),
        };
        // What was known before comes first, and once.
        sink.snapshots(|way| !way.endpoint.settings().only_new)?;
        Ok(sink)
    }

    /// Tells the known to who hears of it for the first time.
    fn snapshots(&mut self, whom: impl Fn(&Way) -> bool) -> Result<(), StoreError> {
        let new: Vec<usize> =
            (0..self.ways.len()).filter(|at| self.ways[*at].is_new && whom(&self.ways[*at])).collect();
        if new.is_empty() {
            return Ok(());
        }
        let known = self.store.all_told(&self.recall.source)?;
        for at in new {
            // In one transaction with the snapshot: who is killed in between would tell a second one.
            self.telling.contacted.push(self.ways[at].endpoint.name().to_owned());
            let events = self.teller.snapshot(&known, self.ways[at].endpoint.name(), self.sequence);
            for event in events {
                self.sequence += 1;
                let body = event.numbered(self.sequence).to_string();
                self.keep(at, &event, &body);
            }
            self.ways[at].is_new = false;
        }
        self.commit()
    }

    /// Keeps an event for an endpoint.
    fn keep(&mut self, at: usize, event: &Event, body: &str) {
        let way = &mut self.ways[at];
        let refused = if way.is_disabled {
            Some("webhook_refused_disabled")
        } else if way.waiting >= self.most {
            Some("webhook_refused_full")
        } else {
            None
        };
        if let Some(name) = refused {
            *way.refused.entry(name).or_default() += 1;
            return;
        }
        way.waiting += 1;
        way.kept.push((self.sequence, subject(&event.subject)));
        let letter = Letter { sequence: self.sequence, id: event.id.clone(), subject: event.subject.clone() };
        self.written.rows += 1;
        self.written.bytes += body.len() as u64;
        self.telling.letters.push((way.endpoint.name().to_owned(), letter, body.as_bytes().to_vec()));
    }

    /// Keeps what was told so far, and lets it be sent.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.since = Instant::now();
        self.telling.last_sequence = self.sequence;
        self.telling.told = std::mem::take(&mut self.recall.since);
        let source = self.telling.source.clone();
        let telling = std::mem::replace(&mut self.telling, Telling { source, ..Telling::default() });
        if telling.told.is_empty() && telling.letters.is_empty() && telling.contacted.is_empty() {
            return Ok(());
        }
        self.store.tell(&telling)?;
        // Meanwhile events arrived, and receivers answered or wanted no more.
        self.answers = self.store.answers()?;
        for way in &mut self.ways {
            // To count them takes the longer the more there are.
            if way.waiting >= self.most {
                (way.waiting, _) = self.store.counts(way.endpoint.name())?;
            }
            way.is_disabled = self.store.status(way.endpoint.name())?.disabled.is_some();
            let kept = std::mem::take(&mut way.kept);
            if !kept.is_empty() {
                // A courier that has ended finds them in the store the next time.
                let _ = way.words.send(Word::Kept(kept));
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), StoreError> {
        let answered = self.answered(record);
        for event in self.teller.tell(answered.as_ref().unwrap_or(record), &mut self.recall) {
            self.sequence += 1;
            let wanted = |way: &Way| {
                let is_first = way.is_new && way.endpoint.settings().only_new;
                !is_first && way.endpoint.wants(&event)
            };
            let whom: Vec<usize> = (0..self.ways.len()).filter(|at| wanted(&self.ways[*at])).collect();
            if whom.is_empty() {
                continue;
            }
            let body = event.numbered(self.sequence).to_string();
            for at in whom {
                self.keep(at, &event, &body);
            }
        }
        let is_full = self.recall.since.len() >= GROUP || self.telling.letters.len() >= GROUP;
        if is_full || self.since.elapsed() >= GROUP_TIME { self.commit() } else { Ok(()) }
    }

    /// A finding that a remediation tool has taken is open no more, though the wire shows nothing yet.
    fn answered(&self, record: &Record) -> Option<Record> {
        let Record::Findings(row) = record else { return None };
        let answer = self.answers.get(row.remediation_id.as_deref()?).filter(|_| row.status == "open")?;
        let mut row = row.clone();
        let status = if answer.state == "in_progress" { "in_progress" } else { "dispatched" };
        status.clone_into(&mut row.status);
        row.ticket = answer.ticket.clone().or(row.ticket);
        row.status_actor = Some(answer.endpoint.clone());
        Some(Record::Findings(row))
    }

    /// Who wants only what is new has heard of nothing so far: that is what was known before.
    pub fn end_of_known(&mut self) -> Result<(), StoreError> {
        self.snapshots(|way| way.endpoint.settings().only_new)
    }

    /// The end of the rows: what is left is kept.
    ///
    /// Gives how many events were refused, by the name of their counter.
    pub fn end(&mut self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        self.commit()?;
        self.end_of_known()?;
        let mut all = BTreeMap::new();
        for way in &mut self.ways {
            let refused = std::mem::take(&mut way.refused);
            if !refused.is_empty() {
                self.store.count_refused(way.endpoint.name(), &refused)?;
            }
            for (name, count) in refused {
                *all.entry(name).or_default() += count;
            }
        }
        Ok(all)
    }
}

impl Sink for WebhookSink {
    fn record(&mut self, record: &Record) -> Result<(), OutputError> {
        Ok(self.take(record)?)
    }

    fn finish(mut self: Box<Self>) -> Result<Written, OutputError> {
        self.end()?;
        Ok(self.written)
    }
}
