//! Any frame of any link type is taken apart or refused.
#![no_main]

use dissectors::packet::{LinkType, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (link, beyond, frame) = input;
    let link_type = match link % 3 {
        0 => LinkType::Ethernet,
        1 => LinkType::Raw,
        _ => LinkType::from_number(u32::from(link)),
    };
    let wire_length = u32::try_from(frame.len()).expect("frames are short") + u32::from(beyond);
    if let Ok((headers, payload)) = decode(link_type, frame, wire_length) {
        assert!(payload.len() <= frame.len());
        assert!(headers.context.to_string().len() < 256);
    }
});
