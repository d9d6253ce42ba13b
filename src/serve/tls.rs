//! TLS by a certificate and a key of the user.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::fs::quote;
use crate::{Error, Result};

/// Reads a chain of certificates and the key of its first, both PEM.
pub fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor> {
    let unusable = |path: &Path, error: String| {
        Error::failed(error)
            .context(format!("cannot use `{}` for TLS", quote(path)))
            .with_hint("name a chain of certificates and the key of the first one, both in PEM")
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(certificates, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable(certificates, "it holds no certificate".into()));
    }
    let key_of_first = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(key, "it holds no private key that is not encrypted".into()),
        error => unusable(key, error.to_string()),
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key_of_first))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                unusable(key, format!("it is not the key of the first certificate in `{}`", quote(certificates)))
            }
            error => unusable(certificates, error.to_string()),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
