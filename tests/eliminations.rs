//! Nothing is destroyed without an expired rule, no hold, the recorded visa of the archives service, and a record (I7);
//! what is destroyed can be read no more, its neighbours can, and the proofs of all remain. Every message is valid SEDA.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/node.rs"]
mod node;
#[path = "support/seda_valid.rs"]
mod seda_valid;
#[path = "support/sip.rs"]
mod sip;

use archiland::spec::seda::Version;
use node::{Archive, Kind, percent, problem};
use object_store::ObjectStoreExt as _;
use reqwest::{Method, StatusCode};
use seda_valid::valid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Command;

const RULES: &str = "RuleId,RuleType,RuleValue,RuleDescription,RuleDuration,RuleMeasurement\n\
    APP-1,AppraisalRule,Courrier,Courrier courant,3,Month\nAPP-9,AppraisalRule,Fonds,Fonds conservé,1,Month\n\
    ACC-1,AccessRule,Vie privée,Vie privée,50,Year\nHOL-1,HoldRule,Gel,Contentieux,,\n";

/// A unit that is kept, and describes the first letter of the fonds too.
const KEPT: &str = "<ArchiveUnit id=\"AUTRE\"><Management><AppraisalRule><Rule>APP-9</Rule><StartDate>2025-12-31</StartDate>\
    <FinalAction>Keep</FinalAction></AppraisalRule></Management><Content><DescriptionLevel>Item</DescriptionLevel>\
    <Title>Registre</Title></Content><DataObjectReference><DataObjectGroupReferenceId>G0</DataObjectGroupReferenceId>\
    </DataObjectReference></ArchiveUnit>";

struct Scene {
    archive: Archive,
    /// Deposits, reads, is the archivist of the agency.
    token: String,
    /// Archives of the units, by their identifier in the bordereau.
    units: BTreeMap<String, String>,
}

impl Scene {
    async fn set() -> Self {
        let archive = Archive::start(Kind::Local).await;
        let (token, _) = archive.agency("mairie", &["deposit", "read", "archivist"]).await;
        let rules = archive.request(Method::POST, "/v1/referentials?name=regles.csv", &archive.admin).body(RULES);
        assert!(rules.send().await.unwrap().status().is_success());
        let package = sip::Sip { more: KEPT.into(), ..sip::Sip::default() }.zip();
        let sent = archive.request(Method::POST, "/v1/transfers?wait=60", &token).body(package).send().await.unwrap();
        let state: Value = sent.json().await.unwrap();
        assert_eq!(state["outcome"], "OK", "{state}");
        let documents = state["documents"].as_array().unwrap().iter().map(|d| d.as_str().unwrap());
        let lines = documents.clone().find(|d| d.ends_with("/units")).unwrap();
        let lines = archive.get(lines, &token).await.text().await.unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["id"].as_str().unwrap().to_owned(), line["archive"].as_str().unwrap().to_owned())
        };
        let units: BTreeMap<_, _> = lines.lines().map(line).collect();
        let scene = Self { archive, token, units };
        for _ in 0..100 {
            let found = scene.json("/v1/archives?type=unite-archives").await;
            if found["archives"].as_array().unwrap().len() == 4 {
                return scene;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the units are not found");
    }

    fn ark(&self, unit: &str) -> &str {
        &self.units[unit]
    }

    async fn json(&self, path: &str) -> Value {
        self.archive.get(path, &self.token).await.json().await.unwrap()
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> reqwest::Response {
        self.archive.request(Method::POST, path, token).json(body).send().await.unwrap()
    }

    async fn modify(&self, unit: &str, change: &Value) -> reqwest::Response {
        self.post(&self.token, &format!("/v1/archives/{}/modifications", percent(self.ark(unit))), change).await
    }

    /// A document of a unit.
    async fn document(&self, unit: &str, n: usize) -> reqwest::Response {
        self.archive.get(&format!("/v1/archives/{}/payloads/{n}", percent(self.ark(unit))), &self.token).await
    }

    /// Everything that can be read from the payload objects of the bucket.
    async fn content(&self) -> String {
        let mut all = Vec::new();
        for key in self.archive.keys("payload").await {
            let bytes = self.archive.bucket.objects.get(&key.into()).await.unwrap();
            let bytes = bytes.bytes().await.unwrap();
            zstd::Decoder::new(bytes.as_ref()).unwrap().read_to_end(&mut all).unwrap();
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

fn rule(category: &str, name: &str, start: Option<&str>, action: Option<&str>) -> Value {
    json!({ "category": category, "rule": name, "start": start, "final_action": action })
}

#[tokio::test]
async fn nothing_goes_without_rule_visa_and_record() {
    let mut scene = Scene::set().await;
    let (token, admin) = (scene.token.clone(), scene.archive.admin.clone());
    // One unit that is kept is enough: the whole is refused, and it is named.
    let both = json!({ "archives": [scene.ark("FONDS"), scene.ark("AUTRE")], "reason": "tri" });
    let refused = problem(scene.post(&token, "/v1/eliminations", &both).await, 409, "not-due").await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.starts_with("1 archives sur 4") && detail.contains("APP-9, sort final « conserver »"), "{detail}");
    let asked = json!({ "archives": [scene.ark("FONDS")], "reason": "échéance atteinte" });
    let (reader, _) = scene.archive.token(json!({ "agency": "mairie", "scopes": ["read"] })).await;
    problem(scene.post(&reader, "/v1/eliminations", &asked).await, 403, "forbidden").await;
    let response = scene.post(&token, "/v1/eliminations", &asked).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let asked: Value = response.json().await.unwrap();
    assert_eq!((&asked["state"], &asked["archives"]), (&"authorization-required".into(), &3.into()));
    let path = format!("/v1/eliminations/{}", percent(asked["id"].as_str().unwrap()));
    let execution = format!("{path}/execution");
    problem(scene.post(&token, &execution, &json!({})).await, 409, "visa-missing").await;

    // The question to the control authority, and its answer as a message of its own.
    let question = scene.archive.get(&format!("{path}/authorization"), &token).await.text().await.unwrap();
    valid(question.as_bytes(), Version::V2_2);
    assert_eq!(question.matches("<UnitIdentifier>").count(), 3, "{question}");
    let identifier = question.split("<MessageIdentifier>").nth(1).unwrap().split('<').next().unwrap();
    let visa = |request: &str| {
        format!(
            "<AuthorizationControlAuthorityRequestReply xmlns=\"{}\"><Date>2026-11-24T00:00:00Z</Date>\
             <MessageIdentifier>VISA-7</MessageIdentifier><CodeListVersions/><ReplyCode>OK</ReplyCode>\
             <MessageRequestIdentifier>{request}</MessageRequestIdentifier><ArchivalAgency><Identifier>SAE</Identifier>\
             </ArchivalAgency><ControlAuthority><Identifier>AD40</Identifier></ControlAuthority>\
             </AuthorizationControlAuthorityRequestReply>",
            Version::V2_2.namespace()
        )
    };
    let answer = async |message: String, token: &str| {
        let path = format!("{path}/authorization");
        scene.archive.request(Method::POST, &path, token).body(message).send().await.unwrap()
    };
    problem(answer(visa(identifier), &token).await, 403, "forbidden").await;
    problem(answer(visa("une autre demande"), &admin).await, 400, "request-invalid").await;
    let answered = answer(visa(identifier), &admin).await.text().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&answered).unwrap()["state"], "authorized", "{answered}");

    // A hold put since stops it all; lifted, it goes.
    let over = rule("AppraisalRule", "APP-1", Some("2025-12-31"), Some("Destroy"));
    let held = json!({ "rules": [over.clone(), rule("HoldRule", "HOL-1", None, None)], "reason": "contentieux" });
    assert_eq!(scene.modify("U1", &held).await.status(), StatusCode::CREATED);
    let refused = problem(scene.post(&token, &execution, &json!({})).await, 409, "not-due").await;
    assert!(refused["detail"].as_str().unwrap().contains("gel HOL-1, sans fin connue"), "{refused}");
    assert_eq!(scene.document("U1", 1).await.status(), StatusCode::OK);
    assert!(scene.content().await.contains("lettre 1\n"));
    assert_eq!(scene.modify("U1", &json!({ "rules": [over], "reason": "jugé" })).await.status(), StatusCode::CREATED);
    let executed = scene.post(&token, &execution, &json!({})).await;
    assert_eq!(executed.status(), StatusCode::OK);
    let executed: Value = executed.json().await.unwrap();
    assert_eq!(executed["state"], "eliminated");

    after(&mut scene, &path, executed["record"].as_str().unwrap()).await;
}

/// What is left once the fonds is gone: in this node, in one started again, and in the bucket by itself.
async fn after(scene: &mut Scene, path: &str, record: &str) {
    let notification = scene.archive.get(&format!("{path}/notification"), &scene.token).await.text().await.unwrap();
    valid(notification.as_bytes(), Version::V2_2);
    assert!(notification.contains("<ArchiveDestructionNotification ") && notification.contains(">VISA-7<"));
    for again in [false, true] {
        if again {
            scene.archive.restart().await;
        }
        for unit in ["FONDS", "U0", "U1"] {
            problem(scene.document(unit, 0).await, 410, "eliminated").await;
            let kept = scene.json(&format!("/v1/archives/{}", percent(scene.ark(unit)))).await;
            assert_eq!(kept["since"]["eliminated"], record, "{kept}");
            // The proof of what was there remains.
            let receipt = scene.archive.get(&format!("/v1/receipts/{}", percent(scene.ark(unit))), &scene.token).await;
            assert_eq!(receipt.status(), StatusCode::OK);
        }
        // The letter that another unit describes too is there for it.
        assert_eq!(scene.document("AUTRE", 1).await.text().await.unwrap(), sip::Sip::letter(0));
        assert_eq!(scene.json(path).await["state"], "eliminated");
    }
    let content = scene.content().await;
    assert!(content.contains("lettre 0\n") && !content.contains("lettre 1\n"));
    // Its description went too: what is left of it is the bordereau of the transfer.
    assert_eq!(content.matches("<Title>Lettre n° 1</Title>").count(), 1);
    // It leaves no more, and is not eliminated twice.
    let export = json!({ "archives": [scene.ark("U1")] });
    problem(scene.post(&scene.token, "/v1/deliveries", &export).await, 410, "eliminated").await;
    let again = json!({ "archives": [scene.ark("U1")], "reason": "encore" });
    problem(scene.post(&scene.token, "/v1/eliminations", &again).await, 409, "not-due").await;
    problem(scene.modify("U1", &json!({ "title": "Autre", "reason": "x" })).await, 410, "eliminated").await;
    scene.archive.stop().await;
    // What is gone by record is no fault.
    let mut audit = Command::new(env!("CARGO_BIN_EXE_archiland"));
    audit.args(["audit", "--full", "--dir"]).arg(scene.archive.dir.path());
    let report = audit.output().unwrap();
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
}

#[tokio::test]
async fn a_refused_visa_and_a_rule_that_runs_leave_everything() {
    let mut scene = Scene::set().await;
    let (token, admin) = (scene.token.clone(), scene.archive.admin.clone());
    let asked = json!({ "archives": [scene.ark("U0")], "reason": "tri", "version": "2.1" });
    let asked: Value = scene.post(&token, "/v1/eliminations", &asked).await.json().await.unwrap();
    let path = format!("/v1/eliminations/{}", percent(asked["id"].as_str().unwrap()));
    let visa = json!({ "granted": false, "identifier": "REFUS-1" });
    let answered: Value = scene.post(&admin, &format!("{path}/authorization"), &visa).await.json().await.unwrap();
    assert_eq!(answered["state"], "refused");
    problem(scene.post(&token, &format!("{path}/execution"), &json!({})).await, 409, "visa-missing").await;
    problem(scene.post(&admin, &format!("{path}/authorization"), &visa).await, 400, "request-invalid").await;
    // Longer from now on: not due any more.
    let longer = rule("AppraisalRule", "APP-1", Some("2026-11-01"), Some("Destroy"));
    assert_eq!(scene.modify("U0", &json!({ "rules": [longer], "reason": "suivi" })).await.status(), 201);
    let again = json!({ "archives": [scene.ark("U0")], "reason": "tri" });
    let refused = problem(scene.post(&token, "/v1/eliminations", &again).await, 409, "not-due").await;
    assert!(refused["detail"].as_str().unwrap().contains("APP-1, à échéance le 2027-02-01"), "{refused}");
    // The messages of a transfer stay; what is nobody's is not found.
    let strange = json!({ "archives": ["ark:/99999/inconnu"], "reason": "x" });
    problem(scene.post(&token, "/v1/eliminations", &strange).await, 404, "not-found").await;
    let (stranger, _) = scene.archive.agency("autre", &["deposit", "read", "archivist"]).await;
    problem(scene.post(&stranger, "/v1/eliminations", &again).await, 404, "not-found").await;
    problem(scene.archive.get(&path, &stranger).await, 404, "not-found").await;
    scene.archive.stop().await;
}

#[tokio::test]
async fn a_modification_is_a_record_with_its_notification() {
    let mut scene = Scene::set().await;
    let secret = rule("AccessRule", "ACC-1", Some("2026-01-01"), None);
    let change = json!({ "title": "Lettre n° 1 & réponse", "rules": [secret], "reason": "erreur", "version": "2.3" });
    let changed: Value = scene.modify("U1", &change).await.json().await.unwrap();
    assert_eq!(changed["rules"][0]["end"], "2076-01-01", "{changed}");
    let record = percent(changed["record"].as_str().unwrap());
    let notification = scene.archive.get(&format!("/v1/archives/{record}/payloads/0"), &scene.token).await;
    let notification = notification.text().await.unwrap();
    valid(notification.as_bytes(), Version::V2_3);
    assert!(notification.contains(&format!("<UnitIdentifier>{}<", scene.ark("U1"))), "{notification}");
    for wrong in [
        json!({ "reason": "rien" }),
        json!({ "title": " ", "reason": "x" }),
        json!({ "rules": [rule("AccessRule", "APP-1", None, None)], "reason": "autre sorte" }),
        json!({ "rules": [rule("AccessRule", "INCONNUE", None, None)], "reason": "x" }),
        json!({ "rules": [rule("AppraisalRule", "APP-1", Some("hier"), None)], "reason": "x" }),
        json!({ "rules": [rule("AppraisalRule", "APP-1", None, Some("Brûler"))], "reason": "x" }),
    ] {
        problem(scene.modify("U1", &wrong).await, 400, "request-invalid").await;
    }
    // It leaves with its new title and rules, and not to everybody.
    let mine = json!({ "archives": [scene.ark("U1")] });
    let asked: Value = scene.post(&scene.token, "/v1/deliveries", &mine).await.json().await.unwrap();
    let package = scene.archive.get(asked["package"].as_str().unwrap(), &scene.token).await.bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(package)).unwrap();
    let mut manifest = String::new();
    zip.by_name("manifest.xml").unwrap().read_to_string(&mut manifest).unwrap();
    valid(manifest.as_bytes(), Version::V2_2);
    assert!(manifest.contains("<Title>Lettre n° 1 &amp; réponse</Title>") && manifest.contains("<Rule>ACC-1</Rule>"));
    assert!(!manifest.contains("APP-1"), "{manifest}");
    let other = json!({ "archives": [scene.ark("U1")], "requester": "LECTEUR" });
    let other: Value = scene.post(&scene.token, "/v1/deliveries", &other).await.json().await.unwrap();
    assert!(other["reasons"][0].as_str().unwrap().contains("communicable le 2076-01-01"), "{other}");
    scene.archive.stop().await;
}
