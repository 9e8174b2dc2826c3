//! Byte ranges and revisions of PDFs made here.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::change::{Changes, MAX_PAIRS, between};
use super::signature::{RangeFault, find};
use super::*;
use crate::spec::pdf::maker::{PdfMaker, Seal};
use proptest::prelude::*;

fn signed() -> PdfMaker {
    let mut made = PdfMaker::new();
    made.sign(&Seal { room: 16, ..Seal::default() }, |_| vec![0x30, 0]);
    made
}

fn later(made: &PdfMaker, end: usize) -> Changes {
    let (old, new) = (Pdf::open_revision(&made.bytes, end).unwrap(), Pdf::open(&made.bytes).unwrap());
    between(&old, &new, &mut { MAX_PAIRS }).unwrap()
}

/// The only signature's range after a text of the file was replaced by another as long.
fn range_with(from: &str, to: &str) -> Result<signature::Covered, RangeFault> {
    let made = signed();
    let at = memchr::memmem::rfind(&made.bytes, from.as_bytes()).unwrap();
    let mut bytes = made.bytes;
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    let found = find(&Pdf::open(&bytes).unwrap());
    assert_eq!(found.signatures.len(), 1, "{from} {to}");
    found.signatures[0].range.clone()
}

#[test]
fn a_signature_is_found_by_its_field_and_covers_the_file() {
    let made = signed();
    let found = find(&Pdf::open(&made.bytes).unwrap());
    let [signature] = found.signatures.as_slice() else { panic!("{found:?}") };
    assert_eq!(signature.field.as_deref(), Some("S10"));
    assert_eq!(signature.range.as_ref().unwrap().end(), made.bytes.len());
    assert_eq!(signature.contents[..3], [0x30, 0, 0]);
}

#[test]
fn ranges_that_are_somebodys_trick_are_refused() {
    assert_eq!(range_with("[0 00", "[1 00"), Err(RangeFault::NotFromStart));
    assert_eq!(range_with("[0 00", "[0 -1"), Err(RangeFault::Negative));
    assert_eq!(range_with("[0 00000", "[0 99999"), Err(RangeFault::Overlap));
    assert_eq!(range_with("[0 00", "[0 /A"), Err(RangeFault::NotFourNumbers));
    assert_eq!(range_with("/ByteRange [0", "/ByteRango [0"), Err(RangeFault::NotFourNumbers));
    assert_eq!(range_with("/Contents <", "/Contenta <"), Err(RangeFault::NoContents));
    // A gap one octet too long, or elsewhere.
    let made = signed();
    let good = find(&Pdf::open(&made.bytes).unwrap()).signatures[0].range.clone().unwrap();
    let shifted = format!("{:010} {:010}", good.before.end - 1, good.after.start);
    let was = format!("{:010} {:010}", good.before.end, good.after.start);
    assert!(range_with(&was, &shifted).is_ok(), "blanks may stand in the gap");
    let shifted = format!("{:010} {:010}", good.before.end, good.after.start + 2);
    assert_eq!(range_with(&was, &shifted), Err(RangeFault::Outside));
    let shifted = format!("{:010} {:010}", good.before.end - 5, good.after.start);
    assert_eq!(range_with(&was, &shifted), Err(RangeFault::WrongGap));
}

#[test]
fn what_changes_after_a_signature_is_told_by_what_shows() {
    let mut made = signed();
    let end = made.bytes.len();
    assert!(later(&made, end).is_empty());
    made.sign(&Seal { number: 20, others: &[10], room: 16, ..Seal::default() }, |_| vec![0x30, 0]);
    let changes = later(&made, end);
    assert!(!changes.is_visible() && changes.signed_fields > 0, "{changes:?}");
    let end = made.bytes.len();
    let mut shadow = signed();
    let before = shadow.bytes.len();
    shadow.update(&[(4, "<< /Length 14 >>\nstream\nBT (mal) Tj ET\nendstream".to_owned())]);
    assert_eq!(later(&shadow, before).content, ["page 1"]);
    made.update(&[
        (2, "<< /Type /Pages /Kids [3 0 R 30 0 R] /Count 2 >>".to_owned()),
        (30, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>".to_owned()),
    ]);
    assert_eq!(later(&made, end).pages_added, 1);
    let end = made.bytes.len();
    made.update(&[(2, "<< /Type /Pages /Kids [30 0 R] /Count 1 >>".to_owned())]);
    assert_eq!(later(&made, end).pages_removed, 1);
    let end = made.bytes.len();
    made.update(&[(40, "<< /Type /Annot /Subtype /FreeText >>".to_owned())]);
    let changes = later(&made, end);
    assert!(changes.is_empty(), "what nothing refers to does not show: {changes:?}");
    made.update(&[(30, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Annots [40 0 R] >>".to_owned())]);
    assert_eq!(later(&made, end).annotations, ["page 1"]);
}

#[test]
fn validation_data_do_not_show() {
    let mut made = PdfMaker::new();
    let end = made.bytes.len();
    made.update(&[(1, "<< /Type /Catalog /Pages 2 0 R /DSS << /Certs [] >> >>".to_owned())]);
    let changes = later(&made, end);
    assert!(changes.security_store && !changes.is_visible());
}

#[test]
fn loops_end() {
    let mut made = PdfMaker::new();
    made.update(&[
        (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm 5 0 R >>".to_owned()),
        (2, "<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 1 >>".to_owned()),
        (5, "<< /Fields [6 0 R] >>".to_owned()),
        (6, "<< /Kids [6 0 R 7 0 R] >>".to_owned()),
        (7, "<< /Parent 6 0 R /Kids [6 0 R] /FT /Sig /V 8 0 R >>".to_owned()),
        (8, "9 0 R".to_owned()),
        (9, "8 0 R".to_owned()),
    ]);
    let pdf = Pdf::open(&made.bytes).unwrap();
    assert!(matches!(pdf.object(8).and_then(|object| pdf.resolve(&object)), Err(PdfError::Limit(_))));
    let found = find(&pdf);
    assert!(found.signatures.is_empty() && found.incomplete.is_some());
    // A chain of tables that comes back, and one that goes nowhere.
    let text = String::from_utf8_lossy(&made.bytes).into_owned();
    let first = text.find("xref\n").unwrap();
    let looping = made.bytes.clone();
    let mut looping = looping;
    let prev = memchr::memmem::rfind(&looping, b"/Prev ").unwrap() + 6;
    let digits = format!("{first}");
    looping[prev..prev + digits.len()].copy_from_slice(digits.as_bytes());
    assert!(Pdf::open(&looping).is_ok());
}

#[test]
fn a_file_without_its_table_is_scanned() {
    let made = signed();
    let cut = &made.bytes[..made.bytes.len() - 30];
    let pdf = Pdf::open(cut).unwrap();
    assert!(pdf.is_rebuilt());
    let found = find(&pdf);
    assert_eq!(found.signatures[0].range, Err(RangeFault::Outside));
    assert!(matches!(Pdf::open(b"%PDF-1.7\nrien"), Err(PdfError::NoXref)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_damage_is_answered(at in 0_usize..2000, octets in proptest::collection::vec(any::<u8>(), 1..20)) {
        let mut bytes = signed().bytes;
        let at = at % bytes.len();
        let end = (at + octets.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&octets[..end - at]);
        let original = signed().bytes;
        if let Ok(pdf) = Pdf::open(&bytes) {
            for signature in find(&pdf).signatures {
                if let Ok(covered) = &signature.range {
                    // Whatever the damage, what a range leaves out is the hole and nothing else.
                    let gap = &bytes[covered.before.end..covered.after.start];
                    prop_assert!(gap.trim_ascii().starts_with(b"<") || gap.trim_ascii().starts_with(b"("));
                    prop_assert!(covered.end() <= bytes.len());
                }
            }
            if let Ok(old) = Pdf::open_revision(&original, original.len()) {
                let _ = between(&old, &pdf, &mut { MAX_PAIRS });
            }
        }
    }
}
