//! What each fuzz target promises about any bytes at all; a breach is a panic. One function per target, run by cargo-fuzz
//! (`fuzz_targets/`) and, over the seeds in `corpus/<target>/`, by `cargo test`.
#![allow(dead_code, clippy::expect_used)]

use archiland::admission::multipart::{Event, MultipartError, Parser, PartHead};
use archiland::admission::{Metadata, content_digest, decode_header, file_name, parse_date};
use archiland::package::{Ark, Record, entry_of};
use archiland::sequencer::head::Head;
use archiland::store::Pack;
use bytes::Bytes;

/// A record that reads writes itself back into something that reads the same, and always has an entry.
pub(crate) fn record(data: &[u8]) {
    let _ = entry_of(data);
    let Ok(record) = Record::parse(data) else { return };
    // Escapes can make the canonical form longer than what was read, past the limit.
    let Ok(canonical) = record.to_canonical() else { return };
    let again = Record::parse(&canonical).expect("a written record reads");
    assert_eq!(again, record);
    assert_eq!(again.to_canonical().expect("a read record writes"), canonical, "the canonical form is stable");
}

/// An identifier that reads writes itself back the same.
pub(crate) fn ark(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(ark) = text.parse::<Ark>() else { return };
    assert_eq!(ark.to_string().parse::<Ark>().expect("a written identifier reads"), ark);
}

/// A pack that reads holds nothing beyond its limit, and every member has the digest it is named by.
pub(crate) fn pack(data: &[u8]) {
    const CONTENT_BYTES_MAX: usize = 1 << 20;
    let Ok(pack) = Pack::parse(data, CONTENT_BYTES_MAX) else { return };
    let held: u64 = pack.members.iter().map(|(_, size_bytes)| size_bytes).sum();
    assert!(held <= CONTENT_BYTES_MAX as u64, "a pack of {held} bytes passed a limit of {CONTENT_BYTES_MAX}");
}

/// A head that reads writes itself back into the same head.
pub(crate) fn head(data: &[u8]) {
    let Ok(head) = Head::parse(data) else { return };
    assert_eq!(Head::parse(&head.to_bytes()).expect("a written head reads"), head);
}

/// The metadata of a deposit, and all that is read from its headers: refused or accepted, never a panic, and a name that
/// is accepted is one component of a path.
pub(crate) fn metadata(data: &[u8]) {
    if let Err(refusal) = Metadata::parse(data) {
        assert!(!refusal.reason.in_french().is_empty() && !refusal.reason.in_english().is_empty());
    }
    if let Ok(name) = file_name(data) {
        assert!(!name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..", "{name:?}");
    }
    let _ = decode_header("Archiland-Title", data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = content_digest(text);
        let _ = parse_date(text);
    }
}

/// A multipart body means the same in whatever pieces it arrives; the first byte says how long they are.
pub(crate) fn multipart(data: &[u8]) {
    let Some((&pieces, body)) = data.split_first() else { return };
    assert_eq!(parts(body, usize::MAX), parts(body, usize::from(pieces) + 1));
}

/// Heads and contents of the parts, up to the end or the first error.
fn parts(body: &[u8], piece: usize) -> (Vec<(PartHead, Vec<u8>)>, Option<MultipartError>) {
    let mut parser = Parser::new("multipart/form-data; boundary=b").expect("a usable boundary");
    let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
    let mut pieces = body.chunks(piece.min(body.len().max(1)));
    loop {
        match parser.next() {
            Ok(Some(Event::Part(head))) => parts.push((head, Vec::new())),
            Ok(Some(Event::Data(data))) => parts.last_mut().expect("a part begun").1.extend_from_slice(&data),
            Ok(Some(Event::PartEnd)) => {}
            Ok(Some(Event::End)) => return (parts, None),
            Ok(None) => match pieces.next() {
                Some(piece) => parser.push(Bytes::copy_from_slice(piece)),
                None => parser.end(),
            },
            Err(error) => return (parts, Some(error)),
        }
    }
}
