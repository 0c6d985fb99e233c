//! Logins for files (IEEE 1815-2012, 4.4.19 and A.27.2): a user and a password, both in clear. The answer is an object of
//! the same kind with a key for what is asked next; a key of 0 opens nothing.

use super::application::Fragment;
use super::command::AUTHENTICATE_FILE;
use super::file::{self, piece};
use super::objects::{self, Block, Blocks};
use super::turn::Turn;
use crate::observation::Outcome;
use crate::proof::Proof;
use crate::reader::Reader;
use std::sync::Arc;

/// A login for files, until its answer comes.
pub(super) struct Login {
    user: Option<Box<[u8]>>,
    proof: Arc<Proof>,
    pub(super) outcome: Option<Outcome>,
}

impl Login {
    /// What a request gives.
    pub(super) fn of(fragment: &Fragment<'_>) -> Option<Self> {
        if fragment.function != AUTHENTICATE_FILE {
            return None;
        }
        blocks(fragment).find_map(|block| credentials(&block))
    }

    /// An answer came. One that knows no such function or object says nothing of the password.
    pub(super) fn hear(&mut self, answer: &Fragment<'_>) {
        let statuses = || blocks(answer).find_map(|block| file::status(&block));
        self.outcome = Some(match blocks(answer).find_map(|block| key(&block)) {
            Some(0) => Outcome::Rejected,
            Some(_) => Outcome::Accepted,
            None if statuses().is_some_and(|status| status != 0) => Outcome::Rejected,
            None => Outcome::Unknown,
        });
    }

    /// As it is told.
    pub(super) fn told(&self, turn: Turn) -> crate::login::Login {
        crate::login::Login {
            server: turn.server(),
            child: Some(turn.child()),
            scheme: "dnp3_file",
            username: self.user.clone(),
            realm: None,
            proof: self.proof.clone(),
            encrypted: false,
        }
    }
}

fn blocks<'a>(fragment: &Fragment<'a>) -> impl Iterator<Item = Block<'a>> {
    Blocks::of(fragment.function, fragment.objects).map_while(Result::ok)
}

/// The offset and length of a user name, those of a password, and a key that is 0 where one is asked for.
fn credentials(block: &Block<'_>) -> Option<Login> {
    let bytes = object(block)?;
    let reader = &mut Reader::closed(bytes);
    let (user, password) = (piece(reader, bytes).ok()?, piece(reader, bytes).ok()?);
    let user = (!user.is_empty()).then(|| user.into());
    Some(Login { user, proof: Arc::new(Proof::clear(password)), outcome: None })
}

fn key(block: &Block<'_>) -> Option<u32> {
    let reader = &mut Reader::closed(object(block)?);
    reader.skip(OFFSETS).and_then(|()| reader.u32_le()).ok()
}

fn object<'a>(block: &Block<'a>) -> Option<&'a [u8]> {
    let is_login = (block.kind.group, block.kind.variation) == (objects::FILE, AUTHENTICATION);
    block.items().next().filter(|_| is_login).map(|item| item.bytes)
}

const AUTHENTICATION: u8 = 2;
/// Of user name and password, two octets each, with their lengths.
const OFFSETS: usize = 8;
