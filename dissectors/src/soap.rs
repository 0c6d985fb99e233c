//! SOAP 1.1 and 1.2: an envelope, and the one element of its body.
//!
//! W3C SOAP 1.2 part 1, section 5; SOAP 1.1, section 4; WS-Addressing; OASIS WS-Security `UsernameToken` profile 1.1. Who
//! carries envelopes hands the bytes over; what the body's element means is for its protocol.

use crate::authorization::Credentials;
use crate::xml::{Document, Element, Name, Space};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::sync::LazyLock;

pub(crate) mod scope;
mod token;

/// The envelopes of both versions.
pub(crate) const ENVELOPE: Space = Space(1);
/// WS-Security: who asks.
pub(crate) const SECURITY: Space = Space(2);
/// WS-Security's utilities: when it was written.
pub(crate) const UTILITY: Space = Space(3);
/// WS-Addressing, of any year.
pub(crate) const ADDRESSING: Space = Space(4);
/// WS-Discovery, of either version.
pub(crate) const DISCOVERY: Space = Space(5);
/// ONVIF's own types.
pub(crate) const SCHEMA: Space = Space(6);
/// Of ONVIF, and none that is known.
pub(crate) const ONVIF: Space = Space(7);
/// The services of ONVIF begin here, in the order of their table.
const FIRST_SERVICE: u8 = 16;

const NAMESPACES: &[(&str, Space)] = &[
    ("http://www.w3.org/2003/05/soap-envelope", ENVELOPE),
    ("http://schemas.xmlsoap.org/soap/envelope/", ENVELOPE),
    ("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd", SECURITY),
    ("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd", UTILITY),
    ("http://schemas.xmlsoap.org/ws/2004/08/addressing", ADDRESSING),
    ("http://www.w3.org/2005/08/addressing", ADDRESSING),
    ("http://schemas.xmlsoap.org/ws/2005/04/discovery", DISCOVERY),
    ("http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01", DISCOVERY),
    ("http://www.onvif.org/ver10/schema", SCHEMA),
];

/// A service of ONVIF.
struct Service {
    name: &'static str,
    namespace: &'static str,
}

static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| {
    let rows = SERVICES_TEXT.lines().skip(1).filter_map(|line| line.split_once('\t'));
    rows.map(|(name, namespace)| Service { name, namespace }).collect()
});
const SERVICES_TEXT: &str = include_str!("../data/onvif_services.tsv");

/// The number of a namespace.
pub(crate) fn space(namespace: &[u8]) -> Space {
    if let Some(space) = SPACES.get(namespace) {
        return *space;
    }
    if namespace.starts_with(b"http://www.onvif.org/ver") { ONVIF } else { Space::UNKNOWN }
}

/// Every message declares a dozen.
static SPACES: LazyLock<HashMap<&'static [u8], Space, FixedState>> = LazyLock::new(|| {
    let services = SERVICES.iter().map(|service| service.namespace).zip((FIRST_SERVICE..).map(Space));
    services.chain(NAMESPACES.iter().copied()).map(|(name, space)| (name.as_bytes(), space)).collect()
});

/// The body of an envelope, which holds what it is about.
pub(crate) fn is_body((space, name): Name<'_>) -> bool {
    space == ENVELOPE && name == b"Body"
}

/// The service of ONVIF that a namespace is.
pub(crate) fn service(space: Space) -> Option<&'static str> {
    let at = space.0.checked_sub(FIRST_SERVICE)?;
    SERVICES.get(usize::from(at)).map(|service| service.name)
}

/// Whether a namespace is ONVIF's, known or not.
pub(crate) fn is_onvif(space: Space) -> bool {
    space == SCHEMA || space == ONVIF || service(space).is_some()
}

/// A message of SOAP.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'d, 'a> {
    /// What it is about.
    pub(crate) content: Element<'d, 'a>,
    /// What WS-Security says of who sends it.
    security: Option<Element<'d, 'a>>,
}

impl<'d, 'a> Envelope<'d, 'a> {
    /// The envelope that a document is, if it is one with something in it.
    pub(crate) fn of(document: &'d Document<'a>) -> Option<Self> {
        let root = document.root().filter(|root| root.is(ENVELOPE, "Envelope"))?;
        let content = root.child(ENVELOPE, "Body")?.children().next()?;
        let security = root.child(ENVELOPE, "Header").and_then(|header| header.child(SECURITY, "Security"));
        Some(Self { content, security })
    }

    /// Whether it says anything of who sends it.
    pub(crate) fn is_signed(self) -> bool {
        self.security.is_some()
    }

    /// Who sends it, and what proves that.
    pub(crate) fn login(self) -> Option<Credentials> {
        token::read(self.security?.child(SECURITY, "UsernameToken")?)
    }

    /// Whether it says that a request failed (SOAP 1.2, 5.4; SOAP 1.1, 4.4).
    pub(crate) fn is_fault(self) -> bool {
        self.content.is(ENVELOPE, "Fault")
    }

    /// The innermost code of a fault, without its prefix: `NotAuthorized`.
    pub(crate) fn fault_code(self) -> Option<Vec<u8>> {
        let is_code = |element: &Element<'_, '_>| element.is(ENVELOPE, "Value") || element.name() == b"faultcode";
        let last = self.content.descendants().filter(is_code).last()?;
        let code = last.text()?;
        code.rsplit(|byte| *byte == b':').next().map(<[u8]>::to_vec)
    }
}
