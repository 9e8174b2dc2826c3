//! Which characters XML 1.0 (fifth edition) lets stand where.

use memchr::memmem;

/// `S`.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `Char`.
pub(super) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// `NameStartChar`, without the colon, which separates the prefix.
pub(super) const fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// `NameChar`, without the colon.
pub(super) const fn is_name(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// What one pass over the bytes of a document finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// Whether they are all ASCII.
    pub(super) ascii: bool,
    /// The first control character that is not a `Char`.
    pub(super) control: Option<usize>,
}

/// Looks over bytes of a charset that has ASCII in it.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    const STEP: usize = 4096;
    let control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let mut found = Scan { ascii: true, control: None };
    let mut all = 0;
    for (index, step) in bytes.chunks(STEP).enumerate() {
        // Without a branch per byte, so that the compiler makes vectors of it: this runs over every byte there is.
        let (any, suspect) =
            step.iter().fold((0, false), |(any, suspect), &byte| (any | byte, suspect | control(byte)));
        all |= any;
        if suspect && found.control.is_none() {
            found.control = step.iter().position(|&byte| control(byte)).map(|at| index * STEP + at);
        }
    }
    found.ascii = all < 0x80;
    found
}

/// U+FFFE and U+FFFF, which valid UTF-8 can hold and XML cannot.
pub(super) fn non_character(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(0xEF, bytes)?;
    let last = memmem::find(bytes, b"\xEF\xBF\xBF");
    [memmem::find(bytes, b"\xEF\xBF\xBE"), last].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_non_characters_are_found() {
        assert_eq!(scan(b"a\tb\r\n"), Scan { ascii: true, control: None });
        assert_eq!(scan(b"ab\0\x01").control, Some(2));
        let mut long = vec![b'a'; 10_000];
        long[9_000] = 0x1F;
        assert_eq!(scan(&long), Scan { ascii: true, control: Some(9_000) });
        assert_eq!(scan(b"\x80\x9F\x7F"), Scan { ascii: false, control: None });
        assert_eq!(non_character("é\u{FFFD}".as_bytes()), None);
        assert_eq!(non_character("é\u{FFFF}\u{FFFE}".as_bytes()), Some(2));
    }

    #[test]
    fn a_name_is_a_name() {
        assert!(is_name_start('é') && is_name('·') && !is_name_start('-') && !is_name_start('×') && !is_name(' '));
        assert!(is_char('\u{85}') && !is_char('\u{B}') && !is_char('\u{FFFE}'));
    }
}
