//! ECDSA over a digest (FIPS 186-5 § 6.4.2), on RustCrypto: the curves and digests that ring lacks.

use super::key::{Curve, SignatureForm};
use super::{Unsupported, VerifyError};
use crate::spec::cms::asn1::{Reader, tag};
use ::ecdsa::signature::hazmat::PrehashVerifier;

/// Checks a signature of `digest` with the point `key` (SEC 1).
pub(super) fn verify(
    curve: Curve,
    key: &[u8],
    digest: &[u8],
    signature: &[u8],
    form: SignatureForm,
) -> Result<(), VerifyError> {
    let size = curve.bits().div_ceil(8);
    let fixed = match form {
        SignatureForm::Raw => halves(signature, size),
        SignatureForm::Der => integers(signature, size),
    }
    .ok_or(VerifyError::Mismatch)?;
    macro_rules! with {
        ($curve:ty) => {{
            let key = ::ecdsa::VerifyingKey::<$curve>::from_sec1_bytes(key)
                .map_err(|_| Unsupported(format!("point {} illisible", curve.name())))?;
            let signature = ::ecdsa::Signature::<$curve>::from_slice(&fixed).map_err(|_| VerifyError::Mismatch)?;
            key.verify_prehash(digest, &signature).map_err(|_| VerifyError::Mismatch)
        }};
    }
    match curve {
        Curve::P256 => with!(p256::NistP256),
        Curve::P384 => with!(p384::NistP384),
        Curve::P521 => with!(p521::NistP521),
        Curve::BrainpoolP256r1 => with!(bp256::BrainpoolP256r1),
        Curve::BrainpoolP384r1 => with!(bp384::BrainpoolP384r1),
    }
}

/// `r ‖ s`, each brought to `size` octets.
fn halves(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    if !signature.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    Some([fit(r, size)?, fit(s, size)?].concat())
}

/// `SEQUENCE { r INTEGER, s INTEGER }`, each brought to `size` octets.
fn integers(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut outer = Reader::new(signature);
    let mut fields = outer.sequence("").ok()?;
    let r = fields.expect(tag::INTEGER, "").ok()?.value;
    let s = fields.expect(tag::INTEGER, "").ok()?.value;
    if !fields.is_empty() || !outer.is_empty() {
        return None;
    }
    Some([fit(r, size)?, fit(s, size)?].concat())
}

fn fit(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    let significant = &number[zeros..];
    let mut fitted = vec![0; size.checked_sub(significant.len())?];
    fitted.extend_from_slice(significant);
    Some(fitted)
}
