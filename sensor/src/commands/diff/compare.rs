//! What is different between two states, row by row.

use crate::commands::finding::text;
use anyhow::{Context, Result};
use dissectors::Timestamp;
use fingerprints::baseline::{Change, Device, Matches, changes};
use fingerprints::finding::Severity;
use outputs::lake::devices;
use outputs::schema::Column;
use outputs::{Cell, Grain, Kind, Row, Rows, Table};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The tables that are compared.
pub(super) const TABLES: [&str; 4] = ["assets", "claims", "services", "findings"];

/// A state: the newest rows of the tables that are compared.
pub(super) type State = [Rows; 4];

/// In which way two states differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    New,
    NotSeen,
    Changed,
    Opened,
    NotFound,
    Relation,
}

impl What {
    pub(super) const ALL: [Self; 6] =
        [Self::New, Self::NotSeen, Self::Changed, Self::Opened, Self::NotFound, Self::Relation];

    /// As rows write it.
    const fn name(self) -> &'static str {
        match self {
            Self::New => "asset_new",
            Self::NotSeen => "asset_not_seen",
            Self::Changed => "asset_changed",
            Self::Opened => "finding_opened",
            Self::NotFound => "finding_not_found",
            Self::Relation => "service_new",
        }
    }
}

/// One difference.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) what: What,
    pub(super) site: String,
    /// The asset or the finding that it is about.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) address: String,
    /// The attribute that changed, the severity of a finding, the port of a relation.
    pub(super) attribute: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) capture: Option<String>,
    pub(super) frame: Option<i64>,
}

/// How differences are written for programs.
pub(super) static TABLE: Table = Table {
    name: "differences",
    doc: "What is different between two states of a plant.",
    grain: Grain::Log,
    key: &["change", "id", "attribute"],
    bloom: &[],
    shown: &["change", "name", "address", "attribute", "old", "new"],
    ranked: None,
    columns: &[
        column(
            "change",
            Kind::Text,
            "asset_new, asset_not_seen, asset_changed, finding_opened, finding_not_found, service_new.",
        ),
        column("site", Kind::Text, "The site."),
        column("id", Kind::Text, "The id of the asset or the finding; of what is gone its old one."),
        column("name", Kind::Text, "What it is called."),
        column("address", Kind::Text, "Where it stands."),
        column("attribute", Kind::Text, "What of it changed; a finding's severity, a relation's port and protocol."),
        column("old", Kind::Text, "What it was."),
        column("new", Kind::Text, "What it is."),
        column("capture", Kind::Text, "The capture that says so."),
        column("frame", Kind::Int64, "The frame there."),
    ],
};

const fn column(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc, since: 1 }
}

impl Difference {
    pub(super) fn row(&self) -> Row {
        let text = |text: &str| if text.is_empty() { Cell::Null } else { Cell::Text(text.to_owned()) };
        let texts = [&self.site, &self.id, &self.name, &self.address, &self.attribute, &self.old, &self.new];
        let capture = self.capture.as_deref().map_or(Cell::Null, text);
        let frame = self.frame.map_or(Cell::Null, Cell::Int);
        let front = std::iter::once(text(self.what.name()));
        front.chain(texts.map(|it| text(it))).chain([capture, frame]).collect()
    }
}

/// Everything that is different, in the order in which it is told. States of one site each are compared whatever the
/// sites are called; where there are several, each is compared with itself.
pub(super) fn differences(old: &State, new: &State) -> Result<Vec<Difference>> {
    let sites = |state: &State| -> BTreeSet<String> {
        state[0].rows.iter().map(|row| text(&state[0], row, "site").to_owned()).collect()
    };
    let (before, now) = (sites(old), sites(new));
    if before.len() <= 1 && now.len() <= 1 {
        let site = now.into_iter().chain(before).next().unwrap_or_default();
        return Ok(in_order(of_site(&site, old, new)?));
    }
    let mut all = Vec::new();
    for site in before.union(&now) {
        let only = |state: &State| state.clone().map(|rows| of_one(rows, site));
        all.extend(of_site(site, &only(old), &only(new))?);
    }
    Ok(in_order(all))
}

/// By kind; findings the worst first, all else by address.
fn in_order(mut all: Vec<Difference>) -> Vec<Difference> {
    all.sort_by_cached_key(|it| {
        let severity = Severity::named(&it.attribute).filter(|_| matches!(it.what, What::Opened | What::NotFound));
        let ip = it.address.parse::<IpAddr>().ok();
        (it.what, Reverse(severity), ip, it.address.clone(), it.name.clone(), it.attribute.clone(), it.id.clone())
    });
    all
}

fn of_one(mut rows: Rows, site: &str) -> Rows {
    let is_of = |row: &Row| rows.table.index("site").is_some_and(|index| row[index].text() == Some(site));
    rows.rows.retain(is_of);
    rows
}

/// The assets of a state that belong to the plant.
pub(super) fn plant([assets, claims, ..]: &State) -> Vec<Device> {
    devices(assets, claims)
}

/// From when to when assets were seen.
pub(super) fn span(devices: &[Device]) -> Option<(Timestamp, Timestamp)> {
    let first = devices.iter().map(|device| device.first_seen).min()?;
    Some((first, devices.iter().map(|device| device.last_seen).max()?))
}

fn of_site(site: &str, old: &State, new: &State) -> Result<Vec<Difference>> {
    let (before, now) = (plant(old), plant(new));
    let matches = Matches::of(&before, &now);
    let about = |what, device: &Device| Difference {
        what,
        site: site.to_owned(),
        id: device.id.clone(),
        name: device.name.clone(),
        address: device.ips.first().or(device.macs.first()).cloned().unwrap_or_default(),
        attribute: String::new(),
        old: String::new(),
        new: String::new(),
        capture: None,
        frame: None,
    };
    let mut all = Vec::new();
    for (place, device) in now.iter().enumerate() {
        if !matches.is_known(place) && device.is_of_the_plant() {
            all.push(Difference { new: called(device), ..about(What::New, device) });
        }
    }
    for (place, device) in before.iter().enumerate() {
        if !matches.is_seen(place) && device.is_of_the_plant() {
            all.push(Difference { old: called(device), ..about(What::NotSeen, device) });
        }
    }
    for (place, device) in now.iter().enumerate() {
        let Some(was) = matches.old_of(place).and_then(|old| before.get(old)) else { continue };
        all.extend(changes(was, device).into_iter().map(|Change { attribute, old, new, said }| Difference {
            attribute: attribute.to_owned(),
            old,
            new,
            capture: said.as_ref().and_then(|said| said.capture.clone()),
            frame: said.as_ref().and_then(|said| said.frame),
            ..about(What::Changed, device)
        }));
    }
    let ids = Ids::of(&matches, &before, &now);
    all.extend(findings(site, &ids, &old[3], &new[3]));
    all.extend(relations(site, &ids, &old[2], &new[2]).context("the schema has services")?);
    Ok(all)
}

/// What a device calls itself.
fn called(device: &Device) -> String {
    let words = ["vendor", "model", "firmware"].into_iter().filter_map(|attribute| device.value(attribute));
    words.collect::<Vec<_>>().join(" ")
}

/// What the assets of the new state were called in the old one.
struct Ids(BTreeMap<String, String>);

impl Ids {
    fn of(matches: &Matches, before: &[Device], now: &[Device]) -> Self {
        let old = |place| before.get(matches.olds_of(place).first().copied()?);
        Self(now.iter().enumerate().filter_map(|(n, it)| Some((it.id.clone(), old(n)?.id.clone()))).collect())
    }

    fn old<'i>(&'i self, id: &'i str) -> &'i str {
        self.0.get(id).map_or(id, String::as_str)
    }
}

/// Findings that stand in one state alone: known by their ids, or by what they are about.
fn findings(site: &str, ids: &Ids, old: &Rows, new: &Rows) -> Vec<Difference> {
    type About = [String; 5];
    let about = |rows: &Rows, row: &Row, is_new: bool| -> About {
        let old = |id: &str| if is_new { ids.old(id).to_owned() } else { id.to_owned() };
        let port = rows.table.index("port").and_then(|index| row[index].int());
        [
            text(rows, row, "kind").to_owned(),
            old(text(rows, row, "asset_id")),
            old(text(rows, row, "peer_asset_id")),
            text(rows, row, "protocol").to_owned(),
            port.map(|port| port.to_string()).unwrap_or_default(),
        ]
    };
    let known = |rows: &Rows, is_new| -> (BTreeSet<String>, BTreeSet<About>) {
        let ids = rows.rows.iter().map(|row| text(rows, row, "finding_id").to_owned()).collect();
        (ids, rows.rows.iter().map(|row| about(rows, row, is_new)).collect())
    };
    let (before, now) = (known(old, false), known(new, true));
    let missing = |rows: &Rows, is_new: bool, others: &(BTreeSet<String>, BTreeSet<About>), what| {
        let is_missing = |row: &&Row| {
            !others.0.contains(text(rows, row, "finding_id")) && !others.1.contains(&about(rows, row, is_new))
        };
        let difference = |row: &Row| {
            let of = |column| text(rows, row, column).to_owned();
            let kind = of("kind");
            let (old, new) = if is_new { (String::new(), kind) } else { (kind, String::new()) };
            let (capture, frame) = proof(rows, row);
            let (id, name, address) = (of("finding_id"), of("title"), of("asset_ip"));
            Difference {
                what,
                site: site.to_owned(),
                id,
                name,
                address,
                attribute: of("severity"),
                old,
                new,
                capture,
                frame,
            }
        };
        rows.rows.iter().filter(is_missing).map(difference).collect::<Vec<_>>()
    };
    let mut all = missing(new, true, &before, What::Opened);
    all.extend(missing(old, false, &now, What::NotFound));
    all
}

/// The first packet that proves a finding.
fn proof(rows: &Rows, row: &Row) -> (Option<String>, Option<i64>) {
    let Some(place) = rows.table.index("evidence") else { return (None, None) };
    let Kind::List(Kind::Struct(fields)) = rows.table.columns[place].kind else { return (None, None) };
    let field =
        |name: &str| row[place].inner().first()?.inner().get(fields.iter().position(|field| field.name == name)?);
    (field("capture").and_then(Cell::text).map(str::to_owned), field("frame").and_then(Cell::int))
}

/// From here on ports are lent to clients for a while; one that is in use is no service unless its protocol is known.
const FIRST_LENT_PORT: i64 = 32_768;

/// Who uses a service of whom that nobody was seen to use before.
fn relations(site: &str, ids: &Ids, old: &Rows, new: &Rows) -> Option<Vec<Difference>> {
    let port = new.table.index("server_port")?;
    let key = |rows: &Rows, row: &Row, is_new: bool| {
        let old = |id: &str| if is_new { ids.old(id).to_owned() } else { id.to_owned() };
        let [client, server, transport, protocol] =
            ["client_asset_id", "server_asset_id", "transport", "protocol"].map(|column| text(rows, row, column));
        (old(client), old(server), row[port].int(), transport.to_owned(), protocol.to_owned())
    };
    let mut known: BTreeSet<_> = old.rows.iter().map(|row| key(old, row, false)).collect();
    let mut all = Vec::new();
    for row in &new.rows {
        let of = |column| text(new, row, column).to_owned();
        let protocol = of("protocol");
        let is_service = !protocol.is_empty() || row[port].int().is_some_and(|port| port < FIRST_LENT_PORT);
        if of("server_asset_id").is_empty() || !is_service || !known.insert(key(new, row, true)) {
            continue;
        }
        let number = row[port].int().map(|port| port.to_string()).unwrap_or_default();
        let attribute = format!("{number}/{} {protocol}", of("transport")).trim().to_owned();
        let (id, name, address) = (of("server_asset_id"), of("client_ip"), of("server_ip"));
        let (what, site) = (What::Relation, site.to_owned());
        let new = format!("{name} uses {address} {attribute}");
        all.push(Difference {
            what,
            site,
            id,
            name,
            address,
            attribute,
            old: String::new(),
            new,
            capture: None,
            frame: None,
        });
    }
    Some(all)
}
