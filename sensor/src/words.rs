//! Words that are said in many places: what the system says of a file, for who does not know its own, and how many there are
//! of something.

use std::io::{Error, ErrorKind};

/// What went wrong, and what helps.
pub(crate) fn of(error: &Error) -> String {
    let words = match error.kind() {
        ErrorKind::StorageFull => "the disk is full; make room, or write elsewhere",
        ErrorKind::QuotaExceeded => "this user's share of the disk is used up; make room, or write elsewhere",
        ErrorKind::FileTooLarge => "the file grew larger than it may be here; write elsewhere",
        ErrorKind::NotFound => "there is no such file or folder; is the path right?",
        ErrorKind::PermissionDenied => "this user may not do that here; change the rights, or name another place",
        ErrorKind::ReadOnlyFilesystem => "this disk can only be read; name another place",
        ErrorKind::AlreadyExists => "a file stands there already; name another place",
        ErrorKind::NotADirectory => "a file stands where a folder should; is the path right?",
        ErrorKind::IsADirectory => "it is a folder, and a file is wanted; is the path right?",
        ErrorKind::InvalidFilename => "the name is too long, or has letters that no file can have",
        _ => return error.to_string(),
    };
    words.to_owned()
}

/// So many of something.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
