//! Passwords in calls that set them (`onvif.xsd`: `User`, `RemoteUser`, `UserCredential`; Core, 8.4.4 to 8.4.7, and Event
//! Service, 10): each is a login that all could read, from the moment on when the call is accepted.

use crate::dissector::Side;
use crate::login::Login;
use crate::observation::Outcome;
use crate::proof::Proof;
use crate::soap;
use crate::xml::Element;
use std::sync::Arc;

/// A password that a call sets.
pub(super) struct Set {
    login: Login,
    /// Whether it is for the device itself. Others are for somewhere else, and whether they are right there nobody says.
    is_own: bool,
}

impl Set {
    /// The login that it makes, and how it ended if not as the call did.
    pub(super) fn login(&self) -> (Login, Option<Outcome>) {
        (self.login.clone(), (!self.is_own).then_some(Outcome::Unknown))
    }
}

/// Those that a call sets on a device: of users as many as anybody makes at once.
pub(super) fn of(call: Element<'_, '_>, server: Side) -> Box<[Set]> {
    const MOST: usize = 16;
    call.descendants().filter_map(|element| set(element, server)).take(MOST).collect()
}

fn set(element: Element<'_, '_>, server: Side) -> Option<Set> {
    let child = |names: &[&str]| {
        let is_named = |child: &Element<'_, '_>| names.iter().any(|name| name.as_bytes() == child.name());
        element.children().filter(|child| soap::is_onvif(child.space())).find(is_named)
    };
    let password = child(&["Password", "password"])?;
    let username = child(&["Username", "UserName", "username", "Identity"]).and_then(Element::text);
    let is_own = element.name() == b"User";
    let login = Login {
        server,
        child: None,
        scheme: if is_own { "onvif_user" } else { "onvif_stored" },
        username: username.map(|name| name.into_owned().into()),
        realm: None,
        proof: Arc::new(Proof::Clear(password.secret()?)),
        encrypted: false,
    };
    Some(Set { login, is_own })
}
