//! Names that people gave to VLANs. A name stands in the place of the number wherever a context is told and in every id
//! that a context is part of, so that the ids stay when a network gets another number, or a mirror moves to where it has.

use crate::record::Record;
use dissectors::observation::{Context, Tag};
use std::collections::BTreeMap;

/// Names of VLANs; no two have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By what a context says of each.
    names: BTreeMap<String, String>,
}

impl Names {
    /// Names of VLANs by their numbers. Fails where two have the same, or a name could be taken for something else in a
    /// context.
    pub fn of(vlans: impl IntoIterator<Item = (u16, String)>) -> Result<Self, String> {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for (number, name) in vlans {
            Self::fits(&name)?;
            let tag = Tag::Vlan(number).to_string();
            if let Some((other, _)) = names.iter().find(|(other, known)| **known == name && **other != tag) {
                return Err(format!("{tag} has the name of {other}: every network has its own"));
            }
            names.insert(tag, name);
        }
        Ok(Self { names })
    }

    /// Whether a network may be called so: the name stands between slashes, and must not pass for a number.
    pub fn fits(name: &str) -> Result<(), &'static str> {
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            Err("a name has letters")
        } else if name.contains(['/', ':']) {
            Err("a name has no / and no :, which stand between the parts of a context")
        } else {
            Ok(())
        }
    }

    /// Each VLAN with its name, as `vlan:7=plant-a`.
    pub fn describe(&self) -> String {
        self.names.iter().map(|(tag, name)| format!("{tag}={name}")).collect::<Vec<_>>().join(",")
    }

    /// A context in words.
    pub(super) fn context(&self, context: Context) -> String {
        self.renamed(&context.to_string())
    }

    fn renamed(&self, path: &str) -> String {
        let part = |part: &str| self.names.get(part).map_or_else(|| part.to_owned(), Clone::clone);
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// Puts the names into a row.
    pub(super) fn apply(&self, record: &mut Record) {
        if self.names.is_empty() {
            return;
        }
        let rename = |context: &mut Option<String>| *context = context.as_deref().map(|path| self.renamed(path));
        match record {
            Record::Assets(row) => {
                rename(&mut row.context);
                row.identity_keys.iter_mut().for_each(|key| *key = self.key(key));
                row.identity_keys.sort();
            }
            Record::Claims(row) => rename(&mut row.context),
            Record::Services(row) => rename(&mut row.context),
            Record::Operations(row) => rename(&mut row.context),
            Record::Coverage(row) => rename(&mut row.context),
            Record::Findings(row) => row.evidence.iter_mut().for_each(|evidence| rename(&mut evidence.context)),
            Record::Activity(_)
            | Record::Credentials(_)
            | Record::Certificates(_)
            | Record::Captures(_)
            | Record::Health(_) => {}
        }
    }

    /// An identity key; those of addresses hold in their context.
    fn key(&self, key: &str) -> String {
        match key.split_once(':') {
            Some((kind @ ("ip" | "node" | "child"), place)) => format!("{kind}:{}", self.renamed(place)),
            _ => key.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::of([(7, "plant-a".to_owned()), (9, "Halle 2".to_owned())]).expect("they are fine")
    }

    #[test]
    fn a_name_stands_for_its_number_alone() {
        assert_eq!(names().renamed("vlan:7/vlan:70/vlan:9"), "plant-a/vlan:70/Halle 2");
        assert_eq!(names().key("ip:vlan:7/10.0.0.1"), "ip:plant-a/10.0.0.1");
        assert_eq!(names().key("ip:/10.0.0.1"), "ip:/10.0.0.1");
        assert_eq!(names().key("serial:vlan:7/x"), "serial:vlan:7/x");
        assert_eq!(Names::default().renamed("vlan:7"), "vlan:7");
    }

    #[test]
    fn names_are_told_apart_from_each_other_and_from_numbers() {
        let of = |vlans: &[(u16, &str)]| Names::of(vlans.iter().map(|(number, name)| (*number, (*name).to_owned())));
        assert_eq!(of(&[(7, "a"), (8, "a")]).unwrap_err(), "vlan:8 has the name of vlan:7: every network has its own");
        assert_eq!(of(&[(7, "a"), (7, "a")]).unwrap().describe(), "vlan:7=a");
        for name in ["", " ", "vlan:8", "a/b", "a\u{1b}b"] {
            of(&[(7, name)]).unwrap_err();
        }
    }
}
