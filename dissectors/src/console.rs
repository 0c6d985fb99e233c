//! Logins at a console: what it shows asks for a user and a password, what is typed gives them.
//!
//! A prompt is one when nothing is shown behind it before somebody types (`Last login: Monday` asks for nothing). Of what is
//! typed only the line behind a prompt is kept, that of a password as a secret; of what is shown nothing. What became of a
//! login shows in what follows: the prompt again or a refusal, or something else and another line typed to it.
//!
//! Prompts are known in the languages that devices speak (`data/console-words.tsv`), in capital and in small letters of
//! ASCII; what has other letters stands there as it is written in UTF-8, and in the older set of the language.

use crate::observation::{Outcome, Place};
use crate::proof::Proof;
use std::sync::{Arc, LazyLock};
use zeroize::{Zeroize, Zeroizing};

/// What is known of a console that somebody uses.
#[derive(Default)]
pub(crate) struct Console {
    /// The end of what was shown, in small letters: as long as the longest word.
    end: Zeroizing<[u8; LONGEST_WORD]>,
    /// What was asked for last, if nothing was shown since.
    asked: Option<Asks>,
    /// What the line that is typed answers.
    answering: Option<Asks>,
    line: Zeroizing<Vec<u8>>,
    username: Option<Box<[u8]>>,
    /// A login whose outcome is not known yet.
    given: Option<Attempt>,
    is_refused: bool,
    /// Whether anything was shown since.
    is_answered: bool,
    /// Whether what was typed last ended a line: a line feed behind a return ends no other.
    is_behind_return: bool,
}

/// A login, and how it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) username: Option<Box<[u8]>>,
    pub(crate) proof: Arc<Proof>,
    pub(crate) outcome: Outcome,
    /// Where the password's last letter stands.
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    User,
    Password,
}

impl Console {
    /// The console shows something; whether a prompt for a login is at its end.
    pub(crate) fn shown(&mut self, bytes: &[u8]) -> bool {
        for letter in bytes.iter().map(u8::to_ascii_lowercase) {
            if !letter.is_ascii_whitespace() {
                (self.asked, self.is_answered) = (None, true);
            }
            self.end.rotate_left(1);
            if let Some(last) = self.end.last_mut() {
                *last = letter;
            }
            for (.., asks) in words().ending_in(letter).filter(|(_, word, _)| self.end.ends_with(word)) {
                self.asked = *asks;
                self.is_refused |= asks.is_none();
            }
        }
        self.asked.is_some()
    }

    /// Somebody types; the login before, where it is known now how it ended.
    pub(crate) fn typed(&mut self, bytes: &[u8], place: Place) -> Option<Attempt> {
        let mut ended = None;
        for letter in bytes {
            let is_behind_return = std::mem::replace(&mut self.is_behind_return, *letter == b'\r');
            match *letter {
                b'\n' | 0 if is_behind_return => {}
                b'\r' | b'\n' => {
                    if self.asked.is_some() {
                        ended = self.judged().or(ended);
                    }
                    self.enter(place);
                }
                BACKSPACE | DELETE => {
                    self.line.pop();
                }
                letter => {
                    ended = self.judged().or(ended);
                    self.begin();
                    self.add(letter);
                }
            }
        }
        ended
    }

    /// Whether a password was given of which it is not known yet what became of it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.given.is_some()
    }

    /// Nothing more comes: the login whose outcome was awaited.
    pub(crate) fn finish(&mut self) -> Option<Attempt> {
        let outcome = if self.is_turned_away() { Outcome::Rejected } else { Outcome::Unknown };
        self.given.take().map(|attempt| Attempt { outcome, ..attempt })
    }

    /// A line begins that answers a prompt.
    fn begin(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.answering = Some(asked);
            self.wipe();
        }
    }

    fn add(&mut self, letter: u8) {
        if self.answering.is_none() {
            return;
        }
        if self.line.len() == LONGEST {
            // No name and no password is so long.
            self.answering = None;
            self.wipe();
            return;
        }
        if self.line.capacity() < LONGEST {
            // At once, so that no growing buffer leaves copies.
            self.line = Zeroizing::new(Vec::with_capacity(LONGEST));
        }
        self.line.push(letter);
    }

    /// A line ends. An empty one answers a prompt too.
    fn enter(&mut self, place: Place) {
        self.begin();
        match self.answering.take() {
            None => {}
            Some(Asks::User) => {
                self.username = (!self.line.is_empty()).then(|| self.line.as_slice().into());
            }
            Some(Asks::Password) => {
                let (username, proof) = (self.username.clone(), Arc::new(Proof::clear(&self.line)));
                self.given = Some(Attempt { username, proof, outcome: Outcome::Unknown, place });
                (self.is_refused, self.is_answered) = (false, false);
            }
        }
        self.wipe();
    }

    /// The login before, if what was shown since says how it ended.
    fn judged(&mut self) -> Option<Attempt> {
        let outcome = match (self.is_turned_away(), self.is_answered) {
            (true, _) => Outcome::Rejected,
            (false, true) => Outcome::Accepted,
            (false, false) => return None,
        };
        self.given.take().map(|attempt| Attempt { outcome, ..attempt })
    }

    fn is_turned_away(&self) -> bool {
        self.is_refused || self.asked.is_some()
    }

    fn wipe(&mut self) {
        self.line.as_mut_slice().zeroize();
        self.line.clear();
    }
}

/// The words by which a console asks for a login, or refuses one: by their last letter.
struct Words(Vec<(u8, &'static [u8], Option<Asks>)>);

impl Words {
    fn ending_in(&self, letter: u8) -> impl Iterator<Item = &(u8, &'static [u8], Option<Asks>)> {
        let first = self.0.partition_point(|(last, ..)| *last < letter);
        self.0.get(first..).unwrap_or_default().iter().take_while(move |(last, ..)| *last == letter)
    }
}

fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        let rows = include_str!("../data/console-words.tsv").lines().filter_map(row);
        let mut words: Vec<_> = rows.collect();
        words.sort_by_key(|(last, ..)| *last);
        Words(words)
    });
    &WORDS
}

/// What it asks for, and the word; letters of older sets stand as `\xNN`.
fn row(line: &'static str) -> Option<(u8, &'static [u8], Option<Asks>)> {
    let (asks, word) = line.split_once('\t')?;
    let asks = match asks {
        "user" => Some(Asks::User),
        "password" => Some(Asks::Password),
        "refusal" => None,
        _ => return None,
    };
    let word: &'static [u8] = if word.contains("\\x") { unescaped(word).leak() } else { word.as_bytes() };
    Some((*word.last()?, word, asks))
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut parts = word.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or_default();
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// No word is longer.
const LONGEST_WORD: usize = 32;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
/// As long as a name or a password may be.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a console shows (`<`) and somebody types (`>`), and the logins that end on the way and at the end.
    fn logins(talk: &[(char, &str)]) -> Vec<String> {
        let mut console = Console::default();
        let mut ended = Vec::new();
        for (side, bytes) in talk {
            match side {
                '<' => {
                    console.shown(bytes.as_bytes());
                }
                _ => ended.extend(console.typed(bytes.as_bytes(), Place::default())),
            }
        }
        ended.extend(console.finish());
        let line = |Attempt { username, proof, outcome, .. }: &Attempt| {
            let name = username.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let is_it = ["", "secret"].map(|candidate| proof.is_of(candidate.as_bytes()) == Some(true));
            let password = if is_it[0] {
                "nothing"
            } else if is_it[1] {
                "the secret"
            } else {
                "another"
            };
            format!("{name} by {password}: {}", outcome.name())
        };
        ended.iter().map(line).collect()
    }

    const ASKED: [(char, &str); 4] = [('<', "RTU 7\r\nlogin: "), ('>', "ann\r"), ('<', "ann\r\nPass"), ('<', "word: ")];

    fn answered(talk: &[(char, &str)]) -> Vec<String> {
        logins(&[&ASKED[..], talk].concat())
    }

    #[test]
    fn what_follows_a_password_says_how_the_login_ended() {
        let given = ('>', "secret\r\n");
        for (talk, ending) in [
            (&[given, ('<', "\r\n=> "), ('>', "status\r")][..], "ann by the secret: accepted"),
            (&[given, ('<', "\r\nLast login: Monday\r\n=> "), ('>', "s")], "ann by the secret: accepted"),
            (&[given, ('<', "\r\nlogin: ")], "ann by the secret: rejected"),
            (&[given, ('<', "\r\nLogin incorrect\r\n=> "), ('>', "x")], "ann by the secret: rejected"),
            (&[given, ('<', "\r\n=> ")], "ann by the secret: unknown"),
            (&[given], "ann by the secret: unknown"),
            (&[('>', "sex"), ('>', "\x7fcret"), ('>', "\r")], "ann by the secret: unknown"),
            (&[('>', "s"), ('>', "e"), ('>', "c"), ('>', "ret\n")], "ann by the secret: unknown"),
            (&[('>', "\r"), ('<', "\r\n=> "), ('>', "x")], "ann by nothing: accepted"),
            (&[('>', "secret, or not\r")], "ann by another: unknown"),
        ] {
            assert_eq!(answered(talk), [ending], "{talk:?}");
        }
    }

    #[test]
    fn each_attempt_is_a_login_of_its_own() {
        let wrong = [('>', "wrong\r"), ('<', "\r\nPassword: ")];
        let again = [('>', "\r"), ('<', "\r\nPassword: "), ('>', "secret\r"), ('<', "$ "), ('>', "ls\r")];
        assert_eq!(
            answered(&[&wrong[..], &again].concat()),
            ["ann by another: rejected", "ann by nothing: rejected", "ann by the secret: accepted"]
        );
        assert_eq!(logins(&[('<', "Password:"), ('>', "secret\r")]), [" by the secret: unknown"]);
    }

    #[test]
    fn consoles_speak_many_languages() {
        assert!(words().0.len() > 40 && words().0.iter().all(|(_, word, _)| word.len() <= LONGEST_WORD));
        for (name, password) in [
            ("Benutzername: ", &b"Kennwort: "[..]),
            ("Identifiant :", b"Mot de passe : "),
            ("Usuario:", "Contraseña:".as_bytes()),
            ("Usuario:", b"Contrase\xf1a:"),
            ("Utente:", b"PASSWORD:"),
            ("用户名：", "密码：".as_bytes()),
            ("user name:", b"\xc3\xdc\xc2\xeb:"),
        ] {
            let mut console = Console::default();
            assert!(console.shown(name.as_bytes()), "{name}");
            assert!(console.typed(b"ann\r\n", Place::default()).is_none());
            assert!(console.shown(password), "{password:?}");
            assert!(console.typed(b"secret\r\n", Place::default()).is_none());
            console.shown(b"\r\n> ");
            let attempt = console.typed(b"x", Place::default()).expect("it was let in");
            assert_eq!((attempt.username.as_deref(), attempt.outcome), (Some(&b"ann"[..]), Outcome::Accepted));
        }
    }

    #[test]
    fn what_answers_no_prompt_is_not_kept() {
        for talk in [
            &[('<', "=> "), ('>', "secret\r")][..],
            &[('<', "Enter a password: of 8 letters"), ('>', "secret\r")],
            &[('<', "Password: "), ('>', "secret")],
        ] {
            assert_eq!(logins(talk), [""; 0], "{talk:?}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(logins(&[('<', "Password: "), ('>', &long), ('>', "\r")]), [""; 0]);
        // The line feed of a return that came alone is no empty password.
        assert_eq!(logins(&[('<', "login: "), ('>', "ann\r"), ('<', "Password: "), ('>', "\n")]), [""; 0]);
    }
}
