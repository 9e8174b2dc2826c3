//! Mail: chrono, contacts, replies, circuits; what is confidential is said to be.

use super::{archive, deposited, errors, record, send};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

fn letter() -> Value {
    json!({
        "chrono": "MAIRIE/2026A/118", "sens": "incoming", "objet": "Demande de voirie", "date_document": "2026-03-02",
        "date_arrivee": "2026-03-04", "expediteur": { "nom": "Lafitte", "societe": "SARL Lafitte TP" },
        "confidentiel": true, "limite": "2026-03-19",
        "circuit": [{ "date": "2026-03-05", "agent": "DGS", "resultat": "visé", "commentaire": "à instruire" }]
    })
}

#[tokio::test]
async fn a_letter_its_reply_and_their_search() {
    let (mut archive, token) = archive("mairie", &["courrier"]).await;
    let first = deposited(send(&archive, &token, "courrier", letter().to_string()).await, 201).await;
    let kept = record(&archive, &token, &first[0]).await;
    assert_eq!((&kept["document_type"], &kept["produced"]["access"]), (&json!("courrier-arrive"), &json!("AR048")));
    assert_eq!(kept["produced"]["events"][0]["kind"], "visa");
    assert_eq!(kept["payloads"].as_array().unwrap().len(), 2, "the letter's data, and their readable image");

    let reply = json!({ "chrono": "MAIRIE/2026D/77", "sens": "outgoing", "objet": "Réponse : voirie", "date_document": "2026-03-12",
        "destinataire": { "nom": "Lafitte" }, "en_reponse_a": "MAIRIE/2026A/118",
        "documents": [{ "nom": "reponse.txt", "sha256": archiland_sha256(b"Accord.") }] });
    let form = |reply: &Value, content: &'static [u8]| {
        let data = Part::bytes(reply.to_string().into_bytes());
        Form::new().part("donnees", data).part("f", Part::bytes(content).file_name("reponse.txt"))
    };
    let path = "/v1/producers/courrier/deposits";
    let post = |form| archive.request(reqwest::Method::POST, path, &token).multipart(form).send();
    let second = deposited(post(form(&reply, b"Accord.")).await.unwrap(), 201).await;
    let kept = record(&archive, &token, &second[0]).await;
    assert_eq!(kept["document_type"], "courrier-depart");
    assert_eq!(kept["links"], json!([{ "relation": "replies-to", "target": "MAIRIE/2026A/118" }]));
    // Found by company, and by whom a reply went to.
    for (field, expected) in [("societe:lafitte", 1), ("destinataire:lafitte", 1), ("societe:inconnue", 0)] {
        let found: Value = archive.get(&format!("/v1/archives?field={field}"), &token).await.json().await.unwrap();
        assert_eq!(found["archives"].as_array().map_or(0, Vec::len), expected, "{field}: {found}");
    }
    // A digest that is not that of the file, and a reply to nothing.
    let mut wrong = reply.clone();
    wrong["chrono"] = json!("MAIRIE/2026D/78");
    let refused = errors(post(form(&wrong, b"Refus.")).await.unwrap(), 422).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    wrong["en_reponse_a"] = json!("MAIRIE/2026A/999");
    let refused = errors(post(form(&wrong, b"Accord.")).await.unwrap(), 422).await;
    assert_eq!(refused, ["producer-link-unknown @ /en_reponse_a (dépôt 1)"]);
    archive.stop().await;
}

#[tokio::test]
async fn what_a_register_would_not_take_is_refused() {
    let (mut archive, token) = archive("mairie", &["courrier"]).await;
    let mut wrong = letter();
    wrong["sens"] = json!("sideways");
    wrong.as_object_mut().unwrap().remove("chrono");
    let refused = errors(send(&archive, &token, "courrier", wrong.to_string()).await, 422).await;
    for expected in ["producer-field-missing @ /chrono", "producer-field-invalid @ /sens"] {
        assert!(refused.iter().any(|one| one == expected), "{expected}: {refused:?}");
    }
    let mut wrong = letter();
    wrong.as_object_mut().unwrap().remove("date_arrivee");
    let refused = errors(send(&archive, &token, "courrier", wrong.to_string()).await, 422).await;
    assert_eq!(refused, ["producer-field-missing @ /date_arrivee"]);
    archive.stop().await;
}

fn archiland_sha256(bytes: &[u8]) -> String {
    hex::encode(archiland::digest::Digests::of(bytes).sha256)
}
