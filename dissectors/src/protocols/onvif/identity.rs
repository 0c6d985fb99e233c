//! What answers say of the device: who made it, its names, its users, its clock.

use super::operation::term;
use super::{
    CAPABILITIES, CLOCK, ENDPOINT, FIRMWARE, HARDWARE, HOSTNAME, MANUFACTURER, MODEL, PASSWORD_RULES, SCOPE,
    SCOPE_HARDWARE, SCOPE_LOCATION, SCOPE_MAC, SCOPE_NAME, SCOPE_SERIAL, SERIAL, SERVICES, STREAM, UPLOAD, USERS,
    network,
};
use crate::dissector::{Field, Side};
use crate::head;
use crate::observation::Value;
use crate::out::Out;
use crate::soap::{self, scope};
use crate::time::Timestamp;
use crate::xml::Element;

/// Tells what an answer says of the side that gives it.
pub(super) fn tell(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let name = answer.name().strip_suffix(b"Response").unwrap_or_default();
    let texts = TEXTS.iter().filter(|(operation, ..)| operation.as_bytes() == name);
    for (_, element, field) in texts {
        if let Some(text) = first(answer, element) {
            out.text(side, None, field, &text);
        }
    }
    for (_, teller) in TELLERS.iter().filter(|(operation, _)| operation.as_bytes() == name) {
        teller(side, answer, out);
    }
}

/// Whether an answer of this name tells anything, or is none: a fault, say.
pub(super) fn tells(name: &[u8]) -> bool {
    let Some(name) = name.strip_suffix(b"Response") else { return true };
    let mut names = TEXTS.iter().map(|(operation, ..)| operation).chain(TELLERS.iter().map(|(operation, _)| operation));
    names.any(|operation| operation.as_bytes() == name)
}

/// Operation, and what reads its answer.
static TELLERS: &[(&str, Teller)] = &[
    ("GetEndpointReference", endpoint),
    ("GetScopes", |side, answer, out| scope::tell(side, &SCOPES, all(answer, "ScopeItem"), out)),
    ("GetNetworkInterfaces", network::interfaces),
    ("GetNetworkProtocols", network::protocols),
    ("GetServices", services),
    ("GetCapabilities", capabilities),
    ("GetSystemDateAndTime", clock),
    ("GetUsers", users),
    ("GetPasswordComplexityConfiguration", password_rules),
    ("GetPasswordHistoryConfiguration", password_rules),
    ("GetAuthFailureWarningConfiguration", password_rules),
    ("GetStreamUri", streams),
    ("GetSnapshotUri", streams),
    ("StartFirmwareUpgrade", announce),
    ("StartSystemRestore", announce),
];
type Teller = fn(Side, Element<'_, '_>, &mut Out<'_>);

static SCOPES: scope::Fields = scope::Fields {
    scope: &SCOPE,
    name: &SCOPE_NAME,
    hardware: &SCOPE_HARDWARE,
    location: &SCOPE_LOCATION,
    serial: &SCOPE_SERIAL,
    mac: &SCOPE_MAC,
};

/// Operation, element, field: what is told as it stands.
static TEXTS: &[(&str, &str, &Field)] = &[
    ("GetDeviceInformation", "Manufacturer", &MANUFACTURER),
    ("GetDeviceInformation", "Model", &MODEL),
    ("GetDeviceInformation", "FirmwareVersion", &FIRMWARE),
    ("GetDeviceInformation", "SerialNumber", &SERIAL),
    ("GetDeviceInformation", "HardwareId", &HARDWARE),
    ("GetHostname", "Name", &HOSTNAME),
];

/// A text of an element of ONVIF.
type Text<'a> = std::borrow::Cow<'a, [u8]>;

/// The texts of the elements of ONVIF that bear a name, wherever they stand.
pub(super) fn all<'a>(element: Element<'_, 'a>, name: &str) -> impl Iterator<Item = Text<'a>> {
    let named = element.descendants().filter(move |inner| is(*inner, name));
    named.filter_map(Element::text).filter(|text| !text.is_empty())
}

pub(super) fn first<'a>(element: Element<'_, 'a>, name: &str) -> Option<Text<'a>> {
    all(element, name).next()
}

/// Whether it is an element of ONVIF of this name.
pub(super) fn is(element: Element<'_, '_>, name: &str) -> bool {
    element.name() == name.as_bytes() && soap::is_onvif(element.space())
}

fn endpoint(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    if let Some(reference) = first(answer, "GUID") {
        out.text(side, None, &ENDPOINT, &scope::endpoint(&reference));
    }
}

/// A device says where it takes a firmware or a backup: the request that brings it comes in another conversation, maybe.
fn announce(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let address = first(answer, "UploadUri");
    let path = address.as_deref().and_then(head::path);
    let category = term(answer).and_then(|term| term.row?.category);
    if let (Some(category), Some(path)) = (category, path) {
        out.leave(side, UPLOAD, path, category);
    }
}

fn services(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let mut told = Vec::new();
    for service in answer.children().filter(|child| is(*child, "Service")).take(MOST_SERVICES) {
        let Some(namespace) = first(service, "Namespace") else { continue };
        let Some(name) = soap::service(soap::space(&namespace)) else { continue };
        join(&mut told, name.as_bytes());
        if let (Some(major), Some(minor)) = (first(service, "Major"), first(service, "Minor")) {
            told.extend([b" ", &*major, b".", &*minor].concat());
        }
    }
    out.text(side, None, &SERVICES, &told);
}

/// A service is offered where it has an address; those that came later stand within an extension.
fn capabilities(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let is_service = |element: &Element<'_, '_>| element.children().any(|child| is(child, "XAddr"));
    let mut told = Vec::new();
    for service in answer.descendants().filter(is_service).take(MOST_SERVICES) {
        join(&mut told, service.name());
    }
    out.text(side, None, &CAPABILITIES, &told);
}

fn users(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let mut told = Vec::new();
    for user in answer.children().filter(|child| is(*child, "User")).take(MOST_USERS) {
        let Some(name) = first(user, "Username") else { continue };
        join(&mut told, &name);
        if let Some(level) = first(user, "UserLevel") {
            told.extend([b" ", &*level].concat());
        }
    }
    out.text(side, None, &USERS, &told);
}

/// All numbers and switches of such an answer, each with its name: none of them is secret.
fn password_rules(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let mut told = Vec::new();
    for rule in answer.descendants().filter(|rule| soap::is_onvif(rule.space())).take(MOST_RULES) {
        let Some(value) = rule.text() else { continue };
        let is_plain = value.len() <= 5 && value.iter().all(u8::is_ascii_alphanumeric);
        if is_plain && !value.is_empty() {
            join(&mut told, rule.name());
            told.extend([b" ", &*value].concat());
        }
    }
    let Ok(told) = std::str::from_utf8(&told) else { return };
    let number = u32::try_from(answer.name().len()).unwrap_or_default();
    if !told.is_empty() {
        out.numbered(side, None, (&PASSWORD_RULES, number), told);
    }
}

/// Each address of a stream is told by itself, without a user and a password in it.
fn streams(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    for uri in all(answer, "Uri").take(MOST_STREAMS) {
        let plain = without_login(&uri);
        let Ok(plain) = std::str::from_utf8(&plain) else { continue };
        out.numbered(side, None, (&STREAM, scope::number_of(plain.as_bytes())), plain);
    }
}

/// An address without what stands before its `@`, and without its query, where some put a password too.
fn without_login(uri: &[u8]) -> Vec<u8> {
    let front = uri.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let Some(at) = memchr::memmem::find(front, b"://") else { return Vec::new() };
    let (scheme, rest) = front.split_at_checked(at.saturating_add(3)).unwrap_or((front, &[]));
    // A password may hold an `@` and, from a careless maker, a slash.
    let host = memchr::memrchr(b'@', rest).and_then(|at| rest.get(at.saturating_add(1)..)).unwrap_or(rest);
    let named = host.split(|byte| matches!(byte, b'/' | b';')).filter(|part| !is_secret(part));
    let path = named.collect::<Vec<_>>().join(&b'/');
    [scheme, &path].concat()
}

/// Whether a part of a path names a password: `user=admin_password=x`, `password=x`.
fn is_secret(part: &[u8]) -> bool {
    let part = part.to_ascii_lowercase();
    [&b"pass"[..], b"pwd", b"psw", b"token", b"auth", b"key="]
        .iter()
        .any(|word| memchr::memmem::find(&part, word).is_some())
}

/// By how many minutes its clock is ahead, the nearest whole ones: what the network took does not count.
fn clock(side: Side, answer: Element<'_, '_>, out: &mut Out<'_>) {
    let Some(utc) = answer.descendants().find(|inner| is(*inner, "UTCDateTime")) else { return };
    let number = |name| std::str::from_utf8(&first(utc, name)?).ok()?.parse::<i64>().ok();
    let fields = ["Year", "Month", "Day", "Hour", "Minute", "Second"].map(number);
    let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = fields else { return };
    let Some(time) = Timestamp::of_utc([year, month, day, hour, minute, second]) else { return };
    let ahead = time.nanos().saturating_sub(out.place().time.nanos());
    let minutes = ahead.saturating_add(NANOS_PER_MINUTE / 2).div_euclid(NANOS_PER_MINUTE);
    out.attribute(side, None, &CLOCK, &minutes.to_be_bytes(), || Value::Integer(minutes));
}

fn join(told: &mut Vec<u8>, text: &[u8]) {
    if !told.is_empty() {
        told.extend(b", ");
    }
    told.extend(text.get(..LONGEST_NAME).unwrap_or(text));
}

const NANOS_PER_MINUTE: i64 = 60_000_000_000;
const LONGEST_NAME: usize = 64;
const MOST_SERVICES: usize = 32;
const MOST_USERS: usize = 16;
const MOST_RULES: usize = 32;
const MOST_STREAMS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_streams_hold_nobodys_password() {
        for (uri, plain) in [
            ("rtsp://10.0.0.5:554/live/1", "rtsp://10.0.0.5:554/live/1"),
            ("rtsp://admin:p@ss/w@10.0.0.5/live?profile=1&pwd=secret", "rtsp://10.0.0.5/live"),
            ("rtsp://10.0.0.5/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp", "rtsp://10.0.0.5"),
            ("rtsp://10.0.0.5/11;password=secret", "rtsp://10.0.0.5/11"),
            ("secret", ""),
        ] {
            assert_eq!(String::from_utf8(without_login(uri.as_bytes())).as_deref(), Ok(plain), "{uri}");
        }
    }
}
