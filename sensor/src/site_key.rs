//! The file that holds a site's key: made on first use, readable by its owner alone, never inside a lake.
//!
//! It is 64 hex digits. Who has it and the tables can try passwords on what the tables say of them; who has the tables
//! alone cannot.

use anyhow::{Context, Result, bail};
use fingerprints::SiteKey;
use outputs::{Lake, visible};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key, and whether it was made just now.
pub(crate) struct Found {
    pub(crate) key: SiteKey,
    pub(crate) is_new: bool,
}

/// The key of a file; where there is no such file, a new one in it. `out` is the lake that will be written.
pub(crate) fn find(path: &Path, out: Option<&Path>) -> Result<Found> {
    keep_out_of_lakes(path, out)?;
    match File::open(path) {
        Ok(file) => Ok(Found { key: read(path, file)?, is_new: false }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found { key: make(path)?, is_new: true }),
        Err(error) => Err(error).with_context(|| shown(path)),
    }
}

/// The key of a file that is there.
pub(crate) fn look(path: &Path) -> Result<SiteKey> {
    read(path, File::open(path).with_context(|| shown(path))?)
}

/// Puts a new key in the place of the one in a file; the old one stays beside it, under its own name. Gives the old one,
/// the new one, and where the old one is.
pub(crate) fn rotate(path: &Path) -> Result<(SiteKey, SiteKey, PathBuf)> {
    let old = look(path)?;
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{suffix}"));
        PathBuf::from(name)
    };
    let (kept, fresh) = (beside(old.id()), beside("new"));
    let new = make(&fresh)?;
    // The file is never without a key: the old one has both names until the new one takes the first.
    fs::hard_link(path, &kept).with_context(|| shown(&kept))?;
    fs::rename(&fresh, path).with_context(|| shown(path))?;
    Ok((old, new, kept))
}

fn make(path: &Path) -> Result<SiteKey> {
    let mut bytes = Zeroizing::new([0; SiteKey::LENGTH]);
    getrandom::fill(&mut *bytes).map_err(|error| anyhow::anyhow!("no random numbers for a key: {error}"))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut text = Zeroizing::new(Vec::with_capacity(2 * SiteKey::LENGTH + 1));
    for byte in &*bytes {
        write!(text, "{byte:02x}")?;
    }
    text.push(b'\n');
    let mut file = options.open(path).with_context(|| shown(path))?;
    file.write_all(&text).and_then(|()| file.sync_all()).with_context(|| shown(path))?;
    Ok(SiteKey::new(&bytes))
}

fn read(path: &Path, file: File) -> Result<SiteKey> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = file.metadata().with_context(|| shown(path))?.mode();
        if mode & 0o077 != 0 {
            let quoted = crate::commands::quoted(path);
            bail!("{}: others can read this key; `chmod 600 {quoted}` keeps it to its owner", shown(path));
        }
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    file.take(MOST_BYTES as u64).read_to_end(&mut text).with_context(|| shown(path))?;
    match unhex(text.trim_ascii()) {
        Some(bytes) => Ok(SiteKey::new(&bytes)),
        None => bail!("{}: it is no site key (64 hex digits); name another file, and one is made there", shown(path)),
    }
}

fn unhex(text: &[u8]) -> Option<Zeroizing<[u8; SiteKey::LENGTH]>> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new([0; SiteKey::LENGTH]);
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        *byte = digit(*pair.first()?)? << 4 | digit(*pair.last()?)?;
    }
    Some(bytes)
}

/// Who is given a lake must not be given its key.
fn keep_out_of_lakes(path: &Path, out: Option<&Path>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (folder, out) = (whole(folder), out.map(whole));
    let lake = folder.ancestors().find(|folder| Lake::is_lake(folder) || out.as_deref() == Some(*folder));
    match lake {
        Some(lake) => bail!(
            "{}: it lies in the lake {}; the key belongs where the lake does not go",
            shown(path),
            visible(&lake.to_string_lossy())
        ),
        None => Ok(()),
    }
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

/// More than a key and a line's end.
const MOST_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn error(path: &Path, out: Option<&Path>) -> String {
        find(path, out).err().map(|error| format!("{error:#}")).expect("it is refused")
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_found_again() {
        let folder = folder();
        let path = folder.path().join("site.key");
        let made = find(&path, None).expect("a key");
        let found = find(&path, None).expect("the key");
        assert!(made.is_new && !found.is_new);
        assert_eq!(made.key.id(), found.key.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let allow = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            allow(0o640);
            assert!(error(&path, None).contains("chmod 600"));
        }
        assert_ne!(find(&folder.path().join("other.key"), None).expect("a key").key.id(), made.key.id());
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one_which_stays() {
        let folder = folder();
        let path = folder.path().join("site.key");
        let first = find(&path, None).expect("a key").key;
        let (old, new, kept) = rotate(&path).expect("another");
        assert_eq!(old.id(), first.id());
        assert_eq!(look(&path).expect("the new one").id(), new.id());
        assert_eq!(look(&kept).expect("the old one").id(), old.id());
        assert_ne!(old.id(), new.id());
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 2);
    }

    #[test]
    fn a_key_lies_in_no_lake() {
        let folder = folder();
        let lake = folder.path().join("lake");
        Lake::create(&lake, None).expect("a lake");
        assert!(error(&lake.join("site.key"), None).contains("it lies in the lake"));
        let coming = folder.path().join("coming");
        fs::create_dir(&coming).expect("a folder");
        assert!(error(&coming.join("site.key"), Some(&coming)).contains("it lies in the lake"));
    }

    #[test]
    fn what_is_no_key_is_told_and_left_as_it_is() {
        let folder = folder();
        let path = folder.path().join("notes.txt");
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).and_then(|mut file| file.write_all(b"hunter2")).expect("written");
        let said = error(&path, None);
        assert!(said.contains("it is no site key") && !said.contains("hunter2"), "{said}");
        assert_eq!(fs::read(&path).expect("there"), b"hunter2");
    }
}
