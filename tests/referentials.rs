//! Reference data: an import is all or nothing and a record of the log; the state survives restarts and rebuilds; of two
//! changes from the same state one stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;
#[path = "support/sip.rs"]
mod sip;

use node::{Archive, Kind, percent, problem};
use reqwest::{Method, StatusCode};
use serde_json::Value;

const AGENCIES: &str = "Identifier,Name,Description\nFRAD01,Archives départementales,\nMAIRIE,Mairie,\n";

async fn import(archive: &Archive, token: &str, query: &str, file: &str) -> reqwest::Response {
    let path = format!("/v1/referentials{query}");
    archive.request(Method::POST, &path, token).body(file.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn a_list_is_changed_by_a_file_and_every_change_is_a_record() {
    let mut archive = Archive::start(Kind::Local).await;
    let admin = archive.admin.clone();
    let first = import(&archive, &admin, "?name=services.csv", AGENCIES).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Value = first.json().await.unwrap();
    assert_eq!((first["list"].as_str(), first["entries"].as_u64()), (Some("agencies"), Some(2)));
    assert!(first["before"].is_null());

    // The same file again changes nothing, and writes nothing.
    let again = import(&archive, &admin, "", AGENCIES).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert!(again.json::<Value>().await.unwrap()["record"].is_null());

    let tried = import(&archive, &admin, "?mode=replace&dry_run=true", "Identifier,Name\nMAIRIE,La mairie\n").await;
    let tried: Value = tried.json().await.unwrap();
    assert_eq!((&tried["removed"][0], &tried["changed"][0]), (&"FRAD01".into(), &"MAIRIE".into()));
    let second = import(&archive, &admin, "?mode=replace", "Identifier,Name\nMAIRIE,La mairie\n").await;
    let second: Value = second.json().await.unwrap();
    assert_eq!(second["before"], first["after"]);

    for _ in 0..2 {
        let entry: Value = archive.get("/v1/referentials/agencies/entries/MAIRIE", &admin).await.json().await.unwrap();
        assert_eq!(entry["Name"], "La mairie");
        let gone = archive.get("/v1/referentials/agencies/entries/FRAD01", &admin).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        let changes: Value = archive.get("/v1/referentials/agencies/changes", &admin).await.json().await.unwrap();
        let changes = changes["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[1]["file"], "services.csv");
        assert_eq!(changes[0]["before"], changes[1]["after"]);
        // The file given is kept, and read like any document.
        let record = percent(changes[1]["record"].as_str().unwrap());
        let file = archive.get(&format!("/v1/archives/{record}/payloads/0"), &admin).await.text().await.unwrap();
        assert_eq!(file, AGENCIES);
        // The view is rebuilt from the log alone.
        archive.stop().await;
        std::fs::remove_dir_all(archive.config.state.join("catalog")).unwrap();
        archive.restart().await;
    }
    archive.stop().await;
}

#[tokio::test]
async fn a_file_with_a_fault_changes_nothing_and_others_may_not_try() {
    let mut archive = Archive::start(Kind::Memory).await;
    let admin = archive.admin.clone();
    let rules = "RuleId,RuleType,RuleDuration,RuleMeasurement\nA,AccessRule,1,Year\nB,AccessRule,un,Year\n";
    let refused = import(&archive, &admin, "", rules).await;
    let refused = problem(refused, 422, "referential-invalid").await;
    assert!(refused["detail"].as_str().unwrap().contains("ligne 3, colonne 3 (RuleDuration)"), "{refused}");
    let lists: Value = archive.get("/v1/referentials", &admin).await.json().await.unwrap();
    assert!(lists["referentials"].as_array().unwrap().iter().all(|list| list["entries"] == 0));

    problem(import(&archive, &admin, "?list=contracts", AGENCIES).await, 422, "referential-invalid").await;
    let (token, _) = archive.agency("200040475", &["deposit", "read"]).await;
    problem(import(&archive, &token, "", AGENCIES).await, 403, "forbidden").await;
    problem(archive.get("/v1/referentials", &token).await, 403, "forbidden").await;
    archive.stop().await;
}

#[tokio::test]
async fn changes_at_the_same_moment_all_stand_or_say_so() {
    let mut archive = Archive::start(Kind::Memory).await;
    let admin = archive.admin.clone();
    let files: Vec<String> = (0..6).map(|n| format!("Identifier,Name\nS{n},Service {n}\n")).collect();
    let answers = futures::future::join_all(files.iter().map(|file| import(&archive, &admin, "", file))).await;
    let done = answers.iter().filter(|answer| answer.status() == StatusCode::CREATED).count();
    let lists: Value = archive.get("/v1/referentials", &admin).await.json().await.unwrap();
    let agencies = &lists["referentials"][0];
    assert_eq!((done, agencies["entries"].as_u64()), (6, Some(6)), "{agencies}");
    archive.stop().await;
}

#[tokio::test]
async fn transfers_are_checked_against_what_is_registered() {
    let mut archive = Archive::start(Kind::Memory).await;
    let admin = archive.admin.clone();
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let transfer = async |archive: &Archive, message: &str| -> Vec<String> {
        let sip = sip::Sip { message: message.into(), ..sip::Sip::default() };
        let path = "/v1/transfers?wait=60";
        let sent = archive.request(Method::POST, path, &token).body(sip.zip()).send().await.unwrap();
        let state: Value = sent.json().await.unwrap();
        let refused = state["events"].as_array().unwrap().iter().filter(|event| event["outcome"] == "KO");
        refused.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(transfer(&archive, "M-1").await, [""; 0]);
    // Somebody else's agency, no rule and no contract of that name.
    for file in [
        "Identifier,Name\nAUTRE,Autre\n",
        "RuleId,RuleType,RuleDuration,RuleMeasurement\nAPP-9,AppraisalRule,1,Year\n",
        "[{\"Identifier\":\"IC-9\",\"Status\":\"ACTIVE\"}]",
    ] {
        assert_eq!(import(&archive, &admin, "", file).await.status(), StatusCode::CREATED);
    }
    let refused = transfer(&archive, "M-2").await;
    let all = [
        "CHECK_HEADER.CHECK_AGENT.UNKNOWN",
        "CHECK_HEADER.CHECK_CONTRACT_INGEST.CONTRACT_UNKNOWN",
        "UNITS_RULES_COMPUTE.UNKNOWN",
    ];
    assert_eq!(refused, all);
    for file in [
        "Identifier,Name\nMAIRIE,Mairie\n",
        "RuleId,RuleType,RuleDuration,RuleMeasurement\nAPP-1,AppraisalRule,10,Year\n",
        "[{\"Identifier\":\"IC\",\"Status\":\"ACTIVE\",\"SignatureVerification\":\"REQUIRE\"}]",
    ] {
        assert_eq!(import(&archive, &admin, "", file).await.status(), StatusCode::CREATED);
    }
    // Everything is known now; the agreement wants signatures, and a letter has none.
    assert_eq!(transfer(&archive, "M-3").await, ["OG_SIGNATURES_CHECK.ABSENT"]);
    archive.stop().await;
}
