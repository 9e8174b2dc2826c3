//! Public keys, and checking a signature with one.

use super::{DigestAlgorithm, SignatureAlgorithm, Unsupported, VerifyError, ecdsa, rsa};
use crate::spec::cms::asn1::{DerError, Reader, dotted, tag};
use ring::signature as ring_signature;
use std::fmt;

/// A public key, taken out of a SubjectPublicKeyInfo (RFC 5280 § 4.1.2.7). It owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    /// RSA: the RSAPublicKey, DER. Elliptic curves: the point, SEC 1. Otherwise the octets.
    octets: Vec<u8>,
}

/// What kind of key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the size of its modulus in bits.
    Rsa {
        /// Size of the modulus.
        bits: usize,
    },
    /// On a named elliptic curve.
    Ec(Curve),
    /// On a curve not computed here: its dotted identifier, or what it is.
    OtherCurve(String),
    /// Ed25519
    Ed25519,
    /// Ed448
    Ed448,
    /// DSA
    Dsa,
    /// Anything else: its dotted identifier.
    Other(String),
}

/// A curve computed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp256r1
    P256,
    /// secp384r1
    P384,
    /// secp521r1
    P521,
    /// brainpoolP256r1
    BrainpoolP256r1,
    /// brainpoolP384r1
    BrainpoolP384r1,
}

impl Curve {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
            Self::BrainpoolP384r1 => "brainpoolP384r1",
        }
    }

    /// Size of its order, in bits.
    pub fn bits(self) -> usize {
        match self {
            Self::P256 | Self::BrainpoolP256r1 => 256,
            Self::P384 | Self::BrainpoolP384r1 => 384,
            Self::P521 => 521,
        }
    }

    fn from_dotted(dotted: &str) -> Option<Self> {
        Some(match dotted {
            "1.2.840.10045.3.1.7" => Self::P256,
            "1.3.132.0.34" => Self::P384,
            "1.3.132.0.35" => Self::P521,
            "1.3.36.3.3.2.8.1.1.7" => Self::BrainpoolP256r1,
            "1.3.36.3.3.2.8.1.1.11" => Self::BrainpoolP384r1,
            _ => return None,
        })
    }
}

/// How an ECDSA signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureForm {
    /// `SEQUENCE { r, s }`: CMS, X.509, RFC 3161.
    Der,
    /// `r ‖ s`, each as long as the order: XMLDSig (RFC 9231 § 2.3.6), and plain ECDSA (BSI TR-03111 § 5.2.1) anywhere.
    Raw,
}

impl SignatureForm {
    /// The form that a signature algorithm's identifier (content octets) asks for in CMS and X.509.
    pub fn of_oid(oid: &[u8]) -> Self {
        // 0.4.0.127.0.7.1.1.4.1: ecdsa-plain-signatures.
        const PLAIN: &[u8] = &[0x04, 0x00, 0x7f, 0x00, 0x07, 0x01, 0x01, 0x04, 0x01];
        if oid.len() == PLAIN.len() + 1 && oid.starts_with(PLAIN) { Self::Raw } else { Self::Der }
    }

    /// The same, of an AlgorithmIdentifier (DER).
    pub fn of(identifier: &[u8]) -> Self {
        let oid = Reader::new(identifier).sequence("").and_then(|mut fields| fields.oid(""));
        oid.map_or(Self::Der, Self::of_oid)
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo, DER.
    pub fn from_spki(spki: &[u8]) -> Result<Self, DerError> {
        let mut outer = Reader::new(spki);
        let mut fields = outer.sequence("une clé publique")?;
        let mut algorithm = fields.sequence("l'algorithme d'une clé publique")?;
        let oid = dotted(algorithm.oid("un identifiant d'objet de clé")?);
        let octets = fields.bit_string("les octets d'une clé publique")?;
        let kind = match oid.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => KeyKind::Rsa { bits: rsa::modulus_bits(octets)? },
            "1.2.840.10045.2.1" => curve(&mut algorithm),
            "1.3.101.112" => KeyKind::Ed25519,
            "1.3.101.113" => KeyKind::Ed448,
            "1.2.840.10040.4.1" => KeyKind::Dsa,
            _ => KeyKind::Other(oid),
        };
        Ok(Self { kind, octets: octets.to_vec() })
    }

    /// The RSA key of these numbers (`ds:RSAKeyValue`): big-endian, leading zeros allowed.
    pub fn from_rsa_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, DerError> {
        let octets = rsa::encode(modulus, exponent);
        Ok(Self { kind: KeyKind::Rsa { bits: rsa::modulus_bits(&octets)? }, octets })
    }

    /// Takes the key out of an X.509 certificate, DER.
    pub fn from_certificate(certificate: &[u8]) -> Result<Self, DerError> {
        let mut fields = Reader::new(certificate).sequence("un certificat")?.sequence("un certificat à signer")?;
        fields.optional(tag::context(0))?;
        // Serial number, algorithm, issuer, validity, subject.
        for _ in 0..5 {
            fields.any()?;
        }
        Self::from_spki(fields.expect(tag::SEQUENCE, "une clé publique")?.raw)
    }

    /// What kind of key it is.
    pub fn kind(&self) -> &KeyKind {
        &self.kind
    }

    /// The family as policies name it (`RSA`, `ECDSA`, `DSA`, `Ed25519`, `Ed448`, or an identifier) and the size of the
    /// key in bits, when both are known.
    pub fn family_and_bits(&self) -> (String, Option<usize>) {
        match &self.kind {
            KeyKind::Rsa { bits } => ("RSA".to_owned(), Some(*bits)),
            KeyKind::Ec(curve) => ("ECDSA".to_owned(), Some(curve.bits())),
            KeyKind::OtherCurve(_) => ("ECDSA".to_owned(), None),
            KeyKind::Ed25519 => ("Ed25519".to_owned(), Some(256)),
            KeyKind::Ed448 => ("Ed448".to_owned(), Some(456)),
            KeyKind::Dsa => ("DSA".to_owned(), None),
            KeyKind::Other(oid) => (oid.clone(), None),
        }
    }

    /// Checks `signature` over `message`.
    pub fn verify(
        &self,
        algorithm: &SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
        form: SignatureForm,
    ) -> Result<(), VerifyError> {
        if let Some(verdict) = self.verify_by_ring(algorithm, message, signature, form) {
            return verdict.or_else(|error| self.second_reading(algorithm, message, signature).ok_or(error)?);
        }
        let digest = match algorithm.digest() {
            Some(digest) => digest.digest(message)?,
            None => return Err(Unsupported(algorithm.to_string()).into()),
        };
        self.verify_digest(algorithm, &digest, signature, form)
    }

    /// Checks `signature` over a message of which only the digest, by the algorithm's own digest, is at hand.
    pub fn verify_digest(
        &self,
        algorithm: &SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
        form: SignatureForm,
    ) -> Result<(), VerifyError> {
        match (&self.kind, algorithm) {
            (KeyKind::Rsa { .. }, SignatureAlgorithm::RsaPkcs1(hash)) => {
                rsa::verify_pkcs1(&self.octets, *hash, digest, signature)
            }
            (KeyKind::Rsa { .. }, SignatureAlgorithm::RsaPss(parameters)) => {
                rsa::verify_pss(&self.octets, parameters, digest, signature)
            }
            (KeyKind::Ec(curve), SignatureAlgorithm::Ecdsa(_)) => {
                ecdsa::verify(*curve, &self.octets, digest, signature, form)
            }
            (KeyKind::OtherCurve(name), SignatureAlgorithm::Ecdsa(_)) => {
                Err(Unsupported(format!("courbe {name}")).into())
            }
            (KeyKind::Dsa, SignatureAlgorithm::Dsa(_))
            | (KeyKind::Ed448, SignatureAlgorithm::Ed448)
            | (KeyKind::Ed25519, SignatureAlgorithm::Ed25519)
            | (KeyKind::Other(_), _) => Err(Unsupported(format!("{algorithm} avec une clé {self:?}")).into()),
            // A key of another family: whoever made the signature, it was not with this key.
            _ => Err(VerifyError::Mismatch),
        }
    }

    /// ring's answer where ring has the algorithm; `None` where it has not.
    fn verify_by_ring(
        &self,
        algorithm: &SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
        form: SignatureForm,
    ) -> Option<Result<(), VerifyError>> {
        use DigestAlgorithm::{Sha1, Sha256, Sha384, Sha512};
        let verification: &dyn ring_signature::VerificationAlgorithm = match (&self.kind, algorithm, form) {
            (KeyKind::Rsa { bits: 1024..=8192 }, SignatureAlgorithm::RsaPkcs1(Sha1), _) => {
                &ring_signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY
            }
            (KeyKind::Rsa { bits: 1024..=8192 }, SignatureAlgorithm::RsaPkcs1(Sha256), _) => {
                &ring_signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
            }
            (KeyKind::Rsa { bits: 1024..=8192 }, SignatureAlgorithm::RsaPkcs1(Sha512), _) => {
                &ring_signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
            }
            (KeyKind::Rsa { bits: 2048..=8192 }, SignatureAlgorithm::RsaPkcs1(Sha384), _) => {
                &ring_signature::RSA_PKCS1_2048_8192_SHA384
            }
            (KeyKind::Ec(Curve::P256), SignatureAlgorithm::Ecdsa(Sha256), SignatureForm::Der) => {
                &ring_signature::ECDSA_P256_SHA256_ASN1
            }
            (KeyKind::Ec(Curve::P256), SignatureAlgorithm::Ecdsa(Sha256), SignatureForm::Raw) => {
                &ring_signature::ECDSA_P256_SHA256_FIXED
            }
            (KeyKind::Ec(Curve::P384), SignatureAlgorithm::Ecdsa(Sha384), SignatureForm::Der) => {
                &ring_signature::ECDSA_P384_SHA384_ASN1
            }
            (KeyKind::Ec(Curve::P384), SignatureAlgorithm::Ecdsa(Sha384), SignatureForm::Raw) => {
                &ring_signature::ECDSA_P384_SHA384_FIXED
            }
            (KeyKind::Ed25519, SignatureAlgorithm::Ed25519, _) => &ring_signature::ED25519,
            _ => return None,
        };
        let key = ring_signature::UnparsedPublicKey::new(verification, &self.octets);
        Some(key.verify(message, signature).map_err(|_| VerifyError::Mismatch))
    }

    /// A second look where ring is stricter than the standards: RFC 8017 § 8.2.2 lets a verifier accept a DigestInfo
    /// without the NULL parameter, ECDSA in CMS may pad its integers, and an even or tiny RSA exponent is ring's own
    /// refusal. `None` when there is nothing more to try.
    fn second_reading(
        &self,
        algorithm: &SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Result<(), VerifyError>> {
        let digest = algorithm.digest()?.digest(message).ok()?;
        match (&self.kind, algorithm) {
            (KeyKind::Rsa { .. }, SignatureAlgorithm::RsaPkcs1(_)) => {
                Some(self.verify_digest(algorithm, &digest, signature, SignatureForm::Der))
            }
            _ => None,
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            KeyKind::Rsa { bits } => write!(f, "RSA {bits}"),
            KeyKind::Ec(curve) => write!(f, "ECDSA {}", curve.name()),
            KeyKind::OtherCurve(name) => write!(f, "ECDSA {name}"),
            KeyKind::Ed25519 => f.write_str("Ed25519"),
            KeyKind::Ed448 => f.write_str("Ed448"),
            KeyKind::Dsa => f.write_str("DSA"),
            KeyKind::Other(oid) => f.write_str(oid),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

fn curve(algorithm: &mut Reader<'_>) -> KeyKind {
    match algorithm.oid("").map(dotted) {
        Ok(name) => Curve::from_dotted(&name).map_or(KeyKind::OtherCurve(name), KeyKind::Ec),
        Err(_) => KeyKind::OtherCurve("à paramètres explicites".to_owned()),
    }
}

#[cfg(test)]
mod tests;
