//! How many objects of each type a device has, by its `Object_List` (ASHRAE 135-2020, clause 12.11). A client reads it
//! whole, or, where it does not fit a message, element by element: element 0 is how many there are.

use super::device::{OBJECT_COUNT, OBJECTS, Speaker};
use super::object::{Kind, Object};
use super::tag;
use super::value::Value;
use crate::observation::Child;
use crate::out::{Out, Whom};
use crate::reader::Reader;
use arrayvec::ArrayVec;
use compact_str::format_compact;

/// The lists of a conversation that are read element by element.
#[derive(Default)]
pub(super) struct Lists {
    runs: Vec<Run>,
}

/// A list that is being read.
struct Run {
    whom: Whom,
    station: Option<Child>,
    length: u32,
    /// The element that comes next, from 1.
    next: u32,
    census: Census,
}

/// Objects by type.
#[derive(Default)]
struct Census {
    types: ArrayVec<(u32, u32), MOST_TYPES>,
    others: u32,
}

impl Lists {
    /// A device holds this list, or an element of it.
    pub(super) fn hear(&mut self, speaker: Speaker<'_>, index: Option<u32>, content: Reader<'_>, out: &mut Out<'_>) {
        match (index, tag::first(content.clone())) {
            (None, _) => whole(speaker, content, out),
            (Some(0), Ok(Some(Value::Unsigned(length)))) => {
                speaker.number(&OBJECT_COUNT, length, out);
                self.begin(speaker, length);
            }
            (Some(index), Ok(Some(Value::Object(object)))) => self.element(speaker, index, object, out),
            _ => {}
        }
    }

    fn begin(&mut self, speaker: Speaker<'_>, length: u64) {
        self.runs.retain(|run| !run.is_of(speaker));
        if self.runs.len() >= MOST_RUNS {
            self.runs.remove(0);
        }
        if let Ok(length @ 1..) = u32::try_from(length) {
            let (whom, station) = (speaker.whom, speaker.station.cloned());
            self.runs.push(Run { whom, station, length, next: 1, census: Census::default() });
        }
    }

    /// Elements are counted in their order; who leaves one out has not read the list.
    fn element(&mut self, speaker: Speaker<'_>, index: u32, object: Object, out: &mut Out<'_>) {
        let Some(at) = self.runs.iter().position(|run| run.is_of(speaker)) else { return };
        let Some(run) = self.runs.get_mut(at).filter(|run| run.next == index) else { return };
        run.census.add(object);
        run.next = run.next.saturating_add(1);
        if run.next > run.length {
            self.runs.remove(at).census.tell(speaker, out);
        }
    }
}

impl Run {
    fn is_of(&self, speaker: Speaker<'_>) -> bool {
        (self.whom, self.station.as_ref()) == (speaker.whom, speaker.station)
    }
}

fn whole(speaker: Speaker<'_>, mut content: Reader<'_>, out: &mut Out<'_>) {
    let mut census = Census::default();
    let mut count = 0_u64;
    while let Ok(Value::Object(object)) = tag::value(&mut content) {
        census.add(object);
        count = count.saturating_add(1);
    }
    if content.is_empty() && count > 0 {
        speaker.number(&OBJECT_COUNT, count, out);
        census.tell(speaker, out);
    }
}

impl Census {
    fn add(&mut self, object: Object) {
        let kind = object.kind();
        if let Some((_, count)) = self.types.iter_mut().find(|(known, _)| *known == kind) {
            *count = count.saturating_add(1);
        } else if self.types.try_push((kind, 1)).is_err() {
            self.others = self.others.saturating_add(1);
        }
    }

    /// `3 analog-input, 1 device`.
    fn tell(mut self, speaker: Speaker<'_>, out: &mut Out<'_>) {
        self.types.sort_unstable();
        let mut words =
            self.types.iter().map(|(kind, count)| format_compact!("{count} {}", Kind(*kind))).collect::<Vec<_>>();
        if self.others > 0 {
            words.push(format_compact!("{} others", self.others));
        }
        speaker.words(&OBJECTS, &words.join(", "), out);
    }
}

/// As many lists are read at once in one conversation.
const MOST_RUNS: usize = 8;
/// As many types are told apart; the standard has 65.
const MOST_TYPES: usize = 96;
