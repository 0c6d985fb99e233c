//! Files that people take for captures, and captures of formats that are not read: what each is, and what helps.

use std::path::Path;

/// How files begin, and what they are.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"snoop\0\0\0", "it is a snoop capture: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"btsnoop\0", "it is a Bluetooth log: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"GMBU", "it is a Network Monitor capture: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"RTSS", "it is a Network Monitor capture: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"TRSNIFF data", "it is a Sniffer capture: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"XCP\0", "it is a NetXray capture: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"iptrace ", "it is an iptrace capture: make a pcapng of it by `editcap -F pcapng OLD NEW`"),
    (b"ElfFile\0", "it is a Windows event log, which holds no packets"),
    (b"PAR1", "it is Parquet; of a lake, name the folder: `otoscope assets LAKE`"),
    (b"Rar!\x1a\x07", "it is packed by RAR: unpack it first"),
    (b"SQLite format 3\0", "it is a database"),
    (b"%PDF", "it is a PDF"),
    (b"\x89PNG", "it is a picture"),
    (b"\xff\xd8\xff", "it is a picture"),
    (b"\x7fELF", "it is a program"),
    (b"MZ", "it is a program"),
];

const PAGE: &str = "it is a web page: the download gave that instead of the file, perhaps for want of a login";
const ERF: &str = "it is an ERF capture: make a pcapng of it by `editcap -F pcapng OLD NEW`";
const ETL: &str = "it is a Windows trace: make a pcapng of it by `etl2pcapng OLD NEW`";
const TAR: &str = "it is a tar archive: unpack it first";
const PIECE: &str = "it is a piece of a pcapng without its beginning: join the pieces by `cat` in their order first";

/// What a file is, if it is known to be no capture that is read; formats without a mark are known by their names.
pub(super) fn known(path: &Path, front: &[u8]) -> Option<&'static str> {
    let begins = BEGINNINGS.iter().find(|(beginning, _)| front.starts_with(beginning));
    if let Some((_, what)) = begins {
        return Some(what);
    }
    if is_page(front) {
        return Some(PAGE);
    }
    if is_piece(front) {
        return Some(PIECE);
    }
    let end = path.extension()?.to_string_lossy().to_lowercase();
    [("erf", ERF), ("etl", ETL), ("tar", TAR)].into_iter().find(|(name, _)| *name == end).map(|(_, what)| what)
}

fn is_page(front: &[u8]) -> bool {
    let text = String::from_utf8_lossy(front).to_lowercase();
    ["<!doctype html", "<html"].iter().any(|start| text.trim_start().starts_with(start))
}

/// Whether bytes start like a block of a pcapng other than its first: a type, and a length that a block can have.
fn is_piece(front: &[u8]) -> bool {
    let word = |at: usize| Some(front.get(at..at + 4)?.try_into().expect("four bytes"));
    let (Some(first), Some(second)) = (word(0), word(4)) else { return false };
    let is_block = |kind: u32, length: u32| {
        [1, 2, 3, 4, 5, 6, 10].contains(&kind) && length.is_multiple_of(4) && (12..1 << 26).contains(&length)
    };
    is_block(u32::from_le_bytes(first), u32::from_le_bytes(second))
        || is_block(u32::from_be_bytes(first), u32::from_be_bytes(second))
}
