//! Joining references for `xml:base` (Canonical XML 1.1 §2.4): RFC 3986 §5.2, where the base may be relative too.

/// The reference that `reference` is, seen from `base`. Either may be relative or empty.
pub(super) fn join(base: &str, reference: &str) -> String {
    let from = Parts::of(base);
    let to = Parts::of(reference);
    let (scheme, authority, path, query);
    if to.scheme.is_some() {
        (scheme, authority, path, query) = (to.scheme, to.authority, without_dots(to.path), to.query);
    } else if to.authority.is_some() {
        (scheme, authority, path, query) = (from.scheme, to.authority, without_dots(to.path), to.query);
    } else if to.path.is_empty() {
        (scheme, authority, path) = (from.scheme, from.authority, from.path.to_owned());
        query = to.query.or(from.query);
    } else {
        let merged = if to.path.starts_with('/') {
            to.path.to_owned()
        } else if from.authority.is_some() && from.path.is_empty() {
            format!("/{}", to.path)
        } else {
            // `..` as last segment stands for a directory.
            let directory = match from.path.rfind('/') {
                _ if from.path == ".." || from.path.ends_with("/..") => format!("{}/", from.path),
                Some(at) => from.path[..=at].to_owned(),
                None => String::new(),
            };
            directory + to.path
        };
        (scheme, authority, path, query) = (from.scheme, from.authority, without_dots(&merged), to.query);
    }
    let mut joined = String::new();
    if let Some(scheme) = scheme {
        joined = format!("{scheme}:");
    }
    if let Some(authority) = authority {
        joined += "//";
        joined += authority;
    }
    joined += &path;
    if let Some(query) = query {
        joined += "?";
        joined += query;
    }
    joined
}

/// A reference without its fragment, which a base has no use for.
struct Parts<'u> {
    scheme: Option<&'u str>,
    authority: Option<&'u str>,
    path: &'u str,
    query: Option<&'u str>,
}

impl<'u> Parts<'u> {
    fn of(uri: &'u str) -> Self {
        let uri = uri.split_once('#').map_or(uri, |(before, _)| before);
        let is_scheme = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        };
        let (scheme, rest) = match uri.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, uri),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Self { scheme, authority, path, query }
    }
}

/// A path without `.` and `..` where they can be resolved; a relative path keeps the `..` it begins with.
fn without_dots(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(usize::from(absolute)).peekable();
    let mut directory = false;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        directory = last && matches!(segment, "." | ".." | "");
        match segment {
            // Several slashes in a row count for one.
            "." | "" => {}
            ".." if kept.last().is_some_and(|&kept| kept != "..") => _ = kept.pop(),
            ".." if absolute => {}
            _ => kept.push(segment),
        }
    }
    let mut joined = if absolute { "/".to_owned() } else { String::new() };
    joined += &kept.join("/");
    if directory && !kept.is_empty() {
        joined.push('/');
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3986_and_of_canonical_xml_1_1() {
        let base = "http://a/b/c/d;p?q";
        for (reference, joined) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("", "http://a/b/c/d;p?q"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
        ] {
            assert_eq!(join(base, reference), joined, "{reference}");
        }
        // Relative bases, as the example of C14N 1.1 §2.4 joins them.
        for (base, reference, joined) in [
            ("", "foo/bar", "foo/bar"),
            ("something/else", "../foo", "foo"),
            ("..", "foo", "../foo"),
            ("..", "..", "../../"),
        ] {
            assert_eq!(join(base, reference), joined, "{base} {reference}");
        }
    }
}
