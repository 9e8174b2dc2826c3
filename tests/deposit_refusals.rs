//! Bad input and bad days, over real HTTP: each gets its code and its place, loses nothing and archives nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/full_disk.rs"]
mod full_disk;
#[path = "support/node.rs"]
mod node;

use archiland::digest::sha256;
use base64::Engine;
use full_disk::{FullDisk, Trouble};
use node::{Archive, Kind, percent, problem};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn form(archive: &Archive, token: &str, metadata: &Value, files: &[(&str, &'static str)]) -> reqwest::Response {
    let mut form = Form::new().part("metadata", Part::text(metadata.to_string()));
    for (name, content) in files {
        form = form.part("file", Part::text(*content).file_name((*name).to_owned()));
    }
    archive.request(Method::POST, "/v1/deposits", token).multipart(form).send().await.unwrap()
}

/// Sends bytes as they are and reads the answer until the server closes.
async fn raw(archive: &Archive, request: &[u8]) -> String {
    let address = archive.running.as_ref().unwrap().address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn metadata_that_cannot_be_used() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let cases = [
        (json!({ "title": "T", "type": "inconnu" }), 422, "unknown-type", "/type"),
        (json!({ "title": "T", "type": "ticket", "rule": "inconnue" }), 422, "unknown-rule", "/rule"),
        (json!({ "title": "T", "type": "ticket", "agency": "bb" }), 403, "foreign-agency", "/agency"),
        (json!({ "title": " ", "type": "ticket" }), 422, "field-missing", "/title"),
        (json!({ "title": "x".repeat(501), "type": "ticket" }), 422, "field-too-long", "/title"),
        (json!({ "title": "a\u{7}b", "type": "ticket" }), 422, "field-characters", "/title"),
        (json!({ "title": "T" }), 400, "metadata-syntax", ""),
        (json!({ "title": "T", "type": "ticket", "couleur": 1 }), 400, "metadata-syntax", "/couleur"),
        (json!({ "title": 3, "type": "ticket" }), 400, "metadata-syntax", "/title"),
        (
            json!({ "title": "T", "type": "ticket", "dates": { "created": "2026-02-30" } }),
            422,
            "date-invalid",
            "/dates/created",
        ),
        (
            json!({ "title": "T", "type": "ticket", "dates": { "created": "2999-01-01" } }),
            422,
            "date-future",
            "/dates/created",
        ),
        (
            json!({ "title": "T", "type": "ticket", "dates": { "start": "2026-02-01", "end": "2026-01-01" } }),
            422,
            "date-order",
            "/dates/end",
        ),
        (
            json!({ "title": "T", "type": "ticket", "payloads": [{ "name": "autre.txt" }] }),
            422,
            "payloads-differ",
            "/payloads/0/name",
        ),
        (
            json!({ "title": "T", "type": "ticket", "payloads": [{ "name": "a.txt", "size_bytes": 9 }] }),
            422,
            "size-mismatch",
            "/payloads/0/size_bytes",
        ),
        (
            json!({ "title": "T", "type": "ticket", "payloads": [{ "name": "a.txt", "sha256": "00".repeat(32) }] }),
            422,
            "digest-mismatch",
            "/payloads/0/sha256",
        ),
        (
            json!({ "title": "T", "type": "ticket", "payloads": [{ "name": "a.txt", "sha512": "x" }] }),
            422,
            "digest-syntax",
            "/payloads/0/sha512",
        ),
        (json!({ "title": "T", "type": "ticket", "description": "x".repeat(40_000) }), 413, "metadata-too-long", ""),
    ];
    for (metadata, status, code, pointer) in cases {
        let found = problem(form(&archive, &token, &metadata, &[("a.txt", "contenu")]).await, status, code).await;
        assert_eq!(found["pointer"].as_str().unwrap_or_default(), pointer, "{found}");
        assert!(found["detail"].as_str().unwrap().len() > 10);
    }
    let metadata = json!({ "title": "T", "type": "ticket", "agency": "zz" });
    problem(form(&archive, &archive.admin, &metadata, &[("a", "x")]).await, 422, "unknown-agency").await;
    assert!(archive.keys("payload").await.is_empty());
    archive.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_taken() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let ticket = json!({ "title": "T", "type": "ticket" });
    for (files, status, code, pointer) in [
        (&[][..], 422, "no-payload", "/payloads"),
        (&[("a.txt", "")][..], 422, "empty-payload", "/payloads/0"),
        (&[("a.txt", "x"), ("b.txt", "")][..], 422, "empty-payload", "/payloads/1"),
        (&[("a.txt", "x"), ("a.txt", "y")][..], 422, "name-twice", "/payloads/1/name"),
        (&[("../../etc/passwd", "x")][..], 422, "name-invalid", "/payloads/0/name"),
        (&[("C:\\x", "x")][..], 422, "name-invalid", "/payloads/0/name"),
    ] {
        let found = problem(form(&archive, &token, &ticket, files).await, status, code).await;
        assert_eq!(found["pointer"], pointer);
    }
    for (name, code) in [("d%E9lib.pdf", "name-encoding"), ("a%0Ab", "name-invalid"), ("..", "name-invalid")] {
        let request = archive.request(Method::POST, "/v1/deposits", &token);
        let request =
            request.header("Archiland-Title", "T").header("Archiland-Type", "ticket").header("Archiland-Name", name);
        problem(request.body("x").send().await.unwrap(), 422, code).await;
    }
    let long = archive.deposit(&token, &"n".repeat(256), "x").send().await.unwrap();
    problem(long, 422, "name-too-long").await;
    let empty = archive.deposit(&token, "vide", "").send().await.unwrap();
    problem(empty, 422, "empty-payload").await;
    let digest = base64::engine::general_purpose::STANDARD.encode(sha256(b"autre"));
    let wrong = archive.deposit(&token, "a", "contenu").header("Content-Digest", format!("sha-256=:{digest}:"));
    problem(wrong.send().await.unwrap(), 422, "digest-mismatch").await;
    let digest = base64::engine::general_purpose::STANDARD.encode(sha256(b"contenu"));
    assert!(archive.keys("payload").await.is_empty());
    let right = archive.deposit(&token, "a", "contenu").header("Content-Digest", format!("sha-256=:{digest}:"));
    assert_eq!(right.send().await.unwrap().status(), 201);
    archive.stop().await;
}

#[tokio::test]
async fn requests_that_cannot_be_read() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let post = || archive.request(Method::POST, "/v1/deposits", &token);
    problem(post().body("x").send().await.unwrap(), 422, "field-missing").await;
    let coded = archive.deposit(&token, "a", "x").header("Content-Encoding", "gzip");
    problem(coded.send().await.unwrap(), 415, "content-encoding").await;
    let key = archive.deposit(&token, "a", "x").header("Idempotency-Key", "a b");
    problem(key.send().await.unwrap(), 400, "idempotency-key").await;
    let boundary = post().header("content-type", "multipart/form-data").body("x");
    problem(boundary.send().await.unwrap(), 400, "malformed-body").await;
    let multipart =
        |body: &'static str| post().header("content-type", "multipart/form-data; boundary=b").body(body).send();
    problem(multipart("rien").await.unwrap(), 400, "malformed-body").await;
    problem(multipart("--b--\r\n").await.unwrap(), 400, "metadata-missing").await;
    let file_first = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n";
    problem(multipart(file_first).await.unwrap(), 400, "metadata-missing").await;
    let unfinished = "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"title\":\"T\",\"type\":\"ticket\"}\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx";
    problem(multipart(unfinished).await.unwrap(), 400, "body-cut").await;
    assert!(archive.keys("payload").await.is_empty());
    archive.stop().await;
}

#[tokio::test]
async fn a_body_cut_in_the_middle_archives_nothing() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let head = format!(
        "POST /v1/deposits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nArchiland-Title: T\r\nArchiland-Type: ticket\r\nArchiland-Name: a\r\nContent-Length: 3000000\r\n\r\n"
    );
    // Small enough for a pack, then large enough to have begun an object of its own.
    for sent in [10, 2_000_000] {
        let _ = raw(&archive, &[head.as_bytes(), &vec![b'x'; sent]].concat()).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(archive.keys("payload").await.is_empty());
    let metrics = archive.http.get(format!("{}/metrics", archive.url())).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("archiland_deposits_total 0"), "{metrics}");
    archive.stop().await;
}

#[tokio::test]
async fn limits_hold() {
    let adjust = |config: &mut archiland::config::Config| {
        config.limits.body_bytes_max = 100_000;
        config.limits.files_per_deposit_max = 3;
        config.limits.agency_requests_per_second_max = 1;
        config.limits.agency_requests_burst_max = 12;
        config.limits.body_idle_ms_max = 300;
        config.limits.header_ms_max = 300;
    };
    let mut archive = Archive::start_with(Kind::Memory, adjust, |objects| objects).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    // Announced, then not announced.
    problem(archive.deposit(&token, "a", vec![0; 200_000]).send().await.unwrap(), 413, "body-too-large").await;
    let chunks = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![0u8; 10_000])));
    let streamed = archive.deposit(&token, "a", reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    problem(streamed, 413, "body-too-large").await;
    let ticket = json!({ "title": "T", "type": "ticket" });
    let four = form(&archive, &token, &ticket, &[("a", "x"), ("b", "x"), ("c", "x"), ("d", "x")]).await;
    problem(four, 422, "too-many").await;

    // A body that stops coming, and headers that never end.
    let slow = futures::stream::unfold(0, |n| async move {
        tokio::time::sleep(std::time::Duration::from_millis(if n == 0 { 0 } else { 5_000 })).await;
        Some((Ok::<_, std::io::Error>("x"), n + 1))
    });
    let idle = archive.deposit(&token, "a", reqwest::Body::wrap_stream(slow)).send().await.unwrap();
    problem(idle, 408, "body-idle").await;
    let address = archive.running.as_ref().unwrap().address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /v1/deposits HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "a slow client is let go");
    assert!(archive.keys("payload").await.is_empty());

    let mut limited = None;
    for _ in 0..12 {
        let response = archive.deposit(&token, "a", "x").send().await.unwrap();
        if response.status() == 429 {
            limited = Some(response);
        }
    }
    let limited = limited.expect("the bucket runs dry");
    assert_eq!(limited.headers()["retry-after"], "1");
    problem(limited, 429, "rate-limited").await;
    archive.stop().await;
}

#[tokio::test]
async fn a_full_disk_and_a_store_that_fails() {
    let trouble = Arc::new(Trouble::default());
    let wrap = {
        let trouble = trouble.clone();
        |objects| Arc::new(FullDisk { objects, trouble }) as Arc<dyn object_store::ObjectStore>
    };
    let mut archive = Archive::start_with(Kind::Local, |_| {}, wrap).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let post = |content: Vec<u8>| archive.deposit(&token, "a", content).header("Idempotency-Key", "k").send();
    for size in [10, 9_000_000] {
        trouble.set(full_disk::FULL);
        problem(post(vec![b'x'; size]).await.unwrap(), 507, "store-full").await;
        trouble.set(full_disk::BROKEN);
        let response = post(vec![b'x'; size]).await.unwrap();
        assert_eq!(response.headers()["retry-after"], "5");
        problem(response, 503, "store-unavailable").await;
    }
    trouble.set(full_disk::NONE);
    // Nothing was promised, nothing was lost: the same request succeeds now.
    let response = post(vec![b'x'; 10]).await.unwrap();
    assert_eq!(response.status(), 201);
    let href =
        format!("{}/payloads/0", response.headers()["location"].to_str().unwrap().replace("deposits", "archives"));
    assert_eq!(archive.get(&href, &token).await.text().await.unwrap(), "xxxxxxxxxx");
    archive.stop().await;
}

#[tokio::test]
async fn refusals_are_in_the_journal() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    problem(archive.deposit(&token, "vide", "").send().await.unwrap(), 422, "empty-payload").await;
    let log = archiland::sequencer::LogReader::new(archive.bucket.objects.clone());
    let recorded = async {
        loop {
            let size = log.published().await.unwrap().size;
            let records = log.records(0..size, size).await.unwrap();
            let last: Value = serde_json::from_slice(records.last().unwrap()).unwrap();
            if last["type"] == "refusal" {
                return last;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let refusal = tokio::time::timeout(std::time::Duration::from_secs(10), recorded).await.unwrap();
    assert_eq!((refusal["agency"].as_str(), refusal["body"]["code"].as_str()), (Some("aa"), Some("empty-payload")));
    let _ = percent("");
    archive.stop().await;
}
