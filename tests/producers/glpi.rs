//! Tickets that GLPI announces: signed with the shared secret, archived when closed, never purged.

use super::node::{Archive, problem};
use super::{archive_with, record};
use archiland::config::Webhook;
use reqwest::{Client, Response};
use ring::hmac;
use serde_json::{Value, json};

const SECRET: &str = "secret partagé avec GLPI";
const HOOK: &str = "/v1/producers/glpi/webhook/mairie";

async fn platform() -> (Archive, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("glpi");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let hook = Webhook { profile: "glpi".into(), agency: "mairie".into(), secret_file: Some(file) };
    let (archive, token) = archive_with("mairie", &[], |config| config.producers.webhook = vec![hook]).await;
    (archive, token, folder)
}

fn ticket() -> Value {
    json!({ "event": "update", "item": {
        "id": 4127, "name": "Imprimante mairie en panne", "content": "<p>Elle <script>fume</script></p>",
        "status": { "id": 6 }, "date_creation": "2026-02-10T09:00:00+01:00", "date_close": "2026-02-11T10:20:00+01:00",
        "location": { "name": "Mairie" }, "items": [{ "name": "imprimante-12", "serial": "SN1" }],
        "followups": [{ "date": "2026-02-10T10:00:00+01:00", "user": { "name": "tech" }, "content": "Toner changé" }]
    } })
}

fn signature(secret: &str, body: &str, timestamp: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, format!("{body}{timestamp}").as_bytes()))
}

fn at(archive: &Archive, path: &str) -> String {
    format!("{}{path}", archive.url())
}

/// As GLPI's queue sends it.
async fn announce(archive: &Archive, body: &Value, secret: &str) -> Response {
    let (body, timestamp) = (body.to_string(), "1770801600");
    let request = Client::new().post(at(archive, HOOK)).header("X-GLPI-timestamp", timestamp);
    let request = request.header("X-GLPI-signature", signature(secret, &body, timestamp));
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_closed_ticket_is_archived_once_and_its_deletion_is_only_noted() {
    let (mut archive, token, _secret) = platform().await;
    let challenge = Client::new().get(at(&archive, &format!("{HOOK}?crc_token=d%C3%A9fi"))).send().await.unwrap();
    assert_eq!(challenge.headers()["content-type"], "text/plain");
    assert_eq!(challenge.text().await.unwrap(), signature(SECRET, "défi", ""));

    let mut open = ticket();
    open["item"]["status"]["id"] = json!(2);
    let ignored = announce(&archive, &open, SECRET).await;
    assert_eq!(ignored.status(), 200);
    assert_eq!(ignored.json::<Value>().await.unwrap()["state"], "ignored");
    let deletion = json!({ "event": "delete", "item": { "id": 4127, "name": "Imprimante mairie en panne" } });
    assert_eq!(announce(&archive, &deletion, SECRET).await.json::<Value>().await.unwrap()["state"], "ignored");

    let made: Value = super::deposited(announce(&archive, &ticket(), SECRET).await, 201).await;
    let again = super::deposited(announce(&archive, &ticket(), SECRET).await, 200).await;
    assert_eq!((&again[0]["archive"], again[0]["state"].as_str()), (&made[0]["archive"], Some("before")));
    let kept = record(&archive, &token, &made[0]).await;
    assert_eq!((kept["rule"].as_str(), kept["dates"]["end"].as_str()), (Some("ticket-5-ans"), Some("2026-02-11")));
    assert_eq!(kept["produced"]["events"][0]["agent"], "tech");
    let names: Vec<_> = kept["payloads"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ticket.json", "ticket.html"]);
    let ark = made[0]["archive"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let page = archive.get(&format!("/v1/archives/{ark}/payloads/1"), &token).await.text().await.unwrap();
    assert!(page.contains("Imprimante mairie en panne") && !page.contains("<script"), "{page}");
    // The history of an equipment.
    let found: Value = archive.get("/v1/archives?field=equipement:imprimante-12", &token).await.json().await.unwrap();
    assert_eq!(found["archives"].as_array().unwrap().len(), 1);

    let noted = super::deposited(announce(&archive, &deletion, SECRET).await, 201).await;
    let kept = record(&archive, &token, &noted[0]).await;
    assert_eq!(kept["links"], json!([{ "relation": "concerns", "target": "glpi-4127" }]));
    assert_eq!(archive.get(&format!("/v1/archives/{ark}"), &token).await.status(), 200, "the ticket stays");
    archive.stop().await;
}

#[tokio::test]
async fn who_does_not_know_the_secret_says_nothing() {
    let (mut archive, _, _secret) = platform().await;
    problem(announce(&archive, &ticket(), "un autre").await, 401, "unauthenticated").await;
    let bare = Client::new().post(at(&archive, HOOK)).body(ticket().to_string()).send().await.unwrap();
    problem(bare, 401, "unauthenticated").await;
    let other = Client::new().get(at(&archive, "/v1/producers/glpi/webhook/autre?crc_token=x")).send().await.unwrap();
    problem(other, 404, "not-found").await;
    let long = Client::new().post(at(&archive, HOOK)).body(vec![b' '; 9 << 20]).send().await.unwrap();
    assert_eq!(long.status(), 413);
    archive.stop().await;
}
