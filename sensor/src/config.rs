//! Settings from a TOML file: every option of every command, by its long name with `_` for `-`.
//!
//! ```toml
//! site = "north"             # general: for every command that has the option
//!
//! [read]                     # for one command; goes before the general one
//! out = "lake"
//!
//! [vlans]                    # names of people for what the wire numbers
//! 7 = "plant-a"
//!
//! [[webhook]]                # whom to tell, as often as there are some
//! name = "soc"
//! ```
//!
//! What can stand in the file is what the commands declare: this walks them, so that a new option needs no second place.
//! The file becomes options before those that were typed. What was typed goes before the file, the file before defaults.

mod file;
mod page;
mod webhook;

pub(crate) use page::{example, show};
pub(crate) use webhook::Webhook;

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use outputs::visible;
use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The environment variable that names the file when `--config` does not. No other place is looked at: what decides
/// what is written should not lie about unseen.
pub(crate) const VARIABLE: &str = "OTOSCOPE_CONFIG";

/// Commands about the program itself, which take no settings.
const WITHOUT_SETTINGS: [&str; 5] = ["config", "completions", "man", "help", "interfaces"];

/// Tables that are no commands.
const VLANS: &str = "vlans";
/// The option that `[vlans]` stands for.
const VLAN_NAME: &str = "vlan-name";
const INTERFACES: &str = "interfaces";

/// Nobody writes more by hand.
const MAX_BYTES: u64 = 1 << 20;

/// A file of settings, read and checked.
#[derive(Debug)]
pub(crate) struct Config {
    path: PathBuf,
    settings: Vec<Setting>,
    /// Names of VLANs.
    pub(crate) vlans: BTreeMap<u16, String>,
    /// Names of what interfaces listen to.
    pub(crate) interfaces: BTreeMap<String, String>,
    /// Whom to tell.
    pub(crate) webhooks: Vec<Webhook>,
}

/// One line of the file.
#[derive(Debug)]
struct Setting {
    /// The command, or all that have the option.
    section: Option<String>,
    key: String,
    value: Value,
    line: usize,
}

/// What a setting says, as it would be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Flag(bool),
    Texts(Vec<String>),
}

/// Why a file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("{}", visible(&path.to_string_lossy()))]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It says what is not understood.
    #[error("{}", first(path, faults))]
    Faults {
        /// Which.
        path: PathBuf,
        /// What, in the order of the file; one at least.
        faults: Vec<Fault>,
    },
}

/// Something in a file of settings that is not understood.
#[derive(Debug)]
pub(crate) struct Fault {
    line: usize,
    column: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, visible(&self.what))
    }
}

fn first(path: &Path, faults: &[Fault]) -> String {
    let shown = super::commands::quoted(path);
    let Some(first) = faults.first() else { return shown };
    let path = visible(&path.to_string_lossy());
    match faults.len() - 1 {
        0 => format!("{path}:{first}"),
        more => format!("{path}:{first}\n(and {more} more; `otoscope config check {shown}` lists them)"),
    }
}

/// A command's option, which has a place in the file.
pub(crate) struct Place<'a> {
    command: &'a str,
    arg: &'a Arg,
    key: String,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flag,
    Number,
    Text,
}

impl Place<'_> {
    fn kind(&self) -> Kind {
        if matches!(self.arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse) {
            Kind::Flag
        } else if is_number(self.arg.get_value_parser()) {
            Kind::Number
        } else {
            Kind::Text
        }
    }

    fn is_list(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
            || self.arg.get_num_args().is_some_and(|range| range.max_values() > 1)
    }

    /// What makes an option of one name the same option in two commands.
    fn meaning(&self) -> (Option<String>, Kind) {
        (self.arg.get_help().map(ToString::to_string), self.kind())
    }

    fn long(&self) -> &str {
        self.arg.get_long().unwrap_or_default()
    }
}

fn is_number(parser: &ValueParser) -> bool {
    let numbers = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<f64>(),
    ];
    numbers.iter().any(|number| parser.type_id() == *number)
}

/// Every option that can stand in a file, in the order of the commands.
pub(crate) fn places(root: &Command) -> Vec<Place<'_>> {
    let commands = root.get_subcommands().filter(|command| !WITHOUT_SETTINGS.contains(&command.get_name()));
    commands
        .flat_map(|command| {
            let options = command.get_arguments().filter(|arg| is_setting(arg));
            options.map(move |arg| Place { command: command.get_name(), arg, key: key_of(arg) })
        })
        .collect()
}

fn is_setting(arg: &Arg) -> bool {
    let has_other_place = [VLAN_NAME, "help", "version", "config"];
    arg.get_long().is_some_and(|name| !has_other_place.contains(&name))
}

fn key_of(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().replace('-', "_")
}

/// The options of this key, if they mean the same wherever they are: such a key may stand at the top.
fn general<'a, 'b>(places: &'b [Place<'a>], key: &str) -> Result<Vec<&'b Place<'a>>, Vec<&'b Place<'a>>> {
    let all: Vec<&Place> = places.iter().filter(|place| place.key == key).collect();
    let is_one = all.windows(2).all(|pair| pair[0].meaning() == pair[1].meaning());
    if is_one { Ok(all) } else { Err(all) }
}

impl Config {
    /// Reads a file and checks it against the commands.
    pub(crate) fn load(root: &Command, path: &Path) -> Result<Self, ConfigError> {
        let io = |source| ConfigError::Io { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(io)?;
        let fault = |what: &str| {
            let faults = vec![Fault { line: 1, column: 1, what: what.to_owned() }];
            ConfigError::Faults { path: path.to_owned(), faults }
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(fault("a file of settings holds at most 1 MiB; is the path right?"));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| fault("it is no text; settings are TOML (`otoscope config init` writes an example)"))?;
        Self::parse(root, path, &text)
    }

    fn parse(root: &Command, path: &Path, text: &str) -> Result<Self, ConfigError> {
        match file::read(root, text) {
            (config, faults) if faults.is_empty() => Ok(Self { path: path.to_owned(), ..config }),
            (_, faults) => Err(ConfigError::Faults { path: path.to_owned(), faults }),
        }
    }

    /// How many settings and names it holds.
    pub(crate) fn len(&self) -> usize {
        let of_webhooks: usize = self.webhooks.iter().map(|webhook| webhook.lines.len()).sum();
        self.settings.len() + self.vlans.len() + self.interfaces.len() + of_webhooks
    }

    /// Whether it names what interfaces listen to.
    pub(crate) fn has_interfaces(&self) -> bool {
        !self.interfaces.is_empty()
    }

    /// What the file says of a command's option.
    fn setting(&self, place: &Place) -> Option<&Setting> {
        let of = |section: Option<&str>| {
            self.settings.iter().find(|it| it.key == place.key && it.section.as_deref() == section)
        };
        of(Some(place.command)).or_else(|| of(None))
    }

    /// What was typed, after what the file says of the same command and was not typed.
    pub(crate) fn complete(&self, root: &Command, typed: &[OsString]) -> Vec<OsString> {
        let Some(at) = command_at(typed) else { return typed.to_vec() };
        let Some(command) = typed.get(at).and_then(|name| root.find_subcommand(name)) else { return typed.to_vec() };
        let places = places(root);
        let mut ours: Vec<&Place> = places.iter().filter(|place| place.command == command.get_name()).collect();
        let (front, rest) = typed.split_at(at + 1);
        let mut rest = rest.to_vec();
        ours.retain(|place| !taken_back(place, &mut rest));
        let given = [front, &rest].concat();
        // Help and versions need no settings.
        let Ok(matches) = root.clone().ignore_errors(true).try_get_matches_from(&given) else { return given };
        let Some((_, matches)) = matches.subcommand() else { return given };
        ours.retain(|place| !is_given(place.arg, matches) && !is_contradicted(command, place.arg, matches));
        let mut said: Vec<Vec<OsString>> = ours
            .iter()
            .filter(|place| !self.is_overruled(root, place, &ours))
            .filter_map(|place| Some(typed_as(place, &self.setting(place)?.value)))
            .collect();
        said.extend(self.vlan_names(command, matches));
        let line = |said: &[Vec<OsString>]| [front, &said.concat(), &rest].concat();
        let lacks = |line: Vec<OsString>| {
            let result = root.clone().try_get_matches_from(line);
            result.is_err_and(|error| error.kind() == ErrorKind::MissingRequiredArgument)
        };
        // What goes with another option (`append` with `out`) goes without saying where that one is not used.
        if lacks(line(&said)) {
            let without =
                |i: usize| said.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, it)| it.clone()).collect();
            if let Some(fewer) = (0..said.len()).map(without).find(|fewer: &Vec<_>| !lacks(line(fewer))) {
                said = fewer;
            }
        }
        line(&said)
    }

    /// The names of VLANs, where the command takes them and was given none.
    fn vlan_names(&self, command: &Command, matches: &ArgMatches) -> Option<Vec<OsString>> {
        let option = command.get_arguments().find(|arg| arg.get_long() == Some(VLAN_NAME))?;
        let names = self.vlans.iter().map(|(number, name)| format!("--{VLAN_NAME}={number}={name}").into());
        (!is_given(option, matches)).then(|| names.collect())
    }

    /// Whether a general setting contradicts one of the command's own section.
    fn is_overruled(&self, root: &Command, place: &Place, ours: &[&Place]) -> bool {
        let is_general = self.setting(place).is_some_and(|setting| setting.section.is_none());
        let is_own = |other: &Place| {
            let own = self.setting(other).filter(|setting| setting.section.is_some());
            own.is_some_and(|setting| setting.value != Value::Flag(false))
        };
        let contradicts = |other: &Place| {
            contradicted_by(root, place).contains(&other.key) || contradicted_by(root, other).contains(&place.key)
        };
        is_general && ours.iter().any(|other| is_own(other) && contradicts(other))
    }

    /// The file, as it is shown.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where the command stands in what was typed.
fn command_at(typed: &[OsString]) -> Option<usize> {
    let mut at = 1;
    loop {
        match typed.get(at)?.to_string_lossy().as_ref() {
            "--config" => at += 2,
            option if option.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
}

/// Whether a flag was typed as `--FLAG=false`, which takes back what the file says. It is removed from what was typed.
fn taken_back(place: &Place, rest: &mut Vec<OsString>) -> bool {
    if place.kind() != Kind::Flag {
        return false;
    }
    let off = format!("--{}=false", place.long());
    let end = rest.iter().position(|word| word == "--").unwrap_or(rest.len());
    let found = rest[..end].iter().position(|word| *word == *off);
    found.map(|at| rest.remove(at)).is_some()
}

fn is_given(arg: &Arg, matches: &ArgMatches) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// Whether an option was typed that does not go together with this one.
fn is_contradicted(command: &Command, arg: &Arg, matches: &ArgMatches) -> bool {
    let others = command.get_arguments().filter(|other| is_given(other, matches));
    let contradicts = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|it| it.get_id() == b.get_id());
    others.into_iter().any(|other| contradicts(arg, other) || contradicts(other, arg))
}

/// The keys that do not go together with an option, as the option itself says.
fn contradicted_by(root: &Command, place: &Place) -> Vec<String> {
    let Some(command) = root.find_subcommand(place.command) else { return Vec::new() };
    command.get_arg_conflicts_with(place.arg).into_iter().filter(|arg| is_setting(arg)).map(key_of).collect()
}

/// A setting as the command line would have it.
fn typed_as(place: &Place, value: &Value) -> Vec<OsString> {
    match value {
        Value::Flag(true) => vec![format!("--{}", place.long()).into()],
        Value::Flag(false) => Vec::new(),
        Value::Texts(texts) => texts.iter().map(|text| format!("--{}={text}", place.long()).into()).collect(),
    }
}

/// The file that was named: by `--config`, or by the environment.
pub(crate) fn named(root: &Command, typed: &[OsString]) -> Option<PathBuf> {
    let matches = root.clone().ignore_errors(true).try_get_matches_from(typed).ok()?;
    let is_apart = matches.subcommand_name().is_some_and(|name| WITHOUT_SETTINGS.contains(&name));
    if is_apart {
        return None;
    }
    matches.get_one::<PathBuf>("config").cloned().or_else(from_environment)
}

/// The file that the environment names.
pub(crate) fn from_environment() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Whether a key asks for a secret itself, and not for the file or the variable that holds it.
pub(crate) fn is_secret(key: &str) -> bool {
    let mut words = key.split(['_', '-']);
    let is_named = words.clone().any(|word| {
        ["password", "passwd", "passphrase", "secret", "token", "apikey", "credential", "credentials"].contains(&word)
    });
    is_named && !words.next_back().is_some_and(|last| ["file", "env"].contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Command {
        crate::commands::command()
    }

    fn config(text: &str) -> Config {
        Config::parse(&root(), Path::new("x.toml"), text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn faults(text: &str) -> Vec<String> {
        match Config::parse(&root(), Path::new("x.toml"), text) {
            Err(ConfigError::Faults { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    /// What is run, when this is typed.
    fn completed(text: &str, typed: &str) -> String {
        let typed: Vec<OsString> = std::iter::once("otoscope").chain(typed.split(' ')).map(OsString::from).collect();
        let line = config(text).complete(&root(), &typed);
        line.iter().skip(1).map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_option_of_every_command_has_a_place() {
        let example = example(&root());
        for command in root().get_subcommands().filter(|command| !WITHOUT_SETTINGS.contains(&command.get_name())) {
            // What only `otoscope webhook sync` and its like have is typed.
            let is_flat = command.get_subcommands().next().is_none() || command.get_name() == webhook::WEBHOOK;
            assert!(is_flat, "{}: sections are of one level", command.get_name());
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let name = arg.get_long().unwrap_or_else(|| panic!("{} of {}: no long name", arg, command.get_name()));
                let is_own = ["help", "version", "config", VLAN_NAME].contains(&name);
                let line = format!("\n# {} = ", name.replace('-', "_"));
                assert!(is_own || example.contains(&line), "--{name} of {} in\n{example}", command.get_name());
            }
        }
    }

    /// Every line of the example that holds a setting, alone.
    #[test]
    fn every_setting_of_the_example_is_understood_alone() {
        let root = root();
        let example = example(&root);
        assert_eq!(config(&example).len(), 0);
        let mut section = String::new();
        let mut settings = 0;
        // Settings of a webhook are none alone.
        for line in example.lines().take_while(|line| *line != "# [[webhook]]") {
            let is_head = line.starts_with('[');
            section = if is_head { line.to_owned() } else { section };
            let setting = line.strip_prefix("# ").filter(|line| line.split(' ').nth(1) == Some("="));
            if let Some(setting) = setting.filter(|_| !is_head) {
                assert_eq!(config(&format!("{section}\n{setting}\n")).len(), 1, "{setting}");
                settings += 1;
            }
        }
        assert!(settings > 15, "{settings}");
    }

    #[test]
    fn what_is_shown_says_the_same() {
        let text =
            "site = 'n\u{1b}orth'\nworkers = 0x10\n[read]\nappend = true\n[assets]\nlimit = 3\n[vlans]\n7 = 'a'\n";
        let text = text.replace('\u{1b}', "ö\"");
        let first = show(&root(), Some(&config(&text)));
        assert!(
            first.contains("\nlimit = 3 ") && first.contains("workers = 16 ") && first.contains("# line 2\n"),
            "{first}"
        );
        let again = show(&root(), Some(&config(&first)));
        let values = |text: &str| {
            text.lines().map(|line| line.split(" # ").next().unwrap_or("").trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(values(&first), values(&again));
    }

    #[test]
    fn what_is_typed_goes_before_the_section_and_that_before_the_top() {
        let text = "site = 'top'\nworkers = 2\n[read]\nsite = 'section'\n";
        assert_eq!(completed(text, "read x"), "read --workers=2 --site=section x");
        assert_eq!(completed(text, "assets x"), "assets --workers=2 --site=top x");
        assert_eq!(completed(text, "read x --site typed"), "read --workers=2 x --site typed");
        assert_eq!(
            completed(text, "--config y read -- --site"),
            "--config y read --workers=2 --site=section -- --site"
        );
        assert_eq!(completed(text, "schema"), "schema");
        assert_eq!(completed(text, "read --help"), "read --help");
        assert_eq!(completed(text, "reed x"), "reed x");
    }

    #[test]
    fn a_flag_of_the_file_is_taken_back() {
        let text = "[read]\njson = true\nappend = false\n";
        assert_eq!(completed(text, "read x"), "read --json x");
        assert_eq!(completed(text, "read --json=false x"), "read x");
        assert_eq!(completed(text, "read -- --json=false"), "read --json -- --json=false");
    }

    #[test]
    fn what_contradicts_what_was_typed_gives_way() {
        assert_eq!(completed("[schema]\njson = true\n", "schema --sql duckdb"), "schema --sql duckdb");
        assert_eq!(completed("[schema]\nsql = 'duckdb'\n", "schema --json"), "schema --json");
        let text = "vlan_join = true\n[read]\nvlan_separate = true\n";
        assert_eq!(completed(text, "read x"), "read --vlan-separate x");
        assert_eq!(completed(text, "read x --vlan-join"), "read x --vlan-join");
        assert_eq!(completed(text, "assets x"), "assets --vlan-join x");
    }

    #[test]
    fn what_goes_with_another_option_waits_for_it() {
        let text = "[read]\nappend = true\n";
        assert_eq!(completed(text, "read x"), "read x");
        assert_eq!(completed(text, "read x --out y"), "read --append x --out y");
    }

    #[test]
    fn names_of_vlans_are_given_to_commands_that_take_them() {
        let text = "[vlans]\n7 = 'plant a'\n9 = 'b'\n";
        assert_eq!(completed(text, "read x"), "read --vlan-name=7=plant a --vlan-name=9=b x");
        assert_eq!(completed(text, "read x --vlan-name 7=c"), "read x --vlan-name 7=c");
        assert_eq!(completed(text, "fields"), "fields");
    }

    #[test]
    fn a_list_is_given_as_often_and_what_is_required_may_stand_in_the_file() {
        let text = "[extract]\nfrom = ['a', 'b']\nout = 'x'\n";
        let line = completed(text, "extract f-1");
        assert!(line.contains("--from=a --from=b") && line.ends_with(" f-1"), "{line}");
        let words = std::iter::once("otoscope").chain(line.split(' '));
        let matches = root().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        let from = matches.subcommand().map(|(_, it)| it.get_many::<PathBuf>("from").map_or(0, Iterator::count));
        assert_eq!(from, Some(2));
        assert_eq!(completed(text, "extract f-1 --from c -o y"), "extract f-1 --from c -o y");
    }

    #[test]
    fn what_is_not_understood_says_where_and_what_is_near() {
        let others = outputs::schema::TABLES.len() - 3;
        let of_tables =
            format!("2:1: [read] has no limit; it belongs to [assets], [claims], [services] and {others} more");
        for (text, said) in [
            ("wrokers = 3", "1:1: unknown key wrokers; did you mean workers?"),
            ("\n  blue = 3", "2:3: unknown key blue; `otoscope config init` prints all keys"),
            ("workers = 'many'", "1:11: workers: many is no whole number"),
            ("workers = '4'", "1:11: workers is a number, and this is text"),
            ("workers = true", "1:11: workers is a number, and this is true or false"),
            ("workers = 65", "1:11: workers: 65 is not in 1..=64"),
            ("site = 7", "1:8: site is text in quotes, and this is a number"),
            ("site = ''", "1:8: site: a name has letters"),
            ("site = 'x", "1:10: invalid literal string, expected `'`"),
            ("site = 'x'\nsite = 'y'", "2:1: duplicate key"),
            ("format = 'jsn'", "1:10: format: jsn is none of table, json, csv; did you mean json?"),
            ("[read]\nappend = 'yes'", "2:10: append is true or false, and this is text"),
            ("[read]\nappnd = true", "2:1: unknown key appnd in [read]; did you mean append?"),
            ("[read]\nlimit = 1", of_tables.as_str()),
            ("[raed]\nout = 'x'", "1:2: unknown section [raed]; did you mean [read]?"),
            ("[completions]\n", "1:2: completions takes no settings"),
            ("[elephants]\n", "1:2: unknown section [elephants]; sections are commands, vlans and interfaces"),
            ("read = 1", "1:1: read is a section: write [read], and its settings below it"),
            (
                "json = true",
                "1:1: json means different things in [read], [diff], [explain] and 3 more: put it under one of them",
            ),
            (
                "[schema]\njson = true\nsql = 'trino'",
                "2:1: json and sql (line 3) of [schema] contradict each other: keep one",
            ),
            (
                "vlan_separate = true\nvlan_join = true",
                "2:1: vlan_join and vlan_separate (line 1) contradict each other: keep one",
            ),
            ("[vlans]\n7 = 'a'\n8 = 'a'", "3:5: 8 has the name of 7: every network has its own"),
            ("[vlans]\n4095 = 'a'", "2:1: 4095 is no VLAN: they are numbered 0 to 4094"),
            ("[vlans]\n7 = 8", "2:5: 7 is a name, and a number is none: write it in quotes"),
            (
                "[interfaces]\neth0 = 'vlan:7'",
                "2:8: eth0: a name has no / and no :, which stand between the parts of a context",
            ),
        ] {
            assert_eq!(faults(text), [said], "{text}");
        }
        assert_eq!(faults("a = 1\nsite = 7\n[read]\nsite = 7\n").len(), 3, "all faults are told at once");
    }

    /// Neither the file nor the command line holds a secret, and what was put there by mistake is not repeated.
    #[test]
    fn secrets_have_no_place() {
        for text in ["webhook_secret = 'hunter2'", "[read]\npassword = 'hunter2'", "token = 'hunter2' junk"] {
            let said = faults(text).join("\n");
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert!(faults("[read]\npassword = 'x'")[0].ends_with("never from here"));
        let root = root();
        let secret: Vec<String> =
            places(&root).into_iter().map(|place| place.key).filter(|key| is_secret(key)).collect();
        assert_eq!(secret, [""; 0]);
        assert!(!is_secret("webhook_secret_file") && !is_secret("out"));
    }
}
