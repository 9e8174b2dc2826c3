//! Names: comparing them (RFC 5280 § 7.1) and holding them against name constraints (§ 4.2.1.10).

use crate::spec::cms::asn1::{Reader, dotted, tag};

const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

/// A name of a certificate or of a constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneralName {
    /// rfc822Name
    Email(String),
    /// dNSName
    Dns(String),
    /// uniformResourceIdentifier
    Uri(String),
    /// directoryName, DER
    Directory(Vec<u8>),
    /// iPAddress: octets, with a mask in constraints
    Ip(Vec<u8>),
    /// Another form
    Other,
}

/// Whether two distinguished names (DER) are the same: byte for byte, or attribute by attribute without regard to case,
/// spacing and string type.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one == other || matches!((parts(one), parts(other)), (Some(one), Some(other)) if one == other)
}

/// The attributes named `oid` of a distinguished name, as text.
pub fn attributes(name: &[u8], oid: &str) -> Vec<String> {
    parts(name)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|(found, _)| found == oid)
        .map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
        .collect()
}

type Attribute = (String, Vec<u8>);

/// The RDNs of a name, each its sorted attributes, values folded.
fn parts(name: &[u8]) -> Option<Vec<Vec<Attribute>>> {
    let mut sequence = Reader::new(name).sequence("").ok()?;
    let mut parts = Vec::new();
    while !sequence.is_empty() {
        let mut set = sequence.expect(tag::SET, "").ok()?.reader();
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let mut attribute = set.sequence("").ok()?;
            let oid = dotted(attribute.oid("").ok()?);
            let value = attribute.any().ok()?;
            attributes.push((oid, folded(value.tag, value.value)));
        }
        attributes.sort();
        parts.push(attributes);
    }
    Some(parts)
}

/// A string without regard to case and spacing, in UTF-8; anything else as it is.
fn folded(tag: u8, value: &[u8]) -> Vec<u8> {
    let text: String = match tag {
        0x0c => String::from_utf8_lossy(value).into_owned(),
        0x13 | 0x14 | 0x16 => value.iter().map(|octet| char::from(*octet)).collect(),
        0x1e => {
            let units: Vec<u16> = value.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => return value.to_vec(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().into_bytes()
}

/// Whether `name` is of the same form as `constraint`, and inside it.
pub(super) fn within(name: &GeneralName, constraint: &GeneralName) -> Option<bool> {
    Some(match (name, constraint) {
        (GeneralName::Email(address), GeneralName::Email(constraint)) => email_within(address, constraint),
        (GeneralName::Dns(host), GeneralName::Dns(constraint)) => host_within(host, constraint, true),
        (GeneralName::Uri(uri), GeneralName::Uri(constraint)) => match host_of(uri) {
            Some(host) => host_within(host, constraint, false),
            None => false,
        },
        (GeneralName::Directory(name), GeneralName::Directory(constraint)) => match (parts(name), parts(constraint)) {
            (Some(name), Some(constraint)) => name.starts_with(&constraint),
            _ => false,
        },
        (GeneralName::Ip(address), GeneralName::Ip(constraint)) => {
            let (network, mask) = constraint.split_at(constraint.len() / 2);
            address.len() == network.len()
                && address.iter().zip(network).zip(mask).all(|((octet, network), mask)| octet & mask == network & mask)
        }
        _ => return None,
    })
}

/// The e-mail addresses inside a distinguished name, which rfc822Name constraints apply to when there is no
/// alternative name.
pub(super) fn emails(name: &[u8]) -> Vec<GeneralName> {
    attributes(name, EMAIL_ADDRESS).into_iter().map(GeneralName::Email).collect()
}

fn email_within(address: &str, constraint: &str) -> bool {
    let (address, constraint) = (address.to_lowercase(), constraint.to_lowercase());
    if constraint.contains('@') {
        return address == constraint;
    }
    let Some((_, host)) = address.rsplit_once('@') else { return false };
    match constraint.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => host == constraint,
    }
}

/// For dNSName, `example.org` includes its subdomains; for URIs only `.example.org` does.
fn host_within(host: &str, constraint: &str, subdomains: bool) -> bool {
    let (host, constraint) = (host.to_lowercase(), constraint.to_lowercase());
    let domain = constraint.strip_prefix('.');
    if constraint.is_empty() || (domain.is_none() && host == constraint) {
        return true;
    }
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    domain.map_or_else(|| subdomains && below(&constraint), below)
}

fn host_of(uri: &str) -> Option<&str> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_addresses_stay_within_their_domain() {
        assert!(
            email_within("a@x.fr", "x.fr") && !email_within("a@y.x.fr", "x.fr") && email_within("a@y.x.fr", ".x.fr")
        );
        assert!(!email_within("a@yx.fr", ".x.fr") && email_within("A@x.fr", "a@x.fr"));
        assert!(host_within("a.x.fr", "x.fr", true) && !host_within("ax.fr", "x.fr", true));
        assert!(!host_within("a.x.fr", "x.fr", false) && host_within("a.x.fr", ".x.fr", false));
        assert_eq!(host_of("https://u@h.fr:8443/p"), Some("h.fr"));
    }

    #[test]
    fn names_compare_without_case_nor_string_type() {
        let name = |tag: u8, text: &str| {
            use crate::spec::cms::asn1::{encode, oid, sequence};
            let cn = oid(&const_oid::ObjectIdentifier::new_unwrap("2.5.4.3"));
            let attribute = sequence(&[&cn, &encode(tag, &[text.as_bytes()])]);
            sequence(&[&encode(tag::SET, &[&attribute])])
        };
        assert!(same(&name(0x0c, "Mairie  d'Ici"), &name(0x13, "MAIRIE d'ici")));
        assert!(!same(&name(0x0c, "Mairie"), &name(0x0c, "Mairies")));
        assert_eq!(attributes(&name(0x0c, "Nom"), "2.5.4.3"), ["nom"]);
    }
}
