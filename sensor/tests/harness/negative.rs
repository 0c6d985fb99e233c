//! Ordinary IT traffic gives no OT protocol.

use super::support::{captures_in, public_captures, read};
use sensor::pipeline::Settings;

/// Protocols that only operational technology speaks.
const OT: [&str; 2] = ["modbus", "bacnet"];

#[test]
fn it_traffic_names_no_ot_protocol() {
    let Some(folder) = public_captures() else { return };
    let inputs = captures_in(&folder.join("it"));
    assert!(inputs.len() > 100, "{} captures", inputs.len());
    for input in inputs {
        let (notebook, _) = read(vec![input.clone()], Settings::default());
        let named = notebook.observations.iter().find(|told| OT.contains(&told.evidence.protocol));
        assert!(named.is_none(), "{}: {named:?}", input.name);
    }
}
