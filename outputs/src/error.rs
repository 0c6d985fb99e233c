//! What can go wrong on the way out.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::visible::visible;

/// Why rows could not be written, or read back. What lies behind an error is its source and not in its text.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file or folder could not be used.
    #[error("{}", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The stream that rows are written to is broken.
    #[error("the output")]
    Stream(#[from] io::Error),
    /// The store of what was told could not be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// A Parquet file could not be written or read.
    #[error("{}", shown(path))]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the library says.
        source: parquet::errors::ParquetError,
    },
    /// A file of the lake holds a column of another type than the schema says.
    #[error("{}: column {column} is not of the type that the schema says", shown(path))]
    Type {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A file of the lake that describes it cannot be understood.
    #[error("{}", shown(path))]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is no lake.
    #[error("{}: no lake (a folder that `read --out` wrote)", shown(.0))]
    NoLake(PathBuf),
    /// A table of a lake is gone, though runs wrote rows of it.
    #[error(
        "{}: the table is missing, of which {} written; bring its folder back, or read {} again with --out",
        shown(path),
        if *rows == 1 { "1 row was".to_owned() } else { format!("{rows} rows were") },
        first_of(captures)
    )]
    MissingTable {
        /// Where it should be.
        path: PathBuf,
        /// How many rows the runs say there were.
        rows: u64,
        /// The captures that they were of.
        captures: Vec<String>,
    },
    /// A table of a lake is not there, and no run says that it has no rows.
    #[error(
        "{}: the table is not there, and no run of this lake says that it has no rows; bring its folder here, or read \
         captures with --out",
        shown(.0)
    )]
    Untold(PathBuf),
    /// A lake has no asset that a run could be compared with.
    #[error("{}: {}", shown(path), nothing_of(site, sites))]
    NoBaseline {
        /// The lake.
        path: PathBuf,
        /// The site that was asked for.
        site: String,
        /// The sites of which it has assets.
        sites: BTreeSet<String>,
    },
    /// A lake is to be written where a file stands.
    #[error("{}: it is a file, and a lake is a folder; name another place", shown(.0))]
    NotAFolder(PathBuf),
    /// A later version wrote the lake, and what this one would write lacks columns that stand there.
    #[error("{}: {}; update otoscope, or name another lake", shown(path), later(*version))]
    Later {
        /// The lake.
        path: PathBuf,
        /// The version of its schema.
        version: u32,
    },
    /// Some captures of an older run are read again, and some are not.
    #[error(
        "{} was read before, in run {run}, together with {}, which is not read now: its packets would count twice. \
         Read all captures of that run again, or say --append to keep both",
        visible(shared),
        visible(missing)
    )]
    Overlap {
        /// The older run.
        run: String,
        /// An input of both runs.
        shared: String,
        /// An input of the older run alone.
        missing: String,
    },
}

/// In whose words a lake of a later schema is spoken of.
pub(crate) fn later(version: u32) -> String {
    format!("a later otoscope wrote it (schema {version}, and this one knows {})", crate::schema::VERSION)
}

/// Why a lake is no baseline for a site.
fn nothing_of(site: &str, sites: &BTreeSet<String>) -> String {
    let site = visible(site);
    if sites.is_empty() {
        return "no asset stands in it, so there is nothing to compare with; `otoscope read CAPTURES --out LAKE` fills it"
            .to_owned();
    }
    if sites.contains(site.as_str()) {
        return format!(
            "all that it knows of the site {site} is of the captures that are read now; name a lake from before"
        );
    }
    let others: Vec<String> = sites.iter().map(|site| visible(site)).collect();
    format!(
        "nothing of the site {site} stands in it, and ids hold within a site; --site names one of {}",
        others.join(", ")
    )
}

/// `a.pcap`, or `a.pcap and 3 more`.
fn first_of(captures: &[String]) -> String {
    match captures {
        [] => "its captures".to_owned(),
        [one] => visible(one),
        [first, more @ ..] => format!("{} and {} more", visible(first), more.len()),
    }
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

impl OutputError {
    /// Names the file or folder that an error of the system is about.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Names the file that an error of the Parquet library is about.
    pub(crate) fn parquet(path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        move |source| Self::Parquet { path: path.to_owned(), source }
    }

    /// Names the file that is no JSON, or not the JSON it should be.
    pub(crate) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { path: path.to_owned(), source }
    }
}
