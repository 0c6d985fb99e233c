//! Settings on paper: those in force, and a file to begin with.

use super::file::refused;
use super::webhook::{self, WEBHOOK};
use super::{Config, INTERFACES, Kind, Place, VLANS, Value, general, places};
use clap::Command;
use outputs::visible;
use std::ffi::OsStr;

/// The settings in force, as a file that says the same, each with where it comes from.
pub(crate) fn show(root: &Command, config: Option<&Config>) -> String {
    let mut page = Page::default();
    page.walk(root, |place, is_in_section| {
        let setting = config.and_then(|config| config.setting(place));
        // A general setting is shown once; a section shows what it says itself.
        let setting = setting.filter(|setting| !is_in_section || setting.section.is_some() || !is_shared(root, place));
        match setting {
            Some(setting) => Some((shown(place, &setting.value), format!("line {}", setting.line))),
            None if is_in_section && is_shared(root, place) => None,
            None => match default_of(place) {
                Some(value) => Some((shown(place, &value), "default".to_owned())),
                None => Some((String::new(), "not set".to_owned())),
            },
        }
    });
    if let Some(config) = config {
        page.names(VLANS, config.vlans.iter().map(|(key, name)| (key.to_string(), name)));
        page.names(INTERFACES, config.interfaces.iter().map(|(key, name)| (quoted(key), name)));
        for webhook in &config.webhooks {
            page.lines.extend([String::new(), format!("[[{WEBHOOK}]]")]);
            let lines = webhook.lines.iter().map(|(key, value, line)| {
                let setting = format!("{key} = {value}");
                format!("{setting:<40} # line {line}")
            });
            page.lines.extend(lines);
        }
    }
    page.lines.join("\n") + "\n"
}

#[derive(Default)]
struct Page {
    lines: Vec<String>,
}

impl Page {
    /// General settings first, then those of each command.
    fn walk(&mut self, root: &Command, line: impl Fn(&Place, bool) -> Option<(String, String)>) {
        let places = places(root);
        let mut seen = Vec::new();
        for place in &places {
            if is_shared(root, place) && !seen.contains(&&place.key) {
                seen.push(&place.key);
                self.lines.extend(line(place, false).map(|said| written(place, said)));
            }
        }
        for command in root.get_subcommands() {
            let ours = places.iter().filter(|place| place.command == command.get_name());
            let lines: Vec<String> = ours.filter_map(|place| Some(written(place, line(place, true)?))).collect();
            self.section(command.get_name(), lines);
        }
    }

    fn names<'a>(&mut self, section: &str, names: impl Iterator<Item = (String, &'a String)>) {
        self.section(section, names.map(|(key, name)| format!("{key} = {}", quoted(name))).collect());
    }

    fn section(&mut self, section: &str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.lines.extend([String::new(), format!("[{section}]")]);
            self.lines.extend(lines);
        }
    }
}

fn written(place: &Place, (value, origin): (String, String)) -> String {
    let setting = if value.is_empty() { format!("# {}", place.key) } else { format!("{} = {value}", place.key) };
    format!("{setting:<40} # {origin}")
}

/// Whether several commands have this option, so that it stands at the top.
fn is_shared(root: &Command, place: &Place) -> bool {
    let places = places(root);
    general(&places, &place.key).is_ok_and(|all| all.len() > 1)
}

fn default_of(place: &Place) -> Option<Value> {
    if place.kind() == Kind::Flag {
        return Some(Value::Flag(false));
    }
    let texts: Vec<String> =
        place.arg.get_default_values().iter().map(|text| OsStr::to_string_lossy(text).into_owned()).collect();
    (!texts.is_empty()).then_some(Value::Texts(texts))
}

/// A value as the file writes it.
fn shown(place: &Place, value: &Value) -> String {
    let one = |text: &String| match place.kind() {
        Kind::Number if text.parse::<f64>().is_ok() => text.clone(),
        _ => quoted(text),
    };
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Texts(texts) if place.is_list() => {
            format!("[{}]", texts.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Value::Texts(texts) => texts.first().map(one).unwrap_or_default(),
    }
}

/// Text in TOML's quotes, with nothing in it that moves a terminal.
pub(super) fn quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if visible(letter.encode_utf8(&mut [0; 4])).chars().count() > 1 => {
            format!("\\U{:08X}", u32::from(letter))
        }
        letter => letter.to_string(),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}

/// A file to begin with: every setting with its meaning and its default, or an example where it has none.
pub(crate) fn example(root: &Command) -> String {
    let places = places(root);
    let entry = |place: &Place| {
        let help = place.arg.get_help().map(ToString::to_string).unwrap_or_default();
        let value = default_of(place).or_else(|| sample(root, place));
        let value = value.map(|value| shown(place, &value)).unwrap_or_default();
        let mark = if default_of(place).is_some() { "" } else { "   # an example" };
        format!("\n# {help}\n# {} = {value}{mark}\n", place.key)
    };
    let mut parts = vec![HEAD.to_owned()];
    let mut seen = Vec::new();
    for place in places.iter().filter(|place| is_shared(root, place)) {
        if !seen.contains(&&place.key) {
            seen.push(&place.key);
            parts.push(entry(place));
        }
    }
    for command in root.get_subcommands() {
        let own = places.iter().filter(|place| place.command == command.get_name() && !is_shared(root, place));
        let entries: Vec<String> = own.map(entry).collect();
        if !entries.is_empty() {
            parts.push(format!("\n[{}]\n", command.get_name()));
            parts.extend(entries);
        }
    }
    parts.push(NAMES.to_owned());
    parts.push(webhook::example());
    parts.concat()
}

/// A value that the option takes.
fn sample(root: &Command, place: &Place) -> Option<Value> {
    let name = place.arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
    let possible = place.arg.get_possible_values().first().map(|value| value.get_name().to_owned());
    let tried = ["1", "10", "100", "1MiB", "1h", "2026-01-01", "tcp"].map(str::to_owned);
    let candidates = possible.into_iter().chain(name).chain(tried);
    let fits = |text: &String| {
        let is_typed = place.kind() != Kind::Number || text.starts_with(|letter: char| letter.is_ascii_digit());
        is_typed && refused(root, place, text).is_none()
    };
    candidates.into_iter().find(fits).map(|text| Value::Texts(vec![text]))
}

const HEAD: &str = "\
# Settings of otoscope: for `otoscope --config FILE ...`, or named by OTOSCOPE_CONFIG. No other place is looked at.
#
# Every option of every command can stand here, by its long name with _ for -. General settings stand at the top and hold
# for each command that has the option; a command's own section goes before them, and what is typed goes before this file
# (--FLAG=false takes back a flag). Paths are relative to where the command is typed. Remove a # to change a setting.
# Secrets never stand here: they come from files or the environment.
";

const NAMES: &str = "
# Names of VLANs, each its own (--vlan-name): they stand for the numbers in contexts and ids, so that ids stay when a
# number changes or a mirror moves.
[vlans]
# 7 = \"plant-a\"

# Names of what interfaces listen to. Not used yet: rows name the interface itself.
[interfaces]
# eth1 = \"mirror-hall-3\"
";
