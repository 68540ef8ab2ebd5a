//! Certificates as users give them: PEM (RFC 7468), with or without text around it.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a text holds no certificates that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCertificates {
    /// There is no PEM block of a certificate.
    #[error("there is no PEM certificate in it")]
    Missing,
    /// One of them cannot be parsed.
    #[error("a certificate in it cannot be parsed")]
    Invalid,
}

/// All certificates of a text, in order.
///
/// # Errors
/// If there is none, or one that is none of X.509.
pub fn parse(text: &str) -> Result<Vec<CertificateDer<'static>>, NoCertificates> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| NoCertificates::Invalid)?;
    if certificates.is_empty() {
        return Err(NoCertificates::Missing);
    }
    let is_whole = |der: &CertificateDer<'_>| matches!(X509Certificate::from_der(der), Ok(([], _)));
    match certificates.iter().all(is_whole) {
        true => Ok(certificates),
        false => Err(NoCertificates::Invalid),
    }
}

/// The PEM blocks of a text without what stands around them; each line has an end.
///
/// # Errors
/// As [`parse`].
pub fn normalize(text: &str) -> Result<String, NoCertificates> {
    parse(text)?;
    let mut blocks = String::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        inside |= line.starts_with("-----BEGIN ");
        if inside {
            blocks.push_str(line);
            blocks.push('\n');
        }
        inside &= !line.starts_with("-----END ");
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBdTCCARugAwIBAgIUGCl86VzKNtkUiyImxLQ3pNyNYWMwCgYIKoZIzj0EAwIw\n\
        DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjUxMzA4MTZaGA8yMTI2MTEwMTEzMDgx\n\
        NlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABG3a\n\
        y4XH+FWZcoWhemniBftIMZiDz/99yt3GxTIl9iiMSkngfvGkK9LKX1PS5kWIzNxj\n\
        lASitaHj5A9i4BSM+NujUzBRMB0GA1UdDgQWBBSxoYhrVkRMAOs3K/fe84WRZPTt\n\
        QTAfBgNVHSMEGDAWgBSxoYhrVkRMAOs3K/fe84WRZPTtQTAPBgNVHRMBAf8EBTAD\n\
        AQH/MAoGCCqGSM49BAMCA0gAMEUCIQC+CMQDWnItd4WOzgHyQBEgd1sP8kGNxBFt\n\
        DRuY+dTgTQIgY5pHqt3ab26zeC0AcRzb69DAUK/PuM0nwGw51cpie9Q=\n\
        -----END CERTIFICATE-----\n";

    #[test]
    fn text_around_certificates_is_removed() {
        let broken = PEM.replace("MII", "MIJ");
        for text in [PEM.to_owned(), format!("# mine\n{PEM}the end"), PEM.trim_end().replace('\n', "\r\n")] {
            assert_eq!(normalize(&text).as_deref(), Ok(PEM), "{text}");
        }
        assert_eq!(parse(&format!("{PEM}{PEM}")).map(|found| found.len()), Ok(2));
        assert_eq!(normalize("nothing"), Err(NoCertificates::Missing));
        for text in [
            broken.as_str(),
            &PEM.replace("-----END CERTIFICATE-----\n", ""),
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            &format!("{PEM}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            assert!(normalize(text).is_err(), "{text}");
        }
    }
}
