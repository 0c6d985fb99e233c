//! Prints how many Digests are checked in a second by one core, beside what the primitive alone can do.
//!
//! A check is one candidate held against one login: two MD5 sums, of user, realm and password, and of that, nonce and
//! target. The primitive makes both, one after the other, of texts that stand ready; it looks nothing up.

use clap::Parser;
use dissectors::Secret;
use dissectors::proof::{Algorithm, Digest, Proof, Protection};
use fingerprints::Credentials;
use md5::{Digest as _, Md5};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many Digests are checked in a second by one core, beside what the primitive alone can do.
#[derive(Debug, Parser)]
struct Arguments {
    /// For how many seconds each is measured.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

fn main() {
    let lasting = Duration::from_secs(Arguments::parse().seconds);
    let credentials = Credentials::default();
    let mut trials = credentials.trials();
    println!("{:<44} {:>12} {:>8}", "digest_md5 checked", "per second", "times");
    let alone = per_second(lasting, primitive);
    println!("{:<44} {alone:>12.0} {:>8.2}", "by the primitive alone", 1.0);
    for (what, realms) in [("by all candidates, realms alike", 1), ("by all candidates, a realm for each device", 500)]
    {
        let proofs: Vec<Proof> = (0..500).map(|number| login(number, number % realms)).collect();
        let mut all = proofs.iter().cycle();
        let ours = per_second(lasting, || trials.try_all("admin", all.next().expect("they begin anew")));
        println!("{what:<44} {ours:>12.0} {:>8.2}", ours / alone);
    }
}

/// Checks in a second, where a call makes so many.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
fn per_second(lasting: Duration, mut checks: impl FnMut() -> u64) -> f64 {
    checks();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < lasting {
        count += checks();
    }
    count as f64 / start.elapsed().as_secs_f64()
}

const FRONT: &str = "admin:Login to 4F000000017:";
const BEHIND: &str = ":5f2c8d1e7a3b4c6d:8ca523f5e9506fed4657c9700eebdbec";

fn primitive() -> u64 {
    const MANY: u64 = 1_000;
    let (mut first, mut second) = (FRONT.as_bytes().to_vec(), Vec::new());
    for number in 0..MANY {
        first.truncate(FRONT.len());
        first.extend_from_slice(&number.to_le_bytes());
        let secret = Md5::digest(black_box(&first));
        second.clear();
        second.extend(secret.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]));
        second.extend_from_slice(BEHIND.as_bytes());
        black_box(Md5::digest(black_box(&second)));
    }
    MANY
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A login that nothing explains.
fn login(number: u32, realm: u32) -> Proof {
    let text = |text: String| text.into_bytes().into_boxed_slice();
    Proof::Digest(Box::new(Digest {
        algorithm: Algorithm::Md5,
        is_session: false,
        username: Some(text("admin".to_owned())),
        realm: text(format!("Login to 4F0{realm:08}")),
        nonce: text(format!("{number:016x}")),
        uri: text("rtsp://camera.example/live/ch1".to_owned()),
        method: text("PLAY".to_owned()),
        qop: Protection::Unsaid,
        count: Box::default(),
        cnonce: Box::default(),
        response: Secret::new(&Md5::digest(number.to_le_bytes())),
    }))
}
