//! From the bytes of a file to bytes that can be read: UTF-8, or ISO-8859-1 kept as it is.
//!
//! A byte order mark decides; then the XML declaration; then UTF-8 (XML 1.0 §4.3.3 and appendix F). What does not hold its
//! declaration is refused: to guess would change what was signed.

use super::XmlError;
use super::chars::{Scan, is_space, non_character, scan};
use std::borrow::Cow;

/// How the bytes of a [`super::Document`] are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Valid UTF-8.
    Utf8,
    /// One byte, one character of the same number.
    Latin1,
}

/// Bytes, how to read them, and the first that XML forbids.
type Settled<'a> = Result<(Cow<'a, [u8]>, Charset, Option<usize>), XmlError>;

/// The document's bytes without byte order mark, how to read them, and the first that XML forbids. Copied only when they
/// are in neither charset.
pub(super) fn settle(input: &[u8]) -> Settled<'_> {
    let (bytes, charset, control) = transcoded(input)?;
    let other = if charset == Charset::Utf8 { non_character(&bytes) } else { None };
    let forbidden = [control, other].into_iter().flatten().min();
    Ok((bytes, charset, forbidden))
}

fn transcoded(input: &[u8]) -> Settled<'_> {
    if let Some(rest) = input.strip_prefix(b"\xEF\xBB\xBF") {
        return utf8(rest);
    }
    // With a mark, or by the look of `<?` or of `<x`.
    match input {
        [0xFF, 0xFE, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        [b'<', 0, ..] => return utf16(input, u16::from_le_bytes),
        [0, b'<', ..] => return utf16(input, u16::from_be_bytes),
        _ => {}
    }
    let Some(label) = declared(input) else { return utf8(input) };
    let Scan { ascii, control } = scan(input);
    match label.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => utf8(input),
        "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso646-us" => {
            if ascii {
                return Ok((Cow::Borrowed(input), Charset::Utf8, control));
            }
            let at = input.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
            Err(XmlError::Encoding(format!("octet 0x{:02x} (n° {at}) dans un document US-ASCII", input[at])))
        }
        "iso-8859-1" | "iso_8859-1" | "iso8859-1" | "iso_8859-1:1987" | "iso-ir-100" | "latin1" | "l1" | "ibm819"
        | "cp819" | "csisolatin1" => {
            // The same bytes either way when they are ASCII, and UTF-8 is read faster.
            let charset = if ascii { Charset::Utf8 } else { Charset::Latin1 };
            Ok((Cow::Borrowed(input), charset, control))
        }
        "iso-8859-15" | "iso_8859-15" | "latin-9" | "latin9" => Ok(table(input, latin9)),
        "windows-1252" | "cp1252" | "cswindows1252" => {
            if let Some(at) = input.iter().position(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D)) {
                let text = format!("octet 0x{:02x} (n° {at}) sans caractère en windows-1252", input[at]);
                return Err(XmlError::Encoding(text));
            }
            Ok(table(input, cp1252))
        }
        _ => Err(XmlError::Encoding(format!("« {label} » n'est pas lu ici, ou n'est pas celui des octets"))),
    }
}

fn utf8(input: &[u8]) -> Settled<'_> {
    let Scan { ascii, control } = scan(input);
    match std::str::from_utf8(if ascii { b"" } else { input }) {
        Ok(_) => Ok((Cow::Borrowed(input), Charset::Utf8, control)),
        Err(error) => Err(XmlError::Encoding(format!("l'octet n° {} n'est pas de l'UTF-8", error.valid_up_to()))),
    }
}

fn utf16(input: &[u8], read: fn([u8; 2]) -> u16) -> Settled<'_> {
    let (units, odd) = input.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(XmlError::Encoding("UTF-16 d'un nombre impair d'octets".to_owned()));
    }
    let mut text = String::with_capacity(units.len());
    for c in char::decode_utf16(units.iter().map(|&unit| read(unit))) {
        text.push(c.map_err(|_| XmlError::Encoding("UTF-16 mal formé : moitié de paire isolée".to_owned()))?);
    }
    let control = scan(text.as_bytes()).control;
    Ok((Cow::Owned(text.into_bytes()), Charset::Utf8, control))
}

fn table(input: &[u8], read: fn(u8) -> char) -> (Cow<'_, [u8]>, Charset, Option<usize>) {
    let text: String = input.iter().map(|&byte| read(byte)).collect();
    let control = scan(text.as_bytes()).control;
    (Cow::Owned(text.into_bytes()), Charset::Utf8, control)
}

const fn latin9(byte: u8) -> char {
    match byte {
        0xA4 => '€',
        0xA6 => 'Š',
        0xA8 => 'š',
        0xB4 => 'Ž',
        0xB8 => 'ž',
        0xBC => 'Œ',
        0xBD => 'œ',
        0xBE => 'Ÿ',
        _ => byte as char,
    }
}

/// The five bytes without a character are refused before.
fn cp1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
    ];
    byte.checked_sub(0x80).and_then(|high| HIGH.get(usize::from(high))).copied().unwrap_or(byte as char)
}

/// The encoding that an XML declaration names, in bytes that are ASCII there.
fn declared(input: &[u8]) -> Option<&str> {
    // `<?xml-stylesheet` and its like are instructions, whatever they say.
    let declaration = input.strip_prefix(b"<?xml").filter(|rest| rest.first().is_some_and(|&byte| is_space(byte)))?;
    let end = declaration.windows(2).take(512).position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let (_, rest) = declaration.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
    rest[1..].split_once(quote).map(|(label, _)| label)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(input: &[u8]) -> Result<String, XmlError> {
        let (bytes, charset, _) = settle(input)?;
        Ok(match charset {
            Charset::Utf8 => String::from_utf8(bytes.into_owned()).unwrap(),
            Charset::Latin1 => bytes.iter().map(|&byte| byte as char).collect(),
        })
    }

    #[test]
    fn a_mark_decides_then_the_declaration_then_utf_8() {
        assert_eq!(text("<é/>".as_bytes()).unwrap(), "<é/>");
        assert_eq!(
            text("\u{FEFF}<?xml version='1.0' encoding='ISO-8859-1'?><é/>".as_bytes()).unwrap().chars().last(),
            Some('>')
        );
        let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a b='\x80\x9C\xE9'/>";
        assert!(text(latin).unwrap().contains("\u{80}\u{9C}é"));
        let sheet = "<?xml-stylesheet encoding='windows-1252'?><a>é</a>";
        assert_eq!(text(sheet.as_bytes()).unwrap(), sheet);
        let euro = b"<?xml version='1.0' encoding='iso-8859-15'?><a b='\xA4'/>";
        assert!(text(euro).unwrap().contains('€'));
        let windows = b"<?xml version='1.0' encoding = \"Windows-1252\"?><a b='\x80\x9C\xE9'/>";
        assert!(text(windows).unwrap().contains("€œé"));
        for little in [true, false] {
            let units = "\u{FEFF}<a>é€</a>".encode_utf16();
            let bytes: Vec<u8> = units.flat_map(|u| if little { u.to_le_bytes() } else { u.to_be_bytes() }).collect();
            assert_eq!(text(&bytes).unwrap(), "<a>é€</a>");
            assert_eq!(text(&bytes[2..]).unwrap(), "<a>é€</a>");
            assert!(text(&bytes[..bytes.len() - 1]).is_err());
        }
    }

    #[test]
    fn what_does_not_hold_its_declaration_is_refused() {
        assert!(text(b"<a>\xE9</a>").is_err());
        assert!(text(b"<?xml version='1.0' encoding='utf-8'?><a>\xE9</a>").is_err());
        assert!(text(b"<?xml version='1.0' encoding='us-ascii'?><a>\xE9</a>").is_err());
        assert!(text(b"<?xml version='1.0' encoding='utf-16'?><a>e</a>").is_err());
        assert!(text(b"<?xml version='1.0' encoding='ebcdic-cp-fr'?><a>e</a>").is_err());
        assert!(text(b"\xFF\xFE<\0\0\xD8").is_err());
    }
}
