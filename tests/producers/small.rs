//! Producers that are a file and no code.

use super::{archive, deposited, errors, record, send};
use serde_json::{Value, json};

fn sheet() -> Value {
    json!({
        "numero": "FI-2026-0001", "service": "CIAS du Pays d'essai",
        "intervenant": { "matricule": "AD-17" }, "beneficiaire": { "dossier": "B-204", "nom": "Personne" },
        "debut": "2026-03-02T08:00:00+01:00", "fin": "2026-03-02T09:30:00+01:00", "nature": "aide-menagere",
        "pointage": { "moyen": "badge" },
        "pointages": [{ "date": "2026-03-02T08:00:04+01:00", "moyen": "badge" }],
        "signature": { "date": "2026-03-02T09:31:00+01:00" }
    })
}

#[tokio::test]
async fn a_sheet_of_telegestion_is_archived_once() {
    let (mut archive, token) = archive("cias", &["telegestion"]).await;
    let one = deposited(send(&archive, &token, "telegestion", sheet().to_string()).await, 201).await;
    let kept = record(&archive, &token, &one[0]).await;
    assert_eq!(
        (kept["document_type"].as_str(), kept["rule"].as_str()),
        (Some("fiche-intervention"), Some("intervention-5-ans"))
    );
    assert_eq!(kept["produced"]["access"], "AR048");
    assert_eq!(kept["produced"]["fields"]["beneficiaire"], "B-204");
    assert!(!kept["produced"].to_string().contains("Personne"), "the name stays in the sheet");
    assert_eq!(kept["produced"]["events"][0]["kind"], "pointage");
    // Fifty years after its latest date; until then another agency's auditor asks, and its own agency reads.
    assert_eq!(kept["produced"]["access_until"], "2076-03-02");
    let (auditor, _) = archive.agency("controle", &["audit"]).await;
    let ark = one[0]["archive"].as_str().unwrap().rsplit('/').next().unwrap();
    let path = format!("/v1/archives/{ark}/payloads/0");
    super::node::problem(archive.get(&path, &auditor).await, 403, "not-communicable").await;
    assert_eq!(archive.get(&path, &token).await.status(), 200);
    // The same again is the same archive; the same number with another content is refused.
    let again = deposited(send(&archive, &token, "telegestion", sheet().to_string()).await, 200).await;
    assert_eq!((&again[0]["archive"], again[0]["state"].as_str()), (&one[0]["archive"], Some("before")));
    let mut other = sheet();
    other["nature"] = json!("soins");
    let refused = errors(send(&archive, &token, "telegestion", other.to_string()).await, 409).await;
    assert_eq!(refused, ["producer-duplicate @ dépôt 1"]);
    other["numero"] = json!("FI-2026-0002");
    let care = deposited(send(&archive, &token, "telegestion", other.to_string()).await, 201).await;
    assert_eq!(record(&archive, &token, &care[0]).await["produced"]["access"], "AR061");
    archive.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_told_whole_and_nobody_else_may() {
    let (mut archive, token) = archive("cias", &["telegestion"]).await;
    let mut wrong = sheet();
    wrong["debut"] = json!("0000-00-00");
    wrong["nature"] = json!("promenade");
    wrong["signature"] = json!({ "fichier": "signature.png" });
    wrong.as_object_mut().unwrap().remove("numero");
    let refused = errors(send(&archive, &token, "telegestion", wrong.to_string()).await, 422).await;
    for expected in [
        "producer-field-missing @ /numero",
        "producer-field-invalid @ /debut",
        "producer-field-invalid @ /nature",
        "producer-file-missing @ /signature/fichier",
        "producer-case-refused @ /signature/date",
    ] {
        assert!(refused.iter().any(|one| one == expected), "{expected}: {refused:?}");
    }
    let refused = errors(send(&archive, &token, "telegestion", "{\"numero\":").await, 422).await;
    assert_eq!(refused, ["producer-syntax @ ligne 1, colonne 10"]);
    let (other, _) = archive.agency("autre", &["deposit", "read"]).await;
    super::node::problem(send(&archive, &other, "telegestion", sheet().to_string()).await, 403, "forbidden").await;
    super::node::problem(send(&archive, &token, "inconnu", sheet().to_string()).await, 404, "not-found").await;
    let open: Value = archive.get("/v1/producers", &token).await.json().await.unwrap();
    assert_eq!(open.as_array().unwrap().len(), 1);
    archive.stop().await;
}
