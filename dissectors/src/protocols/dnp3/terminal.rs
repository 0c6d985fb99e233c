//! Virtual terminals (IEEE 1815-2012, A.43 and A.44): a console of the device within DNP3. What is typed and shown there is
//! counted; who logs in is known by what the console asks for, and nothing else of it is kept.

use super::objects::Block;
use super::turn::{Pair, Turn};
use crate::console::{Attempt, Console};
use crate::dissector::{Direction, Field, Side};
use crate::login::Login;
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
    console: Console,
}

impl Terminals {
    /// Something was typed or shown.
    pub(super) fn hear(&mut self, turn: Turn, block: &Block<'_>, out: &mut Out<'_>) {
        let server = turn.server();
        if !self.0.iter().any(|terminal| terminal.pair == turn.pair) {
            if self.0.len() >= MOST {
                self.0.pop_front().into_iter().for_each(|terminal| terminal.tell(out));
            }
            self.0.push_back(Terminal { pair: turn.pair, server, octets: 0, console: Console::default() });
            out.numbered(server, Some(&turn.child()), (&TERMINAL, 0), "used");
        }
        let Some(terminal) = self.0.iter_mut().find(|terminal| terminal.pair == turn.pair) else { return };
        for item in block.items() {
            terminal.octets = terminal.octets.saturating_add(u64::try_from(item.bytes.len()).unwrap_or(u64::MAX));
            if turn.direction == Direction::Request {
                if let Some(attempt) = terminal.console.typed(item.bytes, out.place()) {
                    terminal.log_in(attempt, out);
                }
            } else if terminal.console.shown(item.bytes) {
                out.numbered(server, Some(&turn.child()), (&TERMINAL, 1), "asked for a login");
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.0.drain(..).for_each(|terminal| terminal.tell(out));
    }
}

impl Terminal {
    fn log_in(&self, attempt: Attempt, out: &mut Out<'_>) {
        let Attempt { username, proof, outcome, place } = attempt;
        let (server, child) = (self.server, Some(self.child()));
        let scheme = "virtual_terminal";
        out.login(Login { server, child, scheme, username, realm: None, proof, encrypted: false }, outcome, place);
    }

    fn tell(mut self, out: &mut Out<'_>) {
        if let Some(attempt) = self.console.finish() {
            self.log_in(attempt, out);
        }
        let octets = i64::try_from(self.octets).unwrap_or(i64::MAX);
        out.number(self.server, Some(&self.child()), &TERMINAL_OCTETS, octets);
    }

    fn child(&self) -> Child {
        Child::Number(self.pair.outstation.into())
    }
}

/// As many terminals are known of one conversation.
const MOST: usize = 16;
