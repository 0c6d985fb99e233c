//! Virtual terminals (IEEE 1815-2012, A.43 and A.44): a console of the device within DNP3. What is typed and shown there is
//! never kept; it is counted, and a prompt for a login is known by its words, letter by letter.

use super::objects::Block;
use super::turn::{Pair, Turn};
use crate::dissector::{Direction, Field, Side};
use crate::observation::Child;
use crate::out::Out;
use std::collections::VecDeque;

pub(super) static TERMINAL: Field =
    Field::new("dnp3.terminal", "a console of the device was used over DNP3: used, or that it asked for a login");
pub(super) static TERMINAL_OCTETS: Field =
    Field::new("dnp3.terminal_octets", "how many octets its console showed and was sent, of each conversation");

/// The terminals of a conversation.
#[derive(Default)]
pub(super) struct Terminals(VecDeque<Terminal>);

struct Terminal {
    pair: Pair,
    server: Side,
    octets: u64,
    /// How many letters of each prompt stand at the end of what was shown.
    progress: [u8; PROMPTS.len()],
}

impl Terminals {
    /// Something was typed or shown.
    pub(super) fn hear(&mut self, turn: Turn, block: &Block<'_>, out: &mut Out<'_>) {
        let server = turn.server();
        if !self.0.iter().any(|terminal| terminal.pair == turn.pair) {
            if self.0.len() >= MOST {
                self.0.pop_front().into_iter().for_each(|terminal| terminal.tell(out));
            }
            self.0.push_back(Terminal { pair: turn.pair, server, octets: 0, progress: [0; PROMPTS.len()] });
            out.numbered(server, Some(&turn.child()), (&TERMINAL, 0), "used");
        }
        let Some(terminal) = self.0.iter_mut().find(|terminal| terminal.pair == turn.pair) else { return };
        for item in block.items() {
            terminal.octets = terminal.octets.saturating_add(u64::try_from(item.bytes.len()).unwrap_or(u64::MAX));
            if turn.direction == Direction::Response && terminal.shows_prompt(item.bytes) {
                out.numbered(server, Some(&turn.child()), (&TERMINAL, 1), "asked for a login");
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.0.drain(..).for_each(|terminal| terminal.tell(out));
    }
}

impl Terminal {
    fn shows_prompt(&mut self, shown: &[u8]) -> bool {
        let mut is_shown = false;
        for letter in shown.iter().map(u8::to_ascii_lowercase) {
            for (progress, prompt) in self.progress.iter_mut().zip(PROMPTS) {
                let goes_on = prompt.get(usize::from(*progress)) == Some(&letter);
                let begins = prompt.first() == Some(&letter);
                *progress = if goes_on { progress.saturating_add(1) } else { u8::from(begins) };
                if usize::from(*progress) == prompt.len() {
                    (is_shown, *progress) = (true, 0);
                }
            }
        }
        is_shown
    }

    fn tell(self, out: &mut Out<'_>) {
        let octets = i64::try_from(self.octets).unwrap_or(i64::MAX);
        out.number(self.server, Some(&Child::Number(self.pair.outstation.into())), &TERMINAL_OCTETS, octets);
    }
}

/// By these a console asks for a login.
static PROMPTS: [&[u8]; 4] = [b"login:", b"username:", b"user name:", b"password:"];

/// As many terminals are known of one conversation.
const MOST: usize = 16;
