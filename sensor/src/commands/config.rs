//! `otoscope config`: check, show and begin a file of settings.

use super::{READ, WRONG_USE, command, say};
use crate::config::{self, Config, ConfigError};
use crate::site_key;
use anyhow::{Context, Result};
use outputs::visible;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say whether a file of settings is understood, and where it is not
    #[command(after_help = "Example: otoscope config check site.toml")]
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the settings in force, each with where it comes from
    #[command(after_help = "Example: otoscope config show --config site.toml")]
    Show,
    /// Write a file of settings to begin with: all of them, with their defaults; an existing file is left as it is
    #[command(after_help = "Example: otoscope config init site.toml")]
    Init {
        /// The file [default: standard output]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Name the key in a file that --site-key reads, or put a new one in its place; the key itself is never shown
    #[command(after_help = "Example: otoscope config site-key north.key --rotate")]
    SiteKey {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Make a new key; the old one is kept beside it, for what was written under it
        #[arg(long)]
        rotate: bool,
    },
}

/// `named` is what `--config` says.
pub(super) fn run(arguments: &Arguments, named: Option<&Path>) -> Result<u8> {
    match &arguments.action {
        Action::Check { file } => check(file),
        Action::Show => show(named),
        Action::Init { file } => init(file.as_deref()),
        Action::SiteKey { file, rotate } => site_key(file, *rotate),
    }
}

fn check(file: &Path) -> Result<u8> {
    match Config::load(&command(), file) {
        Ok(config) => {
            let count = super::summary::plural(config.len(), "setting");
            writeln!(std::io::stdout().lock(), "{}: {count}, all understood", visible(&file.to_string_lossy()))?;
            if config.has_interfaces() {
                say("[interfaces] is not used yet: rows name the interface itself");
            }
            Ok(READ)
        }
        Err(ConfigError::Faults { path, faults }) => {
            let path = visible(&path.to_string_lossy());
            for fault in faults {
                say(&format!("{path}:{fault}"));
            }
            Ok(WRONG_USE)
        }
        Err(error) => Err(error.into()),
    }
}

fn show(named: Option<&Path>) -> Result<u8> {
    let (path, by) = match (named, config::from_environment()) {
        (Some(path), _) => (Some(path.to_owned()), "--config"),
        (None, path) => (path, config::VARIABLE),
    };
    let root = command();
    let config = path.map(|path| Config::load(&root, &path)).transpose()?;
    let mut out = std::io::stdout().lock();
    match &config {
        Some(config) => writeln!(out, "# {}, named by {by}", visible(&config.path().to_string_lossy()))?,
        None => writeln!(out, "# no file: neither --config nor {} names one", config::VARIABLE)?,
    }
    write!(out, "{}", config::show(&root, config.as_ref()))?;
    Ok(READ)
}

fn site_key(file: &Path, rotate: bool) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    let shown = visible(&file.to_string_lossy());
    if !rotate {
        writeln!(out, "{shown}: {}", site_key::look(file)?.id())?;
        return Ok(READ);
    }
    let (old, new, kept) = site_key::rotate(file)?;
    writeln!(out, "{shown}: {}", new.id())?;
    writeln!(out, "{}: {}, the key before", visible(&kept.to_string_lossy()), old.id())?;
    writeln!(out, "hashes and tokens of the two do not compare: runs from now on are told apart from those before")?;
    Ok(READ)
}

fn init(file: Option<&Path>) -> Result<u8> {
    let text = config::example(&command());
    let Some(file) = file else {
        write!(std::io::stdout().lock(), "{text}")?;
        return Ok(READ);
    };
    let shown = visible(&file.to_string_lossy());
    let mut out = File::create_new(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{shown}: it is there already and is left as it is; name another file")
        }
        _ => anyhow::Error::from(error).context(shown.clone()),
    })?;
    out.write_all(text.as_bytes()).with_context(|| shown.clone())?;
    writeln!(
        std::io::stdout().lock(),
        "{shown}: written; `otoscope config check` says whether your changes are understood"
    )?;
    Ok(READ)
}
