//! Datagrams in, a story out. Side A is 10.0.0.1, port 40000; side B is 10.0.0.2, port 502.

use super::BACNET;
use crate::dissector::{Ending, Side, Verdict};
use crate::rig::{Rig, hex};
use proptest::prelude::*;

const READ_NAME: &str = "
    type func len  | ver ctl | type max id svc | [0] device 86001 | [1] object-name
    81   0a   0011 | 01  04  | 00   05  03 0c  | 0c 02014ff1      | 19 4d";
const NAME: &str = "
    type func len  | ver ctl | type id svc | [0] device 86001 | [1]   | [3 7 5  len charset text 'Boiler 2'        3]
    81   0a   0020 | 01  00  | 30   03 0c  | 0c 02014ff1      | 19 4d | 3e 75   09  00      42 6f 69 6c 65 72 20 32 3f";
const READ_NAME_BEHIND: &str = "
    type func len  | ver ctl | dnet len dadr | hops | type max id svc | [0] device 86001 | [1] object-name
    81   0a   0016 | 01  24  | 2199 01  3f   | ff   | 00   05  03 0c  | 0c 02014ff1      | 19 4d";
const NAME_BEHIND: &str = "
    type func len  | ver ctl | snet len sadr | type id svc | [0] device 86001 | [1]   | [3 75  len charset text 'Boiler 2'        3]
    81   0a   0024 | 01  08  | 2199 01  3f   | 30   03 0c  | 0c 02014ff1      | 19 4d | 3e 75  09  00      42 6f 69 6c 65 72 20 32 3f";
const I_AM: &str = "
    type func len  | ver ctl | dnet len hops | type svc | device 721  | max apdu | segm. | vendor 15
    81   0b   0018 | 01  20  | ffff 00  ff   | 10   00  | c4 020002d1 | 22 01e0  | 91 00 | 21 0f";
const I_AM_BEHIND: &str = "
    type func len  | ver ctl | dnet len | snet len sadr | hops | type svc | device 108  | max apdu | segm. | vendor 42
    81   0b   001c | 01  28  | ffff 00  | 0003 01  6c   | fe   | 10   00  | c4 0200006c | 22 01e0  | 91 00 | 21 2a";
const FORWARDED_I_AM: &str = "
    type func len  | origin 10.0.0.9:47808 | ver ctl | dnet len hops | type svc | device 721  | max apdu | segm. | vendor
    81   04   001e | 0a000009 bac0         | 01  20  | ffff 00  ff   | 10   00  | c4 020002d1 | 22 01e0  | 91 00 | 21 0f";
const WHO_IS: &str = "
    type func len  | ver ctl | dnet len hops | type svc
    81   0b   000c | 01  20  | ffff 00  ff   | 10   08";
const WRITE: &str = "
    type func len  | ver ctl | type max id svc | [0] analog-output 1 | [1]   | [3 real 72.5   3] | [4] priority 8
    81   0a   001a | 01  04  | 02   05  07 0f  | 0c 00400001         | 19 55 | 3e 44 42910000 3f | 49 08";
const WRITE_ACK: &str = "
    type func len  | ver ctl | type id svc
    81   0a   0009 | 01  00  | 20   07 0f";
const WRITE_ERROR: &str = "
    type func len  | ver ctl | type id svc | class property | code write-access-denied
    81   0a   000d | 01  00  | 50   07 0f  | 91 02          | 91 28";
const REJECT: &str = "
    type func len  | ver ctl | type id reason
    81   0a   0009 | 01  00  | 60   07 09";
const ABORT: &str = "
    type func len  | ver ctl | type id reason
    81   0a   0009 | 01  00  | 71   07 04";
const WITHDRAWAL: &str = "
    type func len  | ver ctl | type id reason
    81   0a   0009 | 01  00  | 70   07 00";
const RESTART: &str = "
    type func len  | ver ctl | type max id svc | [0] warmstart | [1] password 'secret'
    81   0a   0015 | 01  04  | 00   05  09 14  | 09 01         | 1d 07 00 73 65 63 72 65 74";
const SILENCE: &str = "
    type func len  | ver ctl | type max id svc | [0] minutes | [1] disable | [2] password 'secret'
    81   0a   0017 | 01  04  | 00   05  0a 11  | 09 3c       | 19 01       | 2d 07 00 73 65 63 72 65 74";
const SEGMENT_0: &str = "
    type func len  | ver ctl | type id seq window svc | the front of a list of objects
    81   0a   0013 | 01  04  | 3c   03 00  04     0c  | 0c 02014ff1 19 4c 3e";
const SEGMENT_1: &str = "
    type func len  | ver ctl | type id seq window svc | its middle
    81   0a   0010 | 01  04  | 3c   03 01  04     0c  | c4 02014ff1";
const SEGMENT_2: &str = "
    type func len  | ver ctl | type id seq window svc | its end
    81   0a   000c | 01  00  | 38   03 02  04     0c  | 3f";
const SEGMENT_ACK: &str = "
    type func len  | ver ctl | type id seq window
    81   0a   000a | 01  00  | 40   03 00  04";
const WHO_IS_ROUTER: &str = "
    type func len  | ver ctl | message
    81   0b   0007 | 01  80  | 00";
const REGISTER: &str = "
    type func len  | seconds
    81   05   0006 | 003c";
const RESULT_REFUSED: &str = "
    type func len  | register-foreign-device NAK
    81   00   0006 | 0030";
const READ_TABLE: &str = "
    type func len
    81   06   0004";
const TABLE: &str = "
    type func len  | 10.0.0.9:47808 | seconds | left
    81   07   000e | 0a000009 bac0  | 003c    | 0014";

const ALL: [&str; 25] = [
    READ_NAME,
    NAME,
    READ_NAME_BEHIND,
    NAME_BEHIND,
    I_AM,
    I_AM_BEHIND,
    FORWARDED_I_AM,
    WHO_IS,
    WRITE,
    WRITE_ACK,
    WRITE_ERROR,
    REJECT,
    ABORT,
    WITHDRAWAL,
    RESTART,
    SILENCE,
    SEGMENT_0,
    SEGMENT_1,
    SEGMENT_2,
    SEGMENT_ACK,
    WHO_IS_ROUTER,
    REGISTER,
    RESULT_REFUSED,
    READ_TABLE,
    TABLE,
];

/// The bytes under a ruler.
fn bytes(sample: &str) -> Vec<u8> {
    hex(sample.trim_start().split_once('\n').expect("a ruler stands above the bytes").1)
}

/// A datagram of these bytes whose length is right.
fn framed(function: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).expect("samples are short").to_be_bytes();
    [&[0x81, function][..], &length, body].concat()
}

fn rig() -> Rig {
    Rig::udp(&BACNET)
}

/// What these messages tell, each sent by A (`>`) or B (`<`).
fn story(messages: &[(char, &str)]) -> Vec<String> {
    let mut rig = rig();
    for (arrow, sample) in messages {
        rig.datagram(if *arrow == '>' { Side::A } else { Side::B }, &bytes(sample));
    }
    without_links(rig.story())
}

/// Leaves out the datagrams by their link function, which are counted beside what they carry.
fn without_links(story: Vec<String>) -> Vec<String> {
    story.into_iter().filter(|line| !line.ends_with(" b10") && !line.ends_with(" b11")).collect()
}

#[test]
fn a_device_says_who_it_is() {
    let mut rig = rig();
    rig.datagram(Side::A, &bytes(I_AM));
    assert_eq!(
        rig.story(),
        ["A request b11", "A request u0", "10.0.0.1 bacnet.device_instance = 721", "10.0.0.1 bacnet.vendor_id = 15",]
    );
}

#[test]
fn a_device_behind_a_router_is_a_child_of_the_router() {
    assert_eq!(
        story(&[('>', I_AM_BEHIND)]),
        [
            "A request u0",
            "10.0.0.1[3:108] exists (Routed)",
            "10.0.0.1[3:108] bacnet.device_instance = 108",
            "10.0.0.1[3:108] bacnet.vendor_id = 42",
        ]
    );
}

#[test]
fn properties_of_the_device_object_are_told() {
    assert_eq!(
        story(&[('>', READ_NAME), ('<', NAME)]),
        [
            "B serves",
            "A request 12",
            "B serves",
            "B response 12",
            "10.0.0.2 bacnet.device_instance = 86001",
            "10.0.0.2 bacnet.object_name = Boiler 2",
        ]
    );
    assert_eq!(
        story(&[('>', READ_NAME_BEHIND), ('<', NAME_BEHIND)]),
        [
            "B serves",
            "A request[8601:63] 12",
            "B serves",
            "B response[8601:63] 12",
            "10.0.0.2[8601:63] exists (Routed)",
            "10.0.0.2[8601:63] bacnet.device_instance = 86001",
            "10.0.0.2[8601:63] bacnet.object_name = Boiler 2",
        ]
    );
}

/// The answer to a read of `property` of device 5, with `value` in hex.
fn property(property: &str, value: &str) -> Vec<String> {
    let mut rig = rig();
    let apdu = format!("01 00 30 01 0c 0c 02000005 {property} 3e {value} 3f");
    rig.datagram(Side::B, &framed(0x0a, &hex(&apdu)));
    let told = rig.story().into_iter().filter_map(|line| line.split_once(" bacnet.").map(|(_, told)| told.to_owned()));
    told.filter(|told| told != "device_instance = 5").collect()
}

#[test]
fn each_property_has_its_field() {
    let text = "75 04 00 41 42 43";
    for (number, field) in [
        ("19 0c", "application_software_version"),
        ("19 1c", "description"),
        ("19 2c", "firmware_revision"),
        ("19 3a", "location"),
        ("19 46", "model_name"),
        ("19 4d", "object_name"),
        ("19 79", "vendor_name"),
        ("1a 0174", "serial_number"),
    ] {
        assert_eq!(property(number, text), [format!("{field} = ABC")]);
        assert_eq!(property(number, "21 07"), [""; 0], "a number is no {field}");
    }
    for (number, field) in [
        ("19 62", "protocol_version"),
        ("19 78", "vendor_id"),
        ("19 8b", "protocol_revision"),
        ("19 9b", "database_revision"),
    ] {
        assert_eq!(property(number, "22 0107"), [format!("{field} = 263")]);
        assert_eq!(property(number, text), [""; 0], "a text is no {field}");
    }
    for (number, value, told) in [
        ("19 70", "91 00", "system_status = operational"),
        ("19 70", "91 40", "system_status = 64"),
        ("19 c4", "91 05", "last_restart_reason = hardware-watchdog"),
        ("1a 0152", "91 03", "backup_state = performing-a-backup"),
        ("19 a8", "75 05 00 36 2d 50 31", "profile_name = 6-P1"),
        ("19 cb", "2e a4 7e0b1802 b4 08050000 2f", "time_of_restart = 2026-11-24 08:05:00"),
        ("19 cb", "0c 08050000", "time_of_restart = 08:05:00"),
        ("19 cb", "19 07", "time_of_restart = sequence 7"),
        ("1a 01fb", "65 10 f81d4fae7dec11d0a76500a0c91e6bf6", "device_uuid = f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("19 4c 29 00", "21 07", "object_count = 7"),
    ] {
        assert_eq!(property(number, value), [told]);
    }
    assert_eq!(property("1a 01fb", &format!("65 10 {}", "00".repeat(16))), [""; 0], "no identifier was given");
    assert_eq!(property("1a 01fb", "65 02 4142"), [""; 0], "too short for one");
    assert_eq!(
        property("19 4c", "c4 02000005 c4 00000001 c4 00000002 c4 00800001 c4 4b000005"),
        ["object_count = 5", "objects = 2 analog-input, 1 analog-value, 1 device, 1 object 300"]
    );
    assert_eq!(property("19 4b", "c4 02000009"), ["device_instance = 9"]);
    assert_eq!(property("19 4b", "c4 023fffff"), [""; 0], "the wildcard is no instance");
    assert_eq!(property("19 4d 29 01", text), [""; 0], "a part of an array");
    assert_eq!(property("19 4d", ""), [""; 0], "an empty list");
}

#[test]
fn other_objects_are_only_counted() {
    let mut rig = rig();
    rig.datagram(Side::B, &framed(0x0a, &hex("01 00 30 01 0c 0c 00000005 19 4d 3e 75 04 00 41 42 43 3f")));
    assert_eq!(rig.story(), ["B serves", "B request b10", "B response 12"]);
}

#[test]
fn what_is_passed_on_is_told_of_its_origin() {
    assert_eq!(
        story(&[('>', FORWARDED_I_AM)]),
        [
            "A request b4",
            "A request u0",
            "10.0.0.1 bacnet.broadcast_management = forwards broadcasts",
            "10.0.0.9 bacnet.device_instance = 721",
            "10.0.0.9 bacnet.vendor_id = 15",
        ]
    );
    let own = bytes(&FORWARDED_I_AM.replace("0a000009", "0a000001"));
    let mut rig = rig();
    rig.datagram(Side::A, &own);
    assert_eq!(
        rig.story(),
        ["A request b4", "A request u0", "10.0.0.1 bacnet.device_instance = 721", "10.0.0.1 bacnet.vendor_id = 15",]
    );
}

#[test]
fn a_station_with_the_senders_own_address_is_the_sender() {
    let apdu = "10 00 c4 020002d1 22 01e0 91 00 21 0f";
    let mut rig = rig();
    rig.datagram(Side::A, &framed(0x0a, &hex(&format!("01 08 02bf 06 0a000001 9c40 {apdu}"))));
    assert!(rig.story().contains(&"10.0.0.1 bacnet.device_instance = 721".to_owned()));
    rig.datagram(Side::A, &framed(0x0a, &hex(&format!("01 08 02bf 06 0a000001 9c41 {apdu}"))));
    assert!(rig.story().contains(&"10.0.0.1[703:0a0000019c41] bacnet.device_instance = 721".to_owned()));
}

#[test]
fn a_write_is_told_with_its_outcome() {
    let asked = ["B serves", "A request 15 control", "B serves"];
    let told = |answer, counted: &str, outcome: &str| {
        let write = format!("A write by 15: analog-output 1 present-value priority 8 = 72.5, {outcome} (frame 1)");
        assert_eq!(story(&[('>', WRITE), ('<', answer)]), [&asked[..], &[counted, &write]].concat());
    };
    told(WRITE_ACK, "B response 15", "accepted");
    told(WRITE_ERROR, "B response 15 exception", "rejected (property: write-access-denied)");
    told(REJECT, "B response 15 exception", "rejected (reject: unrecognized-service)");
    told(ABORT, "B response 15 exception", "rejected (abort: segmentation-not-supported)");
}

#[test]
fn a_restart_and_a_silence_are_told_without_their_passwords() {
    let restarted = WRITE_ACK.replace("07 0f", "09 14");
    let silenced = WRITE_ACK.replace("07 0f", "0a 11");
    let told = story(&[('>', RESTART), ('<', &restarted), ('>', SILENCE), ('<', &silenced)]);
    assert_eq!(
        told,
        [
            "B serves",
            "A request 20 control",
            "B serves",
            "B response 20",
            "A restart by 20: device = warmstart, accepted (frame 1)",
            "10.0.0.1 logs in to 10.0.0.2 by bacnet_password, accepted, cleartext (frame 1)",
            "B serves",
            "A request 17 control",
            "B serves",
            "B response 17",
            "A stop by 17: communication = disable for 60 minutes, accepted (frame 3)",
        ]
    );
}

/// What a request that devices may guard tells of its password, or of the want of one.
fn guarded(service: u8, parameters: &str, answer: &str) -> Vec<String> {
    let mut rig = rig();
    rig.datagram(Side::A, &framed(0x0a, &hex(&format!("01 04 00 05 09 {service:02x} {parameters}"))));
    if answer.is_empty() {
        rig.finish(Ending::Closed);
    } else {
        rig.datagram(Side::B, &framed(0x0a, &hex(&format!("01 00 {answer}"))));
    }
    let about = |line: &String| line.contains(" logs in ") || line.contains(" is lax ");
    let short = |line: String| line.replace("10.0.0.1 logs in to 10.0.0.2 by bacnet_password, ", "");
    rig.story().into_iter().filter(about).map(short).collect()
}

/// 16.1.1 and 16.4.1: in context tags 2 and 1 a password of 1 to 20 characters, which devices need not want.
#[test]
fn a_password_is_a_login_and_none_is_told_where_the_device_obeys() {
    //                  state  charset and 'secret'
    let (with, empty) = ("09 00 1d 07 00 736563726574", "09 00 19 00");
    let (ack, wrong, busy, reject) = ("20 09 14", "50 09 14 91 04 91 1a", "50 09 14 91 00 91 02", "60 09 09");
    for (parameters, answer, login) in [
        (with, ack, "accepted, cleartext (frame 1)"),
        (with, wrong, "rejected, cleartext (frame 1)"),
        (with, busy, "unknown, cleartext (frame 1)"),
        (with, reject, "unknown, cleartext (frame 1)"),
        (with, "", "unknown, cleartext (frame 1)"),
        (empty, ack, "accepted, cleartext (frame 1)"),
    ] {
        assert_eq!(guarded(20, parameters, answer), [login], "{parameters} {answer}");
    }
    for (service, parameters, what) in [
        (20, "09 01", "restart"),
        (20, "09 02", "backup"),
        (20, "09 05", "restore"),
        (20, "09 07", "activation of changes"),
        (17, "09 3c 19 01", "communication control"),
    ] {
        let lax = format!("10.0.0.2 is lax to 10.0.0.1: NoLogin, {what}");
        assert_eq!(guarded(service, parameters, &format!("20 09 {service:02x}")), [lax], "{parameters}");
        assert_eq!(guarded(service, parameters, &format!("50 09 {service:02x} 91 04 91 1a")), [""; 0], "{parameters}");
        assert_eq!(guarded(service, parameters, ""), [""; 0], "{parameters}");
    }
}

/// What a request to a service tells that is accepted; parameters in hex.
fn act(service: u8, parameters: &str) -> String {
    let mut rig = rig();
    rig.datagram(Side::A, &framed(0x0a, &hex(&format!("01 04 00 05 07 {service:02x} {parameters}"))));
    rig.datagram(Side::B, &framed(0x0a, &hex(&format!("01 00 20 07 {service:02x}"))));
    let line = rig.story().into_iter().find(|line| line.contains(" by ")).unwrap_or_default();
    line.replace(", accepted (frame 1)", "").replace("A ", "")
}

#[test]
fn a_device_is_restarted_saved_or_restored() {
    for (state, told) in [
        ("00", "restart by 20: device = coldstart"),
        ("01", "restart by 20: device = warmstart"),
        ("02", "backup by 20: device = start-backup"),
        ("03", "backup by 20: device = end-backup"),
        ("04", "config by 20: device = start-restore"),
        ("06", "backup by 20: device = abort-restore"),
        ("07", "config by 20: device = activate-changes"),
        ("40", "restart by 20: device = 64"),
    ] {
        assert_eq!(act(20, &format!("09 {state}")), told);
    }
    for (state, told) in [
        ("00", "write by 17: communication = enable"),
        ("01", "stop by 17: communication = disable"),
        ("02", "stop by 17: communication = disable-initiation"),
    ] {
        assert_eq!(act(17, &format!("19 {state}")), told);
    }
}

/// What a request to a service tells, each act in a line, when this answers it; parameters in hex.
fn acts(service: u8, parameters: &str, answer: &str) -> Vec<String> {
    let mut rig = rig();
    rig.datagram(Side::A, &framed(0x0a, &hex(&format!("01 04 00 05 07 {service:02x} {parameters}"))));
    rig.datagram(Side::B, &framed(0x0a, &hex(&format!("01 00 {answer}"))));
    rig.story().into_iter().filter(|line| line.contains(" by ")).collect()
}

#[test]
fn several_properties_are_told_one_by_one() {
    // [0] analog-output 1, [1 [0] present-value [2 real 72.5 2] [3] priority 8, [0] description [2 'A' 2] 1]
    let several = "0c 00400001 1e 09 55 2e 44 42910000 2f 39 08 09 1c 2e 75 02 00 41 2f 1f
        0c 00800002 1e 0a 0200 2e 75 02 00 41 2f 09 57 19 03 2e 00 2f 1f";
    let told = |outcomes: [&str; 4]| {
        let [a, b, c, d] = outcomes;
        [
            format!("A write by 16: analog-output 1 present-value priority 8 = 72.5, {a} (frame 1)"),
            format!("A write by 16: analog-output 1 description = A, {b} (frame 1)"),
            format!("A write by 16: analog-value 2 property 512, {c} (frame 1)"),
            format!("A write by 16: analog-value 2 priority-array[3] = null, {d} (frame 1)"),
        ]
    };
    assert_eq!(acts(16, several, "20 07 10"), told(["accepted"; 4]));
    assert_eq!(acts(16, several, "60 07 04"), told(["rejected (reject: invalid-tag)"; 4]));
    // [0 class code 0] [1 [0] analog-value 2 [1] property 512 1]
    let failed = "50 07 10 0e 91 02 91 28 0f 1e 0c 00800002 1a 0200 1f";
    let denied = "rejected (property: write-access-denied)";
    assert_eq!(acts(16, several, failed), told(["accepted", "accepted", denied, denied]), "those in front were done");

    let mut rig = rig();
    let front = format!("01 04 0c 05 07 00 04 10 {}", several.replace([' ', '\n'], "").split_at(38).0);
    rig.datagram(Side::A, &framed(0x0a, &hex(&front))).datagram(Side::B, &framed(0x0a, &hex("01 00 20 07 10")));
    let told = "A write by 16: analog-output 1 present-value priority 8 and others = 72.5, accepted (frame 1)";
    assert_eq!(rig.story().last().map(String::as_str), Some(told), "of the first segment what is whole");
}

#[test]
fn more_properties_than_are_told_are_counted_with_the_last() {
    let many = "0c 00400001 1e 09 55 2e 00 2f 1f".repeat(40);
    let told = acts(16, &many, "20 07 10");
    assert_eq!(told.len(), 32);
    let last = "A write by 16: analog-output 1 present-value and 8 others = null, accepted (frame 1)";
    assert_eq!(told.last().map(String::as_str), Some(last));
}

#[test]
fn what_a_property_is_decides_what_a_write_of_it_does() {
    let value = |text: &str| format!("{text}, accepted (frame 1)");
    let told = |parameters: &str| acts(15, parameters, "20 07 0f").concat();
    // Program_Change of program 3; [3 enumerated 3]
    for (request, words) in [
        ("01", "A program by 15: program 3 program-change = load"),
        ("02", "A mode by 15: program 3 program-change = run"),
        ("03", "A stop by 15: program 3 program-change = halt"),
        ("04", "A restart by 15: program 3 program-change = restart"),
        ("05", "A program by 15: program 3 program-change = unload"),
        ("00", "A write by 15: program 3 program-change = ready"),
    ] {
        assert_eq!(told(&format!("0c 04000003 19 5a 3e 91 {request} 3f")), value(words));
    }
    assert_eq!(told("0c 02000005 19 4d 3e 75 02 00 41 3f"), value("A config by 15: device 5 object-name = A"));
    let address = "A config by 15: network-port 1 ip-address = c0a80a01";
    assert_eq!(told("0c 0e000001 1a 0190 3e 64 c0a80a01 3f"), value(address));
    let card = "A write by 15: access-credential 7 present-value";
    assert_eq!(told("0c 08000007 19 55 3e 21 2a 3f"), value(card), "what a card holds is nobody's business");
}

#[test]
fn unconfirmed_requests_that_change_something_are_told_without_an_outcome() {
    for (service, parameters, told) in [
        ("06", "a4 7e0b1802 b4 08050000", "A time by u6: clock = 2026-11-24 08:05:00, unknown (frame 1)"),
        ("09", "a4 7e0b1802 b4 0805001e", "A time by u9: clock (UTC) = 2026-11-24 08:05:00.30, unknown (frame 1)"),
        (
            "0a",
            "09 17 19 08 2e 0a 010c 44 42910000 0a 010d 19 05 00 2f",
            "A write by u10: group 23 channel 268 priority 8 = 72.5, unknown (frame 1)",
        ),
        (
            "0e",
            "21 08 75 04 00 413142 75 03 00 4331 c4 02000007 61 05",
            "A config by u14: vendor 8 A1B C1 = device 7, address 05, unknown (frame 1)",
        ),
    ] {
        let mut rig = rig();
        rig.datagram(Side::A, &framed(0x0b, &hex(&format!("01 20 ffff 00 ff 10 {service} {parameters}"))));
        let number = u8::from_str_radix(service, 16).expect("hex");
        assert_eq!(rig.story(), ["A request b11".to_owned(), format!("A request u{number} control"), told.to_owned()]);
        assert_eq!(rig.wait(60).story(), [""; 0]);
    }
}

#[test]
fn every_service_that_names_its_sender_is_heard() {
    let told = |is_confirmed: bool, service: &str, parameters: &str| -> Vec<String> {
        let mut rig = rig();
        let head = if is_confirmed { "01 04 00 05 07" } else { "01 00 10" };
        rig.datagram(Side::B, &framed(0x0a, &hex(&format!("{head} {service} {parameters}"))));
        let claims = rig.story().into_iter().filter_map(|line| Some(line.split_once(" bacnet.")?.1.to_owned()));
        claims.collect()
    };
    let change = "09 01 1c 02000005 2c 02000005 39 3c 4e 09 70 2e 91 04 2f 4f";
    let changes = "09 01 1c 02000005 29 3c 4e 0c 02000005 1e 09 9b 2e 21 09 2f 1f 0c 00000001 1e 09 55 2e 00 2f 1f 4f";
    for (is_confirmed, one, many, private, text) in [(true, "01", "1f", "12", "13"), (false, "02", "0b", "04", "05")] {
        assert_eq!(told(is_confirmed, one, change), ["device_instance = 5", "system_status = non-operational"]);
        assert_eq!(told(is_confirmed, many, changes), ["device_instance = 5", "database_revision = 9"]);
        assert_eq!(
            told(is_confirmed, private, "0a 0104 19 03 2e 21 05 2f"),
            ["private_service = vendor 260 service 3"]
        );
        let line = "0c 02000005 1e 09 01 1f 29 00 3d 06 00 48656c6c6f";
        assert_eq!(told(is_confirmed, text, line), ["device_instance = 5", "text_message = Hello"]);
    }
    assert_eq!(told(false, "01", "c4 02000005 c4 00000001 75 02 00 41"), ["device_instance = 5"]);
    assert_eq!(
        told(false, "01", "c4 02000005 c4 02000005 75 02 00 41"),
        ["device_instance = 5", "object_name = A"],
        "an I-Have of the device itself"
    );
    assert_eq!(
        told(false, "0d", "21 08 75 04 00 413142 75 03 00 4331"),
        ["vendor_id = 8", "model_name = A1B", "serial_number = C1"]
    );
    assert_eq!(told(true, "02", "09 01 1c 02000005 2c 00000001"), [""; 0], "events may be passed on for others");
}

#[test]
fn many_properties_of_one_answer_are_told_and_errors_are_passed_over() {
    let many = "0c 02000005 1e 29 4d 4e 75 02 00 41 4f 2a 0174 5e 91 02 91 20 5f 29 79 4e 75 02 00 42 4f 1f
        0c 0e000001 1e 2a 01ab 4e 91 05 4f 2a 0190 4e 64 0a00000f 4f 2a 0192 4e 11 4f 2a 0198 4e 91 02 4f
        2a 01a7 4e 65 06 0a00000fbac0 4f 2a 01a9 4e 22 03e9 4f 1f";
    let mut rig = rig();
    rig.datagram(Side::B, &framed(0x0a, &hex(&format!("01 08 07d1 01 11 30 07 0e {many}"))));
    assert_eq!(
        without_links(rig.story()),
        [
            "B serves",
            "B response[2001:17] 14",
            "10.0.0.2[2001:17] exists (Routed)",
            "10.0.0.2[2001:17] bacnet.device_instance = 5",
            "10.0.0.2[2001:17] bacnet.object_name = A",
            "10.0.0.2[2001:17] bacnet.vendor_name = B",
            "10.0.0.2[2001:17] bacnet.port_network_type = port 1: ipv4",
            "10.0.0.2[2001:17] bacnet.port_ip_address = port 1: 10.0.0.15",
            "10.0.0.2[2001:17] bacnet.port_ip_dhcp = port 1: true",
            "10.0.0.2[2001:17] bacnet.port_ip_mode = port 1: bbmd",
            "10.0.0.2[2001:17] bacnet.port_mac_address = port 1: 0a00000fbac0",
            "10.0.0.2[2001:17] bacnet.port_network_number = port 1: 1001",
        ]
    );
}

#[test]
fn a_list_that_is_read_element_by_element_is_counted_at_its_end() {
    let mut rig = rig();
    let mut element = |index: u8, value: &str| -> Vec<String> {
        let ack = format!("01 00 30 01 0c 0c 02000005 19 4c 29 {index:02x} 3e {value} 3f");
        rig.datagram(Side::B, &framed(0x0a, &hex(&ack)));
        let claims = rig.story().into_iter().filter_map(|line| Some(line.split_once(" bacnet.")?.1.to_owned()));
        claims.filter(|line| !line.starts_with("device_instance")).collect()
    };
    assert_eq!(element(1, "c4 02000005"), [""; 0], "how many there are is not known");
    assert_eq!(element(0, "21 02"), ["object_count = 2"]);
    assert_eq!(element(1, "c4 02000005"), [""; 0]);
    assert_eq!(element(1, "c4 02000005"), [""; 0], "asked again");
    assert_eq!(element(2, "c4 00000001"), ["objects = 1 analog-input, 1 device"]);
    assert_eq!(element(2, "c4 00000001"), [""; 0]);
}

#[test]
fn objects_are_made_and_unmade_and_lists_and_files_are_changed() {
    assert_eq!(act(10, "0e 09 02 0f"), "config by 10: a new analog-value");
    assert_eq!(act(10, "0e 1c 00800005 0f 1e 09 55 2e 44 42910000 2f 1f"), "config by 10: analog-value 5");
    assert_eq!(act(11, "c4 00800005"), "config by 11: analog-value 5");
    let list = "0c 03c00003 19 66 3e c4 02000005 3f";
    assert_eq!(act(8, list), "write by 8: notification-class 3 recipient-list = device 5");
    assert_eq!(act(9, list), "write by 9: notification-class 3 recipient-list = device 5");
    let refused = |part: &str| acts(7, part, "50 07 07 91 05 91 05").concat();
    let denied =
        |place: &str| format!("A file by 7: file 1 = {place}, rejected (services: file-access-denied) (frame 1)");
    assert_eq!(refused("c4 02800001 0e 31 00 63 010203 0f"), denied("from byte 0"));
    assert_eq!(refused("c4 02800001 1e 31 05 21 01 63 010203 1f"), denied("from record 5"));
    assert_eq!(refused("c4 02800001 0e 31 ff 63 010203 0f"), denied("at the end"));
    // [0] process 1, [1] analog-input 1, [2] state 3, [3 time stamp 3], [4] source, [5 time stamp 5]
    let alarm = "09 01 1c 00000001 29 03 3e 19 07 3f 4a 00 41 5e 19 08 5f";
    assert_eq!(act(0, alarm), "operate by 0: alarm of analog-input 1 = high-limit");
    // [0] process 1, [1] source 'A', [2] request 4: reset, [3] life-safety-point 2
    assert_eq!(act(27, "09 01 1a 00 41 29 04 3c 05400002"), "operate by 27: life-safety-point 2 = reset");
    assert_eq!(act(27, "09 01 1a 00 41 29 04"), "operate by 27: device = reset");
}

#[test]
fn every_control_request_is_told() {
    let control: Vec<u8> = (0..=255).filter(|service| super::service::is_control(*service)).collect();
    assert_eq!(control, [0, 7, 8, 9, 10, 11, 15, 16, 17, 20, 27], "each has its test above");
    let control: Vec<u8> = (0..=255).filter(|service| super::service::is_unconfirmed_control(*service)).collect();
    assert_eq!(control, [6, 9, 10, 14]);
}

#[test]
fn text_written_to_a_property_of_the_vendor_may_be_a_password() {
    let value = |property: &str| {
        let write = format!("01 04 00 05 07 0f 0c 00400001 {property} 3e 75 04 00 41 42 43 3f");
        let mut rig = rig();
        rig.datagram(Side::A, &framed(0x0a, &hex(&write))).datagram(Side::B, &bytes(WRITE_ACK));
        rig.story().pop().expect("a write")
    };
    assert_eq!(value("19 1c"), "A write by 15: analog-output 1 description = ABC, accepted (frame 1)");
    assert_eq!(value("1a 0200"), "A write by 15: analog-output 1 property 512, accepted (frame 1)");
}

#[test]
fn values_of_every_type_are_written_in_a_line() {
    for (value, told) in [
        ("00", " = null"),
        ("10", " = false"),
        ("11", " = true"),
        ("21 ff", " = 255"),
        ("25 08 ffffffffffffffff", " = 18446744073709551615"),
        ("31 ff", " = -1"),
        ("33 7fffff", " = 8388607"),
        ("44 c2290000", " = -42.25"),
        ("55 08 3fb999999999999a", " = 0.1"),
        ("91 02", " = 2"),
        ("c4 00c00005", " = binary-input 5"),
        ("c4 4b000005", " = object 300:5"),
        ("75 04 00 41 42 43", " = ABC"),
        ("75 03 00 41 0a", ""),
        ("65 02 4142", " = 4142"),
        ("82 04 f0", " = 1111"),
        ("a4 7c010101", " = 2024-01-01"),
        ("b4 0c000000", " = 12:00:00"),
        ("0e 21 05 0f", ""),
        ("09 05", ""),
        ("", ""),
        ("91 02 91 03", " = 2"),
    ] {
        let write = format!("01 04 00 05 07 0f 0c 00400001 19 55 3e {value} 3f");
        let mut rig = rig();
        rig.datagram(Side::A, &framed(0x0a, &hex(&write))).datagram(Side::B, &bytes(WRITE_ACK));
        let line = format!("A write by 15: analog-output 1 present-value{told}, accepted (frame 1)");
        assert_eq!(rig.story().last(), Some(&line), "{value}");
    }
}

#[test]
fn refusals_of_requests_that_were_not_seen_have_their_own_names() {
    assert_eq!(story(&[('<', REJECT), ('<', ABORT)]), ["B response reject exception", "B response abort exception"]);
    assert_eq!(story(&[('<', WRITE_ERROR)]), ["B serves", "B response 15 exception"]);
}

#[test]
fn an_answer_to_another_service_station_or_number_answers_nothing() {
    let other_number = WRITE_ACK.replace("07 0f", "08 0f");
    let other_service = WRITE_ACK.replace("07 0f", "07 10");
    for answer in [other_number.as_str(), &other_service, NAME_BEHIND] {
        let mut rig = rig();
        rig.datagram(Side::A, &bytes(WRITE)).datagram(Side::B, &bytes(answer)).wait(11);
        let story = rig.story();
        assert!(story.iter().any(|line| line.ends_with("unanswered (frame 1)")), "{story:?}");
    }
}

#[test]
fn a_request_without_an_answer_is_given_up_after_ten_seconds() {
    let mut rig = rig();
    rig.datagram(Side::A, &bytes(WRITE)).wait(9);
    rig.datagram(Side::A, &bytes(WRITE)).story();
    assert_eq!(
        rig.wait(1).story(),
        [
            "A request 15 unanswered since frame 1 control",
            "A write by 15: analog-output 1 present-value priority 8 = 72.5, unanswered (frame 1)",
        ]
    );
    assert_eq!(rig.wait(60).story(), [""; 0], "what was sent again is the same request");
}

#[test]
fn a_command_at_the_end_of_a_capture_is_told_and_nothing_is_unanswered() {
    let mut rig = rig();
    rig.datagram(Side::A, &bytes(READ_NAME)).datagram(Side::A, &bytes(WRITE)).story();
    let told = ["A write by 15: analog-output 1 present-value priority 8 = 72.5, unknown (frame 2)"];
    assert_eq!(rig.finish(Ending::Unseen).story(), told);
}

#[test]
fn a_request_of_yesterday_takes_no_answer_of_today() {
    let mut rig = rig();
    rig.datagram(Side::A, &bytes(WRITE)).later(10).story();
    assert_eq!(
        without_links(rig.datagram(Side::B, &bytes(WRITE_ACK)).story()),
        [
            "B serves",
            "A request 15 unanswered since frame 1 control",
            "B response 15",
            "A write by 15: analog-output 1 present-value priority 8 = 72.5, unanswered (frame 1)",
        ]
    );
    rig.datagram(Side::A, &bytes(WRITE)).later(86_400).datagram(Side::A, &bytes(WRITE)).story();
    let told = rig.datagram(Side::B, &bytes(WRITE_ACK)).story();
    assert!(told.last().is_some_and(|line| line.ends_with("accepted (frame 86410004)")), "{told:?}");
}

#[test]
fn a_command_to_a_group_is_told_without_an_outcome() {
    let mut rig = rig().with_group();
    rig.datagram(Side::A, &bytes(WRITE)).story();
    let told = ["A write by 15: analog-output 1 present-value priority 8 = 72.5, unknown (frame 1)"];
    assert_eq!(rig.wait(60).story(), told);
    let mut rig = self::rig();
    let passed_on = framed(0x04, &[&hex("0a000009 bac0")[..], &bytes(WRITE)[4..]].concat());
    rig.datagram(Side::A, &passed_on).story();
    assert_eq!(rig.wait(60).story(), [""; 0], "another has said it");
}

#[test]
fn another_request_of_the_same_number_ends_the_first() {
    let second = WRITE.replace("42910000", "42920000");
    let told = story(&[('>', WRITE), ('>', &second), ('<', WRITE_ACK)]);
    let ends: Vec<_> = told.iter().filter(|line| line.contains("write by")).collect();
    assert_eq!(
        ends,
        [
            "A write by 15: analog-output 1 present-value priority 8 = 72.5, unanswered (frame 1)",
            "A write by 15: analog-output 1 present-value priority 8 = 73.0, accepted (frame 2)",
        ]
    );
}

#[test]
fn a_withdrawn_request_is_unanswered_at_once() {
    assert_eq!(
        story(&[('>', READ_NAME), ('>', &WITHDRAWAL.replace("07 00", "03 00"))]),
        ["B serves", "A request 12", "A request abort", "A request 12 unanswered since frame 1",]
    );
}

#[test]
fn the_oldest_request_is_given_up_when_too_many_wait() {
    let mut rig = rig();
    for number in 0..=64 {
        let mut request = bytes(READ_NAME);
        request[8] = number;
        rig.datagram(Side::A, &request);
    }
    let unanswered =
        |story: Vec<String>| story.into_iter().filter(|line| line.contains("unanswered")).collect::<Vec<_>>();
    assert_eq!(unanswered(rig.story()), ["A request 12 unanswered since frame 1"]);
    assert_eq!(unanswered(rig.wait(11).story()).len(), 64);
}

#[test]
fn a_group_owes_no_answer() {
    let mut rig = rig().with_group();
    rig.datagram(Side::A, &bytes(READ_NAME));
    assert_eq!(rig.wait(60).story(), ["A request b10", "A request 12"]);
    let mut rig = self::rig();
    rig.datagram(Side::A, &framed(0x0b, &bytes(READ_NAME)[4..]));
    let everywhere = "01 24 ffff 00 ff 00 05 03 0c 0c 02014ff1 19 4d";
    rig.datagram(Side::A, &framed(0x0a, &hex(everywhere)));
    assert_eq!(rig.wait(60).story(), ["A request b11", "A request 12", "A request b10", "A request 12"]);
}

#[test]
fn a_group_that_seems_to_speak_is_no_device() {
    let mut rig = rig().with_group();
    rig.datagram(Side::B, &bytes(I_AM_BEHIND));
    assert_eq!(rig.story(), ["B request b11", "B request u0"]);
}

#[test]
fn the_segments_of_an_answer_are_one_message() {
    let counted = ["B serves", "A request 12", "B serves", "B response 12"];
    let told = story(&[
        ('>', READ_NAME),
        ('<', SEGMENT_0),
        ('<', SEGMENT_0),
        ('>', SEGMENT_ACK),
        ('<', SEGMENT_1),
        ('<', SEGMENT_1),
        ('<', SEGMENT_2),
    ]);
    let list = ["device_instance = 86001", "object_count = 1", "objects = 1 device"];
    let list = list.map(|line| format!("10.0.0.2 bacnet.{line}"));
    assert_eq!(told[..4], counted);
    assert_eq!(told[4..], list);
    let mut rig = rig();
    for (side, sample) in [(Side::A, READ_NAME), (Side::B, SEGMENT_1), (Side::B, SEGMENT_2)] {
        rig.datagram(side, &bytes(sample));
    }
    assert_eq!(without_links(rig.wait(60).story()), counted, "the first segment was lost in capture");
    assert_eq!(story(&[('<', SEGMENT_1), ('<', SEGMENT_2)]), [""; 0], "the request and the first segment were lost");
}

#[test]
fn an_answer_whose_end_is_lost_is_an_answer_and_its_number_is_free_again() {
    let mut rig = rig();
    rig.datagram(Side::A, &bytes(READ_NAME)).datagram(Side::B, &bytes(SEGMENT_0)).story();
    assert_eq!(rig.wait(60).story(), [""; 0]);
    for (side, sample) in [(Side::A, READ_NAME), (Side::B, SEGMENT_0), (Side::A, READ_NAME)] {
        rig.datagram(side, &bytes(sample));
    }
    rig.story();
    assert_eq!(rig.wait(60).story(), ["A request 12 unanswered since frame 60005"]);
}

#[test]
fn an_answer_that_is_aborted_is_two_messages() {
    let told = story(&[('>', READ_NAME), ('<', SEGMENT_0), ('<', &ABORT.replace("07 04", "03 04")), ('<', SEGMENT_1)]);
    assert_eq!(told[2..], ["B serves", "B response 12", "B serves", "B response 12 exception"]);
}

#[test]
fn what_is_answered_does_not_wait() {
    for (asked, answer) in [(READ_NAME, NAME), (READ_NAME_BEHIND, NAME_BEHIND), (WRITE, WRITE_ERROR), (WRITE, ABORT)] {
        let mut rig = rig();
        rig.datagram(Side::A, &bytes(asked)).datagram(Side::B, &bytes(answer)).story();
        assert_eq!(rig.wait(60).story(), [""; 0], "{asked}");
    }
}

#[test]
fn the_segments_of_a_request_are_one_message() {
    let segment = |flags: &str, number: &str| framed(0x0a, &hex(&format!("01 04 {flags} 05 07 {number} 04 10 00")));
    let mut rig = rig();
    rig.datagram(Side::A, &segment("0c", "00")).wait(9);
    rig.datagram(Side::B, &hex("81 0a 000a 01 00 41 07 00 04")).wait(9);
    rig.datagram(Side::A, &segment("08", "01")).wait(9);
    let told = without_links(rig.story());
    assert_eq!(told, ["B serves", "A request 16 control"], "each segment shows that the exchange is alive");
}

#[test]
fn links_and_routers_are_counted_by_their_numbers() {
    assert_eq!(
        story(&[
            ('>', REGISTER),
            ('<', RESULT_REFUSED),
            ('>', READ_TABLE),
            ('<', TABLE),
            ('>', WHO_IS_ROUTER),
            ('>', WHO_IS)
        ]),
        [
            "B serves",
            "A request b5",
            "B serves",
            "B response b0 exception",
            "10.0.0.1 bacnet.foreign_device_refused = 10.0.0.2:502",
            "B serves",
            "A request b6",
            "B serves",
            "B response b7",
            "10.0.0.2 bacnet.foreign_device_table = 10.0.0.9:47808 for 60 s",
            "A request n0",
            "A request u8",
        ]
    );
    let mut rig = rig();
    rig.datagram(Side::A, &hex("81 2a 0005 ff")).datagram(Side::A, &hex("81 0a 0009 01 80 90 01 0c"));
    assert_eq!(rig.story(), ["A request b42", "A request b10", "A request n144"]);
}

#[test]
fn notifications_do_not_say_who_serves() {
    let mut rig = rig();
    let change = "01 04 00 05 07 01 09 01 1c 02000005 2c 00000001 39 3c 4e 4f";
    rig.datagram(Side::A, &framed(0x0a, &hex(change))).datagram(Side::B, &hex("81 0a 0009 01 00 20 07 01"));
    assert_eq!(without_links(rig.story()), ["A request 1", "10.0.0.1 bacnet.device_instance = 5", "B response 1"]);
}

#[test]
fn a_wrong_length_is_read_all_the_same() {
    let mut wrong = bytes(RESTART);
    wrong[3] = 0x11;
    let mut rig = rig();
    rig.datagram(Side::A, &wrong);
    assert_eq!(rig.story(), ["B serves", "A request b10", "A request 20 control"]);
}

#[test]
fn the_probe_counts_what_it_has_checked() {
    let rig = rig();
    for (sample, bits) in
        [(READ_NAME, 38), (FORWARDED_I_AM, 38), (WHO_IS_ROUTER, 38), (RESULT_REFUSED, 41), (READ_TABLE, 28)]
    {
        assert_eq!(rig.probe(&bytes(sample)), Verdict::Bits(bits), "{sample}");
    }
    let mut wrong = bytes(RESTART);
    wrong[3] = 0x11;
    assert_eq!(rig.probe(&wrong), Verdict::Bits(22), "a second message must follow");
    wrong.push(0x3f);
    assert_eq!(rig.probe(&wrong), Verdict::NotMine, "a wrong length, and a closing tag that closes nothing");
    assert_eq!(Rig::tcp(&BACNET).probe(&bytes(READ_NAME)), Verdict::NotMine);
}

#[test]
fn the_probe_refuses_what_only_looks_alike() {
    let rig = rig();
    for (what, lookalike) in [
        ("a function beyond the standard", "81 0d 0004"),
        ("a result beyond the standard", "81 00 0006 0031"),
        ("BACnet/IPv6 without version 1", "82 02 000b 000001 02 00 10 08"),
        ("version 2", "81 0b 0008 02 00 10 08"),
        ("a reserved control bit", "81 0b 0008 01 40 10 08"),
        ("an APDU of type 8", "81 0b 0008 01 00 80 08"),
        ("a reserved bit of the APDU", "81 0b 0008 01 00 14 08"),
        ("an unknown unconfirmed service", "81 0b 0008 01 00 10 0f"),
        ("an unknown confirmed service", "81 0a 000a 01 04 00 05 01 23"),
        ("an unknown network message", "81 0b 0007 01 80 14"),
        ("a network number of no known origin", "81 0b 000a 01 80 13 03e9 04"),
        ("a table of 9 bytes", "81 03 000d 0a000009 bac0 ffffff"),
        ("RTP with one source", "81 00 1f40 0100 2c00 5e1d0133 00000001 d5d5d5d5 55d5d5d5"),
        ("DNS", "8100 0100 0001 0000 0000 0000 03 777777 02 6f74 00 0001 0001"),
        ("DNS, an answer", "810a 8180 0001 0000 0000 0000 03 777777 02 6f74 00 0001 0001"),
        ("TLS", "16 03 01 0005 01 00 0001 03"),
        ("LDAP", "30 0c 02 01 01 60 07 02 01 03 04 00 80 00"),
        ("NetBIOS session", "81 00 0044 20 43 4b 46 44 45 4e 45 43 46 44 45 46 46 43 46 47"),
        ("SMB", "00 00 00 08 ff 53 4d 42 72 00 00 00"),
        ("SNMP", "30 29 02 01 00 04 06 70 75 62 6c 69 63 a0 1c"),
        ("nothing", ""),
    ] {
        assert_eq!(rig.probe(&hex(lookalike)), Verdict::NotMine, "{what}");
    }
}

#[test]
fn hostile_shapes_stop_and_tell_nothing() {
    let deep = format!("01 04 00 05 07 0f 0c 00400001 19 55 {} {}", "3e".repeat(17), "3f".repeat(17));
    for (what, function, npdu) in [
        ("I-Am cut short within a Forwarded-NPDU", 0x04, "0a000001 bac0 01 00 10 00 c4 0200"),
        ("a Forwarded-NPDU without an NPDU", 0x04, "0a000001 bac0"),
        ("a complex ACK cut short", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 75"),
        ("a complex ACK without its closing tag", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 75 02 00 41"),
        ("a string beyond the end", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 75 20 00 41 3f"),
        ("a string of 65535 bytes", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 75 fe ffff 00 41 3f"),
        ("a string of 4294967295 bytes", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 75 ff ffffffff 00 41 3f"),
        ("a string without its character set", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 70 3f"),
        ("a closing tag that closes another", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 2f 3f"),
        ("an opening application tag", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 4d 3e 06 3f"),
        ("a number of no bytes", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 62 3e 20 3f"),
        ("a number of nine bytes", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 62 3e 25 09 010203040506070809 3f"),
        ("a real of five bytes", 0x0a, "01 00 30 03 0c 0c 02014ff1 19 62 3e 45 05 4291000000 3f"),
        ("an object of three bytes", 0x0a, "01 00 30 03 0c 0b 02014f 19 4d 3e 3f"),
        ("tags nested too deep", 0x0a, &deep),
        ("an I-Am of numbers", 0x0b, "01 00 10 00 21 05 22 01e0 91 00 21 0f"),
        ("many properties cut short", 0x0a, "01 00 30 03 0e 0c 02014ff1 1e 29 4d 4e 75 02 00"),
        ("many properties without value or error", 0x0a, "01 00 30 03 0e 0c 02014ff1 1e 29 4d 1f"),
        ("a COV notification cut short", 0x0b, "01 00 10 02 09 01 1c 02000005 2c 00000001 39 3c 4e 09 55 2e 44 4229"),
        ("a Who-Am-I without a serial number", 0x0b, "01 00 10 0d 21 08 75 02 00 41"),
        ("a time without a date", 0x0b, "01 00 10 06 b4 08050000"),
        ("a password without its character set", 0x0a, "01 04 00 05 09 14 09 01 18"),
        ("several properties without one", 0x0a, "01 04 00 05 07 10 0c 00400001 1e 1f"),
        ("a list without its end", 0x0a, "01 04 00 05 07 08 0c 03c00003 19 66 3e c4 02000005"),
        ("no new object", 0x0a, "01 04 00 05 07 0a 0e 0f"),
        ("a number that is deleted", 0x0a, "01 04 00 05 07 0b 21 05"),
        ("a file of neither bytes nor records", 0x0a, "01 04 00 05 07 07 c4 02800001 2e 31 00 2f"),
        ("a file without a start", 0x0a, "01 04 00 05 07 07 c4 02800001 0e 63 010203 0f"),
        ("a write without a value", 0x0a, "01 04 00 05 07 0f 0c 00400001 19 55"),
        ("a station of eight bytes", 0x0a, "01 08 0001 08 0102030405060708 10 08"),
        ("a station without an address", 0x0a, "01 08 0001 00 10 08"),
        ("an NPDU without a message", 0x0a, "01 04"),
        ("an APDU without a service", 0x0a, "01 04 00 05 07"),
        ("an empty datagram", 0x0a, ""),
    ] {
        let mut rig = rig();
        rig.datagram(Side::B, &framed(function, &hex(npdu)));
        let story = rig.story();
        assert!(matches!(story.as_slice(), [stop] if stop.starts_with("B stops: ")), "{what}: {story:?}");
    }
    let mut rig = rig();
    rig.datagram(Side::B, &framed(0x0a, &[&hex("01 04")[..], &[0; 1500]].concat()));
    assert_eq!(rig.story(), ["B stops: longer than an NPDU can be at byte 4"]);
}

#[test]
fn a_message_cut_anywhere_stops_or_is_whole_and_leaves_the_exchange_sound() {
    for sample in ALL {
        let whole = bytes(sample);
        for end in 1..whole.len() {
            let cut = if end < 4 { whole[..end].to_vec() } else { framed(whole[1], &whole[4..end]) };
            let mut rig = rig();
            rig.datagram(Side::A, &bytes(WRITE)).datagram(Side::B, &cut);
            let story = rig.story();
            let has_stopped = story.iter().any(|line| line.starts_with("B stops: "));
            let counted = story.iter().filter(|line| line.starts_with("B ") && !line.ends_with("serves")).count();
            assert!(!has_stopped || counted == 1, "{sample} to {end}: {story:?}");
            if has_stopped {
                let answered = rig.datagram(Side::B, &bytes(WRITE_ACK)).story();
                assert!(answered.iter().any(|line| line.ends_with("accepted (frame 1)")), "{sample} to {end}");
            }
        }
    }
}

proptest! {
    #[test]
    fn random_datagrams_neither_panic_nor_loop(
        datagrams in prop::collection::vec((any::<bool>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..64)), 1..20),
    ) {
        let mut rig = rig();
        for (is_a, function, body) in datagrams {
            let side = if is_a { Side::A } else { Side::B };
            rig.datagram(side, &framed(function % 14, &body)).datagram(side, &body);
            rig.datagram(side, &framed(10, &[&[1, 0][..], &body].concat()));
            rig.probe(&framed(function, &body));
        }
        rig.wait(60);
    }

    #[test]
    fn samples_with_some_bytes_changed_neither_panic_nor_loop(
        changes in prop::collection::vec((0..ALL.len(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..30),
    ) {
        let mut rig = rig();
        for (sample, at, byte, is_a) in changes {
            let mut datagram = bytes(ALL[sample]);
            let at = at.index(datagram.len());
            datagram[at] = byte;
            rig.datagram(if is_a { Side::A } else { Side::B }, &datagram);
        }
        rig.wait(60);
    }

    #[test]
    fn random_bytes_are_not_taken_for_bacnet(front in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(rig().probe(&front), Verdict::NotMine);
    }
}
