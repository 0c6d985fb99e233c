//! Rows of the public tables, from assets and sums.
//!
//! Rows of state write captures by their place in the run, and are named when the run ends: see [`name_captures`]. The
//! others are made then.

use super::CaptureName;
use super::assets::{Asset, Assets};
use super::channels::{ChannelKey, Channels};
use super::coverage::is_global;
use super::known::{Key, Seen};
use super::sums::{Deed, DeedKey, Service, ServiceKey, Sums, Talk, TalkKey, end_of};
use crate::asset::{Attribute, Claim};
use crate::community;
use crate::protocol::Protocols;
use crate::record::{ActivityRow, AssetRow, ClaimRow, OperationRow, Record, ServiceRow, Shared};
use crate::rules::Rules;
use crate::table;
use dissectors::observation::{Address, Child, Context, Host, Operation, Outcome, RolesFrom};
use dissectors::{Direction, Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A count for a column of 64 bits with a sign.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count for a column of floating point.
#[allow(clippy::cast_precision_loss, reason = "counts below 2^53 are exact, and a share needs no more")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A context; no tag at all is unknown.
pub(super) fn context(context: Context) -> Option<String> {
    (!context.is_root()).then(|| context.to_string())
}

fn frame(frame: Option<u64>) -> Option<i64> {
    frame.map(int)
}

pub(super) fn ip(host: Host) -> Option<String> {
    match host.address {
        Address::Ip(_) => Some(host.address.to_string()),
        Address::Mac(_) | Address::Node(..) => None,
    }
}

/// The row of an asset.
pub(super) fn asset(assets: &Assets<'_>, asset: &Asset<'_>, protocols: &Protocols, as_of: Timestamp) -> AssetRow {
    let value = |attribute| asset.value(attribute).map(str::to_owned);
    let (mut hours, mut flows, mut two_way, mut lost) = (super::known::Hours::default(), 0u64, 0u64, 0u64);
    for known in &asset.members {
        hours.join(&known.hours);
        flows = flows.saturating_add(known.flows);
        two_way = two_way.saturating_add(known.flows_two_way);
        lost = lost.saturating_add(known.lost_bytes);
    }
    AssetRow {
        as_of,
        asset_id: asset.id.to_string(),
        aliases: asset.aliases.clone(),
        identity_keys: asset.identity_keys(),
        parent_asset_id: asset.parent.and_then(|parent| assets.all.get(parent)).map(|parent| parent.id.to_string()),
        kind: kind(asset, protocols).to_owned(),
        child_key: asset.child().map(|(_, child)| child.to_string()),
        name: Some(asset.title().to_owned()),
        macs: asset.macs.iter().map(|carried| carried.mac.to_string()).collect(),
        ips: asset.ips().into_iter().filter_map(|(host, _)| ip(host)).collect(),
        context: asset.homes.first().and_then(|home| context(home.key.host.context)),
        hostname: value(Attribute::Hostname),
        vendor: value(Attribute::Vendor),
        model: value(Attribute::Model),
        order_code: value(Attribute::OrderCode),
        firmware: value(Attribute::Firmware),
        hardware: value(Attribute::Hardware),
        serial: value(Attribute::Serial),
        os: value(Attribute::Os),
        mac_vendor: value(Attribute::MacVendor),
        role: value(Attribute::Role),
        location: value(Attribute::Location),
        protocols: asset.protocols().into_iter().map(str::to_owned).collect(),
        listening_ports: ports(asset),
        first_seen: asset.first_seen(),
        last_seen: asset.last_seen(),
        confidence: confidence(asset),
        firmware_since: asset.chosen(Attribute::Firmware).map(|claim| claim.first_seen),
        vulnerability_status: Some("not_checked".to_owned()),
        observed_hours: Some(float(hours.count())),
        lost_bytes: Some(int(lost)),
        two_way: (flows > 0).then(|| (float(two_way) / float(flows)).min(1.0)),
        ..AssetRow::default()
    }
}

/// How sure it is what the asset is: the confidence of the model that wins, else of the vendor, else of the role.
fn confidence(asset: &Asset<'_>) -> Option<i32> {
    let deciding = [Attribute::Model, Attribute::Vendor, Attribute::Role];
    let claim = deciding.into_iter().find_map(|attribute| asset.chosen(attribute))?;
    Some(i32::from(claim.told.confidence))
}

/// An address of the internet is external, unless it is on the link, says something of itself, or serves the plant.
fn kind(asset: &Asset<'_>, protocols: &Protocols) -> &'static str {
    if asset.child().is_some() {
        return "child";
    }
    let ips = asset.ips();
    let is_far = |host: &Host| matches!(host.address, Address::Ip(ip) if is_global(ip));
    let is_external = !ips.is_empty()
        && ips.iter().all(|(host, _)| is_far(host))
        && asset.macs.is_empty()
        && !asset.names_itself()
        && !asset.protocols().iter().any(|protocol| protocols.of(protocol).industrial);
    if is_external { "external" } else { "device" }
}

fn ports(asset: &Asset<'_>) -> Vec<String> {
    let ports = asset.members.iter().flat_map(|known| known.ports.iter());
    let ports: BTreeSet<_> = ports.copied().collect();
    ports.into_iter().map(|(port, transport)| format!("{port}/{transport}")).collect()
}

/// Why an asset is called what it is, its addresses and joins among the reasons.
pub(super) fn claims(asset: &Asset<'_>, rules: &Rules, as_of: Timestamp) -> Vec<ClaimRow> {
    let told = asset.claims.iter().map(|shown| ClaimRow {
        context: context(shown.context),
        chosen: asset.is_chosen(&shown.claim),
        ..claim(asset, &shown.claim, rules, as_of)
    });
    let mut rows: Vec<ClaimRow> = told.collect();
    rows.extend(asset.ips().into_iter().filter_map(|(host, seen)| {
        let row = address(asset, "ip", ip(host)?, (seen, 100), as_of);
        Some(ClaimRow { context: context(host.context), ..row })
    }));
    rows.extend(asset.macs.iter().map(|carried| ClaimRow {
        context: asset.homes.first().and_then(|home| super::assets::context(home)),
        field: crate::rules::MAC.to_owned(),
        ..address(asset, "mac", carried.mac.to_string(), (carried.seen, carried.sure), as_of)
    }));
    rows.extend(asset.joins.iter().map(|(join, alias)| ClaimRow {
        field: "otoscope.join".to_owned(),
        rule: Some(format!("{} {}", join.rule, join.key.trim_end())),
        ..address(asset, "alias", alias.clone(), (Seen::once(join.evidence), 100), as_of)
    }));
    rows.sort_by(|a, b| {
        (&a.attribute, &a.value, &a.field, &a.context).cmp(&(&b.attribute, &b.value, &b.field, &b.context))
    });
    rows
}

fn claim(asset: &Asset<'_>, claim: &Claim, rules: &Rules, as_of: Timestamp) -> ClaimRow {
    ClaimRow {
        as_of,
        asset_id: asset.id.to_string(),
        attribute: claim.told.attribute.name().to_owned(),
        value: claim.told.value.to_string(),
        protocol: named(claim.evidence.protocol),
        field: claim.told.field.to_owned(),
        rule: Some(rules.id(claim.told.rule).to_owned()),
        confidence: i32::from(claim.told.confidence),
        first_seen: claim.first_seen,
        last_seen: claim.last_seen,
        count: int(claim.count),
        capture: Some(claim.evidence.capture.to_string()),
        frame: frame(claim.evidence.frame),
        ..ClaimRow::default()
    }
}

fn address(asset: &Asset<'_>, attribute: &str, value: String, (seen, sure): (Seen, u8), as_of: Timestamp) -> ClaimRow {
    ClaimRow {
        as_of,
        asset_id: asset.id.to_string(),
        attribute: attribute.to_owned(),
        value,
        protocol: named(seen.evidence.protocol),
        field: "otoscope.address".to_owned(),
        confidence: i32::from(sure),
        chosen: true,
        first_seen: seen.first,
        last_seen: seen.last,
        count: int(seen.count),
        capture: Some(seen.evidence.capture.to_string()),
        frame: frame(seen.evidence.frame),
        ..ClaimRow::default()
    }
}

fn named(protocol: &str) -> Option<String> {
    (!protocol.is_empty()).then(|| protocol.to_owned())
}

/// The rows of conversations.
pub(super) fn services(
    assets: &Assets<'_>,
    sums: [&Sums<ServiceKey, Service>; 2],
    channels: &Channels,
    before: Timestamp,
) -> Vec<ServiceRow> {
    let all = sums.iter().flat_map(|sums| sums.sorted()).filter(|(key, _)| key.window < before);
    let mut rows: Vec<ServiceRow> = all.map(|(key, sum)| service(assets, key, sum, channels)).collect();
    // Rows are large: each is moved once.
    rows.sort_by_cached_key(service_order);
    rows
}

fn service_order(row: &ServiceRow) -> (Timestamp, Option<Shared>, Option<i32>, Option<Shared>) {
    (row.window_start, row.server_asset_id.clone(), row.server_port, row.client_asset_id.clone())
}

fn service(assets: &Assets<'_>, key: &ServiceKey, sum: &Service, channels: &Channels) -> ServiceRow {
    let server = key.server.filter(|_| !key.server_is_group).and_then(|server| assets.of(server));
    let client = key.client.and_then(|client| assets.of(client));
    let application = |asset: Option<&Asset<'_>>, attribute, port| asset?.application(attribute, key.protocol?, port);
    let mut row = ServiceRow {
        window_start: key.window,
        window_end: end_of(key.window),
        client_asset_id: client.map(|asset| asset.id.clone()),
        client_ip: key.client.and_then(ip),
        client_application: application(client, Attribute::ClientApplication, None),
        server_asset_id: server.map(|asset| asset.id.clone()),
        server_ip: key.server.and_then(ip),
        server_port: key.server.filter(|_| key.port != 0).map(|_| i32::from(key.port)),
        transport: Some(key.transport.to_string()),
        protocol: key.protocol,
        server_application: application(server, Attribute::ServerApplication, Some(key.port)),
        roles_from: sum.roles_from.map(roles_from),
        context: key.client.and_then(|client| context(client.context)),
        first_seen: sum.first_seen,
        last_seen: sum.last_seen,
        flows: int(sum.flows),
        packets_to_server: int(sum.to_server.packets),
        packets_to_client: int(sum.to_client.packets),
        bytes_to_server: int(sum.to_server.bytes),
        bytes_to_client: int(sum.to_client.bytes),
        lost_bytes: int(sum.lost_bytes),
        ..ServiceRow::default()
    };
    if let (Some(server), Some(client)) = (key.server, key.client) {
        channels.tell(&mut row, &ChannelKey { window: key.window, server, port: key.port, client });
    }
    row
}

fn roles_from(roles: RolesFrom) -> &'static str {
    match roles {
        RolesFrom::Port => "port",
        RolesFrom::Syn => "syn",
        RolesFrom::Content => "content",
    }
}

/// What tells rows of messages apart, assets by their places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TalkRowKey<'a> {
    window: Timestamp,
    server: Option<usize>,
    child: Option<&'a Child>,
    client: Option<usize>,
    protocol: &'static str,
    operation: &'a Operation,
    direction: Direction,
    is_control: bool,
}

impl<'a> TalkRowKey<'a> {
    fn of(assets: &Assets<'_>, key: &'a TalkKey, talk: &Talk) -> Self {
        Self {
            window: key.window,
            server: (!key.server_is_group).then(|| assets.place(&Key::host(key.server))).flatten(),
            child: key.child.as_ref(),
            client: assets.place(&Key::host(key.client)),
            protocol: key.protocol,
            operation: &key.operation,
            direction: key.direction,
            is_control: talk.is_control,
        }
    }
}

/// The rows of messages; what two addresses of one asset said is one row. There are many: they are sorted by numbers, and
/// put into words once each.
pub(super) fn activity(
    assets: &Assets<'_>,
    sums: &Sums<TalkKey, Talk>,
    captures: &[Shared],
    before: Timestamp,
) -> Vec<ActivityRow> {
    let talks = sums.iter().filter(|(key, _)| key.window < before);
    let mut talks: Vec<(TalkRowKey<'_>, &Talk)> =
        talks.map(|(key, talk)| (TalkRowKey::of(assets, key, talk), talk)).collect();
    talks.sort_unstable_by_key(|(key, _)| *key);
    let mut names = OperationNames::default();
    let alike = talks.chunk_by(|(one, _), (other, _)| one == other);
    let sums = alike.filter_map(|alike| {
        let ((key, first), others) = alike.split_first()?;
        let mut talk = (*first).clone();
        for (_, other) in others {
            talk.add(other);
        }
        Some((*key, talk))
    });
    sums.map(|(key, talk)| activity_row(assets, key, &talk, &mut names, captures)).collect()
}

fn activity_row(
    assets: &Assets<'_>,
    key: TalkRowKey<'_>,
    talk: &Talk,
    names: &mut OperationNames,
    captures: &[Shared],
) -> ActivityRow {
    let id = |place: Option<usize>| Some(assets.all.get(place?)?.id.clone());
    let (operation, operation_name) = names.of(key.protocol, key.operation);
    ActivityRow {
        window_start: key.window,
        window_end: end_of(key.window),
        client_asset_id: id(key.client),
        server_asset_id: id(key.server),
        child_key: key.child.map(ToString::to_string),
        protocol: key.protocol,
        operation_name,
        operation,
        direction: key.direction.name(),
        is_control: key.is_control,
        messages: int(talk.messages),
        exceptions: int(talk.exceptions),
        unanswered: int(talk.unanswered),
        first_seen: talk.first_seen,
        last_seen: talk.last_seen,
        capture: path_of(talk.first.capture, captures),
        frame: frame(talk.first.frame),
    }
}

/// The path of a capture, by its place in the run.
pub(super) fn path_of(capture: u32, captures: &[Shared]) -> Option<Shared> {
    captures.get(capture as usize).cloned()
}

/// Operations in words: each is looked up once, for few are spoken by many.
#[derive(Default)]
struct OperationNames {
    known: HashMap<(&'static str, Operation), (Shared, Option<&'static str>), RandomState>,
}

impl OperationNames {
    /// An operation's code or verb, and what the standard calls it.
    fn of(&mut self, protocol: &'static str, operation: &Operation) -> (Shared, Option<&'static str>) {
        let fresh = || {
            let code = operation.to_string();
            let name = operation_name(protocol, &code).or(match operation {
                Operation::Verb(verb) | Operation::VerbWithin(_, verb) => Some(verb),
                _ => None,
            });
            (code.into(), name)
        };
        self.known.entry((protocol, operation.clone())).or_insert_with(fresh).clone()
    }
}

/// What the standard calls an operation; verbs are their own names.
fn operation_name(protocol: &str, operation: &str) -> Option<&'static str> {
    table::words("operations", &format!("{protocol} {operation}"))
}

/// An operation as people read it: `Write Single Register (6)`, `GET`.
pub(super) fn operation_title(protocol: &str, operation: &Operation) -> String {
    let code = operation.to_string();
    match operation_name(protocol, &code) {
        Some(name) => format!("{name} ({code})"),
        None => code,
    }
}

/// The rows of control actions, in the order of time. `finding` knows which finding an action belongs to.
pub(super) fn operations(
    assets: &Assets<'_>,
    sums: &Sums<DeedKey, Deed>,
    captures: &[Shared],
    before: Timestamp,
    finding: impl Fn(&DeedKey) -> Option<Shared>,
) -> Vec<OperationRow> {
    let mut names = OperationNames::default();
    let row = |(key, deed): (&DeedKey, &Deed)| {
        let (operation, operation_name) = names.of(key.protocol, &key.operation);
        let is_one = !key.is_of_the_rest();
        OperationRow {
            time: deed.first.time,
            client_asset_id: assets.id(key.client),
            client_ip: ip(key.client).filter(|_| is_one),
            server_asset_id: Some(key.server)
                .filter(|server| server.address.is_host())
                .and_then(|server| assets.id(server)),
            server_ip: ip(key.server).filter(|_| is_one),
            server_port: (key.port != 0).then(|| i32::from(key.port)),
            child_key: key.child.as_ref().map(ToString::to_string),
            context: context(key.server.context),
            protocol: key.protocol,
            operation,
            operation_name,
            category: key.category.name(),
            target: Some(key.target.to_string()).filter(|target| !target.is_empty()),
            client_user: key.client_user.as_ref().map(ToString::to_string),
            client_host_claimed: deed.client_host.as_ref().map(ToString::to_string),
            value: deed.value.as_ref().map(ToString::to_string),
            outcome: (key.outcome != Outcome::Unknown).then(|| key.outcome.name()),
            reason: deed.reason.as_ref().map(ToString::to_string),
            count: int(deed.count),
            image_sha256: key.image.map(|image| image.to_string()),
            image_bytes: key.image.map(|image| int(image.bytes)),
            community_id: community::id(&deed.evidence.flow).filter(|_| is_one),
            finding_id: finding(key).filter(|_| key.category.is_command()),
            capture: path_of(deed.first.capture, captures),
            frame: frame(deed.first.frame),
        }
    };
    let deeds = sums.sorted().into_iter().filter(|(key, _)| key.window < before);
    let mut rows: Vec<OperationRow> = deeds.map(row).collect();
    rows.sort_by_cached_key(|row| (row.time, row.frame));
    rows
}

/// Puts the captures' names where their places in the run stand.
pub(super) fn name_captures(record: &mut Record, captures: &[CaptureName]) {
    let named = |capture: &Option<String>| captures.get(capture.as_ref()?.parse::<usize>().ok()?);
    let name = |capture: &mut Option<String>| *capture = named(capture).map(|capture| capture.path.clone());
    match record {
        Record::Claims(row) => name(&mut row.capture),
        Record::Certificates(row) => name(&mut row.capture),
        Record::Coverage(row) => name(&mut row.capture),
        Record::Findings(row) => {
            for evidence in &mut row.evidence {
                evidence.capture_id = named(&evidence.capture).map(|capture| capture.capture_id.clone());
                name(&mut evidence.capture);
            }
        }
        Record::Assets(_)
        | Record::Services(_)
        | Record::Activity(_)
        | Record::Operations(_)
        | Record::Credentials(_)
        | Record::Captures(_)
        | Record::Health(_) => {}
    }
}

/// An IP address of a host, for a finding's row.
pub(super) fn first_ip(asset: &Asset<'_>) -> Option<String> {
    let address = asset.homes.first()?.key.host.address;
    match address {
        Address::Ip(IpAddr::V4(_) | IpAddr::V6(_)) => Some(address.to_string()),
        Address::Mac(_) | Address::Node(..) => None,
    }
}
