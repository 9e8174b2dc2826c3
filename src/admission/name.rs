//! Names and short texts: what may stand in a record.

use super::{Reason, Refusal};

/// The longest file name in bytes: what common file systems take.
pub const NAME_BYTES_MAX: usize = 255;

/// A file name: UTF-8, one path component, no control or bidirectional-override character, at most 255 bytes.
pub fn file_name(raw: &[u8]) -> Result<String, Reason> {
    let name = std::str::from_utf8(raw).map_err(|_| Reason::NameEncoding)?;
    if name.len() > NAME_BYTES_MAX {
        return Err(Reason::NameTooLong);
    }
    let path_like = name.contains(['/', '\\']) || matches!(name, "." | "..");
    if name.trim().is_empty() || path_like || name.chars().any(is_deceptive) {
        return Err(Reason::NameInvalid);
    }
    Ok(name.to_owned())
}

/// A text that may stand in a record, from one that may not: control characters become spaces, and only its first
/// `chars_max` characters are kept.
pub fn cleaned(text: &str, chars_max: usize) -> String {
    let plain = text.chars().map(|c| if is_deceptive(c) { ' ' } else { c });
    plain.take(chars_max).collect::<String>().trim().to_owned()
}

/// A text of at most `chars_max` characters without control characters; `None` stays `None`, blank is missing.
pub(super) fn text(
    field: &'static str,
    value: Option<String>,
    chars_max: usize,
    lines: bool,
) -> Result<Option<String>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let at = |reason| Refusal::at(format!("/{field}"), reason);
    if value.trim().is_empty() {
        return Err(at(Reason::FieldMissing { field }));
    }
    // A character is at most 4 bytes, so that counting is rarely needed.
    if value.len() > chars_max && value.chars().count() > chars_max {
        return Err(at(Reason::FieldTooLong { field, chars_max }));
    }
    if value.chars().any(|c| is_deceptive(c) && !(lines && matches!(c, '\n' | '\t' | '\r'))) {
        return Err(at(Reason::FieldCharacters { field }));
    }
    Ok(Some(value))
}

/// A code of ours: `[a-z0-9-]{1,64}`.
pub fn code_is_valid(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Control characters, and those that change the direction of text to disguise an extension (Trojan Source).
fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_fit_a_record() {
        assert_eq!(cleaned(" a\nb\u{202E}\t", 10), "a b");
        assert_eq!(cleaned("éèà", 2), "éè");
    }

    #[test]
    fn names_that_are_refused() {
        for bad in ["", " ", ".", "..", "a/b", "..\\x", "/etc/passwd", "C:\\x", "a\0b", "a\nb", "fdp.\u{202E}exe"] {
            assert_eq!(file_name(bad.as_bytes()), Err(Reason::NameInvalid), "{bad:?}");
        }
        assert_eq!(file_name(b"d\xe9lib.pdf"), Err(Reason::NameEncoding));
        assert_eq!(file_name("é".repeat(128).as_bytes()), Err(Reason::NameTooLong));
        assert_eq!(file_name("Délibération n° 12 (v2).pdf".as_bytes()).unwrap(), "Délibération n° 12 (v2).pdf");
    }

    #[test]
    fn texts_are_bounded_in_characters() {
        assert!(text("title", Some("é".repeat(500)), 500, false).is_ok());
        assert!(text("title", Some("é".repeat(501)), 500, false).is_err());
        assert!(text("title", Some("a\nb".into()), 500, false).is_err());
        assert!(text("description", Some("a\nb".into()), 500, true).is_ok());
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_one_path_component(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(name) = file_name(&raw) {
                prop_assert_eq!(std::path::Path::new(&name).components().count(), 1);
                prop_assert!(name.len() <= NAME_BYTES_MAX);
            }
        }
    }
}
