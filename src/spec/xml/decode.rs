//! From text as it is written to what it says: line ends, references, attribute normalisation (XML 1.0 §2.11, §3.3.3) and
//! ISO-8859-1; with the escapes of the canonical forms, or without.

use super::charset::Charset;
use std::borrow::Cow;

/// Where a text stands, which is what decides how it is read and escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between tags.
    Text,
    /// In a CDATA section: no reference is one.
    Cdata,
    /// Between the quotes of an attribute: white space is space.
    Attribute,
    /// In a comment or processing instruction: only line ends mean something.
    Aside,
}

/// What `raw` says, without escapes.
pub(super) fn decoded(raw: &[u8], place: Place, charset: Charset) -> Cow<'_, str> {
    let plain = |&byte: &u8| byte.is_ascii() && !plainly_special(byte, place);
    if (charset == Charset::Utf8 && !raw.iter().any(|&byte| plainly_special(byte, place))) || raw.iter().all(plain) {
        // Valid UTF-8 since the document is, and its texts end at ASCII characters.
        return String::from_utf8_lossy(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    write(raw, place, charset, false, &mut |part| bytes.extend_from_slice(part));
    String::from_utf8(bytes)
        .map_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned().into(), Cow::Owned)
}

/// Whether a byte is not simply itself when read.
const fn plainly_special(byte: u8, place: Place) -> bool {
    match byte {
        b'\r' => true,
        b'&' => matches!(place, Place::Text | Place::Attribute),
        b'\t' | b'\n' => matches!(place, Place::Attribute),
        _ => false,
    }
}

/// Whether a byte is not simply itself in a canonical form.
const fn canonically_special(byte: u8, place: Place) -> bool {
    plainly_special(byte, place)
        || match place {
            Place::Text => byte == b'>',
            Place::Cdata => matches!(byte, b'&' | b'<' | b'>'),
            Place::Attribute => byte == b'"',
            Place::Aside => false,
        }
}

/// Writes what `raw` says, in UTF-8, with the escapes of Canonical XML (§2.3) when `escaped`.
pub(super) fn write(raw: &[u8], place: Place, charset: Charset, escaped: bool, out: &mut dyn FnMut(&[u8])) {
    let latin = charset == Charset::Latin1 && !raw.is_ascii();
    let mut rest = raw;
    while !rest.is_empty() {
        // Piece by piece, so that what has just been looked at is digested while the processor still has it.
        let window = &rest[..rest.len().min(PIECE)];
        let Some(at) = next_special(window, place, latin, escaped) else {
            out(window);
            rest = &rest[window.len()..];
            continue;
        };
        if at > 0 {
            out(&rest[..at]);
        }
        rest = special(&rest[at..], place, escaped, out);
    }
}

const PIECE: usize = 64 << 10;

fn next_special(bytes: &[u8], place: Place, latin: bool, escaped: bool) -> Option<usize> {
    if place == Place::Text && !latin {
        // The long ones: base64 of an attachment, in one text.
        return memchr::memchr3(b'&', if escaped { b'>' } else { b'&' }, b'\r', bytes);
    }
    bytes.iter().position(|&byte| {
        (latin && !byte.is_ascii())
            || if escaped { canonically_special(byte, place) } else { plainly_special(byte, place) }
    })
}

/// Writes the special thing that `bytes` begins with, and gives what follows it.
fn special<'d>(bytes: &'d [u8], place: Place, escaped: bool, out: &mut dyn FnMut(&[u8])) -> &'d [u8] {
    let Some((&first, after)) = bytes.split_first() else { return bytes };
    match first {
        b'&' if matches!(place, Place::Text | Place::Attribute) => {
            let end = memchr::memchr(b';', after).unwrap_or(0);
            if let Some(c) = reference(&after[..end]) {
                character(c, place, escaped, out);
            }
            return &after[(end + 1).min(after.len())..];
        }
        b'\r' => {
            out(if place == Place::Attribute { b" " } else { b"\n" });
            return after.strip_prefix(b"\n").unwrap_or(after);
        }
        b'\t' | b'\n' => out(b" "),
        _ => character(char::from(first), place, escaped, out),
    }
    after
}

/// Writes a character that is content, whatever it looks like.
fn character(c: char, place: Place, escaped: bool, out: &mut dyn FnMut(&[u8])) {
    let attribute = place == Place::Attribute;
    match c {
        '&' if escaped => out(b"&amp;"),
        '<' if escaped => out(b"&lt;"),
        '>' if escaped && !attribute => out(b"&gt;"),
        '"' if escaped && attribute => out(b"&quot;"),
        '\t' if escaped && attribute => out(b"&#x9;"),
        '\n' if escaped && attribute => out(b"&#xA;"),
        '\r' if escaped => out(b"&#xD;"),
        _ => out(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Writes a value that is already decoded as the canonical forms write an attribute.
pub(super) fn write_content(value: &str, out: &mut dyn FnMut(&[u8])) {
    for c in value.chars() {
        character(c, Place::Attribute, true, out);
    }
}

/// The character that a reference (without `&` and `;`) stands for. `None` for an entity that is not predefined, and for
/// what is no character of XML.
pub(super) fn reference(name: &[u8]) -> Option<char> {
    let number = match name {
        b"amp" => return Some('&'),
        b"lt" => return Some('<'),
        b"gt" => return Some('>'),
        b"quot" => return Some('"'),
        b"apos" => return Some('\''),
        [b'#', b'x', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    char::from_u32(number).filter(|&c| super::chars::is_char(c))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u32, |number, &digit| number.checked_mul(radix)?.checked_add(char::from(digit).to_digit(radix)?))
}

/// The bytes of a base64 text: white space is skipped, and padding may be missing (as signature policies' digests of real
/// PES files lack it). `None` for anything else that is not base64.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::DecodePaddingMode;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    ENGINE.decode(compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(raw: &[u8], place: Place, charset: Charset) -> String {
        let mut bytes = Vec::new();
        write(raw, place, charset, true, &mut |part| bytes.extend_from_slice(part));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn text_is_read_and_escaped_as_its_place_says() {
        let raw = b"a\r\nb\rc\td>\"&amp;&#13;&#x9;&#10;&#xe9;";
        let utf8 = Charset::Utf8;
        assert_eq!(decoded(raw, Place::Text, utf8), "a\nb\nc\td>\"&\r\t\né");
        assert_eq!(canonical(raw, Place::Text, utf8), "a\nb\nc\td&gt;\"&amp;&#xD;\t\né");
        assert_eq!(decoded(raw, Place::Attribute, utf8), "a b c d>\"&\r\t\né");
        assert_eq!(canonical(raw, Place::Attribute, utf8), "a b c d>&quot;&amp;&#xD;&#x9;&#xA;é");
        assert_eq!(canonical(b"<&amp;>\r\n", Place::Cdata, utf8), "&lt;&amp;amp;&gt;\n");
        assert_eq!(canonical(b"<&amp;>\r\n", Place::Aside, utf8), "<&amp;>\n");
        assert_eq!(decoded(b"\xE9\x80&lt;", Place::Text, Charset::Latin1), "é\u{80}<");
        assert_eq!(canonical(b"\xE9\x80>", Place::Text, Charset::Latin1), "é\u{80}&gt;");
    }

    #[test]
    fn a_reference_is_a_character_of_xml() {
        assert_eq!(reference(b"#x10FFFF"), Some('\u{10FFFF}'));
        for bad in [&b"#0"[..], b"#xFFFE", b"#xD800", b"#", b"#x", b"#X41", b"nbsp", b"#99999999999", b"# 65", b""] {
            assert_eq!(reference(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn base64_without_padding_is_base64() {
        assert_eq!(unbase64(" AQ ID\n BA "), Some(vec![1, 2, 3, 4]));
        assert_eq!(unbase64("AQIDBA=="), Some(vec![1, 2, 3, 4]));
        assert_eq!(unbase64("AQ*D"), None);
    }
}
