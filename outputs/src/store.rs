//! The sensor's store: what was told, and what still has to arrive. One file (redb), one writer at a time; what belongs
//! together goes in one transaction, so that a pulled plug leaves all of it or nothing.
//!
//! Without a folder the same store lives in memory and ends with the program.

mod kept;

pub use kept::{Answer, Dead, Status};
pub(crate) use kept::{Letter, Settlement, Telling};

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};
use serde::de::DeserializeOwned;

use crate::event::Told;
use crate::visible::visible;

/// The last number of each source.
const SEQUENCES: TableDefinition<&str, u64> = TableDefinition::new("sequences");
/// What was told of each subject; the key is the source and the subject.
const TOLD: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("told");
/// By endpoint and number: the id and the subject of an event that has to arrive.
const WAITING: TableDefinition<(&str, u64), (&str, &str)> = TableDefinition::new("waiting");
/// By endpoint and number: the event as it is sent.
const BODIES: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("bodies");
/// By endpoint and number of its first event: a parcel that was packed and has not arrived.
const PARCELS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("parcels");
/// By endpoint and number: why an event was given up. Its body is kept.
const DEAD: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("dead");
/// How each endpoint fares.
const STATUS: TableDefinition<&str, &[u8]> = TableDefinition::new("status");
/// By remediation: what a remediation tool answered last.
const ANSWERS: TableDefinition<&str, &[u8]> = TableDefinition::new("answers");

/// The file in the folder of the state.
const FILE: &str = "otoscope.redb";
/// What the store may keep of its file in memory.
const CACHE: usize = 16 << 20;
/// As many letters of an endpoint are kept after they were given up; then the oldest go.
const MOST_DEAD: usize = 100_000;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be used.
    #[error("{}", visible(&path.to_string_lossy()))]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another otoscope has it.
    #[error("{}: another otoscope uses this state; stop it, or name another folder by --state", visible(&.0.to_string_lossy()))]
    InUse(PathBuf),
    /// The library says why.
    #[error("the state cannot be read or written")]
    Storage(#[source] Box<redb::Error>),
    /// What stands in it is not understood.
    #[error("the state holds what this version does not understand")]
    Json(#[from] serde_json::Error),
}

macro_rules! from_library {
    ($($error:ident),+) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Storage(Box::new(error.into()))
            }
        })+
    };
}

from_library!(DatabaseError, TransactionError, TableError, StorageError, CommitError);

/// The store.
#[derive(Debug)]
pub struct Store {
    database: Database,
    is_on_disk: bool,
    /// The file that was damaged and set aside, if there was one.
    set_aside: Option<PathBuf>,
}

impl Store {
    /// The store of a folder, which is made where it is not there. A file that is damaged is set aside under a name of its
    /// own, and an empty store takes its place.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        let mut builder = fs::DirBuilder::new();
        // User names stand in it.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder).map_err(io(folder))?;
        let path = folder.join(FILE);
        let begin = || Database::builder().set_cache_size(CACHE).create(&path);
        let (database, set_aside) = match begin() {
            Ok(database) => (database, None),
            Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => {
                return Err(StoreError::InUse(folder.to_owned()));
            }
            Err(error) if is_damage(&error) => {
                let aside = (1..).map(|number| folder.join(format!("{FILE}.damaged-{number}")));
                let aside = aside.into_iter().find(|path| !path.exists()).unwrap_or_default();
                fs::rename(&path, &aside).map_err(io(&path))?;
                (begin()?, Some(aside))
            }
            Err(error) => return Err(error.into()),
        };
        Self::prepared(Self { database, is_on_disk: true, set_aside })
    }

    /// A store that ends with the program.
    pub fn in_memory() -> Result<Self, StoreError> {
        let database = Database::builder().set_cache_size(CACHE).create_with_backend(InMemoryBackend::new())?;
        Self::prepared(Self { database, is_on_disk: false, set_aside: None })
    }

    /// Makes all tables, so that reading finds them.
    fn prepared(self) -> Result<Self, StoreError> {
        let write = self.database.begin_write()?;
        write.open_table(SEQUENCES)?;
        write.open_table(TOLD)?;
        write.open_table(WAITING)?;
        write.open_table(BODIES)?;
        write.open_table(PARCELS)?;
        write.open_table(DEAD)?;
        write.open_table(STATUS)?;
        write.open_table(ANSWERS)?;
        write.commit()?;
        Ok(self)
    }

    /// Whether it outlives the program.
    pub fn is_on_disk(&self) -> bool {
        self.is_on_disk
    }

    /// The file that was damaged and set aside when the store was opened.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// The last number that a source gave.
    pub(crate) fn last_sequence(&self, source: &str) -> Result<u64, StoreError> {
        let table = self.database.begin_read()?.open_table(SEQUENCES)?;
        Ok(table.get(source)?.map_or(0, |number| number.value()))
    }

    pub(crate) fn told(&self, source: &str, subject: &str) -> Result<Option<Told>, StoreError> {
        let table = self.database.begin_read()?.open_table(TOLD)?;
        table.get((source, subject))?.map(|bytes| parsed(bytes.value())).transpose()
    }

    /// All that a source told, by subject.
    pub(crate) fn all_told(&self, source: &str) -> Result<Vec<(String, Told)>, StoreError> {
        let table = self.database.begin_read()?.open_table(TOLD)?;
        let mut all = Vec::new();
        for entry in table.range((source, "")..)? {
            let (key, value) = entry?;
            let (whose, subject) = key.value();
            if whose != source {
                break;
            }
            all.push((subject.to_owned(), parsed(value.value())?));
        }
        Ok(all)
    }

    /// Keeps what was told and what has to arrive, both or neither.
    pub(crate) fn tell(&self, telling: &Telling) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        {
            write.open_table(SEQUENCES)?.insert(&*telling.source, telling.last_sequence)?;
            let mut told = write.open_table(TOLD)?;
            for (subject, what) in &telling.told {
                told.insert((&*telling.source, &**subject), &*serde_json::to_vec(what)?)?;
            }
            let (mut waiting, mut bodies) = (write.open_table(WAITING)?, write.open_table(BODIES)?);
            let mut statuses = write.open_table(STATUS)?;
            for endpoint in &telling.contacted {
                let status = Status { is_contacted: true, ..fares(&statuses, endpoint)? };
                statuses.insert(&**endpoint, &*serde_json::to_vec(&status)?)?;
            }
            for (endpoint, letter, body) in &telling.letters {
                waiting.insert((&**endpoint, letter.sequence), (&*letter.id, &*letter.subject))?;
                bodies.insert((&**endpoint, letter.sequence), &**body)?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// What has to arrive at an endpoint, in order.
    pub(crate) fn waiting(&self, endpoint: &str) -> Result<Vec<Letter>, StoreError> {
        let table = self.database.begin_read()?.open_table(WAITING)?;
        let mut letters = Vec::new();
        for entry in table.range((endpoint, 0)..=(endpoint, u64::MAX))? {
            let (key, value) = entry?;
            let (id, subject) = value.value();
            letters.push(Letter { sequence: key.value().1, id: id.to_owned(), subject: subject.to_owned() });
        }
        Ok(letters)
    }

    /// Parcels that were packed for an endpoint.
    pub(crate) fn parcels(&self, endpoint: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let table = self.database.begin_read()?.open_table(PARCELS)?;
        let all = table.range((endpoint, 0)..=(endpoint, u64::MAX))?;
        all.map(|entry| Ok(entry?.1.value().to_vec())).collect()
    }

    /// A letter and what stands in it.
    pub(crate) fn letter(&self, endpoint: &str, sequence: u64) -> Result<Option<(Letter, Vec<u8>)>, StoreError> {
        let read = self.database.begin_read()?;
        let (waiting, bodies) = (read.open_table(WAITING)?, read.open_table(BODIES)?);
        let Some(head) = waiting.get((endpoint, sequence))? else { return Ok(None) };
        let Some(body) = bodies.get((endpoint, sequence))? else { return Ok(None) };
        let (id, subject) = head.value();
        let letter = Letter { sequence, id: id.to_owned(), subject: subject.to_owned() };
        Ok(Some((letter, body.value().to_vec())))
    }

    /// Keeps what became of letters, together with how the endpoint fares.
    pub(crate) fn settle(&self, endpoint: &str, settled: &Settlement, status: &mut Status) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        {
            let mut all = write.open_table(STATUS)?;
            status.join(&fares(&all, endpoint)?);
            let (mut waiting, mut bodies) = (write.open_table(WAITING)?, write.open_table(BODIES)?);
            let (mut parcels, mut dead) = (write.open_table(PARCELS)?, write.open_table(DEAD)?);
            for sequence in &settled.arrived {
                waiting.remove((endpoint, *sequence))?;
                bodies.remove((endpoint, *sequence))?;
            }
            for (first, parcel) in &settled.parcels {
                match parcel {
                    Some(parcel) => drop(parcels.insert((endpoint, *first), &**parcel)?),
                    None => drop(parcels.remove((endpoint, *first))?),
                }
            }
            for (sequence, why) in &settled.dead {
                waiting.remove((endpoint, *sequence))?;
                dead.insert((endpoint, *sequence), &*serde_json::to_vec(why)?)?;
            }
            if !settled.dead.is_empty() {
                let kept: Vec<u64> = dead
                    .range((endpoint, 0)..=(endpoint, u64::MAX))?
                    .map(|entry| Ok(entry?.0.value().1))
                    .collect::<Result<_, StorageError>>()?;
                for oldest in kept.iter().take(kept.len().saturating_sub(MOST_DEAD)) {
                    dead.remove((endpoint, *oldest))?;
                    bodies.remove((endpoint, *oldest))?;
                    status.count("dead_forgotten", 1);
                }
            }
            let mut answers = write.open_table(ANSWERS)?;
            for (remediation, answer) in &settled.answers {
                answers.insert(&**remediation, &*serde_json::to_vec(answer)?)?;
            }
            all.insert(endpoint, &*serde_json::to_vec(status)?)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Counts what was not kept for an endpoint.
    pub(crate) fn count_refused(
        &self,
        endpoint: &str,
        refused: &BTreeMap<&'static str, u64>,
    ) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        {
            let mut all = write.open_table(STATUS)?;
            let mut status = fares(&all, endpoint)?;
            for (name, count) in refused {
                status.count(name, *count);
            }
            all.insert(endpoint, &*serde_json::to_vec(&status)?)?;
        }
        write.commit()?;
        Ok(())
    }

    /// How an endpoint fares.
    pub fn status(&self, endpoint: &str) -> Result<Status, StoreError> {
        fares(&self.database.begin_read()?.open_table(STATUS)?, endpoint)
    }

    /// How many events wait for an endpoint, and how many were given up.
    pub fn counts(&self, endpoint: &str) -> Result<(usize, usize), StoreError> {
        let read = self.database.begin_read()?;
        let all = (endpoint, 0)..=(endpoint, u64::MAX);
        let waiting = read.open_table(WAITING)?.range(all.clone())?.count();
        Ok((waiting, read.open_table(DEAD)?.range(all)?.count()))
    }

    /// The endpoints that were ever sent to.
    pub fn endpoints(&self) -> Result<Vec<String>, StoreError> {
        let table = self.database.begin_read()?.open_table(STATUS)?;
        let names = table.iter()?;
        names.map(|entry| Ok(entry?.0.value().to_owned())).collect()
    }

    /// What was given up, in order.
    pub fn dead(&self, endpoint: &str) -> Result<Vec<(u64, Dead)>, StoreError> {
        let table = self.database.begin_read()?.open_table(DEAD)?;
        let all = table.range((endpoint, 0)..=(endpoint, u64::MAX))?;
        all.map(|entry| {
            let (key, value) = entry?;
            Ok((key.value().1, parsed(value.value())?))
        })
        .collect()
    }

    /// What remediation tools answered, by remediation.
    pub fn answers(&self) -> Result<BTreeMap<String, Answer>, StoreError> {
        let table = self.database.begin_read()?.open_table(ANSWERS)?;
        let all = table.iter()?;
        all.map(|entry| {
            let (key, value) = entry?;
            Ok((key.value().to_owned(), parsed(value.value())?))
        })
        .collect()
    }

    /// Lets what was given up wait again, or one event of it, with its id and its number; an endpoint that was disabled is
    /// so no more. Gives how many.
    pub fn replay(&self, endpoint: &str, id: Option<&str>) -> Result<usize, StoreError> {
        let again: Vec<(u64, Dead)> =
            self.dead(endpoint)?.into_iter().filter(|(_, dead)| id.is_none_or(|id| dead.id == id)).collect();
        let mut status = self.status(endpoint)?;
        if status.disabled.take().is_some() {
            // What was refused meanwhile comes as a snapshot.
            status.is_contacted = false;
        }
        let write = self.database.begin_write()?;
        {
            let (mut waiting, mut dead) = (write.open_table(WAITING)?, write.open_table(DEAD)?);
            for (sequence, letter) in &again {
                dead.remove((endpoint, *sequence))?;
                waiting.insert((endpoint, *sequence), (&*letter.id, &*letter.subject))?;
            }
            write.open_table(STATUS)?.insert(endpoint, &*serde_json::to_vec(&status)?)?;
        }
        write.commit()?;
        Ok(again.len())
    }
}

/// Whether a file is no store, or no more.
fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::RepairAborted => true,
        DatabaseError::Storage(StorageError::Io(error)) => {
            matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

/// How an endpoint fares, by the table of that.
fn fares(statuses: &impl ReadableTable<&'static str, &'static [u8]>, endpoint: &str) -> Result<Status, StoreError> {
    Ok(statuses.get(endpoint)?.map(|bytes| parsed(bytes.value())).transpose()?.unwrap_or_default())
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    Ok(serde_json::from_slice(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(numbers: std::ops::RangeInclusive<u64>) -> Telling {
        let letter = |sequence: u64| Letter { sequence, id: format!("e-{sequence}"), subject: "f-1".into() };
        Telling {
            source: "s".into(),
            last_sequence: *numbers.end(),
            contacted: Vec::new(),
            told: [("f-1".to_owned(), Told { times: *numbers.end(), ..Told::default() })].into(),
            letters: numbers.map(|number| ("soc".to_owned(), letter(number), b"{}".to_vec())).collect(),
        }
    }

    #[test]
    fn what_was_told_stands_after_a_restart_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        Store::open(folder.path()).unwrap().tell(&telling(1..=3)).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.last_sequence("s").unwrap(), 3);
        assert_eq!(store.told("s", "f-1").unwrap().unwrap().times, 3);
        assert_eq!(store.told("other", "f-1").unwrap(), None);
        let waiting = store.waiting("soc").unwrap();
        assert_eq!(waiting.iter().map(|letter| letter.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(store.waiting("so").unwrap().is_empty() && store.waiting("socx").unwrap().is_empty());
    }

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let _store = Store::open(folder.path()).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse(_))));
    }

    #[test]
    fn a_damaged_store_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"no store at all, but long enough to look at".repeat(200)).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.set_aside().unwrap().ends_with("otoscope.redb.damaged-1"));
        store.tell(&telling(1..=1)).unwrap();
    }

    #[test]
    fn what_was_given_up_is_kept_and_can_come_back_as_it_was() {
        let store = Store::in_memory().unwrap();
        store.tell(&telling(1..=2)).unwrap();
        let dead = Dead { id: "e-1".into(), subject: "f-1".into(), why: "410".into(), attempts: 9 };
        let settled = Settlement { arrived: vec![2], dead: vec![(1, dead)], ..Settlement::default() };
        let mut status = Status { disabled: Some("gone".into()), is_contacted: true, ..Status::default() };
        store.settle("soc", &settled, &mut status).unwrap();
        assert_eq!(store.counts("soc").unwrap(), (0, 1));
        assert_eq!(store.replay("soc", Some("e-9")).unwrap(), 0);
        assert_eq!(store.replay("soc", None).unwrap(), 1);
        assert_eq!(store.counts("soc").unwrap(), (1, 0));
        let (letter, body) = store.letter("soc", 1).unwrap().unwrap();
        assert_eq!((&*letter.id, &*body), ("e-1", &b"{}"[..]));
        let status = store.status("soc").unwrap();
        assert_eq!((status.disabled, status.is_contacted), (None, false));
    }
}
