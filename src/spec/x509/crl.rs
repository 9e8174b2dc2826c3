//! Certificate revocation lists (RFC 5280 § 5): read once, asked often.

use super::certificate::Certificate;
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
    /// A delta (§ 5.2.4): says nothing without its base.
    pub is_delta: bool,
    /// What it is about (§ 5.2.5).
    pub scope: Scope,
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
            is_delta: false,
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
        key.verify(&algorithm, self.tbs, self.signature, SignatureForm::Der)
    }

    /// The algorithm it is signed with.
    pub fn algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::from_der(self.algorithm, None).ok()
    }

    /// Whether the list is about `certificate`: its scope includes it, and nothing unknown limits it.
    pub fn concerns(&self, certificate: &Certificate) -> bool {
        let authority = certificate.extensions().authority.is_some();
        let included = match self.scope.only {
            None => true,
            Some(Only::Users) => !authority,
            Some(Only::Authorities) => authority,
            Some(Only::Attributes) => false,
        };
        let whole = !self.is_delta && !self.scope.some_reasons && !self.scope.indirect;
        included && whole && self.unknown_critical.is_empty()
    }

    /// The entry of a serial number (content octets), if it is revoked.
    pub fn entry(&self, serial: &[u8]) -> Result<Option<Revoked>, DerError> {
        let mut entries = Reader::new(self.entries);
        while !entries.is_empty() {
            let mut entry = entries.sequence("une entrée de révocation")?;
            let number = entry.expect(tag::INTEGER, "un numéro de série")?.value;
            if number != serial {
                continue;
            }
            let at = entry.any()?.time()?;
            let mut reason = None;
            if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
                let mut extensions = extensions.reader();
                while !extensions.is_empty() {
                    let (oid, _, value) = extension(&mut extensions)?;
                    if oid == "2.5.29.21" {
                        reason = Tlv::only(value)?.value.first().copied();
                    }
                }
            }
            return Ok(Some(Revoked { at, reason }));
        }
        Ok(None)
    }

    fn note(&mut self, oid: &str, critical: bool, value: &[u8]) -> Result<(), DerError> {
        match oid {
            // authorityKeyIdentifier, issuerAltName, cRLNumber, freshestCRL, AIA, expiredCertsOnCRL
            "2.5.29.35" | "2.5.29.18" | "2.5.29.20" | "2.5.29.46" | "1.3.6.1.5.5.7.1.1" | "2.5.29.60" => {}
            "2.5.29.27" => self.is_delta = true,
            "2.5.29.28" => {
                let mut fields = Reader::new(value).sequence("un point de distribution")?;
                while !fields.is_empty() {
                    let field = fields.any()?;
                    let set = field.value.iter().any(|octet| *octet != 0);
                    match field.tag {
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

/// `SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }`.
fn extension<'a>(reader: &mut Reader<'a>) -> Result<(String, bool, &'a [u8]), DerError> {
    let mut fields = reader.sequence("une extension")?;
    let oid = dotted(fields.oid("l'identifiant d'une extension")?);
    let critical = fields.optional(tag::BOOLEAN)?.is_some_and(|field| field.value != [0]);
    let value = fields.expect(tag::OCTET_STRING, "la valeur d'une extension")?.value;
    Ok((oid, critical, value))
}
