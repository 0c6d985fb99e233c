//! Messages under a ruler. Where nothing else is said they are of the capture `modicon_test.pcap` of the ITI's ICS Security
//! Tools: a Quantum 140 CPU 311 10 whose program is read.

use super::super::MODBUS;
use super::super::tests::story_of;
use crate::dissector::{Ending, Side};
use crate::rig::{Rig, hex};
use proptest::prelude::*;

/// A request and its answer, from behind function 90.
type Exchange = (&'static str, &'static str);

//                             key fn
const READ_IDENTITY: Exchange = (
    "00 02",
    // key ok | family type | controller | - | minor major | patch | - | hardware | - | length name | memory banks
    "00 fe  10 ff  5a01  01000000  70 02  0000  2700  0900  080000000000  0e 3134302043505520333131203130  \
     01 01010000 00001100",
);
/// As a public tool's `read_id` records it.
const READ_IDENTITY_OF_AN_M580: Exchange = (
    "00 02",
    "00 fe  0e 30  0b01  00000000  20 02  0000  0900  0e0b  010200000000  0c 424d45205035382031303230  \
     01 01010000 00004a00",
);
const INITIALISE: Exchange = ("00 01 00", "00 fe  fd00 0104 00003200 00000000  00");
/// As the same tool's `init_comms` records it: somebody else holds the reservation.
const INITIALISE_RESERVED: Exchange = ("00 01 00", "00 fe  fd03 0006 00003200 0a030000  07 4a4f484e2d5043");
const READ_PROJECT: Exchange = (
    "00 03 00",
    // key ok | - | weekday s min h day month year, twice | build minor major | length name
    "00 fe  020500009888010000 020500009888010000  02 0c 3b 0c 0e 01 de07  02 0c 3b 0c 0e 01 de07  0800 00 00  \
     08 50726f6a65637400",
);
const READ_STATE: Exchange = (
    "00 04",
    // key ok | a quantity of numbers | the state | more of them
    "00 fe  02828006b0d56f1b37583d110000000037583d1137583d1103000000000000000000000001000000\
     0000000000000000000000000000000001080400  01  010000fa00",
);
/// Redpoint, modicon-info, for the request and where the length and the name stand; the bytes before them are not known.
const READ_MEMORY_CARD: Exchange = ("00 06 06", "00 fe  000000000000  0b 424d58524d533030384d50");
const TAKE: Exchange = ("00 10 434c0000 0f 555345522d37313445373446323142", "00 fe 01");
/// As the same tool's `release_plc_reservation` records them, refused and accepted.
const RELEASE_REFUSED: Exchange = ("c8 11", "c8 fd 8180c0c62d0000000000");
const RELEASE: Exchange = ("c9 11", "c9 fe");
const KEEP_ALIVE: Exchange = ("01 12", "01 fe");
/// Metasploit, `modicon_command`.
const STOP: Exchange = ("01 41 ff00", "01 fe");
const START: Exchange = ("01 40 ff00", "01 fe");
const BEGIN_FROM: Exchange = ("01 33 0001 fb00", "01 fe 0001 07000000");
const BLOCK_1_FROM: Exchange = ("01 34 0001 0100", "01 fe 00 00 0400 41505800");
const BLOCK_2_FROM: Exchange = ("01 34 0001 0200", "01 fe 01 00 0300 000102");
const END_FROM: Exchange = ("01 35 0001 0200", "01 fe");
/// Metasploit, `modicon_stux_transfer`, for the layout of the three.
const BEGIN_TO: Exchange = ("01 30 0001", "01 fe");
const BLOCK_1_TO: Exchange = ("01 31 0001 0100 0400 41505800", "01 fe");
const BLOCK_2_TO: Exchange = ("01 31 0001 0200 0300 000102", "01 fe");
const END_TO: Exchange = ("01 32 0001 0200", "01 fe");

/// In its frame of TCP, as transaction and unit say.
fn framed(transaction: u16, unit: u8, message: &str) -> Vec<u8> {
    enveloped(transaction, unit, &hex(message))
}

fn enveloped(transaction: u16, unit: u8, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len() + 2).expect("messages are short").to_be_bytes();
    let [high, low] = transaction.to_be_bytes();
    [&[high, low, 0, 0, length[0], length[1], unit, 0x5A][..], message].concat()
}

/// What exchanges tell, one after the other; the lines of Modbus itself are left out.
fn told(exchanges: &[Exchange]) -> Vec<String> {
    let mut rig = Rig::tcp(&MODBUS);
    tell(&mut rig, exchanges);
    story(&mut rig)
}

fn tell(rig: &mut Rig, exchanges: &[Exchange]) {
    for (transaction, (request, response)) in (1..).zip(exchanges) {
        rig.segment(Side::A, &framed(transaction, 0, request));
        rig.segment(Side::B, &framed(transaction, 0, response));
    }
}

fn story(rig: &mut Rig) -> Vec<String> {
    let of_modbus = ["A request[0] 90", "B response[0] 90", "B serves", "10.0.0.2[0] exists (Answered)"];
    let lines = rig.story().into_iter().filter(|line| !of_modbus.contains(&line.as_str()));
    lines.map(|line| line.replace("10.0.0.2[0] umas.", "")).collect()
}

/// What is told of the operations alone.
fn acts(exchanges: &[Exchange]) -> Vec<String> {
    told(exchanges).into_iter().filter(|line| line.contains(" by ")).collect()
}

#[test]
fn each_message_counts_under_modbus_and_under_its_own_function() {
    let mut rig = Rig::tcp(&MODBUS);
    tell(&mut rig, &[KEEP_ALIVE, RELEASE_REFUSED]);
    assert_eq!(
        rig.story(),
        [
            "A request[0] 90",
            "A request[0] 0x12",
            "B serves",
            "B response[0] 90",
            "B response[0] 0x12",
            "10.0.0.2[0] exists (Answered)",
            "A request[0] 90",
            "A request[0] 0x11",
            "B response[0] 90",
            "B response[0] 0x11 exception",
        ]
    );
}

#[test]
fn a_controller_says_what_it_is() {
    assert_eq!(
        told(&[READ_IDENTITY])[2..],
        [
            "model = 140 CPU 311 10",
            "firmware = 02.70",
            "firmware_patch = 0",
            "family = 16",
            "type = 255",
            "controller_id = 346",
            "hardware_id = 9",
        ]
    );
    let of_an_m580 = told(&[READ_IDENTITY_OF_AN_M580]);
    assert_eq!(of_an_m580[2..4], ["model = BME P58 1020", "firmware = 02.20"]);
    assert_eq!(told(&[READ_MEMORY_CARD])[2..], ["memory_card = BMXRMS008MP"]);
    assert_eq!(told(&[READ_STATE])[2..], ["operating_state = stopped"]);
}

#[test]
fn a_project_has_a_name_a_version_and_times_of_build() {
    assert_eq!(
        told(&[READ_PROJECT])[2..],
        [
            "project_name = Project",
            "project_version = 0.0.8",
            "project = Project 0.0.8, built 2014-01-14 12:59:12",
            "project_rebuilt = 2014-01-14 12:59:12",
            "project_built = 2014-01-14 12:59:12",
        ]
    );
    // Block 20 from byte 346 on; Redpoint's example of a name.
    let file = ("00 20 00 1400 5a01 0000 0c00", "00 fe 00 0c00 50726f6a6563742e53545500");
    assert_eq!(told(&[file])[2..], ["project_file = Project.STU"]);
    let elsewhere = ("00 20 00 1400 5b01 0000 0c00", file.1);
    assert_eq!(told(&[elsewhere])[2..], [""; 0]);
}

#[test]
fn what_does_not_fit_its_layout_says_nothing() {
    for (request, response) in [
        // The name overruns; it is of control characters; it is empty.
        ("00 02", "00 fe 10ff 5a01 01000000 7002 0000 2700 0900 080000000000 0e 313430"),
        ("00 02", "00 fe 10ff 5a01 01000000 7002 0000 2700 0900 080000000000 03 010203"),
        ("00 02", "00 fe 10ff 5a01 01000000 7002 0000 2700 0900 080000000000 00"),
        // It was an error; it answers something else.
        ("00 02", "00 fd 10ff 5a01 01000000 7002 0000 2700 0900 080000000000 03 414243"),
        ("00 07", "00 fe 10ff 5a01 01000000 7002 0000 2700 0900 080000000000 03 414243"),
        // Bytes behind the owner's name.
        ("00 01 00", "00 fe fd03 0006 00003200 0a030000 03 414243 00"),
    ] {
        assert_eq!(told(&[(request, response)])[2..], [""; 0], "{response}");
    }
    let never_built = "00 fe 020500009888010000020500009888010000 0000000000000000 0000000000000000 0000 00 00 02 4100";
    assert_eq!(
        told(&[("00 03 00", never_built)])[2..],
        ["project_name = A", "project_version = 0.0.0", "project = A 0.0.0"]
    );
}

#[test]
fn who_takes_the_reservation_gives_its_name_and_acts_under_it() {
    assert_eq!(
        told(&[INITIALISE, TAKE, STOP, RELEASE]),
        [
            "A request[0] 0x01",
            "B response[0] 0x01",
            "A request[0] 0x10 control",
            "10.0.0.1 umas.client_host = USER-714E74F21B",
            "B response[0] 0x10",
            "A as USER-714E74F21B user[0] by 0x10: reservation, accepted (frame 3)",
            "A request[0] 0x41 control",
            "B response[0] 0x41",
            "A as USER-714E74F21B stop[0] by 0x41: controller, accepted (frame 5)",
            "A request[0] 0x11",
            "B response[0] 0x11",
        ]
    );
    assert_eq!(told(&[INITIALISE_RESERVED])[2..], ["reservation_owner = JOHN-PC"]);
    // A length that is not the name's: no name, no taker.
    assert_eq!(acts(&[("00 10 434c0000 0f 5553", "00 fe 01")]), ["A user[0] by 0x10: reservation, accepted (frame 1)"]);
}

#[test]
fn what_changes_the_controller_is_told_with_its_outcome() {
    let refused = "01 fd 8180";
    assert_eq!(
        acts(&[
            START,
            (START.0, refused),
            ("01 42 00", "01 fe"),
            // key fn range block offset - length bytes: as function 0x20 reads
            ("01 21 00 1300 6400 0000 0200 abcd", "01 fe"),
            ("01 21 00 1300 6400 0000 0300 abcd", "01 fe"),
            // key fn checksum count type block base offset value
            ("01 23 1bf47323 01 02 9600 0000 0200 3700", "01 fe"),
            ("01 25 00", "01 fe"),
            ("01 29 00", "01 fe"),
            ("01 71 00", "01 fe"),
            ("01 36 00", "01 fe"),
            ("01 37 00", "01 fe"),
            ("01 43 00", "01 fe"),
            ("01 60 00", "01 fe"),
            ("01 61 00", "01 fe"),
            ("01 63 00", "01 fe"),
        ]),
        [
            "A mode[0] by 0x40: controller = run, accepted (frame 1)",
            "A mode[0] by 0x40: controller = run, rejected (frame 3)",
            "A restart[0] by 0x42: controller = initialise, accepted (frame 5)",
            "A write[0] by 0x21: memory block 19 at 100, accepted (frame 7)",
            "A write[0] by 0x21: memory block, accepted (frame 9)",
            "A write[0] by 0x23: 1 variable, accepted (frame 11)",
            "A write[0] by 0x25: coils and registers, accepted (frame 13)",
            "A write[0] by 0x29: physical address, accepted (frame 15)",
            "A write[0] by 0x71: I/O object, accepted (frame 17)",
            "A backup[0] by 0x36: backup, accepted (frame 19)",
            "A program[0] by 0x37: blocks = preload, accepted (frame 21)",
            "A program[0] by 0x43: blocks = swap, accepted (frame 23)",
            "A mode[0] by 0x60: breakpoint = set, accepted (frame 25)",
            "A mode[0] by 0x61: breakpoint = delete, accepted (frame 27)",
            "A mode[0] by 0x63: task = step, accepted (frame 29)",
        ]
    );
}

#[test]
fn a_transfer_is_told_once_at_its_end_with_its_hash() {
    let (from, to) = ([BEGIN_FROM, BLOCK_1_FROM, BLOCK_2_FROM, END_FROM], [BEGIN_TO, BLOCK_1_TO, BLOCK_2_TO, END_TO]);
    // SHA-256 of `41 50 58 00 00 01 02`, by sha256sum.
    assert_eq!(acts(&from), ["A backup[0] by 0x33: application of 7 bytes f3f24eee, accepted (frame 1)"]);
    assert_eq!(acts(&to), ["A program[0] by 0x30: application of 7 bytes f3f24eee, accepted (frame 1)"]);
    // Metasploit sends the second block twice.
    assert_eq!(acts(&[to[0], to[1], to[2], to[2], to[3]]), acts(&to));
    assert_eq!(acts(&[from[0], from[1], from[1], from[2], from[3]]), acts(&from));
    let other_file = [("01 30 0010", "01 fe"), BLOCK_1_TO, BLOCK_2_TO, END_TO];
    assert_eq!(acts(&other_file), ["A program[0] by 0x30: file 16 of 7 bytes f3f24eee, accepted (frame 1)"]);
}

#[test]
fn a_transfer_of_which_something_is_missing_says_so_and_has_no_hash() {
    let flaw = |exchanges: &[Exchange]| acts(exchanges).concat().replace("A program[0] by 0x30: ", "");
    let refused = "01 fd 8180";
    let [begin, first, second, end] = [BEGIN_TO, BLOCK_1_TO, BLOCK_2_TO, END_TO];
    assert_eq!(flaw(&[begin, second, end]), "application = blocks are missing, accepted (frame 1)");
    assert_eq!(flaw(&[begin, first, end]), "application = blocks are missing, accepted (frame 1)");
    assert_eq!(flaw(&[first, second, end]), "program = its beginning was not seen, accepted (frame 1)");
    assert_eq!(
        flaw(&[begin, first, (second.0, refused), end]),
        "application = a block was refused, accepted (frame 1)"
    );
    assert_eq!(
        flaw(&[begin, (first.0, refused), first, second, end]),
        "application of 7 bytes f3f24eee, accepted (frame 1)",
        "it came again"
    );
    assert_eq!(flaw(&[begin, first, second, (end.0, refused)]), "application, rejected (frame 1)");
    assert_eq!(flaw(&[(begin.0, refused)]), "application, rejected (frame 1)");
    assert_eq!(
        flaw(&[begin, first, begin, first, second, end]),
        "application = its end was not seen, unknown (frame 1)application of 7 bytes f3f24eee, accepted (frame 5)"
    );
    let announced = ("01 33 0001 fb00", "01 fe 0001 08000000");
    assert_eq!(
        acts(&[announced, BLOCK_1_FROM, BLOCK_2_FROM, END_FROM]),
        ["A backup[0] by 0x33: application = its length is not as announced, accepted (frame 1)"]
    );
}

#[test]
fn a_transfer_with_a_gap_or_without_an_end_says_so() {
    let mut rig = Rig::tcp(&MODBUS);
    tell(&mut rig, &[BEGIN_FROM, BLOCK_1_FROM]);
    rig.lose(Side::B, 4);
    tell(&mut rig, &[BLOCK_2_FROM, END_FROM]);
    let lines = story(&mut rig);
    let [.., act] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(act, "A backup[0] by 0x33: application = bytes were lost, accepted (frame 1)");

    tell(&mut rig, &[BEGIN_TO, BLOCK_1_TO]);
    story(&mut rig);
    rig.finish(Ending::Unseen);
    assert_eq!(story(&mut rig), ["A program[0] by 0x30: application = its end was not seen, unknown (frame 9)"]);
}

#[test]
fn what_is_asked_in_vain_is_unanswered_once_and_an_exception_of_modbus_refuses() {
    let mut rig = Rig::tcp(&MODBUS);
    rig.segment(Side::A, &framed(1, 1, KEEP_ALIVE.0));
    rig.segment(Side::B, &framed(1, 1, KEEP_ALIVE.1));
    rig.story();
    rig.segment(Side::A, &framed(2, 1, STOP.0));
    assert_eq!(
        rig.wait(31).story(),
        [
            "A request[1] 90",
            "A request[1] 0x41 control",
            "A request[1] 0x41 unanswered since frame 3 control",
            "A stop[1] by 0x41: controller, unanswered (frame 3)",
        ]
    );
    //                                     trans proto len  unit fc key fn       trans proto len unit fc code
    let story = story_of(&[("0001 0000 0006 00 5a 01 41 ff00", "0001 0000 0003 00 da 01")]);
    assert!(story.contains(&"A stop[0] by 0x41: controller, rejected (frame 1)".to_owned()), "{story:?}");
    assert!(story.contains(&"B response[0] 0x41 exception".to_owned()), "{story:?}");
}

#[test]
fn what_is_in_a_signed_envelope_is_told_apart() {
    // key 38 magic signature | 5a key fn data. After Zaltzman, UMAS-Wireshark-Dissector; the signature is made up.
    let signature = "a5".repeat(32);
    let signed = |inner: &str, code: &str| format!("01 {code} 01 {signature} 5a {inner}");
    let mut rig = Rig::tcp(&MODBUS);
    rig.segment(Side::A, &framed(1, 0, &signed("01 41 ff00", "38")));
    rig.segment(Side::B, &framed(1, 0, &signed("01 fe", "fe")));
    rig.segment(Side::A, &framed(2, 0, &signed("01 41 ff00", "38")));
    rig.segment(Side::B, &framed(2, 0, &signed("01 fd 8180", "fe")));
    rig.segment(Side::A, &framed(3, 0, "01 38 01 a5a5"));
    assert_eq!(
        story(&mut rig),
        [
            "A request[0] 0x41 control",
            "B response[0] 0x41",
            "A stop[0] by 0x41: controller, accepted (frame 1)",
            "A request[0] 0x41 control",
            "B response[0] 0x41 exception",
            "A stop[0] by 0x41: controller, rejected (frame 3)",
            "A request[0] 0x38",
        ]
    );
}

/// All that stands above.
const EXCHANGES: [Exchange; 20] = [
    READ_IDENTITY,
    READ_IDENTITY_OF_AN_M580,
    INITIALISE,
    INITIALISE_RESERVED,
    READ_PROJECT,
    READ_STATE,
    READ_MEMORY_CARD,
    TAKE,
    RELEASE_REFUSED,
    RELEASE,
    KEEP_ALIVE,
    STOP,
    START,
    BEGIN_FROM,
    BLOCK_1_FROM,
    BLOCK_2_FROM,
    END_FROM,
    BEGIN_TO,
    BLOCK_1_TO,
    BLOCK_2_TO,
];

#[test]
fn an_answer_that_is_cut_tells_nothing_but_that_it_came_or_the_same() {
    for (request, response) in EXCHANGES {
        let whole: Vec<String> = told(&[(request, response)]);
        let bytes = hex(response);
        for length in 2..bytes.len() {
            let mut rig = Rig::tcp(&MODBUS);
            rig.segment(Side::A, &framed(1, 0, request));
            rig.segment(Side::B, &enveloped(1, 0, &bytes[..length]));
            let told = story(&mut rig);
            assert!(told.iter().all(|line| whole.contains(line)), "{request}, {length} of {response}: {told:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_byte_makes_it_stumble(
        exchange in 0..EXCHANGES.len(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        order in proptest::collection::vec(0..EXCHANGES.len(), 0..6),
        length in 0_usize..200,
    ) {
        let mut rig = Rig::tcp(&MODBUS);
        let before: Vec<Exchange> = order.iter().map(|at| EXCHANGES[*at]).collect();
        tell(&mut rig, &before);
        let (request, response) = EXCHANGES[exchange];
        for (side, message) in [(Side::A, request), (Side::B, response)] {
            let mut bytes = framed(99, 0, message);
            for (at, byte) in &changes {
                // What stands before the function is Modbus's own.
                let at = 8 + at % (bytes.len() - 8);
                bytes[at] = *byte;
            }
            bytes.truncate(bytes.len().min(8 + length));
            let pdu = u16::try_from(bytes.len() - 6).expect("short").to_be_bytes();
            bytes[4..6].copy_from_slice(&pdu);
            rig.segment(side, &bytes);
        }
        rig.finish(Ending::Closed);
    }
}
