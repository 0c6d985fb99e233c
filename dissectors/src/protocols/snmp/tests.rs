use super::SNMP;
use crate::dissector::{Ending, Side, Verdict};
use crate::rig::Rig;

/// An element.
fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len()).expect("it is short");
    [&[tag, 0x82][..], &length.to_be_bytes(), &content].concat()
}

fn integer(number: i32) -> Vec<u8> {
    element(2, &[&number.to_be_bytes()])
}

fn text(text: &str) -> Vec<u8> {
    element(4, &[text.as_bytes()])
}

fn binding(name: &[u8], value: &[u8]) -> Vec<u8> {
    element(0x30, &[&element(6, &[name]), value])
}

fn pdu(kind: u8, number: i32, status: i32, bindings: &[Vec<u8>]) -> Vec<u8> {
    let bindings = element(0x30, &[&bindings.concat()]);
    element(0xa0 + kind, &[&integer(number), &integer(status), &integer(0), &bindings])
}

fn message(version: i32, community: &str, pdu: &[u8]) -> Vec<u8> {
    element(0x30, &[&integer(version), &text(community), pdu])
}

fn signed(number: i32, flags: u8, user: &str, pdu: &[u8]) -> Vec<u8> {
    let header = element(0x30, &[&integer(number), &integer(65_507), &element(4, &[&[flags]]), &integer(3)]);
    let engine = element(4, &[&[0x80, 0, 0x21, 0xf3, 3, 0, 0x90, 0xe8, 1, 2, 3]]);
    let signature = element(4, &[&[7; 12][if flags & 1 == 1 { 0.. } else { 12.. }]]);
    let parameters = element(0x30, &[&engine, &integer(1), &integer(2), &text(user), &signature, &text("")]);
    let scoped = element(0x30, &[&text("engine"), &text(""), pdu]);
    element(0x30, &[&integer(3), &header, &element(4, &[&parameters]), &scoped])
}

fn rig() -> Rig {
    Rig::udp(&SNMP).with_ports(40_000, 161)
}

fn told(mut rig: Rig) -> Vec<String> {
    let is_count = |line: &String| [" request ", " response "].iter().any(|word| line.contains(word));
    rig.story().into_iter().filter(|line| !is_count(line) && line != "B serves").collect()
}

const DESCRIPTION: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 1, 0];
const OBJECT: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 2, 0];
const NAME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 5, 0];
const SERIAL: &[u8] = &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1, 11, 1];
const OTHER: &[u8] = &[0x2b, 6, 1, 4, 1, 9, 1];
const NULL: &[u8] = &[5, 0];

#[test]
fn an_answer_accepts_the_community_and_says_what_the_agent_is() {
    let mut rig = rig();
    rig.datagram(Side::A, &message(1, "public", &pdu(0, 7, 0, &[binding(DESCRIPTION, NULL)])));
    let values = [
        binding(DESCRIPTION, &text("Switch LS-8")),
        binding(OBJECT, &element(6, &[&[0x2b, 6, 1, 4, 1, 0xc3, 0x73, 7]])),
        binding(SERIAL, &text("S-1")),
        binding(OTHER, &text("not told")),
    ];
    rig.datagram(Side::B, &message(1, "public", &pdu(2, 7, 0, &values)));
    assert_eq!(
        told(rig),
        [
            "10.0.0.2 snmp.description = Switch LS-8",
            "10.0.0.2 snmp.object_id = 1.3.6.1.4.1.8691.7",
            "10.0.0.2 snmp.serial = S-1",
            "10.0.0.1 logs in to 10.0.0.2 by snmp_community, accepted, cleartext (frame 1)",
        ]
    );
}

#[test]
fn who_gets_no_answer_has_proved_nothing() {
    let mut rig = rig();
    rig.datagram(Side::A, &message(1, "wrong", &pdu(0, 7, 0, &[binding(DESCRIPTION, NULL)])));
    rig.datagram(Side::B, &message(1, "wrong", &pdu(2, 8, 0, &[])));
    rig.wait(11);
    assert_eq!(told(rig), ["10.0.0.1 logs in to 10.0.0.2 by snmp_community, unknown, cleartext (frame 1)"]);
}

#[test]
fn what_is_set_is_told_and_a_text_is_not_unless_it_is_a_name() {
    let mut rig = rig();
    let values = [binding(NAME, &text("switch-3")), binding(OTHER, &text("secret")), binding(OTHER, &integer(5))];
    rig.datagram(Side::A, &message(1, "private", &pdu(3, 7, 0, &values)));
    rig.datagram(Side::B, &message(1, "private", &pdu(2, 7, 0, &values)));
    rig.datagram(Side::A, &message(0, "public", &pdu(3, 8, 0, &values)));
    rig.datagram(Side::B, &message(0, "public", &pdu(2, 8, 6, &values)));
    let told = told(rig);
    let acts: Vec<_> = told.iter().filter(|line| line.starts_with("A ")).map(String::as_str).collect();
    assert_eq!(
        acts,
        [
            "A config by 3: 1.3.6.1.2.1.1.5.0 = switch-3, accepted (frame 1)",
            "A write by 3: 1.3.6.1.4.1.9.1, accepted (frame 1)",
            "A write by 3: 1.3.6.1.4.1.9.1 = 5, accepted (frame 1)",
            "A config by 3: 1.3.6.1.2.1.1.5.0 = switch-3, rejected (noAccess) (frame 3)",
            "A write by 3: 1.3.6.1.4.1.9.1, rejected (noAccess) (frame 3)",
            "A write by 3: 1.3.6.1.4.1.9.1 = 5, rejected (noAccess) (frame 3)",
        ]
    );
    assert!(told.iter().any(|line| line.contains("Clear, settings")));
    assert!(!told.iter().any(|line| line.contains("secret")));
    assert!(told.iter().any(|line| line.contains(": SNMP 1 ")), "{told:?}");
}

#[test]
fn users_are_told_by_what_the_agent_reports() {
    let report = |number: u8| pdu(8, 0, 0, &[binding(&[0x2b, 6, 1, 6, 3, 15, 1, 1, number, 0], &integer(1))]);
    for (answer, outcome) in
        [(pdu(2, 0, 0, &[]), "accepted"), (report(5), "rejected"), (report(3), "rejected"), (report(2), "unknown")]
    {
        let mut rig = rig();
        rig.datagram(Side::A, &signed(7, 5, "operator", &pdu(0, 1, 0, &[])));
        rig.datagram(Side::B, &signed(7, 1, "operator", &answer));
        let told = told(rig);
        let login = format!("10.0.0.1 logs in to 10.0.0.2 by snmp_user as operator, {outcome}, challenge (frame 1)");
        assert!(told.contains(&login), "{told:?}");
        assert!(told.contains(&"10.0.0.2 snmp.engine_enterprise = 8691".to_owned()), "{told:?}");
        assert!(told.contains(&"10.0.0.2 snmp.engine_mac = 00:90:e8:01:02:03".to_owned()), "{told:?}");
    }
}

#[test]
fn users_who_sign_nothing_need_no_password() {
    let mut rig = rig();
    rig.datagram(Side::A, &signed(7, 4, "guest", &pdu(0, 1, 0, &[])));
    rig.datagram(Side::B, &signed(7, 0, "guest", &pdu(2, 1, 0, &[])));
    let told = told(rig);
    assert!(told.iter().any(|line| line.contains("NoLogin, values")), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("logs in")), "{told:?}");
}

#[test]
fn a_trap_speaks_of_who_sends_it() {
    let mut rig = Rig::udp(&SNMP).with_ports(40_000, 162);
    rig.datagram(Side::A, &message(1, "public", &pdu(7, 7, 0, &[binding(NAME, &text("switch-3"))])));
    rig.finish(Ending::Closed);
    assert_eq!(
        told(rig),
        [
            "10.0.0.1 snmp.name = switch-3",
            "10.0.0.1 logs in to 10.0.0.2 by snmp_community, unknown, cleartext (frame 1)",
        ]
    );
}

#[test]
fn a_datagram_is_named_by_lengths_that_agree() {
    let whole = message(1, "public", &pdu(0, 7, 0, &[binding(DESCRIPTION, NULL)]));
    assert_eq!(rig().probe(&whole), Verdict::Bits(72));
    for length in 0..whole.len() {
        assert_eq!(rig().probe(&whole[..length]), Verdict::NotMine, "{length}");
    }
    let version = message(2, "public", &pdu(0, 7, 0, &[]));
    let kind = message(1, "public", &pdu(9, 7, 0, &[]));
    for other in [&version, &kind] {
        assert_eq!(rig().probe(other), Verdict::NotMine);
    }
}
