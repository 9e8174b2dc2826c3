//! The year-end folder of a school: what must not be kept is not, pictures of minors have an access rule.

use super::{archive, deposited, errors, record, send};
use std::io::Write as _;
use zip::write::SimpleFileOptions;

const HEADER: &str = "chemin;type;rne;classe;annee_scolaire;date;sha256;acces\n";

fn folder(rows: &[u8], files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("manifest.csv", SimpleFileOptions::default()).unwrap();
    zip.write_all(rows).unwrap();
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_year_is_archived_without_what_is_private() {
    let (mut archive, token) = archive("ecole", &["ent"]).await;
    // Latin-1, as the platform writes it.
    let mut rows = HEADER.as_bytes().to_vec();
    rows.extend(b"livret/CE2-1.pdf;livret_scolaire;0409999Z;CE2 \xE9toile;2025-2026;2026-06-30;;\n");
    rows.extend(b"photos/sortie.jpg;photo;0409999Z;CE2;2025-2026;2026-06-12;;AR048\n");
    let files = [
        ("livret/CE2-1.pdf", "%PDF-1.4 livret"),
        ("photos/sortie.jpg", "\u{1}image"),
        ("allergies_CE2.csv", "nom;allergie"),
        ("divers/liste.txt", "x"),
    ];
    let made = deposited(send(&archive, &token, "ent", folder(&rows, &files)).await, 201).await;
    assert_eq!(made.as_array().unwrap().len(), 2);
    let kept = record(&archive, &token, &made[0]).await;
    assert_eq!(kept["produced"]["fields"]["classe"], "CE2 étoile");
    assert_eq!((kept["produced"]["access"].as_str(), kept["rule"].as_str()), (Some("AR048"), Some("scolaire-ent")));
    assert!(!made.to_string().contains("allergie"), "not even its name");
    archive.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_row_by_row() {
    let (mut archive, token) = archive("ecole", &["ent"]).await;
    let row = |path: &str, kind: &str, date: &str, digest: &str| {
        format!("{path};{kind};0409999Z;CE2;2025-2026;{date};{digest};\n")
    };
    let file = [("a.jpg", "image"), ("allergies_x.csv", "nom"), ("b.pdf", "%PDF-")];
    let zeros = "0".repeat(64);
    for (rows, expected) in [
        (row("../a.pdf", "evaluation", "2026-06-30", ""), "producer-member-name"),
        (row("absent.pdf", "evaluation", "2026-06-30", ""), "producer-file-missing"),
        (row("b.pdf", "evaluation", "0000-00-00", ""), "producer-field-invalid"),
        (row("b.pdf", "evaluation", "2026-06-30", &zeros), "digest-mismatch"),
        (row("a.jpg", "photo", "2026-06-30", ""), "producer-field-missing"),
        (row("a.jpg", "journal_numerique", "2026-06-30", ""), "producer-field-missing"),
        (row("allergies_x.csv", "evaluation", "2026-06-30", ""), "producer-excluded"),
        (row("b.pdf", "messagerie", "2026-06-30", ""), "producer-field-invalid"),
    ] {
        let sent = folder(format!("{HEADER}{rows}").as_bytes(), &file);
        let refused = errors(send(&archive, &token, "ent", sent).await, 422).await;
        assert!(refused.iter().any(|one| one.starts_with(expected)), "{rows}: {expected} in {refused:?}");
    }
    archive.stop().await;
}
