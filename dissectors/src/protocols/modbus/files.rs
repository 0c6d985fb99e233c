//! Files that cross the wire, record by record (Application Protocol V1.1b3, 6.14 and 6.15): each is one action, with
//! the hash of what it held.
//!
//! Hashed are the registers of consecutive records of one file, as they stand on the wire, from the first record that
//! was seen to the last. What does not follow begins another transfer. A single request that reads is a poll, and only
//! counted; a write is told however short it is.

use super::control::target;
use super::pdu::{READ_FILE_RECORD, WRITE_FILE_RECORD};
use super::records::{self, Group};
use super::{child, operation};
use crate::image::Hashing;
use crate::observation::{Category, Outcome, Place};
use crate::out::{Action, Out, Words};
use crate::side::Side;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The transfers of a conversation.
#[derive(Default)]
pub(super) struct Files {
    queries: VecDeque<Query>,
    transfers: Vec<Transfer>,
}

/// A request to read, until its answer comes.
struct Query {
    transaction: u16,
    unit: u8,
    /// File, first record and how many.
    groups: Box<[(u16, u16, u16)]>,
}

/// Which file of which unit goes which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    client: Side,
    unit: u8,
    function: u8,
    file: u16,
}

/// A file under way.
struct Transfer {
    way: Way,
    first: u16,
    /// How many records came so far.
    records: u32,
    /// By how many requests.
    requests: u32,
    /// The first register.
    value: Option<u16>,
    content: Hashing,
    /// Where the first request stands.
    place: Place,
    heard: Timestamp,
}

impl Files {
    /// A client asks for records.
    pub(super) fn ask(&mut self, transaction: u16, unit: u8, data: &[u8]) {
        let groups = records::asked(data).filter_map(Result::ok);
        let groups = groups.map(|group| (group.file, group.record, group.length)).collect();
        if self.queries.len() >= MOST_QUERIES {
            self.queries.pop_front();
        }
        self.queries.push_back(Query { transaction, unit, groups });
    }

    /// The server answers with records that `client` asked for at `asked`.
    pub(super) fn read(
        &mut self,
        client: Side,
        (transaction, unit): (u16, u8),
        data: &[u8],
        asked: Place,
        out: &mut Out<'_>,
    ) {
        let is_it = |query: &Query| (query.transaction, query.unit) == (transaction, unit);
        let Some(query) = self.queries.iter().rposition(is_it).and_then(|at| self.queries.remove(at)) else { return };
        for (&(file, record, _), piece) in query.groups.iter().zip(records::answered(data).filter_map(Result::ok)) {
            let way = Way { client, unit, function: READ_FILE_RECORD, file };
            let length = u16::try_from(piece.len() / 2).unwrap_or(u16::MAX);
            self.pass(way, Group { file, record, length, data: piece }, asked, out);
        }
    }

    /// The server confirms that it wrote records, which its answer repeats.
    pub(super) fn written(&mut self, client: Side, unit: u8, data: &[u8], asked: Place, out: &mut Out<'_>) {
        for group in records::written(data).filter_map(Result::ok) {
            let way = Way { client, unit, function: WRITE_FILE_RECORD, file: group.file };
            self.pass(way, group, asked, out);
        }
    }

    /// Records that go on where a transfer stood, or begin another.
    fn pass(&mut self, way: Way, group: Group<'_>, asked: Place, out: &mut Out<'_>) {
        let now = out.place().time;
        if let Some(at) = self.transfers.iter().position(|transfer| transfer.way == way) {
            match self.transfers.get_mut(at).filter(|transfer| transfer.goes_on_at(group.record)) {
                Some(transfer) => return transfer.add(group, now),
                None => self.transfers.remove(at).tell(out),
            }
        }
        if self.transfers.len() >= MOST_TRANSFERS {
            self.transfers.remove(0).tell(out);
        }
        let mut transfer = Transfer {
            way,
            first: group.record,
            records: 0,
            requests: 0,
            value: group.data.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)),
            content: Hashing::default(),
            place: asked,
            heard: now,
        };
        transfer.add(group, now);
        self.transfers.push(transfer);
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
    fn goes_on_at(&self, record: u16) -> bool {
        u32::from(self.first).saturating_add(self.records) == u32::from(record)
    }

    fn add(&mut self, group: Group<'_>, now: Timestamp) {
        self.content.add(group.data);
        self.records = self.records.saturating_add(group.length.into());
        self.requests = self.requests.saturating_add(1);
        self.heard = now;
    }

    fn tell(self, out: &mut Out<'_>) {
        let Way { client, unit, function, file } = self.way;
        let (category, value) = match function {
            READ_FILE_RECORD if self.requests < 2 => return,
            READ_FILE_RECORD => (Category::Backup, None),
            _ => (Category::File, self.value.map(Words::number)),
        };
        out.act(Action {
            sender: client,
            client_host: None,
            client_user: None,
            child: Some(child(unit)),
            operation: operation(function),
            category,
            target: target(file, self.first, self.records).into(),
            value,
            outcome: Outcome::Accepted,
            reason: None,
            image: self.content.image().map(Box::new),
            place: self.place,
        });
    }
}

/// As many files are under way at once in one conversation, and as many requests to read wait.
const MOST_TRANSFERS: usize = 8;
const MOST_QUERIES: usize = 16;
/// A transfer has ended when nothing of it was heard for as long.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use crate::dissector::{Ending, Side};
    use crate::rig::{Rig, hex};

    fn framed(number: u8, pdu: &[u8]) -> Vec<u8> {
        let length = u8::try_from(pdu.len() + 1).expect("PDUs are short");
        [&[0, number, 0, 0, 0, length, 1][..], pdu].concat()
    }

    /// Reads `count` records of file 4 from `record` on; each holds its own number.
    fn read(rig: &mut Rig, number: u8, record: u16, count: u16) {
        let [high, low] = record.to_be_bytes();
        let [_, length] = count.to_be_bytes();
        rig.segment(Side::A, &framed(number, &[20, 7, 6, 0, 4, high, low, 0, length]));
        let content: Vec<u8> = (record..record + count).flat_map(u16::to_be_bytes).collect();
        rig.segment(Side::B, &framed(number, &[&[20, 2 * length + 2, 2 * length + 1, 6][..], &content].concat()));
    }

    /// Writes `count` records of file 4 from `record` on.
    fn write(rig: &mut Rig, number: u8, record: u16, count: u16) {
        let content: Vec<u8> = (record..record + count).flat_map(u16::to_be_bytes).collect();
        let [high, low] = record.to_be_bytes();
        let [_, length] = count.to_be_bytes();
        let pdu = [&[21, 7 + 2 * length, 6, 0, 4, high, low, 0, length][..], &content].concat();
        rig.segment(Side::A, &framed(number, &pdu));
        rig.segment(Side::B, &framed(number, &pdu));
    }

    fn acts(rig: &mut Rig) -> Vec<String> {
        rig.story().into_iter().filter(|line| line.contains(" by ")).collect()
    }

    #[test]
    fn consecutive_records_are_one_file_with_one_hash() {
        let mut rig = Rig::tcp(&MODBUS);
        for (number, record) in [(1, 0), (2, 100), (3, 200)] {
            read(&mut rig, number, record, 100);
        }
        assert_eq!(acts(&mut rig), [""; 0], "it goes on");
        // sha256 of 0000 0001 ... 012b.
        let whole = "A backup[1] by 20: file 4 records 0-299 of 600 bytes d00ba026, accepted (frame 1)";
        assert_eq!(acts(rig.wait(5)), [whole]);
        assert_eq!(acts(rig.wait(5)), [""; 0]);

        for (number, record) in [(4, 7), (5, 9)] {
            write(&mut rig, number, record, 2);
        }
        // sha256 of 0007 0008 0009 000a.
        let written = "A file[1] by 21: file 4 records 7-10 = 7 of 8 bytes 9c3e08e8, accepted (frame 10007)";
        assert_eq!(acts(rig.finish(Ending::Unseen)), [written]);
    }

    #[test]
    fn what_does_not_follow_is_another_transfer_and_one_read_is_a_poll() {
        let mut rig = Rig::tcp(&MODBUS);
        write(&mut rig, 1, 0, 1);
        write(&mut rig, 2, 5, 1);
        let targets = |rig: &mut Rig| -> Vec<String> {
            acts(rig).iter().map(|line| line.split(['=', ',']).next().expect("a target").trim().to_owned()).collect()
        };
        assert_eq!(targets(&mut rig), ["A file[1] by 21: file 4 record 0"]);
        assert_eq!(targets(rig.wait(5)), ["A file[1] by 21: file 4 record 5"]);
        for number in 0..20 {
            read(&mut rig, number, 3, 4);
        }
        assert_eq!(acts(rig.wait(5)), [""; 0], "the same records over and over");
    }

    #[test]
    fn groups_of_one_message_belong_to_their_files() {
        let mut rig = Rig::tcp(&MODBUS);
        // trans proto len  unit fc count | type file record length | ...
        for (transaction, records) in [("0001", ("0001", "0009")), ("0002", ("0003", "000b"))] {
            let (one, other) = records;
            let query = format!("{transaction} 0000 0011 01 14 0e  06 0004 {one} 0002  06 0003 {other} 0002");
            rig.segment(Side::A, &hex(&query));
            rig.segment(Side::B, &hex(&format!("{transaction} 0000 000f 01 14 0c  05 06 0dfe0020  05 06 33cd0040")));
        }
        let told = acts(rig.finish(Ending::Closed));
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("A backup[1] by 20: file 4 records 1-4 of 8 bytes"), "{told:?}");
        assert!(told[1].starts_with("A backup[1] by 20: file 3 records 9-12 of 8 bytes"), "{told:?}");
    }

    #[test]
    fn no_more_than_eight_files_are_under_way_at_once() {
        let mut rig = Rig::tcp(&MODBUS);
        for file in 1..=9_u8 {
            let pdu = [21, 9, 6, 0, file, 0, 0, 0, 1, 0, file];
            rig.segment(Side::A, &framed(file, &pdu));
            rig.segment(Side::B, &framed(file, &pdu));
        }
        assert_eq!(acts(&mut rig).len(), 1, "the oldest");
        for number in 0..40 {
            rig.segment(Side::A, &framed(number, &[20, 7, 6, 0, 4, 0, 0, 0, 1]));
        }
        assert_eq!(acts(rig.finish(Ending::Unseen)).len(), 8);
    }
}
