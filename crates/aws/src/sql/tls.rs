//! TLS to a database: rustls with ring, and no authority but those of the configured file.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The configuration of a connection. The file is read for each one: RDS rotates its authorities, and a new file needs
/// no restart.
///
/// Where the name of the server is not known, since the route has nothing but an address, its certificate still has to
/// come from one of the authorities; it may then be that of another server of theirs.
pub(super) fn client_config(ca_file: &Path, name_is_known: bool) -> Result<ClientConfig, String> {
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
    let broken = |error: &dyn std::error::Error| format!("TLS cannot be set up: {error}");
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| broken(&error))?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| broken(&error))?;
    if name_is_known {
        return Ok(builder.with_webpki_verifier(verifier).with_no_client_auth());
    }
    let verifier = Arc::new(AnyName(verifier));
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Checks all of a certificate but the name in it.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is what webpki checks last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
