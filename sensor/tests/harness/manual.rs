//! The commands as they explain themselves: help, completions, manual pages.

use super::support::{otoscope, pcaps, workspace};
use clap::{Arg, Command};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use std::collections::BTreeMap;
use std::fs;

/// A command and all commands below it, each with what is typed to run it.
fn commands() -> Vec<(String, Command)> {
    fn below(typed: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        for inner in command.get_subcommands() {
            let typed = format!("{typed} {}", inner.get_name());
            found.push((typed.clone(), inner.clone()));
            below(&typed, inner, found);
        }
    }
    let mut found = Vec::new();
    below("otoscope", &sensor::commands::command(), &mut found);
    found
}

fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments()
}

#[test]
fn every_command_and_option_is_explained() {
    for (typed, command) in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.chars().next().is_some_and(char::is_uppercase) && !about.ends_with('.'), "{typed}: {about}");
        for option in options(&command) {
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                help.chars().next().is_some_and(char::is_uppercase) && !help.ends_with('.'),
                "{typed} {option}: {help}"
            );
            let value = option.get_value_names().is_none_or(|names| {
                names.iter().all(|name| !name.chars().any(char::is_lowercase) || name.contains(' '))
            });
            let takes = option.get_action().takes_values();
            assert!(value || !takes, "{typed} {option}: values are named in capitals");
        }
    }
}

/// What the program is stands above what it can do.
#[test]
fn the_first_line_says_what_it_is_for() {
    let said = starts_with("Listens, and never touches: what stands in an industrial, building or camera network");
    let codes = contains("Exit codes: 0 read, 1 failed, 2 wrong use, 3 read but");
    otoscope().arg("--help").assert().code(0).stdout(said.and(codes));
}

/// An example that can be typed: what it names is a command, and its options are known.
#[test]
fn every_command_has_an_example() {
    let root = sensor::commands::command();
    let all = commands().into_iter().chain([("otoscope".to_owned(), root.clone())]);
    let is_group = |command: &Command| command.has_subcommands() && command.get_name() != "otoscope";
    for (typed, command) in all.filter(|(_, command)| !is_group(command)) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = help
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Example: ").or_else(|| line.trim().strip_prefix("or: ")))
            .collect();
        assert!(!examples.is_empty(), "{typed}: {help}");
        for example in examples {
            assert!(example.starts_with(&typed), "{typed}: {example}");
            let line = example.split(" > ").next().unwrap_or_default();
            root.clone().try_get_matches_from(words(line)).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}

/// Words as a shell makes them of plain text and single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().expect("one at least").push(letter),
        }
    }
    words
}

/// One name for one thing: an option that is explained alike is called alike, and a letter stands for one name.
#[test]
fn no_thing_has_two_spellings() {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut letters: BTreeMap<char, String> = BTreeMap::new();
    let mut abouts: BTreeMap<String, String> = BTreeMap::new();
    for (typed, command) in commands() {
        assert!(command.get_all_aliases().next().is_none(), "{typed} has another name");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert_eq!(abouts.insert(about.clone(), typed.clone()), None, "{typed}: {about}");
        for option in options(&command) {
            assert!(
                option.get_all_aliases().is_none_or(|aliases| aliases.is_empty()),
                "{typed} {option} has another name"
            );
            let Some(name) = option.get_long() else { continue };
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            let known = names.entry(help.clone()).or_insert_with(|| name.to_owned());
            assert_eq!(known, name, "{typed}: two names for: {help}");
            if let Some(letter) = option.get_short() {
                let known = letters.entry(letter).or_insert_with(|| name.to_owned());
                assert_eq!(known, name, "{typed} -{letter}");
            }
        }
    }
}

#[test]
fn completions_know_every_command_and_are_understood_by_their_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = otoscope().args(["completions", shell]).assert().code(0).get_output().stdout.clone();
        let script = String::from_utf8(output).expect("text");
        for name in ["read", "findings", "config", "workers"] {
            assert!(script.contains(name), "{shell}: {name}");
        }
        let folder = tempfile::tempdir().expect("a folder of its own");
        let path = folder.path().join(shell);
        fs::write(&path, script).expect("the file can be written");
        // The shells that are not here are not asked.
        let checked = std::process::Command::new(shell).arg("-n").arg(&path).output();
        assert!(shell != "bash" || checked.is_ok(), "bash is everywhere");
        if let Ok(output) = checked {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
        }
    }
    otoscope().args(["completions", "tcsh"]).assert().code(2).stderr(contains("none of bash"));
}

#[test]
fn every_command_has_a_page_that_man_can_show() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let pages = folder.path().join("man/man1");
    let said = contains("pages").and(contains("otoscope.1"));
    otoscope().arg("man").arg(&pages).assert().code(0).stdout(said);
    let names = commands().into_iter().map(|(typed, _)| typed.replace(' ', "-")).chain(["otoscope".to_owned()]);
    for name in names {
        let path = pages.join(format!("{name}.1"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        let shown = std::process::Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(&path).output();
        if let Ok(output) = shown {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{name}: {said}");
        }
    }
    let main = fs::read(pages.join("otoscope.1")).expect("the main page");
    let printed = otoscope().arg("man").assert().code(0).get_output().stdout.clone();
    assert_eq!(String::from_utf8_lossy(&main), String::from_utf8_lossy(&printed));
}

#[test]
fn the_readme_shows_the_page_that_its_command_prints() {
    let folder = tempfile::tempdir().expect("a folder of its own");
    std::os::unix::fs::symlink(pcaps(), folder.path().join("pcaps")).expect("a link to our captures");
    let read = otoscope().current_dir(folder.path()).args(["read", "pcaps", "--out", "lake"]).assert().success();
    let page = String::from_utf8_lossy(&read.get_output().stdout).into_owned();
    let path = workspace().join("README.md");
    let mut readme = fs::read_to_string(&path).expect("there is a README");
    if std::env::var_os("OTOSCOPE_BLESS").is_some() {
        // The page begins with what was read, until when.
        let mut begins = readme.match_indices("```text\n").map(|(at, fence)| at + fence.len());
        let is_page = |at: &usize| readme[*at..].lines().next().is_some_and(|line| line.ends_with(" UTC"));
        let begin = begins.find(is_page).expect("the README shows a page");
        let end = begin + readme[begin..].find("```\n").expect("the page ends");
        readme.replace_range(begin..end, &page);
        fs::write(&path, &readme).expect("the README can be written");
    }
    assert!(readme.contains(&format!("```text\n{page}```\n")), "{page}");
}
