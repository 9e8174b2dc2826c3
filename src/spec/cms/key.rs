//! Private keys that sign: one trait, so that a key may be in a file, in a module that keeps it, or anywhere else.

use super::SignerError;
use super::algorithm::PublicKey;
use super::asn1;
use super::certificate::Certificate;
use super::oid;
use const_oid::ObjectIdentifier;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use std::fmt;

/// The smallest RSA modulus that signs, in bits (ETSI TS 119 312 recommends 3072 from 2025 on).
pub const RSA_BITS_MIN: usize = 3072;

/// How a key signs; always with SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256; signatures are DER `ECDSA-Sig-Value`.
    EcdsaP256,
    /// RSASSA-PKCS1-v1_5 with 3072 bits at least.
    Rsa,
}

impl KeyKind {
    /// The kind of a certificate's key, and that key as it stands in the certificate (the point, or `RSAPublicKey`).
    pub fn of(certificate: &Certificate) -> Result<(Self, &[u8]), SignerError> {
        let refused = || SignerError::KeyKind { subject: certificate.subject().to_owned() };
        let public = PublicKey::parse(certificate.public_key_der()).map_err(|_| refused())?;
        let curve = asn1::oid(&oid::P256);
        if public.algorithm.oid == oid::EC_PUBLIC_KEY.as_bytes() && public.algorithm.parameters == Some(&curve[..]) {
            return Ok((Self::EcdsaP256, public.key));
        }
        if public.algorithm.oid == oid::RSA.as_bytes() && rsa_bits(public.key).is_some_and(|bits| bits >= RSA_BITS_MIN)
        {
            return Ok((Self::Rsa, public.key));
        }
        Err(refused())
    }

    /// The signatureAlgorithm, encoded: RSA has NULL parameters (RFC 4055 § 5), ECDSA none (RFC 5754 § 3.2).
    pub fn algorithm(self) -> Vec<u8> {
        let identifier: &ObjectIdentifier = match self {
            Self::EcdsaP256 => &oid::ECDSA_SHA256,
            Self::Rsa => &oid::RSA_SHA256,
        };
        let parameters: &[u8] = if self == Self::Rsa { &[0x05, 0x00] } else { &[] };
        asn1::sequence(&[&asn1::oid(identifier), parameters])
    }
}

/// Bits of the modulus of an `RSAPublicKey`.
pub(super) fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut reader = asn1::Reader::new(key);
    let modulus = reader.sequence("une clé RSA").ok()?.integer("le module").ok()?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let first = modulus.first()?;
    Some(modulus.len() * 8 - usize::try_from(first.leading_zeros()).ok()?)
}

/// A key that could not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("la clé n'a pas pu signer : {0}")]
pub struct KeyFailure(pub String);

/// A private key, wherever it is. May block for as long as its place needs: never on a thread that must not wait.
pub trait SigningKey: Send + Sync {
    /// How it signs.
    fn kind(&self) -> KeyKind;

    /// The public key as certificates hold it (the point, or `RSAPublicKey`); none while its place cannot say.
    fn public_key(&self) -> Option<Vec<u8>>;

    /// The signature of `message`, hashed with SHA-256 on the way.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyFailure>;
}

/// A key in memory, from a PKCS#8 document.
pub struct LocalKey {
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalKey").field(&self.kind()).finish()
    }
}

impl LocalKey {
    /// An ECDSA P-256 key, or an RSA key of 3072 to 4096 bits.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SignerError> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &random) {
            return Ok(Self { pair: Pair::Ecdsa(Box::new(pair)), random });
        }
        let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| SignerError::Key)?;
        if pair.public().modulus_len() * 8 < RSA_BITS_MIN {
            return Err(SignerError::Key);
        }
        Ok(Self { pair: Pair::Rsa(Box::new(pair)), random })
    }
}

impl SigningKey for LocalKey {
    fn kind(&self) -> KeyKind {
        match &self.pair {
            Pair::Ecdsa(_) => KeyKind::EcdsaP256,
            Pair::Rsa(_) => KeyKind::Rsa,
        }
    }

    fn public_key(&self) -> Option<Vec<u8>> {
        Some(match &self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyFailure> {
        let failed = |_| KeyFailure("générateur d'aléa du système indisponible ?".to_owned());
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(pair.sign(&self.random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
