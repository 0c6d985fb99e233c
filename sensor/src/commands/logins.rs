//! How logins are judged and told: the options that all commands share which read captures.

use super::say;
use super::told::WrongUse;
use crate::site_key;
use anyhow::{Context, Result};
use fingerprints::{Credentials, Dictionary};
use outputs::visible;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Logins {
    /// Default logins of your own, one a line: user name, tab, password; then, after tabs, vendor, model, protocol
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,
    /// The key under which passwords are told apart, in runs to come too; made in this file if there is none
    #[arg(long, value_name = "FILE")]
    site_key: Option<PathBuf>,
    /// Write keyed tokens in the place of the names of users
    #[arg(long, requires = "site_key")]
    tokenise_users: bool,
}

impl Logins {
    /// Reads the files. `out` is the lake that will be written.
    pub(super) fn credentials(&self, out: Option<&Path>) -> Result<Credentials> {
        let dictionary = self.dictionary.as_deref().map(dictionary).transpose()?.unwrap_or_default();
        let site_key = self.site_key.as_deref().map(|path| site_key::find(path, out)).transpose()?;
        if let (Some(path), Some(found)) = (&self.site_key, site_key.as_ref().filter(|found| found.is_new)) {
            let path = visible(&path.to_string_lossy());
            say(&format!("{path}: a new site key, {}; keep it, and keep it from others", found.key.id()));
        }
        let site_key = site_key.map(|found| found.key);
        Ok(Credentials { dictionary, site_key, tokenise_users: self.tokenise_users })
    }
}

fn dictionary(path: &Path) -> Result<Dictionary> {
    let shown = || visible(&path.to_string_lossy());
    let mut list = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut list)).with_context(shown)?;
    if list.len() as u64 > MOST_BYTES {
        return Err(
            WrongUse(format!("{}: a list of default logins has at most 4 MiB; is the path right?", shown())).into()
        );
    }
    Dictionary::read(&list).map_err(|error| {
        let what = error.what;
        WrongUse(format!("{}:{}: {what}; each line is a user name, a tab, a password", shown(), error.line)).into()
    })
}

/// As many logins as nobody writes down; each is tried on every device that has the user.
const MOST_BYTES: u64 = 4 << 20;
