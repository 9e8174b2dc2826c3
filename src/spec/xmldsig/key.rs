//! `ds:KeyInfo` (XMLDSig §4.5): certificates, and bare keys.

use super::{DSIG_NS, DSIG11_NS};
use crate::spec::crypto::PublicKey;
use crate::spec::xml::{Element, unbase64};
use const_oid::ObjectIdentifier;

/// Certificates of one `ds:KeyInfo`.
pub const CERTIFICATES_MAX: usize = 256;

/// What a `ds:KeyInfo` holds.
#[derive(Debug, Clone, Default)]
pub struct KeyInfo {
    /// Certificates, DER, in the order they are written.
    pub certificates: Vec<Vec<u8>>,
    /// CRLs, DER.
    pub crls: Vec<Vec<u8>>,
    /// A bare key.
    pub key: Option<PublicKey>,
    /// Something is there that cannot be read: what, in French.
    pub unreadable: Option<&'static str>,
}

impl KeyInfo {
    /// Reads a `ds:KeyInfo`. Nothing is retrieved: `ds:RetrievalMethod` is passed over.
    pub fn read(element: &Element<'_>) -> Self {
        let mut info = Self::default();
        for child in element.children() {
            if child.is(DSIG_NS, "X509Data") {
                info.x509(&child);
            } else if child.is(DSIG_NS, "KeyValue") {
                match key_value(&child) {
                    Some(key) => info.key = Some(key),
                    None => info.unreadable = Some("une clé (KeyValue) qui ne peut être lue"),
                }
            } else if child.is(DSIG11_NS, "DEREncodedKeyValue") {
                info.key = unbase64(&child.text()).and_then(|spki| PublicKey::from_spki(&spki).ok());
            }
        }
        info
    }

    fn x509(&mut self, data: &Element<'_>) {
        for child in data.children() {
            let list = if child.is(DSIG_NS, "X509Certificate") {
                &mut self.certificates
            } else if child.is(DSIG_NS, "X509CRL") {
                &mut self.crls
            } else {
                continue;
            };
            match unbase64(&child.text()) {
                Some(der) if list.len() < CERTIFICATES_MAX && der.first() == Some(&0x30) => list.push(der),
                _ => self.unreadable = Some("un certificat (X509Certificate) qui ne peut être lu"),
            }
        }
    }
}

fn key_value(element: &Element<'_>) -> Option<PublicKey> {
    if let Some(rsa) = element.child(DSIG_NS, "RSAKeyValue") {
        let number = |name: &str| unbase64(&rsa.child(DSIG_NS, name)?.text());
        return PublicKey::from_rsa_numbers(&number("Modulus")?, &number("Exponent")?).ok();
    }
    let curve = element.child(DSIG11_NS, "ECKeyValue")?;
    let name = curve.child(DSIG11_NS, "NamedCurve")?.attribute("URI")?;
    let oid = ObjectIdentifier::new(name.strip_prefix("urn:oid:")?).ok()?;
    let point = unbase64(&curve.child(DSIG11_NS, "PublicKey")?.text())?;
    PublicKey::from_spki(&spki(oid, &point)?).ok()
}

/// The SubjectPublicKeyInfo of a point on a named curve (RFC 5480 §2).
fn spki(curve: ObjectIdentifier, point: &[u8]) -> Option<Vec<u8>> {
    const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    let oid = |oid: ObjectIdentifier| tlv(0x06, oid.as_bytes());
    let algorithm = tlv(0x30, &[oid(EC_PUBLIC_KEY)?, oid(curve)?].concat())?;
    let key = tlv(0x03, &[&[0], point].concat())?;
    tlv(0x30, &[algorithm, key].concat())
}

/// A DER element of less than 64 KiB.
fn tlv(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let mut element = match (high, low) {
        (0, ..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    element.extend_from_slice(content);
    Some(element)
}
