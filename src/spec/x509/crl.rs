//! Certificate revocation lists (RFC 5280 § 5): read once, asked often.

use super::certificate::Certificate;
use super::name;
use crate::spec::cms::asn1::{DerError, Reader, Tlv, dotted, tag};
use crate::spec::crypto::{SignatureAlgorithm, SignatureForm, VerifyError};
use time::OffsetDateTime;

/// The largest list read, in bytes.
pub const CRL_BYTES_MAX: usize = 64 << 20;

/// A revocation list, over its own bytes.
#[derive(Debug)]
pub struct Crl<'a> {
    /// The issuer's name, DER.
    pub issuer: &'a [u8],
    /// When it was made.
    pub this_update: OffsetDateTime,
    /// When the next is due.
    pub next_update: Option<OffsetDateTime>,
    /// `cRLNumber` (§ 5.2.3): content octets.
    pub number: Option<&'a [u8]>,
    /// A delta (§ 5.2.4): the number of the list it completes. Says nothing without it.
    pub delta_of: Option<&'a [u8]>,
    /// `expiredCertsOnCRL` (X.509 § 9.5.2.8): certificates that expired since then are still on the list.
    pub expired_since: Option<OffsetDateTime>,
    /// What it is about (§ 5.2.5).
    pub scope: Scope,
    /// The names of the distribution point it is for, when it is a part of what the issuer publishes.
    pub points: Vec<Point>,
    /// Critical extensions not understood.
    pub unknown_critical: Vec<String>,
    tbs: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    /// The revoked entries, DER, one after the other.
    entries: &'a [u8],
}

/// `issuingDistributionPoint`, as far as it limits the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whose certificates, when only some are concerned
    pub only: Option<Only>,
    /// Only some reasons
    pub some_reasons: bool,
    /// Entries may be another issuer's
    pub indirect: bool,
}

/// Whose certificates a list is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Those of users
    Users,
    /// Those of authorities
    Authorities,
    /// Attribute certificates
    Attributes,
}

/// A name of a distribution point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// Where it is fetched
    Uri(String),
    /// A directory entry, DER
    Directory(Vec<u8>),
    /// Another form, which is not compared
    Other,
}

/// An entry that concerns a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Since when.
    pub at: OffsetDateTime,
    /// `CRLReason`, when it is given.
    pub reason: Option<u8>,
}

impl<'a> Crl<'a> {
    /// Reads a list.
    pub fn parse(der: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::new(der);
        if der.len() > CRL_BYTES_MAX {
            return Err(outer.error("une liste de 64 Mio au plus"));
        }
        let mut fields = outer.sequence("une liste de révocation")?;
        let tbs = fields.expect(tag::SEQUENCE, "le contenu d'une liste de révocation")?;
        let algorithm = fields.expect(tag::SEQUENCE, "un algorithme de signature")?.raw;
        let signature = fields.bit_string("une signature")?;
        let mut body = tbs.reader();
        body.optional(tag::INTEGER)?;
        body.expect(tag::SEQUENCE, "un algorithme de signature")?;
        let issuer = body.expect(tag::SEQUENCE, "un émetteur")?.raw;
        let this_update = body.any()?.time()?;
        let next_update = match body.peek_tag() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => Some(body.any()?.time()?),
            _ => None,
        };
        let entries = body.optional(tag::SEQUENCE)?.map_or(&[][..], |entries| entries.value);
        let mut list = Self {
            issuer,
            this_update,
            next_update,
            number: None,
            delta_of: None,
            expired_since: None,
            points: Vec::new(),
            scope: Scope::default(),
            unknown_critical: Vec::new(),
            tbs: tbs.raw,
            algorithm,
            signature,
            entries,
        };
        if let Some(extensions) = body.optional(tag::context(0))? {
            let mut extensions = extensions.inner()?.reader();
            while !extensions.is_empty() {
                let (oid, critical, value) = extension(&mut extensions)?;
                list.note(&oid, critical, value)?;
            }
        }
        Ok(list)
    }

    /// Checks that `issuer`'s key signed the list.
    pub fn is_signed_by(&self, issuer: &Certificate) -> Result<(), VerifyError> {
        let algorithm = SignatureAlgorithm::from_der(self.algorithm, None)?;
        let key = issuer.public_key().map_err(|_| VerifyError::Mismatch)?;
        key.verify(&algorithm, self.tbs, self.signature, SignatureForm::of(self.algorithm))
    }

    /// The algorithm it is signed with.
    pub fn algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::from_der(self.algorithm, None).ok()
    }

    /// Whether the list is about `certificate`: its scope and its distribution point are the certificate's (§ 6.3.3 b), and
    /// nothing unknown limits it.
    pub fn concerns(&self, certificate: &Certificate) -> bool {
        let extensions = certificate.extensions();
        let authority = extensions.authority.is_some();
        let included = match self.scope.only {
            None => true,
            Some(Only::Users) => !authority,
            Some(Only::Authorities) => authority,
            Some(Only::Attributes) => false,
        };
        let named = |point: &Point| match point {
            Point::Uri(uri) => extensions.crl_urls.contains(uri),
            Point::Directory(der) => extensions.crl_directories.iter().any(|name| name::same(name, der)),
            Point::Other => false,
        };
        let here = self.points.is_empty() || self.points.iter().any(named);
        included && here && self.names_issuer_of(certificate) && self.unknown_critical.is_empty()
    }

    /// Whether the list is its issuer's own, or one that the certificate's distribution points entrust to another (§ 5.2.5,
    /// `indirectCRL`; § 4.2.1.13, `cRLIssuer`).
    fn names_issuer_of(&self, certificate: &Certificate) -> bool {
        let entrusted = || certificate.extensions().crl_issuers.iter().any(|name| name::same(name, self.issuer));
        name::same(self.issuer, certificate.issuer_der()) || (self.scope.indirect && entrusted())
    }

    /// Whether `delta` completes this list (§ 5.2.4): same issuer, same scope, a base no newer than this list, and newer
    /// than it.
    pub fn is_completed_by(&self, delta: &Crl<'_>) -> bool {
        let (Some(number), Some(base), Some(delta_number)) = (self.number, delta.delta_of, delta.number) else {
            return false;
        };
        let order = |one: &[u8], other: &[u8]| {
            let plain = |octets: &[u8]| octets.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
            let (one, other) = (plain(one), plain(other));
            one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
        };
        name::same(self.issuer, delta.issuer)
            && self.scope == delta.scope
            && self.points == delta.points
            && order(base, number).is_le()
            && order(number, delta_number).is_lt()
    }

    /// The entry of a certificate, if it is revoked.
    pub fn entry(&self, certificate: &Certificate) -> Result<Option<Revoked>, DerError> {
        let mut entries = Reader::new(self.entries);
        // In an indirect list, an entry without `certificateIssuer` has the issuer of the one before it (§ 5.3.3).
        let mut ours = name::same(self.issuer, certificate.issuer_der());
        while !entries.is_empty() {
            let mut entry = entries.sequence("une entrée de révocation")?;
            let number = entry.expect(tag::INTEGER, "un numéro de série")?.value;
            if number != certificate.serial() && !self.scope.indirect {
                continue;
            }
            let at = entry.any()?.time()?;
            let mut reason = None;
            if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
                let mut extensions = extensions.reader();
                while !extensions.is_empty() {
                    let (oid, _, value) = extension(&mut extensions)?;
                    match oid.as_str() {
                        "2.5.29.21" => reason = Tlv::only(value)?.value.first().copied(),
                        "2.5.29.29" if self.scope.indirect => {
                            ours = is_issuer(value, certificate)?;
                        }
                        _ => {}
                    }
                }
            }
            if ours && number == certificate.serial() {
                return Ok(Some(Revoked { at, reason }));
            }
        }
        Ok(None)
    }

    fn note(&mut self, oid: &str, critical: bool, value: &'a [u8]) -> Result<(), DerError> {
        match oid {
            // authorityKeyIdentifier, issuerAltName, freshestCRL, AIA
            "2.5.29.35" | "2.5.29.18" | "2.5.29.46" | "1.3.6.1.5.5.7.1.1" => {}
            "2.5.29.20" => self.number = Some(Tlv::only(value)?.value),
            "2.5.29.27" => self.delta_of = Some(Tlv::only(value)?.value),
            "2.5.29.60" => self.expired_since = Tlv::only(value)?.time().ok(),
            "2.5.29.28" => {
                let mut fields = Reader::new(value).sequence("un point de distribution")?;
                while !fields.is_empty() {
                    let field = fields.any()?;
                    let set = field.value.iter().any(|octet| *octet != 0);
                    match field.tag {
                        0xa0 => self.points = points(field)?,
                        0x81 if set => self.scope.only = Some(Only::Users),
                        0x82 if set => self.scope.only = Some(Only::Authorities),
                        0x83 => self.scope.some_reasons = true,
                        0x84 => self.scope.indirect = set,
                        0x85 if set => self.scope.only = Some(Only::Attributes),
                        _ => {}
                    }
                }
            }
            _ if critical => self.unknown_critical.push(oid.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// `DistributionPointName`: full names; a name relative to the issuer's is not compared.
fn points(field: Tlv<'_>) -> Result<Vec<Point>, DerError> {
    let names = field.inner()?;
    if names.tag != 0xa0 {
        return Ok(vec![Point::Other]);
    }
    let (mut names, mut found) = (names.reader(), Vec::new());
    while !names.is_empty() {
        let name = names.any()?;
        found.push(match name.tag {
            0x86 => Point::Uri(String::from_utf8_lossy(name.value).into_owned()),
            0xa4 => Point::Directory(name.value.to_vec()),
            _ => Point::Other,
        });
    }
    Ok(found)
}

/// Whether `certificateIssuer` (GeneralNames) names the issuer of `certificate`.
fn is_issuer(value: &[u8], certificate: &Certificate) -> Result<bool, DerError> {
    let mut names = Reader::new(value).sequence("l'émetteur d'un certificat révoqué")?;
    let mut found = false;
    while !names.is_empty() {
        let field = names.any()?;
        found |= field.tag == 0xa4 && name::same(field.value, certificate.issuer_der());
    }
    Ok(found)
}

/// `SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }`.
fn extension<'a>(reader: &mut Reader<'a>) -> Result<(String, bool, &'a [u8]), DerError> {
    let mut fields = reader.sequence("une extension")?;
    let oid = dotted(fields.oid("l'identifiant d'une extension")?);
    let critical = fields.optional(tag::BOOLEAN)?.is_some_and(|field| field.value != [0]);
    let value = fields.expect(tag::OCTET_STRING, "la valeur d'une extension")?.value;
    Ok((oid, critical, value))
}
