//! What is written reads as it should; other programs look at it in `tests/attestation.rs`.
#![allow(clippy::unwrap_used)]

use super::*;
use time::macros::datetime;

/// A document with something of everything.
pub(super) fn sample() -> Document {
    let mut first = Page::default();
    let style = |face, size| Style { face, size, colour: [0.1, 0.1, 0.3] };
    first.text_centred(100.0, style(Face::Title, 24.0), "Attestation d’archivage");
    first.text(60.0, 140.0, style(Face::Sans, 10.0), "Délibération n° 12 — « forêt », œuvre, 漢字");
    first.text_to(500.0, 160.0, style(Face::Bold, 10.0), "à droite");
    first.rule(60.0, 535.0, 170.0, 0.5, [0.7, 0.7, 0.7]);
    let mut second = Page::default();
    second.fill(60.0, 60.0, 100.0, 20.0, [0.9, 0.9, 1.0]);
    second.frame(60.0, 60.0, 100.0, 20.0, 0.5, [0.2, 0.2, 0.2]);
    second.text(60.0, 100.0, style(Face::Mono, 9.0), "0123456789abcdef");
    Document {
        described: Description {
            title: "Attestation d’archivage <1> & 2".to_owned(),
            author: "Archives d’essai".to_owned(),
            subject: "ark:/99999/c1-3-z".to_owned(),
            language: "fr-FR".to_owned(),
            created: datetime!(2026-11-24 02:15:03.5 UTC),
            producer: "archiland".to_owned(),
        },
        id: [7; 16],
        pages: vec![first, second],
        attachments: vec![Attachment {
            name: "recepisse.json".to_owned(),
            description: "Récépissé".to_owned(),
            media_type: "application/json",
            relation: Relation::Source,
            content: b"{}\n".to_vec(),
        }],
    }
}

#[test]
fn the_same_document_is_the_same_file() {
    let written = sample().write();
    assert!(written.starts_with(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"));
    assert_eq!(written, sample().write());
    let has = |part: &[u8]| memchr::memmem::find(&written, part).is_some();
    for part in
        ["/GTS_PDFA1", "/AFRelationship /Source", "/Subtype /application#2Fjson", "<pdfaid:part>3", "&lt;1&gt; &amp; 2"]
    {
        assert!(has(part.as_bytes()), "{part}");
    }
}

#[test]
fn a_seal_covers_everything_but_itself() {
    let field = SealField { name: "A".to_owned(), reason: "B".to_owned(), at: datetime!(2026-11-24 02:15 UTC) };
    let unsealed = sample().write_for_seal(&field, 100);
    let covered = unsealed.covered();
    assert_eq!(unsealed.clone().sealed(&[1; 101]), Err(SealTooLong { size_bytes: 101, bytes_max: 100 }));
    let sealed = unsealed.sealed(&[1; 90]).unwrap();
    let contents = [b"<".as_slice(), &b"01".repeat(90), &b"00".repeat(10), b">"].concat();
    let at = memchr::memmem::find(&sealed, &contents).unwrap();
    let after = at + contents.len();
    assert_eq!(covered, [&sealed[..at], &sealed[after..]].concat());
    let range = format!("/ByteRange [0 {at} {after} {}", sealed.len() - after);
    assert!(memchr::memmem::find(&sealed, range.as_bytes()).is_some());
}
