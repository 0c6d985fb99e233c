//! The reservation: one client at a time may change a controller. It gives its host name when it takes the reservation,
//! and whoever comes next is told that name.

use super::frame::Frame;
use super::name;
use crate::dissector::{Field, Side};
use crate::observation::{Child, Value};
use crate::out::Out;
use crate::reader::{Reader, Stop};

pub(in super::super) static OWNER: Field =
    Field::new("umas.reservation_owner", "the host that holds the reservation, by the answer to function 0x01");
pub(in super::super) static CLIENT_HOST: Field =
    Field::new("umas.client_host", "the host name that a client gives itself when it takes the reservation (0x10)");

/// The name under which a request takes the reservation.
pub(super) fn claimed_by<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    if frame.code != TAKE {
        return None;
    }
    // Four bytes of which nobody knows the meaning, then the name, and nothing behind it.
    last_name(Reader::closed(frame.data), 4).ok().and_then(name)
}

/// Tells the name of who asks, and gives it back.
pub(super) fn tell_client(client: Side, name: &[u8], out: &mut Out<'_>) -> Box<str> {
    // Who takes a reservation is a client, whatever was said before.
    out.server(client.other());
    out.text(client, None, &CLIENT_HOST, name);
    Value::text(name).as_text().as_str().into()
}

/// The answer to function 0x01: the longest frame, the firmware's version, eight bytes, the owner's name or none.
pub(super) fn tell_owner(server: Side, child: &Child, data: &[u8], out: &mut Out<'_>) {
    if let Some(owner) = last_name(Reader::closed(data), 12).ok().and_then(name) {
        out.text(server, Some(child), &OWNER, owner);
    }
}

/// A length and a text that end a message, behind some bytes.
fn last_name(mut reader: Reader<'_>, behind: usize) -> Result<&[u8], Stop> {
    reader.skip(behind)?;
    let length = reader.u8()?;
    let text = reader.take(length.into())?;
    if reader.is_empty() { Ok(text) } else { Err(reader.malformed("bytes behind the name")) }
}

/// The function that takes it.
pub(super) const TAKE: u8 = 0x10;
