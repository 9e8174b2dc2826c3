//! Comparing distinguished names that two producers encoded differently (RFC 5280 § 7.1).

use super::{Element, Reader, tag};

/// Attributes compared in one name, at most.
const MAX_ATTRIBUTES: usize = 64;

/// Whether two names (tag included) say the same: identical bytes, or the same attributes in the same order with the
/// same text, whatever the string type, the case and the blanks.
pub fn same_name(one: &[u8], other: &[u8]) -> bool {
    one == other || matches!((attributes(one), attributes(other)), (Some(one), Some(other)) if one == other)
}

/// Type and folded text of each attribute; the place in the sequence keeps multi-valued RDNs apart well enough.
fn attributes(name: &[u8]) -> Option<Vec<(usize, &[u8], String)>> {
    let mut rdns = Element::only(name).ok().filter(|name| name.tag == tag::SEQUENCE)?.reader();
    let mut found = Vec::new();
    let mut rank = 0;
    while !rdns.is_empty() {
        let mut rdn = rdns.expect(tag::SET, "").ok()?.reader();
        while !rdn.is_empty() {
            let mut fields: Reader<'_> = rdn.sequence("").ok()?;
            let kind = fields.oid("").ok()?;
            let value = fields.any().ok()?;
            if found.len() == MAX_ATTRIBUTES {
                return None;
            }
            let text = value.text().to_lowercase();
            found.push((rank, kind, text.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        rank += 1;
    }
    found.sort();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cms::asn1::{encode, sequence};

    fn name(string: u8, text: &str) -> Vec<u8> {
        let attribute = sequence(&[&[6, 3, 0x55, 4, 10], &encode(string, &[text.as_bytes()])]);
        sequence(&[&encode(tag::SET, &[&attribute])])
    }

    #[test]
    fn names_are_compared_by_what_they_say() {
        assert!(same_name(&name(0x0c, "ETSI  Plugtests"), &name(0x13, "etsi plugtests ")));
        assert!(!same_name(&name(0x0c, "ETSI"), &name(0x0c, "ETSI2")));
        assert!(!same_name(b"\x30\x80", b"\x30\x81"));
    }
}
