//! Containers made here, and what must not be read.
#![allow(clippy::unwrap_used)]

use super::zip::{Archive, ZipError};
use super::*;
use crate::spec::asic::maker::{zip, zip_with};
use proptest::prelude::*;

const PLAIN: &[(&str, &[u8])] = &[("mimetype", b"application/vnd.etsi.asic-e+zip"), ("a.txt", b"bonjour")];

#[test]
fn members_are_read() {
    let made = zip(PLAIN);
    let archive = Archive::open(&made).unwrap();
    assert_eq!(archive.member("a.txt").unwrap().read().unwrap().as_ref(), b"bonjour");
    assert_eq!((archive.members.len(), archive.prefix_bytes), (2, 0));
    let commented = [&made[..made.len() - 2], &[3, 0], b"oui"].concat();
    assert_eq!(Archive::open(&commented).unwrap().comment, b"oui");
}

#[test]
fn tricks_are_refused() {
    let trick = |made: &[u8]| matches!(Archive::open(made), Err(ZipError::Trick { .. }));
    for name in ["../a", "/a", "a/../../b", "C:a", "a\\b", "a\0b", "a\nb"] {
        assert!(trick(&zip(&[(name, b"x")])), "{name:?}");
    }
    assert!(trick(&zip(&[("a", b"1"), ("a", b"2")])));
    assert!(trick(&zip(&[("a", b"1"), ("A", b"2")])));
    assert!(trick(&zip_with(PLAIN, |_, entry| entry[8] |= 1)), "encrypted");
    assert!(trick(&zip_with(PLAIN, |_, entry| entry[10] = 12)), "another method");
    assert!(trick(&zip_with(PLAIN, |rank, entry| entry[46] = if rank == 1 { b'b' } else { entry[46] })), "two names");
    // The second entry points to the first member's data.
    let shared = zip_with(&[("a", b"xx"), ("b", b"xx")], |rank, entry| {
        if rank == 1 {
            entry[42..46].fill(0);
            entry[46] = b'a';
        }
    });
    assert!(Archive::open(&shared).is_err());
}

#[test]
fn sizes_are_believed_as_far_as_the_data_go() {
    let bomb = zip_with(PLAIN, |_, entry| {
        entry[10] = 8;
        entry[24..28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    });
    assert!(Archive::open(&bomb).is_err());
    assert!(matches!(Archive::open(&zip_with(PLAIN, |_, entry| entry[24] += 1)), Err(ZipError::Malformed(_))));
    let wrong = zip_with(PLAIN, |_, entry| entry[16] ^= 1);
    assert!(Archive::open(&wrong).unwrap().members[1].read().is_err(), "checksum");
    for cut in [0, 10, 60, 100] {
        assert!(Archive::open(&zip(PLAIN)[..cut]).is_err());
    }
}

#[test]
fn members_have_roles() {
    for (name, role) in [
        ("mimetype", Role::MimeType),
        ("META-INF/signature001.p7s", Role::Cades),
        ("META-INF/signatures0.xml", Role::Xades),
        ("META-INF/documentsignatures.xml", Role::Xades),
        ("META-INF/ASiCArchiveManifest1.xml", Role::Manifest),
        ("META-INF/ASiCEvidenceRecordManifest001.xml", Role::Manifest),
        ("META-INF/evidencerecord.ers", Role::EvidenceRecord),
        ("META-INF/timestamp.tst", Role::Timestamp),
        ("META-INF/manifest.xml", Role::Other),
        ("META-INF/", Role::Other),
        ("a/META-INF/signature.p7s", Role::Data),
        ("_xmlsignatures/sig1.xml", Role::OfficeOpenXml),
    ] {
        assert_eq!(Role::of(name), role, "{name}");
    }
    assert_eq!(member_name("./a%20b"), "a b");
}

#[test]
fn manifests_are_read() {
    let manifest = Manifest::parse(
        br#"<a:ASiCManifest xmlns:a="http://uri.etsi.org/02918/v1.2.1#"><a:SigReference URI="META-INF/s.p7s"/>
        <a:DataObjectReference URI="a.txt"><d:DigestMethod xmlns:d="http://www.w3.org/2000/09/xmldsig#"
        Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><d:DigestValue xmlns:d="http://www.w3.org/2000/09/xmldsig#">
        AAEC</d:DigestValue></a:DataObjectReference></a:ASiCManifest>"#,
    )
    .unwrap();
    assert_eq!((manifest.applies.as_str(), manifest.entries[0].value.as_slice()), ("META-INF/s.p7s", &[0, 1, 2][..]));
    assert_eq!(manifest.entries[0].digest.unwrap().name(), "SHA-256");
    assert!(Manifest::parse(b"<a/>").is_err());
    assert!(Manifest::parse(b"<!DOCTYPE a []><a/>").is_err());
}

proptest! {
    #[test]
    fn any_damage_is_answered(at in 0_usize..400, octet in any::<u8>()) {
        let mut made = zip(PLAIN);
        let at = at % made.len();
        made[at] = octet;
        if let Ok(archive) = Archive::open(&made) {
            for member in &archive.members {
                let _ = member.read();
            }
        }
    }
}
