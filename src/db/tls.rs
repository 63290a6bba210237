//! TLS as libpq does it, by rustls.
//!
//! tokio-postgres knows whether there is TLS; whom to trust is decided here (PostgreSQL 34.19,
//! SSL Support). As with libpq, a root certificate that is there is used in every mode, and
//! without one only `verify-ca` and `verify-full` fail.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{self, CryptoProvider};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_postgres_rustls::MakeRustlsConnect;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::{Certificate, TbsCertificate};

use super::target::{RootCert, SslMode, Tls};

/// Why there can be no TLS with this configuration: a reason, and what to try.
#[derive(Debug)]
pub struct Unusable {
    /// The rest of a sentence.
    pub reason: String,
    /// What to try.
    pub hint: &'static str,
}

/// The connector for sessions with TLS.
pub fn connector(tls: &Tls) -> Result<MakeRustlsConnect, Unusable> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Verifier {
        trusted: trusted(tls)?,
        checks_name: tls.mode == SslMode::VerifyFull,
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has a cipher suite for every protocol version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.client_cert {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => builder
            .with_client_auth_cert(read_certificates(cert)?, read_key(key)?)
            .map_err(|error| Unusable {
                reason: format!(
                    "client certificate `{}` and key `{}` are no pair: {error}",
                    cert.display(),
                    key.display()
                ),
                hint: "sslcert and sslkey name the client's certificate and its key",
            })?,
    };
    // Sessions are not resumed by libpq either, and each connection is checked anew.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(MakeRustlsConnect::new(config))
}

/// A connector for sessions without TLS, which trusts nobody.
pub fn unused() -> MakeRustlsConnect {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has a cipher suite for every protocol version")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

/// What is wrong with a handshake, said for people.
pub fn explain(error: &Error) -> (String, Option<&'static str>) {
    const ROOT: &str = "sslrootcert names the certificate of whoever issued the server's; \
                        `sslrootcert=system` takes those that this machine trusts";
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            "the server's certificate was not issued by anybody that the root certificates name"
                .to_owned(),
            Some(ROOT),
        ),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            "the server's certificate is for another host name".to_owned(),
            Some(
                "connect by a name in the certificate's subjectAltName (its CN counts only when it \
                 has none), or use sslmode=verify-ca",
            ),
        ),
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => ("the server's certificate has expired".to_owned(), Some("renew it on the server")),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => (
            "the server's certificate is not valid yet".to_owned(),
            Some("is this machine's clock right?"),
        ),
        Error::InvalidCertificate(_) => (
            format!("the server's certificate cannot be checked: {error}"),
            Some("a certificate must be of X.509 version 3, as `openssl x509 -extfile` makes it"),
        ),
        Error::AlertReceived(_) => (
            format!("the server ended the handshake: {error}"),
            Some("does the server want a client certificate (sslcert, sslkey) of another issuer?"),
        ),
        _ => (error.to_string(), None),
    }
}

/// The root certificates to check against; none means that every server is believed.
fn trusted(tls: &Tls) -> Result<Option<Trusted>, Unusable> {
    let must_check = matches!(tls.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let certificates = match &tls.root_cert {
        Some(RootCert::System) => rustls_native_certs::load_native_certs().certs,
        Some(RootCert::File(path)) if path.exists() => read_certificates(path)?,
        Some(RootCert::File(path)) if must_check => {
            return Err(Unusable {
                reason: format!("root certificate file `{}` does not exist", path.display()),
                hint: "sslrootcert names a file with the issuer's certificate, or is `system`",
            });
        }
        None if must_check => {
            return Err(Unusable {
                reason: format!(
                    "sslmode={} needs a root certificate, and ~/.postgresql/root.crt does not exist",
                    tls.mode.as_str()
                ),
                hint: "sslrootcert names a file with the issuer's certificate, or is `system`",
            });
        }
        // As libpq: encrypted, but nobody is checked.
        Some(RootCert::File(_)) | None => return Ok(None),
    };
    let mut roots = RootCertStore::empty();
    let (n_usable, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if n_usable == 0 {
        let place = match &tls.root_cert {
            Some(RootCert::File(path)) => format!("`{}`", path.display()),
            _ => "this machine's store".to_owned(),
        };
        return Err(Unusable {
            reason: format!("{place} holds no root certificate that can be used"),
            hint: "sslrootcert names a PEM file with the certificate of the server's issuer",
        });
    }
    Ok(Some(Trusted { roots, certificates }))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|error| Unusable {
        reason: format!("certificate file `{}`: {}", path.display(), pem_reason(&error)),
        hint: "it is a PEM file, with -----BEGIN CERTIFICATE----- in it, that this user may read",
    })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    // libpq's rule: the owner's alone, but a key of root's may be read by a group.
    let metadata = std::fs::metadata(path).map_err(|error| Unusable {
        reason: format!("key file `{}`: {error}", path.display()),
        hint: "sslkey names the key that belongs to sslcert",
    })?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(Unusable {
            reason: format!("key file `{}` is readable for others", path.display()),
            hint: "chmod 600 it, which libpq demands too",
        });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| Unusable {
        reason: format!("key file `{}`: {}", path.display(), pem_reason(&error)),
        hint: "it is a PEM file with a private key that no passphrase protects",
    })
}

fn pem_reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "nothing usable in it".to_owned(),
        _ => "not PEM".to_owned(),
    }
}

/// Issuers that are believed.
#[derive(Debug)]
struct Trusted {
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

/// libpq's view of a server's certificate.
#[derive(Debug)]
struct Verifier {
    trusted: Option<Trusted>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if trusted.certificates.contains(end_entity) {
            // `openssl req -x509` makes certificates that issue themselves, and people name the
            // server's own as sslrootcert. OpenSSL takes that; webpki wants issuer and server to
            // be two.
            verify_dates(end_entity, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &trusted.roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        if self.checks_name {
            verify_name(&parsed, end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    /// By the key alone: webpki does not read certificates of X.509 version 1, which PostgreSQL's
    /// documentation teaches people to make, and where nobody is checked they have to do.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = decode(cert)?.tbs_certificate.subject_public_key_info.to_der();
        let key = key.map_err(|_| CertificateError::BadEncoding)?;
        crypto::verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key),
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// libpq's rule: the alternative names, and the subject's common name when no alternative name
/// could speak of a host. Certificates made by PostgreSQL's documentation have only that one.
fn verify_name(
    parsed: &ParsedCertificate<'_>,
    certificate: &CertificateDer<'_>,
    server: &ServerName<'_>,
) -> Result<(), Error> {
    let Err(error) = verify_server_name(parsed, server) else { return Ok(()) };
    let certificate = decode(certificate)?.tbs_certificate;
    let names_hosts = match certificate.get::<SubjectAltName>() {
        Ok(Some((_, names))) => names
            .0
            .iter()
            .any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))),
        Ok(None) => false,
        // What can't be read may name another host.
        Err(_) => true,
    };
    let common_name = common_name(&certificate).filter(|_| !names_hosts);
    if common_name.is_some_and(|name| fits(&name, &server.to_str())) { Ok(()) } else { Err(error) }
}

fn common_name(certificate: &TbsCertificate) -> Option<String> {
    let mut attributes = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let value = &attributes.find(|attribute| attribute.oid == COMMON_NAME)?.value;
    // What is ASCII looks the same in all of its string types, and a host's name is ASCII.
    let is_text = matches!(
        value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString
    );
    let text = std::str::from_utf8(value.value()).ok()?;
    (is_text && text.is_ascii()).then(|| text.to_owned())
}

/// Whether a common name is the host's; `*.` stands for one label at the left.
fn fits(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            parent.contains('.')
                && host.parse::<std::net::IpAddr>().is_err()
                && host.split_once('.').is_some_and(|(label, rest)| {
                    !label.is_empty() && rest.eq_ignore_ascii_case(parent)
                })
        }
        None => pattern.eq_ignore_ascii_case(host),
    }
}

fn decode(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn verify_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let validity = decode(certificate)?.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example.com", "DB.example.com", true),
            ("db.example.com", "db.example.com.", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.com", "example.com", false),
            ("d*.example.com", "db.example.com", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("*.0.0.1", "10.0.0.1", false),
        ] {
            assert_eq!(fits(pattern, host), expected, "{pattern} {host}");
        }
    }
}
