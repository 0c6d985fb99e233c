//! What is said and sent while a port is listened to.

use super::say;
use crate::reading::Follower;
use dissectors::Timestamp;
use fingerprints::finding::Severity;
use fingerprints::record::{FindingRow, Record};
use outputs::event::Moments;
use outputs::webhook::WebhookSink;
use outputs::{OutputError, Sink, rfc3339};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Moments are so far apart at least.
const BETWEEN: Duration = Duration::from_millis(20);
/// Of a core that listens, what is so takes one part in so many to find out.
const SHARE: u32 = 8;
/// As many findings are said in a minute; the page at the end has the worst of all.
const MOST_SAID: usize = 20;
/// Less severe findings are not said one by one.
const WORTH_SAYING: Severity = Severity::Medium;

/// Follows a reading: says findings as they come up, and hands them and the assets to webhooks.
pub(super) struct Live {
    moments: Moments,
    sink: Option<WebhookSink>,
    /// Why webhooks can be told no more.
    failure: Option<OutputError>,
    next: Instant,
    is_quiet: bool,
    /// Findings that were said.
    said: BTreeSet<String>,
    /// How many were said in the minute that began then, and how many not.
    minute: (Timestamp, usize, usize),
}

impl Live {
    pub(super) fn new(sink: Option<WebhookSink>, is_quiet: bool) -> Self {
        Self {
            moments: Moments::default(),
            sink,
            failure: None,
            next: Instant::now(),
            is_quiet,
            said: BTreeSet::new(),
            minute: (Timestamp::MIN, 0, 0),
        }
    }

    /// Whether everything could be handed to webhooks.
    pub(super) fn finish(self) -> Result<(), OutputError> {
        self.failure.map_or(Ok(()), Err)
    }

    fn tell(&mut self, news: &[&Record]) -> Result<(), OutputError> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        news.iter().try_for_each(|record| sink.record(record))?;
        Ok(sink.commit()?)
    }

    /// Says a finding in a line, if it is open and was not said before.
    fn mention(&mut self, finding: &FindingRow, now: Timestamp) {
        let is_worth_it = Severity::named(&finding.severity).is_some_and(|severity| severity >= WORTH_SAYING);
        if self.is_quiet || !is_worth_it || finding.status != "open" || !self.said.insert(finding.finding_id.clone()) {
            return;
        }
        let (begun, said, unsaid) = self.minute;
        if now.since(begun) >= Duration::from_mins(1) {
            if unsaid > 0 {
                say(&format!("{unsaid} more findings in the last minute"));
            }
            self.minute = (now, 0, 0);
        } else if said >= MOST_SAID {
            self.minute.2 += 1;
            return;
        }
        self.minute.1 += 1;
        let time = rfc3339(finding.first_seen);
        let time = time.get(11..19).unwrap_or(&time);
        say(&format!("{time} {} {}", finding.severity, finding.title));
    }
}

impl Follower for Live {
    fn follow(&mut self, now: Timestamp, rows: &dyn Fn() -> Vec<Record>) -> bool {
        let begun = Instant::now();
        if begun < self.next {
            return false;
        }
        let rows = rows();
        let news = self.moments.news(&rows, now);
        for record in &news {
            if let Record::Findings(finding) = record {
                self.mention(finding, now);
            }
        }
        if self.failure.is_none()
            && let Err(failure) = self.tell(&news)
        {
            self.failure = Some(failure);
        }
        self.next = begun + (begun.elapsed() * SHARE).max(BETWEEN);
        true
    }
}
