//! Webhooks: findings and assets told to other programs as signed events, at least once, in order for each subject, under one
//! id over all attempts.
//!
//! Whoever tells writes into the store and waits for no network: the [`WebhookSink`] keeps an event in the same transaction as
//! the memory that it was told. A thread for each endpoint takes it from there. An endpoint that is slow, dead or lying holds
//! up nobody, another endpoint neither.

mod answer;
mod courier;
mod endpoint;
mod post;
mod queue;
mod signature;
mod sink;

pub use endpoint::{Endpoint, EndpointError, Role, Settings};
pub use post::{Arrival, Client, Failure, Outcome, Request};
pub use sink::WebhookSink;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use courier::{Courier, Word};
use fingerprints::record::Provenance;

use crate::store::{Status, Store, StoreError};

/// Why webhooks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// An endpoint cannot.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The store cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no thread for it.
    #[error("a thread for webhooks cannot be started")]
    Thread(#[source] std::io::Error),
    /// Its thread cannot be confined, and so sends nothing.
    #[error("the thread of a webhook cannot be confined: {0}")]
    Confine(String),
    /// Its thread ended before its time.
    #[error("the thread of a webhook has failed; what it had to send stays in the state")]
    Failed,
}

/// How an endpoint fares at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// All that was ever counted.
    pub status: Status,
    /// How many events arrived in this run.
    pub arrived: u64,
    /// How many still wait.
    pub waiting: usize,
    /// How many were given up and are kept.
    pub dead: usize,
}

/// The endpoints of a run, each with its thread.
pub struct Webhooks {
    store: Arc<Store>,
    roads: Vec<Road>,
}

/// The way to an endpoint.
struct Road {
    endpoint: Arc<Endpoint>,
    words: Sender<Word>,
    thread: JoinHandle<Result<Status, WebhookError>>,
    /// How many events had arrived when it set out.
    before: u64,
}

impl Webhooks {
    /// Starts a thread for each endpoint, which sends what an earlier run left. `first` runs in each of them before anything
    /// else: there a thread gives up what it does not need.
    pub fn start<F>(endpoints: Vec<Endpoint>, store: Store, first: F) -> Result<Self, WebhookError>
    where
        F: Fn(&Endpoint) -> Result<(), String> + Clone + Send + 'static,
    {
        let store = Arc::new(store);
        let mut roads = Vec::new();
        for endpoint in endpoints {
            let endpoint = Arc::new(endpoint);
            // Certificates are read here, where files may still be.
            let client = Client::new(Arc::clone(&endpoint))?;
            let (words, heard) = channel();
            let mut seed = [0; 8];
            // Without random numbers the jitter is the same in every run, and still one.
            let _ = getrandom::fill(&mut seed);
            let before = delivered(&store.status(endpoint.name())?);
            let courier = Courier { client, store: Arc::clone(&store), words: heard, seed: u64::from_le_bytes(seed) };
            let (first, whose) = (first.clone(), Arc::clone(&endpoint));
            let run = move || {
                first(&whose).map_err(WebhookError::Confine)?;
                Ok(courier.run()?)
            };
            let name = format!("webhook {}", endpoint.name());
            let thread = Builder::new().name(name).spawn(run).map_err(WebhookError::Thread)?;
            roads.push(Road { endpoint, words, thread, before });
        }
        Ok(Self { store, roads })
    }

    /// Takes the rows of a run.
    pub fn sink(&self, provenance: Provenance) -> Result<WebhookSink, StoreError> {
        let ways = self.roads.iter().map(|road| (Arc::clone(&road.endpoint), road.words.clone())).collect();
        WebhookSink::new(Arc::clone(&self.store), ways, provenance)
    }

    /// What is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until everything has arrived or was given up, at most so long; what is left stays in the store. Gives how each
    /// endpoint fares.
    pub fn finish(self, wait: Duration) -> Result<BTreeMap<String, End>, WebhookError> {
        let until = Instant::now().checked_add(wait).unwrap_or_else(Instant::now);
        for road in &self.roads {
            // A thread that has ended hears nothing; how it ended is seen below.
            let _ = road.words.send(Word::Finish(until));
        }
        let mut ends = BTreeMap::new();
        for Road { endpoint, words, thread, before } in self.roads {
            let status = thread.join().unwrap_or_else(|_| Err(WebhookError::Failed))?;
            drop(words);
            let (waiting, dead) = self.store.counts(endpoint.name())?;
            let arrived = delivered(&status).saturating_sub(before);
            ends.insert(endpoint.name().to_owned(), End { status, arrived, waiting, dead });
        }
        Ok(ends)
    }
}

fn delivered(status: &Status) -> u64 {
    status.counts.get("delivered").copied().unwrap_or_default()
}
