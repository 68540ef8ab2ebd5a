//! TLS towards a server whose certificate is to be verified against the remote's own ones.
//!
//! What OpenSSL takes is taken: a certificate that is itself among the trusted ones, be it one of an
//! authority or of version 1; and the common name of a certificate without alternative names.

use std::sync::Arc;

use anyhow::Context;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The configuration of a client that trusts these certificates alone, and shows its own if it has one (PEM
/// of the certificates and of the key).
pub(super) fn config(
    trusted: Vec<CertificateDer<'static>>,
    own: Option<(&str, &str)>,
) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(trusted, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some((certificate, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let certificates = super::certificates::parse(certificate).context("client_cert cannot be used")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| anyhow::anyhow!("client_key is not a PEM key"))?;
    builder.with_client_auth_cert(certificates, key).context("client_cert and client_key cannot be used")
}

#[derive(Debug)]
struct Verifier {
    trusted: Vec<CertificateDer<'static>>,
    /// Verifies chains that end at one of them.
    chains: Arc<WebPkiServerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> anyhow::Result<Verifier> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .context("ca_cert holds no certificate that can be trusted")?;
        Ok(Verifier { trusted, chains, algorithms: provider.signature_verification_algorithms })
    }

    fn is_trusted(&self, certificate: &CertificateDer<'_>) -> bool {
        self.trusted.iter().any(|trusted| trusted.as_ref() == certificate.as_ref())
    }

    /// Verifies what was signed with the key of a certificate that is trusted, but that the library does not
    /// read.
    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        error: Error,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_trusted(certificate) {
            return Err(error);
        }
        let key = &read(certificate)?.tbs_certificate.subject_pki.subject_public_key.data;
        let of_scheme = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let is_valid = of_scheme
            .flat_map(|(_, algorithms)| *algorithms)
            .any(|algorithm| algorithm.verify_signature(key, message, signed.signature()).is_ok());
        match is_valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(error),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_trusted(end_entity) {
            verify_time(end_entity, now)?;
            verify_name(end_entity, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        match self.chains.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The chain is verified before the name.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => verify_name(end_entity, name).map(|()| ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.chains.verify_tls12_signature(message, certificate, signed);
        verified.or_else(|error| self.verify_signature(message, certificate, signed, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.chains.verify_tls13_signature(message, certificate, signed);
        verified.or_else(|error| self.verify_signature(message, certificate, signed, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

fn read<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let read = X509Certificate::from_der(certificate);
    read.map(|(_, certificate)| certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn verify_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let read = read(certificate)?;
    let validity = read.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Compares with the alternative names if there are any, otherwise with the common name.
fn verify_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let read = read(certificate)?;
    if !matches!(read.subject_alternative_name(), Ok(None)) {
        return rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
    }
    let wanted = name.to_str();
    let fits = |common: &str| match common.strip_prefix("*.") {
        Some(domain) => {
            matches!(name, ServerName::DnsName(_))
                && domain.contains('.')
                && wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        }
        None => common.eq_ignore_ascii_case(&wanted),
    };
    match read.subject().iter_common_name().filter_map(|common| common.as_str().ok()).any(fits) {
        true => Ok(()),
        false => Err(CertificateError::NotValidForName.into()),
    }
}
