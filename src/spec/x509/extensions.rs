//! The extensions that validation looks at (RFC 5280 § 4.2, ETSI EN 319 412-5).

use super::name::GeneralName;
use crate::spec::cms::asn1::{Reader, dotted, tag};
use x509_parser::extensions::{DistributionPointName, GeneralName as Parsed, ParsedExtension, X509Extension};

/// The anyPolicy identifier.
pub const ANY_POLICY: &str = "2.5.29.32.0";
/// id-kp-timeStamping
pub const EKU_TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
/// id-kp-OCSPSigning
pub const EKU_OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
const EKU_ANY: &str = "2.5.29.37.0";
const QC_STATEMENTS: &str = "1.3.6.1.5.5.7.1.3";
const OCSP_NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";

/// `digitalSignature`, as a bit of [`Extensions::key_usage`].
pub const DIGITAL_SIGNATURE: u16 = 1;
/// `nonRepudiation`
pub const NON_REPUDIATION: u16 = 1 << 1;
/// `keyCertSign`
pub const KEY_CERT_SIGN: u16 = 1 << 5;
/// `cRLSign`
pub const CRL_SIGN: u16 = 1 << 6;

/// What the extensions of a certificate say.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    /// `basicConstraints` with `cA`: its path length, if limited.
    pub authority: Option<Option<u32>>,
    /// `keyUsage` bits.
    pub key_usage: Option<u16>,
    /// `extKeyUsage`, dotted.
    pub extended_usage: Option<Vec<String>>,
    /// Whether `extKeyUsage` is critical.
    pub extended_usage_critical: bool,
    /// `certificatePolicies`, dotted.
    pub policies: Option<Vec<String>>,
    /// `policyMappings`: issuer's, subject's.
    pub mappings: Vec<(String, String)>,
    /// `requireExplicitPolicy`
    pub require_explicit: Option<u32>,
    /// `inhibitPolicyMapping`
    pub inhibit_mapping: Option<u32>,
    /// `inhibitAnyPolicy`
    pub inhibit_any: Option<u32>,
    /// `nameConstraints`: permitted subtrees.
    pub permitted: Vec<GeneralName>,
    /// `nameConstraints`: excluded subtrees.
    pub excluded: Vec<GeneralName>,
    /// `subjectAltName`
    pub alternative_names: Vec<GeneralName>,
    /// `subjectKeyIdentifier`
    pub subject_key_id: Option<Vec<u8>>,
    /// `authorityKeyIdentifier`, the key's part.
    pub authority_key_id: Option<Vec<u8>>,
    /// Qualified-certificate statements.
    pub qc: QcStatements,
    /// `id-pkix-ocsp-nocheck` (RFC 6960 § 4.2.2.2.1).
    pub ocsp_no_check: bool,
    /// Where its issuer answers OCSP.
    pub ocsp_urls: Vec<String>,
    /// Where its issuer's CRLs are.
    pub crl_urls: Vec<String>,
    /// The directory entries of its issuer's CRLs, DER.
    pub crl_directories: Vec<Vec<u8>>,
    /// Who signs its CRLs when its issuer does not (`cRLIssuer`): distinguished names, DER.
    pub crl_issuers: Vec<Vec<u8>>,
    /// Where its issuer's certificate is.
    pub issuer_urls: Vec<String>,
    /// Critical extensions not understood or not readable, dotted.
    pub unknown_critical: Vec<String>,
}

/// ETSI EN 319 412-5 statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QcStatements {
    /// `QcCompliance`
    pub compliance: bool,
    /// `QcSSCD`: the key lives in a qualified device.
    pub sscd: bool,
    /// `QcType`, dotted: `0.4.0.1862.1.6.1` signature, `.2` seal, `.3` web.
    pub types: Vec<String>,
}

impl Extensions {
    /// Reads the extensions of a certificate.
    pub(super) fn read(extensions: &[X509Extension<'_>]) -> Self {
        let mut read = Self::default();
        for extension in extensions {
            let oid = extension.oid.to_id_string();
            let understood = read.note(extension, &oid) || read.note_private(extension.value, &oid);
            if !understood && extension.critical {
                read.unknown_critical.push(oid);
            }
        }
        read
    }

    /// Whether an extended usage, if there is one, allows `purpose`.
    pub fn allows(&self, purpose: &str) -> bool {
        self.extended_usage
            .as_ref()
            .is_none_or(|usages| usages.iter().any(|usage| usage == purpose || usage == EKU_ANY))
    }

    fn note(&mut self, extension: &X509Extension<'_>, oid: &str) -> bool {
        let texts = |oids: &mut dyn Iterator<Item = String>| oids.collect::<Vec<_>>();
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                if constraints.ca {
                    self.authority = Some(constraints.path_len_constraint);
                }
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(usage.flags),
            ParsedExtension::ExtendedKeyUsage(_) => {
                self.extended_usage = Some(identifiers(extension.value));
                self.extended_usage_critical = extension.critical;
            }
            ParsedExtension::CertificatePolicies(policies) => {
                self.policies = Some(texts(&mut policies.iter().map(|policy| policy.policy_id.to_id_string())));
            }
            ParsedExtension::PolicyMappings(mappings) => {
                let pair = |mapping: &x509_parser::extensions::PolicyMapping<'_>| {
                    (mapping.issuer_domain_policy.to_id_string(), mapping.subject_domain_policy.to_id_string())
                };
                self.mappings = mappings.mappings.iter().map(pair).collect();
            }
            ParsedExtension::PolicyConstraints(constraints) => {
                self.require_explicit = constraints.require_explicit_policy;
                self.inhibit_mapping = constraints.inhibit_policy_mapping;
            }
            ParsedExtension::InhibitAnyPolicy(inhibit) => self.inhibit_any = Some(inhibit.skip_certs),
            ParsedExtension::NameConstraints(constraints) => {
                let names = |trees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
                    trees.iter().flatten().map(|tree| general(&tree.base)).collect()
                };
                self.permitted = names(&constraints.permitted_subtrees);
                self.excluded = names(&constraints.excluded_subtrees);
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.alternative_names = names.general_names.iter().map(general).collect();
            }
            ParsedExtension::SubjectKeyIdentifier(key) => self.subject_key_id = Some(key.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                self.authority_key_id = key.key_identifier.as_ref().map(|key| key.0.to_vec());
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in &access.accessdescs {
                    if let Parsed::URI(uri) = description.access_location {
                        match description.access_method.to_id_string().as_str() {
                            "1.3.6.1.5.5.7.48.1" => self.ocsp_urls.push(uri.to_owned()),
                            "1.3.6.1.5.5.7.48.2" => self.issuer_urls.push(uri.to_owned()),
                            _ => {}
                        }
                    }
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in &points.points {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point {
                        for name in names {
                            match name {
                                Parsed::URI(uri) => self.crl_urls.push((*uri).to_owned()),
                                Parsed::DirectoryName(name) => self.crl_directories.push(name.as_raw().to_vec()),
                                _ => {}
                            }
                        }
                    }
                    self.crl_issuers.extend(point.crl_issuer.iter().flatten().filter_map(|name| match name {
                        Parsed::DirectoryName(name) => Some(name.as_raw().to_vec()),
                        _ => None,
                    }));
                }
            }
            ParsedExtension::IssuerAlternativeName(_)
            | ParsedExtension::SubjectInfoAccess(_)
            | ParsedExtension::NSCertType(_)
            | ParsedExtension::NsCertComment(_)
            | ParsedExtension::SCT(_) => {}
            // A usage that cannot be read allows nothing; other unreadable extensions count only when critical.
            ParsedExtension::ParseError { .. } => {
                match oid {
                    "2.5.29.15" => self.key_usage = Some(0),
                    "2.5.29.37" => self.extended_usage = Some(Vec::new()),
                    _ => {}
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    fn note_private(&mut self, value: &[u8], oid: &str) -> bool {
        match oid {
            QC_STATEMENTS => self.qc = QcStatements::read(value),
            OCSP_NO_CHECK => self.ocsp_no_check = true,
            _ => return false,
        }
        true
    }
}

impl QcStatements {
    fn read(value: &[u8]) -> Self {
        let mut read = Self::default();
        let Ok(mut statements) = Reader::new(value).sequence("") else { return read };
        while let Ok(mut statement) = statements.sequence("") {
            let Ok(oid) = statement.oid("").map(dotted) else { continue };
            match oid.as_str() {
                "0.4.0.1862.1.1" => read.compliance = true,
                "0.4.0.1862.1.4" => read.sscd = true,
                "0.4.0.1862.1.6" => {
                    if let Ok(field) = statement.expect(tag::SEQUENCE, "") {
                        read.types = identifiers(field.raw);
                    }
                }
                _ => {}
            }
        }
        read
    }
}

/// A SEQUENCE OF OBJECT IDENTIFIER, dotted; what cannot be read ends it.
fn identifiers(value: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(mut reader) = Reader::new(value).sequence("") {
        while let Ok(oid) = reader.oid("") {
            found.push(dotted(oid));
        }
    }
    found
}

fn general(name: &Parsed<'_>) -> GeneralName {
    match name {
        Parsed::RFC822Name(address) => GeneralName::Email((*address).to_owned()),
        Parsed::DNSName(host) => GeneralName::Dns((*host).to_owned()),
        Parsed::URI(uri) => GeneralName::Uri((*uri).to_owned()),
        Parsed::DirectoryName(name) => GeneralName::Directory(name.as_raw().to_vec()),
        Parsed::IPAddress(octets) => GeneralName::Ip(octets.to_vec()),
        _ => GeneralName::Other,
    }
}
