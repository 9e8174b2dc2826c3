//! What an input is, by its first bytes: names and declared types are a stranger's word.

use super::facts::InputKind;
use crate::spec::cms::asn1::{Reader, dotted, tag};

/// How far the root element of an XML document is looked for.
const XML_HEAD: usize = 64 * 1024;
/// How far a signature's armour is looked for.
const ARMOUR_HEAD: usize = 16 * 1024;

/// What `bytes` are.
pub fn detect(bytes: &[u8]) -> InputKind {
    let head = &bytes[..bytes.len().min(XML_HEAD)];
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return InputKind::Asic;
    }
    // Before PDF: a CMS structure may carry one, whose header then stands in the first kilobyte.
    if bytes.first() == Some(&tag::SEQUENCE) && content(bytes).and_then(|content| content.first()) == Some(&tag::OID) {
        return der(bytes);
    }
    // Readers look for the header in the first kilobyte (ISO 32000-1, annex H.3.4.1).
    if memchr::memmem::find(&bytes[..bytes.len().min(1024)], b"%PDF-").is_some() {
        return InputKind::Pdf;
    }
    let start = head.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(head.len());
    let trimmed = &head[start..];
    if trimmed.starts_with(b"-----BEGIN") {
        return InputKind::Cms;
    }
    if let Some(kind) = xml(trimmed) {
        return kind;
    }
    if bytes.first() == Some(&tag::SEQUENCE) {
        return der(bytes);
    }
    if armoured(&bytes[..bytes.len().min(ARMOUR_HEAD)]) { InputKind::Cms } else { base64(trimmed) }
}

/// A signature with text before it: explanations before a PEM label (RFC 7468 § 2), the headers of an S/MIME message.
fn armoured(head: &[u8]) -> bool {
    let labelled = ["-----BEGIN CMS-----", "-----BEGIN PKCS7-----", "-----BEGIN PKCS #7 SIGNED DATA-----"];
    let at_line =
        |label: &str| memchr::memmem::find_iter(head, label).any(|at| at > 0 && head.get(at - 1) == Some(&b'\n'));
    if labelled.iter().any(|label| at_line(label)) {
        return true;
    }
    let headers = memchr::memmem::find(head, b"\n\n").or_else(|| memchr::memmem::find(head, b"\r\n\r\n"));
    let text = headers.map(|end| latin(&head[..end]).to_ascii_lowercase()).unwrap_or_default();
    text.contains("content-type:") && text.contains("pkcs7-mime") && text.contains("base64")
}

/// XML, by a byte order mark or a `<`; UTF-16 included.
fn xml(head: &[u8]) -> Option<InputKind> {
    let text: String = match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => latin(rest),
        [0xff, 0xfe, rest @ ..] => rest.chunks_exact(2).map(|unit| char::from(unit[0])).collect(),
        [0xfe, 0xff, rest @ ..] | [0x00, 0x3c, rest @ ..] => {
            rest.chunks_exact(2).map(|unit| char::from(unit[1])).collect()
        }
        [0x3c, 0x00, ..] => head.chunks_exact(2).map(|unit| char::from(unit[0])).collect(),
        [b'<', ..] => latin(head),
        _ => return None,
    };
    if text.contains("PES_Aller") && text.contains("/helios/pes_v2/") {
        return Some(InputKind::Pes);
    }
    let record =
        text.contains("urn:ietf:params:xml:ns:ers") && root(&text).is_some_and(|name| name == "EvidenceRecord");
    Some(if record { InputKind::XmlEvidenceRecord } else { InputKind::Xml })
}

/// The local name of the first element.
fn root(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = &rest[rest.find('<')? + 1..];
        if rest.starts_with("!--") {
            rest = &rest[rest.find("-->")? + 3..];
        } else if !rest.starts_with(['?', '!']) {
            let name = rest.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next()?;
            return name.rsplit(':').next();
        }
    }
}

fn latin(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// A SEQUENCE: a ContentInfo, a TimeStampResp, an EvidenceRecord. BER lengths are stepped over.
fn der(bytes: &[u8]) -> InputKind {
    let Some(content) = content(bytes) else { return InputKind::Unknown };
    match content.first() {
        Some(&tag::OID) => {
            let mut reader = Reader::new(content);
            let signed = reader.oid("").map(dotted).is_ok_and(|oid| oid == "1.2.840.113549.1.7.2");
            if signed && is_token(content) { InputKind::Timestamp } else { InputKind::Cms }
        }
        // TimeStampResp begins with PKIStatusInfo, EvidenceRecord with its version.
        Some(&tag::SEQUENCE) => InputKind::Timestamp,
        Some(&tag::INTEGER) => InputKind::EvidenceRecord,
        _ => InputKind::Unknown,
    }
}

/// Whether the identifier of TSTInfo stands where eContentType does: near the beginning.
fn is_token(content: &[u8]) -> bool {
    // 06 0b 1.2.840.113549.1.9.16.1.4
    const TST_INFO: &[u8] = &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
    memchr::memmem::find(&content[..content.len().min(160)], TST_INFO).is_some()
}

/// What follows a SEQUENCE's header, whatever the form of its length.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let first = *bytes.get(1)?;
    let header = if first & 0x80 == 0 { 2 } else { 2 + usize::from(first & 0x7f) };
    bytes.get(header..)
}

/// Base64 without armour, as some parapheurs return it.
fn base64(head: &[u8]) -> InputKind {
    if head.starts_with(b"MI") && head.iter().take(64).all(|c| c.is_ascii_alphanumeric() || b"+/=\r\n".contains(c)) {
        InputKind::Cms
    } else {
        InputKind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_content() {
        assert_eq!(detect(b"<?xml version=\"1.0\"?><a/>"), InputKind::Xml);
        assert_eq!(detect(b"\xff\xfe<\0a\0/\0>\0"), InputKind::Xml);
        assert_eq!(
            detect(b"<n:PES_Aller xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller\"/>"),
            InputKind::Pes
        );
        assert_eq!(
            detect(b"<!-- x --><e:EvidenceRecord xmlns:e=\"urn:ietf:params:xml:ns:ers\"/>"),
            InputKind::XmlEvidenceRecord
        );
        assert_eq!(detect(b"%PDF-1.7"), InputKind::Pdf);
        assert_eq!(detect(b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02 %PDF-1.7"), InputKind::Cms);
        assert_eq!(detect(b"PK\x03\x04"), InputKind::Asic);
        assert_eq!(detect(b"\n-----BEGIN PKCS7-----"), InputKind::Cms);
        assert_eq!(detect(b"subject=/CN=Agente\n\n-----BEGIN CMS-----\n"), InputKind::Cms);
        assert_eq!(detect(b"MIME-Version: 1.0\nContent-Type: application/pkcs7-mime;\n name=a\nContent-Transfer-Encoding: base64\n\nMI"), InputKind::Cms);
        assert_eq!(detect(b"On dit -----BEGIN CMS----- ainsi."), InputKind::Unknown);
        assert_eq!(detect(&[0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]), InputKind::Cms);
        assert_eq!(detect(&[0x30, 0x03, 0x02, 0x01, 0x01]), InputKind::EvidenceRecord);
        assert_eq!(detect(b""), InputKind::Unknown);
        assert_eq!(detect(&[0x30]), InputKind::Unknown);
    }
}
