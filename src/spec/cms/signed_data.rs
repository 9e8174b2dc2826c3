//! SignedData (RFC 5652 § 5), as received: every field borrows from the input.

use super::algorithm::{AlgorithmId, Digest};
use super::asn1::{Reader, Tlv, tag};
use super::certificate::Certificate;
use super::{CmsError, MAX_DER_BYTES, oid};
use const_oid::ObjectIdentifier;
use time::OffsetDateTime;

/// Certificates looked at in one SignedData.
const MAX_CERTIFICATES: usize = 32;
/// Signers looked at in one SignedData.
const MAX_SIGNERS: usize = 16;
/// Attributes of one signer.
const MAX_ATTRIBUTES: usize = 64;

/// A parsed SignedData. Parsing proves nothing: see [`super::verify_signer`].
#[derive(Debug, Clone)]
pub struct SignedData<'a> {
    /// Content type of what is signed (content octets of the identifier).
    pub content_type: &'a [u8],
    /// What is signed, when it is inside.
    pub content: Option<&'a [u8]>,
    /// The certificates that came along, DER.
    pub certificates: Vec<&'a [u8]>,
    /// One per signature.
    pub signers: Vec<SignerInfo<'a>>,
}

/// One signature (RFC 5652 § 5.3).
#[derive(Debug, Clone)]
pub struct SignerInfo<'a> {
    /// Whose.
    pub sid: SignerId<'a>,
    /// The digest of the content.
    pub digest: Digest,
    /// The signed attributes.
    pub signed: Option<Attributes<'a>>,
    /// How the signature was made.
    pub algorithm: AlgorithmId<'a>,
    /// The signature.
    pub signature: &'a [u8],
    /// The unsigned attributes.
    pub unsigned: Option<Attributes<'a>>,
}

/// How a signer's certificate is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerId<'a> {
    /// By its issuer (DER) and its serial number (content octets).
    IssuerAndSerial {
        /// The issuer's name, DER.
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
    raw: &'a [u8],
    entries: Vec<(&'a [u8], Tlv<'a>)>,
}

impl<'a> SignedData<'a> {
    /// Parses a ContentInfo of type id-signedData, at most 256 KiB, with nothing after it.
    pub fn parse(der: &'a [u8]) -> Result<Self, CmsError> {
        if der.len() > MAX_DER_BYTES {
            return Err(CmsError::TooLarge { size_bytes: der.len() });
        }
        let mut outer = Reader::new(der);
        let mut info = outer.sequence("un ContentInfo CMS")?;
        outer.finish()?;
        if info.oid("un type de contenu CMS")? != oid::SIGNED_DATA.as_bytes() {
            return Err(CmsError::Structure("ce n'est pas une signature CMS (id-signedData attendu)"));
        }
        let signed_data = info.expect(tag::context(0), "le contenu CMS")?.inner()?;
        info.finish()?;
        if signed_data.tag != tag::SEQUENCE {
            return Err(signed_data.error("un SignedData").into());
        }
        let mut fields = signed_data.reader();
        if !matches!(fields.small("une version CMS")?, 1 | 3 | 4 | 5) {
            return Err(CmsError::Structure("version de SignedData inconnue"));
        }
        fields.expect(tag::SET, "les algorithmes de condensat")?;
        let (content_type, content) = encapsulated(fields.sequence("le contenu encapsulé")?)?;
        let certificates = match fields.optional(tag::context(0))? {
            Some(set) => certificates(set.reader())?,
            None => Vec::new(),
        };
        fields.optional(tag::context(1))?;
        let mut set = fields.expect(tag::SET, "les signataires")?.reader();
        fields.finish()?;
        let mut signers = Vec::new();
        while !set.is_empty() {
            if signers.len() == MAX_SIGNERS {
                return Err(CmsError::Structure("trop de signataires"));
            }
            signers.push(SignerInfo::read(&mut set)?);
        }
        Ok(Self { content_type, content, certificates, signers })
    }

    /// The certificates that can be used: those that are X.509 and readable. The others cannot help a signature.
    pub fn usable_certificates(&self) -> Vec<Certificate> {
        self.certificates.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
    }
}

impl<'a> SignerInfo<'a> {
    fn read(set: &mut Reader<'a>) -> Result<Self, CmsError> {
        let mut fields = set.sequence("un signataire (SignerInfo)")?;
        let version = fields.small("une version de SignerInfo")?;
        let (sid, expected) = if fields.peek_tag() == Some(tag::SEQUENCE) {
            let mut named = fields.sequence("le certificat du signataire")?;
            let issuer = named.expect(tag::SEQUENCE, "l'émetteur du certificat du signataire")?.raw;
            let serial = named.integer("le numéro de série du certificat du signataire")?;
            named.finish()?;
            (SignerId::IssuerAndSerial { issuer, serial }, 1)
        } else {
            let key = fields.expect(tag::context_primitive(0), "l'identifiant du signataire")?;
            (SignerId::SubjectKeyId(key.value), 3)
        };
        if version != expected {
            return Err(CmsError::Structure("version de SignerInfo inattendue"));
        }
        let digest = Digest::from_oid(AlgorithmId::read(&mut fields)?.oid)?;
        let signed = fields.optional(tag::context(0))?.map(Attributes::read).transpose()?;
        let algorithm = AlgorithmId::read(&mut fields)?;
        let signature = fields.expect(tag::OCTET_STRING, "la signature")?.value;
        let unsigned = fields.optional(tag::context(1))?.map(Attributes::read).transpose()?;
        fields.finish()?;
        Ok(Self { sid, digest, signed, algorithm, signature, unsigned })
    }

    /// The signed attribute `identifier`: its only value. None when there are no signed attributes or not this one.
    pub fn signed_attribute(&self, identifier: &ObjectIdentifier) -> Result<Option<Tlv<'a>>, CmsError> {
        self.signed.as_ref().map_or(Ok(None), |attributes| attributes.single(identifier))
    }

    /// The time the signer claims (RFC 5652 § 11.3). Nobody vouches for it.
    pub fn signing_time(&self) -> Result<Option<OffsetDateTime>, CmsError> {
        Ok(self.signed_attribute(&oid::SIGNING_TIME)?.map(|value| value.time()).transpose()?)
    }
}

impl SignerId<'_> {
    /// Whether it names this certificate.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.issuer_der() == *issuer && certificate.serial() == *serial
            }
            Self::SubjectKeyId(key) => certificate.subject_key_id.as_deref() == Some(*key),
        }
    }
}

impl<'a> Attributes<'a> {
    fn read(set: Tlv<'a>) -> Result<Self, CmsError> {
        let mut reader = set.reader();
        let mut entries = Vec::new();
        while !reader.is_empty() {
            if entries.len() == MAX_ATTRIBUTES {
                return Err(CmsError::Structure("trop d'attributs"));
            }
            let mut fields = reader.sequence("un attribut")?;
            let identifier = fields.oid("le type d'un attribut")?;
            let values = fields.expect(tag::SET, "les valeurs d'un attribut")?;
            fields.finish()?;
            entries.push((identifier, values));
        }
        Ok(Self { raw: set.raw, entries })
    }

    /// What is signed: the attributes as received under the tag of a SET OF (RFC 5652 § 5.4).
    pub fn to_be_signed(&self) -> Vec<u8> {
        let mut message = self.raw.to_vec();
        if let Some(first) = message.first_mut() {
            *first = tag::SET;
        }
        message
    }

    /// Every value of every attribute of this type.
    pub fn values(&self, identifier: &ObjectIdentifier) -> Result<Vec<Tlv<'a>>, CmsError> {
        let mut found = Vec::new();
        for (_, values) in self.entries.iter().filter(|(oid, _)| *oid == identifier.as_bytes()) {
            let mut reader = values.reader();
            while !reader.is_empty() {
                found.push(reader.any()?);
            }
        }
        Ok(found)
    }

    /// The value of an attribute that has one value and stands once.
    pub fn single(&self, identifier: &ObjectIdentifier) -> Result<Option<Tlv<'a>>, CmsError> {
        let occurrences = self.entries.iter().filter(|(oid, _)| *oid == identifier.as_bytes()).count();
        match (occurrences, self.values(identifier)?.as_slice()) {
            (0, _) => Ok(None),
            (1, [value]) => Ok(Some(*value)),
            _ => Err(CmsError::Structure("un attribut qui doit être unique ne l'est pas")),
        }
    }
}

fn encapsulated(mut fields: Reader<'_>) -> Result<(&[u8], Option<&[u8]>), CmsError> {
    let content_type = fields.oid("le type du contenu signé")?;
    let content = match fields.optional(tag::context(0))? {
        None => None,
        Some(explicit) => {
            let octets = explicit.inner()?;
            if octets.tag != tag::OCTET_STRING {
                return Err(octets.error("une chaîne d'octets").into());
            }
            Some(octets.value)
        }
    };
    fields.finish()?;
    Ok((content_type, content))
}

/// X.509 certificates only: attribute certificates and old forms are skipped.
fn certificates(mut set: Reader<'_>) -> Result<Vec<&[u8]>, CmsError> {
    let mut found = Vec::new();
    while !set.is_empty() {
        let element = set.any()?;
        if element.tag == tag::SEQUENCE {
            if found.len() == MAX_CERTIFICATES {
                return Err(CmsError::Structure("trop de certificats"));
            }
            found.push(element.raw);
        }
    }
    Ok(found)
}
