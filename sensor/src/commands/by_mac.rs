//! Vendors that only a MAC address tells: who made the network card need not have made the device, and people are told so.

use outputs::{Cell, Row, Rows};
use std::collections::BTreeSet;

/// What stands behind such a vendor.
pub(super) const MARK: &str = " (by MAC)";

/// Marks the vendors of assets, where people read them, of which no claim but the MAC's says anything.
pub(super) fn mark(assets: &mut Rows, claims: &Rows) {
    let by_mac: BTreeSet<String> = {
        let is_by_mac = |row: &&Row| {
            let is = |column, value| text(claims, row, column) == value;
            is("attribute", "vendor") && is("field", "otoscope.mac") && is_chosen(claims, row)
        };
        let ids = claims.rows.iter().filter(is_by_mac).map(|row| text(claims, row, "asset_id").to_owned());
        ids.collect()
    };
    let (Some(id), Some(vendor)) = (assets.table.index("asset_id"), assets.table.index("vendor")) else { return };
    for row in &mut assets.rows {
        if row[id].text().is_some_and(|id| by_mac.contains(id))
            && let Cell::Text(name) = &mut row[vendor]
        {
            name.push_str(MARK);
        }
    }
}

fn text<'r>(rows: &Rows, row: &'r Row, column: &str) -> &'r str {
    rows.table.index(column).and_then(|index| row[index].text()).unwrap_or_default()
}

fn is_chosen(claims: &Rows, row: &Row) -> bool {
    claims.table.index("chosen").and_then(|index| row[index].bool()).unwrap_or_default()
}
