//! TLS by rustls with ring: the server's certificate, and clients' when authorities for them are given.

use super::error::DaemonError;
use crate::config::Tls;
use crate::digest::sha256;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Reads the files; a client without a certificate is still welcome with a token.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, DaemonError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| wrong(&tls.key, &e))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&tls.certificate, &e))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|e| wrong(path, &e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|e| wrong(path, &e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| wrong(&tls.certificate, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// SHA-256 of the client's certificate, which the handshake has checked.
pub(super) fn fingerprint(connection: &ServerConnection) -> Option<[u8; 32]> {
    connection.peer_certificates()?.first().map(|certificate| sha256(certificate))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DaemonError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|e| wrong(path, &e))?.collect();
    let read = read.map_err(|e| wrong(path, &e))?;
    if read.is_empty() {
        return Err(wrong(path, &"aucun certificat dans ce fichier"));
    }
    Ok(read)
}

fn wrong(path: &Path, detail: &dyn std::fmt::Display) -> DaemonError {
    DaemonError::Tls { path: path.to_owned(), detail: detail.to_string() }
}
