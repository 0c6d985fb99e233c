//! What a lake knows of a site, for a later run to compare itself with.

use std::collections::{BTreeMap, BTreeSet};

use fingerprints::baseline::{Baseline, Device, Password};
use fingerprints::record::{AssetRow, ClaimRow, Provenance};

use super::{Lake, later_schema};
use crate::cell::{Cell, Row};
use crate::error::OutputError;
use crate::rows::Rows;
use crate::runs::{Input, Manifest, Overlap, Run, replaced, sha256};
use crate::schema::Table;
use crate::schema::tables::{ASSETS, CLAIMS, CREDENTIALS};

impl Lake {
    /// The newest state of a site's assets. What runs told whose captures are all read again is left out: a run is not
    /// compared with itself, so that reading the same twice tells the same twice.
    ///
    /// Fails when the lake knows no asset of the site, and when a later version wrote it.
    pub fn baseline(&self, site: &str, again: &[Input]) -> Result<Baseline, OutputError> {
        if let Some(version) = later_schema(&self.root)? {
            return Err(OutputError::Later { path: self.root.clone(), version });
        }
        let provenance = Provenance { site: site.to_owned(), ..Provenance::default() };
        let run = Run { provenance, inputs: again.to_vec(), ..Run::default() };
        let ours = replaced(&run, Manifest::all(&self.root)?, Overlap::Append)?;
        let ours: BTreeSet<String> = ours.into_iter().map(|manifest| manifest.run_id).collect();
        let all = self.read(&ASSETS)?;
        let sites: BTreeSet<String> = all.rows.iter().map(|row| text(&all, row, "site")).collect();
        let assets = of_others(all, site, &ours).newest();
        if assets.rows.is_empty() {
            return Err(OutputError::NoBaseline { path: self.root.clone(), site: site.to_owned(), sites });
        }
        let runs: BTreeSet<String> = assets.rows.iter().map(|row| text(&assets, row, "run_id")).collect();
        let claims = of_others(self.read(&CLAIMS)?, site, &ours).newest();
        let id = sha256(runs.into_iter().collect::<Vec<_>>().join(" ").as_bytes());
        let mut passwords = passwords(&of_others(self.read(&CREDENTIALS)?, site, &ours));
        let mut devices = devices(&assets, &claims);
        for device in &mut devices {
            device.passwords = passwords.remove(&device.id).unwrap_or_default();
        }
        Ok(Baseline { name: self.root.to_string_lossy().into_owned(), id, devices })
    }

    /// The sites of which assets stand in the lake.
    pub fn sites(&self) -> Result<BTreeSet<String>, OutputError> {
        let assets = self.read(&ASSETS)?;
        Ok(assets.rows.iter().map(|row| text(&assets, row, "site")).collect())
    }
}

/// The rows of a site that other runs told.
fn of_others(mut rows: Rows, site: &str, ours: &BTreeSet<String>) -> Rows {
    let table = rows.table;
    let is_of = |row: &Row| {
        let [site_of, run] = ["site", "run_id"].map(|column| cell(table, row, column).text().unwrap_or_default());
        site_of == site && !ours.contains(run)
    };
    rows.rows.retain(is_of);
    rows
}

/// The devices that these rows tell of; the newest row of each key is expected.
pub fn devices(assets: &Rows, claims: &Rows) -> Vec<Device> {
    let mut by_asset: BTreeMap<String, Vec<ClaimRow>> = BTreeMap::new();
    for row in &claims.rows {
        let claim = claim(claims.table, row);
        by_asset.entry(claim.asset_id.clone()).or_default().push(claim);
    }
    let device = |row: &Row| {
        let asset = asset(assets.table, row);
        let claims = by_asset.get(&asset.asset_id).map(Vec::as_slice).unwrap_or_default();
        Device::of(&asset, claims)
    };
    assets.rows.iter().map(device).collect()
}

/// The passwords that each host accepted, by its id; the rows are in the order of time.
fn passwords(credentials: &Rows) -> BTreeMap<String, Vec<Password>> {
    let mut by_asset: BTreeMap<String, Vec<Password>> = BTreeMap::new();
    for row in &credentials.rows {
        let cell = |column| cell(credentials.table, row, column);
        let text = |column| cell(column).text().map(str::to_owned);
        let is_of_host = cell("child_key").is_null() && cell("outcome").text() == Some("accepted");
        let (Some(server), Some(hash)) = (text("server_asset_id").filter(|_| is_of_host), text("secret_hmac")) else {
            continue;
        };
        let password = Password {
            port: cell("server_port").int().and_then(|port| i32::try_from(port).ok()).unwrap_or_default(),
            scheme: text("scheme").unwrap_or_default(),
            username: text("username"),
            hash,
            first_seen: cell("first_seen").time().unwrap_or_default(),
        };
        let of_asset = by_asset.entry(server).or_default();
        let is_same = |known: &Password| {
            (known.port, &known.scheme, &known.username, &known.hash)
                == (password.port, &password.scheme, &password.username, &password.hash)
        };
        match of_asset.iter_mut().find(|known| is_same(known)) {
            Some(known) => known.first_seen = known.first_seen.min(password.first_seen),
            None => of_asset.push(password),
        }
    }
    by_asset
}

fn text(rows: &Rows, row: &Row, column: &str) -> String {
    cell(rows.table, row, column).text().unwrap_or_default().to_owned()
}

fn cell<'r>(table: &Table, row: &'r Row, column: &str) -> &'r Cell {
    table.index(column).and_then(|index| row.get(index)).unwrap_or(&Cell::Null)
}

/// What of an asset's row is compared.
fn asset(table: &Table, row: &Row) -> AssetRow {
    let cell = |column| cell(table, row, column);
    let text = |column| cell(column).text().map(str::to_owned);
    let list = |column| cell(column).inner().iter().filter_map(Cell::text).map(str::to_owned).collect();
    let time = |column| cell(column).time().unwrap_or_default();
    AssetRow {
        asset_id: text("asset_id").unwrap_or_default(),
        identity_keys: list("identity_keys"),
        parent_asset_id: text("parent_asset_id"),
        kind: text("kind").unwrap_or_default(),
        name: text("name"),
        macs: list("macs"),
        ips: list("ips"),
        listening_ports: list("listening_ports"),
        first_seen: time("first_seen"),
        last_seen: time("last_seen"),
        two_way: cell("two_way").double(),
        ..AssetRow::default()
    }
}

/// What of a claim's row is compared.
fn claim(table: &Table, row: &Row) -> ClaimRow {
    let cell = |column| cell(table, row, column);
    let text = |column| cell(column).text().unwrap_or_default().to_owned();
    ClaimRow {
        asset_id: text("asset_id"),
        attribute: text("attribute"),
        value: text("value"),
        field: text("field"),
        confidence: cell("confidence").int().and_then(|number| i32::try_from(number).ok()).unwrap_or_default(),
        chosen: cell("chosen").bool().unwrap_or_default(),
        first_seen: cell("first_seen").time().unwrap_or_default(),
        last_seen: cell("last_seen").time().unwrap_or_default(),
        capture: cell("capture").text().map(str::to_owned),
        frame: cell("frame").int(),
        ..ClaimRow::default()
    }
}
