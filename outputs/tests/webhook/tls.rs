//! Webhooks over TLS: whom the sender trusts, and as whom it comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outputs::Store;
use outputs::webhook::Settings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::receiver::{Receiver, Reply, Wrap};
use crate::{assert_all_arrived, endpoint, lives, started, tell};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name, and its key, as PEM.
fn certificate(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// A receiver with a certificate; with `clients` only those whom that authority knows.
fn receiver(authority: &Authority, clients: Option<&Authority>) -> Receiver {
    let (chain, key) = certificate(authority, "127.0.0.1");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = match clients {
        None => config.unwrap().with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.unwrap().with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let config = config.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let config = Arc::new(config);
    let wrap: Wrap = Arc::new(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    });
    Receiver::wrapped(|_| Reply::status(200), wrap)
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path
}

fn settings(receiver: &Receiver) -> Settings {
    Settings { url: format!("https://127.0.0.1:{}/hook", receiver.port), ..Settings::default() }
}

/// Sends three findings; gives why it did not work, if it did not.
fn send(folder: &Path, settings: Settings) -> Option<String> {
    let webhooks = started(Store::in_memory().unwrap(), vec![endpoint(folder, settings)]);
    tell(&webhooks, &lives(3, 1));
    let ends = webhooks.finish(Duration::from_millis(1_500)).unwrap();
    Some(ends["soc"].status.why.clone()).filter(|why| !why.is_empty())
}

#[test]
fn a_receiver_is_trusted_by_its_authority_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (authority("right"), authority("wrong"));
    let receiver = receiver(&right, None);
    let trusting = |name: &str, authority: &Authority| Settings {
        ca_file: Some(file(folder.path(), name, &authority.pem())),
        ..settings(&receiver)
    };
    let why = send(folder.path(), trusting("wrong.pem", &wrong)).expect("the wrong authority");
    assert!(why.starts_with("TLS: "), "{why}");
    assert!(send(folder.path(), settings(&receiver)).is_some(), "the system knows no such authority");
    assert!(receiver.arrived().is_empty());
    assert_eq!(send(folder.path(), trusting("right.pem", &right)), None);
    assert_all_arrived(&receiver, 3, 1);
}

#[test]
fn where_no_tls_is_spoken_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Receiver::start(|_| Reply::status(200));
    let ca_file = Some(file(folder.path(), "ca.pem", &authority("any").pem()));
    assert!(send(folder.path(), Settings { ca_file, ..settings(&plain) }).is_some());
    assert!(plain.arrived().is_empty());
}

#[test]
fn a_receiver_can_ask_who_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, clients) = (authority("servers"), authority("clients"));
    let receiver = receiver(&servers, Some(&clients));
    let nobody = Settings { ca_file: Some(file(folder.path(), "ca.pem", &servers.pem())), ..settings(&receiver) };
    assert!(send(folder.path(), nobody.clone()).is_some());
    assert!(receiver.arrived().is_empty());
    let (chain, key) = certificate(&clients, "sensor");
    let somebody = Settings {
        certificate_file: Some(file(folder.path(), "sensor.pem", &chain)),
        key_file: Some(file(folder.path(), "sensor.key", &key)),
        ..nobody
    };
    assert_eq!(send(folder.path(), somebody), None);
    assert_all_arrived(&receiver, 3, 1);
}
