//! Signatures at the door: what a type of document requires, the reports archived with the deposit, and
//! `POST /v1/validations`, which stores nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;

use archiland::receipt::Receipt;
use archiland::spec::cms::{Certificate, Certificates, CmsSigner, oid};
use archiland::verify::{self, Outcome, Trust};
use node::{Archive, Kind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

const ACT: &[u8] = b"Acte administratif";

/// A signature of [`ACT`], and its authority in PEM.
fn signed() -> (Vec<u8>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Agente");
    params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(params.signed_by(&key, &authority).unwrap().der()).unwrap();
    let signer = CmsSigner::new(key.serialized_der(), certificate, &[]).unwrap();
    let at = time::macros::datetime!(2026-03-01 12:00 UTC);
    (signer.sign(&oid::DATA, ACT, Some(at), Certificates::Included).unwrap(), authority.pem())
}

/// An archive that requires a valid signature of deliberations, trusts `anchor`, and asks nothing of invitations.
async fn archive(anchor: &str) -> Archive {
    let policy = include_str!("../policies/signature-sans-revocation.toml").replace(
        "default = \"record\"",
        "default = \"record\"\ndeliberation = \"require\"\nbudget = \"none\"\narrete = \"warn\"",
    );
    Archive::start_with(
        Kind::Memory,
        |config| {
            let folder = config.base.join("certs");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("autorite.pem"), anchor).unwrap();
            std::fs::write(config.base.join("signature.toml"), &policy).unwrap();
            config.policies.signature = Some(config.base.join("signature.toml"));
            config.policies.certificates = Some(folder);
        },
        |objects| objects,
    )
    .await
}

async fn deposit(archive: &Archive, token: &str, kind: &str, files: &[(&str, &[u8])]) -> Response {
    let metadata = json!({ "title": "Acte", "type": kind });
    let mut form = Form::new().part("metadata", Part::text(metadata.to_string()));
    for (name, bytes) in files {
        form = form.part("files", Part::bytes(bytes.to_vec()).file_name((*name).to_owned()));
    }
    archive.request(Method::POST, "/v1/deposits", token).multipart(form).send().await.unwrap()
}

#[tokio::test]
async fn a_required_signature_is_checked_and_its_reports_are_archived() {
    let (signature, anchor) = signed();
    let mut archive = archive(&anchor).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let files: [(&str, &[u8]); 2] = [("acte.pdf", ACT), ("acte.pdf.p7s", &signature)];
    let response = deposit(&archive, &token, "deliberation", &files).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
    let receipt = Receipt::parse(&response.bytes().await.unwrap()).unwrap();
    let trust = Trust::load(&archive.config.keys.join("trust.toml")).unwrap();
    assert_eq!(verify::receipt(&receipt, &trust).outcome, Outcome::Valid);
    let record = receipt.record().unwrap();
    let deposit_record = record.deposit().unwrap();
    let signatures = deposit_record.signatures.as_ref().unwrap();
    assert_eq!(signatures.indication, "TOTAL-PASSED");
    assert_eq!(signatures.reports, ["validation.json", "validation-1.xml"]);
    let names: Vec<_> = deposit_record.payloads.iter().map(|payload| payload.name.as_str()).collect();
    assert_eq!(names, ["acte.pdf", "acte.pdf.p7s", "validation.json", "validation-1.xml"]);

    let id = node::percent(&receipt.archive.to_string());
    let report: Value = archive.get(&format!("/v1/archives/{id}/payloads/2"), &token).await.json().await.unwrap();
    assert_eq!(report["files"][0]["verdict"]["indication"], "TOTAL-PASSED");
    assert_eq!(report["files"][0]["verdict"]["signatures"][0]["covers"][0]["name"], "acte.pdf");
    let etsi = archive.get(&format!("/v1/archives/{id}/payloads/3"), &token).await.text().await.unwrap();
    assert!(etsi.contains("urn:etsi:019102:mainindication:total-passed"), "{etsi}");
    archive.stop().await;
}

#[tokio::test]
async fn a_signature_that_does_not_hold_is_refused_where_one_is_required() {
    let (signature, anchor) = signed();
    let mut archive = archive(&anchor).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let none: [(&str, &[u8]); 1] = [("acte.txt", ACT)];
    let wrong: [(&str, &[u8]); 2] = [("acte.txt", b"Autre acte"), ("acte.txt.p7s", &signature)];
    for files in [none.as_slice(), wrong.as_slice()] {
        let response = deposit(&archive, &token, "deliberation", files).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "signature-invalid", "{problem}");
    }
    // Elsewhere the report is kept and the deposit admitted; where nothing is asked, nothing is looked at.
    for (kind, reported) in [("courrier-arrive", Some("TOTAL-FAILED")), ("budget", None)] {
        let response = deposit(&archive, &token, kind, &wrong).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{kind}: {}", response.text().await.unwrap());
        let receipt = Receipt::parse(&response.bytes().await.unwrap()).unwrap();
        let record = receipt.record().unwrap();
        let said = record.deposit().unwrap().signatures.as_ref().map(|signatures| signatures.indication.clone());
        assert_eq!(said.as_deref(), reported, "{kind}");
    }
    let response = deposit(&archive, &token, "courrier-arrive", &none).await;
    let receipt = Receipt::parse(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(receipt.record().unwrap().deposit().unwrap().payloads.len(), 1, "without a signature, no report");
    archive.stop().await;
}

#[tokio::test]
async fn a_validation_stores_nothing() {
    let (signature, anchor) = signed();
    let mut archive = archive(&anchor).await;
    let (token, _) = archive.agency("aa", &["read"]).await;
    let before = archive.keys("").await;
    let form = Form::new()
        .part("signature", Part::bytes(signature.clone()).file_name("acte.p7s"))
        .part("content", Part::bytes(ACT).file_name("acte.pdf"));
    let response = archive.request(Method::POST, "/v1/validations", &token).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let report: Value = response.json().await.unwrap();
    assert_eq!(
        (report["indication"].as_str(), report["cryptographically_intact"].as_bool()),
        (Some("TOTAL-PASSED"), Some(true))
    );

    for (format, start) in [("text", "Validation : valide"), ("etsi", "<?xml"), ("diagnostic", "{"), ("detailed", "{")]
    {
        let path = format!("/v1/validations?format={format}");
        let response = archive.request(Method::POST, &path, &token).body(signature.clone()).send().await.unwrap();
        let text = response.text().await.unwrap();
        assert!(text.starts_with(start), "{format}: {text}");
    }
    let path = "/v1/validations?at=2000-01-01T00:00:00Z&integrity_only=true";
    let response = archive.request(Method::POST, path, &token).body(signature.clone()).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["integrity_only"], true);
    for (path, body) in [("/v1/validations?at=hier", &b"x"[..]), ("/v1/validations", &b""[..])] {
        let response = archive.request(Method::POST, path, &token).body(body).send().await.unwrap();
        assert!(response.status().is_client_error(), "{path}");
    }
    let anonymous = archive.request(Method::POST, "/v1/validations", "rien").body(signature).send().await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(archive.keys("").await, before);
    archive.stop().await;
}

fn warned(response: &Response) -> Option<String> {
    let value = response.headers().get("archiland-warning")?.to_str().unwrap();
    Some(percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
}

#[tokio::test]
async fn a_warning_is_in_the_answer_and_leaves_the_receipt_alone() {
    let (signature, anchor) = signed();
    let mut archive = archive(&anchor).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let wrong: [(&str, &[u8]); 2] = [("acte.txt", b"Autre acte"), ("acte.txt.p7s", &signature)];
    let right: [(&str, &[u8]); 2] = [("acte.txt", ACT), ("acte.txt.p7s", &signature)];
    let none: [(&str, &[u8]); 1] = [("acte.txt", ACT)];
    for (files, expected) in [
        (wrong.as_slice(), Some("le contenu signé a été modifié")),
        (none.as_slice(), Some("aucune signature trouvée")),
        (right.as_slice(), None),
    ] {
        let response = deposit(&archive, &token, "arrete", files).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let warning = warned(&response);
        assert_eq!(warning.is_some(), expected.is_some(), "{warning:?}");
        assert!(expected.is_none_or(|expected| warning.unwrap().contains(expected)));
        let given = response.bytes().await.unwrap();
        let receipt = Receipt::parse(&given).unwrap();
        let path = format!("/v1/receipts/{}", node::percent(&receipt.archive.to_string()));
        assert_eq!(
            archive.get(&path, &token).await.bytes().await.unwrap(),
            given,
            "the same receipt without a warning"
        );
    }
    // Where it is only recorded, nobody is warned.
    assert_eq!(warned(&deposit(&archive, &token, "courrier-arrive", &wrong).await), None);
    // A retry is warned as the first time was.
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let metadata = json!({ "title": "Acte", "type": "arrete" });
        let form = Form::new()
            .part("metadata", Part::text(metadata.to_string()))
            .part("files", Part::bytes(ACT.to_vec()).file_name("acte.txt"));
        let request = archive.request(Method::POST, "/v1/deposits", &token).header("Idempotency-Key", "une-fois");
        let response = request.multipart(form).send().await.unwrap();
        assert_eq!((response.status(), warned(&response)), (status, Some("aucune signature trouvée".to_owned())));
    }
    archive.stop().await;
}

#[tokio::test]
async fn what_is_too_large_to_be_looked_at_is_said_and_refused_where_a_signature_is_required() {
    let (_, anchor) = signed();
    let mut archive = archive(&anchor).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    // A container above what is kept of one.
    let mut large = b"PK\x03\x04".to_vec();
    large.resize(65 << 20, 0);
    let files: [(&str, &[u8]); 1] = [("dossier.asice", &large)];
    let response = deposit(&archive, &token, "courrier-arrive", &files).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let receipt = Receipt::parse(&response.bytes().await.unwrap()).unwrap();
    let signatures = receipt.record().unwrap().deposit().unwrap().signatures.clone().unwrap();
    assert_eq!(signatures.indication, "NOT-VALIDATED");
    assert_eq!(signatures.detail.as_deref(), Some("non validé : trop volumineux"));
    let response = deposit(&archive, &token, "deliberation", &files).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("trop volumineux"), "{problem}");
    archive.stop().await;
}
