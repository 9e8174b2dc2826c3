//! Promise: whoever may read an archive gets a sealed report of it, as JSON or as PDF/A, and an attestation on one page; and
//! programs that nobody here wrote accept the seals and the form (openssl, poppler, veraPDF).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
mod support;

use archiland::report::{Indication, SealedReport};
use archiland::verify::Trust;
use daemon::{ARCHILAND, Archive};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use support::{require_tool, run, run_ok, said};

/// An archive of three texts with their evidence, and their identifiers.
async fn filled() -> (Archive, daemon::Daemon, Vec<String>) {
    let mut archive = Archive::init();
    let daemon = archive.started().await;
    archive.open_for_deposits().await;
    let mut ids = Vec::new();
    for content in ["un", "deux", "trois"] {
        let answer = archive.deposit_text(content).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", archive.log());
        let receipt: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        ids.push(receipt["archive"].as_str().unwrap().to_owned());
    }
    archive.settled().await;
    (archive, daemon, ids)
}

fn segment(id: &str) -> String {
    id.rsplit('/').next().unwrap().to_owned()
}

fn get(archive: &Archive, path: &str) -> RequestBuilder {
    Client::new().get(archive.url(path)).bearer_auth(&archive.secret)
}

async fn bytes_of(request: RequestBuilder) -> (StatusCode, String, Vec<u8>) {
    let answer = request.send().await.unwrap();
    let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status(), media_type, answer.bytes().await.unwrap().to_vec())
}

fn trust_file(archive: &Archive) -> PathBuf {
    let dir = archive.path().to_str().unwrap();
    let text = run_ok(archive.path(), ARCHILAND, &["key", "trust", "--dir", dir]);
    let place = archive.path().join("trust.toml");
    fs::write(&place, text).unwrap();
    place
}

/// The jars of veraPDF (Maven, `org.verapdf:validation-model`), where `.ci/run` puts them.
fn verapdf() -> Option<String> {
    let cache = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/archiland-ci");
    let folder = std::env::var_os("ARCHILAND_CI_TOOLS").map_or_else(cache, PathBuf::from).join("verapdf");
    if !require_tool("java") {
        return None;
    }
    let there = fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some());
    if !there {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "CI=true, and veraPDF is not in {}: .ci/run fetches it", folder.display());
        eprintln!("skipped: veraPDF is not in {} (required when CI=true)", folder.display());
        return None;
    }
    Some(format!("{}/*", folder.display()))
}

fn is_pdfa(at: &Path, files: &[&str]) {
    let Some(jars) = verapdf() else { return };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/VerifyPdfA.java");
    let arguments = [&["-cp", &jars, program.to_str().unwrap(), "3b"], files].concat();
    let output = run(at, "java", &arguments);
    assert!(output.status.success(), "{}", said(&output));
}

/// The seal of a PDF, as poppler and our own validator see it.
fn is_sealed(at: &Path, file: &str) {
    let output = run(at, ARCHILAND, &["validate", file, "--integrity-only"]);
    assert!(output.status.success(), "{}", said(&output));
    if require_tool("pdfsig") {
        let told = said(&run(at, "pdfsig", &["-nocert", file]));
        assert!(told.contains("Signature is Valid"), "{told}");
        assert!(told.contains("ETSI.CAdES.detached") && told.contains("Total document signed"), "{told}");
    }
    // One changed byte, and nobody accepts it.
    let mut bytes = fs::read(at.join(file)).unwrap();
    let title = memchr::memmem::find(&bytes, b"archiland").unwrap();
    bytes[title] ^= 1;
    fs::write(at.join("changed.pdf"), bytes).unwrap();
    assert!(!run(at, ARCHILAND, &["validate", "changed.pdf", "--integrity-only"]).status.success());
}

fn text_of(at: &Path, file: &str) -> String {
    String::from_utf8(run_ok(at, "pdftotext", &["-layout", file, "-"])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_sealed_whole_and_accepted_by_others() {
    let (archive, _daemon, ids) = filled().await;
    let at = archive.path();
    let path = format!("/v1/archives/{}/report", segment(&ids[1]));
    let (status, media_type, json) = bytes_of(get(&archive, &path)).await;
    assert_eq!((status, media_type.as_str()), (StatusCode::OK, "application/json"));
    let (sealed, report) = SealedReport::parse(&json).unwrap();
    assert_eq!(report.indication, Indication::Passed, "{report}");
    assert_eq!(report.archives[0].archive, ids[1]);
    assert!(report.asked_by.starts_with("token:"));
    let received = report.archives[0].received.as_ref().unwrap();
    assert_eq!(received.agency_name.as_deref(), Some("Commune d'essai"));
    let trust = trust_file(&archive);
    sealed.verify(&Trust::load(&trust).unwrap()).unwrap();
    // What it says counts to the byte.
    let changed = String::from_utf8(json.clone()).unwrap().replace("passed", "failed");
    let (changed, _) = SealedReport::parse(changed.as_bytes()).unwrap();
    assert!(changed.verify(&Trust::load(&trust).unwrap()).is_err());

    fs::write(at.join("rapport.json"), &json).unwrap();
    let told = run_ok(at, ARCHILAND, &["report", "verify", "rapport.json", "--trust", "trust.toml"]);
    assert!(String::from_utf8(told).unwrap().contains("Cachet conforme"));
    if require_tool("openssl") {
        let by_hand = "sed -n 4p rapport.json | tr -d '\\n' > sealed.json \
            && sed -n 6p rapport.json | tr -d '\"' | base64 -d > seal.p7s \
            && openssl cms -verify -binary -inform DER -in seal.p7s -content sealed.json -CAfile keys/ca.pem -purpose any -out /dev/null";
        run_ok(at, "sh", &["-c", by_hand]);
    }
    // The seal was announced before it was made.
    let day = fs::read_dir(at.join("state/signatures")).unwrap().next().unwrap().unwrap();
    assert!(fs::read_to_string(day.path()).unwrap().contains("\"document\":\"report\""));

    let asked = get(&archive, &path).header("accept", "application/pdf");
    let (status, media_type, pdf) = bytes_of(asked).await;
    assert_eq!((status, media_type.as_str()), (StatusCode::OK, "application/pdf"));
    fs::write(at.join("rapport.pdf"), pdf).unwrap();
    is_sealed(at, "rapport.pdf");
    is_pdfa(at, &["rapport.pdf"]);
    if require_tool("pdftotext") {
        let text = text_of(at, "rapport.pdf");
        for said in ["Rapport d’intégrité", "Continuité du journal", "Dossier de preuve", &ids[1], "Commune d'essai"]
        {
            assert!(text.contains(said), "{said:?} in\n{text}");
        }
        assert!(!text.contains("NON CONFORME") && !text.contains('\u{fffd}'), "{text}");
    }
    if require_tool("pdfdetach") {
        run_ok(at, "pdfdetach", &["-saveall", "rapport.pdf"]);
        let attached = fs::read(at.join("rapport.json")).unwrap();
        let seal = fs::read(at.join("rapport.json.p7s")).unwrap();
        let sealed = SealedReport { report: attached.into(), seal: seal.into() };
        sealed.verify(&Trust::load(&trust).unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_is_one_page_with_its_receipt() {
    let (archive, _daemon, ids) = filled().await;
    let at = archive.path();
    let path = format!("/v1/archives/{}/attestation.pdf", segment(&ids[0]));
    let (status, media_type, pdf) = bytes_of(get(&archive, &path)).await;
    assert_eq!((status, media_type.as_str()), (StatusCode::OK, "application/pdf"), "{}", archive.log());
    fs::write(at.join("attestation.pdf"), pdf).unwrap();
    is_sealed(at, "attestation.pdf");
    is_pdfa(at, &["attestation.pdf"]);
    if require_tool("pdfinfo") {
        let told = String::from_utf8(run_ok(at, "pdfinfo", &["attestation.pdf"])).unwrap();
        assert!(told.lines().any(|line| line.starts_with("Pages:") && line.ends_with(" 1")), "{told}");
    }
    if require_tool("pdftotext") {
        let text = text_of(at, "attestation.pdf");
        for said in ["Attestation d’archivage", &ids[0], "a.txt", "Horodatage", "Cachet", "archiland verify"] {
            assert!(text.contains(said), "{said:?} in\n{text}");
        }
    }
    if require_tool("pdfdetach") {
        run_ok(at, "pdfdetach", &["-saveall", "attestation.pdf"]);
        fs::write(at.join("a.txt"), "un").unwrap();
        trust_file(&archive);
        run_ok(at, ARCHILAND, &["verify", "a.txt", "--receipt", "recepisse.json", "--trust", "trust.toml"]);
    }
    let dir = at.to_str().unwrap();
    run_ok(at, ARCHILAND, &["attestation", &ids[2], "-o", "autre.pdf", "--dir", dir]);
    assert!(fs::read(at.join("autre.pdf")).unwrap().starts_with(b"%PDF-1.7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_named_searched_for_and_bounded() {
    let (archive, _daemon, ids) = filled().await;
    let post = async |body: Value| {
        let request = Client::new().post(archive.url("/v1/reports")).bearer_auth(&archive.secret);
        let request = request.header("content-type", "application/json").body(body.to_string());
        bytes_of(request).await
    };
    let (status, _, json) = post(json!({ "archives": [ids[2], segment(&ids[0])] })).await;
    assert_eq!(status, StatusCode::OK);
    let (_, report) = SealedReport::parse(&json).unwrap();
    assert_eq!(report.archives.iter().map(|found| &found.archive).collect::<Vec<_>>(), [&ids[2], &ids[0]]);
    assert_eq!(report.indication, Indication::Passed, "{report}");
    let (_, _, json) = post(json!({ "query": "type=courrier-arrive" })).await;
    let (_, report) = SealedReport::parse(&json).unwrap();
    assert_eq!(report.archives.len(), 3);
    let (status, _, pdf) = post(json!({ "query": "type=courrier-arrive", "format": "pdf" })).await;
    assert!(status == StatusCode::OK && pdf.starts_with(b"%PDF"));

    let many: Vec<&str> = std::iter::repeat_n(ids[0].as_str(), 501).collect();
    for (body, expected) in [
        (json!({ "archives": many }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "archives": [] }), StatusCode::NOT_FOUND),
        (json!({ "transfer": "00000000-0000-0000-0000-000000000000" }), StatusCode::NOT_FOUND),
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({ "archives": [ids[0]], "query": "type=x" }), StatusCode::BAD_REQUEST),
        (json!({ "archives": ["ark:/99999/nimporte"] }), StatusCode::BAD_REQUEST),
        (json!({ "query": "couleur=bleu" }), StatusCode::BAD_REQUEST),
        (json!({ "surprise": 1 }), StatusCode::BAD_REQUEST),
    ] {
        let (status, _, answer) = post(body.clone()).await;
        assert_eq!(status, expected, "{body}: {}", String::from_utf8_lossy(&answer));
    }

    // The command says the same, for people and for scripts.
    let (at, dir) = (archive.path(), archive.path().to_str().unwrap());
    let told = run_ok(at, ARCHILAND, &["report", &ids[0], &ids[1], "--dir", dir]);
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("Présence au journal") && told.contains("Intégrité : conforme"), "{told}");
    run_ok(at, ARCHILAND, &["report", "--type", "courrier-arrive", "--format", "pdf", "-o", "tous.pdf", "--dir", dir]);
    is_pdfa(at, &["tous.pdf"]);
    assert_eq!(run(at, ARCHILAND, &["report", "--dir", dir]).status.code(), Some(2));
    // A document changed behind the archive's back: the answer is no, and the report is made and sealed all the same.
    let packs = archive.bucket().join("payload").join(daemon::AGENCY);
    for pack in fs::read_dir(packs).unwrap() {
        let pack = pack.unwrap().path();
        let length = fs::metadata(&pack).unwrap().len();
        fs::write(&pack, vec![0; usize::try_from(length).unwrap()]).unwrap();
    }
    let output = run(at, ARCHILAND, &["report", &ids[0], "--dir", dir]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("NON CONFORME"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_sees_reports_of_its_own_archives_only() {
    let (archive, _daemon, ids) = filled().await;
    let admin = fs::read_to_string(archive.path().join("keys/admin.token")).unwrap();
    let post = async |path: &str, body: Value| -> Value {
        let request = Client::new().post(archive.url(path)).bearer_auth(admin.trim());
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    post("/v1/agencies", json!({"code": "autre", "name": "Autre"})).await;
    let issued = post("/v1/tokens", json!({"agency": "autre", "scopes": ["read"], "label": "x"})).await;
    let other = issued["secret"].as_str().unwrap();
    for path in ["report", "attestation.pdf"] {
        let path = format!("/v1/archives/{}/{path}", segment(&ids[0]));
        let as_other = Client::new().get(archive.url(&path)).bearer_auth(other);
        assert_eq!(bytes_of(as_other).await.0, StatusCode::NOT_FOUND);
        assert_eq!(bytes_of(Client::new().get(archive.url(&path))).await.0, StatusCode::UNAUTHORIZED);
    }
    let asked = Client::new().post(archive.url("/v1/reports")).bearer_auth(other);
    let asked = asked.header("content-type", "application/json").body(json!({ "archives": [ids[0]] }).to_string());
    assert_eq!(bytes_of(asked).await.0, StatusCode::NOT_FOUND);
    // Whoever sees all is told of a record that is not there any more.
    for bundle in fs::read_dir(archive.bucket().join("records")).unwrap() {
        let path = bundle.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    let asked = Client::new().get(archive.url(&format!("/v1/archives/{}/report", segment(&ids[0]))));
    let (status, _, json) = bytes_of(asked.bearer_auth(admin.trim())).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&json));
    assert_eq!(SealedReport::parse(&json).unwrap().1.indication, Indication::Failed);
}
