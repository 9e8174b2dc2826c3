//! The promises of the HTTP edge, over real HTTP on a loopback node: what goes in comes out, a retry archives once, an
//! agency sees its own archives only. What is refused is in `deposit_refusals.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/node.rs"]
mod node;

use archiland::receipt::Receipt;
use archiland::verify::{self, Outcome, Trust};
use node::{Archive, Kind, percent, problem};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn trust(archive: &Archive) -> Trust {
    Trust::load(&archive.config.keys.join("trust.toml")).unwrap()
}

#[tokio::test]
async fn a_document_in_a_proof_out() {
    for kind in [Kind::Memory, Kind::Local] {
        let mut archive = Archive::start(kind).await;
        let (token, _) = archive.agency("200040475", &["deposit", "read"]).await;
        let response = archive.deposit(&token, "délib.pdf", "%PDF-1.7 contenu").send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let json = response.bytes().await.unwrap();
        let receipt = Receipt::parse(&json).unwrap();
        let report = verify::receipt(&receipt, &trust(&archive));
        assert_eq!(report.outcome, Outcome::Valid, "{report:?}");

        let state: Value = archive.get(&location, &token).await.json().await.unwrap();
        assert_eq!(state["title"], "Délibération n° 12");
        assert_eq!(state["rule"], "deliberation");
        let href = state["payloads"][0]["href"].as_str().unwrap();
        let payload = archive.get(href, &token).await;
        assert_eq!(payload.headers()["content-type"], "application/pdf");
        assert_eq!(payload.headers()["content-disposition"], "attachment; filename*=UTF-8''d%C3%A9lib.pdf");
        assert_eq!(payload.text().await.unwrap(), "%PDF-1.7 contenu");

        // The receipt asked for later, and after a restart, is the one that was given.
        for _ in 0..2 {
            let again = archive.get(state["receipt"].as_str().unwrap(), &token).await.bytes().await.unwrap();
            assert_eq!(again, json);
            archive.restart().await;
        }
        archive.stop().await;
    }
}

#[tokio::test]
async fn several_files_small_and_large_in_one_deposit() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    // Above the packs' limit, and not compressible.
    let large: Vec<u8> = (0..3_000_000u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    let metadata = json!({
        "title": "Budget 2026", "type": "budget", "external_id": "B-2026",
        "dates": { "created": "2026-03-31", "start": "2026-01-01", "end": "2026-12-31" },
        "agents": [{ "role": "originating-agency", "name": "Commune d'Aire" }],
        "links": [{ "relation": "replaces", "target": "B-2025" }],
        "payloads": [{ "name": "notice.txt", "size_bytes": 8 }, { "name": "budget.bin", "size_bytes": large.len() }],
    });
    let form = Form::new()
        .part("metadata", Part::text(metadata.to_string()))
        .part("files", Part::bytes("Notice.\n".as_bytes()).file_name("notice.txt"))
        .part("files", Part::bytes(large.clone()).file_name("budget.bin"));
    let response = archive.request(Method::POST, "/v1/deposits", &token).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let receipt = Receipt::parse(&response.bytes().await.unwrap()).unwrap();
    let name = receipt.archive.to_string();
    let record: Value = archive.get(&format!("/v1/archives/{}", percent(&name)), &token).await.json().await.unwrap();
    assert_eq!(record["archive"], name.as_str());
    assert_eq!(record["record"]["body"]["dates"]["end"], "2026-12-31");
    assert_eq!(record["record"]["body"]["payloads"][1]["size_bytes"], 3_000_000);
    let file = archive.dir.path().join("budget.bin");
    let href = format!("/v1/archives/{}/payloads/1", percent(&name));
    std::fs::write(&file, archive.get(&href, &token).await.bytes().await.unwrap()).unwrap();
    assert_eq!(verify::file(&file, &receipt, &trust(&archive)).outcome, Outcome::Valid);
    assert_eq!(std::fs::read(&file).unwrap(), large);

    // A range of the large one reads across its frames' edges.
    let ranged = archive.request(Method::GET, &href, &token).header("range", "bytes=2999990-").send().await.unwrap();
    assert_eq!(ranged.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(ranged.headers()["content-range"], "bytes 2999990-2999999/3000000");
    assert_eq!(ranged.bytes().await.unwrap(), large[2_999_990..]);
    archive.stop().await;
}

#[tokio::test]
async fn ranges_and_entity_tags() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    let response = archive.deposit(&token, "a.txt", "0123456789").send().await.unwrap();
    let state: Value =
        archive.get(response.headers()["location"].to_str().unwrap(), &token).await.json().await.unwrap();
    let href = state["payloads"][0]["href"].as_str().unwrap();
    let ask = |name: &'static str, value: String| archive.request(Method::GET, href, &token).header(name, value).send();

    let part = ask("range", "bytes=2-4".into()).await.unwrap();
    assert_eq!((part.status(), part.content_length()), (StatusCode::PARTIAL_CONTENT, Some(3)));
    let etag = part.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(part.text().await.unwrap(), "234");
    assert_eq!(etag, format!("\"{}\"", state["payloads"][0]["sha256"].as_str().unwrap()));
    assert_eq!(ask("range", "bytes=-2".into()).await.unwrap().text().await.unwrap(), "89");
    let whole = ask("range", "bytes=0-1,4-5".into()).await.unwrap();
    assert_eq!((whole.status(), whole.text().await.unwrap().as_str()), (StatusCode::OK, "0123456789"));
    let beyond = ask("range", "bytes=10-".into()).await.unwrap();
    assert_eq!(beyond.headers()["content-range"], "bytes */10");
    problem(beyond, 416, "range-unsatisfiable").await;
    let known = ask("if-none-match", etag.clone()).await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let stale = archive
        .request(Method::GET, href, &token)
        .header("range", "bytes=0-1")
        .header("if-range", "\"autre\"")
        .send()
        .await
        .unwrap();
    assert_eq!(stale.status(), StatusCode::OK);
    let head = archive.request(Method::HEAD, href, &token).send().await.unwrap();
    assert_eq!((head.status(), head.headers()["content-length"].as_bytes()), (StatusCode::OK, &b"10"[..]));
    archive.stop().await;
}

#[tokio::test]
async fn forms_of_a_receipt() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    let response = archive.deposit(&token, "a.txt", "contenu").send().await.unwrap();
    let name = response.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for (form, media_type, start) in [
        (".json", "application/json", &b"{"[..]),
        (".tlog-proof", "text/plain; charset=utf-8", b"c2sp.org/tlog-proof@v1\n"),
        (".tsr", "application/timestamp-reply", b"\x30\x82"),
        (".p7s", "application/pkcs7-mime; smime-type=signed-data", b"\x30\x82"),
        (".zip", "application/zip", b"PK\x03\x04"),
    ] {
        let response = archive.get(&format!("/v1/receipts/{name}{form}"), &token).await;
        assert_eq!(response.headers()["content-type"], media_type);
        assert!(response.bytes().await.unwrap().starts_with(start), "{form}");
    }
    problem(archive.get(&format!("/v1/receipts/{name}.exe"), &token).await, 404, "not-found").await;
    archive.stop().await;
}

#[tokio::test]
async fn a_retry_archives_once() {
    for kind in [Kind::Memory, Kind::Local] {
        let mut archive = Archive::start(kind).await;
        let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
        let send = |archive: &Archive, token: &str, content: &'static str| {
            archive.deposit(token, "a.txt", content).header("Idempotency-Key", "facture-1").send()
        };
        let first = send(&archive, &token, "contenu").await.unwrap();
        assert_eq!(first.status(), 201);
        let first = first.bytes().await.unwrap();
        for restart in [false, true] {
            if restart {
                archive.restart().await;
            }
            let again = send(&archive, &token, "contenu").await.unwrap();
            assert_eq!(again.status(), 200);
            assert_eq!(again.bytes().await.unwrap(), first);
            problem(send(&archive, &token, "autre").await.unwrap(), 409, "idempotency-conflict").await;
        }
        // Another agency's key is another key.
        let (other, _) = archive.agency("bb", &["deposit"]).await;
        assert_eq!(send(&archive, &other, "contenu").await.unwrap().status(), 201);
        assert_eq!(archive.keys("payload/aa").await.len(), 1);
        archive.stop().await;
    }
}

#[tokio::test]
async fn concurrent_posts_with_one_key_make_one_archive() {
    let mut archive = Archive::start(Kind::Local).await;
    let (token, _) = archive.agency("aa", &["deposit", "read"]).await;
    for round in 0..4 {
        let posts = (0..16)
            .map(|_| archive.deposit(&token, "a.txt", "contenu").header("Idempotency-Key", format!("k{round}")).send());
        let mut receipts = Vec::new();
        let mut created = 0;
        for response in futures::future::join_all(posts).await {
            let response = response.unwrap();
            created += usize::from(response.status() == 201);
            assert!(response.status().is_success());
            receipts.push(response.bytes().await.unwrap());
        }
        assert_eq!(created, 1);
        assert!(receipts.iter().all(|receipt| receipt == &receipts[0]));
    }
    archive.stop().await;
}

#[tokio::test]
async fn an_agency_sees_its_own_archives_only() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (mine, _) = archive.agency("aa", &["deposit", "read"]).await;
    let (theirs, _) = archive.agency("bb", &["deposit", "read"]).await;
    let (auditor, _) = archive.token(json!({ "agency": "bb", "scopes": ["audit"] })).await;
    let response = archive.deposit(&mine, "secret.txt", "contenu").send().await.unwrap();
    let name = response.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for path in [
        format!("/v1/deposits/{name}"),
        format!("/v1/receipts/{name}"),
        format!("/v1/receipts/{name}.zip"),
        format!("/v1/archives/{name}"),
        format!("/v1/archives/{name}/payloads/0"),
    ] {
        assert_eq!(archive.get(&path, &mine).await.status(), 200, "{path}");
        assert_eq!(archive.get(&path, &auditor).await.status(), 200, "{path}");
        let hidden = problem(archive.get(&path, &theirs).await, 404, "not-found").await;
        // Not told apart from what does not exist.
        let absent = problem(archive.get("/v1/archives/inconnu", &theirs).await, 400, "identifier-invalid").await;
        assert_ne!(hidden, absent);
        let nobody = archive.http.get(format!("{}{path}", archive.url())).send().await.unwrap();
        assert_eq!(nobody.headers()["www-authenticate"], "Bearer realm=\"archiland\"");
        problem(nobody, 401, "unauthenticated").await;
    }
    let found = |token: &str, query: &'static str| {
        let response = archive.request(Method::GET, &format!("/v1/archives?{query}"), token).send();
        async { response.await.unwrap().json::<Value>().await.unwrap()["archives"].as_array().unwrap().len() }
    };
    // Look-ups are seconds fresh.
    let seen = async {
        while found(&mine, "type=deliberation").await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.unwrap();
    assert_eq!(found(&theirs, "type=deliberation").await, 0);
    assert_eq!(found(&theirs, "agency=aa").await, 0);
    assert_eq!(found(&auditor, "agency=aa").await, 1);
    assert_eq!(found(&mine, "from=2020-01-01&to=2020-12-31").await, 0);
    problem(archive.get("/v1/archives?sha256=zz", &mine).await, 400, "request-invalid").await;
    problem(archive.get("/v1/archives?couleur=bleu", &mine).await, 400, "request-invalid").await;
    archive.stop().await;
}

#[tokio::test]
async fn credentials_end() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, name) = archive.agency("aa", &["deposit"]).await;
    problem(archive.get("/v1/tokens", &token).await, 403, "forbidden").await;
    problem(archive.get("/v1/archives", &token).await, 403, "forbidden").await;
    problem(archive.deposit("archi_faux", "a", "x").send().await.unwrap(), 401, "unauthenticated").await;

    let revoked = archive.request(Method::DELETE, &format!("/v1/tokens/{name}"), &archive.admin).send().await.unwrap();
    assert_eq!(revoked.status(), 204);
    problem(archive.deposit(&token, "a", "x").send().await.unwrap(), 401, "token-revoked").await;
    let (past, _) =
        archive.token(json!({ "agency": "aa", "scopes": ["deposit"], "expires": "2020-01-01T00:00:00.000Z" })).await;
    problem(archive.deposit(&past, "a", "x").send().await.unwrap(), 401, "token-expired").await;

    let listed: Value = archive.get("/v1/tokens", &archive.admin).await.json().await.unwrap();
    let listed = listed["tokens"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().any(|t| t["token"] == name.as_str() && t["revoked"] == true));
    assert!(!serde_json::to_string(listed).unwrap().contains("archi_"));
    let unknown = archive
        .request(Method::POST, "/v1/tokens", &archive.admin)
        .json(&json!({ "agency": "zz", "scopes": ["read"] }))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(unknown, 400, "request-invalid").await["pointer"], "/agency");
    archive.stop().await;
}

#[tokio::test]
async fn the_public_log_is_for_anyone() {
    let mut archive = Archive::start(Kind::Memory).await;
    let (token, _) = archive.agency("aa", &["deposit"]).await;
    assert_eq!(archive.deposit(&token, "a", "x").send().await.unwrap().status(), 201);
    let get = |path: &'static str| archive.http.get(format!("{}/log/{path}", archive.url())).send();
    let checkpoint = get("checkpoint").await.unwrap();
    assert_eq!(checkpoint.headers()["cache-control"], "no-cache");
    assert_eq!(checkpoint.headers()["access-control-allow-origin"], "*");
    let size: u64 = checkpoint.text().await.unwrap().lines().nth(1).unwrap().parse().unwrap();
    let tile = archive.http.get(format!("{}/log/tile/0/000.p/{size}", archive.url())).send().await.unwrap();
    assert_eq!(tile.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(tile.bytes().await.unwrap().len() as u64, 32 * size);
    for hidden in ["../head", "..%2Fhead", "tile/0/..%2F..%2Fhead", "tile/9/000", "staging/x"] {
        assert_eq!(get(hidden).await.unwrap().status(), 404, "{hidden}");
    }
    let preflight =
        archive.http.request(Method::OPTIONS, format!("{}/log/checkpoint", archive.url())).send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    archive.stop().await;
}

#[tokio::test]
async fn operation() {
    let mut archive = Archive::start(Kind::Memory).await;
    let get = |path: &'static str| archive.http.get(format!("{}{path}", archive.url())).send();
    assert_eq!(get("/healthz").await.unwrap().text().await.unwrap(), "ok\n");
    let ready: Value = get("/readyz").await.unwrap().json().await.unwrap();
    assert_eq!((ready["ready"].as_bool(), ready["log_size"].as_u64()), (Some(true), Some(2)));
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("archiland_log_size 2") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(get("/v1/openapi.json").await.unwrap().json::<Value>().await.unwrap()["openapi"].is_string());
    problem(get("/inconnu").await.unwrap(), 404, "not-found").await;
    problem(get("/v1/deposits").await.unwrap(), 405, "method-not-allowed").await;
    let english = archive.http.get(format!("{}/inconnu", archive.url())).header("accept-language", "en");
    assert_eq!(problem(english.send().await.unwrap(), 404, "not-found").await["title"], "Not found");
    let url = archive.url().to_owned();
    assert_eq!(archiland::daemon::running(&archive.config.state).unwrap().url, url);
    archive.stop().await;
    assert_eq!(archiland::daemon::running(&archive.config.state), None);
}
