//! Every fault was once an answer that was wrong: the packets that led to it, and what they tell now.

use super::support::{Notebook, Recording, read};
use dissectors::observation::{Activity, Fact};
use dissectors::{Direction, Observation, Timestamp};
use sensor::pipeline::Settings;

const MASTER: (u32, u16) = (1, 40_000);
const SLAVE: (u32, u16) = (2, 502);

/// A Modbus request to unit 1, with its transaction, function and four bytes of data.
fn request(transaction: u16, function: u8, data: [u8; 4]) -> Vec<u8> {
    let [high, low] = transaction.to_be_bytes();
    [&[high, low, 0, 0, 0, 6, 1, function][..], &data].concat()
}

/// The answer to a request to read one register.
fn answer(transaction: u16) -> Vec<u8> {
    let [high, low] = transaction.to_be_bytes();
    vec![high, low, 0, 0, 0, 5, 1, 3, 2, 0, 7]
}

fn told(recording: Recording) -> Notebook {
    read(vec![recording.input("fault.pcap")], Settings::default()).0
}

/// Messages of Modbus: what function 90 carries is counted once more, as UMAS.
fn messages(notebook: &Notebook, direction: Direction) -> u64 {
    let counted = notebook.activity().filter(|row| row.protocol == "modbus" && row.direction == direction);
    counted.map(|activity| activity.messages).sum()
}

#[test]
fn a_forged_opening_blinds_nobody() {
    let mut recording = Recording::new();
    let (mut asked, mut answered) = (1, 1);
    for transaction in 0..20 {
        recording.tcp(MASTER, SLAVE, asked, answered, &request(transaction, 3, [0, 0, 0, 1]));
        asked += 12;
        recording.tcp(SLAVE, MASTER, answered, asked, &answer(transaction));
        answered += 11;
        if transaction == 5 {
            recording.opening(SLAVE, MASTER, 1_000_000, asked);
        }
    }
    let notebook = told(recording);
    assert_eq!((messages(&notebook, Direction::Request), messages(&notebook, Direction::Response)), (20, 20));
}

/// So many requests and answers of one connection, whose next numbers come and go by `numbers`.
fn poll(recording: &mut Recording, transactions: std::ops::Range<u16>, numbers: &mut (u32, u32)) {
    for transaction in transactions {
        recording.tcp(MASTER, SLAVE, numbers.0, numbers.1, &request(transaction, 3, [0, 0, 0, 1]));
        numbers.0 = numbers.0.wrapping_add(12);
        recording.tcp(SLAVE, MASTER, numbers.1, numbers.0, &answer(transaction));
        numbers.1 = numbers.1.wrapping_add(11);
    }
}

/// Requests, responses and flows.
fn books(recording: Recording) -> (u64, u64, u64) {
    let notebook = told(recording);
    let flows = notebook.observations.iter().map(|told| match &told.fact {
        Fact::Traffic(traffic) => traffic.flows,
        _ => 0,
    });
    (messages(&notebook, Direction::Request), messages(&notebook, Direction::Response), flows.sum())
}

#[test]
fn forged_syns_hide_nothing() {
    for is_opening_seen in [true, false] {
        let mut recording = Recording::new();
        let mut numbers = (1, 1);
        if is_opening_seen {
            recording.syn(MASTER, SLAVE, 0);
            recording.opening(SLAVE, MASTER, 0, 1);
        }
        for round in 0..5u16 {
            poll(&mut recording, round * 4..round * 4 + 4, &mut numbers);
            recording.syn(MASTER, SLAVE, 0x7000_0000 + u32::from(round));
            recording.syn(SLAVE, MASTER, 77 + u32::from(round));
        }
        assert_eq!(books(recording), (20, 20, 1), "opening seen: {is_opening_seen}");
    }
}

#[test]
fn ports_used_again_begin_a_flow_though_the_old_one_never_ended() {
    for (own, other) in [(0x7000_0000, 0x9000_0000), (100, 300)] {
        let mut recording = Recording::new();
        let mut numbers = (10_000, 20_000);
        poll(&mut recording, 0..4, &mut numbers);
        for _ in 0..2 {
            recording.syn(MASTER, SLAVE, own);
        }
        recording.opening(SLAVE, MASTER, other, own + 1);
        poll(&mut recording, 0..4, &mut (own + 1, other + 1));
        let notebook = told(recording);
        for told in &notebook.observations {
            if let Fact::Traffic(traffic) = &told.fact {
                assert_eq!((traffic.flows, traffic.flows_two_way, traffic.lost_bytes), (2, 2, 0), "{traffic:?}");
                assert_eq!((traffic.to_server.packets, traffic.to_client.packets), (10, 9), "{traffic:?}");
            }
        }
        assert_eq!((messages(&notebook, Direction::Request), messages(&notebook, Direction::Response)), (8, 8));
    }
}

#[test]
fn ports_used_again_unseen_are_read() {
    let mut recording = Recording::new();
    poll(&mut recording, 0..4, &mut (0x4000_0000, 0x9000_0000));
    poll(&mut recording, 4..8, &mut (1, 5_000));
    assert_eq!(books(recording), (8, 8, 1));

    let mut recording = Recording::new();
    for (transaction, sequence) in [(0, 0x4000_0000), (1, 0x4000_000c), (2, 1), (3, 13), (4, 25)] {
        recording.tcp(MASTER, SLAVE, sequence, 0, &request(transaction, 3, [0, 0, 0, 1]));
    }
    assert_eq!(books(recording).0, 5);

    let mut recording = Recording::new();
    recording.tcp(MASTER, SLAVE, 0x4000_0000, 0, &request(0, 3, [0, 0, 0, 1]));
    recording.syn(MASTER, SLAVE, 0);
    recording.tcp(MASTER, SLAVE, 1, 0, &request(0, 3, [0, 0, 0, 1]));
    assert_eq!(books(recording).0, 2);
}

#[test]
fn an_echo_and_a_restart_are_told_apart() {
    let mut recording = Recording::new();
    recording.tcp(MASTER, SLAVE, 1, 1, &request(1, 8, [0, 0, 0xa5, 0x37]));
    recording.tcp(MASTER, SLAVE, 13, 1, &request(2, 8, [0, 1, 0, 0]));
    let notebook = told(recording);
    let mut rows: Vec<(bool, u64)> = notebook.activity().map(|row| (row.is_control, row.messages)).collect();
    rows.sort_unstable();
    assert_eq!(rows, [(false, 1), (true, 1)]);
}

#[test]
fn evidence_after_a_hole_is_the_frame_that_holds_the_message() {
    let mut recording = Recording::new();
    recording.tcp(MASTER, SLAVE, 1, 1, &request(1, 3, [0, 0, 0, 1])); // frame 1
    recording.tcp(MASTER, SLAVE, 25, 1, &request(3, 1, [0, 0, 0, 1])); // frame 2, behind a hole of 12 bytes
    for _ in 0..5 {
        recording.tcp((8, 1), (9, 2), 1, 1, b"somebody else");
    }
    let notebook = told(recording);
    let row = notebook.activity().find(|row| row.operation.to_string() == "1").expect("it is told");
    assert_eq!(row.first.frame, Some(2));
}

#[test]
fn a_priority_tag_is_no_network() {
    let mut recording = Recording::new();
    recording.tcp(MASTER, SLAVE, 1, 1, &request(1, 3, [0, 0, 0, 1]));
    recording.tagged(0, SLAVE, MASTER, 1, 13, &answer(1));
    let notebook = told(recording);
    let contexts = notebook.observations.iter().filter(|told| !told.subject.host.context.is_root());
    assert_eq!(contexts.count(), 0);
    assert!(notebook.activity().all(|row| !row.server_silent || row.unanswered == 0));
}

#[test]
fn an_hour_without_packets_has_no_service() {
    let mut recording = Recording::new();
    recording.at(3_599_000_000_000);
    recording.tcp(MASTER, SLAVE, 1, 1, &request(1, 3, [0, 0, 0, 1]));
    recording.tcp(SLAVE, MASTER, 1, 13, b"");
    recording.at(3_620_000_000_000);
    recording.tcp((8, 1), (9, 2), 1, 1, b"somebody else");
    let notebook = told(recording);
    let hour = Timestamp::from_nanos(0);
    for told in &notebook.observations {
        match &told.fact {
            Fact::Traffic(traffic) => assert!(traffic.to_server.packets > 0, "{traffic:?}"),
            Fact::Activity(activity) => assert_eq!(activity.window, hour, "{activity:?}"),
            _ => {}
        }
    }
    assert_eq!(notebook.activity().map(|row| row.unanswered).sum::<u64>(), 1);
}

#[test]
fn what_an_hour_came_to_is_told_before_strangers_of_the_next() {
    let mut recording = Recording::new();
    recording.at(3_599_000_000_000);
    recording.tcp(MASTER, SLAVE, 1, 1, &request(1, 3, [0, 0, 0, 1]));
    for stranger in 1..=3 {
        recording.at(3_600_000_000_000 + u64::from(stranger));
        recording.tcp((200 + stranger, 1), (9, 2), 1, 1, b"somebody else");
    }
    let notebook = told(recording);
    let place =
        |is_it: &dyn Fn(&Observation) -> bool| notebook.observations.iter().position(is_it).expect("it is told");
    let sum = place(&|told| matches!(&told.fact, Fact::Activity(_)));
    let stranger = place(&|told| told.subject.host.address.to_string().ends_with(".203"));
    assert!(sum < stranger, "{sum} {stranger}");
}

#[test]
fn a_capture_without_packets_has_no_hour() {
    let (_, totals) = read(vec![Recording::new().input("empty.pcap")], Settings::default());
    assert!(totals.hours.is_empty(), "{:?}", totals.hours);
}

#[test]
fn a_flow_of_many_kinds_of_messages_is_cheap_and_lost_to_nobody() {
    let mut recording = Recording::new();
    let mut sequence = 1;
    for unit in 1..=100u8 {
        for function in 1..=100u8 {
            let message = [0, unit, 0, 0, 0, 6, unit, function, 0, 0, 0, 1];
            recording.tcp(MASTER, SLAVE, sequence, 1, &message);
            sequence += 12;
        }
    }
    let (notebook, totals) = read(vec![recording.input("sweep.pcap")], Settings::default());
    assert_eq!(messages(&notebook, Direction::Request) + messages(&notebook, Direction::Response), 10_000);
    assert_eq!(totals.sum().lanes.operations_over_cap, 0);
}

#[test]
fn a_bad_message_hides_nothing_behind_it() {
    let mut recording = Recording::new();
    let bad = [0, 2, 0, 0, 0, 4, 1, 0x83, 0xaa, 0xbb];
    let segment = [&request(1, 3, [0, 0, 0, 1])[..], &bad, &request(3, 6, [0, 0x64, 5, 0xdc])].concat();
    recording.tcp(MASTER, SLAVE, 1, 1, &segment);
    let notebook = told(recording);
    let writes = notebook.activity().filter(|row| row.is_control).map(|row: &Activity| row.messages);
    assert_eq!(writes.sum::<u64>(), 1);
}

/// A login that nobody answers ends when the capture does, behind frames of others.
#[test]
fn what_is_told_at_the_end_shows_its_own_frame() {
    let mut recording = Recording::new();
    recording.tcp(MASTER, (2, 22), 1, 1, b"SSH-2.0-visitor\r\n");
    poll(&mut recording, 0..5, &mut (1, 1));
    let notebook = told(recording);
    let is_channel = |told: &&Observation| matches!(told.fact, Fact::Channel(_));
    let frames: Vec<_> =
        notebook.observations.iter().filter(is_channel).map(|channel| channel.evidence.frame).collect();
    assert_eq!(frames, [Some(1)]);
}
