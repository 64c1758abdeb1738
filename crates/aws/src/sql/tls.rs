//! TLS to a database: rustls with ring, and no authority but those of the configured file.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The configuration of a connection. The file is read for each one: RDS rotates its authorities, and a new file needs
/// no restart.
pub(super) fn client_config(ca_file: &Path) -> Result<ClientConfig, String> {
    let unreadable = |why: String| format!("the CA file {} {why}", ca_file.display());
    let certificates = CertificateDer::pem_file_iter(ca_file);
    let certificates = certificates.map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(format!("is no PEM file: {error}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| unreadable(format!("has a certificate that is none: {error}")))?;
    }
    if roots.is_empty() {
        return Err(unreadable("has no certificate in it".to_owned()));
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
