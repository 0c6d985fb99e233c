//! What heads say: the fields, and nothing that could hold a credential.

use super::{
    AUTHENTICATE, AUTHORIZATION, COOKIE, HOST, POWERED_BY, REALM, SERVER, USER_AGENT, WEBSOCKET, WEBSOCKET_OFFERED,
};
use crate::challenge::Logins;
use crate::dissector::Side;
use crate::head::Head;
use crate::out::Out;

/// What the head of a request says of who asks, and of who is asked.
pub(super) fn request(side: Side, target: &[u8], head: &Head<'_>, out: &mut Out<'_>) {
    for (field, name) in [(&USER_AGENT, "user-agent"), (&WEBSOCKET_OFFERED, "sec-websocket-protocol")] {
        if let Some(value) = head.value(name) {
            out.text(side, None, field, &value);
        }
    }
    LOGINS.asked(side, head, out);
    if head.value("cookie").is_some() {
        out.text(side.other(), None, &COOKIE, b"sent");
    }
    // A proxy is asked for what another is called by, in the absolute form (RFC 9112, 3.2.2).
    if target.starts_with(b"/")
        && let Some(host) = head.value("host")
        && let Some(name) = host_name(&host)
    {
        out.text(side.other(), None, &HOST, name);
    }
}

/// What the head of a response says of who answers.
pub(super) fn response(side: Side, head: &Head<'_>, out: &mut Out<'_>) {
    let told = [(&SERVER, "server"), (&POWERED_BY, "x-powered-by"), (&WEBSOCKET, "sec-websocket-protocol")];
    for (field, name) in told {
        if let Some(value) = head.value(name) {
            out.text(side, None, field, &value);
        }
    }
    LOGINS.offered(side, head, out);
}

/// The host without its port, if it is a name. User information and addresses of either kind hold other bytes; a name
/// that ends in a number is an IPv4 address in some spelling (WHATWG URL, 3.5).
fn host_name(host: &[u8]) -> Option<&[u8]> {
    let (name, port) = host.split_at_checked(host.iter().position(|byte| *byte == b':').unwrap_or(host.len()))?;
    let is_port = port.iter().skip(1).all(u8::is_ascii_digit);
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte));
    let last = name.rsplit(|byte| *byte == b'.').find(|label| !label.is_empty())?;
    let is_number = last.iter().all(u8::is_ascii_digit) || last.starts_with(b"0x");
    (is_port && is_name && !is_number && name.len() <= LONGEST_NAME).then_some(name)
}

static LOGINS: Logins = Logins { authorization: &AUTHORIZATION, authenticate: &AUTHENTICATE, realm: &REALM };
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        for (host, name) in [
            ("camera.example", Some("camera.example")),
            ("cam_1.local.:8080", Some("cam_1.local.")),
            ("plc", Some("plc")),
            ("7seg", Some("7seg")),
            ("10.0.0.1", None),
            ("10.0.0.1:80", None),
            ("0x0a000001", None),
            ("167772161", None),
            ("[fe80::1]:80", None),
            ("admin:1234@camera", None),
            ("camera:80x", None),
            ("a b", None),
            (".", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(host_name(host.as_bytes()), name.map(str::as_bytes), "{host}");
        }
        assert_eq!(host_name(&[b'a'; 256]), None);
    }
}
