//! MaarchCourrier's requests to Maarch RM, in the order its sources make them: the package in JSON, its acknowledgement at
//! once, then the reply when the transfer is `processed` or `rejected`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;
#[path = "support/sip.rs"]
mod sip;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use node::{Archive, Kind};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sip::Sip;
use std::io::Read as _;
use std::time::Duration;

async fn ask(archive: &Archive, token: &str, method: Method, path: &str, body: Option<Value>) -> Response {
    let url = format!("{}/medona{path}", archive.url());
    let cookie =
        format!("LAABS-AUTH={}", percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC));
    let mut request = archive.http.request(method, url).header("Cookie", cookie).header("User-Agent", "service");
    request = request.header("Content-Type", "application/json");
    if let Some(body) = body {
        request = request.body(body.to_string());
    }
    request.send().await.unwrap()
}

/// The XML of an exported message, taken out of its zip as the client does.
async fn export(archive: &Archive, token: &str, message: &str) -> String {
    let path = format!("/message/{}/Export", message.replace(' ', "%20"));
    let response = ask(archive, token, Method::GET, &path, None).await;
    assert_eq!(response.status(), 200);
    let bytes = response.bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    zip.by_name(&format!("{message}.xml")).unwrap().read_to_string(&mut text).unwrap();
    text
}

async fn ended(archive: &Archive, token: &str, reference: &str) -> Value {
    for _ in 0..600 {
        let path = format!("/message/reference?reference={}", reference.replace('.', "%2E"));
        let response = ask(archive, token, Method::GET, &path, None).await;
        assert_eq!(response.status(), 200);
        let said: Value = response.json().await.unwrap();
        if ["processed", "rejected"].contains(&said["status"].as_str().unwrap()) {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never ended");
}

/// A package as MaarchCourrier makes it: everything at the root, the bordereau named after the message.
fn package(sip: &Sip) -> Value {
    // Objects outside a group, named by an empty attachment, the digest's algorithm in lower case.
    let manifest = sip
        .manifest()
        .replace("<Uri>lettre-0.txt</Uri>", "<Attachment filename=\"lettre-0.txt\"/>")
        .replace("SHA-256", "sha256");
    let zip = sip.zip_as(&format!("{}.xml", sip.message), &manifest);
    json!({ "messageFile": STANDARD.encode(zip), "filename": sip.message, "schema": "seda2" })
}

#[tokio::test]
async fn sent_acknowledged_processed() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { message: "MAIRIE.2026A.118".into(), folder: "", ..Sip::default() };
    let sent = ask(&archive, &token, Method::POST, "/archiveTransfer", Some(package(&sip))).await;
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    let path = format!("/message/reference?reference={}_Ack", sip.message);
    let said: Value = ask(&archive, &token, Method::GET, &path, None).await.json().await.unwrap();
    let acknowledgement = export(&archive, &token, said["messageId"].as_str().unwrap()).await;
    assert!(acknowledgement.contains(&format!("<MessageReceivedIdentifier>{}<", sip.message)));
    let said = ended(&archive, &token, &sip.message).await;
    assert_eq!(said["status"], "processed");
    let reply = export(&archive, &token, said["replyMessage"]["messageId"].as_str().unwrap()).await;
    assert!(reply.contains("<ReplyCode>000</ReplyCode>"), "{reply}");
    assert!(reply.contains(&format!("<MessageRequestIdentifier>{}<", sip.message)));

    // Another agency knows of none of it; no token, no answer.
    let (other, _) = archive.agency("autre", &["deposit", "read"]).await;
    assert_eq!(ask(&archive, &other, Method::GET, &path, None).await.status(), 404);
    let refused = ask(&archive, "", Method::GET, &path, None).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.json::<Value>().await.unwrap()["message"].is_string());
    archive.stop().await;
}

#[tokio::test]
async fn the_older_form_and_a_rejection() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { message: "OLD-1".into(), folder: "", ..Sip::default() };
    let attachments: Vec<Value> = sip
        .members()
        .iter()
        .map(|(name, content)| json!({ "filename": name, "data": STANDARD.encode(content) }))
        .collect();
    let body = json!({ "messageFile": STANDARD.encode(sip.manifest()), "attachments": attachments });
    let sent = ask(&archive, &token, Method::POST, "/Archivetransfer", Some(body)).await;
    assert_eq!(sent.status(), 200);
    assert_eq!(ended(&archive, &token, "OLD-1").await["status"], "processed");

    let mut wrong = Sip { message: "KO-1".into(), folder: "", ..Sip::default() };
    wrong.letters = 1;
    let zip = wrong.zip_as("KO-1.xml", &wrong.manifest().replace("lettre-0.txt", "autre.txt"));
    let body = json!({ "messageFile": STANDARD.encode(zip), "filename": "KO-1", "schema": "seda2" });
    assert_eq!(ask(&archive, &token, Method::POST, "/archiveTransfer", Some(body)).await.status(), 200);
    let said = ended(&archive, &token, "KO-1").await;
    assert_eq!(said["status"], "rejected");
    let reply = export(&archive, &token, said["replyMessage"]["messageId"].as_str().unwrap()).await;
    assert!(reply.contains("<ReplyCode>211</ReplyCode>"), "{reply}");
    for body in [json!({}), json!({ "messageFile": "%%%" })] {
        assert_ne!(ask(&archive, &token, Method::POST, "/archiveTransfer", Some(body)).await.status(), 200);
    }
    archive.stop().await;
}
