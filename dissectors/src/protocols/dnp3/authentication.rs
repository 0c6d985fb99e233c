//! Secure authentication (IEEE 1815-2012, clause 7, A.45 to A.47): who proves himself how, and what goes wrong. Keys,
//! challenges and codes are passed over unread.

use super::application::{AUTHENTICATION_RESPONSE, Fragment};
use super::deed::Deed;
use super::objects::{self, Block, Blocks};
use super::turn::Turn;
use super::words::{name, text};
use crate::dissector::{Direction, Field};
use crate::observation::Category;
use crate::out::{Out, Words};
use crate::pending::Command;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString, format_compact};

pub(super) static MAC_ALGORITHM: Field =
    Field::new("dnp3.mac_algorithm", "how who commands the outstation has to prove himself (g120v1 and v5, A.45)");
pub(super) static KEY_WRAP: Field =
    Field::new("dnp3.key_wrap_algorithm", "by what session keys are hidden on their way (g120v5, A.45.5)");
pub(super) static CHALLENGE: Field =
    Field::new("dnp3.challenge", "why the outstation asks for a proof: the reason of its challenge (g120v1, A.45.1)");
pub(super) static SESSION_KEY_STATUS: Field =
    Field::new("dnp3.session_key_status", "of each user number the state of its session keys (g120v5, A.45.5)");
pub(super) static USER: Field =
    Field::new("dnp3.user", "user number by which somebody proves himself to the outstation (g120, A.45)");
pub(super) static ERROR: Field =
    Field::new("dnp3.authentication_error", "an error of secure authentication that it tells (g120v7, A.45.7)");
pub(super) static STATISTIC: Field =
    Field::new("dnp3.security_statistic", "how often security failed, by its own count (g121 and g122, A.46, A.47)");

/// What an object of secure authentication says.
enum Object<'a> {
    Challenge { user: u16, mac: u8, reason: u8 },
    Proof { user: u16 },
    KeyStatus { user: u16, wrap: u8, status: u8, mac: u8 },
    Error { user: u16, code: u8, words: &'a [u8] },
    Certificate { kind: u8, length: usize },
    UserChange { method: u8, operation: u8, role: u16, days: u16, user: &'a [u8] },
    UpdateKey { user: u16 },
}

impl<'a> Object<'a> {
    fn read(variation: u8, bytes: &'a [u8]) -> Result<Option<Self>, Stop> {
        let reader = &mut Reader::closed(bytes);
        Ok(Some(match variation {
            1 => {
                let (_, user) = (reader.u32_le()?, reader.u16_le()?);
                Self::Challenge { user, mac: reader.u8()?, reason: reader.u8()? }
            }
            2 | 3 | 6 | 12 => {
                reader.skip(4)?;
                Self::Proof { user: reader.u16_le()? }
            }
            4 => Self::Proof { user: reader.u16_le()? },
            5 => {
                let (_, user) = (reader.u32_le()?, reader.u16_le()?);
                Self::KeyStatus { user, wrap: reader.u8()?, status: reader.u8()?, mac: reader.u8()? }
            }
            7 => {
                let (_, user, _association) = (reader.u32_le()?, reader.u16_le()?, reader.u16_le()?);
                let code = reader.u8()?;
                reader.skip(6)?;
                Self::Error { user, code, words: reader.rest() }
            }
            8 => {
                let (_method, kind) = (reader.u8()?, reader.u8()?);
                Self::Certificate { kind, length: reader.remaining() }
            }
            10 => {
                let (method, operation, _) = (reader.u8()?, reader.u8()?, reader.u32_le()?);
                let (role, days, length) = (reader.u16_le()?, reader.u16_le()?, reader.u16_le()?);
                reader.skip(4)?;
                Self::UserChange { method, operation, role, days, user: reader.take(length.into())? }
            }
            13 => {
                reader.skip(4)?;
                Self::UpdateKey { user: reader.u16_le()? }
            }
            _ => return Ok(None),
        }))
    }

    fn first(block: &Block<'a>) -> Option<Self> {
        let item = block.items().next().filter(|_| block.kind.group == objects::AUTHENTICATION)?;
        Self::read(block.kind.variation, item.bytes).ok().flatten()
    }
}

/// Who proves himself, and what an outstation says of that.
pub(super) fn tell(turn: Turn, block: &Block<'_>, out: &mut Out<'_>) {
    let server = turn.server();
    let child = &turn.child();
    let Some(object) = Object::first(block) else { return };
    let user = match object {
        Object::Challenge { user, mac, reason } => {
            out.text(server, Some(child), &MAC_ALGORITHM, name("mac", mac).as_bytes());
            let reason_words = name("challenge reason", reason);
            out.numbered(server, Some(child), (&CHALLENGE, reason.into()), &reason_words);
            user
        }
        Object::Proof { user } => user,
        Object::KeyStatus { user, wrap, status, mac } => {
            if mac != 0 {
                out.text(server, Some(child), &MAC_ALGORITHM, name("mac", mac).as_bytes());
            }
            out.text(server, Some(child), &KEY_WRAP, name("key wrap", wrap).as_bytes());
            let words = format_compact!("user {user}: {}", name("key status", status));
            out.numbered(server, Some(child), (&SESSION_KEY_STATUS, user.into()), &words);
            user
        }
        Object::Error { user, code, words } => {
            let mut line = format_compact!("{} (user {user})", name("security error", code));
            if let Some(words) = text(words) {
                line.push_str(": ");
                line.push_str(&words);
            }
            // A master that finds an error says it of the outstation's proof; either way it concerns this outstation.
            out.numbered(server, Some(child), (&ERROR, code.into()), &line);
            return;
        }
        Object::Certificate { .. } | Object::UserChange { .. } | Object::UpdateKey { .. } => return,
    };
    // User 0 is nobody yet: who asks for the first keys.
    if turn.direction == Direction::Request && user != 0 {
        out.numbered(server, Some(child), (&USER, user.into()), &user.to_compact_string());
    }
}

/// What a master changes of users, certificates and keys.
pub(super) fn deed(block: &Block<'_>) -> Option<Deed> {
    let (category, target, value) = match Object::first(block)? {
        Object::Certificate { kind, length } => {
            (Category::Certificate, name("certificate", kind), Some(format_compact!("{length} octets")))
        }
        Object::UserChange { method, operation, role, days, user } => {
            let user = text(user).unwrap_or_default();
            let (operation, role) = (name("user operation", operation), name("role", role));
            let method = name("key change method", method);
            let expiry =
                if days == 0 { CompactString::default() } else { format_compact!(", expires after {days} days") };
            (
                Category::User,
                format_compact!("user {user}"),
                Some(format_compact!("{operation}, {role}{expiry}, {method}")),
            )
        }
        Object::UpdateKey { user } => {
            (Category::User, format_compact!("update key of user {user}"), Some("changed".into()))
        }
        _ => return None,
    };
    Some(Deed::of(Command::in_words(category, target, value)))
}

/// Why an outstation does not do what was asked for, where it says so in an error (7.5.1.7): the answer to a proof that is
/// none, and to whatever it was to prove.
pub(super) fn refusal(fragment: &Fragment<'_>) -> Option<Words> {
    if fragment.function != AUTHENTICATION_RESPONSE {
        return None;
    }
    let mut blocks = Blocks::of(fragment.function, fragment.objects).map_while(Result::ok);
    blocks.find_map(|block| match Object::first(&block)? {
        Object::Error { code, .. } => Some(name("security error", code).into()),
        _ => None,
    })
}

/// An outstation tells how often security failed (7.5.2.2): flags, an association and a count for each statistic.
pub(super) fn tell_statistics(turn: Turn, block: &Block<'_>, out: &mut Out<'_>) {
    for item in block.items() {
        let (Some(index), Some([_, _, _, count @ ..])) = (item.index, item.bytes.first_chunk::<7>()) else { continue };
        let count = u32::from_le_bytes(*count);
        if FAILURES.contains(&index) && count > 0 {
            let words = format_compact!("{} = {count}", name("security statistic", index));
            out.numbered(turn.sender, Some(&turn.child()), (&STATISTIC, index), &words);
        }
    }
}

/// The statistics that count what went wrong: the others count all that went on, and change with every message.
static FAILURES: [u32; 10] = [0, 1, 2, 3, 4, 9, 10, 11, 14, 16];
