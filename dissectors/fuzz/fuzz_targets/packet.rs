//! Any frame of any link type is taken apart or refused, and what it carries is a part of it.
#![no_main]

use dissectors::packet::{Headers, Layer, LinkType, checksum, decode, decode_transport};
use libfuzzer_sys::fuzz_target;

/// The link types that are read; a frame's first byte picks one.
const LINK_TYPES: [u32; 14] = [1, 1, 1, 101, 0, 108, 113, 276, 9, 50, 51, 104, 165, 129];

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (link, beyond, frame) = input;
    let number = LINK_TYPES.get(usize::from(link)).copied().unwrap_or(u32::from(link));
    let length = u32::try_from(frame.len()).expect("frames are short");
    let Ok((headers, payload)) = decode(LinkType::from_number(number), frame, length + u32::from(beyond)) else { return };
    check(&headers, frame, payload);
    let start = payload.as_ptr().addr() - frame.as_ptr().addr();
    let before = start - usize::from(headers.transport_bytes);
    let _ = checksum::of_transport(&headers, &frame[before..start + payload.len()]);
    let _ = checksum::of_ipv4(&frame[before - usize::from(headers.ip_header_bytes)..before]);
    // What was put together of fragments may carry a fragment again.
    let (mut headers, mut payload) = (headers, payload);
    while let Layer::Fragment(fragment) = headers.layer {
        let Ok(inner) = decode_transport(&mut headers, fragment.protocol, payload) else { return };
        let is_again = matches!(headers.layer, Layer::Fragment(_));
        assert!(!is_again || inner.len() < payload.len(), "each is shorter than the one around it");
        check(&headers, payload, inner);
        payload = inner;
    }
});

fn check(headers: &Headers, frame: &[u8], payload: &[u8]) {
    let (outer, inner) = (frame.as_ptr_range(), payload.as_ptr_range());
    assert!(outer.start <= inner.start && inner.end <= outer.end, "the payload is a part of the frame");
    assert!(headers.context.to_string().len() < 256);
}
