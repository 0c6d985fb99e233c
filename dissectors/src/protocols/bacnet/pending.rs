//! Confirmed requests that wait for their answer.

use super::apdu::Segment;
use super::command::Errand;
use super::file::Part;
use super::service;
use crate::dissector::{Direction, Side};
use crate::login::Login;
use crate::observation::{Child, Operation, Outcome};
use crate::out::{Count, Mark, Out};
use crate::pending::{Command, Pending, Request, Waiting};
use crate::time::Timestamp;
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::time::Duration;

/// What request and answer have in common (clause 5.4): who asks whom, and the number that the asker gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) asker: Side,
    pub(super) invoke: u8,
    /// The station behind the asker's side.
    pub(super) client: Option<Child>,
    /// The station behind the other side.
    pub(super) server: Option<Child>,
}

/// A confirmed request, as far as its answer needs it.
pub(super) struct Asked {
    pub(super) key: Key,
    pub(super) service: u8,
    /// Of service and parameters: the same request sent again has the same.
    digest: u64,
    /// In a box: most only ask.
    pub(super) errand: Option<Box<Errand>>,
    /// Whether the first segment of its answer has come.
    is_answered: bool,
}

/// What a segment of an answer is to its request.
pub(super) enum Answered {
    /// It is the first sign of an answer; to which request, if that was seen.
    Now(Option<Waiting<Asked>>),
    /// It continues an answer.
    Before,
    /// It makes an answer whole that was begun before.
    Whole(Waiting<Asked>),
}

impl Pending<Asked> {
    /// A request was sent. When it is one that waits already, sent again, nothing changes.
    #[expect(clippy::inline_always, reason = "else a request goes through memory, in pieces and back as a whole")]
    #[inline(always)]
    pub(super) fn ask(&mut self, mut request: Asked, is_owed_an_answer: bool, out: &mut Out<'_>) {
        if let Some(at) = self.of(&request.key, out.place().time) {
            if self.get(at).is_some_and(|other| other.digest == request.digest && !other.is_answered) {
                return;
            }
            self.end(at, out);
        }
        if let Some(part) = request.errand.as_mut().and_then(|errand| errand.part.as_mut())
            && self.kept().saturating_add(part.kept()) > MOST_KEPT
        {
            part.forget_content();
        }
        self.push(request, is_owed_an_answer, out);
    }

    /// A segment of the request or of its answer came through.
    pub(super) fn keep(&mut self, key: &Key, now: Timestamp) {
        if let Some(at) = self.of(key, now) {
            self.hear(at, now);
        }
    }

    /// All segments of a request have come: what it is to bring about is known better than by the first.
    pub(super) fn complete(&mut self, key: &Key, errand: Option<Box<Errand>>, now: Timestamp) {
        let at = self.of(key, now);
        if let Some(asked) = at.and_then(|at| self.get_mut(at)) {
            asked.errand = errand;
        }
    }

    /// An answer came, or a segment of one, which may make it whole. An answer to another service than the one asked for
    /// answers nothing.
    #[expect(clippy::inline_always, reason = "else a request goes through memory, in pieces and back as a whole")]
    #[inline(always)]
    pub(super) fn answer(
        &mut self,
        key: &Key,
        service: Option<u8>,
        (segment, is_complete): (Segment, bool),
        out: &mut Out<'_>,
    ) -> Answered {
        let fits = |asked: &Asked| asked.key == *key && service.is_none_or(|service| service == asked.service);
        let at = self.position(out.place().time, |waiting| fits(&waiting.request));
        let Some(mut waiting) = at.and_then(|at| self.take(at)) else {
            return if segment.is_first { Answered::Now(None) } else { Answered::Before };
        };
        let is_answered = waiting.request.is_answered;
        if !is_complete {
            self.push(waiting.request.begun(), false, out);
        }
        match (is_answered && segment != Segment::WHOLE, is_complete) {
            (false, _) => Answered::Now(Some(waiting)),
            (true, false) => Answered::Before,
            (true, true) => Answered::Whole(waiting),
        }
    }

    /// The asker wants no answer any more.
    pub(super) fn withdraw(&mut self, key: &Key, out: &mut Out<'_>) {
        if let Some(at) = self.of(key, out.place().time) {
            self.end(at, out);
        }
    }

    /// How much of what is written to files waits with the requests.
    fn kept(&self) -> usize {
        let parts = (0..).map_while(|at| self.get(at)).filter_map(|asked| asked.errand.as_ref()?.part.as_ref());
        parts.map(Part::kept).fold(0, usize::saturating_add)
    }

    #[inline]
    fn of(&self, key: &Key, now: Timestamp) -> Option<usize> {
        self.position(now, |waiting| waiting.request.key == *key)
    }

    fn end(&mut self, at: usize, out: &mut Out<'_>) {
        self.take(at).into_iter().for_each(|waiting| waiting.in_vain(out));
    }
}

impl Asked {
    #[expect(clippy::inline_always, reason = "else a request goes through memory, in pieces and back as a whole")]
    #[inline(always)]
    pub(super) fn new(key: Key, service: u8, parameters: &[u8], errand: Option<Box<Errand>>) -> Self {
        let digest = FixedState::default().hash_one((service, parameters));
        Self { key, service, digest, errand, is_answered: false }
    }

    /// What is kept until the answer is whole: the part of a file that it may hold.
    fn begun(&mut self) -> Self {
        let part = self.errand.as_mut().and_then(|errand| errand.part.take());
        let errand = part.map(|part| Box::new(Errand { part: Some(part), ..Errand::default() }));
        Self { key: self.key.clone(), errand, is_answered: true, ..*self }
    }
}

impl Request for Asked {
    /// A client waits 3 s by default, or 6 s by later editions, and asks three times more (12.11, `APDU_Timeout`). 10 s
    /// leave time for the answer to a request sent again, whichever the default, and tell of a dead device before the
    /// last try has ended.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn count(&self) -> Count {
        Count {
            sender: self.key.asker,
            direction: Direction::Request,
            operation: Operation::Code(self.service.into()),
            child: self.key.server.clone(),
            mark: Mark::Plain,
            is_control: service::is_control(self.service),
        }
    }

    fn command(&self) -> Option<Command> {
        self.errand.as_ref()?.commands.first().cloned()
    }

    fn others(&self) -> &[Command] {
        self.errand.as_ref().and_then(|errand| errand.commands.get(1..)).unwrap_or_default()
    }

    fn login(&self) -> Option<Login> {
        let proof = self.errand.as_ref()?.guarded.as_ref()?.password.clone()?;
        Some(Login {
            server: self.key.asker.other(),
            child: self.key.server.clone(),
            scheme: "bacnet_password",
            username: None,
            realm: None,
            proof,
            encrypted: false,
        })
    }

    fn login_ending(&self) -> Option<Outcome> {
        self.errand.as_ref()?.guarded.as_ref()?.outcome
    }
}

/// As many bytes that are written to files wait in one conversation; whoever sends more at once gets no hash.
const MOST_KEPT: usize = 64 * 1024;
