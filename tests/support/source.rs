//! Rust source seen without what does not run: comments, the text of literals, code compiled for tests only.

/// The code of a source file, line for line: comments and literals blanked, `#[cfg(test)]` items too.
pub(crate) fn code_of(source: &str) -> String {
    without_tests(&without_text(source))
}

/// Blanks comments and the inside of literals; every line break stays.
fn without_text(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n").unwrap_or(bytes.len()),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' if !follows_identifier(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    // Blanking replaces whole literals and comments, never a part of a character.
    String::from_utf8(out).unwrap_or_default()
}

/// Blanks the items marked `#[cfg(test)]`, up to their closing brace or semicolon.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(found) = rest.find(MARK) {
        out.push_str(&rest[..found]);
        let item = &rest[found..];
        let end = item_end(item);
        out.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    out + rest
}

fn item_end(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
}

/// Block comments nest in Rust.
fn block_comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`…; `None` when it is not a raw string (`r#type`, say).
fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let hashes = bytes[from + 1..].iter().take_while(|&&byte| byte == b'#').count();
    let open = from + 1 + hashes;
    (bytes.get(open) == Some(&b'"')).then_some(())?;
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    Some(find(bytes, open + 1, &close)? + close.len())
}

/// A character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], from: usize) -> Option<usize> {
    let closing = if bytes.get(from + 1) == Some(&b'\\') {
        find(bytes, from + 3, b"'")?
    } else {
        let text = std::str::from_utf8(&bytes[from + 1..(from + 5).min(bytes.len())]);
        let valid = match text {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[from + 1..from + 1 + error.valid_up_to()]).ok()?,
        };
        from + 1 + valid.chars().next()?.len_utf8()
    };
    (bytes.get(closing) == Some(&b'\'')).then_some(closing + 1)
}

/// `for"` is a keyword before a string in nobody's code, but `br"…"` and identifiers ending in r are.
fn follows_identifier(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') && bytes[at - 1] != b'b'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_and_code_stays() {
        let source = "a(\"x { // \\\" y\"); // unwrap()\nb('{', '\\'', 'é'); /* c /* d */ e */ f::<'a>(r#\"g\"h\"#);\n";
        let code = code_of(source);
        assert_eq!(code.lines().count(), source.lines().count());
        assert_eq!(code.split_whitespace().collect::<String>(), "a();b(,,);f::<'a>();");
    }

    #[test]
    fn test_items_go() {
        let source = "fn a() {}\n#[cfg(test)]\nuse x;\n#[cfg(test)]\nmod tests {\n    fn b() { {} }\n}\nfn c() {}\n";
        assert_eq!(code_of(source).split_whitespace().collect::<Vec<_>>().join(" "), "fn a() {} fn c() {}");
    }
}
