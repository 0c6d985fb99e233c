//! Objects in fragments, told: each message as a string of octets with its clause of IEEE 1815-2012.

use super::super::tests::{dnp3, request, response, story_of};
use crate::dissector::{Ending, Side};
use crate::rig::Rig;

/// What a story says beside the counts and who is there.
fn news(story: Vec<String>) -> Vec<String> {
    let is_news = |line: &String| line.contains(" by ") || line.contains(" dnp3.") && !line.contains("_address = ");
    let short = |line: String| line.replace("10.0.0.2[10] dnp3.", "").replace("A write[10] by ", "write ");
    story.into_iter().filter(is_news).map(short).collect()
}

fn told(exchanges: &[(&str, &str)]) -> Vec<String> {
    news(story_of(exchanges))
}

fn finished(exchanges: &[(&str, &str)]) -> Vec<String> {
    news(story_to_the_end(exchanges))
}

/// All that exchanges tell, the last word too; an answer without a byte is none.
fn story_to_the_end(exchanges: &[(&str, &str)]) -> Vec<String> {
    let mut rig = dnp3();
    for (asked, answered) in exchanges {
        rig.segment(Side::A, &request(asked));
        if !answered.is_empty() {
            rig.segment(Side::B, &response(answered));
        }
    }
    rig.finish(Ending::Closed).story()
}

fn digits(bytes: &[u8]) -> String {
    crate::hex::hex(bytes).to_string()
}

/// Group, variation, qualifier, set twice; type VSTR, length, text (A.1).
fn text(number: u8, words: &str) -> String {
    format!("00{number:02x}000000 01{:02x}{}", words.len(), digits(words.as_bytes()))
}

/// Group, variation, free format, one object, its size, the object (4.2.2.7.3.3).
fn sized(group: u8, variation: u8, object: &str) -> String {
    let length = object.chars().filter(char::is_ascii_hexdigit).count() / 2;
    format!("{group:02x}{variation:02x}5b01 {length:02x}00 {object}")
}

/// A.1: a read of all attributes, and what answers it.
#[test]
fn attributes_are_told_by_their_names() {
    let texts = [
        (252, "Hersteller GmbH"),
        (250, "RTU-7 compact"),
        (242, "4.2.1"),
        (243, "C"),
        (248, "SN-00017"),
        (247, "Feeder 3"),
        (245, "Substation West"),
        (246, "FW-3"),
        (208, "Grid West"),
        (244, "City Works"),
        (249, "4:2012"),
        (196, "west-feeder"),
        (197, "17"),
        (206, "second"),
        (207, "first"),
        (202, "_a1b2"),
    ]
    .map(|(number, words)| text(number, words));
    let (one, two) = texts.split_at(8);
    // 209 UINT 5; 200 OSTR; 201 UINT; 198 TIME; 205 FLT; 224 UINT: the number of binary outputs.
    let others = "00d1000000 020105  00c8000000 05040a0b0c0d  00c9000000 020102  00c6000000 07067b1d05524c01 \
                  00cd000000 040400004842  00e0000000 020108";
    let read = "c1 01 00fe000000";
    let told = told(&[
        (read, &format!("c1 81 0000 {}", one.concat())),
        (read, &format!("c1 81 0000 {} {others}", two.concat())),
    ]);
    let expected = [
        "manufacturer = Hersteller GmbH",
        "product = RTU-7 compact",
        "software_version = 4.2.1",
        "hardware_version = C",
        "serial_number = SN-00017",
        "device_name = Feeder 3",
        "location = Substation West",
        "identification_code = FW-3",
        "system_name = Grid West",
        "owner = City Works",
        "subset = 4:2012",
        "configuration_id = west-feeder",
        "configuration_version = 17",
        "secondary_operator = second",
        "primary_operator = first",
        "master_resource_id = _a1b2",
        "authentication_version = 5",
        "configuration_digest = 0a0b0c0d",
        "configuration_digest_algorithm = 2",
        "configuration_built = 2015-03-25 17:40:09.211",
        "latitude = 50.0",
        "attribute = number of binary outputs = 8",
    ];
    assert_eq!(told, expected);
}

/// A.1.2.3 and A.1.46: sets of the maker's own are numbered by the range; a list says which attributes may be written.
#[test]
fn private_sets_and_lists_of_attributes_are_told() {
    //          g  v  q start stop  type length value
    let set = "00 0c 00 05 05  01 02 6f6b   00 0d 01 0007 0007  02 02 e803";
    let list = "00 ff 00 00 00  fe 06  f5 01 f7 01 fc 00";
    assert_eq!(
        told(&[("c1 01 00fe000505", &format!("c1 81 0000 {set} {list}"))]),
        [
            "private_attribute = set 5, 12 = ok",
            "private_attribute = set 1792, 13 = 1000",
            "writable_attributes = location, device name",
        ]
    );
}

/// A.1: who writes an attribute names the device anew; what it was is known if it was read.
#[test]
fn a_written_attribute_is_an_action_with_what_was_before() {
    let read = format!("c1 81 0000 {}", text(247, "Feeder 3"));
    let write = format!("c2 02 {}", text(247, "Feeder 4"));
    let other = format!("c3 02 {}", text(245, "nowhere"));
    assert_eq!(
        told(&[("c1 01 00f7000000", &read), (&write, "c2 81 0000"), (&other, "c3 81 0004")]),
        [
            "device_name = Feeder 3",
            "A config[10] by 2: device name = Feeder 4 (was Feeder 3), accepted (frame 3)",
            "A config[10] by 2: location = nowhere, rejected (frame 5)",
        ]
    );
}

/// 4.4.3 and A.8.1: each control of a request has its own status.
#[test]
fn each_control_is_told_with_its_own_outcome() {
    //              qualifier count index code count on off status
    let asked = "0c 01 17 02  03 41 01 64000000 00000000 00  04 81 01 64000000 00000000 00";
    let answered = "0c 01 17 02  03 41 01 64000000 00000000 00  04 81 01 64000000 00000000 07";
    assert_eq!(
        told(&[(&format!("c1 05 {asked}"), &format!("c1 81 0000 {answered}"))]),
        [
            "A operate[10] by 5: binary output 3 = close, pulse on, 100 ms on, 0 ms off, accepted (frame 1)",
            "A operate[10] by 5: binary output 4 = trip, pulse on, 100 ms on, 0 ms off, rejected (local control) (frame 1)",
        ]
    );
    let analog = "29 02 28 0100 0700 e803";
    let told = told(&[
        (&format!("c2 03 {analog} 00"), &format!("c2 81 0000 {analog} 00")),
        (&format!("c3 04 {analog} 00"), &format!("c3 81 0000 {analog} 02")),
    ]);
    assert_eq!(told, ["A operate[10] by 4: analog output 7 = 1000, rejected (no selection) (frame 3)"]);
}

/// A.23: a clock is set; one that is read says how far it is off. The packets are of the first second of 1970.
#[test]
fn clocks_are_told() {
    let told = told(&[
        ("c1 02 32010701 7b1d05524c01", "c1 81 0000"),
        ("c2 02 32030701 0a0000000000", "c2 81 0000"),
        ("c3 01 32010701", "c3 81 0000 32010701 60ea00000000"),
    ]);
    let [first, others @ ..] = told.as_slice() else { panic!("{told:?}") };
    let set =
        "A time[10] by 2: clock = 2015-03-25 17:40:09.211 (1427305209 s ahead of the capture), accepted (frame 1)";
    assert_eq!(first, set);
    assert_eq!(others, ["A time[10] by 2: clock = 1970-01-01 00:00:00.010, accepted (frame 3)", "clock_offset = 59"]);
}

/// A.28.1: IIN1.7 is written to 0.
#[test]
fn a_cleared_restart_and_other_writes_are_told_by_what_they_write() {
    assert_eq!(
        told(&[
            ("c1 02 5001000707 00", "c1 81 0000"),
            ("c2 02 2202000303 0a000000", "c2 81 0000"),
            ("c3 02 0a01000003 05", "c3 81 0000"),
            ("c4 02 1401000000 01 05000000", "c4 81 0000"),
        ]),
        [
            "write 2: restart indication = cleared, accepted (frame 1)",
            "A config[10] by 2: analog input deadband 3 = 10, accepted (frame 3)",
            "write 2: binary output 0-3 = on, accepted (frame 5)",
            "write 2: counter 0, accepted (frame 7)",
        ]
    );
}

/// 4.4.4, 4.4.12, 4.4.10 and A.37: what else names objects or applications.
#[test]
fn what_requests_name_is_their_target() {
    let start = format!("c4 11 {}", sized(90, 1, "6c6f67696320" /* "logic " */));
    let activate = format!("c5 1f {} {}", sized(70, 8, "636f6e66"), sized(70, 8, "6e657874"));
    let statuses = format!("c5 81 0000 {}", sized(91, 1, "00000000 02 00 03"));
    assert_eq!(
        told(&[
            ("c1 07 1400000007", "c1 81 0000"),
            ("c2 0b 32020701 010203040506 0a000000 140006", "c2 81 0000"),
            ("c3 16 3c0206 0100000003 1e0006 3c0306 0200 06", "c3 81 0000"),
            (&start, "c4 81 0000"),
            (&activate, &statuses),
        ]),
        [
            "write 7: counter 0-7 = frozen, accepted (frame 1)",
            "write 11: counter = frozen at a time, accepted (frame 3)",
            "A config[10] by 22: binary input 0-3 = class 1, accepted (frame 5)",
            "A config[10] by 22: analog input = class 1, accepted (frame 5)",
            "A config[10] by 22: binary input event = class 2, accepted (frame 5)",
            "A mode[10] by 17: application logic = started, accepted (frame 7)",
            "A config[10] by 31: configuration conf = activated, rejected (file not found) (frame 9)",
            "A config[10] by 31: configuration next = activated, rejected (file not found) (frame 9)",
        ]
    );
}

/// Open `name` in `mode` (A.27.3), request id 4.
fn open(sequence: u8, mode: u8, name: &str) -> String {
    let object = format!(
        "1a00 {:02x}00 000000000000 0000 00000000 00000000 {mode:02x}00 0004 0400 {}",
        name.len(),
        digits(name.as_bytes())
    );
    format!("c{sequence} 19 {}", sized(70, 3, &object))
}

/// Status of a file (A.27.4): handle 0x12345678, and a size.
fn status(head: &str, request: u8, status: u8) -> String {
    format!("{head} {}", sized(70, 4, &format!("78563412 13000000 0004 {request:02x}00 {status:02x}")))
}

/// A block (A.27.5).
fn block(head: &str, number: &str, content: &[u8]) -> String {
    format!("{head} {}", sized(70, 5, &format!("78563412 {number} {}", digits(content))))
}

fn read_in(blocks: &[(&str, &[u8])]) -> Vec<String> {
    let mut rig = dnp3();
    let mut say = |side, fragment: &str| match side {
        Side::A => rig.segment(side, &request(fragment)),
        Side::B => rig.segment(side, &response(fragment)),
    };
    say(Side::A, &open(1, 1, "./testfile.txt"));
    say(Side::B, &status("c1 81 0000", 4, 0));
    for (number, content) in blocks {
        say(Side::A, &block("c2 01", number, b""));
        say(Side::B, &block("c2 81 0000", number, content));
    }
    say(Side::A, &status("c3 1a", 5, 0));
    say(Side::B, &status("c3 81 0000", 5, 0));
    news(rig.story())
}

/// A.27: opened, read block by block, closed: one action with the hash of all of it.
#[test]
fn a_file_that_is_read_is_one_action_with_its_hash() {
    let whole = "A backup[10] by 25: ./testfile.txt of 19 bytes e2d0fe15, accepted (frame 1)";
    assert_eq!(read_in(&[("00000080", b"This is a test file")]), [whole]);
    let (one, two): (&[u8], &[u8]) = (b"This is a ", b"test file");
    assert_eq!(read_in(&[("00000000", one), ("00000000", one), ("01000080", two)]), [whole], "one was sent again");
    let flawed = "A backup[10] by 25: ./testfile.txt = blocks are missing, accepted (frame 1)";
    assert_eq!(read_in(&[("00000000", one), ("02000080", two)]), [flawed]);
    let cut = "A backup[10] by 25: ./testfile.txt = its end was not seen, accepted (frame 1)";
    assert_eq!(read_in(&[("00000000", one)]), [cut]);
    assert_eq!(read_in(&[]), [""; 0], "nothing was read");
    // A directory: offset 20, a name of one letter, type 1 (a file), then size, time, permissions, request.
    let listing = b"\x14\0\x01\0\x01\0\x13\0\0\0\0\0\0\0\0\0\0\0\0\0a";
    let directory = "A backup[10] by 25: directory ./testfile.txt, accepted (frame 1)";
    assert_eq!(read_in(&[("00000080", listing)]), [directory]);
}

/// 4.4.16: blocks are written, each with a status (A.27.6).
#[test]
fn a_file_that_is_written_is_told_and_so_is_why_not() {
    let written = |status_of_block: &str| {
        let block_status = format!("c2 81 0000 {}", sized(70, 6, &format!("78563412 00000080 {status_of_block}")));
        told(&[
            (&open(1, 2, "app.bin"), &status("c1 81 0000", 4, 0)),
            (&block("c2 02", "00000080", b"hello world!"), &block_status),
            (&status("c3 1a", 5, 0), &status("c3 81 0000", 5, 0)),
        ])
    };
    assert_eq!(written("00"), ["A file[10] by 25: app.bin of 12 bytes 7509e5bd, accepted (frame 1)"]);
    assert_eq!(written("13"), ["A file[10] by 25: app.bin, rejected (fatal error) (frame 1)"]);
    assert_eq!(
        told(&[(&open(1, 2, "app.bin"), &status("c1 81 0000", 4, 1))]),
        ["A file[10] by 25: app.bin, rejected (permission denied) (frame 1)"]
    );
    let unfinished =
        finished(&[(&open(1, 3, "log"), &status("c1 81 0000", 4, 0)), (&block("c2 02", "00000000", b"x"), "")]);
    assert_eq!(unfinished, ["A file[10] by 25: log = its end was not seen, accepted (frame 1)"]);
    let aborted = told(&[
        (&open(1, 2, "log"), &status("c1 81 0000", 4, 0)),
        (&block("c2 02", "00000000", b"x"), "c2 81 0000"),
        (&status("c3 1e", 5, 0), &status("c3 81 0000", 5, 0)),
    ]);
    assert_eq!(aborted, ["A file[10] by 25: log = aborted, accepted (frame 1)"]);
    let unseen = finished(&[(&block("c2 02", "05000080", b"x"), "c2 81 0000")]);
    assert_eq!(unseen, ["A file[10] by 25: file with handle 0x12345678 = its start was not seen, accepted (frame 1)"]);
    let unanswered = finished(&[(&open(1, 2, "app.bin"), "")]);
    assert_eq!(unanswered, ["A file[10] by 25: app.bin, unknown (frame 1)"]);
}

/// What exchanges tell of logins, or of the want of one.
fn logins(exchanges: &[(&str, &str)]) -> Vec<String> {
    let story = story_to_the_end(exchanges);
    story.into_iter().filter(|line| line.contains(" logs in ") || line.contains(" is lax ")).collect()
}

/// 4.4.19 and A.27.2: a user and a password in clear; a key comes back, or 0.
#[test]
fn a_login_for_files_is_told_with_its_outcome() {
    //              offset length offset length key     'oper'   'secret'
    let given = "0c00 0400 1000 0600 00000000 6f706572 736563726574";
    let asked = format!("c1 1d {}", sized(70, 2, given));
    let answered = |key: &str| format!("c1 81 0000 {}", sized(70, 2, &format!("0c00 0000 0c00 0000 {key}")));
    let told = |outcome: &str| {
        [format!("10.0.0.1 logs in to 10.0.0.2[10] by dnp3_file as oper, {outcome}, cleartext (frame 1)")]
    };
    assert_eq!(logins(&[(&asked, &answered("0100ed5e"))]), told("accepted"));
    assert_eq!(logins(&[(&asked, &answered("00000000"))]), told("rejected"));
    assert_eq!(logins(&[(&asked, &status("c1 81 0000", 0, 1))]), told("rejected"));
    assert_eq!(logins(&[(&asked, "c1 81 0001")]), told("unknown"), "the function is not known there");
    assert_eq!(logins(&[(&asked, "")]), told("unknown"));
    let nobody = format!("c1 1d {}", sized(70, 2, "0c00 0000 0c00 0000 00000000"));
    let told = "10.0.0.1 logs in to 10.0.0.2[10] by dnp3_file, accepted, cleartext (frame 1)";
    assert_eq!(logins(&[(&nobody, &answered("01000000"))]), [told]);
    for broken in ["0c00 ff00 1000 0600 00000000 6f70", "0c00"] {
        assert_eq!(logins(&[(&format!("c1 1d {}", sized(70, 2, broken)), "c1 81 0004")]), [""; 0], "{broken}");
    }
}

/// A.27.3: who may write a file without a key needs no login.
#[test]
fn a_file_that_is_written_without_a_login_is_told() {
    let accepted = status("c1 81 0000", 4, 0);
    let lax = ["10.0.0.2[10] is lax to 10.0.0.1: NoLogin, file write"];
    assert_eq!(logins(&[(&open(1, 2, "app.bin"), &accepted)]), lax);
    assert_eq!(logins(&[(&open(1, 2, "app.bin"), &status("c1 81 0000", 4, 1))]), [""; 0], "refused");
    assert_eq!(logins(&[(&open(1, 1, "app.bin"), &accepted)]), [""; 0], "read");
    let with_key = open(1, 2, "app.bin").replace("0000 00000000 00000000", "0000 0100ed5e 00000000");
    assert_eq!(logins(&[(&with_key, &accepted)]), [""; 0], "by a key");
}

/// 4.4.18: a file is deleted, or not.
#[test]
fn a_deleted_file_is_told_by_its_name() {
    let delete = open(1, 0, "./old.log").replace("c1 19", "c1 1b");
    assert_eq!(
        told(&[(&delete, &status("c1 81 0000", 4, 0)), (&delete.replacen("c1", "c2", 1), &status("c2 81 0000", 4, 3))]),
        [
            "A file[10] by 27: ./old.log = deleted, accepted (frame 1)",
            "A file[10] by 27: ./old.log = deleted, rejected (file not found) (frame 3)",
        ]
    );
}

/// A.45.1, A.45.2 and A.45.7: a control is challenged, proved, answered; another proof fails.
#[test]
fn challenges_and_proofs_are_told() {
    let mut rig = dnp3();
    let crob = "0c012801000100 0301 64000000 64000000 00";
    rig.segment(Side::A, &request(&format!("c6 05 {crob}")));
    //                                             sequence user mac reason data
    rig.segment(Side::B, &response(&format!("c6 83 0000 {}", sized(120, 1, "03000000 0000 04 01 73746576"))));
    rig.segment(
        Side::A,
        &request(&format!("c6 20 {}", sized(120, 2, "03000000 0100 06fae1911a2cce2dda8abfece1cac8c4"))),
    );
    rig.segment(Side::B, &response(&format!("c6 81 0000 {crob}")));
    //                                          sequence user association code time text
    let error = sized(120, 7, "03000000 0200 0000 01 000000000000 776b");
    rig.segment(Side::B, &response(&format!("c7 83 0000 {error}")));
    assert_eq!(
        news(rig.story()),
        [
            "mac_algorithm = HMAC SHA-256, 16 octets",
            "challenge = critical function",
            "user = 1",
            "A operate[10] by 5: binary output 1 = latch on, accepted (frame 1)",
            "authentication_error = authentication failed (user 2): wk",
        ]
    );
}

/// 7.5.1.7 and A.45.7: a control that is challenged and proved by a wrong key is refused with its proof, and so is one that
/// bears its proof.
#[test]
fn a_control_whose_proof_is_none_is_refused_and_not_unanswered() {
    let crob = "0c012801000100 0301 64000000 64000000 00";
    let challenge = format!("c6 83 0000 {}", sized(120, 1, "03000000 0000 04 01 73746576"));
    let proof = format!("c6 20 {}", sized(120, 2, "03000000 0100 06fae1911a2cce2dda8abfece1cac8c4"));
    let error = format!("c6 83 0000 {}", sized(120, 7, "03000000 0100 0000 01 000000000000"));
    let bearing = format!("c6 05 78030701 05000000 0100 {crob} {}", sized(120, 9, "aabbccdd"));
    let refused = ["A operate[10] by 5: binary output 1 = latch on, rejected (authentication failed) (frame 1)"];
    let control = |exchanges: &[(&str, &str)]| {
        let story = story_to_the_end(exchanges);
        assert!(!story.concat().contains("unanswered"), "{story:?}");
        assert!(story.contains(&"B response[10] 131 exception".to_owned()), "{story:?}");
        story.into_iter().filter(|line| line.contains(" by 5")).collect::<Vec<_>>()
    };
    assert_eq!(control(&[(&format!("c6 05 {crob}"), &challenge), (&proof, &error)]), refused);
    assert_eq!(control(&[(&bearing, &error)]), refused);
}

/// A.45.4, A.45.5, A.45.3 and A.45.9: session keys, and a read that proves itself.
#[test]
fn session_keys_and_statistics_are_told() {
    //                            sequence user wrap status mac challenge
    let keys = format!("c1 83 0000 {}", sized(120, 5, "01000000 0500 02 02 00 0400 01020304"));
    let read = format!("c2 01 78030701 05000000 0500 7901000012 {}", sized(120, 9, "aabbccdd"));
    //                     flags association count
    let statistics = "c2 81 0000 7901000203 01 0000 03000000  01 0000 00000000  7a01 1701 0c 01 0000 ff000000";
    assert_eq!(
        told(&[("c1 20 78040701 0500", &keys), (&read, statistics)]),
        [
            "user = 5",
            "key_wrap_algorithm = AES-256",
            "session_key_status = user 5: not initialized",
            "security_statistic = authentication failures = 3",
        ]
    );
}

/// A.45.8, A.45.10 and A.45.13: users, certificates and keys are changed.
#[test]
fn changes_of_users_are_told_and_their_keys_are_not() {
    //                       method operation sequence role days name key certificate
    let add = format!("c1 20 {}", sized(120, 10, "04 01 01000000 0100 1e00 0300 0200 0100 616e6e beef 77"));
    let certificate = format!("c2 20 {}", sized(120, 8, "44 01 0102030405"));
    let update = format!("c3 20 {}", sized(120, 13, "01000000 0500 0400 deadbeef"));
    let refusal = format!("c3 83 0000 {}", sized(120, 7, "01000000 0500 0000 09 000000000000"));
    assert_eq!(
        told(&[(&add, "c1 83 0000"), (&certificate, "c2 83 0000"), (&update, &refusal)]),
        [
            "A user[10] by 32: user ann = add, OPERATOR, expires after 30 days, AES-256, SHA-256, accepted (frame 1)",
            "A certificate[10] by 32: ID certificate = 5 octets, accepted (frame 3)",
            "A user[10] by 32: update key of user 5 = changed, rejected (invalid signature) (frame 5)",
            "authentication_error = invalid signature (user 5)",
        ]
    );
}

/// A.43 and A.44: a console. What is typed there is never told.
#[test]
fn a_terminal_is_counted_and_a_prompt_is_known() {
    let mut rig = dnp3();
    let typed =
        |sequence: u8, words: &str| format!("c{sequence} 02 70{:02x}1701 00 {}", words.len(), digits(words.as_bytes()));
    let shown = |words: &str| format!("f0 82 0000 71{:02x}1701 00 {}", words.len(), digits(words.as_bytes()));
    rig.segment(Side::A, &request(&typed(1, "\r\n")));
    rig.segment(Side::B, &response("c1 81 0000"));
    rig.segment(Side::B, &response(&shown("RTU 7\r\nPass")));
    rig.segment(Side::B, &response(&shown("word: ")));
    rig.segment(Side::A, &request(&typed(2, "hunter2\r")));
    rig.segment(Side::B, &response("c2 81 0000"));
    rig.segment(Side::B, &response(&shown("\r\n=> ")));
    rig.segment(Side::A, &request(&typed(3, "status\r")));
    rig.segment(Side::B, &response("c3 81 0000"));
    let told = rig.finish(Ending::Closed).story();
    assert!(!told.concat().contains("hunter") && !told.concat().contains(&digits(b"hunter2")), "{told:?}");
    assert_eq!(
        news(told),
        [
            "terminal = used",
            "write 2: virtual terminal output 0, accepted (frame 1)",
            "terminal = asked for a login",
            "write 2: virtual terminal output 0, accepted (frame 5)",
            "10.0.0.1 logs in to 10.0.0.2[10] by virtual_terminal, accepted, cleartext (frame 5)",
            "write 2: virtual terminal output 0, accepted (frame 8)",
            "terminal_octets = 39",
        ]
    );
}

/// A.41, A.37, A.31 and A.30: texts by which a device can be known.
#[test]
fn texts_are_told_and_other_octets_are_not() {
    let objects = [
        "6e04 00 0001 4d617267 00010203",
        &sized(90, 1, "6c6f676963"),
        "5301 0701 41424344 0500 0200 ffff",
        &sized(82, 1, "010203"),
    ];
    assert_eq!(
        told(&[("c1 01 6e0006", &format!("c1 81 0000 {}", objects.concat()))]),
        [
            "octet_string = Marg",
            "application = logic",
            "private_registration = ABCD object 5",
            "device_profile = 3 octets",
        ]
    );
}

/// What cannot be read to the end is counted as a message all the same, and said.
#[test]
fn an_object_that_ends_a_message_is_told() {
    let story =
        story_of(&[("c1 01 3c0106", "c1 81 0000 f001000000 01 0203"), ("c2 02 1e01000001 00", "c2 81 0000 1e02 00")]);
    assert_eq!(story.iter().filter(|line| line.starts_with("B response[10] 129")).count(), 2, "{story:?}");
    let unread: Vec<&String> = story.iter().filter(|line| line.contains("unread")).collect();
    assert_eq!(
        unread,
        [
            "10.0.0.2[10] dnp3.unread_object = g240v1: unknown",
            "10.0.0.1 dnp3.unread_object = g30v1: malformed",
            "10.0.0.2[10] dnp3.unread_object = g30v2: malformed",
        ]
    );
}

/// No more than eight transfers of a conversation are under way, and what is heard of no more is told.
#[test]
fn transfers_are_bounded_and_end() {
    let mut rig = dnp3();
    for number in 1..=12_u8 {
        let block = sized(70, 5, &format!("{number:02x}000000 00000000 00"));
        rig.segment(Side::A, &request(&format!("c{number:x} 02 {block}")));
    }
    let told = |rig: &mut Rig| news(rig.story()).into_iter().filter(|line| line.contains("by 25")).count();
    assert_eq!(told(&mut rig), 4);
    assert_eq!(told(rig.wait(61)), 8);
}
