//! An endpoint: where events go, which of them, and how the two know each other. What people write is [`Settings`]; secrets
//! stand in files or in the environment, never there.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dissectors::Secret;
use fingerprints::finding::Severity;
use ureq::http::Uri;
use zeroize::Zeroizing;

use super::signature;
use crate::event::Event;
use crate::visible::visible;

/// What people write of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its name: what it is asked for by, and what its state is kept under.
    pub name: String,
    /// `https://HOST[:PORT]/PATH`; `http` where it is this machine itself, or was allowed.
    pub url: String,
    /// Let events go readable over a network.
    pub allow_http: bool,
    /// Files that hold a secret each.
    pub secret_file: Vec<PathBuf>,
    /// Variables of the environment that hold a secret each.
    pub secret_env: Vec<String>,
    /// Headers besides those that every request has.
    pub headers: BTreeMap<String, String>,
    /// Headers whose values stand in files.
    pub header_file: BTreeMap<String, PathBuf>,
    /// Headers whose values stand in the environment.
    pub header_env: BTreeMap<String, String>,
    /// Authorities that are trusted instead of the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Who we are, as PEM: the certificate first, then those that lead from it to its authority.
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate, as PEM.
    pub key_file: Option<PathBuf>,
    /// Types of events, as `finding.*`.
    pub types: Vec<String>,
    /// Kinds of findings, as `credential.*`.
    pub kinds: Vec<String>,
    /// The least severity of findings.
    pub severity: Option<Severity>,
    /// Zones of assets.
    pub zones: Vec<String>,
    /// What assets are: `plc`, `camera`.
    pub asset_roles: Vec<String>,
    /// What the receiver is.
    pub role: Role,
    /// Events per second, at most.
    pub rate: Option<f64>,
    /// Events in one request, at most.
    pub batch: usize,
    /// What is known at the first contact comes as one snapshot; only what is new after that comes one by one.
    pub only_new: bool,
    /// How long a request may take.
    pub timeout: Duration,
    /// For how long an event is tried.
    pub give_up: Duration,
}

/// What a receiver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It wants to know.
    #[default]
    Listener,
    /// It acts: its answers are read, and a finding that it took is dispatched.
    Remediation,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            allow_http: false,
            secret_file: Vec::new(),
            secret_env: Vec::new(),
            headers: BTreeMap::new(),
            header_file: BTreeMap::new(),
            header_env: BTreeMap::new(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            types: Vec::new(),
            kinds: Vec::new(),
            severity: None,
            zones: Vec::new(),
            asset_roles: Vec::new(),
            role: Role::Listener,
            rate: None,
            batch: 1,
            only_new: false,
            timeout: Duration::from_secs(10),
            give_up: Duration::from_hours(72),
        }
    }
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("webhook {name}: {what}")]
pub struct EndpointError {
    /// Which.
    pub name: String,
    /// Why, and what helps.
    pub what: String,
}

/// An endpoint with all that it needs.
pub struct Endpoint {
    pub(super) settings: Settings,
    pub(super) url: Uri,
    pub(super) keys: Vec<Secret>,
    /// Name and value.
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

/// No file of a secret, a certificate or a list of authorities is longer.
const MAX_BYTES: u64 = 4 << 20;

impl Endpoint {
    /// Reads what the settings name.
    ///
    /// Fails when a secret, a header or a certificate is missing or is none, and when events would go readable.
    pub fn load(settings: Settings) -> Result<Self, EndpointError> {
        let name = settings.name.clone();
        let wrong = |what: String| EndpointError { name: name.clone(), what };
        let url = url(&settings).map_err(&wrong)?;
        let mut keys = Vec::new();
        for path in &settings.secret_file {
            let text = bytes_of(path, Privacy::Owner).map_err(&wrong)?;
            keys.push(signature::key(&text).map_err(|what| wrong(format!("{}: {what}", shown(path))))?);
        }
        for variable in &settings.secret_env {
            let text = of_environment(variable).map_err(&wrong)?;
            keys.push(signature::key(&text).map_err(|what| wrong(format!("{variable}: {what}")))?);
        }
        match keys.len() {
            0 => {
                return Err(wrong(
                    "it has no secret; name its file by secret_file, or its variable by secret_env".into(),
                ));
            }
            1 | 2 => {}
            _ => return Err(wrong("it has more than two secrets: one holds, and two while it is changed".into())),
        }
        let mut headers: Vec<(String, Secret)> = Vec::new();
        for (header, value) in &settings.headers {
            headers.push((header.clone(), Secret::new(value.as_bytes())));
        }
        for (header, path) in &settings.header_file {
            let value = bytes_of(path, Privacy::Owner).map_err(&wrong)?;
            headers.push((header.clone(), Secret::new(value.trim_ascii())));
        }
        for (header, variable) in &settings.header_env {
            headers.push((header.clone(), Secret::new(of_environment(variable).map_err(&wrong)?.trim_ascii())));
        }
        for (header, value) in &headers {
            fits(header, value).map_err(|what| wrong(format!("header {}: {what}", visible(header))))?;
        }
        let pem = |path: &PathBuf| bytes_of(path, Privacy::Any).map(|bytes| bytes.to_vec()).map_err(&wrong);
        let authorities = settings.ca_file.as_ref().map(&pem).transpose()?;
        let identity = match (&settings.certificate_file, &settings.key_file) {
            (Some(certificate), Some(key)) => Some((pem(certificate)?, bytes_of(key, Privacy::Owner).map_err(&wrong)?)),
            (None, None) => None,
            _ => return Err(wrong("certificate_file and key_file go together".into())),
        };
        Ok(Self { settings, url, keys, headers, authorities, identity })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What people wrote of it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The port that it is reached at.
    pub fn port(&self) -> u16 {
        self.url.port_u16().unwrap_or(if self.url.scheme_str() == Some("http") { 80 } else { 443 })
    }

    /// Whether its host is a name, which has to be looked up.
    pub fn is_named(&self) -> bool {
        self.url.host().is_some_and(|host| address(host).is_none())
    }

    /// Whether it wants an event.
    pub fn wants(&self, event: &Event) -> bool {
        self.settings.wants(event)
    }
}

impl Settings {
    /// Says what is wrong with the URL, if anything.
    pub fn check_url(&self) -> Result<(), String> {
        url(self).map(drop)
    }

    /// Whether the endpoint wants an event. Without `types` all but `sensor.health` and `coverage.lost`.
    pub fn wants(&self, event: &Event) -> bool {
        let named = |patterns: &[String], name: &str| patterns.iter().any(|pattern| matches(pattern, name));
        let is_type = if self.types.is_empty() {
            !["sensor.health", "coverage.lost"].contains(&event.name)
        } else {
            // Nobody is left without the ground that changes stand on.
            event.name == "inventory.snapshot" || named(&self.types, event.name)
        };
        let of = |list: &[String], value: &Option<String>| {
            list.is_empty() || value.as_ref().is_some_and(|value| named(list, value))
        };
        let traits = &event.traits;
        let is_finding = event.name.starts_with("finding.");
        let is_about_asset = is_finding || event.name.starts_with("asset.");
        let is_kind = !is_finding || of(&self.kinds, &traits.kind);
        let is_severe = !is_finding || self.severity.is_none_or(|least| traits.severity >= Some(least));
        let is_place = !is_about_asset || of(&self.zones, &traits.zone) && of(&self.asset_roles, &traits.role);
        is_type && is_kind && is_severe && is_place
    }
}

/// `credential.*` matches what begins so.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |front| name.starts_with(front))
}

fn url(settings: &Settings) -> Result<Uri, String> {
    let url: Uri = settings.url.parse().map_err(|_| format!("{} is no URL", visible(&settings.url)))?;
    let Some(host) = url.host().filter(|host| !host.is_empty()) else {
        return Err(format!("{} names no host", visible(&settings.url)));
    };
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("a URL holds no user and no password; headers do, from files or the environment".into());
    }
    let is_here = host == "localhost" || address(host).is_some_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if is_here || settings.allow_http => Ok(url),
        Some("http") => Err("events would go readable over the network: use https, or say allow_http = true".into()),
        _ => Err(format!("{}: https is wanted", visible(&settings.url))),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Privacy {
    Any,
    Owner,
}

fn bytes_of(path: &Path, privacy: Privacy) -> Result<Zeroizing<Vec<u8>>, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", shown(path));
    let file = File::open(path).map_err(fault)?;
    let data = file.metadata().map_err(fault)?;
    #[cfg(unix)]
    if privacy == Privacy::Owner && std::os::unix::fs::MetadataExt::mode(&data) & 0o007 != 0 {
        return Err(format!("{}: everybody can read it; `chmod o= FILE` keeps it to its owner and group", shown(path)));
    }
    if data.len() > MAX_BYTES {
        return Err(format!("{}: it is too long to be what it should be", shown(path)));
    }
    // Sized once: a vector that grows would leave copies of a secret.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(data.len()).unwrap_or(0) + 64));
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(fault)?;
    Ok(bytes)
}

fn of_environment(variable: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let value = std::env::var(variable).map(String::into_bytes).map(Zeroizing::new);
    value.map_err(|_| format!("the environment has no {}", visible(variable)))
}

/// Whether a header can be sent, and is none of those that we write ourselves.
fn fits(header: &str, value: &Secret) -> Result<(), &'static str> {
    let name = ureq::http::HeaderName::from_bytes(header.as_bytes()).map_err(|_| "this is no name of a header")?;
    ureq::http::HeaderValue::from_bytes(value.expose()).map_err(|_| "its value cannot stand in a header")?;
    let is_ours =
        ["host", "content-length", "content-type", "transfer-encoding", "connection"].contains(&name.as_str());
    if is_ours || name.as_str().starts_with("webhook-") { Err("it is written by the sender itself") } else { Ok(()) }
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample;

    fn settings(url: &str) -> Settings {
        Settings { name: "soc".into(), url: url.into(), ..Settings::default() }
    }

    fn error(settings: Settings) -> String {
        Endpoint::load(settings).unwrap_err().to_string()
    }

    #[test]
    fn events_go_readable_nowhere_but_here() {
        for right in ["https://x.example/hook", "http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/"] {
            assert!(url(&settings(right)).is_ok(), "{right}");
        }
        for wrong in ["http://x.example/", "ftp://x.example/", "https://", "x", "https://user:word@x.example/", ""] {
            assert!(url(&settings(wrong)).is_err(), "{wrong}");
        }
        assert!(url(&Settings { allow_http: true, ..settings("http://x.example/") }).is_ok());
    }

    #[test]
    fn a_secret_is_one_or_two_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            path
        };
        let good = file("good", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        let bad = file("bad", "hunter2");
        let with = |files: &[&PathBuf]| Settings {
            secret_file: files.iter().map(|path| (*path).clone()).collect(),
            ..settings("https://x.example/")
        };
        assert!(error(with(&[])).contains("no secret"));
        assert!(error(with(&[&good, &good, &good])).contains("more than two"));
        let told = error(with(&[&bad]));
        assert!(told.contains("whsec_") && !told.contains("hunter2"), "{told}");
        let endpoint = Endpoint::load(with(&[&good, &good])).unwrap();
        assert!(!format!("{endpoint:?}").contains("MfKQ"));
        assert_eq!((endpoint.port(), endpoint.is_named()), (443, true));
        let headers = [("Host".to_owned(), "x".to_owned())].into();
        assert!(error(Settings { headers, ..with(&[&good]) }).contains("the sender itself"));
        #[cfg(unix)]
        {
            std::fs::set_permissions(&good, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
            assert!(error(with(&[&good])).contains("everybody can read it"));
        }
    }

    #[test]
    fn an_endpoint_chooses_by_type_kind_severity_zone_and_role() {
        let finding = sample("credential.default").unwrap();
        let asset = sample("asset.discovered").unwrap();
        let health = sample("sensor.health").unwrap();
        let snapshot = sample("inventory.snapshot").unwrap();
        let all = settings("");
        assert!(all.wants(&finding) && all.wants(&asset) && all.wants(&snapshot) && !all.wants(&health));
        let findings = Settings { types: vec!["finding.*".into()], ..all.clone() };
        assert!(findings.wants(&finding) && findings.wants(&snapshot) && !findings.wants(&asset));
        let kinds = Settings { kinds: vec!["certificate.*".into()], ..all.clone() };
        assert!(!kinds.wants(&finding) && kinds.wants(&asset));
        let severe = Settings { severity: Some(Severity::Critical), ..all.clone() };
        assert!(severe.wants(&finding) && !severe.wants(&sample("asset.new").unwrap()));
        let cameras = Settings { asset_roles: vec!["camera".into()], ..all.clone() };
        assert!(!cameras.wants(&finding) && !cameras.wants(&asset));
        let zone = Settings { zones: vec!["cell 1".into()], ..all };
        assert!(!zone.wants(&finding));
    }
}
