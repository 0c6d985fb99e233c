//! Files that cross the wire (ASHRAE 135-2020, clause 14): each is one action, with the hash of what it held.
//!
//! Hashed are the bytes of consecutive parts of one file, or its records one behind the other, from the first part that
//! was seen to the last. What does not follow begins another transfer. A single part that is read is a poll, and only
//! counted, unless it is the whole file; what is written is told however short it is.

use super::object::Object;
use super::pending::Key;
use super::tag;
use super::value::{self, Value};
use crate::image::Hashing;
use crate::observation::{Category, Operation, Outcome, Place};
use crate::out::{Action, Out};
use crate::pending::Command;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use compact_str::{CompactString, ToCompactString, format_compact};
use std::time::Duration;

/// Which part of which file a request asks for, or writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    file: Object,
    way: Way,
    unit: Unit,
    /// How many bytes or records are written.
    length: u32,
    /// What is written, until the device has taken it; nothing where it was too much to keep.
    content: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Read,
    Write,
}

/// What a file is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Records,
}

/// What an answer says of the part that it answers.
#[derive(Clone, Debug)]
pub(super) struct Passed<'a> {
    unit: Unit,
    /// The first byte or record.
    start: i64,
    /// What was read: octet strings, one for each record.
    content: Reader<'a>,
    length: u32,
    is_last: bool,
}

/// Clause 14.1.1.
pub(super) fn asked(parameters: &mut Reader<'_>) -> Result<Part, Stop> {
    let file = tag::own_object(parameters)?;
    let unit = Unit::read(parameters)?;
    Ok(Part { file, way: Way::Read, unit, length: 0, content: None })
}

/// Clause 14.2.1.
pub(super) fn written(parameters: &mut Reader<'_>) -> Result<(Part, Command), Stop> {
    let file = tag::own_object(parameters)?;
    let unit = Unit::read(parameters)?;
    let start = signed(parameters)?;
    if unit == Unit::Records {
        let _count = tag::value(parameters)?;
    }
    let length = length(unit, parameters.clone())?;
    let (mut content, mut size) = (Vec::new(), 0_usize);
    while let Ok(Value::Octets(piece)) = tag::value(parameters) {
        size = size.saturating_add(piece.len());
        if size <= LONGEST_KEPT {
            content.extend_from_slice(piece);
        }
    }
    let content = (size <= LONGEST_KEPT).then(|| content.into_boxed_slice());
    let value = match (start, unit) {
        (-1, _) => CompactString::const_new("at the end"),
        (start, Unit::Bytes) => format_compact!("from byte {start}"),
        (start, Unit::Records) => format_compact!("from record {start}"),
    };
    let command = Command::in_words(Category::File, file.to_compact_string(), Some(value));
    Ok((Part { file, way: Way::Write, unit, length, content }, command))
}

/// Clause 14.1.2.
pub(super) fn read_ack<'a>(parameters: &mut Reader<'a>) -> Result<Passed<'a>, Stop> {
    let Value::Boolean(is_last) = tag::value(parameters)? else {
        return Err(parameters.malformed("an answer that does not say whether the file ends"));
    };
    let unit = Unit::peek(parameters)?;
    let mut content = tag::enclosed(parameters, unit.tag())?;
    let start = signed(&mut content)?;
    if unit == Unit::Records {
        let _count = tag::value(&mut content)?;
    }
    let length = length(unit, content.clone())?;
    Ok(Passed { unit, start, content, length, is_last })
}

/// Clause 14.2.2: where the part was written.
pub(super) fn write_ack<'a>(parameters: &mut Reader<'a>) -> Result<Passed<'a>, Stop> {
    for unit in [Unit::Bytes, Unit::Records] {
        if let Some(mut start) = tag::optional(parameters, unit.tag())? {
            let start = value::signed(&mut start)?;
            return Ok(Passed { unit, start, content: Reader::closed(&[]), length: 0, is_last: false });
        }
    }
    Err(parameters.malformed("no such access to a file"))
}

fn signed(parameters: &mut Reader<'_>) -> Result<i64, Stop> {
    match tag::value(parameters)? {
        Value::Signed(number) => Ok(number),
        _ => Err(parameters.malformed("a file without a start")),
    }
}

/// How many bytes or records there are, up to the closing tag or the end.
fn length(unit: Unit, mut content: Reader<'_>) -> Result<u32, Stop> {
    let mut length = 0_u32;
    while !content.is_empty() && !tag::closes(&mut content, unit.tag())? {
        let Value::Octets(piece) = tag::value(&mut content)? else {
            return Err(content.malformed("a file that holds no octets"));
        };
        let more = if unit == Unit::Bytes { u32::try_from(piece.len()).unwrap_or(u32::MAX) } else { 1 };
        length = length.saturating_add(more);
    }
    Ok(length)
}

impl Unit {
    /// By the opening tag, which is passed over.
    fn read(parameters: &mut Reader<'_>) -> Result<Self, Stop> {
        match tag::any_opening(parameters)? {
            0 => Ok(Self::Bytes),
            1 => Ok(Self::Records),
            _ => Err(parameters.malformed("no such access to a file")),
        }
    }

    /// By the opening tag, which is left where it is.
    fn peek(parameters: &Reader<'_>) -> Result<Self, Stop> {
        Self::read(&mut parameters.clone())
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Bytes => 0,
            Self::Records => 1,
        }
    }
}

impl Part {
    /// How much of the wire is kept with it.
    pub(super) fn kept(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.len())
    }

    /// There is no room for what is written.
    pub(super) fn forget_content(&mut self) {
        self.content = None;
    }
}

/// The transfers of a conversation.
#[derive(Default)]
pub(super) struct Files {
    transfers: Vec<Transfer>,
}

/// A file under way.
struct Transfer {
    /// Who asks whom; the number of the exchange is none of it.
    key: Key,
    file: Object,
    way: Way,
    unit: Unit,
    first: i64,
    /// How many bytes or records came so far.
    length: i64,
    requests: u32,
    content: Hashing,
    /// Whether all of its content was at hand.
    is_whole: bool,
    /// Where the first request stands.
    place: Place,
    heard: Timestamp,
}

impl Files {
    /// A part was read or written, which was asked for at `asked`.
    pub(super) fn pass(&mut self, key: &Key, part: &Part, passed: Passed<'_>, asked: Place, out: &mut Out<'_>) {
        if part.unit != passed.unit {
            return;
        }
        let at = self.place_of(key, part, &passed, asked, out);
        let is_last = passed.is_last;
        if let Some(transfer) = self.transfers.get_mut(at) {
            transfer.add(part, passed, out.place().time);
        }
        if is_last {
            let mut transfer = self.transfers.remove(at);
            transfer.requests = transfer.requests.max(if transfer.first == 0 { 2 } else { 1 });
            transfer.tell(out);
        }
    }

    /// Where the transfer stands that goes on with this part, or begins with it.
    fn place_of(&mut self, key: &Key, part: &Part, passed: &Passed<'_>, asked: Place, out: &mut Out<'_>) -> usize {
        if let Some(at) = self.transfers.iter().position(|transfer| transfer.is_of(key, part)) {
            if self.transfers.get(at).is_some_and(|transfer| transfer.goes_on_at(passed.start)) {
                return at;
            }
            self.transfers.remove(at).tell(out);
        }
        if self.transfers.len() >= MOST_TRANSFERS {
            self.transfers.remove(0).tell(out);
        }
        self.transfers.push(Transfer::new(key, part, passed.start, asked));
        self.transfers.len().saturating_sub(1)
    }

    /// Tells those of which nothing was heard for long.
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        while let Some(at) = self.transfers.iter().position(|transfer| now.since(transfer.heard) >= PATIENCE) {
            self.transfers.remove(at).tell(out);
        }
    }

    /// Tells all.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.transfers.drain(..).for_each(|transfer| transfer.tell(out));
    }
}

impl Transfer {
    fn new(key: &Key, part: &Part, first: i64, place: Place) -> Self {
        let &Part { file, way, unit, .. } = part;
        let (content, heard) = (Hashing::default(), place.time);
        Self { key: key.clone(), file, way, unit, first, length: 0, requests: 0, content, is_whole: true, place, heard }
    }

    fn is_of(&self, key: &Key, part: &Part) -> bool {
        let parties = |key: &Key| (key.asker, key.client.clone(), key.server.clone());
        (self.file, self.way, self.unit) == (part.file, part.way, part.unit) && parties(&self.key) == parties(key)
    }

    fn goes_on_at(&self, start: i64) -> bool {
        self.first.saturating_add(self.length) == start
    }

    fn add(&mut self, part: &Part, mut passed: Passed<'_>, now: Timestamp) {
        self.heard = now;
        self.requests = self.requests.saturating_add(1);
        let length = match self.way {
            Way::Read => {
                while let Ok(Value::Octets(piece)) = tag::value(&mut passed.content) {
                    self.content.add(piece);
                }
                passed.length
            }
            Way::Write => {
                match &part.content {
                    Some(content) => self.content.add(content),
                    None => self.is_whole = false,
                }
                part.length
            }
        };
        self.length = self.length.saturating_add(length.into());
    }

    fn tell(self, out: &mut Out<'_>) {
        let (category, code) = match self.way {
            Way::Read if self.requests < 2 => return,
            Way::Read => (Category::Backup, super::service::ATOMIC_READ_FILE),
            Way::Write => (Category::File, super::service::ATOMIC_WRITE_FILE),
        };
        out.act(Action {
            sender: self.key.asker,
            client_host: None,
            client_user: None,
            child: self.key.server.clone(),
            operation: Operation::Code(code.into()),
            category,
            target: self.target().into(),
            value: None,
            outcome: Outcome::Accepted,
            reason: None,
            image: self.content.image().filter(|_| self.is_whole).map(Box::new),
            place: self.place,
        });
    }

    /// `file 1 bytes 0-1023`, `file 1 record 7`.
    fn target(&self) -> CompactString {
        let Self { file, first, .. } = self;
        let unit = match self.unit {
            Unit::Bytes => "byte",
            Unit::Records => "record",
        };
        match self.length {
            0 | 1 => format_compact!("{file} {unit} {first}"),
            length => format_compact!("{file} {unit}s {first}-{}", first.saturating_add(length).saturating_sub(1)),
        }
    }
}

/// As many files are under way at once in one conversation.
const MOST_TRANSFERS: usize = 8;
/// As much of one message's file is kept until it is taken; a message that is not segmented holds less.
const LONGEST_KEPT: usize = 16 * 1024;
/// A transfer has ended when nothing of it was heard for as long.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::BACNET;
    use crate::dissector::{Ending, Side};
    use crate::rig::{Rig, hex};

    fn say(rig: &mut Rig, side: Side, apdu: &str) {
        let body = hex(&format!("01 00 {apdu}"));
        let length = u16::try_from(body.len() + 4).expect("samples are short").to_be_bytes();
        rig.datagram(side, &[&[0x81, 0x0a][..], &length, &body].concat());
    }

    /// A octet string in its tag.
    fn octets(piece: &[u8]) -> String {
        let digits = super::value::hex(piece);
        format!("65 {:02x} {digits}", piece.len())
    }

    /// Reads bytes of file 1 from `start` on.
    fn read(rig: &mut Rig, invoke: u8, start: u8, piece: &[u8], is_last: bool) {
        say(rig, Side::A, &format!("00 05 {invoke:02x} 06 c4 02800001 0e 31 {start:02x} 21 05 0f"));
        let last = u8::from(is_last);
        say(rig, Side::B, &format!("30 {invoke:02x} 06 1{last} 0e 31 {start:02x} {} 0f", octets(piece)));
    }

    /// Writes bytes to file 2 where `asked` says, and the device says that it began at `start`.
    fn write(rig: &mut Rig, invoke: u8, asked: &str, start: u8, piece: &[u8]) {
        say(rig, Side::A, &format!("00 05 {invoke:02x} 07 c4 02800002 0e 31 {asked} {} 0f", octets(piece)));
        say(rig, Side::B, &format!("30 {invoke:02x} 07 09 {start:02x}"));
    }

    fn acts(rig: &mut Rig) -> Vec<String> {
        rig.story().into_iter().filter(|line| line.contains(" by ")).collect()
    }

    // By sha256sum, of "abcdefghij", "abcdefgh" and "ab".
    const TEN: &str = "72399361";
    const EIGHT: &str = "9c56cc51";
    const TWO: &str = "fb8e20fc";

    #[test]
    fn a_file_that_is_read_to_its_end_is_one_action_with_one_hash() {
        let mut rig = Rig::udp(&BACNET);
        read(&mut rig, 1, 0, b"abcde", false);
        assert_eq!(acts(&mut rig), [""; 0]);
        read(&mut rig, 2, 5, b"fghij", true);
        let whole = format!("A backup by 6: file 1 bytes 0-9 of 10 bytes {TEN}, accepted (frame 1)");
        assert_eq!(acts(&mut rig), [whole]);
        read(&mut rig, 3, 0, b"ab", true);
        let short = format!("A backup by 6: file 1 bytes 0-1 of 2 bytes {TWO}, accepted (frame 5)");
        assert_eq!(acts(&mut rig), [short], "the whole file in one message");
        read(&mut rig, 4, 3, b"de", true);
        read(&mut rig, 5, 0, b"ab", false);
        assert_eq!(acts(rig.finish(Ending::Unseen)), [""; 0], "single parts are polls");
    }

    #[test]
    fn what_does_not_follow_is_another_transfer() {
        let mut rig = Rig::udp(&BACNET);
        write(&mut rig, 1, "00", 0, b"abcd");
        write(&mut rig, 2, "04", 4, b"efgh");
        assert_eq!(acts(&mut rig), [""; 0], "it goes on");
        let whole = format!("A file by 7: file 2 bytes 0-7 of 8 bytes {EIGHT}, accepted (frame 1)");
        assert_eq!(acts(rig.wait(10)), [whole.as_str()]);
        write(&mut rig, 3, "00", 0, b"abcdefgh");
        write(&mut rig, 4, "ff", 20, b"ab");
        let again = whole.replace("(frame 1)", "(frame 10005)");
        assert_eq!(acts(&mut rig), [again.as_str()], "what is put at the end stands where the device says");
        let behind = format!("A file by 7: file 2 bytes 20-21 of 2 bytes {TWO}, accepted (frame 10007)");
        assert_eq!(acts(rig.finish(Ending::Closed)), [behind]);
    }

    #[test]
    fn records_are_joined_in_their_order() {
        let mut rig = Rig::udp(&BACNET);
        for (invoke, start, records) in [(1, 0, ["abc", "d"]), (2, 2, ["", "efgh"])] {
            say(&mut rig, Side::A, &format!("00 05 0{invoke} 06 c4 02800003 1e 31 0{start} 21 02 1f"));
            let [one, two] = records.map(|record| octets(record.as_bytes()));
            say(&mut rig, Side::B, &format!("30 0{invoke} 06 10 1e 31 0{start} 21 02 {one} {two} 1f"));
        }
        let told = format!("A backup by 6: file 3 records 0-3 of 8 bytes {EIGHT}, accepted (frame 1)");
        assert_eq!(acts(rig.wait(10)), [told]);
        say(&mut rig, Side::A, &format!("00 05 03 07 c4 02800003 1e 31 07 21 01 {} 1f", octets(b"ab")));
        say(&mut rig, Side::B, "30 03 07 19 07");
        let told = format!("A file by 7: file 3 record 7 of 2 bytes {TWO}, accepted (frame 10005)");
        assert_eq!(acts(rig.wait(10)), [told]);
    }

    #[test]
    fn what_is_refused_or_never_answered_is_no_part_of_a_file() {
        let mut rig = Rig::udp(&BACNET);
        write(&mut rig, 1, "00", 0, b"ab");
        say(&mut rig, Side::A, &format!("00 05 02 07 c4 02800002 0e 31 02 {} 0f", octets(b"cd")));
        say(&mut rig, Side::B, "50 02 07 91 05 91 05");
        say(&mut rig, Side::A, &format!("00 05 03 07 c4 02800002 0e 31 04 {} 0f", octets(b"ef")));
        assert_eq!(
            acts(rig.wait(10)),
            [
                "A file by 7: file 2 = from byte 2, rejected (services: file-access-denied) (frame 3)".to_owned(),
                "A file by 7: file 2 = from byte 4, unanswered (frame 5)".to_owned(),
                format!("A file by 7: file 2 bytes 0-1 of 2 bytes {TWO}, accepted (frame 1)"),
            ]
        );
    }

    #[test]
    fn no_more_than_eight_files_are_under_way_and_what_waits_is_bounded() {
        let mut rig = Rig::udp(&BACNET);
        for file in 1..=9 {
            say(&mut rig, Side::A, &format!("00 05 0{file} 07 c4 0280000{file} 0e 31 00 {} 0f", octets(b"ab")));
            say(&mut rig, Side::B, &format!("30 0{file} 07 09 00"));
        }
        assert_eq!(acts(&mut rig).len(), 1, "the oldest");
        assert_eq!(acts(rig.wait(10)).len(), 8);
        let piece = "5a".repeat(1_400);
        for invoke in 0..60_u32 {
            let start = format!("33 {:06x}", invoke * 1_400);
            say(&mut rig, Side::A, &format!("00 05 {invoke:02x} 07 c4 02800001 0e {start} 65 fe 0578 {piece} 0f"));
        }
        for invoke in 0..60_u32 {
            let start = format!("0b {:06x}", invoke * 1_400);
            say(&mut rig, Side::B, &format!("30 {invoke:02x} 07 {start}"));
        }
        let told = acts(rig.wait(10)).concat();
        assert!(told.contains("file 1 bytes 0-83999,"), "so much cannot wait: there is no hash of it: {told}");
    }
}
