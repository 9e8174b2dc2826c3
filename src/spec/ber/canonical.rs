//! From BER to DER, for the few places where a digest is taken over the DER of what came as BER (RFC 5652 § 5.4).

use super::{BerError, Element, MAX_DEPTH, Reader, tag};
use crate::spec::cms::asn1::encode;

/// The DER of one element: definite minimal lengths, strings in one piece, sets sorted.
///
/// `as_set_of` sorts the outermost element too, whose tag may be a context-specific one. Values inside primitive
/// elements are kept: a BOOLEAN or an INTEGER is as it was.
pub fn canonical_as(bytes: &[u8], as_set_of: bool) -> Result<Vec<u8>, BerError> {
    write(&Element::only(bytes)?, as_set_of, 0)
}

/// The DER of one element, outermost tag as it stands.
pub fn canonical(bytes: &[u8]) -> Result<Vec<u8>, BerError> {
    canonical_as(bytes, false)
}

/// Whether the elements of `content` stand in the order DER wants for a SET OF (X.690 § 11.6).
pub fn is_sorted_set(content: &[u8]) -> bool {
    let mut reader = Reader::new(content);
    let mut before: &[u8] = &[];
    while !reader.is_empty() {
        match reader.any() {
            Ok(element) if before <= element.raw => before = element.raw,
            _ => return false,
        }
    }
    true
}

fn write(element: &Element<'_>, as_set_of: bool, depth: usize) -> Result<Vec<u8>, BerError> {
    if depth > MAX_DEPTH {
        return Err(element.error("une imbrication de moins de 64 niveaux"));
    }
    if element.tag & 0x1f == 0x1f {
        // Identifiers of several octets do not occur in signatures; as received.
        return Ok(element.raw.to_vec());
    }
    if !element.is_constructed() {
        return Ok(encode(element.tag, &[element.value]));
    }
    // A constructed universal string (OCTET STRING, UTF8String…) becomes a primitive one.
    if element.tag & 0xc0 == 0 && ![tag::SEQUENCE, tag::SET].contains(&element.tag) {
        return Ok(encode(element.tag & !0x20, &[&element.octets()?]));
    }
    let mut parts = Vec::new();
    let mut reader = element.reader();
    while !reader.is_empty() {
        parts.push(write(&reader.any()?, false, depth + 1)?);
    }
    if as_set_of || element.tag == tag::SET {
        parts.sort_unstable();
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(encode(element.tag, &parts))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ber_becomes_der() {
        let ber = [0x31, 0x80, 0x24, 0x80, 0x04, 1, 9, 0x04, 1, 8, 0, 0, 0x02, 0x81, 1, 5, 0, 0];
        assert_eq!(canonical(&ber).unwrap(), [0x31, 7, 0x02, 1, 5, 0x04, 2, 9, 8]);
        let attributes = [0xa0, 6, 0x02, 1, 5, 0x01, 1, 0];
        assert_eq!(canonical(&attributes).unwrap(), attributes);
        assert_eq!(canonical_as(&attributes, true).unwrap(), [0xa0, 6, 0x01, 1, 0, 0x02, 1, 5]);
        assert!(!is_sorted_set(&attributes[2..]));
    }

    #[test]
    fn depth_is_bounded() {
        let mut nested = vec![0x05, 0];
        for _ in 0..100 {
            nested = encode(tag::SEQUENCE, &[&nested]);
        }
        assert!(canonical(&nested).is_err());
    }
}
