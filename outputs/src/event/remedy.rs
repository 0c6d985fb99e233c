//! What a remediation tool needs to act: the member `remediation` of an event.
//!
//! The inventory writes into a finding what it alone knows; what stands in other columns of the finding and its asset is
//! put beside it here, so that the tool has to look nowhere else.

use std::collections::BTreeMap;

use fingerprints::record::{AssetRow, FindingRow};
use serde_json::{Value, json};

/// Which parameters each remediation has, besides those that name the device.
const PARAMETERS: [(&str, &[&str]); 8] = [
    ("rotate_password", &["address", "port", "protocol", "scheme", "username"]),
    ("update_firmware", &["address", "current", "fixed", "advisories", "source", "order_code"]),
    ("replace_certificate", &["address", "port", "sha256", "subject", "not_after", "why"]),
    ("disable_protocol", &["address", "port", "protocol", "instead"]),
    ("restrict_access", &["address", "peer", "port", "protocol", "policy"]),
    ("enable_authentication", &["address", "port", "protocol"]),
    ("enable_encryption", &["address", "port", "protocol"]),
    ("set_clock", &["address"]),
];

/// What names the device, for every remediation.
const DEVICE: [&str; 3] = ["vendor", "model", "serial"];

pub(super) fn remediation(finding: &FindingRow, asset: Option<&AssetRow>) -> Value {
    let Some(action) = &finding.remediation else { return Value::Null };
    json!({
        "remediation_id": finding.remediation_id,
        "action": action,
        "parameters": parameters(action, finding, asset),
        "verification": finding.verification,
        "verifiable": finding.verifiable,
    })
}

fn parameters(action: &str, finding: &FindingRow, asset: Option<&AssetRow>) -> BTreeMap<String, String> {
    let mut parameters = finding.remediation_parameters.clone();
    let own = PARAMETERS.iter().find(|(name, _)| *name == action).map_or(&["address"][..], |(_, names)| names);
    for name in own.iter().chain(&DEVICE) {
        if let (false, Some(value)) = (parameters.contains_key(*name), known(name, finding, asset)) {
            parameters.insert((*name).to_owned(), value);
        }
    }
    parameters
}

/// What a column says of a parameter.
fn known(name: &str, finding: &FindingRow, asset: Option<&AssetRow>) -> Option<String> {
    let of_asset = |column: fn(&AssetRow) -> &Option<String>| asset.and_then(|asset| column(asset).clone());
    match name {
        "address" => finding.asset_ip.clone(),
        "port" => finding.port.map(|port| port.to_string()),
        "protocol" => finding.protocol.clone(),
        "peer" => finding.peer_ip.clone(),
        "current" => of_asset(|asset| &asset.firmware),
        "fixed" => finding.fixed_version.clone(),
        "advisories" => Some(finding.advisory_ids.join(" ")).filter(|ids| !ids.is_empty()),
        "order_code" => of_asset(|asset| &asset.order_code),
        "vendor" => of_asset(|asset| &asset.vendor),
        "model" => of_asset(|asset| &asset.model),
        "serial" => of_asset(|asset| &asset.serial),
        // Only the inventory knows these.
        _ => None,
    }
}

/// The member as JSON Schema.
pub(super) fn schema() -> Value {
    let text = || json!({"type": ["string", "null"]});
    let actions: Vec<&str> = PARAMETERS.iter().map(|(action, _)| *action).chain(["replace_device", "review"]).collect();
    json!({
        "type": ["object", "null"],
        "properties": {
            "remediation_id": {"type": ["string", "null"], "description": "Findings that one action cures share it."},
            "action": {"type": "string", "examples": actions},
            "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
            "verification": text(),
            "verifiable": text(),
        },
        "required": ["remediation_id", "action", "parameters", "verification", "verifiable"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_gets_what_it_needs_and_what_the_inventory_says_goes_first() {
        let asset = AssetRow {
            vendor: Some("Siemens".into()),
            firmware: Some("4.4".into()),
            order_code: Some("6ES7 214".into()),
            ..AssetRow::default()
        };
        let finding = FindingRow {
            remediation: Some("update_firmware".into()),
            remediation_id: Some("r-1".into()),
            remediation_parameters: [("fixed".to_owned(), "4.7".to_owned())].into(),
            fixed_version: Some("4.6".into()),
            advisory_ids: vec!["SSA-1".into(), "SSA-2".into()],
            asset_ip: Some("10.0.0.1".into()),
            ..FindingRow::default()
        };
        let remediation = remediation(&finding, Some(&asset));
        assert_eq!(
            remediation["parameters"],
            json!({
                "address": "10.0.0.1", "advisories": "SSA-1 SSA-2", "current": "4.4", "fixed": "4.7",
                "order_code": "6ES7 214", "vendor": "Siemens"
            })
        );
    }

    #[test]
    fn where_nothing_is_to_be_done_nothing_is_said() {
        assert_eq!(remediation(&FindingRow::default(), None), Value::Null);
    }
}
