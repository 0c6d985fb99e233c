//! A finding with its packets, and the captures in which they stand.

use crate::commands::finding::{text, the_one};
use crate::reading::capture_id;
use crate::source::Input;
use anyhow::{Context, Result, bail};
use dissectors::Timestamp;
use outputs::schema::Column;
use outputs::{Cell, Kind, Row, Rows, visible};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A finding and the packets that prove it.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) title: String,
    /// How often it was seen; only the first packets are kept as evidence.
    pub(super) count: i64,
    pub(super) evidence: Vec<Proof>,
}

/// A packet that proves it.
#[derive(Debug)]
pub(super) struct Proof {
    /// The capture's name when it was read.
    pub(super) capture: String,
    /// Its name and content in short.
    capture_id: String,
    pub(super) frame: u64,
    pub(super) time: Timestamp,
}

impl Finding {
    /// The finding that is asked for: by its id, or by the front of it.
    pub(super) fn named(findings: &Rows, asked: &str) -> Result<Self> {
        Self::of(findings, the_one(findings, asked)?)
    }

    fn of(findings: &Rows, row: &Row) -> Result<Self> {
        let [id, kind, title] = ["finding_id", "kind", "title"].map(|column| text(findings, row, column).to_owned());
        let evidence = findings.table.index("evidence").context("findings have evidence")?;
        let Kind::List(Kind::Struct(fields)) = findings.table.columns[evidence].kind else {
            bail!("evidence is no list of packets")
        };
        let packets = row[evidence].inner();
        let evidence: Vec<Proof> = packets.iter().filter_map(|packet| Proof::of(fields, packet)).collect();
        match (packets.is_empty(), evidence.is_empty()) {
            (true, _) => bail!("{id}: no single packet proves it: {}", visible(&title)),
            (_, true) => bail!("{id}: it was heard on an interface, and its packets were not kept"),
            _ => {}
        }
        let count = findings.table.index("count").and_then(|index| row[index].int()).unwrap_or_default();
        Ok(Self { id, kind, title, count, evidence })
    }

    /// Its packets in the capture of this name.
    pub(super) fn evidence_in<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f Proof> {
        self.evidence.iter().filter(move |proof| proof.capture == name)
    }

    /// The captures that its packets stand in, by the names that they had when they were read.
    pub(super) fn captures(&self, inputs: &[Input]) -> Result<BTreeMap<PathBuf, String>> {
        let mut captures = BTreeMap::new();
        for proof in &self.evidence {
            if !captures.values().any(|name| *name == proof.capture) {
                captures.insert(proof.find(inputs)?.path.clone(), proof.capture.clone());
            }
        }
        Ok(captures)
    }
}

impl Proof {
    /// A packet of a capture; `None` of what was heard on an interface.
    fn of(fields: &[Column], packet: &Cell) -> Option<Self> {
        let field = |name: &str| packet.inner().get(fields.iter().position(|field| field.name == name)?);
        let Cell::Time(time) = field("time")? else { return None };
        Some(Self {
            capture: field("capture")?.text()?.to_owned(),
            capture_id: field("capture_id")?.text()?.to_owned(),
            frame: u64::try_from(field("frame")?.int()?).ok()?,
            time: *time,
        })
    }

    /// The capture that was read: known by its content, wherever it lies below the paths now and whatever it is called.
    fn find<'i>(&self, inputs: &'i [Input]) -> Result<&'i Input> {
        let file = |name: &str| Path::new(name).file_name().map(ToOwned::to_owned);
        let mut likeliest: Vec<&Input> = inputs.iter().collect();
        likeliest.sort_by_key(|input| (input.name != self.capture, file(&input.name) != file(&self.capture)));
        for input in likeliest {
            let look = outputs::Input::look(&input.path, self.capture.clone())?;
            if capture_id(&look) == self.capture_id {
                return Ok(input);
            }
        }
        let (name, frame) = (visible(&self.capture), self.frame);
        if inputs.iter().any(|input| input.name == self.capture) {
            bail!("{name}: the capture has changed since it was read, so nothing in it is proof; read it again");
        }
        bail!(
            "{name}: the capture with frame {frame} is not there any more; --from names the folder where it lies now"
        );
    }
}
