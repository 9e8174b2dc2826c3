//! What the daemon does with a SEDA transfer: each unit becomes an archive with its receipt, the transfer is replied to, and
//! nothing is accepted by halves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;
#[path = "support/sip.rs"]
mod sip;

use archiland::audit;
use archiland::receipt::Receipt;
use archiland::spec::cms::SignedData;
use archiland::verify::{self, Outcome, Trust};
use node::{Archive, Kind, percent, problem};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use sip::Sip;
use std::time::Duration;

async fn send(archive: &Archive, token: &str, sip: Vec<u8>, query: &str) -> (u16, Value) {
    let path = format!("/v1/transfers{query}");
    let response = archive.request(Method::POST, &path, token).body(sip).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status} {e}: {text}")))
}

async fn text(archive: &Archive, token: &str, path: &str) -> String {
    let response = archive.get(path, token).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

fn document(state: &Value, name: &str) -> String {
    let documents = state["documents"].as_array().unwrap();
    let found = documents.iter().find(|d| d.as_str().unwrap().ends_with(&format!("/{name}")));
    found.unwrap_or_else(|| panic!("{name}: {state}")).as_str().unwrap().to_owned()
}

/// What we write is what the schema says.
fn valid(message: &str) {
    let checked = archiland::spec::seda::validate(message.as_bytes(), &archiland::spec::seda::xml::Limits::default());
    let findings = checked.unwrap().findings.kept;
    assert!(findings.is_empty(), "{findings:?}\n{message}");
}

async fn units(archive: &Archive, token: &str, state: &Value) -> Vec<Value> {
    let lines = text(archive, token, &document(state, "units")).await;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_unit_becomes_an_archive_and_the_transfer_is_replied_to() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let (other, _) = archive.agency("autre", &["deposit", "read"]).await;
    let sip = Sip::default();
    let (status, state) = send(&archive, &token, sip.zip(), "?wait=60").await;
    assert_eq!((status, state["outcome"].as_str()), (201, Some("OK")), "{state}");
    assert_eq!((state["state"].as_str(), state["units"].as_u64()), (Some("ended"), Some(3)));

    let reply = text(&archive, &token, &document(&state, "reply")).await;
    assert!(reply.contains("<ReplyCode>OK</ReplyCode>") && reply.contains("seda:v2.1"), "{reply}");
    valid(&reply);
    let seal = archive.get(&document(&state, "reply.p7s"), &token).await.bytes().await.unwrap();
    assert!(SignedData::parse(&seal).is_ok());
    let acknowledgement = text(&archive, &token, &document(&state, "acknowledgement")).await;
    assert!(acknowledgement.contains("<MessageReceivedIdentifier>M-1</MessageReceivedIdentifier>"));
    assert_eq!(text(&archive, &token, &document(&state, "manifest")).await, sip.manifest());

    let units = units(&archive, &token, &state).await;
    assert_eq!(units.len(), 3);
    let trust = Trust::load(&archive.config.keys.join("trust.toml")).unwrap();
    for unit in &units {
        let ark = unit["archive"].as_str().unwrap();
        assert!(reply.contains(&format!("<SystemId>{ark}</SystemId>")));
        let receipt = archive.get(&format!("/v1/receipts/{}", percent(ark)), &token).await.bytes().await.unwrap();
        let receipt = Receipt::parse(&receipt).unwrap();
        assert_eq!(verify::receipt(&receipt, &trust).outcome, Outcome::Valid);
    }
    let letter = units.iter().find(|unit| unit["id"] == "U1").unwrap();
    assert_eq!(letter["parents"][0], "FONDS");
    let path = format!("/v1/archives/{}", percent(letter["archive"].as_str().unwrap()));
    let record: Value = archive.get(&path, &token).await.json().await.unwrap();
    let body = &record["record"]["body"];
    assert_eq!(body["unit"]["rules"][0]["rule"], "APP-1");
    assert_eq!(body["unit"]["rules"][0]["final_action"], "Destroy");
    assert_eq!(body["unit"]["objects"][0]["payload"], 1);
    let description = text(&archive, &token, &format!("{path}/payloads/0")).await;
    assert!(description.starts_with("<ArchiveUnit xmlns=\"fr:gouv:culture:archivesdefrance:seda:v2.1\" id=\"U1\">"));
    assert_eq!(text(&archive, &token, &format!("{path}/payloads/1")).await, Sip::letter(1));

    // Nobody else's business.
    let id = state["operation"].as_str().unwrap();
    for path in [format!("/v1/transfers/{id}"), document(&state, "reply")] {
        assert_eq!(archive.get(&path, &other).await.status(), 404);
    }
    // The same again: the same archive; found again after a restart.
    let (status, again) = send(&archive, &token, sip.zip(), "?wait=60").await;
    assert_eq!((status, &again["archive"]), (200, &state["archive"]));
    archive.restart().await;
    let again: Value = archive.get(&format!("/v1/transfers/{id}"), &token).await.json().await.unwrap();
    assert_eq!((&again["archive"], &again["outcome"]), (&state["archive"], &state["outcome"]));
    assert_eq!(again["events"], state["events"]);
    // The same message with other content is not.
    let changed = Sip { letters: 1, ..Sip::default() };
    let (status, refused) = send(&archive, &token, changed.zip(), "?wait=60").await;
    assert_eq!((status, refused["outcome"].as_str()), (200, Some("KO")));
    let events = refused["events"].to_string();
    assert!(events.contains("CHECK_MESSAGE_IDENTIFIER.ALREADY_ACCEPTED"), "{events}");
    assert!(std::fs::read_dir(archive.config.state.join("transfers")).unwrap().next().is_none());
    // Too late to give it up.
    let path = format!("/v1/transfers/{id}");
    problem(archive.request(Method::DELETE, &path, &token).send().await.unwrap(), 409, "transfer-begun").await;
    archive.stop().await;
    let options = audit::Options { full: true, ..audit::Options::default() };
    let clock = std::sync::Arc::new(archiland::clock::SystemClock);
    let report = audit::run(archive.bucket.objects.clone(), trust, options, clock, |_| ()).await.unwrap();
    assert_eq!(report.outcome, audit::Outcome::Intact, "{report:?}");
}

#[tokio::test]
async fn followed_then_answered_and_a_bordereau_with_its_attachments() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { message: "M-2".into(), ..Sip::default() };
    let form = Form::new()
        .part("manifest", Part::text(sip.manifest()).file_name("bordereau.xml"))
        .part("attachments", Part::bytes(sip.attachments()).file_name("pieces.tar.gz"));
    let response = archive.request(Method::POST, "/v1/transfers", &token).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    for _ in 0..600 {
        let state: Value = archive.get(&location, &token).await.json().await.unwrap();
        if state["state"] == "ended" {
            assert_eq!(state["outcome"], "OK", "{state}");
            archive.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never ended");
}

#[tokio::test]
async fn a_test_leaves_no_content_and_a_refusal_a_record() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { message: "M-3".into(), ..Sip::default() };
    let (status, tested) = send(&archive, &token, sip.zip(), "?test=1&wait=60").await;
    assert_eq!((status, tested["outcome"].as_str(), tested["units"].as_u64()), (200, Some("Test OK"), Some(0)));
    let reply = text(&archive, &token, &document(&tested, "reply")).await;
    assert!(reply.contains("<ReplyCode>Test OK</ReplyCode>"));
    let wrong = sip.manifest().replace("lettre-1.txt", "lettre-9.txt");
    let (_, refused) = send(&archive, &token, sip.zip_as("manifest.xml", &wrong), "?wait=60").await;
    assert_eq!(refused["outcome"], "KO");
    let reply = text(&archive, &token, &document(&refused, "reply")).await;
    assert!(reply.contains("<ReplyCode>KO</ReplyCode>") && reply.contains("CHECK_MANIFEST_OBJECTNUMBER"));
    valid(&reply);
    // Nobody can tell what this was meant to be: the reply is one all the same.
    let (_, unreadable) = send(&archive, &token, b"<a/>".to_vec(), "?wait=60").await;
    assert_eq!(unreadable["outcome"], "KO");
    valid(&text(&archive, &token, &document(&unreadable, "reply")).await);
    for state in [&tested, &refused] {
        assert!(!state["documents"].to_string().contains("/manifest"), "{state}");
    }
    // Neither stands in the way of the transfer itself.
    let (status, state) = send(&archive, &token, sip.zip(), "?wait=60").await;
    assert_eq!((status, state["outcome"].as_str()), (201, Some("OK")), "{state}");
    problem(
        archive.request(Method::POST, "/v1/transfers?essai", &token).body("x").send().await.unwrap(),
        400,
        "request-invalid",
    )
    .await;
    archive.stop().await;
}

#[tokio::test]
async fn units_are_attached_to_archives_of_earlier_transfers() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let (other, _) = archive.agency("autre", &["deposit", "read"]).await;
    let first = Sip { message: "M-4".into(), letters: 1, ..Sip::default() };
    let (_, state) = send(&archive, &token, first.zip(), "?wait=60").await;
    let units_before = units(&archive, &token, &state).await;
    let fonds = units_before.iter().find(|unit| unit["id"] == "FONDS").unwrap()["archive"].as_str().unwrap().to_owned();
    let existing = |id: &str| {
        format!(
            "<ArchiveUnit id=\"LA\"><Management><UpdateOperation><SystemId>{id}</SystemId></UpdateOperation></Management>\
             <Content><DescriptionLevel>RecordGrp</DescriptionLevel><Title>Courrier</Title></Content>\
             <ArchiveUnit id=\"SOUS\"><Content><DescriptionLevel>File</DescriptionLevel><Title>Suite</Title></Content>\
             </ArchiveUnit></ArchiveUnit>"
        )
    };
    let next = Sip { message: "M-5".into(), more: existing(&fonds), ..Sip::default() };
    let (_, state) = send(&archive, &token, next.zip(), "?wait=60").await;
    assert_eq!(state["outcome"], "OK", "{state}");
    let lines = units(&archive, &token, &state).await;
    let stands = lines.iter().find(|unit| unit["id"] == "LA").unwrap();
    assert_eq!((stands["archive"].as_str(), stands["existing"].as_bool()), (Some(&*fonds), Some(true)));
    let below = lines.iter().find(|unit| unit["id"] == "SOUS").unwrap()["archive"].as_str().unwrap().to_owned();
    let record: Value = archive.get(&format!("/v1/archives/{}", percent(&below)), &token).await.json().await.unwrap();
    assert_eq!(record["record"]["body"]["unit"]["attached_to"][0], fonds.as_str());
    // Another agency's archives are nowhere to be found.
    let stolen = Sip { message: "M-6".into(), more: existing(&fonds), ..Sip::default() };
    let (_, refused) = send(&archive, &other, stolen.zip(), "?wait=60").await;
    assert_eq!(refused["outcome"], "KO");
    assert!(refused["events"].to_string().contains("NOT_FOUND_ATTACHMENT"), "{refused}");
    archive.stop().await;
}

#[tokio::test]
async fn what_a_stop_leaves_is_gone_on_with() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { message: "M-7".into(), letters: 40, ..Sip::default() };
    let (status, state) = send(&archive, &token, sip.zip(), "").await;
    assert_eq!(status, 202);
    let id = state["operation"].as_str().unwrap().to_owned();
    // Wherever the stop falls, the next start ends it, and each unit is there once.
    for _ in 0..3 {
        archive.restart().await;
    }
    for _ in 0..600 {
        let state: Value = archive.get(&format!("/v1/transfers/{id}"), &token).await.json().await.unwrap();
        if state["state"] == "ended" {
            assert_eq!(state["outcome"], "OK", "{state}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let found: Value = archive.get("/v1/archives?type=unite-archives&limit=1000", &token).await.json().await.unwrap();
    assert_eq!(found["archives"].as_array().unwrap().len(), 41);
    let found: Value = archive.get("/v1/archives?type=transfert-seda", &token).await.json().await.unwrap();
    assert_eq!(found["archives"].as_array().unwrap().len(), 1);
    archive.stop().await;
}

#[tokio::test]
async fn the_first_version_is_accepted_with_its_archives() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip { letters: 1, ..Sip::default() };
    let package = sip.zip_as("manifest.xml", &sip::first_version("A-1"));
    let (status, state) = send(&archive, &token, package, "?wait=60").await;
    assert_eq!((status, state["outcome"].as_str()), (201, Some("OK")), "{state}");
    let reply = text(&archive, &token, &document(&state, "reply")).await;
    assert!(reply.contains("<ReplyCode>000</ReplyCode>"), "{reply}");
    let units = units(&archive, &token, &state).await;
    let ark = units[0]["archive"].as_str().unwrap();
    assert!(reply.contains(&format!("<ArchivalAgencyArchiveIdentifier>{ark}</ArchivalAgencyArchiveIdentifier>")));
    valid(&reply);
    valid(&text(&archive, &token, &document(&state, "acknowledgement")).await);
    archive.stop().await;
}

#[tokio::test]
async fn a_transfer_given_up_leaves_no_content() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    // Two at a time: the last of these waits, and can be given up before it begins.
    let mut last = String::new();
    for n in 0..6 {
        let sip = Sip { message: format!("C-{n}"), letters: 150, ..Sip::default() };
        let (status, state) = send(&archive, &token, sip.zip(), "").await;
        assert_eq!(status, 202, "{state}");
        last = format!("/v1/transfers/{}", state["operation"].as_str().unwrap());
    }
    let given_up = archive.request(Method::DELETE, &last, &token).send().await.unwrap().status();
    for _ in 0..1_200 {
        let state: Value = archive.get(&last, &token).await.json().await.unwrap();
        if state["state"] == "ended" {
            // On a machine in no hurry it may have been too late.
            let expected = if given_up == 202 { "KO" } else { "OK" };
            assert_eq!(state["outcome"], expected, "{state}");
            assert_eq!(state["events"].to_string().contains("STP_INGEST_CANCELLED"), given_up == 202);
            archive.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_sends_follows_and_keeps() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let dir = archive.dir.path().to_owned();
    std::fs::write(dir.join("jeton"), &token).unwrap();
    let run = async |sip: Vec<u8>| {
        std::fs::write(dir.join("sip.zip"), sip).unwrap();
        let (dir, url) = (dir.clone(), archive.url().to_owned());
        let running = tokio::task::spawn_blocking(move || {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_archiland"));
            command.args(["seda", "transfer", "sip.zip", "--receipt-dir", "recus", "--server", &url]);
            command.args(["--token-file", "jeton"]).current_dir(dir).output().unwrap()
        });
        let output = running.await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said)
    };
    let sip = Sip { message: "CLI-1".into(), ..Sip::default() };
    let (code, said) = run(sip.zip()).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("OK       CHECK_SEDA") && said.contains("3 unités archivées"), "{said}");
    assert_eq!(std::fs::read_dir(dir.join("recus")).unwrap().count(), 2, "{said}");
    let (code, said) = run(sip.zip_as("manifest.xml", "<a/>")).await;
    assert_eq!(code, Some(1), "{said}");
    archive.stop().await;
}
