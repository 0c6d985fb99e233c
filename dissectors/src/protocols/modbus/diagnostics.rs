//! What a server tells of its own state: Read Exception Status (Application Protocol V1.1b3, 6.7), Diagnostics (6.8),
//! Get Comm Event Counter (6.9) and Get Comm Event Log (6.10), and the exceptions that speak of the device itself (7).

use super::pdu::{DIAGNOSTICS, GET_COMM_EVENT_COUNTER, GET_COMM_EVENT_LOG, Pdu, READ_EXCEPTION_STATUS};
use crate::dissector::{Field, Side};
use crate::observation::Child;
use crate::out::Out;

pub(super) static DEVICE_EXCEPTION: Field = Field::new(
    "modbus.device_exception",
    "a refusal for the device's own sake: 4 failure, 6 busy, 8 memory parity (7)",
);
pub(super) static EXCEPTION_STATUS: Field = Field::new(
    "modbus.exception_status",
    "Read Exception Status: eight states that the maker defines, one a bit (6.7)",
);
pub(super) static DIAGNOSTIC_REGISTER: Field =
    Field::new("modbus.diagnostic_register", "Diagnostics 2: sixteen states that the maker defines, one a bit (6.8.1)");
pub(super) static BUS_MESSAGES: Field =
    Field::new("modbus.bus_messages", "Diagnostics 11: messages seen on the line since the last restart (6.8.1)");
pub(super) static BUS_ERRORS: Field =
    Field::new("modbus.bus_communication_errors", "Diagnostics 12: messages with a wrong checksum (6.8.1)");
pub(super) static BUS_EXCEPTIONS: Field =
    Field::new("modbus.bus_exceptions", "Diagnostics 13: exceptions that the server gave (6.8.1)");
pub(super) static SERVER_MESSAGES: Field =
    Field::new("modbus.server_messages", "Diagnostics 14: messages to this server or to all (6.8.1)");
pub(super) static NO_RESPONSES: Field =
    Field::new("modbus.server_no_responses", "Diagnostics 15: messages that the server gave no answer to (6.8.1)");
pub(super) static NAKS: Field =
    Field::new("modbus.server_naks", "Diagnostics 16: negative acknowledgements that the server gave (6.8.1)");
pub(super) static BUSY: Field =
    Field::new("modbus.server_busy", "Diagnostics 17: refusals because the server was busy (6.8.1)");
pub(super) static OVERRUNS: Field =
    Field::new("modbus.bus_character_overruns", "Diagnostics 18: messages lost because octets came too fast (6.8.1)");
pub(super) static COMM_EVENTS: Field = Field::new(
    "modbus.comm_events",
    "the event counter: requests carried out; one that falls was restarted (6.9, 6.10)",
);
pub(super) static COMM_MESSAGES: Field =
    Field::new("modbus.comm_messages", "Get Comm Event Log: messages handled since the last restart (6.10)");
pub(super) static LOGGED_RESTARTS: Field =
    Field::new("modbus.logged_restarts", "Get Comm Event Log: how many of the last 64 events are restarts (6.10.3)");
pub(super) static LOGGED_SILENCES: Field =
    Field::new("modbus.logged_silences", "Get Comm Event Log: how often of them it entered listen only mode (6.10.3)");

/// Sub-functions of Diagnostics whose answer is a state or a count.
static COUNTERS: [(u8, &Field); 9] = [
    (2, &DIAGNOSTIC_REGISTER),
    (11, &BUS_MESSAGES),
    (12, &BUS_ERRORS),
    (13, &BUS_EXCEPTIONS),
    (14, &SERVER_MESSAGES),
    (15, &NO_RESPONSES),
    (16, &NAKS),
    (17, &BUSY),
    (18, &OVERRUNS),
];

/// Tells what a server's answer of whole structure says of its state.
pub(super) fn tell(side: Side, child: &Child, answer: &Pdu<'_>, out: &mut Out<'_>) {
    match (answer.function, answer.data) {
        (READ_EXCEPTION_STATUS, [status]) => out.number(side, Some(child), &EXCEPTION_STATUS, (*status).into()),
        (DIAGNOSTICS, [0, function, high, low]) => {
            let counter = COUNTERS.iter().find(|(number, _)| number == function);
            if let Some((_, field)) = counter {
                out.number(side, Some(child), field, word(*high, *low));
            }
        }
        (GET_COMM_EVENT_COUNTER, [_, _, high, low]) => out.number(side, Some(child), &COMM_EVENTS, word(*high, *low)),
        (GET_COMM_EVENT_LOG, [_, _, _, high, low, high_messages, low_messages, events @ ..]) => {
            out.number(side, Some(child), &COMM_EVENTS, word(*high, *low));
            out.number(side, Some(child), &COMM_MESSAGES, word(*high_messages, *low_messages));
            for (event, field) in [(RESTARTED, &LOGGED_RESTARTS), (ENTERED_LISTEN_ONLY, &LOGGED_SILENCES)] {
                let times = events.iter().map(|logged| i64::from(*logged == event)).sum();
                out.number(side, Some(child), field, times);
            }
        }
        _ => {}
    }
}

/// Tells of an exception that speaks of the device and not of the request.
pub(super) fn tell_exception(side: Side, child: &Child, code: u8, out: &mut Out<'_>) {
    if matches!(code, SERVER_DEVICE_FAILURE | SERVER_DEVICE_BUSY | MEMORY_PARITY_ERROR) {
        out.code(side, Some(child), &DEVICE_EXCEPTION, code.into());
    }
}

fn word(high: u8, low: u8) -> i64 {
    u16::from_be_bytes([high, low]).into()
}

const SERVER_DEVICE_FAILURE: u8 = 4;
const SERVER_DEVICE_BUSY: u8 = 6;
const MEMORY_PARITY_ERROR: u8 = 8;

/// Events of the log (6.10.3).
const RESTARTED: u8 = 0;
const ENTERED_LISTEN_ONLY: u8 = 4;

#[cfg(test)]
mod tests {
    use super::super::tests::story_of;

    fn told(request: &str, answer: &str) -> String {
        let story = story_of(&[(request, answer)]);
        let told: Vec<_> = story.iter().filter_map(|line| line.strip_prefix("10.0.0.2[1] modbus.")).collect();
        told.join("; ")
    }

    #[test]
    fn states_and_counters_are_told() {
        // trans proto len  unit fc              status
        assert_eq!(told("0001 0000 0002 01 07", "0001 0000 0003 01 07 6d"), "exception_status = 109");
        // trans proto len  unit fc sub data
        for (function, field) in [
            ("0002", "diagnostic_register"),
            ("000b", "bus_messages"),
            ("000c", "bus_communication_errors"),
            ("000d", "bus_exceptions"),
            ("000e", "server_messages"),
            ("000f", "server_no_responses"),
            ("0010", "server_naks"),
            ("0011", "server_busy"),
            ("0012", "bus_character_overruns"),
        ] {
            let (request, answer) =
                (format!("0001 0000 0006 01 08 {function} 0000"), format!("0001 0000 0006 01 08 {function} 0105"));
            assert_eq!(told(&request, &answer), format!("{field} = 261"));
        }
        let echo = "0001 0000 0006 01 08 0000 0105";
        assert_eq!(told(echo, echo), "");
    }

    #[test]
    fn the_event_counter_and_its_log_are_told() {
        // trans proto len  unit fc                  status events
        assert_eq!(told("0001 0000 0002 01 0b", "0001 0000 0006 01 0b ffff 0108"), "comm_events = 264");
        // trans proto len  unit fc count status events messages log: the standard's example, and an entry of listen only mode
        assert_eq!(
            told("0001 0000 0002 01 0c", "0001 0000 000c 01 0c 09 0000 0108 0121 200004"),
            "comm_events = 264; comm_messages = 289; logged_restarts = 1; logged_silences = 1"
        );
        assert_eq!(
            told("0001 0000 0002 01 0c", "0001 0000 0009 01 0c 06 0000 0108 0121"),
            "comm_events = 264; comm_messages = 289; logged_restarts = 0; logged_silences = 0"
        );
    }

    #[test]
    fn exceptions_that_speak_of_the_device_are_told() {
        let refusal = |code| told("0001 0000 0006 01 03 0000 0001", &format!("0001 0000 0003 01 83 {code}"));
        assert_eq!(refusal("04"), "device_exception = 4");
        assert_eq!(refusal("06"), "device_exception = 6");
        assert_eq!(refusal("08"), "device_exception = 8");
        for of_the_request in ["01", "02", "03", "05", "0a", "0b"] {
            assert_eq!(refusal(of_the_request), "", "{of_the_request}");
        }
    }
}
