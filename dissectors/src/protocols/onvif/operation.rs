//! Which operations there are: their names, who may call them and what they change, as a table.

use super::ONVIF;
use crate::dissector::Direction;
use crate::observation::{Category, Operation};
use crate::soap;
use crate::xml::Element;
use std::sync::LazyLock;

/// An operation of a service.
#[derive(Debug)]
pub(crate) struct Row {
    service: &'static str,
    /// Its name alone.
    name: &'static str,
    /// As rows write it: with its service where several have one of this name.
    told: &'static str,
    /// Who may call it (ONVIF Core, 5.9.4.3).
    pub(crate) access: &'static str,
    /// What it changes, if it changes anything.
    pub(crate) category: Option<Category>,
    /// The elements that say on what; any of these, where they stand.
    pub(crate) target: &'static str,
    /// The elements that say how.
    pub(crate) value: &'static str,
    pub(crate) of: &'static str,
}

impl Row {
    /// In a few words, what is done by it that nobody should do without a login; `None` of what a client needs before it
    /// logs in.
    pub(crate) fn asks_for_login(&self) -> Option<&'static str> {
        ACCESS.iter().find(|(class, _)| *class == self.access).map(|(_, what)| *what)
    }
}

/// The classes of access above `PRE_AUTH` (ONVIF Core, 5.9.4.3), and what falls under them.
static ACCESS: &[(&str, &str)] = &[
    ("read_system", "device settings read"),
    ("read_system_secret", "users, logs or backups read"),
    ("write_system", "device settings changed"),
    ("unrecoverable", "restart, reset or firmware"),
    ("read_media", "media settings read"),
    ("actuate", "camera controlled"),
];

/// What a body's element means.
pub(crate) struct Term {
    pub(crate) operation: Operation,
    pub(crate) direction: Direction,
    pub(crate) row: Option<&'static Row>,
}

/// The operation that an element asks for or answers, if it is one of ONVIF's namespaces.
pub(crate) fn term(element: Element<'_, '_>) -> Option<Term> {
    let space = element.space();
    let service = soap::service(space);
    if service.is_none() && space != soap::ONVIF {
        return None;
    }
    let (name, direction) = match element.name().strip_suffix(b"Response") {
        Some(asked) if !asked.is_empty() => (asked, Direction::Response),
        _ => (element.name(), Direction::Request),
    };
    let row = service.and_then(|service| row(service, name));
    let operation = match row {
        Some(row) => Operation::VerbWithin(ONVIF, row.told),
        None => Operation::word_within(ONVIF, name),
    };
    Some(Term { operation, direction, row })
}

fn row(service: &str, name: &[u8]) -> Option<&'static Row> {
    let key = (service.as_bytes(), name);
    let at = TABLE.binary_search_by(|row| (row.service.as_bytes(), row.name.as_bytes()).cmp(&key)).ok()?;
    TABLE.get(at)
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows: Vec<Row> = TEXT.lines().skip(1).filter_map(parse).collect();
    rows.sort_by_key(|row| (row.service, row.name));
    rows
});
const TEXT: &str = include_str!("../../../data/onvif_operations.tsv");

fn parse(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t').map(|cell| if cell == "-" { "" } else { cell });
    let mut cell = || cells.next();
    let (service, told, access) = (cell()?, cell()?, cell()?);
    let (category, target, value) = (cell()?, cell()?, cell()?);
    let name = told.rsplit('.').next()?;
    let category = if category.is_empty() { None } else { Some(Category::named(category)?) };
    Some(Row { service, name, told, access, category, target, value, of: service })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_row_is_read_and_a_name_that_several_services_have_is_told_with_its_service() {
        assert_eq!(TABLE.len(), TEXT.lines().count() - 1);
        let mut bearers: BTreeMap<&str, u32> = BTreeMap::new();
        for row in TABLE.iter() {
            *bearers.entry(row.name).or_default() += 1;
            assert!(row.access == "pre_auth" || row.asks_for_login().is_some(), "{row:?}");
            let mut services = (16..).map_while(|number| soap::service(crate::xml::Space(number)));
            assert!(services.any(|service| service == row.service), "{row:?}");
        }
        for row in TABLE.iter() {
            let expected =
                if bearers[row.name] > 1 { format!("{}.{}", row.service, row.name) } else { row.name.into() };
            assert_eq!(row.told, expected);
        }
    }
}
