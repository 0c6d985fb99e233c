//! Reads a file of settings, and goes on after a fault, so that all of them are told at once.

use super::webhook::{self, WEBHOOK};
use super::{
    Config, Fault, INTERFACES, Kind, Place, Setting, VLANS, Value, contradicted_by, general, is_secret, places,
};
use crate::commands::refusal;
use clap::Command;
use clap::error::ErrorKind;
use fingerprints::inventory::Names;
use outputs::{did_you_mean, nearest};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a file says, and what in it is not understood, in the order of the file.
pub(super) fn read(root: &Command, text: &str) -> (Config, Vec<Fault>) {
    let mut reader = FileReader { root, places: places(root), text, faults: Vec::new() };
    let config = reader.read();
    let mut faults = reader.faults;
    faults.sort_by_key(|fault| (fault.line, fault.column));
    (config, faults)
}

struct FileReader<'a> {
    root: &'a Command,
    places: Vec<Place<'a>>,
    text: &'a str,
    faults: Vec<Fault>,
}

impl FileReader<'_> {
    fn read(&mut self) -> Config {
        let mut config = Config {
            path: PathBuf::new(),
            settings: Vec::new(),
            vlans: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            webhooks: Vec::new(),
        };
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                // The library's own picture of the line would show whatever stands in it.
                let what = error.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
                self.fault(&error.span().unwrap_or(0..0), what);
                return config;
            }
        };
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                (VLANS, DeValue::Table(names)) => config.vlans = self.vlans(names),
                (INTERFACES, DeValue::Table(names)) => config.interfaces = self.names(names).into_iter().collect(),
                (WEBHOOK, DeValue::Array(tables)) => {
                    let text = self.text;
                    let line_of = |at| place_of(text, at).0;
                    config.webhooks = webhook::read(tables, &line_of, &mut |span, what| self.fault(span, what));
                }
                (WEBHOOK, _) => {
                    let what = format!("write [[{WEBHOOK}]], in two brackets: there can be several");
                    self.fault(&key.span(), what);
                }
                (_, DeValue::Table(table)) => self.section(key, table, &mut config.settings),
                _ => self.top(key, value, &mut config.settings),
            }
        }
        self.contradictions(&config.settings);
        config
    }

    fn top(&mut self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue>, settings: &mut Vec<Setting>) {
        let name = key.get_ref().as_ref();
        let what = match general(&self.places, name) {
            Ok(all) if !all.is_empty() => return self.setting(None, key, value, settings),
            Err(several) => {
                let sections: Vec<&str> = several.iter().map(|place| place.command).collect();
                format!("{name} means different things in {}: put it under one of them", listed(&sections))
            }
            Ok(_) if self.is_table(name) => format!("{name} is a section: write [{name}], and its settings below it"),
            Ok(_) => self.unknown_key(name),
        };
        self.fault(&key.span(), what);
    }

    fn unknown_key(&self, name: &str) -> String {
        if is_secret(name) {
            return format!("there is no {name}: secrets come from files or the environment, never from here");
        }
        let near = nearest(name, self.places.iter().map(|place| place.key.as_str()));
        let help = if near.is_none() { "; `otoscope config init` prints all keys" } else { "" };
        format!("unknown key {name}{}{help}", did_you_mean(near))
    }

    fn is_table(&self, name: &str) -> bool {
        [VLANS, INTERFACES].contains(&name) || self.places.iter().any(|place| place.command == name)
    }

    fn section(&mut self, section: &Spanned<impl AsRef<str>>, table: &DeTable, settings: &mut Vec<Setting>) {
        let name = section.get_ref().as_ref();
        if !self.is_table(name) {
            let is_command = self.root.find_subcommand(name).is_some();
            let sections = self.places.iter().map(|place| place.command).chain([VLANS, INTERFACES, WEBHOOK]);
            let what = match nearest(name, sections) {
                Some(WEBHOOK) => format!("unknown section [{name}]; did you mean [[{WEBHOOK}]]?"),
                _ if is_command => format!("{name} takes no settings"),
                Some(near) => format!("unknown section [{name}]; did you mean [{near}]?"),
                None => format!("unknown section [{name}]; sections are commands, {VLANS} and {INTERFACES}"),
            };
            return self.fault(&section.span(), what);
        }
        for (key, value) in table {
            let asked = key.get_ref().as_ref();
            let has = |place: &&Place| place.key == asked;
            if self.places.iter().filter(has).any(|place| place.command == name) {
                self.setting(Some(name), key, value, settings);
                continue;
            }
            let elsewhere: Vec<&str> = self.places.iter().filter(has).map(|place| place.command).collect();
            let ours = self.places.iter().filter(|place| place.command == name).map(|place| place.key.as_str());
            let what = match nearest(asked, ours) {
                _ if is_secret(asked) => self.unknown_key(asked),
                _ if !elsewhere.is_empty() => format!("[{name}] has no {asked}; it belongs to {}", listed(&elsewhere)),
                Some(near) => format!("unknown key {asked} in [{name}]; did you mean {near}?"),
                None => self.unknown_key(asked),
            };
            self.fault(&key.span(), what);
        }
    }

    fn setting(
        &mut self,
        section: Option<&str>,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue>,
        settings: &mut Vec<Setting>,
    ) {
        let name = key.get_ref().as_ref();
        let is_ours = |place: &&Place| place.key == name && section.is_none_or(|section| place.command == section);
        let Some(place) = self.places.iter().find(is_ours) else { return };
        let line = place_of(self.text, key.span().start).0;
        match checked(self.root, place, value.get_ref()) {
            Ok(value) => {
                let section = section.map(str::to_owned);
                settings.push(Setting { section, key: name.to_owned(), value, line });
            }
            Err(what) => self.fault(&value.span(), what),
        }
    }

    /// Settings of one place that do not go together.
    fn contradictions(&mut self, settings: &[Setting]) {
        let is_on = |setting: &&Setting| setting.value != Value::Flag(false);
        for setting in settings.iter().filter(is_on) {
            let is_ours = |place: &&Place| {
                place.key == setting.key && setting.section.as_deref().is_none_or(|section| place.command == section)
            };
            let Some(place) = self.places.iter().find(is_ours) else { continue };
            let conflicts = contradicted_by(self.root, place);
            let is_other = |other: &&Setting| other.section == setting.section && conflicts.contains(&other.key);
            let Some(other) = settings.iter().filter(is_on).find(is_other) else { continue };
            let (one, line, other) = (&setting.key, other.line, &other.key);
            let of = setting.section.as_ref().map(|section| format!(" of [{section}]")).unwrap_or_default();
            let what = format!("{one} and {other} (line {line}){of} contradict each other: keep one");
            self.faults.push(Fault { line: setting.line, column: 1, what });
        }
    }

    fn vlans(&mut self, table: &DeTable) -> BTreeMap<u16, String> {
        let mut vlans = BTreeMap::new();
        for (key, name) in self.names(table) {
            match key.parse::<u16>() {
                Ok(number) if number < 4095 => drop(vlans.insert(number, name)),
                _ => {
                    let span = table.iter().find(|(it, _)| it.get_ref().as_ref() == key).map(|(it, _)| it.span());
                    self.fault(&span.unwrap_or(0..0), format!("{key} is no VLAN: they are numbered 0 to 4094"));
                }
            }
        }
        vlans
    }

    /// Names, none of them twice: two networks of one name would be one.
    fn names(&mut self, table: &DeTable) -> Vec<(String, String)> {
        let mut names: Vec<(String, String)> = Vec::new();
        for (key, value) in table {
            let key = key.get_ref().as_ref();
            let what = match value.get_ref() {
                DeValue::String(name) => match (Names::fits(name), names.iter().find(|(_, other)| other == name)) {
                    (Err(what), _) => format!("{key}: {what}"),
                    (Ok(()), Some((other, _))) => format!("{key} has the name of {other}: every network has its own"),
                    (Ok(()), None) => {
                        names.push((key.to_owned(), name.as_ref().to_owned()));
                        continue;
                    }
                },
                other => format!("{key} is a name, and {} is none: write it in quotes", in_words(other)),
            };
            self.fault(&value.span(), what);
        }
        names
    }

    fn fault(&mut self, span: &Range<usize>, what: String) {
        let (line, column) = place_of(self.text, span.start);
        self.faults.push(Fault { line, column, what });
    }
}

/// `[read], [schema] and 2 more`.
fn listed(sections: &[&str]) -> String {
    let shown: Vec<String> = sections.iter().take(3).map(|section| format!("[{section}]")).collect();
    let more = sections.len() - shown.len();
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// A setting's value as it would be typed, if it fits the option.
fn checked(root: &Command, place: &Place, value: &DeValue) -> Result<Value, String> {
    let key = &place.key;
    let wanted = match place.kind() {
        Kind::Flag => "true or false",
        Kind::Number => "a number",
        Kind::Text => "text in quotes",
    };
    let texts = match (place.kind(), value) {
        (Kind::Flag, DeValue::Boolean(flag)) => return Ok(Value::Flag(*flag)),
        (Kind::Flag, _) => None,
        (_, DeValue::Array(values)) if place.is_list() => {
            values.iter().map(|value| text_of(place.kind(), value.get_ref())).collect()
        }
        _ => text_of(place.kind(), value).map(|text| vec![text]),
    };
    let Some(texts) = texts else {
        let list = if place.is_list() { ", or a list of that" } else { "" };
        return Err(format!("{key} is {wanted}{list}, and this is {}", in_words(value)));
    };
    for text in &texts {
        if let Some(what) = refused(root, place, text) {
            return Err(format!("{key}: {what}"));
        }
    }
    Ok(Value::Texts(texts))
}

fn text_of(kind: Kind, value: &DeValue) -> Option<String> {
    match (kind, value) {
        (Kind::Number, DeValue::Integer(number)) => {
            i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        (Kind::Number, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        // A number with its unit is text.
        (Kind::Number, DeValue::String(text)) if text.parse::<f64>().is_err() => Some(text.as_ref().to_owned()),
        (Kind::Text, DeValue::String(text)) => Some(text.as_ref().to_owned()),
        _ => None,
    }
}

/// Why the command would refuse a value, if it would.
pub(super) fn refused(root: &Command, place: &Place, text: &str) -> Option<String> {
    let line = ["otoscope".to_owned(), place.command.to_owned(), format!("--{}={text}", place.long())];
    let error = root.clone().try_get_matches_from(line).err()?;
    let is_about_it = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    is_about_it.then(|| refusal(&error, text))
}

fn in_words(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Line and column of a byte, both from 1.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
