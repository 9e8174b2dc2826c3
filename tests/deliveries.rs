//! What leaves the archive is a SEDA package that others accept: our own strict checks and the official schema; what is not
//! communicable waits for the control authority; every package given is a record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/node.rs"]
mod node;
#[path = "support/seda_valid.rs"]
mod seda_valid;
#[path = "support/sip.rs"]
mod sip;

use archiland::spec::seda::{Mode, Version};
use archiland::transfer::check::{Options, check};
use archiland::transfer::event::Outcome;
use node::{Archive, Kind, percent, problem};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response, StatusCode};
use seda_valid::valid;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Two archives, one of them of two documents, one of which is large enough for an object of its own.
async fn deposited(archive: &Archive, token: &str) -> Vec<String> {
    let one = archive.deposit(token, "délib.pdf", "%PDF-1.4\ncontenu").send().await.unwrap();
    let large: Vec<u8> = (0..3_000_000u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    let metadata = json!({ "title": "Budget <2026> & annexes", "type": "budget", "external_id": "B-2026",
        "dates": { "created": "2026-03-31", "start": "2026-01-01", "end": "2026-12-31" } });
    let form = Form::new()
        .part("metadata", Part::text(metadata.to_string()))
        .part("files", Part::bytes("Notice.\n".as_bytes()).file_name("notice.txt"))
        .part("files", Part::bytes([b"%PDF-1.4\n".to_vec(), large].concat()).file_name("budget.pdf"));
    let two = archive.request(Method::POST, "/v1/deposits", token).multipart(form).send().await.unwrap();
    let mut ids = Vec::new();
    for response in [one, two] {
        assert_eq!(response.status(), StatusCode::CREATED);
        ids.push(response.json::<Value>().await.unwrap()["archive"].as_str().unwrap().to_owned());
    }
    ids
}

async fn ask(archive: &Archive, token: &str, path: &str, request: &Value) -> Response {
    archive.request(Method::POST, path, token).json(request).send().await.unwrap()
}

async fn fetched(archive: &Archive, token: &str, delivery: &Value) -> PathBuf {
    let response = archive.get(delivery["package"].as_str().unwrap(), token).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/zip");
    let bytes = response.bytes().await.unwrap();
    let name = delivery["id"].as_str().unwrap().rsplit('/').next().unwrap();
    let file = archive.dir.path().join(format!("{name}.zip"));
    std::fs::write(&file, bytes).unwrap();
    file
}

fn member(file: &Path, name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(file).unwrap()).unwrap();
    let mut content = Vec::new();
    zip.by_name(name).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[tokio::test]
async fn a_restitution_is_a_transfer_that_archives_accept() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("200040475", &["deposit", "read"]).await;
    let ids = deposited(&archive, &token).await;
    for version in [Version::V2_1, Version::V2_2, Version::V2_3] {
        let request =
            json!({ "archives": ids, "version": version.number(), "receiver": "AD-VOISINE", "agreement": "IC-9" });
        let response = ask(&archive, &token, "/v1/restitutions", &request).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let file = fetched(&archive, &token, &response.json().await.unwrap()).await;
        let checked = check(&file, &Options { mode: Mode::Strict, ..Options::default() }).unwrap();
        assert_eq!(checked.report.outcome, Outcome::Ok, "{version}: {:#?}", checked.report.events);
        valid(&member(&file, "manifest.xml"), version);
    }
    let listed: Value = archive.get("/v1/restitutions", &token).await.json().await.unwrap();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 3);
    assert_eq!(listed["deliveries"][0]["state"], "delivered");
    archive.stop().await;
}

#[tokio::test]
async fn a_dip_is_read_and_its_delivery_is_a_record() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("200040475", &["deposit", "read"]).await;
    let ids = deposited(&archive, &token).await;
    let unit = &ids[0];
    let message = format!(
        "<ArchiveDeliveryRequest xmlns=\"{}\"><Date>2026-11-24T00:00:00Z</Date><MessageIdentifier>R-1</MessageIdentifier>\
         <CodeListVersions/><Derogation>false</Derogation><UnitIdentifier>{unit}</UnitIdentifier>\
         <ArchivalAgency><Identifier>AD</Identifier></ArchivalAgency>\
         <Requester><Identifier>200040475</Identifier></Requester></ArchiveDeliveryRequest>",
        Version::V2_1.namespace()
    );
    let response = archive.request(Method::POST, "/v1/deliveries", &token).body(message).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
    let delivery: Value = response.json().await.unwrap();
    assert_eq!((&delivery["version"], &delivery["state"]), (&"2.1".into(), &"ready".into()));
    let file = fetched(&archive, &token, &delivery).await;
    let manifest = member(&file, "manifest.xml");
    valid(&manifest, Version::V2_1);
    let text = String::from_utf8(manifest).unwrap();
    assert!(text.contains("<MessageRequestIdentifier>R-1<") && text.contains(&format!("<SystemId>{unit}<")), "{text}");
    assert_eq!(member(&file, "content/OBJ_0_0.pdf"), b"%PDF-1.4\ncontenu");

    let id = percent(delivery["id"].as_str().unwrap());
    let state: Value = archive.get(&format!("/v1/deliveries/{id}"), &token).await.json().await.unwrap();
    assert_eq!((&state["state"], &state["given"]), (&"delivered".into(), &1.into()));
    // Another agency knows nothing of it, nor of the archives.
    let (stranger, _) = archive.agency("other", &["deposit", "read"]).await;
    problem(archive.get(&format!("/v1/deliveries/{id}"), &stranger).await, 404, "not-found").await;
    problem(ask(&archive, &stranger, "/v1/deliveries", &json!({ "archives": ids })).await, 404, "not-found").await;
    problem(ask(&archive, &stranger, "/v1/restitutions", &json!({ "archives": ids })).await, 404, "not-found").await;
    archive.stop().await;
}

#[tokio::test]
async fn what_is_not_communicable_waits_for_the_control_authority() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("200040475", &["deposit", "read"]).await;
    let ids = deposited(&archive, &token).await;
    let admin = archive.admin.clone();
    let request = json!({ "archives": ids, "requester": "LECTEUR-7", "reason": "recherche historique" });
    for granted in [true, false] {
        let response = ask(&archive, &token, "/v1/deliveries", &request).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let delivery: Value = response.json().await.unwrap();
        assert_eq!((&delivery["state"], &delivery["withheld"]), (&"authorization-required".into(), &2.into()));
        let package = delivery["package"].as_str().unwrap();
        problem(archive.get(package, &token).await, 403, "not-communicable").await;
        let path = format!("/v1/deliveries/{}/authorization", percent(delivery["id"].as_str().unwrap()));
        let question = archive.get(&path, &token).await.bytes().await.unwrap();
        valid(&question, Version::V2_2);
        let visa = json!({ "granted": granted, "identifier": "VISA-1" });
        problem(ask(&archive, &token, &path, &visa).await, 403, "forbidden").await;
        let answered: Value = ask(&archive, &admin, &path, &visa).await.json().await.unwrap();
        assert_eq!(answered["state"], if granted { "ready" } else { "refused" });
        problem(ask(&archive, &admin, &path, &visa).await, 400, "request-invalid").await;
        if granted {
            let file = fetched(&archive, &token, &delivery).await;
            let text = String::from_utf8(member(&file, "manifest.xml")).unwrap();
            assert!(text.contains("<AuthorizationRequestReplyIdentifier>VISA-1<"), "{text}");
        } else {
            problem(archive.get(package, &token).await, 403, "not-communicable").await;
        }
    }
    archive.stop().await;
}

/// Sends a package, waits until its units are found, and gives them: identifier in the bordereau, archive.
async fn transferred(archive: &Archive, token: &str, package: Vec<u8>) -> Vec<(String, String)> {
    let sent = archive.request(Method::POST, "/v1/transfers?wait=60", token).body(package).send().await.unwrap();
    let state: Value = sent.json().await.unwrap();
    assert_eq!(state["outcome"], "OK", "{state}");
    let documents = state["documents"].as_array().unwrap().iter().map(|d| d.as_str().unwrap());
    let units = documents.clone().find(|d| d.ends_with("/units")).unwrap();
    let lines = archive.get(units, token).await.text().await.unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
    let units: Vec<_> = lines.map(|line| (of(&line, "id"), of(&line, "archive"))).collect();
    for _ in 0..100 {
        let found: Value = archive.get("/v1/archives?type=unite-archives", token).await.json().await.unwrap();
        if found["archives"].as_array().unwrap().len() >= units.len() {
            return units;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the units of the transfer are not found");
}

#[tokio::test]
async fn a_tree_that_came_in_a_transfer_leaves_as_a_tree() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let units = transferred(&archive, &token, sip::Sip::default().zip()).await;
    let of = |id: &str| units.iter().find(|(known, _)| known == id).unwrap().1.clone();
    for version in [Version::V2_1, Version::V2_2, Version::V2_3] {
        let request = json!({ "archives": [of("FONDS")], "version": version.number(), "receiver": "AD" });
        let response = ask(&archive, &token, "/v1/restitutions", &request).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let file = fetched(&archive, &token, &response.json().await.unwrap()).await;
        let checked = check(&file, &Options { mode: Mode::Strict, ..Options::default() }).unwrap();
        assert_eq!(checked.report.outcome, Outcome::Ok, "{version}: {:#?}", checked.report.events);
        let manifest = member(&file, "manifest.xml");
        valid(&manifest, version);
        // The tree, its titles, its rule, and where each unit was.
        let read = checked.message.unwrap().manifest;
        let parents: Vec<_> = read.units.iter().map(|unit| unit.parent).collect();
        assert_eq!(parents, [None, Some(0), Some(0)]);
        let text = String::from_utf8(manifest).unwrap();
        assert_eq!(text.matches("<Rule>APP-1</Rule>").count(), 1);
        assert!(
            text.contains("<Title>Lettre n° 1</Title>") && text.contains("<RelatedTransferReference>M-1<"),
            "{text}"
        );
        for (id, ark) in &units {
            assert_eq!(text.matches(&format!("<OriginatingSystemId>{ark}<")).count(), 1, "{id}");
        }
        assert_eq!(member(&file, "content/OBJ_1_0.txt"), sip::Sip::letter(1).as_bytes());
    }
    // A letter alone bears the rule it inherited.
    let response = ask(&archive, &token, "/v1/deliveries", &json!({ "archives": [of("U1")] })).await;
    let file = fetched(&archive, &token, &response.json().await.unwrap()).await;
    let manifest = member(&file, "manifest.xml");
    valid(&manifest, Version::V2_2);
    let text = String::from_utf8(manifest).unwrap();
    assert!(text.contains("<Rule>APP-1</Rule><StartDate>2025-12-31</StartDate>"), "{text}");
    assert!(!text.contains("Courrier") && text.contains("<FinalAction>Destroy<"), "{text}");
    archive.stop().await;
}
