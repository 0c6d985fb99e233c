//! Paths as people mistype them: what was meant, where that can be told.

use super::quoted;
use anyhow::{Result, bail};
use outputs::{Lake, did_you_mean, nearest, visible};
use std::path::{Path, PathBuf};

/// Looks at paths of captures before they are read. What is a lake is read by other commands, and alone.
pub(super) fn captures(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        there(path)?;
        if Lake::is_lake(path) {
            let shown = visible(&path.to_string_lossy());
            let quoted = quoted(path);
            match paths {
                [_] => bail!(
                    "{shown}: it is a lake, and captures are read here; `otoscope assets {quoted}` shows what is in it"
                ),
                _ => bail!("{shown}: it is a lake; `otoscope assets {quoted}` reads it alone"),
            }
        }
    }
    Ok(())
}

/// Looks at the path of a lake that is read.
pub(super) fn lake(path: &Path) -> Result<()> {
    there(path)?;
    if path.is_file() {
        let shown = visible(&path.to_string_lossy());
        bail!("{shown}: it is a file, and a lake is a folder that `otoscope read CAPTURES --out LAKE` writes");
    }
    Ok(())
}

/// Looks at the path of something that is to be written.
pub(super) fn target(path: &Path) -> Result<()> {
    match strange(path) {
        Some(what) if !path.exists() => bail!("{}: {what}", visible(&path.to_string_lossy())),
        _ => Ok(()),
    }
}

/// Looks whether a path is there. What the file system alone can say of it is left to who opens it.
fn there(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() || path == Path::new("-") {
        return Ok(());
    }
    let shown = visible(&path.to_string_lossy());
    if let Some(what) = strange(path) {
        bail!("{shown}: {what}");
    }
    let (Some(name), Some(folder)) = (path.file_name(), path.parent()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = folder.read_dir() else { return Ok(()) };
    let names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    match nearest(&name.to_string_lossy(), names.iter().map(String::as_str)) {
        None => Ok(()),
        near => bail!("{shown}: there is no such file or folder{}", did_you_mean(near.map(visible).as_deref())),
    }
}

/// Why a path looks as if something else was meant.
fn strange(path: &Path) -> Option<&'static str> {
    let text = path.to_string_lossy();
    if text.starts_with('~') {
        Some("the shell has left ~ as it is; write the whole path, or $HOME in its place")
    } else if text.contains("://") {
        Some("it is an address; nothing is fetched from or sent to a network, so name a file or folder of this machine")
    } else {
        None
    }
}
