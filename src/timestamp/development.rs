//! A development PKI: an authority that exists for the length of one call, and the certificates it issues.
//!
//! The authority's private key is never written: nobody can issue anything else under it, neither can we. To renew, make
//! another. Every name says it is for development.

use super::keyring::KeyringError;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};

const AUTHORITY_DAYS: i64 = 3652;
const LEAF_DAYS: i64 = 1096;
/// Certificates begin a little in the past: a neighbour whose clock is slow can use them at once.
const BACKDATE: Duration = Duration::hours(1);

/// What was made.
pub(super) struct DevelopmentPki {
    /// The authority's certificate, PEM.
    pub(super) authority_pem: String,
    pub(super) tsa: Issued,
    pub(super) seal: Issued,
    pub(super) server: Issued,
}

/// A certificate and its key.
pub(super) struct Issued {
    /// PEM.
    pub(super) certificate_pem: String,
    /// PKCS#8, DER.
    pub(super) key_pkcs8: Vec<u8>,
}

/// Makes everything, valid from an hour before `now`.
pub(super) fn make(now: OffsetDateTime) -> Result<DevelopmentPki, KeyringError> {
    build(now).map_err(|error| KeyringError::Generation(error.to_string()))
}

fn build(now: OffsetDateTime) -> Result<DevelopmentPki, rcgen::Error> {
    let from = now - BACKDATE;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = named("Archiland — AC de développement", from, AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_pem = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);

    let mut tsa = named("Archiland — horodatage de développement", from, LEAF_DAYS)?;
    tsa.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    tsa.custom_extensions.push(critical_time_stamping());

    let mut seal = named("Archiland — cachet de développement", from, LEAF_DAYS)?;
    // No extended usage: programs that check messages (openssl cms) accept it without being told to.
    seal.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];

    let mut server = named("Archiland — serveur de développement", from, LEAF_DAYS)?;
    server.subject_alt_names =
        CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(str::to_owned))?.subject_alt_names;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

    Ok(DevelopmentPki {
        authority_pem,
        tsa: issue(tsa, &issuer)?,
        seal: issue(seal, &issuer)?,
        server: issue(server, &issuer)?,
    })
}

fn named(common_name: &str, from: OffsetDateTime, days: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "FR");
    params.distinguished_name.push(DnType::OrganizationName, "Archiland (développement, sans valeur)");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = from;
    params.not_after = from + Duration::days(days);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn issue(mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Issued, rcgen::Error> {
    params.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate_pem = params.signed_by(&key, issuer)?.pem();
    Ok(Issued { certificate_pem, key_pkcs8: key.serialize_der() })
}

/// `extKeyUsage = critical, timeStamping`, which RFC 3161 § 2.3 demands and rcgen only writes as not critical.
fn critical_time_stamping() -> CustomExtension {
    use crate::spec::cms::{asn1, oid};
    let mut extension =
        CustomExtension::from_oid_content(&[2, 5, 29, 37], asn1::sequence(&[&asn1::oid(&oid::TIME_STAMPING)]));
    extension.set_criticality(true);
    extension
}
