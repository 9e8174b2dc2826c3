//! Format identification by content: the first 8 KiB decide, the declared name only tells CSV from other text.
//!
//! What is recognised, and how: PDF (`%PDF-x.y`), XML and the PES flows of French public accounting (root element), ZIP
//! and what it carries (ODF, OOXML, ASiC, EPUB: first members), JPEG, PNG, TIFF, gzip, tar, 7-Zip, OLE2, RTF, EML (header
//! lines), CMS signatures (OID in DER, or PEM), then text and CSV in UTF-8 or Latin-1. Anything else is
//! `application/octet-stream`. PRONOM identifiers are given only where these bytes are enough to tell; conformity to the
//! format (PDF/A for one) is a matter for a validator, not for this page.

/// How much of a payload's beginning is looked at, in bytes.
pub const HEAD_BYTES: usize = 8 * 1024;

/// A format by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Media type.
    pub media_type: &'static str,
    /// PRONOM identifier, when these bytes are enough to tell.
    pub puid: Option<&'static str>,
}

const fn format(media_type: &'static str, puid: &'static str) -> Format {
    Format { media_type, puid: Some(puid) }
}

const fn media(media_type: &'static str) -> Format {
    Format { media_type, puid: None }
}

/// Identifies a payload by its first bytes (at most [`HEAD_BYTES`] are read); `name` tells CSV from other text.
pub fn identify(head: &[u8], name: &str) -> Format {
    let head = &head[..head.len().min(HEAD_BYTES)];
    binary(head)
        .or_else(|| structured_text(head))
        .or_else(|| text(head, name))
        .unwrap_or(media("application/octet-stream"))
}

fn binary(head: &[u8]) -> Option<Format> {
    if let Some(version) = head.strip_prefix(b"%PDF-") {
        return Some(pdf(version));
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some(zip(head));
    }
    Some(match head {
        [b'P', b'K', 5, 6, ..] => format("application/zip", "x-fmt/263"),
        [0xFF, 0xD8, 0xFF, rest @ ..] => jpeg(rest),
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, chunks @ ..] => png(chunks),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => format("image/tiff", "fmt/353"),
        [0x1F, 0x8B, 8, ..] => format("application/gzip", "x-fmt/266"),
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => format("application/x-7z-compressed", "fmt/484"),
        [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, ..] => format("application/x-ole-storage", "fmt/111"),
        [b'{', b'\\', b'r', b't', b'f', ..] => media("text/rtf"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => media("application/zstd"),
        [0x30, ..] if is_cms(head) => media("application/pkcs7-signature"),
        _ if head.get(257..262) == Some(b"ustar") => format("application/x-tar", "x-fmt/265"),
        _ => return None,
    })
}

fn pdf(version: &[u8]) -> Format {
    let puid = match version.get(..3) {
        Some(b"1.0") => "fmt/14",
        Some(b"1.1") => "fmt/15",
        Some(b"1.2") => "fmt/16",
        Some(b"1.3") => "fmt/17",
        Some(b"1.4") => "fmt/18",
        Some(b"1.5") => "fmt/19",
        Some(b"1.6") => "fmt/20",
        Some(b"1.7") => "fmt/276",
        Some(b"2.0") => "fmt/1129",
        _ => return media("application/pdf"),
    };
    format("application/pdf", puid)
}

fn jpeg(rest: &[u8]) -> Format {
    // FF D8 FF E0 <length> "JFIF\0" <version>
    let puid = match rest {
        [0xE0, _, _, b'J', b'F', b'I', b'F', 0, 1, 0, ..] => "fmt/42",
        [0xE0, _, _, b'J', b'F', b'I', b'F', 0, 1, 1, ..] => "fmt/43",
        [0xE0, _, _, b'J', b'F', b'I', b'F', 0, 1, 2, ..] => "fmt/44",
        _ => return media("image/jpeg"),
    };
    format("image/jpeg", puid)
}

/// The version shows in the chunks before the image data: iTXt came with 1.2; iCCP, sPLT and sRGB with 1.1.
fn png(mut chunks: &[u8]) -> Format {
    let mut puid = "fmt/11";
    while let Some((header, rest)) = chunks.split_at_checked(8) {
        let length =
            usize::try_from(u32::from_be_bytes([header[0], header[1], header[2], header[3]])).unwrap_or(usize::MAX);
        match &header[4..] {
            b"iTXt" => puid = "fmt/13",
            b"iCCP" | b"sPLT" | b"sRGB" if puid == "fmt/11" => puid = "fmt/12",
            b"IDAT" => break,
            _ => {}
        }
        chunks = rest.get(length.saturating_add(4)..).unwrap_or_default();
    }
    format("image/png", puid)
}

/// Looks at the local headers within the head: the first member tells ODF, ASiC and EPUB, the first few tell OOXML.
fn zip(head: &[u8]) -> Format {
    let field = |at: usize| head.get(at..at + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let (name_length, extra_length) = (field(26), field(28));
    let first = head.get(30..30 + name_length).unwrap_or_default();
    if first == b"mimetype" {
        let content = head.get(30 + name_length + extra_length..).unwrap_or_default();
        for (mimetype, found) in [
            (&b"application/vnd.oasis.opendocument.text"[..], media("application/vnd.oasis.opendocument.text")),
            (
                b"application/vnd.oasis.opendocument.spreadsheet",
                media("application/vnd.oasis.opendocument.spreadsheet"),
            ),
            (
                b"application/vnd.oasis.opendocument.presentation",
                media("application/vnd.oasis.opendocument.presentation"),
            ),
            (b"application/vnd.oasis.opendocument.graphics", media("application/vnd.oasis.opendocument.graphics")),
            (b"application/vnd.etsi.asic-e+zip", media("application/vnd.etsi.asic-e+zip")),
            (b"application/vnd.etsi.asic-s+zip", media("application/vnd.etsi.asic-s+zip")),
            (b"application/epub+zip", format("application/epub+zip", "fmt/483")),
        ] {
            if content.starts_with(mimetype) {
                return found;
            }
        }
    }
    let office = matches!(first, b"[Content_Types].xml" | b"_rels/.rels") || first.starts_with(b"docProps/");
    if office {
        for (part, found) in [
            (
                &b"word/"[..],
                format("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "fmt/412"),
            ),
            (b"xl/", format("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "fmt/214")),
            (b"ppt/", format("application/vnd.openxmlformats-officedocument.presentationml.presentation", "fmt/215")),
        ] {
            if has_member(head, part) {
                return found;
            }
        }
    }
    format("application/zip", "x-fmt/263")
}

/// Whether a local file header within the head has a name that starts so.
fn has_member(head: &[u8], prefix: &[u8]) -> bool {
    memchr::memmem::find_iter(head, b"PK\x03\x04").any(|at| head.get(at + 30..).is_some_and(|n| n.starts_with(prefix)))
}

/// SEQUENCE { OID 1.2.840.113549.1.7.2 (signedData) …
fn is_cms(head: &[u8]) -> bool {
    const SIGNED_DATA: &[u8] = &[0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
    let length_bytes = match head.get(1) {
        Some(0x80) => 1,
        Some(&b) if b < 0x80 => 1,
        Some(&b) if b <= 0x84 => 1 + usize::from(b & 0x7F),
        _ => return false,
    };
    head.get(1 + length_bytes..).is_some_and(|rest| rest.starts_with(SIGNED_DATA))
}

fn structured_text(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"-----BEGIN PKCS7-----") || head.starts_with(b"-----BEGIN CMS-----") {
        return Some(media("application/pkcs7-signature"));
    }
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    if start.starts_with(b"<?xml") || root_element(start).is_some() {
        return Some(xml(start));
    }
    // UTF-16 XML: byte order mark, then "<?" in two-byte units.
    if head.starts_with(b"\xFF\xFE<\0?\0") || head.starts_with(b"\xFE\xFF\0<\0?") {
        return Some(format("application/xml", "fmt/101"));
    }
    is_mail(head).then_some(format("message/rfc822", "fmt/278"))
}

/// The PES flows are XML whose root element says so (schéma PES V2, DGFiP).
fn xml(text: &[u8]) -> Format {
    let root = root_element(text).unwrap_or_default();
    let local = root.rsplit(|&b| b == b':').next().unwrap_or_default();
    match local {
        b"PES_Aller" => format("application/xml;profile=pes-aller", "fmt/101"),
        b"PES_Retour" => format("application/xml;profile=pes-retour", "fmt/101"),
        b"PES_ACQUIT" | b"PES_Acquit" => format("application/xml;profile=pes-acquit", "fmt/101"),
        b"html" | b"HTML" => media("text/html"),
        b"svg" => media("image/svg+xml"),
        _ => format("application/xml", "fmt/101"),
    }
}

/// Name of the first element, past the declaration, comments, processing instructions and document type.
fn root_element(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = text.trim_ascii_start();
        let skip_to: &[u8] = match text {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'!', ..] => b">",
            [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
                let end = text[1..].iter().position(|b| matches!(b, b' ' | b'>' | b'/' | b'\t' | b'\r' | b'\n'))?;
                return Some(&text[1..=end]);
            }
            _ => return None,
        };
        let end = memchr::memmem::find(text, skip_to)?;
        text = &text[end + skip_to.len()..];
    }
}

/// Two or more header lines, one of which only a message has.
fn is_mail(head: &[u8]) -> bool {
    const TELLING: [&[u8]; 7] =
        [b"received", b"return-path", b"delivered-to", b"mime-version", b"from", b"message-id", b"x-mozilla-status"];
    let mut telling = 0;
    for (line, number) in head.split(|&b| b == b'\n').zip(0..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || number == 64 {
            break;
        }
        if number > 0 && matches!(line[0], b' ' | b'\t') {
            continue;
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
        let name = line[..colon].to_ascii_lowercase();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return false;
        }
        telling += usize::from(TELLING.contains(&name.as_slice()));
    }
    telling >= 2
}

fn text(head: &[u8], name: &str) -> Option<Format> {
    if head.is_empty() || head.iter().any(|&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0C) || b == 0x7F) {
        return None;
    }
    let utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The head may end in the middle of a character.
        Err(e) => e.error_len().is_none() && head.len() == HEAD_BYTES,
    };
    // 0x80–0x9F are controls in Latin-1: their presence means Windows-1252, common in French exports.
    let windows = head.iter().any(|b| matches!(b, 0x80..=0x9F));
    let csv = std::path::Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) || is_table(head);
    Some(match (csv, utf8, windows) {
        (true, true, _) => format("text/csv;charset=utf-8", "x-fmt/18"),
        (true, false, false) => format("text/csv;charset=iso-8859-1", "x-fmt/18"),
        (true, false, true) => format("text/csv;charset=windows-1252", "x-fmt/18"),
        (false, true, _) => format("text/plain;charset=utf-8", "x-fmt/111"),
        (false, false, false) => format("text/plain;charset=iso-8859-1", "x-fmt/111"),
        (false, false, true) => format("text/plain;charset=windows-1252", "x-fmt/111"),
    })
}

/// At least three lines that all hold the same number, two or more, of one separator.
fn is_table(head: &[u8]) -> bool {
    let mut lines: Vec<&[u8]> = head.split(|&b| b == b'\n').take(20).collect();
    // The last one may be cut.
    lines.pop();
    lines.len() >= 3
        && [b';', b'\t', b','].iter().any(|separator| {
            let count = |line: &[u8]| memchr::memchr_iter(*separator, line).count();
            let expected = count(lines[0]);
            expected >= 2 && lines.iter().all(|line| count(line) == expected)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn media_type(head: &[u8], name: &str) -> &'static str {
        identify(head, name).media_type
    }

    #[test]
    fn signatures() {
        assert_eq!(identify(b"%PDF-1.7\n", "x"), format("application/pdf", "fmt/276"));
        assert_eq!(identify(b"%PDF-9.9\n", "x").puid, None);
        assert_eq!(identify(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x02", "x").puid, Some("fmt/44"));
        assert_eq!(media_type(b"II*\0", "x"), "image/tiff");
        assert_eq!(media_type(b"\x1f\x8b\x08\0", "x"), "application/gzip");
        assert_eq!(
            media_type(b"\x30\x80\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02", "x"),
            "application/pkcs7-signature"
        );
        assert_eq!(
            media_type(b"\x30\x82\x10\x00\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02", "x"),
            "application/pkcs7-signature"
        );
        assert_eq!(media_type(&[0, 1, 2, 3], "x.pdf"), "application/octet-stream");
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([0; 17]);
        png.extend(b"\0\0\0\x01iTXt.....\0\0\0\0IDAT");
        assert_eq!(identify(&png, "x").puid, Some("fmt/13"));
    }

    #[test]
    fn what_a_zip_carries() {
        let member = |name: &[u8], content: &[u8]| {
            let mut head = b"PK\x03\x04".to_vec();
            head.extend([0; 22]);
            head.extend(u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
            head.extend([0, 0]);
            head.extend(name);
            head.extend(content);
            head
        };
        let odt = member(b"mimetype", b"application/vnd.oasis.opendocument.textPK\x03\x04");
        assert_eq!(media_type(&odt, "x"), "application/vnd.oasis.opendocument.text");
        let mut docx = member(b"[Content_Types].xml", b"....");
        docx.extend(member(b"word/document.xml", b""));
        assert_eq!(identify(&docx, "x").puid, Some("fmt/412"));
        assert_eq!(identify(&member(b"a.txt", b"x"), "x").puid, Some("x-fmt/263"));
    }

    #[test]
    fn xml_and_pes() {
        let pes = b"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!-- x -->\n<n:PES_Aller xmlns:n=\"http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller\">";
        assert_eq!(identify(pes, "x"), format("application/xml;profile=pes-aller", "fmt/101"));
        assert_eq!(media_type(b"<?xml version=\"1.0\"?><a/>", "x"), "application/xml");
        assert_eq!(media_type(b"<!DOCTYPE html>\n<html lang=\"fr\">", "x"), "text/html");
        assert_eq!(media_type(b"< pas du XML", "x"), "text/plain;charset=utf-8");
    }

    #[test]
    fn text_csv_and_mail() {
        let csv = "Nom;Prénom;Né(e) le\nDurand;Zoé;2001-01-01\nMartin;Luc;1970-05-04\n";
        assert_eq!(media_type(csv.as_bytes(), "liste"), "text/csv;charset=utf-8");
        let latin: Vec<u8> = csv.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        assert_eq!(media_type(&latin, "liste.csv"), "text/csv;charset=iso-8859-1");
        assert_eq!(media_type("Bonjour, ça va ?\n".as_bytes(), "x.txt"), "text/plain;charset=utf-8");
        assert_eq!(media_type(b"1 \x80", "x.txt"), "text/plain;charset=windows-1252");
        let mail = b"From: a@b.fr\r\nTo: c@d.fr\r\nMIME-Version: 1.0\r\n\r\nBonjour";
        assert_eq!(identify(mail, "x"), format("message/rfc822", "fmt/278"));
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_format(head in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..6) {
            let prefixes: [&[u8]; 6] = [b"", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\x30\x82", b"<?xml", b"From: "];
            let bytes = [prefixes[kind], &head].concat();
            prop_assert!(identify(&bytes, "x.csv").media_type.contains('/'));
        }
    }
}
