//! RSA signatures (RFC 8017 § 8) on RustCrypto's public-key operation: the digests, salts and masks that ring lacks.
//!
//! Verification handles public values only, so nothing here needs constant time.

use super::{DigestAlgorithm, PssParameters, Unsupported, VerifyError};
use crate::spec::cms::asn1::{self, DerError, Reader, tag};
use ::rsa::traits::PublicKeyParts;
use ::rsa::{BoxedUint, hazmat};

/// The modulus sizes computed here, in bits. Beyond, the cost is an attacker's to choose.
const BITS: std::ops::RangeInclusive<usize> = 512..=16_384;

/// Size of the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1), in bits.
pub(super) fn modulus_bits(key: &[u8]) -> Result<usize, DerError> {
    let (modulus, _) = numbers(key)?;
    let leading = modulus.first().map_or(0, |octet| octet.leading_zeros() as usize);
    Ok(modulus.len() * 8 - leading)
}

/// The RSAPublicKey of these numbers, DER.
pub(super) fn encode(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    asn1::sequence(&[&asn1::unsigned(modulus), &asn1::unsigned(exponent)])
}

/// RSASSA-PKCS1-v1_5: compares with both encodings of the DigestInfo (RFC 8017 § 9.2, note 1).
pub(super) fn verify_pkcs1(
    key: &[u8],
    algorithm: DigestAlgorithm,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    if digest.len() != algorithm.size() {
        return Err(VerifyError::Mismatch);
    }
    let (encoded, _) = open(key, signature)?;
    let oid = asn1::oid(&algorithm.oid());
    let matches = [&[tag::NULL, 0][..], &[]].into_iter().any(|parameters| {
        let identifier = asn1::sequence(&[&oid, parameters]);
        let info = asn1::sequence(&[&identifier, &asn1::encode(tag::OCTET_STRING, &[digest])]);
        // 0x00 0x01 0xff… 0x00 DigestInfo, at least eight octets of padding.
        let Some(padding) = encoded.len().checked_sub(info.len() + 3).filter(|padding| *padding >= 8) else {
            return false;
        };
        encoded.starts_with(&[0, 1])
            && encoded[2..2 + padding].iter().all(|octet| *octet == 0xff)
            && encoded[2 + padding] == 0
            && encoded[3 + padding..] == info
    });
    if matches { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// RSASSA-PSS: EMSA-PSS-VERIFY (RFC 8017 § 9.1.2).
pub(super) fn verify_pss(
    key: &[u8],
    parameters: &PssParameters,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let hash_len = parameters.digest.size();
    if digest.len() != hash_len {
        return Err(VerifyError::Mismatch);
    }
    let (whole, modulus_bits) = open(key, signature)?;
    let em_bits = modulus_bits - 1;
    let em_len = em_bits.div_ceil(8);
    // When the modulus is one bit over a byte, the representative has a leading zero octet.
    let encoded = match whole.split_at_checked(whole.len() - em_len.min(whole.len())) {
        Some((lead, encoded)) if lead.iter().all(|octet| *octet == 0) => encoded,
        _ => return Err(VerifyError::Mismatch),
    };
    let salt_len = parameters.salt_bytes;
    let enough = hash_len.checked_add(salt_len).and_then(|sum| sum.checked_add(2));
    if enough.is_none_or(|enough| em_len < enough) || encoded.last() != Some(&0xbc) {
        return Err(VerifyError::Mismatch);
    }
    let (masked, rest) = encoded.split_at(em_len - hash_len - 1);
    let hash = &rest[..hash_len];
    let mask = mgf1(parameters.mgf_digest, hash, masked.len())?;
    let mut block: Vec<u8> = masked.iter().zip(&mask).map(|(octet, mask)| octet ^ mask).collect();
    let unused = 8 * em_len - em_bits;
    let keep = 0xff_u8.checked_shr(u32::try_from(unused).unwrap_or(8)).unwrap_or(0);
    if masked.first().is_none_or(|octet| octet & !keep != 0) {
        return Err(VerifyError::Mismatch);
    }
    block[0] &= keep;
    let (padding, salt) = block.split_at(block.len() - salt_len);
    let padded = padding.split_last().is_some_and(|(one, zeros)| *one == 1 && zeros.iter().all(|octet| *octet == 0));
    let mut hasher = parameters.digest.hasher()?;
    hasher.update(&[0; 8]);
    hasher.update(digest);
    hasher.update(salt);
    if padded && hasher.finish() == hash { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mgf1(algorithm: DigestAlgorithm, seed: &[u8], length: usize) -> Result<Vec<u8>, Unsupported> {
    let mut mask = Vec::with_capacity(length + algorithm.size());
    let mut counter = 0_u32;
    while mask.len() < length {
        let mut hasher = algorithm.hasher()?;
        hasher.update(seed);
        hasher.update(&counter.to_be_bytes());
        mask.extend(hasher.finish());
        counter += 1;
    }
    mask.truncate(length);
    Ok(mask)
}

/// RSAVP1: the encoded message, as long as the modulus, and the modulus' size in bits.
fn open(key: &[u8], signature: &[u8]) -> Result<(Vec<u8>, usize), VerifyError> {
    let unusable = |what: &str| VerifyError::Unsupported(Unsupported(format!("clé RSA {what}")));
    let (modulus, exponent) = numbers(key).map_err(|_| unusable("illisible"))?;
    let bits = modulus_bits(key).map_err(|_| unusable("illisible"))?;
    if !BITS.contains(&bits) || modulus.last().is_none_or(|octet| octet & 1 == 0) || exponent.len() > 32 {
        return Err(unusable("hors des tailles prises en charge"));
    }
    let precision = u32::try_from(bits).map_err(|_| unusable("trop grande"))?;
    let number = |octets: &[u8]| BoxedUint::from_be_slice(octets, precision).map_err(|_| VerifyError::Mismatch);
    let exponent = BoxedUint::from_be_slice_vartime(exponent);
    let key = ::rsa::PublicKey::new_with_size_limits(number(modulus)?, exponent, BITS)
        .map_err(|_| unusable("à l'exposant inhabituel"))?;
    // RFC 8017 wants a signature exactly as long as the modulus; leading zeros are what producers drop or add.
    let stripped = strip(signature);
    if stripped.len() > modulus.len() {
        return Err(VerifyError::Mismatch);
    }
    let representative = number(stripped)?;
    if representative >= *key.n().as_ref() {
        return Err(VerifyError::Mismatch);
    }
    let opened = hazmat::rsa_encrypt(&key, &representative).map_err(|_| VerifyError::Mismatch)?;
    let octets = opened.to_be_bytes();
    let octets = strip(&octets);
    let mut encoded = vec![0; modulus.len().saturating_sub(octets.len())];
    encoded.extend_from_slice(octets);
    Ok((encoded, bits))
}

/// Modulus and exponent, without leading zeros.
fn numbers(key: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let mut fields = Reader::new(key).sequence("une clé RSA")?;
    let modulus = fields.expect(tag::INTEGER, "le module d'une clé RSA")?.value;
    let exponent = fields.expect(tag::INTEGER, "l'exposant d'une clé RSA")?.value;
    Ok((strip(modulus), strip(exponent)))
}

fn strip(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    &octets[zeros..]
}
