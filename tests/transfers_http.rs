//! Hostile and broken packages through the HTTP door: each is a KO with its event and its place, in bounded time, and no
//! content is stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/antivirus.rs"]
mod antivirus;
#[path = "support/node.rs"]
mod node;
#[path = "support/sip.rs"]
mod sip;
#[path = "support/zip_maker.rs"]
mod zip_maker;

use antivirus::antivirus;
use node::{Archive, Kind, problem};
use reqwest::Method;
use serde_json::Value;
use sip::Sip;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Longer than any of these takes on a busy machine in a development build.
const TIME_MAX: Duration = Duration::from_secs(120);

async fn refused(archive: &Archive, token: &str, what: &str, package: Vec<u8>, event: &str) -> Value {
    let started = Instant::now();
    let sent = archive.request(Method::POST, "/v1/transfers?wait=300", token).body(package).send().await.unwrap();
    let status = sent.status();
    let text = sent.text().await.unwrap();
    assert_eq!(status, 200, "{what}: {text}");
    let state: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state["outcome"], "KO", "{what}: {state}");
    let events = state["events"].as_array().unwrap();
    let found = events.iter().find(|e| e["outcome"] == "KO" && e["event"].as_str().unwrap().starts_with(event));
    let found = found.unwrap_or_else(|| panic!("{what}: {event} not among {events:?}"));
    assert!(!found["detail"].as_str().unwrap().is_empty(), "{what}");
    assert!(started.elapsed() < TIME_MAX, "{what}: {:?}", started.elapsed());
    assert_eq!(state["units"], 0, "{what}");
    found.clone()
}

/// Nothing of a refused package is in the bucket: its record has the messages, and no unit is there.
async fn nothing_stored(archive: &Archive, token: &str, refused: usize) {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let found: Value = archive.get("/v1/archives?type=unite-archives", token).await.json().await.unwrap();
    assert!(found["archives"].as_array().unwrap().is_empty(), "{found}");
    let path = "/v1/archives?type=transfert-seda&limit=1000";
    let found: Value = archive.get(path, token).await.json().await.unwrap();
    assert_eq!(found["archives"].as_array().unwrap().len(), refused);
    assert!(std::fs::read_dir(archive.config.state.join("transfers")).unwrap().next().is_none());
}

fn with(change: impl Fn(String) -> String) -> Vec<u8> {
    let sip = Sip::default();
    sip.zip_as("manifest.xml", &change(sip.manifest()))
}

#[tokio::test]
async fn containers() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip::default();
    let manifest = sip.manifest().into_bytes();
    let named = |name: &str| zip_maker::zip(&[("manifest.xml", &manifest), (name, b"x")]);
    let encrypted = zip_maker::zip_with(&[("manifest.xml", &manifest), ("content/a", b"x")], |_, entry| entry[8] |= 1);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let zip_bomb = sip::zip(&[("manifest.xml".into(), manifest.clone()), ("content/zeros".into(), vec![0; 64 << 20])]);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("not a package", b"Madame la Maire".to_vec(), "CHECK_CONTAINER"),
        ("traversal", named("content/../../etc/passwd"), "STP_UPLOAD_SIP"),
        ("absolute", named("/etc/passwd"), "STP_UPLOAD_SIP"),
        ("backslash", named("content\\..\\x"), "STP_UPLOAD_SIP"),
        (
            "twice",
            zip_maker::zip(&[("manifest.xml", &manifest), ("content/a", b"1"), ("content/a", b"2")]),
            "STP_UPLOAD_SIP",
        ),
        ("encrypted", encrypted, "STP_UPLOAD_SIP"),
        ("bomb in gzip", bomb.finish().unwrap(), ""),
        ("bomb in zip", zip_bomb, ""),
        ("cut", sip.zip()[..200].to_vec(), ""),
        ("no bordereau", zip_maker::zip(&[("content/a", b"x")]), "MANIFEST_FILE_NAME_CHECK"),
    ];
    let count = cases.len();
    for (what, package, event) in cases {
        refused(&archive, &token, what, package, event).await;
    }
    nothing_stored(&archive, &token, count).await;
    let empty = archive.request(Method::POST, "/v1/transfers", &token).body("").send().await.unwrap();
    problem(empty, 422, "empty-payload").await;
    archive.stop().await;
}

#[tokio::test]
async fn bordereaux() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a document type",
            with(|m| m.replacen("\n<ArchiveTransfer", "\n<!DOCTYPE a [<!ENTITY b 'c'>]><ArchiveTransfer", 1)),
            "CHECK_SEDA",
        ),
        ("bytes of another encoding", Sip::default().zip_as("manifest.xml", "\u{feff}"), "CHECK_SEDA"),
        ("an unknown encoding", with(|m| m.replacen("UTF-8", "EBCDIC-CP-FR", 1)), "CHECK_SEDA"),
        (
            "mixed versions",
            with(|m| {
                m.replacen(
                    "<DataObjectPackage>",
                    "<DataObjectPackage xmlns=\"fr:gouv:culture:archivesdefrance:seda:v2.2\">",
                    1,
                )
            }),
            "CHECK_SEDA",
        ),
        (
            "a digest too short",
            with(|m| m.replacen("algorithm=\"SHA-256\">", "algorithm=\"SHA-512\">", 1)),
            "CHECK_DIGEST",
        ),
        (
            "an object that is not there",
            with(|m| m.replacen("lettre-1.txt", "lettre-8.txt", 1)),
            "CHECK_DATAOBJECTPACKAGE",
        ),
        (
            "a cycle",
            with(|m| {
                let inside = "<ArchiveUnit id=\"R1\"><ArchiveUnitRefId>FONDS</ArchiveUnitRefId></ArchiveUnit>";
                m.replacen(
                    "</ArchiveUnit></DescriptiveMetadata>",
                    &format!("{inside}</ArchiveUnit></DescriptiveMetadata>"),
                    1,
                )
            }),
            "CHECK_DATAOBJECTPACKAGE.CHECK_MANIFEST_LOOP",
        ),
        (
            "deeper than allowed",
            with(|m| m.replacen("<Title>Courrier</Title>", &"<Title>".repeat(200), 1)),
            "CHECK_SEDA",
        ),
        (
            "a unit of ours that is not",
            with(|m| {
                m.replacen(
                    "<Management>",
                    "<Management><UpdateOperation><SystemId>ark:/12345/x-y-z</SystemId></UpdateOperation>",
                    1,
                )
            }),
            "CHECK_",
        ),
    ];
    let count = cases.len();
    for (what, package, event) in cases {
        refused(&archive, &token, what, package, event).await;
    }
    nothing_stored(&archive, &token, count).await;
    archive.stop().await;
}

#[tokio::test]
async fn sizes() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    // 200 MB of a comment: the bordereau's own limit, not the memory's.
    let long = with(|m| {
        m.replacen("<CodeListVersions/>", &format!("<CodeListVersions/><!--{}-->", "a b ".repeat(50 << 20)), 1)
    });
    refused(&archive, &token, "a bordereau of 200 MB", long, "").await;
    // A unit that refers without end to the same objects.
    let many = with(|m| {
        let mut references = String::new();
        for n in 0..300_000 {
            write!(references, "<DataObjectReference><DataObjectGroupReferenceId>G{}</DataObjectGroupReferenceId></DataObjectReference>", n % 2).unwrap();
        }
        m.replacen("<ArchiveUnit id=\"U0\">", &format!("<ArchiveUnit id=\"X\"><Content><Title>x</Title></Content>{references}</ArchiveUnit><ArchiveUnit id=\"U0\">"), 1)
    });
    refused(&archive, &token, "references without end", many, "CHECK_DATAOBJECTPACKAGE").await;
    nothing_stored(&archive, &token, 2).await;
    archive.stop().await;
}

#[tokio::test]
async fn who_may_and_how_much() {
    let mut archive = Archive::start_with(Kind::Memory, |config| config.limits.body_bytes_max = 10_000, |o| o).await;
    let (reader, _) = archive.agency("mairie", &["read"]).await;
    let (sender, _) = archive.agency("autre", &["deposit"]).await;
    let sip = Sip { letters: 1, ..Sip::default() }.zip();
    let sent = archive.request(Method::POST, "/v1/transfers", &reader).body(sip.clone()).send().await.unwrap();
    problem(sent, 403, "forbidden").await;
    let long = archive.request(Method::POST, "/v1/transfers", &sender).body(vec![0; 20_000]).send().await.unwrap();
    problem(long, 413, "body-too-large").await;
    let elsewhere = archive.request(Method::POST, "/v1/transfers", &sender).header("Archiland-Agency", "mairie");
    problem(elsewhere.body(sip).send().await.unwrap(), 403, "foreign-agency").await;
    problem(archive.get("/v1/transfers/inconnu", &reader).await, 404, "not-found").await;
    archive.stop().await;
}

#[tokio::test]
async fn an_antivirus_is_asked_and_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let adjust = |config: &mut archiland::config::Config| config.transfers.clamd = Some(address.to_string());
    let mut archive = Archive::start_with(Kind::Memory, adjust, |o| o).await;
    let (token, _) = archive.agency("mairie", &["deposit", "read"]).await;
    let sip = Sip::default();
    let sent = archive.request(Method::POST, "/v1/transfers?wait=1", &token).body(sip.zip()).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    let location = sent.headers()["location"].to_str().unwrap().to_owned();
    // Nobody listens there yet: the transfer is not refused, it waits.
    antivirus(std::net::TcpListener::bind(address).unwrap());
    let sent = archive.request(Method::POST, "/v1/transfers?wait=300", &token).body(sip.zip()).send().await.unwrap();
    let state: Value = sent.json().await.unwrap();
    assert_eq!(state["outcome"], "OK", "{state}");
    let state: Value = archive.get(&location, &token).await.json().await.unwrap();
    assert_eq!(state["outcome"], "OK");
    let infected = sip::zip(&[
        ("manifest.xml".into(), Sip { message: "M-2".into(), ..Sip::default() }.manifest().into_bytes()),
        ("content/lettre-0.txt".into(), b"un virus".to_vec()),
    ]);
    let found = refused(&archive, &token, "infected", infected, "SANITY_CHECK_SIP").await;
    assert_eq!(found["location"], "content/lettre-0.txt");
    archive.stop().await;
}
