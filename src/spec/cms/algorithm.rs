//! The algorithms accepted, and checking a signature with them.
//!
//! SHA-256, SHA-384 and SHA-512; RSA from 2,048 to 8,192 bits (PKCS #1 v1.5, and PSS with the salt as long as the
//! digest); ECDSA on P-256 and P-384 with SHA-256 or SHA-384; Ed25519. MD5 and SHA-1 signatures are refused.

use super::asn1::{DerError, Reader, dotted, tag};
use super::oid;
use const_oid::ObjectIdentifier;
use ring::{digest, signature};

/// Why a signature does not hold, or cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes, the key and the signature do not belong together.
    #[error("la signature ne correspond pas aux données ou à la clé du certificat")]
    Mismatch,
    /// Not an algorithm accepted here.
    #[error("algorithme non accepté : {0} (acceptés : SHA-256/384/512 avec RSA ≥ 2048, ECDSA P-256/P-384, Ed25519)")]
    Unsupported(String),
    /// The parameters cannot be read.
    #[error(transparent)]
    Der(#[from] DerError),
}

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

impl Digest {
    /// The algorithm of this identifier (content octets).
    pub fn from_oid(content: &[u8]) -> Result<Self, SignatureError> {
        Self::ALL
            .into_iter()
            .find(|digest| digest.oid().as_bytes() == content)
            .ok_or_else(|| SignatureError::Unsupported(dotted(content)))
    }

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
        }
    }

    /// The digest of `data`.
    pub fn of(self, data: &[u8]) -> digest::Digest {
        digest::digest(self.ring(), data)
    }

    /// A digest in the making, for what comes in pieces.
    pub fn context(self) -> digest::Context {
        digest::Context::new(self.ring())
    }

    /// The length of a digest, in bytes.
    pub fn size(self) -> usize {
        self.ring().output_len()
    }

    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn ring(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// An AlgorithmIdentifier as received (RFC 5280 § 4.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmId<'a> {
    /// Content octets of the identifier.
    pub oid: &'a [u8],
    /// The parameters as received, tag included.
    pub parameters: Option<&'a [u8]>,
}

impl<'a> AlgorithmId<'a> {
    /// Reads one.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence("un identifiant d'algorithme")?;
        let oid = fields.oid("un identifiant d'objet d'algorithme")?;
        let parameters = if fields.is_empty() { None } else { Some(fields.any()?.raw) };
        fields.finish()?;
        Ok(Self { oid, parameters })
    }

    fn is(&self, identifier: &ObjectIdentifier) -> bool {
        self.oid == identifier.as_bytes()
    }

    fn has_no_parameters(&self) -> bool {
        matches!(self.parameters, None | Some([tag::NULL, 0]))
    }
}

/// A SubjectPublicKeyInfo, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct PublicKey<'a> {
    /// The kind of key, and for elliptic curves which.
    pub algorithm: AlgorithmId<'a>,
    /// The key's octets.
    pub key: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// Reads the content of a SubjectPublicKeyInfo.
    pub fn parse(spki: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::new(spki);
        let mut fields = outer.sequence("une clé publique")?;
        outer.finish()?;
        let algorithm = AlgorithmId::read(&mut fields)?;
        let key = fields.bit_string("les octets d'une clé publique")?;
        fields.finish()?;
        Ok(Self { algorithm, key })
    }

    /// What it is, readable.
    pub fn name(&self) -> String {
        let curve = self.algorithm.parameters.and_then(|der| Reader::new(der).oid("").ok());
        match curve {
            _ if self.algorithm.is(&oid::RSA) => {
                super::key::rsa_bits(self.key).map_or_else(|| "RSA".to_owned(), |bits| format!("RSA {bits}"))
            }
            _ if self.algorithm.is(&oid::ED25519) => "Ed25519".to_owned(),
            Some(curve) if curve == oid::P256.as_bytes() => "ECDSA P-256".to_owned(),
            Some(curve) if curve == oid::P384.as_bytes() => "ECDSA P-384".to_owned(),
            _ => dotted(self.algorithm.oid),
        }
    }

    /// Checks `signature` over `message`.
    ///
    /// `digest` is the digest the signed structure announces (CMS); it must be the one the signature uses. Certificates
    /// announce none.
    pub fn verify(
        &self,
        algorithm: &AlgorithmId<'_>,
        digest: Option<Digest>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let (verification, used) = self.choose(algorithm, digest)?;
        // Ed25519 hashes internally; whatever digest stands beside it only concerns the message-digest attribute.
        if let (Some(announced), Some(used)) = (digest, used)
            && announced != used
        {
            return Err(SignatureError::Unsupported("deux condensats différents pour une même signature".to_owned()));
        }
        signature::UnparsedPublicKey::new(verification, self.key)
            .verify(message, signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    fn choose(
        &self,
        algorithm: &AlgorithmId<'_>,
        announced: Option<Digest>,
    ) -> Result<(&'static dyn signature::VerificationAlgorithm, Option<Digest>), SignatureError> {
        use Digest::{Sha256, Sha384, Sha512};
        let unsupported = || SignatureError::Unsupported(dotted(algorithm.oid));
        if self.algorithm.is(&oid::RSA) {
            let (digest, pss) = if algorithm.is(&oid::RSA_PSS) {
                (pss_digest(algorithm)?, true)
            } else if !algorithm.has_no_parameters() {
                return Err(unsupported());
            } else if algorithm.is(&oid::RSA) {
                (announced.ok_or_else(unsupported)?, false)
            } else {
                let pairs = [(oid::RSA_SHA256, Sha256), (oid::RSA_SHA384, Sha384), (oid::RSA_SHA512, Sha512)];
                (pairs.iter().find(|(known, _)| algorithm.is(known)).ok_or_else(unsupported)?.1, false)
            };
            let verification: &'static dyn signature::VerificationAlgorithm = match (digest, pss) {
                (Sha256, false) => &signature::RSA_PKCS1_2048_8192_SHA256,
                (Sha384, false) => &signature::RSA_PKCS1_2048_8192_SHA384,
                (Sha512, false) => &signature::RSA_PKCS1_2048_8192_SHA512,
                (Sha256, true) => &signature::RSA_PSS_2048_8192_SHA256,
                (Sha384, true) => &signature::RSA_PSS_2048_8192_SHA384,
                (Sha512, true) => &signature::RSA_PSS_2048_8192_SHA512,
            };
            return Ok((verification, Some(digest)));
        }
        if algorithm.parameters.is_some() {
            return Err(unsupported());
        }
        if self.algorithm.is(&oid::ED25519) && algorithm.is(&oid::ED25519) {
            return Ok((&signature::ED25519, None));
        }
        let on = |curve: &ObjectIdentifier| {
            self.algorithm.is(&oid::EC_PUBLIC_KEY)
                && self.algorithm.parameters.and_then(|der| Reader::new(der).oid("").ok()) == Some(curve.as_bytes())
        };
        let digest = if algorithm.is(&oid::ECDSA_SHA256) {
            Sha256
        } else if algorithm.is(&oid::ECDSA_SHA384) {
            Sha384
        } else {
            return Err(unsupported());
        };
        let verification: &'static dyn signature::VerificationAlgorithm = match digest {
            Sha256 if on(&oid::P256) => &signature::ECDSA_P256_SHA256_ASN1,
            Sha384 if on(&oid::P256) => &signature::ECDSA_P256_SHA384_ASN1,
            Sha256 if on(&oid::P384) => &signature::ECDSA_P384_SHA256_ASN1,
            Sha384 if on(&oid::P384) => &signature::ECDSA_P384_SHA384_ASN1,
            _ => return Err(SignatureError::Unsupported(dotted(self.algorithm.oid))),
        };
        Ok((verification, Some(digest)))
    }
}

/// The digest of RSASSA-PSS parameters (RFC 4055 § 3.1), when they are those ring checks: the same digest in MGF1, a
/// salt as long as the digest, trailer field 1.
fn pss_digest(algorithm: &AlgorithmId<'_>) -> Result<Digest, SignatureError> {
    let refused = || SignatureError::Unsupported("RSASSA-PSS avec des paramètres inhabituels".to_owned());
    let mut outer = Reader::new(algorithm.parameters.ok_or_else(refused)?);
    let mut fields = outer.sequence("les paramètres de RSASSA-PSS")?;
    let mut hash = fields.expect(tag::context(0), "le condensat de RSASSA-PSS")?.reader();
    let digest = Digest::from_oid(AlgorithmId::read(&mut hash)?.oid)?;
    let mut mask = fields.expect(tag::context(1), "le masque de RSASSA-PSS")?.reader();
    let mask = AlgorithmId::read(&mut mask)?;
    let mask_digest = AlgorithmId::read(&mut Reader::new(mask.parameters.ok_or_else(refused)?))?;
    let salt = fields.expect(tag::context(2), "le sel de RSASSA-PSS")?.reader().small("une longueur de sel")?;
    let trailer = match fields.optional(tag::context(3))? {
        Some(field) => field.reader().small("le champ final de RSASSA-PSS")?,
        None => 1,
    };
    fields.finish()?;
    let usual = mask.is(&oid::MGF1)
        && mask_digest.is(&digest.oid())
        && usize::try_from(salt).is_ok_and(|salt| salt == digest.size())
        && trailer == 1;
    if usual { Ok(digest) } else { Err(refused()) }
}
