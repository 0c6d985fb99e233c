//! `otoscope explain`: what a kind of finding means, when it is raised, what to do, and what proves the cure.

use super::READ;
use super::told::WrongUse;
use anyhow::Result;
use fingerprints::finding::{Kind, Kinds, technique};
use outputs::{did_you_mean, nearest};
use serde_json::{Value, json};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The kind, as `control.stop`; without one, all are listed
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

const WIDTH: usize = 80;
/// Where what is said of a heading begins.
const INDENT: usize = 12;
const NO_BREAK: &str = "\u{a0}";

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let kinds = Kinds::builtin();
    let mut out = std::io::stdout().lock();
    let asked: Vec<(&str, &Kind)> = match arguments.kind.as_deref() {
        Some(name) => vec![the_one(&kinds, name)?],
        None => by_severity(&kinds),
    };
    if arguments.json {
        let array: Vec<Value> = asked.iter().map(|(name, kind)| object(name, kind)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&array)?)?;
    } else if let (Some(_), [(name, kind)]) = (&arguments.kind, asked.as_slice()) {
        write!(out, "{}", page(name, kind))?;
    } else {
        let width = asked.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, kind) in &asked {
            writeln!(out, "{:<8}  {name:<width$}  {}", kind.severity.name(), kind.action_in_general())?;
        }
        writeln!(out, "\n`otoscope explain KIND` says when it is raised, what to do, and what proves the cure")?;
    }
    Ok(READ)
}

fn the_one<'k>(kinds: &'k Kinds, name: &str) -> Result<(&'k str, &'k Kind)> {
    let found = kinds.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let near = nearest(name, kinds.iter().map(|(known, _)| known));
        WrongUse(format!("{name} is no kind of finding{}; `otoscope explain` lists them", did_you_mean(near))).into()
    })
}

/// The gravest first.
fn by_severity(kinds: &Kinds) -> Vec<(&str, &Kind)> {
    let mut all: Vec<(&str, &Kind)> = kinds.iter().collect();
    all.sort_by_key(|(name, kind)| (std::cmp::Reverse(kind.score([])), *name));
    all
}

fn page(name: &str, kind: &Kind) -> String {
    let mut page = format!("{name}, {}\n", kind.severity.name());
    let mut say = |heading: &str, text: &str| page.push_str(&section(heading, text));
    say("raised", &kind.raised());
    say("first", &format!("{}.", kind.action_in_general()));
    say("then", &kind.remedy);
    let by_wire = if kind.verifiable == "yes" { "" } else { " This is not seen on the wire." };
    say("cured", &format!("{}{by_wire}", kind.verification));
    say("limits", &kind.limits);
    say("confidence", &confidence(kind));
    say("score", &score(kind));
    // A clause is not parted.
    let clauses: Vec<String> = kind.controls.iter().map(|clause| clause.replace(' ', NO_BREAK)).collect();
    say("clauses", &format!("{}.", clauses.join("; ")));
    say("techniques", &techniques(kind));
    page
}

fn confidence(kind: &Kind) -> String {
    let less = [
        (kind.confidence_unseen, "where the capture does not show the answer"),
        (kind.confidence_elsewhere, "where it is known of the devices of other makers"),
    ];
    let less = less.into_iter().filter_map(|(sure, when)| Some(format!("; {} % {when}", sure?)));
    format!("{} %{}.", kind.confidence, less.collect::<String>())
}

/// How the score comes about, so that an order of findings can be checked by hand.
fn score(kind: &Kind) -> String {
    let severity = 20 * kind.severity as i32;
    let own = format!("{severity} for {} and {} for the kind", kind.severity.name(), kind.weight);
    let points: Vec<String> =
        kind.points.values().map(|points| format!("{} if {}", points.points, points.why())).collect();
    let most = kind.score(kind.points.values().map(|points| points.points));
    match points.as_slice() {
        [] => format!("{most}: {own}."),
        points => format!("{own}; more: {}. {most} at most.", points.join(", ")),
    }
}

fn techniques(kind: &Kind) -> String {
    let named = kind.techniques.iter().map(|id| format!("{id} {}", technique(id).unwrap_or_default()));
    let named = named.collect::<Vec<_>>().join("; ");
    match (named.is_empty(), kind.follows_operations()) {
        (true, _) => "None of ATT&CK for ICS.".to_owned(),
        (false, true) => format!("{named}; or those of the operations that were seen."),
        (false, false) => format!("{named}."),
    }
}

/// A heading, and what is said of it, in lines that fit.
fn section(heading: &str, text: &str) -> String {
    let mut section = format!("\n{heading:<INDENT$}");
    let mut column = INDENT;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > INDENT && column + 1 + width > WIDTH {
            section.push('\n');
            section.push_str(&" ".repeat(INDENT));
            column = INDENT;
        }
        if column > INDENT {
            section.push(' ');
            column += 1;
        }
        section.push_str(word);
        column += width;
    }
    section.push('\n');
    section.replace(NO_BREAK, " ")
}

fn object(name: &str, kind: &Kind) -> Value {
    let named = |id: &String| json!({"technique": id, "name": technique(id)});
    let point = |(name, points): (&String, &fingerprints::finding::Points)| json!({"name": name, "points": points.points, "why": points.why()});
    json!({
        "kind": name,
        "severity": kind.severity.name(),
        "score": kind.score([]),
        "points": kind.points.iter().map(point).collect::<Vec<_>>(),
        "confidence": kind.confidence,
        "confidence_unseen": kind.confidence_unseen,
        "raised": kind.raised(),
        "action": kind.action_in_general(),
        "remedy": kind.remedy,
        "remediation": kind.remediation,
        "policy": kind.policy,
        "verification": kind.verification,
        "verifiable": kind.verifiable,
        "limits": kind.limits,
        "controls": kind.controls,
        "techniques": kind.techniques.iter().map(named).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_fits_and_holds_no_brace() {
        for (name, kind) in Kinds::builtin().iter() {
            let page = page(name, kind);
            assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
            assert!(!page.contains(['{', '}']), "{page}");
            for heading in ["raised", "first", "then", "cured", "limits", "score", "clauses", "techniques"] {
                assert!(page.lines().any(|line| line.starts_with(heading)), "{name} lacks {heading}");
            }
        }
    }

    #[test]
    fn the_kind_that_was_meant_is_named() {
        let kinds = Kinds::builtin();
        assert!(the_one(&kinds, "Control.Stop").is_ok());
        let refused = the_one(&kinds, "control.stp").expect_err("there is none").to_string();
        assert!(refused.contains("did you mean control.stop?"), "{refused}");
    }
}
