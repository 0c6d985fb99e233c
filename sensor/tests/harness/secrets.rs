//! What crosses the wire as a password stands in no output, in whichever form.

use super::support::{otoscope, pcaps};

/// Every password of the captures of DNP3: of files, and typed at a console.
const PASSWORDS: [(&str, &str); 3] = [("files", "lab-secret-7"), ("files", "lab-wrong-1"), ("console", "lab-secret-8")];

#[test]
fn no_password_of_dnp3_is_told() {
    for (capture, password) in PASSWORDS {
        let path = pcaps().join(format!("dnp3/{capture}.pcap"));
        let bytes = std::fs::read(&path).expect("the capture is there");
        assert!(holds(&bytes, password.as_bytes()), "{password} is in no frame of {capture}");
        let lake = tempfile::tempdir().expect("a folder");
        let read = otoscope().args(["read", "--json", "--out"]).arg(lake.path()).arg(&path).output().expect("it runs");
        assert!(read.status.success() && !read.stdout.is_empty(), "{read:?}");
        let mut told = read.stdout;
        told.extend(read.stderr);
        for table in ["operations", "claims", "findings", "activity"] {
            told.extend(otoscope().arg(table).arg(&path).output().expect("it runs").stdout);
        }
        let told = String::from_utf8_lossy(&told).to_lowercase();
        for form in [password.to_owned(), hex(password.as_bytes()), base64(password.as_bytes())] {
            assert!(!told.contains(&form.to_lowercase()), "{form} of {capture} is told");
        }
    }
}

/// Whether bytes stand in a capture, maybe with the two bytes of a checksum among them.
fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let is_split_at = |window: &[u8], at: usize| window[..at] == wanted[..at] && window[at + 2..] == wanted[at..];
    bytes.windows(wanted.len()).any(|window| window == wanted)
        || bytes.windows(wanted.len() + 2).any(|window| (1..wanted.len()).any(|at| is_split_at(window, at)))
}

fn hex(bytes: &[u8]) -> String {
    dissectors::hex(bytes).to_string()
}

/// Without the last letters, which depend on what follows.
fn base64(bytes: &[u8]) -> String {
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let whole = bytes.chunks_exact(3).flat_map(|three| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| bits >> shift & 63)
    });
    whole.map(|letter| letters[letter]).collect()
}
