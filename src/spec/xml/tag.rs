//! Reading again a start tag that [`super::parse`] has found well-formed: nothing of it is kept but its place.

use super::chars::is_space;

/// An attribute or namespace declaration as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'d> {
    /// Its qualified name.
    pub(super) name: &'d [u8],
    /// What is between the quotes.
    pub(super) value: &'d [u8],
}

impl<'d> Raw<'d> {
    /// The prefix that it declares, empty for the default namespace; `None` for an attribute.
    pub(super) fn declares(&self) -> Option<&'d [u8]> {
        match split(self.name) {
            (b"xmlns", prefix) => Some(prefix),
            (b"", b"xmlns") => Some(b""),
            _ => None,
        }
    }
}

/// The qualified name of a start tag, given from its `<`.
pub(super) fn name(tag: &[u8]) -> &[u8] {
    let rest = &tag[1..];
    let end = rest.iter().position(|&byte| is_space(byte) || byte == b'/' || byte == b'>').unwrap_or(rest.len());
    &rest[..end]
}

/// A qualified name as prefix (empty when there is none) and local part.
pub(super) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|&byte| byte == b':') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// The attributes and declarations of a start tag, in the order they are written.
pub(super) fn attributes(tag: &[u8]) -> Attributes<'_> {
    Attributes { rest: &tag[1 + name(tag).len()..] }
}

/// See [`attributes`].
#[derive(Debug, Clone)]
pub(super) struct Attributes<'d> {
    rest: &'d [u8],
}

impl<'d> Iterator for Attributes<'d> {
    type Item = Raw<'d>;

    fn next(&mut self) -> Option<Raw<'d>> {
        let rest = self.rest.trim_ascii_start();
        if matches!(rest.first(), None | Some(b'/' | b'>')) {
            return None;
        }
        let equals = memchr::memchr(b'=', rest)?;
        let name = rest[..equals].trim_ascii_end();
        let (&quote, value) = rest[equals + 1..].trim_ascii_start().split_first()?;
        let end = memchr::memchr(quote, value)?;
        self.rest = &value[end + 1..];
        Some(Raw { name, value: &value[..end] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_is_written() {
        let tag = b"<a:b  c = 'd\"=/>' xmlns:a=\"u\"\n\txmlns=''/>";
        assert_eq!(name(tag), b"a:b");
        let found: Vec<_> = attributes(tag).map(|raw| (raw.name, raw.value, raw.declares())).collect();
        let (none, default): (&[u8], &[u8]) = (b"", b"xmlns");
        assert_eq!(
            found,
            [(&b"c"[..], &b"d\"=/>"[..], None), (b"xmlns:a", b"u", Some(&b"a"[..])), (default, none, Some(none)),]
        );
        assert_eq!(split(b"x"), (&b""[..], &b"x"[..]));
    }
}
