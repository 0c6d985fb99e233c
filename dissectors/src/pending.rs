//! Requests that wait for their answers: kept, paired, given up and told in one place for every protocol.
//!
//! There are few of them, and they are bounded. They stand in the order in which they were heard of last, so the oldest is
//! the first whose patience ends, by packet time alone. What answers what is for the protocol to say.

use crate::dissector::Ending;
use crate::image::Image;
use crate::login::Login;
use crate::observation::{Category, Outcome, Place};
use crate::out::{Action, Count, Out, Words};
use crate::side::Side;
use crate::time::Timestamp;
use compact_str::CompactString;
use std::collections::VecDeque;
use std::time::Duration;

/// A request, as far as its answer or the want of one needs it.
pub(crate) trait Request {
    /// How long its answer may take.
    const PATIENCE: Duration;
    /// As many wait in all: 64 are more than a client asks at once of whom it hears nothing.
    const MOST: u8 = 64;

    /// As it was counted when it was sent.
    fn count(&self) -> Count;

    /// What it does, if it changes the process or the device.
    fn command(&self) -> Option<Command> {
        None
    }

    /// What it does besides, in the order of the message, if it does several things.
    fn others(&self) -> &[Command] {
        &[]
    }

    /// All that it does, by its place: the first is [`Request::command`].
    fn command_at(&self, at: usize) -> Option<Command> {
        match at.checked_sub(1) {
            None => self.command(),
            Some(other) => self.others().get(other).cloned(),
        }
    }

    /// What became of one of several commands, and why, where the answer says it of each.
    fn ending_at(&self, _at: usize) -> Option<(Outcome, Option<Words>)> {
        None
    }

    /// The host name that who asks gave itself.
    fn client_host(&self) -> Option<Box<str>> {
        None
    }

    /// What it transferred, if that is known.
    fn image(&self) -> Option<Image> {
        None
    }

    /// The user that who asks is logged in as.
    fn client_user(&self) -> Option<Box<str>> {
        None
    }

    /// The login that it bears: told with the outcome of the request.
    fn login(&self) -> Option<Login> {
        None
    }

    /// How that login ended, where the answer says it apart from the rest.
    fn login_ending(&self) -> Option<Outcome> {
        None
    }

    /// Logins that it makes by setting passwords, each with how it ended if not as the request did.
    fn sets(&self) -> Vec<(Login, Option<Outcome>)> {
        Vec::new()
    }
}

/// What a control request does, in the words of the operations table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) category: Category,
    /// On what, in the protocol's own terms.
    pub(crate) target: Words,
    /// The first value, if it fits a line.
    pub(crate) value: Option<Words>,
}

impl Command {
    /// In words already.
    pub(crate) fn in_words(category: Category, target: CompactString, value: Option<CompactString>) -> Self {
        Self { category, target: target.into(), value: value.map(Words::from) }
    }
}

/// The requests of a conversation that wait.
pub(crate) struct Pending<R> {
    /// Nearly always the only one: it stands here without an allocation. Without it there are no others.
    oldest: Option<Waiting<R>>,
    /// In a box, because few conversations have any.
    others: Option<Box<Others<R>>>,
    /// How many others there are, and where the first of them stands in the ring. Not in their box: so one more is put
    /// there, and one is asked whether there are any, without waiting for memory that is far.
    count: u8,
    first: u8,
}

/// The requests behind the oldest: the first few in a ring, more than anybody asks at once behind them.
struct Others<R> {
    ring: [Option<Waiting<R>>; RING],
    more: VecDeque<Waiting<R>>,
}

const RING: usize = 4;

impl<R> Default for Others<R> {
    fn default() -> Self {
        Self { ring: Default::default(), more: VecDeque::new() }
    }
}

/// A request that waits.
pub(crate) struct Waiting<R> {
    pub(crate) request: R,
    place: Place,
    /// When the last of its bytes, or of what keeps the exchange alive, was seen.
    heard: Timestamp,
    is_owed_an_answer: bool,
}

/// Where one of the ring stands, counted from the first.
fn place(first: usize, at: usize) -> usize {
    first.wrapping_add(at) % RING
}

impl<R> Default for Pending<R> {
    fn default() -> Self {
        Self { oldest: None, others: None, count: 0, first: 0 }
    }
}

impl<R: Request> Pending<R> {
    /// Where the oldest request stands that `is_it` accepts. One whose patience has ended is there no more.
    #[inline]
    pub(crate) fn position(&self, now: Timestamp, is_it: impl Fn(&Waiting<R>) -> bool) -> Option<usize> {
        let is_it = |waiting: &Waiting<R>| is_it(waiting) && !waiting.is_overdue(now);
        if self.oldest.as_ref().is_some_and(is_it) {
            return Some(0);
        }
        self.others().position(is_it).map(|other| other.saturating_add(1))
    }

    /// Where the latest request stands that `is_it` accepts.
    pub(crate) fn latest(&self, now: Timestamp, is_it: impl Fn(&Waiting<R>) -> bool) -> Option<usize> {
        let all = (0_usize..).zip(self.oldest.iter().chain(self.others()));
        all.filter(|(_, waiting)| is_it(waiting) && !waiting.is_overdue(now)).map(|(at, _)| at).last()
    }

    /// The request at a position.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&R> {
        let waiting = match at.checked_sub(1) {
            None => self.oldest.as_ref(),
            Some(other) => self.others().nth(other),
        };
        waiting.map(|waiting| &waiting.request)
    }

    /// The request at a position, to change.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut R> {
        let waiting = match at.checked_sub(1) {
            None => self.oldest.as_mut(),
            Some(other) => self.other_mut(other),
        };
        waiting.map(|waiting| &mut waiting.request)
    }

    /// Takes out the request at a position.
    #[inline]
    pub(crate) fn take(&mut self, at: usize) -> Option<Waiting<R>> {
        match at.checked_sub(1) {
            None => {
                let oldest = self.oldest.take();
                if self.count > 0 {
                    self.oldest = self.take_other(0);
                }
                oldest
            }
            Some(other) => self.take_other(other),
        }
    }

    #[cold]
    fn take_other(&mut self, at: usize) -> Option<Waiting<R>> {
        let (count, first) = (usize::from(self.count), usize::from(self.first));
        let Others { ring, more } = self.others.as_deref_mut().filter(|_| at < count)?;
        self.count = self.count.saturating_sub(1);
        let Some(behind) = at.checked_sub(RING) else {
            let taken = ring.get_mut(place(first, at))?.take();
            // Those before it move up, for nearly always there are none; a place is free behind all then.
            for at in (0..at).rev() {
                let moved = ring.get_mut(place(first, at))?.take();
                *ring.get_mut(place(first, at.saturating_add(1)))? = moved;
            }
            *ring.get_mut(first)? = if count > RING { more.pop_front() } else { None };
            self.first = u8::try_from(place(first, 1)).unwrap_or(0);
            return taken;
        };
        more.remove(behind)
    }

    /// One of those behind the oldest.
    fn other_mut(&mut self, at: usize) -> Option<&mut Waiting<R>> {
        let (count, first) = (usize::from(self.count), usize::from(self.first));
        let Others { ring, more } = self.others.as_deref_mut().filter(|_| at < count)?;
        match at.checked_sub(RING) {
            None => ring.get_mut(place(first, at))?.as_mut(),
            Some(behind) => more.get_mut(behind),
        }
    }

    /// Those behind the oldest, in their order.
    #[inline]
    fn others(&self) -> impl Iterator<Item = &Waiting<R>> {
        let others = if self.count > 0 { self.others.as_deref() } else { None };
        let first = usize::from(self.first);
        others.into_iter().flat_map(move |Others { ring, more }| {
            let ring = (0..RING).filter_map(move |at| ring.get(place(first, at))?.as_ref());
            ring.chain(more)
        })
    }

    /// A request was sent, in the message that `out` is for. Those whose patience has ended are given up first; when
    /// there are too many, so is the oldest.
    #[expect(
        clippy::inline_always,
        reason = "else a request goes through memory, in pieces and back as a whole: that stalls"
    )]
    #[inline(always)]
    pub(crate) fn push(&mut self, request: R, is_owed_an_answer: bool, out: &mut Out<'_>) {
        let place = out.place();
        self.give_up(place.time, out);
        if self.count >= R::MOST.saturating_sub(1) {
            self.give_up_oldest(out);
        }
        self.put(|| Waiting { request, place, heard: place.time, is_owed_an_answer });
    }

    /// The exchange at a position is alive.
    pub(crate) fn hear(&mut self, at: usize, now: Timestamp) {
        if let Some(waiting) = self.take(at) {
            self.put(|| Waiting { heard: now, ..waiting });
        }
    }

    /// The latest request is under way still.
    pub(crate) fn hear_latest(&mut self, now: Timestamp) {
        let latest = match usize::from(self.count).checked_sub(1) {
            None => self.oldest.as_mut(),
            Some(last) => self.other_mut(last),
        };
        if let Some(latest) = latest {
            latest.heard = now;
        }
    }

    /// Gives up the requests that have waited for too long.
    #[inline]
    pub(crate) fn give_up(&mut self, now: Timestamp, out: &mut Out<'_>) {
        if self.oldest.as_ref().is_some_and(|oldest| oldest.is_overdue(now)) {
            self.give_up_overdue(now, out);
        }
    }

    #[cold]
    fn give_up_overdue(&mut self, now: Timestamp, out: &mut Out<'_>) {
        while self.oldest.as_ref().is_some_and(|oldest| oldest.is_overdue(now)) {
            self.take(0).into_iter().for_each(|overdue| overdue.in_vain(out));
        }
    }

    /// Bytes of `server` were lost: nobody can say any more that it did not answer what was asked so far.
    pub(crate) fn excuse(&mut self, server: Side) {
        let others = self.others.iter_mut().flat_map(|others| {
            let Others { ring, more } = &mut **others;
            ring.iter_mut().flatten().chain(more)
        });
        let all = self.oldest.iter_mut().chain(others);
        for waiting in all.filter(|waiting| waiting.request.count().sender != server) {
            waiting.is_owed_an_answer = false;
        }
    }

    /// No more messages come.
    pub(crate) fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        while let Some(waiting) = self.take(0) {
            match ending {
                Ending::Closed => waiting.in_vain(out),
                Ending::Unseen => waiting.act(Outcome::Unknown, out),
            }
        }
    }

    #[cold]
    fn give_up_oldest(&mut self, out: &mut Out<'_>) {
        self.take(0).into_iter().for_each(|oldest| oldest.in_vain(out));
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn put(&mut self, waiting: impl FnOnce() -> Waiting<R>) {
        // Each is made where it is going to stand.
        if self.oldest.is_none() {
            self.oldest = Some(waiting());
        } else {
            self.put_behind(waiting());
        }
    }

    #[cold]
    fn put_behind(&mut self, waiting: Waiting<R>) {
        let (count, first) = (usize::from(self.count), usize::from(self.first));
        let Others { ring, more } = &mut **self.others.get_or_insert_default();
        self.count = self.count.saturating_add(1);
        match ring.get_mut(place(first, count)).filter(|_| count < RING) {
            Some(free) => *free = Some(waiting),
            None => more.push_back(waiting),
        }
    }
}

impl<R: Request> Waiting<R> {
    /// A request that waited in another conversation, at the place of its answer: what is told of it is shown in this one.
    pub(crate) fn from_elsewhere(request: R, out: &Out<'_>) -> Self {
        let place = out.place();
        Self { request, place, heard: place.time, is_owed_an_answer: false }
    }

    /// Whether its answer would have been seen.
    pub(crate) fn is_owed_an_answer(&self) -> bool {
        self.is_owed_an_answer
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// It was answered.
    #[inline]
    pub(crate) fn answered(&self, outcome: Outcome, out: &mut Out<'_>) {
        self.act(outcome, out);
    }

    /// It was refused, and the answer says why.
    pub(crate) fn refused(&self, reason: Option<&Words>, out: &mut Out<'_>) {
        self.ended(|_| (Outcome::Rejected, reason.cloned()), out);
    }

    /// It was answered, and of each of the things that it does, counted from 0, the answer says what became of it.
    pub(crate) fn ended(&self, end: impl Fn(usize) -> (Outcome, Option<Words>), out: &mut Out<'_>) {
        if let Some(login) = self.request.login() {
            out.login(login, self.request.login_ending().unwrap_or_else(|| end(0).0), self.place);
        }
        for (login, ending) in self.request.sets() {
            out.login(login, ending.unwrap_or_else(|| end(0).0), self.place);
        }
        for at in 0_usize.. {
            let Some(command) = self.request.command_at(at) else { return };
            let (outcome, reason) = self.request.ending_at(at).unwrap_or_else(|| end(at));
            self.tell(command, outcome, reason, out);
        }
    }

    /// It waits no more, and no answer was seen.
    pub(crate) fn in_vain(&self, out: &mut Out<'_>) {
        if self.is_owed_an_answer {
            out.unanswered(self.request.count(), self.place);
            self.act(Outcome::Unanswered, out);
        } else {
            self.act(Outcome::Unknown, out);
        }
    }

    #[inline]
    fn act(&self, outcome: Outcome, out: &mut Out<'_>) {
        self.ended(|_| (outcome, None), out);
    }

    #[inline]
    fn tell(&self, command: Command, outcome: Outcome, reason: Option<Words>, out: &mut Out<'_>) {
        let Command { category, target, value } = command;
        let Count { sender, child, operation, .. } = self.request.count();
        let (client_host, client_user) = (self.request.client_host(), self.request.client_user());
        let place = self.place;
        out.act(Action {
            sender,
            client_host,
            client_user,
            child,
            operation,
            category,
            target,
            value,
            outcome,
            reason,
            image: self.request.image().map(Box::new),
            place,
        });
    }

    #[inline]
    fn is_overdue(&self, now: Timestamp) -> bool {
        now >= self.heard.after(R::PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Address, Context, Host, Operation, Transport};
    use crate::out::{Mark, Scene, Tallies, Told};
    use crate::side::{Direction, Sides};
    use proptest::prelude::*;

    #[derive(Clone, Copy)]
    struct Question(u32, Side);

    impl Request for Question {
        const PATIENCE: Duration = Duration::from_secs(5);

        fn count(&self) -> Count {
            Count {
                sender: self.1,
                direction: Direction::Request,
                operation: Operation::Code(self.0),
                child: None,
                mark: Mark::Plain,
                is_control: false,
            }
        }

        fn command(&self) -> Option<Command> {
            let command = |target| Command { category: Category::Write, target, value: None };
            (self.0 >= 100).then(|| command(Words::from("it")))
        }
    }

    #[derive(Default)]
    struct Story(Vec<String>);

    impl Tallies for Story {
        fn serves(&mut self, _server: Side) {}

        fn count(&mut self, count: &Count, place: &Place) {
            self.0.push(format!("{} {:?} since {}", count.operation, count.mark, place.time.nanos() / 1_000_000_000));
        }

        fn act(&mut self, action: Action) {
            self.0.push(format!("{} {}", action.operation, action.outcome.name()));
        }
    }

    /// Does something at a second; what was told.
    fn at(second: i64, act: impl FnOnce(&mut Out<'_>)) -> Vec<String> {
        let host = Host { context: Context::default(), address: Address::default() };
        let (hosts, group) = (Sides::new(host, host), Sides::default());
        let scene = Scene { hosts, ports: Sides::default(), group, transport: Transport::Tcp, protocol: "test" };
        let place = Place { time: Timestamp::from_micros(second * 1_000_000), capture: 0, frame: None };
        let (mut told, mut story) = (Told::new(1), Story::default());
        act(&mut Out::new(&mut told, &scene, Side::A, place));
        told.commit(&mut story);
        story.0
    }

    fn asked(questions: &[(i64, u32)]) -> Pending<Question> {
        let mut pending = Pending::default();
        for (second, number) in questions {
            at(*second, |out| pending.push(Question(*number, Side::A), true, out));
        }
        pending
    }

    fn numbers(pending: &Pending<Question>) -> Vec<u32> {
        (0..).map_while(|at| pending.get(at)).map(|question| question.0).collect()
    }

    #[test]
    fn requests_are_taken_from_any_position_and_stay_in_order() {
        for (at, left) in [(0, [2, 3]), (1, [1, 3]), (2, [1, 2])] {
            let mut pending = asked(&[(0, 1), (0, 2), (0, 3)]);
            assert_eq!(pending.take(at).map(|waiting| waiting.request.0 as usize), Some(at + 1));
            assert_eq!(numbers(&pending), left);
        }
        assert!(asked(&[]).take(0).is_none() && asked(&[(0, 1)]).take(1).is_none());
    }

    proptest! {
        /// Whatever comes and goes, and from wherever: those that wait stay in the order in which they were heard of.
        #[test]
        fn those_that_wait_are_a_queue(acts in prop::collection::vec((0_u8..4, 0_usize..12), 0..80)) {
            let (mut pending, mut queue) = (Pending::default(), Vec::new());
            for (number, (act, place)) in (0..).zip(acts) {
                match act {
                    0 | 1 => {
                        at(0, |out| pending.push(Question(number, Side::A), true, out));
                        queue.push(number);
                    }
                    2 => {
                        let taken = (place < queue.len()).then(|| queue.remove(place));
                        prop_assert_eq!(pending.take(place).map(|waiting| waiting.request.0), taken);
                    }
                    _ => {
                        pending.hear(place, Timestamp::default());
                        if place < queue.len() {
                            queue[place..].rotate_left(1);
                        }
                    }
                }
                if queue.len() > 64 {
                    queue.remove(0);
                }
                prop_assert_eq!(&numbers(&pending), &queue);
                let last = queue.len().checked_sub(1);
                prop_assert_eq!(pending.latest(Timestamp::default(), |_| true), last);
                let middle = queue.get(queue.len() / 2).copied();
                prop_assert_eq!(pending.get_mut(queue.len() / 2).map(|question| question.0), middle);
            }
        }
    }

    #[test]
    fn patience_ends_by_the_time_of_the_next_message() {
        let mut pending = asked(&[(0, 100), (1, 2)]);
        let now = |second: i64| Timestamp::from_micros(second * 1_000_000);
        assert_eq!(pending.position(now(4), |_| true), Some(0));
        assert_eq!(pending.position(now(5), |_| true), Some(1), "the first is there no more");
        let told = at(5, |out| pending.push(Question(3, Side::A), true, out));
        assert_eq!(told, ["100 Unanswered since 0", "100 unanswered"]);
        assert_eq!(numbers(&pending), [2, 3]);
    }

    #[test]
    fn who_is_heard_of_waits_on() {
        let mut pending = asked(&[(0, 1), (1, 2)]);
        pending.hear(0, Timestamp::from_micros(4_000_000));
        assert_eq!(at(7, |out| pending.give_up(out.place().time, out)), ["2 Unanswered since 1"]);
        assert_eq!(at(9, |out| pending.give_up(out.place().time, out)), ["1 Unanswered since 0"]);
    }

    #[test]
    fn an_answer_that_may_be_lost_is_not_missing() {
        let mut pending = asked(&[(0, 1), (0, 100)]);
        at(0, |out| pending.push(Question(101, Side::B), true, out));
        pending.excuse(Side::B);
        let told = at(9, |out| pending.give_up(out.place().time, out));
        assert_eq!(told, ["101 Unanswered since 0", "100 unknown", "101 unanswered"]);
    }

    #[test]
    fn the_end_tells_what_is_known() {
        let closed = at(1, |out| asked(&[(0, 1), (0, 100)]).finish(Ending::Closed, out));
        assert_eq!(closed, ["1 Unanswered since 0", "100 Unanswered since 0", "100 unanswered"]);
        let unseen = at(1, |out| asked(&[(0, 1), (0, 100)]).finish(Ending::Unseen, out));
        assert_eq!(unseen, ["100 unknown"]);
    }

    #[test]
    fn no_more_than_64_wait() {
        let mut pending = asked(&(0..64).map(|number| (0, number)).collect::<Vec<_>>());
        assert_eq!(at(1, |out| pending.push(Question(64, Side::A), true, out)), ["0 Unanswered since 0"]);
        assert_eq!(numbers(&pending).len(), 64);
    }
}
