//! What is said, sent and written while a port is listened to.

use super::say;
use crate::reading::Follower;
use dissectors::Timestamp;
use fingerprints::finding::Severity;
use fingerprints::record::{FindingRow, Record};
use outputs::event::Moments;
use outputs::webhook::WebhookSink;
use outputs::{Lake, OutputError, Overlap, Run, Sink, rfc3339};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Moments are so far apart at least.
const BETWEEN: Duration = Duration::from_millis(20);
/// Of a core that listens, what is so takes one part in so many to find out; fewer where it takes long, for packets wait
/// meanwhile in the ring.
const SHARE: u32 = 8;
const SHARE_OF_MUCH: u32 = 40;
const MUCH: Duration = Duration::from_millis(50);
/// As many hours wait for a lake that cannot be written.
const MOST_WAITING: usize = 48;
/// As many findings are said in a minute; the page at the end has the worst of all.
const MOST_SAID: usize = 20;
/// Who wants only what is new is told nothing of what is found in this time of the first contact.
const KNOWN_BEFORE: Duration = Duration::from_mins(10);
/// How often it is looked at what has to stay so for a while, when nothing comes.
const WHILE_NOTHING_COMES: Duration = Duration::from_secs(1);
/// Less severe findings are not said one by one.
const WORTH_SAYING: Severity = Severity::Medium;

/// Follows a reading: says findings as they come up, hands them and the assets to webhooks, and writes each hour into the
/// lake.
pub(super) struct Live<'l> {
    moments: Moments,
    sink: Option<WebhookSink>,
    /// Why webhooks could not be told.
    failure: Option<String>,
    /// When the first moment was; who wants only what is new hears of what comes up a while after it.
    begun: Option<Timestamp>,
    /// Takes what each hour came to.
    lake: Option<&'l Lake>,
    /// Hours that could not be written yet, the oldest first.
    waiting: VecDeque<(Run, Vec<Record>)>,
    /// Why the last one could not be.
    unwritten: Option<String>,
    next: Instant,
    /// When the last moment was looked at.
    last: Instant,
    is_quiet: bool,
    /// Findings that were said, and whether as cured.
    said: BTreeMap<String, bool>,
    /// How many were said in the minute that began then, and how many not.
    minute: (Timestamp, usize, usize),
}

impl<'l> Live<'l> {
    pub(super) fn new(sink: Option<WebhookSink>, lake: Option<&'l Lake>, is_quiet: bool) -> Self {
        Self {
            moments: Moments::default(),
            sink,
            failure: None,
            begun: None,
            last: Instant::now(),
            lake,
            waiting: VecDeque::new(),
            unwritten: None,
            next: Instant::now(),
            is_quiet,
            said: BTreeMap::new(),
            minute: (Timestamp::MIN, 0, 0),
        }
    }

    /// The end. Gives how many events were refused, by the name of their counter; fails when hours cannot be written.
    pub(super) fn finish(mut self) -> (BTreeMap<&'static str, u64>, Result<(), OutputError>) {
        let ended = self.sink.as_mut().map(WebhookSink::end).transpose();
        (ended.ok().flatten().unwrap_or_default(), self.write())
    }

    /// Writes the hours that wait.
    fn write(&mut self) -> Result<(), OutputError> {
        let Some(lake) = self.lake else { return Ok(()) };
        while let Some((run, rows)) = self.waiting.front() {
            let mut sink: Box<dyn Sink> = Box::new(lake.begin(run.clone(), Overlap::Refuse)?);
            rows.iter().try_for_each(|row| sink.record(row))?;
            sink.finish()?;
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn tell(&mut self, news: &[Record], now: Timestamp) -> Result<(), OutputError> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        news.iter().try_for_each(|record| sink.record(record))?;
        let begun = *self.begun.get_or_insert(now);
        if now.since(begun) >= KNOWN_BEFORE {
            sink.end_of_known()?;
        }
        Ok(sink.commit()?)
    }

    /// Says a finding in a line, when it comes up and when it is cured.
    fn mention(&mut self, finding: &FindingRow, now: Timestamp) {
        let is_worth_it = Severity::named(&finding.severity).is_some_and(|severity| severity >= WORTH_SAYING);
        let is_cured = finding.status == "verified";
        let is_known = self.said.get(&finding.finding_id) == Some(&is_cured);
        if self.is_quiet || !is_worth_it || is_known || !(finding.is_open() || is_cured) {
            return;
        }
        let (begun, said, unsaid) = self.minute;
        if now < begun || now.since(begun) >= Duration::from_mins(1) {
            if unsaid > 0 {
                say(&format!("{unsaid} more findings in the last minute"));
            }
            self.minute = (now, 0, 0);
        } else if said >= MOST_SAID {
            self.minute.2 += 1;
            return;
        }
        self.minute.1 += 1;
        self.said.insert(finding.finding_id.clone(), is_cured);
        let (what, time) = match finding.status_changed {
            Some(changed) if is_cured => ("cured", changed),
            _ => (&*finding.severity, finding.first_seen),
        };
        let time = rfc3339(time);
        let time = time.get(11..19).unwrap_or(&time);
        say(&format!("{time} {what}: {}", finding.title));
    }
}

impl Follower for Live<'_> {
    fn takes_hours(&self) -> bool {
        self.lake.is_some()
    }

    /// What cannot be written is kept, and tried again with the next hour: a disk may have room again.
    fn take_hours(&mut self, run: Run, rows: Vec<Record>) {
        self.waiting.push_back((run, rows));
        if let Err(error) = self.write() {
            let why = format!("{:#}", anyhow::Error::new(error));
            if self.unwritten.as_ref() != Some(&why) {
                say(&format!("{why}; what was heard is kept in memory and written when that works again"));
            }
            self.unwritten = Some(why);
        } else if self.unwritten.take().is_some() {
            say("the lake is written again, all hours that waited too");
        }
        while self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
            say("the oldest hour that waited for the lake is lost: too many wait");
        }
    }

    fn follow(&mut self, now: Timestamp, is_news: bool, rows: &dyn Fn() -> Vec<Record>) -> bool {
        let begun = Instant::now();
        // What has to stay so for a while is looked at again though nothing comes.
        let is_due = is_news || (self.moments.has_some_to_tell() && begun >= self.last + WHILE_NOTHING_COMES);
        if !is_due || begun < self.next {
            return false;
        }
        self.last = begun;
        let rows = rows();
        let news = self.moments.news(&rows, now);
        for record in &news {
            if let Record::Findings(finding) = record {
                self.mention(finding, now);
            }
        }
        if let Err(failure) = self.tell(&news, now) {
            // At the end all of it is told again.
            let why = format!("{:#}", anyhow::Error::new(failure));
            if self.failure.as_ref() != Some(&why) {
                say(&format!("webhooks: {why}; what is found is told at the end"));
            }
            self.failure = Some(why);
        }
        let took = begun.elapsed();
        self.next = begun + (took * if took > MUCH { SHARE_OF_MUCH } else { SHARE }).max(BETWEEN);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerprints::record::{AssetRow, Provenance};
    use std::fs;

    fn hour(number: i64) -> (Run, Vec<Record>) {
        let run_id = format!("r-{number}");
        let provenance = Provenance { site: "default".into(), sensor: "s".into(), run_id };
        let input = outputs::Input::of_samples(format!("hour {number}"), 0, &number.to_le_bytes(), &[]);
        let as_of = Timestamp::from_nanos(number * 3_600_000_000_000);
        let asset = AssetRow { as_of, revision: 1, asset_id: format!("a-{number}"), ..AssetRow::default() };
        (Run { provenance, inputs: vec![input], ..Run::default() }, vec![asset.into()])
    }

    #[test]
    fn hours_wait_for_a_lake_that_cannot_be_written_and_none_is_lost() {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let root = folder.path().join("lake");
        let lake = Lake::create(&root, None).expect("a new lake");
        let assets = || {
            let table = outputs::schema::TABLES.iter().find(|table| table.name == "assets").expect("a table");
            Lake::open(&root).map_or(0, |lake| lake.read(table).expect("it is whole").rows.len())
        };
        let mut live = Live::new(None, Some(&lake), true);
        let pass = |live: &mut Live<'_>, number| {
            let (run, rows) = hour(number);
            live.take_hours(run, rows);
        };
        pass(&mut live, 1);
        assert_eq!((assets(), live.waiting.len()), (1, 0));
        // Where the folder stood stands a file: nothing can be written.
        let aside = folder.path().join("aside");
        fs::rename(&root, &aside).and_then(|()| fs::write(&root, "")).expect("it is moved");
        pass(&mut live, 2);
        pass(&mut live, 3);
        assert_eq!(live.waiting.len(), 2);
        fs::remove_file(&root).and_then(|()| fs::rename(&aside, &root)).expect("it is moved back");
        pass(&mut live, 4);
        assert_eq!((assets(), live.waiting.len()), (4, 0));
        live.finish().1.expect("nothing waits");
    }
}
