//! The `Archive` elements of a reply in 0.2 and 1.0: what was transferred, with the identifier the archive gave.

use super::xml::escaped;

const IDENTIFIER: &str = "ArchivalAgencyArchiveIdentifier";

/// An `Archive` of a reply, from that of the transfer: `own` is its XML without its objects
/// ([`crate::spec::seda::fragment`]), `prefix` that of its names. `None` when it is not the element it should be.
pub fn archive(own: &str, prefix: &str, identifier: &str) -> Option<String> {
    let rest = own.strip_prefix('<')?.strip_prefix(prefix)?;
    // 0.2 calls it `Contains` in a transfer.
    let (name, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_alphanumeric())?)?;
    let body = after.trim_end().strip_suffix(&format!("</{prefix}{name}>"))?;
    let tag_bytes = tag_end(body)?;
    let (attributes, content) = body.split_at_checked(tag_bytes)?;
    let content = without(content, prefix);
    let identifier = escaped(identifier);
    Some(format!(
        "<{prefix}Archive{attributes}<{prefix}{IDENTIFIER}>{identifier}</{prefix}{IDENTIFIER}>{content}</{prefix}Archive>"
    ))
}

/// The byte after the `>` of the tag that `text` goes on with.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The content without the identifier that the transfer itself may have given: it comes first when it is there.
fn without(content: &str, prefix: &str) -> String {
    let first = content.trim_start();
    let close = format!("</{prefix}{IDENTIFIER}>");
    let opens = first.strip_prefix(&format!("<{prefix}{IDENTIFIER}")).is_some_and(|r| r.starts_with(['>', ' ', '/']));
    match first.split_once(&close).filter(|_| opens) {
        Some((_, rest)) => rest.to_owned(),
        None => content.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::archive;

    #[test]
    fn the_identifier_comes_first_and_once() {
        let own = "<s:Contains xmlns:s=\"n\" a='>'>\n<s:ArchivalAgencyArchiveIdentifier>old</s:ArchivalAgencyArchiveIdentifier><s:Name>N</s:Name></s:Contains>";
        assert_eq!(
            archive(own, "s:", "ark:/1/a&b").as_deref(),
            Some(
                "<s:Archive xmlns:s=\"n\" a='>'><s:ArchivalAgencyArchiveIdentifier>ark:/1/a&amp;b</s:ArchivalAgencyArchiveIdentifier><s:Name>N</s:Name></s:Archive>"
            )
        );
        assert_eq!(archive("<a/>", "", "x"), None);
    }
}
