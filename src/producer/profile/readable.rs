//! The data of a sending as a page that people read in any browser, for ever: no script, no style from elsewhere, and nothing
//! of what was sent is taken for markup. The JSON beside it is the document; this is its image.

use serde_json::Value;
use std::fmt::Write as _;

/// Deepest member shown; below, the JSON is.
const DEPTH_MAX: usize = 12;
/// Longest page, in bytes; what does not fit is said.
const BYTES_MAX: usize = 4 << 20;

/// The page of a JSON document.
pub(super) fn page(title: &str, document: &Value) -> String {
    let mut out = String::from(
        "<!DOCTYPE html>\n<html lang=\"fr\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <style>body{font-family:sans-serif;max-width:60em;margin:2em auto}th{text-align:left;vertical-align:top;\
         padding-right:1em}td{white-space:pre-wrap}table table{border-left:1px solid #999}</style>",
    );
    // Writing to a String does not fail.
    let _ = writeln!(out, "<title>{0}</title></head><body><h1>{0}</h1>", escaped(title));
    member(&mut out, document, 0);
    out.push_str("</body></html>\n");
    out
}

fn member(out: &mut String, value: &Value, depth: usize) {
    if depth > DEPTH_MAX || out.len() > BYTES_MAX {
        out.push_str("<em>voir le document JSON</em>");
        return;
    }
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "oui" } else { "non" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => out.push_str(&escaped(&plain(text))),
        Value::Array(list) => {
            out.push_str("<ol>");
            for one in list {
                out.push_str("<li>");
                member(out, one, depth + 1);
                out.push_str("</li>\n");
            }
            out.push_str("</ol>");
        }
        Value::Object(members) => {
            out.push_str("<table>");
            for (name, one) in members.iter().filter(|(_, one)| !one.is_null()) {
                let _ = write!(out, "<tr><th scope=\"row\">{}</th><td>", escaped(name));
                member(out, one, depth + 1);
                out.push_str("</td></tr>\n");
            }
            out.push_str("</table>");
        }
    }
}

/// The text of what an editor wrote in HTML: tags go, the rest stays to be read.
fn plain(text: &str) -> String {
    if !text.contains('<') {
        return text.to_owned();
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        rest = after;
        let Some((name, after)) = after.split_once('>').filter(|_| tag) else {
            out.push('<');
            continue;
        };
        let name = name.trim_start_matches('/').to_ascii_lowercase();
        if ["p", "br", "div", "li", "tr"].iter().any(|block| name.split([' ', '/']).next() == Some(block)) {
            out.push('\n');
        }
        rest = after;
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_was_sent_is_never_markup() {
        let document =
            json!({ "<b>": "<script>alert(1)</script> & \"x\"", "liste": ["<p>un</p><p>deux</p>", true, null, 3] });
        let page = page("T<i", &document);
        assert!(!page.contains("<script") && page.contains("alert(1) &amp; &quot;x&quot;"), "{page}");
        assert!(
            page.contains("<h1>T&lt;i</h1>") && page.contains("&lt;b&gt;") && page.contains("un\n\ndeux"),
            "{page}"
        );
        assert_eq!(plain("a < b"), "a < b");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = (0..100).fold(json!("fin"), |inner, _| json!([inner]));
        assert!(page("t", &deep).contains("voir le document JSON"));
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag(text: String) {
            let page = page("t", &json!(text));
            let body = page.split_once("</h1>").map_or("", |(_, body)| body.trim_end());
            prop_assert!(!body.trim_end_matches("</body></html>").contains('<'));
        }
    }
}
