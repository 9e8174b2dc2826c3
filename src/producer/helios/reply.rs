//! Replies as old clients read them: ISO-8859-1 declared and nothing but ASCII sent, because some re-encode what they get
//! and others do not. Characters beyond are numeric references in XML and `\u` escapes in JSON.

use std::fmt::Write as _;

/// `<tag><name>value</name>…</tag>`, with the declaration.
pub fn xml(tag: &str, fields: &[(&str, &str)]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n");
    // Writing to a String does not fail.
    let _ = writeln!(text, "<{tag}>");
    for (name, value) in fields {
        let _ = writeln!(text, "  <{name}>{}</{name}>", escaped(value));
    }
    let _ = writeln!(text, "</{tag}>");
    text
}

/// A text as the content of an XML element, in ASCII.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' | ' '..='~' => out.push(c),
            // No character of XML 1.0.
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push(' '),
            c => _ = write!(out, "&#{};", u32::from(c)),
        }
    }
    out
}

/// A text as a JSON string with its quotes, in ASCII, slashes escaped: as PHP writes it.
pub fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '/' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_told_is_ascii_and_reads_back(text: String) {
            let xml = xml("import", &[("message", &text)]);
            prop_assert!(xml.is_ascii());
            let limits = crate::spec::xml::Limits::default();
            let document = crate::spec::xml::Document::parse(xml.as_bytes(), &limits).unwrap();
            let told = document.root().children().next().unwrap().text().into_owned();
            let cleaned = |c: char| if (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{FFFE}' | '\u{FFFF}') { ' ' } else { c };
            prop_assert_eq!(told, text.chars().map(cleaned).collect::<String>());
            let json = json_text(&text);
            prop_assert!(json.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
