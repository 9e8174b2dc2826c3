//! Finding the binary: DER and BER as they are, PEM (RFC 7468), bare base64, S/MIME headers before base64.

use super::ReadError;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Tolerates missing padding: some producers leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What was around the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Armour {
    /// Nothing: DER or BER.
    None,
    /// `-----BEGIN …-----`
    Pem,
    /// Base64 without a label.
    Base64,
}

/// The binary of a CMS file. Borrowed when it stands there as it is.
pub fn unarmour(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Armour), ReadError> {
    match bytes.first() {
        None => return Err(ReadError::Empty),
        Some(0x30) if !looks_like_base64(bytes) => return Ok((Cow::Borrowed(bytes), Armour::None)),
        Some(_) => {}
    }
    let head = &bytes[..bytes.len().min(16 * 1024)];
    if let Some(begin) = memchr::memmem::find(head, b"-----BEGIN ") {
        let label_end = memchr::memchr(b'\n', &bytes[begin..]).ok_or(ReadError::Base64)? + begin;
        let body = &bytes[label_end..];
        let end = memchr::memmem::find(body, b"-----END ").unwrap_or(body.len());
        return Ok((Cow::Owned(decode(&body[..end])?), Armour::Pem));
    }
    if let Some(body) = smime_body(head, bytes) {
        return Ok((Cow::Owned(decode(body)?), Armour::Base64));
    }
    if looks_like_base64(bytes) {
        return Ok((Cow::Owned(decode(bytes)?), Armour::Base64));
    }
    Err(ReadError::NotCms)
}

/// `0x30` is also the character `0`: base64 of DER begins with `M`, so only text all through is taken for base64.
fn looks_like_base64(bytes: &[u8]) -> bool {
    bytes.iter().take(256).all(|octet| octet.is_ascii_alphanumeric() || b"+/= \t\r\n".contains(octet))
        && bytes.iter().any(|octet| !octet.is_ascii_whitespace())
}

/// The body of an S/MIME message of type application/pkcs7-mime in base64.
fn smime_body<'a>(head: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let blank = memchr::memmem::find(head, b"\r\n\r\n").map(|at| at + 4);
    let blank = blank.or_else(|| memchr::memmem::find(head, b"\n\n").map(|at| at + 2))?;
    let headers = String::from_utf8_lossy(&head[..blank]).to_ascii_lowercase();
    let ours = headers.contains("pkcs7-mime") && headers.contains("base64");
    if ours { bytes.get(blank..) } else { None }
}

fn decode(text: &[u8]) -> Result<Vec<u8>, ReadError> {
    // Headers inside a PEM block (RFC 1421) end with an empty line and contain a colon.
    let compact: Vec<u8> = text
        .split(|octet| *octet == b'\n')
        .filter(|line| !line.contains(&b':'))
        .flatten()
        .copied()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    let binary = BASE64.decode(&compact).map_err(|_| ReadError::Base64)?;
    if binary.is_empty() { Err(ReadError::Empty) } else { Ok(binary) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn armours_come_off() {
        let der = [0x30, 3, 2, 1, 5];
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        assert_eq!(unarmour(&der).unwrap(), (Cow::Borrowed(&der[..]), Armour::None));
        let pem = format!("bag attributes\n-----BEGIN PKCS7-----\r\n{text}\r\n-----END PKCS7-----\n");
        assert_eq!(unarmour(pem.as_bytes()).unwrap(), (Cow::Owned(der.to_vec()), Armour::Pem));
        let bare = format!("\n{}\n{}", &text[..4], text[4..].trim_end_matches('='));
        assert_eq!(unarmour(bare.as_bytes()).unwrap(), (Cow::Owned(der.to_vec()), Armour::Base64));
        let mime = format!("Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n{text}\n");
        assert_eq!(unarmour(mime.as_bytes()).unwrap(), (Cow::Owned(der.to_vec()), Armour::Base64));
        for wrong in [&b""[..], b"%PDF-1.4", b"-----BEGIN X-----", b"    \n"] {
            assert!(unarmour(wrong).is_err());
        }
    }
}
