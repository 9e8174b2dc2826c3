//! The level of a signature (EN 319 132-1 § 6.1 and its sisters), from what it carries.

use super::facts::{Facts, Format, Material, SignatureFacts, TimestampKind};

/// `B`, `T`, `LT`, `LTA`; `C`, `X`, `XL` for the older forms that hold references to material; `None` for a bare XMLDSig
/// or PKCS #7 signature, which has no level.
pub fn of(signature: &SignatureFacts, facts: &Facts) -> Option<&'static str> {
    let outside = facts.timestamps.iter().filter(|stamp| stamp.signatures.contains(&signature.id));
    let kinds: Vec<TimestampKind> = signature.timestamps.iter().chain(outside).map(|stamp| stamp.kind).collect();
    let has = |kind| kinds.contains(&kind);
    let documents =
        kinds.iter().filter(|kind| matches!(kind, TimestampKind::Document | TimestampKind::Container)).count();
    let stamped = has(TimestampKind::Signature) || documents > 0;
    let advanced = matches!(signature.format, Format::Xades | Format::Cades | Format::Pades);
    if !advanced && !stamped {
        return None;
    }
    let revocations = |material: &Material| !material.crls.is_empty() || !material.ocsps.is_empty();
    let material = revocations(&signature.material) || revocations(&facts.material);
    let archived = has(TimestampKind::Archive)
        || documents > 1
        || (documents == 1 && (has(TimestampKind::Signature) || facts.material.certificates.is_empty().eq(&false)));
    let extended = has(TimestampKind::SignatureAndRefs) || has(TimestampKind::Refs);
    Some(if stamped && has(TimestampKind::Archive) || (stamped && material && archived) {
        "LTA"
    } else if stamped && material {
        if extended { "XL" } else { "LT" }
    } else if stamped && extended {
        "X"
    } else if stamped && signature.material.has_references {
        "C"
    } else if stamped {
        "T"
    } else {
        "B"
    })
}
