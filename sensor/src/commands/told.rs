//! What goes wrong, told: what, where and what helps, in one to three lines; and the exit code that it gives.

use super::{FAILED, READ, WRONG_USE, say};
use crate::config::ConfigError;
use crate::source::FilterError;
use crate::words;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use fingerprints::inventory::Names;
use outputs::{QueryError, did_you_mean, nearest, visible};
use std::io;
use std::time::Duration;

/// What was typed asks for something that there is not, or that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUse(pub(super) String);

/// Tells why a command ended early; gives its exit code.
pub(super) fn failure(error: &anyhow::Error) -> u8 {
    if is_closed_pipe(error) {
        return READ;
    }
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        return typed_wrongly(error);
    }
    let is_output = error.is::<io::Error>() && error.chain().count() == 1;
    let output = if is_output { "standard output: " } else { "" };
    let causes: Vec<String> = error.chain().map(in_words).collect();
    say(&format!("otoscope: {output}{}", causes.join(": ")));
    let is_wrong_use = error.is::<QueryError>()
        || error.is::<WrongUse>()
        || error.is::<FilterError>()
        || matches!(error.downcast_ref::<ConfigError>(), Some(ConfigError::Faults { .. }));
    if is_wrong_use { WRONG_USE } else { FAILED }
}

/// `otoscope assets LAKE | head` is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe))
}

fn in_words(cause: &(dyn std::error::Error + 'static)) -> String {
    cause.downcast_ref().map_or_else(|| cause.to_string(), words::of)
}

/// Tells what is wrong with what was typed; help and versions, which clap hands over as errors too, are printed.
fn typed_wrongly(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        return match error.print() {
            Err(unwritten) => failure(&unwritten.into()),
            Ok(()) => READ,
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return WRONG_USE;
    }
    say(&format!("otoscope: {}", what(error)));
    let mut root = super::command();
    root.build();
    let mut typed = root.clone();
    for word in std::env::args().skip(1) {
        typed = typed.find_subcommand(&word).cloned().unwrap_or(typed);
    }
    say(&typed.render_usage().to_string().replacen("Usage:", "usage:", 1));
    say(&format!("`{} --help` says more", typed.get_bin_name().unwrap_or("otoscope")));
    WRONG_USE
}

fn what(error: &clap::Error) -> String {
    let all = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let one = |kind| all(kind).into_iter().next().unwrap_or_default();
    // Of several the nearest is the last.
    let suggested = |kind| did_you_mean(all(kind).last().map(String::as_str));
    // `--workers <N>` as it is typed: `--workers`.
    let option = one(ContextKind::InvalidArg);
    let plain = option.split([' ', '=']).next().unwrap_or_default().to_owned();
    match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            format!("unknown option {option}{}", suggested(ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument => format!("{option} is one argument too many"),
        ErrorKind::InvalidSubcommand => {
            let name = one(ContextKind::InvalidSubcommand);
            format!("unknown command {name}{}", suggested(ContextKind::SuggestedSubcommand))
        }
        ErrorKind::InvalidValue if all(ContextKind::ValidValue).is_empty() => format!("{plain} wants a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("{plain}: {}", refusal(error, &one(ContextKind::InvalidValue)))
        }
        ErrorKind::MissingRequiredArgument => format!("missing: {}", all(ContextKind::InvalidArg).join(" ")),
        ErrorKind::ArgumentConflict => {
            let others = all(ContextKind::PriorArg);
            match others.as_slice() {
                [other] if *other == option => format!("{plain} is given twice; once is enough"),
                others => format!("{option} and {} contradict each other; keep one", others.join(" ")),
            }
        }
        _ => {
            let text = error.render().to_string();
            let first: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
            first.join(" ").trim_start_matches("error: ").to_owned()
        }
    }
}

/// Why a value is refused: `xml is none of table, json, csv`.
pub(crate) fn refusal(error: &clap::Error, value: &str) -> String {
    if let Some(ContextValue::Strings(values)) =
        error.get(ContextKind::ValidValue).filter(|_| error.kind() == ErrorKind::InvalidValue)
    {
        let near = did_you_mean(nearest(value, values.iter().map(String::as_str)));
        return format!("{value} is none of {}{near}", values.join(", "));
    }
    match std::error::Error::source(error) {
        Some(why) if why.is::<std::num::ParseIntError>() => format!("{value} is no whole number"),
        Some(why) if value.is_empty() || why.to_string().contains(value) => why.to_string(),
        Some(why) => format!("{value}: {why}"),
        None => format!("{value} is not understood"),
    }
}

/// Text as `--site` and `--sensor` take it: it stands in names of files.
pub(super) fn name(text: &str) -> Result<String, String> {
    let encoded: usize = text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 }).sum();
    if text.trim().is_empty() {
        Err("a name has letters".to_owned())
    } else if text.chars().any(|letter| visible(letter.encode_utf8(&mut [0; 4])).chars().count() > 1) {
        Err("a name has no letters that cannot be seen".to_owned())
    } else if encoded > LONGEST_NAME {
        Err("the name is too long: it stands in names of files".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Of the 255 bytes of a file's name, what a run's id and number leave.
const LONGEST_NAME: usize = 180;

/// A VLAN and its name, as `--vlan-name` takes them.
pub(super) fn vlan_name(text: &str) -> Result<(u16, String), String> {
    let (number, name) = text.split_once('=').ok_or("a VLAN and its name are wanted, like 7=plant-a")?;
    let number = number.trim().parse().ok().filter(|number| *number < 4095);
    let number = number.ok_or("VLANs are numbered 0 to 4094, as in 7=plant-a")?;
    let name = name.trim();
    Names::fits(name)?;
    Ok((number, name.to_owned()))
}

/// How many, as `--limit` takes it.
pub(super) fn how_many(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no whole number"))
}

/// A time as people write it: `90s`, `30m`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let unit = units.iter().find_map(|(letter, seconds)| Some((text.strip_suffix(letter)?, *seconds)));
    let (digits, seconds) = unit.unwrap_or((text, 1));
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds));
    match count {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("a time is a number and s, m, h or d: 30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_their_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "0m", "m", "-3s", "3 m", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
