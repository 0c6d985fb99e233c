//! Where a dissector tells what it saw.
//!
//! What is new becomes an [`Observation`]; what is not new is counted. All of it is journalled and takes effect when
//! the message is whole: the loop commits after `Ok` and rolls back after a `Stop`.

use crate::bounded::Bounded;
use crate::certificate::Certificate;
use crate::expected::{Announced, Expectations, Expected};
use crate::field::Field;
use crate::image::Image;
use crate::login::{Heard, Laxity, Login, Logins, News};
use crate::note::{Name, Note, Notes};
use crate::observation::{
    Binding, Category, Channel, Child, ChildProof, Credential, Evidence, Fact, FlowId, Host, Lax, Mac, Observation,
    Operation, Outcome, Place, Subject, Transport, Value,
};
use crate::side::{Direction, Side, Sides};
use crate::time::Timestamp;
use compact_str::{CompactString, ToCompactString};
use foldhash::fast::RandomState;
use std::any::Any;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

/// Who talks to whom: what is the same for all messages of a flow. In this order: every message asks for what stands
/// first, and only news for the hosts.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Scene {
    /// What carries the messages.
    pub transport: Transport,
    /// Whether an end is a group address (by its IP or its MAC), which is no device.
    pub group: Sides<bool>,
    /// The ends' ports; 0 where there are none, the EtherType of frames without IP.
    pub ports: Sides<u16>,
    /// The protocol's name.
    pub protocol: &'static str,
    /// The two ends.
    pub hosts: Sides<Host>,
}

/// Whom something is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whom {
    /// The device on a side of the flow.
    End(Side),
    /// A host that is no end of the flow, for which one of them speaks, and the port of its service.
    Elsewhere(Host, u16),
}

impl From<Side> for Whom {
    fn from(side: Side) -> Self {
        Self::End(side)
    }
}

/// Messages of one operation to add to a flow's counters.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// Who sent the message (of an unanswered request: who asked).
    pub sender: Side,
    /// Request or response.
    pub direction: Direction,
    /// Which operation.
    pub operation: Operation,
    /// Which child is spoken to or speaks.
    pub child: Option<Child>,
    /// What kind of message it was.
    pub mark: Mark,
    /// Whether the operation changes the process or the device.
    pub is_control: bool,
}

/// A count that is nothing but numbers: what is the same for most messages of most protocols costs a push of a few bytes
/// and one comparison.
#[derive(Clone, Copy, Debug)]
pub struct PackedCount {
    /// Sender, direction, operation, child and whether it controls: exact, not a hash.
    pub key: u64,
    /// As in [`Count`].
    pub mark: Mark,
}

impl Count {
    /// A message that speaks for the host itself and changes nothing.
    #[inline]
    pub fn of(sender: Side, direction: Direction, operation: Operation, mark: Mark) -> Self {
        Self { sender, direction, operation, child: None, mark, is_control: false }
    }

    /// The same in numbers, if it can be told in numbers.
    #[expect(clippy::inline_always, reason = "as where it is asked for")]
    #[inline(always)]
    pub fn packed(&self) -> Option<PackedCount> {
        let (kind, code) = match &self.operation {
            Operation::Code(code) => (0, *code),
            Operation::Kind(kind @ '\u{1}'..='\u{7f}', code) => (u32::from(*kind), *code),
            _ => return None,
        };
        let (has_child, child) = match &self.child {
            None => (0, 0),
            Some(Child::Number(number)) => (1, *number),
            Some(Child::Station { .. }) => return None,
        };
        if code >= PackedCount::CODES {
            return None;
        }
        let sender = u32::from(self.sender == Side::B);
        let direction = u32::from(self.direction == Direction::Response);
        let is_control = u32::from(self.is_control);
        let high = sender << 31 | direction << 30 | has_child << 29 | is_control << 28 | kind << 21 | code;
        let key = u64::from(high) << 32 | u64::from(child);
        (key != Counted::IN_WORDS).then_some(PackedCount { key, mark: self.mark })
    }
}

impl PackedCount {
    /// Codes below this have room.
    const CODES: u32 = 1 << 21;

    /// What was packed.
    pub fn count(&self) -> Count {
        let high = u32::try_from(self.key >> 32).unwrap_or_default();
        let child = u32::try_from(self.key & u64::from(u32::MAX)).unwrap_or_default();
        let code = high & Self::CODES.wrapping_sub(1);
        let operation = match char::from_u32(high >> 21 & 0x7f) {
            Some(kind) if kind != '\0' => Operation::Kind(kind, code),
            _ => Operation::Code(code),
        };
        Count {
            sender: if high >> 31 & 1 == 1 { Side::B } else { Side::A },
            direction: if high >> 30 & 1 == 1 { Direction::Response } else { Direction::Request },
            operation,
            child: (high >> 29 & 1 == 1).then_some(Child::Number(child)),
            mark: self.mark,
            is_control: high >> 28 & 1 == 1,
        }
    }
}

/// What is remarkable about a counted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An ordinary message.
    Plain,
    /// A response that refuses.
    Exception,
    /// A request, counted before, that found no answer.
    Unanswered,
}

/// A target or a value of an action. What two numbers say is put into words only when a row needs them: a master that
/// writes the same registers every second would have the same words made every second.
#[derive(Clone, Debug)]
pub enum Words {
    /// As they stand.
    Text(CompactString),
    /// Two numbers, and what they mean; within one operation of one protocol, the same numbers mean the same.
    Numbers([u32; 2], fn([u32; 2]) -> CompactString),
}

impl Words {
    /// A number that stands for itself.
    pub fn number(number: impl Into<u32>) -> Self {
        Self::Numbers([number.into(), 0], |[number, _]| number.to_compact_string())
    }

    /// As text.
    pub fn text(&self) -> CompactString {
        match self {
            Self::Text(text) => text.clone(),
            Self::Numbers(numbers, meaning) => meaning(*numbers),
        }
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl From<&'static str> for Words {
    fn from(text: &'static str) -> Self {
        Self::Text(CompactString::const_new(text))
    }
}

impl From<CompactString> for Words {
    fn from(text: CompactString) -> Self {
        Self::Text(text)
    }
}

/// A control action, told when its outcome is known.
#[derive(Clone, Debug)]
pub struct Action {
    /// Who acts.
    pub sender: Side,
    /// The host name that the client gave itself.
    pub client_host: Option<Box<str>>,
    /// The user that it was logged in as.
    pub client_user: Option<Box<str>>,
    /// On which child.
    pub child: Option<Child>,
    /// Which operation.
    pub operation: Operation,
    /// What it does.
    pub category: Category,
    /// On what, in the protocol's own terms.
    pub target: Words,
    /// The first value, if it fits a line.
    pub value: Option<Words>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused, where the answer says so.
    pub reason: Option<Words>,
    /// What was transferred, if anything was. In a box, because nearly nothing is.
    pub image: Option<Box<Image>>,
    /// Where the request stands.
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum About {
    Attribute(&'static str),
    Numbered(&'static str, u32),
    Code(&'static str, u32),
    Binding(Mac, Binding),
    Child(ChildProof),
    /// The front of its hash.
    Certificate(u64),
    /// A hash of the client.
    Channel(u64),
    Lax(Laxity, &'static str),
}

struct Known {
    subject: Subject,
    port: u16,
    about: About,
    field: Option<&'static Field>,
    /// Hashes of the latest value and of those before it.
    values: [u64; Known::VALUES],
    /// When it was told last.
    told: Timestamp,
    /// The latest repeat that is not told yet, and how many there were.
    repeated: Option<(Evidence, u64)>,
}

impl Known {
    const VALUES: usize = 4;
    /// A value that was told before is told again as a change at most this often: two servers behind one address
    /// flap with every message.
    const FLAP: Duration = Duration::from_mins(1);

    fn key(&self) -> Key<'_> {
        Key { subject: &self.subject, port: self.port, about: self.about }
    }

    fn change(&mut self, value: u64, at: Timestamp) {
        self.values.rotate_right(1);
        if let Some(latest) = self.values.first_mut() {
            *latest = value;
        }
        self.told = at;
    }

    /// What was told again since the last call.
    fn repeats(&mut self) -> Option<Observation> {
        let field = self.field?;
        let (evidence, count) = self.repeated.take()?;
        let code = if let About::Code(_, code) = self.about { Some(code) } else { None };
        let fact = Fact::Again { field, code, count };
        Some(Observation { time: evidence.time, subject: self.subject.clone(), fact, evidence })
    }
}

enum Entry {
    Observation(Observation),
    Fresh(Known),
    Changed { slot: u32, value: u64, at: Timestamp },
    Repeated { slot: u32, evidence: Evidence },
    Flapped { slot: u32 },
    Expected(Announced),
    FreshLogin(Box<Heard>),
    RenewedLogin { slot: u32, evidence: Evidence },
    RepeatedLogin { slot: u32, evidence: Evidence },
    Note(Note),
}

/// A message to count when it is whole.
#[derive(Clone, Copy)]
struct Counted {
    /// As in [`PackedCount`], or [`Counted::IN_WORDS`] for each that stands in `wordy_counts`.
    key: u64,
    mark: Mark,
}

impl Counted {
    const IN_WORDS: u64 = u64::MAX;
}

/// What the lane keeps for its dissectors: what is known already, and what was told but not taken yet. What every message
/// touches stands first.
#[repr(C)]
pub struct Told {
    /// The frame in which the message was whole, and its time.
    place: Place,
    server: Option<Side>,
    /// By how much what dissectors hold back has grown.
    growth: i32,
    /// What the message counts, in order.
    counts: Vec<Counted>,
    actions: Vec<Action>,
    journal: Vec<Entry>,
    ready: Vec<Observation>,
    wordy_counts: Vec<Count>,
    /// Where the unanswered requests among them stand; all others stand where the message does.
    elsewhere: Vec<Place>,
    newcomers: Vec<Known>,
    known: Bounded<Known>,
    expectations: Expectations,
    /// Seeded at random, so that nobody can make all keys collide; what is told, and in which order, does not depend on it.
    hasher: RandomState,
    flaps: u64,
    /// Nearly no lane hears any.
    logins: Option<Box<Logins>>,
    most_logins: usize,
    /// Nearly no lane has any.
    notes: Option<Box<Notes>>,
    losses: Losses,
    /// Bytes that dissectors keep of messages that are not whole yet.
    held: usize,
}

/// What of messages that come in segments could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Segments that never came.
    pub segments: u64,
    /// Messages that were longer, or more at a time, than are put together.
    pub messages_over_cap: u64,
}

impl Told {
    /// As many logins are remembered however small the lane is.
    const FEWEST_LOGINS: usize = 16;

    /// Knows nothing yet, and remembers at most `cap` properties; what is forgotten is told again when it is seen.
    pub fn new(cap: usize) -> Self {
        Self {
            known: Bounded::new(cap, cap),
            expectations: Expectations::new(),
            hasher: RandomState::default(),
            flaps: 0,
            logins: None,
            most_logins: cap.div_ceil(8).max(Self::FEWEST_LOGINS),
            notes: None,
            place: Place::default(),
            journal: Vec::new(),
            newcomers: Vec::new(),
            counts: Vec::new(),
            wordy_counts: Vec::new(),
            elsewhere: Vec::new(),
            actions: Vec::new(),
            server: None,
            growth: 0,
            ready: Vec::new(),
            losses: Losses::default(),
            held: 0,
        }
    }

    /// The message is whole: what it told takes effect. What concerns the flow alone goes to `flow`.
    #[expect(clippy::inline_always, reason = "nearly all messages are counted, and tell no more")]
    #[inline(always)]
    pub fn commit(&mut self, flow: &mut impl Tallies) {
        let tells = self.server.is_some() | !self.actions.is_empty() | !self.journal.is_empty();
        if !tells
            && let [Counted { key, mark }] = *self.counts
            && key != Counted::IN_WORDS
            && mark != Mark::Unanswered
        {
            self.counts.clear();
            flow.count_packed(PackedCount { key, mark }, &self.place);
        } else if tells || !self.counts.is_empty() {
            self.commit_all(flow);
        }
    }

    #[inline(never)]
    fn commit_all(&mut self, flow: &mut impl Tallies) {
        if let Some(server) = self.server.take() {
            flow.serves(server);
        }
        if self.wordy_counts.is_empty() && self.elsewhere.is_empty() {
            for Counted { key, mark } in self.counts.drain(..) {
                flow.count_packed(PackedCount { key, mark }, &self.place);
            }
        } else {
            self.commit_counts(flow);
        }
        if !self.actions.is_empty() {
            self.actions.drain(..).for_each(|action| flow.act(action));
        }
        if !self.journal.is_empty() {
            self.settle();
        }
    }

    fn commit_counts(&mut self, flow: &mut impl Tallies) {
        let place = &self.place;
        let (mut wordy, mut elsewhere) = (self.wordy_counts.iter(), self.elsewhere.iter());
        for Counted { key, mark } in self.counts.drain(..) {
            let place = if mark == Mark::Unanswered { elsewhere.next().unwrap_or(place) } else { place };
            match key {
                Counted::IN_WORDS => wordy.next().into_iter().for_each(|count| flow.count(count, place)),
                key => flow.count_packed(PackedCount { key, mark }, place),
            }
        }
        self.wordy_counts.clear();
        self.elsewhere.clear();
    }

    /// The message stopped short: nothing of it was said.
    #[inline]
    pub fn roll_back(&mut self) {
        self.elsewhere.clear();
        self.server = None;
        self.counts.clear();
        self.wordy_counts.clear();
        self.actions.clear();
        self.journal.clear();
    }

    /// Takes the observations that have taken effect since the last call.
    pub fn ready(&mut self) -> &mut Vec<Observation> {
        &mut self.ready
    }

    /// Tells how often known properties were told again since the last call.
    pub fn tell_repeats(&mut self) {
        self.ready.extend(self.known.iter_mut().filter_map(Known::repeats));
        if let Some(logins) = &mut self.logins {
            self.ready.extend(logins.repeats());
        }
    }

    /// By how many bytes what dissectors hold back has grown since the last call.
    #[inline]
    pub fn take_held(&mut self) -> i32 {
        std::mem::take(&mut self.growth)
    }

    /// How often a value was told that another has replaced within the last minute.
    pub fn flaps(&self) -> u64 {
        self.flaps
    }

    /// What of messages in segments could not be read so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// How many bytes dissectors keep of messages that are not whole yet.
    #[cfg(test)]
    pub(crate) fn keeps(&self) -> usize {
        self.held
    }

    /// How many properties were forgotten because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.known.evicted().saturating_add(self.logins.as_ref().map_or(0, |logins| logins.forgotten()))
    }

    /// What a conversation that begins was announced to speak, and which side serves it.
    #[inline]
    pub fn expected(&mut self, scene: impl FnOnce() -> Scene) -> Option<(&'static str, Side)> {
        if self.expectations.is_empty() {
            return None;
        }
        let scene = scene();
        self.expectations.find(scene.transport, &scene.hosts, scene.ports, &self.hasher)
    }

    /// How many announced conversations, and notes for others, were forgotten because there were too many.
    pub fn expected_forgotten(&self) -> u64 {
        self.expectations.forgotten().saturating_add(self.notes.as_ref().map_or(0, |notes| notes.forgotten()))
    }

    /// Puts the journal into effect. Slots named by the journal hold only until something is inserted: newcomers last.
    fn settle(&mut self) {
        let mut newcomers = std::mem::take(&mut self.newcomers);
        let mut fresh_logins = Vec::new();
        for entry in self.journal.drain(..) {
            match entry {
                Entry::Observation(observation) => self.ready.push(observation),
                Entry::Fresh(newcomer) => newcomers.push(newcomer),
                Entry::Changed { slot, value, at } => {
                    if let Some(known) = self.known.touch(slot, |_| 2) {
                        self.ready.extend(known.repeats());
                        known.change(value, at);
                    }
                }
                Entry::Repeated { slot, evidence } => {
                    if let Some(known) = self.known.touch(slot, |_| 1) {
                        let before = known.repeated.map_or(0, |(_, count)| count);
                        known.repeated = Some((evidence, before.saturating_add(1)));
                    }
                }
                Entry::Expected(announced) => self.expectations.add(announced, &self.hasher),
                Entry::Flapped { slot } => {
                    self.known.touch(slot, |_| 1);
                    self.flaps = self.flaps.saturating_add(1);
                }
                Entry::FreshLogin(heard) => fresh_logins.push(heard),
                Entry::RenewedLogin { slot, evidence } => {
                    self.logins.iter_mut().for_each(|logins| logins.renew(slot, evidence, &mut self.ready));
                }
                Entry::RepeatedLogin { slot, evidence } => {
                    self.logins.iter_mut().for_each(|logins| logins.repeat(slot, evidence));
                }
                Entry::Note(note) => {
                    self.notes.get_or_insert_with(|| Box::new(Notes::new())).leave(note, &self.hasher);
                }
            }
        }
        if let Some(logins) = &mut self.logins {
            for heard in fresh_logins {
                logins.remember(*heard, &mut self.ready);
            }
        }
        for known in newcomers.drain(..) {
            self.remember(known);
        }
        self.newcomers = newcomers;
    }

    fn remember(&mut self, newcomer: Known) {
        let hash = self.hasher.hash_one(newcomer.key());
        if self.known.find(hash, |known| known.key() == newcomer.key()).is_some() {
            return;
        }
        let (_, evicted) = self.known.insert(hash, newcomer);
        self.ready.extend(evicted.and_then(|mut old| old.repeats()));
    }
}

/// What a flow keeps of its messages.
pub trait Tallies {
    /// The messages say which side serves.
    fn serves(&mut self, server: Side);
    /// A message to count.
    fn count(&mut self, count: &Count, place: &Place);
    /// A message to count, in numbers.
    #[inline]
    fn count_packed(&mut self, count: PackedCount, place: &Place) {
        self.count(&count.count(), place);
    }
    /// A control action to keep.
    fn act(&mut self, action: Action);
}

/// Where a dissector tells, for the length of one message.
pub struct Out<'a> {
    told: &'a mut Told,
    scene: &'a Scene,
    sender: Side,
}

impl<'a> Out<'a> {
    /// A place to tell of a message that `sender` completed in the frame at `place`.
    pub fn new(told: &'a mut Told, scene: &'a Scene, sender: Side, place: Place) -> Self {
        told.place = place;
        Self { told, scene, sender }
    }

    /// The frame in which the message was whole, and its time.
    pub fn place(&self) -> Place {
        self.told.place
    }

    /// The host on a side.
    pub fn host(&self, side: Side) -> Host {
        *self.scene.hosts.of(side)
    }

    /// What carries the message.
    pub fn transport(&self) -> Transport {
        self.scene.transport
    }

    /// The port on a side.
    pub fn port(&self, side: Side) -> u16 {
        *self.scene.ports.of(side)
    }

    /// Whether a side is a group address: nobody there owes an answer.
    pub fn is_group(&self, side: Side) -> bool {
        *self.scene.group.of(side)
    }

    /// The messages say that this side serves. To be called before anything is told of the client, which comes from
    /// another port each time.
    pub fn server(&mut self, side: Side) {
        self.told.server = Some(side);
    }

    /// One more message. Costs a push; builds nothing.
    #[expect(clippy::inline_always, reason = "of a count made of numbers nothing remains but the numbers")]
    #[inline(always)]
    pub fn count(&mut self, count: Count) {
        let (key, mark) = (count.packed().map_or(Counted::IN_WORDS, |packed| packed.key), count.mark);
        self.told.counts.push(Counted { key, mark });
        if key == Counted::IN_WORDS {
            self.told.wordy_counts.push(count);
        } else {
            // What is made of numbers owns nothing, which the compiler cannot know: it need not ask what there is to drop.
            std::mem::forget(count);
        }
    }

    /// All that this message has counted so far is of a protocol that the conversation's own one carries.
    #[cold]
    pub(crate) fn counts_are_within(&mut self, protocol: &'static str) {
        let counts = std::mem::take(&mut self.told.counts);
        let mut wordy = std::mem::take(&mut self.told.wordy_counts).into_iter();
        for Counted { key, mark } in counts {
            let count = if key == Counted::IN_WORDS { wordy.next() } else { Some(PackedCount { key, mark }.count()) };
            let Some(count) = count else { return };
            let operation = match count.operation {
                Operation::Verb(verb) => Operation::VerbWithin(protocol, verb),
                other => Operation::word_within(protocol, other.to_compact_string().as_bytes()),
            };
            self.count(Count { operation, ..count });
        }
    }

    /// A request, counted before at `place`, found no answer.
    #[cold]
    pub fn unanswered(&mut self, count: Count, place: Place) {
        self.count(Count { mark: Mark::Unanswered, ..count });
        self.told.elsewhere.push(place);
    }

    /// Asks for room for bytes of a message that comes in segments: `false` where all conversations together keep too many.
    /// To be called when nothing can stop the message any more.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let held = self.told.held.saturating_add(bytes);
        let has_room = held <= MOST_HELD;
        if has_room {
            self.told.held = held;
        }
        has_room
    }

    /// Gives back room that was asked for.
    pub fn release(&mut self, bytes: usize) {
        self.told.held = self.told.held.saturating_sub(bytes);
    }

    /// Segments of a message never came. To be called when nothing can stop the message any more.
    #[cold]
    pub fn lack_segments(&mut self, segments: u64) {
        self.told.losses.segments = self.told.losses.segments.saturating_add(segments);
    }

    /// A message in segments is not put together, because it or all of them are too much. To be called likewise.
    #[cold]
    pub fn refuse_segmented(&mut self) {
        self.told.losses.messages_over_cap = self.told.losses.messages_over_cap.saturating_add(1);
    }

    /// Another conversation between the two hosts will speak this: of little structure, so that nobody would know.
    pub fn expect(&mut self, expected: Expected) {
        self.told.journal.push(Entry::Expected(Announced::new(expected, &self.scene.hosts)));
    }

    /// Leaves a note for other conversations of the two hosts: by this key they find it. One of the same key is replaced.
    #[cold]
    pub(crate) fn leave<T: Any + Send>(&mut self, server: Side, topic: &'static str, key: &[u8], content: T) {
        let name = self.name_of(server, topic, key);
        self.told.journal.push(Entry::Note(Note { name, content: Box::new(content) }));
    }

    /// A note that another conversation left.
    pub(crate) fn note<T: Any>(&self, server: Side, topic: &'static str, key: &[u8]) -> Option<&T> {
        let notes = self.told.notes.as_ref()?;
        notes.read(&self.name_of(server, topic, key), &self.told.hasher)?.downcast_ref()
    }

    /// Takes such a note away. To be called when nothing can stop the message any more.
    pub(crate) fn take_note<T: Any>(&mut self, server: Side, topic: &'static str, key: &[u8]) -> Option<T> {
        let name = self.name_of(server, topic, key);
        let content = self.told.notes.as_mut()?.take(&name, &self.told.hasher)?;
        content.downcast().ok().map(|content| *content)
    }

    fn name_of(&self, server: Side, topic: &'static str, key: &[u8]) -> Name {
        let [server, client] = [self.host(server), self.host(server.other())];
        Name { server, client, topic, key: key.into() }
    }

    /// The dissector holds back so many bytes more than before, or fewer: the lane's budget is charged with them, and
    /// [`Dissector::let_go`](crate::Dissector::let_go) is asked for when it is spent.
    pub fn hold_back(&mut self, bytes: i32) {
        self.told.growth = self.told.growth.saturating_add(bytes);
    }

    /// A control action whose outcome is known now.
    pub fn act(&mut self, action: Action) {
        self.told.actions.push(action);
    }

    /// A device, or its child, has this property. Nothing is built when the value is known already;
    /// `bytes` stands for the value, and `value` makes it.
    pub fn attribute(
        &mut self,
        whom: impl Into<Whom>,
        child: Option<&Child>,
        field: &'static Field,
        bytes: &[u8],
        value: impl FnOnce() -> Value,
    ) {
        let subject = self.subject(whom.into(), child);
        let value_hash = self.told.hasher.hash_one(bytes);
        self.once(subject, About::Attribute(field.name), Some(field), value_hash, || Fact::Attribute {
            field,
            value: value(),
        });
    }

    /// One of several values of a property, each under a number: a change of one says nothing of the others.
    pub fn numbered(
        &mut self,
        whom: impl Into<Whom>,
        child: Option<&Child>,
        (field, number): (&'static Field, u32),
        value: &str,
    ) {
        let subject = self.subject(whom.into(), child);
        let value_hash = self.told.hasher.hash_one(value.as_bytes());
        self.once(subject, About::Numbered(field.name, number), Some(field), value_hash, || Fact::Attribute {
            field,
            value: Value::text(value.as_bytes()),
        });
    }

    /// Text that a device, or its child, says of itself; an empty one says nothing, nor do zeros that fill it up.
    pub fn text(&mut self, whom: impl Into<Whom>, child: Option<&Child>, field: &'static Field, text: &[u8]) {
        let letters = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        let text = text.get(..letters).unwrap_or_default().trim_ascii();
        if !text.is_empty() {
            let front = text.get(..Value::LONGEST).unwrap_or(text);
            self.attribute(whom, child, field, front, || Value::text(text));
        }
    }

    /// Text that the device on a side has shown in an earlier message, at `shown`: it is known now what it was.
    #[cold]
    pub(crate) fn text_shown(&mut self, side: Side, field: &'static Field, text: &[u8], shown: Place) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let subject = self.subject(side.into(), None);
        let value_hash = self.told.hasher.hash_one(text.get(..Value::LONGEST).unwrap_or(text));
        self.once_at(shown, subject, About::Attribute(field.name), Some(field), value_hash, || Fact::Attribute {
            field,
            value: Value::text(text),
        });
    }

    /// A number that a device, or its child, says of itself.
    pub fn number(&mut self, whom: impl Into<Whom>, child: Option<&Child>, field: &'static Field, number: i64) {
        self.attribute(whom, child, field, &number.to_be_bytes(), || Value::Integer(number));
    }

    /// One of the codes that the device on a side, or its child, gives by and by: each is told once, and its repeats are
    /// counted for itself.
    pub fn code(&mut self, side: Side, child: Option<&Child>, field: &'static Field, code: u32) {
        let subject = self.subject(side.into(), child);
        self.once(subject, About::Code(field.name, code), Some(field), 0, || Fact::Attribute {
            field,
            value: Value::Integer(code.into()),
        });
    }

    /// A child stands behind a host.
    pub fn child(&mut self, whom: impl Into<Whom>, child: &Child, proof: ChildProof) {
        let subject = self.subject(whom.into(), Some(child));
        self.once(subject, About::Child(proof), None, 0, || Fact::Child(proof));
    }

    /// This address and this MAC belong together. The host need not be an end of the flow.
    pub fn binding(&mut self, host: Host, mac: Mac, proof: Binding) {
        // A host's own word is told again after a while: that two claim one address shows by turns.
        let spell = match proof {
            // Even numbers: the one behind a value stands for none.
            Binding::Told => self.place().time.nanos().div_euclid(SPELL_NANOS).unsigned_abs().wrapping_mul(2),
            Binding::Frame => 0,
        };
        self.once((host.into(), 0), About::Binding(mac, proof), None, spell, || Fact::Binding { mac, proof });
    }

    /// The device on a side has shown this certificate. It is told once an hour.
    pub fn certificate(&mut self, side: Side, certificate: Certificate) {
        let subject = self.subject(side.into(), None);
        let front = certificate.sha256.first_chunk().map_or(0, |front| u64::from_be_bytes(*front));
        let hour = hour_of(self.place());
        let port = subject.1;
        self.once(subject, About::Certificate(front), None, hour, || Fact::Certificate {
            port,
            certificate: Box::new(certificate),
        });
    }

    /// Conversations with the device on a side are protected like this, as the message at `shown` was the last to show. It
    /// is told when it changes, and once an hour.
    pub fn channel(&mut self, server: Side, channel: Channel, shown: Place) {
        let subject = (self.host(server).into(), self.port(server));
        let client = self.told.hasher.hash_one(channel.client);
        let what = Channel { begun: Timestamp::default(), ..channel.clone() };
        let value = self.told.hasher.hash_one((&what, hour_of(shown)));
        self.once_at(shown, subject, About::Channel(client), None, value, || Fact::Channel(Box::new(channel)));
    }

    /// A login whose outcome is known now, or will not be known any more; its request stands at `place`. Told once an hour,
    /// then counted. Of one that was refused the password is forgotten at once.
    ///
    /// A protocol that keeps its requests in a `Pending` gives the login there (`Request::login`), and need not call this
    /// where its answers go through `Waiting::answered`.
    #[cold]
    pub fn login(&mut self, login: Login, outcome: Outcome, place: Place) {
        let Login { server, child, scheme, username, realm, proof, encrypted } = login;
        let outcome = if outcome == Outcome::Unanswered { Outcome::Unknown } else { outcome };
        let text = |bytes: Box<[u8]>| match Value::text(&bytes) {
            Value::Text(text) => text,
            Value::Integer(_) => CompactString::default(),
        };
        let subject = Subject { host: self.host(server), child };
        let mut credential = Credential {
            client: self.host(server.other()),
            server_port: self.port(server),
            scheme,
            username: username.map(text),
            realm: realm.map(text),
            outcome,
            encrypted,
            exposure: proof.exposure(),
            proof: None,
            count: 1,
            told: place,
        };
        let evidence = self.scene.evidence(server.other(), place);
        let Told { logins, most_logins, hasher, .. } = self.told;
        let logins = logins.get_or_insert_with(|| Box::new(Logins::new(*most_logins, hasher)));
        let news = match logins.judge(&subject, &credential, &proof, place.time) {
            News::Fresh(heard) => Entry::FreshLogin(heard),
            News::Renewed(slot) => Entry::RenewedLogin { slot, evidence },
            News::Repeated(slot) => {
                self.told.journal.push(Entry::RepeatedLogin { slot, evidence });
                return;
            }
        };
        credential.proof = (outcome != Outcome::Rejected).then_some(proof);
        let (time, fact) = (self.told.place.time, Fact::Credential(Box::new(credential)));
        self.told.journal.push(news);
        self.told.journal.push(Entry::Observation(Observation { time, subject, fact, evidence }));
    }

    /// The device on a side, or its child, let something happen without any login, or a key of it crossed the wire: `what`
    /// says in a few words of a fixed list what it was.
    #[cold]
    pub fn lax(&mut self, server: Side, child: Option<&Child>, laxity: Laxity, what: &'static str) {
        self.lax_at(server, self.port(server), child, laxity, what);
    }

    /// The same where the server's port in this conversation is not the one of its service.
    #[cold]
    pub(crate) fn lax_at(
        &mut self,
        server: Side,
        server_port: u16,
        child: Option<&Child>,
        laxity: Laxity,
        what: &'static str,
    ) {
        let subject = Subject { host: self.host(server), child: child.cloned() };
        let client = self.host(server.other());
        self.once((subject, server_port), About::Lax(laxity, what), None, 0, || {
            Fact::Lax(Box::new(Lax { client, server_port, laxity, what }))
        });
    }

    /// The device or its child, and the port of the service that it is; 0 for a client.
    fn subject(&self, whom: Whom, child: Option<&Child>) -> (Subject, u16) {
        let (host, port) = match whom {
            Whom::End(side) if self.told.server == Some(side.other()) => (self.host(side), 0),
            Whom::End(side) => (self.host(side), self.port(side)),
            Whom::Elsewhere(host, port) => (host, port),
        };
        (Subject { host, child: child.cloned() }, port)
    }

    fn once(
        &mut self,
        subject: (Subject, u16),
        about: About,
        field: Option<&'static Field>,
        value: u64,
        fact: impl FnOnce() -> Fact,
    ) {
        self.once_at(self.told.place, subject, about, field, value, fact);
    }

    fn once_at(
        &mut self,
        shown: Place,
        (subject, port): (Subject, u16),
        about: About,
        field: Option<&'static Field>,
        value: u64,
        fact: impl FnOnce() -> Fact,
    ) {
        let key = Key { subject: &subject, port, about };
        let hash = self.told.hasher.hash_one(&key);
        let time = self.told.place.time;
        let slot = self.told.known.find(hash, |known| known.key() == key);
        match slot.and_then(|slot| Some((slot, self.told.known.get(slot)?))) {
            None => {
                let mut values = [value.wrapping_add(1); Known::VALUES];
                if let Some(latest) = values.first_mut() {
                    *latest = value;
                }
                let known = Known { subject: subject.clone(), port, about, field, values, told: time, repeated: None };
                self.told.journal.push(Entry::Fresh(known));
                self.observe(shown, subject, fact());
            }
            Some((slot, known)) => {
                let is_latest = known.values.first() == Some(&value);
                let flaps = known.values.contains(&value) && time.since(known.told) < Known::FLAP;
                if !is_latest && flaps {
                    self.told.journal.push(Entry::Flapped { slot });
                } else if is_latest {
                    let evidence = self.scene.evidence(self.sender, shown);
                    self.told.journal.push(Entry::Repeated { slot, evidence });
                } else {
                    self.told.journal.push(Entry::Changed { slot, value, at: time });
                    self.observe(shown, subject, fact());
                }
            }
        }
    }

    fn observe(&mut self, shown: Place, subject: Subject, fact: Fact) {
        let evidence = self.scene.evidence(self.sender, shown);
        self.told.journal.push(Entry::Observation(Observation { time: self.told.place.time, subject, fact, evidence }));
    }
}

/// The hour of a place, as a number.
fn hour_of(place: Place) -> u64 {
    place.time.hour().nanos().unsigned_abs()
}

impl Scene {
    /// The evidence that a frame sent by `sender` gives.
    pub fn evidence(&self, sender: Side, place: Place) -> Evidence {
        let receiver = sender.other();
        let flow = FlowId {
            transport: self.transport,
            source: self.hosts.of(sender).address,
            source_port: *self.ports.of(sender),
            destination: self.hosts.of(receiver).address,
            destination_port: *self.ports.of(receiver),
        };
        Evidence { capture: place.capture, frame: place.frame, time: place.time, protocol: self.protocol, flow }
    }
}

#[derive(Hash, PartialEq, Eq)]
struct Key<'a> {
    subject: &'a Subject,
    /// Two services of one host may say different things of it.
    port: u16,
    about: About,
}

/// As many bytes of messages that are not whole yet are kept for the dissectors of one lane.
pub(crate) const MOST_HELD: usize = 1 << 20;

/// After so long a host's own word about its address is told again, in nanoseconds.
const SPELL_NANOS: i64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Address, Context};

    static NAME: Field = Field::new("test.name", "a name");

    /// A lane's memory, and the conversation that speaks to it: side B serves at port 80.
    struct Desk {
        told: Told,
        scene: Scene,
    }

    struct Nobody;

    impl Tallies for Nobody {
        fn serves(&mut self, _server: Side) {}
        fn count(&mut self, _count: &Count, _place: &Place) {}
        fn act(&mut self, _action: Action) {}
    }

    impl Desk {
        fn new() -> Self {
            let host = Host { context: Context::default(), address: Address::default() };
            let (hosts, group) = (Sides::new(host, host), Sides::default());
            let scene =
                Scene { hosts, ports: Sides::new(40_000, 80), group, transport: Transport::Tcp, protocol: "test" };
            Self { told: Told::new(64), scene }
        }

        fn out(&mut self, second: i64, sender: Side) -> Out<'_> {
            let time = Timestamp::from_micros(second * 1_000_000);
            Out::new(&mut self.told, &self.scene, sender, Place { time, capture: 0, frame: None })
        }

        /// Side B says its name in a message of its own; what is told then.
        fn name(&mut self, second: i64, name: &str) -> Vec<String> {
            self.out(second, Side::B).text(Side::B, None, &NAME, name.as_bytes());
            self.told()
        }

        /// What has taken effect since the last call.
        fn told(&mut self) -> Vec<String> {
            self.told.commit(&mut Nobody);
            self.told.ready().drain(..).map(|observation| line_of(&observation)).collect()
        }

        fn repeats(&mut self) -> Vec<String> {
            self.told.tell_repeats();
            self.told()
        }
    }

    fn line_of(observation: &Observation) -> String {
        let second = observation.time.nanos() / 1_000_000_000;
        match &observation.fact {
            Fact::Attribute { value, .. } => format!("{second}: {value}"),
            Fact::Again { code: Some(code), count, .. } => format!("{second}: {code}, {count} more"),
            Fact::Again { count, .. } => format!("{second}: {count} more"),
            other => format!("{second}: {other:?}"),
        }
    }

    #[test]
    fn repeats_belong_to_the_value_that_was_repeated() {
        let mut desk = Desk::new();
        assert_eq!(desk.name(0, "old"), ["0: old"]);
        assert_eq!(desk.name(1, "old"), [""; 0]);
        assert_eq!(desk.name(2, "old"), [""; 0]);
        assert_eq!(desk.name(3, "new"), ["2: 2 more", "3: new"]);
        assert_eq!(desk.repeats(), [""; 0]);
        assert_eq!(desk.name(4, "new"), [""; 0]);
        assert_eq!(desk.repeats(), ["4: 1 more"]);
    }

    #[test]
    fn a_value_that_flaps_is_no_repeat_of_the_latest() {
        let mut desk = Desk::new();
        desk.name(0, "one");
        desk.name(1, "other");
        for second in 2..60 {
            assert_eq!(desk.name(second, if second % 2 == 0 { "one" } else { "other" }), [""; 0]);
        }
        assert_eq!(desk.told.flaps(), 29);
        assert_eq!(desk.repeats(), ["59: 29 more"], "of the other, which was told last");
        assert_eq!(desk.name(61, "one"), ["61: one"], "a minute later it is a change");
        assert_eq!(desk.told.flaps(), 29);
    }

    #[test]
    fn what_is_rolled_back_is_neither_known_nor_counted() {
        let mut desk = Desk::new();
        desk.out(0, Side::B).text(Side::B, None, &NAME, b"half");
        desk.told.roll_back();
        assert_eq!(desk.told(), [""; 0]);
        desk.name(1, "one");
        desk.name(2, "other");
        desk.out(3, Side::B).text(Side::B, None, &NAME, b"one");
        desk.told.roll_back();
        assert_eq!((desk.told.flaps(), desk.repeats()), (0, Vec::new()));
    }

    #[test]
    fn two_services_of_one_host_are_told_apart_and_a_client_is_one_on_all_its_ports() {
        let mut desk = Desk::new();
        assert_eq!(desk.name(0, "webs"), ["0: webs"]);
        desk.scene.ports.b = 8080;
        assert_eq!(desk.name(1, "webs"), ["1: webs"]);
        assert_eq!(desk.name(2, "webs"), [""; 0]);
        for (second, port, told) in [(3, 40_000, 1), (4, 40_001, 0)] {
            desk.scene.ports.a = port;
            let mut out = desk.out(second, Side::A);
            out.server(Side::B);
            out.text(Side::A, None, &NAME, b"browser");
            assert_eq!(desk.told().len(), told, "from port {port}");
        }
    }

    #[test]
    fn values_under_numbers_do_not_replace_each_other() {
        let mut desk = Desk::new();
        for (second, told) in [(0, ["0: one", "0: two"].as_slice()), (1, &[]), (120, &[])] {
            for (number, value) in [(128, "one"), (129, "two")] {
                desk.out(second, Side::B).numbered(Side::B, None, (&NAME, number), value);
            }
            assert_eq!(desk.told(), told);
        }
        assert_eq!(desk.told.flaps(), 0);
        desk.out(121, Side::B).numbered(Side::B, None, (&NAME, 128), "three");
        assert_eq!(desk.told(), ["120: 2 more", "121: three"]);
    }

    /// A login of user `a` at a second; what is told then.
    fn login(desk: &mut Desk, second: i64, password: &[u8], outcome: Outcome) -> Vec<(u64, bool, i64)> {
        let mut out = desk.out(second, Side::B);
        let place = out.place();
        out.login(a_login(password), outcome, place);
        desk.told.commit(&mut Nobody);
        told_logins(desk)
    }

    fn a_login(password: &[u8]) -> Login {
        let proof = std::sync::Arc::new(crate::proof::Proof::clear(password));
        let username = Some(Box::from(*b"a"));
        Login { server: Side::B, child: None, scheme: "basic", username, realm: None, proof, encrypted: false }
    }

    /// Count, whether there is a proof, and the second of the first.
    fn told_logins(desk: &mut Desk) -> Vec<(u64, bool, i64)> {
        let told = desk.told.ready().drain(..).filter_map(|observation| match observation.fact {
            Fact::Credential(login) => {
                Some((login.count, login.proof.is_some(), login.told.time.nanos() / 1_000_000_000))
            }
            _ => None,
        });
        told.collect()
    }

    #[test]
    fn a_login_is_told_once_an_hour_and_counted_between() {
        let mut desk = Desk::new();
        assert_eq!(login(&mut desk, 0, b"x", Outcome::Accepted), [(1, true, 0)]);
        assert_eq!(login(&mut desk, 1, b"x", Outcome::Accepted), []);
        assert_eq!(login(&mut desk, 2, b"y", Outcome::Accepted), [(1, true, 2)], "another password");
        assert_eq!(login(&mut desk, 3, b"x", Outcome::Accepted), []);
        assert_eq!(login(&mut desk, 3600, b"x", Outcome::Accepted), [(2, false, 0), (1, true, 3600)]);
        login(&mut desk, 3601, b"x", Outcome::Accepted);
        desk.told.tell_repeats();
        assert_eq!(told_logins(&mut desk), [(1, false, 3600)]);
    }

    #[test]
    fn a_refused_password_is_forgotten_at_once() {
        let mut desk = Desk::new();
        assert_eq!(login(&mut desk, 0, b"x", Outcome::Rejected), [(1, false, 0)]);
        assert_eq!(login(&mut desk, 1, b"y", Outcome::Rejected), [], "guesses are counted, not kept");
        assert_eq!(login(&mut desk, 2, b"x", Outcome::Unanswered), [(1, true, 2)]);
    }

    #[test]
    fn a_login_that_is_rolled_back_was_never_heard() {
        let mut desk = Desk::new();
        for _ in 0..2 {
            let mut out = desk.out(0, Side::B);
            let place = out.place();
            out.login(a_login(b"x"), Outcome::Accepted, place);
            desk.told.roll_back();
        }
        assert_eq!(login(&mut desk, 1, b"x", Outcome::Accepted), [(1, true, 1)]);
    }

    #[test]
    fn a_flood_of_logins_is_bounded_and_what_goes_is_told_first() {
        let mut desk = Desk::new();
        login(&mut desk, 0, b"x", Outcome::Accepted);
        login(&mut desk, 1, b"x", Outcome::Accepted);
        let told: Vec<_> =
            (0..1000_u32).flat_map(|guess| login(&mut desk, 2, &guess.to_be_bytes(), Outcome::Unknown)).collect();
        assert_eq!(told.len(), 1001);
        assert_eq!(told.iter().filter(|told| **told == (1, false, 0)).count(), 1);
        assert!(desk.told.forgotten() > 900);
    }

    #[test]
    fn what_stands_open_is_told_once() {
        let mut desk = Desk::new();
        for (what, told) in [("live video", 1), ("live video", 0), ("restart", 1)] {
            desk.out(0, Side::B).lax(Side::B, None, Laxity::NoLogin, what);
            assert_eq!(desk.told().len(), told, "{what}");
        }
    }

    #[test]
    fn codes_are_counted_each_for_itself() {
        let mut desk = Desk::new();
        let mut told = Vec::new();
        for (second, code) in [(0, 4), (1, 6), (2, 4), (3, 6), (4, 4)] {
            desk.out(second, Side::B).code(Side::B, None, &NAME, code);
            told.extend(desk.told());
        }
        assert_eq!(told, ["0: 4", "1: 6"]);
        let mut repeats = desk.repeats();
        repeats.sort();
        assert_eq!(repeats, ["3: 6, 1 more", "4: 4, 2 more"]);
        assert_eq!(desk.told.flaps(), 0);
    }

    #[test]
    fn text_is_clipped_between_letters() {
        let mut desk = Desk::new();
        let told = |desk: &mut Desk, text: &[u8]| {
            desk.out(0, Side::B).text(Side::B, None, &NAME, text);
            desk.told().concat().split_off("0: ".len())
        };
        assert_eq!(told(&mut desk, "x".repeat(600).as_bytes()), "x".repeat(512));
        assert_eq!(told(&mut desk, format!(" {}üx", "y".repeat(511)).as_bytes()), "y".repeat(511));
        assert_eq!(told(&mut desk, format!("{}ü ", "z".repeat(510)).as_bytes()), format!("{}ü", "z".repeat(510)));
        assert_eq!(told(&mut desk, &[0xff; 600]), "\u{fffd}".repeat(170), "each becomes three bytes");
        let long = "x".repeat(513);
        assert_eq!(desk.name(1, &long), [""; 0], "what is told would be the same");
    }
}
