//! One request, and what became of it.
//!
//! Redirects are refused: a signed event goes where people said, and nowhere else. No proxy of the environment is used. A
//! request has one deadline for all of it, from looking the name up to the last byte of the answer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::Agent;
use ureq::http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, StatusCode};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::endpoint::{Endpoint, EndpointError};
use super::queue::{Fault, LONGEST_ASKED};
use super::signature::sign;

/// As much of an answer is read.
const LONGEST_ANSWER: u64 = 64 << 10;
/// One event, or several.
const SINGLE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The same over all attempts.
    pub id: String,
    /// What is signed.
    pub body: Vec<u8>,
    /// Whether the body is a list of events.
    pub is_batch: bool,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx.
    Arrived(Arrival),
    /// Not a 2xx, or no answer at all.
    Failed(Failure),
    /// The receiver wants nothing more (410).
    Gone,
}

/// An answer that says that an event has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// 200 to 299.
    pub status: u16,
    /// What stands in it; nothing where that was too long.
    pub body: Vec<u8>,
    /// What the receiver's clock says, in seconds since 1970.
    pub date: Option<i64>,
}

/// Why an event has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub(super) fault: Fault,
    /// In words.
    pub why: String,
    /// How long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What the receiver's clock says, in seconds since 1970.
    pub date: Option<i64>,
}

/// Sends requests to an endpoint.
pub struct Client {
    agent: Agent,
    endpoint: Arc<Endpoint>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for an endpoint. The system's authorities are read here, while files can be.
    ///
    /// Fails when there is no authority to trust, or the certificate is none.
    pub fn new(endpoint: Arc<Endpoint>) -> Result<Self, EndpointError> {
        let wrong = |what: String| EndpointError { name: endpoint.name().to_owned(), what };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("otoscope/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(16 << 10)
            .max_idle_connections(1)
            .timeout_global(Some(endpoint.settings.timeout));
        if endpoint.url.scheme_str() == Some("https") {
            let roots = authorities(&endpoint).map_err(&wrong)?;
            let identity = endpoint.identity.as_ref().map(|(chain, key)| identity(chain, key)).transpose();
            let tls = TlsConfig::builder()
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .root_certs(RootCerts::Specific(Arc::new(roots)))
                .client_cert(identity.map_err(&wrong)?);
            config = config.tls_config(tls.build());
        }
        Ok(Self { agent: Agent::new_with_config(config.build()), endpoint })
    }

    /// Sends, signed as of now.
    pub fn send(&self, request: &Request) -> Outcome {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let signature = sign(&self.endpoint.keys, &request.id, seconds, &request.body);
        let mut post = self
            .agent
            .post(&self.endpoint.url)
            .header(CONTENT_TYPE, if request.is_batch { BATCH } else { SINGLE })
            .header("webhook-id", &request.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature);
        for (name, value) in &self.endpoint.headers {
            if let Ok(mut value) = HeaderValue::from_bytes(value.expose()) {
                value.set_sensitive(true);
                post = post.header(name, value);
            }
        }
        match post.send(&request.body[..]) {
            Ok(response) => judge(response),
            Err(error) => failed(Fault::Endpoint, in_words(&error)),
        }
    }

    /// Who receives.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// What an answer means.
fn judge(mut response: ureq::http::Response<ureq::Body>) -> Outcome {
    let status = response.status();
    let (date, retry_after) = (date_of(response.headers()), retry_after(response.headers()));
    if status == StatusCode::GONE {
        return Outcome::Gone;
    }
    // An answer that breaks off is none: who sent it may not have kept what it got.
    let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
    if status.is_success() {
        let body = match body {
            Ok(body) => body,
            Err(ureq::Error::BodyExceedsLimit(_)) => Vec::new(),
            Err(error) => return failed(Fault::Endpoint, format!("the answer breaks off: {}", in_words(&error))),
        };
        return Outcome::Arrived(Arrival { status: status.as_u16(), body, date });
    }
    let is_busy = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
    let fault = if is_busy { Fault::Endpoint } else { Fault::Parcel };
    let why = match status.as_u16() {
        code @ 300..=399 => format!("{code}: redirects are not followed; put the last address into url"),
        code @ (401 | 403) => format!("{code}: the receiver does not accept the signature or the login"),
        code => code.to_string(),
    };
    Outcome::Failed(Failure { fault, why, retry_after, date })
}

fn failed(fault: Fault, why: String) -> Outcome {
    Outcome::Failed(Failure { fault, why, retry_after: None, date: None })
}

fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host's name is not known".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Timeout(_) => "it takes too long".to_owned(),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::Io(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if inner.is_some() { format!("TLS: {error}") } else { error.to_string() }
        }
        other => other.to_string(),
    }
}

/// Whom to trust.
fn authorities(endpoint: &Endpoint) -> Result<Vec<Certificate<'static>>, String> {
    let roots: Vec<Certificate<'static>> = if let Some(pem) = &endpoint.authorities {
        let items = parse_pem(pem).filter_map(Result::ok);
        items.filter_map(|item| if let PemItem::Certificate(it) = item { Some(it) } else { None }).collect()
    } else {
        let found = rustls_native_certs::load_native_certs();
        found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
    };
    match (roots.is_empty(), &endpoint.authorities) {
        (false, _) => Ok(roots),
        (true, Some(_)) => Err("no certificate stands in ca_file".to_owned()),
        (true, None) => Err("this system trusts no authority; name one by ca_file".to_owned()),
    }
}

fn identity(chain: &[u8], key: &[u8]) -> Result<ClientCert, String> {
    let items = parse_pem(chain).filter_map(Result::ok);
    let chain: Vec<Certificate<'static>> =
        items.filter_map(|item| if let PemItem::Certificate(it) = item { Some(it) } else { None }).collect();
    if chain.is_empty() {
        return Err("no certificate stands in certificate_file".to_owned());
    }
    let key = PrivateKey::from_pem(key).map_err(|_| "no key stands in key_file".to_owned())?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = Duration::from_secs(u64::try_from(seconds_of(text)?).ok()?);
        until.saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).ok()?)
    };
    Some(asked.min(LONGEST_ASKED))
}

fn date_of(headers: &HeaderMap) -> Option<i64> {
    seconds_of(headers.get(DATE)?.to_str().ok()?)
}

/// RFC 9110, section 5.6.7, which is that of mails.
fn seconds_of(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date.trim()).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: ureq::http::HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn a_receiver_asks_for_time_in_seconds_or_by_a_date() {
        assert_eq!(retry_after(&headers(RETRY_AFTER, "120")), Some(Duration::from_mins(2)));
        assert_eq!(retry_after(&headers(RETRY_AFTER, "99999999999")), Some(LONGEST_ASKED));
        assert_eq!(retry_after(&headers(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(RETRY_AFTER, "Wed, 31 Dec 2200 23:59:59 GMT")), Some(LONGEST_ASKED));
        for wrong in ["", "-5", "soon", "1.5"] {
            assert_eq!(retry_after(&headers(RETRY_AFTER, wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn clocks_are_read() {
        assert_eq!(date_of(&headers(DATE, "Sun, 06 Nov 1994 08:49:37 GMT")), Some(784_111_777));
        assert_eq!(date_of(&headers(DATE, "yesterday")), None);
    }
}
