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

/// The first byte that begins something that is not a `Char`. `bytes` is ISO-8859-1, or valid UTF-8 when `utf8`.
pub(super) fn first_forbidden(bytes: &[u8], utf8: bool) -> Option<usize> {
    const STEP: usize = 4096;
    let control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    // Without a branch per byte, so that the compiler makes vectors of it: this runs over every byte of every document.
    let suspect = |step: &[u8]| step.iter().fold(false, |found, &byte| found | control(byte));
    for (index, step) in bytes.chunks(STEP).enumerate() {
        if suspect(step) {
            return step.iter().position(|&byte| control(byte)).map(|at| index * STEP + at);
        }
    }
    // U+FFFE and U+FFFF, the only others that valid UTF-8 can hold.
    if !utf8 || memchr::memchr(0xEF, bytes).is_none() {
        return None;
    }
    let last = memmem::find(bytes, b"\xEF\xBF\xBF");
    [memmem::find(bytes, b"\xEF\xBF\xBE"), last].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_non_characters_are_found() {
        assert_eq!(first_forbidden(b"a\tb\r\n", true), None);
        assert_eq!(first_forbidden(b"ab\0", true), Some(2));
        let mut long = vec![b'a'; 10_000];
        long[9_000] = 0x1F;
        assert_eq!(first_forbidden(&long, true), Some(9_000));
        assert_eq!(first_forbidden("é\u{FFFD}".as_bytes(), true), None);
        assert_eq!(first_forbidden("é\u{FFFF}\u{FFFE}".as_bytes(), true), Some(2));
        assert_eq!(first_forbidden(b"\x80\x9F\xEF\xBF\xBF", false), None);
    }

    #[test]
    fn a_name_is_a_name() {
        assert!(is_name_start('é') && is_name('·') && !is_name_start('-') && !is_name_start('×') && !is_name(' '));
        assert!(is_char('\u{85}') && !is_char('\u{B}') && !is_char('\u{FFFE}'));
    }
}
