//! Pastell's as@lae connector, request by request, in the order its sources make them: ping and versions when it is set up,
//! the message with its attachments (whole, or by pieces), then the acknowledgement and the reply, asked for until they are
//! there. Anything but HTTP 200 is an exception for it, and it accepts a reply whose code is exactly 000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;
#[path = "support/sip.rs"]
mod sip;

use node::{Archive, Kind};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sip::Sip;
use std::time::Duration;

/// The connector as Pastell configures it: address, login, password.
struct Pastell<'a> {
    archive: &'a Archive,
    login: String,
    password: String,
}

impl Pastell<'_> {
    /// GET, or POST when there is something to send; an empty `Expect`, as the connector sends.
    async fn ask(&self, path: &str, accept: &str, form: Option<Form>) -> Result<String, String> {
        let url = format!("{}/restservices{path}", self.archive.url());
        let request = match form {
            Some(form) => self.archive.http.post(url).multipart(form),
            None => self.archive.http.get(url),
        };
        let sent = hex::encode(Sha256::digest(&self.password));
        let request = request.basic_auth(&self.login, Some(sent)).header("Accept", accept).header("Expect", "");
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        if status == 200 { Ok(text) } else { Err(format!("{text} - code d'erreur HTTP : {status}")) }
    }

    async fn json(&self, path: &str, form: Option<Form>) -> Result<Value, String> {
        let text = self.ask(path, "application/json", form).await?;
        let value: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
        // PHP takes an empty answer for none.
        assert!(!value.is_null() && value != json!("") && value != json!(0));
        Ok(value)
    }

    async fn message(&self, kind: &str, organization: &str, identifier: &str) -> Result<String, String> {
        let identifier = php_urlencode(identifier);
        let path = format!(
            "/sedaMessages/sequence:ArchiveTransfer/message:{kind}/originOrganizationIdentification:{organization}/originMessageIdentifier:{identifier}"
        );
        self.ask(&path, "application/xml", None).await
    }

    /// Asked again until it is there, as its jobs do.
    async fn wait_for(&self, kind: &str, identifier: &str) -> String {
        for _ in 0..600 {
            match self.message(kind, "MAIRIE", identifier).await {
                Ok(text) => return text,
                Err(error) => assert!(error.ends_with("code d'erreur HTTP : 500"), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never there");
    }
}

/// `urlencode` of PHP: spaces are `+`.
fn php_urlencode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b' ');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string().replace(' ', "+")
}

async fn pastell(archive: &Archive) -> Pastell<'_> {
    archive.agency("mairie", &["read"]).await;
    let (password, login) =
        archive.token(json!({ "agency": "mairie", "scopes": ["deposit", "read"], "password": true })).await;
    Pastell { archive, login, password }
}

fn whole(message: &str, attachments: Vec<u8>) -> Form {
    Form::new()
        .part("seda_message", Part::text(message.to_owned()).file_name("bordereau.xml"))
        .part("attachments", Part::bytes(attachments).file_name("archive.tar.gz"))
}

#[tokio::test]
async fn set_up_sent_acknowledged_accepted() {
    let mut archive = Archive::start(Kind::Memory).await;
    let pastell = pastell(&archive).await;
    assert_eq!(pastell.json("/ping", None).await.unwrap(), "webservices as@lae accessibles");
    assert!(pastell.json("/versions", None).await.unwrap()["version"].is_string());
    let wrong = Pastell { archive: &archive, login: pastell.login.clone(), password: "autre".into() };
    assert!(wrong.json("/ping", None).await.unwrap_err().ends_with("code d'erreur HTTP : 401"));
    let stranger = Pastell { archive: &archive, login: "autre".into(), password: pastell.password.clone() };
    assert!(stranger.json("/ping", None).await.unwrap_err().ends_with("code d'erreur HTTP : 401"));

    for (message, bordereau) in [
        ("2026/ACTES 18", Sip { letters: 1, message: "2026/ACTES 18".into(), ..Sip::default() }.manifest()),
        ("A+1", sip::first_version("A+1")),
    ] {
        let attachments = Sip { letters: 1, ..Sip::default() }.attachments();
        assert!(pastell.message("Acknowledgement", "MAIRIE", message).await.is_err());
        pastell.json("/sedaMessages", Some(whole(&bordereau, attachments))).await.unwrap();
        let acknowledgement = pastell.wait_for("Acknowledgement", message).await;
        assert!(acknowledgement.contains(&format!("<MessageReceivedIdentifier>{message}</MessageReceivedIdentifier>")));
        let reply = pastell.wait_for("ArchiveTransferReply", message).await;
        assert!(reply.contains("<ArchiveTransferReply ") && reply.contains("<ReplyCode>000</ReplyCode>"), "{reply}");
        // Where each version's helper looks for the archive's identifier.
        let identifier = if message == "A+1" {
            reply.split("<ArchivalAgencyArchiveIdentifier>").nth(1)
        } else {
            reply.split("<ArchivalAgencyArchiveUnitIdentifier>").nth(1)
        };
        assert!(identifier.unwrap().starts_with("ark:/"), "{reply}");
    }
    archive.stop().await;
}

#[tokio::test]
async fn attachments_by_pieces() {
    let mut archive = Archive::start(Kind::Memory).await;
    let pastell = pastell(&archive).await;
    let sip = Sip { message: "P-1".into(), letters: 30, ..Sip::default() };
    let attachments = sip.attachments();
    let form = Form::new()
        .part("seda_message", Part::text(sip.manifest()).file_name("bordereau.xml"))
        .text("send_chunked_attachments", "true");
    let session = pastell.json("/sedaMessages", Some(form)).await.unwrap();
    let pieces: Vec<&[u8]> = attachments.chunks(attachments.len().div_ceil(3)).collect();
    let piece = |index: usize, security: &str| {
        Form::new()
            .part("chunk_content", Part::bytes(pieces[index].to_vec()).file_name(format!("archive_part{index}")))
            .text("session_identifier", session["chunk_session_identifier"].as_str().unwrap().to_owned())
            .text("security_identifier", security.to_owned())
            .text("number_of_files", "1")
            .text("file_index", "1")
            .text("file_name", "archive.tar.gz")
            .text("compression_algorithm", "TARGZ")
            .text("number_of_chunks", pieces.len().to_string())
            .text("chunk_index", (index + 1).to_string())
    };
    let security = session["chunk_security_identifier"].as_str().unwrap();
    assert!(pastell.json("/sedaAttachmentsChunkFiles", Some(piece(0, "autre"))).await.is_err());
    for index in 0..pieces.len() {
        pastell.json("/sedaAttachmentsChunkFiles", Some(piece(index, security))).await.unwrap();
    }
    let reply = pastell.wait_for("ArchiveTransferReply", "P-1").await;
    assert!(reply.contains("<ReplyCode>000</ReplyCode>"), "{reply}");
    assert!(pastell.json("/sedaAttachmentsChunkFiles", Some(piece(0, security))).await.is_err());
    archive.stop().await;
}

#[tokio::test]
async fn a_refusal_says_why_and_a_bearer_token_is_no_password() {
    let mut archive = Archive::start(Kind::Memory).await;
    let pastell = pastell(&archive).await;
    let bordereau = sip::first_version("R-1").replace("lettre-0", "lettre-7");
    let attachments = Sip { letters: 1, ..Sip::default() }.attachments();
    pastell.json("/sedaMessages", Some(whole(&bordereau, attachments))).await.unwrap();
    let reply = pastell.wait_for("ArchiveTransferReply", "R-1").await;
    assert!(reply.contains("<ReplyCode>211</ReplyCode>") && reply.contains("<Comment>"), "{reply}");
    let (secret, name) = archive.token(json!({ "agency": "mairie", "scopes": ["deposit"] })).await;
    let bearer = Pastell { archive: &archive, login: name, password: secret };
    assert!(bearer.json("/ping", None).await.is_err());
    archive.stop().await;
}
