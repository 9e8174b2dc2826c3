//! Sealed bids: kept as they came, late ones flagged, opened only when it is time and only if they are the same.

use super::{Archive, archive, archive_with, errors, record};
use archiland::digest::sha256;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const PROFILES: [&str; 3] = ["marches-plis", "marches-ouvertures", "marches-pieces"];
/// Not the bytes of any known format, and those of one that would be looked into.
const BID: &[u8] = b"\x30\x80\x06\x09 scelle";

async fn post(archive: &Archive, token: &str, profile: &str, data: &Value, files: &[(&str, &[u8])]) -> Response {
    let mut form = Form::new().part("donnees", Part::text(data.to_string()));
    for (name, bytes) in files {
        form = form.part("fichier", Part::bytes(bytes.to_vec()).file_name((*name).to_owned()));
    }
    let request = archive.request(Method::POST, &format!("/v1/producers/{profile}/deposits"), token);
    request.multipart(form).send().await.unwrap()
}

async fn made(response: Response, status: u16) -> Value {
    super::deposited(response, status).await[0].take()
}

fn bid(limit: &str) -> Value {
    json!({ "consultation": "2026-TVX-04", "lot": 2, "siret": "99999999900012", "recu_le": "2026-04-10T11:58:07+02:00",
        "limite": limit, "pli": "pli-0007.p7m" })
}

fn opening(at: &str, bytes: &[u8]) -> Value {
    json!({ "consultation": "2026-TVX-04", "lot": 2, "siret": "99999999900012", "pli": "pli-0007.p7m",
        "pli_sha256": hex::encode(sha256(bytes)), "ouvert_le": at, "ouvert_par": "Commission d'appel d'offres" })
}

/// Of the archive's own clock: far from it on both sides.
const LATER: &str = "2199-01-01T12:00:00+02:00";
/// Before the deadline of the bid that is opened.
const EARLY: &str = "2019-12-31T12:00:00+02:00";
const BEFORE: &str = "2020-01-01T12:00:00+02:00";

#[tokio::test(flavor = "multi_thread")]
async fn a_bid_is_kept_as_it_came_and_late_is_flagged() {
    let (mut archive, token) = archive("acheteur", &PROFILES).await;
    let file = [("pli-0007.p7m", BID)];
    let answer = made(post(&archive, &token, "marches-plis", &bid(LATER), &file).await, 201).await;
    assert_eq!(answer["late"], false, "{answer}");
    assert!(answer["stamped"].as_str().is_some_and(|time| time.contains('T')), "our token's time: {answer}");
    let kept = record(&archive, &token, &answer).await;
    assert_eq!(kept["produced"]["fields"]["hors_delai"], "non");
    let names: Vec<&str> =
        kept["payloads"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["depot.json", "pli-0007.p7m"], "nothing was made of it");
    let ark = answer["archive"].as_str().unwrap().rsplit('/').next().unwrap();
    let bytes = archive.get(&format!("/v1/archives/{ark}/payloads/1"), &token).await.bytes().await.unwrap();
    assert_eq!(&bytes[..], BID);
    // Another content under the same name is a replaced bid.
    let other =
        errors(post(&archive, &token, "marches-plis", &bid(LATER), &[("pli-0007.p7m", b"autre")]).await, 409).await;
    assert_eq!(other, ["producer-duplicate @ dépôt 1"]);
    // Late: accepted, flagged in the record and in the answer, and again when it is sent again.
    let mut late = bid(BEFORE);
    late["pli"] = json!("pli-0008.p7m");
    for status in [201, 200] {
        let answer = made(post(&archive, &token, "marches-plis", &late, &[("pli-0008.p7m", BID)]).await, status).await;
        assert_eq!(answer["late"], true, "{answer}");
        assert_eq!(record(&archive, &token, &answer).await["produced"]["fields"]["hors_delai"], "oui");
    }
    // Without a time, without its file, without a deadline that says its zone.
    let mut bad = bid(LATER);
    bad.as_object_mut().unwrap().remove("recu_le");
    let told = errors(post(&archive, &token, "marches-plis", &bad, &file).await, 422).await;
    assert_eq!(told, ["producer-field-missing @ /recu_le"]);
    let told = errors(post(&archive, &token, "marches-plis", &bid(LATER), &[("autre.p7m", BID)]).await, 422).await;
    assert_eq!(told, ["producer-file-missing @ /pli"]);
    let mut zoneless = bid("2199-01-01 12:00:00");
    zoneless["siret"] = json!("99999999900020");
    let told = errors(post(&archive, &token, "marches-plis", &zoneless, &file).await, 422).await;
    assert_eq!(told, ["producer-field-invalid @ dépôt 1"]);
    archive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bid_is_opened_when_it_is_time_and_only_if_it_is_the_same() {
    let (mut archive, token) = archive("acheteur", &PROFILES).await;
    let told = errors(post(&archive, &token, "marches-ouvertures", &opening(EARLY, BID), &[]).await, 422).await;
    assert!(told[0].starts_with("producer-link-unknown @ "), "never deposited: {told:?}");
    made(post(&archive, &token, "marches-plis", &bid(BEFORE), &[("pli-0007.p7m", BID)]).await, 201).await;
    let told = errors(post(&archive, &token, "marches-ouvertures", &opening(EARLY, BID), &[]).await, 422).await;
    assert_eq!(told, ["producer-too-early @ lien"]);
    let after = "2020-01-02T09:00:00+02:00";
    let told = errors(post(&archive, &token, "marches-ouvertures", &opening(after, b"remplace"), &[]).await, 422).await;
    assert_eq!(told, ["digest-mismatch @ lien"]);
    let (said, plain): (_, [(&str, &[u8]); 1]) = (opening(after, BID), [("offre.pdf", b"%PDF-1.4 offre")]);
    let answer = made(post(&archive, &token, "marches-ouvertures", &said, &plain).await, 201).await;
    let kept = record(&archive, &token, &answer).await;
    let proof = kept["produced"]["warnings"][0].as_str().unwrap();
    assert!(proof.contains("inchangé depuis son dépôt") && proof.contains(&hex::encode(sha256(BID))), "{proof}");
    assert_eq!(kept["links"][0]["relation"], "opens");
    archive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_the_procedure_have_their_rules() {
    let (mut archive, token) = archive_with("acheteur", &PROFILES, |_| {}).await;
    let piece = |nature: &str, siret: Option<&str>| {
        json!({ "consultation": "2026-TVX-04", "nature": nature, "objet": "Voirie", "date": "2026-03-01", "siret": siret,
            "fichiers": [{ "nom": "piece.pdf", "sha256": hex::encode(sha256(b"%PDF-1.4 x")) }] })
    };
    let file: [(&str, &[u8]); 1] = [("piece.pdf", b"%PDF-1.4 x")];
    for (nature, siret, rule) in [
        ("dce", None, "marche-offre-ecartee"),
        ("dume", Some("99999999900012"), "marche-offre-ecartee"),
        ("proces-verbal", None, "marche-public"),
        ("offre-retenue", Some("99999999900012"), "marche-public"),
    ] {
        let answer = made(post(&archive, &token, "marches-pieces", &piece(nature, siret), &file).await, 201).await;
        assert_eq!(record(&archive, &token, &answer).await["rule"], rule, "{nature}");
    }
    let told = errors(post(&archive, &token, "marches-pieces", &piece("dume", None), &file).await, 422).await;
    assert_eq!(told, ["producer-field-missing @ /siret"]);
    archive.stop().await;
}
