//! SignerInfo and its attributes (RFC 5652 § 5.3), every piece with its bytes as received.

use super::{MAX_ATTRIBUTES, ReadError};
use crate::spec::ber::{BerError, CertificateFields, Element, Reader, same_name, tag};
use crate::spec::cms::oid;
use const_oid::ObjectIdentifier;
use std::borrow::Cow;

/// An AlgorithmIdentifier as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmId<'a> {
    /// The whole SEQUENCE.
    pub raw: &'a [u8],
    /// Content octets of the identifier.
    pub oid: &'a [u8],
    /// The parameters, tag included.
    pub parameters: Option<&'a [u8]>,
}

/// One signature.
#[derive(Debug, Clone)]
pub struct SignerInfo<'a> {
    /// The whole SignerInfo.
    pub raw: &'a [u8],
    /// 1 with an issuer and a serial number, 3 with a key identifier; found otherwise too.
    pub version: u32,
    /// The version, tag included.
    pub version_raw: &'a [u8],
    /// Whose.
    pub sid: SignerId<'a>,
    /// The signer identifier, tag included.
    pub sid_raw: &'a [u8],
    /// The digest of the content.
    pub digest: AlgorithmId<'a>,
    /// The signed attributes.
    pub signed: Option<Attributes<'a>>,
    /// How the signature was made.
    pub algorithm: AlgorithmId<'a>,
    /// The signature.
    pub signature: Cow<'a, [u8]>,
    /// The signature, tag included.
    pub signature_raw: &'a [u8],
    /// The unsigned attributes.
    pub unsigned: Option<Attributes<'a>>,
}

/// How a signer's certificate is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerId<'a> {
    /// By its issuer (tag included) and its serial number (content octets).
    IssuerAndSerial {
        /// The issuer's name.
        issuer: &'a [u8],
        /// Content octets of the serial number.
        serial: &'a [u8],
    },
    /// By its subject key identifier.
    SubjectKeyId(&'a [u8]),
}

/// A set of attributes.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    /// As received, with its context tag.
    pub element: Element<'a>,
    /// One by one, in the order received.
    pub entries: Vec<Attribute<'a>>,
}

/// One attribute.
#[derive(Debug, Clone)]
pub struct Attribute<'a> {
    /// The whole Attribute.
    pub raw: &'a [u8],
    /// Type and values as they stand one after the other, without the SEQUENCE around them: what time-stamps cover.
    pub content: &'a [u8],
    /// Its type, tag included.
    pub kind_raw: &'a [u8],
    /// Its type, content octets.
    pub kind: &'a [u8],
    /// Its values.
    pub values: Vec<Element<'a>>,
}

impl<'a> AlgorithmId<'a> {
    /// Reads one.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, BerError> {
        let whole = reader.expect(tag::SEQUENCE, "un identifiant d'algorithme")?;
        let mut fields = whole.reader();
        let oid = fields.oid("un identifiant d'objet d'algorithme")?;
        let parameters = if fields.is_empty() { None } else { Some(fields.any()?.raw) };
        fields.finish()?;
        Ok(Self { raw: whole.raw, oid, parameters })
    }
}

impl<'a> SignerInfo<'a> {
    /// Reads one, also from the value of a counterSignature attribute (RFC 5652 § 11.4).
    pub fn read(whole: &Element<'a>) -> Result<Self, ReadError> {
        if whole.tag != tag::SEQUENCE {
            return Err(whole.error("un signataire (SignerInfo)").into());
        }
        let mut fields = whole.reader();
        let version_raw = fields.clone().any()?.raw;
        let version = fields.small("une version de SignerInfo")?;
        let sid = fields.any()?;
        let digest = AlgorithmId::read(&mut fields)?;
        let signed = fields.optional(tag::context(0))?.map(Attributes::read).transpose()?;
        let algorithm = AlgorithmId::read(&mut fields)?;
        let signature = fields.any()?;
        if ![0x04, 0x24].contains(&signature.tag) {
            return Err(signature.error("la signature").into());
        }
        let unsigned = fields.optional(tag::context(1))?.map(Attributes::read).transpose()?;
        fields.finish()?;
        Ok(Self {
            raw: whole.raw,
            version,
            version_raw,
            sid: SignerId::read(&sid)?,
            sid_raw: sid.raw,
            digest,
            signed,
            algorithm,
            signature: signature.octets()?,
            signature_raw: signature.raw,
            unsigned,
        })
    }

    /// The signed attributes of this type.
    pub fn signed_attributes(&self, kind: &ObjectIdentifier) -> impl Iterator<Item = &Attribute<'a>> {
        of_kind(self.signed.as_ref(), *kind)
    }

    /// The unsigned attributes of this type.
    pub fn unsigned_attributes(&self, kind: &ObjectIdentifier) -> impl Iterator<Item = &Attribute<'a>> {
        of_kind(self.unsigned.as_ref(), *kind)
    }

    /// The first value of the first signed attribute of this type.
    pub fn signed_value(&self, kind: &ObjectIdentifier) -> Option<Element<'a>> {
        self.signed_attributes(kind).find_map(|attribute| attribute.values.first().copied())
    }

    /// The counter-signatures over this signature (RFC 5652 § 11.4), those that can be read and those that cannot.
    pub fn counter_signatures(&self) -> impl Iterator<Item = Result<SignerInfo<'a>, ReadError>> {
        self.unsigned_attributes(&oid::COUNTER_SIGNATURE).flat_map(|attribute| &attribute.values).map(SignerInfo::read)
    }
}

fn of_kind<'s, 'a>(
    attributes: Option<&'s Attributes<'a>>,
    kind: ObjectIdentifier,
) -> impl Iterator<Item = &'s Attribute<'a>> {
    attributes.into_iter().flat_map(|set| &set.entries).filter(move |attribute| attribute.kind == kind.as_bytes())
}

impl<'a> SignerId<'a> {
    fn read(sid: &Element<'a>) -> Result<Self, ReadError> {
        match sid.tag {
            tag::SEQUENCE => {
                let mut named = sid.reader();
                let issuer = named.expect(tag::SEQUENCE, "l'émetteur du certificat du signataire")?.raw;
                let serial = named.integer("le numéro de série du certificat du signataire")?;
                Ok(Self::IssuerAndSerial { issuer, serial })
            }
            0x80 => Ok(Self::SubjectKeyId(sid.value)),
            // [0] EXPLICIT, as some write it.
            0xa0 => Ok(Self::SubjectKeyId(sid.inner()?.value)),
            _ => Err(sid.error("l'identifiant du signataire").into()),
        }
    }

    /// Whether it names this certificate.
    pub fn names(&self, certificate: &CertificateFields<'_>) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.serial == *serial && same_name(certificate.issuer, issuer)
            }
            Self::SubjectKeyId(key) => certificate.subject_key_id == Some(key),
        }
    }
}

impl<'a> Attributes<'a> {
    fn read(element: Element<'a>) -> Result<Self, ReadError> {
        let mut reader = element.reader();
        let mut entries = Vec::new();
        while !reader.is_empty() {
            if entries.len() == MAX_ATTRIBUTES {
                return Err(ReadError::TooMany("attributs"));
            }
            entries.push(Attribute::read(&reader.any()?)?);
        }
        Ok(Self { element, entries })
    }

    /// What may have been signed (RFC 5652 § 5.4): the attributes as received under the tag of a SET OF and, when they
    /// are not the DER of one, their DER. The standard asks for DER; signers that left their attributes unsorted have
    /// signed what they sent.
    pub fn to_be_signed(&self) -> Vec<Vec<u8>> {
        let mut candidates = Vec::new();
        if self.element.definite
            && let [_, rest @ ..] = self.element.raw
        {
            candidates.push([&[tag::SET], rest].concat());
        }
        if let Ok(mut der) = crate::spec::ber::canonical_as(self.element.raw, true)
            && let Some(first) = der.first_mut()
        {
            *first = tag::SET;
            if !candidates.contains(&der) {
                candidates.push(der);
            }
        }
        candidates
    }
}

impl<'a> Attribute<'a> {
    fn read(whole: &Element<'a>) -> Result<Self, ReadError> {
        let mut fields = whole.reader();
        let kind_raw = fields.clone().any()?.raw;
        let kind = fields.oid("le type d'un attribut")?;
        let mut set = fields.expect(tag::SET, "les valeurs d'un attribut")?.reader();
        let mut values = Vec::new();
        while !set.is_empty() {
            if values.len() == MAX_ATTRIBUTES {
                return Err(ReadError::TooMany("valeurs d'attribut"));
            }
            values.push(set.any()?);
        }
        Ok(Self { raw: whole.raw, content: whole.value, kind_raw, kind, values })
    }
}
