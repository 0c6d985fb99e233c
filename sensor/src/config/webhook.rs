//! `[[webhook]]` in a file of settings: an endpoint each. What can stand there is one table, from which the checks, the example
//! and the list of settings in force all follow.

use super::is_secret;
use fingerprints::finding::Severity;
use outputs::webhook::{Role, Settings};
use outputs::{did_you_mean, nearest};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The tables' name.
pub(crate) const WEBHOOK: &str = "webhook";

/// An endpoint as the file has it.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) settings: Settings,
    /// Keys and values as they can be shown, each with its line.
    pub(crate) lines: Vec<(&'static str, String, usize)>,
}

/// What can stand in a `[[webhook]]`: its key, what it means, an example, and what takes its value.
struct Key {
    name: &'static str,
    doc: &'static str,
    example: &'static str,
    put: fn(&mut Settings, &DeValue) -> Result<(), String>,
}

const KEYS: [Key; 22] = [
    Key {
        name: "name",
        doc: "What it is called by; its state is kept under this name",
        example: "\"soc\"",
        put: |to, value| text(value).map(|it| to.name = it),
    },
    Key {
        name: "url",
        doc: "Where events go; redirects are not followed",
        example: "\"https://soc.example/otoscope\"",
        put: |to, value| {
            to.url = text(value)?;
            Ok(())
        },
    },
    Key {
        name: "secret_file",
        doc: "The file of the secret that signs (`echo whsec_$(openssl rand -base64 32)` makes one); two files while it is changed",
        example: "\"/etc/otoscope/soc.secret\"",
        put: |to, value| texts(value).map(|it| to.secret_file = it.into_iter().map(PathBuf::from).collect()),
    },
    Key {
        name: "secret_env",
        doc: "The same from a variable of the environment",
        example: "\"SOC_SECRET\"",
        put: |to, value| texts(value).map(|it| to.secret_env = it),
    },
    Key {
        name: "allow_http",
        doc: "Let events go readable over the network",
        example: "false",
        put: |to, value| flag(value).map(|it| to.allow_http = it),
    },
    Key {
        name: "ca_file",
        doc: "Authorities to trust instead of the system's, as PEM",
        example: "\"/etc/otoscope/ca.pem\"",
        put: |to, value| text(value).map(|it| to.ca_file = Some(it.into())),
    },
    Key {
        name: "certificate_file",
        doc: "The certificate that we come with, as PEM",
        example: "\"/etc/otoscope/sensor.pem\"",
        put: |to, value| text(value).map(|it| to.certificate_file = Some(it.into())),
    },
    Key {
        name: "key_file",
        doc: "Its key, as PEM",
        example: "\"/etc/otoscope/sensor.key\"",
        put: |to, value| text(value).map(|it| to.key_file = Some(it.into())),
    },
    Key {
        name: "headers",
        doc: "Headers besides ours",
        example: "{ X-Site = \"north\" }",
        put: |to, value| {
            to.headers = table(value)?;
            to.headers.keys().find(|name| is_private(name)).map_or(Ok(()), |name| {
                Err(format!(
                    "{name} is a secret: its value comes from a file (header_file) or the environment (header_env)"
                ))
            })
        },
    },
    Key {
        name: "header_file",
        doc: "Headers whose values stand in files",
        example: "{ Authorization = \"/etc/otoscope/soc.token\" }",
        put: |to, value| {
            table(value).map(|it| to.header_file = it.into_iter().map(|(name, path)| (name, path.into())).collect())
        },
    },
    Key {
        name: "header_env",
        doc: "Headers whose values stand in variables of the environment",
        example: "{ Authorization = \"SOC_TOKEN\" }",
        put: |to, value| table(value).map(|it| to.header_env = it),
    },
    Key {
        name: "types",
        doc: "Only these events (`otoscope webhook sample` lists them); without it all but sensor.health and coverage.lost",
        example: "[\"finding.*\"]",
        put: |to, value| texts(value).map(|it| to.types = it),
    },
    Key {
        name: "kinds",
        doc: "Only findings of these kinds (`otoscope explain` lists them)",
        example: "[\"credential.*\", \"firmware.vulnerable\"]",
        put: |to, value| texts(value).map(|it| to.kinds = it),
    },
    Key {
        name: "severity",
        doc: "Only findings as severe as this, or more",
        example: "\"medium\"",
        put: |to, value| {
            let name = text(value)?;
            let known = Severity::named(&name);
            let names = Severity::ALL.map(Severity::name);
            to.severity = Some(known.ok_or_else(|| one_of(&name, &names))?);
            Ok(())
        },
    },
    Key {
        name: "zones",
        doc: "Only what stands in these zones",
        example: "[\"cell-*\"]",
        put: |to, value| texts(value).map(|it| to.zones = it),
    },
    Key {
        name: "asset_roles",
        doc: "Only what is about assets of these roles",
        example: "[\"plc\", \"camera\"]",
        put: |to, value| texts(value).map(|it| to.asset_roles = it),
    },
    Key {
        name: "role",
        doc: "What the receiver is: a listener, or a remediation tool, whose answers are read",
        example: "\"listener\"",
        put: |to, value| {
            let name = text(value)?;
            to.role = match &*name {
                "listener" => Role::Listener,
                "remediation" => Role::Remediation,
                _ => return Err(one_of(&name, &["listener", "remediation"])),
            };
            Ok(())
        },
    },
    Key {
        name: "rate",
        doc: "Events per second, at most",
        example: "10.0",
        put: |to, value| number(value, 0.001..=100_000.0).map(|it| to.rate = Some(it)),
    },
    Key {
        name: "batch",
        doc: "Events in one request, at most (then as a list)",
        example: "1",
        put: |to, value| {
            let whole = if let DeValue::Integer(number) = value { number.as_str().parse().ok() } else { None };
            let wanted = || "a number from 1 to 1000 is wanted".to_owned();
            to.batch = whole.filter(|number| (1..=1_000).contains(number)).ok_or_else(wanted)?;
            Ok(())
        },
    },
    Key {
        name: "only_new",
        doc: "What is there at the first contact comes as one snapshot, and only what is new after that one by one",
        example: "false",
        put: |to, value| flag(value).map(|it| to.only_new = it),
    },
    Key {
        name: "timeout_seconds",
        doc: "How long a request may take",
        example: "10",
        put: |to, value| number(value, 0.1..=300.0).map(|it| to.timeout = Duration::from_secs_f64(it)),
    },
    Key {
        name: "give_up_hours",
        doc: "For how long an event is tried; then it is kept, and `otoscope webhook replay` sends it again",
        example: "72",
        put: |to, value| number(value, 0.001..=720.0).map(|it| to.give_up = Duration::from_secs_f64(it * 3_600.0)),
    },
];

/// Reads the tables; what is not understood is told to `fault`, with where it stands.
pub(super) fn read(
    tables: &DeArray,
    line_of: &dyn Fn(usize) -> usize,
    fault: &mut dyn FnMut(&Range<usize>, String),
) -> Vec<Webhook> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    for table in tables {
        let DeValue::Table(keys) = table.get_ref() else {
            fault(&table.span(), format!("{WEBHOOK} is a table: write [[{WEBHOOK}]], and its settings below it"));
            continue;
        };
        let webhook = one(keys, line_of, fault);
        let name = &webhook.settings.name;
        for (key, value) in [("name", name), ("url", &webhook.settings.url)] {
            if value.is_empty() && !keys.iter().any(|(known, _)| known.get_ref() == key) {
                fault(&table.span(), format!("this [[{WEBHOOK}]] has no {key}"));
            }
        }
        if !name.is_empty() && webhooks.iter().any(|other| other.settings.name == *name) {
            fault(&table.span(), format!("two webhooks are called {name}: each has its own name"));
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn one(keys: &DeTable, line_of: &dyn Fn(usize) -> usize, fault: &mut dyn FnMut(&Range<usize>, String)) -> Webhook {
    let mut webhook = Webhook { settings: Settings::default(), lines: Vec::new() };
    for (key, value) in keys {
        let name = key.get_ref().as_ref();
        let Some(known) = KEYS.iter().find(|known| known.name == name) else {
            fault(&key.span(), unknown(name));
            continue;
        };
        match (known.put)(&mut webhook.settings, value.get_ref()) {
            Ok(()) => webhook.lines.push((known.name, shown(value.get_ref()), line_of(key.span().start))),
            Err(what) => fault(&value.span(), format!("{name}: {what}")),
        }
        if let ("url", Err(what)) = (name, webhook.settings.check_url()) {
            // What allows it may stand below.
            let is_allowed = keys
                .iter()
                .any(|(key, value)| key.get_ref() == "allow_http" && matches!(value.get_ref(), DeValue::Boolean(true)));
            let allowed = Settings { allow_http: is_allowed, ..webhook.settings.clone() };
            if allowed.check_url().is_err() {
                fault(&value.span(), format!("url: {what}"));
            }
        }
    }
    webhook
}

fn unknown(name: &str) -> String {
    if is_secret(name) {
        return format!("there is no {name}: secrets come from files (secret_file) or the environment (secret_env)");
    }
    let near = nearest(name, KEYS.iter().map(|key| key.name));
    format!("unknown key {name} in [[{WEBHOOK}]]{}", did_you_mean(near))
}

/// Whether a header's value is a secret, by its name.
fn is_private(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    is_secret(&name) || ["authorization", "proxy-authorization", "cookie", "x-api-key"].contains(&&*name)
}

fn one_of(value: &str, names: &[&str]) -> String {
    format!("{value} is none of {}{}", names.join(", "), did_you_mean(nearest(value, names.iter().copied())))
}

fn text(value: &DeValue) -> Result<String, String> {
    match value {
        DeValue::String(text) if !text.is_empty() => Ok(text.as_ref().to_owned()),
        _ => Err("text in quotes is wanted".to_owned()),
    }
}

fn texts(value: &DeValue) -> Result<Vec<String>, String> {
    let wanted = || "text in quotes is wanted, or a list of that".to_owned();
    match value {
        DeValue::Array(values) => values.iter().map(|value| text(value.get_ref()).map_err(|_| wanted())).collect(),
        one => text(one).map(|text| vec![text]).map_err(|_| wanted()),
    }
}

fn flag(value: &DeValue) -> Result<bool, String> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        _ => Err("true or false is wanted".to_owned()),
    }
}

fn number(value: &DeValue, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number = match value {
        DeValue::Integer(number) => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    let wanted = || format!("a number from {} to {} is wanted", range.start(), range.end());
    number.filter(|number| range.contains(number)).ok_or_else(wanted)
}

fn table(value: &DeValue) -> Result<BTreeMap<String, String>, String> {
    let DeValue::Table(entries) = value else {
        return Err("a table of texts is wanted, as { Name = \"text\" }".to_owned());
    };
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        Ok((key.as_ref().to_owned(), text(value.get_ref())?))
    };
    entries.iter().map(entry).collect()
}

/// A value as the file writes it.
fn shown(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => super::page::quoted(text),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Array(values) => {
            format!("[{}]", values.iter().map(|value| shown(value.get_ref())).collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(entries) => {
            let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue>)| {
                format!("{} = {}", super::page::quoted(key.get_ref()), shown(value.get_ref()))
            };
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        DeValue::Datetime(_) => String::new(),
    }
}

/// The settings to begin with, all of them commented.
pub(super) fn example() -> String {
    let mut lines = vec![HEAD.to_owned()];
    for key in &KEYS {
        lines.push(format!("# # {}\n# {} = {}\n", key.doc, key.name, key.example));
    }
    lines.concat()
}

const HEAD: &str = "
# Programs that are told of findings and assets as they change (`read --webhook`, `listen`): a [[webhook]] for each. Only
# name, url and one of secret_file and secret_env are needed. `otoscope webhook test` tries it.
#
# [[webhook]]
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_understood() {
        for key in &KEYS {
            let text = format!("x = {}", key.example);
            let table = DeTable::parse(&text).expect("it is TOML");
            let (_, value) = table.get_ref().iter().next().expect("a value");
            (key.put)(&mut Settings::default(), value.get_ref()).unwrap_or_else(|what| panic!("{}: {what}", key.name));
        }
    }

    #[test]
    fn the_commented_example_can_be_put_in_force() {
        let text = example().replace("\n# ", "\n");
        let text = &text[text.find("\n[[webhook]]\n").expect("it is there")..];
        let table = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let Some((_, value)) = table.get_ref().iter().next() else { panic!("{text}") };
        let DeValue::Array(tables) = value.get_ref() else { panic!("{text}") };
        let mut faults = Vec::new();
        let webhooks = read(tables, &|_| 1, &mut |_, what| faults.push(what));
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(webhooks[0].lines.len(), KEYS.len());
    }
}
