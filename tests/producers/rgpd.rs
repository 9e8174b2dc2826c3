//! RGPD self-assessments: a list of questions is data, and so is what is asked of the answers.

use super::{archive, deposited, errors, record, send};
use serde_json::{Value, json};

/// Every question of the model answered `partiel`, which asks for no evidence.
fn answers() -> Value {
    let part = |letter: char, part: &'static str| {
        (1..=30).map(move |n| json!({ "id": format!("{letter}{n:02}"), "partie": part, "valeur": "partiel" }))
    };
    let all: Vec<Value> = part('T', "technique").chain(part('M', "metier")).collect();
    json!({ "modele": "alpi-60-v1", "siren": "214099998", "repondant": "DGS", "date": "2026-01-15", "reponses": all })
}

#[tokio::test]
async fn a_second_assessment_is_a_version_of_the_first() {
    let (mut archive, token) = archive("mairie", &["rgpd"]).await;
    let first = deposited(send(&archive, &token, "rgpd", answers().to_string()).await, 201).await;
    let mut later = answers();
    later["date"] = json!("2026-06-15");
    later["reponses"][0]["valeur"] = json!("non");
    let second = deposited(send(&archive, &token, "rgpd", later.to_string()).await, 201).await;
    let kept = record(&archive, &token, &second[0]).await;
    assert_eq!(kept["produced"]["fields"]["version"], "2");
    assert_eq!(kept["links"], json!([{ "relation": "replaces", "target": first[0]["archive"] }]));
    // What was sent first is still the first version.
    let again = deposited(send(&archive, &token, "rgpd", answers().to_string()).await, 200).await;
    assert_eq!(again[0]["archive"], first[0]["archive"]);
    archive.stop().await;
}

#[tokio::test]
async fn answers_that_do_not_fit_are_told() {
    let (mut archive, token) = archive("mairie", &["rgpd"]).await;
    let mut wrong = answers();
    wrong["reponses"][0] = json!({ "id": "T99", "partie": "technique", "valeur": "oui" });
    wrong["reponses"][2] = json!({ "id": "T02", "partie": "technique", "valeur": "oui" });
    wrong["reponses"][3] = json!({ "id": "T04", "partie": "metier", "valeur": "peut-etre" });
    wrong["reponses"][11] = json!({ "id": "T12", "partie": "technique", "valeur": "oui" });
    wrong["reponses"][12] = json!({ "id": "T13", "partie": "technique", "valeur": "oui", "preuve": "absente.pdf" });
    let refused = errors(send(&archive, &token, "rgpd", wrong.to_string()).await, 422).await;
    let expected = [
        "producer-answer-unknown @ /reponses/0/id",
        "producer-answer-twice @ /reponses/2/id",
        "producer-answer-part @ /reponses/3/partie",
        "producer-answer-value @ /reponses/3/valeur",
        "producer-evidence-missing @ /reponses/11/preuve",
        "producer-evidence-missing @ /reponses/12/preuve",
        // T01 and T03 have no answer left.
        "producer-answer-missing @ /reponses",
        "producer-answer-missing @ /reponses",
    ];
    assert_eq!(refused, expected);
    let mut other = answers();
    other["modele"] = json!("autre");
    let refused = errors(send(&archive, &token, "rgpd", other.to_string()).await, 422).await;
    assert_eq!(refused, ["producer-model @ /modele"]);
    archive.stop().await;
}

/// No Rust knows of these two: their names stand in no source file.
#[test]
fn two_producers_are_files_alone() {
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                for name in ["telegestion", "alpi-60", "\"rgpd\""] {
                    assert!(!text.contains(name), "{}: {name}", path.display());
                }
            }
        }
    }
}
