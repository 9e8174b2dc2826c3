//! Texts with `{champ}` and `{champ|à défaut}`, and patterns with `*` and `?`.

use std::collections::BTreeMap;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it is.
    Plain(&'a str),
    /// A field's value, or something else when it is absent.
    Field { name: &'a str, otherwise: Option<&'a str> },
}

/// The pieces of a text; `None` when a brace is not closed.
pub(super) fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((plain, after)) = rest.split_once('{') {
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        let (inside, after) = after.split_once('}')?;
        let (name, otherwise) = match inside.split_once('|') {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inside, None),
        };
        pieces.push(Piece::Field { name, otherwise });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    Some(pieces)
}

/// The text with the fields' values; the name of the first field without which it cannot be written otherwise.
pub(super) fn filled<'a>(text: &'a str, fields: &BTreeMap<String, String>) -> Result<String, &'a str> {
    let mut out = String::new();
    for piece in pieces(text).unwrap_or_default() {
        match piece {
            Piece::Plain(plain) => out.push_str(plain),
            Piece::Field { name, otherwise } => match fields.get(name).map(String::as_str).or(otherwise) {
                Some(value) => out.push_str(value),
                None => return Err(name),
            },
        }
    }
    Ok(out.trim().to_owned())
}

/// Whether a text looks like a pattern: `*` is anything, `?` one character; case does not count.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                // The last star takes one character more.
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled() {
        let fields = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(filled("x {a} {b|sans}", &fields), Ok("x 1 sans".to_owned()));
        assert_eq!(filled("{b}", &fields), Err("b"));
        assert_eq!(pieces("{a"), None);
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("allergies_*", "Allergies_CE2.csv", true),
            ("*/messagerie/*", "a/messagerie/b", true),
            ("*.pdf", "a.pdf.exe", false),
            ("a?c", "abc", true),
            ("", "", true),
            ("*a*a*a*b", &"a".repeat(2000), false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern}");
        }
    }
}
