//! `otoscope extract`: the packets that prove a finding, as a pcapng file.
//!
//! A finding keeps its first packets as evidence. They are looked up in the captures that were read, which are known by
//! their content, and each by its time: nothing else is ever handed out as a proof.

mod conversation;
mod finding;
mod pcapng;

use super::told::WrongUse;
use super::{READ, quoted, read, summary};
use crate::reading::prepare;
use crate::source::{self, Fed, Feed, Input, Origin};
use anyhow::{Context, Result, bail};
use conversation::Conversations;
use dissectors::packet::decode;
use finding::{Finding, Proof};
use outputs::{Lake, Rows, Table, rfc3339, visible};
use pcapng::Writer;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The finding: its id or the front of it
    #[arg(value_name = "FINDING")]
    finding: String,
    /// The captures that were read, or folders of them
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Write the packets into this file; - is standard output
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The lake that holds the finding; without one the captures are read again
    #[arg(long, value_name = "LAKE")]
    lake: Option<PathBuf>,
    /// The whole conversations that the packets belong to, out of all captures given
    #[arg(long)]
    flow: bool,
    /// As many frames before and behind each packet
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "flow")]
    context: u64,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    whom: read::Whom,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let found = source::find(&arguments.from)?;
    if found.inputs.iter().any(|input| matches!(input.origin, Origin::Pipe)) {
        return Err(
            WrongUse("--from: a pipe goes by once, and captures are read twice here; name a file".into()).into()
        );
    }
    let target = Target::of(arguments, &found.inputs)?;
    let (findings, code) = findings(arguments)?;
    let finding = Finding::named(&findings, &arguments.finding)?;
    let captures = finding.captures(&found.inputs)?;
    let proven = Proven::of(&finding, &captures, &found.inputs)?;
    let mut inputs = found.inputs;
    if !arguments.flow {
        inputs.retain(|input| captures.contains_key(&input.path));
    }
    let copied = target.write(|out| proven.copy(&inputs, arguments, out))?;
    tell(&finding, &copied, &target, arguments.flow)?;
    Ok(code)
}

/// All findings, of the lake or of the captures, and the exit code that those deserve.
fn findings(arguments: &Arguments) -> Result<(Rows, u8)> {
    let table = Table::named("findings").context("the schema has findings")?;
    if let Some(lake) = &arguments.lake {
        return Ok((Lake::open(lake)?.read(table)?.newest(), READ));
    }
    let site = arguments.whom.site(None)?;
    let credentials = arguments.whom.logins.credentials(None)?;
    let begun = read::Progress::begin(&arguments.from, false);
    let reading = begun.read(prepare(arguments.whom.job(&arguments.from, &site, &credentials)?)?);
    let code = read::tell_damage(&reading);
    Ok((Rows::of(table, &reading.records, &reading.run.provenance).newest(), code))
}

/// A finding whose packets were found as they were read.
struct Proven<'a> {
    finding: &'a Finding,
    /// The names that captures had when they were read.
    names: &'a BTreeMap<PathBuf, String>,
    /// The frames of each capture that prove it.
    frames: BTreeMap<&'a Path, BTreeSet<u64>>,
    conversations: Conversations,
}

impl<'a> Proven<'a> {
    /// Looks at each packet of a finding. Fails when one is not what was read.
    fn of(finding: &'a Finding, names: &'a BTreeMap<PathBuf, String>, inputs: &[Input]) -> Result<Self> {
        let mut proven = Self { finding, names, frames: BTreeMap::new(), conversations: Conversations::default() };
        for (path, name) in names {
            let mut proofs: BTreeMap<u64, &Proof> =
                finding.evidence_in(name).map(|proof| (proof.frame, proof)).collect();
            proven.frames.insert(path, proofs.keys().copied().collect());
            let inputs: Vec<Input> = inputs.iter().filter(|input| input.path == *path).cloned().collect();
            each_frame(&inputs, |_, fed, frame| {
                if let Some(proof) = proofs.remove(&fed.number) {
                    check(name, proof, fed)?;
                    if let Ok((headers, _)) = decode(fed.frame.link_type, frame, fed.frame.wire_length) {
                        proven.conversations.add(&headers);
                    }
                }
                Ok(!proofs.is_empty())
            })?;
            if let Some(frame) = proofs.keys().next() {
                bail!("{}: it has no frame {frame}; the capture has changed since it was read", visible(name));
            }
        }
        Ok(proven)
    }

    /// Copies what is wanted, in the order of time.
    fn copy(&self, inputs: &[Input], arguments: &Arguments, out: &mut dyn Write) -> Result<Copied> {
        let Finding { id, kind, title, .. } = self.finding;
        let mut writer = Writer::new(out, &format!("{kind} ({id}): {}", visible(title)))?;
        let mut copied = Copied::default();
        each_frame(inputs, |input, fed, frame| {
            let path = input.path.as_path();
            let name = self.names.get(path).unwrap_or(&input.name);
            let proofs = self.frames.get(path);
            let is_proof = proofs.is_some_and(|proofs| proofs.contains(&fed.number));
            let around = fed.number.saturating_sub(arguments.context)..=fed.number.saturating_add(arguments.context);
            let is_near = proofs.is_some_and(|proofs| proofs.range(around).next().is_some());
            let belongs = || {
                let headers = decode(fed.frame.link_type, frame, fed.frame.wire_length);
                headers.is_ok_and(|(headers, _)| self.conversations.have(&headers))
            };
            if is_near || (arguments.flow && belongs()) {
                let what = match (is_proof, arguments.flow) {
                    (true, _) => "evidence of",
                    (false, true) => "conversation of",
                    (false, false) => "beside evidence of",
                };
                let name = visible(name);
                let comment = format!("frame {} of {name}: {what} {kind} ({id})", fed.number);
                writer.frame(&name, &fed.frame, frame, &comment)?;
                copied.packets += 1;
                copied.captures.insert(path.to_owned());
            }
            Ok(true)
        })?;
        writer.finish()?;
        Ok(copied)
    }
}

/// That a frame is the one that was read.
fn check(name: &str, proof: &Proof, fed: &Fed) -> Result<()> {
    // The tables keep microseconds.
    if fed.frame.time.micros() != proof.time.micros() {
        let [was, is] = [proof.time, fed.frame.time].map(rfc3339);
        let (name, frame) = (visible(name), proof.frame);
        bail!("{name}: frame {frame} was of {was} and is of {is}; the capture has changed since it was read");
    }
    Ok(())
}

/// Shows the frames of captures until `visit` has seen enough.
fn each_frame(inputs: &[Input], mut visit: impl FnMut(&Input, &Fed, &[u8]) -> Result<bool>) -> Result<()> {
    let mut feed = Feed::new(inputs.to_vec())?;
    while let Some(fed) = feed.next_frame() {
        let input = inputs.get(fed.capture as usize).context("a frame is of a capture")?;
        let frame = feed.bytes().and_then(|bytes| bytes.get(fed.frame.bytes.clone())).context("a frame has bytes")?;
        if !visit(input, &fed, frame)? {
            break;
        }
    }
    Ok(())
}

/// What was copied.
#[derive(Default)]
struct Copied {
    packets: usize,
    captures: BTreeSet<PathBuf>,
}

/// Says what was written and how to look at it.
fn tell(finding: &Finding, copied: &Copied, target: &Target, flow: bool) -> Result<()> {
    let packets = summary::plural(copied.packets, "packet");
    let captures = summary::plural(copied.captures.len(), "capture");
    let mut said = vec![format!("{packets} of {captures}: {}: {}", finding.kind, finding.title)];
    let kept = finding.evidence.len();
    if !flow && usize::try_from(finding.count).is_ok_and(|count| count > kept) {
        said.push(format!(
            "it was seen {} times; the first packets are kept as its proof, --flow takes all",
            finding.count
        ));
    }
    let Target::File { path, .. } = target else {
        super::say(&said.join("\n"));
        return Ok(());
    };
    said.push(format!("next: wireshark -r {}", quoted(path)));
    let mut out = std::io::stdout().lock();
    said.iter().try_for_each(|line| writeln!(out, "{}", visible(line)))?;
    Ok(())
}

/// Where the packets go.
enum Target {
    Stdout,
    File { path: PathBuf },
}

impl Target {
    /// Fails when a file would be lost.
    fn of(arguments: &Arguments, inputs: &[Input]) -> Result<Self> {
        let path = &arguments.out;
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let same = |input: &Input| fs::canonicalize(&input.path).ok() == fs::canonicalize(path).ok();
        let shown = visible(&path.to_string_lossy());
        if path.exists() && inputs.iter().any(same) {
            return Err(WrongUse(format!("{shown}: it is one of the captures; write into another file")).into());
        }
        if path.exists() && !arguments.force {
            return Err(WrongUse(format!("{shown}: it exists already; --force replaces it")).into());
        }
        Ok(Self::File { path: path.clone() })
    }

    /// The file appears whole or not at all.
    fn write(&self, fill: impl FnOnce(&mut dyn Write) -> Result<Copied>) -> Result<Copied> {
        let Self::File { path } = self else { return fill(&mut std::io::stdout().lock()) };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let shown = || visible(&path.to_string_lossy());
        let mut stream = BufWriter::new(File::create(&aside).with_context(shown)?);
        let written = fill(&mut stream).and_then(|copied| {
            fs::rename(&aside, path).with_context(shown)?;
            Ok(copied)
        });
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }
}
